"""`harness design`: which runs to make next."""

from pathlib import Path
from typing import Any

import click

from harness.base.formats import plural
from harness.cli.options import COUNT, PATH, POSITIVE, Sectioned, json_option, results_option
from harness.cli.showing import answer
from harness.cli.tables import TABLE_SECTION, opened, table_options

QUESTIONS = ("exponent", "optimum", "prediction", "multiplier")


@click.command(
    cls=Sectioned,
    sections={"The question": ("question", "at", "budget", "runs", "arms")}
    | TABLE_SECTION
    | {"The law to plan by": ("law", "and", "compute", "min_x", "max_x", "until")},
    epilog=(
        "Example: harness design grid.csv --x N --and D --y loss --question optimum --at 1e22 "
        "--budget 4e20"
    ),
)
@click.argument("file", type=PATH, metavar="FILE|FOLDER|TABLE")
@results_option
@table_options
@click.option("--law", help="pure, floor, shifted or broken.  [default: auto, the law to quote]")
@click.option(
    "--and",
    "and",
    metavar="COLUMN",
    help="The column of a second size, z: E + A x^-alpha + B z^-beta.",
)
@click.option(
    "--compute",
    metavar="COLUMN",
    help="With --and: what a run costs.  [default: 6 times x times z]",
)
@click.option(
    "--arms",
    nargs=2,
    metavar="A B",
    help="Of a multiplier: the two values of --by, if there are more.",
)
@click.option(
    "--question", type=click.Choice(QUESTIONS), required=True, help="What is to be known better."
)
@click.option(
    "--at",
    metavar="PLACE",
    help="A compute or a size, 1e21; of a prediction also N=1e9,D=2e10 or C=1e21.",
)
@click.option("--budget", type=POSITIVE, required=True, help="What all new runs may cost together.")
@click.option("--runs", type=COUNT, default=4, show_default=True, help="How many new runs.")
@json_option
def design(file: Path, results: Path, as_json: bool, **asked: Any) -> None:
    """Say which runs to make next, for a question and a budget.

    The question is the exponent of x; the best x at a compute (optimum, without --at its exponent);
    the loss of a run (prediction); or how many times more of x the second arm needs (multiplier).

    It proposes the sizes, ratios and seeds after which the interval of this is expected to be
    shortest, within the sizes of the table and half a decade beyond. Beside them stands what the
    largest runs for the same budget would give, and more seeds of what the table has. A run of one
    size costs its size. The plan trusts the law of `harness fit`.
    """
    from harness.judging.design import Asked
    from harness.judging.laws import AUTO
    from harness.show.tables import frames
    from harness.show.tables.to_come import design_frame, design_sentences
    from harness.study.doors import designed

    laws, arms = (asked["law"] or AUTO,), asked["arms"] or ()
    with opened(file, results, asked, f"design {file}", laws=laws, arms=arms) as door:
        wanted = Asked(asked["question"], asked["budget"], asked["runs"], asked["at"])
        found = designed(door, wanted)
    title = f"{plural(wanted.runs, 'run')} for {wanted.budget:g}"
    frame = design_frame(found).rename(columns={"width": "width / width now"})
    answer(found, as_json, [frames.table_of_frame(title, frame, 3), *design_sentences(found)])
