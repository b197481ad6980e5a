"""Poisson's equation of the KAN paper's sec. 3.4 (Liu et al. 2024, arXiv 2404.19756), learnt from
the equation alone.

    lap u = f on [-1, 1]^2, u = 0 on its boundary; f is chosen so that u = sin(pi x) sin(pi y^2)

(pykan's tutorial has sin(pi x) sin(pi y) instead.) Training sees f at points inside and 0 at points
of the four sides.
"""

from dataclasses import dataclass
from math import ceil, sqrt
from typing import ClassVar

import numpy as np
from numpy import cos, pi, sin

from harness.spec.task import RunTask
from harness.tasks import loss
from harness.tasks.function import Function, Values
from harness.tasks.samples import Array, Samples, Splits, stream


def solution(x: Array) -> Array:
    """u of points [n, 2], as [n]."""
    return sin(pi * x[:, 0]) * sin(pi * x[:, 1] ** 2)


def gradient(x: Array) -> Array:
    """grad u of points [n, 2], as [n, 2]."""
    a, b = x.T
    return np.stack(
        [pi * cos(pi * a) * sin(pi * b**2), 2 * pi * b * sin(pi * a) * cos(pi * b**2)], 1
    )


def laplacian(x: Array) -> Array:
    """lap u = f of points [n, 2], as [n]."""
    a, b = x.T
    return sin(pi * a) * (2 * pi * cos(pi * b**2) - pi**2 * (1 + 4 * b**2) * sin(pi * b**2))


@dataclass(frozen=True, kw_only=True)
class Equation(Function):
    """A PDE on [-1, 1]^2, learnt and validated at points inside and on the boundary, and tested by
    quadrature.

    `function` is its solution, which is 0 on the boundary, with `gradient` [n, 2] and `laplacian`
    [n]; training sees the Laplacian alone.
    """

    gradient: Values
    laplacian: Values
    can_be_noisy: ClassVar = False
    # What sec. 3.4 of the KAN paper takes for Poisson's equation.
    settings: ClassVar = {"boundary_points": 800, "interior_weight": 0.01}

    def draw(self, task: RunTask, seed: int) -> Splits:
        """Points inside and on the boundary from a stream for each split; nodes of a quadrature,
        which have no seed.
        """
        return Splits(
            train=self._collocation(task, stream(seed, "train"), task.train_points),
            validation=self._collocation(task, stream(seed, "validation"), task.validation_points),
            test=self._quadrature(task.test_points),
        )

    def _collocation(self, task: RunTask, generator: np.random.Generator, inside: int) -> Samples:
        """So many uniform points inside, where y is f, and then the task's points of the sides,
        where y is 0.
        """
        assert task.boundary_points
        assert task.interior_weight
        x = generator.uniform(-1, 1, (inside, 2))
        # A point of the boundary, cut open and laid out straight, is uniform on [0, 4).
        side, along = np.divmod(generator.uniform(0, 4, task.boundary_points), 1)
        edge = np.where(side % 2, 1.0, -1.0)
        across = np.where(side < 2, edge, 2 * along - 1), np.where(side < 2, 2 * along - 1, edge)
        y = np.concatenate([self.laplacian(x), np.zeros(task.boundary_points)])
        points = np.concatenate([x, np.stack(across, 1)])
        return Samples(points, y[:, None], loss.Equation(inside, task.interior_weight))

    def _quadrature(self, nodes: int) -> Samples:
        """Gauss-Legendre nodes of the square, at least as many, a whole number a variable; weights
        that sum to 1.
        """
        points, weights = np.polynomial.legendre.leggauss(ceil(sqrt(nodes)))
        x = np.stack(np.meshgrid(points, points, indexing="ij"), -1).reshape(-1, 2)
        shares = np.outer(weights, weights).ravel() / 4
        return Samples(x, self.function(x)[:, None], loss.Quadrature(shares, self.gradient(x)))


TASKS = {
    "poisson": Equation(
        solution,
        inputs=2,
        formula="u with Δu = f on [-1, 1]², 0 on the boundary; u = sin(πx) sin(πy²)",
        source="Liu et al. 2024, arXiv 2404.19756v5, sec. 3.4 and Fig. 3.3",
        only_box="it is a PDE on [-1, 1]^2",
        gradient=gradient,
        laplacian=laplacian,
    )
}
