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

    `record` is that of its run. Inside, `module` takes the box of the task scaled to [-1, 1]; of a network of your own
    it is an object of your class. Of a task with classes, outputs are logits.
    """

    low: Tensor
    high: Tensor

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
        for name, bound in (("low", task.low), ("high", task.high)):
            ends = torch.tensor(bound, dtype=parameters_1P.dtype).expand(task.inputs).clone()
            self.register_buffer(name, ends)

    def forward(self, x: Tensor) -> Tensor:
        """Predictions [..., outputs] at points [..., inputs] of the task."""
        scaled = (2 * x - (self.low + self.high)) / (self.high - self.low)
        return self.module(scaled[..., list(self.inputs)])


def _module(network: ShapeBase, parameters_1P: Tensor, knots: Sequence[Tensor]) -> nn.Module:
    if not isinstance(network, ModuleShape):
        return module_of(network, parameters_1P, knots)
    own = make(network).to(parameters_1P.dtype)
    for name, value in families.unflatten(network, parameters_1P).items():
        own.get_parameter(name).data.copy_(value[0])
    return own
