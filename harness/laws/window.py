"""Windows that the data cut: the sizes up to the least mean loss, and whether an exponent hangs on the cut."""

from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike

from harness.laws.points import size_means
from harness.laws.result import Caution, Fit


def until_minimum(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Which rows lie at sizes up to the one with the least geometric mean loss [n]; x and y have one entry per run.

    Of sizes with exactly equal means the largest ends the window. Noise ends it too, where losses hardly fall: of
    made-up pure laws (7 sizes of 5 seeds over 3 decades, sd of ln y .1) it cut 3 % at an exponent of .1, 36 % at .03,
    82 % at 0, and intervals at a nominal 95 % covered 96, 95 and 90 %. So show the exponent without the window too
    (`warn_of_cut`). Raises HarnessError on rows that are not finite and positive.
    """
    points = size_means(x, y)
    least = points.sizes[points.means == points.means.min(initial=np.inf)]
    return np.asarray(x, dtype=float) <= least.max(initial=-np.inf)


def warn_of_cut(within: Fit, everywhere: Fit) -> Fit:
    """The fit within a window that the data cut, with the caution WINDOW if the sizes beyond give another exponent.

    `everywhere` is the same law fitted to those sizes too. Another exponent is one outside of the interval of the fit
    within, or a refusal. A refused fit has no exponent to warn of and comes back as it is.
    """
    if within.refusals or within.alpha_interval is None:
        return within
    interval = within.alpha_interval
    if everywhere.alpha is not None and interval.low <= everywhere.alpha <= interval.high:
        return within
    refused = ", ".join(refusal.code for refusal in everywhere.refusals)
    reason = (
        f"the data cut the window at size {within.points.sizes[-1]:.4g}, and the exponent hangs on that: "
        f"{within.alpha:.3g} within, {refused or f'{everywhere.alpha:.3g}'} with the sizes up to "
        f"{everywhere.points.sizes[-1]:.4g}. Quote both, and find out why the larger models are no better."
    )
    return replace(within, warnings=(*within.warnings, Caution("WINDOW", reason)))
