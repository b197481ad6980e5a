"""What laws say of runs that nobody made, and how well they foresaw their own largest budgets."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.base.reasons import Caution, Refusal
from harness.judging.kept import kept
from harness.judging.laws import Fitting, SeriesLaws, known_in, runs_in
from harness.judging.scaling import won_on
from harness.judging.sides import curve_of
from harness.laws import Fit, ahead, fit_surface
from harness.laws.ahead import BudgetAhead, NewRun
from harness.laws.fitting import WARN_DECADES
from harness.laws.groups import surface_by_groups
from harness.laws.result import LawName
from harness.laws.sigmoid import Sigmoid, scores_at
from harness.laws.surface import Surface, log_best_size

OF_A_PRODUCT = 6.0  # FLOPs of training a parameter on a token (Kaplan et al. 2020)
ROUNDING = 1e-9  # decades
LARGEST_LOG = 690.0  # of a size, beyond which floats end
Amounts = Mapping[
    str, tuple[np.ndarray, float, float]
]  # by name, those asked for, and the ends of those of the runs
COSTS = ("flop", "seconds", "compute", "budget")  # how the name of a column of compute begins


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
class Foresight:
    """How one law foresaw its own largest budgets, and what it says of new runs."""

    series: Annotated[str, "the curve; of an experiment `TASK: SERIES`"]
    axis: Annotated[str, "the column of sizes; of two sizes both"]
    law: Annotated[str, "its form"]
    origins: Annotated[
        tuple[BudgetAhead, ...], "the last budgets, each foreseen by the law of the smaller ones"
    ] = ()
    held_out: Annotated[
        tuple[BudgetAhead, ...], "of a law of two sizes: the budgets set aside, and how it fared"
    ] = ()
    predictions: Annotated[tuple[Predicted, ...], "what was asked for"] = ()
    cautions: Annotated[tuple[Caution, ...], "what to know before extrapolating it"] = ()


def is_cost(column: str) -> bool:
    """Whether a column is of what runs cost, by its name."""
    return column == "C" or column.lower().startswith(COSTS)


def ahead_of_laws(
    laws: Sequence[SeriesLaws],
    predict: Sequence[str],
    how: Fitting,
    replicated: pd.DataFrame | None = None,
) -> list[Foresight]:
    """Of every law of one size to quote; `predict` are places, and `replicated` the runs behind
    laws of replicates.
    """
    axes = list(dict.fromkeys(series.axis for series in laws))
    asked = [
        asked_place(text, {axis: axis for axis in axes}, axes[0] if len(axes) == 1 else None)
        for text in predict
    ]
    found = []
    for series in laws:
        places = [place[series.axis] for place in asked if series.axis in place]
        for name, fit in series.fits.items():
            if name in series.drawable and not fit.refusals:
                found.append(_of_curve(series, name, fit, np.array(places), how, replicated))
    return found


def _of_curve(
    series: SeriesLaws,
    name: LawName,
    fit: Fit,
    places: np.ndarray,
    how: Fitting,
    replicated: pd.DataFrame | None,
) -> Foresight:
    if fit.lines is not None and replicated is not None:
        of_series = (replicated["task"] == series.task) & (replicated["series"] == series.series)
        curve = curve_of(won_on(replicated[of_series], series.axis), series.axis)
        logs = curve.logs.T
        origins = ahead.rolling_replicates(curve.sizes, logs)
        foreseen: NewRun | None = ahead.new_run_of_lines(
            curve.sizes, logs, places, fit.level, origins, fit.overlap
        )
    else:
        x, y = runs_in(series.table, "fitted")
        origins = kept(
            ahead.rolling_curve,
            x,
            y,
            name,
            fit.level,
            how.objective,
            known_in(series.table, how, "fitted"),
        )
        steps = np.maximum(np.log(places / ahead.budgets_of(fit.points.sizes).max()), 0)
        foreseen = ahead.new_run(fit, places, steps, origins) if places.size else None
    told = [{series.axis: place} for place in places.tolist()]
    predictions = _predictions(
        told, foreseen, {series.axis: (places, *fit.points.sizes[[0, -1]])}, fit.warnings
    )
    return Foresight(
        series.name, series.axis, name, origins, (), predictions, ahead.origin_cautions(origins)
    )


def sigmoid_ahead(name: str, axis: str, law: Sigmoid, predict: Sequence[str]) -> Foresight:
    """The scores that a sigmoid foresees."""
    places = [asked_place(text, {axis: axis}, axis) for text in predict]
    foreseen = Foresight(name, axis, "sigmoid")
    if law.refusals or not places:
        return foreseen
    x = np.array([place[axis] for place in places])
    return replace(
        foreseen, predictions=_predictions(places, scores_at(law, x), {axis: (x, *law.ends)}, ())
    )


class CrossedRuns(NamedTuple):
    """Runs of two sizes that ended well [n], their costs, groups and schedules; `names` are the
    columns of N and D.
    """

    names: tuple[str, str]
    n: np.ndarray
    d: np.ndarray
    y: np.ndarray
    compute: np.ndarray
    groups: np.ndarray | None = None
    schedule: np.ndarray | None = None

    @property
    def per_product(self) -> float | None:
        """The compute of N times D; None where D is the compute."""
        return (
            None if self.compute is self.d else float(np.median(self.compute / (self.n * self.d)))
        )

    def costs(self, n: np.ndarray, d: np.ndarray) -> np.ndarray:
        """Compute of new runs."""
        return d if self.per_product is None else self.per_product * n * d


def surface_ahead(
    name: str,
    runs: CrossedRuns,
    level: float,
    objective: str,
    hold_out: int,
    predict: Sequence[str],
) -> tuple[Surface, Foresight]:
    """The law of two sizes of all budgets but the largest `hold_out`, and how it foresees."""
    held = held_out(runs, hold_out)
    n, d, y, compute = (values[~held] for values in (runs.n, runs.d, runs.y, runs.compute))
    schedule = None if runs.schedule is None else runs.schedule[~held]
    law = fit_surface(n, d, y, level, objective, schedule=schedule)
    if runs.groups is not None:
        law = surface_by_groups(law, n, d, y, runs.groups[~held].tolist())
    foreseen = Foresight(name, " and ".join(runs.names), "surface")
    if law.refusals:
        return law, foreseen
    runs = as_ended(runs, law)
    y = runs.y[~held]
    origins = kept(ahead.rolling_surface, n, d, y, compute, level, objective)
    largest = float(ahead.budgets_of(compute).max())
    places = [place_of_two(text, runs, law) for text in predict]
    asked = np.array([(place[runs.names[0]], place[runs.names[1]]) for place in places]).reshape(
        -1, 2
    )
    costs = runs.costs(*asked.T)
    new = ahead.new_run(law, asked, np.log(costs / largest), origins) if len(asked) else None
    amounts = {
        runs.names[0]: (asked[:, 0], n.min(), n.max()),
        runs.names[1]: (asked[:, 1], d.min(), d.max()),
    }
    if runs.per_product is not None:
        amounts["compute"] = (costs, compute.min(), compute.max())
    return law, replace(
        foreseen,
        origins=origins,
        held_out=tuple(_held_out(law, runs, held, largest, origins)),
        predictions=_predictions(places, new, amounts, law.warnings),
        cautions=ahead.origin_cautions(origins),
    )


def held_out(runs: CrossedRuns, budgets: int) -> np.ndarray:
    """Which runs are of so many of the largest budgets [n]."""
    budget = ahead.budgets_of(runs.compute)
    return np.isin(budget, np.unique(budget)[::-1][:budgets])


def as_ended(runs: CrossedRuns, law: Surface) -> CrossedRuns:
    """The runs with their losses as if each had ended where it stands, by the law's decay."""
    if law.decay is None or runs.schedule is None:
        return runs
    return runs._replace(y=runs.y * np.exp(-law.decay.value * runs.schedule))


def _held_out(
    law: Surface,
    runs: CrossedRuns,
    held: np.ndarray,
    largest: float,
    origins: Sequence[BudgetAhead],
) -> Iterator[BudgetAhead]:
    budget = ahead.budgets_of(runs.compute)
    for of_budget in np.unique(budget[held]):
        there = budget == of_budget
        x, y = np.column_stack([runs.n, runs.d])[there], runs.y[there]
        seen = ahead.seen_ahead(law, x, y, of_budget, largest)
        cells, of_run = np.unique(x, axis=0, return_inverse=True)
        new = ahead.new_run(law, cells, np.full(len(cells), seen.step), origins)
        inside = (new.run_low[of_run.ravel()] <= y) & (y <= new.run_high[of_run.ravel()])
        yield replace(seen, inside=int(inside.sum()))


def place_of_two(
    text: str, runs: CrossedRuns, law: Surface, option: str = "predict"
) -> dict[str, float]:
    """N and D of a place that is asked for; of compute alone the N and D of the least loss."""
    n, d = runs.names
    asked = asked_place(text, {"N": n, n: n, "D": d, d: d, "C": "C"}, None, option)
    if asked.keys() == {n, d}:
        return asked
    if asked.keys() != {"C"} or law.region is None:
        raise HarnessError(
            f"`{option}` {text!r}: a law of {n} and {d} needs both, or the compute C alone"
        )
    if runs.per_product is None:
        raise HarnessError(
            f"`{option}` {text!r}: {d} is the compute here, and no {n} is best for it; give both"
        )
    problem, product = law.region.problem, asked["C"] / runs.per_product
    log_best = log_best_size(problem.logs.log_x_first, product, law.region.solution.p)
    if not max(abs(log_best), abs(math.log(product) - log_best)) < LARGEST_LOG:
        problem_of_law = (
            f"by this law no {n} is best there: the loss falls with {n} or with {d} alone"
        )
        raise HarnessError(f"`{option}` {text!r}: {problem_of_law}; give both")
    best = math.exp(log_best)
    return {n: best, d: product / best, "C": asked["C"]}


def asked_place(
    text: str, names: Mapping[str, str], alone: str | None, option: str = "predict"
) -> dict[str, float]:
    """`N=1e9,D=2e10` as numbers by column; a number `alone` is of this column."""
    found = {}
    for part in text.split(","):
        name, equals, written = part.rpartition("=")
        column = names.get(name.strip()) if equals else alone
        if column is None:
            raise HarnessError(
                f"`{option}` {text!r}: write {', '.join(f'{name}=NUMBER' for name in names)}"
            )
        try:
            value = float(written)
        except ValueError:
            value = math.nan
        if not (math.isfinite(value) and value > 0):
            raise HarnessError(
                f"`{option}` {text!r}: {written.strip()!r} is no number above 0; write it as 1e9"
            )
        found[column] = value
    return found


def _predictions(
    places: Sequence[dict[str, float]],
    new: NewRun | None,
    amounts: Amounts,
    warnings: Iterable[Caution],
) -> tuple[Predicted, ...]:
    """The rows of what was asked for; a law of less than a decade says nothing beyond its sizes."""
    local = any(caution.code == "LOCAL_SLOPE" for caution in warnings)
    found = []
    for index, place in enumerate(places):
        away: dict[str, float] = {}
        for name, (asked, least, largest) in amounts.items():
            decades = float(np.log10(max(least / asked[index], asked[index] / largest)))
            away |= {name: decades} if decades > ROUNDING else {}
        if local and away.keys() & place.keys():
            reason = (
                "the sizes span less than a decade, which show a local slope only: add "
                "range, or ask within them."
            )
            found.append(Predicted(place, refusal=Refusal("LOCAL_SLOPE", reason)))
            continue
        told = ", ".join(f"{decades:.2g} in {name}" for name, decades in away.items())
        cautions: tuple[Caution, ...] = ()
        if max(away.values(), default=0.0) > WARN_DECADES:
            cautions = (
                Caution(
                    "EXTRAPOLATED",
                    f"asked decades beyond the runs: {told}. The law may end before.",
                ),
            )
        assert new is not None
        loss, low, high, run_low, run_high = (float(values[index]) for values in new)
        found.append(Predicted(place, loss, low, high, run_low, run_high, cautions))
    return tuple(found)
