"""Where the runs of a sweep are, as several commands need and show it."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.cli.plans import records_of
from harness.dispatch.reconcile import gather, reconcile, spending, underway_beside, unneeded
from harness.dispatch.state import FREE, UNDERWAY, Evidence, RunState, StateName
from harness.record import duplicates
from harness.show.console import console, print_table
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


def is_complete(seen: SweepView) -> bool:
    """Whether every planned run has a record that is whole."""
    return all(one.state in ("done", "diverged") for one in seen.found.values())


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
    if told:
        raise HarnessError("\n".join(told), INCOMPLETE)


def show_status(manifest: Manifest, folder: Path, seen: SweepView, wanted: Sequence[StateName], as_json: bool) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a wanted state."""
    known = seen.found | seen.earlier
    spent, jobs = spending(known, seen.evidence), unneeded(seen.evidence, known)
    if as_json:
        click.echo(json.dumps(status_json(manifest, seen.found, spent, seen.earlier, jobs)))
        return
    click.echo(status_words(manifest, seen.found))
    if spent or any(one.state == "damaged" for one in seen.found.values()):
        print_table(status_table(seen.found))
    if spent:
        console.print(spending_words(spent), soft_wrap=True)
    differing = duplicate_lines(duplicates(records_of(folder)))
    for line in [*earlier_lines(seen.earlier), *unneeded_lines(jobs), *differing]:
        console.print(line, soft_wrap=True)
    if wanted and not any(one.state in wanted for one in seen.found.values()):
        console.print(f"no run is {' or '.join(wanted)}", soft_wrap=True)
    elif wanted:
        print_table(why_table(seen.found, run_words(manifest), wanted))
