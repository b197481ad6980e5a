"""From a table of runs to a comparison of two of its arms, under every column of sizes, and to a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from harness import __version__, comparison, laws
from harness.base.errors import HarnessError
from harness.base.plain import INLINE
from harness.comparison.best_of import How
from harness.comparison.tables.fits import ArmFit, ArmLaws, Request, RequestedFits, answer, arm_laws, drawn_law
from harness.laws.result import LawName

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
    """Two arms, A and B, on one column of sizes, both under the same law."""

    x_name: Annotated[str, "the column of sizes"]
    law: Annotated[LawName, "of both arms"]
    first: ArmFit
    second: ArmFit
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
    cautions: Annotated[tuple[laws.Caution, ...], "of the comparison"]

    @property
    def arms(self) -> Annotated[list[ArmLaws], "A, then B"]:
        """The laws of both."""
        return [arm_laws(self.first), arm_laws(self.second)]


@dataclass(frozen=True)
class Compared:
    """The answer: a comparison for every column of sizes, and a verdict for every loss that was asked about."""

    found: RequestedFits
    asked: ComparisonRequest
    arms: tuple[str, str]
    by_size: tuple[Comparison, ...]
    verdicts: tuple[comparison.JudgedClaim, ...]


def compare_arms(request: Request, asked: ComparisonRequest) -> Compared:
    """Read, check, fit and compare the two arms of the request; raises HarnessError where that cannot be done."""
    if len(set(request.arms)) != 2:
        raise HarnessError(f"{' and '.join(request.arms)}: give two different arms to compare")
    found = answer(request)
    first, second = request.arms
    by_size = tuple(_compared(found, x, asked) for x in found.cells)
    return Compared(found, asked, (first, second), by_size, tuple(_verdicts(by_size, first, second, request, asked)))


# ---------------------------------------------------------------------------------------------------------------- JSON
@dataclass(frozen=True)
class AskedOfTable:
    """What was asked of a table and of two of its arms."""

    table: Annotated[Request, INLINE]
    asked: Annotated[ComparisonRequest, INLINE]


@dataclass(frozen=True)
class ComparedAnswer:
    """Two arms of a table of anybody's runs. `--out FOLDER` writes the same into `compare.json`."""

    request: Annotated[AskedOfTable, "what was asked"]
    sha256: Annotated[str, "of the table's file"]
    harness: Annotated[str, "its version"]
    arms: Annotated[tuple[str, str], "A and B"]
    verdicts: Annotated[list[comparison.ClaimSaid], "one a loss that was asked about"]
    sizes: Annotated[tuple[Comparison, ...], "one a column of sizes"]


def compared_answer(compared: Compared) -> ComparedAnswer:
    """What scripts read of a comparison."""
    request = AskedOfTable(compared.found.request, compared.asked)
    verdicts = [comparison.to_json(one) for one in compared.verdicts]
    return ComparedAnswer(request, compared.found.sha256, __version__, compared.arms, verdicts, compared.by_size)


# ------------------------------------------------------------------------------------------------------------ compared
def _compared(found: RequestedFits, x: str, asked: ComparisonRequest) -> Comparison:
    first, second = (next(one for one in found.fits if (one.x_name, one.arm) == (x, arm)) for arm in found.request.arms)
    law = drawn_law((first, second), x)
    one, other = first.fits[law], second.fits[law]
    curve = comparison.cost_ratio(one, other)
    losses = _told(curve, x, asked)
    cost = comparison.cost_ratio(one, other, losses, extrapolate=True)
    twin = None
    if losses is not None:
        rng = np.random.default_rng(asked.seed)
        twin = comparison.twin_ratio(_runs(first), _runs(second), losses, rng, found.request.level)
    edges = _edges(first, second, asked)
    lost = (_failures(first), _failures(second))
    return Comparison(
        x_name=x,
        law=law,
        first=first,
        second=second,
        curve=curve,
        cost=cost,
        twin=twin,
        loss=comparison.loss_ratio(one, other),
        crossover=comparison.crossover(one, other),
        exponents={
            name: comparison.exponent_difference(first.fits[name], second.fits[name])
            for name in first.fits
            if name == law or name in EXPONENTS
        },
        dominance=_dominance(first, second, edges, found.request.level),
        ratio=_ratio(first, second, edges, asked, found.request.level),
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


def _runs(one: ArmFit) -> comparison.ArmRuns:
    return comparison.to_runs(one.x[one.parts.fitted], one.y[one.parts.fitted])


def _started(one: ArmFit) -> np.ndarray:
    """The sizes of all runs, failed ones too."""
    return np.concatenate([one.x, one.failed_x])


def _failures(one: ArmFit) -> comparison.Failures:
    return comparison.failures(_started(one), np.repeat([False, True], [one.x.size, one.failed_x.size]))


def _edges(first: ArmFit, second: ArmFit, asked: ComparisonRequest) -> np.ndarray | None:
    """Bins over the sizes that both arms share; None where they share no range."""
    one, other = first.points.sizes, second.points.sizes
    if not (one.size and other.size):
        return None
    low, high = max(one[0], other[0]), min(one[-1], other[-1])
    if not low < high:
        return None
    shared = min(int(np.sum((low <= sizes) & (sizes <= high))) for sizes in (one, other))
    return comparison.matched_edges(one, other, asked.bins or max(1, shared))


def _both(first: ArmFit, second: ArmFit, edges: np.ndarray | None) -> list[comparison.SizePair]:
    """The bins that hold runs of both arms."""
    found = comparison.cells(_runs(first), _runs(second), edges) if edges is not None else []
    return [cell for cell in found if cell.first.size and cell.second.size]


def _dominance(first: ArmFit, second: ArmFit, edges: np.ndarray | None, level: float) -> comparison.Dominance | None:
    if edges is None or not _both(first, second, edges):
        return None
    return comparison.dominance(_runs(first), _runs(second), edges, level)


def _ratio(
    first: ArmFit, second: ArmFit, edges: np.ndarray | None, asked: ComparisonRequest, level: float
) -> comparison.Ratio | None:
    both = _both(first, second, edges)
    return comparison.ratio(both, asked.how, asked.k, level) if both else None


# ------------------------------------------------------------------------------------------------------------ verdicts
def _verdicts(
    by_size: Sequence[Comparison], first: str, second: str, request: Request, asked: ComparisonRequest
) -> list[comparison.JudgedClaim]:
    """Whether the first arm is cheaper at each loss, judged under every column of sizes."""
    at = asked.at or _middle(by_size)
    claim, quantity = f"{first} is cheaper than {second}", f"the cost of {second} / {first} at equal loss"
    if not at:
        numbers = [comparison.to_number(one.x_name, request.file.name, one.curve) for one in by_size]
        return [comparison.judge(claim, quantity, 1.0, 1, numbers)]
    verdicts = []
    for loss in at:
        costs = [comparison.cost_ratio(*_fits(one), loss, extrapolate=True) for one in by_size]
        numbers = [
            comparison.to_number(one.x_name, request.file.name, cost) for one, cost in zip(by_size, costs, strict=True)
        ]
        verdicts.append(comparison.judge(f"{claim} at {request.columns.y} {loss:.3g}", quantity, 1.0, 1, numbers))
    return verdicts


def _fits(one: Comparison) -> tuple[laws.Fit, laws.Fit]:
    return one.first.fits[one.law], one.second.fits[one.law]


def _middle(by_size: Sequence[Comparison]) -> tuple[float, ...]:
    """The middle, in ln, of the losses that both arms attain under every column; none where they share no range."""
    ranges = np.array([one.curve.attained for one in by_size if one.curve.attained])
    if not ranges.size or ranges[:, 0].max() >= ranges[:, 1].min():
        return ()
    return (float(np.sqrt(ranges[:, 0].max() * ranges[:, 1].min())),)
