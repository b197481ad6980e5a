"""The points of a pack's runs as networks see them: scaled to [-1, 1]^d, and only the inputs that are left."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from harness.spec import RunSpec, RunTask
from harness.tasks import Samples, Splits, curve_points, domain_points, draw, scaled
from harness.tasks.loss import Observation, SplitName
from harness.tasks.samples import Array


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
        return samples if count == len(samples.x) else replace(samples, x=samples.x[:count], y=samples.y[:count])

    def ranges(self, index: int) -> Array:
        """The points [n, inputs] whose activations say where knots go: those of training, or fresh ones of the box."""
        run = self.runs[index]
        updates = run.recipe.grid_updates
        if updates is None or updates.points != "domain":
            return self.split(index, "train").x
        return self._seen(run.task, domain_points(run.task, run.seed))

    def _seen(self, task: RunTask, x: Array) -> Array:
        scaled_x = scaled(task, x)
        return scaled_x if self.inputs is None else np.ascontiguousarray(scaled_x[:, list(self.inputs)])


@lru_cache(maxsize=1)
def _drawn(task: RunTask, seed: int) -> Splits:
    """Kept for the splits of one run, and for the next runs of its data."""
    return draw(task, seed)
