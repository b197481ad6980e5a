"""`harness retry`."""

from pathlib import Path

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, file_argument, results_option
from harness.cli.sending import ask_and_send, where_options
from harness.dispatch.state import OVER, STATES, UNDERWAY
from harness.study.folders import StudyFile
from harness.study.sending import Destination, Request, share
from harness.study.sweeps import look


@click.command(
    epilog=f"Example: harness retry {EXAMPLE} --cause quarantined --profile slurm/cpu.yaml"
)
@file_argument
@results_option
@click.option(
    "--cause",
    "causes",
    type=click.Choice([state for state in STATES if state not in (*OVER, *UNDERWAY)]),
    multiple=True,
    required=True,
    metavar="STATE",
    help="Send runs in this state. Repeat it.",
)
@where_options
def retry(
    file: Path, results: Path, causes: tuple[str, ...], where: Destination, yes: bool
) -> None:
    """Send off again runs that `harness submit` leaves alone.

    These are runs that are out of memory, quarantined (they crashed twice in the same way),
    cancelled or damaged. --cause takes other states too. A diverged run is a result, and is never
    tried again. For `damaged`, every record of the plan is checked in full, and damaged ones are
    moved to runs/damaged.
    """
    manifest, folder = StudyFile(file, results).frozen()
    share(folder, where)
    view = look(manifest, folder, check_all="damaged" in causes)
    runs = [run for run, state in view.states.items() if state.state in causes]
    if not runs:
        raise HarnessError(
            f"--cause {', '.join(causes)}: no run is in that state; `harness status` shows "
            "which are"
        )
    ask_and_send(Request(manifest, folder, where, only=frozenset(runs)), yes)
