"""Where the runs of a sweep are, on the terminal or as JSON."""

from collections.abc import Sequence
from pathlib import Path

import click

from harness.base.json_text import json_text
from harness.dispatch.leftovers import disk_bytes, notable_bytes
from harness.dispatch.reconcile import spending, unneeded
from harness.dispatch.state import OVER, StateName
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
from harness.study.folders import records_of
from harness.study.looks import Wanted, look_lines
from harness.study.sweeps import SweepView


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
