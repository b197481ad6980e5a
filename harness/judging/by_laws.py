"""A against B by the laws of two series of a table of runs, on every axis of sizes, and a verdict
over the axes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from harness import comparison
from harness.base.errors import HarnessError
from harness.base.plain import INLINE
from harness.comparison.multiplier import AtSize
from harness.judging.laws import SeriesLaws, fitted_runs
from harness.judging.request import FitsAnswer, Request, Source
from harness.judging.versus import RatioLine, Side, VersusRequest
from harness.laws import Caution
from harness.laws.result import LawName
from harness.laws.shared import Pin
from harness.spec.counts import axis_short, axis_words

# The law of each arm by itself, of which both have one form in the fit of both.
OF_EACH_ARM: LawName = "floor"


@dataclass(frozen=True)
class ComparisonRequest:
    """What to tell of two curves."""

    budgets: Annotated[
        tuple[float, ...], "sizes of A at which the multiplier is told, besides its own"
    ] = ()
    floor: Annotated[
        Pin | None, "of both laws of the multiplier; null: shared, or free if that is rejected"
    ] = None
    alpha: Annotated[Pin, "their exponents: `free`, `shared`, or a number"] = "free"


@dataclass(frozen=True)
class Comparison:
    """Two series, A and B, on one axis of sizes."""

    task: Annotated[str, "the task; empty of a table of anybody's runs"]
    axis: Annotated[str, "of sizes"]
    arms: Annotated[tuple[SeriesLaws, SeriesLaws], "A by itself, then B"]
    multiplier: Annotated[
        comparison.Multiplier, "size B / A at equal loss at sizes of A, by one fit of both"
    ]
    equal_sizes: Annotated[
        tuple[comparison.RatioAt, ...],
        "where the multiplier is refused: loss B / A at each size that both have",
    ]
    cautions: Annotated[tuple[Caution, ...], "of the runs of both arms"]

    @property
    def largest(self) -> AtSize | None:
        """The multiplier at the largest size that A has; None where there is none."""
        most = self.arms[0].points.sizes[-1] * (1 + 1e-9)
        tried = [place for place in self.multiplier.sizes if place.size <= most]
        return max(tried, key=lambda place: place.size, default=None)


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
    verdicts: Annotated[tuple[comparison.JudgedClaim, ...], "one a task"]
    sizes: Annotated[tuple[Comparison, ...], "one a task and axis of sizes"]


def compare_laws(fits: FitsAnswer, asked: ComparisonRequest) -> ComparedByLaws:
    """Compare the two arms of a request by one fit of both on each axis; a HarnessError where that
    cannot be.
    """
    request = fits.request
    assert request is not None
    first, second = request.arms
    laws_of = {(laws.task, laws.axis, laws.series): laws for laws in fits.laws}
    by_size = []
    for task, axis in dict.fromkeys((laws.task, laws.axis) for laws in fits.laws):
        arms = laws_of.get((task, axis, first)), laws_of.get((task, axis, second))
        if arms[0] and arms[1]:
            by_size.append(_compared(arms[0], arms[1], asked))
    if not by_size:
        raise HarnessError(f"{first} and {second} have laws on no task in common; compare others")
    tasks = dict.fromkeys(pair.task for pair in by_size)
    return ComparedByLaws(
        request=AskedOfLaws(request, asked),
        source=fits.source,
        arms=(first, second),
        verdicts=tuple(
            _verdict([pair for pair in by_size if pair.task == task], (first, second))
            for task in tasks
        ),
        sizes=tuple(by_size),
    )


def _compared(first: SeriesLaws, second: SeriesLaws, asked: ComparisonRequest) -> Comparison:
    for arm in (first, second):
        for refusal in arm.fits[OF_EACH_ARM].refusals:
            if refusal.code == "ZERO":  # the other runs alone would mislead
                raise HarnessError(str(refusal))
    runs = fitted_runs(first, second)
    multiplier = comparison.multiplier(
        **runs, at=asked.budgets, floor=asked.floor, alpha=asked.alpha, level=first.level
    )
    failures = {arm.series: (arm.runs_failed, len(arm.table)) for arm in (first, second)}
    return Comparison(
        task=first.task,
        axis=first.axis,
        arms=(first, second),
        multiplier=multiplier,
        equal_sizes=(
            comparison.ratios(runs["x"], runs["y"], first.level) if multiplier.refusals else ()
        ),
        cautions=(*first.cautions, *second.cautions, *comparison.survivor_cautions(failures)),
    )


def curves_of_laws(
    compared: ComparedByLaws,
) -> tuple[VersusRequest, list[RatioLine], dict[str, str]]:
    """The multiplier over the sizes of A, or where it is refused losses at equal size, as a line of
    a panel each; and what these are drawn against.
    """
    curves: list[RatioLine] = []
    against: dict[str, str] = {}
    for pair in compared.sizes:
        metric, size = pair.arms[0].metric, axis_short(pair.axis)
        on = f" on {pair.task}" if pair.task else ""
        panel = f"{size} for equal {metric}{on}"
        found = [(place.size, place.multiplier) for place in pair.multiplier.sizes]
        if pair.equal_sizes:
            panel = f"{metric} at equal {size}{on}"
            found = [(place.size, place.ratio) for place in pair.equal_sizes]
        if not found:
            continue
        against[panel] = f"{axis_words(pair.axis)} of {compared.arms[0]}"
        ends = [(ratio.value, ratio.interval.low, ratio.interval.high) for _, ratio in found]
        ratio, low, high = np.array(ends, float).T
        sizes = np.array([place for place, _ in found])
        curves.append(RatioLine(panel, pair.axis, sizes, ratio, low, high))
    first, second = (Side(name, (name,)) for name in compared.arms)
    level = compared.request.table.level
    asked = VersusRequest((first, second), compared.sizes[0].axis, None, level)
    return asked, curves, against


def _verdict(by_size: Sequence[Comparison], arms: tuple[str, str]) -> comparison.JudgedClaim:
    """Whether the first arm is better at its largest size, judged on every axis of one task."""
    first, second = arms
    on = f" on {by_size[0].task}" if by_size[0].task else ""
    return comparison.judge(
        f"{first} is better than {second} at its largest size{on}",
        f"what {second} needs over what {first} has (without a law, its loss over that of {first})",
        1.0,
        list(_numbers(by_size)),
    )


def _numbers(by_size: Sequence[Comparison]) -> Iterator[comparison.ClaimNumber]:
    for pair in by_size:
        if pair.largest:
            found = pair.largest.multiplier
        elif pair.equal_sizes:
            found = pair.equal_sizes[-1].ratio
        else:
            reasons = " ".join(map(str, pair.multiplier.refusals))
            yield comparison.ClaimNumber(pair.axis, refused=f"{reasons} No size is of both arms.")
            continue
        yield comparison.ClaimNumber(pair.axis, found.value, found.interval)
