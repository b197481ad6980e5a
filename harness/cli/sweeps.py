"""Where the runs of a sweep are, on the terminal or as JSON."""

from collections.abc import Sequence
from pathlib import Path

import click

from harness.base.json_text import json_text
from harness.cli.showing import show
from harness.dispatch.leftovers import disk_bytes, notable_bytes
from harness.dispatch.reconcile import spending, unneeded
from harness.dispatch.state import OVER, StateName
from harness.record import duplicates
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
from harness.show.tables.table import Table
from harness.spec import Manifest
from harness.study.folders import records_of
from harness.study.sweeps import SweepView, Wanted, look_lines


def show_status(
    manifest: Manifest, folder: Path, seen: SweepView, listed: Sequence[StateName], as_json: bool, wanted: Wanted | None
) -> None:
    """Where the runs are, by state, what that has cost, and one by one those in a state to be listed.

    Of a plan with looks, runs that are not `wanted` by now are not missing.
    """
    found, evidence, earlier = seen.found, seen.evidence, seen.earlier
    unasked = set(found).difference(wanted.run_ids) if wanted else set()
    spent, jobs = spending(found | earlier, evidence), unneeded(evidence, found | earlier)
    sizes = disk_bytes(folder.parent)
    notable = notable_bytes(folder.parent, sizes)
    if as_json:
        disk = disk_json(sizes, notable)
        click.echo(json_text(sweep_said(manifest, found, spent, earlier, jobs, unasked, evidence, disk)))
        return
    parts: list[Table | str] = [status_words(manifest, found, unasked)]
    if wanted:
        parts += look_lines(manifest, wanted)
    if spent or any(one.state not in ("planned", *OVER) for one in found.values()):
        waiting = {run for run in unasked if found[run].state == "planned"}
        parts.append(status_table({run: one for run, one in found.items() if run not in waiting}))
    if spent:
        parts.append(spending_words(spent))
    differing = duplicate_lines(duplicates(records_of(folder)))
    parts += [*evidence.damage, *earlier_lines(earlier), *unneeded_lines(jobs), *differing]
    parts.append(disk_words(folder.parent, sizes, notable))
    if any(one.state in listed for one in found.values()):
        parts.append(why_table(found, run_words(manifest), listed))
    elif listed:
        parts.append(f"no run is {' or '.join(listed)}")
    show(parts)
