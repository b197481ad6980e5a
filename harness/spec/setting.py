"""Fields that a user sets in place of what a file says: `match.at=[60, 120]`, or a mapping from Python."""

import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping
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
    values: dict[str, Any] = {}
    for text in texts:
        path, equals, value = text.partition("=")
        path = path.strip()
        if not (path and equals and value.strip()):
            raise HarnessError(f"`settings` {text}: write PATH=VALUE, such as 'match.at=[60, 120]'")
        values.pop(path, None)  # it is set at this later place, should another path lead into it
        values[path] = parse(value, f"`settings` {path}").data
    return tuple(Setting(path, value) for path, value in values.items())


def settings_from(values: Mapping[str, Any]) -> tuple[Setting, ...]:
    """What `{"match.at": [60, 120]}` sets: the same as `match.at=[60, 120]`."""
    if not isinstance(values, Mapping):
        raise HarnessError(f'settings: {values!r} is no mapping; write {{"match.at": [60, 120]}}')
    return settings_of(f"{path}={_json(path, value)}" for path, value in values.items())


def _json(path: str, value: Any) -> str:
    """The value as JSON, which YAML reads too; ranges, and the arrays and numbers of numpy, as plain ones."""

    def plain(other: Any) -> Any:
        if isinstance(other, range):
            return list(other)
        if hasattr(other, "tolist"):
            return other.tolist()
        kind = type(other).__name__
        raise HarnessError(f"`settings` {path}: a {kind} cannot stand in a file; give numbers, text, lists or mappings")

    return json.dumps(value, default=plain, ensure_ascii=False)


def settings_options(settings: Iterable[Setting]) -> str:
    """The options that set these fields, as a shell takes them: ` --set 'match.at=[60, 120]'`, or nothing."""
    texts = [f"{path}={json.dumps(value, ensure_ascii=False)}" for path, value in settings]
    return "".join(f" --set {shlex.quote(text)}" for text in texts)


def settings_words(settings: Iterable[Setting]) -> str:
    """What names the results of an experiment with these fields: `+match.at=60_120`, or nothing."""
    words = "+".join(f"{_plain(path)}={_plain(json.dumps(value))}" for path, value in sorted(settings))
    if len(words) > LONGEST:
        words = f"set={hashlib.sha256(words.encode()).hexdigest()[:8]}"
    return f"+{words}" if words else ""


def _plain(text: str) -> str:
    """The text with `_` for all that the name of a folder should not have."""
    return re.sub(r"[^A-Za-z0-9.-]+", "_", text).strip("_")
