"""`harness compare`: two arms of an experiment, or of a table of anybody's runs."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from harness.base.errors import HarnessError
from harness.base.files import check_writable
from harness.base.json_text import write_json
from harness.cli.options import PATH, POSITIVE, Sectioned, json_option, results_option
from harness.cli.showing import answer
from harness.cli.tables import TABLE_SECTION, given, is_of_table, opened, table_options

if TYPE_CHECKING:
    from harness.study.doors import Door

OF_EXPERIMENTS = ("at", "axis", "results", "explain")
LAWS = ("and", "compute", "seconds", "budgets", "floor", "alpha", "min_x", "max_x", "until")
SECTIONS = {"An experiment": OF_EXPERIMENTS} | TABLE_SECTION | {"Laws": LAWS}


def _pin(context: click.Context, option: click.Parameter, value: str | None) -> str | float | None:
    """What the arms have of a parameter: `free`, `shared` or a number."""
    if value in (None, "free", "shared"):
        return value
    with suppress(ValueError):
        number = float(str(value))
        if 0 < number < math.inf or (number == 0 and option.name == "floor"):
            return number
    raise HarnessError(f"{option.opts[0]} {value}: write free, shared, or a number above 0")


@click.command(
    cls=Sectioned,
    sections=SECTIONS,
    epilog="Example: harness compare experiments/quickstart.yaml kan mlp --axis params --at 40",
)
@click.argument("file", type=PATH, metavar="FILE|FOLDER|TABLE")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.option(
    "--at",
    type=POSITIVE,
    metavar="NUMBER",
    help="Experiment: a size of A.  [default: three common sizes]",
)
@results_option
@click.option(
    "--axis", help="Experiment: what --at counts: params, seconds, flops_train.local_min, …"
)
@table_options
@click.option(
    "--and", "and", metavar="COLUMN", help="Table: a second size; the best of both at each compute."
)
@click.option(
    "--compute",
    metavar="COLUMN",
    help="With --and: what a run costs.  [default: 6 times both sizes]",
)
@click.option(
    "--seconds", metavar="COLUMN", help="Table: what a run took, for a comparison at equal seconds."
)
@click.option(
    "--budget",
    "budgets",
    multiple=True,
    type=POSITIVE,
    help=(
        "More sizes of A (with --and: compute) at which to say how many times as much B needs. "
        "Repeat it."
    ),
)
@click.option(
    "--floor",
    metavar="WHAT",
    callback=_pin,
    help="Floors: free, shared or a number.  [default: shared]",
)
@click.option(
    "--alpha",
    metavar="WHAT",
    callback=_pin,
    help="Exponents: free, shared or a number.  [default: free]",
)
@click.option("--out", type=PATH, help="Folder for the numbers (JSON) and the figure.")
@click.option(
    "--explain", is_flag=True, help="Experiment: also print every ratio and every refusal."
)
@json_option
def compare(
    file: Path,
    first: str,
    second: str,
    results: Path,
    axis: str | None,
    explain: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Say which of two arms is better at equal size.

    FILE is an experiment: A and B are arms, series, or several arms under a name of yours,
    MLP=mlp_2,mlp_3. From several arms validation picks one in each replicate. This compares the
    smallest, a middle and the largest size that both sides have, at equal trainable parameters,
    training FLOPs by two counts, and seconds. With --at, A is the network of that size, and B has
    the same size. The figure is written to the results folder.

    With --x, or another option about laws, it fits laws to two series and compares these, as for a
    table.

    FILE is a table (.csv, .tsv, .parquet; one row a run): A and B are values of --by. Both arms get
    laws of one form, fitted at once. The answer is the multiplier: how many times the size of A, B
    needs for the loss of A. Where no such law holds, it is the ratio of losses at equal sizes.
    Every --x is one way to count size; the verdict says whether A is better under all of them.
    """
    arms = (first, second)
    if len(set(arms)) != 2:
        raise HarnessError(f"{first} and {second}: give two different arms to compare")
    is_table = is_of_table(file, asked)
    if is_table or given(asked.keys() - {"at", "level", "out"}):
        for option in given(OF_EXPERIMENTS if is_table else ("at", "axis", "explain")):
            raise HarnessError(
                f"{option} is for experiments without laws; of laws the sizes are --x, and "
                "--budget asks for a size"
            )
        from harness.judging.by_laws import OF_EACH_ARM

        more = {"laws": (OF_EACH_ARM,), "arms": arms, "seconds": asked["seconds"]}
        with opened(file, results, asked, f"compare {file} {first} {second}", **more) as door:
            _compare_laws(door, as_json, asked)
        return
    _compare_sides(file, results, arms, axis, explain, as_json, asked)


def _compare_sides(
    file: Path,
    results: Path,
    arms: tuple[str, str],
    axis: str | None,
    explain: bool,
    as_json: bool,
    asked: Mapping[str, Any],
) -> None:
    from harness.show.figures.labels import task_titles
    from harness.show.figures.series import experiment_styles
    from harness.show.figures.theme import write_figure
    from harness.show.figures.versus import TITLE_LETTERS, versus_figure
    from harness.show.tables.comparison import ratios_sentences, ratios_table
    from harness.show.tables.headline import console_lines
    from harness.study.analysis import compare_sides
    from harness.study.folders import StudyFile

    manifest, folder = StudyFile(file, results).frozen()
    compared = compare_sides(
        manifest, folder, arms, axis, asked["at"], asked["level"] if given(["level"]) else None
    )
    versus, target = compared.asked, asked["out"] or folder
    check_writable(target)
    stem = "compare_" + "_".join(
        re.sub(r"[^\w=-]+", "-", name) for name in (versus.first, versus.second)
    )
    write_json(compared, target / f"{stem}.json")
    styles = experiment_styles(manifest, {side.label: side.names for side in versus.sides})
    titles = task_titles(compared.headline.formulas, TITLE_LETTERS)
    drawn = write_figure(versus_figure(versus, compared.lines, styles, titles), target / stem)
    parts = [
        ratios_table(compared.headline),
        *ratios_sentences(compared.headline, compared.not_measured),
    ]
    shown = console_lines(compared.headline, [], [f"Figure: {path}" for path in drawn[:1]])
    answer(compared, as_json, [*(parts if explain else ()), *shown])


def _compare_laws(door: Door, as_json: bool, asked: Mapping[str, Any]) -> None:
    from harness.judging.by_laws import ComparisonRequest, curves_of_laws
    from harness.show.figures.series import named_styles
    from harness.show.figures.theme import write_figure
    from harness.show.figures.versus import versus_figure
    from harness.show.tables.comparison import laws_sentences, laws_tables
    from harness.show.tables.headline import wrapped
    from harness.show.tables.laws import note_sentences
    from harness.study.doors import compared_by_laws

    wanted = ComparisonRequest(asked["budgets"], asked["floor"], asked["alpha"] or "free")
    compared = compared_by_laws(door, wanted)
    tables = laws_tables(compared)
    answer(
        compared, as_json, [*tables, *note_sentences(tables), *wrapped(*laws_sentences(compared))]
    )
    if out := asked["out"]:
        check_writable(out)
        asked_of_figure, curves, against = curves_of_laws(compared)
        figure = versus_figure(
            asked_of_figure, curves, named_styles(door.request.arms), against=against
        )
        drawn = write_figure(figure, out / "compare")
        for path in (write_json(compared, out / "compare.json"), *drawn):
            click.echo(path, err=as_json)
