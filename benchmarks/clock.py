"""Who needs how long: everybody does a piece of work in turn, round after round, so that a busy
moment hits all alike.

CPU time is that of the process and disturbed least by what else the machine does; wall time is
beside it. Where both are equal, the process had its core for itself.
"""

import time
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

ENOUGH_SECONDS = (
    0.04  # a piece of work is repeated until it takes so long: the clock of the process is coarse
)


def nothing() -> None:
    """Preparation for a piece of work that needs none."""


class Contestant(NamedTuple):
    """`work` does a piece of work and returns how many units it was; `prepare` comes before it and
    is not timed.
    """

    name: str
    work: Callable[[], int]
    prepare: Callable[[], object] = nothing


class Timing(NamedTuple):
    """Milliseconds a unit of work: medians over rounds, and the quartiles of CPU time."""

    cpu_ms: float
    cpu_ms_quartiles: tuple[float, float]
    wall_ms: float
    units: int


def once(call: Callable[[], object]) -> Callable[[], int]:
    """A call as a piece of work of one unit."""

    def work() -> int:
        call()
        return 1

    return work


def race(contestants: Sequence[Contestant], rounds: int) -> dict[str, Timing]:
    """Each contestant's timing; a first round, not counted, warms up and says how often a piece of
    work is repeated.
    """
    repeats = {one.name: _repeats(one) for one in contestants}
    lines: dict[str, list[tuple[float, float, int]]] = {one.name: [] for one in contestants}
    for _ in range(rounds):
        for one in contestants:
            lines[one.name].append(timed(one, repeats[one.name]))
    return {name: summary(rows) for name, rows in lines.items()}


def _repeats(one: Contestant) -> int:
    timed(one, 1)
    cpu, _, units = timed(one, 1)
    return max(1, round(ENOUGH_SECONDS / max(cpu * units, 1e-6)))


def timed(one: Contestant, repeats: int) -> tuple[float, float, int]:
    """CPU and wall seconds a unit, and the units."""
    cpu = wall = 0.0
    units = 0
    for _ in range(repeats if one.prepare is not nothing else 1):
        one.prepare()
        cpu_began, wall_began = time.process_time(), time.perf_counter()
        for _ in range(1 if one.prepare is not nothing else repeats):
            units += one.work()
        cpu += time.process_time() - cpu_began
        wall += time.perf_counter() - wall_began
    return cpu / units, wall / units, units


def summary(rows: Sequence[tuple[float, float, int]]) -> Timing:
    """The timing of several rounds, each as `timed` gives it."""
    cpu, wall, units = (np.array(column) for column in zip(*rows, strict=True))
    low, middle, high = (1000 * float(value) for value in np.quantile(cpu, (0.25, 0.5, 0.75)))
    return Timing(middle, (low, high), 1000 * float(np.median(wall)), int(units.sum()))
