"""What the errors of a run take beside its training: drawing 110,000 points, and the network's values there.

The runs are trials of `per_flop_toys` at scale short: four toys, every arm, the largest size and cap.
"""

import time
from pathlib import Path

import pandas as pd

from benchmarks.report import Report
from harness.planning.plan import make_plan
from harness.spec import RunSpec, read_experiment
from harness.tasks import draw
from harness.train import ENGINES, points

EXPERIMENT = Path("experiments/per_flop_toys.yaml")
SCALE = "short"
RUNS = 8  # of an arm on a task
POINTS = {"validation_points": 10_000, "test_points": 100_000}


def compare(_: Path) -> Report:
    """CPU seconds of runs, and the share that their errors take."""
    plan = make_plan(read_experiment(EXPERIMENT, SCALE), "errors")
    largest = max(cell.asked for cell in plan.cells if cell.asked)
    cells = {cell.index: cell for cell in plan.cells if cell.asked == largest}
    rows = []
    taken: dict[tuple[str, str], int] = {}
    for planned in plan.runs:
        cell = cells.get(planned.cell)
        if cell is None or planned.run.seed != plan.runs[0].run.seed:
            continue
        group = cell.task, cell.arm
        taken[group] = taken.get(group, 0) + 1
        if taken[group] <= RUNS:
            training, errors = _seconds(planned.run)
            rows.append({"task": cell.task, "arm": cell.arm, "training_s": training, "errors_s": errors})
    seconds = pd.DataFrame(rows).groupby(["task", "arm"], sort=False).mean().reset_index()
    share = seconds["errors_s"] / (seconds["training_s"] + seconds["errors_s"])
    whole = seconds["errors_s"].sum() / (seconds["training_s"] + seconds["errors_s"]).sum()
    return Report(
        name="errors",
        title=f"CPU seconds of a run at the largest cap of {SCALE}, mean of {RUNS}, and the share of its errors",
        table=seconds.assign(share=share),
        shown={"task": "task", "arm": "arm", "training_s": "training", "errors_s": "errors", "share": "share"},
        notes=[f"Of all these runs together errors take {whole:.0%}. At most 20 % are wanted."],
    )


def _seconds(run: RunSpec) -> tuple[float, float]:
    """CPU seconds of training a run, and of its errors with the drawing of their points."""
    run = run.model_copy(update={"task": run.task.model_copy(update=POINTS)})
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
