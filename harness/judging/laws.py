"""The laws of a table of runs, an experiment's or anybody's: one value for every series on every
axis of sizes.

Laws of a search are over its replicates, all others by likelihood (`law_of_replicates`).
"""

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from harness.comparison.replicates import exponent
from harness.judging.kept import Call, kept, prepare
from harness.judging.scaling import (
    chosen_runs,
    is_answered,
    series_name,
    series_of,
    size_axes,
    with_parts,
    won_on,
)
from harness.judging.sides import SideCurve, curve_of
from harness.laws import (
    Fit,
    Interval,
    cross_check,
    data_hash,
    diagnose,
    extrapolate,
    fit_law,
    select_law,
    size_means,
)
from harness.laws.bootstrap import CrossCheck
from harness.laws.diagnose import Diagnostics
from harness.laws.fitting import warn_of_distance
from harness.laws.groups import law_by_groups, without_numbers
from harness.laws.held_out import Extrapolation, warn_of_cut
from harness.laws.points import Known, Points
from harness.laws.refusal import warn_of_precision
from harness.laws.replicates import lines_of
from harness.laws.result import Caution, LawName, Refusal
from harness.laws.select import Selection
from harness.record.elsewhere import MAX_ROWS_NAMED, with_sizes

AUTO = "auto"  # the laws of `select_law`, and which of them to quote
SIGMOID: Literal["sigmoid"] = (
    "sigmoid"  # of scores, which is no law of losses (`harness.laws.sigmoid`)
)
ORDER: tuple[LawName, ...] = get_args(LawName)  # the richest last
BOTH: tuple[LawName, ...] = ("pure", "floor")
ZERO = "loss of 0"  # a status
OF_RUNS = ("FEW_SIZES", "SINGLE_SEED")  # cautions that a minimum of many runs does not have
KnownRuns = tuple[np.ndarray, np.ndarray, Known]
MOST_SIZES, MERGED = (
    128,
    64,
)  # of a series: laws of six parameters at most need no more, and cost time with each


class Fitting(NamedTuple):
    """Which laws are fitted, and how: by their names, or those among which AUTO chooses."""

    laws: tuple[str, ...] = BOTH
    level: float = 0.95
    objective: str = "auto"
    floor: float | None = None


AS_DECLARED = Fitting()


class SizeRuns(NamedTuple):
    """One size of a series, and how its runs ended."""

    size: Annotated[float | None, "null: failed runs without one"]
    done: Annotated[int, "runs that ended well"]
    failed: Annotated[int, "runs that failed"]


@dataclass(frozen=True)
class Checks:
    """How far the law to quote can be trusted."""

    diagnostics: Annotated[Diagnostics, "how it hangs on its points"]
    cross_check: Annotated[CrossCheck, "other intervals of its exponent"]


@dataclass(frozen=True, eq=False)
class SeriesLaws:
    """The laws of one series on one axis of sizes.

    `table` has a row a run, with its `part` (`judging.scaling.with_parts`). One of the `drawable`
    laws is drawn: those that were asked for, or else the one that was chosen.
    """

    task: Annotated[str, "the task; empty of a table of anybody's runs"]
    series: Annotated[str, "the curve; of such a table the arm"]
    axis: Annotated[str, "of its sizes"]
    table: pd.DataFrame = field(repr=False)
    fits: Annotated[dict[LawName, Fit], "by form"]
    drawable: tuple[LawName, ...] = BOTH
    without_window: Annotated[
        dict[LawName, Fit], "laws of all sizes, if the window left some out"
    ] = field(default_factory=dict)
    held_out: Annotated[
        dict[LawName, Extrapolation], "by form: what it predicted at the sizes set aside"
    ] = field(default_factory=dict)
    cautions: Annotated[tuple[Caution, ...], "what to know of the runs before quoting a law"] = ()
    selection: Annotated[
        Selection | None, "how the law to quote was chosen; null where it was not"
    ] = None
    checks: Annotated[
        Checks | None, "of the law to quote; null where it is refused, or nobody asked"
    ] = None

    @property
    def name(self) -> str:
        """What it is called."""
        return series_name(self.task, self.series)

    @property
    def metric(
        self,
    ) -> Annotated[str, "the loss, such as `test_rmse`; of a table of anybody's runs its column"]:
        """As columns are called."""
        name = str(self.table["metric"].iloc[0])
        return f"test_{name}" if self.task else name

    @property
    def sizes(self) -> Annotated[list[SizeRuns], "all sizes, and how their runs ended"]:
        """In order; runs without a size are the last."""
        runs = self.table.assign(
            size=self.table["size"].where(self.table["size"] > 0),
            done=self.table["status"] == "done",
        )
        counted = runs.groupby("size", dropna=False)["done"].agg(["sum", "size"])
        return [
            SizeRuns(None if np.isnan(size) else size, int(done), int(runs - done))
            for size, done, runs in counted.itertuples()
        ]

    @property
    def runs(self) -> Annotated[int, "runs that ended well"]:
        """Wherever they lie."""
        return int((self.table["status"] == "done").sum())

    @property
    def runs_failed(self) -> Annotated[int, "runs that failed, and are in no law"]:
        """Diverged ones too."""
        return len(self.table) - self.runs

    @property
    def runs_outside_window(
        self,
    ) -> Annotated[int, "runs that are in no law as the window leaves them out"]:
        """Those that are held out are within it."""
        return int((self.table["part"] == "outside").sum())

    @property
    def quoted_law(self) -> Annotated[LawName | None, "the law to quote; null if there is none"]:
        """The chosen one, or else the richest of those asked for that may be quoted."""
        if self.selection:
            return self.selection.chosen
        return next(
            (law for law in reversed(ORDER) if law in self.fits and self.fits[law].is_quotable),
            None,
        )

    @property
    def data_hash(self) -> Annotated[str, "of the sizes and losses that were fitted"]:
        """By which a fit is known."""
        return data_hash(*runs_in(self.table, "fitted"))

    @property
    def quoted(self) -> Fit | None:
        """The law to quote."""
        law = self.quoted_law
        if law is None:
            return None
        return (
            self.fits[law]
            if law in self.fits or self.selection is None
            else self.selection.fits[law]
        )

    @property
    def points(self) -> Points:
        """What the laws were fitted to."""
        return next(iter(self.fits.values())).points

    @property
    def level(self) -> float:
        """Of the intervals."""
        return next(iter(self.fits.values())).level


def runs_in(runs: pd.DataFrame, *parts: str) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and losses of the runs in these parts of a law (`with_parts`), or of all that ended
    well.
    """
    rows = runs[runs["part"].isin(parts)] if parts else runs[runs["status"] == "done"]
    return rows["size"].to_numpy(float), rows["test_loss"].to_numpy(float)


def fitted_runs(*arms: SeriesLaws) -> dict[str, Any]:
    """`x`, `y` and known errors `sd` of the runs that the laws of these series were fitted to, by
    series.
    """
    x, y = {}, {}
    for arm in arms:
        x[arm.series], y[arm.series] = runs_in(arm.table, "fitted")
    return {
        "x": x,
        "y": y,
        "sd": {arm.series: known_in(arm.table, AS_DECLARED, "fitted").sd for arm in arms},
    }


def known_in(runs: pd.DataFrame, how: Fitting, *parts: str) -> Known:
    """What is known of the runs of `runs_in`."""
    return Known(
        runs[runs["part"].isin(parts)]["sd"].to_numpy(float) if "sd" in runs else None, how.floor
    )


def groups_in(runs: pd.DataFrame, *parts: str) -> list[str]:
    """The groups of the runs of `runs_in`."""
    rows = runs[runs["part"].isin(parts)] if parts else runs[runs["status"] == "done"]
    return rows["group"].astype(str).tolist()


# --------------------------------------------------------------------------------------------------
# fits
def fit_table(
    table: pd.DataFrame, axes: Sequence[str] | None = None, how: Fitting = AS_DECLARED
) -> list[SeriesLaws]:
    """The laws of a plan's table (`record.table.runs_table`): of every task, series and axis,
    from runs in the fit window.

    They are of `test_loss`, in the metric of the task, on achieved sizes and counted work. Of a
    search with replicates it is the law without a floor, by each replicate's own curve. Where a
    convention counts nothing (`matmul` of a KAN without base) or does not define a family, there is
    no law.
    """
    asked = [
        axis
        for axis in (size_axes() if axes is None else axes)
        if axis in table and is_answered(table, axis)
    ]
    if "won_on" in table:
        return list(_of_search(table, asked, how.level))
    return fit_runs({axis: with_sizes(chosen_runs(table, axis)) for axis in asked}, how)


def fit_runs(
    runs: Mapping[str, pd.DataFrame],
    how: Fitting = AS_DECLARED,
    cautions: Mapping[tuple[str, str], tuple[Caution, ...]] | None = None,
) -> list[SeriesLaws]:
    """The laws of every series of tables of runs (`judging.scaling`), by axis.

    Where the residuals of one series ask for Huber's loss, all series of its task and axis are
    fitted by it. Runs that failed cannot enter a law of their loss; they are counted. A series with
    a loss of 0 has no law. A law is warned where its exponent hangs on a window that the data cut.
    `cautions` are those of the runs, by axis and series.
    """
    groups: list[tuple[str, str, str, pd.DataFrame]] = []
    calls: list[tuple[Any, ...]] = []
    chooses = AUTO in how.laws
    for axis, of_axis in runs.items():
        for task, series, rows in series_of(_merged(of_axis)):
            groups.append((task, series, axis, rows))
            fitted = _fitted(rows, how)
            if chooses:
                calls.append(_choice(fitted[0], how))
            else:
                calls += [
                    _asked(points, law, how) for points, law in itertools.product(fitted, how.laws)
                ]
    function, what = (select_law, "choices of laws") if chooses else (fit_law, "laws")
    prepare(function, calls, what)
    of_series = cautions or {}
    told = [of_series.get((axis, series), ()) for _, series, axis, _ in groups]
    laws = [_series_laws(*group, how, own) for group, own in zip(groups, told, strict=True)]
    robust = {(series.task, series.axis) for series in laws if _objective(series) == "huber"}
    if how.objective != "auto" or not robust:
        return laws
    how = how._replace(objective="huber")  # of one kind for all series that stand side by side
    return [
        _series_laws(*group, how, own) if (series.task, series.axis) in robust else series
        for series, group, own in zip(laws, groups, told, strict=True)
    ]


def _objective(series: SeriesLaws) -> str:
    return (
        "huber"
        if any((fit.objective or "").startswith("huber(") for fit in series.fits.values())
        else "auto"
    )


def _merged(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs, those of a loss of 0 marked, with neighbouring sizes of a series merged to 64 if it
    has more than 128.

    They stand at the geometric mean of their sizes, which is where the mean ln loss of a power law
    is.
    """
    merged = runs["size"].copy()
    for _, sizes in runs["size"].groupby([runs["task"], runs["series"]], sort=False):
        positive = sizes[np.isfinite(sizes) & (sizes > 0)]
        if positive.nunique() > MOST_SIZES:
            log_sizes = np.log(positive)
            bins = pd.cut(log_sizes, MERGED, labels=False)
            merged[positive.index] = np.exp(log_sizes.groupby(bins).transform("mean"))
    return runs.assign(size=merged, status=runs["status"].mask(runs["test_loss"] == 0, ZERO))


def _fitted(runs: pd.DataFrame, how: Fitting) -> list[KnownRuns]:
    """The points that a law is fitted to; and, if any lie outside of the window, those of all
    sizes.
    """
    ends = (("fitted",), ("fitted", "outside"))[: 1 + (runs["part"] == "outside").any()]
    return [(*runs_in(runs, *parts), known_in(runs, how, *parts)) for parts in ends]


def _choice(points: KnownRuns, how: Fitting) -> Call:
    return *points[:2], how.level, how.objective, points[2]


def _asked(points: KnownRuns, law: str, how: Fitting) -> Call:
    return *points[:2], law, how.level, how.objective, True, points[2]


def _series_laws(
    task: str,
    series: str,
    axis: str,
    runs: pd.DataFrame,
    how: Fitting,
    cautions: tuple[Caution, ...],
) -> SeriesLaws:
    inside, *everywhere = _fitted(runs, how)
    selection, names = None, tuple(law for law in ORDER if law in how.laws)
    if AUTO in how.laws:
        selection = kept(select_law, *_choice(inside, how))
        fitted = [
            law for law in ORDER if law in selection.fits and not selection.fits[law].refusals
        ]
        standing = [law for law in fitted if law not in selection.rejected] or fitted
        names = (selection.chosen,) if selection.chosen else tuple(standing[:1])
        if "is_minimum" in runs:
            selection = replace(selection, cautions=_not_of_runs(selection.cautions))
        fits = {law: _warned(selection.fits[law], runs) for law in ORDER if law in selection.fits}
    else:
        fits = _fits(runs, inside, names, how)
    if "group" in runs:
        groups = groups_in(runs, "fitted")
        fits = {
            law: law_by_groups(fit, *inside[:2], groups) if fit.alpha else fit
            for law, fit in fits.items()
        }
    selection = selection and selection.among(fits)
    whole = _fits(runs, everywhere[0], tuple(fits), how) if everywhere else {}
    if whole and runs["until_minimum"].any():
        fits = {law: warn_of_cut(fit, whole[law]) for law, fit in fits.items()}
    held_out = {}
    if (runs["part"] == "held_out").any():
        x, y = runs_in(runs, "held_out")
        fits = {law: warn_of_distance(fit, x) for law, fit in fits.items()}
        held_out = {law: kept(extrapolate, fit, x, y) for law, fit in fits.items()}
    return SeriesLaws(task, series, axis, runs, fits, names, whole, held_out, cautions, selection)


def _fits(
    runs: pd.DataFrame, points: KnownRuns, laws: Sequence[LawName], how: Fitting
) -> dict[LawName, Fit]:
    return {law: _warned(kept(fit_law, *_asked(points, law, how)), runs) for law in laws}


def _warned(law: Fit, runs: pd.DataFrame) -> Fit:
    """The law with the warnings that hang on more than sizes and losses; refused where a loss
    is 0.
    """
    if (runs["status"] == ZERO).any():
        return without_numbers(law, Refusal("ZERO", "a run has a loss of 0. Test on more points."))
    # Targets are taken to be of size 1, as those of the paper's toys are. A small cross-entropy has
    # all its digits.
    if "dtype" in runs and runs["metric"].iloc[0] == "rmse":
        law = warn_of_precision(law, runs["dtype"].iloc[0])
    if "is_minimum" in runs:
        law = replace(law, warnings=_not_of_runs(law.warnings))
    return _with_rows(law, runs) if "row" in runs else law


def _not_of_runs(cautions: Iterable[Caution]) -> tuple[Caution, ...]:
    """Without those about single runs, where a loss is the least of many."""
    return tuple(caution for caution in cautions if caution.code not in OF_RUNS)


def _with_rows(law: Fit, runs: pd.DataFrame) -> Fit:
    """The law, with outliers named by where they stand in the file."""
    outliers = law.points.outliers
    if not outliers.size:
        return law
    fitted = runs[runs["part"] == "fitted"]
    rows = (
        fitted
        if len(fitted) == law.points.counts.sum()
        else runs[runs["part"].isin(("fitted", "outside"))]
    )
    named = ", ".join(rows["row"].iloc[outliers[:MAX_ROWS_NAMED]])
    more = f" and {outliers.size - MAX_ROWS_NAMED} more" if outliers.size > MAX_ROWS_NAMED else ""
    reason = (
        f"{named}{more}: far from the other runs of the same size, so that sizes are Huber's "
        "locations instead of "
        "means. Did these runs fail?"
    )
    warnings = [
        replace(caution, reason=reason) if caution.code == "OUTLIERS" else caution
        for caution in law.warnings
    ]
    return replace(law, warnings=tuple(warnings))


# --------------------------------------------------------------------------------------------------
# checks
def check(laws: Sequence[SeriesLaws], axes: Sequence[str] | None = None) -> list[SeriesLaws]:
    """The laws, those on `axes` (None: on all) with the law to quote, and with how far to trust
    that.
    """
    shown = [series for series in laws if axes is None or series.axis in axes]
    calls = []
    for series in shown:
        how = AS_DECLARED._replace(objective=_objective(series))
        calls.append(_choice(_fitted(series.table, how)[0], how))
    prepare(select_law, calls, "choices of laws")
    found = (
        kept(select_law, *call).among(series.fits)
        for series, call in zip(shown, calls, strict=True)
    )
    chosen = [
        replace(series, selection=selection) for series, selection in zip(shown, found, strict=True)
    ]
    checked = iter(with_checks(chosen))
    return [next(checked) if axes is None or series.axis in axes else series for series in laws]


def with_checks(laws: Sequence[SeriesLaws]) -> list[SeriesLaws]:
    """The laws of each series with how far to trust the one to quote: seconds where it has hundreds
    of sizes.
    """
    calls = [(*runs_in(series.table, "fitted"), series.quoted) for series in laws]
    prepare(cross_check, [call for call in calls if call[-1]], "bootstraps")
    prepare(diagnose, [call[-1:] for call in calls if call[-1]], "diagnostics")
    checked = []
    for series, (x, y, law) in zip(laws, calls, strict=True):
        checks = Checks(kept(diagnose, law), kept(cross_check, x, y, law)) if law else None
        checked.append(replace(series, checks=checks))
    return checked


def drawn_law(laws: Sequence[SeriesLaws], task: str, axis: str) -> LawName:
    """The one law to show for all series of a task on an axis, so that their exponents are the same
    quantity.

    Of the laws that were asked for, or chosen for some series: the one that may be quoted for most
    series and that they do not reject, then the one that is refused for the fewest; of those that
    stand alike the richest, which contains the others. AICc is not asked where laws were declared:
    at six or seven sizes it takes the floor from an arm that visibly lies on it.
    """
    on_axis = [series for series in laws if (series.task, series.axis) == (task, axis)]
    if not on_axis:
        return "pure"
    drawable = set(itertools.chain.from_iterable(series.drawable for series in on_axis))
    shared = set(ORDER).intersection(*(series.fits for series in on_axis))

    def worse(law: LawName) -> tuple[int, int, int]:
        fits = {series: series.fits[law] for series in on_axis}
        rejected = [
            series for series in fits if series.selection and law in series.selection.rejected
        ]
        unquoted = sum(series in rejected or not fit.is_quotable for series, fit in fits.items())
        return unquoted, sum(bool(fit.refusals) for fit in fits.values()), -ORDER.index(law)

    return min(shared & drawable or shared, key=worse, default="pure")


# --------------------------------------------------------------------------------------------------
# of a search
def _of_search(table: pd.DataFrame, axes: Sequence[str], level: float) -> Iterator[SeriesLaws]:
    curves = list(table.groupby(["task", "series"], sort=False))
    for axis, ((task, series), rows) in itertools.product(axes, curves):
        if (won_on(rows, axis)[axis] > 0).any():
            runs = with_parts(with_sizes(chosen_runs(rows, axis)))
            law = law_of_replicates(curve_of(rows, axis), level)
            yield SeriesLaws(str(task), str(series), axis, runs, {"pure": law}, ("pure",))


def law_of_replicates(curve: SideCurve, level: float) -> Fit:
    """The law amplitude * size^-alpha of a side: the means over the lines of its replicates, with
    Student's interval.

    Copies of one network carry no law, and no rising law is drawn: these are refused
    (`comparison.replicates`).
    """
    slope = exponent(curve.over_budgets, level)
    is_known = np.isfinite(curve.logs)
    of_sizes = size_means(
        np.repeat(curve.sizes, is_known.sum(axis=1)), np.exp(curve.logs[is_known]), robust=False
    )
    law = Fit(
        law="pure",
        points=of_sizes,
        level=level,
        decades=of_sizes.decades,
        dof=len(curve.seeds) - 1,
        refusals=slope.refusals,
        warnings=slope.cautions,
    )
    if slope.estimate is None or slope.low is None or slope.high is None:
        return law
    lines = lines_of(curve.sizes, curve.logs.T)
    lines = lines[np.isfinite(lines).all(axis=1)]
    log_amplitude = float(lines[:, 0].mean())
    return replace(
        law,
        lines=lines,
        overlap=curve.overlap,
        alpha=slope.estimate,
        alpha_interval=Interval(slope.low, slope.high, level),
        amplitude=float(np.exp(log_amplitude)),
        log_amplitude=log_amplitude,
        objective="least squares of each replicate",
    )
