"""Pages that list what there is have all of it, and nothing else."""

import ast
import inspect
import itertools
import re
from pathlib import Path

import harness
from harness import comparison, laws, nn
from harness.cli import main
from harness.dispatch.profile import Profile
from harness.dispatch.state import STATES
from harness.laws.law import LAWS
from harness.laws.refusal import SPARE_SIZES
from harness.nn.classes import CLASSES
from harness.show.codes import CODE_KINDS, CODES
from harness.tasks import TASKS

ROOT = Path(__file__).parents[2]
CLUSTER, COMMANDS, FITTING, PYTHON, TASKS_PAGE = (
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("cluster", "commands", "fitting", "python", "tasks")
)


def first_cells(head: str) -> list[str]:
    """The first cells of the table of the page on clusters that has this head."""
    (table,) = re.findall(rf"\| {head}.*?\n\n", CLUSTER, flags=re.DOTALL)
    return [row.split("|")[1] for row in table.strip().splitlines()[2:]]


def test_every_field_of_a_profile_and_every_state_has_a_row():
    fields = re.findall(r"`(\w+)`", " ".join(first_cells(r"field \| meaning")))
    states = ", ".join(map(str.strip, first_cells(r"state \| it means"))).split(", ")
    assert sorted(fields) == sorted(Profile.model_fields)
    assert sorted(states) == sorted(STATES)


def test_defaults_are_those_of_the_profile():
    for name, default in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", CLUSTER, flags=re.MULTILINE):
        assert getattr(Profile(), name) == int(default)


PLACES = (
    *("laws/*", "comparison/*", "record/elsewhere", "judging/**/*"),
    *("show/figures/*", "show/pages/*", "show/tables/*"),
)


def codes_in_the_program() -> set[str]:
    """Every word in capitals that is a text of what analyses and shows, or begins one (`SEEDS: one seed of both`)."""
    words = set()
    for path in itertools.chain.from_iterable((ROOT / "harness").glob(f"{place}.py") for place in PLACES):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(re.findall(r"\A([A-Z][A-Z0-9_]{3,})(?:: |\Z)", node.value))
    return words


def test_every_code_has_its_words_and_no_other_has():
    assert set(CODES) == codes_in_the_program()
    assert all(code.kind in CODE_KINDS and all(part.endswith(".") for part in code[3:]) for code in CODES.values())


def test_the_interface_from_python_is_listed_with_its_arguments():
    functions = re.findall(r"^\| `harness\.(\w+)\(\w+(?:, )?([^`]*)\)`", PYTHON, flags=re.MULTILINE)
    assert len(functions) == PYTHON.count("\n| `harness.")
    assert len(functions) >= 6
    for name, arguments in functions:
        parameters = inspect.signature(getattr(harness, name)).parameters
        for argument, default in re.findall(r"(\w+)=(\w+|\"\w+\")", arguments):
            assert str(parameters[argument].default) == default.strip('"'), (name, argument)
    listed = set()
    for row in re.findall(r"^\| (`\w+\(shape.*)\|$", PYTHON, flags=re.MULTILINE):
        classes, own = row.split(" | ")
        for name, written in re.findall(r"`(\w+)\(shape(?:, )?([^`]*)\)`", classes):
            told = {*re.findall(r"(\w+)=", written), *re.findall(r"`(\w+)`", own)}
            assert told == set(inspect.signature(getattr(nn, name).__init__).parameters) - {"self", "shape", "drawing"}
            listed.add(name)
    assert listed == set(re.findall(r"`(\w+)\(shape[^`]*\)`", PYTHON)) == {one.__name__ for one in CLASSES.values()}


def _named() -> set[str]:
    """The names in backticks, those that a row cuts short written out."""
    found, last = set(), ""
    for name in re.findall(r"`([^`\n]+)`", TASKS_PAGE):
        found.add(name)
        if name.startswith("_"):
            stem = last
            while stem:
                found.add(stem + name)
                stem = stem.rpartition("_")[0]
        else:
            last = name
    return found


def test_every_built_in_task_is_on_the_page():
    between = {"lpmv_m_1", *(f"tanh_teacher_{number}" for number in (1, 2, 3))}
    missing = set(TASKS) - _named() - between
    assert not missing


def test_laws_and_functions_are_all_named():
    rows = re.findall(r"^\| `(\w+)` \| `[^|]*\| (\d) \|", FITTING, flags=re.MULTILINE)
    assert {name: int(count) for name, count in rows} == {name: law.parameters for name, law in LAWS.items()}
    few = {name: law.parameters + SPARE_SIZES for name, law in LAWS.items()}
    assert few == {"pure": 4, "floor": 5, "shifted": 5, "broken": 8}
    for name in ("fit_law", "select_law", "fit_surface", "fit_shared", "cross_check", "diagnose", "band"):
        assert hasattr(laws, name)
        assert name in FITTING
    for name in ("cost_ratio", "twin_ratio", "crossover", "dominance", "loss_ratio", "exponent_difference", "judge"):
        assert hasattr(comparison, name)
        assert name in FITTING


def test_every_command_is_in_the_table():
    assert set(re.findall(r"^\| `harness ([\w-]+)", COMMANDS, flags=re.MULTILINE)) == set(main.commands)
