"""Small experiments, and submissions that nobody sent off: files as `harness submit` writes
them.
"""

import json
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import Result
from commands import invoke, said

from harness.dispatch.events import Event, read_attempts
from harness.dispatch.submission import SentJob, Submission, now, write_submission
from harness.spec.manifest import Manifest, read_manifest

EXPERIMENT = """
question: Where are its runs?
tasks: [{{target: {target}, inputs: 2, train_points: 50, validation_points: 20, test_points: 20}}]
arms: {{mlp: {{architecture: {{family: mlp, depth: 2}}, recipe: some}}}}
match: {{axis: params, at: {sizes}, tol: 0.3, solve: {{mlp: width}}}}
recipes: {{some: {{optimizer: {{name: adam, learning_rate: 0.01}}, max_evaluations: {evaluations}}}}}
seeds: {seeds}
engine: torch
"""


def small(
    seeds: Sequence[int] = (0, 1),
    sizes: Sequence[int] = (20,),
    evaluations: int = 20,
    target: str = "xy",
) -> str:
    """The text of an experiment of small MLPs, of which the seeds of a size are a pack."""
    return EXPERIMENT.format(
        seeds=list(seeds), sizes=list(sizes), evaluations=evaluations, target=target
    )


@dataclass(frozen=True)
class SweepFile:
    """An experiment file, and where its results are."""

    file: Path
    results: Path

    @property
    def folder(self) -> Path:
        """Where all but the records is."""
        return self.results / self.file.stem

    def harness(self, command: str, *options: str) -> Result:
        return invoke(command, self.file, *options, "--results", self.results)

    def said(self, command: str, *options: str, exit_code: int = 0) -> str:
        return said(command, self.file, *options, "--results", self.results, exit_code=exit_code)

    def status(self) -> dict[str, Any]:
        return json.loads(self.harness("status", "--json").stdout)

    def states(self) -> dict[str, int]:
        return self.status()["states"]

    def events(self, *names: str) -> list[Event]:
        events = []
        for attempt in read_attempts(self.folder / "attempts"):
            events += [event for event in attempt.events if event["event"] in names]
        return events


def job(*packs: tuple[str, ...], seconds: float = 1.0) -> SentJob:
    return SentJob(packs=packs, pack_seconds=(seconds,) * len(packs), seconds=seconds * len(packs))


def submission(name: str, jobs: tuple[SentJob, ...], **fields: Any) -> Submission:
    """From this machine, with nothing in it but what is said."""
    where = {
        "host": socket.gethostname(),
        "profile": None,
        "slots": 1,
        "checkpoint_seconds": 60.0,
        "device": "cpu",
    }
    sent = {
        "id": "5ub",
        "at": now(),
        "snapshot": "c0de",
        "roots": (),
        "jobs": jobs,
        "experiment": name,
    }
    return Submission(**sent | where | fields)


def write(folder: Path, sent: Submission, manifest: Manifest) -> Submission:
    write_submission(folder, sent, {planned.run_id: planned.run for planned in manifest.runs})
    return sent


def send_off(folder: Path, **fields: Any) -> Submission:
    """A submission of the plan of a folder, a job a pack, of which no worker has begun yet."""
    manifest = read_manifest(folder)
    return write(
        folder, submission(manifest.name, tuple(map(job, manifest.packs)), **fields), manifest
    )
