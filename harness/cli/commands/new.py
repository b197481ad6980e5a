"""`harness new`."""

from pathlib import Path
from typing import Any, get_args

import click

from harness.cli.options import PATH
from harness.study.starter import Rival, Starter, write_starter

MOST_VARIABLES = 1000  # of a function; with more, no file runs in minutes


@click.command(epilog="Example: harness new houses --data houses.csv --target price")
@click.argument("name", metavar="NAME", type=PATH)
@click.option(
    "--function",
    metavar="MODULE:NAME",
    help="Learn a Python function of your own (docs/adding.md).",
)
@click.option(
    "--inputs",
    type=click.IntRange(1, MOST_VARIABLES),
    help="How many variables the function has.  [default: as few as it takes]",
)
@click.option("--data", type=PATH, metavar="TABLE", help="Learn a CSV, Parquet or npz file.")
@click.option(
    "--target", metavar="COLUMN", help="The column of the table that is learnt from the others."
)
@click.option(
    "--classes", is_flag=True, help="Learn its values as classes, although they are numbers."
)
@click.option(
    "--module",
    metavar="MODULE:CLASS",
    help="Compare a torch module of your own with a KAN or an MLP.",
)
@click.option(
    "--against",
    type=click.Choice(get_args(Rival)),
    help="Which of them, with --module.  [default: kan]",
)
@click.option(
    "--from", "source", metavar="EXPERIMENT", help="Copy an experiment that comes with the project."
)
def new(name: Path, **given: Any) -> None:
    """Write an experiment file that runs in minutes and can answer.

    The file has five sizes over a decade, a small search of all sides and a rule, with comments. It
    is NAME.yaml, and a file of that name is never overwritten. Give what is learnt with --function
    or --data, or your network with --module; or copy a file with --from.
    """
    path, chosen = write_starter(name, Starter(**given))
    for line in [
        *chosen,
        f"{path}: `harness validate {path}` checks it, `harness run {path}` runs it",
    ]:
        click.echo(line)
