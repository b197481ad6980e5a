"""The group of all commands: it imports a command when that is called, and says errors in sentences."""

import logging
import signal
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click

from harness.base.errors import INCOMPLETE, INTERRUPTED, HarnessError
from harness.base.files import unwritable
from harness.cli.output import lasting_output, visible
from harness.cli.typed import typed


class Warnings(logging.Handler):
    """Prints what the package warns of, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """As `warning: …`."""
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


class Group(click.Group):
    """Prints a HarnessError as its sentence and exits with its code; a command outlives whoever reads its output.

    A command is imported when it is called: `harness NAME` is `name` in harness/cli/commands/name.py. `short_helps`
    has the first sentence of each command's help.
    """

    def __init__(self, *arguments: Any, short_helps: Mapping[str, str], **named: Any):
        super().__init__(*arguments, **named)
        # Stand-ins: the help of the group and the completion of names need no more than a name and its short help.
        for name, short_help in short_helps.items():
            self.add_command(click.Command(name, help=short_help))

    def imported(self, name: str) -> click.Command:
        """The command itself, from its file."""
        return getattr(import_module(f"harness.cli.commands.{name}"), name)

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with, and import it."""
        name, stand_in, rest = super().resolve_command(context, arguments)
        return name, self.imported(name) if name and stand_in else None, rest

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As of every click.Group; print warnings, and tell at the end if some output could not be written."""
        log = logging.getLogger("harness")
        if not any(isinstance(handler, Warnings) for handler in log.handlers):
            log.addHandler(Warnings())
        with lasting_output() as output:
            try:
                return super().main(*args, **kwargs)
            finally:
                output.flush()
                if output.lost and not isinstance(output.lost, BrokenPipeError):
                    why = f"{output.lost.strerror}; some of what was printed is lost, and nothing else"
                    click.echo(f"error: standard output: {why}", err=True)
                    sys.exit(INCOMPLETE)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """As of every click.Group, and let nothing replace the exit status any more."""
        try:
            return super().__call__(*arguments, **named)
        except SystemExit as ending:
            if not arguments:  # it is what this process was started for, and a Ctrl-C would replace its exit status
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            if user_code := sys.modules.get("harness.base.user_code"):  # else nothing of the user's was called
                user_code.end_now_if_threads_are_left(ending.code)
            raise

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an interruption, a HarnessError or an OSError is printed, and ends with its exit code."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("error: stopped; run the same command again to go on", err=True)
            sys.exit(INTERRUPTED)
        except (HarnessError, OSError) as problem:
            error = unwritable(problem) if isinstance(problem, OSError) else problem
            options = self.imported(context.invoked_subcommand).params if context.invoked_subcommand else []
            for line in map(visible, typed(str(error), options).splitlines()):
                click.echo(f"error: {line}" if not line.startswith(" ") else line, err=True)
            sys.exit(error.exit_code)
