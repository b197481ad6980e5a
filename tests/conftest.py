"""One thread: small ensembles are slower on two, and a lane's bits must not hang on the load. One
core for laws too.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from hypothesis import settings

os.environ.pop("COLUMNS", None)
import harness.show.console  # noqa: F401  its width is that of when it is first imported

settings.register_profile(
    "any machine", deadline=None
)  # an example's time says how busy the machine is
settings.load_profile("any machine")


def pytest_configure():
    """In the background of a script pytest and all its children would ignore the Ctrl-C that some
    tests send.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def _one_core(monkeypatch):
    monkeypatch.setattr("harness.study.tables.available_cores", lambda: 1)


@pytest.fixture
def here(tmp_path, monkeypatch) -> Path:
    """The test's own folder, which is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


class Disk(NamedTuple):
    """A file system of its own."""

    folder: Path

    def fill(self) -> None:
        """Until nothing more can be written, by whomever."""
        with open(self.folder / "ballast", "ab", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass

    def make_room(self) -> None:
        (self.folder / "ballast").unlink()

    def make_read_only(self) -> None:
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True)


@pytest.fixture
def disk() -> Iterator[Callable[..., Disk]]:
    """Makes a folder a file system of its own; the test is skipped where that is not allowed."""
    mounted: list[Path] = []

    def mount(folder: Path, size: str = "1m") -> Disk:
        folder.mkdir(parents=True)
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)],
            capture_output=True,
            text=True,
        )
        if done.returncode:
            pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return Disk(folder)

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
