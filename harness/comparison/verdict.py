"""What may be concluded: a claim, its rule, the numbers under every convention, and how far they agree.

A convention is the rule by which size is counted, and every claim is judged once under each.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np

from harness.base.errors import HarnessError
from harness.base.plain import INLINE, OrNull
from harness.comparison.ratios import CostRatio
from harness.laws import Interval

Outcome = Literal["supported", "refuted", "equal", "open"]
Conclusion = Literal["supported", "refuted", "equal", "convention-dependent", "open"]


class Ends(NamedTuple):
    """The ends of an interval; null where there is none."""

    low: Annotated[OrNull | None, "lower end"] = None
    high: Annotated[OrNull | None, "upper end"] = None
    level: Annotated[float | None, "of the interval"] = None
    low_open: Annotated[bool | None, "whether the data do not bound the lower end"] = None
    high_open: Annotated[bool | None, "whether the data do not bound the upper end"] = None


@dataclass(frozen=True)
class ClaimNumber:
    """One estimate of the claim's quantity, on one task under one convention; or why there is none."""

    convention: Annotated[str, "the column of sizes"]
    task: Annotated[str, "`all`"]
    estimate: Annotated[float | None, "null if refused"] = None
    interval: Interval | None = None
    refused: Annotated[str | None, "why there is no number"] = None
    outcome: Annotated[Outcome, "what follows"] = "open"

    def __post_init__(self) -> None:
        if (self.refused is None) == (self.interval is None or self.estimate is None):
            raise HarnessError(
                f"{self.task} under {self.convention}: give an estimate with its interval, or why it was refused."
            )

    @property
    def ends(self) -> Annotated[Ends, INLINE]:
        """Of the interval, as JSON has them."""
        if self.interval is None:
            return Ends()
        ends = self.interval
        return Ends(ends.low, ends.high, ends.level, ends.low_open, ends.high_open)


@dataclass(frozen=True)
class Count:
    """Tasks by what they say of a claim, under one convention."""

    convention: Annotated[str, "how sizes are counted"]
    supported: Annotated[int, "tasks for the claim"]
    refuted: Annotated[int, "tasks against it"]
    tasks: Annotated[int, "all"]
    outcome: Annotated[Outcome, "what follows"]
    equal: Annotated[int, "tasks on which the sides differ by less than what matters"] = 0


@dataclass(frozen=True)
class JudgedClaim:
    """A judged claim about two arms."""

    claim: Annotated[str, "the claim"]
    rule: Annotated[str, "the rule in words"]
    threshold: Annotated[float, "of the claim"]
    at_least: Annotated[int, "tasks that it takes"]
    conclusion: Annotated[Conclusion, "what became of it"]
    stable: Annotated[bool, "whether all sizes say the same"]
    counts: Annotated[tuple[Count, ...], "one a column of sizes"]
    numbers: Annotated[tuple[ClaimNumber, ...], "one a column of sizes"]


def to_number(convention: str, task: str, ratio: CostRatio) -> ClaimNumber:
    """A cost ratio at the single loss of a claim as its number; refusals become the reason."""
    if ratio.refusals:
        return ClaimNumber(convention, task, refused=" ".join(map(str, ratio.refusals)))
    estimate, low, high = (float(np.asarray(ends).item()) for ends in (ratio.estimate, ratio.low, ratio.high))
    return ClaimNumber(convention, task, estimate, Interval(low, high, ratio.level))


def outcome(number: ClaimNumber, threshold: float) -> Outcome:
    """supported where the interval lies wholly above the threshold, refuted where wholly below, else open."""
    if number.interval is None:
        return "open"
    if number.interval.low > threshold:
        return "supported"
    return "refuted" if number.interval.high < threshold else "open"


def count_outcomes(convention: str, outcomes: Sequence[Outcome], at_least: int) -> Count:
    """The outcome of "on at least so many tasks" under a convention, from those of its tasks.

    It is refuted when the tasks that do not refute it are too few, whatever they may turn out to say. If they are too
    few only without those on which nothing that matters was found, it is equal, or refuted where more tasks refute it.
    """
    supported, refuted, equal = map(outcomes.count, ("supported", "refuted", "equal"))
    of_all: Outcome = "open"
    if supported >= at_least:
        of_all = "supported"
    elif len(outcomes) - refuted < at_least:
        of_all = "refuted"
    elif len(outcomes) - refuted - equal < at_least:
        of_all = "refuted" if refuted > equal else "equal"
    return Count(convention, supported, refuted, len(outcomes), of_all, equal)


def task_level(level: float, tasks: int, at_least: int) -> float:
    """The level that each task's interval needs so that "on at least so many tasks" is judged at `level`.

    Among many tasks one is extreme by chance. To claim at least n of m wrongly takes one error in m - n + 1 tasks that
    are not so; to deny it wrongly, one in n that are: Bonferroni over the more (Benjamini & Heller 2008).
    """
    return 1 - (1 - level) / max(tasks - at_least + 1, at_least)


def judge(claim: str, quantity: str, threshold: float, at_least: int, numbers: Sequence[ClaimNumber]) -> JudgedClaim:
    """The verdict on "`quantity` is above `threshold` on at least `at_least` tasks", from all conventions' numbers.

    All conventions support it: supported; all refute it: refuted; some support and some refute it:
    convention-dependent, which is a finding. Anything else is open: one convention that cannot tell may yet
    disagree. Raises HarnessError without numbers, on unequal tasks of the conventions, and on too few for the rule.
    """
    if not numbers:
        raise HarnessError(f"claim {claim!r} has no numbers to be judged by; give one a task and convention.")
    numbers = [replace(number, outcome=outcome(number, threshold)) for number in numbers]
    by_convention: dict[str, dict[str, Outcome]] = {}
    for number in numbers:
        by_convention.setdefault(number.convention, {})[number.task] = number.outcome
    tasks = list(by_convention[numbers[0].convention])
    for convention in by_convention:
        named = [number.task for number in numbers if number.convention == convention]
        if sorted(named) != sorted(tasks):
            raise HarnessError(
                f"claim {claim!r}: under {convention} the tasks are {', '.join(named)}, under "
                f"{numbers[0].convention} {', '.join(tasks)}; give one number for each task under each convention."
            )
    if not 1 <= at_least <= len(tasks):
        raise HarnessError(f"claim {claim!r}: at_least={at_least} of {len(tasks)} tasks; choose 1 to {len(tasks)}.")
    counts = tuple(
        count_outcomes(convention, list(outcomes.values()), at_least) for convention, outcomes in by_convention.items()
    )
    rulings = {count.outcome for count in counts}
    conclusion: Conclusion = "convention-dependent" if {"supported", "refuted"} <= rulings else "open"
    if len(rulings) == 1:
        (conclusion,) = rulings
    signs = {(number.task, number.estimate > threshold) for number in numbers if number.estimate is not None}
    counted = f"{len(tasks)} task" if len(tasks) == 1 else f"{len(tasks)} tasks"
    return JudgedClaim(
        claim=claim,
        rule=f"{quantity} is above {threshold:g}, its interval wholly so, on at least {at_least} of {counted}",
        threshold=threshold,
        at_least=at_least,
        conclusion=conclusion,
        stable=not any(number.refused for number in numbers) and len(signs) == len(tasks),
        counts=counts,
        numbers=tuple(numbers),
    )


def sentence(verdict: JudgedClaim) -> str:
    """The verdict in one sentence: the claim, the conclusion, and the count of tasks under each convention."""
    counts = "; ".join(
        f"{count.outcome} under {count.convention} ({count.supported} of {count.tasks} for it, {count.refuted} against)"
        for count in verdict.counts
    )
    signs = "the estimates agree under all conventions" if verdict.stable else "the estimates do not all agree"
    return f"“{verdict.claim}” is {verdict.conclusion}: {counts}; {signs}."
