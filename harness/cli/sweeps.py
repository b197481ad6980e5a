"""Where the runs of a sweep are, as several commands need and show it."""

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import json_text
from harness.cli.looks import Wanted, look_lines, wanted_now
from harness.cli.plans import records_of
from harness.dispatch.disk import disk_bytes
from harness.dispatch.leftovers import notable_bytes
from harness.dispatch.reconcile import gather, reconcile, spending, underway_beside, unneeded
from harness.dispatch.state import FREE, OVER, UNDERWAY, Evidence, RunState, StateName
from harness.record import duplicates
from harness.show.console import console, print_table
from harness.show.disk import disk_json, disk_words
from harness.show.sweeps import (
    duplicate_lines,
    earlier_lines,
    run_words,
    spending_words,
    status_table,
    status_words,
    sweep_said,
    unneeded_lines,
    why_table,
)
from harness.spec import Manifest


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
    known = reconcile(manifest, folder, evidence)
    found = {run: known.pop(run) for run in manifest.run_ids()}
    free = {run for run, one in found.items() if one.state in FREE}
    beside = underway_beside(folder, free) if free else {}
    for underway in beside.values():
        found |= underway
    return SweepView(evidence, found, known, beside)


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
    told = [
        f"{number} runs of {manifest.name} are on their way; wait for them (`harness status {place} --watch`), "
        f"or take them back (`harness cancel {place}`)"
        for place, number in Counter(places.values()).items()
    ]
    unsure = dict.fromkeys(f"  {one.why}" for one in seen.found.values() if "not verified" in one.why)
    if told:
        raise HarnessError("\n".join([*told, *unsure]), INCOMPLETE)


def show_status(
    manifest: Manifest,
    folder: Path,
    seen: SweepView,
    listed: Sequence[StateName],
    as_json: bool,
    wanted: Wanted | None,
) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a state to be listed.

    Of a plan with looks, runs that are not `wanted` by now are not missing.
    """
    unasked = set(seen.found).difference(wanted.run_ids) if wanted else set()
    known = seen.found | seen.earlier
    spent, jobs = spending(known, seen.evidence), unneeded(seen.evidence, known)
    sizes = disk_bytes(folder.parent)
    notable = notable_bytes(folder.parent, sizes)
    if as_json:
        disk = disk_json(sizes, notable)
        click.echo(json_text(sweep_said(manifest, seen.found, spent, seen.earlier, jobs, unasked, seen.evidence, disk)))
        return
    click.echo(status_words(manifest, seen.found, unasked))
    if wanted:
        for line in look_lines(manifest, wanted):
            console.print(line, markup=False, soft_wrap=True)
    if spent or any(one.state not in ("planned", *OVER) for one in seen.found.values()):
        waiting = {run for run in unasked if seen.found[run].state == "planned"}
        print_table(status_table({run: one for run, one in seen.found.items() if run not in waiting}))
    if spent:
        console.print(spending_words(spent), soft_wrap=True)
    differing = duplicate_lines(duplicates(records_of(folder)))
    on_disk = disk_words(folder.parent, sizes, notable)
    for line in [*seen.evidence.damage, *earlier_lines(seen.earlier), *unneeded_lines(jobs), *differing, on_disk]:
        console.print(line, markup=False, soft_wrap=True)
    if listed and not any(one.state in listed for one in seen.found.values()):
        console.print(f"no run is {' or '.join(listed)}", soft_wrap=True)
    elif listed:
        print_table(why_table(seen.found, run_words(manifest), listed))
