"""Why there is no number, and what to know of one: codes with sentences (`show.codes` says what each code means)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.base.errors import HarnessError


@dataclass(frozen=True)
class Refusal:
    """Why there is no number: a sentence with the numbers and with what would help; `code` is "" where it has none."""

    code: str
    reason: str

    def __str__(self) -> str:
        return f"{self.code}: {self.reason}" if self.code else self.reason


@dataclass(frozen=True)
class Caution:
    """What to know before quoting a number: a code, and a sentence with the numbers."""

    code: str
    reason: str


class Refused(HarnessError):
    """The data do not carry a number that was asked for."""

    def __init__(self, code: str, reason: str):
        self.refusal = Refusal(code, reason)
        super().__init__(str(self.refusal))


def refusal_of(error: HarnessError) -> Refusal:
    """The reason why there is no number, where looking for it raised this."""
    return error.refusal if isinstance(error, Refused) else Refusal("", str(error))
