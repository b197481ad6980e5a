"""From the numbers of a rule to its verdict: outcomes of conditions, of tasks and of conventions, and a conclusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison import Count, conclusion, count_outcomes, task_level
from harness.comparison.verdict import Conclusion, Ruling
from harness.fit.result import to_json as plain
from harness.judging.found import Found, Number
from harness.judging.power import EVERY, outlook, power_line
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.robust import Under, by_way, concluded, far_worse, robust_words
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.words import condition_words, found_words, matters_words, rule_words
from harness.spec import Condition, Decide, Manifest, all_axes, side_label, stable_axes, units

FREE_CONDITIONS = 2  # that the two sides of an interval pay for


@dataclass(frozen=True)
class Verdict:
    """A judged rule. `level` is that of each interval, `given` the numbers of its antecedent.

    `stable`: supported or refuted under at least `stable_axes` (of counts: two), all of them measured; no number is
    refused, and the estimates of a condition on a task lie on one side under all. `unmeasured` have no numbers.
    `under` has the rule judged under other ways of searching (`robust_to`), `declared` is what it is without those.
    `power` says what an inconclusive rule would need (`harness.judging.power`).
    """

    rule: Decide
    words: str
    level: float
    numbers: tuple[Number, ...]
    given: tuple[Number, ...]
    counts: tuple[Count, ...]
    conclusion: Conclusion
    stable: bool
    unmeasured: tuple[str, ...]
    declared: Conclusion
    under: tuple[Under, ...] = ()
    power: str | None = None

    @property
    def holds_under(self) -> tuple[str, ...]:
        """The conventions under which the claim is supported."""
        return tuple(count.convention for count in self.counts if count.outcome == "supported")


def judge_all(manifest: Manifest, table: pd.DataFrame) -> list[Verdict]:
    """The verdict on every rule of a plan, from the table of its runs (`record.load`, with `seconds` if measured)."""
    rules = manifest.experiment.decide
    if not rules:
        return []
    runs = runs_of(manifest, table)
    robust = manifest.experiment.robust_to if manifest.confirms else None
    ways = [way.name for way in robust.variants()] if robust else []
    others = {way: runs_of(manifest, by_way(table, way)) for way in ways}
    return [_with_others(judge(rule, runs), runs, others) for rule in rules]


def _with_others(verdict: Verdict, runs: ExperimentRuns, others: Mapping[str, ExperimentRuns]) -> Verdict:
    """The verdict, its rule judged under every other way of searching too."""
    condition = verdict.rule.conditions[0]
    sides = (side_label(condition.sides[0]), side_label(condition.sides[-1]))
    under = []
    for way, of_way in others.items():
        judged = judge(verdict.rule, of_way)
        worse = far_worse(runs.table, way, sides, runs.matched)
        under.append(Under(way, judged.numbers, judged.counts, judged.conclusion, worse))
    return replace(verdict, under=tuple(under), conclusion=concluded(verdict.declared, verdict.counts, under))


def judge(rule: Decide, runs: ExperimentRuns) -> Verdict:
    """The verdict on a rule.

    Intervals are at the level that many tasks ask for (`compare.task_level`), and more than two conditions.
    """
    counted = units(rule, runs.tasks)
    level = interval_level(rule, len(counted))
    clocks = {axis.name for axis in all_axes().values() if axis.needs_seconds}
    measured = [axis for axis in rule.conventions if axis not in clocks or "seconds" in runs.table]
    numbers = _numbers(rule.conditions, counted, measured, rule, runs, level)
    given = _numbers(rule.given, counted, measured, rule, runs, level)
    told: dict[str, list[Ruling]] = {}  # of every task, under each convention
    if rule.invariant:
        whole = len(measured) == len(rule.conventions)
        told[EVERY] = [_alike([n for n in numbers if n.unit == unit], whole) for unit in counted]
    else:
        for axis in measured:
            told[axis] = [
                task_outcome(_of(numbers, axis, unit), _of(given, axis, unit) if rule.given else None)
                for unit in counted
            ]
    counts = [count_outcomes(name, outcomes, rule.at_least) for name, outcomes in told.items()]
    declared: Conclusion = conclusion(counts) if counts else "inconclusive"
    power = None
    if declared == "inconclusive":
        judged = list(zip(counts, told.values(), strict=True))
        power = power_line(rule, list(counted), judged, (*numbers, *given))
    return Verdict(
        rule,
        rule_words(rule, len(counted)),
        level,
        tuple(numbers),
        tuple(given),
        tuple(counts),
        declared,
        declared in ("supported", "refuted") and _stable(rule, (*numbers, *given), measured),
        tuple(axis for axis in rule.conventions if axis not in measured),
        declared,
        power=power,
    )


def interval_level(rule: Decide, of: int) -> float:
    """The level of each interval, so that a verdict is false with a chance of at most 1 - `rule.level`.

    A rule of many tasks by `compare.task_level`. That all conditions hold needs no correction, but a claim that is true
    is refuted where any of them is found not to be: each errs on one side only, half as often as an interval, so that
    two conditions are paid for.
    """
    conditions = max(len(rule.conditions) + len(rule.given), FREE_CONDITIONS)
    return 1 - (1 - task_level(rule.level, of, rule.at_least)) * FREE_CONDITIONS / conditions


def _numbers(
    conditions: Sequence[Condition],
    counted: Mapping[str, tuple[str, ...]],
    axes: Sequence[str],
    rule: Decide,
    runs: ExperimentRuns,
    level: float,
) -> list[Number]:
    found = []
    for axis in axes:
        for unit, tasks in counted.items():
            for condition in conditions:
                case = Case(condition, tasks, axis, runs, level)
                number, words = _find(case), condition_words(condition, rule.conventions)
                found.append(Number(axis, unit, words, number, outcome(condition, number), outlook(case, number, unit)))
    return found


def _find(case: Case) -> Found:
    """The condition's quantity; what the data do not carry is refused with the reason, never an error."""
    try:
        return QUANTITIES[case.condition.quantity].find(case)
    except HarnessError as error:
        return Found(refused=str(error))


def _of(numbers: Sequence[Number], axis: str, unit: str) -> list[Ruling]:
    return [one.outcome for one in numbers if (one.convention, one.unit) == (axis, unit)]


# ------------------------------------------------------------------------------------------------------------ outcomes
def outcome(condition: Condition, found: Found) -> Ruling:
    """What a number says of its condition: its interval lies wholly on one side, or too near to the limit to matter."""
    decided = _side(condition, found)
    if decided == "inconclusive" and condition.margin is None and _is_near(condition, found):
        return "equal"
    return decided


def _side(condition: Condition, found: Found) -> Ruling:
    """On which side of its condition a number lies wholly; inconclusive if on none."""
    if found.refused is not None:
        return "inconclusive"
    if condition.takes.true_or_false:
        return "inconclusive" if found.holds is None else "supported" if found.holds else "refuted"
    assert found.estimate is not None
    assert found.low is not None
    assert found.high is not None
    if condition.margin is not None:
        least, most = 1 / (1 + condition.margin), 1 + condition.margin
        inside, outside = least < found.low and found.high < most, found.high < least or most < found.low
    elif condition.most is not None:
        inside, outside = found.high < condition.most, found.low > condition.most
    else:
        assert condition.threshold is not None
        least = condition.threshold if condition.least is None else condition.least
        inside, outside = found.low > condition.threshold and found.estimate >= least, found.high < least
    return "supported" if inside else "refuted" if outside else "inconclusive"


def _is_near(condition: Condition, found: Found) -> bool:
    """Whether the whole interval is nearer to the limit than the smallest difference that matters."""
    if found.low is None or found.high is None:
        return False
    limit, smallest = condition.limit, condition.smallest
    if condition.takes.is_difference:
        return limit - smallest < found.low and found.high < limit + smallest
    return limit / smallest < found.low and found.high < limit * smallest


def task_outcome(conditions: Sequence[Ruling], given: Sequence[Ruling] | None = None) -> Ruling:
    """All conditions hold: supported; one does not: refuted; one holds by nothing that matters: equal.

    Where the antecedent `given` does not hold by what matters, there is nothing to show, so that it is supported.
    """
    found = _all(conditions)
    if given is None:
        return found
    match _all(given):
        case "refuted" | "equal":
            return "supported"
        case "supported":
            return found
    return "supported" if found == "supported" else "inconclusive"


def _all(outcomes: Sequence[Ruling]) -> Ruling:
    for decided in ("refuted", "equal"):
        if decided in outcomes:
            return decided
    return "supported" if set(outcomes) == {"supported"} else "inconclusive"


def _alike(numbers: Sequence[Number], whole: bool) -> Ruling:
    """Whether every condition of a task has one outcome under all conventions: unknown where one is inconclusive.

    So it is unless the numbers are `whole`, those of all conventions. A lead and no lead that matters are no opposites.
    """
    by_condition: dict[str, set[Ruling]] = {}
    for one in numbers:
        by_condition.setdefault(one.condition, set()).add(one.outcome)
    if any({"supported", "refuted"} <= outcomes for outcomes in by_condition.values()):
        return "refuted"
    alike = all(len(outcomes) == 1 and "inconclusive" not in outcomes for outcomes in by_condition.values())
    return "supported" if alike and whole else "inconclusive"


def _stable(rule: Decide, numbers: Sequence[Number], measured: Sequence[str]) -> bool:
    enough = len(measured) > 1 if rule.takes.of_counts else set(stable_axes()) <= set(measured)
    if set(rule.conventions) != set(measured) or not enough:
        return False
    conditions = {condition_words(one, rule.conventions): one for one in rule.every_condition}
    sides: dict[tuple[str, str], set[Ruling]] = {}
    for one in numbers:
        point = one.found
        if point.refused is None and point.holds is None:
            point = replace(point, low=point.estimate, high=point.estimate)
        sides.setdefault((one.unit, one.condition), set()).add(_side(conditions[one.condition], point))
    return all(len(own) == 1 and "inconclusive" not in own for own in sides.values())


# ------------------------------------------------------------------------------------------------------- words and data
def sentence(verdict: Verdict) -> str:
    """The claim, the conclusion, the outcome under each convention, and what an inconclusive one would need."""
    counts = "; ".join(
        f"{count.outcome} under {count.convention} ({count.supported} of {count.tasks} for it, {count.refuted} against)"
        for count in verdict.counts
    )
    absent = f"; {', '.join(verdict.unmeasured)} not measured" if verdict.unmeasured else ""
    robust = robust_words(to_json(verdict))
    power = f"; {verdict.power}" if verdict.power else ""
    concluded = f"{verdict.conclusion}{', ' if robust else ''}{robust}"
    return f"verdict: “{verdict.rule.claim}” is {concluded}: {counts}{absent}{power}"


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict in plain types that strict JSON can hold: ends that are not finite become null."""
    return {
        "claim": verdict.rule.claim,
        "rule": verdict.words,
        "decide": verdict.rule.model_dump(mode="json"),
        "level": verdict.rule.level,
        "interval_level": verdict.level,
        "verdict": verdict.conclusion,
        "declared": verdict.declared,
        "matters": matters_words(verdict.rule),
        "power": verdict.power,
        "stable": verdict.stable,
        "under": [{**plain(one), "numbers": [_number_json(n) for n in one.numbers]} for one in verdict.under],
        "holds_under": list(verdict.holds_under),
        "not_measured": list(verdict.unmeasured),
        "counts": [dict(vars(count)) for count in verdict.counts],
        "numbers": [_number_json(one) for one in verdict.numbers],
        "given": [_number_json(one) for one in verdict.given],
    }


def _number_json(one: Number) -> dict[str, Any]:
    said = {name: plain(getattr(one, name)) for name in ("convention", "unit", "condition", "found", "outcome")}
    return {**said, "words": found_words(one.found)}
