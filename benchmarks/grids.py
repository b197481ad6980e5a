"""Made-up runs of isoFLOP budgets, as language models have them, and the chance of a scenario."""

import zlib
from typing import NamedTuple

import numpy as np

SD = 0.005  # of ln loss between runs of a language model


def generator(name: str) -> np.random.Generator:
    """Random numbers of a scenario."""
    return np.random.default_rng(zlib.crc32(name.encode()))


class Grid(NamedTuple):
    """Runs of isoFLOP budgets: sizes, tokens, compute and true ln loss of each."""

    n: np.ndarray
    d: np.ndarray
    compute: np.ndarray
    log_loss: np.ndarray


def isoflop_grid(
    budgets: int, ratio: float = 10**0.5, sizes: int = 9, bend: float = 0.0, late: bool = False
) -> Grid:
    """Budgets of compute with sizes about the best; `bend` lowers ln loss by the square of ln
    compute.

    A `late` bend begins at the last budget but one.
    """
    compute = np.repeat(1e18 * ratio ** np.arange(budgets), sizes)
    n = 0.3 * np.sqrt(compute / 6) * np.tile(np.geomspace(0.25, 4, sizes), budgets)
    d = compute / 6 / n
    along = np.log(compute / compute[0])
    if late:
        along = np.maximum(along - np.log(ratio) * (budgets - 2), 0)
    return Grid(n, d, compute, np.log(1.8 + 480 * n**-0.35 + 2100 * d**-0.37) - bend * along**2)
