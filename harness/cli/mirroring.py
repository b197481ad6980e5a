"""--wandb and what goes with it, of commands that copy finished runs to it."""

from functools import partial
from pathlib import Path
from typing import Any, Literal

import click

from harness.cli.options import gathered
from harness.dispatch.mirror import Export, Mirror, check_wandb
from harness.show.console import steps_progress
from harness.spec import Manifest
from harness.study.folders import records_of


def _mirror(
    wandb: Literal["online", "offline"] | None,
    wandb_per: Literal["run", "pack"],
    wandb_project: str,
    wandb_entity: str | None,
    **given: Any,
) -> dict[str, Any]:
    mirror = None
    if wandb:
        check_wandb(wandb)
        mirror = Mirror(mode=wandb, per=wandb_per, project=wandb_project, entity=wandb_entity)
    return {"mirror": mirror, **given}


# A command gets the `mirror` that they ask for; a HarnessError if wandb cannot do it.
wandb_options = gathered(
    _mirror,
    click.option("--wandb", type=click.Choice(["online", "offline"]), help="Copy finished runs to wandb."),
    click.option(
        "--wandb-per",
        type=click.Choice(["run", "pack"]),
        default="run",
        show_default=True,
        help="What becomes one wandb run: a run, or runs that train together.",
    ),
    click.option("--wandb-project", default="harness", show_default=True, metavar="NAME", help="The wandb project."),
    click.option("--wandb-entity", metavar="NAME", help="The wandb team or user.  [default: yours]"),
)


def export_of(mirror: Mirror, manifest: Manifest, folder: Path) -> Export:
    """What copies the finished runs of a plan to wandb."""
    return Export(mirror, manifest.name, manifest.packs, records_of(folder), folder / "wandb")


def copy_finished(export: Export) -> int:
    """Copy what has ended since, and say on standard error how that goes; how many are left."""
    with steps_progress("wandb") as progress:
        return export.go_on(partial(click.echo, err=True), partial(progress, "copied"))
