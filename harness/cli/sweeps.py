"""Sweeps on a cluster, or on this machine by the same means: submit, status, retry, cancel, logs, doctor."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from harness.cli.options import (
    file_argument,
    planned_argument,
    replan_option,
    results_option,
    scale_option,
    wandb_options,
)
from harness.cli.steps import calibrations_of, folder_of, frozen_plan, mirror_of, plan_of, planned_runs, records_of
from harness.errors import INCOMPLETE, HarnessError, did_you_mean
from harness.files import check_writable
from harness.tables.commands import json_option

if TYPE_CHECKING:
    from harness.dispatch.mirror import Mirror
    from harness.dispatch.profile import Profile
    from harness.dispatch.state import Evidence, RunState, State
    from harness.dispatch.submission import Submission
    from harness.show_sweeps import Offer
    from harness.spec import Manifest

EXAMPLE = "experiments/quickstart.yaml"
FIELDS = ("task", "arm", "series", "seed", "trial", "state", "run")  # by which runs are chosen
OUTPUT_LINES = 40  # of a job that `logs` shows
CHECKPOINT_SECONDS = 60.0  # of packs on this machine
WATCH_SECONDS = 30.0  # between two questions to SLURM


class Where(NamedTuple):
    """Where jobs go, to a cluster as the profile asks or to this machine; how many packs a job trains at a time; and
    where finished runs are mirrored to.
    """

    profile: Profile | None
    slots: int
    mirror: Mirror | None


class Look(NamedTuple):
    """What is known of a sweep."""

    evidence: Evidence
    found: dict[str, RunState]


def _where_options(command: Callable) -> Callable:
    """Where jobs run and what may be spent: of commands that send jobs off."""
    for option in reversed(
        (
            click.option(
                "--profile",
                type=click.Path(path_type=Path),
                metavar="YAML",
                help="The cluster: partition, GPUs, memory, time limit, set-up lines; see docs/cluster.md.",
            ),
            click.option(
                "--local",
                type=click.IntRange(min=1),
                metavar="N",
                help="No cluster: the same packs by the same code, N at a time on this machine.",
            ),
            click.option("--dry-run", is_flag=True, help="Say what would be submitted, and do nothing."),
            click.option("--yes", is_flag=True, help="Do not ask."),
            click.option(
                "--max-gpu-hours",
                type=click.FloatRange(min=0, min_open=True),
                metavar="HOURS",
                help="Submit nothing if more is predicted (core-hours where the profile asks for no GPU).",
            ),
        )
    ):
        command = option(command)
    return command


@click.command(epilog=f"Example: harness submit {EXAMPLE} --profile slurm/gpu.yaml --max-gpu-hours 10")
@file_argument
@results_option
@scale_option
@replan_option
@_where_options
@wandb_options
def submit(
    file: Path,
    results: Path,
    scale: str,
    replan: bool,
    profile: Path | None,
    local: int | None,
    dry_run: bool,
    yes: bool,
    max_gpu_hours: float | None,
    **wandb: Any,
) -> None:
    """Send off the runs that have no record and are not on their way, as jobs of about equal length.

    Running it again is harmless: it submits what is missing then. Jobs save their state every minute and when they are
    told to stop, and go on from it wherever they start again.
    """
    from harness.spec import freeze, manifest_path

    where, folder = _where(profile, local, wandb), folder_of(file, results, scale)
    manifest, is_new = plan_of(file, scale), replan or not manifest_path(folder).exists()
    if not (dry_run and is_new):
        manifest = freeze(manifest, folder, replan)
    _check_device(manifest, where, profile)
    _send(manifest, folder, where, dry_run, yes, max_gpu_hours)


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
        _show_status(manifest, folder, seen, wanted, as_json)
        if not watch or not any(one.state in UNDERWAY for one in seen.found.values()):
            break
        time.sleep(WATCH_SECONDS)
    if any(one.state not in ("done", "diverged") for one in seen.found.values()):
        sys.exit(INCOMPLETE)


@click.command(epilog=f"Example: harness retry {EXAMPLE} --cause quarantined --profile slurm/gpu.yaml")
@file_argument
@results_option
@click.option("--cause", "causes", multiple=True, required=True, metavar="STATE", help="Runs in this state; repeat.")
@_where_options
@wandb_options
def retry(
    file: Path,
    results: Path,
    causes: tuple[str, ...],
    profile: Path | None,
    local: int | None,
    dry_run: bool,
    yes: bool,
    max_gpu_hours: float | None,
    **wandb: Any,
) -> None:
    """Send off runs that a submission leaves alone: out of memory, quarantined, cancelled; or of one cause only.

    A diverged run is a result, and is never tried again.
    """
    from harness.show_sweeps import retried_states

    where, states = _where(profile, local, wandb), retried_states(causes)
    manifest, folder = frozen_plan(file, results)
    _check_device(manifest, where, profile)
    seen = look(manifest, folder)
    runs = [run for run, one in seen.found.items() if one.state in states]
    if not runs:
        raise HarnessError(f"--cause {', '.join(causes)}: no run is in that state; `harness status` shows which are")
    _send(manifest, folder, where, dry_run, yes, max_gpu_hours, frozenset(runs))


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


@click.command(epilog="Example: harness merge /media/other/results --plan experiments/quickstart.yaml")
@click.argument("source", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="FOLDER")
@results_option
@click.option("--plan", type=click.Path(path_type=Path), metavar="FILE", help="Only records of this experiment's runs.")
@json_option
def merge(source: Path, results: Path, plan: Path | None, as_json: bool) -> None:
    """Bring records that were trained elsewhere, each one checked: a folder of records, or a results folder.

    Nothing is overwritten: what is here stays, and what differs from it is kept beside it and judged. Exit 3 if one is
    damaged, or differs where the same code on the same kind of machine ought to give the same.
    """
    from harness.console import console
    from harness.merge import merge as merge_records
    from harness.show_sweeps import merged_lines

    manifest = frozen_plan(plan, results)[0] if plan else None
    merged = merge_records(source, manifest, results / "runs")
    if as_json:
        click.echo(json.dumps(merged._asdict()))
    else:
        for line in merged_lines(merged):
            console.print(line, soft_wrap=True)
    if merged.damaged or merged.defects:
        sys.exit(INCOMPLETE)


@click.command("export-wandb", epilog=f"Example: harness export-wandb {EXAMPLE} --wandb offline")
@planned_argument
@results_option
@wandb_options
def export_wandb(file: Path, results: Path, **wandb: Any) -> None:
    """Mirror the finished runs of an experiment to wandb after the fact; what is there already stays as it is.

    Files are the truth: nothing is read back. Offline runs lie in the experiment's folder, for `wandb sync`.
    """
    from harness.console import console, counted_progress
    from harness.dispatch.mirror import export

    mirror = mirror_of(wandb)
    if mirror is None:
        raise HarnessError("--wandb: say online, or offline for files that `wandb sync` uploads")
    manifest, folder = frozen_plan(file, results)
    with counted_progress("wandb") as progress:
        done = export(manifest, mirror, records_of(folder), folder / "wandb", progress)
    left = f"; {done.left_out} runs have no record yet" if done.left_out else ""
    where = f" in {folder / 'wandb'}" if mirror.mode == "offline" else ""
    console.print(f"{done.mirrored} runs of wandb's{where}{left}", soft_wrap=True)


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


def _where(profile: Path | None, local: int | None, wandb: Mapping[str, Any]) -> Where:
    from harness.dispatch.mirror import check_wandb
    from harness.dispatch.profile import read_profile

    if (profile is None) == (local is None):
        what = (
            "give one of them, not both" if profile else "give a profile, as in slurm/, or --local N for this machine"
        )
        raise HarnessError(f"--profile, --local: {what}")
    if profile is None:
        assert local is not None
        return Where(None, local, mirror_of(wandb))
    read = read_profile(profile)
    if read.wandb and wandb["wandb"] is None:
        check_wandb(read.wandb.mode)
    return Where(read, read.slots, mirror_of(wandb) or read.wandb)


def _check_device(manifest: Manifest, where: Where, profile: Path | None) -> None:
    """A HarnessError if the runs need a GPU and the profile asks for none; a warning if it is the other way about."""
    device = manifest.experiment.device
    if where.profile and device == "cuda" and not where.profile.gpus:
        raise HarnessError(f"{profile}: gpus: 0, but {manifest.name} says device: cuda; ask for a GPU a job")
    if where.profile and device == "cpu" and where.profile.gpus:
        click.echo(f"warning: without device: cuda {manifest.name} leaves the GPUs of {profile} idle", err=True)


def _send(
    manifest: Manifest,
    folder: Path,
    where: Where,
    dry_run: bool,
    yes: bool,
    most_hours: float | None,
    only: frozenset[str] | None = None,
) -> None:
    """Say what there is to send off (or of the runs `only`, in whatever state), ask, and send it."""
    from harness.dispatch.submission import one_submitter, retrying, write_submission

    if dry_run:
        _make_offer(manifest, folder, where, most_hours, only)
        return
    with one_submitter(folder):  # what is known stays so until it is acted on
        offer = _make_offer(manifest, folder, where, most_hours, only)
        if not offer.jobs:
            return
        if not yes and not click.confirm("submit?" if where.profile else "train?"):
            raise HarnessError("nothing was submitted", INCOMPLETE)
        with retrying(folder, sorted(only)) if only else nullcontext():  # which counts for what is sent after it
            submissions = _submissions(manifest, folder, where, offer)
            if where.profile:
                _submit(manifest, folder, submissions)
                return
            write_submission(folder, submissions[0], planned_runs(manifest))
    _train_local(manifest, folder, submissions[0])


def _make_offer(
    manifest: Manifest, folder: Path, where: Where, most_hours: float | None, only: frozenset[str] | None
) -> Offer:
    from harness.console import console
    from harness.cost import pack_seconds
    from harness.dispatch.jobs import PredictedPack, arrays, bin_packs
    from harness.dispatch.reconcile import to_send
    from harness.measure.calibration import missing
    from harness.show_sweeps import Offer, device_time, offer_lines

    found, specs = look(manifest, folder).found, planned_runs(manifest)
    packs = to_send(manifest, found, only)
    calibrations = calibrations_of(manifest, folder.parent)
    runs = [[specs[run] for run in pack] for pack in packs]
    seconds = pack_seconds(runs, calibrations, manifest.experiment.device)
    length = where.profile.job_minutes * 60 if where.profile else sum(seconds)
    jobs = bin_packs([PredictedPack(*each) for each in zip(packs, seconds, strict=True)], length, where.slots)
    most, largest = _room(where, len(jobs))
    fitting = jobs[:most]
    offer = Offer(
        jobs=fitting,
        arrays=[fitting[chunk.start : chunk.stop] for chunk in arrays(len(fitting), largest)] if fitting else [],
        hours=sum(job.seconds for job in fitting) * where.slots / 3600,
        device_unit=where.profile.device_unit if where.profile else "core",
        calibrated=not missing(calibrations, (each[0] for each in runs)),
        left_for_later=len(jobs) - len(fitting),
    )
    for line in offer_lines(manifest.name, found, offer):
        console.print(line, soft_wrap=True)
    if most_hours is not None and offer.hours > most_hours:
        raise HarnessError(
            f"--max-gpu-hours {most_hours:g}: {device_time(offer.hours, offer.device_unit)} are predicted; "
            "allow more, or submit a smaller experiment"
        )
    return offer


def _room(where: Where, jobs: int) -> tuple[int, int]:
    """How many jobs the cluster takes now, and how many an array may have; a laptop takes its one job."""
    from harness.dispatch.cluster import limits

    if where.profile is None or not jobs:
        return jobs, max(jobs, 1)
    found = limits()
    return max(0, min(jobs, found.room)), found.largest_array


def _submissions(manifest: Manifest, folder: Path, where: Where, offer: Offer) -> list[Submission]:
    """The submissions of an offer, one an array, and the code that they will run, beside the sweep."""
    from harness.dispatch.submission import Submission, new_id, now, sent_jobs
    from harness.provenance import host
    from harness.snapshot import take_snapshot
    from harness.tasks import draw

    check_writable(records_of(folder))
    specs = planned_runs(manifest)
    for run in {run.task: run for run in specs.values()}.values():
        draw(run.task, run.seed)  # a target that is not finite is named before anything is sent off
    snapshot = take_snapshot(folder.parent / "snapshots", sorted({run.task.target for run in specs.values()}))
    return [
        Submission(
            id=new_id(),
            experiment=manifest.name,
            at=now(),
            host=host(),
            profile=where.profile,
            slots=where.slots,
            checkpoint_seconds=where.profile.checkpoint_seconds if where.profile else CHECKPOINT_SECONDS,
            mirror=where.mirror,
            device=manifest.experiment.device,
            snapshot=snapshot.hash,
            roots=tuple(str(root) for root in snapshot.roots),
            jobs=sent_jobs(jobs),
        )
        for jobs in offer.arrays
    ]


def _submit(manifest: Manifest, folder: Path, submissions: list[Submission]) -> None:
    from harness.console import console
    from harness.dispatch.cluster import squeue
    from harness.dispatch.slurm import send
    from harness.dispatch.submission import forget_submission, write_submission

    for submission in submissions:
        write_submission(folder, submission, planned_runs(manifest))
        try:
            send(folder.resolve(), submission)
        except HarnessError:
            queue = squeue([submission.name])
            if not queue.silent and not queue.jobs:
                forget_submission(folder, submission.id)
            if not queue.jobs:  # else its answer was late, or lost
                raise
        console.print(f"submitted: {len(submission.jobs)} jobs named {submission.name}", soft_wrap=True)
    console.print(f"`harness status {folder}` says how they do", soft_wrap=True)


def _train_local(manifest: Manifest, folder: Path, submission: Submission) -> None:
    from harness.console import pack_progress
    from harness.dispatch.here import terminated_like_ctrl_c
    from harness.dispatch.local import run_locally
    from harness.show_sweeps import run_words

    specs, words = planned_runs(manifest), run_words(manifest)
    (job,) = submission.jobs
    evaluations = sum(specs[pack[0]].recipe.max_evaluations for pack in job.packs)
    try:
        with (
            terminated_like_ctrl_c(),
            pack_progress(len(job.packs), evaluations) as progress,
            closing(run_locally(folder.resolve(), submission)) as events,
        ):
            for event in events:
                if event["event"] == "pack_done":
                    first = event["runs"][0]
                    progress.evaluated(specs[first].recipe.max_evaluations)
                    progress.pack_done(words[first], event["statuses"], event["seconds"])
    except KeyboardInterrupt:
        raise HarnessError("stopped; run the same command again to go on", INCOMPLETE) from None
    seen = look(manifest, folder)
    _show_status(manifest, folder, seen, (), as_json=False)
    if any(one.state not in ("done", "diverged") for one in seen.found.values()):
        sys.exit(INCOMPLETE)


def _show_status(manifest: Manifest, folder: Path, seen: Look, wanted: Sequence[State], as_json: bool) -> None:
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
