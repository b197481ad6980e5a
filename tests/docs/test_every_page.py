"""Pages lead somewhere, are short where they must be, and name no machine."""

import ast
import inspect
import itertools
import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import get_args

import pytest

import harness
from harness import comparison, laws, nn
from harness.cli import main
from harness.dispatch.profile import Profile
from harness.dispatch.state import STATES
from harness.laws.law import LAWS
from harness.laws.refusal import SPARE_SIZES
from harness.nn.classes import CLASSES
from harness.show.codes import CODES, CodeKind
from harness.tasks import TASKS

ROOT = Path(__file__).parents[2]


PAGES = [
    "README.md",
    "experiments/README.md",
    "results/LOG.md",
    "CHANGELOG.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
    *("results/verdicts/README.md", "results/replay/README.md"),
]


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize(
    ("page", "words"), [("README.md", 1300), ("docs/claims.md", 2750), ("docs/verdicts.md", 1750)]
)
def test_it_can_be_read_in_a_few_minutes(page, words):
    """At 230 words a minute: the README in five, and twelve for all claims; who writes a rule reads
    all about them.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.split()) <= words
    assert page != "README.md" or len(text.splitlines()) <= 150


def test_every_claim_has_a_row_with_an_answer():
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    rows = [
        line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)
    ]
    assert [int(row[0]) for row in rows] == list(range(1, 30))
    assert all(len(row) == 5 and len(row[2]) > 5 for row in rows)


def test_nothing_names_a_machine():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("experiments/*"), *ROOT.glob("results/*.md")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page


TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this system")
def test_the_tab_key_completes_in_bash():
    (line,) = re.findall(r"`(eval .*?bash_source harness\)\")`", TEXT)
    typed = {
        "harness stat": "status",
        "harness replay fig3_4": "fig3_4_forgetting",
        "harness status --wat": "--watch",
        "harness status --wandb on": "online",
    }
    script = [line]
    for words in typed:
        script.append(f"COMP_WORDS=({words}) COMP_CWORD={words.count(' ')} COMPREPLY=()")
        script.append('_harness_completion harness; echo "${COMPREPLY[*]}"')
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == list(typed.values())


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
    """Every word in capitals that is a text of what analyses and shows, or begins one (`SEEDS: one
    seed of both`).
    """
    words = set()
    for path in itertools.chain.from_iterable(
        (ROOT / "harness").glob(f"{place}.py") for place in PLACES
    ):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(re.findall(r"\A([A-Z][A-Z0-9_]{3,})(?:: |\Z)", node.value))
    return words


def test_every_code_has_its_words_and_no_other_has():
    assert set(CODES) == codes_in_the_program()
    assert {code.kind for code in CODES.values()} == {*get_args(CodeKind)}
    assert all(part.endswith(".") for code in CODES.values() for part in code[3:])


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
            assert told == set(inspect.signature(getattr(nn, name).__init__).parameters) - {
                "self",
                "shape",
                "drawing",
            }
            listed.add(name)
    assert (
        listed
        == set(re.findall(r"`(\w+)\(shape[^`]*\)`", PYTHON))
        == {one.__name__ for one in CLASSES.values()}
    )


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
    assert {name: int(count) for name, count in rows} == {
        name: law.parameters for name, law in LAWS.items()
    }
    few = {name: law.parameters + SPARE_SIZES for name, law in LAWS.items()}
    assert few == {"pure": 4, "floor": 5, "shifted": 5, "broken": 8}
    for name in (
        "fit_law",
        "select_law",
        "fit_surface",
        "cross_check",
        "diagnose",
        "band",
    ):
        assert hasattr(laws, name)
        assert name in FITTING
    for name in (
        "multiplier",
        "ratios",
        "judge",
    ):
        assert hasattr(comparison, name)
        assert name in FITTING


def test_every_command_is_in_the_table():
    assert set(re.findall(r"^\| `harness ([\w-]+)", COMMANDS, flags=re.MULTILINE)) == set(
        main.commands
    )
