"""Sizes that no law is fitted to: those beyond a window that the data cut, and the largest, which
were set aside.

Of the first it is told whether the exponent hangs on the cut; of the others what the law predicted
for them.
"""

from dataclasses import dataclass, replace
from typing import Annotated, NotRequired, TypedDict

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.base.plain import OrNull
from harness.laws.fitting import predict, prediction_interval
from harness.laws.points import Points, size_means
from harness.laws.result import Caution, Fit


@dataclass(frozen=True)
class Prediction:
    """A law's y at the held-out sizes, and how it fared; arrays are [n], by size.

    `low` and `high` bound the mean of as many new runs, at the level of the fit; `within` says if
    the mean does. `rmsle` is the root mean square of ln(curve / measured mean) over the sizes.
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
    low: NotRequired[
        Annotated[
            float | None, "lower end of the mean of as many new runs, at the level of the law"
        ]
    ]
    high: NotRequired[Annotated[float | None, "upper end"]]
    within: NotRequired[Annotated[bool, "whether the measured mean lies between these ends"]]


@dataclass(frozen=True)
class Extrapolation:
    """What was measured at sizes that a law was not fitted to, beside its prediction, or the reason
    why it has none.

    A law that does not beat the simplest forecast, the mean loss at the largest fitted size,
    predicts nothing.
    """

    measured: Points
    prediction: Prediction | None
    reason: Annotated[str | None, "why there is no prediction"]
    last_value_rmsle: Annotated[
        OrNull | None,
        "root mean square of ln(last fitted loss / measured); null if nothing was fitted",
    ]

    @property
    def rmsle(self) -> Annotated[OrNull | None, "root mean square of ln(predicted / measured)"]:
        """The error of the law over all sizes."""
        return self.prediction.rmsle if self.prediction else None

    @property
    def sizes(self) -> Annotated[list[dict[str, float]], list[HeldOutSize], "the sizes set aside"]:
        """What there is of each size."""
        columns = {
            "size": self.measured.sizes,
            "runs": self.measured.counts,
            "measured": self.measured.means,
        }
        if self.prediction:
            columns |= {
                name: getattr(self.prediction, name) for name in ("curve", "low", "high", "within")
            }
        rows = zip(*(values.tolist() for values in columns.values()), strict=True)
        return [dict(zip(columns, row, strict=True)) for row in rows]


def largest_sizes(x: ArrayLike, count: int) -> np.ndarray:
    """Which rows lie at the `count` largest distinct sizes [n]; sizes are the same only when equal
    to the last bit.
    """
    x = np.asarray(x, dtype=float)
    sizes = np.unique(x)
    return np.isin(x, sizes[max(sizes.size - count, 0) :])


def extrapolate(fit: Fit, x: ArrayLike, y: ArrayLike) -> Extrapolation:
    """The law's predictions at the sizes of runs that it has not seen; x and y have one entry per
    run.

    A law that was refused, or that shows only a local slope, predicts nothing. Raises HarnessError
    on rows that are not finite and positive.
    """
    measured = size_means(x, y)
    last_value = _rmsle(fit.points.means[-1], measured) if fit.points.sizes.size else None
    try:
        curve = predict(fit, measured.sizes)
        low, high = prediction_interval(fit, measured.sizes, measured.counts)
    except HarnessError as error:
        return Extrapolation(measured, None, str(error), last_value)
    within = (low <= measured.means) & (measured.means <= high)
    return Extrapolation(
        measured, Prediction(curve, low, high, within, _rmsle(curve, measured)), None, last_value
    )


def _rmsle(predicted: np.ndarray | float, measured: Points) -> float:
    return float(np.sqrt(np.mean(np.log(predicted / measured.means) ** 2)))


# --------------------------------------------------------------------------------------------------
# windows
def until_minimum(x: ArrayLike, y: ArrayLike) -> np.ndarray:
    """Which rows lie at sizes up to the one with the least geometric mean loss [n]; x and y have
    one entry per run.

    Of sizes with exactly equal means the largest ends the window. Noise ends it too, where losses
    hardly fall: of made-up pure laws (7 sizes of 5 seeds over 3 decades, sd of ln y .1) it cut 3 %
    at an exponent of .1, 36 % at .03, 82 % at 0, and intervals at a nominal 95 % covered 96, 95 and
    90 %. So show the exponent without the window too (`warn_of_cut`). Raises HarnessError on rows
    that are not finite and positive.
    """
    points = size_means(x, y)
    least = points.sizes[points.means == points.means.min(initial=np.inf)]
    return np.asarray(x, dtype=float) <= least.max(initial=-np.inf)


def warn_of_cut(within: Fit, everywhere: Fit) -> Fit:
    """The fit within a window that the data cut, with the caution WINDOW if the sizes beyond give
    another exponent.

    `everywhere` is the same law fitted to those sizes too. Another exponent is one outside of the
    interval of the fit within, or a refusal. A refused fit has no exponent to warn of and comes
    back as it is.
    """
    if within.refusals or within.alpha_interval is None:
        return within
    interval = within.alpha_interval
    if everywhere.alpha is not None and interval.low <= everywhere.alpha <= interval.high:
        return within
    refused = ", ".join(refusal.code for refusal in everywhere.refusals)
    reason = (
        f"the data cut the window at size {within.points.sizes[-1]:.4g}, and the exponent hangs "
        "on that: "
        f"{within.alpha:.3g} within, {refused or f'{everywhere.alpha:.3g}'} with the sizes up to "
        f"{everywhere.points.sizes[-1]:.4g}. Quote both, and find out why the larger models are "
        "no better."
    )
    return replace(within, warnings=(*within.warnings, Caution("WINDOW", reason)))
