"""Two sides of an experiment, as a user names them, and the ratio of their test losses at any size
that both have.
"""

import itertools
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from harness.base.errors import HarnessError, did_you_mean
from harness.comparison.replicates import Found, not_found
from harness.judging import sides
from harness.judging.runs import ExperimentRuns
from harness.judging.scaling import check_answered, is_answered
from harness.judging.sides import SideCurve
from harness.judging.versus import RatioLine, Side, VersusRequest
from harness.spec.counts import answer_axes


@dataclass(frozen=True)
class Pair:
    """Two sides, the runs that they are compared by, the tasks on which both have runs, and the
    level of intervals.
    """

    runs: ExperimentRuns
    sides: tuple[Side, Side]
    tasks: Sequence[str]
    level: float

    @property
    def labels(self) -> tuple[str, str]:
        """What the sides are called."""
        return self.sides[0].label, self.sides[1].label

    def curves(
        self, task: str, axis: str, effort: int | None = None
    ) -> tuple[SideCurve, SideCurve]:
        """The curve of each side; a HarnessError where one has none."""
        first, second = (
            sides.side_curve(self.runs, task, side.names, axis, effort) for side in self.sides
        )
        return first, second

    def ratio(self, curves: tuple[SideCurve, SideCurve], size: float) -> Found:
        """second / first in test loss at a size, or why there is none."""
        try:
            return replace(sides.check_leader(*curves, size, self.level), at=size)
        except HarnessError as error:
            return not_found(error, size)

    def largest_ratio(self, task: str, effort: int | None = None) -> Found:
        """The same at the largest matched size that both have."""
        try:
            curves = self.curves(task, self.runs.matched, effort)
            return self.ratio(curves, sides.largest_common(curves))
        except HarnessError as error:
            return not_found(error)


def sides_named(runs: ExperimentRuns, first: str, second: str) -> tuple[Side, Side]:
    """A and B as typed: an arm, a series, or `label=arm,arm`.

    A HarnessError if a name is neither an arm nor a series that was run, or stands on both sides.
    """
    names = list(dict.fromkeys([*runs.table["arm"], *runs.table["series"]]))
    both = _side(first, names), _side(second, names)
    for name in (*both[0].names, *both[1].names):
        if name not in names:
            raise HarnessError(
                f"{name!r} is no arm of this experiment; {did_you_mean(name, names)}"
            )
    if shared := [name for name in both[0].names if name in both[1].names]:
        raise HarnessError(
            f"{first} and {second}: {', '.join(shared)} on both sides; give different arms "
            "to compare"
        )
    return both


def _side(text: str, names: Sequence[str]) -> Side:
    if text in names:  # the name of a series may have = and , in it
        return Side(text, (text,))
    label, _, listed = text.rpartition("=")
    return Side(label or listed, tuple(name.strip() for name in listed.split(",")))


def conventions_of(runs: ExperimentRuns, axis: str) -> tuple[list[str], list[str]]:
    """The conventions to compare under, those of every answer and `axis`; and those of them not
    measured.
    """
    asked = [
        name for name in dict.fromkeys([*answer_axes(), axis]) if is_answered(runs.table, name)
    ]
    return [name for name in asked if name in runs.table], [
        name for name in asked if name not in runs.table
    ]


def tasks_of_both(runs: ExperimentRuns, both: tuple[Side, Side]) -> list[str]:
    """The tasks on which both sides have runs: all cells of an arm may be infeasible on one. A
    HarnessError if none.
    """
    rows = runs.table[~runs.table["of_budget"] & runs.table["chosen"]]
    of_first, of_second = (set(sides.rows_named(rows, side.names)["task"]) for side in both)
    tasks = [task for task in rows["task"].unique() if task in of_first & of_second]
    if not tasks:
        raise HarnessError(
            f"{both[0].label} and {both[1].label} have runs on no task in common; compare others"
        )
    return tasks


def check_asked(runs: ExperimentRuns, asked: VersusRequest) -> None:
    """A HarnessError where the axis is not answered or measured, or both sides have no budgets
    around the asked one.
    """
    check_answered(runs.table, asked.axis)
    if asked.axis in conventions_of(runs, asked.axis)[1]:
        raise HarnessError(f"`axis` {asked.axis}: not measured; `harness bench FILE` measures it")
    if asked.at is None:
        return
    ranges = []
    for task in tasks_of_both(runs, asked.sides):
        low, high = sides.common(
            [sides.side_curve(runs, task, side.names, asked.axis) for side in asked.sides]
        )
        if low <= asked.at <= high:
            return
        ranges.append(f"{task} {low:,.6g} to {high:,.6g}" if low <= high else f"{task} none")
    raise HarnessError(
        f"`at` {asked.at:,.6g}: by {asked.axis}, the sizes that both {asked.first} and "
        f"{asked.second} have are "
        f"{'; '.join(ranges)}; ask within"
    )


def lines(runs: ExperimentRuns, asked: VersusRequest) -> list[RatioLine]:
    """The ratio at each of A's sizes, under every convention, where B has a network that is equal
    in it.
    """
    axes, _ = conventions_of(runs, asked.axis)
    curves = []
    for task, axis in itertools.product(tasks_of_both(runs, asked.sides), axes):
        points: list[tuple[float, ...]] = []  # A's size, ratio, low, high
        with suppress(HarnessError):  # a side has no curve there
            pair = Pair(runs, asked.sides, (task,), asked.level).curves(task, axis)
            of_sizes = sides.side_curve(runs, task, asked.sides[0].names, asked.axis)
            for size in of_sizes.sizes:
                with suppress(HarnessError):  # no ratio can be read there
                    at = sides.size_on(of_sizes, float(size), axis)
                    ratio = sides.check_leader(*pair, at, asked.level)
                    if (
                        ratio.estimate is not None
                        and ratio.low is not None
                        and ratio.high is not None
                    ):
                        points.append((float(size), ratio.estimate, ratio.low, ratio.high))
        if points:
            curves.append(RatioLine(task, axis, *np.array(points).T))
    return curves
