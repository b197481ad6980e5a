"""Poisson's equation of the KAN paper's sec. 3.4 (Liu et al. 2024, arXiv 2404.19756), learnt from the equation alone.

    lap u = f on [-1, 1]^2, u = 0 on its boundary; f is chosen so that u = sin(pi x) sin(pi y^2)

(pykan's tutorial has sin(pi x) sin(pi y) instead.) Training sees f at points inside and 0 at points of the four sides.
"""

from math import ceil, sqrt

import numpy as np
from numpy import cos, pi, sin
from numpy.typing import NDArray

from harness.spec import RunTask
from harness.tasks.target import Inside, Quadrature, Samples, Target

Array = NDArray[np.float64]


def solution(x: Array) -> Array:
    """u of points [n, 2], as [n]."""
    return sin(pi * x[:, 0]) * sin(pi * x[:, 1] ** 2)


def gradient(x: Array) -> Array:
    """grad u of points [n, 2], as [n, 2]."""
    a, b = x.T
    return np.stack([pi * cos(pi * a) * sin(pi * b**2), 2 * pi * b * sin(pi * a) * cos(pi * b**2)], 1)


def laplacian(x: Array) -> Array:
    """lap u = f of points [n, 2], as [n]."""
    a, b = x.T
    return sin(pi * a) * (2 * pi * cos(pi * b**2) - pi**2 * (1 + 4 * b**2) * sin(pi * b**2))


PDE_TARGETS = {
    "poisson": Target(
        solution,
        inputs=2,
        formula="u with Δu = f on [-1, 1]², 0 on the boundary; u = sin(πx) sin(πy²)",
        source="Liu et al. 2024, arXiv 2404.19756v5, sec. 3.4 and Fig. 3.3",
        version="1",
        only_box="it is a PDE on [-1, 1]^2",
        gradient=gradient,
        laplacian=laplacian,
    )
}


def collocation(target: Target, task: RunTask, generator: np.random.Generator, inside: int) -> Samples:
    """So many uniform points inside, where y is f, and then the task's points of the sides, where y is 0."""
    assert target.laplacian
    assert task.boundary_points
    assert task.interior_weight
    x = generator.uniform(-1, 1, (inside, 2))
    # A point of the boundary, cut open and laid out straight, is uniform on [0, 4).
    side, along = np.divmod(generator.uniform(0, 4, task.boundary_points), 1)
    edge = np.where(side % 2, 1.0, -1.0)
    across = np.where(side < 2, edge, 2 * along - 1), np.where(side < 2, 2 * along - 1, edge)
    y = np.concatenate([target.laplacian(x), np.zeros(task.boundary_points)])
    return Samples(np.concatenate([x, np.stack(across, 1)]), y[:, None], Inside(inside, task.interior_weight))


def quadrature(target: Target, nodes: int) -> Samples:
    """Gauss-Legendre nodes of the square, at least as many, a whole number a variable; weights that sum to 1."""
    assert target.gradient
    points, weights = np.polynomial.legendre.leggauss(ceil(sqrt(nodes)))
    x = np.stack(np.meshgrid(points, points, indexing="ij"), -1).reshape(-1, 2)
    shares = np.outer(weights, weights).ravel() / 4
    return Samples(x, target.function(x)[:, None], quadrature=Quadrature(shares, target.gradient(x)))
