"""What may be concluded of a claim, from its numbers under every convention: the rules by which
size is counted.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal

from harness.base.errors import HarnessError
from harness.laws import Interval

Outcome = Literal["supported", "refuted", "equal", "open"]
Conclusion = Literal["supported", "refuted", "equal", "convention-dependent", "open"]


@dataclass(frozen=True)
class ClaimNumber:
    """An estimate of the claim's quantity by one way to count sizes, or why there is none."""

    convention: Annotated[str, "the column of sizes"]
    estimate: Annotated[float | None, "null if refused"] = None
    interval: Annotated[Interval | None, "its interval"] = None
    refused: Annotated[str | None, "why there is no number"] = None
    outcome: Annotated[Outcome, "what follows"] = "open"

    def __post_init__(self) -> None:
        if (self.refused is None) == (self.interval is None or self.estimate is None):
            raise HarnessError(
                f"{self.convention}: give an estimate with its interval, or why it was refused."
            )


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
    conclusion: Annotated[Conclusion, "what became of it"]
    stable: Annotated[bool, "whether all sizes say the same"]
    numbers: Annotated[tuple[ClaimNumber, ...], "one a column of sizes"]


def outcome(number: ClaimNumber, threshold: float) -> Outcome:
    """supported where the interval lies wholly above the threshold, refuted where wholly below,
    else open.
    """
    if number.interval is None:
        return "open"
    if number.interval.low > threshold:
        return "supported"
    return "refuted" if number.interval.high < threshold else "open"


def count_outcomes(convention: str, outcomes: Sequence[Outcome], at_least: int) -> Count:
    """The outcome of "on at least so many tasks" under a convention, from those of its tasks.

    It is refuted when the tasks that do not refute it are too few, whatever they may turn out to
    say. If they are too few only without those on which nothing that matters was found, the more
    numerous of the two decide; a tie is open.
    """
    supported, refuted, equal = map(outcomes.count, ("supported", "refuted", "equal"))
    of_all: Outcome = "open"
    if supported >= at_least:
        of_all = "supported"
    elif len(outcomes) - refuted < at_least:
        of_all = "refuted"
    elif refuted != equal and len(outcomes) - refuted - equal < at_least:
        of_all = "refuted" if refuted > equal else "equal"
    return Count(convention, supported, refuted, len(outcomes), of_all, equal)


def task_level(level: float, tasks: int, at_least: int) -> float:
    """The level that each task's interval needs so that "on at least so many tasks" is judged at
    `level`.

    Among many tasks one is extreme by chance. To claim at least n of m wrongly takes one error in m
    - n + 1 tasks that are not so; to deny it wrongly, one in n that are: Bonferroni over the more
    (Benjamini & Heller 2008).
    """
    return 1 - (1 - level) / max(tasks - at_least + 1, at_least)


def judge(
    claim: str, quantity: str, threshold: float, numbers: Sequence[ClaimNumber]
) -> JudgedClaim:
    """The verdict on "`quantity` is above `threshold`", from its number by every way to count
    sizes.

    All support it: supported; all refute it: refuted; some support and some refute it:
    convention-dependent, which is a finding. Anything else is open: one that cannot tell may yet
    disagree. Raises HarnessError without numbers.
    """
    if not numbers:
        raise HarnessError(
            f"claim {claim!r} has no numbers to be judged by; give one for each way to count sizes."
        )
    judged = tuple(replace(number, outcome=outcome(number, threshold)) for number in numbers)
    outcomes = {number.outcome for number in judged}
    conclusion: Conclusion = (
        "convention-dependent" if {"supported", "refuted"} <= outcomes else "open"
    )
    if len(outcomes) == 1:
        (conclusion,) = outcomes
    signs = {None if number.estimate is None else number.estimate > threshold for number in judged}
    rule = f"{quantity} is above {threshold:g}, its interval wholly so"
    return JudgedClaim(
        claim, rule, threshold, conclusion, len(signs) == 1 and None not in signs, judged
    )


def sentence(verdict: JudgedClaim) -> str:
    """The verdict in one sentence: the claim, the conclusion, and the outcome by each column of
    sizes.
    """
    outcomes = ", ".join(f"{number.outcome} by {number.convention}" for number in verdict.numbers)
    said = f": {outcomes}" if len(verdict.numbers) > 1 else f", by {verdict.numbers[0].convention}"
    return f"“{verdict.claim}” is {verdict.conclusion}{said}."
