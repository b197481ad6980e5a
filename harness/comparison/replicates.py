"""Two sides over replicates: the ratio of their test losses, who wins, compute multipliers and exponents.

A replicate is one whole search of all sides, independent of the others. It gives one number for a question, and
Student's interval is over these numbers. So the interval is of what another search would find, with other settings,
other initialisations and other data.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2

from harness.base.errors import HarnessError
from harness.comparison.effort import Value
from harness.laws import Caution, Estimate, Interval, Refusal
from harness.laws.refusal import LOCAL_DECADES, MIN_DECADES, RANGE_SLACK, exponent_cautions
from harness.laws.replicates import half_width, lines_of

MOST_WITHOUT = 0.2  # of replicates: that have no number, that give only a bound, or whose curve has too few networks
FEW = 8  # in simulations a 95 % interval of 4 replicates holds the truth in 87 % of some cells, of 8 in 92 % or more
LAW_NETWORKS = 3


@dataclass(frozen=True)
class OverReplicates:
    """What replicates say of one quantity: `found`, with Student's interval, or refusals.

    `by_replicate` [R] has the number of each replicate, the ln of ratios; nan where it has none.
    """

    level: float
    by_replicate: np.ndarray
    refusals: tuple[Refusal, ...] = ()
    cautions: tuple[Caution, ...] = ()
    found: Estimate | None = None


@dataclass(frozen=True)
class BestRatio(OverReplicates):
    """second / first in the test loss of what a search finds; above 1 the first side is better.

    The first side wins `won` of the replicates and the second `lost`. A side without a value loses to one that has a
    value. Nobody wins where neither has one, or both have the same. `failed` counts the replicates in which the first
    and the second side have no value.
    """

    won: int = 0
    lost: int = 0
    failed: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class Multiplier(OverReplicates):
    """The budget that the second side needs for the first's test loss, over the first's; above 1 the first is better.

    In `at_least` replicates the second side never comes to that loss, and in `at_most` it is below it at its smallest
    budget. `bound` stands in place of `found` where these are too many: ("at least", 8.0). It has no interval, so it
    decides nothing.
    """

    at_least: int = 0
    at_most: int = 0
    bound: tuple[Literal["at least", "at most"], float] | None = None


@dataclass(frozen=True)
class Exponent(OverReplicates):
    """alpha of loss = c * budget^-alpha, or a difference of two; in `flat` replicates few networks make the curve."""

    flat: int = 0


@dataclass(frozen=True)
class Curve:
    """ln test losses of one side over `budgets` [m], which rise, at one effort: [R, m], nan where there is no value.

    `winners` are those at full effort, which tell networks apart: where one network wins at two budgets they are equal.
    At a lower effort they are means over subsets.
    """

    budgets: np.ndarray
    ln_losses: np.ndarray
    winners: np.ndarray


def best_ratio(first: Value, second: Value, level: float = 0.95) -> BestRatio:
    """second / first over the replicates [R] of both sides, at one budget and effort.

    A replicate is left out of the ratio where a side has no value. More than a fifth of them refuse it. At a lower
    effort than all runs, each counts by the chance that the search of a side finds nothing.
    """
    mine, other = np.atleast_1d(first.ln_loss), np.atleast_1d(second.ln_loss)
    _check_same(mine, other)
    without = 1 - (1 - np.atleast_1d(first.none)) * (1 - np.atleast_1d(second.none))
    with np.errstate(invalid="ignore"):  # both losses are 0
        gaps = other - mine
    refusals, cautions = _checked(gaps, without, mine, other)
    rank, other_rank = (np.where(np.isnan(side), np.inf, side) for side in (mine, other))
    won, lost = int(np.sum(rank < other_rank)), int(np.sum(rank > other_rank))
    failed = (int(np.isnan(mine).sum()), int(np.isnan(other).sum()))
    found = None if refusals else _as_ratio(_student(gaps, level))
    return BestRatio(level, gaps, refusals, cautions, found, won, lost, failed)


def ratio_over(gaps: ArrayLike, level: float = 0.95) -> OverReplicates:
    """A ratio of which each replicate has the ln [R], nan where it has none."""
    return _over(np.asarray(gaps, float), level, is_ratio=True)


def difference_over(values: ArrayLike, level: float = 0.95) -> OverReplicates:
    """A number of which each replicate has one [R], nan where it has none."""
    return _over(np.asarray(values, float), level, is_ratio=False)


def shifted(found: OverReplicates, by: float) -> OverReplicates:
    """The number of every replicate, and their mean, plus another one."""
    if found.found is None:
        return found
    low, high = found.found.interval.low + by, found.found.interval.high + by
    estimate = Estimate(found.found.value + by, Interval(low, high, found.level))
    return replace(found, by_replicate=found.by_replicate + by, found=estimate)


def quotient(first: Exponent, second: Exponent, level: float = 0.95) -> OverReplicates:
    """The first exponent over the second one, as a ratio over replicates; refused where either is.

    A replicate whose errors do not fall has no ratio.
    """
    if refusals := (*first.refusals, *second.refusals):
        return OverReplicates(level, np.full(first.by_replicate.shape, np.nan), refusals)
    with np.errstate(invalid="ignore", divide="ignore"):
        ratios = np.where(
            (first.by_replicate > 0) & (second.by_replicate > 0), first.by_replicate / second.by_replicate, np.nan
        )
        return ratio_over(np.log(ratios), level)


def needed(side: Curve, ln_loss: float) -> np.ndarray:
    """ln of the smallest budget at which each replicate [R] has a loss; nan where its budgets do not hold it."""
    falling = _falling(side)
    found = np.array([_needed(side.budgets, row, ln_loss) for row in falling])
    return np.where((falling[:, 0] > ln_loss) & (falling[:, -1] <= ln_loss), found, np.nan)


def deviation_over(logs: ArrayLike, level: float = 0.95) -> OverReplicates:
    """The standard deviation between replicates, with the interval of chi-squared, for normal values."""
    values = np.asarray(logs, float)
    values = values[~np.isnan(values)]
    refusals, cautions = _checked(values, np.isnan(values))
    if refusals:
        return OverReplicates(level, values, refusals, cautions)
    freedom, deviation = values.size - 1, float(values.std(ddof=1))
    low, high = (
        deviation * float(np.sqrt(freedom / chi2.isf(tail, freedom))) for tail in ((1 - level) / 2, (1 + level) / 2)
    )
    return OverReplicates(level, values, (), cautions, Estimate(deviation, Interval(low, high, level)))


def _over(values: np.ndarray, level: float, is_ratio: bool) -> OverReplicates:
    refusals, cautions = _checked(values, np.isnan(values))
    if refusals:
        return OverReplicates(level, values, refusals, cautions)
    mean = _student(values, level)
    return OverReplicates(level, values, refusals, cautions, _as_ratio(mean) if is_ratio else mean)


def multiplier(first: Curve, second: Curve, at: float, level: float = 0.95) -> Multiplier:
    """How many times the budget `at` the second side needs for the test loss that the first side has there.

    Curves are interpolated linearly in ln loss and ln budget. Budgets are "at most", so a curve only rises where
    validation picks the worse of two networks; the running minimum stands for it, of both sides. A bound counts as the
    number that it is, unless more than a fifth of the replicates give one: then the answer is the bound by their
    median. A second side that never finishes never comes to the first's loss. A first side without a value at `at`
    gives no number. At the largest budget every replicate in which the first side is better gives a bound.
    """
    _check_same(first.ln_losses, second.ln_losses)
    if not first.budgets[0] <= at <= first.budgets[-1]:
        ends = f"{first.budgets[0]:g} to {first.budgets[-1]:g}"
        raise HarnessError(f"at={at:g} is outside of the first side's budgets, {ends}; ask within them.")
    falling = _falling(second)
    losses = np.array([np.interp(np.log(at), np.log(first.budgets), row) for row in _falling(first)])
    losses[np.isposinf(losses)] = np.nan
    gaps = np.array([_needed(second.budgets, *each) for each in zip(falling, losses, strict=True)]) - np.log(at)
    never = losses < falling[:, -1]
    at_once = ~never & (losses > np.max(falling, axis=1, where=np.isfinite(falling), initial=-np.inf))
    refusals, cautions = _checked(gaps, np.isnan(gaps), first.ln_losses, second.ln_losses)
    answer = Multiplier(level, gaps, refusals, cautions, None, int(never.sum()), int(at_once.sum()))
    if refusals:
        return answer
    if answer.at_least + answer.at_most <= MOST_WITHOUT * np.sum(~np.isnan(gaps)):
        return replace(answer, found=_as_ratio(_student(gaps, level)))
    # In the other direction a bound says nothing, so it stands at the far end.
    least, most = (
        float(np.exp(np.nanmedian(np.where(other, end, gaps)))) for other, end in ((at_once, -np.inf), (never, np.inf))
    )
    if answer.at_least >= answer.at_most and least > 0:
        return replace(answer, bound=("at least", least))
    if answer.at_least < answer.at_most and most < np.inf:
        return replace(answer, bound=("at most", most))
    reason = (
        f"of {gaps.size} replicates, the second side never comes to the first's test loss in {answer.at_least}, and is "
        f"below it at its smallest budget in {answer.at_most}. Add budgets at both ends."
    )
    return replace(answer, refusals=(Refusal("NO_OVERLAP", reason),))


def exponent(side: Curve, level: float = 0.95) -> Exponent:
    """The exponent of one side: of each replicate the least-squares slope over the budgets at which it has a value.

    Copies of one network carry no law. A replicate is flat if fewer than three networks win along its curve. Flat ones
    stay in the mean, because without them the law would look steeper. More than a fifth of them refuse the exponent,
    and so does a mean that is not above 0.
    """
    slopes = lines_of(side.budgets, side.ln_losses)[:, 1]
    flat = sum(np.unique(row[~np.isnan(row)]).size < LAW_NETWORKS for row in side.winners)
    refusals, cautions = _checked(slopes, np.isnan(slopes), side.ln_losses)
    known = side.budgets[~np.isnan(side.ln_losses).all(axis=0)]
    decades = float(np.log10(known[-1] / known[0])) if known.size else 0.0
    span = f"the budgets that have values span {decades:.2g} decades"
    if decades < MIN_DECADES - RANGE_SLACK:
        refusals += (Refusal("RANGE", f"{span}, and an exponent needs {MIN_DECADES:g}. Add budgets."),)
    elif decades < LOCAL_DECADES - RANGE_SLACK:
        cautions += (Caution("LOCAL_SLOPE", f"{span}, less than {LOCAL_DECADES:g}: the exponent is a local slope."),)
    if flat > MOST_WITHOUT * slopes.size:
        reason = (
            f"in {flat} of {slopes.size} replicates fewer than {LAW_NETWORKS} networks win along the curve, so its "
            "points are copies. Add budgets, or compare test losses at equal budgets."
        )
        refusals += (Refusal("ONE_NETWORK", reason),)
    found = None if refusals else _student(slopes, level)
    if found and found.value <= 0:
        reason = (
            f"the exponent is {found.value:.3g} in the mean of {slopes.size} replicates: test losses do not fall as "
            "the budget grows. Compare them at equal budgets."
        )
        found, refusals = None, (Refusal("NOT_FALLING", reason),)
    elif found:
        cautions += exponent_cautions("the exponent's", found.interval)
    return Exponent(level, slopes, refusals, cautions, found, flat)


def exponent_gap(first: Curve, second: Curve, level: float = 0.95) -> Exponent:
    """The first side's exponent less the second's, in each replicate over the budgets at which both have a value.

    It is refused where either exponent is. `flat` is the greater number of the two sides.
    """
    _check_same(first.ln_losses, second.ln_losses)
    if not np.array_equal(first.budgets, second.budgets):
        raise HarnessError("the two sides have different budgets; give both curves at the same budgets.")
    lacking = np.where(np.isnan(first.ln_losses + second.ln_losses), np.nan, 0.0)
    mine, other = (lines_of(side.budgets, side.ln_losses + lacking)[:, 1] for side in (first, second))
    sides = {"first": exponent(first, level), "second": exponent(second, level)}
    refusals, cautions = _checked(mine - other, np.isnan(mine - other))
    told = [(name, refusal) for name, side in sides.items() for refusal in side.refusals]
    refusals = (
        tuple(replace(refusal, reason=f"of the {name} side, {refusal.reason}") for name, refusal in told) or refusals
    )
    cautions += tuple(caution for caution in sides["first"].cautions if caution.code == "LOCAL_SLOPE")
    found = None if refusals else _student(mine - other, level)
    return Exponent(level, mine - other, refusals, cautions, found, max(side.flat for side in sides.values()))


def _student(values: np.ndarray, level: float) -> Estimate:
    """The mean of the values that are there, and Student's interval."""
    known = values[~np.isnan(values)]
    mean, half = float(known.mean()), float(half_width(known.std(ddof=1), known.size, level))
    return Estimate(mean, Interval(mean - half, mean + half, level))


def _as_ratio(found: Estimate) -> Estimate:
    with np.errstate(over="ignore"):
        mean, low, high = (float(np.exp(end)) for end in (found.value, found.interval.low, found.interval.high))
    return Estimate(mean, Interval(low, high, found.interval.level))


def _checked(
    values: np.ndarray, without: np.ndarray, *ln_losses: np.ndarray
) -> tuple[tuple[Refusal, ...], tuple[Caution, ...]]:
    """What refuses a mean over replicates, and what to know of it; `without` is each one's chance to have no value."""
    known, share = int(np.sum(~np.isnan(values))), round(float(np.mean(without)), 12)  # a fifth is to compare as such
    refusals: list[Refusal] = []
    cautions: list[Caution] = []
    if share > MOST_WITHOUT:
        reason = (
            f"in {share:.0%} of {values.size} replicates a side has no network, more than {MOST_WITHOUT:.0%}, so the "
            "others are the lucky ones. Compare at a larger budget or effort, or mend the failing runs."
        )
        refusals.append(Refusal("FAILED_REPLICATES", reason))
    elif share > 0:
        reason = f"in {share:.0%} of {values.size} replicates a side has no network; the mean is of the others."
        cautions.append(Caution("LOST_REPLICATES", reason))
    if known < 2:
        reason = f"{known} of {values.size} replicates give a number, and an interval needs 2. Add replicates."
        refusals.append(Refusal("ONE_REPLICATE", reason))
    elif known < FEW:
        cautions.append(Caution("FEW_REPLICATES", f"the interval is of {known} replicates; {FEW} or more are better."))
    if any(np.isneginf(losses).any() for losses in ln_losses):
        refusals.append(Refusal("ZERO", "a network that a search finds has a test loss of 0. Test on more points."))
    return tuple(refusals), tuple(cautions)


def _check_same(first: np.ndarray, second: np.ndarray) -> None:
    if len(first) != len(second):
        raise HarnessError(
            f"the first side has {len(first)} replicates and the second {len(second)}; give both of the same ones."
        )


def _falling(side: Curve) -> np.ndarray:
    """The running minimum of each replicate's ln loss, inf before its first value."""
    return np.minimum.accumulate(np.where(np.isnan(side.ln_losses), np.inf, side.ln_losses), axis=1)


def _needed(budgets: np.ndarray, falling: np.ndarray, ln_loss: float) -> float:
    """ln of the smallest budget at which a falling curve has an ln loss, or of the nearest one if it never has it."""
    known = np.isfinite(falling)
    if not known.any():
        return float("nan") if np.isnan(ln_loss) else float(np.log(budgets[-1]))
    return float(np.interp(ln_loss, falling[known][::-1], np.log(budgets[known][::-1])))
