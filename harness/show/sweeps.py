"""What the command line says of a sweep: what would be sent off, and where its runs are."""

import itertools
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from harness.base.errors import HarnessError, did_you_mean
from harness.base.formats import duration
from harness.base.plain import INLINE
from harness.dispatch.cluster import DEFAULT_LIMITS
from harness.dispatch.events import Event
from harness.dispatch.jobs import SentJob
from harness.dispatch.reconcile import Spending, Unneeded
from harness.dispatch.state import OVER, STATES, UNDERWAY, WENT_WRONG, Evidence, RunState, StateName
from harness.record import Agreement, Duplicate
from harness.record.merge import Merged
from harness.show.disk import DiskBytes
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.spec import Manifest

# What the user can do about runs in a state that no submission sends off by itself.
NEXT_MOVES: dict[StateName, str] = {
    "out of memory": "raise memory_gb in the profile, then `harness retry FILE --cause 'out of memory'`",
    "quarantined": "`harness logs FILE RUN` shows why; mended, `harness retry FILE --cause quarantined`",
    "cancelled": "`harness retry FILE --cause cancelled` takes it back",
    "crashed": "`harness logs FILE RUN` shows why; `harness submit` tries once more",
    "damaged": "`harness retry FILE --cause damaged` moves its record to runs/damaged and trains it again",
}


# What a verdict on a record that came second says; `same` ones are not kept.
DUPLICATES: dict[Agreement | Literal["damaged"], str] = {
    "defect": "differ though code and kind of machine are the same: a defect of determinism, which should be reported",
    "beyond tolerance": "differ by more than machines should",
    "within tolerance": "differ as machines do",
    "damaged": "are damaged, which no result hangs on; remove them",
}


UNTIL_DECIDED = " --until-decided"


class Offer(NamedTuple):
    """What would be sent off: jobs by their arrays, and the unit of their hours.

    `start_hours` are those of `hours` that jobs take to start, None where no job of the experiment has shown it yet.
    `assumed_limits` says why SLURM's defaults are taken for what the cluster takes, if so.
    """

    jobs: Sequence[SentJob]
    arrays: Sequence[Sequence[SentJob]]
    hours: float
    start_hours: float | None
    device_unit: str
    calibrated: bool
    left_for_later: int
    assumed_limits: str | None = None


def counts_of(found: Mapping[str, RunState]) -> dict[StateName, int]:
    """How many runs are in each state, those with none left out."""
    counted = Counter(state.state for state in found.values())
    return {state: counted[state] for state in STATES if counted[state]}


def device_time(hours: float, unit: str) -> str:
    """Hours of devices, small ones in minutes or seconds: `1.5 GPU-hours`."""
    for word, length in (("hours", 1.0), ("minutes", 60.0)):
        if hours * length >= 0.1:
            return f"{hours * length:.3g} {unit}-{word}"
    return f"{hours * 3600:.2g} {unit}-seconds"


def offer_lines(name: str, found: Mapping[str, RunState], offer: Offer, until_decided: bool = False) -> list[str]:
    """What is done, on its way and to be sent off, and what it will cost."""
    counts = counts_of(found)
    told = ", ".join(f"{number} {state}" for state, number in counts.items())
    lines = [f"{name}: {len(found)} runs: {told}"]
    if not offer.jobs and not offer.left_for_later:
        moves = [f"{state}: {move}" for state, move in _by_next_move(found) if move]
        over = {one.state for one in found.values()} <= set(OVER)
        command = f"`harness run FILE{UNTIL_DECIDED if until_decided else ''}`"
        return [*lines, "nothing to submit" + (f"; {command} fits, draws and reports" if over else ""), *moves]
    packs, runs = sum(len(job.packs) for job in offer.jobs), sum(len(job.runs) for job in offer.jobs)
    longest, shortest = offer.jobs[0].seconds, min(job.seconds for job in offer.jobs)
    lengths = duration(longest) if longest < 1.2 * shortest else f"{duration(shortest)} to {duration(longest)}"
    in_arrays = f" in {len(offer.arrays)} arrays" if len(offer.arrays) > 1 else ""
    how = "calibrated on this machine" if offer.calibrated else "by an assumed rate: `harness bench` measures"
    lines.append(f"to submit: {runs} runs in {packs} packs in {len(offer.jobs)} jobs{in_arrays} of {lengths}")
    if offer.start_hours is None:
        how += "; without the start-up of jobs, which was not measured yet"
    elif offer.start_hours:
        how += f"; {device_time(offer.start_hours, offer.device_unit)} of it for jobs to start, as measured"
    lines.append(f"predicted: {device_time(offer.hours, offer.device_unit)} ({how})")
    if offer.left_for_later:
        lines.append(
            f"{offer.left_for_later} jobs more than the cluster takes at once: run the same command again when some end"
        )
    if offer.assumed_limits:
        lines.append(
            f"assumed: the cluster takes arrays of {DEFAULT_LIMITS.largest_array:,} jobs, {DEFAULT_LIMITS.room:,} jobs "
            f"in all ({offer.assumed_limits})"
        )
    return lines


def _by_next_move(found: Mapping[str, RunState]) -> dict[tuple[StateName, str], list[RunState]]:
    """Runs by their state and by what can be done about them."""
    groups: dict[tuple[StateName, str], list[RunState]] = {}
    for one in sorted(found.values(), key=lambda one: STATES.index(one.state)):
        groups.setdefault((one.state, next_move(one)), []).append(one)
    return groups


def status_table(found: Mapping[str, RunState]) -> Table:
    """A row a state, or several where next moves differ: runs, what it is known from, and the next move."""
    rows = []
    for (state, move), those in _by_next_move(found).items():
        whys = Counter(one.why for one in those if one.why)
        why = whys.most_common(1)[0][0] if whys else ""
        rows.append((state, len(those), _short(why), move))
    columns = (*text_columns("state"), *number_columns("runs"), *text_columns("most often because", "next move"))
    return table_of("", columns, rows)


def next_move(one: RunState) -> str:
    """What a user can do about a run in this state."""
    if one.next_move is not None:
        return one.next_move
    if one.state in OVER or one.state in UNDERWAY:
        return ""
    return NEXT_MOVES.get(one.state, "`harness submit` sends it off")


def why_table(found: Mapping[str, RunState], names: Mapping[str, str], wanted: Sequence[StateName]) -> Table:
    """A row a run in one of the wanted states: what it is, why it is there, who says so."""
    rows = [
        (run, names[run], one.state, _short(one.why), one.job or "", one.attempt or "")
        for run, one in found.items()
        if one.state in wanted
    ]
    return table_of("", text_columns("run", "what", "state", "why", "job", "attempt"), rows)


def _short(text: str) -> str:
    line = text.splitlines()[0] if text else ""
    return line if len(line) <= 100 else f"{line[:97]}..."


def wanted_states(word: str) -> tuple[StateName, ...]:
    """The states that `--why` asks for; `failed` is all that went wrong."""
    if word == "failed":
        return WENT_WRONG
    return (_state(word, "--why"),)


def retried_states(words: Sequence[str]) -> tuple[StateName, ...]:
    """The states that `--cause` asks for: those that a run can be tried again from."""
    for word in words:
        if word in (*OVER, *UNDERWAY):
            raise HarnessError(f"--cause {word}: such a run is a result or on its way, and is not tried again")
    return tuple(_state(word, "--cause") for word in words)


def _state(word: str, option: str) -> StateName:
    for state in STATES:
        if state == word.replace("_", " ").replace("-", " "):
            return state
    raise HarnessError(f"{option} {word}: {did_you_mean(word, STATES)}")


def run_words(manifest: Manifest) -> dict[str, str]:
    """What each run is, in a few words."""
    cells = {cell.index: cell for cell in manifest.cells}
    found: dict[str, str] = {}
    for planned in manifest.runs:
        cell = cells[planned.cell]
        words = f"{cell.task} {cell.series} {planned.run.network.words} seed {planned.run.seed}"
        found.setdefault(planned.run_id, words)
    return found


def status_words(manifest: Manifest, found: Mapping[str, RunState], unasked: Collection[str] = ()) -> str:
    """How many of the planned runs have records, in a sentence; those that are `unasked` are not missing."""
    counted = Counter(one.state for one in found.values())
    missing = sum(one.state not in OVER and run not in unasked for run, one in found.items())
    done, diverged = counted["done"], counted["diverged"]
    told = f"{manifest.name}: {len(found)} planned, {done} done, {diverged} diverged, {missing} missing"
    flag = UNTIL_DECIDED if unasked else ""
    if not missing:
        return f"{told}; `harness run{flag}` fits, draws and reports"
    here = "; `harness run` trains them here, `harness submit` on a cluster"
    return told + (here if missing == counted["planned"] else "")


def earlier_lines(earlier: Mapping[str, RunState]) -> list[str]:
    """How many runs of earlier plans alone are on their way, and how to take them back."""
    underway = sum(one.state in UNDERWAY for one in earlier.values())
    move = "`harness cancel FILE --earlier` takes them back"
    return [f"{underway} runs of an earlier plan are still on their way; {move}"] if underway else []


def unneeded_lines(jobs: Unneeded) -> list[str]:
    """How many jobs are on their way for cancelled runs only, and how to end them."""
    lines = []
    if number := len(jobs.numbers) + len(jobs.processes):
        where = "in SLURM" if jobs.numbers else "running here"
        lines.append(f"{number} jobs of cancelled runs are still {where}; `harness cancel FILE` ends them")
    for why, number in jobs.not_verified.items():
        lines.append(f"{number} jobs of cancelled runs may still be there: not verified ({why})")
    return lines


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
    missing: Annotated[int, "wanted runs without a whole record"]
    missing_ids: Annotated[list[str], "their ids"]
    unasked: Annotated[int, "with `looks:`, runs that no open rule asks for"]
    states: Annotated[dict[StateName, int], "runs by state"]
    runs: Annotated[dict[str, RunSaid], "by id"]
    spending: Annotated[Spending | None, "null if nothing was ever sent off"]
    earlier_underway_ids: Annotated[list[str], "runs of earlier plans that are on their way"]
    damaged_files: Annotated[Sequence[str], "what is wrong with files of what was sent off and ordered"]
    jobs_of_cancelled: Annotated[Unneeded, "jobs whose runs are all cancelled"]
    disk_bytes: Annotated[DiskBytes, "of the results folder"]


def sweep_said(
    manifest: Manifest,
    found: Mapping[str, RunState],
    spending: Spending | None,
    earlier: Mapping[str, RunState],
    jobs: Unneeded,
    unasked: Collection[str],
    evidence: Evidence,
    disk: DiskBytes,
) -> SweepSaid:
    """What scripts read of a sweep."""
    counted = Counter(one.state for one in found.values())
    missing = [run for run, one in found.items() if one.state not in OVER and run not in unasked]
    cells = {cell.index: cell for cell in manifest.cells}
    what: dict[str, RunSaid] = {}
    for planned in manifest.runs:
        cell, where = cells[planned.cell], found[planned.run_id]
        said = RunSaid(where, cell.task, cell.arm, cell.series, planned.run.seed, planned.trial, next_move(where))
        what.setdefault(planned.run_id, said)  # of a run that several cells share, the first
    return SweepSaid(
        name=manifest.name,
        planned=len(found),
        done=counted["done"],
        diverged=counted["diverged"],
        missing=len(missing),
        missing_ids=missing,
        unasked=len(unasked),
        states=counts_of(found),
        runs=what,
        spending=spending,
        earlier_underway_ids=[run for run, one in earlier.items() if one.state in UNDERWAY],
        damaged_files=evidence.damage,
        jobs_of_cancelled=jobs,
        disk_bytes=disk,
    )


def spending_words(spending: Spending) -> str:
    """The hours that were spent and predicted, what is left, and how long that takes."""
    spent, over, left = (
        device_time(hours, spending.device_unit)
        for hours in (spending.spent_hours, spending.predicted_hours_over, spending.predicted_hours_left)
    )
    words = f"spent {spent}" + (f" (for {over} predicted)" if spending.predicted_hours_over else "")
    if spending.predicted_hours_left:
        words += f"; on their way: {left} predicted"
    if spending.seconds_left:
        words += f", about {duration(spending.seconds_left)} at the pace of now"
    if spending.overhead_seconds is not None:
        words += f"; a job starts to train after {duration(spending.overhead_seconds)}"
    for host, seconds in spending.clocks_ahead_seconds.items():
        side = "ahead of the file server's" if seconds > 0 else "behind SLURM's"
        words += f"; the clock of {host} is {duration(abs(seconds))} {side}, so its times are not comparable"
    return words


def story(run: str, state: RunState, evidence: Evidence) -> list[str]:
    """The story of a run in the order of time: what was done with it, what all attempts wrote, and where it is now."""
    told: list[tuple[str, list[str]]] = []
    for submission in evidence.submissions:
        if any(run in job.runs for job in submission.jobs):
            where = submission.name if submission.profile else f"{submission.slots} processes on {submission.host}"
            told.append((submission.at, [f"{submission.at}  submitted as {where}"]))
    words = {"cancel": "cancelled", "retry": "to be tried again"}
    told += [
        (order.at, [f"{order.at}  {words[order.kind]}, {order.by_words}"])
        for order in evidence.orders
        if run in order.runs
    ]
    for attempt in evidence.attempts:
        events = [event for event in attempt.events if run in event.get("runs", ())]
        if not events:
            continue
        begun = attempt.begun
        number = f", job {begun['slurm_number']}" if begun["slurm_number"] else ""
        told.append((begun["at"], [f"{begun['at']}  attempt {attempt.id} begun on {begun['host']}{number}"]))
        told += [(event["at"], _event_lines(event)) for event in events]
        if ended := attempt.ended:
            again = ", and starts again" if ended.get("requeued") else ""
            told.append((ended["at"], [f"{ended['at']}  attempt {attempt.id} ended: {ended['why']}{again}"]))
    first = f"{run}: {state.state}" + (f" ({state.why})" if state.why else "")
    told.sort(key=lambda one: one[0])
    return [first, *itertools.chain.from_iterable(lines for _, lines in told)]


def _event_lines(event: Event) -> list[str]:
    left_out = {"at", "event", "runs", "traceback", "traceback_hash", "statuses"}
    what = ", ".join(f"{name} {value}" for name, value in event.items() if name not in left_out)
    lines = [f"{event['at']}  {event['event'].replace('_', ' ')}" + (f": {what}" if what else "")]
    return lines + [f"    {line}" for line in event.get("traceback", "").splitlines()]


def duplicate_lines(found: Sequence[Duplicate]) -> list[str]:
    """What is to be said of records that came second and differ."""
    lines = []
    for verdict, meaning in DUPLICATES.items():
        those = [one for one in found if one.verdict == verdict]
        if those:
            lines.append(f"{len(those)} records that came second {meaning} (first: {those[0].path})")
    return lines


def kept_lines(path: Path, merged: Merged, absent: int) -> list[str]:
    """What became of records that were kept in the file at `path`, and what it lacks of those that are planned."""
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
    }
    told = ", ".join(f"{len(runs)} {what}" for what, runs in counts.items() if runs)
    named = [f"differs: {run}" for run in (*merged.beyond_tolerance, *merged.defects)]
    return [f"records: {told or 'none'}", *named, *merged.damaged]
