"""What was computed of laws, kept in an experiment's folder, so that no command computes it a
second time.

    with keeping(folder, progress):
        prepare(laws.fit_law, calls, "laws")       # what is not kept yet, on several cores
        law = kept(laws.fit_law, x, y, "floor")    # as laws.fit_law(x, y, "floor"), bit for bit

Only functions of `harness.laws` and `harness.comparison` are called so: they hang on their
arguments alone. A value is kept under the hash of its function and arguments. All values are
dropped when the code of these rooms or of `base` changes. Outside of the block everything is
computed anew.
"""

import copyreg
import hashlib
import io
import os
import pickle
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field, is_dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

import numpy as np
import scipy

from harness import base, comparison, laws
from harness.base.files import whole_file
from harness.base.user_code import without_main
from harness.laws.law import LAWS, Law, above

KEPT_FILE = "fits.kept"
MOST_KEPT = 20_000  # values in the file, 3 kB each; those that were computed last stay
FEW = 6  # calls take less time here than another process takes to start
MOST_PROCESSES = 8  # more take longer to start than they save
Call = tuple[Any, ...]  # the arguments of a function
Progress = Callable[
    [str, int, int], None
]  # what is computed, how many of them are done, and of how many


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


# --------------------------------------------------------------------------------------------------
# the seam
@contextmanager
def keeping(
    folder: Path, progress: Progress = lambda what, done, of: None, cores: int = 1
) -> Iterator[None]:
    """Within the block, `kept` finds what earlier commands left in the folder, and leaves there
    what it computes.

    A block within a block is part of the outer one. A folder that cannot be written to is only
    read. On several `cores` processes are started, which a script without `if __name__ ==
    "__main__"` cannot do.
    """
    if _current.get():
        yield
        return
    file = folder / KEPT_FILE
    with ExitStack() as at_exit:
        block = _Kept(_read(file), progress, cores, at_exit)
        token = _current.set(block)
        try:
            yield
        finally:
            _current.reset(token)
            if block.is_new and os.access(folder, os.W_OK):
                _write(block.values, file)


def kept(function: Callable[..., Any], *arguments: Any) -> Any:
    """The function's value for the arguments: computed once in a block, and read from the file by
    the next block.
    """
    block = _current.get()
    if block is None:
        return function(*arguments)
    key = _key(function, arguments)
    if key not in block.read and key in block.values:
        try:
            block.read[key] = _Reader(io.BytesIO(block.values[key])).load()
        except (
            Exception
        ):  # damaged bytes, or no type of these rooms: pickle raises whatever it happens to meet
            del block.values[key]
    if key not in block.read:
        block.is_new = True
        _remember(block, key, function(*arguments))
    return block.read[key]


def prepare(function: Callable[..., Any], calls: Iterable[Call], what: str) -> None:
    """Compute for all of these arguments what is not kept yet, on all cores of the block; `kept`
    then has it at once.

    `what` they are is for the progress. Nothing is done outside of the block of `keeping`.
    """
    block = _current.get()
    if block is None:
        return
    keyed = {_key(function, call): call for call in calls}
    absent = {
        key: call
        for key, call in keyed.items()
        if key not in block.read and key not in block.values
    }
    if not absent:
        return
    block.is_new = True
    for done, (key, value) in enumerate(_computed(block, function, absent), start=1):
        _remember(block, key, value)
        block.progress(what, done, len(absent))


def _remember(block: _Kept, key: str, value: Any) -> None:
    block.read[key] = value
    block.values[key] = pickle.dumps(value, protocol=4)


def _computed(
    block: _Kept, function: Callable[..., Any], calls: dict[str, Call]
) -> Iterator[tuple[str, Any]]:
    """The key and value of each call: each process has its share, this one the last. Where one
    dies, this does its.
    """
    elsewhere: dict[str, Future[Any]] = {}
    cores = min(block.cores, MOST_PROCESSES)
    if len(calls) > FEW and cores > 1:
        if block.pool is None:
            block.pool = ProcessPoolExecutor(
                cores - 1, mp_context=get_context("spawn"), initializer=_begin
            )
            block.at_exit.callback(block.pool.shutdown, cancel_futures=True)
        with suppress(BrokenExecutor), without_main():  # this may start a process
            for key, call in list(calls.items())[: -len(calls) // cores]:
                elsewhere[key] = block.pool.submit(function, *call)
    for key in sorted(calls, key=elsewhere.__contains__):
        try:
            yield key, elsewhere[key].result() if key in elsewhere else function(*calls[key])
        except BrokenExecutor:
            block.cores = 1
            yield key, function(*calls[key])


def _begin() -> None:
    """A process that computes: Ctrl-C is for its parent, and it ends with that."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


# --------------------------------------------------------------------------------------------------
# keys
def _key(function: Callable[..., Any], arguments: Sequence[Any]) -> str:
    """The hash of everything in the arguments, by value: what is there twice is written twice."""
    content = io.BytesIO()
    pickler = pickle.Pickler(content, protocol=4)
    pickler.fast = True
    pickler.dump((function.__module__, function.__qualname__, tuple(arguments)))
    return hashlib.sha256(content.getvalue()).hexdigest()[:32]


@cache
def code_key() -> str:
    """The hash of all that decides what these functions return, beside their arguments."""
    digest = hashlib.sha256(
        f"{sys.version} numpy {np.__version__} scipy {scipy.__version__}".encode()
    )
    for room in (base, laws, comparison):
        for file in sorted(Path(str(room.__file__)).parent.glob("*.py")):
            digest.update(file.read_bytes())
    digest.update(Path(__file__).read_bytes())
    return digest.hexdigest()


# --------------------------------------------------------------------------------------------------
# the file A line with the hash of the rest, a line with that of the code, and then pickled values
# by their keys. What is not whole, or of other code, is computed again.
def _read(file: Path) -> dict[str, bytes]:
    try:
        seal, code, values = file.read_bytes().split(b"\n", 2)
        is_whole = seal == _seal(code + values) and code == code_key().encode()
        return dict(_Reader(io.BytesIO(values)).load()) if is_whole else {}
    except Exception:  # as in `kept`
        return {}


def _write(values: dict[str, bytes], file: Path) -> None:
    code, last = (
        code_key().encode(),
        pickle.dumps(dict(list(values.items())[-MOST_KEPT:]), protocol=4),
    )
    with whole_file(file) as path:
        path.write_bytes(b"\n".join([_seal(code + last), code, last]))


def _seal(content: bytes) -> bytes:
    return hashlib.sha256(content).hexdigest().encode()


def _law_of(names: tuple[str, ...], known_floor: float | None) -> Law:
    """The law whose parameters have these names; with a known floor the one above that."""
    return (
        next(law for law in LAWS.values() if law.names == names)
        if known_floor is None
        else above(known_floor)
    )


copyreg.pickle(Law, lambda law: (_law_of, (law.names, law.known_floor)))  # its curves are functions

# Besides values of these rooms, pickle makes arrays and numbers of numpy by these.
MAKERS: tuple[Any, ...] = (
    np.ndarray,
    np.dtype,
    np.array(0.0).__reduce__()[0],
    np.float64(0).__reduce__()[0],
    _law_of,
)
MADE_BY = {(maker.__module__, maker.__qualname__) for maker in MAKERS}


class _Reader(pickle.Unpickler):
    """Reads values of the rooms of laws and comparisons; of any other type, whoever has sealed the
    file, nothing is imported or called.
    """

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in MADE_BY:
            return super().find_class(module, name)
        if (
            module.startswith(("harness.laws.", "harness.comparison.", "harness.base.reasons"))
            and name.isidentifier()
        ):
            kind = super().find_class(module, name)
            if isinstance(kind, type) and (is_dataclass(kind) or issubclass(kind, tuple)):
                return kind
        raise pickle.UnpicklingError(f"{module}.{name} is no type of a value that is kept")
