"""Where a number was made: commit, versions, machine."""

import platform
import socket
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

PACKAGES = ("torch", "numba", "llvmlite", "numpy", "scipy")


@cache
def commit_and_dirty() -> tuple[str | None, bool | None]:
    """The commit of the checkout that holds this package and whether it was changed since; (None, None) outside git.

    As it was when first asked: this process goes on with the code that it has loaded.
    """
    folder = Path(__file__).parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return commit, bool(_git(folder, "status", "--porcelain"))
    except (OSError, subprocess.CalledProcessError):
        return None, None


def versions() -> dict[str, str]:
    """Versions of Python, of this package and of the libraries that compute."""
    return dict(_versions())


@cache
def _versions() -> dict[str, str]:
    installed = {name: version(name) for name in PACKAGES}
    return {"python": platform.python_version(), "harness": version("kan-mlp-harness"), **installed}


def host() -> str:
    """This machine's name."""
    return socket.gethostname()


def processor() -> str:
    """The processor's model name, as the operating system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
