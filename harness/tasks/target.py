"""What a task is. Read this first to add a kind of task; to add one of a kind that is there, its
file.

A file of this folder ends in `TASKS`, which gives each of its tasks a name. Under a name stands a
target, or what makes one: a family of functions has a target for each number of variables, and a
data set is read when it is asked for.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from harness.base.errors import HarnessError
from harness.spec.task import RunTask, Task
from harness.tasks.loss import SQUARES, Loss, Observation
from harness.tasks.samples import Splits


class TargetError(HarnessError):
    """A target that cannot be had or evaluated: runs that learn it cannot train, all others can."""


class Named(ABC):
    """What a name stands for."""

    # Splits have all points that there are, where the file does not say how many they take.
    is_data: ClassVar[bool] = False
    # Splits have a number of points of their own, where the file does not say how many.
    has_own_points: ClassVar[bool] = False
    # Fields of a task that only some have, with their defaults.
    settings: ClassVar[Mapping[str, int | float]] = {}
    # Values that training and validation see may have noise.
    can_be_noisy: ClassVar[bool] = False
    # Numbered members, which `instance` chooses from.
    has_instances: ClassVar[bool] = False

    @abstractmethod
    def target(self, name: str, inputs: int | None, instance: int) -> "Target":
        """The target of so many variables; a TargetError if there is none."""


class Target(Named):
    """What is learnt.

    `version` stands for its definition in a run's identity: raise it when the definition changes. A
    target that knows no other box than [-1, 1]^inputs says in `only_box` why.
    """

    inputs: int
    formula: str
    source: str
    version: str
    only_box: str
    pool: int | None = (
        None  # rows that a seed draws training rows from, if it draws the test rows too; else 0
    )
    loss: Loss = SQUARES
    observations: tuple[Observation, ...] = ()  # beside those of its loss

    @property
    def observed(self) -> tuple[str, ...]:
        """The names of what runs record of a network that learns it, beside its losses."""
        return tuple(
            observation.name for observation in (*self.loss.observations, *self.observations)
        )

    @abstractmethod
    def resolve(self, task: Task) -> RunTask:
        """The task with all that decides a run's numbers; `tasks.resolve` has checked its box and
        its fields.
        """

    @abstractmethod
    def draw(self, task: RunTask, seed: int) -> Splits:
        """Its samples under a seed; a TargetError if they cannot be learnt."""

    def check(self, task: RunTask, seed: int) -> None:
        """A TargetError if its samples under a seed cannot be learnt; draws them where nothing else
        tells.
        """
        self.draw(task, seed)

    def target(self, name: str, inputs: int | None, instance: int) -> "Target":
        """Itself, which has one number of variables."""
        if inputs not in (None, self.inputs):
            raise TargetError(
                f"inputs={inputs}: target {name} has {self.inputs}; leave `inputs` out"
            )
        return self
