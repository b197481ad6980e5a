"""What a user of plain PyTorch would write: networks of classes, one by one or as a vmapped
ensemble, trained by Adam.

Legend: R lanes, N points, B points of a batch, I inputs, O outputs, C coefficients of a spline, T
knots.
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
    """`step` trains the parameters in place, on the next batch of an order that is drawn every
    epoch.
    """

    step: Callable[[], object]
    parameters: dict[str, Tensor]


def one_network(
    make: Callable[[], nn.Module], x_NI: Tensor, classes_N: Tensor, batch: int
) -> Training:
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


def ensemble(
    make: Callable[[], nn.Module], x_NI: Tensor, classes_N: Tensor, batch: int, lanes: int
) -> Training:
    """All lanes at once by torch.func.vmap of the gradient, and Adam of the stacked parameters."""
    models = [make().to(x_NI.dtype) for _ in range(lanes)]
    parameters, buffers = stack_module_state(models)
    parameters = {name: value.detach() for name, value in parameters.items()}
    stateless = copy.deepcopy(models[0]).to("meta")

    def loss(
        own: dict[str, Tensor], own_buffers: dict[str, Tensor], x_BI: Tensor, classes_B: Tensor
    ) -> Tensor:
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
        self.means, self.squares = (
            list(map(torch.zeros_like, values)),
            list(map(torch.zeros_like, values)),
        )

    def step(self, gradients: list[Tensor]) -> None:
        self.steps += 1
        torch._foreach_lerp_(self.means, gradients, 1 - BETA1)
        torch._foreach_mul_(self.squares, BETA2)
        torch._foreach_addcmul_(self.squares, gradients, gradients, 1 - BETA2)
        denominators = torch._foreach_sqrt(self.squares)
        torch._foreach_div_(denominators, (1 - BETA2**self.steps) ** 0.5)
        torch._foreach_add_(denominators, EPSILON)
        torch._foreach_addcdiv_(
            self.values, self.means, denominators, -LEARNING_RATE / (1 - BETA1**self.steps)
        )


# --------------------------------------------------------------------------------------------------
# transformers
class PlainGatedMlp(nn.Module):
    """SwiGLU with biases."""

    def __init__(self, inputs: int, outputs: int, width: int):
        super().__init__()
        self.gated, self.gate, self.out = (
            nn.Linear(inputs, width),
            nn.Linear(inputs, width),
            nn.Linear(width, outputs),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Of points [B, I]: [B, O]."""
        return self.out(F.silu(self.gated(x)) * self.gate(x))


class RationalLayer(nn.Module):
    """P / (1 + |Q|) of every input, Q that of its group, and a linear map: GR-KAN by Horner's
    scheme.
    """

    def __init__(
        self, inputs: int, outputs: int, numerator: int = 5, denominator: int = 4, groups: int = 8
    ):
        super().__init__()
        self.numerator = nn.Parameter(0.1 * torch.randn(numerator + 1))
        self.denominator = nn.Parameter(0.1 * torch.randn(groups, denominator))
        self.linear = nn.Linear(inputs, outputs)
        self.of_group = inputs // groups

    def forward(self, x: Tensor) -> Tensor:
        """Of points [B, I]: [B, O]."""
        p = self.numerator[-1]
        for coefficient in self.numerator[:-1].flip(0):
            p = p * x + coefficient
        by_degree = self.denominator.repeat_interleave(self.of_group, 0).unbind(1)
        q = by_degree[-1]
        for coefficients in by_degree[-2::-1]:
            q = q * x + coefficients
        return self.linear(p / (1 + (q * x).abs()))


class GroupedChebyshevLayer(nn.Module):
    """A Chebyshev series of tanh x in every group of inputs, by the recurrence, and a linear
    map.
    """

    def __init__(self, inputs: int, outputs: int, degree: int = 5, groups: int = 8):
        super().__init__()
        self.series = nn.Parameter(0.1 * torch.randn(groups, degree + 1))
        self.linear = nn.Linear(inputs, outputs)
        self.of_group = inputs // groups

    def forward(self, x: Tensor) -> Tensor:
        """Of points [B, I]: [B, O]."""
        by_degree = self.series.repeat_interleave(self.of_group, 0).unbind(1)
        t = torch.tanh(x)
        before, now = torch.ones_like(t), t
        value = by_degree[0] + by_degree[1] * t
        for coefficients in by_degree[2:]:
            before, now = now, 2 * t * now - before
            value = value + coefficients * now
        return self.linear(value)


class PlainTransformer(nn.Module):
    """A decoder as GPT-2's, of torch's own modules, with two layers of attention and a block
    each.
    """

    def __init__(
        self,
        vocabulary: int,
        context: int,
        width: int,
        heads: int,
        make_block: Callable[[], nn.Module],
    ):
        super().__init__()
        self.token, self.position = (
            nn.Embedding(vocabulary, width),
            nn.Parameter(0.02 * torch.randn(context, width)),
        )
        self.layers = nn.ModuleList(PlainLayer(width, heads, make_block()) for _ in range(2))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, vocabulary)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        """Logits of the next token at each position, [B, T, V]."""
        h = self.token(tokens_BT) + self.position
        for layer in self.layers:
            h = layer(h)
        return self.logits(self.norm(h))


class PlainLayer(nn.Module):
    """Attention and a block, each after a norm."""

    def __init__(self, width: int, heads: int, block: nn.Module):
        super().__init__()
        self.norm, self.block_norm, self.block, self.heads = (
            nn.LayerNorm(width),
            nn.LayerNorm(width),
            block,
            heads,
        )
        self.query, self.key, self.value, self.out = (nn.Linear(width, width) for _ in range(4))

    def forward(self, h_BTD: Tensor) -> Tensor:
        """The residual stream after it."""
        normed = self.norm(h_BTD)
        by_head = [
            one(normed).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for one in (self.query, self.key, self.value)
        ]
        seen = F.scaled_dot_product_attention(*by_head, is_causal=True)
        h_BTD = h_BTD + self.out(seen.transpose(1, 2).flatten(2))
        return h_BTD + self.block(self.block_norm(h_BTD).flatten(0, 1)).view_as(h_BTD)


def language_model(
    make: Callable[[], PlainTransformer], vocabulary: int, context: int, batch: int
) -> Training:
    """A transformer by backward and torch.optim.Adam, on random tokens that are drawn at every
    step.
    """
    model = make()
    optimiser = torch.optim.Adam(model.parameters(), LEARNING_RATE)

    def step() -> None:
        tokens_BT = torch.randint(vocabulary, (batch, context + 1))
        optimiser.zero_grad()
        F.cross_entropy(
            model(tokens_BT[:, :-1]).flatten(0, 1), tokens_BT[:, 1:].flatten()
        ).backward()
        optimiser.step()

    return Training(step, dict(model.named_parameters()))
