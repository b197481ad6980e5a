"""From the numbers of a rule to its verdict: the outcome on each task, and what follows for the
claim.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.replicates import not_found
from harness.comparison.verdict import count_outcomes, task_level
from harness.judging.power import power_line
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import Case
from harness.judging.runs import runs_of
from harness.judging.scaling import check_answered
from harness.judging.sides import budget_of, curves_of
from harness.judging.verdict import Number, found_words, not_run, rule_words
from harness.spec.counts import all_axes
from harness.spec.decide import units

if TYPE_CHECKING:
    from harness.comparison.replicates import Found
    from harness.judging.runs import ExperimentRuns
    from harness.judging.verdict import Outcome, Verdict
    from harness.spec.decide import Decide
    from harness.spec.manifest import Manifest


def judge_all(
    manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None
) -> list[Verdict]:
    """The verdict on every rule of a plan, from the table that is judged (`winners.reported`) and
    that of all runs.
    """
    runs = runs_of(manifest, table, every)
    return [judge(rule, runs) for rule in manifest.experiment.decide]


def judge(rule: Decide, runs: ExperimentRuns) -> Verdict:
    """The verdict on a rule."""
    manifest, axis = runs.manifest, rule.axis or runs.matched
    counted = units(rule, manifest.tasks)
    level = interval_level(rule, len(counted))
    numbers = tuple(
        _number(unit, Case(rule, tasks, axis, runs, level)) for unit, tasks in counted.items()
    )
    count = count_outcomes(axis, [number.outcome for number in numbers], rule.at_least)
    search = manifest.experiment.search
    return replace(
        not_run(rule),
        rule=rule_words(rule, axis, len(counted)),
        axis=axis,
        interval_level=level,
        effort=(rule.effort or search.runs) if search else None,
        cap=search.most if search else None,
        verdict=count.outcome,
        count=count,
        power=power_line(rule, numbers, level) if count.outcome == "open" else None,
        numbers=numbers,
    )


def interval_level(rule: Decide, tasks: int) -> float:
    """The level of each interval, at which a verdict on many tasks is false with a chance of 1 -
    `rule.level`.
    """
    return task_level(rule.level, tasks, rule.at_least)


def _number(unit: str, case: Case) -> Number:
    rule = case.rule
    try:
        check_answered(case.runs.table, case.axis)
        if all_axes()[case.axis].needs_seconds and "seconds" not in case.runs.table:
            raise HarnessError("seconds are not measured: `harness bench FILE`")
        result = QUANTITIES[rule.quantity].find(case)
        if rule.takes.at == "budget":
            place = rule.place
            result = replace(
                result, at=place if isinstance(place, float) else budget_of(case, curves_of(case))
            )
    except HarnessError as error:  # what the data do not carry has a reason, and is no error
        result = not_found(error)
    finite = result.by_replicate[~np.isnan(result.by_replicate)]
    spread = float(finite.std(ddof=1)) if finite.size > 1 and not result.refusals else None
    return Number(unit, result, outcome(rule, result), found_words(result), spread)


# --------------------------------------------------------------------------------------------------
# outcomes
def outcome(rule: Decide, result: Found) -> Outcome:
    """What a number says of its rule: its interval lies wholly on one side, or too near to the
    limit to matter.
    """
    if result.low is None or result.high is None:
        return "open"
    if rule.within is not None:
        low, high = _near(rule, rule.within)
        if low < result.low and result.high < high:
            return "supported"
        return "refuted" if result.high < low or high < result.low else "open"
    is_above, is_below = result.low > rule.limit, result.high < rule.limit
    if is_above or is_below:
        return "supported" if is_above == (rule.threshold is not None) else "refuted"
    low, high = _near(rule, rule.smallest)
    return "equal" if low < result.low and result.high < high else "open"


def _near(rule: Decide, smallest: float) -> tuple[float, float]:
    """The ends of what differs from the limit by less than matters."""
    if rule.takes.is_difference:
        return rule.limit - smallest, rule.limit + smallest
    return rule.limit / smallest, rule.limit * smallest


def sentence(verdict: Verdict) -> str:
    """The claim, what became of it, on how many tasks, and what an open one would need."""
    count = verdict.count
    tasks = f"{count.supported} of {count.tasks} for it, {count.refuted} against" if count else ""
    power = f"; {verdict.power}" if verdict.power else ""
    return f"verdict: “{verdict.claim}” is {verdict.verdict} ({tasks}){power}"
