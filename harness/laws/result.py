"""What a fit says: frozen values."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Literal

import numpy as np

from harness.base.plain import OrNull
from harness.base.reasons import Caution, Refusal
from harness.laws.points import Points
from harness.laws.profile import Region

NOT_QUOTED = ("EXPONENT_OPEN", "FEW_SIZES")  # cautions
LawName = Literal["pure", "floor", "shifted", "broken"]
MISFIT_P = 0.05


@dataclass(frozen=True)
class Interval:
    """An interval; an end that the data do not bound is 0, -inf or inf, of which infinite ones are
    null in JSON.
    """

    low: Annotated[OrNull, "its lower end"]
    high: Annotated[OrNull, "its upper end"]
    level: Annotated[float, "such as 0.95"]

    @property
    def low_open(self) -> Annotated[bool, "whether the data exclude no lower value"]:
        """No lower value is excluded by the data."""
        return self.low == 0 or math.isinf(self.low)

    @property
    def high_open(self) -> Annotated[bool, "whether the data exclude no higher value"]:
        """No higher value is excluded by the data."""
        return math.isinf(self.high)


@dataclass(frozen=True)
class Estimate:
    """A parameter and its interval."""

    value: Annotated[OrNull, "its value"]
    interval: Annotated[Interval, "its interval"]


def estimate_of(ends: Iterable[float], level: float) -> Estimate:
    """A parameter from its value, and the low and the high end of its interval."""
    value, low, high = map(float, ends)
    return Estimate(value, Interval(low, high, level))


@dataclass(frozen=True)
class Misfit:
    """Whether the law goes through the points, given the noise between seeds and what known faults
    would add.
    """

    lack_of_fit_p: Annotated[
        float | None,
        (
            "F test of the scatter of size means about the law against that between seeds; null "
            "without these"
        ),
    ]
    faults: Annotated[
        dict[str, float],
        "by kind of fault, the chance of residuals that so resemble it: `floor`, one is missing; "
        "`break`, the slope "
        "changes along the sizes; `shift`, the smallest sizes lie off; `end`, the largest size "
        "lies off",
    ]

    @property
    def is_lack_of_fit(self) -> bool:
        """Whether size means scatter about the law by more than seeds explain."""
        return self.lack_of_fit_p is not None and self.lack_of_fit_p < MISFIT_P


@dataclass(frozen=True)
class Groups:
    """Refits without each group of rows in turn, which intervals are over."""

    # `parameters` are those of the refits [groups, P], of a law with a region.

    number: Annotated[int, "how many there are"]
    largest: Annotated[str, "the group whose absence moves the exponent most"]
    without_it: Annotated[float, "the exponent without that group"]
    parameters: np.ndarray | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class Fit:
    """A law fitted to size means in log space: y = floor + amplitude · x^-alpha (pure and floor),
    and its kin.

    If `refusals` has any there is no fit, and every number after `warnings` is null.
    """

    # `region` is the set of laws that the data do not exclude. A law of replicates
    # (`harness.laws.replicates`) has no region, but `lines`: [R, 2], ln amplitude and alpha of
    # each.

    law: Annotated[LawName, "its form"]
    points: Annotated[Points, "its data"]
    level: Annotated[float, "of intervals"]
    decades: Annotated[float, "powers of ten that sizes span"]
    dof: Annotated[int, "sizes − parameters"]
    refusals: Annotated[tuple[Refusal, ...], "why there is no law"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    alpha: Annotated[float | None, "the exponent; of the broken law, after the break"] = None
    alpha_interval: Annotated[Interval | None, "of the exponent"] = None
    amplitude: Annotated[
        float | None, "loss at x = 1 without the floor; null beyond what a float holds"
    ] = None
    log_amplitude: Annotated[float | None, "natural logarithm of the amplitude"] = None
    floor: Annotated[
        float | None, "null of laws without one, 0 where the fit drives it to nothing"
    ] = None
    floor_interval: Annotated[Interval | None, "of the floor; null where it was given"] = None
    more: Annotated[
        dict[str, Estimate] | None,
        "of the shifted law `shift`, in units of x; of the broken one `first_alpha` before the "
        "break, `break_at` in "
        "units of x, `width` of the break in ln x",
    ] = None
    sigma: Annotated[float | None, "standard deviation of ln(mean / law) at weight 1"] = None
    aicc: Annotated[
        float | None, "AICc, sigma counted as a parameter; null below 3 degrees of freedom"
    ] = None
    objective: Annotated[str | None, "what was minimised"] = None
    misfit: Annotated[Misfit | None, "whether the law goes through the points"] = None
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None
    region: Region | None = field(default=None, repr=False, compare=False)
    lines: np.ndarray | None = field(default=None, repr=False, compare=False)
    overlap: float = 0.0  # of the rows of replicates

    @property
    def is_quotable(self) -> bool:
        """Whether there is an exponent above 0 that the data bound, from enough sizes."""
        codes = {caution.code for caution in self.warnings}
        return self.alpha is not None and self.alpha > 0 and not codes.intersection(NOT_QUOTED)
