"""What a fit says: frozen values, and their form as JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Literal

import numpy as np

from harness.base.reasons import Caution, Refusal
from harness.fit.points import Points
from harness.fit.profile import Region

MEANS = ("region", "lines")  # of a fit, by which its curve and band are computed
LawName = Literal["pure", "floor", "shifted", "broken"]


@dataclass(frozen=True)
class Interval:
    """An interval at a level; an end that the data do not bound is 0, -inf or inf."""

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
class Estimate:
    """A parameter and its interval."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Misfit:
    """Whether the law goes through the points, given the noise between seeds and the signs of the residuals.

    `lack_of_fit_p`: F test of the scatter of size means about the law against the noise between seeds (None without
    repeated seeds). `runs_p`: the chance of as few runs of equal sign by accident.
    """

    lack_of_fit_p: float | None
    runs_p: float


@dataclass(frozen=True)
class Fit:
    """A law fitted to size means in log space: y = floor + amplitude * x^-alpha (pure and floor), and its kin.

    When `refusals` is not empty there is no fit: every number below `warnings` is None. `amplitude` is in units of y at
    x = 1 and may overflow to inf, `log_amplitude` (natural) does not. `floor` is None for laws without one, and 0.0
    where the fit drives it to nothing. `more` has the other parameters of the shifted law (`shift`, in units of x)
    and of the broken one (`first_alpha` before the break, `break_at` in units of x, `width` of the break in ln x);
    its `alpha` is that after the break. `sigma` is the standard deviation of ln(mean / law) at weight 1, with `dof` =
    points - parameters. `aicc` counts sigma as a parameter and is None where it is not defined (points - parameters <
    3). `objective` is what was minimised. `region` is the set of laws that the data do not exclude.

    A law of replicates (`harness.fit.replicates`) has no region, but `lines`: [R, 2], ln amplitude and alpha of each.
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
    more: dict[str, Estimate] | None = None
    sigma: float | None = None
    aicc: float | None = None
    objective: str | None = None
    misfit: Misfit | None = None
    region: Region | None = field(default=None, repr=False, compare=False)
    lines: np.ndarray | None = field(default=None, repr=False, compare=False)


def to_json(value: Any) -> Any:
    """A result in plain types that strict JSON can hold: numbers that are not finite become null.

    An interval carries `low_open` and `high_open`, so a null end is told from a missing one. A fit's `region` and
    `lines` are left out: they are means of computing.
    """
    match value:
        case Interval():
            ends = {"low": value.low, "high": value.high, "level": value.level}
            return {**to_json(ends), "low_open": value.low_open, "high_open": value.high_open}
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {one.name: to_json(getattr(value, one.name)) for one in fields(value) if one.name not in MEANS}
        case np.ndarray():
            return [to_json(one) for one in value.tolist()]
        case dict():
            return {str(name): to_json(one) for name, one in value.items()}
        case tuple() | list():
            return [to_json(one) for one in value]
        case float() | np.floating():
            return float(value) if math.isfinite(value) else None
        case np.integer():
            return int(value)
        case np.bool_():
            return bool(value)
    return value
