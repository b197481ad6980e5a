"""`harness bench --profile`: the same command as a job, on a node of the kind that the profile asks for.

`python -m harness.cli.bench_job FOLDER WORDS… PLACE` is that job. Its code lies in FOLDER, which it removes at its end.
"""

import shutil
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.base.errors import INCOMPLETE, HarnessError
from harness.cli import main
from harness.dispatch.profile import Profile
from harness.dispatch.slurm import executor, launch, log_path, logs_folder
from harness.dispatch.snapshot import take_snapshot
from harness.dispatch.submission import named_code, new_id
from harness.spec import RunSpec


def send_bench(profile: Profile, results: Path, words: list[str], runs: Iterable[RunSpec]) -> tuple[str, Path]:
    """Have SLURM take the job that runs `harness bench WORDS`; its number, and where its output will be.

    It books one CPU: everything is timed alone.
    """
    results = results.absolute()
    identity, calibrations = new_id(), results / "calibrations"
    folder = results / f".bench-{identity}"
    folder.mkdir(parents=True)
    try:
        roots = [str(root) for root in take_snapshot(folder, named_code(runs)).roots]
        alone = profile.model_copy(update={"cpus": 1, "packs_per_gpu": 1})
        with executor(logs_folder(calibrations), alone, f"harness-bench-{identity}", roots) as sender:
            command = ["harness.cli.bench_job", str(folder), *words, "--results", str(results)]
            number = launch(sender, 1, *command)
    except HarnessError:
        shutil.rmtree(folder)
        raise
    return number, log_path(calibrations, number)


def _told_to_end(*_: Any) -> None:
    raise HarnessError("the job's time is over and nothing was written; raise time_minutes of the profile", INCOMPLETE)


if __name__ == "__main__":
    _, own_folder, *rest, _ = sys.argv
    signal.signal(signal.SIGUSR2, _told_to_end)
    try:
        main(["bench", *rest])
    finally:
        shutil.rmtree(own_folder, ignore_errors=True)
