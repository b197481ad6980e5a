"""`harness list`."""

from collections.abc import Callable, Iterable

import click

from harness.base.formats import unwrapped
from harness.base.outside import installed
from harness.cli.showing import show
from harness.families import FAMILIES, INSTALLED_FAMILIES
from harness.families.fields import fields_of
from harness.optimisers import OPTIMISERS
from harness.show.codes import CODES
from harness.show.tables.table import TableCell, table_of
from harness.spec.document import parse
from harness.spec.recipe import BUILT_IN_RECIPES
from harness.spec.task import INSTALLED_TASKS
from harness.study.folders import EXPERIMENTS, PROFILES, shipped_files

Rows = Iterable[tuple[TableCell, ...]]


def _tasks() -> Rows:
    from harness import tasks

    for name, task in tasks.TASKS.items():
        inputs = getattr(task, "inputs", None)
        number = (
            inputs if isinstance(inputs, int) else None
        )  # else the file chooses, or the data do
        yield name, number, getattr(task, "formula", ""), getattr(task, "source", "")
    for name, place in installed(INSTALLED_TASKS).items():
        yield name, None, "of an installed package", place


def _families() -> Rows:
    for name, architecture in FAMILIES.items():
        what, _, _ = unwrapped(architecture.__doc__).partition("\n\n")
        yield name, what, fields_of(architecture)
    for name, place in installed(INSTALLED_FAMILIES).items():
        yield name, f"of an installed package, {place}", ""


def _experiments() -> Rows:
    for name, path in shipped_files(EXPERIMENTS).items():
        fields = parse(path.read_text(encoding="utf-8"), str(path)).data
        yield name, fields["question"], ", ".join(fields.get("scales", {})), str(path)


def _profiles() -> Rows:
    for name, path in shipped_files(PROFILES).items():
        first_sentence = path.read_text(encoding="utf-8").removeprefix("# ").partition(". ")[0]
        yield name, " ".join(first_sentence.split()), str(path)


def _conventions() -> Rows:
    from harness.count import conventions

    for convention in conventions.CONVENTIONS:
        counted = (("params", convention.parameters), ("FLOPs", convention.flops))
        counts = " and ".join(what for what, has in counted if has)
        yield convention.name, counts, convention.rule, convention.source, convention.misleads


# What there is to list: headings, rows, and what to know of it.
LISTS: dict[str, tuple[tuple[str, ...], Callable[[], Rows], str]] = {
    "tasks": (
        ("task", "inputs", "what", "source"),
        _tasks,
        "docs/tasks.md has their boxes and losses. Your own: docs/adding.md, docs/own_data.md.",
    ),
    "families": (
        ("family", "what", "fields"),
        _families,
        "Fields stand in an arm's architecture. Your own: docs/adding.md.",
    ),
    "recipes": (
        ("recipe", "optimizer", "max_evaluations"),
        lambda: (
            (name, made.optimizer.name, made.max_evaluations)
            for name, made in BUILT_IN_RECIPES.items()
        ),
        f"A file has its own under recipes:, by an optimizer: {', '.join(OPTIMISERS)}.",
    ),
    "experiments": (
        ("experiment", "question", "scales", "file"),
        _experiments,
        "`harness run FILE` runs one, `harness new NAME --from EXPERIMENT` copies it.",
    ),
    "profiles": (
        ("profile", "what", "file"),
        _profiles,
        "Copy one, and change what your cluster calls otherwise: docs/cluster.md.",
    ),
    "conventions": (
        ("convention", "counts", "rule", "source", "misleads"),
        _conventions,
        "Counts are called params.NAME, flops_forward.NAME and flops_train.NAME.",
    ),
    "codes": (
        ("code", "kind", "meaning", "advice"),
        lambda: ((name, code.kind, code.meaning, code.advice) for name, code in CODES.items()),
        "They stand in tables and pages.",
    ),
}


@click.command("list", epilog="Example: harness list tasks")
@click.argument("what", type=click.Choice([*LISTS]), metavar="|".join(LISTS))
def list(what: str) -> None:
    """List tasks, families, recipes, experiments, profiles, conventions or codes.

    These are the names that an experiment file can have, the experiments and the profiles of
    clusters that come with the project, and the words in capitals that tables have.
    """
    heads, make_rows, more = LISTS[what]
    show([table_of("", heads, make_rows()), more])
