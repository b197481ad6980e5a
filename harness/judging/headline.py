"""The answer of an experiment: which of two sides is better at equal size, by how much, and where that turns.

Nothing here is read off a law. Every number is a ratio of test losses at a size that both sides have, with an interval
over seeds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.base.reasons import NoNumber
from harness.comparison.effort import efforts
from harness.comparison.replicates import FEW as FEW_REPLICATES
from harness.comparison.replicates import Found, exponent, not_found
from harness.judging.baselines import baseline_losses
from harness.judging.judge import interval_level
from harness.judging.runs import ExperimentRuns, level_over, runs_of
from harness.judging.scaling import chosen_runs, headline_axes
from harness.judging.sides import (
    SideCurve,
    budget_ratio,
    check_any_learnt,
    common,
    largest_common,
    loss_ratio,
    picked,
    rows_of_side,
    side_curve,
    size_on,
    worse_than_constant,
)
from harness.judging.versus import (
    FAR,
    PLACES,
    Baseline,
    Effort,
    Headline,
    Largest,
    Lead,
    NearTheBest,
    NoHeadline,
    Other,
    RatioLine,
    Reading,
    Side,
    SideExponent,
    VersusRequest,
    leader,
)
from harness.judging.winners import LOSS, of_side
from harness.spec import END_TOLERANCE, Decide, Manifest, all_axes, side_label, units
from harness.spec.counts import answer_axes

LEVEL = 0.95  # of intervals where no rule asks for another
FEW_SEEDS = 5  # with fewer, Student's intervals are several times wider than with many
MOST_DIVERGED = 0.1  # of a side's runs, which nobody needs to be warned of
STILL_FELL = 1.1  # times that a loss fell in the last half of training: the smallest factor that matters
DOUBLINGS = 3  # of training, by which a side that goes on falling so may draw level


@dataclass(frozen=True)
class Pair:
    """Two sides, the runs that they are compared by, the tasks on which both have runs, and the level of intervals."""

    runs: ExperimentRuns
    sides: tuple[Side, Side]
    tasks: Sequence[str]
    level: float

    @property
    def labels(self) -> tuple[str, str]:
        """What the sides are called."""
        return self.sides[0].label, self.sides[1].label

    def curves(self, task: str, axis: str, effort: int | None = None) -> tuple[SideCurve, SideCurve]:
        """The curve of each side; a HarnessError where one has none."""
        first, second = (side_curve(self.runs, task, side.names, axis, effort) for side in self.sides)
        return first, second

    def level_of(self, replicates: int) -> float:
        """The level of an interval over so many replicates, which looks make higher."""
        looks = self.runs.manifest.looks
        return level_over(self.level, looks, replicates) if looks else self.level

    def ratio(self, curves: tuple[SideCurve, SideCurve], size: float | None) -> Found:
        """second / first in test loss at a size, or why there is none; None stands for a size that there is not."""
        try:
            if size is None:
                first, second = curves
                reason = f"{first.name} and {second.name} have too few sizes of {first.axis} in common"
                raise NoNumber("NO_SIZE", reason)
            check_any_learnt(curves, size)
            replicates = loss_ratio(*curves, size, self.level).replicates
            return replace(loss_ratio(*curves, size, self.level_of(replicates)), at=size)
        except HarnessError as error:
            return not_found(error, size)

    def largest_ratio(self, task: str, effort: int | None = None) -> Found:
        """The same at the largest matched size that both have."""
        try:
            curves = self.curves(task, self.runs.matched, effort)
            return self.ratio(curves, largest_common(curves))
        except HarnessError as error:
            return not_found(error)


def main_rule(manifest: Manifest) -> Decide | None:
    """The first rule that compares two sides by their sizes."""
    rules = manifest.experiment.decide
    return next((rule for rule in rules if len(rule.sides) == 2 and not rule.takes.of_networks), None)


def main_sides(manifest: Manifest) -> tuple[Side, Side] | None:
    """The two sides that an experiment is about: those of its first pair, or of its first rule of two sides.

    Else its only two arms, and of a search with replicates its first two.
    """
    if pairs := manifest.experiment.pairs:
        return _sides_of(pairs[0])
    if rule := main_rule(manifest):
        first, second = rule.arms_of_sides
        return _sides_of((first, second))
    arms = list(manifest.experiment.arms)
    has_pair = len(arms) > 1 if manifest.experiment.search else len(arms) == 2
    return (Side(arms[0], (arms[0],)), Side(arms[1], (arms[1],))) if has_pair else None


def _sides_of(pair: tuple[tuple[str, ...], tuple[str, ...]]) -> tuple[Side, Side]:
    first, second = pair
    return Side(side_label(first), first), Side(side_label(second), second)


def main_headline(manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None) -> Headline | NoHeadline:
    """The headline of the two sides that an experiment is about, from the table that is judged (`winners.reported`).

    `every` has all runs, of which efforts are made.
    """
    sides = main_sides(manifest)
    if sides is None:
        arms = ", ".join(manifest.experiment.arms)
        return NoHeadline(f"No two sides are named to compare: `harness compare FILE A B` compares two of {arms}.")
    try:
        return headline(runs_of(manifest, table, every), sides)
    except HarnessError as error:
        return NoHeadline(f"Nothing can be compared: {error}.")


def headline(
    runs: ExperimentRuns,
    sides: tuple[Side, Side],
    at: float | None = None,
    axis: str | None = None,
    level: float | None = None,
) -> Headline:
    """Both sides on every task and axis, at the smallest, a middle and the largest size that both have.

    With a budget `at` on `axis` (the matched one where it is None) there is one place: the network of that size of the
    first side, and the one of the second that is equal to it on each axis. Where `level` is None, intervals are at the
    level of the first rule that compares these sides, so that answer and verdict agree.
    """
    manifest, asked_axis = runs.manifest, axis or runs.matched
    pair = Pair(runs, sides, tasks_of_both(runs, sides), _level(runs, sides) if level is None else level)
    measured, _ = conventions_of(runs, asked_axis)
    axes = [asked_axis, *(name for name in measured if name != asked_axis)]
    places = PLACES if at is None else (f"{at:,.6g}",)
    readings: list[Reading] = []
    leads: list[Lead] = []
    for task, axis_name in itertools.product(pair.tasks, axes):
        try:
            curves = pair.curves(task, axis_name)
            matched = side_curve(runs, task, sides[0].names, asked_axis)
            sizes = _sizes(*curves) if at is None else [size_on(matched, at, axis_name)]
        except HarnessError as error:
            no = not_found(error)
            readings += [Reading(task, axis_name, place, no, (), no) for place in places]
            continue
        for place, size in zip(places, sizes, strict=True):
            readings.append(_reading(pair, task, axis_name, place, curves, size))
        leads += _leads(pair, task, axis_name, curves)
    clocks = [name for name in axes if all_axes()[name].needs_seconds]
    is_searched = runs.every is not None and manifest.experiment.search is not None
    return Headline(
        *sides,
        metric=str(runs.table["metric"].iloc[0]),
        level=pair.level,
        replicates=max((reading.ratio.replicates for reading in readings), default=0),
        formulas={task: manifest.formulas[task].formula for task in pair.tasks},
        columns=tuple(name for name in axes if name not in clocks),
        clock=clocks[0] if clocks else None,
        limits=tuple(
            name for name in axes if "won_on" in runs.table and all_axes()[name].kind in ("flops_train", "seconds")
        ),
        places=places,
        readings=tuple(readings),
        largest=tuple(_largest(runs, task, side) for task, side in itertools.product(pair.tasks, sides)),
        leads=tuple(leads),
        cautions=tuple(_cautions(pair, readings)),
        looks=manifest.looks,
        efforts=tuple(_efforts(pair)) if is_searched else (),
        others=tuple(_others(pair)),
        exponents=tuple(_exponents(pair)),
        near_the_best=tuple(_near_the_best(pair)) if is_searched else (),
        baselines=tuple(
            Baseline(task, name, loss)
            for task in pair.tasks
            for name, loss in baseline_losses(runs.table, task).items()
        ),
    )


def _efforts(pair: Pair) -> Iterator[Effort]:
    """Every effort of a search on every task, at the largest matched budget."""
    search = pair.runs.manifest.experiment.search
    assert search
    for task, effort in itertools.product(pair.tasks, efforts(search.runs)):
        yield Effort(task, effort, pair.largest_ratio(task, effort))


def _near_the_best(pair: Pair) -> Iterator[NearTheBest]:
    """Of every side of a search on every task."""
    assert pair.runs.every is not None
    for task, side in itertools.product(pair.tasks, pair.sides):
        runs = of_side(pair.runs.manifest, pair.runs.every, task, side.names)
        runs = runs[runs["asked"] == runs["asked"].max()]
        best = picked(runs, ["seed"]).set_index("seed")[LOSS]
        near = (runs["status"] == "done") & (runs[LOSS] <= FAR * runs["seed"].map(best))
        yield NearTheBest(task, side.label, float(near.groupby(runs["seed"]).mean().mean()))


def _exponents(pair: Pair) -> Iterator[SideExponent]:
    """Of both sides, by a size and by a training cost."""
    for axis, task, side in itertools.product(headline_axes(pair.runs.manifest), pair.tasks, pair.sides):
        try:
            curve = side_curve(pair.runs, task, side.names, axis)
            found = exponent(curve.over_budgets, pair.level_of(len(curve.seeds)))
        except HarnessError as error:
            found = not_found(error)
        yield SideExponent(task, side.label, axis, found)


def _others(pair: Pair) -> Iterator[Other]:
    """The other pairs that the file names, on every task."""
    for sides in map(_sides_of, pair.runs.manifest.experiment.pairs):
        if sides != pair.sides:
            other = replace(pair, sides=sides)
            yield from (Other(*other.labels, task, other.largest_ratio(task)) for task in pair.tasks)


def _level(runs: ExperimentRuns, sides: tuple[Side, Side]) -> float:
    asked = tuple(side.names for side in sides)
    rule = next((rule for rule in runs.manifest.experiment.decide if rule.arms_of_sides == asked), None)
    return LEVEL if rule is None else interval_level(rule, len(units(rule, runs.tasks)))


def _sizes(first: SideCurve, second: SideCurve) -> tuple[float | None, float | None, float]:
    """The smallest, a middle and the largest size that both have; the middle one is of the first side's own sizes.

    Where they have one size in common, it is the largest. None stands for a size that there is not.
    """
    largest = largest_common([first, second])
    smallest, _ = common([first, second])
    if smallest >= largest * (1 - END_TOLERANCE):
        return None, None, float(largest)
    between = first.sizes[(first.sizes > smallest) & (first.sizes < largest)]
    if not between.size:
        return float(smallest), None, float(largest)
    middle = between[np.argmin(np.abs(np.log(between / np.sqrt(smallest * largest))))]
    return float(smallest), float(middle), float(largest)


def _reading(
    pair: Pair, task: str, axis: str, place: str, curves: tuple[SideCurve, SideCurve], size: float | None
) -> Reading:
    ratio = pair.ratio(curves, size)
    if size is None:
        return Reading(task, axis, place, ratio, (), ratio)
    worse = worse_than_constant(curves, size) if ratio.estimate is not None else ()
    try:
        multiplier = replace(budget_ratio(*curves, size, pair.level), at=size)
    except HarnessError as error:
        multiplier = not_found(error, size)
    return Reading(task, axis, place, ratio, worse, multiplier)


def _of_largest(runs: ExperimentRuns, task: str, side: Side) -> pd.DataFrame:
    """The chosen runs of a side at its largest size on the matched axis, without those that diverged."""
    rows = chosen_runs(rows_of_side(runs.table, task, side.names), runs.matched)
    return rows[(rows["size"] == rows["size"].max()) & (rows["status"] == "done")]


def _largest(runs: ExperimentRuns, task: str, side: Side) -> Largest:
    of_size = _of_largest(runs, task, side)
    networks = {cell.index: cell.network.words for cell in runs.manifest.cells if cell.network}
    words = [networks.get(cell, "") for cell in of_size["cell"]]
    loss = float(np.exp(np.log(of_size["test_loss"]).mean()))
    return Largest(task, side.label, ", ".join(filter(None, dict.fromkeys(words))), loss)


def _leads(pair: Pair, task: str, axis: str, curves: tuple[SideCurve, SideCurve]) -> list[Lead]:
    """Stretches of neighbouring sizes with one leader: the first side's own, and the ends of those that both have.

    Sizes that cannot be read are left out.
    """
    smallest, largest = common(curves)
    between = curves[0].sizes[(curves[0].sizes > smallest) & (curves[0].sizes < largest)]
    ratios = {float(size): pair.ratio(curves, float(size)) for size in dict.fromkeys([smallest, *between, largest])}
    read = [(size, leader(ratio, *pair.labels)) for size, ratio in ratios.items() if not ratio.refusals]
    leads = []
    for ahead, stretch in itertools.groupby(read, key=lambda place: place[1]):
        sizes = [size for size, _ in stretch]
        leads.append(Lead(task, axis, sizes[0], sizes[-1], ahead))
    return leads


def _cautions(pair: Pair, readings: Sequence[Reading]) -> Iterator[str]:
    table = pair.runs.table[pair.runs.table["chosen"]]
    chosen = {side: table[table["arm"].isin(side.names) | table["series"].isin(side.names)] for side in pair.sides}
    failed: dict[tuple[str, ...], list[str]] = {}
    for side in pair.sides:
        failed.setdefault(_worse_than_constant(side, readings), []).append(side.label)
    for tasks, labels in failed.items():
        if tasks:
            lose = f"{' and '.join(labels)} {'are' if len(labels) > 1 else 'is'} worse than a constant"
            yield f"{lose} on {', '.join(tasks)}, at the largest equal size."
    for side, rows in chosen.items():
        is_lost = rows["status"] != "done"
        if is_lost.mean() > MOST_DIVERGED:
            yield f"{is_lost.mean():.0%} of the runs of {side.label} diverged."
    fell = list(filter(None, (_still_fell(pair, side, readings) for side in pair.sides)))
    if fell:
        learnt = ", that ".join(fell)
        yield f"Training was cut short: in its last half the error {learnt}. Longer training may turn this."
    for side, rows in chosen.items():
        losses = rows["test_loss"].where(rows["status"] == "done")
        far = rows.loc[losses > FAR * losses.groupby(rows["cell"]).transform("median"), "run_id"].nunique()
        if far:  # a run that won several budgets counts once
            told = f"{far:,} of {rows['run_id'].nunique():,} runs of {side.label}"
            yield f"{told} ended over {FAR:g} times above the median of their size."
    search, seeds = pair.runs.manifest.experiment.search, table["seed"].nunique()
    if search:
        if seeds < FEW_REPLICATES:
            yield f"Intervals of {seeds} replicates are too narrow in some cases; {FEW_REPLICATES} or more are better."
        yield f"Each side made {search.runs} runs a size in each replicate. More runs may turn this."
        return
    if seeds < FEW_SEEDS:
        yield f"{seeds} seeds give wide intervals; {FEW_SEEDS} or more narrow them."
    yield "Each side has one recipe. Another recipe may turn this: search both sides."


def _worse_than_constant(side: Side, readings: Sequence[Reading]) -> tuple[str, ...]:
    """The tasks on which the median loss of a side is above that of a constant, at the largest size of any axis."""
    failed = {}
    for one in readings:
        is_worse = side.label in one.worse_than_constant or one.ratio.is_refused_by("WORSE_THAN_CONSTANT")
        if is_worse and one.place not in PLACES[:-1]:
            failed[one.task] = True
    return tuple(failed)


def _still_fell(pair: Pair, side: Side, readings: Sequence[Reading]) -> str:
    """`of mlp on xy still fell 1.8x`: where a side that is not ahead fell most at the largest size; else empty.

    A task counts if DOUBLINGS more such falls would take the side to the near end of the interval.
    """
    falls = {}
    for reading in readings:
        ratio = reading.ratio
        is_largest = reading.axis == pair.runs.matched and reading.place == PLACES[-1]
        if not is_largest or not ratio.low or not ratio.high or leader(ratio, *pair.labels) == side.label:
            continue
        rows = _of_largest(pair.runs, reading.task, side)
        if "late_fall" not in rows:
            continue
        fall = float(np.exp(np.log(rows["late_fall"]).mean()))
        if fall > STILL_FELL and fall**DOUBLINGS > max(ratio.low, 1 / ratio.high):
            falls[reading.task] = fall
    most = max(falls, key=lambda task: falls[task], default=None)
    return f"of {side.label} on {most} still fell {falls[most]:.2g}x" if most else ""


# ---------------------------------------------------------------------------------------------------- as a user asks
def sides(runs: ExperimentRuns, first: str, second: str) -> tuple[Side, Side]:
    """A and B as typed: an arm, a series, or `label=arm,arm`.

    A HarnessError if a name is neither an arm nor a series that was run, or stands on both sides.
    """
    there = list(dict.fromkeys([*runs.table["arm"], *runs.table["series"]]))
    both = _side(first, there), _side(second, there)
    for name in (*both[0].names, *both[1].names):
        if name not in there:
            raise HarnessError(f"{name!r} is no arm of this experiment; {did_you_mean(name, there)}")
    if shared := [name for name in both[0].names if name in both[1].names]:
        raise HarnessError(f"{first} and {second}: {', '.join(shared)} on both sides; give different arms to compare")
    return both


def _side(text: str, there: Sequence[str]) -> Side:
    if text in there:  # the name of a series may have = and , in it
        return Side(text, (text,))
    label, _, listed = text.rpartition("=")
    names = tuple(name.strip() for name in listed.split(","))
    return Side(label or listed, names)


def conventions_of(runs: ExperimentRuns, axis: str) -> tuple[list[str], list[str]]:
    """The conventions to compare under, those of every answer and `axis`; and those of them not measured."""
    asked = list(dict.fromkeys([*answer_axes(), axis]))
    return [name for name in asked if name in runs.table], [name for name in asked if name not in runs.table]


def tasks_of_both(runs: ExperimentRuns, sides: tuple[Side, Side]) -> list[str]:
    """The tasks on which both sides have runs: all cells of an arm may be infeasible on one. A HarnessError if none."""
    rows = runs.table[~runs.table["of_budget"] & runs.table["chosen"]]
    both = [set(rows.loc[rows["arm"].isin(side.names) | rows["series"].isin(side.names), "task"]) for side in sides]
    tasks = [task for task in dict.fromkeys(rows["task"]) if task in both[0] & both[1]]
    if not tasks:
        raise HarnessError(f"{sides[0].label} and {sides[1].label} have runs on no task in common; compare others")
    return tasks


def check_asked(runs: ExperimentRuns, asked: VersusRequest) -> None:
    """A HarnessError where the axis is not measured, or on no task both sides have budgets around the one asked for."""
    if asked.axis in conventions_of(runs, asked.axis)[1]:
        raise HarnessError(f"`axis` {asked.axis}: not measured; `harness bench FILE` measures it")
    if asked.at is None:
        return
    told = []
    for task in tasks_of_both(runs, asked.sides):
        low, high = common([side_curve(runs, task, side.names, asked.axis) for side in asked.sides])
        if low <= asked.at <= high:
            return
        told.append(f"{task} {low:,.6g} to {high:,.6g}" if low <= high else f"{task} none")
    raise HarnessError(
        f"`at` {asked.at:,.6g}: by {asked.axis}, the sizes that both {asked.first} and {asked.second} have are "
        f"{'; '.join(told)}; ask within"
    )


def lines(runs: ExperimentRuns, asked: VersusRequest) -> list[RatioLine]:
    """The ratio at each of A's sizes, under every convention, where B has a network that is equal in it."""
    axes, _ = conventions_of(runs, asked.axis)
    curves = []
    for task, axis in itertools.product(tasks_of_both(runs, asked.sides), axes):
        if points := _points(runs, task, axis, asked):
            curves.append(RatioLine(task, axis, *np.array(points).T))
    return curves


def _points(runs: ExperimentRuns, task: str, axis: str, asked: VersusRequest) -> list[tuple[float, ...]]:
    """(A's budget, ratio, low, high), where there is one."""
    points: list[tuple[float, ...]] = []
    try:
        curves = Pair(runs, asked.sides, (task,), asked.level).curves(task, axis)
        of_sizes = side_curve(runs, task, asked.sides[0].names, asked.axis)
    except HarnessError:
        return []
    for size in of_sizes.sizes:
        try:
            at = size_on(of_sizes, float(size), axis)
            check_any_learnt(curves, at)
            ratio = loss_ratio(*curves, at, asked.level)
        except HarnessError:
            continue
        if ratio.estimate is not None and ratio.low is not None and ratio.high is not None:
            points.append((float(size), ratio.estimate, ratio.low, ratio.high))
    return points
