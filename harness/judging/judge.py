"""From the numbers of a rule to its verdict: outcomes of conditions, of tasks and of conventions, and a conclusion."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison import Count, conclusion, count_outcomes, task_level
from harness.comparison.verdict import Conclusion, Ruling
from harness.fit.result import to_json as plain
from harness.judging.found import Found, Later, Look, Number
from harness.judging.looks import (
    LookedRuns,
    Reading,
    looked_runs,
    looks_at,
    reading_at,
    seeds_can_decide,
)
from harness.judging.power import EVERY, outlook, power_line
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.words import STABLE, condition_words, matters_words, number_words, rule_words
from harness.spec import Condition, Decide, Manifest, all_axes, stable_axes, units

FREE_CONDITIONS = 2  # that the two sides of an interval pay for


@dataclass(frozen=True)
class Looked:
    """How far the looks at a rule have come: the last one, and the ids of all runs that it has read or reads next.

    While some of them have no record the next look waits for them, and the rule stands as the last one found it.
    """

    last: Look
    run_ids: frozenset[str]
    waiting: Look | None


@dataclass(frozen=True)
class Verdict:
    """A judged rule. `level` is that of each interval, `given` the numbers of its antecedent.

    `stable`: supported or refuted under at least `stable_axes` (of counts: two), all of them measured; no number is
    refused, and the estimates of a condition on a task lie on one side under all. `unmeasured` have no numbers.
    `looked` is of experiments with looks, which share the error that `level` leaves. `power` says what an inconclusive
    rule would need (`harness.judging.power`).
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
    looked: Looked | None = None
    power: str | None = None

    @property
    def holds_under(self) -> tuple[str, ...]:
        """The conventions under which the claim is supported."""
        return tuple(count.convention for count in self.counts if count.outcome == "supported")


class Question(NamedTuple):
    """A number that a rule asks for: a condition, or an antecedent, of a unit under a convention."""

    axis: str
    unit: str
    tasks: tuple[str, ...]
    condition: Condition
    is_given: bool


class EstimateSide(NamedTuple):
    """On which side of its condition an estimate lies; and which arm is ahead, where the condition does not say it."""

    outcome: Ruling
    is_first_ahead: bool | None = None


class Asked(NamedTuple):
    """What a rule asks of some runs: its units and conventions, its questions, and the level of their intervals."""

    rule: Decide
    units: tuple[str, ...]
    measured: tuple[str, ...]
    questions: tuple[Question, ...]
    level: float


def judge_all(manifest: Manifest, table: pd.DataFrame) -> list[Verdict]:
    """The verdict on every rule of a plan, from the table of its runs (`record.load`, with `seconds` if measured).

    Of a plan with looks the table has all runs of the first look; others are read where a rule asks for them.
    """
    if not manifest.experiment.decide:
        return []
    if manifest.looks:
        looked, verdicts = judge_looks(manifest, table)
        wanted_alone = replace(looked, present=wanted(manifest, verdicts) & looked.present)
        return [_with_later(one, wanted_alone) for one in verdicts]
    runs = runs_of(manifest, table)
    return [judge(rule, runs) for rule in manifest.experiment.decide]


def judge_looks(manifest: Manifest, table: pd.DataFrame) -> tuple[LookedRuns, list[Verdict]]:
    """The runs of a plan with looks, and the verdict on every rule, as far as its looks have come."""
    looked = looked_runs(manifest, table)
    return looked, [judge_at_looks(rule, looked) for rule in manifest.experiment.decide]


def wanted(manifest: Manifest, verdicts: Sequence[Verdict]) -> frozenset[str]:
    """Ids of the runs of the first look, and of those that rules have read or ask for."""
    asked = (verdict.looked.run_ids for verdict in verdicts if verdict.looked)
    return manifest.with_seeds(manifest.looks[0]).union(*asked)


def _with_later(verdict: Verdict, looked: LookedRuns) -> Verdict:
    """The verdict, and beside each number of an early look what the last one finds whose runs are all there."""
    asked = _asked(verdict.rule, looked.first)
    looks = looks_at(asked.level, looked.manifest.looks)

    def read_again(numbers: Sequence[Number], is_given: bool) -> tuple[Number, ...]:
        questions = [question for question in asked.questions if question.is_given == is_given]
        found = zip(questions, numbers, strict=True)
        return tuple(replace(one, later=_later(question, one, looked, looks)) for question, one in found)

    return replace(
        verdict, numbers=read_again(verdict.numbers, is_given=False), given=read_again(verdict.given, is_given=True)
    )


def _later(question: Question, one: Number, looked: LookedRuns, looks: Sequence[Look]) -> Later | None:
    assert one.look is not None
    for look in reversed(looks):
        if look.seeds <= one.look.seeds:
            return None
        reading = _read_anew(question, looked, look)
        if reading and reading.runs is not None:
            found = _find(Case(question.condition, question.tasks, question.axis, reading.runs, look.level))
            return Later(found, outcome(question.condition, found), look)
    return None


def judge(rule: Decide, runs: ExperimentRuns) -> Verdict:
    """The verdict on a rule.

    Intervals are at the level that many tasks ask for (`harness.comparison.task_level`), and more than two conditions.
    """
    asked = _asked(rule, runs)
    return _verdict(asked, [_number(asked, question, runs, asked.level) for question in asked.questions])


def judge_at_looks(rule: Decide, looked: LookedRuns) -> Verdict:
    """The verdict on a rule that is looked at after more and more seeds, until every convention is decided.

    What a look decides stays as it was found there. A later look finds anew what is open, by conventions and units that
    are open; it waits until all runs that it reads have records, so that the verdict hangs on no others.
    """
    asked = _asked(rule, looked.first)
    first, *later = looks_at(asked.level, looked.manifest.looks)
    numbers = [_number(asked, question, looked.first, first.level, first) for question in asked.questions]
    run_ids = looked.manifest.with_seeds(first.seeds)
    last, waiting = first, None
    for look in later:
        readings = {place: _read_anew(asked.questions[place], looked, look) for place in _open(asked, numbers)}
        found = {place: reading for place, reading in readings.items() if reading}
        if not found:
            break
        run_ids = run_ids.union(*(reading.run_ids for reading in found.values()))
        if any(reading.runs is None for reading in found.values()):
            waiting = look
            break
        for place, reading in found.items():
            assert reading.runs is not None
            numbers[place] = _number(asked, asked.questions[place], reading.runs, look.level, look)
        last = look
    return replace(_verdict(asked, numbers), looked=Looked(last, run_ids, waiting))


def _asked(rule: Decide, runs: ExperimentRuns) -> Asked:
    counted = units(rule, runs.tasks)
    clocks = {axis.name for axis in all_axes().values() if axis.needs_seconds}
    measured = tuple(axis for axis in rule.conventions if axis not in clocks or "seconds" in runs.table)
    parts = ((rule.conditions, False), (rule.given, True))
    questions = [
        Question(axis, unit, counted[unit], condition, is_given)
        for (conditions, is_given), axis, unit in itertools.product(parts, measured, counted)
        for condition in conditions
    ]
    return Asked(rule, tuple(counted), measured, tuple(questions), interval_level(rule, len(counted)))


def _verdict(asked: Asked, found: Sequence[Number]) -> Verdict:
    rule, measured = asked.rule, asked.measured
    outcomes = _unit_outcomes(asked, found)
    told = {convention: list(of_units.values()) for convention, of_units in outcomes.items()}
    counts = [count_outcomes(convention, of_units, rule.at_least) for convention, of_units in told.items()]
    concluded: Conclusion = conclusion(counts) if counts else "inconclusive"
    power = None
    if concluded == "inconclusive":
        power = power_line(rule, asked.units, list(zip(counts, told.values(), strict=True)), found)
    return Verdict(
        rule=rule,
        words=rule_words(rule, len(asked.units)),
        level=asked.level,
        numbers=tuple(_part(asked, found, is_given=False)),
        given=tuple(_part(asked, found, is_given=True)),
        counts=tuple(counts),
        conclusion=concluded,
        stable=concluded in ("supported", "refuted") and _stable(rule, found, measured),
        unmeasured=tuple(axis for axis in rule.conventions if axis not in measured),
        power=power,
    )


def _part(asked: Asked, found: Sequence[Number], is_given: bool) -> list[Number]:
    """The numbers of the conditions, or of the antecedent."""
    return [one for one, question in zip(found, asked.questions, strict=True) if question.is_given == is_given]


def _unit_outcomes(asked: Asked, found: Sequence[Number]) -> dict[str, dict[str, Ruling]]:
    """The outcome of each unit, under each convention or over all of them."""
    rule = asked.rule
    numbers, given = (_part(asked, found, is_given) for is_given in (False, True))
    if rule.invariant:
        whole = len(asked.measured) == len(rule.conventions)
        return {EVERY: {unit: _alike([one for one in numbers if one.unit == unit], whole) for unit in asked.units}}
    outcomes: dict[str, dict[str, Ruling]] = {}
    for axis in asked.measured:
        outcomes[axis] = {
            unit: task_outcome(_of(numbers, axis, unit), _of(given, axis, unit) if rule.given else None)
            for unit in asked.units
        }
    return outcomes


def _open(asked: Asked, found: Sequence[Number]) -> list[int]:
    """Places of the numbers that more seeds may decide: open ones of open units, under open conventions."""
    is_open: set[tuple[str, str]] = set()
    for convention, outcomes in _unit_outcomes(asked, found).items():
        count = count_outcomes(convention, list(outcomes.values()), asked.rule.at_least)
        if count.outcome == "inconclusive":
            is_open |= {(convention, unit) for unit, told in outcomes.items() if told == "inconclusive"}
    return [
        place
        for place, (one, question) in enumerate(zip(found, asked.questions, strict=True))
        if one.outcome == "inconclusive"
        and (EVERY if asked.rule.invariant else question.axis, question.unit) in is_open
        and seeds_can_decide(one.found)
    ]


def _read_anew(question: Question, looked: LookedRuns, look: Look) -> Reading | None:
    case = Case(question.condition, question.tasks, question.axis, looked.first, look.level)
    return reading_at(looked, case, look.seeds)


def interval_level(rule: Decide, of: int) -> float:
    """The level of each interval, so that a verdict is false with a chance of at most 1 - `rule.level`.

    A rule of many tasks by `harness.comparison.task_level`. That all conditions hold needs no correction, but a claim
    that is true is refuted where any of them is found not to be: each errs on one side only, half as often as an
    interval, so that two conditions are paid for.
    """
    conditions = max(len(rule.conditions) + len(rule.given), FREE_CONDITIONS)
    return 1 - (1 - task_level(rule.level, of, rule.at_least)) * FREE_CONDITIONS / conditions


def _number(asked: Asked, question: Question, runs: ExperimentRuns, level: float, look: Look | None = None) -> Number:
    condition = question.condition
    case = Case(condition, question.tasks, question.axis, runs, level)
    found, words = _find(case), condition_words(condition, asked.rule.conventions)
    needs = outlook(case, found, question.unit)
    return Number(question.axis, question.unit, words, found, outcome(condition, found), needs, look)


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
    sides: dict[tuple[str, str], set[EstimateSide]] = {}
    for one in numbers:
        side = _estimate_side(conditions[one.condition], one.found)
        sides.setdefault((one.unit, one.condition), set()).add(side)
    return all(len(own) == 1 and next(iter(own)).outcome != "inconclusive" for own in sides.values())


def _estimate_side(condition: Condition, found: Found) -> EstimateSide:
    if found.refused is None and found.holds is None:
        return EstimateSide(_side(condition, replace(found, low=found.estimate, high=found.estimate)))
    is_first_ahead = found.estimate > 1 if condition.takes.whoever_leads and found.estimate is not None else None
    return EstimateSide(_side(condition, found), is_first_ahead)


# ------------------------------------------------------------------------------------------------------- words and data
def sentence(verdict: Verdict) -> str:
    """The claim, the conclusion, the outcome under each convention, and what an inconclusive one would need."""
    counts = "; ".join(
        f"{count.outcome} under {count.convention} ({count.supported} of {count.tasks} for it, {count.refuted} against)"
        for count in verdict.counts
    )
    absent = f"; {', '.join(verdict.unmeasured)} not measured" if verdict.unmeasured else ""
    power = f"; {verdict.power}" if verdict.power else ""
    stable = f", {STABLE}" if verdict.stable else ""
    return f"verdict: “{verdict.rule.claim}” is {verdict.conclusion}{stable}: {counts}{absent}{power}"


def to_json(verdict: Verdict) -> dict[str, Any]:
    """The verdict in plain types that strict JSON can hold: ends that are not finite become null."""
    return {
        "claim": verdict.rule.claim,
        "rule": verdict.words,
        "decide": verdict.rule.model_dump(mode="json"),
        "level": verdict.rule.level,
        "interval_level": verdict.level,
        "verdict": verdict.conclusion,
        "matters": matters_words(verdict.rule),
        "power": verdict.power,
        "stable": verdict.stable,
        "holds_under": list(verdict.holds_under),
        "not_measured": list(verdict.unmeasured),
        "counts": [dict(vars(count)) for count in verdict.counts],
        "numbers": [_number_json(one) for one in verdict.numbers],
        "given": [_number_json(one) for one in verdict.given],
        "looked": None if verdict.looked is None else _looked_json(verdict.looked),
    }


def _looked_json(looked: Looked) -> dict[str, Any]:
    waits_for = looked.waiting.seeds if looked.waiting else None
    return {"seeds": looked.last.seeds, "of": looked.last.of, "waits_for": waits_for, "runs": len(looked.run_ids)}


def _number_json(one: Number) -> dict[str, Any]:
    names = ("convention", "unit", "condition", "found", "outcome", "look", "later")
    said = {name: plain(getattr(one, name)) for name in names}
    return {**said, "words": number_words(one)}
