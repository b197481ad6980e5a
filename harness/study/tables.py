"""The table of an experiment's runs, and both doors to tables by axis: its records, and a file of
anybody's.
"""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.dispatch.here import available_cores
from harness.judging.ahead import ahead_of_laws
from harness.judging.baselines import CONSTANT, with_baselines
from harness.judging.by_laws import ComparedByLaws, ComparisonRequest, compare_laws
from harness.judging.design import Asked, DesignAnswer, Question, designs_of_curves, designs_of_two
from harness.judging.forms import FormAnswer, form_answer, optimal_runs
from harness.judging.kept import keeping
from harness.judging.laws import AUTO, SIGMOID, fit_runs, fit_table, with_checks
from harness.judging.readings import readings_table, with_readings
from harness.judging.request import (
    OF_TWO,
    WHOLE,
    FitsAnswer,
    Request,
    Source,
    check_form,
    check_request,
)
from harness.judging.scaling import (
    best_of_tries,
    chosen_runs,
    headline_axes,
    sizes_of,
    windowed,
    won_on,
)
from harness.judging.winners import reported
from harness.laws import Caution
from harness.measure.cost import with_seconds
from harness.record import Record, elsewhere, runs_table
from harness.show.console import TERMINAL, Terminal
from harness.spec import Manifest
from harness.study.folders import planned_records, planned_runs
from harness.study.plans import calibrations_of

READINGS = "readings.csv.xz"  # in the folder of a plan with budgets


class Tables(NamedTuple):
    """The table that is judged of a plan's records, and what it was chosen from: all runs, with
    budgets their readings.

    `runs` has a row a run, and `readings` one a reading without what it shares with its run; empty
    without budgets.
    """

    judged: pd.DataFrame
    every: pd.DataFrame
    runs: pd.DataFrame
    readings: pd.DataFrame


def tables_of(manifest: Manifest, records: Mapping[str, Record], folder: Path) -> Tables:
    """The tables of these records of a plan in its folder.

    They have the baselines of the plan in this folder, and seconds where they are measured.
    """
    table = with_baselines(runs_table(manifest, records), manifest, folder.parent)
    runs = with_seconds(table, planned_runs(manifest), calibrations_of(manifest, folder.parent))
    if not manifest.experiment.read_at:
        return Tables(reported(manifest, runs), runs, runs, pd.DataFrame())
    readings = readings_table(manifest, records)
    every = with_readings(runs, readings)
    readings = readings.assign(over_constant=every["test_loss"] / every[CONSTANT])
    return Tables(
        reported(manifest, every if manifest.experiment.search else runs), every, runs, readings
    )


def source_of(manifest: Manifest, every: pd.DataFrame) -> Source:
    """Of what the laws of an experiment are: how its runs ended, and where their seconds are of."""
    ended = {str(status): int(count) for status, count in every["status"].value_counts().items()}
    seconds_on = str(every["seconds_on"].iloc[0]) if "seconds_on" in every else None
    return Source(manifest.experiment_hash, ended, seconds_on)


class Door(NamedTuple):
    """What is asked; tables of runs by axis, row by row of the same runs; what to know of them by
    axis and series.
    """

    request: Request
    runs: dict[str, pd.DataFrame]
    cautions: dict[tuple[str, str], tuple[Caution, ...]]
    source: Source
    manifest: Manifest | None = None  # of an experiment
    replicated: pd.DataFrame | None = (
        None  # the winners of a search, whose law is over its replicates
    )


@contextmanager
def open_door(
    of: pd.DataFrame | Path | tuple[Manifest, Path],
    file: Path,
    asked: Mapping[str, Any],
    columns: Mapping[str, Any],
    example: str = "",
) -> Iterator[Door]:
    """Open a table, in memory or in a file; or a complete plan in its folder, which keeps the laws
    of the block.

    `asked` and `columns` are fields of the request and of its columns. A HarnessError, with an
    example as users type it, if it is not said which columns hold sizes and losses.
    """
    form = asked.get("form")
    if isinstance(of, tuple):
        manifest, folder = of
        request = Request(
            file, **{**asked, "x": asked["x"] or tuple(headline_axes(manifest)[: 1 if form else 2])}
        )
        check_request(request)
        with keeping_fits(folder, TERMINAL):
            yield of_experiment(manifest, folder, request)
        return
    table = (
        elsewhere.table_of_frame(of) if isinstance(of, pd.DataFrame) else elsewhere.read_table(of)
    )
    known = {} if asked["x"] else elsewhere.of_ladder(table, is_one_size=bool(form))
    x = asked["x"] or known.pop("x", ())
    columns = {**columns, **{name: value for name, value in known.items() if not columns.get(name)}}
    needed = (("`x`", "sizes", x), ("`y`", "losses", columns["y"]))
    if absent := {name: what for name, what, value in needed if not value}:
        names, what = ", ".join(map(str, table.columns)), " and that of ".join(absent.values())
        shown = "" if known else example  # of a ladder the other columns are known
        raise HarnessError(f"{' and '.join(absent)}: name the column of {what} ({names}){shown}")
    request = Request(
        file, **{**asked, "x": x, "columns": elsewhere.Columns(**columns, scores=form == SIGMOID)}
    )
    check_request(request)
    content = "" if isinstance(of, pd.DataFrame) else hashlib.sha256(of.read_bytes()).hexdigest()
    yield of_table(table, content, request)


@contextmanager
def keeping_fits(folder: Path, terminal: Terminal) -> Iterator[None]:
    """Laws that are fitted in the block are kept in the folder of the plan."""
    with terminal.steps("analysis") as progress, keeping(folder, progress, available_cores()):
        yield


def of_table(read: pd.DataFrame, content: str, request: Request) -> Door:
    """The runs of a table as `record.elsewhere` reads them; `content` stands for it.

    A HarnessError names the rows that cannot be fitted.
    """
    columns = request.columns
    assert columns is not None  # of a table
    table = elsewhere.by_arm(elsewhere.select(read, request.where), columns)
    runs: dict[str, pd.DataFrame] = {}
    cautions: dict[tuple[str, str], tuple[Caution, ...]] = {}
    axes = tuple(dict.fromkeys((*request.x, *request.second)))
    is_shared = bool(request.arms) or request.form == "share"
    for axis in axes:
        of_axis, of_arms = elsewhere.runs_on(table, columns, axis, axes, is_shared)
        runs[axis] = _wanted(of_axis, request.arms, columns) if request.arms else of_axis
        cautions |= {(axis, arm): of_arm for arm, of_arm in of_arms.items()}
    if columns.best_of:
        crossed = (str(request.value),) if request.form in OF_TWO else ()
        runs = best_of_tries(runs, (*request.x, *crossed), columns.best_of)
    return Door(request, runs, cautions, Source(content, elsewhere.statuses(table, columns)))


def _wanted(runs: pd.DataFrame, arms: Sequence[str], columns: elsewhere.Columns) -> pd.DataFrame:
    """The runs of the wanted arms; a HarnessError says which there are."""
    if not columns.by:
        raise HarnessError(
            f"the table has one arm, and {' and '.join(arms)} were asked for; `by` says which "
            "column names arms"
        )
    series = list(dict.fromkeys(runs["series"]))
    for name in arms:
        if name not in series:
            by = " and ".join(columns.by)
            raise HarnessError(
                f"{name!r} is no arm of the table by {by}; {did_you_mean(name, series)}"
            )
    return runs[runs["series"].isin(arms)]


def of_experiment(manifest: Manifest, folder: Path, request: Request) -> Door:
    """The chosen runs of a complete plan in this folder.

    With a second column they are the runs of arms at all of their sizes, each once, and a training
    cost that sizes were crossed with is the budget that was asked for: budgets are the same only
    when equal to the last bit.
    """
    table, _, every, _ = tables_of(manifest, planned_records(manifest, folder), folder)
    for axis in (*request.x, *request.second):
        if axis not in table or not pd.api.types.is_numeric_dtype(table[axis]):
            numbers = [str(name) for name in table.select_dtypes("number")]
            raise HarnessError(
                f"{axis!r} is no size or count of these runs; {did_you_mean(axis, numbers)}"
            )
    table = elsewhere.select(table, request.where)
    if "train_points" in (
        *request.x,
        *request.second,
    ):  # tasks that differ in their amount of data alone are one
        table = table.assign(task=table["task"].str.replace(r" train_points=\d+", "", regex=True))
    crossed = table["cell"].isin(table.loc[table["of_budget"], "cell"])
    table = (
        table[~(crossed & ~table["of_budget"])].assign(series=table["arm"])
        if request.second
        else table[~table["of_budget"]]
    )
    matched = manifest.experiment.match.count_name if manifest.experiment.match else ""
    runs = {axis: elsewhere.with_sizes(chosen_runs(table, axis)) for axis in request.x}
    first = runs[request.x[0]]
    for axis in request.second:
        runs[axis] = first.assign(
            size=first["asked"]
            if axis == matched and crossed.any()
            else sizes_of(won_on(first, axis), axis)
        )
    replicated = table if manifest.experiment.search else None
    return Door(request, runs, {}, source_of(manifest, every), manifest, replicated)


def fits_answer(door: Door, checks: bool = False) -> FitsAnswer:
    """The laws that are asked for of the runs, with checks if asked for; those of all series also
    as they foresee.

    Of a search the law without a floor is over its replicates, as in its report, unless a window is
    asked for.
    """
    request = door.request
    of_replicates = request.floor is None and {*request.laws} <= {AUTO, "pure"} and not request.arms
    if door.replicated is not None and of_replicates and _windowed(door) is door.runs:
        laws, replicated = fit_table(door.replicated, request.x, request.how), door.replicated
    else:
        laws, replicated = fit_runs(_windowed(door), request.how, door.cautions), None
        laws = with_checks(laws) if checks else laws
    foreseen = [] if request.arms else ahead_of_laws(laws, request.predict, request.how, replicated)
    return FitsAnswer(request, door.source, laws, foreseen)


def compared_by_laws(door: Door, asked: ComparisonRequest) -> ComparedByLaws:
    """Two arms by their laws, of two sizes by those of their compute-optimal curves."""
    if door.request.form == "and":
        request, optimal, cautions = optimal_runs(door.request, door.runs)
        door = door._replace(request=request, runs=optimal, cautions=cautions)
    return compare_laws(fits_answer(door), asked)


def designed(door: Door, asked: Asked) -> DesignAnswer:
    """The next runs for a question about the laws that are asked for, of one size or of two."""
    request, questions = door.request, get_args(Question)
    if asked.question not in questions:
        raise HarnessError(
            f"`question` {asked.question!r} is not known; {did_you_mean(asked.question, questions)}"
        )
    if asked.runs < 1 or not asked.budget > 0:
        raise HarnessError(
            f"`runs` {asked.runs}, `budget` {asked.budget:g}: give at least one run, and "
            "more than 0"
        )
    if asked.at is None and asked.question in ("prediction", "multiplier"):
        raise HarnessError(f"`question` {asked.question}: say where (`at`), such as 1e21")
    if request.form == "and":
        designs = designs_of_two(request, door.runs, asked)
    else:
        designs = designs_of_curves(fits_answer(door).laws, request, asked)
    return DesignAnswer(request, door.source, asked, designs)


def shape_answer(door: Door) -> FormAnswer[Any]:
    """The other form that is asked for of the runs."""
    check_form(door.request)
    return form_answer(door.request, door.source, runs_of_form(door), door.cautions)


def runs_of_form(door: Door) -> dict[str, pd.DataFrame]:
    """The runs that a form is fitted to; of two sizes there is no window."""
    return door.runs if door.request.form in OF_TWO else _windowed(door)


def _windowed(door: Door) -> dict[str, pd.DataFrame]:
    """The runs in the window that was asked for, or else in the one that they have."""
    request, window = door.request, door.request.window
    if (window, request.hold_out) == (WHOLE, 0):
        return door.runs
    ends = (window.low, window.high, window.until == "minimum", request.hold_out)
    return {axis: windowed(runs, *ends) for axis, runs in door.runs.items()}
