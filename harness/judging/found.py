"""What a quantity turned out to be, and what follows from it for a rule."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.base.reasons import Caution, Refusal, refusal_of

if TYPE_CHECKING:
    from harness.comparison.replicates import OverReplicates

Outcome = Literal["supported", "refuted", "equal", "open"]


@dataclass(frozen=True)
class Found:
    """A number over replicates with its interval, or why there is none."""

    estimate: Annotated[float | None, "the mean over replicates"] = None
    low: Annotated[OrNull | None, "lower end of its interval"] = None
    high: Annotated[OrNull | None, "upper end of its interval"] = None
    refusals: Annotated[tuple[Refusal, ...], "why there is none"] = ()
    at: Annotated[float | None, "the budget where it was read, if it is of one"] = None
    bound: Annotated[
        tuple[Literal["at least", "at most"], float] | None,
        'a word and a number, such as `["at least", 8.0]`, where too many replicates give a bound only',
    ] = None
    replicates: Annotated[int, "that give a number; without `search:` each seed is one"] = 0
    won: Annotated[int | None, "where two sides are compared: replicates in which the first one is better"] = None
    lost: Annotated[int | None, "where two sides are compared: replicates in which the second one is better"] = None
    cautions: Annotated[tuple[Caution, ...], "what to know of the number, such as FEW_REPLICATES"] = ()

    @property
    def refused(self) -> str:
        """The reasons in words, with their codes; empty where there is a number."""
        return " ".join(map(str, self.refusals))

    def is_refused_by(self, code: str) -> bool:
        """Whether this code is among the reasons."""
        return any(one.code == code for one in self.refusals)


@dataclass(frozen=True)
class Look:
    """A look at a rule once its first replicates have run."""

    replicates: Annotated[int, "that have run"]
    of: Annotated[int, "how many there will be"]
    level: Annotated[float, "of its intervals"]


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

    number = None if said.refusals else said.found
    return Found(
        estimate=number.value if number else None,
        low=number.interval.low if number else None,
        high=number.interval.high if number else None,
        refusals=tuple(said.refusals),
        at=at,
        bound=None if said.refusals or number else getattr(said, "bound", None),
        replicates=int((~np.isnan(said.by_replicate)).sum()),
        won=getattr(said, "won", None),
        lost=getattr(said, "lost", None),
        cautions=said.cautions,
    )


def not_found(error: HarnessError, at: float | None = None) -> Found:
    """No number, for the reason that the error gives."""
    return Found(refusals=(refusal_of(error),), at=at)
