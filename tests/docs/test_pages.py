"""Every code block of the pages works: it runs, or is parsed where it needs a cluster or
minutes.
"""

import itertools
import json
import re
import shutil
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pages
import pandas as pd
import pytest
from ruamel.yaml import YAML

from harness.cli import main
from harness.cli.group import imported
from harness.dispatch.profile import Profile, read_profile
from harness.paper.replay import REPLAYS
from harness.spec.read import parse_experiment
from harness.study.folders import full_name

PAGES = [
    "README.md",
    *(str(path.relative_to(pages.ROOT)) for path in sorted((pages.ROOT / "docs").rglob("*.md"))),
]
TUTORIALS = "docs/tutorials/"
NAMES = ("your_data", "your_function", "transformer", "ladder")  # they take a minute of a core each
NIGHTLY = tuple(f"{TUTORIALS}{name}.md" for name in NAMES)
# These share a folder, as the second reads what the first has trained.
SHARED = (f"{TUTORIALS}first_run.md", "docs/python.md")

# All commands of `harness` in `sh` blocks that are parsed and do not run: page, beginning of the
# command, and why.
ONLY_PARSED = (
    (f"{TUTORIALS}slurm.md", "", "tests/slurm/test_readme_on_slurm.py runs them on a real SLURM"),
    ("", "doctor", "needs a cluster; tests/slurm/test_doctor.py"),
    ("", "submit", "needs a cluster; tests/slurm, and for the README a dry run below"),
    ("", "status", "needs a cluster; tests/slurm"),
    (
        "",
        "replay",
        (
            "minutes to hours of training; tests/paper has small ones, and the README's is "
            "planned below"
        ),
    ),
    (
        "README.md",
        "run",
        "a minute or more; planned below, .ci/run runs the quickstart, and a tutorial waves.yaml",
    ),
    ("docs/paper.md", "run", "a minute; tests/paper/test_added.py has a small one"),
    ("docs/README.md", "run", "a minute; .ci/run runs it"),
    ("docs/json.md", "", "test_json_page.py calls each command that has --json"),
    ("docs/own_data.md", "run", "half a minute; a tutorial runs such a file"),
    (
        "docs/cluster.md",
        "",
        "of an experiment that trains for minutes; the tutorial has the same commands",
    ),
)
# Commands of others: they install, copy or need SLURM. The files of the project that they name
# exist.
OTHERS = re.compile(
    r"(pip|git|python3|\.|pytest|\.ci/run|cd|cp|\$EDITOR|mkdir|chgrp|chmod|apt-get|slurm/testbed|eval|sbatch)(?= |$)"
)


def houses() -> pd.DataFrame:
    """The table that docs/own_data.md and the README speak of."""
    chance = np.random.default_rng(0)
    rooms, area, age = (
        chance.integers(1, 8, 300),
        chance.uniform(20, 200, 300),
        chance.uniform(0, 90, 300),
    )
    price = 1000 * area * np.exp(-age / 60) + 5000 * rooms + chance.normal(0, 3000, 300)
    return pd.DataFrame({"rooms": rooms, "area": area, "age": age, "price": price})


def runs() -> pd.DataFrame:
    """A table of anybody's runs, with the columns that pages name: two arms at twelve sizes, three
    seeds each.
    """
    size = np.repeat(np.geomspace(10, 1e5, 12), 3)
    error = (1e-3 + 1 / size) * np.exp(0.05 * np.random.default_rng(0).standard_normal(size.size))
    of_kan = {
        "params": size,
        "flops": 6 * size,
        "rmse": error,
        "arch": "kan",
        "width": size,
        "seed": [0, 1, 2] * 12,
    }
    return pd.concat(
        [pd.DataFrame(of_kan), pd.DataFrame(of_kan | {"rmse": 2 * error, "arch": "mlp"})]
    )


@pytest.fixture
def folder(here, monkeypatch):
    """What a reader has: a clone's experiments and profiles, a table, and the files of
    docs/adding.md.
    """
    for name in ("experiments", "slurm"):
        shutil.copytree(pages.ROOT / name, here / name)
    with (here / "experiments" / "quickstart.yaml").open("a", encoding="utf-8") as file:
        file.write("keep: networks\n")  # docs/python.md reads the network of a run
    (here / "laptop").mkdir()
    shutil.copy(here / "slurm" / "cpu.yaml", here / "slurm" / "mine.yaml")
    houses().to_csv(here / "houses.csv", index=False)
    runs().to_csv(here / "runs.csv", index=False)
    pages.write_files("docs/adding.md", here)
    monkeypatch.syspath_prepend(str(here))
    yield here
    pages.forget_own_modules()


def of_fitting(names: dict[str, Any]) -> None:
    """Laws find what the table was made with."""
    assert names["law"].alpha_interval.low < 1 < names["law"].alpha_interval.high
    assert names["surface"].alpha.interval.low < 0.35 < names["surface"].alpha.interval.high
    assert names["needs"].sizes[0].multiplier.value == pytest.approx(1.4, rel=0.1)
    assert names["short"].alpha is None


def of_python(names: dict[str, Any]) -> None:
    """Figures are written, the loop has trained, and the table of runs has the columns that are
    named.
    """
    assert Path("answer.png").exists()
    assert Path("edges.png").exists()
    assert names["kan"].network.grid == 10
    assert names["loss"].item() < 1e-3
    assert names["error"].item() ** 0.5 < 0.2  # 0.7 where the grid stays in [-1, 1]
    assert set(names["runs"].columns) >= {
        "task",
        "arm",
        "series",
        "seed",
        "trial",
        "chosen",
        "status",
        "val_loss",
    }


CHECKS: dict[str, Callable[[dict[str, Any]], None]] = {
    "docs/fitting.md": of_fitting,
    "docs/python.md": of_python,
}


def run_page(
    page: str, folder: Path, only_parsed: Sequence[tuple[str, str, str]] = ONLY_PARSED
) -> None:
    pages.write_files(page, folder)
    blocks = pages.blocks_of(page)
    names: dict[str, Any] = {}
    experiment: dict[str, Any] = SKELETON
    for block in blocks:
        shown = pages.printed_by(blocks, block)
        if block.language == "sh":
            printed = [
                pages.run_line(line)
                for line in pages.lines_of(block)
                if is_run(page, line, only_parsed)
            ]
            for name in re.findall(r"^harness new (\S+)", block.text, flags=re.MULTILINE):
                assert "(0 infeasible)" in pages.run_line(f"harness validate {name}.yaml"), (
                    block.place
                )
            if shown and len(printed) == len(pages.lines_of(block)):
                trained = any(
                    line.startswith(("harness run", "python ")) for line in pages.lines_of(block)
                )
                pages.assert_printed(shown, "".join(printed), tolerance=0.2 if trained else 0)
        elif block.language == "python" and not block.file:
            printed_here = pages.run_python(block, names)
            if shown:
                pages.assert_printed(shown, printed_here, tolerance=0.2)
        elif block.language == "yaml":
            experiment = read_yaml(block, experiment, folder)
        elif block.language in ("toml", "json"):
            assert (tomllib if block.language == "toml" else json).loads(block.text)
        else:
            assert block.language in ("", "python"), (
                f"{block.place}: nothing here runs {block.language}"
            )
    if page in CHECKS:
        CHECKS[page](names)


def is_run(page: str, line: str, only_parsed: Sequence[tuple[str, str, str]]) -> bool:
    """Whether a command runs. If not, it is parsed, and the files that it names are there."""
    if OTHERS.match(line):
        for name in re.findall(r"\b(?:experiments|slurm)/\S+\.yaml", line):
            assert Path(name).exists(), f"{page}: {line}"
        return False
    words = line.removeprefix("harness ")
    if any(page.startswith(of) and words.startswith(begin) for of, begin, _ in only_parsed):
        pages.parse_line(line)
        return False
    return True


# What an experiment needs beside the part that a page shows.
SKELETON = {
    "question": "?",
    "tasks": ["exp2d", "xy", "j0"],
    "arms": {
        "kan": {"architecture": {"family": "kan", "hidden": [5]}, "recipe": "lbfgs"},
        "mlp": {"architecture": {"family": "mlp", "depth": 2}, "recipe": "lbfgs"},
        "deep_mlp": {"architecture": {"family": "mlp", "depth": 3}, "recipe": "lbfgs"},
    },
    "match": {
        "axis": "params",
        "at": [75, 135],
        "tol": 0.2,
        "solve": {"kan": "grid", "*": "width"},
    },
    "recipes": {"lbfgs": {"optimizer": {"name": "lbfgs"}, "max_evaluations": 10}},
    "seeds": [0, 1],
}


def read_yaml(block: pages.Block, before: dict[str, Any], folder: Path) -> dict[str, Any]:
    """A profile is read, an experiment is valid and feasible, and a part of one is valid within the
    one before it.
    """
    said = YAML(typ="safe", pure=True).load(block.text)
    if said.keys() <= Profile.model_fields.keys():
        (folder / "profile.yaml").write_text(block.text, encoding="utf-8")
        read_profile(folder / "profile.yaml")
        return before
    whole = said if "question" in said else before | said
    if whole is not said and "search" in before and "search" in said:
        whole["search"] = before["search"] | said["search"]
    if whole is said:
        (folder / "shown.yaml").write_text(block.text, encoding="utf-8")
        assert "(0 infeasible)" in pages.run_line("harness validate shown.yaml"), block.place
    else:
        parse_experiment(json.dumps(whole), block.place)
    return whole


@pytest.mark.parametrize("page", [page for page in PAGES if page not in (*NIGHTLY, *SHARED)])
def test_every_block_of_a_page(page, folder):
    run_page(page, folder)


@pytest.mark.nightly
def test_what_the_readme_trains_or_sends_off_is_planned_as_it_is_written(folder):
    planned = []
    for line in itertools.chain.from_iterable(map(pages.lines_of, pages.blocks_of("README.md"))):
        if line.startswith("harness new"):
            pages.run_line(line)
        elif line.startswith("harness run"):
            planned.append(pages.run_line(line.replace("harness run", "harness plan")))
        elif line.startswith("harness replay"):
            name, *options = line.removeprefix("harness replay ").split()
            planned.append(
                pages.run_line(
                    f"harness plan experiments/{full_name(name, REPLAYS, name)}.yaml "
                    f"{' '.join(options)}"
                )
            )
        elif line.startswith("harness submit"):
            planned.append(pages.run_line(f"{line} --dry-run"))
    assert len(planned) == 4
    assert all(" runs in " in each for each in planned)


@pytest.mark.nightly
@pytest.mark.parametrize("page", NIGHTLY)
def test_every_block_of_a_tutorial_that_trains(page, folder):
    run_page(page, folder, only_parsed=())


@pytest.mark.nightly
def test_every_block_of_pages_that_share_runs(folder):
    for page in SHARED:
        run_page(page, folder)


@pytest.mark.usefixtures("folder")
def test_commands_in_the_text_about_laws_run():
    text = (pages.ROOT / "docs" / "fitting.md").read_text(encoding="utf-8")
    commands = re.findall(r"`(harness (?:fit|compare) runs\.csv[^`]*)`", text)
    assert len(commands) == 4
    for command in commands:
        pages.run_line(command)


def test_every_command_that_a_page_names_exists():
    named = 0
    for page in PAGES:
        for words in re.findall(
            r"`harness ([a-z][^`]*)`", (pages.ROOT / page).read_text(encoding="utf-8")
        ):
            name, *others = words.replace("\n", " ").split()
            assert name in main.commands, f"{page}: harness {words}"
            allowed = {option for one in imported(name).params for option in (*one.opts, "--help")}
            for option in re.findall(r"(?<!\S)--[a-z-]+", " ".join(others)):
                assert option in allowed, f"{page}: harness {words}"
            named += 1
    assert named > 100
