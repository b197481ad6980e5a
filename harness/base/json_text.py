"""The JSON that scripts read: what every `--json` prints, and the files that hold the same
(docs/json.md).
"""

import json
from pathlib import Path
from typing import Any

from harness.base.files import write_whole
from harness.base.plain import plain

# One number for all of them. Raise it when a key goes away or changes its name, type, unit or
# meaning.
FORMAT = 3
FIRST_OF_THESE_RULES = 2  # the format since which verdicts are by the rules of today


def json_text(answer: Any, indent: int | None = None) -> str:
    """The answer, a value with keys (`harness.base.plain`), as standard JSON on one line unless
    indented.

    Its first key is `format`.
    """
    return json.dumps({"format": FORMAT, **plain(answer)}, allow_nan=False, indent=indent)


def write_json(answer: Any, path: Path) -> Path:
    """Write the same into a file, whole, with a line for each key; the path."""
    write_whole(path, json_text(answer, indent=1) + "\n")
    return path
