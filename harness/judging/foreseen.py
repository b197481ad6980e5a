"""What the rules of a plan will see: from records that are there, such as a pilot's, or from a declared noise."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NotRequired, TypedDict

import pandas as pd

from harness.base.errors import HarnessError
from harness.base.formats import human
from harness.base.plain import OrNull
from harness.judging.found import Outcome
from harness.judging.judge import Verdict, interval_level, judge
from harness.judging.looks import looks_at
from harness.judging.power import ENOUGH, MOST_REPLICATES, as_said, difference_of, replicates_needed, seen
from harness.judging.runs import runs_of
from harness.judging.words import asked_words
from harness.laws.replicates import half_width
from harness.spec import Decide, Manifest, units

LEAST_PILOT = 2  # replicates that show a spread
TWO_SIDES = math.sqrt(2)  # whose noise is independent; what replicates do to both makes it less


@dataclass(frozen=True)
class ForeseenNumber:
    """A number of a rule on a task before it is known: the `spread` between replicates, or `why` nobody can tell."""

    unit: str
    spread: float | None
    why: str = ""


@dataclass(frozen=True)
class ForeseenRule:
    """What a rule will see with so many `replicates` at the `level` of its intervals, in a `sentence` too.

    `source` says by what, and `is_declared` that it is a noise, and not records. `decided` is what became of a rule
    that the records decide, so that it needs no more; None of others.
    """

    rule: Decide
    level: float
    replicates: int
    source: str
    is_declared: bool
    numbers: tuple[ForeseenNumber, ...]
    sentence: str
    decided: Outcome | None = None


def foresee(
    manifest: Manifest,
    table: pd.DataFrame,
    replicates: int | None = None,
    noise: float | None = None,
    every: pd.DataFrame | None = None,
) -> list[ForeseenRule]:
    """What every rule of a plan will see with so many replicates, as many as it has if None.

    From the table that is judged of the runs that have records, and that of `every` run that has one; or with `noise`,
    the standard deviation of ln test loss between replicates, from that. Without two whole replicates it is the noise
    that the file declares. A HarnessError if there is none either.
    """
    experiment = manifest.experiment
    planned = len(experiment.seeds) if replicates is None else replicates
    if planned < LEAST_PILOT:
        raise HarnessError(f"seeds: {list(experiment.seeds)} is one seed, which has no interval; give two or more")
    pilot = table["seed"].nunique() if noise is None else 0
    declared = noise or experiment.noise
    if pilot < LEAST_PILOT and declared is None:
        raise HarnessError(
            "decide: no two seeds have all of their records, and no noise is declared; train a pilot (`harness run "
            "FILE`, at a scale of few seeds), or give --noise 0.3, the standard deviation of ln test loss between seeds"
        )
    without_looks = manifest.model_copy(update={"experiment": experiment.model_copy(update={"looks": ()})})
    found = []
    for rule in experiment.decide:
        counted = units(rule, manifest.tasks)
        level = looks_at(interval_level(rule, len(counted)), experiment.looks or (planned,))[-1].level
        decided: Outcome | None = None
        if pilot >= LEAST_PILOT:
            source = f"records of {pilot} replicates"
            numbers = _from_records(judge(rule, runs_of(without_looks, table, every)))
            verdict = judge(rule, runs_of(manifest, table, every))
            if verdict.outcome != "open" and (manifest.looks or pilot == len(experiment.seeds)):
                decided = verdict.outcome
        else:
            source = f"a declared noise of {declared:g}"
            numbers = _from_noise(rule, list(counted), float(declared or 0))
        foreseen = ForeseenRule(rule, level, planned, source, pilot < LEAST_PILOT, tuple(numbers), "", decided)
        found.append(replace(foreseen, sentence=_sentence(foreseen)))
    return found


def _from_records(verdict: Verdict) -> Iterator[ForeseenNumber]:
    for one in verdict.numbers:
        yield ForeseenNumber(one.unit, one.spread, "" if one.spread is not None else one.found.refused or "no number")


def _from_noise(rule: Decide, counted: Sequence[str], noise: float) -> Iterator[ForeseenNumber]:
    is_ratio_of_losses = rule.quantity == "test_loss"
    why = f"only a pilot says how far replicates differ in {rule.quantity}: train two or more"
    for unit in counted:
        yield ForeseenNumber(unit, noise * TWO_SIDES if is_ratio_of_losses else None, "" if is_ratio_of_losses else why)


def _sentence(one: ForeseenRule) -> str:
    """What the rule will see, or would need more: on the last task that it needs."""
    if one.decided:
        return f"already decided: {one.decided}; it needs no more replicates"
    known = sorted(number.spread for number in one.numbers if number.spread is not None)
    if len(known) < min(one.rule.at_least, len(one.numbers)):
        return next(number.why for number in one.numbers if number.spread is None)
    spread, of_equality = known[one.rule.at_least - 1], one.rule.within is not None
    what = asked_words(one.rule)
    needed = replicates_needed(spread, difference_of(one.rule), one.level, of_equality)
    if needed is not None and needed <= one.replicates:
        return f"the planned {one.replicates} replicates see {what} ({100 * ENOUGH:g} %)"
    least = human(as_said(one.rule, seen(spread, one.replicates, one.level, of_equality)))
    more = f"more than {MOST_REPLICATES:,}" if needed is None else f"{needed:,}"
    return f"{what} would need {more} replicates; the planned {one.replicates} can tell only one of {least} or more"


class NumberForeseen(TypedDict):
    """What a rule will see on a task; without numbers if nobody can tell.

    Of ratios, spreads are of their ln, and widths and differences are factors (1.1 is 10 %); of exponents all are
    differences.
    """

    task: Annotated[str, "the task or family of tasks"]
    matters: Annotated[float, "the smallest difference that matters"]
    why: Annotated[str | None, "why nobody can tell"]
    spread: NotRequired[Annotated[float, "standard deviation between replicates"]]
    half_width: NotRequired[Annotated[OrNull, "half of the interval"]]
    seen: NotRequired[Annotated[OrNull, "the smallest difference that is seen in 80 % of experiments"]]
    replicates_needed: NotRequired[
        Annotated[int | None, "to see the smallest difference that matters; null if 1,000 are too few"]
    ]


class RuleForeseen(TypedDict):
    """What a rule will see, or would need."""

    claim: Annotated[str, "of the rule"]
    interval_level: Annotated[float, "of its intervals"]
    replicates: Annotated[int, "that are planned"]
    source: Annotated[str, "where the spread is from"]
    decided: Annotated[Outcome | None, "the verdict, if the records decide the rule already"]
    sentence: Annotated[str, "the answer in words"]
    numbers: Annotated[list[NumberForeseen], "one a task or family of tasks"]


def to_json(foreseen: Sequence[ForeseenRule]) -> list[RuleForeseen]:
    """What scripts read of every rule."""
    return [
        {
            "claim": one.rule.claim,
            "interval_level": one.level,
            "replicates": one.replicates,
            "source": one.source,
            "decided": one.decided,
            "sentence": one.sentence,
            "numbers": [_number_json(number, one) for number in one.numbers],
        }
        for one in foreseen
    ]


def _number_json(number: ForeseenNumber, of: ForeseenRule) -> NumberForeseen:
    said: NumberForeseen = {"task": number.unit, "matters": of.rule.smallest, "why": number.why or None}
    if number.spread is None:
        return said
    of_equality = of.rule.within is not None
    return {
        **said,
        "spread": number.spread,
        "half_width": as_said(of.rule, float(half_width(number.spread, of.replicates, of.level))),
        "seen": as_said(of.rule, seen(number.spread, of.replicates, of.level, of_equality)),
        "replicates_needed": replicates_needed(number.spread, difference_of(of.rule), of.level, of_equality),
    }
