"""What a fit says: frozen values, and their form as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from harness.fit.points import Points

LawName = Literal["pure", "floor"]
RefusalCode = Literal["TOO_FEW", "RANGE", "NONMONOTONE", "STUCK"]
CautionCode = Literal["LOCAL_SLOPE", "SINGLE_SEED", "FLOOR_OPEN", "PLATEAU", "EXPONENT_OPEN"]


@dataclass(frozen=True)
class Interval:
    """A profile-likelihood interval; an end that the data do not bound is 0, -inf or inf."""

    low: float
    high: float
    level: float

    @property
    def low_open(self) -> bool:
        """No lower value is excluded by the data."""
        return self.low == 0 or math.isinf(self.low)

    @property
    def high_open(self) -> bool:
        """No higher value is excluded by the data."""
        return math.isinf(self.high)


@dataclass(frozen=True)
class Refusal:
    """Why there is no fit: a sentence with the numbers and with what would help."""

    code: RefusalCode
    reason: str


@dataclass(frozen=True)
class Caution:
    """What to know before quoting a fit."""

    code: CautionCode
    reason: str


@dataclass(frozen=True)
class Fit:
    """A law y = floor + amplitude * x^-alpha fitted to size means in log space; `floor` is None for the pure law.

    When `refusals` is not empty there is no fit: every number below `dof` is None. `amplitude` is in units of y at
    x = 1 and may overflow to inf, `log_amplitude` (natural) does not. `sigma` is the standard deviation of
    ln(mean/law) with `dof` = sizes - parameters. `aicc` counts sigma as a parameter and is None where it is not
    defined (sizes - parameters < 3). A floor that the fit drives to nothing is 0.0.
    """

    law: LawName
    points: Points
    level: float
    decades: float
    dof: int
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[Caution, ...] = ()
    alpha: float | None = None
    alpha_interval: Interval | None = None
    amplitude: float | None = None
    log_amplitude: float | None = None
    floor: float | None = None
    floor_interval: Interval | None = None
    sigma: float | None = None
    aicc: float | None = None


def _number(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None


def _interval(interval: Interval | None) -> dict[str, Any] | None:
    if interval is None:
        return None
    return {
        "low": _number(interval.low),
        "high": _number(interval.high),
        "level": interval.level,
        "low_open": interval.low_open,
        "high_open": interval.high_open,
    }


def _array(values: np.ndarray) -> list[float | int | None]:
    return [value if isinstance(value, int) else _number(value) for value in values.tolist()]


def to_json(fit: Fit) -> dict[str, Any]:
    """The fit in plain types that strict JSON can hold: numbers that are not finite become null.

    An interval carries `low_open` and `high_open`, so a null end is told from a missing one.
    """
    return {
        "law": fit.law,
        "points": {name: _array(getattr(fit.points, name)) for name in Points.__dataclass_fields__},
        "level": fit.level,
        "decades": fit.decades,
        "dof": fit.dof,
        "refusals": [{"code": refusal.code, "reason": refusal.reason} for refusal in fit.refusals],
        "warnings": [{"code": caution.code, "reason": caution.reason} for caution in fit.warnings],
        "alpha": _number(fit.alpha),
        "alpha_interval": _interval(fit.alpha_interval),
        "amplitude": _number(fit.amplitude),
        "log_amplitude": _number(fit.log_amplitude),
        "floor": _number(fit.floor),
        "floor_interval": _interval(fit.floor_interval),
        "sigma": _number(fit.sigma),
        "aicc": _number(fit.aicc),
    }
