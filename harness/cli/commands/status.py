"""`harness status`."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import json_text
from harness.cli.group import Output, output_is_read
from harness.cli.mirroring import copy_finished, export_of, wandb_option
from harness.cli.options import EXAMPLE, PATH, json_option, results_option
from harness.cli.showing import answer, show
from harness.dispatch.leftovers import disk_bytes, notable_bytes
from harness.dispatch.mirror import WandbMode
from harness.dispatch.reconcile import overview, spending, unneeded
from harness.dispatch.state import OVER, STATES, UNDERWAY, WENT_WRONG, StateName
from harness.record.store import duplicates
from harness.show import sweeps
from harness.show.console import console
from harness.show.disk import OverviewSaid, disk_json, disk_words, overview_lines, overview_table
from harness.show.tables.table import Table
from harness.spec.manifest import Manifest
from harness.study.folders import StudyFile, records_of, say_kept
from harness.study.sweeps import SweepView, is_complete, look

WATCH_SECONDS = 30.0  # between two questions to SLURM


@click.command(epilog=f"Example: harness status {EXAMPLE} --watch --why failed")
@click.argument("file", type=PATH, metavar="[FILE|FOLDER]", required=False)
@results_option
@click.option(
    "--watch",
    is_flag=True,
    help=f"Look again every {WATCH_SECONDS:.0f} s until no run is on its way.",
)
@click.option(
    "--why",
    type=click.Choice([*STATES, "failed"]),
    metavar="STATE",
    help="List the runs in a state, and why. `failed` lists all that went wrong.",
)
@wandb_option
@json_option
def status(
    file: Path | None,
    results: Path,
    watch: bool,
    why: str | None,
    as_json: bool,
    wandb: WandbMode | None,
) -> None:
    """Show where every planned run is, and why.

    States: planned, queued, running, done, diverged, out of memory, timed out, preempted, node
    failed, lost, crashed, quarantined, cancelled, damaged. They come from the record, the worker's
    log, SLURM and time. Exit 3 while some runs are missing.

    Without FILE, it counts the runs of every experiment in the results folder, and says how much
    disk each takes. The column `recorded` counts records without reading them; `failed` counts all
    runs that went wrong.

    With --wandb it copies finished runs to wandb, with --watch each time that it looks. Offline
    runs are written to the experiment's folder, for `wandb sync`; those that are there stay as they
    are.
    """
    for option, value in (("--why", why), ("--wandb", wandb)):
        if value and not file:
            typed = f"{option} {value}"
            raise HarnessError(
                f"{typed}: say of which experiment, as in `harness status {EXAMPLE} {typed}`"
            )
    if file and (file / "runs").is_dir():
        raise HarnessError(
            f"{file}: this folder holds all results; `harness status --results {file}` shows them"
        )
    export = export_of(wandb, *StudyFile(file, results).frozen()) if wandb and file else None
    while True:
        if file:
            is_underway, is_complete = _of_experiment(file, results, why, watch, as_json)
        else:
            is_underway, is_complete = _of_all(results, watch, as_json)
        left = copy_finished(export) if export else 0
        if not watch or not output_is_read() or not is_underway:
            break
        time.sleep(WATCH_SECONDS)
    if not is_complete or left:
        sys.exit(INCOMPLETE)


def _of_experiment(
    file: Path, results: Path, why: str | None, watch: bool, as_json: bool
) -> tuple[bool, bool]:
    """Show the runs of one experiment; whether some are on their way, and whether none is
    missing.
    """
    manifest, folder = StudyFile(file, results).frozen()
    listed = [
        state for state in STATES if state == why or (why == "failed" and state in WENT_WRONG)
    ]
    view = look(manifest, folder)
    _clear(watch)
    show_status(manifest, folder, view, listed, as_json)
    is_underway = any(state.state in UNDERWAY for state in view.states.values())
    return is_underway, is_complete(view)


def _of_all(results: Path, watch: bool, as_json: bool) -> tuple[bool, bool]:
    """Show how far every experiment of a results folder is; the same of their runs."""
    if not results.is_dir():
        raise HarnessError(
            f"{results}: no such folder; give FILE, or name the folder of results by --results"
        )
    every = overview(results)
    _clear(watch)
    sizes = disk_bytes(results)
    notable = notable_bytes(results, sizes)
    table = [overview_table(every)] if every.experiments else []
    lines = [*overview_lines(every, results), disk_words(results, sizes, notable)]
    answer(OverviewSaid(results, *every, disk_json(sizes, notable)), as_json, [*table, *lines])
    is_underway = any(sweep.running or sweep.queued for sweep in every.experiments)
    return is_underway, not every.unreadable and not any(
        sweep.missing for sweep in every.experiments
    )


def _clear(watch: bool) -> None:
    if watch and console.is_terminal and isinstance(sys.stdout, Output):
        sys.stdout.clear()


def show_status(
    manifest: Manifest,
    folder: Path,
    view: SweepView,
    listed: Sequence[StateName],
    as_json: bool,
) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a state to be
    listed.
    """
    states, evidence, earlier = view.states, view.evidence, view.earlier
    spent, jobs = spending(states | earlier, evidence), unneeded(evidence, states | earlier)
    sizes = disk_bytes(folder.parent)
    notable = notable_bytes(folder.parent, sizes)
    if as_json:
        disk = disk_json(sizes, notable)
        click.echo(
            json_text(sweeps.sweep_said(manifest, states, spent, earlier, jobs, evidence, disk))
        )
        return
    parts: list[Table | str] = [sweeps.status_words(manifest, states)]
    say_kept(manifest, folder, parts.append)
    if spent or any(state.state not in ("planned", *OVER) for state in states.values()):
        parts.append(sweeps.status_table(states))
    if spent:
        parts.append(sweeps.spending_words(spent))
    differing = sweeps.duplicate_lines(duplicates(records_of(folder)))
    parts += [
        *evidence.damage,
        *sweeps.earlier_lines(earlier),
        *sweeps.unneeded_lines(jobs),
        *differing,
    ]
    parts.append(disk_words(folder.parent, sizes, notable))
    if any(state.state in listed for state in states.values()):
        parts.append(sweeps.why_table(states, sweeps.run_words(manifest), listed))
    elif listed:
        parts.append(f"no run is {' or '.join(listed)}")
    show(parts)
