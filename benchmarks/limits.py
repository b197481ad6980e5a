"""How far the compiled kernels are from what one core can do: its matrix products, and its copying
of memory.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.clock import Contestant, once, race
from benchmarks.implementations import fused, initial, problem
from benchmarks.report import Report
from harness.families import KanShape, MlpShape, Network
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.optimisers import LevenbergMarquardt
from harness.optimisers.normal_equations import system_flops
from harness.train.fused.optimisers import levenberg

ROUNDS = 7
PRODUCT = 1024  # rows and columns of the matrices whose product is the peak
COPIED_MEGABYTES = 256  # far more than any cache
EVALUATIONS: list[tuple[Network, int]] = [
    *((KanShape(shape=(2, 5, 1), grid=grid), 1000) for grid in (5, 50, 500)),
    (KanShape(shape=(64, 64, 64), grid=5), 1024),
    *((MlpShape(shape=(2, width, width, 1)), 1000) for width in (5, 20, 100)),
]
LEVENBERG: list[tuple[Network, int]] = [
    (KanShape(shape=(2, 5, 1), grid=5), 1000),
    (KanShape(shape=(2, 5, 1), grid=100), 1000),
    (MlpShape(shape=(2, 20, 20, 1)), 1000),
]
SETTINGS = LevenbergMarquardt(name="levenberg_marquardt")
LEVENBERG_EVALUATIONS = 20


def compare(folder: Path) -> Report:
    """Gigaflops of everything, as the cheapest evaluation counts them, beside those of a matrix
    product.
    """
    contestants, megaflops = _peak()
    for network, points in EVALUATIONS:
        name = f"loss and gradient, {_words(network)}"
        contestants.append(Contestant(name, once(_evaluation(network, points))))
        megaflops[name] = (
            network.evaluation_flops("local_min", WEIGHTS[DEFAULT_WEIGHTS]) * points / 1e6
        )
    for network, points in LEVENBERG:
        name = f"Levenberg-Marquardt, {_words(network)}"
        contestants.append(Contestant(name, _levenberg(network, points)))
        step = system_flops(network.trainable, points, network.active_parameters)
        megaflops[name] = (
            network.evaluation_flops("local_min", WEIGHTS[DEFAULT_WEIGHTS]) * points + step
        ) / 1e6
    timings = race(contestants, ROUNDS)
    rows = [
        {
            "what": name,
            "cpu_us": 1000 * timing.cpu_ms,
            "megaflops": megaflops.get(name),
            "gigaflops_per_second": megaflops[name] / timing.cpu_ms if name in megaflops else None,
            "gigabytes_per_second": 2 * COPIED_MEGABYTES / timing.cpu_ms
            if name not in megaflops
            else None,
        }
        for name, timing in timings.items()
    ]
    table = pd.DataFrame(rows)
    table["share_of_peak"] = table["gigaflops_per_second"] / table["gigaflops_per_second"].iloc[0]
    return Report(
        name="limits",
        title="Distance from the limits of one core, float64",
        table=table,
        shown={
            "what": "what",
            "cpu_us": "CPU µs",
            "megaflops": "MFLOP",
            "gigaflops_per_second": "GFLOP/s",
            "share_of_peak": "of peak",
            "gigabytes_per_second": "GB/s",
        },
        notes=[
            "MFLOP are counted by closed forms (local_min: silu 9, a basis term 7); an "
            "evaluation of "
            "Levenberg-Marquardt has its normal equations and its Cholesky factorisation, each "
            "symmetric half once.",
            (
                f"The peak is torch's product of two {PRODUCT} x {PRODUCT} matrices; bytes "
                "copied are "
                "read and written."
            ),
        ],
    )


def _peak() -> tuple[list[Contestant], dict[str, float]]:
    left, right = (torch.ones(PRODUCT, PRODUCT, dtype=torch.float64) for _ in range(2))
    product = f"matrix product, {PRODUCT} x {PRODUCT}"
    source = np.ones(COPIED_MEGABYTES * 10**6 // 8)
    target = np.empty_like(source)
    contestants = [
        Contestant(product, once(lambda: torch.mm(left, right))),
        Contestant(f"copy of {COPIED_MEGABYTES} MB", once(lambda: np.copyto(target, source))),
    ]
    return contestants, {product: 2 * PRODUCT**3 / 1e6}


def _evaluation(network: Network, points: int) -> Callable[[], float]:
    return fused(network, initial(network), *_samples(network, points)).evaluate


def _levenberg(network: Network, points: int) -> Callable[[], int]:
    arguments = problem(network, *_samples(network, points))
    state = levenberg.start(SETTINGS, initial(network))

    def work() -> int:
        return levenberg.advance(SETTINGS, state, arguments, LEVENBERG_EVALUATIONS).evaluations

    return work


def _samples(network: Network, points: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(-1, 1, (points, network.shape[0]))
    return x, np.sin(3 * x).mean(1, keepdims=True) + np.zeros(network.shape[-1])


def _words(network: Network) -> str:
    nodes = f"[{','.join(map(str, network.shape))}]"
    return f"KAN {nodes} G={network.grid}" if isinstance(network, KanShape) else f"MLP {nodes}"
