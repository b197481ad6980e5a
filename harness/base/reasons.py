"""Why there is no number, and what to know of one: codes with sentences (`show.codes` says what
each code means).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from harness.base.errors import HarnessError

CODE = "a word in capitals ([codes.md](codes.md))"
REASON = "a sentence with the numbers, and with what would help"


@dataclass(frozen=True)
class Refusal:
    """Why there is no number."""

    code: Annotated[str, CODE + ", or empty"]
    reason: Annotated[str, REASON]

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}" if self.code else self.reason


@dataclass(frozen=True)
class Caution:
    """What to know before quoting a number."""

    code: Annotated[str, CODE]
    reason: Annotated[str, REASON]


class NoNumber(HarnessError):
    """The data do not carry a number that was asked for."""

    def __init__(self, code: str, reason: str):
        self.refusal = Refusal(code, reason)
        super().__init__(str(self.refusal))

    def __reduce__(self) -> tuple[type[NoNumber], tuple[str, str]]:
        return NoNumber, (self.refusal.code, self.refusal.reason)


def refusal_of(error: HarnessError) -> Refusal:
    """The reason why there is no number, where looking for it raised this."""
    return error.refusal if isinstance(error, NoNumber) else Refusal("", str(error))
