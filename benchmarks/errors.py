"""What the errors of a run take beside its training: drawing 60,000 points, and the network's
values there.

The runs are the first of each arm, size and task of experiments/toys.yaml at scale short, in its
first replicate.
"""

import time
from pathlib import Path

import pandas as pd

from benchmarks.report import Report
from harness.planning.plan import make_plan
from harness.spec.read import read_experiment
from harness.spec.run import RunSpec
from harness.tasks import draw
from harness.train import ENGINES, points

EXPERIMENT = Path("experiments/toys.yaml")
SCALE = "short"
RUNS = 4  # of an arm at a size on a task


def compare(_: Path) -> Report:
    """CPU seconds of runs, and the share that their errors take."""
    plan = make_plan(read_experiment(EXPERIMENT, SCALE), "errors")
    rows = []
    for planned in plan.runs:
        cell = plan.cells[planned.cell]
        if planned.run.seed == 0 and planned.trial < RUNS:
            training, errors = _seconds(planned.run)
            rows.append(
                {"size": cell.asked, "arm": cell.arm, "training_s": training, "errors_s": errors}
            )
    seconds = pd.DataFrame(rows).groupby(["size", "arm"], sort=False).mean().reset_index()
    share = seconds["errors_s"] / (seconds["training_s"] + seconds["errors_s"])
    whole = seconds["errors_s"].sum() / (seconds["training_s"] + seconds["errors_s"]).sum()
    return Report(
        name="errors",
        title=(
            f"CPU seconds of a run of toys at {SCALE}, mean of {RUNS} on four tasks, and the "
            "share of its errors"
        ),
        table=seconds.assign(share=share),
        shown={
            "size": "at most params",
            "arm": "arm",
            "training_s": "training",
            "errors_s": "errors",
            "share": "share",
        },
        notes=[f"Of all these runs together errors take {whole:.0%}. At most 20 % are wanted."],
    )


def _seconds(run: RunSpec) -> tuple[float, float]:
    """CPU seconds of training a run, and of its errors with the drawing of their points."""
    engine = ENGINES[run.engine]
    points._drawn.cache_clear()
    pack = engine.prepare([run])
    began = time.process_time()
    draw(run.task, run.seed)
    drawn = time.process_time()
    state = engine.begin(pack)
    while not engine.ended(pack, state):
        state = engine.advance(pack, state, run.recipe.max_evaluations)
    trained = time.process_time()
    engine.finish(pack, state)
    return trained - drawn, drawn - began + time.process_time() - trained
