"""`harness power`."""

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, POSITIVE, Count, json_option, takes_planned
from harness.cli.showing import answer
from harness.show.console import TERMINAL
from harness.spec.manifest import read_manifest
from harness.study.folders import StudyFile
from harness.study.plans import plan_of


@click.command(epilog=f"Example: harness power {EXAMPLE} --noise 0.3 --replicates 12")
@takes_planned
@click.option(
    "--replicates", type=Count(min=2), help="How many to plan with.  [default: the file's]"
)
@click.option(
    "--noise",
    type=POSITIVE,
    metavar="SD",
    help=(
        "Standard deviation of ln test loss between replicates, in place of records; with 0.3 "
        "they differ by a third."
    ),
)
@json_option
def power(study: StudyFile, replicates: int | None, noise: float | None, as_json: bool) -> None:
    """Say how many replicates the rules of an experiment need.

    A replicate is a whole search of all sides; without `search:` each seed is one. For every rule
    it shows the spread between replicates and the half-width of the interval. It shows which
    difference the rule will see in 80 % of experiments, and how many replicates it needs to see the
    smallest difference that matters (`matters:` of the rule: a factor of 1.1, or 0.2 of exponents).
    It never uses the difference that was measured.

    The spread comes from records of two replicates or more, so a pilot is enough. Without records
    it is --noise, or `noise:` of the file.
    """
    from harness.judging.foreseen import Power, foresee
    from harness.show.tables.to_come import power_sentences, power_table
    from harness.study.analysis import recorded_tables
    from harness.study.tables import keeping_fits

    # Of a file only runs that earlier plans share with this have records.
    manifest = read_manifest(study.folder) if study.is_folder else plan_of(study)
    if not manifest.experiment.decide:
        raise HarnessError(
            f"{study.file}: it has no `decide:`, so no rule needs replicates; docs/verdicts.md "
            "says how to add one"
        )
    with keeping_fits(study.folder, TERMINAL):
        tables = None if noise else recorded_tables(manifest, study.folder, TERMINAL.say)
        foreseen = foresee(manifest, tables and tables[:2], replicates, noise)
    answer(
        Power(foreseen),
        as_json,
        [power_table(foreseen), *power_sentences(foreseen)],
    )
