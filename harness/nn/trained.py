"""A network that an experiment has trained, as a module that takes the task's own inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from harness import families
from harness.base.errors import HarnessError
from harness.families import ModuleShape
from harness.families.module import make
from harness.nn.classes import module_of
from harness.record.networks import KeptNetwork
from harness.record.schema import Record

if TYPE_CHECKING:
    import pandas as pd


class TrainedNetwork(nn.Module):
    """A trained network: points [..., inputs] of the task in, predictions [..., outputs] out.

    Points are a tensor, an array or a pandas DataFrame. Of a table, they are rows with the columns
    as they are in the file, and predictions are in the unit of the output; values outside of what
    was trained on count as the nearer end. A DataFrame needs the columns that the network was
    trained on, as they were written in the file, in any order; it may have others, which are
    ignored. Tensors and arrays have no names, so theirs are the inputs in the order of `columns`,
    where a category and a gap have inputs of their own. Of classes, outputs are logits, in the
    order of `classes`. Columns and classes are called as they were when the network was trained.

    `record` is that of its run. Inside, `module` takes points scaled to [-1, 1]; of a network of
    your own it is an object of your class.
    """

    low: Tensor
    high: Tensor
    output: Tensor

    def __init__(self, record: Record, kept: KeptNetwork):
        super().__init__()
        task, pruned = record.run.task, record.pruned
        self.record = record
        self.columns = kept.columns
        self._encoding, self._fill = kept.encoding, kept.fill
        self.classes: NDArray[Any] | None = kept.labels
        if task.classes and kept.labels is None:
            self.classes = np.arange(task.classes)
        self.inputs: Sequence[int] = (
            pruned.inputs if pruned else range(task.inputs)
        )  # those that pruning left
        network = pruned.network if pruned else record.run.network
        parameters_1P = torch.from_numpy(kept.parameters)[None]
        knots = [torch.from_numpy(of_layer)[None] for of_layer in kept.knots]
        expected = families.parameter_count(network)
        if (number := parameters_1P.shape[1]) != expected:
            raise HarnessError(
                f"run {record.run_id}: {expected} parameters were trained, and {number} are in "
                "its file"
            )
        if isinstance(network, ModuleShape):
            self.module: nn.Module = make(network).to(parameters_1P.dtype)
            for name, value in families.unflatten(network, parameters_1P).items():
                self.module.get_parameter(name).data.copy_(value[0])
        else:
            self.module = module_of(network, parameters_1P, knots)
        self.is_data = kept.ends is not None
        low, high = (task.low, task.high) if kept.ends is None else kept.ends
        output = (1.0, 0.0) if kept.output is None else kept.output
        for name, values in {"low": low, "high": high, "output": output}.items():
            self.register_buffer(name, torch.as_tensor(values, dtype=parameters_1P.dtype))

    def forward(self, x: Tensor | ArrayLike | pd.DataFrame) -> Tensor:
        """Predictions [..., outputs] at points [..., inputs] of the task; of classes, logits."""
        points = self._points(x)
        span = self.high - self.low
        if (
            self.is_data
        ):  # of which a column may be constant, or have values that no training row had
            scaled = (2 * ((points - self.low) / torch.where(span > 0, span, 1)) - 1).clamp(
                -1, 1
            ) * (span > 0)
        else:
            scaled = (2 * points - (self.low + self.high)) / span
        factor, shift = self.output
        return factor * self.module(scaled[..., list(self.inputs)]) + shift

    def predict(self, x: Tensor | ArrayLike | pd.DataFrame) -> NDArray[Any]:
        """A number for each row, in the unit of the output; or the class of each row, as the file
        calls it.
        """
        with torch.no_grad():
            outputs = self(x).numpy(force=True)
        return outputs[..., 0] if self.classes is None else self.classes[outputs.argmax(-1)]

    def predict_proba(self, x: Tensor | ArrayLike | pd.DataFrame) -> NDArray[Any]:
        """The probability of each class [..., classes], in the order of `classes`; a HarnessError
        if there are none.
        """
        if self.classes is None:
            raise HarnessError(f"{self._subject} predicts a number, and no class: call predict")
        with torch.no_grad():
            return self(x).softmax(-1).numpy(force=True)

    def extra_repr(self) -> str:
        """Its run, what it takes in which order, and what it predicts."""
        from harness.tasks.table import some  # here, as the other networks need no tasks

        predicted = (
            "a number"
            if self.classes is None
            else f"one of {some(self.classes.astype(str).tolist())}"
        )
        return (
            f"run {self.record.run_id} of {self.record.run.task.target}; takes "
            f"{self._takes}; predicts {predicted}"
        )

    @property
    def _subject(self) -> str:
        return f"the network of run {self.record.run_id}"

    @property
    def _takes(self) -> str:
        from harness.tasks.table import MOST_COLUMNS, some

        inputs = self.record.run.task.inputs
        counted = f"{inputs} column{'s' if inputs > 1 else ''}"
        return (
            f"{counted} in the order {some(self.columns, MOST_COLUMNS)}"
            if self.columns
            else counted
        )

    def _points(self, x: Tensor | ArrayLike | pd.DataFrame) -> Tensor:
        """What was given as a tensor [..., inputs] with the dtype of the network."""
        if isinstance(x, Tensor):
            self._check_shape(x.shape)
            return x.to(self.low.dtype)
        import pandas as pd

        from harness.tasks.columns import Column, encoded_by_name, from_text

        if isinstance(x, np.ndarray | list | tuple):
            points = np.asarray(x)
            self._check_shape(points.shape)
            names = self.columns or [f"x{number}" for number in range(1, points.shape[-1] + 1)]
            rows = pd.DataFrame(points.reshape(-1, len(names)), columns=names)
            return self._tensor(
                encoded_by_name(self._subject, rows, [*map(Column, names)])
            ).reshape(points.shape)
        if not isinstance(x, pd.DataFrame):
            kinds = "a pandas DataFrame (`table.iloc[[0]]` is one row of it), an array or a tensor"
            raise HarnessError(f"{self._subject} takes {kinds}; this is of type {type(x).__name__}")
        if not self.columns:
            move = f"give an array or a tensor of {self._takes}, in the order of the task"
            raise HarnessError(f"{self._subject} knows no names of columns: {move}")
        columns = from_text(self._encoding) if self._encoding else [*map(Column, self.columns)]
        return self._tensor(encoded_by_name(self._subject, x, columns, self._fill))

    def _check_shape(self, shape: Sequence[int]) -> None:
        if not shape or shape[-1] != self.record.run.task.inputs:
            raise HarnessError(f"{self._subject} takes {self._takes}; this has shape {list(shape)}")

    def _tensor(self, points: NDArray[np.float64]) -> Tensor:
        return torch.from_numpy(points).to(self.low)
