"""What `harness fit` and `harness compare` share where they are asked about a table of anybody's runs."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.base.errors import HarnessError
from harness.cli.options import together
from harness.comparison.tables.fits import SizeRange
from harness.comparison.tables.read import Columns, is_table, read_table
from harness.show.console import console, print_table
from harness.show.tables.table import Table

POSITIVE = click.FloatRange(min=0, min_open=True)
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)

# All are left out where an experiment is asked about.
table_options = together(
    click.option("--x", multiple=True, metavar="COLUMN", help="The column of sizes. Repeat it to fit several."),
    click.option("--y", metavar="COLUMN", help="The column of losses: above 0, smaller is better."),
    click.option(
        "--by", multiple=True, metavar="COLUMN", help="The column that names the arms. Repeat it to cross several."
    ),
    click.option(
        "--config", multiple=True, metavar="COLUMN", help="What a run was set to. It finds runs that are listed twice."
    ),
    click.option("--seed", metavar="COLUMN", help="What distinguishes the repeats of a config."),
    click.option("--status", metavar="COLUMN", help="How a run ended. All but ok, done, true, … failed."),
    click.option(
        "--where", multiple=True, metavar="COLUMN=VALUE", help="Only rows with this value. Repeat it for several."
    ),
    click.option(
        "--same", multiple=True, metavar="COLUMN", help="A column that must have one value in a fit. Repeat it."
    ),
    click.option("--level", type=SHARE, default=0.95, show_default=True, help="The level of the intervals."),
    click.option("--min-x", type=POSITIVE, help="The smallest size that is fitted."),
    click.option("--max-x", type=POSITIVE, help="The largest size that is fitted."),
    click.option("--until", type=click.Choice(["minimum"]), help="Fit the sizes up to the least mean loss."),
    click.option(
        "--objective",
        metavar="TEXT",
        default="auto",
        show_default=True,
        help="least_squares, huber, or as published: 'huber_log(delta=1e-3)'.",
    ),
)


def given(asked: Mapping[str, Any]) -> list[str]:
    """The options, of those asked for, that stand on the command line."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name in asked and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def is_of_table(file: Path, asked: Mapping[str, Any], of_both: Collection[str] = ()) -> bool:
    """Whether a table is asked about, by its name or as --x or --y are given; else it is an experiment or its folder.

    A HarnessError about an option of tables that is given there; those in `of_both` are of experiments too.
    """
    is_experiment = file.suffix in (".yaml", ".yml") or file.is_dir()
    if is_table(file) or ((asked["x"] or asked["y"]) and not is_experiment):
        return True
    for option in given({name: None for name in asked if name not in of_both}):
        raise HarnessError(f"{option} is for tables of runs, and {file} is none; with a table give --x and --y too")
    return False


def check_named(file: Path, x: Sequence[str], y: str | None, command: str) -> None:
    """Raises HarnessError, with the file's columns, where sizes or losses are not named."""
    if not x or not y:
        absent = " and ".join(name for name, given in (("--x", x), ("--y", y)) if not given)
        columns = ", ".join(map(str, read_table(file).columns))
        example = f"harness {command} --x params --y rmse --by arch"
        raise HarnessError(f"{absent}: name the column of sizes and that of losses ({columns}); for example: {example}")


def columns_of(asked: Mapping[str, Any]) -> Columns:
    """What the columns of the table mean, by the values of `table_options`."""
    return Columns(**{name: asked[name] for name in ("y", "by", "config", "seed", "status", "same")})


def window_of(asked: Mapping[str, Any]) -> SizeRange:
    """Which sizes are fitted, by the values of `table_options`."""
    return SizeRange(asked["min_x"], asked["max_x"], asked["until"])


def print_answer(tables: Iterable[Table], sentences: Iterable[str]) -> None:
    """Print the tables, and below them what is to be said of them."""
    for table in tables:
        print_table(table)
    for sentence in sentences:
        console.print(sentence, soft_wrap=True)
