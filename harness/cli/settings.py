"""The option --set, of the commands that read an experiment file and make its plan."""

import click

from harness.spec import Setting, settings_of


def _read(context: click.Context, option: click.Parameter, texts: tuple[str, ...]) -> tuple[Setting, ...]:
    return settings_of(texts)


settings_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="PATH=VALUE",
    callback=_read,
    help="Set a field of the file, such as 'match.at=[60, 120]'. Repeat it for several. Results have a folder of their "
    "own, results/<name>+match.at=60_120, a FOLDER for other commands.",
)
