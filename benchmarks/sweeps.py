"""What a sweep costs beside its training: sending off, looking, starting, saving, publishing; on a
SLURM of its own.

python -m benchmarks.sweeps        # five minutes: results/benchmarks/sweeps.md; needs SLURM, as
slurm/testbed does
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import click
import pandas as pd
import torch

from benchmarks import report
from harness.dispatch.events import Attempt, EventLog, read_attempts
from harness.dispatch.state import seconds_of
from harness.dispatch.submission import new_id, now, read_submissions
from harness.record.store import publish, record_path
from harness.show.console import console
from harness.spec.manifest import Manifest
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.train import ENGINES, train_pack
from harness.train.checkpoint import Checkpoint, write_checkpoint
from harness.train.fused import kernels

ROOT = Path(__file__).parents[1]
TOY_LAWS = ROOT / "experiments" / "toy_laws.yaml"  # 96 runs a replicate
REPLICATES = 105
ROUNDS = 5
STARTS = 5  # jobs of an engine that are started one after the other
OF_FILE, DTYPE = "replicates: 5", "dtype: float64"  # what is changed in it
BUDGETS = (
    "budgets: {flops_train.shared_dense: [3.0e+7, 1.0e+8, 3.0e+8, 1.0e+9, 3.0e+9], "
    "flops_train.local_min: same}"
)
SHORT = """
question: How long until it trains?
tasks: [exp2d]
arms: {{mlp: {{architecture: {{family: mlp, depth: 2}}, recipe: short}}}}
match: {{axis: params, at: {sizes}, tol: 0.3, solve: {{mlp: width}}}}
recipes: {{short: {{optimizer: {{name: lbfgs}}, max_evaluations: 200}}}}
seeds: [0]
engine: {engine}
"""
PARTS = (
    "- srun, Python, the worker's imports",
    "- its trainer: imports, kernels, samples, first evaluation",
)
PROFILE = {"partition": "gpu", "memory_gb": 2}
CHECKPOINTS = 20
CHECKPOINT_EVERY = 60.0  # seconds, by default
STATUS_MOST = 2.0  # seconds: what a user waits for without a thought
HARNESS = (sys.executable, "-m", "harness")


class Took(NamedTuple):
    """Seconds on the wall, and those that the processes computed where that is known."""

    wall: float
    cpu: float | None = None


class Row(NamedTuple):
    """Work of ours, beside a floor: what some of it takes by the shortest way; seconds of all
    rounds.
    """

    what: str
    took: Sequence[Took]
    floor: str = ""
    floor_took: Sequence[Took] = ()
    most: float | None = None


class Bed(NamedTuple):
    """A SLURM that is up, a folder for sweeps on it, and the environment that leads there."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, *command: str) -> str:
        """What a command prints; its failure is ours, but for exit code 3 of a sweep that is not
        over.
        """
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        if done.returncode not in (0, 3):
            raise click.ClickException(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout

    def time(self, *command: str) -> Took:
        """What a whole process takes, those that it starts included."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        began = time.perf_counter()
        self.run(*command)
        wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
        return Took(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def compare() -> report.Report:
    """Seconds of everything, and how many times longer than its floor it takes."""
    with bed() as up:
        longer = (BUDGETS, "cap: {evaluations: 10000}")  # for jobs of the usual length
        text = toy_laws(longer, (OF_FILE, f"replicates: {REPLICATES}"))
        sweep = plan_of(
            StudyFile(write_sweep(up.folder, "sweep", text, {"sbatch": {"hold": True}}))
        )
        rows = [*submitting(up, sweep), *looking(up, sweep), *starting(up), *saving(up.folder)]
    return report.Report(
        name="sweeps",
        title="What a sweep costs beside its training, seconds",
        table=pd.DataFrame([cells(row) for row in rows]),
        shown={
            "what": "what",
            "wall": "wall",
            "cpu": "CPU",
            "most": "at most",
            "met": "met",
            "floor": "floor",
            "floor_wall": "its wall",
            "ratio": "ours ÷ floor",
        },
        notes=[
            f"The sweep is toy_laws.yaml with {REPLICATES} replicates and ten times its "
            "evaluations; its jobs are held "
            f"in the queue. `submit` and `status`: medians of {ROUNDS} whole processes, with "
            "those that they start, in "
            "turn with the floor. The records and event logs of all runs that `status` reads at "
            "last are copies of "
            "one run's; they are published once.",
            f"Job to first step: medians of {STARTS} jobs, one at a time, from the first line of "
            "the job's script to "
            "the first evaluation, and of its two parts. Kernels are compiled before. "
            f"Checkpoints: medians of {CHECKPOINTS}, of toy_laws.yaml's costliest pack; their "
            "share of training is "
            f"that where one is written every {CHECKPOINT_EVERY:.0f} s, as by default.",
        ],
    )


def cells(row: Row) -> dict[str, object]:
    """A row of the table."""
    wall = statistics.median(one.wall for one in row.took)
    floor_wall = statistics.median(one.wall for one in row.floor_took) if row.floor_took else None
    computed = [one.cpu for one in row.took if one.cpu is not None]
    return {
        "what": row.what,
        "wall": wall,
        "wall_low": min(one.wall for one in row.took),
        "wall_high": max(one.wall for one in row.took),
        "cpu": statistics.median(computed) if computed else None,
        "most": row.most,
        "met": "" if row.most is None else "yes" if wall < row.most else "NO",
        "floor": row.floor,
        "floor_wall": floor_wall,
        "ratio": wall / floor_wall if floor_wall else None,
    }


# --------------------------------------------------------------------------------------------------
# bed
@contextmanager
def bed() -> Iterator[Bed]:
    """A SLURM of two nodes, ended after the block; where none is installed, that is said."""
    script = [sys.executable, str(ROOT / "slurm" / "testbed")]
    with TemporaryDirectory() as folder:
        slurm = Path(folder) / "slurm"
        done = subprocess.run(
            [*script, "up", "--folder", str(slurm)], capture_output=True, text=True
        )
        if done.returncode:
            raise click.ClickException(f"this needs SLURM: {done.stderr.strip()}")
        try:
            environment = {
                **os.environ,
                "SLURM_CONF": str(slurm / "slurm.conf"),
                "PYTHONPATH": str(ROOT),
            }
            yield Bed(Path(folder), environment)
        finally:
            subprocess.run(
                [*script, "down", "--folder", str(slurm)], capture_output=True, check=True
            )


def write_sweep(
    folder: Path, name: str, text: str, profile: Mapping[str, object] | None = None
) -> Path:
    """An experiment as NAME.yaml, its profile as NAME.profile.yaml."""
    (folder / f"{name}.profile.yaml").write_text(
        json.dumps(PROFILE | (profile or {})), encoding="utf-8"
    )
    file = folder / f"{name}.yaml"
    file.write_text(text, encoding="utf-8")
    return file


def toy_laws(*changes: tuple[str, str]) -> str:
    """The text of toy_laws.yaml with these changes."""
    text = TOY_LAWS.read_text(encoding="utf-8")
    for old, new in changes:
        if old not in text:
            raise click.ClickException(
                f"{TOY_LAWS} has no line `{old}` any more; mend benchmarks/sweeps.py"
            )
        text = text.replace(old, new)
    return text


def profile_of(up: Bed, name: str) -> tuple[str, str]:
    """The option that names a sweep's profile."""
    return ("--profile", str(up.folder / f"{name}.profile.yaml"))


def harness(up: Bed, command: str, name: str, results: str, *options: str) -> tuple[str, ...]:
    """One of the harness's commands on a sweep of this name."""
    return (
        *HARNESS,
        command,
        str(up.folder / f"{name}.yaml"),
        "--results",
        str(up.folder / results),
        *options,
    )


# --------------------------------------------------------------------------------------------------
# rows
def submitting(up: Bed, sweep: Manifest) -> list[Row]:
    """Sending the sweep off, each time into a new folder; the last time its jobs stay in the
    queue.
    """
    dry, real, bare = [], [], []
    for number in range(ROUNDS):
        results = f"results-{number}"
        dry.append(
            up.time(*harness(up, "submit", "sweep", results, *profile_of(up, "sweep"), "--dry-run"))
        )
        real.append(
            up.time(*harness(up, "submit", "sweep", results, *profile_of(up, "sweep"), "--yes"))
        )
        (sent,) = read_submissions(up.folder / results / "sweep")
        array = f"--array=0-{len(sent.jobs) - 1}"
        bare.append(
            up.time(
                "sbatch", "--hold", array, "--job-name=bare", "--output=/dev/null", "--wrap=true"
            )
        )
        for name in ["bare", *([sent.name] if number < ROUNDS - 1 else [])]:
            up.run("scancel", f"--name={name}")
    runs, jobs = f"{len(sweep.runs):,} runs", len(sent.jobs)
    return [
        Row(f"`harness submit --dry-run`, {runs}", dry),
        Row(f"`harness submit`, {runs} in {jobs} jobs", real, f"`sbatch` of {jobs} jobs", bare),
    ]


def looking(up: Bed, sweep: Manifest) -> list[Row]:
    """`harness status` while all jobs are queued, and when all runs have records and all workers
    have ended.
    """
    results = up.folder / f"results-{ROUNDS - 1}"
    queued = look_at(up, results.name, "0 records")
    published = publishing(sweep, results)
    write_logs(results / "sweep")
    return [queued, look_at(up, results.name, f"{len(sweep.runs):,} records"), published]


def look_at(up: Bed, results: str, there: str) -> Row:
    """`harness status` with what is there, beside the one question that it asks SLURM."""
    ours, floor = [], []
    for _ in range(ROUNDS):
        ours.append(up.time(*harness(up, "status", "sweep", results)))
        floor.append(up.time("squeue", "--array", "--states=all", "--me"))
    return Row(f"`harness status`, {there}", ours, "`squeue`", floor, STATUS_MOST)


def write_logs(folder: Path) -> None:
    """What the workers of a submission write who train all packs of their jobs."""
    (submission,) = read_submissions(folder)
    for place, job in enumerate(submission.jobs):
        log = EventLog(folder / "attempts", new_id())
        begun = {
            "submission": submission.id,
            "place": place,
            "host": "n1",
            "pid": 0,
            "slurm_number": f"1_{place}",
        }
        log.write("begun", **begun, slurm_started_at=str(time.time()), restarts=0)
        log.write("first_step")
        for pack, seconds in zip(job.packs, job.pack_seconds, strict=True):
            log.write("pack_begun", runs=pack)
            log.write("pack_done", runs=pack, statuses=["done"] * len(pack), seconds=seconds)
        log.write("ended", why="finished", requeued=False)


def starting(up: Bed) -> list[Row]:
    """From the first line of a job to the first step of training, by engine, and its parts."""
    rows = []
    for engine in ENGINES:
        lines, results = up.folder / f"{engine}-lines", f"{engine}-results"
        lines.mkdir()
        first_line = f"date +%s.%N > {lines}/${{SLURM_ARRAY_JOB_ID}}_$SLURM_ARRAY_TASK_ID"
        text = SHORT.format(sizes=[50 + 10 * place for place in range(STARTS)], engine=engine)
        write_sweep(
            up.folder, engine, text, {"jobs_at_once": 1, "job_minutes": 1e-5, "setup": [first_line]}
        )
        up.run(*harness(up, "submit", engine, results, *profile_of(up, engine), "--yes"))
        parts = [parts_of(one, lines) for one in ended_attempts(up.folder / results / engine)]
        bare = [import_in_a_job(up) for _ in range(STARTS)]
        whole = [Took(sum(each)) for each in parts]
        rows.append(
            Row(f"job to first step, {engine} engine", whole, "a job that imports torch", bare)
        )
        rows += [
            Row(name, [Took(each[place]) for each in parts]) for place, name in enumerate(PARTS)
        ]
    return rows


def parts_of(attempt: Attempt, lines: Path) -> list[float]:
    """Seconds from the job's first line to its worker, and from there to the first step."""
    first_line = float((lines / attempt.begun["slurm_number"]).read_text())
    at = {event["event"]: seconds_of(event["at"]) for event in reversed(attempt.events)}
    return [at["begun"] - first_line, at["first_step"] - at["begun"]]


def ended_attempts(folder: Path) -> list[Attempt]:
    """The attempts of all jobs, once they have ended."""
    deadline = time.monotonic() + 60 * STARTS
    while len(found := [one for one in read_attempts(folder / "attempts") if one.ended]) < STARTS:
        if time.monotonic() > deadline:
            raise click.ClickException(f"only {len(found)} of {STARTS} jobs have ended")
        time.sleep(0.5)
    return found


def import_in_a_job(up: Bed) -> Took:
    """A bare job from its first line to where torch is there."""
    lines = up.folder / "lines"
    imports = "import torch, time; print(time.time())"
    script = f'date +%s.%N > {lines}; srun --ntasks=1 {sys.executable} -c "{imports}" >> {lines}'
    up.run("sbatch", "--wait", "--mem=2G", "--output=/dev/null", f"--wrap={script}")
    begun, ended = map(float, lines.read_text().split())
    return Took(ended - begun)


def saving(folder: Path) -> list[Row]:
    """A checkpoint of toy_laws.yaml's costliest pack, by engine, and its bytes written and flushed
    by themselves.
    """
    rows, path = [], folder / "pack.checkpoint"
    for name, engine in ENGINES.items():
        file = write_sweep(folder, "saved", toy_laws((DTYPE, f"{DTYPE}\nengine: {name}")))
        manifest = plan_of(StudyFile(file))
        specs = {planned.run_id: planned.run for planned in manifest.runs}
        pack = engine.prepare([specs[run] for run in manifest.packs[0]], "cpu")
        state = engine.advance(pack, engine.begin(pack), 200)
        checkpoint = Checkpoint(manifest.packs[0], {}, len(state.lanes), now(), state)
        write = partial(write_checkpoint, checkpoint, path)
        write()
        data = path.read_bytes()
        both = [
            (clocked(write), clocked(partial(flush, folder / "bytes", data)))
            for _ in range(CHECKPOINTS)
        ]
        ours, floor = zip(*both, strict=True)
        share = statistics.median(one.wall for one in ours) / CHECKPOINT_EVERY
        what = f"a checkpoint, {name} engine, {len(data) / 1e6:.1f} MB: {share:.3%} of training"
        rows.append(Row(what, ours, "its bytes, flushed", floor))
    return rows


def publishing(sweep: Manifest, folder: Path) -> Row:
    """A record for every run, the numbers of each being those of one that is trained here; and
    files as large.
    """
    quick = plan_of(StudyFile(TOY_LAWS))
    cheapest = {planned.run_id: planned.run for planned in quick.runs}[quick.packs[-1][0]]
    (trained,) = train_pack([cheapest], folder / "trained")
    copies = [
        trained.model_copy(update={"run_id": one.run_id, "run": one.run}) for one in sweep.runs
    ]
    ours = clocked(lambda: [publish(record, folder / "runs") for record in copies])
    data = record_path(folder / "runs", copies[0].run_id).read_bytes()
    (folder / "bare").mkdir()
    floor = clocked(
        lambda: [flush(folder / "bare" / f"{number}", data) for number in range(len(copies))]
    )
    return Row(f"publishing {len(copies):,} records", [ours], "files as large, flushed", [floor])


def flush(path: Path, data: bytes) -> None:
    """The bytes in a file, on the disk."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def clocked(call: Callable[[], object]) -> Took:
    """What a call takes in this process."""
    wall, computed = time.perf_counter(), time.process_time()
    call()
    return Took(time.perf_counter() - wall, time.process_time() - computed)


if __name__ == "__main__":
    torch.set_num_threads(1)
    console.print(f"kernels ready in {kernels.ready():.1f} s")
    load = os.getloadavg()[0]
    result = compare()
    console.print(report.rich_table(result), *result.notes, sep="\n")
    console.print(f"written: {', '.join(map(str, report.write(result, report.FOLDER, load)))}")
