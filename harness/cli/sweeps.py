"""Sweeps that were sent off: status, cancel, logs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.cli.options import (
    planned_argument,
    results_option,
)
from harness.cli.output import output_is_read
from harness.cli.steps import frozen_plan, records_of
from harness.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.tables.commands import json_option

if TYPE_CHECKING:
    from harness.dispatch.state import Evidence, RunState, State
    from harness.spec import Manifest

EXAMPLE = "experiments/quickstart.yaml"
FIELDS = ("task", "arm", "series", "seed", "trial", "state", "run")  # by which runs are chosen
OUTPUT_LINES = 40  # of a job that `logs` shows
WATCH_SECONDS = 30.0  # between two questions to SLURM


class Look(NamedTuple):
    """What is known of a sweep."""

    evidence: Evidence
    found: dict[str, RunState]


@click.command(epilog=f"Example: harness status {EXAMPLE} --watch --why failed")
@planned_argument
@results_option
@click.option("--watch", is_flag=True, help=f"Look again every {WATCH_SECONDS:.0f} s until no run is on its way.")
@click.option("--why", metavar="STATE", help="List the runs in a state and why; `failed` for all that went wrong.")
@json_option
def status(file: Path, results: Path, watch: bool, why: str | None, as_json: bool) -> None:
    """Say where every planned run is, from its record, its worker's log, SLURM and time; exit 3 while some are missing.

    States: planned, queued, running, done, diverged, out of memory, timed out, preempted, node failed, lost, crashed,
    quarantined, cancelled.
    """
    from harness.console import console
    from harness.dispatch.state import UNDERWAY
    from harness.show_sweeps import wanted_states

    manifest, folder = frozen_plan(file, results)
    wanted = wanted_states(why) if why else ()
    while True:
        seen = look(manifest, folder)
        if watch and console.is_terminal:
            console.clear()
        show_status(manifest, folder, seen, wanted, as_json)
        if not watch or not output_is_read() or not any(one.state in UNDERWAY for one in seen.found.values()):
            break
        time.sleep(WATCH_SECONDS)
    if any(one.state not in ("done", "diverged") for one in seen.found.values()):
        sys.exit(INCOMPLETE)


@click.command(epilog=f"Example: harness cancel {EXAMPLE} --where arm=mlp --where state=queued")
@planned_argument
@results_option
@click.option(
    "--where", "conditions", multiple=True, metavar="FIELD=VALUE", help="Only runs of which this holds; repeat."
)
@click.option("--yes", is_flag=True, help="Do not ask.")
def cancel(file: Path, results: Path, conditions: tuple[str, ...], yes: bool) -> None:
    """Take back runs that are on their way or would be sent off: jobs with no others end, workers pass over the rest.

    Fields: task, arm, series, seed, trial, state, run (the beginning of an id). What is cancelled stays so until
    `harness retry --cause cancelled`. A pack that trains already goes on if not all of its runs are cancelled.
    """
    from harness.dispatch.cluster import scancel
    from harness.dispatch.reconcile import jobs_without
    from harness.dispatch.state import FREE, UNDERWAY
    from harness.dispatch.submission import write_order

    manifest, folder = frozen_plan(file, results)
    seen = look(manifest, folder)
    matching = _matching(manifest, seen.found, conditions)
    runs = [run for run in matching if seen.found[run].state in (*FREE, *UNDERWAY)]
    if not runs:
        words = "is on its way or would be sent off"
        raise HarnessError(f"no run of {manifest.name} that fits {words}; `harness status` shows what there is")
    if not yes and not click.confirm(f"cancel {len(runs)} runs?"):
        raise HarnessError("nothing was cancelled", INCOMPLETE)
    write_order(folder, "cancel", runs)
    numbers, processes = jobs_without(seen.evidence, seen.found, set(runs))
    scancel(numbers)
    _terminate(processes)
    ended = f"; {len(numbers) + len(processes)} jobs with no other runs were ended" if numbers or processes else ""
    click.echo(f"cancelled: {len(runs)} runs{ended}")


@click.command(epilog=f"Example: harness logs {EXAMPLE} 3f9a")
@planned_argument
@click.argument("run", metavar="RUN")
@results_option
def logs(file: Path, run: str, results: Path) -> None:
    """Tell the story of a run (the beginning of its id will do): its attempts, and the end of its last job's output."""
    from harness.show_sweeps import story

    manifest, folder = frozen_plan(file, results)
    found = [identity for identity in manifest.run_ids() if identity.startswith(run)]
    if len(found) != 1:
        many = f"{len(found)} runs begin so; give more of it" if found else "no run of the plan begins so"
        raise HarnessError(f"{run}: {many} (`harness status FILE --why STATE` lists ids)")
    seen = look(manifest, folder)
    for line in story(found[0], seen.found[found[0]], seen.evidence):
        click.echo(line)
    _show_output(folder, found[0], seen.evidence)


# -------------------------------------------------------------------------------------------------------------- steps
def look(manifest: Manifest, folder: Path) -> Look:
    """All that is known of the runs of a plan, now."""
    from harness.dispatch.reconcile import gather, reconcile
    from harness.record import statuses

    evidence = gather(folder, statuses(manifest, records_of(folder)))
    return Look(evidence, reconcile(manifest, folder, evidence))


def check_none_underway(manifest: Manifest, folder: Path) -> None:
    """A HarnessError if runs were sent off and are on their way: to train them here too would be a waste."""
    from harness.dispatch.state import UNDERWAY

    if not (folder / "submissions").exists():
        return
    number = sum(one.state in UNDERWAY for one in look(manifest, folder).found.values())
    if number:
        raise HarnessError(
            f"{number} runs of {manifest.name} are on their way; wait for them (`harness status {folder} --watch`), "
            f"or take them back (`harness cancel {folder}`)",
            INCOMPLETE,
        )


def show_status(manifest: Manifest, folder: Path, seen: Look, wanted: Sequence[State], as_json: bool) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a wanted state."""
    from harness.console import console
    from harness.dispatch.reconcile import spending
    from harness.record import duplicates
    from harness.show_sweeps import (
        duplicate_lines,
        run_words,
        spending_words,
        status_json,
        status_table,
        status_words,
        why_table,
    )

    spent = spending(seen.found, seen.evidence)
    if as_json:
        click.echo(json.dumps(status_json(manifest, seen.found, spent)))
        return
    click.echo(status_words(manifest, seen.found))
    if spent:
        console.print(status_table(seen.found))
        console.print(spending_words(spent), soft_wrap=True)
    for line in duplicate_lines(duplicates(records_of(folder))):
        console.print(line, soft_wrap=True)
    if wanted and not any(one.state in wanted for one in seen.found.values()):
        console.print(f"no run is {' or '.join(wanted)}", soft_wrap=True)
    elif wanted:
        console.print(why_table(seen.found, run_words(manifest), wanted))


def _matching(manifest: Manifest, found: Mapping[str, RunState], conditions: Sequence[str]) -> list[str]:
    """The runs of which all conditions hold; of a run that several cells share, one is enough."""
    asked = []
    for condition in conditions:
        field, equals, value = condition.partition("=")
        if not equals or field not in FIELDS:
            raise HarnessError(f"--where {condition}: {did_you_mean(field, FIELDS)}; write FIELD=VALUE")
        asked.append((field, value))
    cells = {cell.index: cell for cell in manifest.cells}
    matching = []
    for planned in manifest.runs:
        cell = cells[planned.cell]
        has = {
            "task": cell.task,
            "arm": cell.arm,
            "series": cell.series,
            "seed": str(planned.run.seed),
            "trial": str(planned.trial),
            "state": found[planned.run_id].state,
            "run": planned.run_id,
        }
        if all(has[field].startswith(value) if field == "run" else has[field] == value for field, value in asked):
            matching.append(planned.run_id)
    return list(dict.fromkeys(matching))


def _terminate(processes: Iterable[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue


def _show_output(folder: Path, run: str, evidence: Evidence) -> None:
    """The end of what the last job of a run printed."""
    from harness.dispatch.local import local_log
    from harness.dispatch.slurm import log_path

    path = None
    for submission in evidence.submissions:
        for place, job in enumerate(submission.jobs):
            if any(run in pack for pack in job.packs):
                listed = evidence.queue.of(submission.name, place)
                begun = [one.begun for one in evidence.attempts if one.begun["submission"] == submission.id]
                numbers = [one["slurm_number"] for one in begun if one["place"] == place]
                number = numbers[-1] if numbers else listed.number if listed else None
                path = log_path(folder, number) if number else local_log(folder, submission.id)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path and path.exists() else []
    if lines:
        click.echo(f"the end of {path}:")
    for line in lines[-OUTPUT_LINES:]:
        click.echo(f"    {line}")
