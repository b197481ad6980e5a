"""Factories as a user of `harness match FACTORY` may write them, right ones and wrong ones."""

import torch
import torch.nn.functional as F
from torch import nn

INPUTS, OUTPUTS, TOKENS, CONTEXT = 3, 2, 11, 16


def linear(width):
    return nn.Sequential(nn.Linear(INPUTS, width), nn.ReLU(), nn.Linear(width, OUTPUTS))


def thicker(width, extra=1):
    return nn.Sequential(linear(width), *(nn.Linear(OUTPUTS, OUTPUTS) for _ in range(extra)))


class Silent(nn.Sequential):
    """A stack whose outputs are no tensor that a backward pass could begin at."""

    def forward(self, x):
        return {"words", len(super().forward(x))}


def silent(width):
    return Silent(linear(width))


def convolved(width):
    """`linear`, of one position: kernels of width 1."""
    return nn.Sequential(nn.Conv1d(INPUTS, width, 1), nn.ReLU(), nn.Conv1d(width, OUTPUTS, 1))


class Block(nn.Module):
    """Attention of one head, and a feed-forward block, each after its normalisation."""

    def __init__(self, width):
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.inside, self.outside = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        q, k, v = self.inside(self.norms[0](x)).chunk(3, dim=-1)
        x = x + self.outside(F.scaled_dot_product_attention(q, k, v, is_causal=True))
        return x + self.down(F.gelu(self.up(self.norms[1](x))))


class Transformer(nn.Module):
    """A causal one, of tokens."""

    def __init__(self, width, layers):
        super().__init__()
        self.tokens, self.positions = nn.Embedding(TOKENS, width), nn.Embedding(CONTEXT, width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(layers)))
        self.norm, self.logits = nn.LayerNorm(width), nn.Linear(width, TOKENS)

    def forward(self, tokens):
        x = self.tokens(tokens) + self.positions(torch.arange(CONTEXT))
        return self.logits(self.norm(self.blocks(x)))


def transformer(width, layers=1):
    return Transformer(width, layers)


def tied(width):
    """Two layers that share one matrix, and one that is not trained."""
    first, second, frozen = (nn.Linear(width, width, bias=False) for _ in range(3))
    second.weight = first.weight
    return nn.Sequential(nn.Linear(INPUTS, width), first, second, frozen.requires_grad_(False))


class Told(nn.Module):
    """Does `what` with the outputs of a linear map."""

    def __init__(self, what, width=4):
        super().__init__()
        self.map, self.what = nn.Linear(INPUTS, width), what

    def forward(self, x):
        return self.what(self.map(x))


def picked(width):
    return Told(lambda y: y.topk(2).values.erfinv(), width)


def priced(width):
    return picked(width)


def asking(width):
    return Told(lambda y: y if y.max() > 0 else -y, width)


def masked(width):
    """As a mixture of experts may route."""
    return Told(lambda y: y[y > 0], width)


def divided(width):
    return nn.MultiheadAttention(width, 8)


def deep(width, depth):
    return thicker(width, depth)


def misfitting(width):
    return Told(nn.Linear(width + 1, 1), width)


def heads(width):
    if width % 8:
        raise ValueError("8 heads must divide the width")
    return linear(width)


def untrained(width):
    return linear(width).requires_grad_(False)


def listed(width):
    return [linear(width)]


def fixed(width):
    return linear(7)


def bare(width):
    return linear(width)


def failing(width):
    return linear(width)


def empty(width):
    return linear(width)


def points():
    return torch.zeros(5, INPUTS)


def sequences():
    """So many that what is done once a batch, the mask of attention, has no share in a token."""
    return torch.zeros(50_000, CONTEXT, dtype=torch.long)


OF_POINTS = (
    linear,
    thicker,
    tied,
    picked,
    priced,
    asking,
    masked,
    divided,
    deep,
    misfitting,
    heads,
    untrained,
    listed,
)
for factory in (*OF_POINTS, fixed, silent):
    factory.example = points
convolved.example = lambda: torch.zeros(5, INPUTS, 1)
transformer.example = sequences
priced.prices = {"topk": 3, "erfinv": 7}
failing.example = lambda: torch.zeros(5) @ torch.zeros(6)
empty.example = lambda: "a batch"
