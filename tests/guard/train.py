"""Train the run of every kept record, and say which modules that took and which hashes know their
files, as JSON.

In a process of its own, in a folder with a copy of the package, whose files are changed one after
the other.
"""

import ast
import itertools
import json
import sys
from pathlib import Path
from types import FunctionType

from numba.core.dispatcher import Dispatcher

from harness.base.provenance import source_hash
from harness.record.store import read_record
from harness.train import train_pack
from harness.train.fused.compiled import key, sources

GUARD = Path(__file__).parent
ROOT = GUARD.parents[1]


def main(results: Path) -> None:
    """Print `modules`: of each whether the three hashes know it, and whether it has compiled
    functions.

    `foreign` are names that compiled functions use and that come from files of which kernels' key
    knows nothing; `was_cold` says whether any function had to be compiled, in place of being
    loaded.
    """
    for path in sorted(GUARD.glob("records/*.json")):
        train_pack([read_record(path).run], results / "runs")
    copy, loaded, functions = Path.cwd(), _files(), _compiled_functions()
    compiled = {each.py_func.__module__ for each in functions}
    assert all(file.is_relative_to(copy) for file in loaded.values()), "these are no copies"
    from harness.dispatch.snapshot import take_snapshot  # which training does not load

    snapshot = take_snapshot(results / "snapshots", []).path / "0"
    modules = {
        name: {
            **_known(file),
            "snapshot": (snapshot / file.relative_to(copy)).is_file(),
            "compiled": name in compiled,
        }
        for name, file in loaded.items()
    }
    foreign = itertools.chain.from_iterable(_foreign(loaded, each.py_func) for each in functions)
    was_cold = any(each.stats.cache_misses for each in functions)
    print(json.dumps({"modules": modules, "foreign": sorted(set(foreign)), "was_cold": was_cold}))


def _files() -> dict[str, Path]:
    """Where the project's modules that are loaded come from."""
    files = {
        name: getattr(module, "__file__", None) for name, module in sorted(sys.modules.items())
    }
    named = {
        name: Path(file)
        for name, file in files.items()
        if file and name not in ("__main__", "__mp_main__")
    }
    ours = {
        name: file
        for name, file in named.items()
        if name.startswith("harness") or file.is_relative_to(ROOT)
    }
    return {name: file for name, file in ours.items() if not name.startswith("tests")}


def _known(file: Path) -> dict[str, bool]:
    """Whether the hash of the source, and that of kernels, change with a file."""
    before, content = _hashes(), file.read_bytes()
    file.write_bytes(content + b"\n# changed\n")
    after = _hashes()
    file.write_bytes(content)
    return {name: before[name] != after[name] for name in before}


def _hashes() -> dict[str, str]:
    source_hash.cache_clear()
    return {"source": source_hash(), "kernels": key(sources())}


def _compiled_functions() -> list[Dispatcher]:
    """All that training has loaded, some of them under several names."""
    modules = [module for name, module in sys.modules.items() if name.startswith("harness.")]
    values = itertools.chain.from_iterable(vars(module).values() for module in modules)
    return [value for value in values if isinstance(value, Dispatcher)]


def _foreign(loaded: dict[str, Path], function: FunctionType) -> list[str]:
    """The names that a compiled function uses and that its module imports from a file that is no
    source of kernels.
    """
    nodes = ast.walk(ast.parse(loaded[function.__module__].read_text(encoding="utf-8")))
    imports = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module in loaded]
    outside = [node for node in imports if loaded[str(node.module)] not in sources()]
    names = itertools.chain.from_iterable(node.names for node in outside)
    used = [name.name for name in names if (name.asname or name.name) in function.__code__.co_names]
    return [f"{name} of {function.__module__}" for name in used]


if __name__ == "__main__":
    main(Path(sys.argv[1]))
