"""What a search of an effort finds: the test loss of the run that validation picks, exactly and
over all subsets.

A replicate has T runs of a side at each size. A search of a lower effort T' is a subset of them: T'
of the T runs at each size. Its expected result is a mean over all such subsets, and needs no
drawing. With one size, the i-th best of n is the best of T' in C(n - i, T' - 1) of the C(n, T')
subsets (Tang et al. 2020, "Showing Your Work Doesn't Always Work"). With several sizes, a subset
has none of the runs that are better than x with chance C(worse, T') / C(T, T') at each size, and
the chances multiply.
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from harness.base.errors import HarnessError


@dataclass(frozen=True)
class Searched:
    """The runs of one side in one replicate: four arrays of one shape, [runs] or [replicates,
    runs].

    `size` says at which size a run was trained, as an index or a value. `cost` is what it cost on
    the axis of the budgets. On the axis that sizes are matched on, give a run's size as its cost: a
    run of a larger size is then no candidate, even where its network came out smaller. `validation`
    and `test` are losses; nan or inf is a run that diverged.
    """

    size: np.ndarray
    cost: np.ndarray
    validation: np.ndarray
    test: np.ndarray


class Value(NamedTuple):
    """What a replicate says of a side at a budget: ln of its test loss, and the chance that a
    search has none.

    ln_loss is the mean over those subsets of the runs that have a candidate; nan where no subset
    has one.
    """

    ln_loss: np.ndarray
    none: np.ndarray


def efforts(most: int) -> tuple[int, ...]:
    """The efforts of an effort curve: 1, 2, 4, ... and `most` itself."""
    return (*(2**power for power in range(most.bit_length()) if 2**power < most), most)


def value(side: Searched, budget: float, effort: int | None = None) -> Value:
    """The value of each replicate at a budget, when a search has `effort` runs at each size; left
    out, all runs.

    Candidates are the runs that finished and cost no more than the budget. Runs that diverged and
    runs that cost more are no candidates, but they are among the runs that a search spends its
    effort on. So a search can have no candidate, and neither has it where the one that validation
    picks has no finite test loss.

    Of a size that has fewer runs than `effort` all are taken. Of runs that tie in validation the
    one of the smaller size is picked; of one size each is picked equally often, so their order does
    not matter.
    """
    candidate = np.isfinite(side.validation) & (side.cost <= budget)
    order = np.lexsort((side.size, np.where(candidate, side.validation, np.inf)), axis=-1)
    size, validation, test, candidate = (
        np.take_along_axis(values, order, axis=-1)
        for values in (side.size, side.validation, side.test, candidate)
    )
    # A search that has none of the better candidates of a size takes its runs from the others of
    # that size.
    others = _others(size, candidate)
    missed = np.where(candidate, np.maximum(others - (effort or np.inf), 0) / others, 1.0)
    none_so_far = np.cumprod(missed, axis=-1)
    none_before = np.concatenate(
        [np.ones_like(none_so_far[..., :1]), none_so_far[..., :-1]], axis=-1
    )
    picked = _shared_by_ties(
        none_before * (1 - missed), size, np.where(candidate, validation, np.inf)
    )
    read = picked * np.isfinite(test)
    with np.errstate(divide="ignore"):
        ln_test = np.log(np.where(read > 0, test, 1.0))
    chance = read.sum(axis=-1)
    ln_loss = np.where(
        chance > 0, (read * ln_test).sum(axis=-1) / np.where(chance > 0, chance, 1.0), np.nan
    )
    return Value(ln_loss[()], np.clip(1 - chance, 0.0, 1.0))


def expected_best(ln_losses: np.ndarray, k: int) -> np.ndarray:
    """The mean, over all choices of k of the n runs [..., n], of the lowest ln loss; inf is a run
    that diverged.
    """
    n = ln_losses.shape[-1]
    if not 1 <= k <= n:
        raise HarnessError(
            f"`k` {k}: there are {n} runs of a size; choose from 1 to the least count of both arms"
        )
    none, losses = np.zeros_like(ln_losses), np.exp(ln_losses)
    return value(Searched(none, none, losses, losses), 0.0, k).ln_loss


def _others(size: np.ndarray, candidate: np.ndarray) -> np.ndarray:
    """For each run the number of runs of its size, without the candidates that stand before it."""
    others = np.ones_like(size)
    for value in np.unique(size):
        of_size = size == value
        before = np.cumsum(of_size & candidate, axis=-1) - candidate
        others = np.where(of_size, of_size.sum(axis=-1, keepdims=True) - before, others)
    return others


def _shared_by_ties(picked: np.ndarray, size: np.ndarray, validation: np.ndarray) -> np.ndarray:
    """The chances with those of runs that tie, which stand next to each other, shared evenly."""
    differs = np.ones(picked.shape, bool)
    differs[..., 1:] = (np.diff(size) != 0) | (validation[..., 1:] != validation[..., :-1])
    group = np.cumsum(differs) - 1  # a new row begins a new group
    return (np.bincount(group, weights=picked.ravel()) / np.bincount(group))[group].reshape(
        picked.shape
    )
