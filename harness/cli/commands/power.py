"""`harness power`."""

from functools import partial
from pathlib import Path
from typing import Annotated, NamedTuple

import click

from harness.base.errors import HarnessError
from harness.base.json_text import json_text
from harness.cli.options import EXAMPLE, json_option, planned_argument, results_option, scale_option
from harness.cli.tables import POSITIVE
from harness.judging.foreseen import ForeseenRule, foresee
from harness.show.console import TERMINAL, console, print_table
from harness.show.tables.power import power_sentences, power_table
from harness.spec import Manifest, manifest_path, read_manifest
from harness.study.analysis import keeping_fits
from harness.study.folders import folder_of
from harness.study.foresight import no_runs, recorded_tables
from harness.study.plans import plan_of


class Power(NamedTuple):
    """How many replicates the rules of an experiment need."""

    rules: Annotated[list[ForeseenRule], "in the order of the file"]


@click.command(epilog=f"Example: harness power {EXAMPLE} --noise 0.3 --replicates 12")
@planned_argument
@results_option
@scale_option
@click.option("--replicates", type=click.IntRange(min=2), help="How many to plan with.  [default: the file's]")
@click.option(
    "--noise",
    type=POSITIVE,
    metavar="SD",
    help="Standard deviation of ln test loss between replicates, in place of records. 0.3: they differ by a third.",
)
@json_option({"power FILE": Power})
def power(file: Path, results: Path, scale: str, replicates: int | None, noise: float | None, as_json: bool) -> None:
    """Say how many replicates the rules of an experiment need.

    A replicate is a whole search of all sides; without `search:` each seed is one. For every rule: the spread between
    replicates, the width of its interval, the smallest difference that it will see in 80 % of experiments, and the
    replicates that it needs to see the smallest difference that matters (`matters:` of the rule: a factor of 1.1, or
    0.2 of exponents). The difference that was measured is never used.

    The spread is read off the records that are there, of two replicates or more: a pilot is enough. Without records it
    is --noise, or `noise:` of the file.
    """
    manifest, folder = _plan(file, results, scale)
    if not manifest.experiment.decide:
        raise HarnessError(
            f"{file}: it has no `decide:`, so no rule needs replicates; docs/verdicts.md says how to add one"
        )
    with keeping_fits(folder, TERMINAL):
        table, every = (
            (no_runs(), no_runs()) if noise else recorded_tables(manifest, folder, partial(click.echo, err=True))
        )
        foreseen = foresee(manifest, table, replicates, noise, every)
    if as_json:
        click.echo(json_text(Power(foreseen)))
        return
    print_table(power_table(foreseen))
    for line in power_sentences(foreseen):
        console.print(line, soft_wrap=True)


def _plan(file: Path, results: Path, scale: str) -> tuple[Manifest, Path]:
    """The plan that a file makes now, of which only the runs that it shares with earlier plans have records.

    Of a results folder it is the frozen one.
    """
    if manifest_path(file).exists():
        return read_manifest(file), file
    return plan_of(file, scale), folder_of(file, results, scale)
