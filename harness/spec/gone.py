"""Fields of files of before, which plans still hold; a file that says one of them is told what to write instead.

They stay in the data at their defaults, so that a file which never said them has the plan that it always had.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo
from pydantic.json_schema import SkipJsonSchema

from harness.base.outside import IN_A_FILE


def gone(instead: str) -> BeforeValidator:
    """What a file is told that says such a field; a plan may hold it."""

    def check(value: object, info: ValidationInfo) -> object:
        if info.context == IN_A_FILE:
            raise ValueError(f"is gone; {instead}")
        return value

    return BeforeValidator(check)


Tune = Annotated[
    SkipJsonSchema[dict[str, Any]],
    gone("write search: with runs and replicates, and say what varies in each arm's space:"),
]
AllowUnequalTuning = Annotated[
    SkipJsonSchema[bool], gone("leave it out, as with search: every side has equally many runs")
]
