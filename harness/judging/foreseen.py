"""What the rules of a plan will see: from records that are there, such as a pilot's, or from a
declared noise.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, NamedTuple

import pandas as pd

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.judging.judge import interval_level, judge
from harness.judging.power import (
    ENOUGH,
    MOST_REPLICATES,
    as_said,
    difference_of,
    replicates_needed,
    seen,
)
from harness.judging.runs import runs_of
from harness.judging.verdict import Outcome, asked_words
from harness.laws.replicates import half_width
from harness.spec.decide import Decide, units

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest

LEAST_PILOT = 2  # replicates that show a spread
TWO_SIDES = math.sqrt(2)  # whose noise is independent; what replicates do to both makes it less


@dataclass(frozen=True)
class ForeseenNumber:
    """What a rule will see on a task; without numbers if nobody can tell.

    Of ratios, spreads are of their ln, and widths and differences are factors (1.1 is 10 %); of
    exponents all are differences.
    """

    task: Annotated[str, "the task or family of tasks"]
    matters: Annotated[float, "the smallest difference that matters"]
    why: Annotated[str | None, "why nobody can tell"]
    spread: Annotated[float | None, "standard deviation between replicates"] = None
    half_width: Annotated[OrNull | None, "half of the interval"] = None
    seen: Annotated[
        OrNull | None, "the smallest difference that is seen in 80 % of experiments"
    ] = None
    replicates_needed: Annotated[
        int | None, "to see the smallest difference that matters; null if 1,000 are too few"
    ] = None


@dataclass(frozen=True)
class ForeseenRule:
    """What a rule will see, or would need."""

    claim: Annotated[str, "of the rule"]
    interval_level: Annotated[float, "of its intervals"]
    replicates: Annotated[int, "that are planned"]
    source: Annotated[str, "where the spread is from"]
    decided: Annotated[Outcome | None, "the verdict, if the records decide the rule already"]
    sentence: Annotated[str, "the answer in words"]
    numbers: Annotated[tuple[ForeseenNumber, ...], "one a task or family of tasks"]
    decide: Decide


class Power(NamedTuple):
    """How many replicates the rules of an experiment need."""

    rules: Annotated[list[ForeseenRule], "in the order of the file"]


def foresee(
    manifest: Manifest,
    tables: tuple[pd.DataFrame, pd.DataFrame] | None,
    replicates: int | None = None,
    noise: float | None = None,
) -> list[ForeseenRule]:
    """What every rule of a plan will see with so many replicates, as many as it has if None.

    The spread between replicates is that of the runs in `tables`: the table that is judged of those
    that have records, and that of all of them. Without two whole replicates it is `noise`, the
    standard deviation of ln test loss between replicates, or what the file declares as that. A
    HarnessError if there is none either.
    """
    experiment = manifest.experiment
    planned = len(experiment.seeds) if replicates is None else replicates
    if planned < LEAST_PILOT:
        raise HarnessError(
            f"seeds: {list(experiment.seeds)} is one seed, which has no interval; give two or more"
        )
    pilot = tables[0]["seed"].nunique() if tables else 0
    declared = noise or experiment.noise
    if pilot < LEAST_PILOT and declared is None:
        raise HarnessError(
            "decide: no two seeds have all of their records, and no noise is declared; train a "
            "pilot (`harness run "
            "FILE`, at a scale of few seeds), or declare `noise: 0.3`, the standard deviation of "
            "ln test loss between "
            "seeds; for once, give `noise`"
        )
    foreseen = []
    for rule in experiment.decide:
        tasks_of_units = units(rule, manifest.tasks)
        level = interval_level(rule, len(tasks_of_units))
        decided: Outcome | None = None
        spreads: dict[str, tuple[float | None, str]]  # or why there is none
        if tables and pilot >= LEAST_PILOT:
            source = f"records of {pilot} replicates"
            judged = judge(rule, runs_of(manifest, *tables))
            spreads = {
                number.unit: (number.spread, number.found.refused or "no number")
                for number in judged.numbers
            }
            is_whole = pilot == len(experiment.seeds)
            if is_whole and judged.count and judged.count.outcome != "open":
                decided = judged.count.outcome
        else:
            source = f"a declared noise of {declared:g}"
            spread = float(declared or 0) * TWO_SIDES if rule.quantity == "test_loss" else None
            why = (
                f"only a pilot says how far replicates differ in {rule.quantity}: train two or more"
            )
            spreads = dict.fromkeys(tasks_of_units, (spread, why))
        numbers, of_equality = [], rule.within is not None
        for unit, (spread, why) in spreads.items():
            if spread is None:
                numbers.append(ForeseenNumber(unit, rule.smallest, why))
                continue
            overlap = manifest.overlap(tasks_of_units[unit][0])
            width = as_said(rule, float(half_width(spread, planned, level, overlap)))
            smallest = as_said(rule, seen(spread, planned, level, of_equality, overlap))
            needed = replicates_needed(spread, difference_of(rule), level, of_equality, overlap)
            numbers.append(
                ForeseenNumber(unit, rule.smallest, None, spread, width, smallest, needed)
            )
        already = f"already decided: {decided}; it needs no more replicates" if decided else ""
        sentence = already or _sentence(rule, numbers, planned)
        foreseen.append(
            ForeseenRule(
                rule.claim, level, planned, source, decided, sentence, tuple(numbers), rule
            )
        )
    return foreseen


def _sentence(rule: Decide, numbers: Sequence[ForeseenNumber], replicates: int) -> str:
    """What the rule will see, or would need more: on the last task that it needs."""
    of_spread = (number for number in numbers if number.spread is not None)
    by_spread = sorted(of_spread, key=lambda number: number.spread or 0.0)
    if len(by_spread) < min(rule.at_least, len(numbers)):
        return next(number.why or "" for number in numbers if number.spread is None)
    number, what = by_spread[rule.at_least - 1], asked_words(rule)
    needed = number.replicates_needed
    if needed is not None and needed <= replicates:
        return (
            f"the planned {replicates} replicates show {what} in {100 * ENOUGH:g} % of experiments"
        )
    more = f"more than {MOST_REPLICATES:,}" if needed is None else f"{needed:,}"
    least = f"the planned {replicates} show only {asked_words(rule, number.seen)} or more"
    return f"{what} would need {more} replicates to show; {least}"
