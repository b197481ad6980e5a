"""How long loss and gradient take, for everybody, in one process."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.clock import Contestant, race
from benchmarks.implementations import (
    FUSED,
    IS_SPLINE,
    WHAT,
    Implementation,
    initial,
    mlp_beside,
    of_kan,
    of_mlp,
)
from benchmarks.report import Report
from harness.families import KanShape
from harness.spec.task import Task
from harness.tasks import draw, resolve

SMALL, SMALL_GRIDS, SMALL_POINTS = (2, 5, 1), (5, 50, 500), 1000
MIDDLE, MIDDLE_GRID, MIDDLE_POINTS = (64, 64, 64), 5, 1024
ROUNDS = 15
SAME_LOSS = 1e-10  # relative: what computes the same function differs by rounding


def compare(folder: Path) -> Report:
    """Milliseconds of one loss and gradient of all samples."""
    rows = [*itertools.chain.from_iterable(map(_small, SMALL_GRIDS)), *_middle()]
    return Report(
        name="evaluation",
        title=(
            "Loss and gradient, milliseconds of one evaluation; one thread, float64, cubic splines"
        ),
        table=pd.DataFrame(rows),
        shown={
            "network": "network",
            "grid": "G",
            "points": "points",
            "implementation": "implementation",
            "parameters": "parameters",
            "cpu_ms": "CPU ms",
            "wall_ms": "wall ms",
            "times_fused": "÷ fused",
            "what": "what it is",
        },
        notes=[
            f"Medians of {ROUNDS} rounds, in which everybody has a turn. All B-splines have equal "
            "parameters and made "
            f"the same loss to {SAME_LOSS:g}.",
        ],
    )


def _small(grid: int) -> list[dict]:
    splits = draw(resolve(Task(target="exp2d", train_points=SMALL_POINTS)), seed=0)
    return _race(KanShape(shape=SMALL, grid=grid), splits.train.x, splits.train.y, hidden_layers=2)


def _middle() -> list[dict]:
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (MIDDLE_POINTS, MIDDLE[0]))
    y = rng.normal(size=(MIDDLE_POINTS, MIDDLE[-1]))
    return _race(KanShape(shape=MIDDLE, grid=MIDDLE_GRID), x, y, hidden_layers=len(MIDDLE) - 2)


def _race(kan: KanShape, x: np.ndarray, y: np.ndarray, hidden_layers: int) -> list[dict]:
    mlp = mlp_beside(kan, hidden_layers)
    kans, mlps = of_kan(kan, initial(kan), x, y), of_mlp(mlp, initial(mlp), x, y)
    _must_agree(kans)
    everybody = {**kans, **mlps}
    timings = race([Contestant(name, _work(one)) for name, one in everybody.items()], ROUNDS)
    return [
        {
            "network": str(list((mlp if name in mlps else kan).shape)),
            "grid": kan.grid,
            "points": len(x),
            "implementation": name,
            "parameters": one.parameters,
            "cpu_ms": timings[name].cpu_ms,
            "cpu_ms_low": timings[name].cpu_ms_quartiles[0],
            "cpu_ms_high": timings[name].cpu_ms_quartiles[1],
            "wall_ms": timings[name].wall_ms,
            "times_fused": timings[name].cpu_ms / timings[FUSED].cpu_ms,
            "what": WHAT[name],
        }
        for name, one in everybody.items()
    ]


def _work(one: Implementation):
    def work() -> int:
        one.evaluate()
        return one.lanes

    return work


def _must_agree(kans: dict[str, Implementation]) -> None:
    """Before anything is timed: those that say that they are B-splines compute the same loss."""
    losses = {name: one.evaluate() for name, one in kans.items() if IS_SPLINE[name]}
    for name, loss in losses.items():
        if not abs(loss / losses[FUSED] - 1) < SAME_LOSS:
            raise AssertionError(f"{name} has loss {loss!r}, {FUSED} has {losses[FUSED]!r}")
