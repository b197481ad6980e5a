"""Sweeps that were sent off: status, cancel, logs."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import click

from harness.base.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.cli.options import (
    planned_argument,
    results_option,
)
from harness.cli.output import output_is_read
from harness.cli.steps import confirm, frozen_plan, records_of
from harness.cli.tables import json_option

if TYPE_CHECKING:
    from harness.dispatch.reconcile import Unneeded
    from harness.dispatch.state import Evidence, RunState, State
    from harness.spec import Manifest

EXAMPLE = "experiments/quickstart.yaml"
FIELDS = ("task", "arm", "series", "seed", "trial", "state", "run")  # by which runs are chosen
OUTPUT_LINES = 40  # of a job that `logs` shows
WATCH_SECONDS = 30.0  # between two questions to SLURM


class Look(NamedTuple):
    """What is known of a sweep: the states of its planned runs, and of those that only earlier plans have.

    `beside` has the planned runs that other experiments' folders have on their way.
    """

    evidence: Evidence
    found: dict[str, RunState]
    earlier: dict[str, RunState]
    beside: dict[Path, dict[str, RunState]]


@click.command(epilog=f"Example: harness status {EXAMPLE} --watch --why failed")
@planned_argument
@results_option
@click.option("--watch", is_flag=True, help=f"Look again every {WATCH_SECONDS:.0f} s until no run is on its way.")
@click.option("--why", metavar="STATE", help="List the runs in a state and why; `failed` for all that went wrong.")
@json_option
def status(file: Path, results: Path, watch: bool, why: str | None, as_json: bool) -> None:
    """Say where every planned run is, from its record, its worker's log, SLURM and time; exit 3 while some are missing.

    States: planned, queued, running, done, diverged, out of memory, timed out, preempted, node failed, lost, crashed,
    quarantined, cancelled, damaged.
    """
    from harness.dispatch.state import UNDERWAY
    from harness.show.console import console
    from harness.show.sweeps import wanted_states

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
@click.option("--earlier", is_flag=True, help="Only runs of earlier plans, which --replan has left on their way.")
@click.option("--yes", is_flag=True, help="Do not ask; without a terminal it must be said.")
def cancel(file: Path, results: Path, conditions: tuple[str, ...], earlier: bool, yes: bool) -> None:
    """Take back runs that are on their way or would be sent off: jobs with no others end, workers pass over the rest.

    Fields: task, arm, series, seed, trial, state, run (the beginning of an id). What is cancelled stays so until
    `harness retry --cause cancelled`. A pack that trains already goes on if not all of its runs are cancelled.

    Running it again is harmless: it ends jobs of cancelled runs that are still there. Exit 3 if that fails.
    """
    from harness.dispatch.reconcile import unneeded
    from harness.dispatch.state import FREE, UNDERWAY
    from harness.dispatch.submission import write_order

    if earlier and conditions:
        raise HarnessError("--earlier, --where: give one of them; runs of earlier plans have no fields any more")
    manifest, folder = frozen_plan(file, results)
    seen = look(manifest, folder)
    known = seen.found | seen.earlier
    matching = list(seen.earlier) if earlier else _matching(manifest, seen.found, conditions)
    runs = [run for run in matching if known[run].state in (UNDERWAY if earlier else (*FREE, *UNDERWAY))]
    jobs = unneeded(seen.evidence, known | {run: known[run]._replace(state="cancelled") for run in runs})
    if not runs and not any(jobs):
        if any(known[run].state == "cancelled" for run in matching):
            click.echo("cancelled already, and no job of theirs is left")
            return
        which = f"of an earlier plan of {manifest.name} is on its way"
        fits = f"of {manifest.name} that fits is on its way or would be sent off"
        raise HarnessError(f"no run {which if earlier else fits}; `harness status` shows what there is")
    question = f"cancel {len(runs)} runs?" if runs else "end the jobs of cancelled runs?"
    confirm(question, yes, refused="nothing was cancelled")
    if runs:
        write_order(folder, "cancel", runs, "`harness cancel`")
    told = f"cancelled: {len(runs)} runs"
    if failures := _end(jobs):
        raise HarnessError(
            f"{told}; the order is kept, but {' and '.join(failures)} could not be ended: repeat the command when "
            "SLURM answers, or on the cluster and as the user that sent them off",
            INCOMPLETE,
        )
    number = len(jobs.numbers) + len(jobs.processes)
    ended = f"; {number} jobs with no other runs were ended" if number else ""
    click.echo(f"{told}{ended}")


@click.command(epilog=f"Example: harness logs {EXAMPLE} 3f9a")
@planned_argument
@click.argument("run", metavar="RUN")
@results_option
def logs(file: Path, run: str, results: Path) -> None:
    """Tell the story of a run (the beginning of its id will do): its attempts, and the end of its last job's output."""
    from harness.show.sweeps import story

    manifest, folder = frozen_plan(file, results)
    seen = look(manifest, folder)
    known = seen.found | seen.earlier
    found = [identity for identity in known if identity.startswith(run)]
    if len(found) != 1:
        many = f"{len(found)} runs begin so; give more of it" if found else "no run of the plan begins so"
        raise HarnessError(f"{run}: {many} (`harness status FILE --why STATE` lists ids)")
    for line in story(found[0], known[found[0]], seen.evidence):
        click.echo(line)
    _show_output(folder, found[0], seen.evidence)


# -------------------------------------------------------------------------------------------------------------- steps
def look(manifest: Manifest, folder: Path, check_all: bool = False) -> Look:
    """All that is known of the runs of a plan, now; `check_all` looks for damage in all of every record."""
    from harness.dispatch.reconcile import gather, reconcile, underway_beside
    from harness.dispatch.state import FREE

    evidence = gather(folder, manifest.run_ids(), records_of(folder), check_all)
    known = reconcile(manifest, folder, evidence)
    found = {run: known.pop(run) for run in manifest.run_ids()}
    free = {run for run, one in found.items() if one.state in FREE}
    beside = underway_beside(folder, free) if free else {}
    for underway in beside.values():
        found |= underway
    return Look(evidence, found, known, beside)


def check_none_underway(manifest: Manifest, folder: Path) -> None:
    """A HarnessError if runs are on their way, here or in an experiment beside: to train them too would be a waste."""
    from harness.dispatch.state import UNDERWAY

    if not any(folder.parent.glob("*/submissions")):
        return
    seen = look(manifest, folder)
    places = dict.fromkeys((run for run, one in seen.found.items() if one.state in UNDERWAY), folder)
    for other, underway in seen.beside.items():
        places |= dict.fromkeys(underway, other)
    told = [
        f"{number} runs of {manifest.name} are on their way; wait for them (`harness status {place} --watch`), "
        f"or take them back (`harness cancel {place}`)"
        for place, number in Counter(places.values()).items()
    ]
    if told:
        raise HarnessError("\n".join(told), INCOMPLETE)


def show_status(manifest: Manifest, folder: Path, seen: Look, wanted: Sequence[State], as_json: bool) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a wanted state."""
    from harness.dispatch.reconcile import spending, unneeded
    from harness.record import duplicates
    from harness.show.console import console
    from harness.show.sweeps import (
        duplicate_lines,
        earlier_lines,
        run_words,
        spending_words,
        status_json,
        status_table,
        status_words,
        unneeded_lines,
        why_table,
    )

    known = seen.found | seen.earlier
    spent, jobs = spending(known, seen.evidence), unneeded(seen.evidence, known)
    if as_json:
        click.echo(json.dumps(status_json(manifest, seen.found, spent, seen.earlier, jobs)))
        return
    click.echo(status_words(manifest, seen.found))
    if spent or any(one.state == "damaged" for one in seen.found.values()):
        console.print(status_table(seen.found))
    if spent:
        console.print(spending_words(spent), soft_wrap=True)
    differing = duplicate_lines(duplicates(records_of(folder)))
    for line in [*earlier_lines(seen.earlier), *unneeded_lines(jobs), *differing]:
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


def _end(jobs: Unneeded) -> list[str]:
    """End these jobs; how many could not be ended, and why."""
    from harness.dispatch.cluster import scancel

    failures = [f"{number} jobs ({why})" for why, number in jobs.not_verified.items()]
    for number, end in (
        (len(jobs.numbers), lambda: scancel(jobs.numbers)),
        (len(jobs.processes), lambda: _terminate(jobs.processes)),
    ):
        try:
            end()
        except HarnessError as error:
            failures.append(f"{number} jobs ({error})")
    return failures


def _terminate(processes: Iterable[int]) -> None:
    for process in processes:
        try:
            os.kill(process, signal.SIGTERM)
        except ProcessLookupError:
            continue
        except PermissionError:
            raise HarnessError(f"process {process} is another user's") from None


def _show_output(folder: Path, run: str, evidence: Evidence) -> None:
    """The end of what the last job of a run printed."""
    from harness.dispatch.local import local_log
    from harness.dispatch.slurm import log_path, sent_log

    path = None
    for submission in evidence.submissions:
        for place, job in enumerate(submission.jobs):
            if any(run in pack for pack in job.packs):
                listed = evidence.queue.of(submission.name, place)
                begun = [one.begun for one in evidence.attempts if one.begun["submission"] == submission.id]
                numbers = [one["slurm_number"] for one in begun if one["place"] == place]
                number = numbers[-1] if numbers else listed.number if listed else None
                sent = log_path(folder, number) if number else sent_log(folder, submission, place)
                path = sent or local_log(folder, submission.id)
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path and path.exists() else []
    if lines:
        click.echo(f"the end of {path}:")
    for line in lines[-OUTPUT_LINES:]:
        click.echo(f"    {line}")
