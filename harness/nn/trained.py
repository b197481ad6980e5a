"""A network that an experiment has trained, as a module that takes the task's own inputs."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from harness import families
from harness.base.errors import HarnessError
from harness.families import ModuleShape, ShapeBase
from harness.families.module import make
from harness.nn.classes import module_of
from harness.record import Record
from harness.record.networks import KeptNetwork


class TrainedNetwork(nn.Module):
    """A trained network: points [..., inputs] of the task in, predictions [..., outputs] out.

    `record` is that of its run. Of data, points are rows of the columns as they are in the file, and predictions are in
    the unit of the output; values outside of what was trained on count as the nearer end. Of classes, outputs are
    logits. Inside, `module` takes points scaled to [-1, 1]; of a network of your own it is an object of your class.
    """

    low: Tensor
    high: Tensor
    output: Tensor

    def __init__(self, record: Record, kept: KeptNetwork):
        super().__init__()
        task, pruned = record.run.task, record.pruned
        self.record = record
        self.inputs: Sequence[int] = pruned.inputs if pruned else range(task.inputs)  # those that pruning left
        network = pruned.network if pruned else record.run.network
        parameters_1P = torch.from_numpy(kept.parameters)[None]
        knots = [torch.from_numpy(of_layer)[None] for of_layer in kept.knots]
        expected = families.parameter_count(network)
        if (found := parameters_1P.shape[1]) != expected:
            raise HarnessError(f"run {record.run_id}: {expected} parameters were trained, and {found} are in its file")
        self.module: nn.Module = _module(network, parameters_1P, knots)
        self.is_data = kept.ends is not None
        low, high = (task.low, task.high) if kept.ends is None else kept.ends
        output = (1.0, 0.0) if kept.output is None else kept.output
        for name, values in {"low": low, "high": high, "output": output}.items():
            self.register_buffer(name, torch.as_tensor(values, dtype=parameters_1P.dtype))

    def forward(self, x: Tensor) -> Tensor:
        """Predictions [..., outputs] at points [..., inputs] of the task."""
        span = self.high - self.low
        if self.is_data:  # of which a column may be constant, or have values that no training row had
            scaled = (2 * ((x - self.low) / torch.where(span > 0, span, 1)) - 1).clamp(-1, 1) * (span > 0)
        else:
            scaled = (2 * x - (self.low + self.high)) / span
        factor, shift = self.output
        return factor * self.module(scaled[..., list(self.inputs)]) + shift


def _module(network: ShapeBase, parameters_1P: Tensor, knots: Sequence[Tensor]) -> nn.Module:
    if not isinstance(network, ModuleShape):
        return module_of(network, parameters_1P, knots)
    own = make(network).to(parameters_1P.dtype)
    for name, value in families.unflatten(network, parameters_1P).items():
        own.get_parameter(name).data.copy_(value[0])
    return own
