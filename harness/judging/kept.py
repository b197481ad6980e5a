"""What was computed of laws, kept in an experiment's folder, so that no command computes it a second time.

    with keeping(folder, progress):
        prepare(fit.fit_law, calls, "laws")       # what is not kept yet, on several cores
        law = kept(fit.fit_law, x, y, "floor")    # as fit.fit_law(x, y, "floor"), bit for bit

Only functions of `harness.fit` and `harness.comparison` are called so: they hang on their arguments alone. A value is
kept under the hash of its function and arguments, and all values are dropped when the code of those rooms changes.
Outside of the block everything is computed anew.
"""

from __future__ import annotations

import copyreg
import hashlib
import io
import itertools
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from harness import comparison, fit
from harness.base.files import whole_file
from harness.fit.laws import LAWS, Law

KEPT_FILE = "fits.kept"
MOST_KEPT = 20_000  # values in the file, 3 kB each; those that were computed last stay
FEW = 6  # calls take less time here than another process takes to start
MOST_PROCESSES = 8  # more take longer to start than they save
Call = tuple[Any, ...]  # the arguments of a function
Progress = Callable[[str, int, int], None]  # what is computed, how many of them are done, and of how many


@dataclass
class _Kept:
    """The values by their keys, as bytes that are only read when they are asked for."""

    values: dict[str, bytes]
    progress: Progress
    cores: int
    at_exit: ExitStack
    read: dict[str, Any] = field(default_factory=dict)
    is_new: bool = False
    pool: ProcessPoolExecutor | None = None


_current: ContextVar[_Kept | None] = ContextVar("_current", default=None)


# ------------------------------------------------------------------------------------------------------------- the seam
@contextmanager
def keeping(folder: Path, progress: Progress = lambda what, done, of: None, cores: int = 1) -> Iterator[None]:
    """Within the block, `kept` finds what earlier commands left in the folder, and leaves there what it computes.

    A block within a block is part of the outer one. A folder that cannot be written to is only read. On several `cores`
    processes are started, which a script without `if __name__ == "__main__"` cannot do.
    """
    if _current.get():
        yield
        return
    file = folder / KEPT_FILE
    with ExitStack() as at_exit:
        known = _Kept(_read(file), progress, cores, at_exit)
        token = _current.set(known)
        try:
            yield
        finally:
            _current.reset(token)
            if known.is_new and os.access(folder, os.W_OK):
                _write(known.values, file)


def kept(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value for the arguments: computed once in a block, and read from the file by the next block."""
    known = _current.get()
    if known is None:
        return function(*arguments)
    key = _key(function, arguments)
    if key not in known.read:
        if key in known.values:
            known.read[key] = _loaded(known.values[key])
        else:
            known.is_new = True
            _remember(known, key, function(*arguments))
    return known.read[key]


def prepare(function: Callable[..., Any], calls: Iterable[Call], what: str) -> None:
    """Compute for all of these arguments what is not kept yet, on all cores of the block; `kept` then has it at once.

    `what` they are is for the progress. Nothing is done outside of the block of `keeping`.
    """
    known = _current.get()
    if known is None:
        return
    keyed = {_key(function, call): call for call in calls}
    absent = {key: call for key, call in keyed.items() if key not in known.read and key not in known.values}
    if not absent:
        return
    known.is_new = True
    ended = itertools.count(1)
    for key, value in _computed(known, function, absent, lambda: known.progress(what, next(ended), len(absent))):
        _remember(known, key, value)


def tell(what: str, done: int, of: int) -> None:
    """Tell whoever opened the block how far something else is that takes seconds."""
    if known := _current.get():
        known.progress(what, done, of)


def _remember(known: _Kept, key: str, value: Any) -> None:
    known.read[key] = value
    known.values[key] = pickle.dumps(value)


def _computed(
    known: _Kept, function: Callable[..., Any], calls: dict[str, Call], ended: Callable[[], None]
) -> Iterator[tuple[str, Any]]:
    """The key and value of each call: this process begins at one end of the list, others at the other.

    `ended` hears of each when it is done, by whomever. Where a process dies, this one does the rest.
    """
    waiting = deque(calls.items())
    elsewhere: dict[Future[Any], str] = {}
    while waiting or elsewhere:
        if len(calls) > FEW and known.cores > 1:
            _hand_out(known, function, waiting, elsewhere)
        if waiting:
            key, call = waiting.pop()
            yield key, function(*call)
            ended()
        finished, _ = wait(elsewhere, timeout=0 if waiting else None, return_when=FIRST_COMPLETED)
        for future in finished:
            key = elsewhere.pop(future)
            if isinstance(future.exception(), BrokenExecutor):
                known.cores = 1
                waiting.append((key, calls[key]))
            else:
                yield key, future.result()
                ended()


def _hand_out(
    known: _Kept,
    function: Callable[..., Any],
    waiting: deque[tuple[str, Call]],
    elsewhere: dict[Future[Any], str],
) -> None:
    """Give the other processes, which are started if there are none, what they compute next."""
    workers = min(known.cores, MOST_PROCESSES) - 1
    if known.pool is None:
        known.pool = ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_begin)
        known.at_exit.callback(known.pool.shutdown, cancel_futures=True)
    while waiting and len(elsewhere) < 2 * workers:
        key, call = waiting[0]
        try:
            elsewhere[known.pool.submit(function, *call)] = key
        except BrokenExecutor:
            known.cores = 1
            return
        waiting.popleft()


def _begin() -> None:
    """A process that computes: Ctrl-C is for its parent, and it ends with that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


# ---------------------------------------------------------------------------------------------------------------- keys
def _key(function: Callable[..., Any], arguments: Sequence[Any]) -> str:
    digest = hashlib.sha256(f"{function.__module__}.{function.__qualname__}".encode())
    for part in _parts(tuple(arguments)):
        digest.update(part)
    return digest.hexdigest()[:32]


def _parts(value: Any) -> Iterator[bytes]:
    """The bytes of everything in a value, with what it is and how long, so that no two values have the same ones."""
    match value:
        case np.ndarray():
            yield f"{value.dtype.str}{value.shape}".encode()
            yield np.ascontiguousarray(value).tobytes()
        case Law():
            yield _law_name(value).encode()
        case _ if is_dataclass(value):
            yield type(value).__qualname__.encode()
            for one in fields(value):
                yield from _parts(getattr(value, one.name))
        case tuple() | list():
            yield f"({len(value)}".encode()
            for one in value:
                yield from _parts(one)
        case dict():
            yield from _parts(tuple(value.items()))
        case None | bool() | int() | float() | str() | np.generic():
            yield f"{type(value).__name__}{value!r};".encode()
        case _:
            raise TypeError(f"no key is made of {type(value).__name__}")


@cache
def code_key() -> str:
    """The hash of all that decides what these functions return, beside their arguments."""
    digest = hashlib.sha256(f"{sys.version} numpy {np.__version__} scipy {scipy.__version__}".encode())
    for room in (fit, comparison):
        for file in sorted(Path(str(room.__file__)).parent.glob("*.py")):
            digest.update(file.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------------------- the file
# A line with the hash of the rest and a line with that of the code, and then the values. What is not whole, or of other
# code, is made again. Values are pickled, but only values of these rooms are read: a file from elsewhere runs nothing.
def _read(file: Path) -> dict[str, bytes]:
    try:
        seal, code, values = file.read_bytes().split(b"\n", 2)
    except (OSError, ValueError):
        return {}
    if seal != _seal(values) or code != code_key().encode():
        return {}
    found: dict[str, bytes] = _loaded(values)
    return found


def _write(values: dict[str, bytes], file: Path) -> None:
    kept_last = dict(list(values.items())[-MOST_KEPT:])
    data = pickle.dumps(kept_last)
    with whole_file(file) as path:
        path.write_bytes(b"\n".join([_seal(data), code_key().encode(), data]))


def _seal(values: bytes) -> bytes:
    return hashlib.sha256(values).hexdigest().encode()


class _Values(pickle.Unpickler):
    """Reads values of the rooms whose functions are kept, and arrays."""

    def find_class(self, module: str, name: str) -> Any:
        """The type of that name; an UnpicklingError for anything that could do more than hold numbers."""
        if (module, name) in ARRAYS or (module == __name__ and name == _law_named.__name__):
            return super().find_class(module, name)
        if module.startswith(("harness.fit.", "harness.comparison.")):
            found = super().find_class(module, name)
            if isinstance(found, type) and (is_dataclass(found) or issubclass(found, tuple)):
                return found
        raise pickle.UnpicklingError(f"{module}.{name} is no value of a fit")


def _loaded(data: bytes) -> Any:
    return _Values(io.BytesIO(data)).load()


# What numpy's arrays and numbers are pickled by.
ARRAYS = (
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
)


def _law_named(name: str) -> Law:
    return LAWS[name]


def _law_name(law: Law) -> str:
    return next(name for name, one in LAWS.items() if one is law)


copyreg.pickle(Law, lambda law: (_law_named, (_law_name(law),)))  # its curves are functions
