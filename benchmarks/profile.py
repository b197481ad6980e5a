"""Where the time of whole runs goes: in kernels and optimisers, in moving knots, in looking at
errors, in the rest.
"""

import cProfile
import pstats
import tempfile
import time
from pathlib import Path

import pandas as pd

from benchmarks.report import Report
from harness.families import KanShape, MlpShape, Network
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.spec.recipe import GridExtension, GridUpdates, Recipe, Restarts
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import resolve
from harness.train import train_pack

GRIDS = GridExtension(grids=(3, 5, 10), evaluations=80)
LONG_GRIDS = GridExtension(grids=(5, 10, 20, 40, 80), evaluations=120)
STARTS = Restarts(count=4, evaluations=20)
LM, LBFGS = LevenbergMarquardt(name="levenberg_marquardt"), Lbfgs(name="lbfgs")
JOBS: dict[str, tuple[Network, Recipe]] = {
    "LM, G=3 to 20": (
        KanShape(shape=(2, 5, 1), grid=20),
        Recipe(optimizer=LM, max_evaluations=400, restarts=STARTS, grid_extension=GRIDS),
    ),
    "L-BFGS, G=20": (
        KanShape(shape=(2, 5, 1), grid=20),
        Recipe(optimizer=LBFGS, max_evaluations=1500),
    ),
    "L-BFGS, G=5 to 160": (
        KanShape(shape=(2, 5, 1), grid=160),
        Recipe(optimizer=LBFGS, max_evaluations=1500, grid_extension=LONG_GRIDS),
    ),
    "L-BFGS, G=20, knots moved 10 times": (
        KanShape(shape=(2, 5, 1), grid=20),
        Recipe(
            optimizer=LBFGS, max_evaluations=1500, grid_updates=GridUpdates(every=120, until=1200)
        ),
    ),
    "L-BFGS, width 20": (
        MlpShape(shape=(2, 20, 20, 1)),
        Recipe(optimizer=LBFGS, max_evaluations=1500),
    ),
    "Adam, batches of 64": (
        KanShape(shape=(2, 5, 1), grid=20),
        Recipe(optimizer=Adam(name="adam", batch_size=64), max_evaluations=10_000),
    ),
}
# Functions of the fused engine, as the profiler names them. None of them is called within another.
PARTS = {
    "training": ("optimisers", "advance"),
    "batches": ("fused_engine.py", "_batches"),
    "knots": ("course.py", "_update_knots"),
    "refinement": ("harness/families", "extend_grid"),
    "errors": ("fused_engine.py", "error"),
}


def compare(folder: Path) -> Report:
    """A row a job: its CPU seconds, and the share of each part."""
    task = resolve(Task(target="exp2d"))
    rows = []
    for name, (network, recipe) in JOBS.items():
        run = RunSpec(task=task, network=network, recipe=recipe, seed=0, engine="fused")
        _train(run)  # compiles
        rows.append({"job": name, "network": str(list(network.shape)), **_shares(run)})
    table = pd.DataFrame(rows)
    return Report(
        name="profile",
        title="Where the time of a run goes: fused engine, 1000 points of exp2d",
        table=table,
        shown={
            "job": "job",
            "network": "network",
            "cpu_ms": "CPU ms",
            "us_per_evaluation": "µs an evaluation",
        }
        | {f"{part}_percent": f"{part} %" for part in (*PARTS, "rest")},
        notes=[
            "Training is kernels and optimiser loops, which are one compiled function. Errors are "
            "those of the "
            "learning curve and of the end. The rest is drawing samples, the record, and Python "
            "between.",
        ],
    )


def _shares(run: RunSpec) -> dict[str, float]:
    began = time.process_time()
    evaluations = _train(run)
    seconds = time.process_time() - began
    profiler = cProfile.Profile()
    profiler.runcall(_train, run)
    profile = pstats.Stats(profiler).get_stats_profile()
    total = profile.total_tt
    spent = {
        part: sum(
            entry.cumtime
            for name, entry in profile.func_profiles.items()
            if name == function and place in entry.file_name.replace("\\", "/")
        )
        for part, (place, function) in PARTS.items()
    }
    percents = {f"{part}_percent": 100 * cumulated / total for part, cumulated in spent.items()}
    return {
        "cpu_ms": 1000 * seconds,
        "us_per_evaluation": 1e6 * seconds / evaluations,
        **percents,
        "rest_percent": 100 - sum(percents.values()),
    }


def _train(run: RunSpec) -> int:
    with tempfile.TemporaryDirectory() as folder:
        (record,) = train_pack([run], Path(folder))
    return record.evaluations
