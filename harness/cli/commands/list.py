"""`harness list`."""

import inspect
from collections.abc import Callable
from typing import Any

import click
import pandas as pd

from harness.base.installed import installed
from harness.base.json_text import json_text
from harness.cli.options import json_option
from harness.cli.shipped import shipped_experiments, shipped_profiles
from harness.count.conventions import CONVENTIONS
from harness.families import FAMILIES, INSTALLED_FAMILIES
from harness.families.fields import fields_of
from harness.optimisers import OPTIMISERS
from harness.show.codes import CODES
from harness.show.console import console, print_table
from harness.show.tables.frames import table_of_frame
from harness.spec import BUILT_IN_RECIPES
from harness.spec.document import parse
from harness.spec.task import INSTALLED_TASKS
from harness.tasks import TASKS

Row = dict[str, Any]


def _tasks() -> tuple[Row, ...]:
    built_in = (
        {
            "task": name,
            "inputs": inputs if isinstance(inputs := getattr(task, "inputs", None), int) else None,
            "what": getattr(task, "formula", ""),
            "source": getattr(task, "source", ""),
        }
        for name, task in TASKS.items()
    )
    added = (
        {"task": name, "inputs": None, "what": "of an installed package", "source": place}
        for name, place in installed(INSTALLED_TASKS).items()
    )
    return (*built_in, *added)


def _families() -> tuple[Row, ...]:
    built_in = (
        {
            "family": name,
            "what": (inspect.getdoc(architecture) or "").partition("\n")[0],
            "fields": fields_of(architecture),
        }
        for name, architecture in FAMILIES.items()
    )
    added = (
        {"family": name, "what": f"of an installed package, {place}", "fields": ""}
        for name, place in installed(INSTALLED_FAMILIES).items()
    )
    return (*built_in, *added)


def _recipes() -> tuple[Row, ...]:
    return tuple(
        {"recipe": name, "optimizer": recipe.optimizer.name, "max_evaluations": recipe.max_evaluations}
        for name, recipe in BUILT_IN_RECIPES.items()
    )


def _experiments() -> tuple[Row, ...]:
    found = []
    for name, path in shipped_experiments().items():
        said = parse(path.read_text(encoding="utf-8"), str(path)).data
        scales = ", ".join(said.get("scales", {}))
        found.append({"experiment": name, "question": said["question"], "scales": scales, "file": str(path)})
    return tuple(found)


def _profiles() -> tuple[Row, ...]:
    found = []
    for name, path in shipped_profiles().items():
        said = path.read_text(encoding="utf-8").removeprefix("# ")
        first_sentence = " ".join(said.partition(". ")[0].split())
        found.append({"profile": name, "what": first_sentence, "file": str(path)})
    return tuple(found)


def _conventions() -> tuple[Row, ...]:
    return tuple(
        {
            "convention": one.name,
            "counts": " and ".join(what for what, has in (("params", one.parameters), ("FLOPs", one.flops)) if has),
            "rule": one.rule,
            "source": one.source,
            "misleads": one.misleads,
        }
        for one in CONVENTIONS
    )


def _codes() -> tuple[Row, ...]:
    return tuple(
        {"code": name, "kind": code.kind, "meaning": code.meaning, "advice": code.advice}
        for name, code in CODES.items()
    )


# What there is to list, and what to know of it.
LISTS: dict[str, tuple[Callable[[], tuple[Row, ...]], str]] = {
    "tasks": (_tasks, "docs/tasks.md has their boxes and losses. Your own: docs/adding.md, docs/own_data.md."),
    "families": (_families, "Fields stand in an arm's architecture. Your own: docs/adding.md."),
    "recipes": (_recipes, f"A file has its own under recipes:, by an optimizer: {', '.join(OPTIMISERS)}."),
    "experiments": (_experiments, "`harness run FILE` runs one, `harness new NAME --from EXPERIMENT` copies it."),
    "profiles": (_profiles, "Copy one, and change what your cluster calls otherwise: docs/cluster.md."),
    "conventions": (_conventions, "Counts are called params.NAME, flops_forward.NAME and flops_train.NAME."),
    "codes": (_codes, "They stand in tables and pages."),
}


@click.command("list", epilog="Example: harness list tasks")
@click.argument("what", type=click.Choice([*LISTS]), metavar="|".join(LISTS))
@json_option
def list(what: str, as_json: bool) -> None:
    """List tasks, families, recipes, experiments, profiles, conventions or codes.

    These are the names that an experiment file can have, the experiments and the profiles of clusters that come with
    the project, and the words in capitals that tables have.
    """
    rows, more = LISTS[what]
    if as_json:
        click.echo(json_text({"rows": rows()}))
        return
    print_table(table_of_frame("", pd.DataFrame(rows(), dtype=object)))
    console.print(more, soft_wrap=True)
