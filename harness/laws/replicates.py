"""Power laws of replicates: a straight line in log-log through each one's own curve, and Student's
mean over them.
"""

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as t_distribution


def half_width(
    spread: ArrayLike, replicates: int, level: float, overlap: float = 0.0
) -> np.ndarray:
    """Half of Student's interval of a mean over replicates whose numbers have the standard
    deviation `spread`.

    Give the number of replicates that there may be for the half width that is foreseen. One
    replicate has none: inf. Replicates that share rows vary together, by `overlap` of their
    variance (Nadeau and Bengio 2003): test rows over all rows that training may have, which is test
    over training rows where all are used.
    """
    if replicates < 2:
        return np.full(np.shape(spread), np.inf)
    quantile = t_distribution.isf((1 - level) / 2, replicates - 1)
    return np.asarray(quantile * np.asarray(spread) * np.sqrt(1 / replicates + overlap))


def lines_of(sizes: np.ndarray, ln_losses: np.ndarray) -> np.ndarray:
    """ln amplitude and exponent [R, 2] of loss = amplitude * size^-exponent, by least squares over
    each row's values.

    `ln_losses` is [R, sizes], nan where there is no value; nan of a row with fewer than two.
    """
    known = ~np.isnan(ln_losses)
    number = np.maximum(known.sum(axis=1), 1)
    u, v = np.log(sizes), np.where(known, ln_losses, 0.0)
    mean_u, mean_v = np.sum(known * u, axis=1) / number, v.sum(axis=1) / number
    centred = known * (u - mean_u[:, None])
    with np.errstate(invalid="ignore"):
        alpha = -np.sum(centred * v, axis=1) / np.sum(centred**2, axis=1)
        return np.column_stack([mean_v + alpha * mean_u, alpha])


def bends_of(sizes: np.ndarray, ln_losses: np.ndarray) -> np.ndarray:
    """How each row's curve bends in log-log [R]: the factor of (ln size)^2; nan with fewer than
    three values.

    Above 0 it falls ever more slowly. Of a power law it is 0.
    """
    u, bends = np.log(sizes), np.full(len(ln_losses), np.nan)
    for row, values in enumerate(ln_losses):
        known = np.isfinite(values)
        if known.sum() >= 3:
            bends[row] = np.polyfit(u[known], values[known], 2)[0]
    return bends


def on_lines(lines: np.ndarray, x: np.ndarray) -> np.ndarray:
    """ln of each replicate's law at every x: [R, len(x)]."""
    return lines[:, :1] - lines[:, 1:] * np.log(x)
