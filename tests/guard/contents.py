"""What is guarded, made from the code as it is now: by commands and files where it can, by few
imports where not.
"""

import json
import re
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from harness.cli import main
from harness.paper.replay import REPLAYS
from harness.paper.replay.page import row_of, write_index
from harness.planning.plan import make_plan
from harness.show.pages.verdicts import keep_verdicts
from harness.spec.read import experiment_schema, read_experiment, scales_of
from harness.spec.task import Task
from harness.tasks import TASKS, Samples, draw, load_target, resolve
from tests.guard.golden import hashed
from tests.guard.visible import visible
from tests.guard.workplace import GUARD, RESULTS, ROOT, make_records, make_searched, prepare, said
from tests.paper.tiny_scales import bring

# Its targets are ln(1 + visits): their last bits, and with them its fingerprint and the ids of its
# runs, hang on the processor's vector instructions.
LEFT_OUT = ("randhie",)
OF_A_MACHINE = (
    "seconds"  # a scale whose caps in seconds are another number of evaluations on each machine
)
# Plans that take five seconds to ten: slow tests make them. Those that take longer are made every
# night.
LARGE = """\
dimension full
ladder full
own full
real_data full
size_and_data full
table2_feynman full
toys full
toys hundred
toys short
""".splitlines()


def _weights(train: Samples) -> np.ndarray:
    """So that every point counts, in its place."""
    return (
        1 + train.x**2 if train.y.shape[1] == 1 else np.arange(train.y.size).reshape(train.y.shape)
    )


class Planned(NamedTuple):
    """An experiment file at one of its scales."""

    name: str
    file: Path
    scale: str


def experiments() -> Iterator[Planned]:
    for folder in ("experiments", "tests/guard/trained", "tests/guard/made"):
        for file in sorted((ROOT / folder).glob("*.yaml")):
            for scale in scales_of(file):
                if scale != OF_A_MACHINE:
                    yield Planned(f"{file.stem} {scale}", file, scale)


def small() -> tuple[str, ...]:
    """The names of the plans that every test run makes."""
    return tuple(one.name for one in experiments() if one.name not in LARGE)


def plans(names: Collection[str]) -> dict[str, Any]:
    return {one.name: _plan(one) for one in experiments() if one.name in names}


def _plan(planned: Planned) -> dict[str, Any]:
    experiment = read_experiment(planned.file, planned.scale)
    tasks = tuple(task for task in experiment.tasks if task.target not in LEFT_OUT)
    rules = []
    for rule in experiment.decide:
        about = tuple(name for name in rule.tasks if name not in LEFT_OUT)
        rules.append(rule.model_copy(update={"tasks": about}))
    experiment = experiment.model_copy(update={"tasks": tasks, "decide": tuple(rules)})
    name = planned.file.stem + ("" if planned.scale == "full" else f"-{planned.scale}")
    manifest = make_plan(experiment, name)
    return {
        "cells": len(manifest.cells),
        "runs": len(manifest.runs),
        "run_ids": hashed([run.run_id for run in manifest.runs]),
        "counts": hashed([cell.counts for cell in manifest.cells]),
        "manifest": hashed(manifest.model_dump(mode="json")),
    }


OWN = {"tests.guard.own_code:wave": 2}
POINTS = {"train_points": 100, "validation_points": 10, "test_points": 16}


def targets() -> dict[str, Any]:
    """By name, the fingerprint of a target, which stays if its code changes, and a sum over points
    of seed 0.
    """
    known = {
        name: 4 if named.has_instances else None
        for name, named in TASKS.items()
        if name not in LEFT_OUT
    }
    found = {}
    for name, inputs in {**known, **OWN}.items():
        target = load_target(name, inputs)
        task = resolve(
            Task(
                target=name,
                inputs=inputs,
                **POINTS,
                **({} if target.only_box else _box(target.inputs)),
            )
        )
        train = draw(task, seed=0).train
        found[name] = {
            "fingerprint": task.fingerprint,
            "sum": f"{float((train.y * _weights(train)).sum()):.9g}",
        }
    return found


def _box(inputs: int) -> dict[str, tuple[float, ...]]:
    """A box in which all functions are finite."""
    return {"low": (0.1, *[0.5] * (inputs - 1)), "high": (0.4, *[0.9] * (inputs - 1))}


COMMANDS = (
    "validate experiments/quickstart.yaml",
    "validate experiments/misspelt.yaml",
    "plan experiments/torch.yaml",
    "plan experiments/laws.yaml",
    "plan experiments/stages.yaml",
    "validate experiments/searched.yaml --json",
    "match --arm 'kan hidden=[5]' --arm 'mlp depth=3' --at 1000",
    "match --arm 'rbf_kan hidden=[5]' --arm 'chebyshev_kan hidden=[5]' --arm 'rational_kan "
    "depth=2' "
    "--arm 'spline_mlp depth=3 grid=4' --axis flops_train.local_min --at 1e8 --evaluations 100",
    "status experiments/torch.yaml",
    "status experiments/laws.yaml",
    "merge kept",
    "reference",
    "reference errata",
    "fit table.csv --x params --y rmse --by arch --seed seed",
    "compare table.csv kan mlp --x params --y rmse --by arch --seed seed",
    "submit experiments/laws.yaml --local 2 --dry-run",
)
COMMANDS_AFTER_RECORDS = (
    "status experiments/searched.yaml",
    "compare experiments/laws.yaml kan mlp --at 300",
    "verdicts experiments/laws.yaml experiments/searched.yaml",
)


def schema() -> str:
    return json.dumps(experiment_schema(), indent=1, sort_keys=True, ensure_ascii=False) + "\n"


def helps() -> str:
    return "\n".join(said(f"{name} --help".strip()) for name in ("", *sorted(main.commands)))


def commands_and_pages() -> dict[str, str]:
    """Answers of commands that train nothing, and pages that they write, by name; in the current
    folder.
    """
    prepare(Path())
    write_odd_files()
    answers = [said(command) for command in COMMANDS]
    make_records("laws")
    make_searched("searched")
    answers += [said(command) for command in COMMANDS_AFTER_RECORDS]
    pages = {"verdicts": visible((RESULTS / "verdicts.html").read_text(encoding="utf-8"))}
    pages |= {f"report_{name}": _report(name) for name in ("families", "laws")}
    return {"commands": "\n".join(answers)} | pages


def write_odd_files() -> None:
    """A misspelt experiment; a folder of two records, one of them damaged; and a table of anybody's
    runs.
    """
    misspelt = (
        (GUARD / "made" / "laws.yaml").read_text(encoding="utf-8").replace("seeds:", "seedz:")
    )
    Path("experiments/misspelt.yaml").write_text(misspelt, encoding="utf-8")
    whole, damaged = sorted(GUARD.glob("records/*.json"))[:2]
    Path("kept").mkdir()
    shutil.copy(whole, "kept")
    Path("kept", damaged.name).write_text(
        damaged.read_text(encoding="utf-8").replace("0", "1"), encoding="utf-8"
    )
    rows, noise = ["arch,params,seed,rmse"], np.random.default_rng(0)
    for arch, exponent in (("kan", 1.0), ("mlp", 0.6)):
        for params in (30, 60, 120, 250, 500, 1000):
            for seed in range(3):
                rows.append(
                    f"{arch},{params},{seed},{params**-exponent * (1 + noise.normal(0, 0.05)):.4g}"
                )
    Path("table.csv").write_text("\n".join([*rows, ""]), encoding="utf-8")


def _report(name: str) -> str:
    said(f"plan experiments/{name}.yaml")
    said(f"report results/{name}")
    return visible((RESULTS / name / "report.html").read_text(encoding="utf-8"))


def more_pages() -> dict[str, str]:
    """More reports, and replays at a tiny scale of made records, less what was not run; in the
    current folder.
    """
    prepare(Path())
    make_searched("searched")
    pages = {
        f"report_{name}": _report(name)
        for name in ("stages", "classes", "poisson", "own", "searched")
    }
    for name in REPLAYS:
        bring(name, Path())
        said(f"plan experiments/{name}.yaml --scale tiny")
        make_records(f"{name}-tiny")
        said(f"replay {name} --scale tiny")
        page = visible((RESULTS / f"{name}-tiny" / "replay.html").read_text(encoding="utf-8"))
        pages[f"replay_{name}"] = re.sub(r"^.*\| not run\n", "", page, flags=re.MULTILINE)
    return pages


KEPT_REPLAYS = ROOT / "results" / "replay"
KEPT_REPLAY = "fig3_1_toy_scaling-width-100"
KEPT_PAGES = (
    "verdicts/verdicts.html",
    "verdicts/verdicts.json",
    "verdicts/README.md",
    "replay/index.html",
)


def kept_pages(folder: Path) -> dict[str, str]:
    """Pages in results/ that are made from numbers kept there, by their paths; made in an empty
    folder.
    """
    for name in ("verdicts", "replay"):
        shutil.copytree(ROOT / "results" / name, folder / name)
    keep_verdicts([], folder, folder / "verdicts")
    rows = [
        row_of(path.parent, folder / "replay")
        for path in sorted(folder.glob("replay/*/replay.json"))
    ]
    write_index(rows, "harness replay NAME --keep", folder / "replay" / "index.html")
    return {name: (folder / name).read_text(encoding="utf-8") for name in KEPT_PAGES}


def kept_points() -> tuple[str, ...]:
    """Every number of a replay whose records are kept: as it is kept, and as made anew in the
    current folder.
    """
    shutil.copytree(ROOT / "experiments", "experiments")
    said("replay fig3_1 --max-width 100")
    tables = [
        pd.read_csv(folder / KEPT_REPLAY / "replay.csv", dtype=str)
        for folder in (KEPT_REPLAYS, RESULTS)
    ]
    return tuple(table.sort_index(axis=1).to_csv(index=False) for table in tables)
