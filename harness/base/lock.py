"""A lock: a file that only one process can make, and that says whose it is."""

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from harness.base.errors import INCOMPLETE, HarnessError


@contextmanager
def locked(path: Path, message: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path` while the block lasts; a HarnessError if another holds it for longer than this waits.

    The error begins with who that is, and goes on with `message`. The lock of a process of this machine that no longer
    lives is taken over.
    """
    since = datetime.now(UTC).isoformat(timespec="microseconds")
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
    deadline = time.monotonic() + wait_seconds
    while not (_made(path, owner) or _taken_over(path, owner)):
        if time.monotonic() >= deadline:
            holder = _owner(path)
            who = "process {pid} on {host}, since {since},".format(**holder) if holder else "another writer"
            raise HarnessError(f"{path}: {who} {message}", INCOMPLETE)
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


def _taken_over(path: Path, owner: str) -> bool:
    """Put this lock in the place of a stale one: of several that would, the one that is first to claim that."""
    stale, claim = _owner(path), path.with_suffix(".claim")
    is_stale = stale and stale["host"] == socket.gethostname() and not lives(stale["pid"])
    if not (is_stale and _made(claim, owner)):
        return False
    try:
        if _owner(path) != stale:  # it was taken over before this claim was made
            return False
        claim.replace(path)
        return True
    finally:
        claim.unlink(missing_ok=True)


def _owner(path: Path) -> dict[str, Any]:
    """Whose the lock is: nothing while it is being written or removed, or if it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def lives(pid: int) -> bool:
    """Whether there is a process of this id on this machine, be it somebody else's."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
