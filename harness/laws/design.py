"""Which runs to make next: those after which the interval of a quantity is shortest, if the law
goes on as it is.

By the delta method: from the law's Jacobian and the noise of runs, with Student's t of the degrees
of freedom to come.
"""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import t as t_distribution

from harness.laws.ahead import new_variances
from harness.laws.profile import Region
from harness.laws.result import Fit
from harness.laws.solve import residuals_of

STEP = (
    np.log(10) / 2
)  # that new runs may go beyond the largest of the table, in ln; a grid has two levels in it
# of the variance about a law, taken for what runs of one place share where the table does not tell
PLACE_SHARE = 0.5
EQUAL = 1e-6  # in ln size, or relative to a budget
MOST_ROUNDS = 20
NEAR = 1e-5  # of a parameter, for gradients


def grid(u: np.ndarray) -> np.ndarray:
    """Places within a table's u [n] or [n, 2], and one step beyond its largest; D / N stays within
    the table's.
    """
    if u.ndim == 1:
        return np.arange(u.min(), u.max() + STEP + EQUAL, STEP / 2)
    places = np.array(list(itertools.product(*map(grid, u.T))))
    ratios, of_table = places[:, 1] - places[:, 0], u[:, 1] - u[:, 0]
    return places[(ratios > of_table.min() - EQUAL) & (ratios < of_table.max() + EQUAL)]


def grid_of_arms(u: np.ndarray) -> np.ndarray:
    """The same of a law of both arms, whose u [n, 2] are of a size and an arm: places of each."""
    grids = [(arm, grid(u[u[:, 1] == arm, 0])) for arm in np.unique(u[:, 1])]
    return np.concatenate([np.column_stack([own, np.full(own.size, arm)]) for arm, own in grids])


def gradient_of(quantity: Callable[[np.ndarray], Any], p: np.ndarray) -> np.ndarray:
    """Of a quantity by the parameters [P]."""
    return np.array(
        [quantity(p + step) - quantity(p - step) for step in NEAR * np.eye(p.size)], float
    ) / (2 * NEAR)


@dataclass(frozen=True)
class Search:
    """Places u [m] or [m, k] of a law for new runs, and how short these make the interval of a
    quantity.

    `gradient` [P] is the quantity's. `costs` [m] are of one run, `made` [m] are the runs that the
    table has there, and `most` is how many new ones a place can have. `fit` is the law of a curve,
    whose noise is known better.
    """

    known: Region
    gradient: np.ndarray
    level: float
    u: np.ndarray
    costs: np.ndarray
    made: np.ndarray
    fit: Fit | None = None
    most: float = np.inf

    def half_width(self, chosen: list[int]) -> float:
        """Half the interval with runs at the chosen places, of the table alone if there are
        none.
        """
        return float(
            np.sqrt(
                self._squares(chosen[:-1], np.array(chosen[-1:] or [0]), min(len(chosen), 1))[0]
            )
        )

    def choose(self, budget: float, runs: int) -> list[int]:
        """The places of so many runs within the budget: the cheapest, exchanged while that makes
        the interval shorter.

        In the first round a run may cost an equal share of the budget. No places if even the
        cheapest cost more.
        """
        chosen, best = np.resize(np.argsort(self.costs, kind="stable"), runs).tolist(), np.inf
        if self.costs[chosen].sum() > budget * (1 + EQUAL):
            return []
        for turn in range(MOST_ROUNDS):
            before = best
            for place in range(runs):
                others = chosen[:place] + chosen[place + 1 :]
                most = min(budget - self.costs[others].sum(), np.inf if turn else budget / runs)
                at = np.flatnonzero(
                    self.costs <= max(most, self.costs[chosen[place]]) + EQUAL * budget
                )
                squares = self._squares(others, at)
                best, chosen[place] = float(squares.min()), int(at[squares.argmin()])
            if best >= before * (1 - EQUAL):
                break
        return sorted(chosen)

    def largest(self, budget: float, runs: int) -> list[int]:
        """The most expensive places of so many single runs within the budget, of equal ones those
        of the least loss.
        """
        losses, level = (
            self.known.problem.law.curve(self.known.solution.p, self.u)[0],
            -np.round(np.log(self.costs), 3),
        )
        order = np.lexsort((losses, level))
        order = order[np.arange(order.size) - np.searchsorted(level[order], level[order]) < runs]
        for first in range(order.size - runs + 1):
            if self.costs[order[first : first + runs]].sum() <= budget * (1 + EQUAL):
                return order[first : first + runs].tolist()
        return []

    def _squares(self, others: list[int], at: np.ndarray, more: int = 1) -> np.ndarray:
        """The squared half-widths with so many more runs at each of the places `at`, beside the
        others.
        """
        problem, p = self.known.problem, self.known.solution.p
        of_table = residuals_of(problem.law.curve, problem.logs)(p)[1] / np.sqrt(
            self.known.variance
        )
        jacobian, number = problem.law.curve(p, self.u)[1], np.bincount([*others, len(self.u)])[:-1]
        of_made, now, then = (
            self._information(np.minimum(new, self.most)) for new in (0, number, number + more)
        )
        there = np.flatnonzero(number)
        added = (
            of_table.T @ of_table + (jacobian[there].T * (now - of_made)[there]) @ jacobian[there]
        )
        inverse, gained = np.linalg.pinv(added, hermitian=True), (then - now)[at]
        along, spread = (
            inverse @ self.gradient,
            np.einsum("ni,ij,nj->n", jacobian[at], inverse, jacobian[at]),
        )
        variance = self.gradient @ along - gained * (jacobian[at] @ along) ** 2 / (
            1 + gained * spread
        )
        is_new = self.made == 0
        dof = problem.dof + is_new[there].sum() + more * (is_new & (number == 0))[at]
        return np.asarray(t_distribution.isf((1 - self.level) / 2, dof) ** 2 * variance)

    def _information(self, new: int | np.ndarray) -> np.ndarray:
        """What so many new runs at each place tell, with those of the table there: 1 / variance
        about the law.
        """
        runs = np.maximum(self.made + new, 1)
        variances = self.known.variance * (PLACE_SHARE + (1 - PLACE_SHARE) / runs)
        if self.fit is not None:
            variances = new_variances(
                self.fit, np.exp(self.u + self.known.problem.logs.log_x_first), runs
            )
        return (self.made + new > 0) / variances
