"""No bit of a lane hangs on its company: each of its matrices begins at a whole vector, whatever
processor this is.

How products round elsewhere, this machine cannot show. It shows where the matrices of every product
begin, which is all that a lane's company could change, and the bits that torch and MKL give by the
code of older processors.
"""

import itertools
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from harness import families
from harness.families import jets
from harness.families.blocks import BLOCKS
from harness.families.module import one_by_one
from harness.families.product import VECTOR_BYTES, product
from harness.tasks.loss import CROSS_ENTROPY, SQUARES, LanePoints
from harness.tasks.sequences import NEXT_TOKEN, Excess
from harness.train import torch_threads
from tests.families.test_transformer import NAMES, SMALLEST, begun, transformer

LANES = 4
DTYPES = {
    "float64": torch.float64,
    "float32": torch.float32,
    "bfloat16": torch.float32,
}  # in which values are kept
PRODUCTS = {"addmm", "baddbmm", "bmm", "mm"}
ARCHITECTURES = {block.model_fields["family"].annotation.__args__[0]: block for block in BLOCKS}
# What torch and MKL can be told to compute by: instruction sets of other processors, and more
# threads.
MACHINES = [
    {
        "ATEN_CPU_CAPABILITY": "default",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
    },
    {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "ONEDNN_MAX_CPU_ISA": "AVX2",
    },
    {"ATEN_CPU_CAPABILITY": "avx512", "MKL_CBWR": "AVX2"},
    {"ATEN_CPU_CAPABILITY": "avx512", "MKL_CBWR": "COMPATIBLE"},
    {"ATEN_CPU_CAPABILITY": "avx512", "MKL_CBWR": "AUTO,STRICT"},
]


class Begins(TorchDispatchMode):
    """Where in whole vectors the matrices of every product begin, lane by lane."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        if func.overloadpacket.__name__ in PRODUCTS:
            for matrix in (*args[-2:], result):
                lanes = matrix if matrix.dim() == 3 else matrix[None]
                self.seen.append(
                    (func, matrix.shape, {lane.data_ptr() % VECTOR_BYTES for lane in lanes})
                )
        return result


def network_of(family: str, width: int):
    """Alone, of three inputs; of widths that fill vectors, or do not."""
    said = {"family": family, "width": width, "depth": 3, **SMALLEST.get(family, {})}
    return ARCHITECTURES[family].model_validate(said).network_of(3, 3, "arm", scales=False)


def evaluated(network, dtype: str, lanes: list[int], points: LanePoints, knots_of=()):
    """Loss and gradient of these lanes, and what each point adds where no gradient is asked for."""
    flat_RP, knots = (
        families.initialise(network, generators(0), 1.0, DTYPES[dtype], "cpu"),
        [*knots_of],
    )
    own = LanePoints(points.x[lanes], points.y[lanes], points.loss, dtype == "bfloat16")
    of_lanes = flat_RP[lanes], [each[lanes] for each in knots]
    with torch.no_grad():
        seen = own.loss.losses(network, *of_lanes, own)
    return (*own.loss.loss_and_gradient(network, *of_lanes, own), seen)


def generators(stream: int):
    return [np.random.default_rng([lane, stream]) for lane in range(LANES)]


def cases():
    """Networks with points: each block alone on numbers and classes, and in a transformer, by both
    of its losses.
    """
    random = np.random.default_rng(5)
    for family, dtype in itertools.product(NAMES, DTYPES):
        for width, samples in ((5, 25), (16, 70)):
            if dtype != "bfloat16":
                x, y = (
                    torch.from_numpy(random.standard_normal((LANES, samples, 3))) for _ in range(2)
                )
                classes = torch.from_numpy(random.integers(0, 3, (LANES, samples, 1)))
                for loss, wanted in ((SQUARES, y), (CROSS_ENTROPY, classes)):
                    points = LanePoints(x.to(DTYPES[dtype]), wanted.to(DTYPES[dtype]), loss)
                    yield (
                        f"{family} of width {width}, {loss.metric}, {dtype}",
                        network_of(family, width),
                        dtype,
                        points,
                    )
            block = {"family": family, "width": width, **SMALLEST.get(family, {})}
            network = transformer(
                block,
                width=6 if width == 5 else 16,
                layers=1,
                context=5,
                vocabulary=7,
                heads=2,
                head_width=3 if width == 5 else 8,
            )
            _, _, tokens = begun(network, LANES, DTYPES[dtype], samples)
            chance = torch.from_numpy(random.dirichlet(np.ones(7), (LANES, samples, 5)))
            for loss, wanted in (
                (NEXT_TOKEN, tokens),
                (Excess(vocabulary=7), chance.flatten(2).to(DTYPES[dtype])),
            ):
                points = LanePoints(tokens, wanted, loss)
                yield (
                    f"transformer with {family} of width {width}, {loss.metric}, {dtype}",
                    network,
                    dtype,
                    points,
                )


def differing() -> list[str]:
    """The cases in which lanes have other bits beside fewer others, in other places."""
    found = []
    for name, network, dtype, points in cases():
        knots = network.draw_knots(generators(1), DTYPES[dtype], "cpu")
        together = evaluated(network, dtype, [0, 1, 2, 3], points, knots)
        for lanes in ([1, 1], [3, 2], [1, 0, 3]):
            apart = evaluated(network, dtype, lanes, points, knots)
            if not all(
                torch.equal(whole[lanes], part) for whole, part in zip(together, apart, strict=True)
            ):
                found.append(name)
                break
    return found


def test_every_matrix_of_a_product_begins_at_a_whole_vector():
    for name, network, dtype, points in cases():
        knots = network.draw_knots(generators(1), DTYPES[dtype], "cpu")
        with Begins() as begins:
            evaluated(network, dtype, [0, 1, 2], points, knots)
        assert begins.seen
        assert all(places == {0} for _, _, places in begins.seen), (name, begins.seen)


@pytest.mark.parametrize("family", ["mlp", "kan"])
def test_so_do_those_of_second_derivatives(family):
    network = network_of(family, 5)
    flat_RP = families.initialise(
        network, generators(0), 1.0, torch.float64, "cpu"
    ).requires_grad_()
    knots = network.draw_knots(generators(1), torch.float64, "cpu")
    x_RNI = torch.from_numpy(np.random.default_rng(3).standard_normal((LANES, 25, 3)))
    with Begins() as begins:
        laplacian = jets.forward_laplacian(network, flat_RP, knots, x_RNI)[-1]
        torch.autograd.grad(laplacian.square().sum(), flat_RP)
    assert begins.seen
    assert all(places == {0} for _, _, places in begins.seen), begins.seen


def test_so_do_those_of_a_module_of_the_users():
    module = torch.nn.Sequential(
        torch.nn.Linear(3, 5), torch.nn.Tanh(), torch.nn.Linear(5, 2)
    ).double()
    flat_RP = torch.randn(
        LANES, sum(value.numel() for value in module.parameters()), dtype=torch.float64
    )
    flat_RP.requires_grad_()
    parts = flat_RP.split([value.numel() for value in module.parameters()], 1)
    parameters = {
        name: part.unflatten(1, value.shape)
        for (name, value), part in zip(module.named_parameters(), parts, strict=True)
    }
    with Begins() as begins:
        outputs = one_by_one(module, parameters, torch.randn(LANES, 25, 3, dtype=torch.float64))
        torch.autograd.grad(outputs.square().sum(), flat_RP)
    assert len(begins.seen) == 3 * LANES * 5
    assert all(places == {0} for _, _, places in begins.seen), begins.seen


def test_a_product_is_that_of_torch_and_so_are_its_derivatives_of_second_degree():
    random = torch.Generator().manual_seed(0)
    a, b, added = (
        torch.randn(shape, dtype=torch.float64, generator=random).requires_grad_()
        for shape in ((2, 3, 5), (2, 5, 4), (2, 3, 1))
    )
    torch.testing.assert_close(product(a, b, added), torch.baddbmm(added, a, b))
    torch.testing.assert_close(product(b.mT, a.mT), torch.bmm(b.mT, a.mT))
    assert torch.autograd.gradgradcheck(lambda *given: product(*given).sin(), (a, b, added))


# by day the places of matrices, from which this follows, and runs of test_sequences
@pytest.mark.nightly
def test_lanes_of_every_block_have_the_same_bits_whatever_their_company():
    with torch_threads(1):
        assert differing() == []


@pytest.mark.nightly
@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: "-".join(machine.values()))
def test_so_they_have_by_the_code_for_other_processors(machine, threads):
    code = f"""
import torch
from tests.families.test_products import differing
torch.set_num_threads({threads})
print(differing())
"""
    paths = os.pathsep.join([*sys.path, os.getcwd()])
    of_machine = {**os.environ, **machine, "PYTHONPATH": paths}
    done = subprocess.run(
        [sys.executable, "-c", code], env=of_machine, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
