"""Laws that a lab can plan by, simulated: predictions of the next budget, and the caution where a
law bends.

python -m benchmarks.planning                  # all parts, results/fits/planning.md
python -m benchmarks.planning --part ahead     # one part, replacing its rows there
"""

import itertools
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import pandas as pd
from scipy.special import expit
from scipy.stats import norm
from scipy.stats import t as t_distribution

from benchmarks import report
from benchmarks.grids import SD, Grid, generator, isoflop_grid
from benchmarks.next_runs import Shortening, designs
from harness.comparison import multiplier
from harness.laws import Fit, Interval, LawName, fit_law, fit_surface
from harness.laws.ahead import NewRun, new_run, origin_cautions, rolling_curve, rolling_surface
from harness.laws.groups import law_by_groups, surface_by_groups
from harness.laws.isoflop import isoflop
from harness.laws.points import Known
from harness.laws.sigmoid import fit_sigmoid, scores_at
from harness.show.console import console

FOLDER = Path("results/fits")
REPLICATES = 500


class Score(NamedTuple):
    """The share of replicates in which something holds, and the shares that are accepted."""

    part: str
    scenario: str
    what: str
    low: float
    high: float
    holds: Sequence[float]


# --------------------------------------------------------------------------------------------------
# ahead
def next_budget(
    name: str, grid: Grid, replicates: int, low: float, is_true: bool
) -> Iterator[Score]:
    """One new run at the middle of the largest budget, foreseen from the others."""
    rng = generator(name)
    seen: list[Seen] = []
    fitted = grid.compute < grid.compute.max()
    new = np.flatnonzero(~fitted)[[int(np.sum(~fitted)) // 2]]
    places = np.column_stack([grid.n, grid.d])
    step = np.log(grid.compute[new] / grid.compute[fitted].max())
    for _ in range(replicates):
        y = np.exp(grid.log_loss + SD * rng.standard_normal(grid.log_loss.size))
        law = fit_surface(grid.n[fitted], grid.d[fitted], y[fitted], intervals=False)
        if law.region is None:
            continue
        origins = rolling_surface(grid.n[fitted], grid.d[fitted], y[fitted], grid.compute[fitted])
        seen.append(Seen(new_run(law, places[new], step, origins), bool(origin_cautions(origins))))
    yield from _ahead_scores("ahead", name, seen, float(grid.log_loss[new][0]), SD, low, is_true)


def next_size(
    name: str,
    law: str,
    sizes: np.ndarray,
    log_loss: np.ndarray,
    seeds: int,
    sd: float,
    replicates: int,
    is_true: bool,
) -> Iterator[Score]:
    """One new run at the largest size, foreseen by the curve through the others."""
    rng = generator(name)
    seen: list[Seen] = []
    x = np.repeat(sizes[:-1], seeds)
    for _ in range(replicates):
        y = np.exp(np.repeat(log_loss[:-1], seeds) + sd * rng.standard_normal(x.size))
        fit = fit_law(x, y, law, intervals=False)  # type: ignore[arg-type]
        if fit.region is None:
            continue
        origins = rolling_curve(x, y, law)  # type: ignore[arg-type]
        new = new_run(fit, sizes[-1:], np.log(sizes[-1:] / sizes[-2]), origins)
        seen.append(Seen(new, bool(origin_cautions(origins))))
    yield from _ahead_scores("curves", name, seen, float(log_loss[-1]), sd, 0.8, is_true)


class Seen(NamedTuple):
    """What a replicate said of a new run, and whether it warned."""

    new: NewRun
    is_warned: bool


def _ahead_scores(
    part: str, name: str, seen: Sequence[Seen], truth: float, sd: float, low: float, is_true: bool
) -> Iterator[Score]:
    """A new run is inside as often as its noise lets it: each replicate counts with this chance."""
    inside = [_chance(new, truth, sd) for new, _ in seen]
    of_law = [bool(new.low[0] <= np.exp(truth) <= new.high[0]) for new, _ in seen]
    warned = [is_warned for _, is_warned in seen]
    if is_true:
        yield Score(part, name, "new run inside", 0.93, 0.98, inside)
        yield Score(part, name, "curve inside the law's interval", 0.9, 1.0, of_law)
        yield Score(part, name, "EXTRAPOLATES_BADLY", 0.0, 0.07, warned)
        return
    either = [max(run, float(caution)) for run, caution in zip(inside, warned, strict=True)]
    yield Score(part, name, "new run inside, or the caution", low, 1.0, either)
    yield Score(part, name, "new run inside", 0.0, 1.0, inside)
    yield Score(part, name, "EXTRAPOLATES_BADLY", 0.0, 1.0, warned)


def _chance(new: NewRun, truth: float, sd: float) -> float:
    low, high = norm.cdf((np.log([new.run_low[0], new.run_high[0]]) - truth) / sd)
    return float(high - low)


def ahead(replicates: int) -> Iterator[Score]:
    """New runs of the next budget of compute, where laws of two sizes are true and where they
    bend.
    """
    for budgets in (4, 6):
        yield from next_budget(
            f"surface, {budgets - 1} budgets", isoflop_grid(budgets), replicates, 0.93, True
        )
    for percent in (1, 2):  # that a step of a factor of 10^0.5 adds to what a step before it showed
        bend = percent / 100 / (2 * np.log(10**0.5) ** 2)
        name = f"surface of 4 budgets that bends by {percent} % a step"
        yield from next_budget(name, isoflop_grid(5, bend=bend), replicates, 0.8, False)
        name = f"surface of 4 budgets that bends by {percent} % at the next one alone"
        yield from next_budget(
            name, isoflop_grid(5, bend=2 * bend, late=True), replicates, 0.0, False
        )


def curves(replicates: int) -> Iterator[Score]:
    """The same of curves: one new run at the next size."""
    sizes = np.geomspace(1e3, 1e6, 8)
    pure = -0.3 * np.log(sizes)
    floor = np.log(1 + (sizes / 3e4) ** -0.5)
    for seeds, sd in ((1, 0.02), (3, 0.02)):
        yield from next_size(
            f"pure law, 7 sizes of {seeds} runs", "pure", sizes, pure, seeds, sd, replicates, True
        )
        yield from next_size(
            f"floor law, 7 sizes of {seeds} runs",
            "floor",
            sizes,
            floor,
            seeds,
            sd,
            replicates,
            True,
        )
    yield from next_size(
        "pure law where there is a floor", "pure", sizes, floor, 3, 0.02, replicates, False
    )
    kinked = pure - 0.2 * np.maximum(np.log(sizes / sizes[4]), 0)
    yield from next_size(
        "pure law that breaks at 5 of 7 sizes", "pure", sizes, kinked, 3, 0.02, replicates, False
    )


# --------------------------------------------------------------------------------------------------
# multiplier
def advantage(compute: np.ndarray, ends: tuple[float, float]) -> np.ndarray:
    """How many times the compute of the first arm the second needs, a power of compute between the
    `ends`.
    """
    along = np.log(compute / compute.min()) / np.log(compute.max() / compute.min())
    return np.exp(np.interp(along, (0, 1), np.log(ends)))


def optimum_of(
    grid: Grid, log_loss: np.ndarray, sd: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The least losses of the budgets, by parabolas."""
    valleys = isoflop(
        grid.compute, grid.n, np.exp(log_loss + sd * rng.standard_normal(log_loss.size))
    ).used
    return np.array([valley.budget for valley in valleys]), np.array(
        [valley.y_best for valley in valleys]
    )


def of_optima(
    name: str, ends: tuple[float, float], sd: float, replicates: int, **pins: Any
) -> Iterator[Score]:
    """Two tables of five budgets of nine sizes over two decades of compute, the second arm behind
    by `ends`.
    """
    rng, grid = generator(name), isoflop_grid(5)
    behind = np.sqrt(advantage(grid.compute, ends))
    losses = (
        grid.log_loss,
        np.log(1.8 + 480 * (grid.n / behind) ** -0.35 + 2100 * (grid.d / behind) ** -0.37),
    )
    held: dict[str, list[bool]] = {}
    for _ in range(replicates):
        x, y = zip(*(optimum_of(grid, loss, sd, rng) for loss in losses), strict=True)
        names = ("first", "second")
        found = multiplier(
            dict(zip(names, x, strict=True)), dict(zip(names, y, strict=True)), **pins
        )
        if found.refusals or len(found.sizes) < 5:
            continue
        if ends[0] == ends[1]:
            for place, index in (("smallest", 0), ("middle", 2), ("largest", -1)):
                inside = _holds(found.sizes[index].multiplier.interval, ends[0])
                held.setdefault(f"multiplier inside at the {place} budget", []).append(inside)
        if found.trend:
            held.setdefault("trend inside", []).append(
                _holds(found.trend.interval, float((ends[1] / ends[0]) ** 0.5))
            )
            held.setdefault("trend has the right sign", []).append(found.trend.value < 1)
            held.setdefault("trend is beyond doubt", []).append(found.trend.interval.high < 1)
    for what, holds in held.items():
        if "inside" in what:
            yield Score("multiplier", name, what, 0.93, 0.98, holds)
        elif ends[0] > ends[1]:
            yield Score("multiplier", name, what, 0.8 if "sign" in what else 0.0, 1.0, holds)


def multipliers(replicates: int) -> Iterator[Score]:
    """The compute multiplier of isoFLOP tables, and its trend."""
    yield from of_optima("equal tables, noise of 1 %", (1.0, 1.0), 0.01, replicates)
    yield from of_optima(
        "equal tables, noise of 1 %, floor known", (1.0, 1.0), 0.01, replicates, floor=1.8
    )
    yield from of_optima("1.4 falling to 1.1, noise of 1 %", (1.4, 1.1), 0.01, replicates)
    yield from of_optima("1.4 falling to 1.1, noise of .2 %", (1.4, 1.1), 0.002, replicates)


# --------------------------------------------------------------------------------------------------
# isoFLOP
class Valleys(NamedTuple):
    """A surface's exponents, and its grids: how far sizes go from the middle, and where that lies
    off the best one.
    """

    alpha: float = 0.34
    beta: float = 0.28
    factor: float = 3.0
    off: float = 0.0
    drift: float = 0.0


def valley_runs(
    of: Valleys, sd: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Budgets, sizes and losses of six budgets of nine sizes of y = 1.8 + 480 N^-alpha + 2100
    D^-beta.
    """
    budget = 1e18 * 10 ** (0.5 * np.arange(6))
    both = of.alpha + of.beta
    best = (480 * of.alpha / (2100 * of.beta)) ** (1 / both) * (budget / 6) ** (of.beta / both)
    middle = of.off + of.drift * np.linspace(-1, 1, 6)
    x = best[:, None] * np.exp(
        middle[:, None] + np.linspace(-np.log(of.factor), np.log(of.factor), 9)
    )
    y = 1.8 + 480 * x**-of.alpha + 2100 * (budget[:, None] / 6 / x) ** -of.beta
    return np.repeat(budget, 9), x.ravel(), (y * np.exp(sd * rng.standard_normal(y.shape))).ravel()


def valleys(replicates: int) -> Iterator[Score]:
    """The exponent of the best size, whose valleys are no parabolas: inside wherever no caution
    stands.
    """
    designs = [Valleys(factor=factor, drift=drift) for factor in (3, 8) for drift in (0, 0.4)]
    designs += [
        Valleys(off=0.5),
        Valleys(0.25, 0.45),
        Valleys(0.25, 0.45, drift=0.4),
        Valleys(0.25, 0.45, 8),
    ]
    for of, sd in itertools.product(designs, (0.002, 0.005)):
        name = (
            f"alpha {of.alpha:g}, beta {of.beta:g}, sizes {of.factor:g} times off, centre "
            f"{of.off:g}±{of.drift:g}"
        )
        rng, calm, cautioned = generator(f"{name} {sd}"), [], []
        for _ in range(replicates):
            law = isoflop(*valley_runs(of, sd, rng))
            inside = _holds(law.exponent_interval, of.beta / (of.alpha + of.beta))
            (cautioned if law.warnings else calm).append(inside)
        where = f"{name}, noise {sd:.1%}"
        low, high = (0.93, 0.98) if len(calm) >= 100 else (0.0, 1.0)
        yield Score("isoflop", where, "exponent inside, no caution", low, high, calm)
        yield Score("isoflop", where, "exponent inside, with a caution", 0.0, 1.0, cautioned)


# --------------------------------------------------------------------------------------------------
# misfit
FAULTS = ("floor", "break", "shift", "end")


def curve_with(law: str, fault: str, by: float, u: np.ndarray) -> np.ndarray:
    """ln loss of a law of exponent .5, with so much of a fault."""
    line = -0.5 * u
    if fault == "break":
        line = line - by * np.maximum(u - u[-1] / 2, 0)
    if fault == "shift":
        line = -0.5 * np.logaddexp(u, np.log(max(by, 1e-12)))
    if fault == "end":
        line = line + by * (u == u[-1])
    floor = (0.03 if law == "floor" else 0.0) + (by if fault == "floor" else 0.0)
    return np.log(floor + np.exp(line))


def fault_of(law: LawName, fault: str, x: np.ndarray, sd: float) -> float:
    """How much of a fault moves the exponent by 2.5 half-widths of its interval, size means having
    this sd.
    """
    u = np.log(x / x[0])
    true = fit_law(x, np.exp(curve_with(law, "", 0.0, u)), law, intervals=False)
    assert true.region is not None
    assert true.alpha is not None
    problem = true.region.problem
    covariance = np.linalg.inv(_squares(true)) * sd**2
    index = problem.law.exponent
    error = np.sqrt(covariance[index, index]) * (true.alpha if problem.law.log_exponent else 1.0)
    wanted = 2.5 * t_distribution.isf(0.025, problem.dof) * error
    least, most = 0.0, 1e-3

    def moved(by: float) -> float:
        alpha = fit_law(x, np.exp(curve_with(law, fault, by, u)), law, intervals=False).alpha
        return np.inf if alpha is None else abs(alpha - float(true.alpha or 0))

    while moved(most) < wanted:
        most *= 2
    for _ in range(18):
        middle = (least + most) / 2
        least, most = (middle, most) if moved(middle) < wanted else (least, middle)
    return most


def _squares(fit: Fit) -> np.ndarray:
    assert fit.region is not None
    problem = fit.region.problem
    jacobian = problem.law.curve(fit.region.solution.p, problem.logs.u)[1]
    return jacobian.T @ jacobian


def misfits(replicates: int) -> Iterator[Score]:
    """MISFIT of laws that are true, and of each kind of fault."""
    designs: list[tuple[LawName, int, int]] = [
        ("pure", 6, 1),
        ("pure", 10, 1),
        ("pure", 7, 4),
        ("pure", 12, 4),
    ]
    designs += [("floor", 9, 1), ("floor", 12, 1), ("floor", 7, 4), ("floor", 12, 4)]
    for law, sizes, seeds in designs:
        x = np.geomspace(1e3, 1e6, sizes)
        for fault in ("", *FAULTS[law == "floor" :]):
            by = fault_of(law, fault, x, 0.02) if fault else 0.0
            name = f"{law} law, {sizes} sizes of {seeds} runs"
            rng, told = generator(name + fault), []
            means = np.repeat(curve_with(law, fault, by, np.log(x / x[0])), seeds)
            for _ in range(replicates):
                y = np.exp(means + 0.02 * np.sqrt(seeds) * rng.standard_normal(means.size))
                fit = fit_law(np.repeat(x, seeds), y, law, intervals=False)
                if not fit.refusals:
                    told.append(any(caution.code == "MISFIT" for caution in fit.warnings))
            what = f"MISFIT of {fault}, 2.5 half-widths" if fault else "MISFIT of a true law"
            yield Score("misfit", name, what, *((0.5, 1.0) if fault else (0.0, 0.07)), told)


# --------------------------------------------------------------------------------------------------
# groups
class Correlated(NamedTuple):
    """Errors that rows of a group share: an offset, a slope, and a part that the next row
    remembers; their sds.
    """

    offset: float = 0.01
    slope: float = 0.004
    remembered: float = 0.01
    own: float = 0.003


SHARED = Correlated()


def shared_errors(
    rng: np.random.Generator, groups: int, rows: int, sds: Correlated = SHARED
) -> np.ndarray:
    """Errors of ln loss of the rows of every group, one group after the other."""
    along = np.linspace(-1, 1, rows)
    errors = (
        sds.offset * rng.standard_normal((groups, 1))
        + sds.slope * rng.standard_normal((groups, 1)) * along
    )
    memory = rng.standard_normal((groups, rows))
    for row in range(1, rows):
        memory[:, row] = 0.8 * memory[:, row - 1] + 0.6 * memory[:, row]
    return (
        errors + sds.remembered * memory + sds.own * rng.standard_normal((groups, rows))
    ).ravel()


def grouped(replicates: int) -> Iterator[Score]:
    """Intervals over runs whose checkpoints are rows: of a curve over tokens, and of a law of both
    sizes.
    """
    for groups in (6, 10, 20):
        low = 0.93 if groups >= 10 else 0.0
        name = f"{groups} groups of 15 rows"
        rng = generator(name)
        group = np.repeat(np.arange(groups), 15)
        tokens = np.tile(np.geomspace(1e9, 1e11, 15), groups)
        n = np.repeat(np.geomspace(1e8, 1e10, groups), 15)
        held: dict[str, list[bool]] = {}
        for _ in range(replicates):
            errors = shared_errors(rng, groups, 15)
            curve = tokens**-0.1 * np.exp(errors)
            pure = fit_law(tokens, curve, "pure")
            by_groups = law_by_groups(pure, tokens, curve, group.astype(str))
            y = (1.8 + 480 * n**-0.35 + 2100 * tokens**-0.37) * np.exp(errors)
            surface = fit_surface(n, tokens, y, intervals=False)
            held.setdefault("exponent of a curve", []).append(_holds(by_groups.alpha_interval, 0.1))
            held.setdefault("the same by the profile, for comparison", []).append(
                _holds(pure.alpha_interval, 0.1)
            )
            if surface.region is None:
                continue
            wide = surface_by_groups(surface, n, tokens, y, group.astype(str))
            for what, found, truth in (
                ("N", wide.alpha, 0.35),
                ("D", wide.beta, 0.37),
                ("floor", wide.floor, 1.8),
            ):
                inside = _holds(found.interval if found else None, truth)
                held.setdefault(f"{what} of a law of two sizes", []).append(inside)
        for what, holds in held.items():
            is_open = "comparison" in what
            yield Score(
                "groups",
                name,
                what,
                0.0 if is_open else low,
                1.0 if is_open or not low else 0.99,
                holds,
            )


class Checkpoints(NamedTuple):
    """Rows inside runs of a cosine: N and D of each, its run, and the share of the peak rate that
    is left.
    """

    n: np.ndarray
    d: np.ndarray
    run: np.ndarray
    left: np.ndarray


def checkpoints(rows: int = 10) -> Checkpoints:
    """Rows of 16 runs: four sizes, each with four lengths."""
    sizes, lengths = (
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e8, 1e10, 4), np.geomspace(2e9, 1e11, 4))
    )
    done = np.linspace(0.2, 1, rows)
    left = np.tile(0.5 * (1 + np.cos(np.pi * done)), sizes.size)
    d = (lengths[:, None] * done).ravel()
    return Checkpoints(
        np.repeat(sizes, rows), d, np.repeat(np.arange(sizes.size), rows).astype(str), left
    )


def scheduled(replicates: int) -> Iterator[Score]:
    """Laws of two sizes of checkpoints, whose loss is above that of runs that end there: with the
    schedule, without.
    """
    made = checkpoints()
    for decay in (0.02, 0.05):
        name = f"16 runs of a cosine, {decay:g} nats above at the peak"
        rng = generator(name)
        held: dict[str, list[bool]] = {}
        for _ in range(replicates):
            errors = shared_errors(rng, 16, made.n.size // 16)
            y = (1.8 + 480 * made.n**-0.35 + 2100 * made.d**-0.37) * np.exp(
                decay * made.left + errors
            )
            for words, schedule in (("with the schedule", made.left), ("without", None)):
                law = fit_surface(made.n, made.d, y, intervals=False, schedule=schedule)
                if law.region is None:
                    continue
                wide = surface_by_groups(law, made.n, made.d, y, made.run)
                numbers = {
                    "alpha": (wide.alpha, 0.35),
                    "beta": (wide.beta, 0.37),
                    "floor": (wide.floor, 1.8),
                }
                numbers |= {"decay": (wide.decay, decay)} if schedule is not None else {}
                for what, (found, truth) in numbers.items():
                    inside = _holds(found.interval if found else None, truth)
                    held.setdefault(f"{what}, {words}", []).append(inside)
        for what, holds in held.items():
            accepted = (0.0, 1.0) if what.endswith("without") else (0.93, 0.99)
            yield Score("schedule", name, what, *accepted, holds)


def _holds(interval: Interval | None, truth: float) -> bool:
    return interval is not None and interval.low <= truth <= interval.high


# --------------------------------------------------------------------------------------------------
# scores
SIGMOID = {"midpoint": 2.5, "slope": -6.0, "chance": 0.25, "ceiling": 0.95}
SCORE_SD = 0.01  # of a score between models of one loss


def score_of(loss: np.ndarray) -> np.ndarray:
    """The true score over losses."""
    span = SIGMOID["ceiling"] - SIGMOID["chance"]
    return SIGMOID["chance"] + span * expit(SIGMOID["slope"] * (loss - SIGMOID["midpoint"]))


def sigmoids(replicates: int) -> Iterator[Score]:
    """Sigmoids of scores over losses by which levels are known: parameters, and scores at a lower
    loss than any.
    """
    ahead = np.array([1.9])
    for points, last in ((8, 2.0), (12, 2.3)):
        losses = np.linspace(3.2, last, points)
        for given in ((), ("chance",), ("chance", "ceiling")):
            name = f"{points} losses to {last:g}, given: {' and '.join(given) or 'nothing'}"
            rng = generator(name)
            levels = (
                SIGMOID["chance"] if "chance" in given else None,
                SIGMOID["ceiling"] if "ceiling" in given else None,
            )
            held: dict[str, list[bool]] = {"is not refused": []}
            for _ in range(replicates):
                law = fit_sigmoid(
                    losses, score_of(losses) + SCORE_SD * rng.standard_normal(points), levels
                )
                held["is not refused"].append(not law.refusals)
                if law.refusals:
                    continue
                for what, found in law.parameters.items():
                    if what not in given:
                        held.setdefault(what, []).append(_holds(found.interval, SIGMOID[what]))
                new, truth = scores_at(law, ahead), float(score_of(ahead)[0])
                held.setdefault("curve at 1.9", []).append(bool(new.low[0] <= truth <= new.high[0]))
                run = truth + SCORE_SD * rng.standard_normal()
                held.setdefault("one new run at 1.9", []).append(
                    bool(new.run_low[0] <= run <= new.run_high[0])
                )
            for what, holds in held.items():
                low, high = (0.0, 1.0) if what == "is not refused" else (0.92, 1.0)
                yield Score("sigmoid", name, what, low, high, holds)


def known_errors(replicates: int) -> Iterator[Score]:
    """Laws of runs whose standard errors are known, and of errors that are said to be half of what
    they are.
    """
    x, sd = np.geomspace(1e2, 1e6, 9), np.geomspace(0.02, 0.002, 9)
    for law, floor in (("pure", 0.0), ("floor", 1.0), ("floor", 0.2)):
        truth = floor + (x / 1e4) ** -0.5
        for said in (1.0, 0.5):
            name = f"{law} law, E = {floor:g}, errors said to be {said:g} times what they are"
            rng, held = generator(name), []
            for _ in range(replicates):
                y = truth * np.exp(sd * rng.standard_normal(x.size))
                fit = fit_law(x, y, law, known=Known(said * sd * y))  # type: ignore[arg-type]
                if not fit.refusals:
                    held.append(_holds(fit.alpha_interval, 0.5))
            yield Score(
                "errors",
                name,
                "exponent",
                0.92 if said == 1 else 0.0,
                0.985 if said == 1 else 1.0,
                held,
            )


# --------------------------------------------------------------------------------------------------
# page
PARTS: dict[str, Callable[[int], Iterator[Score | Shortening]]] = {
    "ahead": ahead,
    "curves": curves,
    "groups": grouped,
    "schedule": scheduled,
    "multiplier": multipliers,
    "misfit": misfits,
    "isoflop": valleys,
    "design": designs,
    "sigmoid": sigmoids,
    "errors": known_errors,
}


def lines_of(scores: Iterator[Score | Shortening]) -> pd.DataFrame:
    """A row a score, with its share and whether it is accepted."""
    rows = []
    for score in scores:
        if isinstance(score, Shortening):
            rows.append(score.line)
            console.print(*rows[-1], sep=" | ")
            continue
        share = float(np.mean(score.holds)) if score.holds else float("nan")
        asked = (
            ""
            if (score.low, score.high) == (0, 1)
            else f"{100 * score.low:g} to {100 * score.high:g} %"
        )
        count = f"{sum(score.holds):.4g} of {len(score.holds)}, {100 * share:.3g} %"
        met = ("yes" if score.low <= share <= score.high else "NO") if asked else ""
        rows.append((score.part, score.scenario, score.what, count, asked, met))
        console.print(*rows[-1], sep=" | ")
    return pd.DataFrame(rows, columns=["part", "scenario", "what", "found", "accepted", "met"])


def kept_rows(lines: pd.DataFrame, told: str) -> report.Report:
    """The page of all rows, each of which has the commit at which it was made."""
    by_commit = lines.groupby(["commit", "date"], sort=False)["part"].unique()
    commits = (
        f"{', '.join(parts)} at {commit} ({date})" for (commit, date), parts in by_commit.items()
    )
    columns = ("part", "scenario", "what", "found", "accepted", "met")
    return report.Report(
        name="planning",
        title="Laws that a lab can plan by, simulated; intervals at 95 %",
        table=lines,
        shown={name: name for name in columns},
        notes=[
            f"Made, by commit: {'; '.join(commits)}. {told} `python -m benchmarks.planning --part "
            "NAME` makes a part "
            "anew, and leaves the others as they are. Shortening is the mean share of an interval "
            "that is lost by "
            "four runs. Rows without an accepted range are for comparison. Misses stay."
        ],
    )


@click.command(
    help="Simulate what docs/fitting.md promises to who plans by laws, and keep the table."
)
@click.option(
    "--part",
    "parts",
    multiple=True,
    type=click.Choice(list(PARTS)),
    help="Only this.  [default: all]",
)
@click.option("--replicates", default=REPLICATES, show_default=True)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="For results.",
)
def main(parts: tuple[str, ...], replicates: int, folder: Path) -> None:
    """Simulate parts, and keep the rows of the others."""
    load_before, began = os.getloadavg()[0], time.perf_counter()
    asked = parts or tuple(PARTS)
    kept = folder / "planning.csv"
    before = (
        pd.read_csv(kept, keep_default_na=False)
        if kept.exists()
        else pd.DataFrame(columns=["part"])
    )
    made = pd.concat([lines_of(PARTS[part](replicates)) for part in asked])
    tables = [before[~before["part"].isin(asked)], made.assign(**report.provenance(load_before))]
    told = (
        f"The last run made {', '.join(asked)} with {replicates} replicates in "
        f"{time.perf_counter() - began:.0f} s."
    )
    found = kept_rows(pd.concat(tables, ignore_index=True), told)
    console.print(f"written: {', '.join(map(str, report.write(found, folder, load_before)))}")


if __name__ == "__main__":
    main()
