"""Arguments and options that several commands have, and the question that --yes answers."""

import functools
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.formats import number_meant
from harness.spec.document import FULL

EXAMPLE = "experiments/quickstart.yaml"  # in the examples of commands

PATH = click.Path(path_type=Path)


class Sectioned(click.Command):
    """A command of many options: its help lists them under headings, and those of no heading under
    Options.

    `sections` has the names of options by heading, in the order of the help; a name that the
    command lacks is left out.
    """

    def __init__(self, *arguments: Any, sections: dict[str, Sequence[str]], **named: Any):
        super().__init__(*arguments, **named)
        self.sections = sections

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """As of every click.Command, in sections."""
        options = [
            option for option in self.get_params(context) if isinstance(option, click.Option)
        ]
        lines = {
            str(option.name): line
            for option in options
            if (line := option.get_help_record(context))
        }
        under_headings = {name for names in self.sections.values() for name in names}
        others = [name for name in lines if name not in under_headings]
        for heading, names in (self.sections | {"Options": others}).items():
            with formatter.section(heading):
                formatter.write_dl([lines[name] for name in names if name in lines])


class Number(click.FloatRange):
    """A finite number, which help and errors call a number: nan lies within every range of
    click.
    """

    name = "number"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """As of every click.FloatRange."""
        number = super().convert(value, parameter, context)
        if not math.isfinite(number):
            self.fail(f"{value!r} is no finite number", parameter, context)
        return number


class Count(click.IntRange):
    """A whole number; what is none is told how it is written: two as 2, 1k as 1000."""

    name = "number"

    def convert(
        self, value: Any, parameter: click.Parameter | None, context: click.Context | None
    ) -> Any:
        """As of every click.IntRange."""
        try:
            int(value)
        except ValueError:
            self.fail(
                f"{value!r} is no whole number; write {number_meant(value) or 'one as 2'}",
                parameter,
                context,
            )
        return super().convert(value, parameter, context)


COUNT = Count(min=1)
POSITIVE = Number(min=0, min_open=True)
Decorator = Callable[[Callable], Callable]


def together(*options: Decorator) -> Decorator:
    """One decorator in place of several; a command's help lists their options in this order."""

    def decorated(command: Callable) -> Callable:
        for option in reversed(options):
            command = option(command)
        return command

    return decorated


# The experiment file that a command is about, or a results folder that holds its plan.
file_argument = click.argument("file", type=PATH, metavar="FILE")
planned_argument = click.argument("file", type=PATH, metavar="FILE|FOLDER")

scale_option = click.option(
    "--scale",
    default=FULL,
    show_default=True,
    metavar="NAME",
    help=(
        "One of the file's `scales:`. Results go to results/<name>-<scale>, a FOLDER for other "
        "commands."
    ),
)
results_option = click.option(
    "--results",
    type=PATH,
    default="results",
    show_default=True,
    help="Folder of results: runs/ and a folder for each experiment.",
)
replan_option = click.option(
    "--replan",
    is_flag=True,
    help="Freeze the file as it is now. The earlier plan and all records are kept.",
)
workers_option = click.option(
    "--workers", type=COUNT, help="How many processes train.  [default: one a core]"
)


def _settings(context: click.Context, option: click.Parameter, texts: Sequence[str]) -> Any:
    from harness.spec.setting import settings_of

    return settings_of(texts)


settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    callback=_settings,
    help="Set a field of the file, such as 'match.at=[60, 120]'. Repeat it for several. Results "
    "have a folder of their "
    "own, results/<name>+match.at=60_120, a FOLDER for other commands.",
)
mixed_code_option = click.option(
    "--mixed-code",
    is_flag=True,
    help=(
        "Take records that other code trained than the plan's first. Later commands take them "
        "too, and say so."
    ),
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask. Scripts need it.")


def gathered(make: Callable[..., dict[str, Any]], *options: Decorator) -> Decorator:
    """The same of options that a command does not get as typed, but as `make` makes of all that is
    given to it.
    """

    def decorated(command: Callable) -> Callable:
        @functools.wraps(command)
        def called(**given: Any) -> Any:
            return command(**make(**given))

        return together(*options)(called)

    return decorated


def study_options(*options: Decorator) -> Decorator:
    """FILE and options that say at what scale and where: the command gets them as one `study`."""
    return gathered(_study, *options)


def _study(**given: Any) -> dict[str, Any]:
    from harness.study.folders import StudyFile, shipped_or_own

    fields = {
        name: given.pop(name) for name in ("file", "results", "scale", "settings") if name in given
    }
    return {"study": StudyFile(**fields | {"file": shipped_or_own(fields["file"])}), **given}


def _frozen(file: Path, results: Path, **given: Any) -> dict[str, Any]:
    from harness.study.folders import StudyFile, shipped_or_own

    if not file.exists() and Path(given.get("run", "")).is_file():
        raise HarnessError(f"{file}: the file comes first, {given['run']} {file}")
    manifest, folder = StudyFile(shipped_or_own(file), results).frozen()
    return {"manifest": manifest, "folder": folder, **given}


takes_study = study_options(file_argument, results_option, scale_option, settings_option)
takes_planned = study_options(planned_argument, results_option, scale_option)
plan_options = gathered(
    _frozen, planned_argument, results_option
)  # a command gets the frozen plan, and its folder
# docs/write.py says what each answer is.
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else."
)


def confirm(question: str, yes: bool, refused: str) -> None:
    """Go on if the user agrees, or has said --yes; a HarnessError that begins with `refused` if
    not, or if nobody can.

    Who asks without a terminal is a script: a question that it answers by chance is worse than
    none. Enter says no.
    """
    if yes:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise HarnessError(
            f"{refused}: there is no terminal to ask at; --yes goes on without asking"
        )
    try:
        agreed = click.confirm(question)
    except click.Abort:  # Ctrl-C or the end of the input
        click.echo()
        agreed = False
    if not agreed:
        raise HarnessError(refused, INCOMPLETE)
