"""How kernels are compiled, and where the results are kept: a folder for this very source, compiler
and processor.

numba's own rule, one cache a file, keeps stale code when a function that is called lies in another
file.
"""

from __future__ import annotations

import atexit
import hashlib
import itertools
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite  # type: ignore[import-untyped]
import llvmlite.binding  # type: ignore[import-untyped]
import numba
from numba.core.bytecode import FunctionIdentity
from numba.core.caching import UserProvidedCacheLocator

from harness.base.files import user_cache

_SETTINGS: Any = numba.config
KEPT_FOLDERS = 6  # a version of the source has one

# A product and a sum may become one instruction, and the sign of zero is free. No reordering: sums
# would hang on what the compiler makes of them, and the splitting of exp would fall apart. No
# assumption that numbers are finite.
OPTIONS: dict[str, Any] = {"fastmath": {"contract", "nsz"}, "error_model": "numpy", "nogil": True}
# Of parts, which Python never calls: a tenth of what compiling takes.
NO_WRAPPERS: dict[str, Any] = {"no_cpython_wrapper": True, "no_cfunc_wrapper": True}

# numba numbers the functions and the record types that a process compiles for, and names compiled
# code by these numbers. Two processes may give one name to different code, and whoever loads both
# from their folders calls the wrong one (numba issue 10486). Counting from a number of its own
# makes the names of each process unlike any other's.
FunctionIdentity._unique_ids = itertools.count(secrets.randbits(64))


def compiled(function: Callable[..., Any]) -> Any:
    """Decorator: the function in compiled code that is kept for the next process."""
    with keeping() as kept:
        return numba.njit(cache=kept, **OPTIONS)(function)


def part(function: Callable[..., Any]) -> Any:
    """Decorator: a function that is only called by compiled ones, and is kept as part of them."""
    return numba.njit(**NO_WRAPPERS, **OPTIONS)(function)


def inlined(function: Callable[..., Any]) -> Any:
    """Decorator: a part that becomes one with its callers, so that what is constant there is
    constant in it.
    """
    return numba.njit(forceinline=True, **NO_WRAPPERS, **OPTIONS)(function)


def merged(function: Callable[..., Any]) -> Any:
    """Decorator: a part whose code becomes that of its one caller, so that all that it calls is
    optimised once.
    """
    return numba.njit(inline="always", **NO_WRAPPERS, **OPTIONS)(function)


@contextmanager
def keeping() -> Iterator[bool]:
    """Tells numba where to keep what is compiled inside, as long as `sources` stay as they are;
    False if nowhere.
    """
    place = folder(key(sources()))
    before = _SETTINGS.CACHE_DIR, _SETTINGS.CACHE_LOCATOR_CLASSES
    _SETTINGS.CACHE_DIR = str(place or "")
    _SETTINGS.CACHE_LOCATOR_CLASSES = f"{__name__}.{KernelLocator.__name__}"
    try:
        yield place is not None
    finally:
        _SETTINGS.CACHE_DIR, _SETTINGS.CACHE_LOCATOR_CLASSES = before


class KernelLocator(UserProvidedCacheLocator):
    """Where numba keeps what is compiled from a file: the same wherever this package lies, as in a
    snapshot of it.
    """

    @classmethod
    def get_suitable_cache_subpath(cls, py_file: str) -> str:
        """The file's folder as seen from this one, in place of numba's own name, which hashes the
        whole path.
        """
        own, folder = Path(__file__).parent, Path(py_file).parent
        return str(folder.relative_to(own))


@cache
def sources() -> tuple[Path, ...]:
    """All files that compiled functions may come from."""
    return tuple(sorted(Path(__file__).parent.rglob("*.py")))


def key(files: Iterable[Path]) -> str:
    """The hash of all that decides what is compiled from these files, of which this one should be
    one.
    """
    features = _SETTINGS.CPU_FEATURES or llvmlite.binding.get_host_cpu_features().flatten()
    compiler = (numba.__version__, llvmlite.__version__, sys.version, processor_name(), features)
    digest = hashlib.sha256(repr(compiler).encode())
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()[:16]


def is_kept(module: str, name: str) -> bool:
    """Whether a compiled function of the module of that name is there for the next process."""
    place, stem = folder(key(sources())), module.rpartition(".")[2]
    return place is not None and any(place.rglob(f"{stem}.{name}-*.nbc"))


def processor_name() -> str:
    """What the compiler takes this processor for; NUMBA_CPU_NAME says otherwise."""
    return _SETTINGS.CPU_NAME or llvmlite.binding.get_host_cpu_name()


@cache
def folder(name: str) -> Path | None:
    """Made on first use, and the oldest ones removed; where that is not possible a temporary one,
    or even None.
    """
    try:
        root = user_cache() / "kernels"
        own = root / name
        own.mkdir(parents=True, exist_ok=True)
        os.utime(own)
        with tempfile.TemporaryFile(dir=own):
            pass
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return _temporary_folder()
    for old in sorted(root.iterdir(), key=_age, reverse=True)[KEPT_FOLDERS:]:
        shutil.rmtree(old, ignore_errors=True)
    return own


def _age(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:  # another process has just removed it
        return 0.0


def _temporary_folder() -> Path | None:
    try:
        place = Path(tempfile.mkdtemp(prefix="harness-kernels-"))
    except OSError:
        return None
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    return place
