"""What `submit` and `retry` share: where jobs go, the question before that, and what this machine
has trained.
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.cli.commands.status import show_status
from harness.cli.mirroring import wandb_option
from harness.cli.options import COUNT, PATH, POSITIVE, confirm, gathered, yes_option
from harness.dispatch.mirror import WandbMode, check_wandb
from harness.dispatch.profile import read_profile
from harness.show.console import ANSWERS
from harness.study.sending import Destination, Request, send_off
from harness.study.sweeps import is_complete, look


def _where(
    profile: Path | None,
    local: int | None,
    dry_run: bool,
    max_gpu_hours: float | None,
    idle_gpus: bool,
    wandb: WandbMode | None,
    **given: Any,
) -> dict[str, Any]:
    """The `where` that options say, beside the others; a HarnessError if that is not one place."""
    if profile and local:
        raise HarnessError("--profile, --local: give one of them, not both")
    if profile:
        read = read_profile(profile)
        if read.wandb and not wandb:
            check_wandb(read.wandb)
        where = Destination(
            read, read.slots, wandb or read.wandb, dry_run, max_gpu_hours, profile, idle_gpus
        )
        return {"where": where, **given}
    if local:
        return {"where": Destination(None, local, wandb, dry_run, max_gpu_hours), **given}
    raise HarnessError(
        "--profile, --local: give a profile, as in slurm/, or --local N for this machine"
    )


# Where jobs run and what may be spent.
where_options = gathered(
    _where,
    click.option(
        "--profile",
        type=PATH,
        metavar="YAML",
        help="What a job asks SLURM for, such as slurm/cpu.yaml (docs/cluster.md).",
    ),
    click.option(
        "--local",
        type=COUNT,
        metavar="N",
        help="Use no cluster: train N packs of runs at a time on this machine.",
    ),
    click.option("--dry-run", is_flag=True, help="Show what would be sent, and do nothing."),
    yes_option,
    click.option(
        "--max-gpu-hours",
        type=POSITIVE,
        metavar="HOURS",
        help=(
            "Send nothing if more hours are predicted (core-hours if the profile asks for no GPU)."
        ),
    ),
    click.option(
        "--idle-gpus",
        is_flag=True,
        help="Book the GPUs of the profile for runs that train on CPUs.",
    ),
    wandb_option,
)


def ask_and_send(request: Request, yes: bool) -> None:
    """Show what there is to send off, ask, and send it, as `send_off` does; what this machine
    trains is then shown.
    """
    agree = partial(confirm, yes=yes, refused="nothing was submitted")
    if not send_off(request, ANSWERS, agree):
        return
    view = look(request.manifest, request.folder)
    show_status(request.manifest, request.folder, view, (), as_json=False)
    if not is_complete(view):
        sys.exit(INCOMPLETE)
