"""What laws say of runs that nobody made, and how well they foresaw their own largest budgets."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.base.reasons import Caution, Refusal
from harness.judging.kept import kept
from harness.judging.laws import SeriesLaws, runs_in
from harness.judging.scaling import won_on
from harness.judging.sides import SideCurve, curve_of
from harness.laws import Fit, fit_surface
from harness.laws.ahead import (
    BudgetAhead,
    NewRun,
    budgets_of,
    largest_budgets,
    new_run,
    new_run_of_lines,
    origin_cautions,
    rolling_curve,
    rolling_replicates,
    rolling_surface,
    seen_ahead,
)
from harness.laws.fitting import WARN_DECADES
from harness.laws.groups import surface_by_groups
from harness.laws.result import LawName
from harness.laws.surface import Surface

OF_A_PRODUCT = 6.0  # FLOPs of training a parameter on a token (Kaplan et al. 2020)
COSTS = ("flops", "seconds", "compute")  # what a column of compute is called


@dataclass(frozen=True)
class Predicted:
    """A run that nobody made, as a law foresees it; without numbers where there is a refusal."""

    at: Annotated[dict[str, float], "where, by column"]
    loss: Annotated[OrNull | None, "by the law"] = None
    low: Annotated[OrNull | None, "lower end of the law's interval"] = None
    high: Annotated[OrNull | None, "upper end of the law's interval"] = None
    run_low: Annotated[OrNull | None, "lower end of the interval of one new run"] = None
    run_high: Annotated[OrNull | None, "upper end of the interval of one new run"] = None
    cautions: Annotated[tuple[Caution, ...], "what to know of it"] = ()
    refusal: Annotated[Refusal | None, "why there is no number"] = None


@dataclass(frozen=True)
class Ahead:
    """How one law foresaw its own largest budgets, and what it says of new runs."""

    series: Annotated[str, "the curve; of an experiment `TASK: SERIES`"]
    axis: Annotated[str, "the column of sizes; of two sizes both"]
    law: Annotated[str, "its form"]
    origins: Annotated[tuple[BudgetAhead, ...], "the last budgets, each foreseen by the law of the smaller ones"] = ()
    held_out: Annotated[tuple[BudgetAhead, ...], "of a law of two sizes: the budgets set aside, and how it fared"] = ()
    predictions: Annotated[tuple[Predicted, ...], "what was asked for"] = ()
    cautions: Annotated[tuple[Caution, ...], "what to know before extrapolating it"] = ()


# -------------------------------------------------------------------------------------------------------------- curves
def ahead_of_laws(
    laws: Sequence[SeriesLaws], predict: Sequence[str], objective: str, replicated: pd.DataFrame | None = None
) -> list[Ahead]:
    """Of every law of one size to quote; `predict` are the places, and `replicated` the runs behind laws of replicates.

    A HarnessError where a place is of none of the columns of sizes.
    """
    axes = list(dict.fromkeys(series.axis for series in laws))
    asked = [_asked(text, {axis: axis for axis in axes}, axes[0] if len(axes) == 1 else None) for text in predict]
    found = []
    for series in laws:
        places = [place[series.axis] for place in asked if series.axis in place]
        for name, fit in series.fits.items():
            if name in series.drawable and not fit.refusals:
                found.append(_of_curve(series, name, fit, np.array(places), objective, replicated))
    return found


def _of_curve(
    series: SeriesLaws, name: LawName, fit: Fit, places: np.ndarray, objective: str, replicated: pd.DataFrame | None
) -> Ahead:
    if fit.lines is not None and replicated is not None:
        curve = _curve(series, replicated)
        logs = curve.logs.T
        origins = rolling_replicates(curve.sizes, logs)
        foreseen = new_run_of_lines(curve.sizes, logs, places, fit.level, origins)
    else:
        origins = kept(rolling_curve, *runs_in(series.table, "fitted"), name, fit.level, objective)
        steps = np.maximum(np.log(places / budgets_of(fit.points.sizes).max()), 0)
        foreseen = new_run(fit, places, steps, origins) if places.size else None
    told = [{series.axis: place} for place in places.tolist()]
    ends = fit.points.sizes[[0, -1]][:, None]
    local = any(caution.code == "LOCAL_SLOPE" for caution in fit.warnings)
    predictions = _predictions(told, foreseen, places[:, None], ends, local)
    return Ahead(series.name, series.axis, name, origins, (), predictions, origin_cautions(origins))


def _curve(series: SeriesLaws, replicated: pd.DataFrame) -> SideCurve:
    of_series = (replicated["task"] == series.task) & (replicated["series"] == series.series)
    return curve_of(won_on(replicated[of_series], series.axis), series.axis)


# ------------------------------------------------------------------------------------------------------------ surfaces
@dataclass(frozen=True, eq=False)
class CrossedRuns:
    """Runs of two sizes that ended well: [n] each. `names` are the columns of N, of D, and of compute if there is one.

    `per_product` is the compute of N times D.
    """

    n: np.ndarray
    d: np.ndarray
    y: np.ndarray
    compute: np.ndarray
    names: tuple[str, str, str | None]
    per_product: float
    groups: Sequence[str] | None = None


def crossed_runs(
    n: np.ndarray,
    d: np.ndarray,
    y: np.ndarray,
    compute: np.ndarray | None,
    names: tuple[str, str, str | None],
    groups: Sequence[str] | None = None,
) -> CrossedRuns:
    """The runs with their compute: as a column says, or D where that is a cost of training, or else 6 N D."""
    if compute is None:
        of_d = names[1].lower().startswith(COSTS)
        return CrossedRuns(n, d, y, d if of_d else OF_A_PRODUCT * n * d, names, OF_A_PRODUCT, groups)
    return CrossedRuns(n, d, y, compute, names, float(np.median(compute / (n * d))), groups)


def surface_ahead(
    name: str, runs: CrossedRuns, level: float, objective: str, hold_out: int, predict: Sequence[str]
) -> tuple[Surface, Ahead]:
    """The law of two sizes of all budgets but the largest `hold_out`, and how it foresees."""
    held = largest_budgets(runs.compute, hold_out)
    n, d, y, compute = (values[~held] for values in (runs.n, runs.d, runs.y, runs.compute))
    law = fit_surface(n, d, y, level, objective)
    if runs.groups is not None:
        law = surface_by_groups(law, n, d, y, np.array(runs.groups)[~held].tolist())
    axis = " and ".join(runs.names[:2])
    if law.refusals:
        return law, Ahead(name, axis, "surface")
    origins = kept(rolling_surface, n, d, y, compute, level, objective)
    largest = float(budgets_of(compute).max())
    places = [_place(text, runs, law) for text in predict]
    asked = np.array([(place[runs.names[0]], place[runs.names[1]]) for place in places]).reshape(-1, 2)
    foreseen = new_run(law, asked, _steps(runs, asked, largest), origins) if len(asked) else None
    ends = np.array([(n.min(), d.min()), (n.max(), d.max())])
    local = any(caution.code == "LOCAL_SLOPE" for caution in law.warnings)
    predictions = _predictions(places, foreseen, asked, ends, local)
    return law, Ahead(
        series=name,
        axis=axis,
        law="surface",
        origins=origins,
        held_out=tuple(_held_out(law, runs, held, largest, origins)),
        predictions=predictions,
        cautions=origin_cautions(origins),
    )


def _held_out(
    law: Surface, runs: CrossedRuns, held: np.ndarray, largest: float, origins: Sequence[BudgetAhead]
) -> Iterator[BudgetAhead]:
    budget = budgets_of(runs.compute)
    for of_budget in np.unique(budget[held]):
        there = budget == of_budget
        x, y = np.column_stack([runs.n, runs.d])[there], runs.y[there]
        seen = seen_ahead(law, x, y, of_budget, largest)
        cells, of_run = np.unique(x, axis=0, return_inverse=True)
        new = new_run(law, cells, np.full(len(cells), seen.step), origins)
        inside = (new.run_low[of_run.ravel()] <= y) & (y <= new.run_high[of_run.ravel()])
        yield replace(seen, inside=int(inside.sum()))


def _steps(runs: CrossedRuns, asked: np.ndarray, largest: float) -> np.ndarray:
    """ln of the compute of places [m, 2] over the largest fitted budget."""
    of_d = runs.compute is runs.d
    compute = asked[:, 1] if of_d else runs.per_product * asked.prod(axis=1)
    return np.log(compute / largest)


def _place(text: str, runs: CrossedRuns, law: Surface) -> dict[str, float]:
    """N and D of a place that is asked for; of compute alone the N and D of the least loss."""
    n, d, compute = runs.names
    names = {"N": n, n: n, "D": d, d: d, "C": "C"} | ({compute: "C"} if compute else {})
    asked = _asked(text, names, None)
    if asked.keys() == {n, d}:
        return asked
    assert law.alpha is not None
    assert law.beta is not None
    if asked.keys() != {"C"} or not law.a or not law.b:
        raise HarnessError(f"`predict` {text!r}: a law of {n} and {d} needs both, or the compute C alone")
    if runs.compute is runs.d:
        raise HarnessError(
            f"`predict` {text!r}: {d} is the compute here, of which more {n} are always better; give both"
        )
    alpha, beta, product = law.alpha.value, law.beta.value, asked["C"] / runs.per_product
    best = (alpha * law.a / (beta * law.b)) ** (1 / (alpha + beta)) * product ** (beta / (alpha + beta))
    return {n: float(best), d: float(product / best), "C": asked["C"]}


# --------------------------------------------------------------------------------------------------------------- words
def _asked(text: str, names: Mapping[str, str], alone: str | None) -> dict[str, float]:
    """`N=1e9,D=2e10` as numbers by column; a number `alone` is of this column."""
    found = {}
    for part in text.split(","):
        name, equals, written = part.rpartition("=")
        column = names.get(name.strip()) if equals else alone
        if column is None:
            raise HarnessError(f"`predict` {text!r}: write {', '.join(f'{name}=NUMBER' for name in names)}")
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise HarnessError(f"`predict` {text!r}: {written.strip()!r} is no number above 0; write it as 1e9")
        found[column] = value
    return found


def _predictions(
    places: Sequence[dict[str, float]], foreseen: NewRun | None, x: np.ndarray, ends: np.ndarray, local: bool
) -> tuple[Predicted, ...]:
    """The rows of what was asked for at x [m, sizes]; `ends` [2, sizes] are those of the fitted sizes.

    A `local` law, of less than a decade, says nothing beyond them.
    """
    found = []
    for index, place in enumerate(places):
        away = np.maximum(np.log10(ends[0] / x[index]), np.log10(x[index] / ends[1])).max()
        if local and away > 1e-9:
            reason = "the sizes span less than a decade, which show a local slope only: add range, or ask within them."
            found.append(Predicted(place, refusal=Refusal("LOCAL_SLOPE", reason)))
            continue
        cautions: tuple[Caution, ...] = ()
        if away > WARN_DECADES:
            reason = f"asked {away:.2g} decades beyond the sizes: the law may end before."
            cautions = (Caution("EXTRAPOLATED", reason),)
        assert foreseen is not None
        numbers = (foreseen.curve, foreseen.low, foreseen.high, foreseen.run_low, foreseen.run_high)
        found.append(Predicted(place, *(float(values[index]) for values in numbers), cautions=cautions))
    return tuple(found)
