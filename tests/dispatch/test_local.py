"""A sweep on this machine: however it is ended nothing of it goes on, and the next one goes on from
there.
"""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from made_submission import SweepFile, small

from harness.dispatch import launch
from harness.record.store import read_record
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from harness.train import train_pack

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/environ").exists(), reason="finds processes in /proc"
)


@dataclass(frozen=True)
class Sweep(SweepFile):
    """One pack that takes some seconds; its processes are known by a variable in their
    environment.
    """

    mark: str

    def begin(self) -> subprocess.Popen:
        command = [
            sys.executable,
            "-m",
            "harness",
            "submit",
            str(self.file),
            "--local",
            "2",
            "--yes",
        ]
        return subprocess.Popen(
            [*command, "--results", str(self.results)],
            env=os.environ
            | {"HARNESS_TEST": self.mark, "SLURM_JOB_ID": "4711"},  # as inside of a job
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def processes(self) -> list[int]:
        return [
            int(path.parent.name)
            for path in Path("/proc").glob("[0-9]*/environ")
            if self._has_mark(path)
        ]

    def _has_mark(self, path: Path) -> bool:
        try:
            return f"HARNESS_TEST={self.mark}".encode() in path.read_bytes().split(b"\0")
        except OSError:  # it has ended
            return False


def _numbers(records: Path) -> dict[str, dict[str, Any]]:
    return {
        path.name: read_record(path).model_dump(exclude={"provenance"})
        for path in records.glob("*.json")
    }


def _wait_until(condition: Callable[[], Any], what: str) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)


@contextmanager
def _training(sweep: Sweep, number: int) -> Iterator[subprocess.Popen]:
    """The submitter of the sweep's worker of that number, once that trains."""
    with sweep.begin() as submitter:
        _wait_until(lambda: len(sweep.events("first_step")) == number, "it trains")
        yield submitter


@pytest.fixture
def sweep(tmp_path) -> Iterator[Sweep]:
    made = Sweep(tmp_path / "sweep.yaml", tmp_path / "results", uuid.uuid4().hex)
    made.file.write_text(small(evaluations=8000))
    yield made
    for process in made.processes():
        os.kill(process, signal.SIGKILL)


@pytest.mark.nightly
def test_however_it_is_ended_nothing_goes_on_and_the_next_goes_on_from_there(sweep, tmp_path):
    """SIGTERM, an impatient Ctrl-C after it, and kill -9 save what was trained; so do processes of
    a killed worker.
    """
    with _training(sweep, 1) as submitter:
        submitter.terminate()
        submitter.send_signal(signal.SIGINT)
        told, _ = submitter.communicate(timeout=60)
    assert submitter.returncode == 3
    assert "run the same command again to go on" in told
    assert sweep.processes() == []
    assert sweep.states() == {"preempted": 2}

    with _training(sweep, 2) as submitter:
        submitter.kill()
    _wait_until(lambda: not sweep.processes(), "its worker ends")
    assert sweep.states() == {"preempted": 2}
    assert [event["why"] for event in sweep.events("ended")] == ["stopped", "stopped"]

    with _training(sweep, 3) as submitter:
        os.kill(sweep.events("begun")[-1]["pid"], signal.SIGKILL)
        told, _ = submitter.communicate(timeout=60)
    assert submitter.returncode == 3
    assert "its worker died without a word" in told
    _wait_until(lambda: not sweep.processes(), "what the worker had started ends")
    assert sweep.states() == {"lost": 2}

    with sweep.begin() as submitter:
        told, _ = submitter.communicate(timeout=60)
    assert submitter.returncode == 0
    assert "2 planned, 2 done" in told
    assert sweep.processes() == []
    manifest = plan_of(StudyFile(sweep.file))
    train_pack([planned.run for planned in manifest.runs], tmp_path / "undisturbed")
    assert _numbers(sweep.results / "runs") == _numbers(tmp_path / "undisturbed")
    resumed = [
        read_record(path).provenance.resumed for path in (sweep.results / "runs").glob("*.json")
    ]
    assert resumed == [3, 3]


def test_what_trains_is_not_sent_off_again_and_cancel_ends_it(sweep):
    with _training(sweep, 1) as submitter:
        assert sweep.states() == {"running": 2}
        second = sweep.harness("submit", "--local", "1", "--yes").output
        cancelled = sweep.harness("cancel", "--yes").output
        submitter.communicate(timeout=60)
    assert "2 running" in second
    assert "nothing to submit" in second
    assert "1 jobs with no other runs were ended" in cancelled
    assert submitter.returncode == 3
    assert sweep.processes() == []
    assert sweep.states() == {"cancelled": 2}


def test_a_worker_that_cannot_begin_is_told_at_once(sweep, monkeypatch):
    monkeypatch.setattr(
        launch,
        "code_environment",
        lambda roots: {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere"},
    )
    assert "the worker could not begin: " in sweep.said(
        "submit", "--local", "1", "--yes", exit_code=3
    )
    assert sweep.states() == {"planned": 2}
