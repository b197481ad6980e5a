"""The points of a pack's runs as networks see them: scaled to [-1, 1]^d, and only the inputs that are left."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Literal

import numpy as np

from harness.spec import RunSpec, RunTask
from harness.tasks import Samples, Splits, curve_points, domain_points, draw, scaled
from harness.tasks.samples import Array

SplitName = Literal["train", "validation", "test"]
SPLITS: tuple[SplitName, ...] = ("train", "validation", "test")  # in the order of a run's errors

CHUNK = 4096  # points that a network sees at once when its errors are measured, so that their work fits in caches


@dataclass(frozen=True)
class PackPoints:
    """Draws the points of each run when they are asked for, so that a pack need not hold those of its tests.

    `given` has samples in place of those that are drawn. `inputs` are the variables of the task that networks see, None
    for all.
    """

    runs: tuple[RunSpec, ...]
    given: Sequence[Splits] | None = None
    inputs: tuple[int, ...] | None = None

    def split(self, index: int, name: SplitName) -> Samples:
        """A split of the run at `index`."""
        run = self.runs[index]
        splits = self.given[index] if self.given else _drawn(run.task, run.seed)
        samples: Samples = getattr(splits, name)
        return replace(samples, x=self._seen(run.task, samples.x))

    def curve(self, index: int) -> Samples:
        """The validation points that the learning curve reads."""
        samples, count = self.split(index, "validation"), curve_points(self.runs[index].task)
        return samples if samples.inside else Samples(samples.x[:count], samples.y[:count])

    def ranges(self, index: int) -> Array:
        """The points [n, inputs] whose activations say where knots go: those of training, or fresh ones of the box."""
        run = self.runs[index]
        updates = run.recipe.grid_updates
        if updates is None or updates.points != "domain":
            return self.split(index, "train").x
        return self._seen(run.task, domain_points(run.task, run.seed))

    def _seen(self, task: RunTask, x: Array) -> Array:
        seen = scaled(task, x)
        return seen if self.inputs is None else np.ascontiguousarray(seen[:, list(self.inputs)])


@lru_cache(maxsize=1)
def _drawn(task: RunTask, seed: int) -> Splits:
    """Kept for the splits of one run, and for the next runs of its data."""
    return draw(task, seed)


def chunks(points: int) -> Iterator[slice]:
    """All points in parts of at most CHUNK."""
    return (slice(first, first + CHUNK) for first in range(0, points, CHUNK))
