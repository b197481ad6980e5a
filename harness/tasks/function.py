"""Functions on a box, learnt from their values at uniform points."""

import inspect
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from harness.base.errors import at, did_you_mean
from harness.base.frozen import alone_or_many
from harness.base.user_code import calling_user_code, user_module, version_of
from harness.spec.task import RunTask, Task
from harness.tasks.loss import SQUARES, Loss, Observation, OwnLoss
from harness.tasks.samples import Array, Samples, Splits, stream, uniform
from harness.tasks.target import Target, TargetError

Values = Callable[[Array], Array]

# A function is called a second time on so many points, but at most half, so that what hangs on all
# of them differs.
CALLED_AGAIN = 64
# The two calls may differ by so much, of a value and of the mean size of all. Not the same bits: a
# function rounds otherwise where the same point lies elsewhere in a vector register or a block of
# BLAS, about 1e-16 in float64 and 1e-7 in float32, and cancellation makes that larger. What depends
# on chance or on other points differs by far more.
SAME = 1e-5
# What torch's functions and methods say to an array.
WANTS_TENSOR = r"must be Tensor, not numpy\.ndarray|'numpy\.ndarray' object has no attribute"
# What numpy says to code that was written for one number: of math.sin, and of `if`.
NOT_VECTORISED = r"only .* arrays can be converted to Python scalars|truth value of an array"
# Values that differ by no more than this share of them are one value.
ROUNDING = 1e-14


@dataclass(frozen=True)
class Function(Target):
    """A target whose `function` maps points [n, inputs] to values [n] in float64.

    Where training points are not drawn, `train_points` gives so many of them, [n, inputs], the same
    under every seed. A function that `is_standardised` is known to be finite and to vary, wherever
    its points fall. Its values are learnt by `loss`, and `observations` are made beside those of
    the loss.
    """

    function: Values
    inputs: int
    formula: str
    source: str
    version: str = "1"
    train_points: Callable[[int], Array] | None = None
    only_box: str = ""
    is_standardised: bool = False
    loss: Loss = SQUARES
    observations: tuple[Observation, ...] = ()
    can_be_noisy: ClassVar[bool] = True

    def resolve(self, task: Task) -> RunTask:
        """The task with its number of variables and the function's version."""
        if self.train_points:
            assert task.train_points
            self.train_points(task.train_points)  # a number that it has no points for is told now
        settings = {name: getattr(task, name) or default for name, default in self.settings.items()}
        own_loss = None if self.loss == SQUARES else self.loss.metric
        fields = {**task.model_dump(), **settings, "inputs": self.inputs}
        return RunTask(fingerprint=self.version, own_loss=own_loss, **fields)

    def check(self, task: RunTask, seed: int) -> None:
        """Draws the samples, unless the function is standardised: a random field of 16 variables
        takes seconds.
        """
        if not self.is_standardised:
            super().check(task, seed)

    def draw(self, task: RunTask, seed: int) -> Splits:
        """Uniform points of the box, from a stream for each split, with the function's values."""
        counts = {
            "train": task.train_points,
            "validation": task.validation_points,
            "test": task.test_points,
        }
        points = {name: uniform(task, seed, name, count) for name, count in counts.items()}
        if self.train_points:
            points["train"] = self.train_points(task.train_points)
        train, validation, test = (
            Samples(x, values(task.target, self, x)[:, None], self.loss) for x in points.values()
        )
        _check_varies(task, train)
        if task.label_noise:
            deviation, generator = task.label_noise * train.y.std(), stream(seed, "noise")
            train, validation = (
                replace(
                    samples, y=samples.y + deviation * generator.standard_normal(samples.y.shape)
                )
                for samples in (train, validation)
            )
        return Splits(train, validation, test, observations=self.observations)


def of_columns(function: Callable[..., Array], inputs: int, formula: str, source: str) -> Function:
    """A function of so many variables, which it takes as an array [n] each."""
    return Function(lambda x: function(*x.T), inputs, formula, source)


def values(reference: str, target: Function, x: Array) -> Array:
    """The target's values [n] at points x [n, inputs], of which it gets a copy; a TargetError if
    they cannot be learnt.

    That is so if one is not finite, or if a second call on some of the points, in another order,
    gives other values: a run's identity fixes what it learns.
    """
    where = f"target {reference}"
    y = _called(where, target.function, x)
    if not np.isfinite(y).all():
        worst = np.isfinite(y).argmin()
        finite = "choose low and high so that it is finite on the whole box"
        raise TargetError(f"{where}: value {y[worst]} at x={x[worst].tolist()}; {finite}")
    some = np.random.default_rng(0).permutation(min(CALLED_AGAIN, max(1, len(x) // 2)))
    again, scale = _called(where, target.function, x[some]), np.abs(y).mean()
    if not np.allclose(again, y[some], rtol=SAME, atol=SAME * scale):
        worst = np.abs(again - y[some]).argmax()
        raise TargetError(
            f"{where}: {y[some][worst]} and then {again[worst]} at the same "
            f"x={x[some][worst].tolist()}, called "
            "with fewer points in another order; a value must depend on its own point alone, not "
            "on chance, earlier "
            "calls or other points"
        )
    return y


def _called(where: str, function: Values, x: Array) -> Array:
    """The function's values [n] as a new array of float64."""
    count = len(x)
    try:
        with _guarded(where, x):
            returned = _given(function, x)
    except TargetError as error:
        if not re.search(NOT_VECTORISED, str(error)):
            raise
        advice = (
            f"x has {count:,} rows, so use numpy's functions (np.sin for math.sin, np.where for if)"
        )
        raise TargetError(f"{error}; vectorise: {advice}") from error.__cause__
    with _guarded(where, x):
        y = np.asarray(returned)
        if isinstance(returned, np.ma.MaskedArray):
            raise TargetError(
                f"{where}: a masked array returned; return plain numbers, and choose a box that "
                "has them"
            )
        if y.dtype.kind not in "biuf":
            raise TargetError(
                f"{where}: values of dtype {y.dtype} returned; return bool, integer or float"
            )
        if y.shape not in ((count,), (count, 1)):
            allowed = f"return ({count},) or ({count}, 1)"
            raise TargetError(
                f"{where}: shape {y.shape} returned for x of shape {x.shape}; {allowed}"
            )
        return y.reshape(count).astype(np.float64)


def _given(function: Values, x: Array) -> Any:
    """What the function returns; one of torch, which takes no array, gets a tensor and returns
    one.
    """
    try:
        return function(x.copy())
    except (TypeError, AttributeError) as error:
        if not re.search(WANTS_TENSOR, str(error)):
            raise
    import torch  # here, as other functions are drawn without it

    returned: Any = function(torch.from_numpy(x.copy()))  # type: ignore[arg-type]
    return returned.numpy(force=True) if isinstance(returned, torch.Tensor) else returned


def _guarded(where: str, x: Array) -> AbstractContextManager[object]:
    """Around code that may be the user's, whose names have a colon; ours need no guard, which takes
    a millisecond.
    """
    return (
        calling_user_code(f"{where}, for x of shape {x.shape}", TargetError)
        if ":" in where
        else nullcontext()
    )


def _check_varies(task: RunTask, train: Samples) -> None:
    """A TargetError if all training points have one value, up to rounding."""
    low, high = train.y.min(), train.y.max()
    if len(train.y) > 1 and high - low <= ROUNDING * max(abs(low), abs(high)):
        raise TargetError(
            f"target {task.target}: value {low} at all {len(train.y)} training points, so there "
            "is nothing to learn; "
            "change the function or its box"
        )


# ------------------------------------------------------------------------------------------------
# of the user's own
def load_user_target(reference: str, inputs: int | None) -> Function:
    """The user's function at `package.module:function`, found from the current folder as well as
    the Python path.

    It is identified by its source, so that edited code is a new task.
    """
    module_name, _, function_name = reference.partition(":")
    if inputs is None:
        example = f"{{target: {reference}, inputs: 2}}"
        raise TargetError(f"target {reference}: say how many variables it has, such as {example}")
    module = user_module(reference, "target", TargetError)
    with calling_user_code(f"target {reference}", TargetError):
        function = getattr(module, function_name, None)
        if not callable(function):
            functions = [name for name, value in vars(module).items() if inspect.isfunction(value)]
            hint = did_you_mean(function_name, functions)
            raise TargetError(
                f"target {reference}: {module_name} has no function {function_name!r}; {hint}"
            )
        formula = (inspect.getdoc(function) or reference).splitlines()[0]
    version = version_of(function, reference, "target", TargetError)
    loss, observations = (
        getattr(function, "loss", SQUARES),
        alone_or_many(getattr(function, "observations", ())),
    )
    for attribute, kind in (
        (loss, Loss),
        *((observation, Observation) for observation in observations),
    ):
        if not isinstance(attribute, kind):
            derived = f"give an object of a class that is derived from {kind.__name__}"
            raise TargetError(f"target {reference}: {attribute!r} is no {kind.__name__}; {derived}")
    if not hasattr(loss, "metric"):
        raise TargetError(
            f"target {reference}: {type(loss).__name__} has no `metric`, the name of its "
            "mean; add it"
        )
    names = [observation.name for observation in (*loss.observations, *observations)]
    for name in names:
        if names.count(name) > 1:
            raise TargetError(
                f"target {reference}: two of its observations have the name {name!r}; rename one"
            )
    if isinstance(loss, OwnLoss):
        with at(f"target {reference}"):
            loss.check()
    return Function(
        function,
        inputs,
        formula,
        source=reference,
        version=version,
        loss=loss,
        observations=observations,
    )
