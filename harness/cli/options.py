"""Arguments and options that several commands have."""

from collections.abc import Callable
from pathlib import Path

import click


def file_argument(command: Callable) -> Callable:
    """The experiment file that a command is about."""
    return click.argument("file", type=click.Path(path_type=Path), metavar="FILE")(command)


def planned_argument(command: Callable) -> Callable:
    """An experiment file, or the results folder that holds its plan."""
    return click.argument("file", type=click.Path(path_type=Path), metavar="FILE|FOLDER")(command)


def results_option(command: Callable) -> Callable:
    """--results, which every command has that reads or writes any."""
    text = "Folder that holds runs/ and a folder per experiment."
    option = click.option(
        "--results", type=click.Path(path_type=Path), default=Path("results"), show_default=True, help=text
    )
    return option(command)


def replan_option(command: Callable) -> Callable:
    """--replan, of commands that freeze a plan."""
    text = "Freeze the file as it is now, keeping the earlier plan beside it. Records are kept in any case."
    return click.option("--replan", is_flag=True, help=text)(command)
