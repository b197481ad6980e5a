"""The points of a pack's runs as networks see them: scaled to [-1, 1]^d, and only the inputs that
are left.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from harness.spec.run import RunSpec
from harness.spec.task import RunTask
from harness.tasks import Samples, Splits, curve_points, domain_points, draw, scaled
from harness.tasks.loss import Observation, SplitName
from harness.tasks.samples import Array

# A random field takes eight seconds at 62,000 points, and a sweep trains many small networks on
# each. Packs are in the order of their cost, so that data follow each other at random. At most 256
# MiB are kept.
SLOW_SECONDS, MOST_SLOW, MOST_NUMBERS = 0.5, 32, 2**20
_slow: dict[tuple[RunTask, int], Splits] = {}


@dataclass(frozen=True)
class PackPoints:
    """Draws the points of each run when they are asked for, so that a pack need not hold those of
    its tests.

    `given` has samples in place of those that are drawn. `inputs` are the variables of the task
    that networks see, None for all.
    """

    runs: tuple[RunSpec, ...]
    given: Sequence[Splits] | None = None
    inputs: tuple[int, ...] | None = None

    def split(self, index: int, name: SplitName) -> Samples:
        """A split of the run at `index`."""
        samples: Samples = getattr(self.splits(index), name)
        return replace(samples, x=self._seen(self.runs[index].task, samples.x))

    def observations(self, index: int) -> tuple[Observation, ...]:
        """Those of the loss by which the run is tested, and those of its task."""
        splits = self.splits(index)
        return (*splits.test.loss.observations, *splits.observations)

    def splits(self, index: int) -> Splits:
        """All that the task of the run at `index` gives."""
        run = self.runs[index]
        return self.given[index] if self.given else _drawn(run.task, run.seed)

    def curve(self, index: int, name: SplitName) -> Samples:
        """The points of a split that the learning curve reads."""
        samples = self.split(index, name)
        count = curve_points(self.runs[index].task, len(samples.x))
        return (
            samples
            if count == len(samples.x)
            else replace(samples, x=samples.x[:count], y=samples.y[:count])
        )

    def ranges(self, index: int) -> Array:
        """The points [n, inputs] whose activations say where knots go: those of training, or fresh
        ones of the box.
        """
        run = self.runs[index]
        updates = run.recipe.grid_updates
        if updates is None or updates.points != "domain":
            return self.split(index, "train").x
        return self._seen(run.task, domain_points(run.task, run.seed))

    def _seen(self, task: RunTask, x: Array) -> Array:
        scaled_x = scaled(task, x)
        return (
            scaled_x
            if self.inputs is None
            else np.ascontiguousarray(scaled_x[:, list(self.inputs)])
        )


@lru_cache(maxsize=1)
def _drawn(task: RunTask, seed: int) -> Splits:
    """Kept for the splits of one run, and for the next runs of its data; longer if it takes longer
    than training.
    """
    if (task, seed) in _slow:
        return _slow[task, seed]
    began = time.perf_counter()
    splits = draw(task, seed)
    numbers = sum(
        split.x.size + split.y.size for split in (splits.train, splits.validation, splits.test)
    )
    if time.perf_counter() - began > SLOW_SECONDS and numbers <= MOST_NUMBERS:
        if len(_slow) == MOST_SLOW:
            del _slow[next(iter(_slow))]
        _slow[task, seed] = splits
    return splits
