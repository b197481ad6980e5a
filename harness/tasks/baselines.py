"""What a network must beat before anybody wins: a constant, and of data a linear model; their test
errors.

They are computed once for a task and a seed, when its samples are drawn, and kept in the results
folder beside the records.
"""

import math
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import BeforeValidator

from harness.base.frozen import Frozen, left_out_at
from harness.spec.run import content_hash, unsealed, write_sealed
from harness.spec.task import RunTask
from harness.tasks.keeping import fetch_data
from harness.tasks.loss import Quadrature
from harness.tasks.samples import Array, Samples, Splits

FOLDER = "baselines"  # in the results folder
VERSION = 1  # of how they are computed; raise it when a number changes


def _if_finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


class Baselines(Frozen):
    """Test errors in the metric of the task; None where there is none, or none that is finite.

    `constant` is of the mean of the training targets, or of their shares of classes. Of a PDE,
    whose training sees no values, it is of the mean of the solution over the test points. `linear`
    is of data alone: least squares, or logistic regression with half the squared weights added to
    the sum of the training losses (scikit-learn's C = 1). `deviation` is of a number in a table of
    the user's own: what an RMSE of 1 is in its unit, which is the standard deviation of the
    training rows.
    """

    constant: Annotated[float | None, BeforeValidator(_if_finite)]
    linear: float | None = None
    deviation: float | None = left_out_at(None)


class _Key(Frozen):
    task: RunTask
    seed: int
    version: int = VERSION


def kept_baselines(task: RunTask, seed: int, results: Path) -> Baselines:
    """The baselines of a task and seed from the results folder, or else computed and kept there, if
    it can be written.

    A TargetError where the samples cannot be drawn.
    """
    from harness.tasks import draw  # which imports all files here

    path = results / FOLDER / f"{content_hash(_Key(task=task, seed=seed))[:16]}.json"
    with suppress(OSError, ValueError):  # one that is damaged is made again
        kept = Baselines.model_validate(unsealed(path.read_text(encoding="utf-8")))
        if (
            kept.deviation or task.classes or not task.is_data_file
        ):  # else it is from before there were deviations
            return kept
    fetch_data((task,), results / "data")
    computed = baselines(task, draw(task, seed))
    with suppress(OSError):  # of a folder that others keep
        path.parent.mkdir(parents=True, exist_ok=True)
        write_sealed(path, computed)
    return computed


def baselines(task: RunTask, splits: Splits) -> Baselines:
    """The baselines of a task on its samples."""
    if task.classes:
        return _of_classes(task.classes, splits)
    test = splits.test.y[:, 0]
    if isinstance(splits.test.loss, Quadrature):
        shares = splits.test.loss.shares
        return Baselines(constant=float(np.sqrt(shares @ (test - shares @ test) ** 2)))
    if task.own_loss:
        return Baselines(constant=_of_own_loss(task, splits))
    constant = _rmse(test, splits.train.y.mean())
    if splits.scaling is None:
        return Baselines(constant=constant)
    weights, *_ = np.linalg.lstsq(_with_ones(splits.train), splits.train.y[:, 0])
    linear = _rmse(test, _with_ones(splits.test) @ weights)
    return Baselines(
        constant=constant,
        linear=linear,
        deviation=splits.scaling.scale if task.is_data_file else None,
    )


def _of_classes(classes: int, splits: Splits) -> Baselines:
    from scipy.optimize import (
        minimize,  # which takes a tenth of a second, and every command reads this folder
    )
    from scipy.special import log_softmax

    train, test = (samples.y[:, 0].astype(np.int64) for samples in (splits.train, splits.test))
    counts = np.bincount(train, minlength=classes).clip(
        min=1
    )  # a class that training has not counts as seen once
    constant = -np.log(counts / counts.sum())[test].mean()
    x, one_hot = _with_ones(splits.train), np.eye(classes)[train]

    def penalised(flat: Array) -> tuple[float, Array]:
        weights = flat.reshape(-1, classes)
        slopes = np.vstack(
            [weights[:-1], np.zeros(classes)]
        )  # the intercepts, which come last, are free
        logs = log_softmax(x @ weights, axis=1)
        loss = -(one_hot * logs).sum() + (slopes**2).sum() / 2
        gradient = x.T @ (np.exp(logs) - one_hot) + slopes
        return float(loss) / len(x), gradient.ravel() / len(x)

    fitted = minimize(
        penalised,
        np.zeros(x.shape[1] * classes),
        jac=True,
        method="L-BFGS-B",
        options={"ftol": 1e-7},
    )
    logs = log_softmax(_with_ones(splits.test) @ fitted.x.reshape(-1, classes), axis=1)
    linear = -logs[np.arange(len(test)), test].mean()
    return Baselines(constant=float(constant), linear=float(linear))


def _of_own_loss(task: RunTask, splits: Splits) -> float:
    """What a constant has, by a loss of the task's own."""
    import torch  # which other baselines are computed without

    y_1NO, loss = torch.from_numpy(splits.test.y)[None], splits.test.loss
    constant = torch.from_numpy(loss.constant_outputs(splits.train.y, task.outputs))
    of_points = loss.of_outputs(constant.expand(1, len(splits.test.y), -1), y_1NO)
    return loss.in_metric(loss.mean(of_points.flatten(1))).item()


def _with_ones(samples: Samples) -> Array:
    return np.column_stack([samples.x, np.ones(len(samples.x))])


def _rmse(test: Array, predicted: Array | float) -> float:
    return float(np.sqrt(np.mean((test - predicted) ** 2)))
