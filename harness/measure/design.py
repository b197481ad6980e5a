"""What `harness bench` measures: classes of networks, lanes, points and optimisers, from which others are predicted.

full_design("fused", "float64").shapes      # (shape, lanes)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from harness.families import Activation
from harness.measure.features import Shape, evaluation_memory
from harness.spec import Adam, KanShape, Lbfgs, LevenbergMarquardt, MlpShape, Network, Optimiser
from harness.spec.run import Dtype, Engine

# Networks and settings as experiments have them, and larger. Settings go round in a step that shares no divisor with
# their number, so that no two features rise and fall together.
KAN_SHAPES = ((1, 1), (2, 1, 1), (2, 5, 1), (4, 2, 2, 1), (2, 10, 10, 1), (16, 32, 1), (100, 1, 1))
GRIDS = (3, 5, 20, 100, 500)
MLP_WIDTHS, MLP_DEPTHS, MLP_INPUTS = (2, 5, 10, 30, 80, 200), (1, 2, 3, 5), (1, 2, 4, 100)
ACTIVATIONS: tuple[Activation, ...] = ("silu", "relu", "silu", "tanh", "gelu")
LANES, POINTS = (2, 6, 18, 32), (100, 1000, 3000)
OPTIMIZERS: tuple[Lbfgs | Adam, ...] = (Lbfgs(name="lbfgs"), Adam(name="adam"), Adam(name="adam", batch_size=64))
SETTINGS_STEP = 7
LARGEST_SCALARS = 2e7  # in memory: a larger ensemble would take the time of many others
# Levenberg-Marquardt is for networks of up to some hundreds of parameters.
LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")
LEVENBERG_KANS = {
    (1, 1): (5, 100, 400),
    (2, 1, 1): (5, 50, 200),
    (2, 5, 1): (3, 10, 40),
    (4, 2, 2, 1): (5, 20, 50),
    (2, 3, 3, 1): (5, 20),
}
LEVENBERG_MLPS = ((2, 10, 1), (2, 5, 5, 1), (2, 10, 10, 1), (4, 15, 15, 1), (1, 100, 1), (2, 10, 10, 10, 1))
LEVENBERG_LANES, LEVENBERG_POINTS = (2, 6), ((100, 1000), (300, 3000))
# Of orders but cubic the fused engine has no closed form, and none of cubic bases on unequal knots.
RECURSION_SHAPES, RECURSION_ORDERS = ((2, 5, 1), (2, 10, 10, 1)), (1, 2, 3, 5)
KNOT_SHAPES, KNOT_GRIDS = ((1, 1), (2, 5, 1), (4, 2, 2, 1)), (3, 20, 100, 400)
PACKS: dict[Engine, tuple[tuple[int, int], ...]] = {
    "torch": ((1, 1), (8, 1), (32, 1)),
    "fused": ((1, 1), (8, 1), (1, 32), (8, 32)),
}


class Design(NamedTuple):
    """What an engine is measured with.

    (shape, lanes) of classes; network, lanes, points, `refined`, dtype of knots; (runs, evaluations) of packs.
    """

    engine: Engine
    shapes: tuple[tuple[Shape, int], ...]
    knots: tuple[tuple[KanShape, int, int, bool, Dtype], ...]
    packs: tuple[tuple[int, int], ...]


def full_design(engine: Engine, dtype: Dtype) -> Design:
    """What `harness bench` measures."""
    shapes = [*_first_order(engine, dtype), *_least_squares(engine, dtype)]
    if engine == "fused":
        shapes += _recursions(dtype)
    shapes = [(shape, lanes) for shape, lanes in shapes if held_scalars(engine, shape, lanes) < LARGEST_SCALARS]
    knots: list[tuple[KanShape, int, int, bool, Dtype]] = []
    for index, (nodes, grid) in enumerate(itertools.product(KNOT_SHAPES, KNOT_GRIDS)):
        kan, lanes = KanShape(shape=nodes, grid=grid), LANES[index % 2] if engine == "torch" else 1
        knots.append((kan, lanes, POINTS[index % len(POINTS)], False, dtype))
        knots.append((kan, lanes, grid + kan.order, True, dtype))
    return Design(engine, tuple(dict.fromkeys(shapes)), tuple(knots), PACKS[engine])


def _first_order(engine: Engine, dtype: Dtype) -> Iterator[tuple[Shape, int]]:
    """L-BFGS and Adam, two settings a network.

    The fused engine's activations differ in price; a linear network comes to its end in a few evaluations of L-BFGS.
    """
    networks: list[Network] = [KanShape(shape=nodes, grid=grid) for nodes in KAN_SHAPES for grid in GRIDS]
    for index, (width, depth) in enumerate(itertools.product(MLP_WIDTHS, MLP_DEPTHS)):
        inputs = MLP_INPUTS[(index + index // len(MLP_DEPTHS)) % len(MLP_INPUTS)]
        activation = ACTIVATIONS[index % len(ACTIVATIONS)] if engine == "fused" else "silu"
        if engine == "torch" or depth > 1:
            networks.append(MlpShape(shape=(inputs, *[width] * (depth - 1), 1), activation=activation))
    settings = list(itertools.product(LANES if engine == "torch" else (1,), POINTS, OPTIMIZERS))
    for index, network in enumerate(networks * 2):
        lanes, points, optimizer = settings[SETTINGS_STEP * index % len(settings)]
        yield class_shape(network, points, optimizer, dtype), lanes


def _least_squares(engine: Engine, dtype: Dtype) -> Iterator[tuple[Shape, int]]:
    networks: list[Network] = [
        KanShape(shape=nodes, grid=grid) for nodes, grids in LEVENBERG_KANS.items() for grid in grids
    ]
    networks += [MlpShape(shape=nodes) for nodes in LEVENBERG_MLPS]
    for index, network in enumerate(networks):
        few, many = LEVENBERG_POINTS[index % 2 if engine == "fused" else 0]
        lanes = LEVENBERG_LANES if engine == "torch" else (1, 1)
        yield class_shape(network, few, LEVENBERG, dtype), lanes[index % 2]
        yield class_shape(network, many, LEVENBERG, dtype), lanes[1 - index % 2]


def _recursions(dtype: Dtype) -> Iterator[tuple[Shape, int]]:
    for index, (nodes, order) in enumerate(itertools.product(RECURSION_SHAPES, RECURSION_ORDERS)):
        network = KanShape(shape=nodes, grid=20, order=order)
        shape = class_shape(network, POINTS[index % 2], OPTIMIZERS[index % 2], dtype)
        yield shape.model_copy(update={"has_equal_knots": order != 3}), 1


def class_shape(network: Network, points: int, optimizer: Optimiser, dtype: Dtype) -> Shape:
    """The shape of a class that is trained on `points` points."""
    batch = optimizer.batch_size if isinstance(optimizer, Adam) else None
    return Shape(
        network=network,
        samples=min(batch or points, points),
        train_points=points,
        optimizer=optimizer.name,
        history=optimizer.history if isinstance(optimizer, Lbfgs) else 0,
        dtype=dtype,
    )


def held_scalars(engine: Engine, shape: Shape, lanes: int) -> float:
    """How many numbers a process holds at the peak of an evaluation, more or less."""
    return sum(evaluation_memory(engine, shape, lanes).values())
