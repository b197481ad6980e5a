"""What became of the rules of an experiment: numbers, verdicts, and the answer that has them all;
and their words.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

from harness.base.formats import human, interval, number
from harness.base.reasons import Refusal
from harness.comparison.replicates import Found
from harness.comparison.verdict import Count, Outcome
from harness.judging.quantities import QUANTITIES
from harness.spec.decide import Decide

LARGEST_IN_PERCENT = 1.3  # of a factor: from 1 / 1.5 to 1.5 is not 50 % either way
NOT_RUN: Literal["not run"] = "not run"


@dataclass(frozen=True)
class Number:
    """What a rule found on one task or family of tasks.

    `spread` is the standard deviation between replicates, of ln for ratios; None where there is no
    number.
    """

    unit: Annotated[str, "the task or family of tasks"]
    found: Annotated[Found, "what was found"]
    outcome: Annotated[Outcome, "what follows"]
    words: Annotated[str, "`found` in short"]
    spread: float | None = None


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What became of a rule. [verdicts.md](verdicts.md) explains rules and verdicts."""

    claim: Annotated[str, "the claim"]
    rule: Annotated[str, "the rule in words"]
    decide: Annotated[Decide, dict[str, Any], "the rule as the file has it"]
    axis: Annotated[
        str | None,
        "the count of size by which sides are equal; null if not judged and the rule names none",
    ]
    level: Annotated[float, "of intervals, as the rule says"]
    interval_level: Annotated[
        float | None, "of each interval, for so many tasks; null if not judged"
    ] = None
    effort: Annotated[int | None, "with `search:`, how many runs a side has at each size"]
    cap: Annotated[
        Mapping[str, float] | None,
        "with `search:`, what a run of the largest size may spend, by its axis",
    ] = None
    verdict: Annotated[
        Outcome | Literal["not run"], str, "`supported`, `refuted`, `equal`, `open` or `not run`"
    ]
    count: Annotated[Count | None, "of tasks; null if not judged"] = None
    matters: Annotated[str, "how near to the limit is equal"]
    power: Annotated[str | None, "what an open rule would need"] = None
    numbers: Annotated[tuple[Number, ...], "one a task or family of tasks"] = ()


def not_run(rule: Decide) -> Verdict:
    """A rule that was not judged."""
    return Verdict(
        claim=rule.claim,
        rule=rule_words(rule, rule.axis or "the matched size"),
        decide=rule,
        axis=rule.axis,
        level=rule.level,
        effort=rule.effort,
        verdict=NOT_RUN,
        matters=matters_words(rule),
    )


@dataclass(frozen=True)
class Answer:
    """The rules of one experiment, judged; or why they are not, and what to do about it."""

    file: Annotated[str, "the experiment file"]
    name: Annotated[str, "the results folder"]
    question: Annotated[str, "what it asks"]
    why: Annotated[str, "why nothing was judged; else empty"] = ""
    command: Annotated[str, "the command that mends it; else empty"] = ""
    damaged: Annotated[bool, "whether a record is damaged, or of other code than the first"] = False
    runs: Annotated[int, "runs that were judged"] = 0
    diverged: Annotated[int, "those of them that diverged"] = 0
    flops_train: Annotated[int, "training FLOPs of these runs together, shared-dense"] = 0
    notes: Annotated[tuple[str, ...], "what to know besides"] = ()
    commits: Annotated[tuple[str, ...], "of the code that trained"] = ()
    verdicts: Annotated[tuple[Verdict, ...], "one a rule, in the order of the file"] = ()


class Answers(NamedTuple):
    """The rules of experiments, judged.

    `results/verdicts.json` has the same. The kept `results/verdicts/NAME/verdicts.json` has the
    keys of one experiment beside `format`. The page there has no files of an earlier format.
    """

    experiments: Annotated[Sequence[Mapping[str, Any]], list[Answer], "one a file, in order"]


# ---------------------------------------------------------------------------------------- words of
# rules and of numbers
def rule_words(rule: Decide, axis: str, of: int | None = None) -> str:
    """What must be true for the claim to be supported, as one clause; `of` is how many tasks or
    families there are.
    """
    kinds = ("family of tasks", "families of tasks") if rule.takes.of_family else ("task", "tasks")
    total = f" of {of}" if of else ""
    where = f"on the {kinds[0]}" if of == 1 else f"on at least {rule.at_least}{total} {kinds[1]}"
    matters = f"; equal means {matters_words(rule)}" if rule.matters is not None else ""
    what = f"{QUANTITIES[rule.quantity].words(rule)} is {limit_words(rule)}"
    return f"{what}, {where}, by {axis}{matters}; intervals at {100 * rule.level:g} %"


def matters_words(rule: Decide, smallest: float | None = None) -> str:
    """How near to the limit is equal for all that matters: `within 10 %`, or `within 0.2` of a
    difference.
    """
    smallest = smallest or rule.smallest
    if rule.takes.is_difference:
        return f"within {human(smallest, 3)}"
    if smallest > LARGEST_IN_PERCENT:
        return f"within a factor of {human(smallest)}"
    return f"within {100 * (smallest - 1):.3g} %"


def asked_words(rule: Decide, smallest: float | None = None) -> str:
    """What power is asked for: `a difference of 10 %`, `a factor of 2`, or `equality within 10 %`
    of such a rule.
    """
    matters = matters_words(rule, smallest)
    if rule.within is not None:
        return f"equality {matters}"
    how_much = matters.removeprefix("within ")
    return how_much if how_much.startswith("a factor") else f"a difference of {how_much}"


def limit_words(rule: Decide) -> str:
    """What the number of a rule is asked to be, as `above 1`."""
    if rule.within is not None:
        return f"{matters_words(rule)} of {rule.limit:g}"
    return f"below {rule.most:g}" if rule.most is not None else f"above {rule.threshold:g}"


def found_words(result: Found) -> str:
    """`1.3 [1.1, 1.6]`, a bound, or the code of the refusal; an end that the data do not bound is
    infinite, or 0.
    """
    if result.refusals:
        codes = dict.fromkeys(refusal.code for refusal in result.refusals if refusal.code)
        return f"refused ({', '.join(codes)})" if codes else "refused"
    if result.bound is not None:
        return f"{result.bound[0]} {human(result.bound[1])}"
    if result.estimate is None or result.low is None or result.high is None:
        return "not known"
    return f"{number(result.estimate)} {interval(result.low, result.high)}"


# ------------------------------ words of verdicts as JSON has them (`base.plain.plain`), since
# pages show kept ones too
def verdict_words(verdict: Mapping[str, Any]) -> str:
    """`supported (3 of 4 tasks, 1 against)`, or `equal within 10 %`."""
    if verdict["verdict"] == "equal":
        return f"equal {verdict['matters']}"
    count = verdict["count"]
    counts = (
        {"for": count["supported"], "against": count["refuted"], "equal": count["equal"]}
        if count
        else {}
    )
    if not any(counts.values()) or count["tasks"] == 1:
        return str(verdict["verdict"])
    counts["open"] = count["tasks"] - sum(counts.values())
    listed = ", ".join(f"{number} {side}" for side, number in counts.items() if number)
    return f"{verdict['verdict']} ({listed})"


def number_lines(verdict: Mapping[str, Any]) -> list[str]:
    """The numbers of a verdict, a line a task."""
    numbers = verdict["numbers"]
    if len(numbers) == 1:
        return [numbers[0]["words"]]
    return [f"{number['unit']}: {number['words']}, {number['outcome']}" for number in numbers]


def power_words(verdict: Mapping[str, Any]) -> str:
    """What an open rule would need, as a sentence; empty of others."""
    power = verdict["power"] or ""
    return f"{power[:1].upper()}{power[1:]}." if power else ""


def refused_words(number: Mapping[str, Any]) -> str:
    """Why a number of a verdict is not there, with the codes; empty where it is."""
    return " ".join(str(Refusal(**reason)) for reason in number["found"]["refusals"])
