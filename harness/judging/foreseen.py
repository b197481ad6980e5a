"""What the rules of a plan will see: from records that are there, such as a pilot's, or from a declared noise."""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.verdict import Conclusion
from harness.judging.judge import Verdict, interval_level, judge, judge_at_looks
from harness.judging.looks import looked_runs, looks_at, recorded_ids
from harness.judging.power import Outlook, as_said, last_needed, words
from harness.judging.quantities import QUANTITIES
from harness.judging.runs import runs_of
from harness.judging.spread import Design, Spread, seen
from harness.judging.words import condition_words
from harness.spec import Condition, Decide, Manifest, all_axes, units

LEAST_PILOT = 2  # seeds that show a spread


@dataclass(frozen=True)
class ForeseenNumber:
    """A number of a rule before it is known: its spread `now`, None where nobody can tell, and with planned seeds."""

    now: Spread | None
    planned: Outlook


@dataclass(frozen=True)
class ForeseenRule:
    """What a rule will see with `seeds` at the `level` of its intervals, in a `sentence` too, and by which `source`.

    `is_declared` says that it is from a noise, and not from records. `decided` is the conclusion of a rule that the
    records decide, so that it needs no seeds; None of others.
    """

    rule: Decide
    level: float
    seeds: int
    source: str
    is_declared: bool
    numbers: tuple[ForeseenNumber, ...]
    sentence: str
    decided: Conclusion | None = None


def foresee(
    manifest: Manifest, table: pd.DataFrame, seeds: int | None = None, noise: float | None = None
) -> list[ForeseenRule]:
    """What every rule of a plan will see with so many seeds, as many as it has if None.

    From the `table` of the runs that have records (`record.runs_table`), or with `noise`, the standard deviation of ln
    test loss between seeds, from that. A rule without records of two seeds takes the noise that the file declares. A
    HarnessError if there is none either.
    """
    experiment = manifest.experiment
    planned_seeds = len(experiment.seeds) if seeds is None else seeds
    if planned_seeds < LEAST_PILOT:
        raise HarnessError(f"seeds: {list(experiment.seeds)} is one seed, which has no interval; give two or more")
    found = []
    for rule in experiment.decide:
        pilot = _pilot_seeds(manifest, table, rule) if noise is None else []
        runs = runs_of(manifest, table[table["seed"].isin(pilot)] if pilot else table)
        counted = units(rule, runs.tasks)
        level = interval_level(rule, len(counted))
        if experiment.looks:
            level = looks_at(level, experiment.looks)[-1].level
        decided = None
        if len(pilot) >= LEAST_PILOT:
            source = f"records of {len(pilot)} seeds"
            verdict = judge(rule, runs)
            numbers = list(_from_records(verdict, level, planned_seeds))
            decided = _decided(verdict, manifest, table, pilot)
        else:
            declared = noise or experiment.noise
            if declared is None:
                raise HarnessError(
                    f"decide: no two seeds of “{rule.claim}” have all of their records, and no noise is declared; "
                    "train a pilot (`harness run FILE`, at a scale of few seeds), or give --noise 0.3, the standard "
                    "deviation of ln test loss between seeds"
                )
            source = f"a declared noise of {declared:g}"
            numbers = list(_from_noise(rule, manifest, counted, level, planned_seeds, declared))
        if decided:
            sentence = f"already decided: {decided}; it needs no more seeds"
        else:
            sentence = _sentence(rule, [one.planned for one in numbers], len(counted))
        is_declared = len(pilot) < LEAST_PILOT
        found.append(ForeseenRule(rule, level, planned_seeds, source, is_declared, tuple(numbers), sentence, decided))
    return found


# ------------------------------------------------------------------------------------------------------------- records
def _pilot_seeds(manifest: Manifest, table: pd.DataFrame, rule: Decide) -> list[int]:
    """The seeds of which all planned runs of the rule's sides on its tasks have a record."""
    recorded = recorded_ids(manifest, table) if len(table) else frozenset()
    tasks = set(itertools.chain(*units(rule, manifest.tasks).values()))
    of_sides = {cell.index for cell in manifest.cells if cell.is_of(rule.names) and cell.task in tasks}
    whole: dict[int, bool] = defaultdict(lambda: True)
    for planned in manifest.runs:
        if planned.cell in of_sides:
            whole[planned.run.seed] &= planned.run_id in recorded
    return [seed for seed, is_whole in whole.items() if is_whole]


def _decided(verdict: Verdict, manifest: Manifest, table: pd.DataFrame, pilot: Sequence[int]) -> Conclusion | None:
    """What the records decide: those of all seeds, or of a look. The `verdict` is by the seeds of the `pilot`."""
    if manifest.looks:
        if not manifest.with_seeds(manifest.looks[0]) <= recorded_ids(manifest, table):
            return None
        verdict = judge_at_looks(verdict.rule, looked_runs(manifest, table))
    elif len(pilot) < len(manifest.experiment.seeds):
        return None
    return None if verdict.conclusion == "inconclusive" else verdict.conclusion


def _from_records(verdict: Verdict, level: float, seeds: int) -> Iterator[ForeseenNumber]:
    for number in (*verdict.numbers, *verdict.given):
        present = number.outlook
        if QUANTITIES[present.condition.quantity].spread is not None:
            planned = present.spread and present.spread.with_seeds(seeds)
            yield ForeseenNumber(present.spread, replace(present, spread=planned, level=level))


# --------------------------------------------------------------------------------------------------------------- noise
def _from_noise(
    rule: Decide, manifest: Manifest, counted: Mapping[str, tuple[str, ...]], level: float, seeds: int, noise: float
) -> Iterator[ForeseenNumber]:
    for axis in rule.conventions:
        for unit, tasks in counted.items():
            for condition in rule.every_condition:
                quantity = QUANTITIES[condition.quantity]
                spread, why = None, f"only a pilot says what a {condition.quantity} hangs on: train two seeds or more"
                if quantity.spread is None:
                    continue
                if condition.takes.of_counts and all_axes()[axis].is_exact:
                    why = "it is exact, so that seeds do not matter"
                elif quantity.foreseen is not None:
                    sizes = tuple(_log_sizes(manifest, tasks[0], side, axis) for side in condition.sides)
                    try:
                        spread = _foreseen(condition, Design(noise, seeds, sizes), axis)
                    except HarnessError as error:
                        why = str(error)
                one = Outlook(axis, unit, condition, level, spread, "" if spread else why)
                yield ForeseenNumber(spread, one)


def _foreseen(condition: Condition, design: Design, axis: str) -> Spread:
    foreseen = QUANTITIES[condition.quantity].foreseen
    assert foreseen is not None
    if condition.takes.of_laws and not all(sizes.size for sizes in design.log_sizes):
        raise HarnessError(f"only a pilot says what sizes in {axis} there will be: train two seeds or more")
    return foreseen(design)


def _log_sizes(manifest: Manifest, task: str, side: Sequence[str], axis: str) -> np.ndarray:
    """ln of the sizes that a law of the side is fitted to: of several arms at a budget, their mean."""
    at_budgets: dict[float, list[float]] = defaultdict(list)
    for cell in manifest.cells:
        if cell.task == task and cell.is_of(side) and cell.in_window and cell.counts.get(axis, 0) > 0:
            budget = float(cell.index) if cell.asked is None else cell.asked
            at_budgets[budget].append(math.log(cell.counts[axis]))
    means = sorted(float(np.mean(logs)) for logs in at_budgets.values())
    return np.array(means[: len(means) - manifest.experiment.hold_out])


# --------------------------------------------------------------------------------------------------------------- words
def _sentence(rule: Decide, numbers: Sequence[Outlook], tasks: int) -> str:
    """What the rule will see, or would need more: under its hardest convention, on the last task that it needs."""
    of_conventions: dict[str, dict[str, list[Outlook]]] = defaultdict(lambda: defaultdict(list))
    for one in numbers:
        of_conventions["" if rule.invariant else one.convention][one.unit].append(one)
    if not of_conventions:
        return "nothing of it hangs on the noise between seeds, or its seconds are not measured"
    hardest = [last_needed(list(of_units.values()), rule.at_least) for of_units in of_conventions.values()]
    are_alike = len({one.more for one in numbers}) == 1
    return words(max(hardest, key=lambda one: one.more), rule, 0 if are_alike else tasks, "planned")


def to_json(foreseen: Sequence[ForeseenRule]) -> list[dict[str, Any]]:
    """Plain data, an object a rule: widths and differences of ratios are factors, those of exponents differences."""
    return [
        {
            "claim": one.rule.claim,
            "interval_level": one.level,
            "seeds": one.seeds,
            "source": one.source,
            "decided": one.decided,
            "sentence": one.sentence,
            "numbers": [_number_json(number, one.rule) for number in one.numbers],
        }
        for one in foreseen
    ]


def _number_json(number: ForeseenNumber, rule: Decide) -> dict[str, Any]:
    one, now = number.planned, number.now
    said: dict[str, Any] = {
        "convention": one.convention,
        "task": one.unit,
        "condition": condition_words(one.condition, rule.conventions),
        "matters": one.condition.smallest,
        "why": one.why or None,
    }
    if one.spread is None or now is None:
        return said
    return {
        **said,
        "noise": now.noise,
        "seeds_now": now.seeds,
        "half_width_now": as_said(one, now.half_width(one.level)),
        "half_width": as_said(one, one.spread.half_width(one.level)),
        "seen": as_said(one, seen(one.spread, one.level, one.of_equality)),
        "seeds_needed": one.seeds,
        "sizes": one.spread.sizes,
        "sizes_needed": one.sizes,
        "decades": one.spread.decades,
        "decades_needed": one.decades,
    }
