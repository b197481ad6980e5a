"""The group of all commands: it imports a command when that is called, and says errors in
sentences.
"""

import ast
import logging
import os
import re
import signal
import sys
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from importlib import import_module
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

import click
from click.shell_completion import CompletionItem

from harness.base.errors import INCOMPLETE, INTERRUPTED, USAGE, HarnessError, Stopped
from harness.base.files import unwritable
from harness.base.user_code import end_now_if_threads_are_left, handling

COMMANDS = Path(__file__).parent / "commands"  # one file a command
NAMES = {
    "replay": COMMANDS.parents[1] / "paper" / "replay" / "texts.toml"
}  # whose table has the names of an argument


class StandIn(click.Command):
    """A command by its name: the help of the group and the completion of names need no more than
    its first sentence.

    Of a command in `NAMES`, it completes the first word without importing the command.
    """

    def get_short_help_str(self, limit: int = 45) -> str:
        """As of the command itself, read off its file."""
        module = ast.parse((COMMANDS / f"{self.name}.py").read_text(encoding="utf-8"))
        (command,) = (
            node
            for node in module.body
            if isinstance(node, ast.FunctionDef) and node.name == self.name
        )
        return click.Command(self.name, help=ast.get_docstring(command)).get_short_help_str(limit)

    def shell_complete(self, context: click.Context, incomplete: str) -> list[CompletionItem]:
        """The names that begin so, or the options."""
        if incomplete.startswith("-"):
            return imported(str(self.name)).shell_complete(context, incomplete)
        texts = tomllib.loads(NAMES[str(self.name)].read_text(encoding="utf-8"))
        names = sorted(texts[f"{self.name}s"])
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]


class Warnings(logging.Handler):
    """Prints what the package warns of, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """As `warning: …`."""
        click.echo(f"{record.levelname.lower()}: {record.getMessage()}", err=True)


# What other tools call our commands.
OTHER_WORDS = {"check": "validate", "show": "report", **dict.fromkeys(("train", "start"), "run")}
OTHER_WORDS |= dict.fromkeys(("sweep", "launch"), "submit")
ANOTHER_WAY = {  # to what an option of `harness run` would do
    "--quiet": "progress goes to standard error, and `2>/dev/null` hides it",
    "--json": (
        "the answer is in answer.json of the results folder, such as results/quickstart/answer.json"
    ),
}


class Group(click.Group):
    """Prints a HarnessError as its sentence and exits with its code; a command outlives whoever
    reads its output.

    A command is imported when it is called: `harness NAME` is `name` in
    harness/cli/commands/name.py.
    """

    def __init__(self, *arguments: Any, **named: Any):
        super().__init__(*arguments, **named)
        for file in sorted(COMMANDS.glob("[!_]*.py")):
            self.add_command(StandIn(file.stem))

    def resolve_command(
        self, context: click.Context, arguments: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the arguments begin with, and import it."""
        if arguments[0] in OTHER_WORDS:
            raise HarnessError(
                f"{arguments[0]}: no such command; did you mean {OTHER_WORDS[arguments[0]]}?"
            )
        name, stand_in, rest = super().resolve_command(context, arguments)
        if name in NAMES and not rest and context.resilient_parsing:  # its first word is completed
            return name, stand_in, rest
        command = imported(name) if name and stand_in else None
        if command and not context.resilient_parsing:
            refuse_twice(command, rest)
        return name, command, rest

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """As of every click.Group; print warnings, and tell at the end if some output could not be
        written.
        """
        log = logging.getLogger("harness")
        if not any(isinstance(handler, Warnings) for handler in log.handlers):
            log.addHandler(Warnings())
        output = Output(sys.stdout)
        with redirect_stdout(output), says_stopping():
            try:
                return super().main(*args, **kwargs)
            finally:
                output.flush()
                if output.lost and not isinstance(output.lost, BrokenPipeError):
                    why = (
                        f"{output.lost.strerror}; some of what was printed is lost, and "
                        "nothing else"
                    )
                    click.echo(f"error: standard output: {why}", err=True)
                    sys.exit(INCOMPLETE)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """As of every click.Group, and let nothing replace the exit status any more."""
        try:
            return super().__call__(*arguments, **named)
        except SystemExit as ending:
            # it is what this process was started for, and a Ctrl-C would replace its exit status
            if not arguments:
                signal.signal(signal.SIGINT, signal.SIG_IGN)
            end_now_if_threads_are_left(int(ending.code or 0))
            raise

    def invoke(self, context: click.Context) -> Any:
        """Run the command; an interruption or a mistake is printed in sentences, and ends with its
        exit code.
        """
        try:
            return super().invoke(context)
        except KeyboardInterrupt:
            click.echo("stopped; run the same command again to go on", err=True)
            sys.exit(INTERRUPTED)
        except Stopped as stopped:
            click.echo(stopped, err=True)
            sys.exit(stopped.exit_code)
        except click.UsageError as mistake:
            message, option = mistake.format_message(), getattr(mistake, "option_name", "")
            if context.invoked_subcommand == "run" and option in ANOTHER_WAY:
                message = f"{option}: no such option; {ANOTHER_WAY[option]}"
            click.echo(f"error: {visible(message)}", err=True)
            sys.exit(USAGE)
        except (HarnessError, OSError) as problem:
            error = unwritable(problem) if isinstance(problem, OSError) else problem
            options = (
                imported(context.invoked_subcommand).params if context.invoked_subcommand else []
            )
            for line in map(visible, typed(str(error), options).splitlines()):
                click.echo(f"error: {line}" if not line.startswith(" ") else line, err=True)
            sys.exit(error.exit_code)


def imported(name: str) -> click.Command:
    """A command, from its file."""
    return getattr(import_module(f"harness.cli.commands.{name}"), name)


def refuse_twice(command: click.Command, arguments: Sequence[str]) -> None:
    """A HarnessError for an option of one value that is typed twice, of which click takes the
    last.
    """
    flags = {
        flag: option
        for option in command.params
        if isinstance(option, click.Option)
        for flag in option.opts
    }
    values: dict[str, str] = {}
    words = iter(arguments)
    for word in words:
        flag, equals, value = word.partition("=")
        option = flags.get(flag)
        if option is None or option.is_flag or option.multiple:
            continue
        value = value if equals else " ".join(islice(words, option.nargs))
        if flag in values:
            raise HarnessError(
                f"{flag} is there twice, as {values[flag]} and {value}; it takes one value, "
                "keep one"
            )
        values[flag] = value


def typed(message: str, parameters: Iterable[click.Parameter]) -> str:
    """The message with fields as options: errors name them in backquotes, `max_width`; typed it is
    --max-width.
    """
    options = [parameter for parameter in parameters if isinstance(parameter, click.Option)]
    flags = {option.name: option.opts[0] for option in options}
    flags |= {
        flag.removeprefix("--").replace("-", "_"): flag for flag in flags.values()
    }  # --law gives `laws`
    return re.sub(r"`(\w+)`", lambda field: flags.get(field[1], field[0]), message)


@contextmanager
def says_stopping() -> Iterator[None]:
    """Say `stopping` at once at the first Ctrl-C in the block: what is under way may take seconds
    to end.
    """

    def stop(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.write(2, b"\nstopping\n")  # no print, which the signal may have come amid
        signal.default_int_handler(number, frame)

    is_default = signal.getsignal(signal.SIGINT) == signal.default_int_handler
    with handling([signal.SIGINT] if is_default else [], stop):
        yield


# --------------------------------------------------------------------------------------------------
# output Standard output may fail without ending the command: whoever reads it leaves (`| head`), or
# a disk is full.

# Control characters, and those that turn the direction of text. Tabs, ends of lines and what draws
# our colours and bars (ESC [ ... m, K, A, h or l) pass.
ACTING = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\x1b(?!\[[0-9;?]*[mKAhl])"
)


def visible(text: str) -> str:
    """The text with characters that act on a terminal written as JSON would write them, such as
    \\u202e.
    """
    return ACTING.sub(lambda acting: f"\\u{ord(acting[0]):04x}", text)


class Output:
    """Writes to `stream` as long as that can be done; from the first error on, which is in `lost`,
    it drops all.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """As of the stream, what acts on a terminal made visible."""
        try:
            self._stream.write(visible(text))
        except OSError as error:
            self._drop(error)
        return len(text)

    def clear(self) -> None:
        """Empty the terminal and go to its top. Only this may: text of anybody's that would is made
        visible.
        """
        try:
            self._stream.write("\x1b[2J\x1b[H")
        except OSError as error:
            self._drop(error)

    def flush(self) -> None:
        """As of the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self, error: OSError) -> None:
        """Point the descriptor elsewhere, so that what the stream has buffered, and worker
        processes, do not fail.
        """
        self.lost = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


def output_is_read() -> bool:
    """Whether what is printed still goes somewhere."""
    return getattr(sys.stdout, "lost", None) is None
