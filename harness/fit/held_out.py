"""The largest sizes set aside before a fit, and what the law predicted for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import HarnessError
from harness.fit.fitting import band, predict
from harness.fit.points import Points, size_means
from harness.fit.result import Fit


@dataclass(frozen=True)
class Extrapolation:
    """What a law says of sizes that it was not fitted to, beside what was measured there; arrays are [n], by size.

    `low` and `high` bound the prediction at the fit's level. Where the law predicts nothing the three are None, and
    `reason` says why. `last_value` is the mean loss at the largest size that was fitted (None if none was): what a
    forecast must beat.
    """

    measured: Points
    predicted: np.ndarray | None
    low: np.ndarray | None
    high: np.ndarray | None
    last_value: float | None
    reason: str | None = None

    @property
    def within(self) -> np.ndarray | None:
        """Whether the mean that was measured lies in the interval predicted [n]."""
        if self.low is None or self.high is None:
            return None
        return (self.low <= self.measured.means) & (self.measured.means <= self.high)

    @property
    def rmsle(self) -> float | None:
        """Root mean square of ln(predicted / measured) over the sizes."""
        return None if self.predicted is None else _rmsle(self.predicted, self.measured)

    @property
    def last_value_rmsle(self) -> float | None:
        """The same error of the forecast that nothing improves beyond the largest fitted size."""
        return None if self.last_value is None else _rmsle(self.last_value, self.measured)


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
    last_value = float(fit.points.means[-1]) if fit.points.sizes.size else None
    try:
        predicted = predict(fit, measured.sizes)
        low, high = band(fit, measured.sizes)
    except HarnessError as error:
        return Extrapolation(measured, None, None, None, last_value, str(error))
    return Extrapolation(measured, predicted, low, high, last_value)


def extrapolation_json(found: Extrapolation) -> dict[str, Any]:
    """The extrapolation in plain types that strict JSON can hold: an object a size, and the errors over all sizes."""
    columns = {
        "size": found.measured.sizes,
        "runs": found.measured.counts,
        "measured": found.measured.means,
        "predicted": found.predicted,
        "low": found.low,
        "high": found.high,
        "within": found.within,
    }
    lists = {name: _plain(values, found.measured.sizes.size) for name, values in columns.items()}
    return {
        "sizes": [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)],
        "rmsle": found.rmsle,
        "last_value_rmsle": found.last_value_rmsle,
        "reason": found.reason,
    }


def _plain(values: np.ndarray | None, count: int) -> list[Any]:
    """Numbers and truths of Python; an end that is not bounded is null."""
    return [None] * count if values is None else [one if np.isfinite(one) else None for one in values.tolist()]


def _rmsle(predicted: np.ndarray | float, measured: Points) -> float:
    return float(np.sqrt(np.mean(np.log(predicted / measured.means) ** 2)))
