"""What is learnt: targets with their source, and the samples drawn from them. Float64, numpy and scipy only."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.base.errors import did_you_mean
from harness.spec import RunTask, Task
from harness.spec.nouns import DATA_NAMES
from harness.tasks.data import Data, load_data, resolve_data, split
from harness.tasks.families import FAMILIES, family_target
from harness.tasks.feynman import FEYNMAN_TARGETS
from harness.tasks.paper import PAPER_TARGETS
from harness.tasks.pde import PDE_TARGETS, collocation, quadrature
from harness.tasks.peaks import PEAK_TARGETS
from harness.tasks.special import SPECIAL_TARGETS
from harness.tasks.target import Inside, Quadrature, Samples, Target, TargetError, values
from harness.tasks.teachers import TEACHER_TARGETS
from harness.tasks.user import load_user_target

__all__ = [
    *("Samples", "Splits", "Target", "domain_points", "draw", "load_target", "resolve", "scaled", "stream"),
    *("values", "Data", "TargetError", "is_data", "phases_of"),
    "Inside",
    "Quadrature",
]

BUILT_IN = PAPER_TARGETS | SPECIAL_TARGETS | FEYNMAN_TARGETS | PEAK_TARGETS | TEACHER_TARGETS | PDE_TARGETS
# What sec. 3.4 of the KAN paper takes for Poisson's equation.
PDE_DEFAULTS = {"boundary_points": 800, "interior_weight": 0.01}
# Independent random streams of one seed. Numbers, not names, reach the generator: never renumber.
STREAMS = {"train": 0, "validation": 1, "test": 2, "initial": 3, "batches": 4, "domain": 5, "split": 6, "features": 7}

# Values that differ by no more than this share of them are one value.
ROUNDING = 1e-14


@dataclass(frozen=True)
class Splits:
    """Training, validation and test samples, each from a random stream of its own."""

    train: Samples
    validation: Samples
    test: Samples


def stream(seed: int, name: str, *keys: int) -> np.random.Generator:
    """The generator of one purpose (a key of STREAMS) under `seed`; `keys` split it further (restart, epoch)."""
    return np.random.default_rng([seed, STREAMS[name], *keys])


def is_data(reference: str) -> bool:
    """Whether a task of that name is learnt from data, in place of a function on a box."""
    return reference in DATA_NAMES


def load_target(reference: str, inputs: int | None = None, instance: int = 0) -> Target | Data:
    """The built-in target of that name, a member of a family, a data set, or the user's `package.module:function`."""
    if instance and reference not in FAMILIES:
        families = ", ".join(FAMILIES)
        raise TargetError(f"target {reference}: instance={instance} is of families ({families}); leave it out")
    if ":" in reference:
        return load_user_target(reference, inputs)
    if reference in FAMILIES:
        return family_target(reference, inputs, instance)
    if reference not in BUILT_IN and not is_data(reference):
        hint = did_you_mean(reference, [*BUILT_IN, *FAMILIES, *DATA_NAMES])
        raise TargetError(f"target {reference!r}: no such task; {hint}, or package.module:function")
    target = load_data(reference) if is_data(reference) else BUILT_IN[reference]
    if inputs not in (None, target.inputs):
        raise TargetError(f"target {reference}: inputs={inputs}, but it has {target.inputs}; leave `inputs` out")
    return target


def resolve(task: Task) -> RunTask:
    """The task with its number of inputs and the fingerprint of its target's code filled in."""
    target = load_target(task.target, task.inputs, task.instance)
    for name, bound in (("low", task.low), ("high", task.high)):
        if isinstance(bound, tuple) and len(bound) != target.inputs:
            raise TargetError(
                f"target {task.target}: {name} has {len(bound)} bounds, but there are {target.inputs} variables; "
                "give one a variable, or one for all"
            )
    if target.only_box and (task.low, task.high) != (-1, 1):
        raise TargetError(f"target {task.target}: {target.only_box}; leave low and high out")
    of_pde = {name: getattr(task, name) for name in PDE_DEFAULTS}
    is_pde = isinstance(target, Target) and target.laplacian
    if not is_pde and (given := [name for name, value in of_pde.items() if value is not None]):
        raise TargetError(f"target {task.target}: {given[0]} is of PDEs ({', '.join(PDE_TARGETS)}); leave it out")
    if isinstance(target, Data):
        return resolve_data(task, target)
    if target.train_points:
        assert task.train_points
        target.train_points(task.train_points)  # a number that it has no points for is told now
    if is_pde:
        of_pde = {name: default if of_pde[name] is None else of_pde[name] for name, default in PDE_DEFAULTS.items()}
    return RunTask(fingerprint=target.version, **{**task.model_dump(), **of_pde, "inputs": target.inputs})


def draw(task: RunTask, seed: int) -> Splits:
    """The samples of `task` under `seed`; a TargetError if they cannot be learnt or the target's code has changed.

    A PDE is learnt and validated at points inside and on the boundary, and tested by quadrature. Of data the splits are
    by the seed (see `harness.tasks.data`).
    """
    target = load_target(task.target, task.inputs, task.instance)
    if target.version != task.fingerprint:
        what = "data" if isinstance(target, Data) else "code"
        raise TargetError(
            f"target {task.target}: its {what} changed since the plan was made; "
            "`harness plan FILE --replan` takes it as it is"
        )
    if isinstance(target, Data):
        return Splits(**split(target, task, stream(seed, "split")))
    if target.laplacian:
        return Splits(
            train=collocation(target, task, stream(seed, "train"), task.train_points),
            validation=collocation(target, task, stream(seed, "validation"), task.validation_points),
            test=quadrature(target, task.test_points),
        )
    counts = {"train": task.train_points, "validation": task.validation_points, "test": task.test_points}
    points = {name: _uniform(task, stream(seed, name), count) for name, count in counts.items()}
    if target.train_points:
        points["train"] = target.train_points(task.train_points)
    splits = Splits(**{name: _samples(task, target, x) for name, x in points.items()})
    _check_varies(task, splits.train)
    return splits


def domain_points(task: RunTask, seed: int) -> NDArray[np.float64]:
    """As many fresh points of the task's box as there are training points, [n, inputs]."""
    return _uniform(task, stream(seed, "domain"), task.train_points)


def scaled(task: RunTask, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points [n, inputs] of the task's box, moved to [-1, 1]^inputs; exact for a box that is that already."""
    low, high = np.asarray(task.low), np.asarray(task.high)
    return (2 * x - (low + high)) / (high - low)


def phases_of(train: Samples, phases: int) -> list[Samples]:
    """Training samples in `phases` groups of equal size, in the order of their first variable."""
    groups = np.split(np.argsort(train.x[:, 0], kind="stable"), phases)
    return [Samples(train.x[group], train.y[group]) for group in groups]


def _uniform(task: RunTask, generator: np.random.Generator, count: int) -> NDArray[np.float64]:
    return generator.uniform(task.low, task.high, size=(count, task.inputs))


def _samples(task: RunTask, target: Target, x: NDArray[np.float64]) -> Samples:
    return Samples(x, values(task.target, target, x)[:, None])


def _check_varies(task: RunTask, train: Samples) -> None:
    """A TargetError if all training points have one value, up to rounding."""
    low, high = train.y.min(), train.y.max()
    if len(train.y) > 1 and high - low <= ROUNDING * max(abs(low), abs(high)):
        raise TargetError(
            f"target {task.target}: value {low} at all {len(train.y)} training points, so there is nothing to learn; "
            "change the function or its box"
        )
