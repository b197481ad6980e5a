"""What a user of plain PyTorch would write: networks of classes, one by one or as a vmapped ensemble, trained by Adam.

Legend: R lanes, N points, B points of a batch, I inputs, O outputs, C coefficients of a spline, T knots.
"""

import copy
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, stack_module_state, vmap
from torch.nn import functional as F

LEARNING_RATE = 1e-3
BETA1, BETA2, EPSILON = 0.9, 0.999, 1e-8


class PlainMlp(nn.Sequential):
    """Linear maps, and silu between them."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__(nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, outputs))


class PlainKan(nn.Sequential):
    """Dense layers of cubic splines with a silu branch, as efficient-kan has them."""

    def __init__(self, inputs: int, outputs: int, width: int, grid: int):
        super().__init__(SplineLayer(inputs, width, grid), SplineLayer(width, outputs, grid))


class SplineLayer(nn.Module):
    """All bases of all inputs by the Cox-de Boor recursion, and one product."""

    def __init__(self, inputs: int, outputs: int, grid: int, order: int = 3):
        super().__init__()
        self.order = order
        self.base = nn.Parameter(torch.randn(outputs, inputs) / inputs**0.5)
        self.coef = nn.Parameter(0.1 * torch.randn(outputs, inputs * (grid + order)) / inputs**0.5)
        self.register_buffer("knots_T", torch.arange(-order, grid + order + 1) * (2 / grid) - 1)

    def forward(self, x_BI: Tensor) -> Tensor:
        """[B, O]."""
        return F.linear(F.silu(x_BI), self.base) + F.linear(self.bases(x_BI).flatten(1), self.coef)

    def bases(self, x_BI: Tensor) -> Tensor:
        """[B, I, C]."""
        knots, x = self.knots_T, x_BI[..., None]
        bases = ((x >= knots[:-1]) & (x < knots[1:])).to(x.dtype)
        for degree in range(1, self.order + 1):
            begin, end = knots[:-degree], knots[degree:]
            rising = (x - begin[:-1]) / (end - begin)[:-1] * bases[..., :-1]
            falling = (end[1:] - x) / (end - begin)[1:] * bases[..., 1:]
            bases = rising + falling
        return bases


class Training(NamedTuple):
    """`step` trains the parameters in place, on the next batch of an order that is drawn every epoch."""

    step: Callable[[], object]
    parameters: dict[str, Tensor]


def one_network(make: Callable[[], nn.Module], x_NI: Tensor, classes_N: Tensor, batch: int) -> Training:
    """One network by backward and torch.optim.Adam."""
    model = make().to(x_NI.dtype)
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)
    indices = iter(())

    def step() -> None:
        nonlocal indices
        index_B = next(indices, None)
        if index_B is None:
            indices = iter(_whole_batches(torch.randperm(len(x_NI)), batch))
            index_B = next(indices)
        optimiser.zero_grad()
        F.cross_entropy(model(x_NI[index_B]), classes_N[index_B]).backward()
        optimiser.step()

    return Training(step, dict(model.named_parameters()))


def ensemble(make: Callable[[], nn.Module], x_NI: Tensor, classes_N: Tensor, batch: int, lanes: int) -> Training:
    """All lanes at once by torch.func.vmap of the gradient, and Adam of the stacked parameters."""
    models = [make().to(x_NI.dtype) for _ in range(lanes)]
    parameters, buffers = stack_module_state(models)
    parameters = {name: value.detach() for name, value in parameters.items()}
    stateless = copy.deepcopy(models[0]).to("meta")

    def loss(own: dict[str, Tensor], own_buffers: dict[str, Tensor], x_BI: Tensor, classes_B: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(stateless, (own, own_buffers), (x_BI,)), classes_B)

    gradients_of = vmap(grad(loss))
    adam = _StackedAdam(list(parameters.values()))
    indices = iter(())

    def step() -> None:
        nonlocal indices
        index_RB = next(indices, None)
        if index_RB is None:
            orders_RN = torch.stack([torch.randperm(len(x_NI)) for _ in range(lanes)])
            indices = iter(_whole_batches(orders_RN, batch))
            index_RB = next(indices)
        gradients = gradients_of(parameters, buffers, x_NI[index_RB], classes_N[index_RB])
        adam.step([gradients[name] for name in parameters])

    return Training(step, parameters)


def _whole_batches(orders: Tensor, batch: int) -> list[Tensor]:
    points = orders.shape[-1]
    return list(orders[..., : points // batch * batch].split(batch, -1))


class _StackedAdam:
    """Adam of many tensors by torch's operations on lists."""

    def __init__(self, values: list[Tensor]):
        self.values, self.steps = values, 0
        self.means, self.squares = list(map(torch.zeros_like, values)), list(map(torch.zeros_like, values))

    def step(self, gradients: list[Tensor]) -> None:
        self.steps += 1
        torch._foreach_lerp_(self.means, gradients, 1 - BETA1)
        torch._foreach_mul_(self.squares, BETA2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - BETA2)
        denominators = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(denominators, (1 - BETA2**self.steps) ** 0.5)
        torch._foreach_add_(denominators, EPSILON)
        torch._foreach_addcdiv_(self.values, self.means, denominators, -LEARNING_RATE / (1 - BETA1**self.steps))
