"""What an evaluation, a pack or a move of knots is made of: counts from closed forms, each with its price.

    cost(factors, evaluation_features("fused", shape, lanes))     # CPU seconds of an evaluation in all lanes

The two engines do the same work in different ways. The torch engine makes an evaluation of all lanes at once: every
operation has a price at any size, and what leaves the process's memory has one too. The fused engine makes one lane
after the other in compiled code, block by block: a pack costs the sum of its lanes.
"""

from __future__ import annotations

from itertools import pairwise
from math import ceil, log2
from typing import Literal

import numpy as np
from pydantic import Field

from harness.base.frozen import Frozen
from harness.count import trainable
from harness.spec import (
    KanShape,
    Lbfgs,
    LevenbergMarquardt,
    MlpShape,
    Network,
    RunSpec,
    SplinedShape,
    SplineMlpShape,
    at_a_time,
    samples_per_evaluation,
)
from harness.spec.run import Dtype, Engine

Features = dict[str, float]

# A forward pass without gradients as a share of an evaluation without its optimiser, in time, and in the torch engine
# in memory too. Seen on one machine: with torch 0.5 to 0.9 for KANs, whose bases have a hand-written backward pass, and
# 0.2 to 0.35 for MLPs; fused 0.45 to 0.75 and 0.3 to 0.45. Other families are taken for MLPs, or with splines for KANs.
# It decides a per cent or two of a full-batch run, and more of one with small batches, whose learning curve passes over
# all points.
FORWARD_SHARE = {"torch": {"splines": 0.7, "none": 0.33}, "fused": {"splines": 0.6, "none": 0.42}}

# The torch engine gives a lone lane an idle companion.
SMALLEST_ENSEMBLE = 2
# What is freed beyond this goes back to the system, by glibc's rules, and the next evaluation asks for it again: the
# first touch of each of its pages then costs as much as the arithmetic on it.
KEPT_BYTES = 2**25
# What lanes may take together that Levenberg-Marquardt linearises at once in the torch engine; two it always does.
JACOBIAN_BYTES = 2**28

# The fused engine's samples go in blocks of so many, and outputs of a KAN's layer in vectors of so many (with AVX-512;
# elsewhere half as many, at twice the number of vectors).
BLOCK, VECTOR = 64, 8
# What its optimiser keeps beyond this is read from beyond the second cache.
CACHE_BYTES = 2**20
# It builds J^T J of a KAN from the active entries of a row, or from full rows where these are hardly longer. Near where
# one is as good as the other, a rule need not be exact. Products of full rows are made in tiles of so many columns.
DENSE_RATIO, TILE = 3.5, 16


class Shape(Frozen):
    """What the time of an evaluation hangs on, lanes apart.

    `samples` are points of one evaluation, of the `train_points` that there are; `history` is that of L-BFGS, else 0;
    `has_ridge` is of Levenberg-Marquardt and splines; `has_equal_knots` says that updates, if any, leave knots equally
    spaced. Of a PDE both are the points that an evaluation amounts to (`RunTask.points_evaluated`): only a measurement
    of its own knows what its derivatives really take. Learning rates, schedules, gains and seeds are left out: they
    cost nothing.
    """

    network: Network
    samples: int
    train_points: int
    optimizer: Literal["adam", "lbfgs", "levenberg_marquardt"]
    history: int
    dtype: Dtype
    has_ridge: bool = False
    has_equal_knots: bool = True
    is_pde: bool = Field(False, exclude_if=lambda value: not value)


def shape_of(run: RunSpec, network: Network) -> Shape:
    """The shape of a stage of `run` that trains `network`."""
    optimizer, updates = run.recipe.optimizer, run.recipe.grid_updates
    has_splines = isinstance(network, SplinedShape)
    train_points = at_a_time(run.recipe, run.task).points_evaluated
    return Shape(
        network=network,
        samples=samples_per_evaluation(run.recipe, train_points),
        train_points=train_points,
        optimizer=optimizer.name,
        history=optimizer.history if isinstance(optimizer, Lbfgs) else 0,
        dtype=run.dtype,
        has_ridge=isinstance(optimizer, LevenbergMarquardt) and has_splines and optimizer.ridge > 0,
        has_equal_knots=updates is None or updates.grid_eps == 1,
        is_pde=run.task.is_pde,
    )


def lanes_of(engine: Engine, lanes: int) -> int:
    """How many lanes an engine trains when it is asked for `lanes`."""
    return max(SMALLEST_ENSEMBLE, lanes) if engine == "torch" else lanes


# -------------------------------------------------------------------------------------------------------- evaluations
def evaluation_features(engine: Engine, shape: Shape, lanes: int) -> Features:
    """What an evaluation in each of `lanes` is made of: its network's part, and its optimiser's."""
    if engine == "torch":
        return _torch_evaluation(shape, lanes)
    return {name: lanes * amount for name, amount in _fused_evaluation(shape).items()}


def forward_features(engine: Engine, shape: Shape, points: int, lanes: int) -> Features:
    """A pass of `points` points a lane through the network alone, as the learning curve takes it."""
    share = _forward_share(engine, shape.network)
    if engine == "torch":
        parts = shape.network.torch_work(lanes * points)
        parts["mapped"] = _mapped(sum(_kept_for_backward(parts).values()), shape.dtype)
        return {name: share * amount for name, amount in parts.items()}
    parts = _fused_network(shape.network, points, shape.has_equal_knots)
    return {name: share * lanes * amount for name, amount in parts.items()}


def _forward_share(engine: Engine, network: Network) -> float:
    return FORWARD_SHARE[engine]["splines" if isinstance(network, SplinedShape) else "none"]


def moments(evaluations: int) -> float:
    """Of the learning curve in a stage: two to the octave and its end. Passes at a run's end make one more."""
    return 2 * log2(evaluations) + 2


def is_dual(shape: Shape) -> bool:
    """Whether Levenberg-Marquardt's systems have the size of the residuals, which are then fewer than the parameters.

    A ridge adds nearly as many residuals as there are parameters.
    """
    return trainable(shape.network) > _residuals(shape) and not shape.has_ridge


def _residuals(shape: Shape) -> int:
    return shape.samples * shape.network.shape[-1]


def _orders(shape: Shape) -> Features:
    """For every minibatch of every step: who is in it. An order of all points lasts as many steps as it has batches."""
    if shape.samples == shape.train_points:
        return {}
    return {"batches": 1, "orders": 1 / (shape.train_points // shape.samples)}


# ----------------------------------------------------------------------------------------------------- torch engine
def _torch_evaluation(shape: Shape, lanes: int) -> Features:
    network, parameters = shape.network, lanes * trainable(shape.network)
    parts = network.torch_work(lanes * shape.samples)
    history = parameters * shape.history
    # The graph is freed as a whole; the optimiser's arithmetic makes some thirty arrays, and L-BFGS four copies of what
    # it remembers.
    graph = sum(_kept_for_backward(parts).values())
    mapped = sum(
        times * _mapped(scalars, shape.dtype) for times, scalars in ((1, graph), (30, parameters), (4, history))
    )
    # Gradient, checks and the optimiser's arithmetic go over the parameters; the two loops of L-BFGS and the shift of
    # its memory over the history as well. At any size an optimiser calls as many operations.
    optimiser = {"parameters": parameters, "history": history, f"{shape.optimizer}_steps": 1, "mapped": mapped}
    if shape.optimizer == "levenberg_marquardt":
        size, residuals = _system_size(shape), lanes * _residuals(shape)
        entries = residuals * trainable(network)
        # The Jacobian has full rows, of which the system is made.
        optimiser |= {"jacobian": entries, "gram": entries * size, "cubes": lanes * size**3}
    # For every minibatch a lane seeds a generator and puts all its points in an order (see torch_engine).
    orders = lanes if shape.samples < shape.train_points else 0
    return {**parts, **optimiser, "orders": orders, "ordered_points": orders * shape.train_points}


def _kept_for_backward(parts: Features) -> Features:
    return {name: amount for name, amount in parts.items() if name in ("edge_terms", "basis_terms", "nodes")}


def _mapped(scalars: float, dtype: Dtype) -> float:
    """How many of the scalars have memory that the process doesn't keep from one evaluation to the next."""
    return max(0.0, scalars - KEPT_BYTES / np.dtype(dtype).itemsize)


def _system_size(shape: Shape) -> int:
    return _residuals(shape) if is_dual(shape) else trainable(shape.network)


# ----------------------------------------------------------------------------------------------------- fused engine
def _fused_evaluation(shape: Shape) -> Features:
    network, parameters = shape.network, trainable(shape.network)
    parts = _fused_network(network, shape.samples, shape.has_equal_knots)
    parts |= {"parameters": parameters, f"{shape.optimizer}_steps": 1}
    if shape.optimizer == "levenberg_marquardt":
        return parts | _fused_system(shape)
    history = parameters * shape.history
    # Position, gradient and what else there is once a parameter; steps and changes of the gradient in the history.
    kept = 5 * parameters + 2 * history
    uncached = max(0.0, kept - CACHE_BYTES / np.dtype(shape.dtype).itemsize)
    return parts | {"history": history, "uncached": uncached} | _orders(shape)


def _fused_network(network: Network, points: int, has_equal_knots: bool = True) -> Features:
    """Forward and backward pass of one lane; a block that lacks samples costs as much as a whole one."""
    layers, samples = list(pairwise(network.shape)), BLOCK * ceil(points / BLOCK)
    match network:
        case MlpShape():  # Fourier features are computed once, not at every evaluation
            layers = list(pairwise(network.nodes))
            (first, second), edges = layers[0], sum(inputs * outputs for inputs, outputs in layers)
            return {
                "products": samples * (3 * edges - first * second),  # of the first layer nobody asks for the inputs
                "activations": samples * sum(network.shape[1:-1]),
                "nodes": samples * sum(network.nodes),  # copied, turned
            }
        case SplineMlpShape():  # as above; what an MLP's activation takes is in what a basis does
            splines = samples * (network.order + 1) * sum(nodes for nodes, _ in network.spline_systems)
            basis = "basis_terms" if network.order == 3 and has_equal_knots else "recursion_terms"
            maps = _fused_network(MlpShape(shape=network.shape), points) | {"activations": 0.0}
            return maps | {basis: splines, "edge_terms": splines}
        case KanShape():
            # G counts in the parameters alone. Cubic bases on equal knots have a closed form, others a recursion.
            active, inputs = network.order + 1, sum(network.shape[:-1])
            vectors = sum(inputs * ceil(outputs / VECTOR) for inputs, outputs in layers)
            basis = "basis_terms" if network.order == 3 and has_equal_knots else "recursion_terms"
            return {basis: samples * inputs * active, "edge_terms": samples * vectors * active}
    raise AssertionError(f"there are no kernels of a {network.family}")


def _fused_system(shape: Shape) -> Features:
    """The rows of the Jacobian, the matrix that is made of them, and its factorisation."""
    network, parameters, residuals = shape.network, trainable(shape.network), _residuals(shape)
    active, size = network.active_parameters, _system_size(shape)
    system: Features = {"entries": residuals * parameters, "cubes": size**3, "squares": size**2}
    if is_dual(shape):
        return system | {"dual_products": residuals**2 * parameters}
    if parameters < TILE:  # one by one
        return system | {"entries": residuals * parameters * (1 + parameters / 2)}
    if parameters < DENSE_RATIO * active or isinstance(network, SplineMlpShape):
        return system | {"products_of_rows": residuals * parameters**2}
    # Every active entry meets the others segment by segment, of which each input has one.
    return system | {"entries": residuals * active, "updates": residuals * active * sum(network.shape[:-1])}


# ------------------------------------------------------------------------------------------------------------- memory
def evaluation_memory(engine: Engine, shape: Shape, lanes: int) -> Features:
    """What a training process holds at the peak of an evaluation: itself with its libraries, and scalars."""
    parameters = lanes * trainable(shape.network)
    memory: Features = {"process": 1, "parameters": parameters, "history": parameters * shape.history}
    at_once = 1
    if engine == "torch":
        memory |= _kept_for_backward(shape.network.torch_work(lanes * shape.samples))
        at_once = lanes
    if shape.optimizer == "levenberg_marquardt":
        memory["matrix"] = at_once * _system_size(shape) ** 2
        memory["jacobian"] = _jacobian_scalars(engine, shape, lanes)
    return memory


def curve_memory(engine: Engine, shape: Shape, points: int, lanes: int) -> Features:
    """The same while the learning curve is sampled, on `points` points, which are never split into batches."""
    memory = evaluation_memory(engine, shape, lanes)
    if engine == "fused":
        return memory
    share, passed = _forward_share(engine, shape.network), shape.network.torch_work(lanes * points)
    kept = {name: share * amount for name, amount in _kept_for_backward(passed).items()}
    return memory | kept | ({"jacobian": 0} if "jacobian" in memory else {})


def _jacobian_scalars(engine: Engine, shape: Shape, lanes: int) -> float:
    """All of it in the torch engine, for as many lanes as are linearised at once; fused, only where it is dual."""
    of_lane = _residuals(shape) * trainable(shape.network)
    if engine == "fused":
        return of_lane if is_dual(shape) else 0
    return min(lanes * of_lane, max(2 * of_lane, JACOBIAN_BYTES // np.dtype(shape.dtype).itemsize))


# ---------------------------------------------------------------------------------------------------- knots and packs
def knot_features(network: SplinedShape, lanes: int, points: int) -> Features:
    """Least squares on `points` points for every node with knots, one lane after the other (see spline.py)."""
    layers, unknowns = network.spline_systems, network.grid + network.order
    systems = lanes * sum(nodes for nodes, _ in layers)
    return {
        "lane_layers": lanes * len(layers),  # some fifty torch operations each
        "design": systems * points * unknowns,  # dense design matrices, made, copied and factorised
        "cubes": systems * min(points, unknowns) ** 3,  # the singular values of what the factorisation leaves
    }


def knot_memory(network: SplinedShape, points: int) -> Features:
    """The design matrices of the widest layer, one lane's at a time."""
    widest = max((nodes for nodes, _ in network.spline_systems), default=0)
    return {"process": 1, "design": widest * points * (network.grid + network.order)}


def pack_features(engine: Engine, runs: int, lane_moments: float) -> Features:
    """What is done once a pack, once a run, and at every moment of a lane's learning curve.

    In the torch engine these moments cost what their operations do, which are in `forward_features`.
    """
    return {"packs": 1, "runs": runs} | ({"moments": lane_moments} if engine == "fused" else {})
