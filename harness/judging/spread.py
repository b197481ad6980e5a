"""What the width of an interval hangs on, and what more seeds, sizes or decades would make of it.

Everything here is asked at a difference that is declared, never at the one that was estimated: power at the estimate is
another form of its p-value (Hoenig and Heisey 2001).
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr
from scipy.stats import chi2
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.judging.found import Found

ENOUGH = 0.8  # the chance of a decision that is asked for
MOST_SEEDS = 1000
MOST_SIZES = 100
QUANTILES = 500  # of the error: the chance of a decision is right to 0.001, of two parts to 0.005
LEAST_ERROR = 1e-12  # no interval of real runs is narrower


@dataclass(frozen=True)
class Spread:
    """What an interval hangs on: its standard `error`, of ln of a ratio, at `seeds`, and the `parts` that it has.

    Each part is a share of the error's variance and its degrees of freedom: of seeds one, of laws one an arm.
    `from_seeds` is the share of the error's variance that more seeds shrink; `rest` says what the other part is. An
    interval of laws also has the `sizes` of the arm that has fewer: its degrees of freedom are of sizes, and seeds do
    not change them. An exponent has the `decades` that the sizes span. `noise` is the standard deviation between the
    ln ratios of seeds, or of size means about the noisier law.
    """

    error: float
    parts: tuple[tuple[float, float], ...]
    seeds: int
    noise: float
    from_seeds: float = 1.0
    rest: str = ""
    sizes: int | None = None
    decades: float | None = None

    @property
    def dof(self) -> float:
        """Degrees of freedom of the error: Welch and Satterthwaite's."""
        return 1 / sum(share**2 / dof for share, dof in self.parts)

    def with_seeds(self, seeds: int) -> Spread:
        """What it is with so many seeds in all."""
        shrinking = self.from_seeds * self.seeds / seeds
        staying = 1 - self.from_seeds
        return replace(
            self,
            error=self.error * math.sqrt(shrinking + staying),
            parts=self.parts if self.sizes else ((1.0, seeds - 1),),
            seeds=seeds,
            from_seeds=shrinking / (shrinking + staying),
        )

    def with_sizes(self, sizes: int) -> Spread:
        """What it is with so many sizes in all, over the same range."""
        assert self.sizes is not None
        parts = tuple((share, dof + sizes - self.sizes) for share, dof in self.parts)
        return replace(self, error=self.error * math.sqrt(self.sizes / sizes), parts=parts, sizes=sizes)

    def half_width(self, level: float) -> float:
        """Half of the interval at a level."""
        return self.error * float(t_distribution.isf((1 - level) / 2, self.dof))


@dataclass(frozen=True)
class Design:
    """What is known before any run: the `noise` of ln test loss between seeds, and the ln sizes of each side [n]."""

    noise: float
    seeds: int
    log_sizes: tuple[np.ndarray, ...]


def error_of(found: Found, is_difference: bool, dof: float, level: float) -> float:
    """The standard error that makes an interval what it is: of ln, unless it is of a difference.

    A HarnessError where an end of it is open.
    """
    low, high = found.low, found.high
    if low is None or high is None or not (is_difference or low > 0) or not math.isfinite(low) or math.isinf(high):
        raise HarnessError("nobody can tell how many seeds it would need: an end of its interval is open; add sizes")
    width = high - low if is_difference else math.log(high / low)
    return width / 2 / float(t_distribution.isf((1 - level) / 2, dof))


def spread_of_seeds(found: Found, level: float, is_difference: bool = False) -> Spread:
    """What Student's interval over seeds hangs on: the number of seeds alone."""
    if found.seeds is None:
        raise HarnessError("more seeds will not help: it has no spread")
    dof = found.seeds - 1
    error = error_of(found, is_difference, dof, level)
    return Spread(error, ((1.0, dof),), found.seeds, error * math.sqrt(found.seeds))


def chance(spread: Spread, difference: float, level: float, of_equality: bool = False) -> float:
    """The chance that the interval excludes a limit which the truth is `difference` away from.

    With `of_equality` it is the chance that the whole interval is nearer than `difference` to a limit which is the
    truth: two one-sided tests. Both are means over what the half-width may turn out to be. The first one, of one part,
    is a noncentral t distribution.
    """
    error = max(spread.error, LEAST_ERROR)
    excluded = ndtr(difference / error - _half_widths(spread.parts, level))
    return float(np.mean(np.maximum(2 * excluded - 1, 0) if of_equality else excluded))


@lru_cache(maxsize=4096)
def _half_widths(parts: tuple[tuple[float, float], ...], level: float) -> np.ndarray:
    """Equally likely half-widths over the true error.

    Each part's variance is chi-squared by itself, and Welch's degrees of freedom hang on what they turn out to be.
    """
    number = round(QUANTILES ** (1 / len(parts)))
    chances = (np.arange(number) + 0.5) / number
    variance, variance_of_it = np.zeros(1), np.zeros(1)
    for share, dof in parts:
        own = share * chi2.ppf(chances, dof) / dof
        variance = np.add.outer(variance, own).ravel()
        variance_of_it = np.add.outer(variance_of_it, own**2 / dof).ravel()
    return t_distribution.isf((1 - level) / 2, variance**2 / variance_of_it) * np.sqrt(variance)


def seen(spread: Spread, level: float, of_equality: bool = False) -> float:
    """The smallest difference with an ENOUGH chance to be seen; or within which true equality is shown."""
    error = max(spread.error, LEAST_ERROR)

    def short_of_enough(difference: float) -> float:
        return chance(spread, difference, level, of_equality) - ENOUGH

    far = error * float(t_distribution.isf((1 - level) / 2, spread.dof)) + error
    while short_of_enough(far) < 0:
        far *= 2
    return float(brentq(short_of_enough, 0.0, far, xtol=1e-6 * far))


def seeds_needed(spread: Spread, difference: float, level: float, of_equality: bool = False) -> int | None:
    """The fewest seeds with an ENOUGH chance to see a difference (`chance`); None if MOST_SEEDS are too few."""
    return _fewest(2, MOST_SEEDS, lambda seeds: chance(spread.with_seeds(seeds), difference, level, of_equality))


def sizes_needed(spread: Spread, difference: float, level: float, of_equality: bool = False) -> int | None:
    """The fewest sizes over the same range with that chance, at the present seeds; None beyond MOST_SIZES."""
    if spread.sizes is None:
        return None
    return _fewest(
        spread.sizes, MOST_SIZES, lambda sizes: chance(spread.with_sizes(sizes), difference, level, of_equality)
    )


def decades_needed(spread: Spread, difference: float, level: float, of_equality: bool = False) -> float | None:
    """The decades over which as many sizes give that chance, of an exponent: its error falls as they grow."""
    if spread.decades is None:
        return None
    return spread.decades * max(1.0, seen(spread, level, of_equality) / difference)


def _fewest(least: int, most: int, chance_with: Callable[[int], float]) -> int | None:
    """The smallest number with an ENOUGH chance, which grows with the number; None beyond `most`."""
    numbers = range(least, most + 1)
    place = bisect_left(numbers, True, key=lambda number: chance_with(number) >= ENOUGH)
    return numbers[place] if place < len(numbers) else None
