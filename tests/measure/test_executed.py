"""What torch executes, against what the closed forms say and what torch's own counter sees.

In the formulas here a layer maps I inputs to O outputs over E = I O edges, G intervals of order k
have C = G + k bases.
"""

import random
from itertools import pairwise, product

import every_basis as dense
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from networks import GRIDS_AND_ORDERS, evaluated_by, local, networks
from torch.utils.flop_counter import FlopCounterMode

from harness import families
from harness.count import Work, count, training_flops
from harness.count.dispatched import (
    Counter,
    UnknownOperation,
    executed_evaluation,
    executed_forward,
)
from harness.families import KanShape, MlpShape
from harness.families.prices import KANBEFAIR
from harness.optimisers import Adam

SHAPES = [(1, 1), (5, 4, 3, 2)]
MLPS = [
    MlpShape(shape=shape, activation=name)
    for shape, name in product(SHAPES, ("relu", "silu", "tanh", "gelu"))
]
KANS = [network for network in networks(KanShape, shapes=SHAPES) if not network.scales]
KANS += [
    KanShape(shape=shape, grid=grid, order=order, bias=True)
    for shape, (grid, order) in product(SHAPES, GRIDS_AND_ORDERS)
]
FROZEN = KanShape(shape=(2, 5, 1), grid=5, base="frozen")
OTHERS = [
    network for network in networks(shapes=SHAPES) if not isinstance(network, KanShape | MlpShape)
]


def layers(network):
    return list(pairwise(network.shape))


def arithmetic(executed):
    return executed.matmul + executed.elementwise


def real(network, lanes, samples):
    rng = np.random.default_rng(0)
    flat = families.initialise(network, [rng] * lanes, 1.0, torch.float64, "cpu")
    knots = network.draw_knots([rng] * lanes, torch.float64, "cpu")
    x = torch.tensor(rng.uniform(-1.2, 1.2, (lanes, samples, network.shape[0])))
    return flat, knots, x, torch.tensor(rng.normal(size=(lanes, samples, network.shape[-1])))


def count_evaluation(network, lanes, samples):
    """The engine's evaluation, forward and backward, on real data."""
    flat, knots, x, y = real(network, lanes, samples)
    flat.requires_grad_()
    with Counter() as counter:
        loss = (families.forward(network, flat, knots, x) - y).square().mean((1, 2))
        torch.autograd.grad(loss.sum(), flat)
    return counter.executed


@pytest.mark.parametrize("shape", [(100, 1), (100, 1, 1), (784, 1), (16, 1)])
def test_funnels_are_the_worst_case_of_the_local_form(shape):
    """Many inputs and one output have few sums over bases to make up for the zeros that are not
    added: -7 %.
    """
    network = KanShape(shape=shape, grid=5)
    without_lookup = sum(network.flops("local_min", KANBEFAIR)) - 4 * sum(shape[:-1])
    assert 0.93 < arithmetic(executed_forward(network)) / without_lookup < 0.95


@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.nightly)])
def test_what_is_dispatched_is_the_convention_executed(every):
    for network in [FROZEN, *OTHERS, *networks(MlpShape, shapes=SHAPES), *KANS][::every]:
        ran = evaluated_by(local, network) if isinstance(network, KanShape) else network
        assert count(network)["flops_forward.executed"] == executed_forward(ran).flops, network
        work = Work(network, evaluations=10, samples=100, iterations=10)
        counted = training_flops([work], Adam(name="adam"))
        passes = counted["flops_train.executed"] - counted["flops_train.part_optimizer"]
        assert passes == 10 * 100 * executed_evaluation(ran).flops, network


def test_a_dense_evaluation_is_twice_and_three_times_its_products():
    for network in KANS:
        width = network.grid + network.order + network.base
        first, *rest = (2 * inputs * outputs * width for inputs, outputs in layers(network))
        assert executed_evaluation(
            evaluated_by(dense.evaluate, network)
        ).matmul == 2 * first + 3 * sum(rest), network


def seen_by_torch(network, evaluate):
    """FLOPs of a forward pass and of an evaluation of 64 samples, by torch's own counter of matrix
    products.
    """
    flat, knots, x, y = real(network, 2, 32)
    flat.requires_grad_()
    with FlopCounterMode(display=False) as theirs:
        if evaluate is None:
            out = families.forward(network, flat, knots, x)
        else:
            out = evaluate(
                network, families.unflatten(network, flat), knots, x.transpose(1, 2)
            ).transpose(1, 2)
        forward = theirs.get_total_flops()
        torch.autograd.grad((out - y).square().sum(), flat)
    return forward, theirs.get_total_flops()


@pytest.mark.parametrize(
    "evaluate", [None, local, dense.evaluate], ids=["trains", "local", "dense"]
)
def test_matmul_is_what_torchs_counter_sees(evaluate):
    for network in KANS[3::4] if evaluate else [*KANS[3::4], *MLPS[4:], *OTHERS[1::5]]:
        forward, evaluation = seen_by_torch(network, evaluate)
        if evaluate is local:
            assert (forward > 0) == network.base
        assert forward == 64 * executed_forward(evaluated_by(evaluate, network)).matmul, network
        assert evaluation == 64 * executed_evaluation(evaluated_by(evaluate, network)).matmul, (
            network
        )


@pytest.mark.parametrize(
    "network", [MLPS[5], KanShape(shape=(2, 5, 2), grid=4, scales=True, bias=True)], ids=repr
)
def test_counts_are_per_sample_and_lane(network):
    first, second, third = (count_evaluation(network, 2, samples) for samples in (32, 64, 96))
    block = [after - before for before, after in zip(first, second, strict=True)]
    assert block == [after - before for before, after in zip(second, third, strict=True)]
    assert block == [64 * each for each in executed_evaluation(network)]
    five, three = count_evaluation(network, 5, 32), count_evaluation(network, 3, 32)
    assert five == tuple(sum(pair) for pair in zip(first, three, strict=True))


def test_scales_are_multiplied_once_for_all_samples():
    plain, scaled = (KanShape(shape=(2, 5, 2), grid=4, scales=scales) for scales in (False, True))
    assert executed_evaluation(plain) == executed_evaluation(scaled)
    assert count_evaluation(scaled, 2, 32).elementwise > count_evaluation(plain, 2, 32).elementwise


def test_counting_draws_nothing_and_keeps_results():
    network = KanShape(shape=(2, 3, 1), grid=6)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    executed_evaluation.__wrapped__(network)
    data = real(network, 2, 32)[:3]
    with Counter():
        counted = families.forward(network, *data)
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()  # noqa: NPY002
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert torch.equal(counted, families.forward(network, *data))


A, B = torch.ones(3, 4, dtype=torch.float64), torch.ones(3, 4, dtype=torch.float64)
ROW, COLUMN = torch.ones(1, 3, 1), torch.ones(1, 1, 3)
INDEX = torch.zeros(3, 4, dtype=torch.int64)


@pytest.mark.parametrize(
    ("operation", "expected"),
    {
        "add": (lambda: A + B, (0, 12, 0)),
        "add in place": (lambda: A.clone().add_(B), (0, 12, 0)),
        "fused factor": (lambda: torch.add(A, B, alpha=2), (0, 24, 0)),
        "broadcast": (lambda: A * B[:1], (0, 12, 0)),
        "expanded": (lambda: A * B[:1].expand(3, 4), (0, 12, 0)),
        "addcmul": (lambda: torch.addcmul(A, A, B), (0, 24, 0)),
        "lerp": (lambda: torch.lerp(A, B, 0.5), (0, 36, 0)),
        "cube": (lambda: A**3, (0, 24, 0)),
        "sum": (lambda: A.sum(1), (0, 12, 0)),
        "mean": (lambda: A.mean(), (0, 12, 0)),
        "gelu": (lambda: F.gelu(A), (0, 14 * 12, 0)),
        "mm": (lambda: A @ B.T, (2 * 3 * 3 * 4, 0, 0)),
        "bmm in place": (lambda: torch.empty(1, 3, 3).baddbmm_(ROW, COLUMN), (2 * 3 * 3, 0, 0)),
        "scaled addmm": (lambda: torch.addmm(A[:, :3], A, B.T, alpha=2), (72, 9, 0)),
        "compare": (lambda: A < B, (0, 0, 12)),
        "clamp both": (lambda: A.clamp(0, 1), (0, 0, 24)),
        "clamp one": (lambda: A.clamp_min(0), (0, 0, 12)),
        "clamp named": (lambda: A.clamp(max=1), (0, 0, 12)),
        "where": (lambda: torch.where(A < B, A, B), (0, 0, 24)),
        "search in 4": (lambda: torch.searchsorted(A, B), (0, 0, 24)),
        "gather": (lambda: A.gather(1, INDEX), (0, 0, 0)),
        "scatter_add": (lambda: A.scatter_add(1, INDEX[:, :2], B), (0, 12, 0)),
        "index arithmetic": (lambda: INDEX + 1, (0, 0, 0)),
        "cat": (lambda: torch.cat([A, B]), (0, 0, 0)),
        "views": (lambda: A.T[None].expand(2, 4, 3).unflatten(1, (2, 2))[:, 0], (0, 0, 0)),
    }.values(),
)
def test_each_operation_counts_what_it_does(operation, expected):
    with Counter() as counter:
        operation()
    assert counter.executed == expected


@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (lambda: torch.erfinv(A), r"aten\.erfinv\.default"),
        (lambda: A.cumsum(0), r"aten\.cumsum\.default"),
        (lambda: A.sort(), r"aten\.sort\.default"),
        (lambda: A.scatter_reduce(1, INDEX, B, "prod"), r"aten\.scatter_reduce\.two"),
        (lambda: A**2.5, r"aten\.pow\.Tensor_Scalar with exponent 2\.5"),
        (lambda: torch.complex(A, B), r"aten\.complex\.default"),
        (
            lambda: torch.ones(2, dtype=torch.complex64) * 2,
            r"aten\.mul\.Tensor has complex numbers",
        ),
        (F.softplus(A.clone().requires_grad_()).sum().backward, r"aten\.softplus_backward"),
    ],
)
def test_an_unknown_operation_is_an_error_that_names_it(operation, name):
    with pytest.raises(UnknownOperation, match=name), Counter():
        operation()
