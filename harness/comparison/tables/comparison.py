"""From a table of runs to a comparison of two of its arms, under every column of sizes, and to a verdict."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness import __version__, comparison, fit
from harness.base.errors import HarnessError
from harness.comparison.best_of import How
from harness.comparison.tables.fits import ArmFit, Request, RequestedFits, answer, drawn_law, request_json
from harness.fit.result import LawName

EXPONENTS: tuple[LawName, ...] = ("pure", "floor")  # that are told besides that of the law of both
TOLD = 5  # losses, besides those that are asked for


@dataclass(frozen=True)
class ComparisonRequest:
    """What to tell of two curves: the cost at losses `at`, and how the runs of a bin are one number.

    `bins` of equal width in ln size are as many as the sizes that the arms share, where it is None.
    """

    at: tuple[float, ...] = ()
    extrapolate: bool = False
    how: How = "median"
    k: int | None = None
    bins: int | None = None
    seed: int = 0


@dataclass(frozen=True)
class Comparison:
    """Two arms on one column of sizes, both under the same `law`; ratios are second / first.

    `curve` is the cost ratio over all losses that both attain, `cost` that at the losses that are told, and `twin` the
    same without a law. `dominance` and `ratio` are None where the arms share no bin. `bins` is what they compare.
    """

    x_name: str
    law: LawName
    first: ArmFit
    second: ArmFit
    curve: comparison.CostRatio
    cost: comparison.CostRatio
    twin: comparison.Twin | None
    loss: comparison.LossRatio
    crossover: comparison.Crossover
    exponents: Mapping[LawName, comparison.ExponentDifference]
    dominance: comparison.Dominance | None
    ratio: comparison.Ratio | None
    failures: tuple[comparison.Failures, comparison.Failures]
    cautions: tuple[fit.Caution, ...]


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


def to_json(compared: Compared) -> dict[str, Any]:
    """Everything in plain types that strict JSON can hold."""
    return {
        "request": {**request_json(compared.found.request), **fit.to_json(compared.asked)},
        "sha256": compared.found.sha256,
        "harness": __version__,
        "arms": list(compared.arms),
        "verdicts": [comparison.to_json(one) for one in compared.verdicts],
        "sizes": [_comparison_json(one) for one in compared.by_size],
    }


def _comparison_json(one: Comparison) -> dict[str, Any]:
    said = {name: value for name, value in vars(one).items() if name not in ("first", "second")}
    arms = [
        {
            "arm": arm.arm,
            "runs": int(arm.x.size),
            "runs_failed": arm.failed,
            "runs_outside_window": int(arm.parts.outside.sum()),
            "cautions": fit.to_json(arm.cautions),
            "fits": [fit.to_json(law) for law in arm.fits.values()],
        }
        for arm in (one.first, one.second)
    ]
    return {**fit.to_json(said), "arms": arms}


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


def _fits(one: Comparison) -> tuple[fit.Fit, fit.Fit]:
    return one.first.fits[one.law], one.second.fits[one.law]


def _middle(by_size: Sequence[Comparison]) -> tuple[float, ...]:
    """The middle, in ln, of the losses that both arms attain under every column; none where they share no range."""
    ranges = np.array([one.curve.attained for one in by_size if one.curve.attained])
    if not ranges.size or ranges[:, 0].max() >= ranges[:, 1].min():
        return ()
    return (float(np.sqrt(ranges[:, 0].max() * ranges[:, 1].min())),)
