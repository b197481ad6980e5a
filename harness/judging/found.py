"""What a quantity turned out to be, and what follows from it for a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates
    from harness.fit import Caution

Outcome = Literal["supported", "refuted", "equal", "open"]


@dataclass(frozen=True)
class Found:
    """The mean over `replicates` with its interval, or `refused`, the reason why there is none.

    `at` is the budget where it was read, if it is of one. `bound` stands where too many replicates give only a bound,
    as ("at least", 8.0); it decides nothing. `won` and `lost` count the replicates in which the first and the second
    side is better, where two are compared.
    """

    estimate: float | None = None
    low: float | None = None
    high: float | None = None
    refused: str | None = None
    at: float | None = None
    bound: tuple[Literal["at least", "at most"], float] | None = None
    replicates: int = 0
    won: int | None = None
    lost: int | None = None
    cautions: tuple[Caution, ...] = ()


@dataclass(frozen=True)
class Look:
    """A look at a rule once the first `replicates` of `of` replicates have run, with intervals at `level`."""

    replicates: int
    of: int
    level: float


@dataclass(frozen=True)
class Number:
    """A rule on one task or family: what was found, what follows from it, and at which look.

    `spread` is the standard deviation between replicates, of ln for ratios; None where there is no number.
    """

    unit: str
    found: Found
    outcome: Outcome
    spread: float | None = None
    look: Look | None = None


def found_of(said: OverReplicates, at: float | None = None) -> Found:
    """The number with its interval, or every reason why there is none."""
    import numpy as np

    number = said.found
    refused = " ".join(f"{one.code}: {one.reason}" for one in said.refusals)
    is_known = number is not None and not refused
    return Found(
        estimate=number.value if number and is_known else None,
        low=number.interval.low if number and is_known else None,
        high=number.interval.high if number and is_known else None,
        refused=refused or None,
        at=at,
        bound=None if refused or number else getattr(said, "bound", None),
        replicates=int((~np.isnan(said.by_replicate)).sum()),
        won=getattr(said, "won", None),
        lost=getattr(said, "lost", None),
        cautions=said.cautions,
    )
