"""The five Gaussian peaks of the KAN paper's Fig. 3.4 (Liu et al. 2024, arXiv 2404.19756, sec.
3.5).

The paper shows the picture; the formula and the training points are those of pykan's tutorial:
equally many on each peak, evenly from 0.2 left of it to 0.2 right of it, both ends included.
"""

import numpy as np

from harness.tasks.function import Function
from harness.tasks.samples import Array
from harness.tasks.target import TargetError

CENTRES = (-0.8, -0.4, 0.0, 0.4, 0.8)
REACH = 0.2  # of training points to both sides of a centre: those of two peaks just touch


def five_peaks(x: Array) -> Array:
    """Sum over the centres c of exp(-300 (x - c)^2); x [n, 1] -> [n]."""
    return np.exp(-300 * (x - np.array(CENTRES)) ** 2).sum(1)


def even_points(count: int) -> Array:
    """`count` points, [count, 1], peak by peak from left to right."""
    of_peak, over = divmod(count, len(CENTRES))
    if over:
        raise TargetError(
            f"target five_peaks: train_points={count} is no multiple of its {len(CENTRES)} peaks"
        )
    return np.concatenate(
        [np.linspace(centre - REACH, centre + REACH, of_peak) for centre in CENTRES]
    )[:, None]


TASKS = {
    "five_peaks": Function(
        five_peaks,
        inputs=1,
        formula="Σ exp(-300 (x-c)²), c = -0.8, -0.4, 0, 0.4, 0.8",
        source=(
            "Liu et al. 2024, arXiv 2404.19756v5, Fig. 3.4; pykan 0.0.2, tutorial on continual "
            "learning"
        ),
        train_points=even_points,
        only_box="its training points are those of [-1, 1]",
    )
}
