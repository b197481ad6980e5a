"""What the command line says of a sweep: what would be sent off, and where its runs are."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from harness.base.formats import duration, plural
from harness.base.plain import INLINE
from harness.dispatch.cluster import DEFAULT_LIMITS
from harness.dispatch.events import Event
from harness.dispatch.reconcile import Spending, Unneeded
from harness.dispatch.state import OVER, STATES, UNDERWAY, Evidence, RunState, StateName
from harness.dispatch.submission import SentJob
from harness.record.kept import Merged
from harness.record.store import Agreement, Duplicate
from harness.show.disk import DiskBytes
from harness.show.grouping import grouped
from harness.show.tables.table import Table, table_of
from harness.spec.manifest import Manifest

# What the user can do about runs in a state that no submission sends off by itself.
NEXT_MOVES: dict[StateName, str] = {
    "out of memory": (
        "raise memory_gb in the profile, then `harness retry FILE --cause 'out of memory'`"
    ),
    "quarantined": (
        "`harness logs FILE RUN` shows why; once that is mended, `harness retry FILE "
        "--cause quarantined`"
    ),
    "cancelled": "`harness retry FILE --cause cancelled` takes it back",
    "crashed": "`harness logs FILE RUN` shows why; `harness submit` tries once more",
    "damaged": (
        "`harness retry FILE --cause damaged` moves its record to runs/damaged and trains it again"
    ),
}

# What a verdict on a record that came second says; `same` ones are not kept.
DUPLICATES: dict[Agreement | Literal["damaged"], str] = {
    "defect": (
        "differ though code and kind of machine are the same: a defect of determinism, "
        "which should be reported"
    ),
    "beyond tolerance": "differ by more than machines should",
    "within tolerance": "differ as machines do",
    "damaged": "are damaged, which no result depends on; remove them",
}


class Offer(NamedTuple):
    """What would be sent off: jobs by their arrays, and the unit of their hours.

    `start_hours` are those of `hours` that jobs take to start, None where no job of the experiment
    has shown it yet. `assumed_limits` says why SLURM's defaults are taken for what the cluster
    takes, if so.
    """

    jobs: Sequence[SentJob]
    arrays: Sequence[Sequence[SentJob]]
    hours: float
    start_hours: float | None
    device_unit: str
    calibrated: bool
    left_for_later: int
    assumed_limits: str | None = None


def counts_of(states: Mapping[str, RunState]) -> Counter[StateName]:
    """How many runs are in each state, those with none left out."""
    counted = Counter(run.state for run in states.values())
    return Counter({state: counted[state] for state in STATES if counted[state]})


def _missing(states: Mapping[str, RunState]) -> list[str]:
    """The runs that have no whole record."""
    return [run for run, state in states.items() if state.state not in OVER]


def _underway(states: Mapping[str, RunState]) -> list[str]:
    return [run for run, state in states.items() if state.state in UNDERWAY]


def device_time(hours: float, unit: str) -> str:
    """Hours of devices, small ones in minutes or seconds: `1.5 GPU-hours`."""
    for word, length in (("hours", 1.0), ("minutes", 60.0)):
        if hours * length >= 0.1:
            return f"{hours * length:.3g} {unit}-{word}"
    return f"{hours * 3600:.2g} {unit}-seconds"


def offer_lines(name: str, states: Mapping[str, RunState], offer: Offer) -> list[str]:
    """What is done, on its way and to be sent off, and what it will cost."""
    counts = counts_of(states)
    by_state = ", ".join(f"{number} {state}" for state, number in counts.items())
    lines = [f"{name}: {len(states)} runs: {by_state}"]
    if not offer.jobs and not offer.left_for_later:
        is_over = counts.keys() <= {*OVER}
        reported = "; `harness run FILE` fits, draws and reports" if is_over else ""
        moves = [f"{state}: {move}" for state, move in _by_next_move(states) if move]
        return [*lines, f"nothing to submit{reported}", *moves]
    if offer.jobs:
        lines += _job_lines(offer)
    if later := offer.left_for_later:
        lines.append(
            f"{later} jobs more than the cluster takes at once: run the same command again when "
            "some end"
        )
    if offer.assumed_limits:
        arrays, room = DEFAULT_LIMITS.largest_array, DEFAULT_LIMITS.room
        takes = f"arrays of {arrays:,} jobs, {room:,} jobs in all ({offer.assumed_limits})"
        lines.append(f"assumed: the cluster takes {takes}")
    return lines


def _job_lines(offer: Offer) -> list[str]:
    """How many jobs there are to send off, how long they are, and what they will cost."""
    packs, runs = (
        sum(len(job.packs) for job in offer.jobs),
        sum(len(job.runs) for job in offer.jobs),
    )
    longest, shortest = offer.jobs[0].seconds, min(job.seconds for job in offer.jobs)
    lengths = (
        duration(longest)
        if longest < 1.2 * shortest
        else f"{duration(shortest)} to {duration(longest)}"
    )
    in_arrays = f" in {len(offer.arrays)} arrays" if len(offer.arrays) > 1 else ""
    what = f"{plural(runs, 'run')} in {plural(packs, 'pack')} in {plural(len(offer.jobs), 'job')}"
    how = (
        "calibrated on this machine"
        if offer.calibrated
        else "by an assumed rate; `harness bench` measures it"
    )
    if offer.start_hours is None:
        how += "; without the start-up of jobs, which was not measured yet"
    elif offer.start_hours:
        how += (
            f"; {device_time(offer.start_hours, offer.device_unit)} of it for jobs to start, "
            "as measured"
        )
    return [
        f"to submit: {what} of {lengths}{in_arrays}",
        f"predicted: {device_time(offer.hours, offer.device_unit)} ({how})",
    ]


def _by_next_move(states: Mapping[str, RunState]) -> dict[tuple[StateName, str], list[RunState]]:
    """Runs by their state and by what can be done about them."""
    in_order = sorted(states.values(), key=lambda run: STATES.index(run.state))
    return grouped(in_order, lambda run: (run.state, next_move(run)))


def status_table(states: Mapping[str, RunState]) -> Table:
    """A row a state, or several where next moves differ: runs, what it is known from, and the next
    move.
    """
    rows = []
    for (state, move), runs in _by_next_move(states).items():
        whys = Counter(run.why for run in runs if run.why)
        rows.append((state, len(runs), _short(max(whys, key=whys.__getitem__, default="")), move))
    return table_of("", ("state", "#runs", "most often because", "next move"), rows)


def next_move(run: RunState) -> str:
    """What a user can do about a run in this state."""
    if run.next_move is not None:
        return run.next_move
    if run.state in (*OVER, *UNDERWAY):
        return ""
    return NEXT_MOVES.get(run.state, "`harness submit` sends it off")


def why_table(
    states: Mapping[str, RunState], names: Mapping[str, str], wanted: Sequence[StateName]
) -> Table:
    """A row a run in one of the wanted states: what it is, why it is there, who says so."""
    rows = []
    for run, where in states.items():
        if where.state in wanted:
            rows.append(
                (
                    run,
                    names[run],
                    where.state,
                    _short(where.why),
                    where.job or "",
                    where.attempt or "",
                )
            )
    return table_of("", ("run", "what", "state", "why", "job", "attempt"), rows)


def _short(text: str) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 100 else f"{line[:97]}..."


def run_words(manifest: Manifest) -> dict[str, str]:
    """What each run is, in a few words."""
    words: dict[str, str] = {}
    for planned in manifest.runs:
        cell, run = manifest.cells[planned.cell], planned.run
        words.setdefault(
            planned.run_id, f"{cell.task} {cell.series} {run.network.words} seed {run.seed}"
        )
    return words


def status_words(manifest: Manifest, states: Mapping[str, RunState]) -> str:
    """How many of the planned runs have records, in a sentence."""
    counts, missing = counts_of(states), len(_missing(states))
    recorded = f"{counts['done']} done, {counts['diverged']} diverged, {missing} missing"
    sentence = f"{manifest.name}: {len(states)} planned, {recorded}"
    if not missing:
        return f"{sentence}; `harness run` fits, draws and reports"
    if missing == counts["planned"]:
        sentence += "; `harness run` trains them here, `harness submit` on a cluster"
    return sentence


def earlier_lines(earlier: Mapping[str, RunState]) -> list[str]:
    """How many runs of earlier plans alone are on their way, and how to take them back."""
    underway = len(_underway(earlier))
    move = "`harness cancel FILE --earlier` takes them back"
    return (
        [f"{underway} runs of an earlier plan are still on their way; {move}"] if underway else []
    )


def unneeded_lines(jobs: Unneeded) -> list[str]:
    """How many jobs are on their way for cancelled runs only, and how to end them."""
    lines = []
    if number := len(jobs.numbers) + len(jobs.processes):
        where = "in SLURM" if jobs.numbers else "running here"
        lines.append(
            f"{number} jobs of cancelled runs are still {where}; `harness cancel FILE` ends them"
        )
    unsure = "jobs of cancelled runs may still be there: not verified"
    return lines + [f"{number} {unsure} ({why})" for why, number in jobs.not_verified.items()]


class RunSaid(NamedTuple):
    """Where a run is, and what it is."""

    where: Annotated[RunState, INLINE]
    task: Annotated[str, "what is learnt"]
    arm: Annotated[str, "what learns it"]
    series: Annotated[str, "the curve that it is of"]
    seed: Annotated[int, "its seed"]
    trial: Annotated[int, "which of the settings that a search tries"]
    next_move: Annotated[str, "what to do, or nothing"]


class SweepSaid(NamedTuple):
    """The runs of one experiment: where they are, and why."""

    name: Annotated[str, "of the plan"]
    planned: Annotated[int, "runs"]
    done: Annotated[int, "of these"]
    diverged: Annotated[int, "of these"]
    missing: Annotated[int, "runs without a whole record"]
    missing_ids: Annotated[list[str], "their ids"]
    states: Annotated[dict[StateName, int], "runs by state"]
    runs: Annotated[dict[str, RunSaid], "by id"]
    spending: Annotated[Spending | None, "null if nothing was ever sent off"]
    earlier_underway_ids: Annotated[list[str], "runs of earlier plans that are on their way"]
    damaged_files: Annotated[
        Sequence[str], "what is wrong with files of what was sent off and ordered"
    ]
    jobs_of_cancelled: Annotated[Unneeded, "jobs whose runs are all cancelled"]
    disk_bytes: Annotated[DiskBytes, "of the results folder"]


def sweep_said(
    manifest: Manifest,
    states: Mapping[str, RunState],
    spending: Spending | None,
    earlier: Mapping[str, RunState],
    jobs: Unneeded,
    evidence: Evidence,
    disk: DiskBytes,
) -> SweepSaid:
    """What scripts read of a sweep."""
    counts, missing = counts_of(states), _missing(states)
    runs: dict[str, RunSaid] = {}
    for planned in manifest.runs:
        cell, where, seed = manifest.cells[planned.cell], states[planned.run_id], planned.run.seed
        run = RunSaid(
            where, cell.task, cell.arm, cell.series, seed, planned.trial, next_move(where)
        )
        runs.setdefault(planned.run_id, run)
    return SweepSaid(
        name=manifest.name,
        planned=len(states),
        done=counts["done"],
        diverged=counts["diverged"],
        missing=len(missing),
        missing_ids=missing,
        states=counts,
        runs=runs,
        spending=spending,
        earlier_underway_ids=_underway(earlier),
        damaged_files=evidence.damage,
        jobs_of_cancelled=jobs,
        disk_bytes=disk,
    )


def spending_words(spending: Spending) -> str:
    """The hours that were spent and predicted, what is left, and how long that takes."""
    unit = spending.device_unit
    words = f"spent {device_time(spending.spent_hours, unit)}"
    if spending.predicted_hours_over:
        words += f" (for {device_time(spending.predicted_hours_over, unit)} predicted)"
    if spending.predicted_hours_left:
        words += f"; on their way: {device_time(spending.predicted_hours_left, unit)} predicted"
    if spending.seconds_left:
        words += f", about {duration(spending.seconds_left)} at the pace of now"
    if spending.overhead_seconds is not None:
        words += f"; a job starts to train after {duration(spending.overhead_seconds)}"
    for host, seconds in spending.clocks_ahead_seconds.items():
        side = "ahead of the file server's" if seconds > 0 else "behind SLURM's"
        words += (
            f"; the clock of {host} is {duration(abs(seconds))} {side}, so its times are not "
            "comparable"
        )
    return words


def story(run: str, state: RunState, evidence: Evidence) -> list[str]:
    """The story of a run in the order of time: what was done with it, what all attempts wrote, and
    where it is now.
    """
    moments: list[list[str]] = []  # lines, of which the first begins with the time
    for submission in evidence.submissions:
        if any(run in job.runs for job in submission.jobs):
            where = (
                submission.name
                if submission.profile
                else f"{submission.slots} processes on {submission.host}"
            )
            moments.append([f"{submission.at}  submitted as {where}"])
    words = {"cancel": "cancelled", "retry": "to be tried again"}
    for order in evidence.orders:
        if run in order.runs:
            moments.append([f"{order.at}  {words[order.kind]}, {order.by_words}"])
    for attempt in evidence.attempts:
        events = [event for event in attempt.events if run in event.get("runs", ())]
        if not events:
            continue
        begun = attempt.begun
        number = f", job {begun['slurm_number']}" if begun["slurm_number"] else ""
        moments.append([f"{begun['at']}  attempt {attempt.id} begun on {begun['host']}{number}"])
        moments += map(_event_lines, events)
        if ended := attempt.ended:
            again = ", and starts again" if ended.get("requeued") else ""
            moments.append([f"{ended['at']}  attempt {attempt.id} ended: {ended['why']}{again}"])
    moments.sort(key=lambda lines: lines[0].partition("  ")[0])
    where = f"{run}: {state.state}" + (f" ({state.why})" if state.why else "")
    return [where, *itertools.chain.from_iterable(moments)]


def _event_lines(event: Event) -> list[str]:
    left_out = {"at", "event", "runs", "traceback", "traceback_hash", "statuses"}
    what = ", ".join(f"{name} {value}" for name, value in event.items() if name not in left_out)
    first = ": ".join(filter(None, [event["event"].replace("_", " "), what]))
    return [
        f"{event['at']}  {first}",
        *(f"    {line}" for line in event.get("traceback", "").splitlines()),
    ]


def duplicate_lines(duplicates: Sequence[Duplicate]) -> list[str]:
    """What is to be said of records that came second and differ."""
    by_verdict, lines = grouped(duplicates, lambda duplicate: duplicate.verdict), []
    for verdict, meaning in DUPLICATES.items():
        if same := by_verdict.get(verdict):
            lines.append(
                f"{len(same)} records of runs that had one already {meaning} (first: "
                f"{same[0].path})"
            )
    return lines


def kept_lines(path: Path, merged: Merged, absent: int) -> list[str]:
    """What became of records that were kept in the file at `path`, and what it lacks of those that
    are planned.
    """
    lacks = f", without {absent:,} planned runs that have no record yet" if absent else ""
    return [*merged_lines(merged), f"kept: {path}{lacks}"]


def merged_lines(merged: Merged) -> list[str]:
    """What became of records that were brought."""
    counts = {
        "new": merged.new,
        "here already, the same": merged.same,
        "within the tolerance between machines": merged.within_tolerance,
        "beyond it": merged.beyond_tolerance,
        "defects of determinism": merged.defects,
        "damaged": merged.damaged,
        "of other experiments, left alone": merged.others,
        (
            "of other code than the plan's first, left alone (--mixed-code takes them)"
        ): merged.other_code,
    }
    counted = ", ".join(f"{len(runs)} {what}" for what, runs in counts.items() if runs)
    named = [f"differs: {run}" for run in (*merged.beyond_tolerance, *merged.defects)]
    return [f"records: {counted or 'none'}", *named, *merged.damaged]
