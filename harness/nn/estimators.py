"""KANs and MLPs as scikit-learn's estimators: `KANRegressor().fit(X, y).predict(X)`.

A fit is a run of an experiment: the same engines train it, and inputs and targets are scaled as
those of a table. It is one network with the settings that were given, not the answer of a search:
`harness.new` compares.
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError, did_you_mean
from harness.nn.classes import KAN, MLP, module_of
from harness.optimisers import Adam, Lbfgs
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import RunTask
from harness.tasks import Samples, Splits
from harness.tasks.data import spanning
from harness.tasks.loss import CROSS_ENTROPY, SQUARES
from harness.train import fused_engine, torch_threads
from harness.train.lanes import ended

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import check_is_fitted, validate_data
except ImportError as error:
    raise HarnessError(
        f"estimators need scikit-learn ({error}); pip install -e '.[data]'"
    ) from None

EVALUATIONS_AT_A_TIME = 50  # between which Ctrl-C is heard
OBSERVED = 100  # rows on which the errors of a run are computed, which nobody reads here


class _Network(BaseEstimator, ABC):
    """What regressors and classifiers share. Subclasses say the module and its settings."""

    hidden: Sequence[int]
    optimizer: Literal["lbfgs", "adam"]
    max_evaluations: int
    random_state: int

    def __new__(cls, *_: Any, **given: Any) -> Self:
        """A setting that there is none of is told by the class and the settings that it has."""
        settings = list(inspect.signature(cls).parameters)
        for name in given:
            if name not in settings:
                raise TypeError(
                    f"{cls.__name__}({name}={given[name]!r}): no such setting; "
                    f"{did_you_mean(name, settings)}"
                )
        return super().__new__(cls)

    @abstractmethod
    def _module(self, shape: Sequence[int]) -> KAN | MLP:
        """The network that is trained, of these nodes from inputs to outputs."""

    def _fit(self, x: np.ndarray, y: np.ndarray, classes: int | None) -> None:
        """Train on points x [n, inputs] and values or numbers of classes y [n]."""
        self.low_, self.high_ = x.min(0), x.max(0)
        scaled = spanning(x, self.low_, self.high_)
        network = self._module((x.shape[1], *self.hidden, classes or 1)).network
        loss = CROSS_ENTROPY if classes else SQUARES
        train = Samples(scaled, y[:, None], loss)
        observed = Samples(scaled[:OBSERVED], y[:OBSERVED, None], loss)
        box = {"low": -1.0, "high": 1.0}
        counts = {
            "train_points": len(x),
            "validation_points": len(observed.x),
            "test_points": len(observed.x),
        }
        task = RunTask(
            target="data",
            fingerprint="given to fit",
            inputs=x.shape[1],
            classes=classes,
            **box,
            **counts,
        )
        optimisers = {"lbfgs": Lbfgs(name="lbfgs"), "adam": Adam(name="adam", learning_rate=0.01)}
        if self.optimizer not in optimisers:
            raise ValueError(f"optimizer={self.optimizer!r}; write one of {', '.join(optimisers)}")
        recipe = Recipe(optimizer=optimisers[self.optimizer], max_evaluations=self.max_evaluations)
        run = RunSpec(
            task=task, network=network, recipe=recipe, seed=self.random_state, engine="fused"
        )
        with torch_threads(1):
            pack = fused_engine.prepare([run], "cpu", [Splits(train, observed, observed)])
            state = fused_engine.begin(pack)
            while not ended(pack, state):
                state = fused_engine.advance(pack, state, EVALUATIONS_AT_A_TIME)
            (trained,) = fused_engine.trained(pack, state)
        if state.optimiser.diverged_R.any():
            raise HarnessError("training diverged; give other settings, such as another optimizer")
        self.network_ = module_of(
            trained.network, trained.position_P[None], [knots[None] for knots in trained.knots]
        )

    def _outputs(self, x: ArrayLike) -> np.ndarray:
        """What the network gives at points x [n, inputs], as [n, outputs]."""
        check_is_fitted(self)
        points = validate_data(self, x, dtype=np.float64, reset=False)
        with torch.no_grad():
            return self.network_(torch.from_numpy(spanning(points, self.low_, self.high_))).numpy()


class _Regressor(RegressorMixin, _Network):
    def fit(self, X: ArrayLike, y: ArrayLike) -> _Regressor:
        """Train on points X [n, inputs] and values y [n]."""
        x, values = validate_data(self, X, y, dtype=np.float64, y_numeric=True)
        values = values.astype(np.float64)
        self.centre_, self.scale_ = values.mean(), values.std() or 1.0
        self._fit(x, (values - self.centre_) / self.scale_, None)
        return self

    def predict(self, X: ArrayLike) -> np.ndarray:
        """Values [n] at points X [n, inputs]."""
        return self._outputs(X)[:, 0] * self.scale_ + self.centre_


class _Classifier(ClassifierMixin, _Network):
    def fit(self, X: ArrayLike, y: ArrayLike) -> _Classifier:
        """Train on points X [n, inputs] and classes y [n]."""
        x, labels = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(labels)
        self.classes_, numbers = np.unique(labels, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"y has one class, {self.classes_[0]!r}; a classifier needs two or more"
            )
        self._fit(x, numbers.astype(np.float64), len(self.classes_))
        return self

    def predict_proba(self, X: ArrayLike) -> np.ndarray:
        """The probability of each class [n, classes], in the order of `classes_`."""
        return torch.from_numpy(self._outputs(X)).softmax(-1).numpy()

    def predict(self, X: ArrayLike) -> np.ndarray:
        """The likeliest class [n]."""
        outputs = self._outputs(X)
        return self.classes_[outputs.argmax(-1)]


@dataclass(eq=False, repr=False)
class _OfKan(_Network):
    hidden: Sequence[int] = (5,)
    grid: int = 3
    order: int = 3
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    max_evaluations: int = 200
    random_state: int = 0

    def _module(self, shape: Sequence[int]) -> KAN:
        return KAN(shape, self.grid, self.order, generator=0, dtype=torch.float64)


@dataclass(eq=False, repr=False)
class _OfMlp(_Network):
    hidden: Sequence[int] = (32, 32)
    activation: Literal["silu", "relu", "tanh", "gelu"] = "silu"
    optimizer: Literal["lbfgs", "adam"] = "lbfgs"
    max_evaluations: int = 200
    random_state: int = 0

    def _module(self, shape: Sequence[int]) -> MLP:
        return MLP(shape, activation=self.activation, generator=0, dtype=torch.float64)


class KANRegressor(_Regressor, _OfKan):
    """A KAN with `hidden` layers and splines of `order` on `grid` intervals, trained on all rows.

    It stops after `max_evaluations` of the loss. `random_state` is a seed, which nothing else
    changes.
    """


class KANClassifier(_Classifier, _OfKan):
    """A KAN that learns classes by cross-entropy; see `KANRegressor`."""


class MLPRegressor(_Regressor, _OfMlp):
    """A multilayer perceptron with `hidden` layers, trained on all rows; see `KANRegressor`."""


class MLPClassifier(_Classifier, _OfMlp):
    """A multilayer perceptron that learns classes by cross-entropy; see `KANRegressor`."""
