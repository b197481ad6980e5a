"""A against B by the laws of two series of a table of runs, on every axis of sizes, and a verdict
over the axes.
"""

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from harness import comparison
from harness.base.errors import HarnessError
from harness.base.formats import likewise
from harness.base.plain import INLINE
from harness.comparison.bins import shared_range
from harness.comparison.replicates import Found
from harness.judging.laws import SeriesLaws, drawn_law, fitted_runs, runs_in
from harness.judging.request import FitsAnswer, Request, Source
from harness.judging.versus import (
    PLACES,
    Headline,
    Lead,
    RatioLine,
    Reading,
    Side,
    VersusRequest,
    leader,
    merged,
)
from harness.laws import Caution, Fit, Interval, Refusal, predict
from harness.laws.result import LawName
from harness.laws.shared import Pin
from harness.spec.counts import axis_short, axis_words

EXPONENTS: tuple[LawName, ...] = ("pure", "floor")  # that are told besides that of the law of both
TOLD = 5  # losses, besides those that are asked for


@dataclass(frozen=True)
class ComparisonRequest:
    """What to tell of two curves."""

    at: Annotated[tuple[float, ...], "losses at which costs are compared"] = ()
    extrapolate: Annotated[bool, "whether losses that one arm alone attains count"] = False
    bins: Annotated[
        int | None, "of size, how many; null: as many as the sizes that the arms share"
    ] = None
    budgets: Annotated[
        tuple[float, ...], "sizes of A at which the multiplier is told, besides its own"
    ] = ()
    floor: Annotated[
        Pin | None, "of both laws of the multiplier; null: shared, or free if that is rejected"
    ] = None
    alpha: Annotated[Pin, "their exponents: `free`, `shared`, or a number"] = "free"


@dataclass(frozen=True)
class Comparison:
    """Two series, A and B, on one axis of sizes, both under the same law."""

    task: Annotated[str, "the task; empty of a table of anybody's runs"]
    axis: Annotated[str, "of sizes"]
    law: Annotated[LawName, "of both"]
    arms: Annotated[tuple[SeriesLaws, SeriesLaws], "the laws of A, then of B"]
    curve: Annotated[
        comparison.CostRatio, "size B / A at equal loss, over all losses that both attain"
    ]
    cost: Annotated[comparison.CostRatio, "the same at the losses that are told"]
    loss: Annotated[comparison.LossRatio, "loss B / A at equal size, by the laws"]
    crossover: Annotated[comparison.Crossover, "the sizes at which the laws may be equal"]
    exponents: Annotated[
        Mapping[LawName, comparison.ExponentDifference], "by law: that of A minus that of B"
    ]
    dominance: Annotated[
        comparison.Dominance | None,
        "the share of size bins in which A has the lower loss; null if they share no bin",
    ]
    ratio: Annotated[
        comparison.Ratio | None, "loss B / A over all common bins; null if they share no bin"
    ]
    failures: Annotated[tuple[comparison.Failures, comparison.Failures], "of A, then of B"]
    cautions: Annotated[tuple[Caution, ...], "of the comparison"]
    multiplier: Annotated[
        comparison.Multiplier, "size B / A at equal loss at sizes of A, by one fit of both"
    ]
    without_law: Annotated[
        comparison.Dominance | None,
        "where a law was refused: who is ahead by bins of size; null if they share no bin",
    ] = None

    @property
    def fits(self) -> tuple[Fit, Fit]:
        """The law of A, and that of B."""
        first, second = (arm.fits[self.law] for arm in self.arms)
        return first, second


@dataclass(frozen=True)
class AskedOfLaws:
    """What was asked of a table and of two of its series."""

    table: Annotated[Request, INLINE]
    asked: Annotated[ComparisonRequest, INLINE]


@dataclass(frozen=True)
class ComparedByLaws:
    """Two series of a table of runs, compared by their laws. `compare.json` in a folder that is
    named has the same.
    """

    request: Annotated[AskedOfLaws, "what was asked"]
    source: Annotated[Source, "where the runs are from"]
    arms: Annotated[tuple[str, str], "A and B"]
    headline: Annotated[Headline, "who is better at equal size, by the laws"]
    verdicts: Annotated[
        tuple[comparison.JudgedClaim, ...], "one a task and loss that was asked about"
    ]
    sizes: Annotated[tuple[Comparison, ...], "one a task and axis of sizes"]


def compare_laws(fits: FitsAnswer, asked: ComparisonRequest) -> ComparedByLaws:
    """Compare the two arms of a request by the laws that were fitted for it; a HarnessError where
    that cannot be.
    """
    request = fits.request
    assert request is not None
    first, second = request.arms
    by_size = []
    laws_of = {(laws.task, laws.axis, laws.series): laws for laws in fits.laws}
    for task, axis in dict.fromkeys((laws.task, laws.axis) for laws in fits.laws):
        if (task, axis, first) in laws_of and (task, axis, second) in laws_of:
            by_size.append(
                _compared(laws_of[task, axis, first], laws_of[task, axis, second], asked)
            )
    if not by_size:
        raise HarnessError(f"{first} and {second} have laws on no task in common; compare others")
    judged: list[comparison.JudgedClaim] = []
    for task in dict.fromkeys(pair.task for pair in by_size):
        judged += _verdicts([pair for pair in by_size if pair.task == task], request.arms, asked)
    return ComparedByLaws(
        request=AskedOfLaws(request, asked),
        source=fits.source,
        arms=(first, second),
        headline=_headline(by_size, (first, second)),
        verdicts=tuple(judged),
        sizes=tuple(by_size),
    )


def curves_of_laws(
    compared: ComparedByLaws,
) -> tuple[VersusRequest, list[RatioLine], dict[str, str]]:
    """Losses at equal size, and sizes at equal loss, as lines of a panel each; and what these are
    drawn against.
    """
    curves: list[RatioLine] = []
    against: dict[str, str] = {}
    for pair in compared.sizes:
        metric, size, on = (
            pair.arms[0].metric,
            axis_short(pair.axis),
            f" on {pair.task}" if pair.task else "",
        )
        of_loss, of_cost = f"{metric} by {size}{on}", f"{size} at equal {metric}{on}"
        against |= {of_loss: axis_words(pair.axis), of_cost: metric}
        ratios = ((of_loss, pair.loss.sizes, pair.loss), (of_cost, pair.curve.losses, pair.curve))
        for panel, places, ratio in ratios:
            if places is not None and ratio.estimate is not None:
                ends = np.asarray(ratio.low), np.asarray(ratio.high)
                curves.append(RatioLine(panel, pair.axis, places, ratio.estimate, *ends))
    laws = " and ".join(dict.fromkeys(pair.law for pair in compared.sizes))
    headline = compared.headline
    return (
        VersusRequest(headline.sides, compared.sizes[0].axis, None, headline.level, laws),
        curves,
        against,
    )


# --------------------------------------------------------------------------------------------------
# compared
def _compared(first: SeriesLaws, second: SeriesLaws, asked: ComparisonRequest) -> Comparison:
    law = drawn_law((first, second), first.task, first.axis)
    fits = first.fits[law], second.fits[law]
    if zero := next((one for fit in fits for one in fit.refusals if one.code == "ZERO"), None):
        raise HarnessError(str(zero))  # bins without these runs would mislead
    curve = comparison.cost_ratio(*fits)
    losses = _losses_told(curve, first.axis, asked)
    cost = comparison.cost_ratio(*fits, losses, extrapolate=True)
    runs, others = (comparison.to_runs(*runs_in(arm.table, "fitted")) for arm in (first, second))
    failures = _failures(first), _failures(second)
    cautions = comparison.failure_cautions(*failures)
    dominance = ratio = None
    edges = _edges(first.points.sizes, second.points.sizes, asked.bins)
    if edges is not None:
        cells = comparison.cells(runs, others, edges)
        if any(cell.first.size and cell.second.size for cell in cells):
            dominance = comparison.dominance(runs, others, edges, first.level)
            ratio = comparison.ratio(cells, first.level)
    is_refused = bool(fits[0].refusals or fits[1].refusals)
    told = [
        name for name in first.fits if name in second.fits and (name == law or name in EXPONENTS)
    ]
    return Comparison(
        task=first.task,
        axis=first.axis,
        law=law,
        arms=(first, second),
        curve=curve,
        cost=cost,
        loss=comparison.loss_ratio(*fits),
        crossover=comparison.crossover(*fits),
        exponents={
            name: comparison.exponent_difference(first.fits[name], second.fits[name])
            for name in told
        },
        dominance=dominance,
        ratio=ratio,
        failures=failures,
        cautions=cautions,
        multiplier=comparison.multiplier(
            **fitted_runs(first, second),
            at=asked.budgets,
            floor=asked.floor,
            alpha=asked.alpha,
            level=first.level,
        ),
        without_law=comparison.without_law(runs, others, first.level) if is_refused else None,
    )


def _failures(arm: SeriesLaws) -> comparison.Failures:
    """How many runs of an arm failed at each size; those without a size are left out."""
    sized = [at for at in arm.sizes if at.size is not None]
    done, failed = (
        np.array(counts, int) for counts in ([at.done for at in sized], [at.failed for at in sized])
    )
    return comparison.Failures(np.array([at.size for at in sized], float), done + failed, failed)


def _losses_told(
    curve: comparison.CostRatio, x: str, asked: ComparisonRequest
) -> np.ndarray | None:
    """The losses to tell the ratio at, those asked for and some that both attain; None where there
    are none.
    """
    if curve.losses is None or curve.attained is None:
        return None
    low, high = curve.attained
    beyond = [loss for loss in asked.at if not low * (1 - 1e-9) <= loss <= high * (1 + 1e-9)]
    if beyond and not asked.extrapolate:
        raise HarnessError(
            f"`at` {beyond[0]:g}: the mean losses that both arms attain by {x} run from {low:.4g} "
            f"to {high:.4g}; ask "
            "within, or `extrapolate`, for a ratio that is marked as such"
        )
    return np.union1d(asked.at, curve.losses[:: (curve.losses.size - 1) // (TOLD - 1)])


def _edges(first: np.ndarray, second: np.ndarray, bins: int | None) -> np.ndarray | None:
    """Bins over the sizes that both arms share; None where they share no range."""
    if not (first.size and second.size):
        return None
    shared, _ = shared_range("sizes", first, second)
    if shared is None:
        return None
    sizes_within = min(
        int(np.sum((shared[0] <= sizes) & (sizes <= shared[1]))) for sizes in (first, second)
    )
    return comparison.matched_edges(first, second, bins or max(1, sizes_within))


# --------------------------------------------------------------------------------------------------
# headline
def _headline(by_size: Sequence[Comparison], arms: tuple[str, str]) -> Headline:
    """Who is better at equal size by the laws of both: at the ends of the sizes that they share,
    and between.
    """
    first, second = (Side(name, (name,)) for name in arms)
    tasks, axes = {pair.task for pair in by_size}, Counter(pair.axis for pair in by_size)
    return Headline(
        first=first,
        second=second,
        metric=str(by_size[0].arms[0].table["metric"].iloc[0]),
        level=by_size[0].loss.level,
        columns=tuple(axis for axis, number in axes.items() if number == len(tasks)),
        places=PLACES,
        readings=tuple(itertools.chain.from_iterable(map(_readings, by_size))),
        leads=tuple(itertools.chain.from_iterable(_leads(pair, arms) for pair in by_size)),
        cautions=tuple(_cautions(by_size, arms)),
        by="laws",
    )


def _readings(pair: Comparison) -> Iterator[Reading]:
    """The ratio of losses at three sizes, and what B needs there for the loss that A's law has."""
    loss, (first, second) = pair.loss, pair.fits
    if bins := pair.without_law:
        middles = np.sqrt(bins.edges[:-1] * bins.edges[1:])
        no_law = Found(refusals=loss.refusals)
        for place, index in zip(PLACES, (0, middles.size // 2, -1), strict=True):
            yield Reading(
                pair.task, pair.axis, place, _found(bins, index, float(middles[index])), (), no_law
            )
        return
    if loss.sizes is None:
        refused = Found(refusals=loss.refusals)
        yield from (Reading(pair.task, pair.axis, place, refused, (), refused) for place in PLACES)
        return
    at_places = [0, loss.sizes.size // 2, -1]
    sizes = loss.sizes[at_places]
    cost = comparison.cost_ratio(first, second, predict(first, sizes), extrapolate=True)
    for index, (place, at, size) in enumerate(zip(PLACES, at_places, sizes.tolist(), strict=True)):
        yield Reading(
            pair.task, pair.axis, place, _found(loss, at, size), (), _found(cost, index, size)
        )


def _found(
    ratio: comparison.CostRatio | comparison.LossRatio | comparison.Dominance,
    index: int,
    size: float,
) -> Found:
    estimates = ratio.ratio if isinstance(ratio, comparison.Dominance) else ratio.estimate
    if estimates is None or ratio.low is None or ratio.high is None:
        return Found(refusals=() if isinstance(ratio, comparison.Dominance) else ratio.refusals)
    estimate, low, high = (float(values[index]) for values in (estimates, ratio.low, ratio.high))
    return Found(estimate, low, high, at=size)


def _leads(pair: Comparison, arms: tuple[str, str]) -> list[Lead]:
    """The stretches of sizes at which one is ahead, and those at which they may be equal, in
    order.
    """
    if bins := pair.without_law:
        leaders = [leader(_found(bins, index, 0), *arms) for index in range(len(bins.ratio))]
        edges = zip(bins.edges[:-1].tolist(), bins.edges[1:].tolist(), leaders, strict=True)
        return merged(Lead(pair.task, pair.axis, *of_bin, without_law=True) for of_bin in edges)
    called = dict(zip(("first", "second"), arms, strict=True))
    leads = [
        Lead(pair.task, pair.axis, ahead.low, ahead.high, called[ahead.arm])
        for ahead in pair.crossover.ahead
    ]
    leads += [Lead(pair.task, pair.axis, low, high, None) for low, high in pair.crossover.equal]
    return sorted(leads, key=lambda lead: lead.low)


def _cautions(by_size: Sequence[Comparison], arms: tuple[str, str]) -> Iterator[str]:
    """`FLOOR_OPEN, kan by params: …`: each code once for an axis, and once for an arm, of one axis
    without its name.
    """
    said: dict[
        tuple[str, str], tuple[str, dict[str, None]]
    ] = {}  # a sentence, and the places that it is of
    for pair in by_size:
        where = f"by {pair.axis} on {pair.task}" if pair.task else f"by {pair.axis}"
        own: tuple[Caution | Refusal, ...] = (*pair.curve.refusals, *pair.cautions)
        if pair.without_law:
            bins = len(pair.without_law.ratio)
            of_bins = f"{bins} bins of size" if bins > 1 else "all sizes that both have"
            reason = (
                f"{pair.curve.refusals[0].reason} Who is ahead is read without a law, from "
                f"{of_bins}."
            )
            own = (Caution("WITHOUT_LAW", reason), *pair.cautions)
        told = [("", where, reason) for reason in own]
        for arm in pair.arms:
            chosen = arm.selection.cautions if arm.selection else ()
            of_arm = (*arm.cautions, *chosen, *arm.fits[pair.law].warnings)
            # What failed is said of both arms above.
            at = f"{arm.series} {where}" if len(by_size) > 1 else arm.series
            told += [(arm.series, at, caution) for caution in of_arm if caution.code != "CENSORED"]
        for whose, place, caution in told:
            _, places = said.setdefault(
                (caution.code, whose or place), (_named(caution.reason, arms), {})
            )
            places[place] = None
    for (code, _), (reason, places) in said.items():
        yield f"{code}, {likewise(places)}: {reason}"


def _named(reason: str, arms: tuple[str, str]) -> str:
    """A sentence of harness.comparison, which knows the arms by their order alone."""
    for arm, name in zip(("first", "second"), arms, strict=True):
        reason = reason.replace(f"the {arm} arm", name).replace(f"of the {arm}", f"of {name}")
    return reason


# --------------------------------------------------------------------------------------------------
# verdicts
def _verdicts(
    by_size: Sequence[Comparison], arms: tuple[str, ...], asked: ComparisonRequest
) -> list[comparison.JudgedClaim]:
    """Whether the first arm is cheaper at each loss, judged on every axis of sizes of one task."""
    first, second = arms
    task, metric = by_size[0].task, by_size[0].arms[0].metric
    on = f" on {task}" if task else ""
    if not asked.at and all(pair.without_law for pair in by_size):
        claim = f"{first} has the lower {metric} at every size{on}, without a law"
        quantity = f"the least {metric} of {second} / {first} over bins of size"
        return [comparison.judge(claim, quantity, 1.0, list(map(_of_bins, by_size)))]
    at = asked.at or _middle(by_size)
    claim, quantity = (
        f"{first} is cheaper than {second}{on}",
        f"the cost of {second} / {first} at equal loss",
    )
    if not at:
        reasons = {
            pair.axis: " ".join(map(str, pair.curve.refusals)) or "no loss on every axis"
            for pair in by_size
        }
        numbers = [comparison.ClaimNumber(axis, refused=reason) for axis, reason in reasons.items()]
        return [comparison.judge(claim, quantity, 1.0, numbers)]
    verdicts = []
    for loss in at:
        costs = {
            pair.axis: comparison.cost_ratio(*pair.fits, loss, extrapolate=True) for pair in by_size
        }
        numbers = [comparison.to_number(axis, cost) for axis, cost in costs.items()]
        verdicts.append(comparison.judge(f"{claim} at {metric} {loss:.3g}", quantity, 1.0, numbers))
    return verdicts


def _of_bins(pair: Comparison) -> comparison.ClaimNumber:
    """The least ratio of losses of all bins, which the claim is about, with the ends that their
    joint band gives it.
    """
    bins = pair.without_law
    assert bins is not None
    ends = Interval(float(bins.low.min()), float(bins.high.min()), bins.level)
    return comparison.ClaimNumber(pair.axis, float(bins.ratio.min()), ends)


def _middle(by_size: Sequence[Comparison]) -> tuple[float, ...]:
    """The middle, in ln, of the losses that both arms attain on every axis; none where they share
    no range.
    """
    ranges = np.array([pair.curve.attained for pair in by_size if pair.curve.attained])
    if not ranges.size or ranges[:, 0].max() >= ranges[:, 1].min():
        return ()
    return (float(np.sqrt(ranges[:, 0].max() * ranges[:, 1].min())),)
