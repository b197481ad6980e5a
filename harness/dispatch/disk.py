"""The files of a results folder on disk, and how many bytes they take."""

import os
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from harness.record.networks import FOLDER as NETWORKS

Progress = Callable[[str, int, int], None]  # what is looked at or removed, how many of them so far, and of how many

# What a folder of the results holds; all others are "other".
HOLDS = {"runs": "records", **{name: name for name in ("checkpoints", NETWORKS, "snapshots", "data")}}
NAMED = re.compile(r"[0-9a-f]{16}\b")  # by an id or a hash


class FileOnDisk(NamedTuple):
    """A file and its size in bytes."""

    path: Path
    bytes: int


def silent(what: str, done: int, of: int) -> None:
    """The `Progress` of work that tells nobody how far it is."""


def disk_bytes(results: Path) -> dict[str, int]:
    """Bytes of all files in a results folder, by what they are: records, checkpoints and so on, and "other"."""
    found = dict.fromkeys([*HOLDS.values(), "other"], 0)
    for top in entries(results):
        found[HOLDS.get(top.name, "other")] += bytes_below(top.path) if top.is_dir() else _bytes(top)
    return found


def entries(folder: Path | str) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing if it cannot be read."""
    with suppress(OSError), os.scandir(folder) as found:
        return list(found)
    return []


def bytes_below(folder: Path | str) -> int:
    """Bytes of all files below a folder; what vanishes meanwhile, or cannot be read, is left out."""
    return sum(
        bytes_below(entry.path) if entry.is_dir(follow_symlinks=False) else _bytes(entry) for entry in entries(folder)
    )


def files_in(folder: Path) -> Iterator[FileOnDisk]:
    """The files of a folder."""
    for entry in entries(folder):
        if not entry.is_dir(follow_symlinks=False):
            yield FileOnDisk(Path(entry.path), _bytes(entry))


def files_by_id(folder: Path, ending: str) -> Iterator[FileOnDisk]:
    """The files of a folder whose names begin with an id or a hash and have this ending."""
    return (file for file in files_in(folder) if NAMED.match(file.path.name) and file.path.name.endswith(ending))


def _bytes(entry: os.DirEntry[str]) -> int:
    with suppress(OSError):
        return entry.stat(follow_symlinks=False).st_size
    return 0
