"""`harness status`."""

import sys
import time
from pathlib import Path

import click

from harness.base.errors import INCOMPLETE
from harness.cli.looks import known_wanted
from harness.cli.options import EXAMPLE, json_option, planned_argument, results_option
from harness.cli.output import output_is_read
from harness.cli.plans import frozen_plan
from harness.cli.sweeps import is_complete, look, show_status
from harness.dispatch.state import UNDERWAY
from harness.show.console import console
from harness.show.sweeps import wanted_states

WATCH_SECONDS = 30.0  # between two questions to SLURM


@click.command(epilog=f"Example: harness status {EXAMPLE} --watch --why failed")
@planned_argument
@results_option
@click.option("--watch", is_flag=True, help=f"Look again every {WATCH_SECONDS:.0f} s until no run is on its way.")
@click.option("--why", metavar="STATE", help="List the runs in a state, and why. `failed` lists all that went wrong.")
@json_option
def status(file: Path, results: Path, watch: bool, why: str | None, as_json: bool) -> None:
    """Show where every planned run is, and why.

    States: planned, queued, running, done, diverged, out of memory, timed out, preempted, node failed, lost, crashed,
    quarantined, cancelled, damaged. They come from the record, the worker's log, SLURM and time. Exit 3 while some runs
    are missing. Where the file has `looks:`, seeds that no undecided rule asks for are not missing.
    """
    manifest, folder = frozen_plan(file, results)
    listed = wanted_states(why) if why else ()
    while True:
        seen = look(manifest, folder)
        if watch and console.is_terminal:
            console.clear()
        wanted = known_wanted(manifest, folder)
        show_status(manifest, folder, seen, listed, as_json, wanted)
        if not watch or not output_is_read() or not any(one.state in UNDERWAY for one in seen.found.values()):
            break
        time.sleep(WATCH_SECONDS)
    if not is_complete(seen, wanted.run_ids if wanted else None):
        sys.exit(INCOMPLETE)
