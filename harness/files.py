"""Files appear whole or not at all; and where those lie that can be made again."""

import os
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.errors import HarnessError


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
        raise HarnessError(f"{os_words(error, folder)}; choose another folder") from None


def os_words(error: OSError, folder: Path | None = None) -> str:
    """The path that an error is about (`folder` where it names none), and what is wrong with it."""
    path = Path(error.filename or folder or "a file")
    why = error.strerror
    if isinstance(error, FileExistsError):
        why = f"a link to {path.readlink()}, which is not there" if path.is_symlink() else "a file and no folder"
    return f"{path}: {why}"


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A temporary path to write to, which becomes `path` when the block ends well; else `path` stays as it was.

    It has the ending of `path`, by which some writers choose a format.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename in (None, str(temporary)):  # a full disk names none
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


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


def is_writable(folder: Path) -> bool:
    """Whether files can be made in the folder, which is made if it is not there."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False
