"""The runs of an arm as a curve of one value over sizes, read at the sizes of another, seed by seed.

Curves are straight lines in log-log space between neighbouring sizes, as in `harness.judging.pairs`: a power law is
read without error, and nothing is extrapolated. Runs of one seed see the same data whatever the arm, so arms are
compared within seeds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.comparison.survivors import MOST_FAILED
from harness.judging.baselines import CONSTANT
from harness.judging.found import Found
from harness.judging.scaling import chosen_runs
from harness.judging.side_runs import SideRuns
from harness.spec import ANY_SIZE, END_TOLERANCE

LOSS = "test_loss"  # in the metric of the task


@dataclass(frozen=True)
class SideCurve:
    """ln of a value by size [n] and seed [n, s], nan where a run diverged; `lost` [n] is the share that did.

    Of a side of several arms `without` has by seed what the curve would be if that seed had not been run (`SideRuns`).
    `cells` has a row a run, with its `size` and its `cell`. `column` says what the value is. `constant` is ln of the
    test loss of a constant, the median over seeds; None where it is not known, and of other values than losses.
    """

    name: str
    axis: str
    sizes: np.ndarray
    logs: np.ndarray
    lost: np.ndarray
    seeds: tuple[int | str, ...]
    cells: pd.DataFrame = field(compare=False)
    without: Mapping[int | str, SideCurve] = field(default_factory=dict)
    column: str = LOSS
    constant: float | None = None


def side_curve(side: SideRuns, axis: str, column: str = LOSS) -> SideCurve:
    """The curve of a side, where arms are chosen also without each seed; errors are those of `curve`."""
    key = (axis, column)
    if key not in side.curves:
        without = {seed: curve(runs, axis, column) for seed, runs in side.without.items()}
        side.curves[key] = replace(curve(side.runs, axis, column), without=without)
    found: SideCurve = side.curves[key]
    return found


def curve(runs: pd.DataFrame, axis: str, column: str = LOSS) -> SideCurve:
    """The curve of `column` over sizes on `axis`, from the runs of one series; a HarnessError where there is none."""
    name = str(runs["series"].iloc[0])
    for needed in (axis, column):
        if needed not in runs:
            raise HarnessError(f"{needed} of {name} is not measured")
    sized = chosen_runs(runs, axis)
    sized = sized[sized["size"] > 0]
    if sized.empty:
        raise HarnessError(f"{axis} counts nothing of {name}")
    sized = sized.assign(value=sized[column].where(sized["status"] == "done"), lost=sized["status"] != "done")
    with np.errstate(divide="ignore"):
        sized = sized.assign(value=np.log(sized["value"]))
    lost = sized.groupby("size")["lost"].mean()
    logs = sized.groupby(["size", "seed"])["value"].mean().unstack("seed")  # noqa: PD010  pivot_table takes thrice as long
    seeds = tuple(logs.columns.tolist())
    cells = sized[["size", "cell"]]
    values = lost.index.to_numpy(float), logs.to_numpy(float), lost.to_numpy(float)
    constant = None
    if column == LOSS and CONSTANT in sized and sized[CONSTANT].median() > 0:
        constant = math.log(sized[CONSTANT].median())
    return SideCurve(name, axis, *values, seeds, cells, column=column, constant=constant)


def size_of(runs: pd.DataFrame, axis: str, at: float, known: str) -> float:
    """The size on `axis` of the network of size `at` on the axis `known`, between neighbours where there is none."""
    if axis == known:
        return at
    sizes = curve(runs, known, axis)  # where many runs diverged there is a size still, though no loss to be read
    return math.exp(mean(_between(sizes, _inside(sizes, at)), axis, sizes.name))


def mean(logs: np.ndarray, what: str, name: str) -> float:
    """The mean of ln values over the seeds that did not diverge; a HarnessError where it is not finite."""
    known = logs[~np.isnan(logs)]
    if not known.size or not np.isfinite(known).all():
        raise HarnessError(f"{what} counts nothing of {name}")
    return float(known.mean())


def read(one: SideCurve, at: float) -> np.ndarray:
    """ln of the value at size `at`, by seed [s].

    A HarnessError outside of the sizes, where many runs diverged, and where a loss is 0.
    """
    sizes, inside = one.sizes, _inside(one, at)
    lower, upper = neighbours(one, inside)
    if max(one.lost[lower], one.lost[upper]) > MOST_FAILED:
        raise HarnessError(
            f"CENSORED: {max(one.lost[lower], one.lost[upper]):.0%} of the runs of {one.name}"
            f"{_place(one.axis, sizes[lower], sizes[upper])} diverged; mend them first"
        )
    if one.column == LOSS and np.isneginf(one.logs[[lower, upper]]).any():  # a cross-entropy can round to it
        raise HarnessError(
            f"ZERO: a run of {one.name}{_place(one.axis, sizes[lower], sizes[upper])} has a loss of exactly 0, which "
            "has no ratio; test on more points, or compare smaller sizes"
        )
    return _between(one, inside)


def _inside(one: SideCurve, at: float) -> float:
    """The size, moved to an end where it is hardly beyond; a HarnessError where it is."""
    sizes = one.sizes
    inside = min(max(at, sizes[0]), sizes[-1])
    if abs(at / inside - 1) > END_TOLERANCE:
        raise HarnessError(
            f"NO_OVERLAP: {one.name} has {one.axis} from {sizes[0]:.4g} to {sizes[-1]:.4g}, which leaves {at:.4g} out"
        )
    return float(inside)


def neighbours(one: SideCurve, inside: float) -> tuple[int, int]:
    """The places of the sizes next to one that lies among them, or twice that of the one that it is."""
    upper = int(np.searchsorted(one.sizes, inside))
    return upper if one.sizes[upper] == inside else upper - 1, upper


def _between(one: SideCurve, at: float) -> np.ndarray:
    """ln of the value at size `at`, by seed [s]; beyond the ends, that at the end."""
    inside = min(max(at, one.sizes[0]), one.sizes[-1])
    lower, upper = neighbours(one, inside)
    if lower == upper:
        return one.logs[lower]
    share = math.log(inside / one.sizes[lower]) / math.log(one.sizes[upper] / one.sizes[lower])
    return (1 - share) * one.logs[lower] + share * one.logs[upper]


def largest_common(first: SideCurve, second: SideCurve) -> float:
    """The largest size that both curves reach; a HarnessError where they share none."""
    low, high = common(first, second)
    if high < low * (1 - END_TOLERANCE):
        raise HarnessError(
            f"NO_OVERLAP: {first.name} has {first.axis} from {first.sizes[0]:.4g} to {first.sizes[-1]:.4g}, "
            f"{second.name} from {second.sizes[0]:.4g} to {second.sizes[-1]:.4g}"
        )
    return high


def common(first: SideCurve, second: SideCurve) -> tuple[float, float]:
    """The range of sizes that both curves have; empty where the low end is above the high one."""
    return max(first.sizes[0], second.sizes[0]), min(first.sizes[-1], second.sizes[-1])


@dataclass(frozen=True)
class Paired:
    """second / first, geometric mean over `seeds` seeds, with Student's interval of its ln."""

    estimate: float
    low: float
    high: float
    seeds: int


def paired(first: SideCurve, second: SideCurve, at: float, level: float) -> Paired:
    """The ratio second / first of the values at size `at`, from the seeds that both have.

    The interval is Student's t over the seeds' ln ratios: those that the arms share cancel what a draw of data does to
    both. Where other seeds choose the arm of each seed, these ratios are correlated. Then the error is the jackknife's:
    the choice and the mean again without each seed in turn. It errs on the large side (Efron and Stein 1981).
    A HarnessError with the reason where either is not read, or one seed is left.
    """
    gaps = _gaps(first, second, read(first, at), read(second, at))
    if len(gaps) < 2:
        raise HarnessError(
            f"SEEDS: {len(gaps)} {'seed' if len(gaps) == 1 else 'seeds'} of {_both(first, second)}"
            f"{_place(first.axis, at)}: no spread, so no interval; run more seeds"
        )
    mean, by_seed = float(np.mean(list(gaps.values()))), _by_seed(first, second, at, gaps)
    half = t_distribution.isf((1 - level) / 2, by_seed.size - 1) * by_seed.std(ddof=1) / math.sqrt(by_seed.size)
    with np.errstate(over="ignore"):
        estimate, low, high = (float(end) for end in np.exp(mean + np.array([0.0, -half, half])))
    return Paired(estimate, low, high, len(gaps))


def worse_than_constant(first: SideCurve, second: SideCurve, at: float) -> tuple[str, ...]:
    """The names of the sides whose median test loss at size `at` is above that of a constant."""
    return tuple(
        one.name for one in (first, second) if one.constant is not None and np.nanmedian(read(one, at)) > one.constant
    )


def check_any_learnt(first: SideCurve, second: SideCurve, at: float) -> None:
    """A HarnessError where both sides are worse than a constant at size `at`: among failures nobody is ahead."""
    if len(worse_than_constant(first, second, at)) == 2:
        medians = [f"{one.name} {math.exp(np.nanmedian(read(one, at))):.3g}" for one in (first, second)]
        raise HarnessError(
            f"WORSE_THAN_CONSTANT: a constant has a test loss of {math.exp(first.constant or 0):.3g}, and"
            f"{_place(first.axis, at)} the medians are {' and '.join(medians)}; give more data, or another training"
        )


def _place(axis: str, *sizes: float) -> str:
    """` at params.trainable 120`, or from one size to another; nothing where no size enters."""
    ends = dict.fromkeys(f"{size:.4g}" for size in sizes)
    return "" if axis == ANY_SIZE else f" at {axis} {' to '.join(ends)}"


def _both(first: SideCurve, second: SideCurve) -> str:
    """`both kan and mlp`; of a side that is held against a number, the side."""
    return first.name if first.name == second.name else f"both {first.name} and {second.name}"


def _gaps(first: SideCurve, second: SideCurve, logs: np.ndarray, other_logs: np.ndarray) -> dict[int | str, float]:
    """ln of second / first by seed, of the seeds that both have and on which neither diverged."""
    own, other = dict(zip(first.seeds, logs, strict=True)), dict(zip(second.seeds, other_logs, strict=True))
    both = {seed: float(other[seed] - own[seed]) for seed in own if seed in other}
    return {seed: gap for seed, gap in both.items() if math.isfinite(gap)}


def _by_seed(first: SideCurve, second: SideCurve, at: float, gaps: Mapping[int | str, float]) -> np.ndarray:
    """What each seed adds to the mean gap [s]: its own gap, or the jackknife's pseudo-value where arms are chosen."""
    own = np.array(list(gaps.values()))
    if not first.without and not second.without:
        return own
    number, found = own.size, []
    for seed in gaps:
        one, other = first.without.get(seed, first), second.without.get(seed, second)
        left = _gaps(one, other, _between(one, at), _between(other, at))
        rest = [gap for each, gap in left.items() if each != seed]
        if not rest:
            raise HarnessError(
                f"SEEDS: without seed {seed}, {first.name} and {second.name} have no seed in common"
                f"{_place(first.axis, at)}, so that nothing says what the choice between arms hangs on; run more seeds"
            )
        found.append(number * own.mean() - (number - 1) * np.mean(rest))
    return np.array(found)


def loss_at(first: SideRuns, second: SideRuns, axis: str, at: float | None, known: str, level: float) -> Found:
    """The ratio of test losses second / first at equal size on `axis`, from the spread of its seeds.

    It is that of the first arm's network with size `at` on the axis `known`, or the largest size that both have.
    """
    one, other = side_curve(first, axis), side_curve(second, axis)
    size = largest_common(one, other) if at is None else size_of(first.runs, axis, at, known)
    check_any_learnt(one, other, size)
    return of_paired(paired(one, other, size, level), size)


def of_paired(found: Paired, at: float) -> Found:
    """The ratio, and where it was read."""
    return Found(found.estimate, found.low, found.high, at=float(at), seeds=found.seeds)
