"""Two sides of an experiment, as a user names them, and the ratio of their losses at every size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np

from harness.base.errors import HarnessError, did_you_mean
from harness.judging.found import Found, found_of, not_found
from harness.judging.runs import ExperimentRuns
from harness.judging.sides import (
    SideCurve,
    check_any_learnt,
    common,
    loss_ratio,
    side_curve,
    size_on,
)
from harness.laws.points import Numbers, NumbersOrNull
from harness.spec import answer_axes


@dataclass(frozen=True)
class Side:
    """An arm or series, or several of them, of which the best at each budget is compared."""

    label: Annotated[str, "what it is called"]
    names: Annotated[tuple[str, ...], "its arms or series"]


@dataclass(frozen=True)
class VersusRequest:
    """What is asked of two sides A and B."""

    sides: Annotated[tuple[Side, Side], "A and B"]
    axis: Annotated[str, "what `at` counts"]
    at: Annotated[float | None, "`--at`; null is the largest common budget"] = None
    level: Annotated[float, "of intervals"] = 0.95

    @property
    def first(self) -> str:
        """What A is called."""
        return self.sides[0].label

    @property
    def second(self) -> str:
        """What B is called."""
        return self.sides[1].label


@dataclass(frozen=True)
class RatioLine:
    """The ratio of test losses at the sizes of A, B being equal on an axis: a curve of the figure."""

    task: Annotated[str, "the task"]
    axis: Annotated[str, "on which B is equal"]
    x: Annotated[Numbers, "sizes of A on the axis asked for"]
    ratio: Annotated[Numbers, "test loss B / A at them"]
    low: Annotated[NumbersOrNull, "lower ends"]
    high: Annotated[NumbersOrNull, "upper ends"]


def sides(runs: ExperimentRuns, first: str, second: str) -> tuple[Side, Side]:
    """A and B as typed: an arm, a series, or `label=arm,arm`.

    A HarnessError if a name is neither an arm nor a series that was run, or stands on both sides.
    """
    known = list(dict.fromkeys([*runs.table["arm"], *runs.table["series"]]))
    found = _side(first, known), _side(second, known)
    for name in (*found[0].names, *found[1].names):
        if name not in known:
            raise HarnessError(f"{name!r} is no arm of this experiment; {did_you_mean(name, known)}")
    if shared := [name for name in found[0].names if name in found[1].names]:
        raise HarnessError(f"{first} and {second}: {', '.join(shared)} on both sides; give different arms to compare")
    return found


def _side(text: str, known: Sequence[str]) -> Side:
    if text in known:  # the name of a series may have = and , in it
        return Side(text, (text,))
    label, _, listed = text.rpartition("=")
    names = tuple(name.strip() for name in listed.split(","))
    return Side(label or listed, names)


def conventions_of(runs: ExperimentRuns, axis: str) -> tuple[list[str], list[str]]:
    """The conventions to compare under, those of every answer and `axis`; and those of them not measured."""
    asked = list(dict.fromkeys([*answer_axes(), axis]))
    return [name for name in asked if name in runs.table], [name for name in asked if name not in runs.table]


def tasks_of_both(runs: ExperimentRuns, sides: tuple[Side, Side]) -> list[str]:
    """The tasks on which both sides have runs: all cells of an arm may be infeasible on one. A HarnessError if none."""
    rows = runs.table[~runs.table["of_budget"] & runs.table["chosen"]]
    both = [set(rows.loc[rows["arm"].isin(side.names) | rows["series"].isin(side.names), "task"]) for side in sides]
    found = [task for task in dict.fromkeys(rows["task"]) if task in both[0] & both[1]]
    if not found:
        raise HarnessError(f"{sides[0].label} and {sides[1].label} have runs on no task in common; compare others")
    return found


def check_asked(runs: ExperimentRuns, asked: VersusRequest) -> None:
    """A HarnessError where the axis is not measured, or on no task both sides have budgets around the one asked for."""
    if asked.axis in conventions_of(runs, asked.axis)[1]:
        raise HarnessError(f"--axis {asked.axis}: not measured; `harness bench FILE` measures it")
    ranges = {}
    for task in tasks_of_both(runs, asked.sides) if asked.at is not None else ():
        low, high = common([side_curve(runs, task, side.names, asked.axis) for side in asked.sides])
        ranges[task] = (low, high)
        if low <= (asked.at or 0) <= high:
            return
    told = "; ".join(
        f"{task} {low:,.6g} to {high:,.6g}" if low <= high else f"{task} none" for task, (low, high) in ranges.items()
    )
    if ranges:
        raise HarnessError(
            f"--at {asked.at:,.6g}: by {asked.axis}, the sizes that both {asked.first} and {asked.second} have are "
            f"{told}; ask within"
        )


def _ratio(first: SideCurve, second: SideCurve, budget: float, level: float) -> Found:
    try:
        check_any_learnt([first, second], budget)
        return replace(found_of(loss_ratio(first, second, budget, level)), at=budget)
    except HarnessError as error:
        return not_found(error, budget)


def lines(runs: ExperimentRuns, asked: VersusRequest) -> list[RatioLine]:
    """The ratio at each of A's sizes, under every convention, where B has a network that is equal in it."""
    axes, _ = conventions_of(runs, asked.axis)
    found = []
    for task in tasks_of_both(runs, asked.sides):
        for axis in axes:
            read = _points(runs, task, axis, asked)
            if read:
                found.append(RatioLine(task, axis, *np.array(read).T))
    return found


def _points(runs: ExperimentRuns, task: str, axis: str, asked: VersusRequest) -> list[tuple[float, ...]]:
    """(A's budget, ratio, low, high), where there is one."""
    try:
        first, second = (side_curve(runs, task, side.names, axis) for side in asked.sides)
        known = side_curve(runs, task, asked.sides[0].names, asked.axis)
    except HarnessError:
        return []
    found: list[tuple[float, ...]] = []
    for size in known.sizes:
        try:
            ratio = _ratio(first, second, size_on(known, float(size), axis), asked.level)
        except HarnessError:
            continue
        if ratio.estimate is not None and ratio.low is not None and ratio.high is not None:
            found.append((float(size), ratio.estimate, ratio.low, ratio.high))
    return found


def better(found: Found, first: str, second: str) -> str:
    """`A, 3.2 times`, `B, 1.4 times`, or that it is not decided."""
    if found.low is None or found.high is None or found.estimate is None:
        return "not decided"
    if found.low > 1:
        return f"{first}, {found.estimate:.3g} times"
    return f"{second}, {1 / found.estimate:.3g} times" if found.high < 1 else "not decided"
