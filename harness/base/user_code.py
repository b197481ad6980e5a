"""The user's own code: found from the folder they run in, identified by its source so that edited
code is a new run.

It may do anything, but it decides neither how the harness ends nor what the harness computes: see
`calling_user_code`.
"""

import hashlib
import importlib
import importlib.util
import inspect
import io
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache
from types import ModuleType
from typing import Any, NoReturn, TextIO

from harness.base.errors import HarnessError, UserCodeError

# How much of the message of a user's exception is told.
LONGEST_MESSAGE = 500
_threads: weakref.WeakSet[threading.Thread] = weakref.WeakSet()


@contextmanager
def calling_user_code(
    where: str, error: type[HarnessError] = UserCodeError, seed: int | None = None
) -> Iterator[None]:
    """Whatever the user's code raises in this block, SystemExit too, becomes `error`: one line that
    begins `where`.

    What it prints goes to stderr. Afterwards the global generators of numpy, Python and torch, the
    current folder, numpy's handling of floating-point errors and the filters of warnings are what
    they were before. In the block numpy's and Python's generators start from `seed`, or from
    chance. Ctrl-C goes through as a KeyboardInterrupt, even if the user's code catches it.
    """
    import numpy as np  # here, as experiment files are read without it

    with ExitStack() as stack:
        stack.enter_context(_noting_threads())
        stack.enter_context(redirect_stdout(_prints()))
        stack.enter_context(redirect_stderr(_prints()))
        stack.enter_context(chdir("."))  # back to this folder in the end
        stack.enter_context(np.errstate())
        stack.enter_context(warnings.catch_warnings())
        stack.enter_context(_own_generators(seed))
        stack.enter_context(_staying())
        interrupts = stack.enter_context(_interrupts())
        try:
            yield
        except HarnessError:
            raise
        except BaseException as problem:  # whatever it is, it is the user's to mend
            if not interrupts:
                raise error(f"{where}: {_in_one_line(problem)}") from problem
        if interrupts:
            raise KeyboardInterrupt


def user_module(reference: str, noun: str, error: type[HarnessError] = UserCodeError) -> ModuleType:
    """The Python module of `package.module:name`, imported from the current folder as well as the
    Python path.

    A line on stderr says so before, as that runs its code. Raises `error` if that fails, which
    calls it a `noun`.
    """
    name, colon, attribute = reference.partition(":")
    if not (name and colon and attribute):
        raise error(
            f"{noun} {reference}: write package.module:name, such as my_code:{attribute or 'name'}"
        )
    folder = os.getcwd()
    if (
        folder not in sys.path and not sys.flags.safe_path
    ):  # jobs of a sweep run a snapshot of the code
        sys.path.insert(
            0, folder
        )  # the `harness` script's own folder is on the path, the user's is not
    if (
        name not in sys.modules and multiprocessing.parent_process() is None
    ):  # workers need not say it again
        print(
            f"importing {name}{_file_of(name)}, which runs its code: {noun} {reference} is in it",
            file=sys.stderr,
        )
    try:
        with calling_user_code(f"{noun} {reference}: importing {name} failed", error, seed=0):
            return importlib.import_module(name)
    except error as problem:
        raise error(f"{problem} (looked in {folder} and on the Python path)") from problem.__cause__


def version_of(
    definition: Any, reference: str, noun: str, error: type[HarnessError] = UserCodeError
) -> str:
    """The `version` that a function or class declares, else the SHA-256 of the source file that
    defines it.

    Helpers in the same file count; helpers imported from elsewhere do not: declare a `version`
    where they matter.
    """
    with calling_user_code(f"{noun} {reference}: its version cannot be read", error):
        version = getattr(definition, "version", None)
        if version is not None and not isinstance(version, str | int | float | tuple):
            raise error(
                f"{noun} {reference}: its version is of type {type(version).__name__}; give a "
                "number or text"
            )
        if version is not None:
            return f"version {version}"
        try:
            with open(inspect.getsourcefile(inspect.unwrap(definition)) or "", "rb") as file:
                return f"sha256 {hashlib.sha256(file.read()).hexdigest()}"
        except (OSError, TypeError):
            raise error(
                f"{noun} {reference}: its source cannot be read; give it a `version`"
            ) from None


@contextmanager
def without_main() -> Iterator[None]:
    """Processes that start in the block do not import the caller's main module, whose code would
    run again there.

    It may be a user's script that trains, and a worker needs nothing of it.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def end_now_if_threads_are_left(exit_code: int) -> None:
    """End this process at once if a thread that the user's code started is alive, which Python
    might wait for.
    """
    if any(thread.is_alive() for thread in _threads):
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # it is full, or closed
                stream.flush()
        os._exit(exit_code)


def _in_one_line(problem: BaseException) -> str:
    try:
        words = " ".join(str(problem).split())
    except BaseException:  # its __str__ is the user's code too
        words = "(its message cannot be read)"
    short = words if len(words) <= LONGEST_MESSAGE else f"{words[:LONGEST_MESSAGE]} …"
    return f"{type(problem).__name__}: {short}" if words else type(problem).__name__


def _file_of(module: str) -> str:
    """Where the module, or the package that it is in, would be imported from, if that can be seen
    without doing so.
    """
    try:
        spec = importlib.util.find_spec(module.partition(".")[0])
    except (ImportError, ValueError):  # the import says what is wrong
        return ""
    return f" from {spec.origin}" if spec and spec.origin else ""


class _Prints(io.TextIOWrapper):
    """A stream to stderr that cannot be closed."""

    def close(self) -> None:
        self.flush()


@cache
def _prints() -> TextIO:
    """Where the user's code prints: one stream for ever, as a handler of its log may keep it."""
    where = 2 if sys.__stderr__ else os.open(os.devnull, os.O_WRONLY)
    file = io.BufferedWriter(io.FileIO(where, "w", closefd=False))
    return _Prints(file, errors="backslashreplace", line_buffering=True)


@contextmanager
def _noting_threads() -> Iterator[None]:
    before = set(threading.enumerate())
    try:
        yield
    finally:
        _threads.update(set(threading.enumerate()) - before)


@contextmanager
def _staying() -> Iterator[None]:
    """In this thread `os._exit` raises SystemExit, so that what the user's code ends does not look
    like success.
    """
    leave, here = os._exit, (os.getpid(), threading.get_ident())

    def leave_elsewhere(status: int) -> NoReturn:
        if (
            os.getpid(),
            threading.get_ident(),
        ) != here:  # a process that the user's code has forked, or a thread
            leave(status)
        raise SystemExit(f"os._exit({status})")

    os._exit = leave_elsewhere
    try:
        yield
    finally:
        os._exit = leave


@contextmanager
def _own_generators(seed: int | None) -> Iterator[None]:
    """The global generators of numpy and Python start from `seed` in the block; torch's too is as
    before after it.
    """
    import numpy as np

    of_numpy = np.random.get_bit_generator()  # type: ignore[attr-defined]
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002
    python_state = random.getstate()
    torch = sys.modules.get("torch")  # a task without it does not wait for its import
    torch_state = torch.get_rng_state() if torch else None
    np.random.set_bit_generator(np.random.MT19937(seed))  # type: ignore[attr-defined]
    random.seed(seed)
    try:
        yield
    finally:
        np.random.set_bit_generator(of_numpy)  # type: ignore[attr-defined]
        np.random.set_state(numpy_state)  # noqa: NPY002
        random.setstate(python_state)
        if torch:
            torch.set_rng_state(torch_state)


@contextmanager
def _interrupts() -> Iterator[list[KeyboardInterrupt]]:
    """The interrupts in the block that a signal caused: code can raise a KeyboardInterrupt of its
    own.
    """
    heard: list[KeyboardInterrupt] = []
    before: Any = signal.getsignal(signal.SIGINT)

    def hear(number: int, frame: Any) -> None:
        try:
            before(number, frame)
        except KeyboardInterrupt as interrupt:
            heard.append(interrupt)
            raise

    with handling([signal.SIGINT] if callable(before) else [], hear):  # else none are raised
        yield heard


@contextmanager
def handling(
    numbers: Collection[signal.Signals], handler: Callable[[int, Any], None]
) -> Iterator[None]:
    """Have these signals handled so while the block lasts; only the main thread has a say in
    that.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
