"""What a quantity turned out to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from harness.comparison.verdict import Ruling  # with scipy, which those who only read rules do without
    from harness.judging.power import Outlook


@dataclass(frozen=True)
class Found:
    """What a quantity is: an estimate with its interval, or `refused`, the reason why there is none.

    `holds` is of quantities that are true or false, None where the data do not say. `at` is the size or loss where it
    was read, `seeds` over how many seeds if the interval is of their spread.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str | None = None
    holds: bool | None = None
    at: float | None = None
    seeds: int | None = None


@dataclass(frozen=True)
class Look:
    """A look at a rule once the first `seeds` of `of` seeds have run, with intervals at `level`."""

    seeds: int
    of: int
    level: float


@dataclass(frozen=True)
class Later:
    """What a later look finds of a number at which an earlier one stopped, from seeds that ran for other rules.

    It changes no verdict. Whoever stops as soon as a number is decided finds it too large on average.
    """

    found: Found
    outcome: Ruling
    look: Look


@dataclass(frozen=True)
class Number:
    """A condition on one task or family under one convention: what was found, and what follows from it.

    `outlook` says what its interval would need to decide the condition; `look` at which look it was found, where an
    experiment has looks; `later` what the last one finds whose runs are all there, if that is a later one.
    """

    convention: str
    unit: str
    condition: str
    found: Found
    outcome: Ruling
    outlook: Outlook
    look: Look | None = None
    later: Later | None = None
