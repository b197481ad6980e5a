"""What the numbers of a simulation hang on, as one hash: kept numbers stand as long as it is the
same.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "harness")
LIBRARIES = ("numpy", "scipy")
TYPES = ("annotation", "returns")  # of a syntax tree


def fingerprint(module: str) -> str:
    """The hash of the code behind a module of ours, and the major and minor versions of numpy and
    scipy.

    Comments, docstrings, types and layout do not count.
    """
    code = hashlib.sha256()
    for name, path in sorted(files_behind(module).items()):
        code.update(f"{name} {meaning(ast.parse(path.read_text(encoding='utf-8')))}\n".encode())
    libraries = (f"{name} {'.'.join(version(name).split('.')[:2])}" for name in LIBRARIES)
    return ", ".join([f"code {code.hexdigest()[:16]}", *libraries])


def files_behind(module: str) -> dict[str, Path]:
    """The module and what it imports of ours, and so on, by name.

    What a package's `__init__` only hands on is followed to where it is from.
    """
    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found[name] = _file(name)
            waiting += _imported(found[name])
    return found


def _imported(path: Path) -> Iterator[str]:
    """The modules of ours that a file imports from."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.split(".")[0] in OURS)
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in OURS:
            yield from (_home(node.module, alias.name) for alias in node.names)


def _home(module: str, name: str) -> str:
    """The module that `from module import name` takes the name from."""
    if _is_module(f"{module}.{name}"):
        return f"{module}.{name}"
    path = _file(module)
    if path.name == "__init__.py":
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if (
                isinstance(node, ast.ImportFrom)
                and node.module
                and name in [alias.name for alias in node.names]
            ):
                return _home(node.module, name)
    return module


def _file(module: str) -> Path:
    path = ROOT.joinpath(*module.split("."))
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


def _is_module(name: str) -> bool:
    return _file(name).is_file()


def meaning(node: object) -> str:
    """A syntax tree as text: the same under every Python, unlike `ast.dump`; without docstrings and
    annotations.
    """
    if isinstance(node, list):
        return f"[{' '.join(meaning(item) for item in node)}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {
        name: value
        for name, value in ast.iter_fields(node)
        if value not in (None, []) and name not in TYPES
    }
    if (
        isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
        and ast.get_docstring(node) is not None
    ):
        fields["body"] = node.body[1:]
    told = " ".join(f"{name}={meaning(value)}" for name, value in fields.items())
    return f"{type(node).__name__}({told})"
