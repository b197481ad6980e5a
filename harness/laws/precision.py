"""Floors that belong to the arithmetic, not to the model."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

import numpy as np

from harness.laws.result import Caution, Fit

NEAR = 10.0  # times the resolution


def warn_of_precision(fit: Fit, dtype: Literal["float32", "float64"], scale: float = 1.0) -> Fit:
    """The fit, with the caution NUMERICAL_FLOOR where its floor lies within ten roundings of targets of size `scale`.

    Rounding errors of sums grow with their length, so that a floor higher up may be one too: this finds the plain ones.
    """
    resolution = float(np.finfo(dtype).eps) * scale
    lowest = float(fit.points.means.min(initial=np.inf))
    floor = fit.floor if fit.floor else None
    if fit.refusals or (floor or lowest) > NEAR * resolution:
        return fit
    what = f"the floor, {floor:.2g}," if floor else f"the lowest mean loss, {lowest:.2g},"
    reason = (
        f"{what} lies within {NEAR:g} times the rounding of {dtype}, {resolution:.1g} for targets of size {scale:g}: "
        "it is the arithmetic's. Train in a longer format, or fit the sizes before."
    )
    return replace(fit, warnings=(*fit.warnings, Caution("NUMERICAL_FLOOR", reason)))
