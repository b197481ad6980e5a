"""Where the runs of a sweep are."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.formats import plural
from harness.dispatch.reconcile import gather, reconcile, underway_beside
from harness.dispatch.state import FREE, OVER, UNDERWAY, Evidence, RunState
from harness.spec.manifest import Manifest
from harness.study.folders import records_of

if TYPE_CHECKING:
    pass


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


def is_complete(view: SweepView) -> bool:
    """Whether every planned run has a record that is whole."""
    return all(state.state in OVER for state in view.states.values())


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
