"""A bed of slurm/testbed as tests see it: its commands, its state, and the faults that tests
inflict on it.
"""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest

SCRIPT = Path(__file__).parents[2] / "slurm" / "testbed"


class Bed(NamedTuple):
    """A bed that is up."""

    folder: Path

    @property
    def conf(self) -> Path:
        return self.folder / "slurm.conf"

    def slurm(self, *command: str) -> str:
        """What a SLURM command prints; RuntimeError with its complaint where it fails."""
        environment = own_environment() | {"SLURM_CONF": str(self.conf)}
        done = subprocess.run(command, env=environment, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def job(self, job_id: str) -> dict[str, str]:
        return dict(
            re.findall(r"(\S+?)=(\S*)", self.slurm("scontrol", "--oneliner", "show", "job", job_id))
        )

    def node_state(self, name: str) -> str:
        """As in sinfo: idle, mixed, down, idle*, … It may show a job that has just ended, so never
        wait for idle.
        """
        return self.slurm("sinfo", "-hn", name, "-p", "gpu", "-o", "%T")

    def node_is_up(self, name: str) -> bool:
        """Whether the node takes jobs: neither down nor drained, and answering."""
        state = self.node_state(name)
        return not state.startswith(("down", "drain")) and not state.endswith("*")

    def node_down(self, name: str) -> None:
        """As an administrator does it: jobs of the node are requeued."""
        self.slurm("scontrol", "update", f"NodeName={name}", "State=DOWN", "Reason=test")

    def drain(self) -> None:
        """No node takes new jobs: what is submitted waits."""
        self.slurm("scontrol", "update", "NodeName=n1,n2", "State=DRAIN", "Reason=test")

    def node_up(self, name: str) -> None:
        self.slurm("scontrol", "update", f"NodeName={name}", "State=RESUME")

    def freeze(self, name: str) -> None:
        """Stop everything that runs on the node; SLURM sets it down some 15 s after its timeout."""
        self._signal(name, signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on; SLURM takes it back after about 20 s."""
        self._signal(name, signal.SIGCONT)

    def _signal(self, name: str, number: signal.Signals) -> None:
        slurmd = int((self.folder / f"{name}.pid").read_text())
        for process in [slurmd, *self.job_processes(name)]:
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def job_processes(self, name: str) -> list[int]:
        """The processes of jobs on a node, and the slurmstepds above them."""
        variables = {f"SLURMD_NODENAME={name}".encode(), b"SLURM_CONF=" + os.fsencode(self.conf)}
        steps = [
            process
            for process in processes()
            if variables <= set(environment_of(process).split(b"\0"))
        ]
        parents = {parent_of(process) for process in steps}
        return [
            *steps,
            *(parent for parent in parents if command_of(parent).startswith(b"slurmstepd")),
        ]

    def tidy(self) -> None:
        """Every node up, no job: what the next test starts from."""
        names = self.slurm("sinfo", "-hN", "-p", "gpu", "-o", "%N").split()
        for name in names:
            self.thaw(name)
        self.slurm("scancel", "--user", str(os.getuid()))
        wait_until(lambda: not self.slurm("squeue", "-h"), 30, "the jobs of the test end")
        for name in names:
            if self.node_state(name) in ("down", "drained"):
                self.node_up(name)
        wait_until(lambda: all(map(self.node_is_up, names)), 60, "the nodes are up again")


def wait_until(
    condition: Callable[[], bool], timeout_seconds: float, what: str, every: float = 0.1
) -> None:
    """Ask `every` so many seconds; AssertionError when the condition has not come true in time."""
    end = time.monotonic() + timeout_seconds
    while not condition():
        assert time.monotonic() < end, f"not within {timeout_seconds} s: {what}"
        time.sleep(every)


def script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=own_environment(),
        capture_output=True,
        text=True,
        timeout=120,
    )


def up(folder: Path, *options: str) -> Bed:
    """What `slurm/testbed up` starts; where SLURM is not installed, the test is skipped."""
    done = script("up", "--folder", str(folder), *options)
    if "not installed" in done.stderr:
        pytest.skip(f"SLURM is not installed here: {done.stderr.strip()}")
    assert done.returncode == 0, done.stderr
    return Bed(folder)


def down(folder: Path) -> None:
    done = script("down", "--folder", str(folder))
    assert done.returncode == 0, done.stderr


def own_environment() -> dict[str, str]:
    """What is in the environment, but for what another SLURM put there."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("SLURM", "SBATCH"))
    }


def processes() -> list[int]:
    return [int(entry) for entry in os.listdir("/proc") if entry.isdecimal()]


def environment_of(process: int) -> bytes:
    with suppress(OSError):  # it has ended, or is another user's
        return Path(f"/proc/{process}/environ").read_bytes()
    return b""


def command_of(process: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def parent_of(process: int) -> int:
    with suppress(OSError):
        return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])
    return 0
