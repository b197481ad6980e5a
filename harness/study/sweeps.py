"""Where the runs of a sweep are."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.dispatch.reconcile import gather, reconcile, underway_beside
from harness.dispatch.state import FREE, OVER, UNDERWAY, Evidence, RunState
from harness.spec import Manifest
from harness.study.folders import records_of
from harness.study.looks import Wanted, wanted_now


class SweepView(NamedTuple):
    """What is known of a sweep: the states of its planned runs, and of those that only earlier plans have.

    `beside` has the planned runs that other experiments' folders have on their way.
    """

    evidence: Evidence
    found: dict[str, RunState]
    earlier: dict[str, RunState]
    beside: dict[Path, dict[str, RunState]]


def look(manifest: Manifest, folder: Path, check_all: bool = False) -> SweepView:
    """All that is known of the runs of a plan, now; `check_all` looks for damage in all of every record."""
    evidence = gather(folder, manifest.run_ids(), records_of(folder), check_all)
    states = reconcile(manifest, folder, evidence)
    found = {run: states.pop(run) for run in manifest.run_ids()}
    free = {run for run, one in found.items() if one.state in FREE}
    beside = underway_beside(folder, free) if free else {}
    for underway in beside.values():
        found |= underway
    return SweepView(evidence, found, states, beside)


def look_and_wanted(manifest: Manifest, folder: Path) -> tuple[SweepView, Wanted | None]:
    """All that is known of the runs of a plan, and of a plan with looks which are wanted by now.

    Rules read whole records. So damage is looked for in all of them, and a damaged one counts as missing.
    """
    seen = look(manifest, folder, check_all=bool(manifest.looks))
    if not manifest.looks:
        return seen, None
    return seen, wanted_now(manifest, folder, [run for run, one in seen.found.items() if one.state == "damaged"])


def is_complete(seen: SweepView, wanted: Iterable[str] | None) -> bool:
    """Whether every planned run, or every one that is wanted, has a record that is whole."""
    runs = seen.found if wanted is None else wanted
    return all(seen.found[run].state in OVER for run in runs)


def check_none_underway(manifest: Manifest, folder: Path) -> None:
    """A HarnessError if runs are on their way, here or in an experiment beside: to train them too would be a waste."""
    if not any(folder.parent.glob("*/submissions")):
        return
    seen = look(manifest, folder)
    places = dict.fromkeys((run for run, one in seen.found.items() if one.state in UNDERWAY), folder)
    for other, underway in seen.beside.items():
        places |= dict.fromkeys(underway, other)
    lines = [
        f"{number} runs of {manifest.name} are on their way; wait for them (`harness status {place} --watch`), "
        f"or take them back (`harness cancel {place}`)"
        for place, number in Counter(places.values()).items()
    ]
    unsure = dict.fromkeys(f"  {one.why}" for one in seen.found.values() if "not verified" in one.why)
    if lines:
        raise HarnessError("\n".join([*lines, *unsure]), INCOMPLETE)
