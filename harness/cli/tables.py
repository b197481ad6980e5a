"""What `harness fit` and `harness compare` share where they are asked about a table of anybody's runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from harness.base.errors import HarnessError
from harness.cli.options import together
from harness.judging.request import Request, SizeRange, check_request
from harness.record.elsewhere import Columns, is_table, read_table

POSITIVE = click.FloatRange(min=0, min_open=True)
OF_FILES = ("y", "by", "config", "seed", "status", "same")  # options that say what the columns of a file mean
SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)

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


def is_of_table(file: Path, asked: Mapping[str, Any]) -> bool:
    """Whether a table is asked about, by its name or as --x or --y are given; else it is an experiment or its folder.

    A HarnessError about an option that is given there and is of files alone.
    """
    is_experiment = file.suffix in (".yaml", ".yml") or file.is_dir()
    if is_table(file) or ((asked["x"] or asked["y"]) and not is_experiment):
        return True
    for option in given(dict.fromkeys(OF_FILES)):
        raise HarnessError(f"{option} is for tables of runs, and {file} is none; with a table give --x and --y too")
    return False


def table_request(file: Path, asked: Mapping[str, Any], command: str, **more: Any) -> Request:
    """What the values of `table_options` ask of a table; a HarnessError where sizes or losses are not named."""
    if not asked["x"] or not asked["y"]:
        absent = " and ".join(name for name, value in (("--x", asked["x"]), ("--y", asked["y"])) if not value)
        columns = ", ".join(map(str, read_table(file).columns))
        example = f"harness {command} --x params --y rmse --by arch"
        raise HarnessError(f"{absent}: name the column of sizes and that of losses ({columns}); for example: {example}")
    columns_of = Columns(**{name: asked[name] for name in ("y", "by", "config", "seed", "status", "same")})
    return request_of(file, asked, columns=columns_of, **more)


def request_of(file: Path, asked: Mapping[str, Any], **more: Any) -> Request:
    """What the values of `table_options` ask of the runs of an experiment or of a table."""
    window = SizeRange(asked["min_x"], asked["max_x"], asked["until"])
    own = {name: asked[name] for name in ("x", "where", "level", "objective")}
    request = Request(file, window=window, **own | more)
    check_request(request)
    return request
