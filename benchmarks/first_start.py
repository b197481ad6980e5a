"""What the first start of an experiment compiles, before and after a change."""

import math
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import click
import pandas as pd

from benchmarks.checkouts import BEFORE, ROOT, TODAY, commits_of, environment, folders_of
from benchmarks.report import Report
from harness.show.console import console

PLANS = {
    "quickstart": ("quickstart.yaml", "full"),
    "real_data": ("real_data.yaml", "full"),
}
WORKERS = 2
# Trains until the first pack has begun, as `harness run` does.
START = """
import sys, tempfile
from pathlib import Path
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.dispatch.here import train_here
from harness.dispatch.slots import TrainingOrder
if __name__ == "__main__":
    plan = plan_of(StudyFile(Path(sys.argv[1]), scale=sys.argv[2]))
    packs = [(planned.run,) for planned in plan.runs]
    with tempfile.TemporaryDirectory() as records:
        events = train_here(packs, TrainingOrder(Path(records)), int(sys.argv[3]))
        next(events)
        events.close()
"""


class Took(NamedTuple):
    """Seconds on the wall, and those that all processes computed."""

    wall: float
    cpu: float


def compare(folder: Path, before: Path | None = None) -> Report:
    """Seconds that a start takes longer with an empty folder for kernels."""
    folders, rows = folders_of(before), []
    for plan in PLANS:
        row: dict = {"plan": plan}
        for name in (BEFORE, TODAY):
            compiling = Took(math.nan, math.nan)
            if name in folders:
                compiling = _compiling(plan, folders[name])
                console.print(
                    f"first start of {plan}, {name}: {compiling.wall:.0f} s, "
                    f"{compiling.cpu:.0f} CPU s"
                )
            row |= {f"{name}_wall": compiling.wall, f"{name}_cpu": compiling.cpu}
        rows.append(row)
    return Report(
        name="first_start",
        title=f"Seconds that the first start of an experiment compiles, {WORKERS} workers",
        table=pd.DataFrame(rows),
        shown={
            "plan": "harness run",
            "before_wall": "before, wall",
            "today_wall": "today, wall",
            "before_cpu": "before, CPU",
            "today_cpu": "today, CPU",
        },
        notes=[
            f"{commits_of(folders)} From the command to the first pack that trains, with an empty "
            "folder for kernels, "
            "less the same with all kernels there; once each. CPU seconds are those of all "
            "processes."
        ],
    )


def _compiling(plan: str, checkout: Path) -> Took:
    with tempfile.TemporaryDirectory() as kernels:
        cold, warm = (_start(plan, checkout, Path(kernels)) for _ in range(2))
    return Took(cold.wall - warm.wall, cold.cpu - warm.cpu)


def _start(plan: str, checkout: Path, kernels: Path) -> Took:
    file, scale = PLANS[plan]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "start.py"
        script.write_text(START, encoding="utf-8")
        done = subprocess.run(
            [sys.executable, str(script), str(ROOT / "experiments" / file), scale, str(WORKERS)],
            env={**environment(checkout), "HARNESS_CACHE": str(kernels)},
            capture_output=True,
            text=True,
        )
    if done.returncode:
        raise click.ClickException(f"{plan} in {checkout}: {done.stderr.strip()}")
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
