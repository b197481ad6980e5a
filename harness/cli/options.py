"""Arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path

import click

FULL = "full"  # the scale of an experiment as its file stands


def file_argument(command: Callable) -> Callable:
    """The experiment file that a command is about."""
    return click.argument("file", type=click.Path(path_type=Path), metavar="FILE")(command)


def planned_argument(command: Callable) -> Callable:
    """An experiment file, or the results folder that holds its plan."""
    return click.argument("file", type=click.Path(path_type=Path), metavar="FILE|FOLDER")(command)


def scale_option(command: Callable) -> Callable:
    """--scale, of commands that read an experiment file to plan it."""
    text = "One of the file's `scales:`; what it makes lies in results/<name>-<scale>, which other commands take."
    return click.option("--scale", default=FULL, show_default=True, metavar="NAME", help=text)(command)


def results_option(command: Callable) -> Callable:
    """--results, which every command has that reads or writes any."""
    text = "Folder that holds runs/ and a folder per experiment."
    option = click.option(
        "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help=text
    )
    return option(command)


def wandb_options(command: Callable) -> Callable:
    """--wandb and what goes with it, of commands that mirror runs; `mirror_of` makes one thing of them."""
    for option in (
        click.option("--wandb-entity", metavar="NAME", help="Team or user.  [default: yours]"),
        click.option("--wandb-project", default="harness", show_default=True, metavar="NAME"),
        click.option("--wandb-per", type=click.Choice(["run", "pack"]), default="run", show_default=True),
        click.option("--wandb", type=click.Choice(["online", "offline"]), help="Mirror finished runs to wandb."),
    ):
        command = option(command)
    return command


def replan_option(command: Callable) -> Callable:
    """--replan, of commands that freeze a plan."""
    text = "Freeze the file as it is now, keeping the earlier plan beside it. Records are kept in any case."
    return click.option("--replan", is_flag=True, help=text)(command)
