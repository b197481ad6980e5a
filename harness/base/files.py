"""Files appear whole or not at all; where those lie that can be made again; and locks.

A lock is a file that only one process can make, and that says whose it is.
"""

import errno
import json
import os
import re
import shutil
import socket
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from harness.base.errors import INCOMPLETE, HarnessError

NAME = re.compile(
    r"[A-Za-z0-9_=+][A-Za-z0-9._=+-]*"
)  # which every file system, shell and scheduler takes as it is
UNFINISHED = re.compile(r"\.[0-9a-f]{32}(\.\w+)?")
NO_LINKS = (
    errno.EPERM,
    errno.EACCES,
    errno.ENOSYS,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
)  # a file system without them
FULL = (errno.ENOSPC, errno.EDQUOT)  # a disk, or what a user may have of it
STALE_SECONDS = 3600.0  # nobody writes one file, or copies one snapshot, for so long


def check_name(name: str, subject: str) -> None:
    """A HarnessError about `subject` if a folder of results may not be called `name`."""
    if not NAME.fullmatch(name):
        allowed = "A-Z, a-z, 0-9, _, = and + are allowed, and . and - after the first of them"
        problem = f"it names a results folder, which cannot be called {name!r}"
        raise HarnessError(f"{subject}: {problem}; rename it: {allowed}")


def check_writable(folder: Path) -> None:
    """Make the folder if need be; a HarnessError if nothing can be written into it."""
    probe = folder / ".writable"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_text("a full disk takes names, but no content", encoding="utf-8")
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        raise unwritable(error, folder) from None


def is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made if it is not there."""
    try:
        check_writable(folder)
    except HarnessError:
        return False
    return True


def unwritable(error: OSError, folder: Path | None = None) -> HarnessError:
    """What to tell of a file that cannot be written, and the next move: a full disk is no mistake
    of the command's.
    """
    if error.errno in FULL:
        return HarnessError(
            f"{os_words(error, folder)}; make room there, and run the same command again",
            INCOMPLETE,
        )
    move = "ask its owner" if isinstance(error, PermissionError) else "move it away"
    return HarnessError(f"{os_words(error, folder)}; {move} or choose another `results` folder")


def os_words(error: OSError, folder: Path | None = None) -> str:
    """The path that an error is about (`folder` where it names none), and what is wrong with it."""
    path = Path(error.filename or folder or "a file")
    why = error.strerror
    if isinstance(error, FileExistsError):
        why = (
            f"a link to {path.readlink()}, which is not there"
            if path.is_symlink()
            else "a file and no folder"
        )
    return f"{path}: {why}"


def check_regular(path: Path) -> None:
    """An OSError if the path is there and is no file or folder: a device or a pipe may never
    end.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "no regular file", str(path))


def private_folder(folder: Path, shared: bool = False) -> None:
    """Make a folder of what jobs run or go on from: for its user alone, or `shared` with the group
    of the one above.

    One that is there stays as it is.
    """
    is_new = not folder.is_dir()
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if is_new and shared:
        folder.chmod(0o2770)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends well; else `path`
    stays as it was.

    It has the ending of `path`, by which some writers choose a format.
    """
    temporary = unfinished(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a full disk names none
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_whole(path: Path, text: str) -> None:
    """Write a file whole or not at all, in place of an older one."""
    with whole_file(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def unfinished(path: Path) -> Path:
    """A name beside `path` for what is not whole yet; what killed processes left under such names
    is removed.
    """
    _remove_stale(path.parent)
    return path.with_name(f".{uuid.uuid4().hex}{path.suffix}")


@cache  # once a process is often enough, and large folders take their time
def _remove_stale(folder: Path) -> None:
    with suppress(OSError), tempfile.TemporaryFile(dir=folder) as new:
        now = os.fstat(
            new.fileno()
        ).st_mtime  # by the file server's clock, which the others' times are of
        for path in folder.iterdir():
            with suppress(OSError):  # another process removes them too
                if UNFINISHED.fullmatch(path.name) and now - path.lstat().st_mtime > STALE_SECONDS:
                    shutil.rmtree(path) if path.is_dir() else path.unlink()


def user_cache() -> Path:
    """The user's folder for what can be made again; HARNESS_CACHE names another."""
    if chosen := os.environ.get("HARNESS_CACHE"):
        return Path(chosen).expanduser()
    if sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home()))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "kan-mlp-harness"


def listed(folder: Path) -> list[Path]:
    """What is in a folder, by name: nothing if it is not there, and an OSError if it may not be
    read.
    """
    try:
        return [folder / name for name in sorted(os.listdir(folder))]
    except FileNotFoundError:
        return []


# --------------------------------------------------------------------------------------------------
# locks
@contextmanager
def locked(path: Path, message: str, wait_seconds: float = 0.0) -> Iterator[None]:
    """Hold the lock at `path` while the block lasts; a HarnessError if another holds it for longer
    than this waits.

    The error begins with who that is, and goes on with `message`. The lock of a process of this
    machine that no longer lives is taken over.
    """
    since = datetime.now(UTC).isoformat(timespec="microseconds")
    owner = json.dumps({"host": socket.gethostname(), "pid": os.getpid(), "since": since})
    deadline = time.monotonic() + wait_seconds
    while not (_made(path, owner) or _taken_over(path, owner)):
        if time.monotonic() >= deadline:
            holder = _owner(path)
            who = (
                "process {pid} on {host}, since {since},".format(**holder)
                if holder
                else "another writer"
            )
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
    """Put this lock in the place of a stale one: of several that would, the one that is first to
    claim that.
    """
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
