"""The JSON that scripts read: what every `--json` prints, and the files that hold the same (docs/json.md)."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.base.files import whole_file

# One number for all of them. Raise it when a key goes away or changes its name, type, unit or meaning.
FORMAT = 2


def json_text(answer: Mapping[str, Any], indent: int | None = None) -> str:
    """The answer as standard JSON whose first key is `format`, on one line unless indented.

    Raises ValueError for NaN and infinity, which standard JSON does not have.
    """
    return json.dumps({"format": FORMAT, **answer}, allow_nan=False, indent=indent)


def write_json(answer: Mapping[str, Any], path: Path) -> Path:
    """Write the same into a file, whole, with a line for each key; the path."""
    text = json_text(answer, indent=1)
    with whole_file(path) as new:
        new.write_text(text + "\n", encoding="utf-8")
    return path
