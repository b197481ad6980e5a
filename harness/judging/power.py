"""What an open rule would need: how many more replicates, or why more will not help.

It is asked as if the truth were the smallest difference that matters (`matters` of a rule) away
from its limit; of `within`, as if both sides were equal. The difference that was estimated is never
used: power at the estimate is another form of its p-value (Hoenig and Heisey 2001).
"""

import math
from bisect import bisect_left
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2
from scipy.stats import t as t_distribution

from harness.judging.verdict import Number, asked_words
from harness.spec.decide import Decide

ENOUGH = 0.8  # the chance of a decision that is asked for
MOST_REPLICATES = 1000
QUANTILES = 500  # of the error: the chance of a decision is right to 0.001
LEAST_SPREAD = 1e-12  # no replicates are nearer to each other
LARGEST_LOG = 700.0  # beyond it a factor is no float


def chance(
    spread: float,
    replicates: int,
    difference: float,
    level: float,
    of_equality: bool = False,
    overlap: float = 0.0,
) -> float:
    """The chance that the interval over so many replicates excludes a limit which the truth is
    `difference` away from.

    With `of_equality` it is the chance that the whole interval is nearer than `difference` to a
    limit which is the truth: two one-sided tests. Both are means over what the half-width may turn
    out to be. `overlap` is of the rows of replicates.
    """
    error = max(spread, LEAST_SPREAD) * math.sqrt(1 / replicates + overlap)
    inside = ndtr(difference / error - _half_widths(replicates - 1, level))
    return float(np.mean(np.maximum(2 * inside - 1, 0) if of_equality else inside))


@lru_cache(maxsize=4096)
def _half_widths(freedom: int, level: float) -> np.ndarray:
    """Equally likely half-widths over the true error: the estimated variance is chi-squared."""
    chances = (np.arange(QUANTILES) + 0.5) / QUANTILES
    return t_distribution.isf((1 - level) / 2, freedom) * np.sqrt(
        chi2.ppf(chances, freedom) / freedom
    )


def seen(
    spread: float, replicates: int, level: float, of_equality: bool = False, overlap: float = 0.0
) -> float:
    """The smallest difference with an ENOUGH chance to be seen; or within which true equality is
    shown.
    """
    far = max(spread, LEAST_SPREAD)
    while chance(spread, replicates, far, level, of_equality, overlap) < ENOUGH:
        far *= 2

    def lacking(apart: float) -> float:
        return chance(spread, replicates, apart, level, of_equality, overlap) - ENOUGH

    return float(brentq(lacking, 0.0, far, xtol=1e-6 * far))


def replicates_needed(
    spread: float, difference: float, level: float, of_equality: bool = False, overlap: float = 0.0
) -> int | None:
    """The fewest replicates in all that have an ENOUGH chance; None if MOST_REPLICATES are too
    few.
    """
    if chance(spread, MOST_REPLICATES, difference, level, of_equality, overlap) < ENOUGH:
        return None

    def chance_of(replicates: int) -> float:
        return chance(spread, replicates, difference, level, of_equality, overlap)

    return bisect_left(range(MOST_REPLICATES + 1), ENOUGH, lo=2, key=chance_of)


def difference_of(rule: Decide) -> float:
    """The smallest difference that matters, as a difference: of ln for ratios."""
    return rule.smallest if rule.takes.is_difference else math.log(rule.smallest)


def as_said(rule: Decide, difference: float) -> float:
    """A difference as its rule says it: of a ratio a factor."""
    return difference if rule.takes.is_difference else math.exp(min(difference, LARGEST_LOG))


def power_line(rule: Decide, numbers: Sequence[Number], level: float) -> str:
    """What an open rule would need, in a line: on the last task that it needs, of those that are
    open.
    """
    still_open = [number for number in numbers if number.outcome == "open"]

    def where(number: Number) -> str:
        return f" on {number.unit}" if len(numbers) > 1 else ""

    if refused := next((number for number in still_open if number.spread is None), None):
        if refused.found.is_refused_by("ONE_REPLICATE"):
            return f"it needs two replicates or more{where(refused)}"
        reason = (
            refused.found.refusals[-1].reason if refused.found.refusals else "there is no number"
        )
        return f"more replicates will not help{where(refused)}: {reason.split('. ')[0].rstrip('.')}"
    if bounded := next((number for number in still_open if number.found.bound), None):
        return (
            f"more replicates will not help{where(bounded)}: most give only a bound; add "
            "budgets beyond that bound"
        )
    of_equality = rule.within is not None
    decided = sum(number.outcome == "supported" for number in numbers)
    still_needed = min(max(rule.at_least - decided, 1), len(still_open))
    last = sorted(still_open, key=lambda number: (number.spread or 0.0, number.unit))[
        still_needed - 1
    ]
    spread, replicates, overlap = last.spread or 0.0, last.found.replicates, last.found.overlap
    needed = replicates_needed(spread, difference_of(rule), level, of_equality, overlap)
    what = f"{asked_words(rule)}{where(last)}"
    smallest_seen = asked_words(
        rule, as_said(rule, seen(spread, replicates, level, of_equality, overlap))
    )
    least = f"the present {replicates} show only {smallest_seen} or more"
    often = f"in {100 * ENOUGH:g} % of experiments"
    if needed is None and overlap:
        return f"more splits of the same rows will not show {what}: give more rows; {least}"
    if needed is None:
        return f"{what} would need more than {MOST_REPLICATES:,} replicates; {least}"
    if needed <= replicates:
        return (
            f"the present {replicates} replicates show {what} {often}, so the truth is "
            "probably nearer to the limit"
        )
    more = needed - replicates
    return f"{what} would need {more:,} more replicate{'s' * (more > 1)} to show {often}; {least}"
