"""What `harness fit`, `compare` and `design` share: what is asked of laws, and the runs from either
door.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from harness.base.errors import HarnessError
from harness.cli.options import COUNT, POSITIVE, Number, together
from harness.show.tables.table import Table
from harness.spec.counts import axis_short

if TYPE_CHECKING:
    from harness.judging.request import FitsAnswer
    from harness.spec.manifest import Manifest
    from harness.study.analysis import Analysis
    from harness.study.doors import Door

# Options that say what the columns of a file mean.
OF_FILES = (
    "y",
    "by",
    "config",
    "seed",
    "status",
    "same",
    "group",
    "schedule",
    "sd",
    "ceiling",
    "chance",
    "best_of",
)
TABLE_SECTION: dict[str, Sequence[str]] = {
    "A table of runs": (
        "x",
        "y",
        "by",
        "config",
        "seed",
        "status",
        "where",
        *("same", "group", "schedule", "sd"),
    ),
    "Scores, and tuned runs": ("ceiling", "chance", "best_of"),
}
SHARE = Number(0, 1, min_open=True, max_open=True)

table_options = together(
    click.option(
        "--x",
        multiple=True,
        metavar="COLUMN",
        help="The column of sizes. Repeat it to fit several.",
    ),
    click.option(
        "--y",
        metavar="COLUMN",
        help="The column of losses: above 0, smaller is better (or see --ceiling).",
    ),
    click.option(
        "--ceiling",
        type=float,
        metavar="NUMBER",
        help="The most that y can be, as 1: laws are of 1 - y.",
    ),
    click.option(
        "--by",
        multiple=True,
        metavar="COLUMN",
        help="The column that names the arms. Repeat it to cross several.",
    ),
    click.option(
        "--config",
        multiple=True,
        metavar="COLUMN",
        help="A column of settings, to find runs listed twice. Repeat it.",
    ),
    click.option(
        "--seed", metavar="COLUMN", help="The column that distinguishes runs with equal settings."
    ),
    click.option(
        "--sd",
        metavar="COLUMN",
        help="The column of known standard errors of y, which weight the runs.",
    ),
    click.option(
        "--status",
        metavar="COLUMN",
        help="The column that says how a run ended: ok, done, true, …; all else failed.",
    ),
    click.option(
        "--where",
        multiple=True,
        metavar="COLUMN=VALUE",
        help="Only rows with this value. Repeat it for several.",
    ),
    click.option(
        "--same",
        multiple=True,
        metavar="COLUMN",
        help="A column that must have one value in a fit. Repeat it.",
    ),
    click.option(
        "--best-of",
        type=COUNT,
        metavar="K",
        help="Each size counts by the expected best of K runs.",
    ),
    click.option(
        "--level", type=SHARE, default=0.95, show_default=True, help="The level of the intervals."
    ),
    click.option("--min-x", type=POSITIVE, help="The smallest size that is fitted."),
    click.option("--max-x", type=POSITIVE, help="The largest size that is fitted."),
    click.option(
        "--until", type=click.Choice(["minimum"]), help="Fit the sizes up to the least mean loss."
    ),
)


def given(asked: Collection[str]) -> list[str]:
    """The options, of those asked for, that stand on the command line."""
    context = click.get_current_context()
    return [
        option.opts[0]
        for option in context.command.params
        if option.name in asked
        and context.get_parameter_source(option.name) is ParameterSource.COMMANDLINE
    ]


def is_of_table(file: Path, asked: Mapping[str, Any]) -> bool:
    """Whether a table is asked about, by its name or as --x or --y are given; else it is an
    experiment or its folder.

    A HarnessError about an option that is given there and is of files alone.
    """
    from harness.record import elsewhere

    is_experiment = file.suffix in (".yaml", ".yml") or file.is_dir()
    if elsewhere.is_table(file) or ((asked["x"] or asked["y"]) and not is_experiment):
        return True
    for option in given(OF_FILES):
        raise HarnessError(
            f"{option} is for tables of runs, and {file} is none; with a table give --x and --y too"
        )
    return False


def opened(
    file: Path, results: Path, asked: Mapping[str, Any], command: str, **more: Any
) -> AbstractContextManager[Door]:
    """What is asked, by the values of `table_options` and `more`, and the runs that it is asked
    of.
    """
    from harness.judging.request import SizeRange

    window = SizeRange(asked["min_x"], asked["max_x"], asked["until"])
    values = {name: asked[name] for name in ("x", "where", "level")} | {"window": window}
    if asked["and"]:
        values |= {"form": "and", "value": asked["and"]}
    values |= {"compute": asked["compute"], **more}
    if not is_of_table(file, asked):
        from harness.study.folders import StudyFile
        from harness.study.tables import open_experiment

        return open_experiment(*StudyFile(file, results).frozen(), file, values)
    from harness.study.doors import open_table

    columns = {name: asked[name] for name in OF_FILES if name in asked}
    example = f"; for example: harness {command} --x params --y rmse --by arch"
    return nullcontext(open_table(file, file, values, columns, example))


def laws_of_experiment(manifest: Manifest, analysis: Analysis) -> list[Table | str]:
    """The laws, held-out sizes and checks of an experiment, on its headline axes, and what to
    know.
    """
    from harness.judging.scaling import headline_axes
    from harness.show.tables.laws import IN_THE_REPORT, uncrossed
    from harness.study.analysis import fits_of

    laws = uncrossed(manifest, analysis.laws)
    ahead = [law for law in analysis.ahead if law.series in {series.name for series in laws}]
    fits = fits_of(manifest, analysis._replace(laws=laws, ahead=ahead))
    return laws_shown(fits, headline_axes(manifest), axis_short, IN_THE_REPORT)


def laws_shown(
    fits: FitsAnswer, axes: Sequence[str], called: Callable[[str], str], hidden: Sequence[str]
) -> list[Table | str]:
    """Laws as tables, without the hidden columns, and below them what to know."""
    from harness.show.tables.laws import law_sentences, law_tables
    from harness.show.tables.to_come import ahead_tables
    from harness.show.words import loss_of_laws

    tables = [table.without(*hidden) for table in law_tables(fits.laws, axes, called).values()]
    tables += ahead_tables(fits.ahead, loss_of_laws(fits.laws))
    return [*tables, *law_sentences(tables, fits.source)]
