"""Where a number was made: code, versions, machine; and whether this machine has what an experiment
asks for.
"""

import hashlib
import json
import os
import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

from harness import __version__
from harness.base.errors import INCOMPLETE, HarnessError

PACKAGES = ("torch", "numba", "llvmlite", "numpy", "scipy")
CODE = ("--", ".", ":(exclude)results")  # all of a checkout but what its runs came to
PACKAGE = Path(__file__).parents[1]
# The rooms that decide a run's bits. Only their source tells code from code: a changed page of a
# report does not.
ROOMS = ("base", "families", "optimisers", "spec", "tasks", "count", "train")
MARKER = "harness-snapshot.json"  # in every snapshot's folder: what the code in it is


class Code(NamedTuple):
    """Which code: the commit of its checkout, whether that was changed since, and the snapshot that
    it runs from.

    Outside of git there is neither commit nor `dirty`, outside of snapshots no `snapshot`.
    """

    commit: str | None
    dirty: bool | None
    snapshot: str | None


@cache
def code() -> Code:
    """The code of this package, as it was when first asked: this process goes on with what it has
    loaded.
    """
    file = Path(__file__)
    if folder := snapshot_around(file):
        marker = read_marker(folder)
        return Code(marker["commit"], marker["dirty"], marker["hash"])
    return Code(*commit_and_dirty(checkout_around(file)), snapshot=None)


@cache
def source_hash() -> str:
    """12 hex digits over the source of all that computes, as it was when first asked."""
    digest = hashlib.sha256()
    paths: list[Path] = []
    for room in ROOMS:
        paths += (PACKAGE / room).rglob("*.py")
    for path in sorted(paths):
        digest.update(f"{path.relative_to(PACKAGE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def commit_and_dirty(checkout: Path | None) -> tuple[str | None, bool | None]:
    """The commit of a checkout and whether it was changed since; both None without one, or before
    its first commit.

    What is kept in its results/ is no code.
    """
    if checkout is None:
        return None, None
    try:
        return git(checkout, "rev-parse", "HEAD").strip(), bool(
            git(checkout, "status", "--porcelain", *CODE)
        )
    except (OSError, subprocess.CalledProcessError):
        return None, None


def checkout_around(path: Path) -> Path | None:
    """The git checkout that `path` belongs to; None outside of git, and where git ignores it, as in
    a `.venv`.
    """
    folder = path if path.is_dir() else path.parent
    try:
        top = Path(git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
        ignored = subprocess.run(
            ["git", "-C", str(folder), "check-ignore", "-q", str(path)], capture_output=True
        )
        return None if ignored.returncode == 0 else top
    except (OSError, subprocess.CalledProcessError):
        return None


def snapshot_around(path: Path) -> Path | None:
    """The folder of the snapshot that `path` lies in, if it does."""
    return next((folder for folder in path.absolute().parents if (folder / MARKER).is_file()), None)


def read_marker(folder: Path) -> dict:
    """What a snapshot says of itself: `hash`, `commit`, `dirty`, `taken_at`, `sources`; a
    HarnessError if damaged.
    """
    try:
        marker = json.loads((folder / MARKER).read_text(encoding="utf-8"))
        return {name: marker[name] for name in ("hash", "commit", "dirty", "taken_at", "sources")}
    except (OSError, ValueError, LookupError, TypeError):
        raise HarnessError(
            f"{folder / MARKER} is damaged; remove {folder} and submit again", INCOMPLETE
        ) from None


def git(folder: Path, *arguments: str) -> str:
    """What git says in a folder, untouched; CalledProcessError if it refuses, OSError if there is
    no git.
    """
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(
        command, check=True, capture_output=True, text=True, errors="surrogateescape"
    ).stdout


@cache
def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries that compute."""
    installed = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "harness": __version__, **installed}


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def processor() -> str:
    """The processor's model name, as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(
            line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")
        )
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def why_no_device(device: str) -> str:
    """Why nothing can train on a device here, `cpu` or `cuda`; empty if it can."""
    if device == "cpu":
        return ""
    import torch  # takes seconds, which commands about CPUs need not wait for

    return "" if torch.cuda.is_available() else "device: cuda, but torch sees no GPU here"
