"""Which runs to make next, for a question about the laws of a table of runs, and what else the budget would give."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Literal, NamedTuple

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError
from harness.comparison.multiplier import log_multiplier, multiplier
from harness.judging.ahead import asked_place, place_of_two
from harness.judging.forms import crossed_runs, name_of
from harness.judging.laws import AUTO, SeriesLaws, runs_in
from harness.judging.request import Request, Source
from harness.judging.scaling import with_parts
from harness.laws import Caution, Estimate, Fit, Interval, Refusal, fit_law, fit_surface
from harness.laws.ahead import new_run
from harness.laws.design import Search, grid
from harness.laws.profile import Region
from harness.laws.result import estimate_of
from harness.laws.shared import Joint, joint_law
from harness.laws.surface import Surface

STEP = 1e-5  # of a parameter, for gradients
NO_LAW = Refusal("NO_LAW", "none may be quoted, or it has no floor or slope: add sizes, or name one (`law`), as pure.")
Costs = Callable[[np.ndarray], np.ndarray]  # of sizes [m, sizes of a run]
Question = Literal["exponent", "optimum", "prediction", "multiplier"]


@dataclass(frozen=True)
class Asked:
    """What the next runs are to tell, and what they may cost."""

    question: Annotated[Question, "what the interval is of"]
    budget: Annotated[float, "what all runs may cost together"]
    runs: Annotated[int, "how many there are"] = 4
    at: Annotated[str | None, "of a prediction the place, of an optimum the compute, of a multiplier the size"] = None


@dataclass(frozen=True)
class NextRuns:
    """Runs at one place, and what the plan that they belong to is expected to give."""

    plan: Annotated[str, "`proposed`, `largest` for the largest runs, or `more seeds` of what the table has"]
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
    """What is asked of a law: in words, as ln of it by the parameters, and as the table has it (None: the same).

    Behind these the law, what the sizes of its runs are called, and the runs that each of its units has.
    """

    words: str
    log_of: Callable[[np.ndarray], float]
    now: Estimate | None
    known: Region
    names: tuple[str, ...]
    made: np.ndarray
    fit: Fit | None = None


def designs_of_curves(
    laws: Sequence[SeriesLaws], request: Request, asked: Asked, compute: pd.Series | None
) -> Iterator[Design]:
    """Of laws of one size, by default those to quote; a multiplier is of two. A run costs its size, or `compute`."""
    if asked.question == "optimum":
        raise HarnessError("`question` optimum: a law of one size has no best size; name the second size (`and`)")
    if asked.question == "multiplier":
        laws = [series for series in laws if not request.arms or series.series in request.arms]
        if len(laws) != 2:
            raise HarnessError(f"`question` multiplier is of two curves, not {len(laws)}; say which (`arms`, `where`)")
        yield _of_arms(laws[0], laws[1], asked, _costs_of(laws[0], compute), request.level)
        return
    for series in laws:
        fit, axis = series.quoted if AUTO in request.laws else series.fits[request.laws[0]], series.axis  # type: ignore[index]
        if fit is None or fit.region is None or fit.alpha is None or fit.alpha_interval is None:
            yield Design(series.name, asked.question, fit.refusals if fit else (NO_LAW,), ())
            continue
        law, more = fit.region.problem.law, (fit.region, (axis,), fit.points.distinct, fit)
        if asked.question == "prediction":
            place = asked_place(str(asked.at), {axis: axis}, axis)[axis]
            posed = Posed(f"{series.metric} at {axis} = {place:g}", *_predicted(fit, np.array([place])), *more)
        else:
            now = Estimate(fit.alpha, fit.alpha_interval)
            words = f"the exponent of {axis} by the {fit.law} law"
            posed = Posed(words, lambda p, law=law: np.log(law.alpha(p[law.exponent])), now, *more)
        base = Design(series.name, posed.words, (), fit.warnings)
        yield _planned(base, posed, (series.series,), _costs_of(series, compute), asked, request.level)


def _costs_of(series: SeriesLaws, compute: pd.Series | None) -> Costs:
    """The sizes themselves, or a line of ln compute in ln size through the runs."""
    if compute is None:
        return lambda sizes: sizes[:, 0]
    done = series.table[series.table["status"] == "done"]
    line = np.polyfit(np.log(done["size"].to_numpy(float)), np.log(compute[done.index].to_numpy(float)), 1)
    return lambda sizes: np.exp(np.polyval(line, np.log(sizes[:, 0])))


def _of_arms(first: SeriesLaws, second: SeriesLaws, asked: Asked, costs: Costs, level: float) -> Design:
    axis, arms = first.axis, (first.series, second.series)
    size = asked_place(str(asked.at), {axis: axis}, axis)[axis]
    x, y = ({one.series: runs_in(one.table, "fitted")[place] for one in (first, second)} for place in (0, 1))
    found = multiplier(x, y, (size,), level=level)
    words = f"how many times the {axis} of {arms[0]}, {size:g}, {arms[1]} needs"
    base = Design(f"{first.name} and {second.name}", words, found.refusals, found.warnings)
    fits = {arm: fit_law(x[arm], y[arm], "floor", level, intervals=False) for arm in arms}
    joint = None if found.refusals else joint_law(fits, found.floor, "free", level)
    if not isinstance(joint, Joint):
        return base
    quantity = log_multiplier(joint, float(np.log(size) - joint.region.problem.logs.log_x_first))
    made = np.concatenate([fit.points.distinct for fit in fits.values()])
    now = found.sizes[-1].multiplier
    posed = Posed(words, lambda p: quantity(p)[0], now, joint.region, (axis,), made)
    return _planned(base, posed, arms, costs, asked, level)


def designs_of_two(request: Request, runs: Mapping[str, pd.DataFrame], asked: Asked) -> Iterator[Design]:
    """Of the law of two sizes of each series."""
    if asked.question == "multiplier":
        raise HarnessError("`question` multiplier is of laws over compute: give its column as `x`, and leave out `and`")
    for place, rows in with_parts(runs[request.x[0]]).groupby(["task", "series"], sort=False):
        crossed = crossed_runs(request, rows, runs)
        law, (n, d) = fit_surface(crossed.n, crossed.d, crossed.y, request.level, request.objective), crossed.names
        if law.region is None:
            yield Design(name_of(place), asked.question, law.refusals, ())
            continue
        more = (law.region, (n, d), np.bincount(law.region.problem.units))
        posed = Posed(f"the exponent of {n}", lambda p: p[1], law.alpha, *more)
        if asked.question == "prediction":
            at = place_of_two(str(asked.at), crossed, law)
            words = f"the loss at {n} = {at[n]:.4g}, {d} = {at[d]:.4g}"
            posed = Posed(words, *_predicted(law, np.array([[at[n], at[d]]])), *more)
        elif asked.question == "optimum" and asked.at:
            at = place_of_two(f"C={asked.at.removeprefix('C=')}", crossed, law)
            first = law.region.problem.logs.log_x_first

            def log_best(p: np.ndarray, product: float = at[n] * at[d], first: np.ndarray = first) -> float:
                on_d = np.exp(p[2]) * (np.log(product) - first.sum())
                return first[0] + (p[1] - p[2] - p[3] + on_d) / np.exp(p[1:3]).sum()

            posed = Posed(f"the best {n} at C = {at['C']:g}", log_best, None, *more)
        elif asked.question == "optimum":
            words = f"the exponent of the best {n} over compute"
            posed = Posed(words, lambda p: -np.logaddexp(0, p[1] - p[2]), law.allocation, *more)
        base = Design(name_of(place), posed.words, (), law.warnings)
        arms = (str(rows["series"].iloc[0]),)
        yield _planned(base, posed, arms, lambda sizes, of=crossed: of.costs(*sizes.T), asked, request.level)


def _predicted(law: Fit | Surface, x: np.ndarray) -> tuple[Callable[[np.ndarray], float], Estimate]:
    known, new = law.region, new_run(law, x, np.zeros(1))
    assert known is not None
    u = np.log(x) - known.problem.logs.log_x_first
    now = estimate_of((new.curve[0], new.low[0], new.high[0]), law.level)
    return lambda p: known.problem.law.curve(p, u)[0][0], now


def _planned(base: Design, posed: Posed, arms: tuple[str, ...], costs: Costs, asked: Asked, level: float) -> Design:
    """The design with its plans."""
    problem, p, now = posed.known.problem, posed.known.solution.p, posed.now
    if not np.isfinite(p).all() or posed.known.solution.edge:
        return replace(base, refusals=(NO_LAW,))
    steps = STEP * np.eye(p.size)
    gradient = np.array([posed.log_of(p + step) - posed.log_of(p - step) for step in steps], float) / (2 * STEP)
    table = problem.logs.u[np.unique(problem.units, return_index=True)[1]]
    if len(arms) == 1:
        new = grid(table)
    else:
        grids = [grid(table[table[:, 1] == arm, 0]) for arm in (0, 1)]
        new = np.concatenate([np.column_stack([u, np.full(u.size, arm)]) for arm, u in enumerate(grids)])
    found: list[NextRuns] = []
    for plan, u in {"proposed": new, "largest": new, "more seeds": table}.items():
        sizes = np.exp(u.reshape(len(u), -1)[:, : len(posed.names)] + problem.logs.log_x_first)
        made = posed.made if u is table else np.zeros(len(u), int)
        search = Search(posed.known, gradient, level, u, costs(sizes), made, posed.fit)
        half = search.half_width([])
        now = now or estimate_of(np.exp(posed.log_of(p) + half * np.array([0, -1, 1])), level)
        chosen = (search.largest if plan == "largest" else search.choose)(asked.budget, asked.runs)
        if not found and not chosen:
            cost = f"one run costs {search.costs.min():.3g} at least"
            raise HarnessError(f"`budget` {asked.budget:g}: {cost}; give more, or ask for fewer `runs`")
        width = search.half_width(chosen) / half
        ends = now.value * (np.array([now.interval.low, now.interval.high]) / now.value) ** width
        for place in dict.fromkeys(chosen):
            arm, at = arms[int(u[place, 1]) if len(arms) == 2 else 0], sizes[place].tolist()
            number, at_place = chosen.count(place), dict(zip(posed.names, at, strict=True))
            cost = number * float(search.costs[place])
            found.append(NextRuns(plan, arm, at_place, number, cost, width, Interval(*ends.tolist(), level)))
    return replace(base, now=now, runs=tuple(found))
