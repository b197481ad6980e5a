"""A sweep on a bed, as a user sees it: its commands, where its runs are, and what it must have left
in the end.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from made_submission import SweepFile, small
from real_slurm import Bed, wait_until

from harness.dispatch.events import Attempt, read_attempts
from harness.dispatch.submission import Submission, read_submissions
from harness.record.schema import Provenance
from harness.record.store import read_record
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.train import train_pack

# One pack a job and two jobs a node, by their memory; a job saves its state every second.
PROFILE = {
    "partition": "gpu",
    "memory_gb": 30,
    "job_minutes": 1e-4,
    "time_minutes": 10,
    "checkpoint_seconds": 1,
}


@dataclass(frozen=True)
class Sweep(SweepFile):
    """An experiment file, a results folder, and a profile."""

    profile: Path

    def submit(self, *options: str) -> str:
        return self.said("submit", "--profile", str(self.profile), "--yes", *options)

    def whys(self) -> set[str]:
        """Why its runs are thought to be where they are, without what SLURM says of the moment in
        brackets.
        """
        return {re.sub(r" \([^)]*\)", "", run["why"]) for run in self.status()["runs"].values()}

    def next_moves(self) -> set[str]:
        return {run["next_move"] for run in self.status()["runs"].values()}

    def retry(self, cause: str) -> None:
        self.said("retry", "--cause", cause, "--profile", str(self.profile), "--yes")

    def provenances(self) -> list[Provenance]:
        return [read_record(path).provenance for path in (self.results / "runs").glob("*.json")]

    def submissions(self) -> list[Submission]:
        return read_submissions(self.folder)

    def attempts(self) -> list[Attempt]:
        return read_attempts(self.folder / "attempts")

    def wait_for_event(self, *names: str, number: int = 1, seconds: float = 90) -> None:
        wait_until(lambda: len(self.events(*names)) >= number, seconds, f"{number} x {names}")

    def wait_for_states(self, states: dict[str, int], seconds: float = 90) -> None:
        """So many runs are in these states; what there is instead is told where they are not."""
        self._wait_until(lambda: self.states() == states, seconds, str(states))

    def wait_until_over(self) -> None:
        """All runs have records; what there is instead is told where they have not."""
        self._wait_until(lambda: not self.status()["missing"], 120, "all runs are over")

    def _wait_until(self, condition: Callable[[], bool], seconds: float, what: str) -> None:
        try:
            wait_until(
                condition, seconds, what, every=0.5
            )  # each look takes a tenth of a second of a core
        except AssertionError as late:
            late.add_note(self.harness("status").output)
            late.add_note(
                "\n".join(f"{each.id}: {json.dumps(each.events[-3:])}" for each in self.attempts())
            )
            raise


def sweep(
    folder: Path,
    *,
    sizes: Sequence[int] = (20,),
    seeds: Sequence[int] = (0, 1),
    evaluations: int = 50,
    target: str = "xy",
    **profile: Any,
) -> Sweep:
    """A sweep of one pack a size, of one lane a seed. Of a pack, 1,000 evaluations take about a
    second.
    """
    made = Sweep(folder / "sweep.yaml", folder / "results", folder / "profile.yaml")
    made.file.write_text(small(seeds, sizes, evaluations, target), encoding="utf-8")
    made.profile.write_text(json.dumps(PROFILE | profile), encoding="utf-8")
    return made


def numbers(record: Path) -> dict[str, Any]:
    return read_record(record).model_dump(exclude={"provenance"})


@cache
def undisturbed(experiment: str) -> dict[str, dict[str, Any]]:
    """The numbers of all runs of an experiment, each pack trained here without a break, by the
    names of records.
    """
    with TemporaryDirectory() as folder:
        file, records = Path(folder) / "sweep.yaml", Path(folder) / "runs"
        file.write_text(experiment, encoding="utf-8")
        manifest = plan_of(StudyFile(file))
        specs = {planned.run_id: planned.run for planned in manifest.runs}
        for pack in manifest.packs:
            train_pack([specs[run] for run in pack], records)
        return {path.name: numbers(path) for path in records.glob("*.json")}


def assert_completes(swept: Sweep, is_once: bool = True) -> None:
    """Soon every planned run has the record that it has undisturbed, bit for bit, and none was
    trained twice.
    """
    swept.wait_until_over()
    assert_records(swept, undisturbed(swept.file.read_text(encoding="utf-8")))
    if is_once:
        assert_nothing_trained_twice(swept)


def assert_records(swept: Sweep, expected: dict[str, dict[str, Any]]) -> None:
    """Every planned run has the numbers that are expected, by the names of records; none came
    second and differs.
    """
    found = records(swept)
    assert len(found) == swept.status()["planned"] == len(expected)
    assert found == expected
    assert not list((swept.results / "runs" / "duplicates").glob("*"))


def records(swept: Sweep) -> dict[str, dict[str, Any]]:
    return {path.name: numbers(path) for path in (swept.results / "runs").glob("*.json")}


def assert_nothing_trained_twice(swept: Sweep) -> None:
    ended = [run for event in swept.events("pack_done") for run in event["runs"]]
    assert len(ended) == len(set(ended))


def only_job(bed: Bed) -> str:
    (number,) = bed.slurm("squeue", "-h", "--array", "--states=running", "-o", "%i").split()
    return number
