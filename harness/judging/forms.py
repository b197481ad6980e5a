"""Other forms than a law of each series of a table of runs: two sizes at once, isoFLOP, frontiers.

Of arms over two sizes there are compute-optimal curves: at each budget the least loss over sizes,
by a parabola.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, Generic, TypeVar

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.judging.ahead import (
    OF_A_PRODUCT,
    CrossedRuns,
    Foresight,
    is_cost,
    sigmoid_ahead,
    surface_ahead,
)
from harness.judging.laws import groups_in, known_in, runs_in
from harness.judging.request import OF_TWO, Request, Source
from harness.judging.scaling import series_name, series_of
from harness.laws import Caution, fit_surface
from harness.laws.ahead import budgets_of
from harness.laws.frontier import Frontier, frontier
from harness.laws.groups import frontier_by_groups, isoflop_by_groups
from harness.laws.isoflop import Isoflop, Valley, beside_surface, isoflop
from harness.laws.sigmoid import Sigmoid, fit_sigmoid
from harness.laws.surface import Surface, log_best_size

Result = Surface | Isoflop | Frontier | Sigmoid
Fitted = TypeVar("Fitted")
SAME_RATIO = 1.2  # of compute to 6 N D
MIN_BUDGETS = 3
BY_SURFACE = (
    "budgets have too few sizes of their own: the best size at each is the surface's, as "
    "`harness fit --and` has it."
)
COMPUTE = "compute"  # what 6 N D is called
Optimal = tuple[Request, dict[str, pd.DataFrame], dict[tuple[str, str], tuple[Caution, ...]]]
# What need not be said of forms that are made for it.
BY_DESIGN = {"REPEATS": OF_TWO, "POOLED": (*OF_TWO, "frontier", "sigmoid")}


@dataclass(frozen=True)
class FormAnswer(Generic[Fitted]):
    """Another form than a law of each series, fitted to a table of runs.

    `fits.json` in a folder that is named has the same. A series of an experiment is called `TASK:
    SERIES`.
    """

    request: Annotated[Request, "what was asked"]
    source: Annotated[Source, "where the runs are from"]
    results: Annotated[Mapping[str, Fitted], "by series"]
    cautions: Annotated[dict[str, tuple[Caution, ...]], "by series"]
    runs_failed: Annotated[dict[str, int], "by series"]
    ahead: Annotated[
        Sequence[Foresight], "of laws of two sizes their largest budgets foreseen; new runs"
    ] = ()


def form_answer(
    request: Request,
    source: Source,
    runs: Mapping[str, pd.DataFrame],
    cautions: Mapping[tuple[str, str], tuple[Caution, ...]],
) -> FormAnswer[Any]:
    """Fit a form to tables of runs by axis: those of sizes, and of OF_TWO those of the other
    column, row by row.
    """
    axis, form, asked = request.x[0], request.form, str(request.value)
    results: Any = {}
    cautions_of: dict[str, tuple[Caution, ...]] = {}
    failed: dict[str, int] = {}
    ahead: list[Foresight] = []
    for task, series, rows in series_of(runs[axis]):
        name, has_groups = series_name(task, series), "group" in rows
        x, y = runs_in(rows, "fitted")
        of_series = cautions.get((axis, series), ())
        cautions_of[name] = tuple(
            caution for caution in of_series if form not in BY_DESIGN.get(caution.code, ())
        )
        failed[name] = int((rows["status"] != "done").sum())
        match form:
            case "and":
                crossed = crossed_runs(request, rows, runs)
                how = (request.level, request.objective, request.hold_out, request.predict)
                results[name], foresight = surface_ahead(name, crossed, *how)
                ahead.append(foresight)
                cautions_of[name] += product_cautions([crossed])
            case "isoflop":
                points = _of_two(rows, runs[asked])
                results[name] = beside_surface(
                    isoflop(*points, request.level, request.within), *points
                )
                if has_groups:
                    results[name] = isoflop_by_groups(
                        results[name], *points, groups_in(rows), request.within
                    )
            case "sigmoid":
                assert request.columns is not None
                ends, sd = (
                    (request.columns.chance, request.columns.ceiling),
                    known_in(rows, request.how, "fitted").sd,
                )
                results[name] = fit_sigmoid(x, y, ends, request.level, 0.0 if sd is None else sd)
                ahead.append(sigmoid_ahead(name, axis, results[name], request.predict))
            case "frontier":
                results[name] = frontier(x, y, float(asked), request.level)
                if has_groups:
                    results[name] = frontier_by_groups(
                        results[name], x, y, groups_in(rows, "fitted")
                    )
    objectives = {getattr(result, "objective", None) or "" for result in results.values()}
    if (
        form == "and"
        and request.objective == "auto"
        and len(results) > 1
        and "huber" in " ".join(objectives)
    ):
        of_one_kind = form_answer(replace(request, objective="huber"), source, runs, cautions)
        return replace(of_one_kind, request=request)
    return FormAnswer(request, source, results, cautions_of, failed, ahead)


def _of_two(rows: pd.DataFrame, other: pd.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The other size, the size and the loss of the runs that ended well."""
    done = rows[rows["status"] == "done"]
    second = other["size"][done.index].to_numpy(float)
    return second, done["size"].to_numpy(float), done["test_loss"].to_numpy(float)


def crossed_runs(
    request: Request, rows: pd.DataFrame, runs: Mapping[str, pd.DataFrame]
) -> CrossedRuns:
    """The runs with their compute: as a column says, or D where that is a cost of training, or else
    6 N D.
    """
    d, n, y = _of_two(rows, runs[str(request.value)])
    compute = d if is_cost(str(request.value)) else OF_A_PRODUCT * n * d
    if request.compute:
        compute = _of_two(rows, runs[request.compute])[0]
    groups = np.array(groups_in(rows)) if "group" in rows else None
    schedule = (
        rows[rows["status"] == "done"]["schedule"].to_numpy(float) if "schedule" in rows else None
    )
    return CrossedRuns((request.x[0], str(request.value)), n, d, y, compute, groups, schedule)


def product_cautions(arms: Sequence[CrossedRuns]) -> tuple[Caution, ...]:
    """Whether compute that was measured is no fixed multiple of 6 N D, within an arm or between
    arms.
    """
    ratios = np.concatenate([arm.compute / (OF_A_PRODUCT * arm.n * arm.d) for arm in arms])
    if arms[0].compute is arms[0].d or not ratios.size or ratios.max() <= SAME_RATIO * ratios.min():
        return ()
    span = f"{ratios.min():.3g} to {ratios.max():.3g}"
    return (
        Caution(
            "NOT_6ND",
            f"compute is {span} times 6 N D: who is cheaper may hang on which of them counts.",
        ),
    )


# -----------------------------------------------------------------------------------------------
# compute-optimal curves
def compute_name(request: Request) -> str:
    """The column of compute; D where that is a cost of training."""
    if request.compute or is_cost(str(request.value)):
        return str(request.compute or request.value)
    return COMPUTE


def optimal_runs(request: Request, runs: Mapping[str, pd.DataFrame]) -> Optimal:
    """A row a budget and series, at its compute, with the least loss; and at the seconds of that
    run if asked.

    The request is that of these axes, and cautions are by axis and series. A HarnessError where a
    series has a best size at fewer than three budgets.
    """
    compute = compute_name(request)
    axes = (compute, *filter(None, [request.seconds]))
    optimal: dict[str, list[pd.DataFrame]] = {axis: [] for axis in axes}
    arms: dict[str, CrossedRuns] = {}
    by_surface: list[str] = []
    for _, series, rows in series_of(runs[request.x[0]]):
        crossed = arms[series] = crossed_runs(request, rows, runs)
        done = rows[rows["status"] == "done"]
        budgets = budgets_of(crossed.compute)
        valleys = isoflop(budgets, crossed.n, crossed.y).used
        if len(valleys) < MIN_BUDGETS and not request.seconds:
            valleys = _valleys_of_surface(crossed, budgets, request)
            by_surface += [series] if len(valleys) >= MIN_BUDGETS else []
        if len(valleys) < MIN_BUDGETS:
            usable = f"{len(valleys)} of {np.unique(budgets).size} budgets of {compute}"
            raise HarnessError(
                f"{series}: {usable} have a best {request.x[0]} within those tried, and "
                f"{MIN_BUDGETS} are needed; add "
                f"sizes at them, or compare over {compute} alone (`x`)"
            )
        best = done.iloc[: len(valleys)].assign(is_minimum=True)
        losses = np.array([valley.y_best for valley in valleys], float)
        optimal[compute].append(
            best.assign(size=[valley.budget for valley in valleys], test_loss=losses)
        )
        if request.seconds:
            seconds = runs[request.seconds]["size"][done.index].to_numpy(float)
            spent = []
            for (
                valley
            ) in valleys:  # on a line of ln seconds in ln size through the runs of the budget
                there = budgets == valley.budget
                slope, level = np.polyfit(np.log(crossed.n[there]), np.log(seconds[there]), 1)
                spent.append(float(np.exp(level + slope * np.log(float(valley.x_best or 1)))))
            optimal[request.seconds].append(best.assign(size=spent, test_loss=losses))
    tables = {axis: pd.concat(parts).reset_index(drop=True) for axis, parts in optimal.items()}
    cautions = product_cautions(list(arms.values()))
    own = {
        series: (Caution("BY_SURFACE", BY_SURFACE),) if series in by_surface else ()
        for series in arms
    }
    return (
        replace(request, x=axes),
        tables,
        {(compute, series): (*cautions, *own[series]) for series in arms},
    )


def _valleys_of_surface(
    runs: CrossedRuns, budgets: np.ndarray, request: Request
) -> tuple[Valley, ...]:
    """The best size at each budget by the law of two sizes, if it lies within those that were
    tried.

    Its loss is that of the budget's nearest run, moved along the law: it keeps the noise of this
    run.
    """
    law, log_n = (
        fit_surface(runs.n, runs.d, runs.y, request.level, request.objective),
        np.log(runs.n),
    )
    if law.region is None or runs.per_product is None:
        return ()
    first, p, curve = (
        law.region.problem.logs.log_x_first,
        law.region.solution.p,
        law.region.problem.law.curve,
    )
    found = []
    for budget in np.unique(budgets):
        product = budget / runs.per_product
        best, there = log_best_size(first, product, p), np.flatnonzero(budgets == budget)
        if log_n.min() <= best <= log_n.max():
            nearest = there[np.abs(log_n[there] - best).argmin()]
            ends = np.array(
                [[best, np.log(product) - best], [log_n[nearest], np.log(runs.d[nearest])]]
            )
            moved, other = curve(p, ends - first)[0]
            tried, loss = np.unique(runs.n[there]), float(runs.y[nearest] * np.exp(moved - other))
            valley = Valley(
                float(budget), there.size, tried.size, float(tried[0]), float(tried[-1])
            )
            found.append(replace(valley, x_best=float(np.exp(best)), y_best=loss))
    return tuple(found)
