"""Networks as targets: what a student of the same kind can learn to the last digits (Michaud, Liu &
Tegmark 2022).

A tanh MLP 1-3-3-1 whose weights and biases are standard normal, on [-1, 1]. The authors' code
(precision-ml) trains a student 1-20-20-1 on such a teacher. How it draws one is not known here: the
weights are a choice, and there are five.
"""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise

import numpy as np

from harness.tasks.function import Function
from harness.tasks.samples import Array

SHAPE = (1, 3, 3, 1)
TEACHERS = 5


def tanh_teacher(number: int, x: Array) -> Array:
    """The teacher of that number, whose weights come from a generator with it as seed; x [n, 1] ->
    [n].
    """
    generator = np.random.default_rng(number)
    return tanh_mlp(
        [
            (generator.standard_normal((a, b)), generator.standard_normal(b))
            for a, b in pairwise(SHAPE)
        ],
        x,
    )


def tanh_mlp(layers: Sequence[tuple[Array, Array]], x: Array) -> Array:
    """The one output [n] of an MLP of these weights and biases, with tanh between layers."""
    for layer, (weight, bias) in enumerate(layers):
        x = (np.tanh(x) if layer else x) @ weight + bias
    return x[:, 0]


def _target(number: int) -> Function:
    function: Callable[[Array], Array] = partial(tanh_teacher, number)
    words = f"tanh MLP [1,3,3,1], weights and biases N(0, 1) from seed {number}"
    return Function(
        function, inputs=1, formula=words, source="after Michaud et al. 2022, arXiv 2210.13447"
    )


TASKS = {f"tanh_teacher_{number}": _target(number) for number in range(TEACHERS)}
