"""The five toy functions of the KAN paper's Fig. 3.1 (Liu et al. 2024, arXiv 2404.19756, sec. 3.1).

All are learnt on [-1, 1]^d from points drawn uniformly (pykan's `create_dataset`). The paper prints the functions; it
does not say how many training points each panel used, apart from 1000 in sec. 2.4.
"""

import numpy as np
from scipy.special import j0 as bessel_j0

from harness.tasks.function import Function
from harness.tasks.samples import Array


def j0(x: Array) -> Array:
    """J0(20 x), the Bessel function of the first kind and order zero; x [n, 1] -> [n]."""
    return bessel_j0(20 * x[:, 0])


def exp2d(x: Array) -> Array:
    """exp(sin(pi x) + y^2); x [n, 2] -> [n]."""
    return np.exp(np.sin(np.pi * x[:, 0]) + x[:, 1] ** 2)


def xy(x: Array) -> Array:
    """The product x y; x [n, 2] -> [n]."""
    return x[:, 0] * x[:, 1]


def exp100d(x: Array) -> Array:
    """exp(1/100 sum_i sin^2(pi x_i / 2)); x [n, 100] -> [n]."""
    return np.exp(np.mean(np.sin(np.pi * x / 2) ** 2, axis=1))


def exp4d(x: Array) -> Array:
    """exp(1/2 (sin(pi (x1^2 + x2^2)) + sin(pi (x3^2 + x4^2)))); x [n, 4] -> [n]."""
    first = np.sin(np.pi * (x[:, 0] ** 2 + x[:, 1] ** 2))
    second = np.sin(np.pi * (x[:, 2] ** 2 + x[:, 3] ** 2))
    return np.exp((first + second) / 2)


FIGURE = "Liu et al. 2024, arXiv 2404.19756v5, Fig. 3.1, panel {}"
TASKS = {
    "j0": Function(j0, inputs=1, formula="J0(20x)", source=FIGURE.format(1)),
    "exp2d": Function(exp2d, inputs=2, formula="exp(sin(πx) + y²)", source=FIGURE.format("2, and Fig. 2.3")),
    "xy": Function(xy, inputs=2, formula="xy", source=FIGURE.format(3)),
    "exp100d": Function(exp100d, inputs=100, formula="exp(Σ sin²(πxᵢ/2)/100)", source=FIGURE.format(4)),
    # The panel's title omits pi and 1/2; the text has them.
    "exp4d": Function(exp4d, inputs=4, formula="exp((sin(π(x₁²+x₂²)) + sin(π(x₃²+x₄²)))/2)", source=FIGURE.format(5)),
}
