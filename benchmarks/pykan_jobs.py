"""pykan's own long jobs, measured once: more than an hour, so their numbers are kept.

    python -m benchmarks.pykan_jobs        # adds what is missing to
    results/benchmarks/pykan_jobs.csv

A job is that of pykan's examples and the KAN paper: fit with LBFGS for 200 steps, refine the grid,
fit on. A step has up to 20 iterations and 25 evaluations, so "200 steps" are nearly 5000
evaluations. Float64, one thread, our samples. A job whose rows are all there is skipped; one that
was cut off starts over. `cpu_seconds` are those of all `fit` so far, the knots' updates and the
loss of the test points after each step included, as `fit` has them.
"""

import io
import math
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import torch

from benchmarks.jobs import JOBS, SEEDS, Job
from harness.base.files import whole_file
from harness.base.provenance import code, host, processor, versions
from harness.tasks import Splits, draw

KEPT = Path("results/benchmarks/pykan_jobs.csv")
STEPS = 200
JOB_COLUMNS = ["task", "shape", "train_points", "seed"]


def main() -> None:
    """Do every job that has not been done."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    KEPT.parent.mkdir(parents=True, exist_ok=True)
    todo = in_order()
    for index, (job, seed) in enumerate(todo):
        name = f"{index + 1}/{len(todo)} {job.words}, seed {seed}"
        if is_complete(read(), job, seed):
            print(f"{name}: done before", flush=True)
            continue
        keep(without(read(), job, seed))
        for row in measure(job, seed):
            keep(pd.concat([read(), pd.DataFrame([row])], ignore_index=True))
            words = (
                f"G={row['grid']}, test RMSE {row['test_rmse']:.2e} after "
                f"{row['cpu_seconds']:.1f} CPU s"
            )
            print(f"{name}: {words}", flush=True)


def in_order() -> list[tuple[Job, int]]:
    """Every job and seed: the first seed of all first, except of the one that takes longest, which
    is last.
    """
    many = [
        (job, seed) for seed in SEEDS for job in JOBS if seed in job.seeds and len(job.seeds) > 1
    ]
    return many + [(job, seed) for job in JOBS if len(job.seeds) == 1 for seed in job.seeds]


# --------------------------------------------------------------------------------------------------
# the kept table
def read() -> pd.DataFrame:
    """What has been measured, one row for each grid of a job; empty if nothing has."""
    return pd.read_csv(KEPT) if KEPT.exists() else pd.DataFrame(columns=[*JOB_COLUMNS, "grid"])


def keep(table: pd.DataFrame) -> None:
    """Replace the kept table."""
    table = table.astype({"steps": int, "evaluations": int}) if len(table) else table
    with whole_file(KEPT) as temporary:
        table.to_csv(temporary, index=False)


def rows_of(table: pd.DataFrame, job: Job, seed: int) -> pd.DataFrame:
    """The rows of one job."""
    return table[_is_of(table, job, seed)]


def without(table: pd.DataFrame, job: Job, seed: int) -> pd.DataFrame:
    """All other rows."""
    return table[~_is_of(table, job, seed)]


def is_complete(table: pd.DataFrame, job: Job, seed: int) -> bool:
    """Whether every grid of the job has been measured, or all up to one where it failed."""
    rows = rows_of(table, job, seed)
    return list(rows["grid"]) == list(job.grids) or (
        len(rows) > 0 and rows["problem"].notna().iloc[-1]
    )


def _is_of(table: pd.DataFrame, job: Job, seed: int) -> pd.Series:
    key = [job.task, str(list(job.shape)), job.train_points, seed]
    return (table[JOB_COLUMNS] == key).all(axis=1)


# --------------------------------------------------------------------------------------------------
# one job's rows
def measure(job: Job, seed: int) -> Iterator[dict]:
    """Train at each grid; a row after each. An exception of pykan's ends the job with a row that
    has its words.
    """
    splits = draw(job.run_task, seed)
    dataset = _dataset(splits)
    cpu_seconds = wall_seconds = 0.0
    evaluations: list[int] = []  # of each step
    with tempfile.TemporaryDirectory() as folder, counted_steps(evaluations):
        with redirect_stdout(io.StringIO()):
            import kan

            model = kan.KAN(
                width=list(job.shape), grid=job.grids[0], k=3, seed=seed, ckpt_path=folder
            )
        for grid in job.grids:
            problem = None
            try:
                with redirect_stdout(io.StringIO()):
                    model = model.refine(grid) if grid != job.grids[0] else model
                    cpu_began, wall_began = time.process_time(), time.perf_counter()
                    model.fit(dataset, opt="LBFGS", steps=STEPS)
                    cpu_seconds += time.process_time() - cpu_began
                    wall_seconds += time.perf_counter() - wall_began
            except Exception as error:  # whatever stops pykan is its result
                problem = f"{type(error).__name__}: {error}"[:200]
            train_rmse, test_rmse = (_rmse(model, dataset, part) for part in ("train", "test"))
            yield {
                **dict(
                    zip(
                        JOB_COLUMNS,
                        [job.task, str(list(job.shape)), job.train_points, seed],
                        strict=True,
                    )
                ),
                "grid": grid,
                "steps": STEPS,
                "evaluations": sum(evaluations),
                "cpu_seconds": round(cpu_seconds, 3),
                "wall_seconds": round(wall_seconds, 3),
                "train_rmse": train_rmse,
                "test_rmse": test_rmse,
                "finite": math.isfinite(train_rmse) and math.isfinite(test_rmse),
                "problem": problem,
                **_provenance(),
            }
            if problem:
                return


@contextmanager
def counted_steps(evaluations: list[int]) -> Iterator[None]:
    """Each step of pykan's LBFGS inside appends the number of its evaluations."""
    from kan.LBFGS import LBFGS

    original = LBFGS.step

    def step(self, closure):
        evaluations.append(0)

        def counted():
            evaluations[-1] += 1
            return closure()

        return original(self, counted)

    LBFGS.step = step
    try:
        yield
    finally:
        LBFGS.step = original


def _dataset(splits: Splits) -> dict[str, torch.Tensor]:
    """Samples as pykan's `fit` wants them."""
    return {
        "train_input": torch.from_numpy(splits.train.x),
        "train_label": torch.from_numpy(splits.train.y),
        "test_input": torch.from_numpy(splits.test.x),
        "test_label": torch.from_numpy(splits.test.y),
    }


@torch.no_grad()
def _rmse(model, dataset: dict[str, torch.Tensor], part: str) -> float:
    return (
        (model(dataset[f"{part}_input"]) - dataset[f"{part}_label"]).square().mean().sqrt().item()
    )


def _provenance() -> dict[str, str]:
    made_with = {**versions(), "pykan": version("pykan")}
    return {
        "host": host(),
        "processor": processor(),
        "versions": ", ".join(f"{name} {number}" for name, number in made_with.items()),
        "commit": (code().commit or "")[:12],
        "load_average": f"{os.getloadavg()[0]:.2f}",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


if __name__ == "__main__":
    main()
