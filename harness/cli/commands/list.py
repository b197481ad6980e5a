"""`harness list`."""

import inspect
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import click

from harness.base.installed import installed
from harness.base.plain import Rows
from harness.cli.later import conventions, frames, pd, tasks
from harness.cli.options import json_option
from harness.cli.showing import answer
from harness.families import FAMILIES, INSTALLED_FAMILIES
from harness.families.fields import fields_of
from harness.optimisers import OPTIMISERS
from harness.show.codes import CODES
from harness.spec import BUILT_IN_RECIPES
from harness.spec.document import parse
from harness.spec.task import INSTALLED_TASKS
from harness.study.folders import EXPERIMENTS, PROFILES, shipped_files


class TaskRow(NamedTuple):
    """A task that a file can name."""

    task: Annotated[str, "its name in a file"]
    inputs: Annotated[int | None, "how many inputs it has; null if the file chooses, and for data"]
    what: Annotated[str, "its formula"]
    source: Annotated[str, "where it is from"]


class FamilyRow(NamedTuple):
    """A family of networks."""

    family: Annotated[str, "its name in a file"]
    what: Annotated[str, "what it is"]
    fields: Annotated[str, "fields of an arm's architecture, with their defaults"]


class RecipeRow(NamedTuple):
    """A recipe that comes with the project."""

    recipe: Annotated[str, "its name in a file"]
    optimizer: Annotated[str, "the optimiser"]
    max_evaluations: Annotated[int, "evaluations after which a run ends"]


class ExperimentRow(NamedTuple):
    """An experiment that comes with the project."""

    experiment: Annotated[str, "its name"]
    question: Annotated[str, "what it asks"]
    scales: Annotated[str, "names of its scales, separated by commas"]
    file: Annotated[str, "path of the file"]


class ProfileRow(NamedTuple):
    """A profile of a cluster that comes with the project."""

    profile: Annotated[str, "its name"]
    what: Annotated[str, "what its jobs ask for"]
    file: Annotated[str, "path of the file"]


class ConventionRow(NamedTuple):
    """A rule by which something is counted."""

    convention: Annotated[str, "its name"]
    counts: Annotated[str, "`params`, `FLOPs`, or `params and FLOPs`"]
    rule: Annotated[str, "what it counts"]
    source: Annotated[str, "who counts so"]
    misleads: Annotated[str, "where it misleads"]


class CodeRow(NamedTuple):
    """A word in capitals that tables have."""

    code: Annotated[str, "the word"]
    kind: Annotated[str, "`refusal`, `caution` or another kind"]
    meaning: Annotated[str, "what it means"]
    advice: Annotated[str, "what to do"]


def _tasks() -> Iterator[TaskRow]:
    for name, task in tasks.TASKS.items():
        inputs = getattr(task, "inputs", None)
        number = inputs if isinstance(inputs, int) else None
        yield TaskRow(name, number, getattr(task, "formula", ""), getattr(task, "source", ""))
    for name, place in installed(INSTALLED_TASKS).items():
        yield TaskRow(name, None, "of an installed package", place)


def _families() -> Iterator[FamilyRow]:
    for name, architecture in FAMILIES.items():
        yield FamilyRow(name, (inspect.getdoc(architecture) or "").partition("\n")[0], fields_of(architecture))
    for name, place in installed(INSTALLED_FAMILIES).items():
        yield FamilyRow(name, f"of an installed package, {place}", "")


def _files(folder: Path) -> Iterator[ExperimentRow | ProfileRow]:
    """The experiments or profiles that are shipped in a folder."""
    for name, path in shipped_files(folder).items():
        text = path.read_text(encoding="utf-8")
        if folder == PROFILES:
            yield ProfileRow(name, " ".join(text.removeprefix("# ").partition(". ")[0].split()), str(path))
        else:
            fields = parse(text, str(path)).data
            yield ExperimentRow(name, fields["question"], ", ".join(fields.get("scales", {})), str(path))


def _conventions() -> Iterator[ConventionRow]:
    for convention in conventions.CONVENTIONS:
        counted = (("params", convention.parameters), ("FLOPs", convention.flops))
        counts = " and ".join(what for what, has in counted if has)
        yield ConventionRow(convention.name, counts, convention.rule, convention.source, convention.misleads)


# What there is to list, and what to know of it.
LISTS: dict[str, tuple[Callable[[], Iterable[Any]], str]] = {
    "tasks": (_tasks, "docs/tasks.md has their boxes and losses. Your own: docs/adding.md, docs/own_data.md."),
    "families": (_families, "Fields stand in an arm's architecture. Your own: docs/adding.md."),
    "recipes": (
        lambda: [RecipeRow(name, made.optimizer.name, made.max_evaluations) for name, made in BUILT_IN_RECIPES.items()],
        f"A file has its own under recipes:, by an optimizer: {', '.join(OPTIMISERS)}.",
    ),
    "experiments": (
        lambda: _files(EXPERIMENTS),
        "`harness run FILE` runs one, `harness new NAME --from EXPERIMENT` copies it.",
    ),
    "profiles": (lambda: _files(PROFILES), "Copy one, and change what your cluster calls otherwise: docs/cluster.md."),
    "conventions": (_conventions, "Counts are called params.NAME, flops_forward.NAME and flops_train.NAME."),
    "codes": (
        lambda: [CodeRow(name, code.kind, code.meaning, code.advice) for name, code in CODES.items()],
        "They stand in tables and pages.",
    ),
}


@click.command("list", epilog="Example: harness list tasks")
@click.argument("what", type=click.Choice([*LISTS]), metavar="|".join(LISTS))
@json_option(
    lambda: {
        "list tasks": Rows[TaskRow],
        "list families": Rows[FamilyRow],
        "list recipes": Rows[RecipeRow],
        "list experiments": Rows[ExperimentRow],
        "list profiles": Rows[ProfileRow],
        "list conventions": Rows[ConventionRow],
        "list codes": Rows[CodeRow],
    }
)
def list(what: str, as_json: bool) -> None:
    """List tasks, families, recipes, experiments, profiles, conventions or codes.

    These are the names that an experiment file can have, the experiments and the profiles of clusters that come with
    the project, and the words in capitals that tables have.
    """
    make_rows, more = LISTS[what]
    rows = tuple(make_rows())
    answer(Rows(rows), as_json, [frames.table_of_frame("", pd.DataFrame(rows, dtype=object)), more])
