"""Which runs to make next, for a question about the laws of a table of runs, and what else the
budget would give.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.multiplier import log_multiplier, multiplier, own_laws
from harness.judging.ahead import CrossedRuns, asked_place, place_of_two
from harness.judging.forms import crossed_runs
from harness.judging.laws import AUTO, SeriesLaws, fitted_runs
from harness.judging.request import Request, Source
from harness.judging.scaling import series_name, series_of
from harness.laws import Caution, Estimate, Fit, Interval, Refusal, fit_surface
from harness.laws.ahead import new_run
from harness.laws.design import Search, gradient_of, grid, grid_of_arms
from harness.laws.profile import Region
from harness.laws.result import estimate_of
from harness.laws.shared import Joint, joint_law
from harness.laws.surface import Surface, log_allocation, log_best_size

NO_LAW = Refusal(
    "NO_LAW",
    "no law may be quoted, the best one has no floor or slope, or it is over replicates of a "
    "search (`harness power` "
    "plans these): add sizes, or name the law to plan by (`law`), such as pure.",
)
Quantity = Callable[[np.ndarray], Any]  # ln of it, by the parameters of a law
Question = Literal["exponent", "optimum", "prediction", "multiplier"]


@dataclass(frozen=True)
class Asked:
    """What the next runs are to tell, and what they may cost."""

    question: Annotated[Question, "what the interval is of"]
    budget: Annotated[float, "what all runs may cost together"]
    runs: Annotated[int, "how many there are"] = 4
    at: Annotated[
        str | None, "of a prediction the place, of an optimum the compute, of a multiplier the size"
    ] = None


@dataclass(frozen=True)
class NextRuns:
    """Runs at one place, and what the plan that they belong to is expected to give."""

    plan: Annotated[
        str, "`proposed`, `largest` for the largest runs, or `more seeds` of what the table has"
    ]
    arm: Annotated[str, "whose runs they are"]
    at: Annotated[dict[str, float], "their sizes, by column"]
    runs: Annotated[int, "how many"]
    cost: Annotated[float, "of all of them"]
    width: Annotated[float, "of the interval after the plan, over that of now; in ln"]
    interval: Annotated[Interval, "that of now, so much shorter about its value"]


@dataclass(frozen=True)
class Design:
    """What to run next for one law. If there is a refusal, there are no numbers."""

    series: Annotated[str, "the curve; of a multiplier both arms"]
    quantity: Annotated[str, "what the interval is of, in words"]
    refusals: Annotated[tuple[Refusal, ...], "why nothing is proposed"]
    cautions: Annotated[tuple[Caution, ...], "what to know of the law"]
    now: Annotated[Estimate | None, "what the table says"] = None
    runs: Annotated[tuple[NextRuns, ...], "of every plan"] = ()


@dataclass(frozen=True)
class DesignAnswer:
    """Which runs shorten an interval most, if the law goes on as it is."""

    request: Annotated[Request, "of which runs"]
    source: Annotated[Source, "where these are from"]
    asked: Annotated[Asked, "what was asked"]
    designs: Annotated[list[Design], "one a law"]


class Posed(NamedTuple):
    """What is asked of a law, and what the table says (None: the same); its runs, `made` of them in
    each unit.
    """

    base: Design
    log_of: Quantity
    now: Estimate | None
    known: Region
    names: tuple[str, ...]
    arms: tuple[str, ...]
    made: np.ndarray
    costs: Callable[[np.ndarray], np.ndarray] = lambda sizes: sizes[:, 0]
    fit: Fit | None = None


def designs_of_curves(laws: Sequence[SeriesLaws], request: Request, asked: Asked) -> list[Design]:
    """Of laws of one size, by default those to quote; a multiplier is of two. A run costs its
    size.
    """
    if asked.question == "optimum":
        raise HarnessError(
            "`question` optimum: a law of one size has no best size; name the second size (`and`)"
        )
    if asked.question != "multiplier":
        return [_of_curve(series, request, asked) for series in laws]
    laws = [series for series in laws if not request.arms or series.series in request.arms]
    if len(laws) != 2:
        raise HarnessError(
            f"`question` multiplier is of two curves, not {len(laws)}; say which (`arms`, `where`)"
        )
    return [_of_arms(laws[0], laws[1], asked, request.level)]


def _of_curve(series: SeriesLaws, request: Request, asked: Asked) -> Design:
    axis, auto = series.axis, AUTO in request.laws
    fit = (
        series.quoted
        if auto
        else next(fit for name, fit in series.fits.items() if name in request.laws)
    )
    if fit is None or fit.region is None or fit.alpha is None or fit.alpha_interval is None:
        return Design(series.name, asked.question, (fit and fit.refusals) or (NO_LAW,), ())
    words, now = f"the exponent of {axis}", Estimate(fit.alpha, fit.alpha_interval)
    log_of: Quantity = itemgetter(fit.region.problem.law.exponent)
    if asked.question == "prediction":
        place = asked_place(str(asked.at), {axis: axis}, axis, "at")[axis]
        words = f"{series.metric} at {axis} = {place:g}"
        log_of, now = _predicted(fit, np.array([place]))
    base = Design(series.name, f"{words} by the {fit.law} law", (), fit.warnings)
    posed = Posed(
        base, log_of, now, fit.region, (axis,), (series.series,), fit.points.distinct, fit=fit
    )
    return _planned(posed, asked, request.level)


def _of_arms(first: SeriesLaws, second: SeriesLaws, asked: Asked, level: float) -> Design:
    axis, arms = first.axis, (first.series, second.series)
    size = asked_place(str(asked.at), {axis: axis}, axis, "at")[axis]
    runs = fitted_runs(first, second)
    of_both = multiplier(**runs, at=(size,), level=level)
    words = f"how many times the {axis} of {arms[0]}, {size:g}, {arms[1]} needs"
    base = Design(f"{first.name} and {second.name}", words, of_both.refusals, of_both.warnings)
    fits = own_laws(**runs, level=level)
    joint = None if of_both.refusals else joint_law(fits, of_both.floor, "free", level)
    if not isinstance(joint, Joint):
        return base
    quantity = log_multiplier(joint, float(np.log(size) - joint.region.problem.logs.log_x_first))
    now, made = (
        of_both.sizes[-1].multiplier,
        np.concatenate([fit.points.distinct for fit in fits.values()]),
    )
    return _planned(
        Posed(base, lambda p: quantity(p)[0], now, joint.region, (axis,), arms, made), asked, level
    )


def designs_of_two(
    request: Request, runs: Mapping[str, pd.DataFrame], asked: Asked
) -> list[Design]:
    """Of the law of two sizes of each series."""
    if asked.question == "multiplier":
        raise HarnessError(
            "`question` multiplier is of laws over compute: give its column as `x`, and leave "
            "out `and`"
        )
    every = series_of(runs[request.x[0]])
    return [
        _of_two(task, series, crossed_runs(request, rows, runs), request, asked)
        for task, series, rows in every
    ]


def _of_two(task: str, series: str, runs: CrossedRuns, request: Request, asked: Asked) -> Design:
    law, (n, d) = fit_surface(runs.n, runs.d, runs.y, request.level, request.objective), runs.names
    if law.region is None:
        return Design(series_name(task, series), asked.question, law.refusals, ())
    words, first, now = f"the exponent of {n}", law.region.problem.logs.log_x_first, law.alpha
    log_of: Quantity = itemgetter(1)
    if asked.question == "prediction":
        at = place_of_two(str(asked.at), runs, law, "at")
        words = f"the loss at {n} = {at[n]:.4g}, {d} = {at[d]:.4g}"
        log_of, now = _predicted(law, np.array([[at[n], at[d]]]))
    elif asked.question == "optimum" and asked.at:
        at = place_of_two(f"C={asked.at.removeprefix('C=')}", runs, law, "at")
        words, now, log_of = (
            f"the best {n} at C = {at['C']:g}",
            None,
            partial(log_best_size, first, at[n] * at[d]),
        )
    elif asked.question == "optimum":
        words, now = f"the exponent of the best {n} over compute", law.allocation
        log_of = log_allocation
    base, made = (
        Design(series_name(task, series), words, (), law.warnings),
        np.bincount(law.region.problem.units),
    )
    posed = Posed(
        base, log_of, now, law.region, (n, d), (series,), made, lambda sizes: runs.costs(*sizes.T)
    )
    return _planned(posed, asked, request.level)


def _predicted(law: Fit | Surface, x: np.ndarray) -> tuple[Quantity, Estimate]:
    region, new = law.region, new_run(law, x, np.zeros(1))
    assert region is not None
    u, curve = np.log(x) - region.problem.logs.log_x_first, region.problem.law.curve
    return lambda p: curve(p, u)[0][0], estimate_of(
        (new.curve[0], new.low[0], new.high[0]), law.level
    )


def _planned(posed: Posed, asked: Asked, level: float) -> Design:
    """The design with its plans."""
    known, arms, now = posed.known, posed.arms, posed.now
    logs, p = known.problem.logs, known.solution.p
    gradient = gradient_of(posed.log_of, p)
    if not np.isfinite([p, gradient]).all() or known.solution.edge:
        return replace(posed.base, refusals=(NO_LAW,))
    table = logs.u[np.unique(known.problem.units, return_index=True)[1]]
    new = grid(table) if len(arms) == 1 else grid_of_arms(table)
    next_runs: list[NextRuns] = []
    for plan, u in {"proposed": new, "largest": new, "more seeds": table}.items():
        sizes = np.exp(u.reshape(len(u), -1)[:, : len(posed.names)] + logs.log_x_first)
        made = posed.made if u is table else np.zeros(len(u), int)
        search = Search(known, gradient, level, u, posed.costs(sizes), made, posed.fit)
        half = search.half_width([])
        now = now or estimate_of(np.exp(posed.log_of(p) + half * np.array([0, -1, 1])), level)
        chosen = (search.largest if plan == "largest" else search.choose)(asked.budget, asked.runs)
        if not next_runs and not chosen:
            least = f"one run costs {search.costs.min():.3g} at least"
            raise HarnessError(
                f"`budget` {asked.budget:g}: {least}; give more, or ask for fewer `runs`"
            )
        width = search.half_width(chosen) / half
        ends = np.array([now.interval.low, now.interval.high])
        low, high = (
            now.value * (ends / now.value) ** width
            if ends[0] >= 0
            else now.value + width * (ends - now.value)
        )
        for place in dict.fromkeys(chosen):
            arm, number = arms[int(u[place, 1]) if len(arms) == 2 else 0], chosen.count(place)
            at, cost = (
                dict(zip(posed.names, sizes[place].tolist(), strict=True)),
                float(search.costs[place]),
            )
            expected = Interval(float(low), float(high), level)
            next_runs.append(NextRuns(plan, arm, at, number, number * cost, float(width), expected))
    return replace(posed.base, now=now, runs=tuple(next_runs))
