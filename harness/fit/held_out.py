"""The largest sizes set aside before a fit, and what the law predicted for them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.fit.fitting import extrapolation_caution, predict, prediction_interval
from harness.fit.points import Points, size_means
from harness.fit.result import Fit


@dataclass(frozen=True)
class Prediction:
    """A law's y at the held-out sizes, and how it fared; arrays are [n], by size.

    `low` and `high` bound the mean of as many new runs, at the level of the fit; `within` says if the mean does.
    `rmsle` is the root mean square of ln(curve / measured mean) over the sizes.
    """

    curve: np.ndarray
    low: np.ndarray
    high: np.ndarray
    within: np.ndarray
    rmsle: float


@dataclass(frozen=True)
class Extrapolation:
    """What was measured at sizes that a law was not fitted to, beside its prediction, or the reason why it has none.

    `last_value_rmsle` is the error of the simplest forecast, the mean loss at the largest fitted size (None if nothing
    was fitted): a law that does not beat it predicts nothing.
    """

    measured: Points
    prediction: Prediction | None
    reason: str | None
    last_value_rmsle: float | None


def largest_sizes(x: ArrayLike, count: int) -> np.ndarray:
    """Which rows lie at the `count` largest distinct sizes [n]; sizes are the same only when equal to the last bit."""
    x = np.asarray(x, dtype=float)
    sizes = np.unique(x)
    return np.isin(x, sizes[max(sizes.size - count, 0) :])


def extrapolate(fit: Fit, x: ArrayLike, y: ArrayLike) -> Extrapolation:
    """The law's predictions at the sizes of runs that it has not seen; x and y have one entry per run.

    A law that was refused, or that shows only a local slope, predicts nothing. Raises HarnessError on rows that are not
    finite and positive.
    """
    measured = size_means(x, y)
    last_value = _rmsle(fit.points.means[-1], measured) if fit.points.sizes.size else None
    try:
        curve = predict(fit, measured.sizes)
        low, high = prediction_interval(fit, measured.sizes, measured.counts)
    except HarnessError as error:
        return Extrapolation(measured, None, str(error), last_value)
    within = (low <= measured.means) & (measured.means <= high)
    return Extrapolation(measured, Prediction(curve, low, high, within, _rmsle(curve, measured)), None, last_value)


def warn_of_distance(fit: Fit, x: ArrayLike) -> Fit:
    """The fit, with the caution EXTRAPOLATED where some x lies more than half a decade beyond its sizes."""
    caution = None if fit.refusals else extrapolation_caution(fit, x)
    return replace(fit, warnings=(*fit.warnings, caution)) if caution else fit


def extrapolation_json(found: Extrapolation) -> dict[str, Any]:
    """The extrapolation in plain types that strict JSON can hold: an object a size, and the errors over all sizes."""
    columns = {"size": found.measured.sizes, "runs": found.measured.counts, "measured": found.measured.means}
    if found.prediction:
        columns |= {name: getattr(found.prediction, name) for name in ("curve", "low", "high", "within")}
    lists = [[one if np.isfinite(one) else None for one in values.tolist()] for values in columns.values()]
    return {
        "sizes": [dict(zip(columns, row, strict=True)) for row in zip(*lists, strict=True)],
        "rmsle": found.prediction.rmsle if found.prediction else None,
        "last_value_rmsle": found.last_value_rmsle,
        "reason": found.reason,
    }


def _rmsle(predicted: np.ndarray | float, measured: Points) -> float:
    return float(np.sqrt(np.mean(np.log(predicted / measured.means) ** 2)))
