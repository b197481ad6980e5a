"""A user's own target, `package.module:function`, identified by its source so that edited code is a new task."""

import hashlib
import importlib
import inspect
import os
import sys
from types import ModuleType

from harness.errors import did_you_mean
from harness.tasks.target import Target, TargetError


def load_user_target(reference: str, inputs: int | None) -> Target:
    """The function at `package.module:function`, found from the current folder as well as the Python path.

    Its version is `function.version` if it declares one, else the SHA-256 of the source file that defines it (helpers
    in the same file count; helpers imported from elsewhere do not: declare a `version` where they matter).
    """
    module_name, _, function_name = reference.partition(":")
    if inputs is None:
        raise TargetError(f"target {reference}: say how many variables it has, `inputs: <n>`")
    module = user_module(reference)
    function = getattr(module, function_name, None)
    if not callable(function):
        functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        hint = did_you_mean(function_name, functions)
        raise TargetError(f"target {reference}: {module_name} has no function {function_name!r}; {hint}")
    version = getattr(function, "version", None)
    return Target(
        function,
        inputs=inputs,
        formula=(inspect.getdoc(function) or reference).splitlines()[0],
        source=reference,
        version=f"version {version}" if version is not None else f"sha256 {_source_hash(function, reference)}",
    )


def user_module(reference: str) -> ModuleType:
    """The module of `package.module:function`, imported; a TargetError if that fails."""
    module_name = reference.partition(":")[0]
    if os.getcwd() not in sys.path and not sys.flags.safe_path:  # jobs of a sweep run a snapshot of the code
        sys.path.insert(0, os.getcwd())  # the `harness` script's own folder is on the path, the user's is not
    try:
        return importlib.import_module(module_name)
    except Exception as error:  # whatever the user's module raises while it is imported is theirs to mend
        raise TargetError(
            f"target {reference}: importing {module_name} failed: {type(error).__name__}: {error} "
            f"(looked in {os.getcwd()} and on the Python path)"
        ) from error


def _source_hash(function, reference: str) -> str:
    try:
        path = inspect.getsourcefile(inspect.unwrap(function))
        with open(path or "", "rb") as file:
            return hashlib.sha256(file.read()).hexdigest()
    except (OSError, TypeError):
        raise TargetError(f"target {reference}: its source cannot be read; give the function a `version`") from None
