"""How long fits take, beside loops over scipy's least_squares from the same starts; CPU time of one
thread.

python -m benchmarks.fitting       # half a minute: results/benchmarks/fitting.md
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from benchmarks import report
from benchmarks.arms import Arm, floored, runs_of
from benchmarks.clock import Contestant, once, race
from harness.laws import fit_law, fit_surface
from harness.laws.bootstrap import refit
from harness.laws.law import to_logs
from harness.laws.profile import Region
from harness.laws.solve import Problem, residuals_of, solve
from harness.laws.surface import SURFACE
from harness.show.console import console

ROUNDS = 5
REFITS, SCIPY_REFITS = 1000, 50
TIGHT = {"xtol": 1e-10, "ftol": 1e-10, "gtol": 1e-10}


@dataclass(frozen=True)
class Job:
    """Work of ours and the most milliseconds it may take; scipy's beside it, if any, with the fits
    a call of both.
    """

    what: str
    ours: Callable[[], object]
    most_ms: float | None
    scipy: Callable[[], object] | None = None
    scipy_units: int = 1
    units: int = 1


def compare(folder: Path) -> report.Report:
    """Milliseconds of every job, and how many times longer scipy takes."""
    rows = [_row(job) for job in _jobs()]
    return report.Report(
        name="fitting",
        title="Fits: CPU milliseconds of one thread",
        table=pd.DataFrame(rows),
        shown={
            "what": "what",
            "cpu_ms": "CPU ms",
            "wall_ms": "wall ms",
            "most_ms": "at most",
            "met": "met",
            "scipy_cpu_ms": "scipy loop, CPU ms",
            "scipy_over_ours": "scipy ÷ ours",
        },
        notes=[
            f"Medians of {ROUNDS} rounds in which both have a turn. The loop calls "
            "scipy.optimize.least_squares with "
            "our gradients from every start of ours, and gives no interval. Refits are of "
            "bootstrapped size means, "
            f"scipy's time is {REFITS} times that of one, measured on {SCIPY_REFITS}.",
        ],
    )


def _row(job: Job) -> dict:
    contestants = [Contestant("ours", once(job.ours))]
    if job.scipy:
        contestants.append(Contestant("scipy", once(job.scipy)))
    timings = race(contestants, ROUNDS)
    ours, scipy = timings["ours"], timings.get("scipy")
    scipy_ms = scipy.cpu_ms * job.units / job.scipy_units if scipy else None
    return {
        "what": job.what,
        "cpu_ms": ours.cpu_ms,
        "cpu_ms_low": ours.cpu_ms_quartiles[0],
        "cpu_ms_high": ours.cpu_ms_quartiles[1],
        "wall_ms": ours.wall_ms,
        "most_ms": job.most_ms,
        "met": "" if job.most_ms is None else "yes" if ours.cpu_ms < job.most_ms else "NO",
        "scipy_cpu_ms": scipy_ms,
        "scipy_over_ours": scipy_ms / ours.cpu_ms if scipy_ms else None,
    }


def _jobs() -> list[Job]:
    rng = np.random.default_rng(0)
    pure, floor = runs_of(Arm(), rng), runs_of(Arm(**floored(1)), rng)
    known = fit_law(*floor, "floor").region
    assert known is not None
    shape = (REFITS, known.problem.logs.v.size)
    drawn = known.problem.logs.v + 0.05 * rng.standard_normal(shape)
    scale = np.broadcast_to(known.problem.logs.scale, shape)
    n, d = (
        axis.ravel()
        for axis in np.meshgrid(np.geomspace(1e6, 1e9, 16), np.geomspace(1e8, 1e11, 15))
    )
    y = (1.8 + 400 * n**-0.34 + 400 * d**-0.28) * np.exp(0.01 * rng.standard_normal(n.size))
    surface = Problem(SURFACE, to_logs(np.column_stack([n, d]), y, np.ones(n.size)))
    starts = len(SURFACE.starts(surface.logs))
    return [
        Job(
            "pure law, 7 sizes x 5 seeds, with profile interval",
            lambda: fit_law(*pure, "pure"),
            50.0,
        ),
        Job(
            "floor law, 7 sizes x 5 seeds, with profile intervals",
            lambda: fit_law(*floor, "floor"),
            50.0,
        ),
        Job(
            "floor law, the search alone",
            lambda: solve(known.problem, None),
            None,
            lambda: loop(known.problem),
        ),
        Job(
            f"{REFITS} refits of a floor law",
            lambda: refit(known, drawn, scale),
            500.0,
            lambda: refit_loop(known, drawn[:SCIPY_REFITS]),
            SCIPY_REFITS,
            REFITS,
        ),
        Job(
            f"two-variable law, {n.size} points, search from {starts} starts",
            lambda: solve(surface, None),
            1000.0,
            lambda: loop(surface),
        ),
        Job(
            f"two-variable law, {n.size} points, with all intervals",
            lambda: fit_surface(n, d, y),
            1000.0,
        ),
    ]


def loop(problem: Problem) -> np.ndarray:
    """The best p of scipy's searches from every start of the law."""
    residuals = residuals_of(problem.law.curve, problem.logs)
    return _best(residuals, problem.law.starts(problem.logs))


def refit_loop(known: Region, v: np.ndarray) -> list[np.ndarray]:
    """The best p for every data set v [B, n], from the region's solution and the law's starts that
    are nearest.
    """
    law, logs = known.problem.law, known.problem.logs
    starts = law.starts(logs)
    losses = (residuals_of(law.curve, logs)(starts)[0] ** 2).sum(axis=-1)
    starts = np.vstack([known.solution.p, starts[np.argsort(losses)[:3]]])

    def of(data: np.ndarray) -> Callable:
        def residuals(p: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            mu, jacobian = law.curve(p, logs.u)
            return logs.scale * (mu - data), logs.scale[:, None] * jacobian

        return residuals

    return [_best(of(data), starts) for data in v]


def _best(residuals: Callable, starts: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):  # scipy tries exponents that overflow, and comes back
        found = [
            least_squares(
                lambda p: residuals(p)[0],
                start,
                jac=lambda p: residuals(p)[1],
                method="lm",
                **TIGHT,
            )
            for start in starts
        ]
    return min(found, key=lambda one: one.cost).x


if __name__ == "__main__":
    load = os.getloadavg()[0]
    result = compare(report.FOLDER)
    console.print(report.rich_table(result), *result.notes, sep="\n")
    console.print(f"written: {', '.join(map(str, report.write(result, report.FOLDER, load)))}")
