"""The user's own code: found from the folder they run in, identified by its source so that edited code is a new run."""

import hashlib
import importlib
import inspect
import os
import sys
from types import ModuleType
from typing import Any

from harness.errors import HarnessError


def user_module(reference: str, what: str, error: type[HarnessError] = HarnessError) -> ModuleType:
    """The Python module of `package.module:name`, imported from the current folder as well as the Python path.

    Raises `error`, which says `what` names it, if that fails.
    """
    name, colon, of = reference.partition(":")
    if not (name and colon and of):
        raise error(f"{what} {reference}: write package.module:name, such as my_code:{of or 'name'}")
    if os.getcwd() not in sys.path and not sys.flags.safe_path:  # jobs of a sweep run a snapshot of the code
        sys.path.insert(0, os.getcwd())  # the `harness` script's own folder is on the path, the user's is not
    try:
        return importlib.import_module(name)
    except Exception as problem:  # whatever the user's module raises while it is imported is theirs to mend
        raise error(
            f"{what} {reference}: importing {name} failed: {type(problem).__name__}: {problem} "
            f"(looked in {os.getcwd()} and on the Python path)"
        ) from problem


def version_of(found: Any, reference: str, what: str, error: type[HarnessError] = HarnessError) -> str:
    """The `version` that a function or class declares, else the SHA-256 of the source file that defines it.

    Helpers in the same file count; helpers imported from elsewhere do not: declare a `version` where they matter.
    """
    if (version := getattr(found, "version", None)) is not None:
        return f"version {version}"
    try:
        with open(inspect.getsourcefile(inspect.unwrap(found)) or "", "rb") as file:
            return f"sha256 {hashlib.sha256(file.read()).hexdigest()}"
    except (OSError, TypeError):
        raise error(f"{what} {reference}: its source cannot be read; give it a `version`") from None
