"""The jobs that both sides do: a target function, a KAN, its grids one after the other, and the
samples.

Shapes are those of the KAN paper's Fig. 3.1 (Liu et al. 2024, arXiv 2404.19756), and [2,5,1] for
the second function.
"""

from typing import NamedTuple

from harness.spec.task import RunTask, Task
from harness.tasks import resolve

TEST_POINTS = 1000
SEEDS = (0, 1, 2)


class Job(NamedTuple):
    """A KAN of nodes `shape` learns `task` from `train_points` points, at each of `grids`
    intervals.
    """

    task: str
    shape: tuple[int, ...]
    train_points: int
    grids: tuple[int, ...]
    seeds: tuple[int, ...] = SEEDS

    @property
    def words(self) -> str:
        """The job as tables name it."""
        return f"{self.task} [{','.join(map(str, self.shape))}]"

    @property
    def run_task(self) -> RunTask:
        """What is learnt, and how many points of it are seen."""
        return resolve(
            Task(target=self.task, train_points=self.train_points, test_points=TEST_POINTS)
        )


EXP2D_NARROW = Job("exp2d", (2, 1, 1), 1000, (3, 5, 10, 20, 50, 100))
EXP2D_WIDE = Job("exp2d", (2, 5, 1), 1000, (3, 5, 10, 20, 50))
# One seed: its three would take pykan more than an hour more.
EXP100D = Job("exp100d", (100, 1, 1), 1000, (3, 5, 10, 20), seeds=(0,))
JOBS = (
    EXP2D_NARROW,
    EXP2D_WIDE,
    Job("j0", (1, 1), 1000, (3, 5, 10, 20, 50)),
    Job("xy", (2, 2, 1), 1000, (3, 5, 10, 20, 50)),
    Job("exp4d", (4, 2, 2, 1), 3000, (3, 5, 10, 20, 50)),
    EXP100D,
)
