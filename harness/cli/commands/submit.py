"""`harness submit`."""

import click

from harness.cli.options import (
    EXAMPLE,
    mixed_code_option,
    replan_option,
    takes_study,
)
from harness.cli.sending import ask_and_send, where_options
from harness.record.code import take_mixed
from harness.show.console import ANSWERS
from harness.spec.manifest import manifest_path
from harness.study.folders import StudyFile, say_kept, take_kept
from harness.study.plans import freeze_plan, plan_of
from harness.study.sending import Destination, Request, share


@click.command(
    epilog=f"Example: harness submit {EXAMPLE} --profile slurm/cpu.yaml --max-gpu-hours 10"
)
@takes_study
@replan_option
@mixed_code_option
@where_options
def submit(
    study: StudyFile,
    replan: bool,
    mixed_code: bool,
    where: Destination,
    yes: bool,
) -> None:
    """Send missing runs to a cluster, as jobs of equal length.

    A run is missing if it has no record and is not on its way. You can run this again: it sends
    what is then missing. Jobs save their state every minute and when they are told to stop. They go
    on from it wherever they start again.
    """
    manifest, folder = plan_of(study), study.folder
    is_new = replan or not manifest_path(folder).exists()
    share(folder, where)
    if mixed_code and not where.dry_run:
        take_mixed(folder)
    if not (where.dry_run and is_new):
        manifest = freeze_plan(manifest, folder, replan)
    if where.dry_run:
        say_kept(manifest, folder, ANSWERS.say)
    else:
        take_kept(manifest, folder, ANSWERS.say)
    ask_and_send(Request(manifest, folder, where), yes)
