"""Two made-up arms whose laws are known, and what closed forms say of pure laws."""

from dataclasses import dataclass

import numpy as np

from benchmarks.arms import runs_of
from harness.laws import fit_law


def law_of(arm):
    return "floor" if arm.floor else "pure"


def fit_of(arm, rng, level=0.95):
    return fit_law(*runs_of(arm, rng), law_of(arm), level)


def fits(first, second, replicates, seed):
    """Pairs of fits of both arms, without those that are refused, which must be few."""
    rng = np.random.default_rng(seed)
    pairs = [(fit_of(first, rng), fit_of(second, rng)) for _ in range(replicates)]
    kept = [pair for pair in pairs if not (pair[0].refusals or pair[1].refusals)]
    assert len(kept) >= 0.95 * replicates
    return kept


@dataclass(frozen=True)
class Line:
    """Least squares of ln y on u = ln x: the pure law in closed form."""

    slope: float
    mean_u: float
    mean_v: float
    squares: float
    variance: float
    n: int

    def at(self, u):
        """The line and its variance at ln sizes u."""
        away = u - self.mean_u
        return self.mean_v + self.slope * away, self.variance * (
            1 / self.n + away**2 / self.squares
        )


def line_of(fit):
    u, v = np.log(fit.points.sizes), np.log(fit.points.means)
    centred = u - u.mean()
    squares = float(centred @ centred)
    slope = float(centred @ v / squares)
    residuals = v - v.mean() - slope * centred
    return Line(
        slope, u.mean(), v.mean(), squares, float(residuals @ residuals) / (len(u) - 2), len(u)
    )


def welch(variance, dof, other_variance, other_dof):
    """Welch and Satterthwaite's degrees of freedom of a difference."""
    return (variance + other_variance) ** 2 / (variance**2 / dof + other_variance**2 / other_dof)
