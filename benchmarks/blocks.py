"""A training step of a small transformer by its feed-forward block, ours beside plain PyTorch of
the same network.
"""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import torch
from torch import nn

from benchmarks import plain
from benchmarks.clock import Contestant, race
from benchmarks.engines import EXPERIMENT
from benchmarks.measures import EVALUATIONS, training
from benchmarks.report import Report
from harness.base.allocator import keep_freed_memory

WIDTH, HEADS, VOCABULARY = 64, 2, 3  # of two layers, on the three tokens of Mess3
SHAPES = ((10, 256), (64, 32))  # context and batch: of belief_geometry.yaml and of language.yaml
LANES = 2
STEPS = 5  # of a turn, after one that is not timed: training takes thousands, one after the other
ROUNDS = 9
OURS, PLAIN = "ours", "plain PyTorch"


class Block(NamedTuple):
    """`settings` describe our block of about the parameters of an MLP of 256 hidden nodes, `make`
    makes torch's.
    """

    settings: str
    make: Callable[[], nn.Module]


def _two(layer: type[nn.Module], width: int) -> nn.Module:
    return nn.Sequential(layer(WIDTH, width), layer(width, WIDTH))


BLOCKS: Mapping[str, Block] = {
    "MLP, silu": Block(
        "family: mlp, activation: silu, width: 256", partial(plain.PlainMlp, WIDTH, WIDTH, 256)
    ),
    "SwiGLU": Block(
        "family: gated_mlp, width: 170", partial(plain.PlainGatedMlp, WIDTH, WIDTH, 170)
    ),
    "KAN, G = 5": Block(
        "family: kan, grid: 5, width: 29", partial(plain.PlainKan, WIDTH, WIDTH, 29, 5)
    ),
    "rational KAN": Block(
        "family: rational_kan, width: 256", partial(_two, plain.RationalLayer, 256)
    ),
    "Chebyshev KAN": Block(
        "family: grouped_chebyshev, width: 256", partial(_two, plain.GroupedChebyshevLayer, 256)
    ),
}


def compare(folder: Path, rounds: int = ROUNDS) -> Report:
    """CPU milliseconds of a step of one network, Adam and the drawing of tokens included."""
    keep_freed_memory()  # as in a process that trains
    rows = []
    for context, batch in SHAPES:
        contestants = []
        for name, block in BLOCKS.items():
            contestants += [_ours(name, block, context, batch), _plain(name, block, context, batch)]
        timings = race(contestants, rounds)
        for name in BLOCKS:
            ours, peer = timings[f"{name}, {OURS}"], timings[f"{name}, {PLAIN}"]
            least = timings[f"MLP, silu, {PLAIN}"].cpu_ms
            rows.append(
                {
                    "block": name,
                    "context": context,
                    "batch": batch,
                    "ours_ms": ours.cpu_ms,
                    "plain_ms": peer.cpu_ms,
                    "ours_over_plain": ours.cpu_ms / peer.cpu_ms,
                    "ours_over_mlp": ours.cpu_ms / least,
                }
            )
    return Report(
        name="blocks",
        title=(
            f"A training step of a transformer (two layers of width {WIDTH}, float32), CPU "
            "milliseconds, one thread"
        ),
        table=pd.DataFrame(rows),
        shown={
            "block": "block",
            "context": "context",
            "batch": "batch",
            "ours_ms": "ours, ms",
            "plain_ms": "plain PyTorch, ms",
            "ours_over_plain": "ours ÷ plain",
            "ours_over_mlp": "ours ÷ plain MLP",
        },
        notes=[
            f"Medians of {rounds} rounds, in which everybody has a turn of {STEPS} steps; ours in "
            f"a pack of {LANES}, "
            "per network. Plain PyTorch has the same shapes in torch's own modules and "
            "torch.optim.Adam; its KAN is as "
            "efficient-kan's, with all bases by the Cox-de Boor recursion. Both draw fresh tokens "
            "at every step.",
        ],
    )


def _ours(name: str, block: Block, context: int, batch: int) -> Contestant:
    architecture = (
        f"{{family: transformer, layers: 2, width: {WIDTH}, heads: {HEADS}, block: "
        f"{{{block.settings}}}}}"
    )
    settings = {
        "task": f"{{target: mess3, context: {context}}}",
        "architecture": architecture,
        "batch": batch,
    }
    settings |= {
        "evaluations": EVALUATIONS,
        "seeds": list(range(LANES)),
        "dtype": "float32",
        "engine": "",
    }
    return _steps(f"{name}, {OURS}", training(EXPERIMENT.format(**settings), 1).run, LANES)


def _plain(name: str, block: Block, context: int, batch: int) -> Contestant:
    was = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)  # the benchmarks' own is float64
    make = partial(plain.PlainTransformer, VOCABULARY, context, WIDTH, HEADS, block.make)
    step = plain.language_model(make, VOCABULARY, context, batch).step
    torch.set_default_dtype(was)
    return _steps(f"{name}, {PLAIN}", step, 1)


def _steps(name: str, step: Callable[[], object], lanes: int) -> Contestant:
    def work() -> int:
        for _ in range(STEPS):
            step()
        return STEPS * lanes

    return Contestant(name, work, prepare=step)
