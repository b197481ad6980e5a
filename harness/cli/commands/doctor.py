"""`harness doctor`: what a cluster can and cannot do for a sweep, line by line."""

import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import click
from rich.text import Text

from harness.base.errors import INCOMPLETE
from harness.base.json_text import json_text
from harness.cli.options import PATH, POSITIVE, json_option, results_option
from harness.dispatch.doctor import examine
from harness.dispatch.node import Finding
from harness.dispatch.profile import read_profile
from harness.show.console import TERMINAL, console

STYLES = {"ok": "green", "warning": "yellow", "FAILED": "bold red"}
INDENT = 25  # columns before what was found


@dataclass(frozen=True)
class Examined:
    """What a cluster can and cannot do for the jobs of a profile."""

    profile: Annotated[Path, "the file"]
    failed: Annotated[int, "how many findings say `FAILED`"]
    findings: Annotated[list[Finding], "in the order in which they were made"]


@click.command(epilog="Example: harness doctor --profile slurm/cpu.yaml")
@click.option(
    "--profile", type=PATH, metavar="YAML", required=True, help="A profile, such as slurm/cpu.yaml."
)
@results_option
@click.option(
    "--wait",
    "wait_minutes",
    type=POSITIVE,
    metavar="MINUTES",
    default=10.0,
    show_default=True,
    help="How long to wait for the probe job to start.",
)
@click.option("--no-job", is_flag=True, help="Send no probe job; check only from here.")
@json_option
def doctor(profile: Path, results: Path, wait_minutes: float, no_job: bool, as_json: bool) -> None:
    """Check what a cluster can do for the jobs of a profile.

    This asks SLURM about itself, the partition and such a job, and tries the file system of
    --results. It sends a probe job of at most five minutes, which says what a node has and how soon
    its files are seen here. It leaves nothing behind. Exit 3 if something failed.
    """
    findings: list[Finding] = []
    wait = None if no_job else wait_minutes
    for finding in examine(
        read_profile(profile), results, wait, lambda line: TERMINAL.say(f"  … {line}")
    ):
        if not as_json:
            if not findings or findings[-1].about != finding.about:
                console.print(finding.about, style="bold")
            console.print(_lines(finding, console.width))
        findings.append(finding)
    levels = [finding.level for finding in findings]
    failed = levels.count("FAILED")
    if as_json:
        click.echo(json_text(Examined(profile, failed, findings)))
    else:
        click.echo(
            f"{profile}: {levels.count('ok')} ok, {levels.count('warning')} warning, "
            f"{failed} FAILED"
        )
    if failed:
        sys.exit(INCOMPLETE)


def _lines(finding: Finding, width: int) -> Text:
    """A finding as aligned lines: level, what, what was found; below it the next move."""
    room = max(width - INDENT, 40)
    lines = textwrap.wrap(finding.told, room)
    if finding.next_move:
        lines += textwrap.wrap(f"→ {finding.next_move}", room)
    level, what = f"  {finding.level:<7}  ", f"{finding.what:<12}  "
    return Text.assemble((level, STYLES[finding.level]), what, f"\n{' ' * INDENT}".join(lines))
