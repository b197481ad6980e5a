"""From the numbers of a rule to its verdict: the outcome on each task, and what follows for the claim."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.plain import plain
from harness.comparison.replicates import OverReplicates
from harness.comparison.verdict import Count, count_outcomes, task_level
from harness.judging.found import Found, Look, Number, Outcome, found_of, not_found
from harness.judging.looks import has_replicates, looks_at, until
from harness.judging.power import power_line
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.sides import budget_of, curves_of
from harness.judging.words import matters_words, number_words, rule_words
from harness.spec import Decide, Manifest, all_axes, units


@dataclass(frozen=True)
class Verdict:
    """A judged rule on `axis`. `level` is that of each interval, once for the many tasks and looks that share an error.

    `waits_for` is the number of replicates of the next look, where an open rule waits for their runs. `power` says what
    an open rule would need. Of a search `effort` is the number of runs of a side at each size, and `cap` what one of
    the largest size may spend.
    """

    rule: Decide
    words: str
    axis: str
    level: float
    numbers: tuple[Number, ...]
    count: Count
    power: str | None = None
    waits_for: int | None = None
    effort: int | None = None
    cap: Mapping[str, float] | None = None

    @property
    def outcome(self) -> Outcome:
        """What became of the claim."""
        return self.count.outcome


def judge_all(manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None) -> list[Verdict]:
    """The verdict on every rule of a plan, from the table that is judged (`winners.reported`) and that of all runs.

    Of a plan with looks the tables have all runs of the first look, and any of later ones.
    """
    if not manifest.experiment.decide:
        return []
    runs = runs_of(manifest, table, every)
    return [judge(rule, runs) for rule in manifest.experiment.decide]


def judge(rule: Decide, runs: ExperimentRuns) -> Verdict:
    """The verdict on a rule, by the looks of its plan.

    What a look decides on a task stays as it was found there. The next look finds anew what is open, with all of its
    replicates, until the claim is decided; it waits until all their runs are recorded.
    """
    counted, axis = units(rule, runs.tasks), rule.axis or runs.matched
    level = interval_level(rule, len(counted))
    looks = looks_at(level, runs.manifest.looks or (len(runs.manifest.experiment.seeds),))
    numbers: dict[str, Number] = {}
    waits_for = None
    for look in looks:
        if runs.manifest.looks and not has_replicates(runs, look.replicates):
            waits_for = look.replicates
            break
        seen = until(runs, look) if runs.manifest.looks else runs
        for unit, tasks in counted.items():
            if unit not in numbers or numbers[unit].outcome == "open":
                numbers[unit] = _number(rule, unit, Case(rule, tasks, axis, seen, look.level), look, runs)
        if _count(rule, axis, numbers).outcome != "open":
            break
    count = _count(rule, axis, numbers)
    search = runs.manifest.experiment.search
    return Verdict(
        rule=rule,
        words=rule_words(rule, axis, len(counted)),
        axis=axis,
        level=level,
        numbers=tuple(numbers.values()),
        count=count,
        power=power_line(rule, list(numbers.values()), looks[-1]) if count.outcome == "open" else None,
        waits_for=waits_for,
        effort=(rule.effort or search.runs) if search else None,
        cap={search.cap_name: max(search.caps)} if search else None,
    )


def interval_level(rule: Decide, tasks: int) -> float:
    """The level of each interval, at which a verdict on many tasks is false with a chance of 1 - `rule.level`."""
    return task_level(rule.level, tasks, rule.at_least)


def _number(rule: Decide, unit: str, case: Case, look: Look, runs: ExperimentRuns) -> Number:
    try:
        said = _find(case)
    except HarnessError as error:  # what the data do not carry has a reason, and is no error
        found, by_replicate = not_found(error), np.array([])
    else:
        found = found_of(said, _budget(case))
        by_replicate = np.array([]) if found.refusals else said.by_replicate
    known = by_replicate[~np.isnan(by_replicate)]
    spread = float(known.std(ddof=1)) if known.size > 1 else None
    return Number(unit, found, outcome(rule, found), spread, look if runs.manifest.looks else None)


def _find(case: Case) -> OverReplicates:
    if all_axes()[case.axis].needs_seconds and "seconds" not in case.runs.table:
        raise HarnessError("seconds are not measured: `harness bench FILE`")
    return QUANTITIES[case.rule.quantity].find(case)


def _budget(case: Case) -> float | None:
    """Where a number that was found is read, if it is of one budget."""
    rule = case.rule
    if rule.takes.at != "budget":
        return None
    return rule.place if isinstance(rule.place, float) else budget_of(case, curves_of(case))


def _count(rule: Decide, axis: str, numbers: Mapping[str, Number]) -> Count:
    return count_outcomes(axis, [one.outcome for one in numbers.values()], rule.at_least)


# ------------------------------------------------------------------------------------------------------------ outcomes
def outcome(rule: Decide, found: Found) -> Outcome:
    """What a number says of its rule: its interval lies wholly on one side, or too near to the limit to matter."""
    if found.low is None or found.high is None:
        return "open"
    if rule.within is not None:
        near = _near(rule, rule.within)
        is_inside, is_outside = (
            near[0] < found.low and found.high < near[1],
            found.high < near[0] or near[1] < found.low,
        )
        return "supported" if is_inside else "refuted" if is_outside else "open"
    is_above, is_below = found.low > rule.limit, found.high < rule.limit
    if is_above or is_below:
        return "supported" if is_above == (rule.threshold is not None) else "refuted"
    low, high = _near(rule, rule.smallest)
    return "equal" if low < found.low and found.high < high else "open"


def _near(rule: Decide, smallest: float) -> tuple[float, float]:
    """The ends of what differs from the limit by less than matters."""
    if rule.takes.is_difference:
        return rule.limit - smallest, rule.limit + smallest
    return rule.limit / smallest, rule.limit * smallest


# ------------------------------------------------------------------------------------------------------- words and data
def sentence(verdict: Verdict) -> str:
    """The claim, what became of it, on how many tasks, and what an open one would need."""
    count = verdict.count
    tasks = f"{count.supported} of {count.tasks} for it, {count.refuted} against"
    power = f"; {verdict.power}" if verdict.power else ""
    return f"verdict: “{verdict.rule.claim}” is {verdict.outcome} ({tasks}){power}"


class NumberSaid(TypedDict):
    """What a rule found on one task or family of tasks."""

    unit: Annotated[str, "the task or family of tasks"]
    found: Annotated[dict[str, Any], Found, "what was found"]
    outcome: Annotated[Outcome, "what follows"]
    look: Annotated[dict[str, Any] | None, Look | None, "with `looks:`, the look at which it was found"]
    words: Annotated[str, "`found` in short"]


class VerdictSaid(TypedDict):
    """What became of a rule. [verdicts.md](verdicts.md) explains rules and verdicts."""

    claim: Annotated[str, "the claim"]
    rule: Annotated[str, "the rule in words"]
    decide: Annotated[dict[str, Any], "the rule as the file has it"]
    axis: Annotated[
        str | None, "the count of size by which sides are equal; null if not judged and the rule names none"
    ]
    level: Annotated[float, "of intervals, as the rule says"]
    interval_level: Annotated[float | None, "of each interval, for so many tasks and looks; null if not judged"]
    effort: Annotated[int | None, "with `search:`, how many runs a side has at each size"]
    cap: Annotated[Mapping[str, float] | None, "with `search:`, what a run of the largest size may spend, by its axis"]
    verdict: Annotated[Outcome | Literal["not run"], str, "`supported`, `refuted`, `equal`, `open` or `not run`"]
    count: Annotated[dict[str, Any] | None, Count | None, "of tasks; null if not judged"]
    matters: Annotated[str, "how near to the limit is equal"]
    power: Annotated[str | None, "what an open rule would need"]
    waits_for: Annotated[int | None, "with `looks:`, replicates of the next look, while that waits for runs"]
    numbers: Annotated[list[NumberSaid], "one a task or family of tasks"]


def to_json(verdict: Verdict) -> VerdictSaid:
    """What pages, tables and scripts read of a verdict, in plain types."""
    return {
        "claim": verdict.rule.claim,
        "rule": verdict.words,
        "decide": verdict.rule.model_dump(mode="json"),
        "axis": verdict.axis,
        "level": verdict.rule.level,
        "interval_level": verdict.level,
        "effort": verdict.effort,
        "cap": verdict.cap,
        "verdict": verdict.outcome,
        "count": plain(verdict.count),
        "matters": matters_words(verdict.rule),
        "power": verdict.power,
        "waits_for": verdict.waits_for,
        "numbers": [_number_said(one) for one in verdict.numbers],
    }


def _number_said(one: Number) -> NumberSaid:
    return {
        "unit": one.unit,
        "found": plain(one.found),
        "outcome": one.outcome,
        "look": plain(one.look),
        "words": number_words(one),
    }
