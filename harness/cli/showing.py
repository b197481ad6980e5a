"""What a command answers: JSON, or tables and sentences on the terminal."""

from collections.abc import Iterable
from typing import Any

import click

from harness.base.json_text import json_text
from harness.cli.group import typed
from harness.show.console import console
from harness.show.tables.table import Table, for_terminal


def show(parts: Iterable[Table | str]) -> None:
    """Print tables as the terminal is wide, and sentences each on one line of a log, with fields as
    options.
    """
    context = click.get_current_context(silent=True)
    options = context.command.params if context else []
    for part in parts:
        shown = (
            for_terminal(part, console.width) if isinstance(part, Table) else typed(part, options)
        )
        console.print(shown, soft_wrap=True)


def answer(value: Any, as_json: bool, parts: Iterable[Table | str]) -> None:
    """Print the value as JSON, or else what is to be said of it."""
    if as_json:
        click.echo(json_text(value))
    else:
        show(parts)
