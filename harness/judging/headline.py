"""The answer of an experiment: which of two sides is better at equal size, by how much, and where
that turns.

Nothing here is read off a law. Every number is a ratio of test losses at a size that both sides
have, with an interval over seeds.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.formats import human, plural
from harness.base.reasons import NoNumber
from harness.comparison.effort import efforts
from harness.comparison.replicates import FEW as FEW_REPLICATES
from harness.comparison.replicates import exponent, not_found
from harness.judging import sides, versus
from harness.judging.baselines import baselines_of, deviations_of, overlap_of
from harness.judging.judge import interval_level
from harness.judging.pair import Pair, conventions_of, tasks_of_both
from harness.judging.runs import ExperimentRuns, runs_of
from harness.judging.scaling import chosen_runs, headline_axes
from harness.judging.sides import SideCurve
from harness.judging.versus import PLACES, Headline, Lead, NoHeadline, Reading, Side, leader
from harness.judging.won import won_by
from harness.spec.counts import END_TOLERANCE, all_axes
from harness.spec.decide import side_label, units
from harness.spec.manifest import Manifest

LEVEL = 0.95  # of intervals where no rule asks for another
FEW_SEEDS = 5  # with fewer, Student's intervals are several times wider than with many
FAR = 10.0  # times a loss: a run that ended so far above others has failed
MOST_DIVERGED = 0.1  # of a side's runs, which nobody needs to be warned of
STILL_FELL = (
    1.1  # times that a loss fell in the last half of training: the smallest factor that matters
)
SPENT = ("flops_train", "seconds")  # kinds of axes on which a search has caps
OWN_CAPS = (
    "Nothing is said at equal FLOPs or seconds: runs have no cap of these, so that what a run "
    "spends follows from its size (docs/search.md)."
)
DOUBLINGS = 3  # of training, by which a side that goes on falling so may draw level


def main_sides(manifest: Manifest) -> tuple[Side, Side] | None:
    """The two sides that an experiment is about: those of its first pair, or of its first rule of
    two sides.

    Else its only two arms, and of a search with replicates its first two.
    """
    experiment = manifest.experiment
    pairs: list[Sequence[tuple[str, ...]]] = list(experiment.pairs)
    pairs += [
        rule.arms_of_sides
        for rule in experiment.decide
        if len(rule.sides) == 2 and not rule.takes.of_networks
    ]
    arms = [(arm,) for arm in experiment.arms]
    if len(arms) == 2 or (experiment.search and len(arms) > 2):
        pairs.append(arms[:2])
    return _sides_of(pairs[0]) if pairs else None


def _sides_of(pair: Sequence[tuple[str, ...]]) -> tuple[Side, Side]:
    first, second = pair
    return Side(side_label(first), first), Side(side_label(second), second)


def main_headline(
    manifest: Manifest, table: pd.DataFrame, every: pd.DataFrame | None = None
) -> Headline | NoHeadline:
    """The headline of the two sides that an experiment is about, from the table that is judged
    (`winners.reported`).

    `every` has all runs, of which efforts are made.
    """
    both = main_sides(manifest)
    if both is None:
        arms = ", ".join(manifest.experiment.arms)
        return NoHeadline(
            f"No two sides are named to compare: `harness compare FILE A B` compares two of {arms}."
        )
    try:
        return headline(runs_of(manifest, table, every), both)
    except HarnessError as error:
        return NoHeadline(f"Nothing can be compared: {error}.")


def headline(
    runs: ExperimentRuns,
    both: tuple[Side, Side],
    at: float | None = None,
    axis: str | None = None,
    level: float | None = None,
) -> Headline:
    """Both sides on every task and axis, at the smallest, a middle and the largest size that both
    have.

    With a budget `at` on `axis` (the matched one where it is None) there is one place: the network
    of that size of the first side, and the one of the second that is equal to it on each axis.
    Where `level` is None, intervals are at the level of the first rule that compares these sides,
    so that answer and verdict agree.
    """
    manifest, asked_axis = runs.manifest, axis or runs.matched
    level = level_of(runs, both, level)
    pair = Pair(runs, both, tasks_of_both(runs, both), level)
    axes = list(dict.fromkeys([asked_axis, *conventions_of(runs, asked_axis)[0]]))
    places = PLACES if at is None else (f"{at:,.6g}",)
    readings: list[Reading] = []
    leads: list[Lead] = []
    for task, axis_name in itertools.product(pair.tasks, axes):
        try:
            curves = pair.curves(task, axis_name)
            matched = sides.side_curve(runs, task, both[0].names, asked_axis)
            sizes = _sizes(*curves) if at is None else [sides.size_on(matched, at, axis_name)]
        except HarnessError as error:
            refused = not_found(error)
            readings += [Reading(task, axis_name, place, refused, (), refused) for place in places]
            continue
        for place, size in zip(places, sizes, strict=True):
            readings.append(_reading(pair, task, axis_name, place, curves, size))
        leads += _leads(pair, task, axis_name, curves)
    clocks = [name for name in axes if all_axes()[name].needs_seconds]
    search = manifest.experiment.search if runs.every is not None else None
    of_efforts = itertools.product(pair.tasks, efforts(search.runs)) if search else ()
    first, second = both
    won = tuple(won_by(pair))
    return Headline(
        first=first,
        second=second,
        metric=metric_of(runs.table),
        level=pair.level,
        replicates=max((reading.ratio.replicates for reading in readings), default=0),
        formulas={task: manifest.formulas[task].formula for task in pair.tasks},
        columns=tuple(name for name in axes if name not in clocks),
        clock=clocks[0] if clocks else None,
        limits=tuple(name for name in axes if all_axes()[name].kind in SPENT)
        if "won_on" in runs.table
        else (),
        places=places,
        readings=tuple(readings),
        largest=tuple(
            _largest(runs, task, side) for task, side in itertools.product(pair.tasks, both)
        ),
        leads=tuple(leads),
        cautions=tuple(itertools.chain(_edges(won), _cautions(pair, readings))),
        won=won,
        others=tuple(_others(pair)),
        exponents=tuple(_exponents(pair)),
        deviations=deviations_of(runs.table, pair.tasks),
        baselines=tuple(
            itertools.chain.from_iterable(baselines_of(runs.table, task) for task in pair.tasks)
        ),
        efforts=tuple(
            versus.Effort(task, number, pair.largest_ratio(task, number))
            for task, number in of_efforts
        ),
    )


def level_of(
    runs: ExperimentRuns, both: tuple[Side, Side] | None, level: float | None = None
) -> float:
    """The level of every interval of an answer on two sides: that of the first rule about them."""
    manifest, names = runs.manifest, tuple(side.names for side in both or ())
    rule = next((rule for rule in manifest.experiment.decide if rule.arms_of_sides == names), None)
    if level is not None:
        return level
    return LEVEL if rule is None else interval_level(rule, len(units(rule, manifest.tasks)))


def metric_of(runs: pd.DataFrame) -> str:
    """The metric of the tasks of these runs; `loss` where they have several."""
    metrics = runs["metric"].unique()
    return str(metrics[0]) if len(metrics) == 1 else "loss"


def _exponents(pair: Pair) -> Iterator[versus.SideExponent]:
    """Of both sides, by a size and by a training cost."""
    for axis, task, side in itertools.product(
        headline_axes(pair.runs.manifest), pair.tasks, pair.sides
    ):
        try:
            curve = sides.side_curve(pair.runs, task, side.names, axis)
            slope = exponent(curve.over_budgets, pair.level)
        except HarnessError as error:
            slope = not_found(error)
        yield versus.SideExponent(task, side.label, axis, slope)


def _others(pair: Pair) -> Iterator[versus.Other]:
    """The other pairs that the file names, on every task."""
    for both in map(_sides_of, pair.runs.manifest.experiment.pairs):
        if both != pair.sides:
            other = replace(pair, sides=both)
            yield from (
                versus.Other(*other.labels, task, other.largest_ratio(task)) for task in pair.tasks
            )


def _sizes(first: SideCurve, second: SideCurve) -> tuple[float | None, float | None, float]:
    """The smallest, a middle and the largest size that both have; the middle one is of the first
    side's own sizes.

    Where they have one size in common, it is the largest. None stands for a size that there is not.
    """
    largest = float(sides.largest_common([first, second]))
    smallest, *between, _ = _sizes_within(first, second)
    if smallest >= largest * (1 - END_TOLERANCE):
        return None, None, largest
    middle = min(
        between, key=lambda size: abs(np.log(size / np.sqrt(smallest * largest))), default=None
    )
    return smallest, middle, largest


def _sizes_within(first: SideCurve, second: SideCurve) -> list[float]:
    """The ends of the sizes that both have, and the first side's own sizes between them."""
    low, high = sides.common([first, second])
    return [
        float(low),
        *first.sizes[(first.sizes > low) & (first.sizes < high)].tolist(),
        float(high),
    ]


def _reading(
    pair: Pair,
    task: str,
    axis: str,
    place: str,
    curves: tuple[SideCurve, SideCurve],
    size: float | None,
) -> Reading:
    if size is None:
        reason = f"{curves[0].name} and {curves[1].name} have too few sizes of {axis} in common"
        refused = not_found(NoNumber("NO_SIZE", reason))
        return Reading(task, axis, place, refused, (), refused)
    ratio = pair.ratio(curves, size)
    worse = sides.worse_than_constant(curves, size) if ratio.estimate is not None else ()
    try:
        multiplier = replace(sides.budget_ratio(*curves, size, pair.level), at=size)
    except HarnessError as error:
        multiplier = not_found(error, size)
    return Reading(task, axis, place, ratio, worse, multiplier)


def _of_largest(runs: ExperimentRuns, task: str, side: Side) -> pd.DataFrame:
    """The chosen runs of a side at its largest size on the matched axis, without those that
    diverged.
    """
    rows = chosen_runs(sides.rows_of_side(runs.table, task, side.names), runs.matched)
    return rows[(rows["size"] == rows["size"].max()) & (rows["status"] == "done")]


def _largest(runs: ExperimentRuns, task: str, side: Side) -> versus.Largest:
    of_size = _of_largest(runs, task, side)
    networks = {cell.index: cell.network.words for cell in runs.manifest.cells if cell.network}
    words = dict.fromkeys(
        map(networks.get, of_size["cell"])
    )  # winners of a search have cells of their own
    return versus.Largest(
        task, side.label, ", ".join(filter(None, words)), _geometric_mean(of_size["test_loss"])
    )


def _geometric_mean(values: pd.Series) -> float:
    with np.errstate(divide="ignore"):  # a loss of 0
        return float(np.exp(np.log(values).mean()))


def _leads(pair: Pair, task: str, axis: str, curves: tuple[SideCurve, SideCurve]) -> list[Lead]:
    """Stretches of neighbouring sizes with one leader: sizes of the first side, and the ends of
    those that both have.

    Sizes that cannot be read are left out.
    """
    leads = []
    for size in dict.fromkeys(_sizes_within(*curves)):
        ratio = pair.ratio(curves, size)
        if not ratio.refusals:
            leads.append(Lead(task, axis, size, size, leader(ratio, *pair.labels)))
    return versus.merged(leads)


def _edges(won: Sequence[versus.Won]) -> Iterator[str]:
    """Where the best size lies at an end of those that were tried."""
    if at_ends := [f"of {one.side} on {one.task}" for one in won if one.is_edge]:
        yield (
            f"The best size {' and '.join(at_ends)} is the smallest or largest that was "
            "tried: others may be better."
        )


def _cautions(pair: Pair, readings: Sequence[Reading]) -> Iterator[str]:
    table = pair.runs.table[pair.runs.table["chosen"]]
    worse_on: dict[
        tuple[str, ...], list[str]
    ] = {}  # the sides that are worse than a constant, by the tasks
    diverged, far_off, still_fell = [], [], []
    for side in pair.sides:
        tasks = []
        for reading in readings:
            is_worse = side.label in reading.worse_than_constant or reading.ratio.is_refused_by(
                "WORSE_THAN_CONSTANT"
            )
            if is_worse and reading.place not in PLACES[:-1]:
                tasks.append(reading.task)
        worse_on.setdefault(tuple(dict.fromkeys(tasks)), []).append(side.label)
        rows = sides.rows_named(table, side.names)
        is_lost = rows["status"] != "done"
        if is_lost.mean() > MOST_DIVERGED:
            diverged.append(f"{is_lost.mean():.0%} of the runs of {side.label} diverged.")
        losses = rows["test_loss"].mask(is_lost)
        far = rows.loc[losses > FAR * losses.groupby(rows["cell"]).transform("median"), "run_id"]
        if len(far):  # a run that won several budgets counts once
            far_off.append(
                f"{far.nunique():,} of {rows['run_id'].nunique():,} networks of {side.label}"
            )
        still_fell += _still_fell(pair, side, readings)
    for worse, labels in worse_on.items():
        if worse:
            lose = (
                f"{' and '.join(labels)} {'are' if len(labels) > 1 else 'is'} worse than a constant"
            )
            yield f"{lose} on {', '.join(worse)}, at the largest equal size."
    yield from _of_rows(pair)
    yield from diverged
    if still_fell:
        error = ", that ".join(still_fell)
        yield (
            f"Training was cut short: in its last half the error {error}. Longer training "
            "may reverse this."
        )
    search, seeds = pair.runs.manifest.experiment.search, table["seed"].nunique()
    if far_off:
        picked = " that validation picked" if search else ""
        yield (
            f"{' and '.join(far_off)}{picked} ended over {FAR:g} times above the median of "
            "their size."
        )
    if search:
        if seeds < FEW_REPLICATES:
            yield (
                f"Intervals of {seeds} replicates are too narrow in some cases; "
                f"{FEW_REPLICATES} or more are better."
            )
        yield (
            f"Each side made {plural(search.runs, 'run')} a size in each replicate. More "
            "runs may reverse this."
        )
        if len(set(table["won_on"])) == 1:
            yield OWN_CAPS
        return
    if seeds < FEW_SEEDS:
        yield f"Intervals of {plural(seeds, 'seed')} are wide; {FEW_SEEDS} or more narrow them."
    yield (
        "Each side has one recipe (optimiser and settings). Another may reverse this: add "
        "search: to the file."
    )


def _of_rows(pair: Pair) -> Iterator[str]:
    """Where a linear model is ahead of both sides; and of tasks whose replicates share rows, what
    intervals are for.
    """
    table, formulas = pair.runs.table, pair.runs.manifest.formulas
    for task in pair.tasks:
        linear = {model.name: model.loss for model in baselines_of(table, task)}.get(
            "linear", np.inf
        )
        best, unit = (
            min(_largest(pair.runs, task, side).loss for side in pair.sides),
            deviations_of(table, [task]),
        )
        errors = [human(loss * unit.get(task, 1.0), 3) for loss in (linear, best)]
        if linear < best and errors[0] != errors[1]:
            yield (
                f"Use the linear model on {task}: {errors[0]} against {errors[1]} for the "
                "best network."
            )
    if shared := [task for task in pair.tasks if overlap_of(table[table["task"] == task])]:
        yield (
            f"Replicates are splits of the same rows on {', '.join(shared)}: intervals allow for "
            "that, and are for new "
            "rows of this population. More rows narrow them, more replicates hardly do."
        )
    if fixed := [task for task in pair.tasks if formulas[task].pool == 0]:
        yield (
            f"All replicates have the same test split on {', '.join(fixed)}: intervals are for "
            "other runs on these "
            "rows or texts, not for others, and nobody can tell how far those differ."
        )


def _still_fell(pair: Pair, side: Side, readings: Sequence[Reading]) -> list[str]:
    """`of mlp on xy still fell 1.8x`: where a side that is not ahead fell most at the largest size,
    if it did.

    A task counts if DOUBLINGS more such falls would take the side to the near end of the interval.
    """
    falls = {}
    for reading in readings:
        ratio = reading.ratio
        is_largest = reading.axis == pair.runs.matched and reading.place == PLACES[-1]
        if (
            not is_largest
            or not ratio.low
            or not ratio.high
            or leader(ratio, *pair.labels) == side.label
        ):
            continue
        rows = _of_largest(pair.runs, reading.task, side)
        if "late_fall" not in rows:
            continue
        fall = _geometric_mean(rows["late_fall"])
        if fall > STILL_FELL and fall**DOUBLINGS > max(ratio.low, 1 / ratio.high):
            falls[reading.task] = fall
    most = max(falls, key=lambda task: falls[task], default=None)
    return [f"of {side.label} on {most} still fell {falls[most]:.2g}x"] if most else []
