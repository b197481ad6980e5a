"""Two series of a table of runs compared by their laws, on every axis of sizes, and a verdict over the axes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from harness import comparison
from harness.base.errors import HarnessError
from harness.base.plain import INLINE
from harness.comparison.best_of import How
from harness.judging.laws import SeriesLaws, drawn_law, runs_in
from harness.judging.request import FitsAnswer, Request, Source
from harness.laws import Caution, Fit
from harness.laws.result import LawName
from harness.record.elsewhere import with_sizes

EXPONENTS: tuple[LawName, ...] = ("pure", "floor")  # that are told besides that of the law of both
TOLD = 5  # losses, besides those that are asked for


@dataclass(frozen=True)
class ComparisonRequest:
    """What to tell of two curves, and how the runs of a bin are one number."""

    at: Annotated[tuple[float, ...], "losses at which costs are compared"] = ()
    extrapolate: Annotated[bool, "whether losses that one arm alone attains count"] = False
    how: Annotated[How, "`--aggregate`"] = "median"
    k: Annotated[int | None, "`--k`"] = None
    bins: Annotated[int | None, "`--bins`; null: as many as the sizes that the arms share"] = None
    seed: Annotated[int, "of the bootstrap"] = 0


@dataclass(frozen=True)
class Comparison:
    """Two series, A and B, on one axis of sizes, both under the same law."""

    task: Annotated[str, "the task; empty of a table of anybody's runs"]
    axis: Annotated[str, "of sizes"]
    law: Annotated[LawName, "of both"]
    arms: Annotated[tuple[SeriesLaws, SeriesLaws], "the laws of A, then of B"]
    curve: Annotated[comparison.CostRatio, "size B / A at equal loss, over all losses that both attain"]
    cost: Annotated[comparison.CostRatio, "the same at the losses that are told"]
    twin: Annotated[comparison.Twin | None, "the same as `cost`, without a law"]
    loss: Annotated[comparison.LossRatio, "loss B / A at equal size, by the laws"]
    crossover: Annotated[comparison.Crossover, "the sizes at which the laws may be equal"]
    exponents: Annotated[Mapping[LawName, comparison.ExponentDifference], "by law: that of A minus that of B"]
    dominance: Annotated[
        comparison.Dominance | None, "the share of size bins in which A has the lower loss; null if they share no bin"
    ]
    ratio: Annotated[comparison.Ratio | None, "loss B / A over all common bins; null if they share no bin"]
    failures: Annotated[tuple[comparison.Failures, comparison.Failures], "of A, then of B"]
    cautions: Annotated[tuple[Caution, ...], "of the comparison"]


@dataclass(frozen=True)
class AskedOfLaws:
    """What was asked of a table and of two of its series."""

    table: Annotated[Request, INLINE]
    asked: Annotated[ComparisonRequest, INLINE]


@dataclass(frozen=True)
class ComparedByLaws:
    """Two series of a table of runs, compared by their laws. `--out FOLDER` writes the same into `compare.json`."""

    request: Annotated[AskedOfLaws, "what was asked"]
    source: Annotated[Source, "where the runs are from"]
    arms: Annotated[tuple[str, str], "A and B"]
    verdicts: Annotated[list[comparison.ClaimSaid], "one a task and loss that was asked about"]
    sizes: Annotated[tuple[Comparison, ...], "one a task and axis of sizes"]
    judged: tuple[comparison.JudgedClaim, ...] = ()

    @property
    def level(self) -> float:
        """Of the intervals."""
        return self.request.table.level

    @property
    def metric(self) -> str:
        """The loss."""
        return self.sizes[0].arms[0].metric


def compare_laws(found: FitsAnswer, asked: ComparisonRequest, file: str) -> ComparedByLaws:
    """Compare the two arms of a request by the laws that were fitted for it; a HarnessError where that cannot be done.

    `file` is what verdicts call the table.
    """
    request = found.request
    assert request is not None
    first, second = request.arms
    places = dict.fromkeys((one.task, one.axis) for one in found.laws)
    by_size = []
    for task, axis in places:
        own = [one for one in found.laws if (one.task, one.axis) == (task, axis)]
        both = [one for arm in request.arms for one in own if one.series == arm]
        if len(both) == 2:
            by_size.append(_compared(both[0], both[1], asked))
    if not by_size:
        raise HarnessError(f"{first} and {second} have laws on no task in common; compare others")
    judged = []
    for task in dict.fromkeys(one.task for one in by_size):
        own_sizes = [one for one in by_size if one.task == task]
        judged += _verdicts(own_sizes, request.arms, file, asked)
    said = [comparison.to_json(one) for one in judged]
    request_said = AskedOfLaws(request, asked)
    return ComparedByLaws(request_said, found.source, (first, second), said, tuple(by_size), tuple(judged))


# ------------------------------------------------------------------------------------------------------------ compared
def _compared(first: SeriesLaws, second: SeriesLaws, asked: ComparisonRequest) -> Comparison:
    law = drawn_law((first, second), first.task, first.axis)
    one, other = first.fits[law], second.fits[law]
    curve = comparison.cost_ratio(one, other)
    losses = _told(curve, first.axis, asked)
    cost = comparison.cost_ratio(one, other, losses, extrapolate=True)
    twin = None
    if losses is not None:
        rng = np.random.default_rng(asked.seed)
        twin = comparison.twin_ratio(_runs(first), _runs(second), losses, rng, first.level)
    edges = _edges(first, second, asked)
    both_bins = _both(first, second, edges)
    lost = (_failures(first), _failures(second))
    return Comparison(
        task=first.task,
        axis=first.axis,
        law=law,
        arms=(first, second),
        curve=curve,
        cost=cost,
        twin=twin,
        loss=comparison.loss_ratio(one, other),
        crossover=comparison.crossover(one, other),
        exponents={
            name: comparison.exponent_difference(first.fits[name], second.fits[name])
            for name in first.fits
            if name in second.fits and (name == law or name in EXPONENTS)
        },
        dominance=comparison.dominance(_runs(first), _runs(second), edges, first.level)
        if edges is not None and both_bins
        else None,
        ratio=comparison.ratio(both_bins, asked.how, asked.k, first.level) if both_bins else None,
        failures=lost,
        cautions=(
            *(comparison.twin_cautions(cost, twin) if twin else ()),
            *comparison.failure_cautions(*lost),
            *(comparison.budget_cautions(_started(first), _started(second), edges) if edges is not None else ()),
        ),
    )


def _told(curve: comparison.CostRatio, x: str, asked: ComparisonRequest) -> np.ndarray | None:
    """The losses to tell the ratio at, those asked for and some that both attain; None where there are none."""
    if curve.losses is None or curve.attained is None:
        return None
    low, high = curve.attained
    beyond = [loss for loss in asked.at if not low * (1 - 1e-9) <= loss <= high * (1 + 1e-9)]
    if beyond and not asked.extrapolate:
        raise HarnessError(
            f"--at {beyond[0]:g}: the mean losses that both arms attain by {x} run from {low:.4g} to {high:.4g}; ask "
            "within, or add --extrapolate for a ratio that is marked as such"
        )
    return np.union1d(asked.at, curve.losses[:: (curve.losses.size - 1) // (TOLD - 1)])


def _runs(one: SeriesLaws) -> comparison.ArmRuns:
    return comparison.to_runs(*runs_in(one.table, "fitted"))


def _started(one: SeriesLaws) -> np.ndarray:
    """The sizes of all runs, failed ones too, that have one; those that ended well are the first."""
    return np.concatenate([runs_in(one.table)[0], _failed(one)])


def _failed(one: SeriesLaws) -> np.ndarray:
    return runs_in(with_sizes(one.table), "failed")[0]


def _failures(one: SeriesLaws) -> comparison.Failures:
    return comparison.failures(_started(one), np.repeat([False, True], [one.runs, _failed(one).size]))


def _edges(first: SeriesLaws, second: SeriesLaws, asked: ComparisonRequest) -> np.ndarray | None:
    """Bins over the sizes that both arms share; None where they share no range."""
    one, other = first.points.sizes, second.points.sizes
    if not (one.size and other.size):
        return None
    low, high = max(one[0], other[0]), min(one[-1], other[-1])
    if not low < high:
        return None
    shared = min(int(np.sum((low <= sizes) & (sizes <= high))) for sizes in (one, other))
    return comparison.matched_edges(one, other, asked.bins or max(1, shared))


def _both(first: SeriesLaws, second: SeriesLaws, edges: np.ndarray | None) -> list[comparison.SizePair]:
    """The bins that hold runs of both arms."""
    found = comparison.cells(_runs(first), _runs(second), edges) if edges is not None else []
    return [cell for cell in found if cell.first.size and cell.second.size]


# ------------------------------------------------------------------------------------------------------------ verdicts
def _verdicts(
    by_size: Sequence[Comparison], arms: tuple[str, ...], file: str, asked: ComparisonRequest
) -> list[comparison.JudgedClaim]:
    """Whether the first arm is cheaper at each loss, judged on every axis of sizes of one task."""
    first, second = arms
    task, metric = by_size[0].task, by_size[0].arms[0].metric
    on = f" on {task}" if task else ""
    at = asked.at or _middle(by_size)
    claim, quantity = f"{first} is cheaper than {second}{on}", f"the cost of {second} / {first} at equal loss"
    if not at:
        numbers = [comparison.to_number(one.axis, file, one.curve) for one in by_size]
        return [comparison.judge(claim, quantity, 1.0, 1, numbers)]
    verdicts = []
    for loss in at:
        costs = [comparison.cost_ratio(*_fits(one), loss, extrapolate=True) for one in by_size]
        numbers = [comparison.to_number(one.axis, file, cost) for one, cost in zip(by_size, costs, strict=True)]
        verdicts.append(comparison.judge(f"{claim} at {metric} {loss:.3g}", quantity, 1.0, 1, numbers))
    return verdicts


def _fits(one: Comparison) -> tuple[Fit, Fit]:
    first, second = (own.fits[one.law] for own in one.arms)
    return first, second


def _middle(by_size: Sequence[Comparison]) -> tuple[float, ...]:
    """The middle, in ln, of the losses that both arms attain on every axis; none where they share no range."""
    ranges = np.array([one.curve.attained for one in by_size if one.curve.attained])
    if not ranges.size or ranges[:, 0].max() >= ranges[:, 1].min():
        return ()
    return (float(np.sqrt(ranges[:, 0].max() * ranges[:, 1].min())),)
