"""What is learnt from files of the user's own: what this process has read of it, and what the
results folder keeps.

A file is read when an experiment is planned, and what is learnt of it is kept by its content
(`results/data/`). Processes that train read it there, on a cluster too.
"""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from harness.base.files import whole_file
from harness.spec.task import DATA_FILE, TEXT_FILE, RunTask
from harness.tasks.corpora import Corpus
from harness.tasks.data_file import FileData
from harness.tasks.target import TargetError

# By version, what this process has read: content is its own name, so that none of it is ever out of
# date.
_KNOWN: dict[str, Any] = {}


def know(target: FileData | Corpus) -> None:
    """Have `known_data` find it."""
    _KNOWN[target.version] = target


def known_data(task: RunTask) -> Any:
    """What a task learns from a file that this process has read; a TargetError if it has not."""
    if task.fingerprint not in _KNOWN:
        what = "text is" if task.is_text_file else "data are"
        raise TargetError(
            f"target {task.target}: its {what} not read yet; call `fetch_data` before"
        )
    return _KNOWN[task.fingerprint]


def keep_data(tasks: Iterable[RunTask], folder: Path) -> None:
    """Keep what tasks learn from files in `folder` (`results/data`), by its content; what is there
    stays.

    It is written anew where it is damaged, or columns or classes have other names now.
    """
    for task in _of_files(tasks):
        path, packed = _kept(task, folder), known_data(task).packed()
        if not path.exists() or path.read_bytes() != packed:
            folder.mkdir(parents=True, exist_ok=True)
            with whole_file(path) as new:
                new.write_bytes(packed)


def fetch_data(tasks: Iterable[RunTask], folder: Path) -> None:
    """Read what `keep_data` has kept in `folder` and this process does not know yet; a TargetError
    if it is damaged.
    """
    for task in _of_files(tasks):
        if task.fingerprint in _KNOWN:
            continue
        path, kind = _kept(task, folder), Corpus if task.is_text_file else FileData
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as kept:
                target = kind.unpacked(kept, task.fingerprint)
        except FileNotFoundError:
            is_absent, puts = (
                f"its rows are not in {path}",
                "puts them there, as does `harness run FILE`",
            )
            if task.is_text_file:
                is_absent, puts = f"its text is not in {path}", "puts it there"
            raise TargetError(
                f"target {task.target}: {is_absent}; `harness plan FILE` {puts}"
            ) from None
        except Exception as error:  # of a file that anything may have happened to
            raise TargetError(
                f"target {task.target}: {path} is damaged ({error}); remove it, and plan again"
            ) from None
        if target.version_of_content != task.fingerprint:
            raise TargetError(
                f"target {task.target}: {path} was changed since; remove it, and plan again"
            )
        know(target)


def _of_files(tasks: Iterable[RunTask]) -> Collection[RunTask]:
    """One task of each content."""
    return {
        task.fingerprint: task for task in tasks if task.is_data_file or task.is_text_file
    }.values()


def _kept(task: RunTask, folder: Path) -> Path:
    return folder / f"{task.fingerprint.removeprefix(DATA_FILE).removeprefix(TEXT_FILE)[:16]}.npz"
