"""Where the runs of a sweep are, which of them are wanted by now, and how far the looks at its
rules have come.

A plan with looks has the runs of all replicates. Those of the first look are wanted from the start,
the others once a rule that is still open asks for them. A plan without looks wants all its runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.formats import plural
from harness.dispatch.reconcile import gather, reconcile, underway_beside
from harness.dispatch.state import FREE, OVER, UNDERWAY, Evidence, RunState
from harness.record.store import missing, read_records
from harness.spec.manifest import Manifest
from harness.study.folders import StudyFile, records_of

if TYPE_CHECKING:
    from harness.judging.verdict import Verdict


class SweepView(NamedTuple):
    """What is known of a sweep: the states of its planned runs, and of those that only earlier
    plans have.

    `beside` has the planned runs that other experiments' folders have on their way.
    """

    evidence: Evidence
    states: dict[str, RunState]
    earlier: dict[str, RunState]
    beside: dict[Path, dict[str, RunState]]


def look(manifest: Manifest, folder: Path, check_all: bool = False) -> SweepView:
    """All that is known of the runs of a plan, now; `check_all` looks for damage in all of every
    record.
    """
    evidence = gather(folder, manifest.run_ids(), records_of(folder), check_all)
    earlier = reconcile(manifest, folder, evidence)
    states = {run: earlier.pop(run) for run in manifest.run_ids()}
    free = {run for run, state in states.items() if state.state in FREE}
    beside = underway_beside(folder, free) if free else {}
    for underway in beside.values():
        states |= underway
    return SweepView(evidence, states, earlier, beside)


def look_and_wanted(manifest: Manifest, folder: Path) -> tuple[SweepView, Wanted | None]:
    """All that is known of the runs of a plan, and of a plan with looks which are wanted by now.

    Rules read whole records. So damage is looked for in all of them, and a damaged one counts as
    missing.
    """
    view = look(manifest, folder, check_all=bool(manifest.looks))
    damaged = [run for run, state in view.states.items() if state.state == "damaged"]
    return view, wanted_now(manifest, folder, damaged) if manifest.looks else None


def is_complete(view: SweepView, wanted: Iterable[str] | None) -> bool:
    """Whether every planned run, or every one that is wanted, has a record that is whole."""
    runs = view.states if wanted is None else wanted
    return all(view.states[run].state in OVER for run in runs)


def check_none_left_behind(view: SweepView) -> None:
    """A HarnessError if missing runs have records where the results were before: nobody trains them
    again unasked.
    """
    left = [
        state for run, state in view.states.items() if view.evidence.left_behind.get(run) == state
    ]
    if left:
        raise HarnessError(
            f"{plural(len(left), 'run')}: {left[0].why}; {left[0].next_move}", INCOMPLETE
        )


def check_none_underway(manifest: Manifest, folder: Path) -> None:
    """A HarnessError if runs are on their way, here or in an experiment beside: to train them too
    would be a waste.
    """
    if not any(folder.parent.glob("*/submissions")):
        return
    view = look(manifest, folder)
    check_none_left_behind(view)
    places = dict.fromkeys(
        (run for run, state in view.states.items() if state.state in UNDERWAY), folder
    )
    for other_folder, underway in view.beside.items():
        places |= dict.fromkeys(underway, other_folder)
    lines = [
        f"{number} runs of {manifest.name} are on their way; wait for them (`harness status "
        f"{place} --watch`), "
        f"or take them back (`harness cancel {place}`)"
        for place, number in Counter(places.values()).items()
    ]
    unsure = dict.fromkeys(
        f"  {state.why}" for state in view.states.values() if "not verified" in state.why
    )
    if lines:
        raise HarnessError("\n".join([*lines, *unsure]), INCOMPLETE)


# --------------------------------------------------------------------------------------------------
# looks
class Wanted(NamedTuple):
    """The ids of the runs of a plan that are wanted by now, and of those that have no record, in
    plan order.

    `verdicts` are those of the rules so far: None until the first look, and of a plan without
    looks.
    """

    run_ids: tuple[str, ...]
    absent: tuple[str, ...]
    verdicts: tuple[Verdict, ...] | None = None


def check_looks(study: StudyFile) -> None:
    """A HarnessError if the file has no looks, at which its rules would be judged."""
    experiment = study.read()
    if not experiment.looks:
        raise HarnessError(
            f"`until_decided`: {study.file} does not say when its rules are judged; add after how "
            "many replicates, as "
            f"in `looks: [8, 12, 16]` of 16 replicates (it has {len(experiment.seeds)}), then run "
            "this with `replan`"
        )


def wanted_now(manifest: Manifest, folder: Path, damaged: Collection[str] = ()) -> Wanted:
    """What is wanted of a plan in this folder, by the records that there are, but for those of
    `damaged` runs.
    """
    lacking = {*missing(manifest, records_of(folder)), *damaged}
    wanted = (
        manifest.with_seeds(manifest.looks[0]) if manifest.looks else frozenset(manifest.run_ids())
    )
    verdicts: tuple[Verdict, ...] | None = None
    if manifest.looks and wanted.isdisjoint(lacking):
        from harness.judging.judge import (
            judge_all,  # with the numerical libraries, which other plans do without
        )
        from harness.study.tables import tables_of

        present = [run_id for run_id in manifest.run_ids() if run_id not in lacking]
        table, every, *_ = tables_of(
            manifest, read_records(present, records_of(folder), folder), folder
        )
        verdicts = tuple(judge_all(manifest, table, every))
        waits_for = max((verdict.waits_for or 0 for verdict in verdicts), default=0)
        wanted = manifest.with_seeds(max(waits_for, manifest.looks[0], table["seed"].nunique()))
    in_order = tuple(run_id for run_id in manifest.run_ids() if run_id in wanted)
    return Wanted(in_order, tuple(run_id for run_id in in_order if run_id in lacking), verdicts)


def of_first_look(manifest: Manifest) -> Manifest:
    """The part of a plan that its first look needs."""
    wanted = manifest.with_seeds(manifest.looks[0])
    runs = tuple(planned for planned in manifest.runs if planned.run_id in wanted)
    return manifest.model_copy(update={"runs": runs, "packs": tuple(manifest.packs_of(wanted))})


def look_lines(manifest: Manifest, wanted: Wanted) -> list[str]:
    """At which look the rules of a plan are, which of them are open, and how many runs they ask
    for.
    """
    first, seeds = manifest.looks[0], len(manifest.experiment.seeds)
    if wanted.verdicts is None:
        absent = f"{len(wanted.absent):,} of {len(wanted.run_ids):,} runs to go"
        return [f"first look, at {first} of {seeds} replicates: {absent}"]
    waiting = [verdict for verdict in wanted.verdicts if verdict.waits_for]
    if not waiting:
        undecided = sum(verdict.verdict == "open" for verdict in wanted.verdicts)
        undecided_words = f"; {undecided} of {len(wanted.verdicts)} stay open" if undecided else ""
        return [
            (
                f"no rule asks for more replicates{undecided_words}. "
                f"{run_words(manifest, len(wanted.run_ids))}"
            )
        ]
    of_all = f"{len(waiting)} of {len(wanted.verdicts)}"
    lines = [f"{of_all} rules are open, and ask for {plural(len(wanted.absent), 'more run')}:"]
    for verdict in waiting:
        lines.append(
            f"  “{verdict.claim}” is open; the next look is at {verdict.waits_for} of {seeds} "
            "replicates"
        )
    return lines


def run_words(manifest: Manifest, number: int) -> str:
    """How many of the planned runs there are or are wanted, and what the others are."""
    planned = len(manifest.run_ids())
    if number == planned:
        return plural(planned, "run")
    return f"{number:,} of {planned:,} runs; no open rule asks for the other {planned - number:,}"
