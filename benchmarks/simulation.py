"""What the scaling analysis must live up to, by simulation: how often intervals hold the truth, and
tests are wrong.

Nothing here is for display: benchmarks/fingerprint.py hashes this file, and `python -m
benchmarks.coverage` keeps what it gives.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np
import pandas as pd

from benchmarks.arms import Arm, curve, floored, new_runs, runs_of, sizes_of
from harness.comparison import multiplier as multiplier_of
from harness.laws import (
    Interval,
    LawName,
    band,
    cross_check,
    fit_law,
    prediction_interval,
    sandwich,
    select_law,
    size_means,
)
from harness.laws.frontier import frontier

REPLICATES, AGAIN, WORKERS, CHUNK = 500, 4, 2, 25
# replicates whose mean is kept too: simulated again, they show that kept numbers are this code's
FEW = 5
DRAWS = 399  # of a bootstrap that is only looked at beside the profile
FRONTIER_DRAWS = 100

Row = dict[str, float]


class Accepted(NamedTuple):
    """The range in which the mean of a score must lie, and what it would be if nothing were
    approximate.
    """

    low: float
    high: float
    nominal: float | None = None


HELD = Accepted(0.93, 0.985, 0.95)
AT_LEAST = Accepted(0.93, 1.0, 0.95)  # where a design is weak, or the answer may be open
FEW_REFUSED = 0.03

EXPONENT, FLOOR = "exponent", "floor"
CURVE, NEW_SIZE = "curve a decade ahead", "new size a decade ahead"
BIAS, WARNED = "exponent less truth", "OUTLIERS is warned of"
MULTIPLIER, REJECTED = "cost multiplier", "true equality rejected"
CHOSEN, BEATS_LAST = "law with a floor is chosen", "forecasts better than the last value"


@dataclass(frozen=True)
class Scenario:
    """What is simulated, how one replicate is scored, and the range in which the mean of each score
    is `accepted`.

    A score that has no range there is shown for comparison. `law` is fitted to the runs of `arms`.
    Of the replicates at most the share `refused` may be refused. `places` are what the score needs,
    such as a quantile.
    """

    name: str
    score: Callable[[Scenario, np.random.Generator], Row | None]
    accepted: Mapping[str, Accepted]
    arms: tuple[Arm, ...] = (Arm(),)
    law: LawName = "pure"
    places: tuple[float, ...] = ()
    refused: float = FEW_REFUSED


# ---------------------------------------------------------------------------------------- scores:
# None where refused
def one_law(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """Whether exponent, floor, and two predictions a decade ahead are held."""
    (arm,) = scenario.arms
    fit = fit_law(*runs_of(arm, rng), scenario.law)
    if fit.refusals:
        return None
    ahead = 10 * sizes_of(arm)[-1:]
    row = {EXPONENT: _holds(fit.alpha_interval, arm.alpha)}
    if fit.floor_interval:
        row[FLOOR] = _holds(fit.floor_interval, arm.floor)
    row[CURVE] = _within(band(fit, ahead), curve(arm, ahead))
    new_mean = size_means(*new_runs(arm, ahead, rng)).means
    return row | {NEW_SIZE: _within(prediction_interval(fit, ahead, arm.seeds), new_mean)}


def intervals_compared(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """Whether the profile's interval of the exponent, and the other kinds, hold it."""
    (arm,) = scenario.arms
    x, y = runs_of(arm, rng)
    fit = fit_law(x, y, scenario.law)
    if fit.refusals:
        return None
    others = cross_check(x, y, fit, DRAWS, seed=int(rng.integers(2**32)))
    kinds = {
        "profile": fit.alpha_interval,
        "bootstrap of sizes": others.pairs,
        "sandwich": sandwich(fit),
    }
    if others.stratified:  # None where outliers leave a size a single run
        kinds["bootstrap within sizes"] = others.stratified
    return {kind: _holds(interval, arm.alpha) for kind, interval in kinds.items()}


def spoilt_runs(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """How far the exponent is off, and whether the runs at fault were noticed."""
    (arm,) = scenario.arms
    fit = fit_law(*runs_of(arm, rng), scenario.law)
    if fit.refusals or fit.alpha is None:
        return None
    warned = "OUTLIERS" in [caution.code for caution in fit.warnings]
    return {
        BIAS: fit.alpha - arm.alpha,
        EXPONENT: _holds(fit.alpha_interval, arm.alpha),
        WARNED: warned,
    }


def multiplier(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """Whether the one cost ratio of arms that share floor and exponent is held, and whether sharing
    is rejected.
    """
    first, second = scenario.arms
    runs = {"first": runs_of(first, rng), "second": runs_of(second, rng)}
    found = multiplier_of(
        {arm: x for arm, (x, _) in runs.items()},
        {arm: y for arm, (_, y) in runs.items()},
        floor="shared",
        alpha="shared",
    )
    if found.refusals or found.p is None:
        return None
    return {
        MULTIPLIER: _holds(found.sizes[0].multiplier.interval, second.at / first.at),
        REJECTED: found.p < 0.05,
    }


def selection(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """Whether a law with a floor is chosen, and whether the choice forecasts better than the last
    value does.
    """
    found = select_law(*runs_of(scenario.arms[0], rng))
    if found.chosen is None or found.last_value is None or found.chosen not in found.extrapolation:
        return None
    better = found.extrapolation[found.chosen].rmsle < found.last_value.rmsle
    return {CHOSEN: found.chosen != "pure", BEATS_LAST: better}


def lower_edges(scenario: Scenario, rng: np.random.Generator) -> Row | None:
    """Whether the exponent of the quantile of `places` is held."""
    (arm,), (quantile,) = scenario.arms, scenario.places
    fit = frontier(
        *runs_of(arm, rng), quantile, seed=int(rng.integers(2**32)), replicates=FRONTIER_DRAWS
    )
    return None if fit.refusals else {EXPONENT: _holds(fit.alpha_interval, arm.alpha)}


def _holds(interval: Interval | None, truth: float) -> bool:
    assert interval is not None
    return bool(interval.low <= truth <= interval.high)


def _within(ends: tuple[np.ndarray, np.ndarray], truth: np.ndarray) -> bool:
    return bool(np.all((ends[0] <= truth) & (truth <= ends[1])))


# --------------------------------------------------------------------------------------------------
# scenarios
PURE_HELD = {EXPONENT: HELD, CURVE: HELD, NEW_SIZE: HELD}
FLOOR_HELD = PURE_HELD | {FLOOR: HELD}
WEAK_HELD = {EXPONENT: AT_LEAST, FLOOR: AT_LEAST, CURVE: AT_LEAST, NEW_SIZE: AT_LEAST}
UNBIASED = {BIAS: Accepted(-0.03, 0.03, 0), WARNED: Accepted(0.99, 1.0)}
WEAK = floored(1, alpha=0.5, decades=1)

ONE_LAW = (
    Scenario("pure law", one_law, PURE_HELD),
    Scenario("pure law, noise only (exponent 0)", one_law, PURE_HELD, (Arm(alpha=0),)),
    Scenario("pure law, 3 seeds of sd .3", one_law, PURE_HELD, (Arm(seeds=3, sd=0.3),)),
    Scenario("pure law, size effect of sd .05", one_law, PURE_HELD, (Arm(size_sd=0.05),)),
    Scenario("pure law, sd .05 rising to .3", one_law, PURE_HELD, (Arm(sd=0.05, last_sd=0.3),)),
    Scenario("pure law, sd .3 falling to .05", one_law, PURE_HELD, (Arm(sd=0.3, last_sd=0.05),)),
    Scenario("pure law, t noise of 3 dof", one_law, PURE_HELD, (Arm(t_dof=3),)),
    Scenario(
        "floor, reducible 3 times the floor", one_law, FLOOR_HELD, (Arm(**floored(3)),), "floor"
    ),
    Scenario(
        "floor, reducible 1 times the floor", one_law, FLOOR_HELD, (Arm(**floored(1)),), "floor"
    ),
    Scenario(
        "floor, reducible .3 times the floor", one_law, FLOOR_HELD, (Arm(**floored(0.3)),), "floor"
    ),
    Scenario(
        "floor, 3 seeds of sd .3",
        one_law,
        FLOOR_HELD,
        (Arm(**floored(1), seeds=3, sd=0.3),),
        "floor",
    ),
    Scenario(
        "floor, size effect of sd .05",
        one_law,
        FLOOR_HELD,
        (Arm(**floored(1), size_sd=0.05),),
        "floor",
    ),
    Scenario(
        "floor, sd .05 rising to .3",
        one_law,
        FLOOR_HELD,
        (Arm(**floored(1), sd=0.05, last_sd=0.3),),
        "floor",
    ),
    Scenario(
        "floor, sd .3 falling to .05",
        one_law,
        FLOOR_HELD,
        (Arm(**floored(1), sd=0.3, last_sd=0.05),),
        "floor",
    ),
    Scenario(
        "floor, t noise of 3 dof", one_law, FLOOR_HELD, (Arm(**floored(1), t_dof=3),), "floor"
    ),
    Scenario("floor law where there is no floor", one_law, WEAK_HELD, (Arm(),), "floor"),
    Scenario(
        "weak: 5 sizes over a decade, 3 seeds",
        one_law,
        WEAK_HELD,
        (Arm(**WEAK, sizes=5, seeds=3),),
        "floor",
        refused=0.2,
    ),
    Scenario("5 % of runs 8 times too high", spoilt_runs, UNBIASED, (Arm(outliers=0.05),)),
    Scenario(
        "1 of 5 runs failed at the two largest sizes, x10", spoilt_runs, UNBIASED, (Arm(failed=10),)
    ),
    Scenario(
        "1 of 5 runs failed at the two largest sizes, x1000",
        spoilt_runs,
        UNBIASED,
        (Arm(failed=1000),),
    ),
)
CHOICE = (
    Scenario("choice of a law, no floor", selection, {CHOSEN: Accepted(0.0, 0.08)}),
    Scenario(
        "choice of a law, reducible 3 times the floor",
        selection,
        {CHOSEN: Accepted(0.9, 1.0)},
        (Arm(**floored(3)),),
    ),
)
TWO_ARMS = (
    Scenario(
        "arms that share floor and exponent",
        multiplier,
        {MULTIPLIER: HELD, REJECTED: Accepted(0.0, 0.07, 0.05)},
        (Arm(floor=1), Arm(floor=1, at=2e6)),
    ),
)
EDGE = {EXPONENT: Accepted(0.93, 0.995, 0.95)}
EDGES = (
    Scenario("lower edge, quantile .1", lower_edges, EDGE, (Arm(seeds=10, sd=0.3),), places=(0.1,)),
    Scenario(
        "lower edge, quantile .25, size effect of sd .05",
        lower_edges,
        EDGE,
        (Arm(seeds=10, size_sd=0.05),),
        places=(0.25,),
    ),
)
PROFILE = {"profile": HELD}
COMPARED = (
    Scenario("intervals of a pure law", intervals_compared, PROFILE),
    Scenario(
        "intervals of a floor law", intervals_compared, PROFILE, (Arm(**floored(1)),), "floor"
    ),
    Scenario(
        "intervals of a floor law, size effect",
        intervals_compared,
        PROFILE,
        (Arm(**floored(1), size_sd=0.05),),
        "floor",
    ),
    Scenario(
        "intervals of a weak floor law",
        intervals_compared,
        {"profile": AT_LEAST},
        (Arm(**WEAK, sizes=5, seeds=3),),
        "floor",
        refused=0.2,
    ),
)
SCENARIOS = ONE_LAW + CHOICE + TWO_ARMS + EDGES + COMPARED


# --------------------------------------------------------------------------------------------------
# simulation
def simulate(scenario: Scenario, replicates: Iterable[int]) -> list[Row | None]:
    """The score of every replicate; its random numbers hang on the scenario's name and its own
    number only.
    """
    name = zlib.crc32(scenario.name.encode())
    return [
        scenario.score(scenario, np.random.default_rng((name, replicate)))
        for replicate in replicates
    ]


def mean_of(rows: list[Row | None]) -> pd.DataFrame:
    """The mean of every score over the replicates that were not refused: mean, its standard error,
    and of how many.
    """
    kept = pd.DataFrame([row for row in rows if row is not None]).astype(float)
    count = kept.count()
    return pd.DataFrame(
        {"mean": kept.mean(), "standard_error": kept.std() / np.sqrt(count), "replicates": count}
    )


def missed(scenario: Scenario, found: pd.DataFrame, errors: float = 0.0) -> list[str]:
    """The scores whose mean is outside of its accepted range by more than so many standard
    errors.
    """
    names = []
    for what, accepted in scenario.accepted.items():
        mean, spread, replicates = found.loc[what]
        ends = np.array(accepted[:2])
        error = spread if what == BIAS else np.sqrt(ends * (1 - ends) / replicates)
        slack = errors * error * np.array([-1, 1])
        if not ends[0] + slack[0] <= mean <= ends[1] + slack[1]:
            names.append(what)
    return names


def pool() -> Executor:
    """Processes that begin afresh: those of a fork would inherit its threads."""
    return ProcessPoolExecutor(WORKERS, mp_context=get_context("spawn"))


def simulated(scenario: Scenario, replicates: range, executor: Executor) -> list[Row | None]:
    """The scores of the numbered replicates of a scenario, in the processes of `executor`."""
    chunks = [replicates[start : start + CHUNK] for start in range(0, len(replicates), CHUNK)]
    return [
        row for rows in executor.map(simulate, [scenario] * len(chunks), chunks) for row in rows
    ]


def judged(scenario: Scenario, executor: Executor, first: int = REPLICATES) -> pd.DataFrame:
    """One line a score: its mean over the first replicates, and whether that is accepted.

    Of a hundred shares a few miss their range by chance: what is missed is decided by four times as
    many new replicates, in columns of their own.
    """
    rows = simulated(scenario, range(first), executor)
    found = mean_of(rows)
    doubtful = missed(scenario, found)
    again, failed = found.iloc[:0], doubtful
    if doubtful:
        again = mean_of(simulated(scenario, range(first, (1 + AGAIN) * first), executor))
        failed = [what for what in missed(scenario, again) if what in doubtful]
    ranges = pd.DataFrame(scenario.accepted, index=["accepted_low", "accepted_high", "nominal"]).T
    lines = found.join(ranges).join(
        again.loc[doubtful, ["mean", "replicates"]].add_prefix("again_")
    )
    lines = lines.assign(mean_of_few=mean_of(rows[:FEW])["mean"])
    met = {what: what not in failed for what in scenario.accepted}
    lines = lines.assign(
        met=lines.index.map(met), scenario=scenario.name, refused=sum(row is None for row in rows)
    )
    return lines.rename_axis("what").reset_index()
