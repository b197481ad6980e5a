"""What is read off the laws of arms: pairs of them, intervals of comparisons, the reasons of refusals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from harness import comparison
from harness.base.errors import HarnessError
from harness.comparison.answer import refused_fits, shared_range
from harness.comparison.cost import REACH_DECADES
from harness.fit import Fit
from harness.fit.fitting import extended
from harness.fit.laws import PURE
from harness.fit.points import seed_variances
from harness.fit.profile import Region, covariance, log_floor, prediction
from harness.fit.refusal import MISFIT_P, SPARE_SIZES
from harness.judging.found import Found
from harness.judging.kept import kept
from harness.judging.quantity import Case
from harness.judging.runs import laws
from harness.judging.scaling import SeriesFit, common_law
from harness.judging.spread import Design, Spread, error_of


def shown(fits: Sequence[SeriesFit], law: str | None = None) -> list[SeriesFit]:
    """The fit of each series by one law for all: `harness.judging.scaling.common_law` unless one is given."""
    chosen = law or common_law([one._replace(task="") for one in fits], "", fits[0].axis)
    return [one for one in fits if one.fit.law == chosen]


def laws_of_arms(case: Case) -> list[SeriesFit]:
    """Both laws of each arm on the task."""
    found: list[SeriesFit] = []
    for side in case.condition.sides:
        found += laws(case.runs, case.task, side, case.axis, case.level)
    return found


def pair(case: Case, law: str | None = None) -> tuple[Fit, Fit]:
    """The laws of the first and the second arm on the task (`shown`)."""
    first, second = series_pair(case, law)
    return first.fit, second.fit


def series_pair(case: Case, law: str | None = None) -> tuple[SeriesFit, SeriesFit]:
    """The fitted series of the first and the second arm on the task (`shown`)."""
    first, second = shown(laws_of_arms(case), law)
    return first, second


def interval_of(found: comparison.ExponentDifference | comparison.ExponentRatio | comparison.FloorRatio) -> Found:
    """What a comparison of laws found, or why it refused."""
    if found.refusals or found.estimate is None or found.interval is None:
        return refused(found.refusals)
    return Found(found.estimate, found.interval.low, found.interval.high)


def refused(refusals: Sequence[comparison.Refusal]) -> Found:
    """No number, with every reason."""
    return Found(refused=" ".join(f"{refusal.code}: {refusal.reason}" for refusal in refusals))


def cost_at(first: Fit, second: Fit, at: float | str) -> Found:
    """The ratio of sizes second / first at a loss, or at the middle or the lowest of those that both attain."""
    refusals = refused_fits(first, second)
    if refusals:
        return refused(refusals)
    attained = shared_range("mean losses", first.points.means, second.points.means)
    if isinstance(attained, comparison.Refusal):
        return refused([attained])
    low, high = attained
    loss = {"middle": math.sqrt(low * high), "lowest": low}[at] if isinstance(at, str) else at
    if not low * (1 - 1e-12) <= loss <= high * (1 + 1e-12):
        raise HarnessError(f"loss {loss:.4g}: both attain {low:.4g} to {high:.4g}")
    found = kept(comparison.cost_ratio, first, second, loss)
    if found.refusals or found.estimate is None or found.low is None or found.high is None:
        return refused(found.refusals)
    if np.isnan(found.estimate[0]):
        return Found(refused=f"neither law comes to loss {loss:.4g} within a decade of its sizes")
    return Found(float(found.estimate[0]), float(found.low[0]), float(found.high[0]), at=loss)


# -------------------------------------------------------------------------------------------- what an interval hangs on
Gradient = Callable[[Fit, Region], np.ndarray]  # of a quantity in the parameters of a fitted law [P]


def spread_of_laws(
    case: Case, found: Found, series: Sequence[SeriesFit], gradient: Gradient, is_of_exponents: bool = False
) -> Spread:
    """What the interval of a quantity of two laws hangs on.

    Its error is read off the interval, so that it is that of the profile; how it is shared between the arms is that of
    the laws made linear. Seeds shrink the noise of the size means. Where the test of lack of fit says that sizes
    scatter about a law by more, the rest of that scatter stays. Without the test a law that fits would be blamed in one
    simulation of five, as the scatter of a few sizes varies. A HarnessError where the interval is open, or sizes have
    too few seeds to tell noise from misfit.
    """
    variances = np.array([_linear_variance(one.fit, gradient) for one in series])
    total = variances.sum()
    parts = variances / total if np.isfinite(total) and total > 0 else np.full(len(series), 1 / len(series))
    of_arms = tuple((float(part), float(one.fit.dof)) for part, one in zip(parts, series, strict=True))
    dof = 1 / sum(part**2 / dof for part, dof in of_arms)
    from_seeds = np.array([_share_of_seeds(one) for one in series])
    worst = series[int(np.argmax(parts * (1 - from_seeds)))]
    return Spread(
        error=error_of(found, case.condition.takes.is_difference, dof, case.level),
        parts=of_arms,
        seeds=min(int(np.median(one.fit.points.distinct)) for one in series),
        noise=max(one.fit.sigma or 0.0 for one in series),
        from_seeds=float(parts @ from_seeds),
        rest=f"the law does not fit ({worst.series} on {worst.task})",
        sizes=min(one.fit.points.sizes.size for one in series),
        decades=min(one.fit.decades for one in series) if is_of_exponents else None,
    )


def _share_of_seeds(one: SeriesFit) -> float:
    """The share of the scatter of size means about the law that the noise of seeds explains; 1 of a law that fits."""
    points, region, misfit = one.fit.points, one.fit.region, one.fit.misfit
    assert region is not None
    assert misfit is not None
    variances, _ = seed_variances(points)
    if variances is None or misfit.lack_of_fit_p is None:
        raise HarnessError(
            f"{one.series} on {one.task} has too few seeds a size to tell noise from misfit of the law; run two or more"
        )
    if misfit.lack_of_fit_p >= MISFIT_P:
        return 1.0
    of_means = float(np.mean(points.weights * variances / points.distinct))
    return min(1.0, of_means / region.variance)


def _linear_variance(fit: Fit, gradient: Gradient) -> float:
    assert fit.region is not None
    along = gradient(fit, fit.region)
    return float(fit.region.variance * along @ covariance(fit.region) @ along)


def of_exponent(fit: Fit, region: Region) -> np.ndarray:
    """The gradient of the exponent."""
    assert fit.alpha is not None
    law, along = region.problem.law, np.zeros(region.solution.p.size)
    along[law.exponent] = fit.alpha if law.log_exponent else 1.0
    return along


def of_log_exponent(fit: Fit, region: Region) -> np.ndarray:
    """The gradient of ln of the exponent."""
    assert fit.alpha is not None
    return of_exponent(fit, region) / fit.alpha


def of_log_floor(fit: Fit, region: Region) -> np.ndarray:
    """The gradient of ln of the floor."""
    return log_floor(region.problem)(region.solution.p)[1]


def of_log_loss(size: float) -> Gradient:
    """The gradient of ln of the loss at a size."""

    def gradient(fit: Fit, region: Region) -> np.ndarray:
        at = np.array([math.log(size) - float(region.problem.logs.log_x_first)])
        return prediction(region.problem, at)(region.solution.p)[1]

    return gradient


def of_log_size(loss: float) -> Gradient:
    """The gradient of ln of the size at a loss, which is sought where `cost_ratio` seeks it."""

    def gradient(fit: Fit, region: Region) -> np.ndarray:
        beyond = 10**REACH_DECADES
        sizes = np.geomspace(fit.points.sizes[0] / beyond, fit.points.sizes[-1] * beyond, 513)
        losses = extended(fit, sizes)
        nearest = int(np.clip(np.argmin(np.abs(np.log(losses / loss))), 1, sizes.size - 2))
        around = slice(nearest - 1, nearest + 2, 2)
        slope = np.diff(np.log(losses[around])) / np.diff(np.log(sizes[around]))
        return of_log_loss(float(sizes[nearest]))(fit, region) / float(slope[0])

    return gradient


def foreseen_exponent(design: Design) -> Spread:
    """Of a difference of exponents before any run, by laws without a floor; one with a floor has a wider interval."""
    return _foreseen(design, [1 / _squares(sizes) for sizes in design.log_sizes], is_of_exponents=True)


def foreseen_end(design: Design) -> Spread:
    """Of the ratio of losses at the largest common size before any run, by laws without a floor."""
    largest = min(float(sizes.max()) for sizes in design.log_sizes)
    variances = [1 / sizes.size + (largest - sizes.mean()) ** 2 / _squares(sizes) for sizes in design.log_sizes]
    return _foreseen(design, variances)


def _squares(sizes: np.ndarray) -> float:
    return float(np.sum((sizes - sizes.mean()) ** 2))


def _foreseen(design: Design, variances: Sequence[float], is_of_exponents: bool = False) -> Spread:
    """From the variance of each side's line at a noise of 1 between size means."""
    fewest = min(sizes.size for sizes in design.log_sizes)
    if fewest < PURE.parameters + SPARE_SIZES:
        raise HarnessError(f"more seeds will not help: {fewest} sizes make no law; add sizes")
    noise_of_means = design.noise / math.sqrt(design.seeds)
    parts = np.array(variances) / sum(variances)
    dofs = [float(sizes.size - PURE.parameters) for sizes in design.log_sizes]
    decades = min(float(np.ptp(sizes)) for sizes in design.log_sizes) / math.log(10)
    return Spread(
        error=noise_of_means * math.sqrt(sum(variances)),
        parts=tuple(zip(parts.tolist(), dofs, strict=True)),
        seeds=design.seeds,
        noise=noise_of_means,
        sizes=fewest,
        decades=decades if is_of_exponents else None,
    )
