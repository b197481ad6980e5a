"""The import law of the README: which room may import which, and that analysis never loads torch."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "harness"
LAW = {
    "__init__": "",
    "errors": "",
    "files": "errors",
    "user_code": "errors",
    "provenance": "errors",
    "spec": "errors files",
    "fit": "errors",
    "reference": "errors",
    "tasks": "errors spec user_code",
    "count": "errors spec",
    "nets": "errors spec user_code",
    "solve": "errors spec measure",
    "symbolic": "",
    "match": "errors spec count solve",
    "snapshot": "errors files user_code provenance",
    "measure": "errors user_code files spec tasks count nets train provenance",
    "feasible": "errors spec tasks count nets",
    "search": "errors spec compare",
    "plan": "errors spec tasks count search solve feasible",
    "halving": "spec plan record search",
    "confirm": "errors spec plan record search halving",
    "record": "errors files spec count",
    "merge": "errors spec record",
    "train": "errors files spec tasks count nets record provenance symbolic",
    "dispatch": "errors files spec tasks count plan record train provenance snapshot",
    "scaling": "errors spec fit record",
    "checks": "fit scaling",
    "show_checks": "fit checks",
    "cost": "spec plan measure record",
    "console": "spec",
    "show": "errors spec console count fit scaling match measure cost",
    "show_sweeps": "errors spec record merge console dispatch",
    "compare": "errors fit",
    "pairs": "spec scaling",
    "verdicts": "errors files spec fit record scaling compare pairs plot plot_residuals",
    "plot": "errors files spec record fit scaling show",
    "plot_residuals": "files fit scaling show plot",
    "show_verdicts": "errors files spec record report tables verdicts",
    "plot_tuning": "errors search show plot plot_residuals",
    "replay": "errors files spec tasks record reference scaling console show plot plot_residuals report",
    "tables": "errors files fit compare console show plot plot_residuals",
    "searched": "console spec record scaling search halving",
    "report": (
        "errors files spec record search searched fit scaling checks pairs show show_checks plot plot_residuals"
        " plot_tuning verdicts"
    ),
}
ANALYSIS = (
    *("spec", "fit", "record", "plan", "match", "cost", "scaling", "compare", "pairs", "show", "plot", "report", "cli"),
    *("checks", "show_checks", "plot_residuals", "tables.commands", "tables.show_forms", "tables.plot_fits"),
    *("merge", "tables.plot_comparison", "console", "show_sweeps", "cli.steps", "cli.sweeps", "dispatch.reconcile"),
    *("cli.sending", "cli.records", "symbolic"),
    *(
        "replay",
        "cli.replay",
        "verdicts",
        "verdicts.answer",
        "verdicts.plot_versus",
        "show_verdicts",
        "cli.verdicts",
        "cli.compare",
    ),
    *("reference", "cli.reference"),
    *("search", "plot_tuning"),
)


def _room(path: Path) -> str:
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def _imported_rooms(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module:
            bare = node.module == "harness"
            names = [f"harness.{alias.name}" for alias in node.names] if bare else [node.module]
        found |= {name.split(".")[1] for name in names if name.startswith("harness.")}
    return found - {"__version__"}


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_what_its_row_of_the_law_allows(path):
    """Every module imports from its own room and the rooms of its row; the command line may import all."""
    room = _room(path)
    if room == "cli":
        return
    assert room in LAW, f"{path} is in a room that the law does not know"
    assert _imported_rooms(path) <= {room, *LAW[room].split()}


def test_analysis_never_loads_torch():
    """Running and analysing meet in files only: importing analysis rooms in turn never brings torch in."""
    code = f"""
import importlib, sys
for room in {ANALYSIS}:
    importlib.import_module(f"harness.{{room}}")
    if "torch" in sys.modules:
        sys.exit(room)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr
