"""Runs sent off as jobs, to a cluster or to this machine by the same means."""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import NamedTuple

from rich.filesize import decimal as size_words

from harness.base.errors import INCOMPLETE, HarnessError, Stopped
from harness.base.files import check_writable, private_folder
from harness.base.formats import plural
from harness.base.provenance import host
from harness.dispatch.cluster import (
    DEFAULT_LIMITS,
    Limits,
    cause,
    cluster_name,
    limits,
    squeue,
    user,
)
from harness.dispatch.launch import run_locally, send
from harness.dispatch.mirror import WandbMode
from harness.dispatch.profile import Profile
from harness.dispatch.reconcile import start_seconds, stillborn
from harness.dispatch.snapshot import take_snapshot
from harness.dispatch.state import FREE, Evidence, RunState
from harness.dispatch.submission import (
    Submission,
    arrays,
    bin_packs,
    forget_submission,
    named_code,
    new_id,
    now,
    one_submitter,
    retrying,
    write_submission,
)
from harness.measure.calibration import missing
from harness.measure.cost import likely_seconds
from harness.record.code import check_goes_on
from harness.record.store import set_aside
from harness.show.console import Terminal
from harness.show.sweeps import Offer, device_time, earlier_lines, offer_lines, run_words
from harness.spec.manifest import Manifest
from harness.study.folders import planned_runs, records_of, runs_of
from harness.study.plans import calibrations_of, largest_pack_bytes, packs_shown
from harness.study.sweeps import check_none_left_behind, look
from harness.tasks import check_drawn, fetch_data

CHECKPOINT_SECONDS = 60.0  # of packs on this machine
PROCESS_BYTES = 4 * 10**8  # that a worker takes beside its pack, torch above all; assumed


class Destination(NamedTuple):
    """Where jobs go, to a cluster as the profile asks or to this machine; how many packs a job
    trains at a time; and where finished runs are copied to, by wandb.

    Nothing is sent in a `dry_run`, or if more than `most_hours` are predicted. `profile_file` is
    where the profile was read from. With `idle_gpus` its GPUs are booked even if no run needs them.
    """

    profile: Profile | None
    slots: int
    mirror: WandbMode | None
    dry_run: bool
    most_hours: float | None
    profile_file: Path | None = None
    idle_gpus: bool = False


def share(folder: Path, where: Destination) -> None:
    """Where the profile says so, what this command and its jobs write from now on is for the group
    to go on with.
    """
    if where.dry_run or where.profile is None or where.profile.share == "user":
        return
    os.umask(0o007)  # which the jobs inherit
    results = folder.parent
    in_results, in_folder = ("checkpoints", "snapshots"), ("submissions", "orders", "attempts")
    for shared in (
        results,
        folder,
        *(results / name for name in in_results),
        *(folder / name for name in in_folder),
    ):
        private_folder(shared, shared=True)


class Request(NamedTuple):
    """What is to be sent off of a plan, and where: all of its runs, or those of `only`, in whatever
    state.
    """

    manifest: Manifest
    folder: Path
    where: Destination
    only: frozenset[str] | None = None


def send_off(request: Request, listener: Terminal, agree: Callable[[str], None]) -> bool:
    """Say what there is to send off, have the user `agree`, and send it; whether this machine has
    trained it.

    `agree` is asked a question, and raises a HarnessError where the answer is no.
    """
    manifest, folder, where, only = request.manifest, request.folder, request.where, request.only
    if where.dry_run:
        _make_offer(request, listener)
        return False
    with one_submitter(records_of(folder)):  # what is known stays so until it is acted on
        offer = _make_offer(request, listener)
        if not offer.jobs:
            return False
        agree("submit?" if where.profile else "train?")
        with (
            retrying(folder, sorted(only)) if only else nullcontext()
        ):  # which counts for what is sent after it
            submissions = _submissions(manifest, folder, where, offer)
            if only and (number := set_aside(sorted(only), records_of(folder))):
                listener.say(f"moved {number} damaged records to {records_of(folder) / 'damaged'}")
            if where.profile:
                _submit(manifest, folder, submissions, listener)
                return False
            write_submission(folder, submissions[0], planned_runs(manifest))
    _train_local(manifest, folder, submissions[0], listener)
    return True


def _make_offer(request: Request, listener: Terminal) -> Offer:
    """What there is to send off, after it was shown; a HarnessError if it would be in vain, or a
    waste.
    """
    manifest, folder, where = request.manifest, request.folder, request.where
    view = look(manifest, folder)
    check_none_left_behind(view)
    states = view.states
    if where.profile and request.only is None:
        _check_not_in_vain(folder, stillborn(states, view.evidence))
    runs = request.only or {run for run, state in states.items() if state.state in FREE}
    offer = _offer(request, manifest.packs_of(runs), view.evidence)
    lines = offer_lines(manifest.name, states, offer)
    lines += [*view.evidence.damage, *earlier_lines(view.earlier)]
    for other_folder, underway in view.beside.items():
        lines.append(
            f"{len(underway)} of the runs were sent off by {other_folder}, and are left to it"
        )
    lines += _memory_lines(manifest, where, offer)
    listener.say(*lines)
    if offer.jobs:
        _check_device(manifest, where)
    if where.most_hours is not None and offer.hours > where.most_hours:
        problem = (
            f"`max_gpu_hours` {where.most_hours:g}: "
            f"{device_time(offer.hours, offer.device_unit)} are predicted"
        )
        raise HarnessError(f"{problem}; allow more, or submit a smaller experiment")
    return offer


def _check_device(manifest: Manifest, where: Destination) -> None:
    """A HarnessError if the runs need a GPU and the profile asks for none, or would leave idle what
    it asks for.
    """
    if where.profile is None:
        return
    gpus, device = where.profile.gpus, manifest.experiment.device
    if device == "cuda" and not gpus:
        raise HarnessError(
            f"{where.profile_file}: gpus: 0, but {manifest.name} says device: cuda; ask for a "
            "GPU a job"
        )
    if device == "cpu" and gpus and not where.idle_gpus:
        raise HarnessError(
            f"{where.profile_file}: gpus: {gpus}, but {manifest.name} trains on CPUs (device: "
            "cpu), and its jobs would "
            "leave the GPUs idle; use a profile without gpus:, such as slurm/cpu.yaml, or say "
            "device: cuda in the "
            "experiment file; or book the GPUs all the same (`idle_gpus`)"
        )


def _memory_lines(manifest: Manifest, where: Destination, offer: Offer) -> list[str]:
    """That a job's CPUs may need more memory than the profile asks for; what a GPU holds, packs are
    made for.
    """
    profile, device = where.profile, manifest.experiment.device
    asked = (profile.memory_gb or 0) * 10**9 if profile else 0
    packs = runs_of(manifest, [pack for job in offer.jobs for pack in job.packs])
    largest = largest_pack_bytes(packs)
    needed = where.slots * (largest + PROCESS_BYTES)
    if device != "cpu" or not asked or not largest or needed <= asked:
        return []
    assert profile is not None
    move = "raise it, or train fewer packs at a time"
    together = f"{where.slots} of the largest packs at a time take about {size_words(needed)}"
    return [
        f"warning: {where.profile_file}: memory_gb: {profile.memory_gb:g}, but {together}; {move}"
    ]


def _offer(request: Request, packs: Sequence[tuple[str, ...]], evidence: Evidence) -> Offer:
    """These packs as jobs, as many as there is room for, and the hours of a device that they are
    predicted to take.
    """
    manifest, where = request.manifest, request.where
    runs = runs_of(manifest, packs)
    calibrations = calibrations_of(manifest, request.folder.parent)
    seconds = likely_seconds(runs, calibrations, manifest.experiment.device)
    length = where.profile.job_minutes * 60 if where.profile else sum(seconds)
    jobs = bin_packs(dict(zip(packs, seconds, strict=True)), length, where.slots)
    cluster_limits, assumed = _limits(where, len(jobs))
    fitting = jobs[: cluster_limits.room]
    parts = arrays(len(fitting), cluster_limits.largest_array) if fitting else []
    start = start_seconds(evidence) if where.profile else 0.0
    devices = where.profile.devices if where.profile else where.slots
    start_hours = None if start is None else start * len(fitting) * devices / 3600
    return Offer(
        jobs=fitting,
        arrays=[fitting[part.start : part.stop] for part in parts],
        hours=sum(job.seconds for job in fitting) * devices / 3600 + (start_hours or 0.0),
        start_hours=start_hours,
        device_unit=where.profile.device_unit if where.profile else "core",
        calibrated=not missing(calibrations, itertools.chain.from_iterable(runs)),
        left_for_later=len(jobs) - len(fitting),
        assumed_limits=assumed,
    )


def _check_not_in_vain(folder: Path, dead: Mapping[str, RunState]) -> None:
    """A HarnessError if jobs as these were sent off and none came so far that its worker began."""
    if not dead:
        return
    run, state = next(iter(dead.items()))
    raise HarnessError(
        "nothing was submitted: the jobs of the last submission ended before their workers began, "
        "and these would too "
        f"({len(dead)} runs; {state.why})\n"
        f"  why: `harness logs {folder} {run[:8]}`, and `harness doctor --profile YAML`\n"
        f"  once that is mended: `harness retry FILE --cause '{state.state}' --profile YAML`",
        INCOMPLETE,
    )


def _limits(where: Destination, jobs: int) -> tuple[Limits, str | None]:
    """What the cluster takes now, or this machine, which takes its one job; for a dry run assumed,
    and why, where SLURM does not say it.
    """
    if where.profile is None or not jobs:
        return Limits(max(jobs, 1), jobs), None
    try:
        return limits(), None
    except HarnessError as error:
        if not where.dry_run:
            raise
        return DEFAULT_LIMITS, cause(error)


def _submissions(
    manifest: Manifest, folder: Path, where: Destination, offer: Offer
) -> list[Submission]:
    """The submissions of an offer, one an array, and the code that they will run, beside the
    sweep.
    """
    check_writable(records_of(folder))
    specs = planned_runs(manifest)
    check_goes_on(specs, records_of(folder), folder)
    fetch_data((run.task for run in specs.values()), folder.parent / "data")
    for run in {run.task: run for run in specs.values()}.values():
        check_drawn(
            run.task, run.seed
        )  # a target that is not finite is named before anything is sent off
    snapshot = take_snapshot(folder.parent / "snapshots", named_code(specs.values()))
    cluster, roots = cluster_name() if where.profile else None, tuple(map(str, snapshot.roots))
    return [
        Submission(
            id=new_id(),
            experiment=manifest.name,
            at=now(),
            host=host(),
            profile=where.profile,
            cluster=cluster,
            user=user() if where.profile else None,
            slots=where.slots,
            checkpoint_seconds=where.profile.checkpoint_seconds
            if where.profile
            else CHECKPOINT_SECONDS,
            mirror=where.mirror,
            device=manifest.experiment.device,
            snapshot=snapshot.hash,
            roots=roots,
            keeps_networks=bool(manifest.experiment.keep),
            snapshots=manifest.experiment.snapshots,
            jobs=tuple(jobs),
        )
        for jobs in offer.arrays
    ]


def _submit(
    manifest: Manifest, folder: Path, submissions: list[Submission], listener: Terminal
) -> None:
    for submission in submissions:
        write_submission(folder, submission, planned_runs(manifest))
        try:
            send(folder.resolve(), submission)
        except HarnessError:
            queue = squeue([submission.name])
            if queue.silent:
                problem = (
                    f"it is not known yet whether SLURM took the jobs ({queue.silent}); "
                    "nothing is sent twice"
                )
                move = f"`harness status {folder}` says what became of them once SLURM answers"
                raise HarnessError(f"{problem}: {move}", INCOMPLETE) from None
            if not queue.jobs:  # else its answer was late, or lost
                forget_submission(folder, submission.id)
                raise
        listener.say(f"submitted: {plural(len(submission.jobs), 'job')} named {submission.name}")
    listener.say(f"`harness status {folder}` says how they do")


def _train_local(
    manifest: Manifest, folder: Path, submission: Submission, listener: Terminal
) -> None:
    words, (job,) = run_words(manifest), submission.jobs
    packs = dict(zip(job.packs, runs_of(manifest, job.packs), strict=True))
    try:
        with (
            packs_shown(manifest, folder, packs, listener) as (progress, interrupted),
            closing(run_locally(folder.resolve(), submission)) as events,
        ):
            for event in itertools.takewhile(lambda _: not interrupted(), events):
                pack = tuple(event.get("runs", ()))
                match event:
                    case {"event": "pack_done"}:
                        progress.pack_done(
                            pack, words[pack[0]], event["statuses"], event["seconds"]
                        )
                    case {"event": "pack_failed", "move": "split"}:
                        progress.pack_split(pack)
                    case {"event": "pack_failed", "move": "give up"}:
                        progress.pack_done(pack, words[pack[0]], ["crashed"] * len(pack), 0.0)
    except KeyboardInterrupt:
        raise Stopped("stopped; run the same command again to go on", INCOMPLETE) from None
