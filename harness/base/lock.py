"""A lock: a file that only one process can make, and that says whose it is."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from harness.base.errors import INCOMPLETE, HarnessError


@contextmanager
def locked(path: Path, told: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path` while the block lasts; a HarnessError if another holds it for longer than this waits.

    Its sentence begins with who that is, and goes on with what is `told`.
    """
    since = datetime.now(UTC).isoformat(timespec="microseconds")
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
    deadline = time.monotonic() + wait_seconds
    while not _made(path, owner):
        if time.monotonic() >= deadline:
            raise HarnessError(f"{path}: {_owner_words(path)} {told}", INCOMPLETE)
        time.sleep(0.01)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)


def _made(path: Path, owner: str) -> bool:
    try:
        with open(path, "x", encoding="utf-8") as file:
            file.write(owner)
        return True
    except FileExistsError:
        return False


def _owner_words(path: Path) -> str:
    """Whose the lock is; while it is being written or removed nobody knows."""
    try:
        return "process {pid} on {host}, since {since},".format(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError):
        return "another writer"


def lives(pid: int) -> bool:
    """Whether there is a process of this id on this machine, be it somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
