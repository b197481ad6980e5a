"""Errors name fields in backquotes, `max_width`; on the command line that is an option, --max-width."""

import re
from collections.abc import Iterable

import click


def typed(message: str, parameters: Iterable[click.Parameter]) -> str:
    """The message in which fields are called as the options of a command are typed."""
    options = [parameter for parameter in parameters if isinstance(parameter, click.Option)]
    flags = {option.name: option.opts[0] for option in options}
    flags |= {flag.removeprefix("--").replace("-", "_"): flag for flag in flags.values()}  # --law gives `laws`
    return re.sub(r"`(\w+)`", lambda field: flags.get(field[1], field[0]), message)
