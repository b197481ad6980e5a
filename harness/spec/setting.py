"""Fields that a command sets in place of what a file says: `--set match.at=[60, 120]`."""

import hashlib
import json
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from harness.base.errors import HarnessError
from harness.spec.document import parse

LONGEST = 80  # characters of a folder's name that say what was set; of more a hash stands for them


class Setting(NamedTuple):
    """A value at a dotted path of an experiment file."""

    path: str
    value: Any


def settings_of(texts: Iterable[str]) -> tuple[Setting, ...]:
    """What texts like `match.at=[60, 120]` set, their values read as YAML; of two at one path the later one counts."""
    found: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not (path and equals and value.strip()):
            raise HarnessError(f"--set {text}: write PATH=VALUE, such as --set 'match.at=[60, 120]'")
        found.pop(path, None)  # it is set at this later place, should another path lead into it
        found[path] = parse(value, f"--set {path}").data
    return tuple(Setting(path, value) for path, value in found.items())


def settings_words(settings: Iterable[Setting]) -> str:
    """What names the results of an experiment with these fields: `+match.at=60_120`, or nothing."""
    words = "+".join(f"{_plain(path)}={_plain(json.dumps(value))}" for path, value in sorted(settings))
    if len(words) > LONGEST:
        words = f"set={hashlib.sha256(words.encode()).hexdigest()[:8]}"
    return f"+{words}" if words else ""


def _plain(text: str) -> str:
    """The text with `_` for all that the name of a folder should not have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")
