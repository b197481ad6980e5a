"""Runs aggregated to one point a size: the size, not the seed, is the unit that a law is fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.errors import HarnessError

MAX_ROWS_NAMED = 5


@dataclass(frozen=True)
class Points:
    """One law's data after aggregation, also what a figure draws; every array is [n], in order of size.

    `counts` are rows. Rows that repeat a size and its loss exactly are one run read twice: they enter the mean, but
    `distinct` counts them once and `spreads`, the standard deviation of ln loss between distinct losses (nan where
    there is only one), is taken without them, so that copies do not look like evidence.
    """

    sizes: np.ndarray
    means: np.ndarray
    counts: np.ndarray
    distinct: np.ndarray
    spreads: np.ndarray

    @property
    def decades(self) -> float:
        """Powers of ten between the smallest and the largest size; 0 without sizes."""
        if not self.sizes.size:
            return 0.0
        return float(np.log10(self.sizes[-1]) - np.log10(self.sizes[0]))


def positive(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as a 1-D float array; a HarnessError names the rows that are not finite and positive."""
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise HarnessError(f"{name} has shape {array.shape}; give one number per run (a 1-D array).")
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if bad.size:
        named = ", ".join(f"{name}[{row}] = {array[row]}" for row in bad[:MAX_ROWS_NAMED])
        more = f" and {bad.size - MAX_ROWS_NAMED} more rows" if bad.size > MAX_ROWS_NAMED else ""
        raise HarnessError(
            f"{named}{more}: a law in log space needs finite numbers above 0. Leave failed runs out, and count them."
        )
    return array


def size_means(x: ArrayLike, y: ArrayLike) -> Points:
    """The geometric mean loss at each distinct size; x and y have one entry per run.

    Sizes are the same only when equal to the last bit. Raises HarnessError on rows that are not finite and positive.
    """
    x, y = positive("x", x), positive("y", y)
    if x.size != y.size:
        raise HarnessError(f"x has {x.size} rows and y has {y.size}; give one of each per run.")
    sizes = np.unique(x)
    # Sorted, so that the order of the rows cannot reach the last bits of a mean.
    groups = [np.sort(np.log(y[x == size])) for size in sizes]
    distinct = [np.unique(group) for group in groups]
    return Points(
        sizes=sizes,
        means=np.exp([group.mean() for group in groups]),
        counts=np.array([group.size for group in groups]),
        distinct=np.array([group.size for group in distinct]),
        spreads=np.array([group.std(ddof=1) if group.size > 1 else np.nan for group in distinct]),
    )
