"""A table of anybody's runs, in memory or in a file, and what is asked of it: `open_table`.

`study.tables.open_experiment` opens the runs of an experiment; both give a `Door`, from which laws,
other forms, comparisons and designs are computed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.judging.ahead import ahead_of_laws
from harness.judging.by_laws import ComparedByLaws, ComparisonRequest, compare_laws
from harness.judging.design import Asked, DesignAnswer, Question, designs_of_curves, designs_of_two
from harness.judging.forms import FormAnswer, form_answer, optimal_runs
from harness.judging.laws import AUTO, SIGMOID, fit_runs, fit_table, with_checks
from harness.judging.request import (
    OF_TWO,
    WHOLE,
    FitsAnswer,
    Request,
    Source,
    check_form,
    check_request,
)
from harness.judging.scaling import best_of_tries, windowed
from harness.laws import Caution
from harness.record import elsewhere

if TYPE_CHECKING:
    from harness.spec.manifest import Manifest


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


def open_table(
    of: pd.DataFrame | Path,
    file: Path,
    asked: Mapping[str, Any],
    columns: Mapping[str, Any],
    example: str = "",
) -> Door:
    """The runs of a table, in memory or in a file.

    `asked` and `columns` are fields of the request and of its columns. A HarnessError, with an
    example as users type it, if it is not said which columns hold sizes and losses.
    """
    form = asked.get("form")
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
    return of_table(table, content, request)


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
    for axis in axes:
        of_axis, of_arms = elsewhere.runs_on(table, columns, axis, axes, bool(request.arms))
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
