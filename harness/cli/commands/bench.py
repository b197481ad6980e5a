"""`harness bench`.

`python -m harness.cli.commands.bench FOLDER WORDS… PLACE` is the same as a job, on a node that
--profile asks for. Its code lies in FOLDER, which it removes at its end.
"""

import math
import shlex
import shutil
import signal
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.base.errors import INCOMPLETE, INTERRUPTED, HarnessError, Stopped
from harness.base.files import check_writable
from harness.cli import main
from harness.cli.options import EXAMPLE, PATH, results_option, scale_option, settings_option
from harness.cli.tables import given
from harness.dispatch.launch import executor, launch, log_path, logs_folder
from harness.dispatch.profile import Profile, read_profile
from harness.dispatch.snapshot import take_snapshot
from harness.dispatch.submission import named_code, new_id
from harness.measure.calibration import (
    Calibration,
    EngineKind,
    calibrate,
    kind_of,
    missing,
    write_calibration,
)
from harness.measure.cost import never_timed
from harness.show.console import ANSWERS, TERMINAL
from harness.show.costs import calibration_sentence
from harness.spec.run import Dtype, Engine, RunSpec
from harness.spec.setting import Setting, settings_options
from harness.study.folders import StudyFile, planned_runs
from harness.study.plans import own_calibration, plan_of

SHAPE_SECONDS = 0.5  # what timing a shape takes, about: 4,853 shapes took 41 minutes


@click.command(epilog=f"Example: harness bench {EXAMPLE}")
@click.argument("file", type=PATH, metavar="[FILE]", required=False)
@results_option
@scale_option
@settings_option
@click.option(
    "--engine",
    type=click.Choice(["fused", "torch"]),
    help="The engine to time without FILE.  [default: fused, for float64]",
)
@click.option(
    "--dtype",
    type=click.Choice(["float64", "float32", "bfloat16"]),
    help="The precision to time without FILE.  [default: float64]",
)
@click.option(
    "--profile",
    type=PATH,
    metavar="YAML",
    help=(
        "Time a node of a cluster, by a job of one CPU that asks SLURM for what this profile "
        "says (docs/cluster.md)."
    ),
)
@click.option(
    "--dry-run", is_flag=True, help="With --profile: show what would be sent, and do nothing."
)
def bench(
    file: Path | None,
    results: Path,
    scale: str,
    settings: tuple[Setting, ...],
    engine: Engine | None,
    dtype: Dtype | None,
    profile: Path | None,
    dry_run: bool,
) -> None:
    """Time this machine, or a node of a cluster, so that plans predict seconds.

    Without FILE, this times standard networks, half a minute an engine. With FILE, it also times
    every network of its plan alone, a fraction of a second each. Then the plan's seconds are
    predicted well, and its runs can be compared per second (the axis `seconds`).

    Without --profile it measures where you type it, which on a cluster is the login node.
    """
    if dry_run and profile is None:
        raise HarnessError("--dry-run: of which job? Give --profile too, or leave --dry-run out")
    for option in given(["engine", "dtype"] if file else ["scale", "settings"]):
        why = (
            f"{file} says which; leave the option out"
            if file
            else "give FILE too, or leave the option out"
        )
        raise HarnessError(f"{option}: {why}")
    runs: list[RunSpec] = []
    if file:
        manifest = plan_of(StudyFile(file, results, scale, settings))
        if manifest.experiment.device != "cpu":
            raise HarnessError(
                f"device: {manifest.experiment.device}: only CPUs are measured; leave the file out"
            )
        runs = [*planned_runs(manifest).values()]
        kinds = missing({}, runs)
        words = [str(file.absolute()), "--scale", scale, *shlex.split(settings_options(settings))]
    else:
        engine = engine or ("fused" if dtype in (None, "float64") else "torch")
        if engine == "fused" and dtype not in (None, "float64"):
            raise HarnessError(
                f"--engine fused computes in float64; with --dtype {dtype} leave it out"
            )
        kinds = [EngineKind(engine, dtype or "float64")]
        words = ["--engine", engine, "--dtype", kinds[0].dtype]
    check_writable(results / "calibrations")
    if profile:
        _send(profile, read_profile(profile), results, words, runs, dry_run)
        return
    try:
        calibrations = [_bench(kind, runs, results) for kind in kinds]
    except KeyboardInterrupt:
        raise Stopped(
            "stopped; nothing was written, and the next bench starts over", INTERRUPTED
        ) from None
    for calibration in calibrations:
        path = write_calibration(calibration, results)
        ANSWERS.say(calibration_sentence(calibration), f"calibration: {path}")


def _send(
    path: Path,
    profile: Profile,
    results: Path,
    words: list[str],
    runs: list[RunSpec],
    dry_run: bool,
) -> None:
    """Say what the job times and how long that takes, and send it."""
    shapes = never_timed(runs, {})[1]
    what = f"{shapes:,} shape{'s' if shapes > 1 else ''}" if runs else "standard networks"
    minutes = math.ceil(shapes * SHAPE_SECONDS / 60) + 1
    ANSWERS.say(f"{path}: one job of one CPU times {what}, about {minutes} min")
    if minutes * 60 > profile.time_minutes * 60 - profile.save_seconds:
        problem = (
            f"{path}: time_minutes: {profile.time_minutes} ends the job before that, and it "
            "would write nothing"
        )
        raise HarnessError(f"{problem}; raise it to {2 * minutes}")
    if dry_run:
        return
    results = results.absolute()
    identity, calibrations = new_id(), results / "calibrations"
    folder = results / f".bench-{identity}"
    folder.mkdir(parents=True)
    try:
        roots = [str(root) for root in take_snapshot(folder, named_code(runs)).roots]
        alone = profile.model_copy(
            update={"cpus": 1, "packs_per_gpu": 1}
        )  # as everything is timed alone
        with executor(
            logs_folder(calibrations), alone, f"harness-bench-{identity}", roots
        ) as sender:
            job = ["harness.cli.commands.bench", str(folder), *words, "--results", str(results)]
            number = launch(sender, 1, *job)
    except HarnessError:
        shutil.rmtree(folder)
        raise
    ANSWERS.say(f"submitted: job {number}", f"its output: {log_path(calibrations, number)}")


def _bench(kind: EngineKind, of_file: Sequence[RunSpec], results: Path) -> Calibration:
    # Inside the function, as it loads torch, and --help would take seconds too.
    from harness.measure.bench import bench_run, bench_solo, compile_kernels, standard_runs

    before = own_calibration(results, kind)
    if kind.engine == "fused":
        compile_kernels(TERMINAL.say)
    runs = [run for run in of_file if kind_of(run) == kind]
    if before is None or not of_file:
        runs += standard_runs(*kind)
        with TERMINAL.steps(f"{kind.engine}: a run") as progress:
            seconds_per_run = bench_run(*kind, partial(progress, ""))
    else:
        seconds_per_run = before.seconds_per_run
    with TERMINAL.steps(f"{kind.engine}: shapes alone") as progress:
        solo, knots = bench_solo(runs, partial(progress, ""))
    kept = own_calibration(results, kind)  # what another bench wrote meanwhile, or this file had
    return calibrate(
        *kind,
        seconds_per_run,
        [*(kept.solo if kept else ()), *solo],
        [*(kept.knots if kept else ()), *knots],
    )


def _told_to_end(*_: Any) -> None:
    raise HarnessError(
        "the job's time is over and nothing was written; raise time_minutes of the profile",
        INCOMPLETE,
    )


if __name__ == "__main__":
    _, own_folder, *rest, _ = sys.argv
    signal.signal(signal.SIGUSR2, _told_to_end)
    try:
        main(["bench", *rest])
    finally:
        shutil.rmtree(own_folder, ignore_errors=True)
