"""What was computed of laws, kept in an experiment's folder, so that no command computes it a second time.

    with keeping(folder, progress):
        prepare(laws.fit_law, calls, "laws")       # what is not kept yet, on several cores
        law = kept(laws.fit_law, x, y, "floor")    # as laws.fit_law(x, y, "floor"), bit for bit

Only functions of `harness.laws` and `harness.comparison` are called so: they hang on their arguments alone. A value is
kept under the hash of its function and arguments, and all values are dropped when the code of those rooms changes.
Outside of the block everything is computed anew.
"""

from __future__ import annotations

import base64
import copyreg
import hashlib
import importlib
import itertools
import json
import os
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

from harness import comparison, laws
from harness.base.files import whole_file
from harness.base.user_code import without_main
from harness.laws.law import LAWS, Law

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
    if key not in known.read and key in known.values:
        _load(known, key)
    if key not in known.read:
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


def _load(known: _Kept, key: str) -> None:
    """Read a value of the file; forget it if it is none of these rooms, as in a file of somebody else's."""
    try:
        known.read[key] = _value(json.loads(known.values[key]))
    except (TypeError, ValueError, LookupError, AttributeError, ImportError):
        del known.values[key]


def _remember(known: _Kept, key: str, value: Any) -> None:
    known.read[key] = value
    known.values[key] = _dumped(value)


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
            with without_main():  # this may start a process
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
    for room in (laws, comparison):
        for file in sorted(Path(str(room.__file__)).parent.glob("*.py")):
            digest.update(file.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------------------------- the file
# A line with the hash of the rest, a line with that of the code, and then a line a value: its key, its parts as JSON.
# What is not whole, or of other code, is computed again. So is a value of a type of another room, of which nothing is
# called, whoever has sealed the file.
def _read(file: Path) -> dict[str, bytes]:
    try:
        seal, code, *lines = file.read_bytes().split(b"\n")
    except (OSError, ValueError):
        return {}
    if seal != _seal(lines) or code != code_key().encode():
        return {}
    pairs = [line.split(b" ", 1) for line in lines]
    return {key.decode(): value for key, value in pairs}


def _write(values: dict[str, bytes], file: Path) -> None:
    lines = [key.encode() + b" " + value for key, value in list(values.items())[-MOST_KEPT:]]
    with whole_file(file) as path:
        path.write_bytes(b"\n".join([_seal(lines), code_key().encode(), *lines]))


def _seal(lines: Sequence[bytes]) -> bytes:
    return hashlib.sha256(b"\n".join(lines)).hexdigest().encode()


def _dumped(value: Any) -> bytes:
    return json.dumps(_plain(value)).encode()


def _plain(value: Any) -> Any:
    """A value in types that JSON has, every bit of it. What is no plain value is a list that begins with its kind."""
    match value:
        case np.ndarray() | np.generic():
            kind = "array" if isinstance(value, np.ndarray) else "scalar"
            content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
            return [kind, value.dtype.str, list(value.shape), content]
        case Law():
            return ["law", _law_name(value)]
        case _ if is_dataclass(value):
            return ["type", _type_name(type(value)), [_plain(getattr(value, one.name)) for one in fields(value)]]
        case tuple() if hasattr(value, "_fields"):
            return ["type", _type_name(type(value)), [_plain(one) for one in value]]
        case tuple() | list():
            return [type(value).__name__, [_plain(one) for one in value]]
        case dict():
            return ["dict", [[_plain(key), _plain(one)] for key, one in value.items()]]
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"{type(value).__name__} is no value that is kept")


def _value(plain: Any) -> Any:
    """The value that `_plain` was made of."""
    match plain:
        case ["array", dtype, shape, content]:
            return np.frombuffer(base64.b64decode(content), dtype).reshape(shape).copy()
        case ["scalar", dtype, _, content]:
            return np.frombuffer(base64.b64decode(content), dtype)[0]
        case ["law", name]:
            return LAWS[name]
        case ["type", name, content]:
            return _type_named(name)(*map(_value, content))
        case ["tuple", content]:
            return tuple(map(_value, content))
        case ["list", content]:
            return list(map(_value, content))
        case ["dict", pairs]:
            return {_value(key): _value(one) for key, one in pairs}
    return plain


def _type_name(of: type) -> str:
    return f"{of.__module__}.{of.__qualname__}"


@cache
def _type_named(name: str) -> type:
    """The type of a value of these rooms; a TypeError for any other."""
    module, _, own = name.rpartition(".")
    if module.startswith(("harness.laws.", "harness.comparison.")):
        found = getattr(importlib.import_module(module), own)
        if isinstance(found, type) and (is_dataclass(found) or issubclass(found, tuple)):
            return found
    raise TypeError(f"{name} is no type of a value that is kept")


def _law_named(name: str) -> Law:
    return LAWS[name]


def _law_name(law: Law) -> str:
    return next(name for name, one in LAWS.items() if one is law)


# Between processes; its curves are functions.
copyreg.pickle(Law, lambda law: (_law_named, (_law_name(law),)))
