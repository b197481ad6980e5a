"""Runs aggregated to one point a size: the size, not the seed, is the unit that a law is fitted
to.
"""

from dataclasses import dataclass, replace
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import logsumexp
from scipy.stats import norm, theilslopes

from harness.base.errors import HarnessError
from harness.laws.solve import huber

# An array, and what JSON has of it.
Numbers = Annotated[np.ndarray, list[float]]
NumbersOrNull = Annotated[np.ndarray, list[float | None]]
Integers = Annotated[np.ndarray, list[int]]

MAX_ROWS_NAMED = 5
NORMAL_MAD = 1.4826  # standard deviations of a normal in one median absolute deviation
HUBER = 1.345  # standard deviations: 95 % efficient for normal noise
# What makes that deviation unbiased for a few normal runs, the median's own left out (400,000
# simulated each).
SMALL_SAMPLE = {
    3: 0.797,
    4: 1.362,
    5: 0.899,
    6: 1.191,
    7: 0.933,
    8: 1.127,
    9: 0.951,
    10: 1.094,
    11: 0.961,
    12: 1.077,
}
OUTLYING = 5.0  # standard deviations from the median of a size, at least
FALSE_OUTLIERS = (
    0.01  # of large tables of normal runs, the share in which some run may be said to lie so far
)
SEEDS_FOR_NOISE = 3
SEEN_SHARE = 2 / 3  # of the range of ln x, over which noise must be seen to be taken for a line
WILD = 1.0  # e-foldings above the median deviation, to which a size with many outliers counts
NEGLIGIBLE = 1e-9  # of ln loss: rounding apart, nobody needs robustness against less


class Known(NamedTuple):
    """What is known before a fit: the standard error of each loss, in its unit, and the floor."""

    sd: np.ndarray | None = None
    floor: float | None = None

    def of(self, rows: np.ndarray) -> "Known":
        """Of some of the runs."""
        return self if self.sd is None else self._replace(sd=np.asarray(self.sd)[rows])


NOTHING = Known()


@dataclass(frozen=True)
class Points:
    """Runs as one point a size, in order of size: what a law is fitted to, and what a figure draws.

    Rows that repeat a size and its loss exactly are one run read twice: they enter the mean, but
    are no evidence.
    """

    sizes: Annotated[Numbers, "the distinct sizes"]
    means: Annotated[Numbers, "geometric mean losses; where a size has outliers, Huber's locations"]
    counts: Annotated[Integers, "rows"]
    distinct: Annotated[Integers, "runs, without those that are there twice"]
    spreads: Annotated[
        NumbersOrNull,
        (
            "standard deviation of ln loss between distinct losses without outliers; null where "
            "there is one"
        ),
    ]
    weights: Annotated[Numbers, "in the fit, with mean 1"]
    outliers: Annotated[Integers, "rows far from the others of their size, counted from 0"]
    known_variance: Annotated[float | None, "of ln loss at weight 1, by errors that were given"] = (
        None
    )

    @property
    def decades(self) -> float:
        """Powers of ten between the smallest and the largest size; 0 without sizes."""
        if not self.sizes.size:
            return 0.0
        return float(np.log10(self.sizes[-1]) - np.log10(self.sizes[0]))


def positive(name: str, values: ArrayLike) -> np.ndarray:
    """`values` as a 1-D float array; a HarnessError names the rows that are not finite and
    positive.
    """
    array = np.asarray(values, dtype=float)
    if array.ndim != 1:
        raise HarnessError(
            f"{name} has shape {array.shape}; give one number per run (a 1-D array)."
        )
    bad = np.flatnonzero(~(np.isfinite(array) & (array > 0)))
    if bad.size:
        named = ", ".join(f"{name}[{row}] = {array[row]}" for row in bad[:MAX_ROWS_NAMED])
        more = f" and {bad.size - MAX_ROWS_NAMED} more rows" if bad.size > MAX_ROWS_NAMED else ""
        raise HarnessError(
            f"{named}{more}: a law in log space needs finite numbers above 0. Leave failed runs "
            "out, and count them."
        )
    return array


def runs(x: ArrayLike, y: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """x and y as arrays of equal length, finite and positive; a HarnessError otherwise."""
    x, y = positive("x", x), positive("y", y)
    if x.size != y.size:
        raise HarnessError(f"x has {x.size} rows and y has {y.size}; give one of each per run.")
    return x, y


def size_means(
    x: ArrayLike, y: ArrayLike, robust: bool = True, sd: ArrayLike | None = None
) -> Points:
    """The geometric mean loss at each distinct size; x, y and, if errors are known, `sd` have one
    entry per run.

    Sizes are the same only when equal to the last bit. Runs far from the others of their size are
    found, and then kept from moving the means, unless `robust` is False. Raises HarnessError on
    rows that are not finite and positive.
    """
    x, y = runs(x, y)
    if sd is not None:
        return _known_means(x, y, positive("sd", sd))
    sizes, log_y = np.unique(x), np.log(y)
    rows = [np.flatnonzero(x == size) for size in sizes]
    rows = [
        of_size[np.argsort(log_y[of_size], kind="stable")] for of_size in rows
    ]  # row order reaches no last bit
    groups = [log_y[of_size] for of_size in rows]
    sds = _robust_sds(np.log(sizes), groups) if robust else np.full(sizes.size, np.inf)
    outliers: list[int] = []
    kept = []
    for of_size, group, spread in zip(rows, groups, sds, strict=True):
        is_far = np.abs(group - np.median(group)) > _outlying(x.size, group.size) * spread
        outliers += of_size[is_far].tolist()
        # Of two runs that are far from each other nobody knows which is wrong: both stay.
        kept.append(np.unique(group if is_far.all() else group[~is_far]))
    if outliers:
        centres = [
            _location(group, HUBER * spread) for group, spread in zip(groups, sds, strict=True)
        ]
    else:
        centres = [group.mean() for group in groups]
    return Points(
        sizes=sizes,
        means=np.exp(centres),
        counts=np.array([group.size for group in groups], dtype=int),
        distinct=np.array([group.size for group in kept], dtype=int),
        spreads=np.array([group.std(ddof=1) if group.size > 1 else np.nan for group in kept]),
        weights=np.ones(sizes.size),
        outliers=np.array(sorted(outliers), dtype=int),
    )


def _known_means(x: np.ndarray, y: np.ndarray, sd: np.ndarray) -> Points:
    """The points by standard errors that are known: sd / y is that of ln y."""
    points, place = size_means(x, y, robust=False), np.searchsorted(np.unique(x), x)
    weights = (y / sd) ** 2
    of_size = np.bincount(place, weights)
    means = np.exp(np.bincount(place, weights * np.log(y)) / of_size)
    unit = float(of_size.mean())
    return replace(points, means=means, weights=of_size / unit, known_variance=1 / unit)


def noise_variances(points: Points, x: np.ndarray) -> np.ndarray | None:
    """The variance of ln loss between seeds at sizes x, from a line in ln x; None where seeds are
    too few.

    The line is of largest likelihood for the variances between seeds: those of three seeds are too
    noisy to be used one by one. It needs three or more distinct runs at three sizes or more, and
    repeated sizes over two thirds of the range: a line is not to be drawn out over sizes that show
    no noise.
    """
    found = _noise_line(points)
    return None if found is None else np.exp(_design(points, x) @ found[0])


def new_noise_variances(points: Points, x: np.ndarray) -> np.ndarray | None:
    """The variance to reckon with at new sizes x: that of the line, times e to the variance of its
    logarithm.

    Half of that exponent makes up for the line being off, the other half for tails that are longer
    than the normal's: by simulation intervals at 95 % then hold a new size 95 to 97 times in 100, a
    decade ahead, not 90 to 94.
    """
    found = _noise_line(points)
    if found is None:
        return None
    line, covariance = found
    design = _design(points, x)
    return np.exp(design @ line + np.einsum("ni,ij,nj->n", design, covariance, design))


def seed_variances(points: Points) -> tuple[np.ndarray | None, int]:
    """The variance of ln loss between seeds at every size, and its degrees of freedom: for a test
    of lack of fit.

    From the line in ln x; where seeds are too few for it, one variance of all sizes. None below
    three degrees.
    """
    repeated = points.distinct >= 2
    dof = points.distinct[repeated] - 1
    total = int(dof.sum())
    if total < SEEDS_FOR_NOISE:
        return None, total
    variances = noise_variances(points, points.sizes)
    if variances is None:
        pooled = float(np.sum(dof * points.spreads[repeated] ** 2) / total)
        variances = np.full(points.sizes.size, max(pooled, np.finfo(float).eps ** 2))
    return variances, total


def _design(points: Points, x: np.ndarray) -> np.ndarray:
    """The columns of a line in ln x [n, 2], centred at the sizes that have repeated runs."""
    seen = points.distinct >= 2
    return np.column_stack([np.ones(x.size), np.log(x) - np.log(points.sizes[seen]).mean()])


def _noise_line(points: Points) -> tuple[np.ndarray, np.ndarray] | None:
    """The line of ln variance [2] and its covariance [2, 2]."""
    seen, log_sizes = points.distinct >= 2, np.log(points.sizes)
    if np.sum(points.distinct >= SEEDS_FOR_NOISE) < SEEDS_FOR_NOISE:
        return None
    if np.ptp(log_sizes[seen]) < SEEN_SHARE * np.ptp(log_sizes):
        return None
    dof = points.distinct[seen] - 1.0
    variances = np.maximum(points.spreads[seen] ** 2, np.finfo(float).eps ** 2)
    design = _design(points, points.sizes[seen])
    inverse = np.linalg.inv(design.T @ (dof[:, None] * design))
    line = np.array([np.log(np.sum(dof * variances) / dof.sum()), 0.0])
    for _ in range(50):  # Fisher scoring of a gamma likelihood with log link
        ratio = variances / np.exp(design @ line)
        step = inverse @ design.T @ (dof * (ratio - 1))
        line = line + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-12:
            break
    return line, 2 * inverse


def _robust_sds(log_sizes: np.ndarray, groups: list[np.ndarray]) -> np.ndarray:
    """The standard deviation of ln loss at each size [n], from median absolute deviations along a
    line in ln x.

    Infinite where no size has three runs. The deviation of the median from itself is left out: of
    three runs it is one.
    """
    sizes, mads = [], []
    for log_size, group in zip(log_sizes, groups, strict=True):
        distinct = np.unique(group)
        if distinct.size < SEEDS_FOR_NOISE:
            continue
        sizes.append(log_size)
        away = np.sort(np.abs(distinct - np.median(distinct)))[distinct.size % 2 :]
        mads.append(SMALL_SAMPLE.get(distinct.size, 1.0) * np.median(away))
    if not sizes:
        return np.full(log_sizes.size, np.inf)
    log_mads = np.log(np.maximum(mads, np.finfo(float).tiny))
    slope = theilslopes(log_mads, sizes).slope if len(sizes) > SEEDS_FOR_NOISE else 0.0
    # The mean deviation of the sizes on the line: the median of logarithms lies below it, the more
    # the fewer runs.
    along = slope * np.array(sizes)
    above = np.minimum(log_mads - along, np.median(log_mads - along) + WILD)
    level = logsumexp(above) - np.log(above.size)
    return np.maximum(NORMAL_MAD * np.exp(level + slope * log_sizes), NEGLIGIBLE)


def _outlying(runs: int, of_size: int) -> float:
    """How many standard deviations from the median of its size a run must lie to be an outlier.

    Of many clean runs some lie beyond any fixed number: the level is shared among all of them
    (Bonferroni). The median comes to meet a run that is far away, the more the fewer runs it is of:
    half of them, and it, need only be a little low. So far out the distance has the tail of a
    normal with the variance below.
    """
    variance = 1 + 1 / (of_size // 2 + 1)
    return max(OUTLYING, float(norm.isf(FALSE_OUTLIERS / (2 * runs))) * variance**0.5)


def _location(values: np.ndarray, delta: float) -> float:
    """Huber's location of values, from their median."""
    centre = float(np.median(values))
    for _ in range(100):
        kept = huber(values - centre, delta)[1]
        before, centre = centre, float(np.sum(kept * values) / kept.sum())
        if abs(centre - before) <= 1e-14 * max(1.0, abs(centre)):
            break
    return centre
