"""Two sides over replicates: the ratio of their test losses, who wins, compute multipliers and
exponents.

A replicate is one whole search of all sides, independent of the others. It gives one number for a
question, and Student's interval is over these numbers. So it holds the mean of all searches, with
other settings, other initialisations and other data; a single one can fall outside.
"""

from dataclasses import dataclass, field, replace
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import chi2, ttest_1samp

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.base.reasons import refusal_of
from harness.comparison.effort import Value
from harness.laws import Caution, Interval, Refusal
from harness.laws.law import exp_of
from harness.laws.refusal import LACK_P, LOCAL_DECADES, MIN_DECADES, RANGE_SLACK, exponent_cautions
from harness.laws.replicates import bends_of, half_width, lines_of

# of replicates: that have no number, that give only a bound, or whose curve has too few networks
MOST_WITHOUT = 0.2
# in simulations a 95 % interval of 4 replicates holds the truth in 87 % of some cells, of 8 in 92 %
# or more
FEW = 8
LAW_NETWORKS = 3
LEAST_BEND = (
    0.02  # of ln loss between the middle of a curve and its ends: less is nothing to warn of
)


@dataclass(frozen=True)
class Found:
    """A number over replicates with its interval, or why there is none.

    `by_replicate` [R] has the number of each replicate, the ln of ratios; nan where it has none.
    """

    estimate: Annotated[float | None, "the mean over replicates"] = None
    low: Annotated[OrNull | None, "lower end of its interval"] = None
    high: Annotated[OrNull | None, "upper end of its interval"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there is none"] = ()
    at: Annotated[float | None, "the budget where it was read, if it is of one"] = None
    bound: Annotated[
        tuple[Literal["at least", "at most"], float] | None,
        (
            'a word and a number, such as `["at least", 8.0]`, where too many replicates give a '
            "bound only"
        ),
    ] = None
    replicates: Annotated[int, "that give a number; without `search:` each seed is one"] = 0
    won: Annotated[
        int | None, "where two sides are compared: replicates in which the first one is better"
    ] = None
    lost: Annotated[
        int | None, "where two sides are compared: replicates in which the second one is better"
    ] = None
    cautions: Annotated[
        tuple[Caution, ...], "what to know of the number, such as FEW_REPLICATES"
    ] = ()
    by_replicate: np.ndarray = field(
        default_factory=lambda: np.array([]), compare=False, repr=False
    )
    overlap: float = 0.0  # of the rows of replicates (`laws.replicates.half_width`)

    @property
    def refused(self) -> str:
        """The reasons in words, with their codes; empty where there is a number."""
        return " ".join(map(str, self.refusals))

    def is_refused_by(self, code: str) -> bool:
        """Whether this code is among the reasons."""
        return any(refusal.code == code for refusal in self.refusals)


def not_found(error: HarnessError, at: float | None = None) -> Found:
    """No number, for the reason that the error gives."""
    return Found(refusals=(refusal_of(error),), at=at)


@dataclass(frozen=True)
class Curve:
    """ln test losses of one side over `budgets` [m], which rise, at one effort: [R, m], nan where
    there is no value.

    `winners` are those at full effort, which tell networks apart: where one network wins at two
    budgets they are equal. At a lower effort they are means over subsets. `overlap` is of the rows
    of replicates.
    """

    budgets: np.ndarray
    ln_losses: np.ndarray
    winners: np.ndarray
    overlap: float = 0.0


def best_ratio(first: Value, second: Value, level: float = 0.95, overlap: float = 0.0) -> Found:
    """second / first in the test loss of what a search finds, at one budget and effort; above 1 the
    first is better.

    A side without a value loses to one that has a value. Nobody wins where neither has one, or both
    have the same. A replicate is left out of the ratio where a side has no value. More than a fifth
    of them refuse it. At a lower effort than all runs, each counts by the chance that the search of
    a side finds nothing.
    """
    mine, other = np.atleast_1d(first.ln_loss), np.atleast_1d(second.ln_loss)
    without = 1 - (1 - np.atleast_1d(first.none)) * (1 - np.atleast_1d(second.none))
    with np.errstate(invalid="ignore"):  # both losses are 0
        gaps = other - mine
    rank, other_rank = (np.where(np.isnan(side), np.inf, side) for side in (mine, other))
    won, lost = int(np.sum(rank < other_rank)), int(np.sum(rank > other_rank))
    ratio = _as_ratio(difference_over(gaps, level, without, mine, other, overlap=overlap))
    return replace(ratio, won=won, lost=lost)


def ratio_over(
    gaps: ArrayLike, level: float = 0.95, *ln_losses: np.ndarray, overlap: float = 0.0
) -> Found:
    """A ratio of which each replicate has the ln [R], nan where it has none; refused with a loss of
    0.
    """
    return _as_ratio(difference_over(gaps, level, None, *ln_losses, overlap=overlap))


def difference_over(
    values: ArrayLike,
    level: float = 0.95,
    without: np.ndarray | None = None,
    *ln_losses: np.ndarray,
    overlap: float = 0.0,
) -> Found:
    """The mean of the numbers that replicates have [R], nan where one has none, with Student's
    interval.

    `without` is each one's chance to have none. More than a fifth without refuse the mean, and so
    does a loss of 0 among `ln_losses`. With `overlap` the replicates share rows, and the interval
    is for new rows.
    """
    values = np.asarray(values, float)
    without = np.isnan(values) if without is None else without
    numbers, share = (
        values[~np.isnan(values)],
        round(float(np.mean(without)), 12),
    )  # a fifth is to compare as such
    refusals: list[Refusal] = []
    cautions: list[Caution] = []
    if share > MOST_WITHOUT:
        reason = (
            f"in {share:.0%} of {values.size} replicates a side has no network, more than "
            f"{MOST_WITHOUT:.0%}, so the "
            "others are the lucky ones. Compare at a larger budget or effort, or mend the "
            "failing runs."
        )
        refusals.append(Refusal("FAILED_REPLICATES", reason))
    elif share > 0:
        reason = (
            f"in {share:.0%} of {values.size} replicates a side has no network; the mean is "
            "of the others."
        )
        cautions.append(Caution("LOST_REPLICATES", reason))
    if numbers.size < 2:
        reason = (
            f"{numbers.size} of {values.size} replicates give a number, and an interval "
            "needs 2. Add replicates."
        )
        refusals.append(Refusal("ONE_REPLICATE", reason))
    elif numbers.size < FEW:
        reason = f"the interval is of {numbers.size} replicates; {FEW} or more are better."
        cautions.append(Caution("FEW_REPLICATES", reason))
    if any(np.isneginf(losses).any() for losses in ln_losses):
        refusals.append(
            Refusal(
                "ZERO", "a network that a search finds has a test loss of 0. Test on more points."
            )
        )
    summary = Found(
        refusals=tuple(refusals),
        cautions=tuple(cautions),
        replicates=numbers.size,
        by_replicate=values,
        overlap=overlap,
    )
    if refusals:
        return summary
    mean, half = (
        float(numbers.mean()),
        float(half_width(numbers.std(ddof=1), numbers.size, level, overlap)),
    )
    return replace(summary, estimate=mean, low=mean - half, high=mean + half)


def _as_ratio(difference: Found) -> Found:
    """Of a number whose replicates are ln ratios."""
    if difference.estimate is None or difference.low is None or difference.high is None:
        return difference
    estimate, low, high = exp_of([difference.estimate, difference.low, difference.high]).tolist()
    return replace(difference, estimate=estimate, low=low, high=high)


def shifted(mean: Found, by: float) -> Found:
    """The number of every replicate, and their mean, plus another one."""
    if mean.estimate is None or mean.low is None or mean.high is None:
        return mean
    estimate, low, high = mean.estimate + by, mean.low + by, mean.high + by
    return replace(mean, estimate=estimate, low=low, high=high, by_replicate=mean.by_replicate + by)


def quotient(first: Found, second: Found, level: float = 0.95) -> Found:
    """The first exponent over the second one, as a ratio over replicates; refused where either is.

    A replicate whose errors do not fall has no ratio.
    """
    if refusals := (*first.refusals, *second.refusals):
        return Found(refusals=refusals)
    overlap = max(first.overlap, second.overlap)
    fall = (first.by_replicate > 0) & (second.by_replicate > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        return ratio_over(
            np.log(np.where(fall, first.by_replicate / second.by_replicate, np.nan)),
            level,
            overlap=overlap,
        )


def deviation_over(logs: ArrayLike, level: float = 0.95) -> Found:
    """The standard deviation between replicates, with the interval of chi-squared, for normal
    values.
    """
    values = np.asarray(logs, float)
    values = values[~np.isnan(values)]
    mean = difference_over(values, level)
    if mean.refusals:
        return mean
    freedom, deviation = values.size - 1, float(values.std(ddof=1))
    low, high = deviation * np.sqrt(freedom / chi2.isf([(1 - level) / 2, (1 + level) / 2], freedom))
    return replace(mean, estimate=deviation, low=float(low), high=float(high))


def multiplier(first: Curve, second: Curve, at: float, level: float = 0.95) -> Found:
    """How many times the budget `at` the second side needs for the test loss that the first side
    has there.

    Curves are interpolated linearly in ln loss and ln budget. Budgets are "at most", so a curve
    only rises where validation picks the worse of two networks; the running minimum stands for it,
    of both sides. A bound counts as the number that it is, unless more than a fifth of the
    replicates give one: then the answer is the bound by their median, which has no interval and
    decides nothing. A second side that never finishes never comes to the first's loss. A first side
    without a value at `at` gives no number. At the largest budget every replicate in which the
    first side is better gives a bound.
    """
    if not first.budgets[0] <= at <= first.budgets[-1]:
        ends = f"{first.budgets[0]:g} to {first.budgets[-1]:g}"
        raise HarnessError(
            f"at={at:g} is outside of the first side's budgets, {ends}; ask within them."
        )
    falling = _falling(second)
    losses = np.array(
        [np.interp(np.log(at), np.log(first.budgets), row) for row in _falling(first)]
    )
    losses[np.isposinf(losses)] = np.nan
    gaps = np.array(
        [_needed(second.budgets, *each) for each in zip(falling, losses, strict=True)]
    ) - np.log(at)
    never = losses < falling[:, -1]
    at_once = ~never & (
        losses > np.max(falling, axis=1, where=np.isfinite(falling), initial=-np.inf)
    )
    ratio = difference_over(
        gaps, level, None, first.ln_losses, second.ln_losses, overlap=first.overlap
    )
    if ratio.refusals or never.sum() + at_once.sum() <= MOST_WITHOUT * ratio.replicates:
        return _as_ratio(ratio)
    ratio = replace(ratio, estimate=None, low=None, high=None)
    # In the other direction a bound says nothing, so it stands at the far end.
    least, most = (
        float(np.exp(np.nanmedian(np.where(other, end, gaps))))
        for other, end in ((at_once, -np.inf), (never, np.inf))
    )
    if never.sum() >= at_once.sum() and least > 0:
        return replace(ratio, bound=("at least", least))
    if never.sum() < at_once.sum() and most < np.inf:
        return replace(ratio, bound=("at most", most))
    reason = (
        f"of {gaps.size} replicates, the second side never comes to the first's test loss in "
        f"{never.sum()}, and is "
        f"below it at its smallest budget in {at_once.sum()}. Add budgets at both ends."
    )
    return replace(ratio, refusals=(Refusal("NO_OVERLAP", reason),))


def exponent(side: Curve, level: float = 0.95) -> Found:
    """alpha of loss = c * budget^-alpha: of each replicate the least-squares slope over budgets
    where it has a value.

    Copies of one network carry no law. A replicate is flat if fewer than three networks win along
    its curve. Flat ones stay in the mean, because without them the law would look steeper. More
    than a fifth of them refuse the exponent, and so does a mean that is not above 0.
    """
    if side.budgets.size < 2:
        return Found(
            refusals=(
                Refusal(
                    "RANGE", "there is one budget, and an exponent needs several. Add budgets."
                ),
            )
        )
    slopes = lines_of(side.budgets, side.ln_losses)[:, 1]
    flat = sum(np.unique(row[~np.isnan(row)]).size < LAW_NETWORKS for row in side.winners)
    slope = difference_over(slopes, level, None, side.ln_losses, overlap=side.overlap)
    refusals, cautions = slope.refusals, slope.cautions
    budgets = side.budgets[~np.isnan(side.ln_losses).all(axis=0)]
    decades = float(np.log10(budgets[-1] / budgets[0])) if budgets.size else 0.0
    span = f"the budgets that have values span {decades:.2g} decades"
    if decades < MIN_DECADES - RANGE_SLACK:
        refusals += (
            Refusal("RANGE", f"{span}, and an exponent needs {MIN_DECADES:g}. Add budgets."),
        )
    elif decades < LOCAL_DECADES - RANGE_SLACK:
        cautions += (
            Caution(
                "LOCAL_SLOPE",
                f"{span}, less than {LOCAL_DECADES:g}: the exponent is a local slope.",
            ),
        )
    if flat > MOST_WITHOUT * slopes.size:
        reason = (
            f"in {flat} of {slopes.size} replicates fewer than {LAW_NETWORKS} networks win along "
            "the curve, so its "
            "points are copies. Add budgets, or compare test losses at equal budgets."
        )
        refusals += (Refusal("ONE_NETWORK", reason),)
    if not refusals and slope.estimate is not None and slope.estimate <= 0:
        reason = (
            f"the exponent is {slope.estimate:.3g} in the mean of {slopes.size} replicates: test "
            "losses do not fall as "
            "the budget grows. Compare them at equal budgets."
        )
        refusals = (Refusal("NOT_FALLING", reason),)
    if refusals or slope.low is None or slope.high is None:
        return replace(
            slope, estimate=None, low=None, high=None, refusals=refusals, cautions=cautions
        )
    cautions += exponent_cautions("the exponent's", Interval(slope.low, slope.high, level))
    return replace(slope, cautions=cautions + _bend_cautions(side))


def _bend_cautions(side: Curve) -> tuple[Caution, ...]:
    """Whether the curves of replicates bend the same way, so that they follow no power law."""
    bends = bends_of(side.budgets, side.ln_losses)
    bends = bends[~np.isnan(bends)]
    of_the_range = bends.mean() * (np.ptp(np.log(side.budgets)) / 2) ** 2 if bends.size > 1 else 0.0
    if abs(of_the_range) < LEAST_BEND:
        return ()
    p = float(ttest_1samp(bends, 0).pvalue)
    if p >= LACK_P:
        return ()
    how = "flattens" if of_the_range > 0 else "steepens"
    reason = (
        f"the curve {how} with the budget (p = {p:.2g} over {bends.size} replicates): the "
        "exponent is its mean slope "
        "over these budgets, and no power law. Compare test losses at equal budgets, and do not "
        "extrapolate."
    )
    return (Caution("MISFIT", reason),)


def exponent_gap(first: Curve, second: Curve, level: float = 0.95) -> Found:
    """The first side's exponent less the second's, in each replicate over the budgets at which both
    have a value.

    It is refused where either exponent is.
    """
    lacking = np.where(np.isnan(first.ln_losses + second.ln_losses), np.nan, 0.0)
    mine, other = (
        lines_of(side.budgets, side.ln_losses + lacking)[:, 1] for side in (first, second)
    )
    sides = {"first": exponent(first, level), "second": exponent(second, level)}
    with np.errstate(invalid="ignore"):  # both losses are 0
        gap = difference_over(
            mine - other, level, None, first.ln_losses, second.ln_losses, overlap=first.overlap
        )
    local = tuple(caution for caution in sides["first"].cautions if caution.code == "LOCAL_SLOPE")
    gap = replace(gap, cautions=gap.cautions + local)
    refusals: tuple[Refusal, ...] = ()
    for name, of_side in sides.items():
        for refusal in of_side.refusals:
            refusals += (replace(refusal, reason=f"of the {name} side, {refusal.reason}"),)
    return replace(gap, estimate=None, low=None, high=None, refusals=refusals) if refusals else gap


def _falling(side: Curve) -> np.ndarray:
    """The running minimum of each replicate's ln loss, inf before its first value."""
    return np.minimum.accumulate(np.where(np.isnan(side.ln_losses), np.inf, side.ln_losses), axis=1)


def _needed(budgets: np.ndarray, falling: np.ndarray, ln_loss: float) -> float:
    """ln of the smallest budget at which a falling curve has an ln loss, or of the nearest one if
    it never has it.
    """
    is_known = np.isfinite(falling)
    if not is_known.any():
        return float("nan") if np.isnan(ln_loss) else float(np.log(budgets[-1]))
    return float(np.interp(ln_loss, falling[is_known][::-1], np.log(budgets[is_known][::-1])))
