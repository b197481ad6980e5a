"""What stands for a side on a task: a value at each budget in each replicate, and how it is read at
other budgets.

With a search a side has at each budget the run that validation picks in each replicate
(`judging.winners`), and both sides have the same budgets. Without one, each seed is a replicate of
one run a size; sizes are where networks have them, so that a side is read between its two nearest
ones, on straight lines in log-log space: a power law is read without error, and nothing is
extrapolated. Replicates of one number see the same data, so sides are compared within them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.reasons import NoNumber
from harness.comparison.effort import Searched, Value, value
from harness.comparison.replicates import Curve, Found, best_ratio, multiplier, ratio_over
from harness.judging.baselines import NAMES, PREFIX, overlap_of
from harness.judging.quantity import Case
from harness.judging.runs import ExperimentRuns
from harness.judging.scaling import BEST_AT, chosen_runs
from harness.judging.winners import LOSS, VALIDATION, candidates, of_side
from harness.spec.counts import END_TOLERANCE
from harness.spec.decide import side_label

MOST_FAILED = 0.2  # of a size's runs
MORE_ROWS = "give more data, or another training"
NO_BETTER_THAN = {"constant": "NO_BETTER_THAN_CONSTANT", "linear": "NO_BETTER_THAN_LINEAR"}


@dataclass(frozen=True)
class SideCurve:
    """ln of a value by budget [m] and replicate [m, R], nan where a run diverged; `lost` [m] is the
    share that did.

    `winners` [m, R] is the same at full effort, which tells networks apart. `seeds` are the numbers
    of the replicates. `baselines` have ln of the test loss of a constant and a linear model [R],
    where they are known. `runs` has a row a run, with its `size`. `overlap` is of the rows of
    replicates.
    """

    name: str
    axis: str
    sizes: np.ndarray
    logs: np.ndarray
    winners: np.ndarray
    lost: np.ndarray
    seeds: tuple[int, ...]
    baselines: dict[str, np.ndarray] = field(default_factory=dict)
    overlap: float = 0.0
    none: np.ndarray | None = (
        None  # [m, R], the chance that a search of a lower effort finds nothing
    )
    runs: pd.DataFrame = field(default_factory=pd.DataFrame, compare=False, repr=False)

    @property
    def over_budgets(self) -> Curve:
        """As curves over budgets, one a replicate."""
        return Curve(self.sizes, self.logs.T, self.winners.T, self.overlap)

    @property
    def constant(self) -> float | None:
        """ln of the test loss of a constant, the median over replicates; None where it is not
        known.
        """
        return (
            float(np.nanmedian(self.baselines["constant"]))
            if "constant" in self.baselines
            else None
        )

    def of_column(self, column: str) -> "SideCurve":
        """The same runs, of another value."""
        return curve_of(self.runs, self.axis, column)


def rows_named(runs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """The rows of these arms or series."""
    return runs[runs["arm"].isin(names) | runs["series"].isin(names)]


def rows_of_side(runs: pd.DataFrame, task: str, names: Sequence[str]) -> pd.DataFrame:
    """The rows that stand for the arms or series `names` on a task, as one series; a HarnessError
    where there is none.

    Of several series each replicate reads, at each budget, the one that its validation picks.
    """
    label = side_label(names)
    rows = runs[(runs["task"] == task) & runs["chosen"] & ~runs["of_budget"]]
    if "won_on" in runs:
        rows = rows[rows["series"] == label]
        if rows.empty:
            listed = ", ".join(runs["series"].unique())
            raise HarnessError(f"{label} is no side of this search; its sides are: {listed}")
        return rows
    rows = rows_named(rows, names)
    series = rows["series"].unique()
    if not series.size:
        raise HarnessError(f"{label} has no runs on {task}")
    if len(series) == 1:
        return rows.assign(series=label)
    if rows["asked"].isna().any():
        listed = f"{label} has {len(series)} series on {task} ({', '.join(series)})"
        raise HarnessError(
            f"{listed}, not matched at budgets, so that there is no best of them; name one"
        )
    best = picked(rows, ["asked", "seed"])
    return best.assign(series=label, **{BEST_AT: best["asked"]})


def picked(rows: pd.DataFrame, by: Sequence[str]) -> pd.DataFrame:
    """Of each group the row of least validation loss; a diverged run counts as infinite."""
    losses = rows[VALIDATION].where(rows["status"] == "done", math.inf).fillna(math.inf)
    return rows.loc[losses.groupby([rows[name] for name in by]).idxmin()]


def side_curve(
    runs: ExperimentRuns, task: str, names: Sequence[str], axis: str, effort: int | None = None
) -> SideCurve:
    """The curve of a side on a task, over budgets on an axis, as if it had made `effort` runs at
    each size.
    """
    key = (task, tuple(names), axis, effort)
    if key not in runs.curves:
        full = curve_of(rows_of_side(runs.table, task, names), axis)
        runs.curves[key] = full if effort is None else _at_effort(runs, task, names, full, effort)
    curve: SideCurve = runs.curves[key]
    return curve


def curve_on(case: Case, task: str, names: Sequence[str]) -> SideCurve:
    """The curve of a side on a task, over budgets on the axis of the case, at the effort of its
    rule.
    """
    return side_curve(case.runs, task, names, case.axis, case.rule.effort)


def curves_of(case: Case) -> list[SideCurve]:
    """The curve of each side of the rule, on the task of the case."""
    return [curve_on(case, case.task, names) for names in case.rule.arms_of_sides]


def curve_of(runs: pd.DataFrame, axis: str, column: str = LOSS) -> SideCurve:
    """The curve of `column` over sizes on `axis`, from the rows of one series; a HarnessError where
    there is none.
    """
    name = str(runs["series"].iloc[0])
    for needed in (axis, column):
        if needed not in runs:
            raise HarnessError(f"{needed} of {name} is not measured")
    sized = chosen_runs(runs, axis).loc[lambda rows: rows["size"] > 0]
    if sized.empty:
        raise HarnessError(f"{axis} counts nothing of {name}")
    done = sized[column].where(sized["status"] == "done")
    if column != LOSS and (done < 0).any():
        raise HarnessError(
            f"{column} of {name} is below 0 in a run, and a ratio needs values above 0"
        )
    with np.errstate(divide="ignore"):
        sized = sized.assign(value=np.log(done), lost=sized["status"] != "done")
    lost = sized.groupby("size")["lost"].mean()
    values = sized.groupby(["size", "seed"])["value"].mean().unstack("seed")  # noqa: PD010  pivot_table takes thrice as long
    baselines = {}
    for model in NAMES if column == LOSS else ():
        if (name_of := f"{PREFIX}{model}") in sized and sized[name_of].median() > 0:
            with np.errstate(divide="ignore"):
                baselines[model] = np.log(
                    sized.groupby("seed")[name_of].first().loc[values.columns].to_numpy(float)
                )
    sizes, by_size, seeds = (
        lost.index.to_numpy(float),
        values.to_numpy(float),
        tuple(map(int, values.columns)),
    )
    return SideCurve(
        name,
        axis,
        sizes,
        by_size,
        by_size,
        lost.to_numpy(float),
        seeds,
        baselines,
        overlap_of(runs),
        runs=runs,
    )


def _at_effort(
    runs: ExperimentRuns, task: str, names: Sequence[str], full: SideCurve, effort: int
) -> SideCurve:
    """The curve if the side had made fewer runs at each size, exactly (`comparison.effort`)."""
    manifest, every = runs.manifest, runs.every
    if every is None or manifest.experiment.search is None:
        raise HarnessError(
            f"effort={effort}: nothing is searched, so that every side has one run; leave it out"
        )
    side = of_side(manifest, every, task, names)
    logs, none = np.full_like(full.logs, np.nan), np.ones_like(full.logs)
    for row, budget in enumerate(full.sizes):
        at_budget = candidates(manifest, side, full.axis, budget)
        for column, seed in enumerate(full.seeds):
            of_seed = at_budget[at_budget["seed"] == seed]
            searched = Searched(
                *(of_seed[name].to_numpy(float) for name in ("asked", "cost", VALIDATION, LOSS))
            )
            at_effort = value(searched, budget, effort)
            logs[row, column], none[row, column] = at_effort.ln_loss, at_effort.none
    return replace(full, logs=logs, none=none, lost=none.mean(axis=1))


# --------------------------------------------------------------------------------------------------
# reading
def budget_of(case: Case, curves: Sequence[SideCurve]) -> float:
    """The budget of the rule, or the largest one that all sides have; a HarnessError where they
    have none in common.
    """
    place = case.rule.place
    if isinstance(place, str):
        return largest_common(curves)
    for curve in curves:
        _inside(curve, place)
    return place


def largest_common(curves: Sequence[SideCurve]) -> float:
    """The largest budget that all curves reach; a HarnessError where they share none."""
    low, high = common(curves)
    if high < low * (1 - END_TOLERANCE):
        raise NoNumber("NO_OVERLAP", ", ".join(map(_range_words, curves)))
    return high


def common(curves: Sequence[SideCurve]) -> tuple[float, float]:
    """The range of budgets that all curves have; empty where the low end is above the high one."""
    return max(curve.sizes[0] for curve in curves), min(curve.sizes[-1] for curve in curves)


def read(curve: SideCurve, at: float) -> np.ndarray:
    """ln of the value at budget `at`, by replicate [R]; a HarnessError outside, and where many runs
    diverged.
    """
    sizes, inside = curve.sizes, _inside(curve, at)
    upper = int(np.searchsorted(sizes, inside))
    lower = upper if sizes[upper] == inside else upper - 1
    if (lost := max(curve.lost[lower], curve.lost[upper])) > MOST_FAILED:
        where = " to ".join(dict.fromkeys(f"{sizes[place]:.4g}" for place in (lower, upper)))
        reason = (
            f"{lost:.0%} of the runs of {curve.name} at {curve.axis} {where} diverged; mend "
            "them first"
        )
        raise NoNumber("CENSORED", reason)
    if lower == upper:
        return curve.logs[lower]
    share = math.log(inside / sizes[lower]) / math.log(sizes[upper] / sizes[lower])
    return (1 - share) * curve.logs[lower] + share * curve.logs[upper]


def size_on(curve: SideCurve, at: float, axis: str) -> float:
    """The size on `axis` of what a side has at a budget `at` of the curve, or between its
    neighbours there.
    """
    if axis == curve.axis:
        return at
    logs = read(replace(curve.of_column(axis), lost=np.zeros_like(curve.lost)), at)
    logs = logs[np.isfinite(logs)]
    if not logs.size:
        raise HarnessError(f"{axis} counts nothing of {curve.name}")
    return math.exp(float(logs.mean()))


def loss_ratio(first: SideCurve, second: SideCurve, at: float, level: float) -> Found:
    """second / first in test loss at a budget, over the replicates that both have."""
    mine, other = (_value(side, at) for side in _paired(first, second))
    return best_ratio(mine, other, level, first.overlap)


def column_ratio(first: SideCurve, second: SideCurve, at: float, level: float) -> Found:
    """second / first in another column at a budget; a count that is the same in all replicates has
    no spread.
    """
    mine, other = (read(side, at) for side in _paired(first, second))
    if np.isneginf([*mine, *other]).any():
        raise HarnessError(f"a value at {first.axis} {at:.4g} is 0, of which there is no ratio")
    return ratio_over(other - mine, level, overlap=first.overlap)


def budget_ratio(first: SideCurve, second: SideCurve, at: float, level: float) -> Found:
    """The budget that the second side needs for the first's test loss at a budget, over it."""
    mine, other = _paired(first, second)
    return multiplier(mine.over_budgets, other.over_budgets, _inside(first, at), level)


def at_shared_budgets(first: SideCurve, second: SideCurve) -> tuple[Curve, Curve]:
    """Both curves at the budgets that both have, or the first one's that the second one is read
    at.
    """
    low, high = common([first, second])
    budgets = first.sizes[
        (first.sizes >= low * (1 - END_TOLERANCE)) & (first.sizes <= high * (1 + END_TOLERANCE))
    ]
    if not budgets.size:
        largest_common([first, second])  # which says why

    def at_budgets(side: SideCurve) -> Curve:
        full = replace(side, logs=side.winners)
        logs, winners = (
            [read(side, float(at)) for at in budgets],
            [read(full, float(at)) for at in budgets],
        )
        return Curve(budgets, np.array(logs).T, np.array(winners).T, side.overlap)

    mine, other = _paired(first, second)
    return at_budgets(mine), at_budgets(other)


def worse_than_constant(curves: Sequence[SideCurve], at: float) -> tuple[str, ...]:
    """The names of the sides whose median test loss at a budget is above that of a constant."""
    return tuple(
        curve.name
        for curve in curves
        if curve.constant is not None and np.nanmedian(read(curve, at)) > curve.constant
    )


def check_any_learnt(curves: Sequence[SideCurve], at: float) -> None:
    """A HarnessError where all sides are worse than a constant at a budget: among failures nobody
    is ahead.
    """
    if len(worse_than_constant(curves, at)) == len(curves):
        medians = " and ".join(
            f"{curve.name} {math.exp(np.nanmedian(read(curve, at))):.3g}" for curve in curves
        )
        constant = f"a constant has a test loss of {math.exp(curves[0].constant or 0):.3g}"
        medians = f"at {curves[0].axis} {at:.4g} the medians are {medians}"
        raise NoNumber("WORSE_THAN_CONSTANT", f"{constant}, and {medians}; {MORE_ROWS}")


def check_leader(first: SideCurve, second: SideCurve, at: float, level: float) -> Found:
    """The ratio of `loss_ratio`; a HarnessError where who leads does not beat a constant, or of
    data a linear model.

    It must do so with the same confidence: the interval over replicates lies on its side.
    """
    check_any_learnt([first, second], at)
    ratio = loss_ratio(first, second, at, level)
    if ratio.low is None or ratio.high is None or ratio.low <= 1 <= ratio.high:
        return ratio
    ahead = first if ratio.low > 1 else second
    for model, logs in ahead.baselines.items():
        over = ratio_over(logs - read(ahead, at), level, overlap=ahead.overlap)
        if over.low is None or over.low <= 1:
            words = (
                ""
                if over.low is None
                else f": {over.estimate:.3g} [{over.low:.3g}, {over.high:.3g}]"
            )
            reason = (
                f"at {ahead.axis} {at:.4g} the test loss of a {model} model over that of "
                f"{ahead.name}"
            )
            raise NoNumber(
                NO_BETTER_THAN[model], f"{reason} is not clearly above 1{words}; {MORE_ROWS}"
            )
    return ratio


def _inside(curve: SideCurve, at: float) -> float:
    """The budget, moved to an end where it is hardly beyond; a HarnessError where it is."""
    inside = min(max(at, curve.sizes[0]), curve.sizes[-1])
    if abs(at / inside - 1) > END_TOLERANCE:
        raise NoNumber("NO_OVERLAP", f"{_range_words(curve)}, which leaves {at:.4g} out")
    return float(inside)


def _range_words(curve: SideCurve) -> str:
    return f"{curve.name} has {curve.axis} from {curve.sizes[0]:.4g} to {curve.sizes[-1]:.4g}"


def _paired(first: SideCurve, second: SideCurve) -> tuple[SideCurve, SideCurve]:
    """Both curves, of the replicates that both have."""
    seeds = tuple(seed for seed in first.seeds if seed in second.seeds)

    def of_seeds(side: SideCurve) -> SideCurve:
        places = [side.seeds.index(seed) for seed in seeds]
        none = None if side.none is None else side.none[:, places]
        baselines = {model: logs[places] for model, logs in side.baselines.items()}
        return replace(
            side,
            seeds=seeds,
            baselines=baselines,
            logs=side.logs[:, places],
            winners=side.winners[:, places],
            none=none,
        )

    return of_seeds(first), of_seeds(second)


def _value(side: SideCurve, at: float) -> Value:
    """ln of the loss at a budget, and the chance that a search has none: of a lower effort that of
    the budget below.
    """
    logs = read(side, at)
    if side.none is None:
        return Value(logs, np.isnan(logs).astype(float))
    return Value(logs, side.none[np.searchsorted(side.sizes, at * (1 + END_TOLERANCE)) - 1])
