"""Other forms than a law of each series of a table of runs: two sizes at once, isoFLOP, frontiers, shared laws."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.ahead import OF_A_PRODUCT, CrossedRuns, Foresight, is_cost, sigmoid_ahead, surface_ahead
from harness.judging.laws import groups_in, known_in, runs_in
from harness.judging.request import Form, Request, Source
from harness.judging.scaling import with_parts
from harness.laws import Caution, fit_shared
from harness.laws.frontier import Frontier, frontier
from harness.laws.groups import frontier_by_groups, isoflop_by_groups, shared_by_groups
from harness.laws.isoflop import Isoflop, beside_surface, isoflop
from harness.laws.shared import SHARES, SharedFit
from harness.laws.sigmoid import Sigmoid, fit_sigmoid
from harness.laws.surface import Surface

Result = Surface | Isoflop | Frontier | SharedFit | Sigmoid
Found = TypeVar("Found")
SAME_RATIO = 1.2  # of compute to 6 N D
OF_TWO: tuple[Form, ...] = ("and", "isoflop")  # that take a second column of sizes, or one of budgets
BY_DESIGN = {"REPEATS": OF_TWO, "POOLED": (*OF_TWO, "frontier", "sigmoid")}  # forms that are made for it


@dataclass(frozen=True)
class FormAnswer(Generic[Found]):
    """Another form than a law of each series, fitted to a table of runs.

    `fits.json` in a folder that is named has the same. A series of an experiment is called `TASK: SERIES`.
    """

    request: Annotated[Request, "what was asked"]
    source: Annotated[Source, "where the runs are from"]
    results: Annotated[
        Mapping[str, Found], "by series; of shared laws by what is shared, the one that was asked for first"
    ]
    cautions: Annotated[dict[str, tuple[Caution, ...]], "by series"]
    runs_failed: Annotated[dict[str, int], "by series"]
    ahead: Annotated[list[Foresight], "of laws of two sizes their largest budgets foreseen; new runs"] = field(
        default_factory=list
    )


def form_answer(
    request: Request,
    source: Source,
    runs: Mapping[str, pd.DataFrame],
    cautions: Mapping[tuple[str, str], tuple[Caution, ...]],
) -> FormAnswer[Any]:
    """Fit a form to tables of runs by axis: those of sizes, and of OF_TWO those of the other column, row by row."""
    axis, form, asked = request.x[0], request.form, str(request.value)
    of_x = with_parts(runs[axis])
    results: Any = _shared(request, asked, of_x) if form == "share" else {}
    cautions_of: dict[str, tuple[Caution, ...]] = {}
    failed: dict[str, int] = {}
    ahead: list[Foresight] = []
    for place, rows in of_x.groupby(["task", "series"], sort=False):
        name = name_of(place)
        of_series = cautions.get((axis, str(rows["series"].iloc[0])), ())
        cautions_of[name] = tuple(caution for caution in of_series if form not in BY_DESIGN.get(caution.code, ()))
        failed[name] = int((rows["status"] != "done").sum())
        if form in OF_TWO:
            if form == "and":
                how = (request.level, request.objective, request.hold_out, request.predict)
                crossed = crossed_runs(request, rows, runs)
                results[name], foreseen = surface_ahead(name, crossed, *how)
                ahead.append(foreseen)
                cautions_of[name] += product_cautions([crossed])
            else:
                points = _of_two(rows, runs[asked])
                results[name] = beside_surface(isoflop(*points, request.level, request.within), *points)
                if "group" in rows:
                    results[name] = isoflop_by_groups(results[name], *points, groups_in(rows))
        elif form == "sigmoid":
            assert request.columns is not None
            levels, sd = (request.columns.chance, request.columns.ceiling), known_in(rows, request.how, "fitted").sd
            results[name] = fit_sigmoid(*runs_in(rows, "fitted"), levels, request.level, 0.0 if sd is None else sd)
            ahead.append(sigmoid_ahead(name, axis, results[name], request.predict))
        elif form == "frontier":
            results[name] = frontier(*runs_in(rows, "fitted"), float(asked), request.level)
            if "group" in rows:
                groups = groups_in(rows, "fitted")
                results[name] = frontier_by_groups(results[name], *runs_in(rows, "fitted"), groups)
    return FormAnswer(request, source, results, cautions_of, failed, ahead)


def name_of(place: Any) -> str:
    """What a series is called: of an experiment with its task."""
    task, series = map(str, place)
    return f"{task}: {series}" if task else series


def _of_two(rows: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The other size, the size and the loss of the runs that ended well."""
    done = rows[rows["status"] == "done"]
    second = other["size"][done.index].to_numpy(float)
    return second, done["size"].to_numpy(float), done["test_loss"].to_numpy(float)


def crossed_runs(request: Request, rows: pd.DataFrame, runs: Mapping[str, pd.DataFrame]) -> CrossedRuns:
    """The runs with their compute: as a column says, or D where that is a cost of training, or else 6 N D."""
    d, n, y = _of_two(rows, runs[str(request.value)])
    compute = d if is_cost(str(request.value)) else OF_A_PRODUCT * n * d
    if request.compute:
        compute = _of_two(rows, runs[request.compute])[0]
    groups = np.array(groups_in(rows)) if "group" in rows else None
    return CrossedRuns((request.x[0], str(request.value)), n, d, y, compute, groups)


def product_cautions(arms: Sequence[CrossedRuns]) -> tuple[Caution, ...]:
    """Whether compute that was measured is no fixed multiple of 6 N D, within an arm or between arms."""
    ratios = np.concatenate([arm.compute / (OF_A_PRODUCT * arm.n * arm.d) for arm in arms])
    if arms[0].compute is arms[0].d or ratios.max() <= SAME_RATIO * ratios.min():
        return ()
    span = f"{ratios.min():.3g} to {ratios.max():.3g}"
    return (Caution("NOT_6ND", f"compute is {span} times 6 N D: who is cheaper may hang on which of them counts."),)


def _shared(request: Request, asked: str, runs: pd.DataFrame) -> dict[str, SharedFit]:
    """By what the series of a task share, of several tasks by `TASK: WHAT`."""
    fits = {}
    for task in runs["task"].unique():
        of_task = runs[runs["task"] == task]
        points = {str(name): runs_in(rows, "fitted") for name, rows in of_task.groupby("series", sort=False)}
        if len(points) < 2:
            alone = f"{task} has one series" if task else "the table has one arm"
            raise HarnessError(
                f"`share` {asked}: {alone}, and nothing to share it with; name the column that tells arms apart (`by`)"
            )
        x, y = ({name: values[place] for name, values in points.items()} for place in (0, 1))
        for share in sorted(SHARES, key=lambda share: share != asked):
            fit = fit_shared(x, y, share, request.level)
            if "group" in runs:
                groups = {str(name): groups_in(rows, "fitted") for name, rows in of_task.groupby("series", sort=False)}
                fit = shared_by_groups(fit, x, y, groups)
            fits[name_of((task, share))] = fit
    return fits
