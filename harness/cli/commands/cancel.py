"""`harness cancel`."""

import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.base.formats import plural
from harness.cli.options import EXAMPLE, confirm, plan_options, yes_option
from harness.dispatch.cluster import scancel
from harness.dispatch.reconcile import Unneeded, unneeded
from harness.dispatch.state import FREE, UNDERWAY, RunState
from harness.dispatch.submission import write_order
from harness.spec.manifest import Manifest
from harness.study.sweeps import look

FIELDS = ("task", "arm", "series", "seed", "trial", "state", "run")  # by which runs are chosen


@click.command(epilog=f"Example: harness cancel {EXAMPLE} --where arm=mlp --where state=queued")
@plan_options
@click.option(
    "--where",
    "conditions",
    multiple=True,
    metavar="FIELD=VALUE",
    help="Only runs with this value. Repeat it.",
)
@click.option(
    "--earlier", is_flag=True, help="Only runs of earlier plans that --replan left on their way."
)
@yes_option
def cancel(
    manifest: Manifest, folder: Path, conditions: tuple[str, ...], earlier: bool, yes: bool
) -> None:
    """Cancel runs that are queued, running or still to be sent off.

    --where chooses runs by a field: task, arm, series, seed, trial, state, or run (the beginning of
    an id).

    A job ends when all of its runs are cancelled. Workers skip cancelled runs, but a pack that
    already trains goes on unless all of its runs are cancelled. Cancelled runs stay so until
    `harness retry --cause cancelled`.

    You can run this again: it ends jobs of cancelled runs that are still there. Exit 3 if that
    fails.
    """
    if earlier and conditions:
        raise HarnessError(
            "--earlier, --where: give one of them; runs of earlier plans have no fields any more"
        )
    view = look(manifest, folder)
    states = view.states | view.earlier
    matching = list(view.earlier) if earlier else _matching(manifest, view.states, conditions)
    chosen = UNDERWAY if earlier else (*FREE, *UNDERWAY)
    runs = [run for run in matching if states[run].state in chosen]
    jobs = unneeded(
        view.evidence, states | {run: states[run]._replace(state="cancelled") for run in runs}
    )
    if not runs and not any(jobs):
        if any(states[run].state == "cancelled" for run in matching):
            click.echo("cancelled already, and no job of theirs is left")
            return
        which = f"of an earlier plan of {manifest.name} is on its way"
        fits = f"of {manifest.name} that you chose is queued, running or still to be sent off"
        raise HarnessError(
            f"no run {which if earlier else fits}; `harness status` shows what there is"
        )
    for line in view.evidence.damage:
        click.echo(line)
    question = f"cancel {plural(len(runs), 'run')}?" if runs else "end the jobs of cancelled runs?"
    confirm(question, yes, refused="nothing was cancelled")
    if runs:
        write_order(folder, "cancel", runs, "`harness cancel`")
    outcome = f"cancelled: {plural(len(runs), 'run')}"
    if failures := _end(jobs):
        why = f"{' and '.join(failures)} could not be ended"
        move = (
            "repeat the command when SLURM answers, or on the cluster and as the user that "
            "sent them off"
        )
        raise HarnessError(f"{outcome}; the order is kept, but {why}: {move}", INCOMPLETE)
    number = len(jobs.numbers) + len(jobs.processes)
    click.echo(outcome + (f"; {number} jobs with no other runs were ended" if number else ""))


def _matching(
    manifest: Manifest, states: Mapping[str, RunState], conditions: Sequence[str]
) -> list[str]:
    """The runs of which all conditions hold; of a run that several cells share, one is enough."""
    asked = []
    for condition in conditions:
        field, equals, value = condition.partition("=")
        if not equals or field not in FIELDS:
            raise HarnessError(
                f"--where {condition}: {did_you_mean(field, FIELDS)}; write FIELD=VALUE"
            )
        asked.append((field, value))
    matching = []
    for planned in manifest.runs:
        cell, state, run_id = (
            manifest.cells[planned.cell],
            states[planned.run_id].state,
            planned.run_id,
        )
        values = (
            cell.task,
            cell.arm,
            cell.series,
            str(planned.run.seed),
            str(planned.trial),
            state,
            run_id,
        )
        has = dict(zip(FIELDS, values, strict=True))
        if all(
            has[field].startswith(value) if field == "run" else has[field] == value
            for field, value in asked
        ):
            matching.append(run_id)
    return list(dict.fromkeys(matching))


def _end(jobs: Unneeded) -> list[str]:
    """End these jobs; how many could not be ended, and why."""
    failures = [f"{number} jobs ({why})" for why, number in jobs.not_verified.items()]
    try:
        scancel(jobs.numbers)
    except HarnessError as error:
        failures.append(f"{len(jobs.numbers)} jobs ({error})")
    for process in jobs.processes:
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue
        except PermissionError:
            failures.append(f"{len(jobs.processes)} jobs (process {process} is another user's)")
            break
    return failures
