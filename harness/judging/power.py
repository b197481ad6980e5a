"""What an undecided rule would need: how many more seeds, or why more seeds will not help.

It is asked as if the truth were the smallest difference that matters (`matters` of a rule) away from its limit; of a
`margin`, as if both sides were equal. The difference that was estimated is never used.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

from harness.base.errors import HarnessError
from harness.base.formats import human
from harness.comparison import Count
from harness.comparison.verdict import Ruling
from harness.judging.failing import failing_words
from harness.judging.found import Found, Number
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.spread import ENOUGH, MOST_SEEDS, Spread, chance, decades_needed, seeds_needed, seen, sizes_needed
from harness.judging.words import CODE, matters_words
from harness.spec import Condition, Decide

ALL_SEEDS = 10**9  # what is left with these is not the noise of seeds
NO_HELP = "more seeds will not help"
EVERY = "all conventions"  # where a rule compares them
MOST_DECADES = 6.0  # more than anybody adds
LARGEST_LOG = 700.0  # beyond it a factor is no float


@dataclass(frozen=True)
class Outlook:
    """What the interval of a number would need to decide its condition, at `level`; `why` nobody can tell, if so.

    `case` is where the number was read, None before any run.
    """

    convention: str
    unit: str
    condition: Condition
    level: float
    spread: Spread | None
    why: str = ""
    case: Case | None = field(default=None, compare=False, repr=False)

    @property
    def noun(self) -> str:
        """What its interval is over: seeds, each of which may be a replicate of a search."""
        return "replicate" if self.case and self.case.runs.are_replicates else "seed"

    @property
    def difference(self) -> float:
        """The smallest difference that matters: of ln for ratios."""
        smallest = self.condition.smallest
        return smallest if self.condition.takes.is_difference else math.log(smallest)

    @property
    def of_equality(self) -> bool:
        """Whether equality is to be shown, and not a difference."""
        return self.condition.margin is not None

    @cached_property
    def seeds(self) -> int | None:
        """The fewest seeds in all that have an ENOUGH chance; None if MOST_SEEDS are too few, or nobody can tell."""
        if self.spread is None:
            return None
        return seeds_needed(self.spread, self.difference, self.level, self.of_equality)

    @property
    def more(self) -> float:
        """How many seeds more; infinite where no number of them is known to do."""
        return math.inf if self.seeds is None or self.spread is None else max(0, self.seeds - self.spread.seeds)

    @property
    def is_beyond_seeds(self) -> bool:
        """Whether what seeds do not shrink is too wide by itself."""
        if self.spread is None:
            return True
        without_noise = self.spread.with_seeds(ALL_SEEDS)
        return chance(without_noise, self.difference, self.level, self.of_equality) < ENOUGH

    @property
    def sizes(self) -> int | None:
        """The fewest sizes in all, over the same range, that have an ENOUGH chance at the present seeds."""
        if self.spread is None:
            return None
        return sizes_needed(self.spread, self.difference, self.level, self.of_equality)

    @property
    def decades(self) -> float | None:
        """The decades in all that as many sizes would have to span, of an exponent."""
        if self.spread is None:
            return None
        return decades_needed(self.spread, self.difference, self.level, self.of_equality)


def outlook(case: Case, found: Found, unit: str) -> Outlook:
    """What the interval of a number that was found would need, at the level that it has."""
    spread, why = None, ""
    spread_of = QUANTITIES[case.condition.quantity].spread
    if found.refused is not None:
        why = _refused(found.refused)
    elif spread_of is None:
        why = f"{NO_HELP}: {case.condition.quantity} does not hang on the noise between seeds"
    else:
        try:
            spread = spread_of(case, found)
        except HarnessError as error:
            why = str(error)
    return Outlook(case.axis, unit, case.condition, case.level, spread, why, case)


def _refused(reason: str) -> str:
    """The reason of a refusal in short: the sentence behind its last code."""
    if "SEEDS: " in reason:
        return "nobody can tell how many seeds it would need: one has no spread; run two or more"
    if "NO_OVERLAP: " in reason:
        return f"{NO_HELP}: the ranges of the two sides do not overlap; add sizes that bring them together"
    sentence = CODE.split(reason)[-1].split(". ")[0].rstrip(".")
    if "CENSORED: " in reason:  # of more seeds a smaller share may diverge
        return f"nobody can tell how many seeds it would need: {sentence}"
    if "TOO_FEW: " in reason or "RANGE: " in reason:
        return f"{NO_HELP}: {sentence.split(';')[0]}; add sizes"
    return f"{NO_HELP}: {sentence}"


# --------------------------------------------------------------------------------------------------------------- rules
def power_line(
    rule: Decide, units: Sequence[str], judged: Sequence[tuple[Count, Sequence[Ruling]]], numbers: Sequence[Number]
) -> str:
    """What an inconclusive rule would need, in a line: under the convention that needs most.

    Of a convention's open tasks, of which a rule may need some only, the last one that is needed counts. `judged` has
    each convention's count, and the outcome of each of the tasks or families `units`; `numbers` are those of all.
    """
    if not judged:
        return "its seconds are not measured: `harness bench FILE`"
    hardest: list[Outlook] = []
    for count, outcomes in judged:
        if count.outcome != "inconclusive":
            continue
        of_units: list[list[Outlook]] = []
        for unit, outcome in zip(units, outcomes, strict=True):
            if outcome != "inconclusive":
                continue
            found = [
                one.outlook
                for one in numbers
                if one.unit == unit and one.outcome == "inconclusive" and count.convention in (one.convention, EVERY)
            ]
            if not found:  # conventions are compared, and one is not measured, or its sides are equal
                return f"{NO_HELP}: not every convention says who is ahead"
            of_units.append(found)
        hardest.append(last_needed(of_units, rule.at_least - count.supported))
    if not hardest:
        told = ", ".join(f"{count.outcome} under {count.convention}" for count, _ in judged)
        return f"{NO_HELP}: it is {told}"
    return words(max(hardest, key=lambda one: one.more), rule, len(units))


def last_needed(of_units: Sequence[Sequence[Outlook]], needed: int) -> Outlook:
    """Of tasks, each with its numbers, of which a rule needs so many: the hardest number of the last one needed."""
    hardest = [max(own, key=lambda one: one.more) for own in of_units]
    return sorted(hardest, key=lambda one: one.more)[min(needed, len(hardest)) - 1]


# --------------------------------------------------------------------------------------------------------------- words
def words(one: Outlook, rule: Decide, tasks: int, whose: str = "present") -> str:
    """What a number of a rule would need, in a line, with its task and convention where there are several.

    The seeds of its spread are the `present` or the `planned` ones. With 0 `tasks` no place is told.
    """
    places = [f"on {one.unit}"] if tasks > 1 else []
    places += [f"under {one.convention}"] if len(rule.conventions) > 1 and tasks else []
    where = "".join(f" {place}" for place in places)
    if one.spread is None:
        return one.why + (f" ({where.strip()})" if where else "")
    what = asked_words(one.condition)
    chance_words = f"({100 * ENOUGH:g} %{' for each task' if rule.at_least > 1 else ''})"
    if one.seeds is None and one.is_beyond_seeds:
        under = f" {places[-1]}" if len(rule.conventions) > 1 and places else ""  # the rest names its task
        return f"{NO_HELP}{under}: {one.spread.rest}{_sizes_words(one)}"
    if one.seeds is None and one.case is not None and (failing := failing_words(one.case)):
        return f"more {one.noun}s hardly help, as {failing}" + (f" ({where.strip()})" if where else "")
    if one.seeds is None:
        return f"{what}{where} would need more than {MOST_SEEDS:,} {one.noun}s; {_seen_words(one, one.spread, whose)}"
    if one.more > 0:
        needs = f"{what}{where} would need {_more(int(one.more), one.noun)} {chance_words}"
        return f"{needs}; {_seen_words(one, one.spread, whose)}"
    verb = "show" if one.of_equality else "see"
    enough = f"the {whose} {one.spread.seeds} {one.noun}s {verb} {what}{where} {chance_words}"
    if whose == "planned":
        return enough
    if one.of_equality:
        return f"{enough}, so that the sides probably differ"
    of_equality = seeds_needed(one.spread, one.difference, one.level, of_equality=True) or 0
    others = max(0, of_equality - one.spread.seeds)
    further = f"; if the sides are equal, {_more(others, one.noun)} would show it" if others else ""
    return f"{enough}, so that the truth is probably nearer{further}"


def asked_words(condition: Condition) -> str:
    """`a difference of 1.1`, or `a ratio of 3.3` where the limit is 3, or `equality within 5 %`."""
    if condition.margin is not None:
        return f"equality {matters_words(condition)}"
    limit = condition.limit if condition.least is None else condition.least
    smallest = condition.smallest
    if condition.takes.is_difference:
        return f"a difference of {smallest:g}" + (f" from {limit:g}" if limit else "")
    if limit == 1:
        return f"a difference of {smallest:g}"
    return f"a ratio of {limit / smallest if condition.most is not None else limit * smallest:.3g}"


def as_said(one: Outlook, difference: float) -> float:
    """A difference as its rule says it: of a ratio a factor."""
    return difference if one.condition.takes.is_difference else math.exp(min(difference, LARGEST_LOG))


def _seen_words(one: Outlook, spread: Spread, whose: str) -> str:
    """`the present 5 seeds can tell only one of 1.5 or more`."""
    least = human(as_said(one, seen(spread, one.level, one.of_equality)))
    told = f"show it within a factor of {least}" if one.of_equality else f"can tell only one of {least} or more"
    return f"the {whose} {spread.seeds} {one.noun}s {told}"


def _sizes_words(one: Outlook) -> str:
    """`; 4 more sizes in the same range, or 0.7 more decades, would do`; nothing where there is no law."""
    spread = one.spread
    if spread is None or spread.sizes is None:
        return ""
    ways = [f"{_more(one.sizes - spread.sizes, 'size')} in the same range"] if one.sizes is not None else []
    if spread.decades is not None and one.decades is not None and one.decades - spread.decades <= MOST_DECADES:
        ways.append(f"{one.decades - spread.decades:.1f} more decades")
    return f"; {', or '.join(ways)}, would do" if ways else ""


def _more(count: int, noun: str) -> str:
    return f"{count:,} more {noun}{'' if count == 1 else 's'}"
