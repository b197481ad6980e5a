"""The largest sizes set aside before a fit, and what the law predicted for them."""

from dataclasses import dataclass
from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.laws.fitting import predict, prediction_interval
from harness.laws.points import Points, size_means
from harness.laws.result import Fit


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


class HeldOutSize(TypedDict):
    """A size set aside."""

    size: Annotated[float, "the size"]
    runs: Annotated[int, "at it"]
    measured: Annotated[float, "their mean loss"]
    curve: NotRequired[Annotated[float | None, "the law's prediction"]]
    low: NotRequired[Annotated[float | None, "lower end of the mean of as many new runs, at the level of the law"]]
    high: NotRequired[Annotated[float | None, "upper end"]]
    within: NotRequired[Annotated[bool, "whether the measured mean lies between these ends"]]


@dataclass(frozen=True)
class Extrapolation:
    """What was measured at sizes that a law was not fitted to, beside its prediction, or the reason why it has none.

    A law that does not beat the simplest forecast, the mean loss at the largest fitted size, predicts nothing.
    """

    measured: Points
    prediction: Prediction | None
    reason: Annotated[str | None, "why there is no prediction"]
    last_value_rmsle: Annotated[
        OrNull | None, "root mean square of ln(last fitted loss / measured); null if nothing was fitted"
    ]

    @property
    def rmsle(self) -> Annotated[OrNull | None, "root mean square of ln(predicted / measured)"]:
        """The error of the law over all sizes."""
        return self.prediction.rmsle if self.prediction else None

    @property
    def sizes(self) -> Annotated[list[dict[str, float]], list[HeldOutSize], "the sizes set aside"]:
        """What there is of each size."""
        columns = {"size": self.measured.sizes, "runs": self.measured.counts, "measured": self.measured.means}
        if self.prediction:
            columns |= {name: getattr(self.prediction, name) for name in ("curve", "low", "high", "within")}
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


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


def _rmsle(predicted: np.ndarray | float, measured: Points) -> float:
    return float(np.sqrt(np.mean(np.log(predicted / measured.means) ** 2)))
