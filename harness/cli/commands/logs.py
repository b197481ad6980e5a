"""`harness logs`."""

from pathlib import Path

import click

from harness.base.errors import HarnessError
from harness.cli.options import EXAMPLE, plan_options
from harness.dispatch.launch import log_path, sent_log
from harness.dispatch.state import Evidence
from harness.dispatch.submission import local_log
from harness.show.sweeps import story
from harness.spec.manifest import Manifest
from harness.study.sweeps import look

OUTPUT_LINES = 40  # of a job that are shown


@click.command(epilog=f"Example: harness logs {EXAMPLE} 3f9a")
@plan_options
@click.argument("run", metavar="RUN")
def logs(manifest: Manifest, folder: Path, run: str) -> None:
    """Tell the story of a run.

    RUN is a run's id, or how it begins. The story has its attempts, and the end of its last job's
    output.
    """
    view = look(manifest, folder)
    states = view.states | view.earlier
    matching = [identity for identity in states if identity.startswith(run)]
    if len(matching) != 1:
        many = (
            f"{len(matching)} runs begin so; give more of it"
            if matching
            else "no run of the plan begins so"
        )
        raise HarnessError(f"{run}: {many} (`harness status FILE --why STATE` lists ids)")
    for line in story(matching[0], states[matching[0]], view.evidence):
        click.echo(line)
    log = _last_log(folder, matching[0], view.evidence)
    lines = (
        log.read_text(encoding="utf-8", errors="replace").splitlines()
        if log and log.exists()
        else []
    )
    if lines:
        click.echo(f"the end of {log}:")
    for line in lines[-OUTPUT_LINES:]:
        click.echo(f"    {line}")


def _last_log(folder: Path, run: str, evidence: Evidence) -> Path | None:
    """What the last job of a run printed."""
    path = None
    for job in evidence.jobs():
        if run in job.sent.runs:
            number = (
                job.last.begun["slurm_number"]
                if job.last
                else job.listed.number
                if job.listed
                else None
            )
            sent = (
                log_path(folder, number) if number else sent_log(folder, job.submission, job.place)
            )
            path = sent or local_log(folder, job.submission.id)
    return path
