"""A user's nn.Module as a network: the same numbers as in torch, counted live, refused where no run
of it is one.
"""

import math

import numpy as np
import pytest
import torch
from commands import refused
from torch import nn

from harness.base.errors import HarnessError
from harness.count import count, training_flops
from harness.count.module import module_network
from harness.count.training import Work
from harness.families import MlpShape, Module, ModuleShape, forward, initialise, parameter_count
from harness.families.module import allows_vmap, fingerprint, make
from harness.measure.bench import bench_solo
from harness.optimisers import Adam
from harness.spec.recipe import CapTooSmall, Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import resolve

HERE = __name__


class TwoLayers(nn.Module):
    """What family mlp is with depth 3 and ReLU."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.maps = nn.ModuleList(
            nn.Linear(*nodes) for nodes in ((inputs, width), (width, width), (width, outputs))
        )

    def forward(self, x):
        for layer in self.maps[:-1]:
            x = torch.relu(layer(x))
        return self.maps[-1](x)


class Narrow(TwoLayers):
    """Cannot be made wider than 5."""

    def __init__(self, inputs, outputs, width):
        if width > 5:
            raise ValueError("at most 5")
        super().__init__(inputs, outputs, width)


class Normed(nn.Module):
    """An operation that no table prices."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(inputs, width), nn.LayerNorm(width), nn.Linear(width, outputs)
        )
        self.register_buffer("shift", torch.randn(1))

    def forward(self, x):
        return self.body(x) + self.shift


class Asking(TwoLayers):
    """Does what the values say."""

    def forward(self, x):
        return super().forward(x if x.max() > 0 else -x)


class Filling(TwoLayers):
    """Writes into a tensor of its own, which torch cannot do for all lanes at once."""

    def forward(self, x):
        outputs = torch.zeros(len(x), 1, dtype=x.dtype)
        outputs.copy_(super().forward(x))
        return outputs


class Sequenced(nn.Module):
    """An operation that torch does for one lane after the other, and warns of it."""

    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.map = nn.Linear(inputs, outputs)

    def forward(self, x):
        return self.map(x) + torch.histc(self.map(x).detach(), bins=1).sum() * 0


def network(name, width=4, inputs=2, outputs=1):
    return module_network(
        Module(family="module", module=f"{HERE}:{name}", size="width"), inputs, outputs, width
    )


@pytest.mark.parametrize(("width", "inputs", "outputs"), [(1, 1, 1), (7, 3, 2), (20, 3, 1)])
def test_an_mlp_of_ones_own_counts_as_the_family_does(width, inputs, outputs):
    own = network("TwoLayers", width, inputs, outputs)
    mlp = MlpShape(shape=(inputs, width, width, outputs), activation="relu")

    assert parameter_count(own) == count(own)["params.trainable"] == count(mlp)["params.trainable"]
    for name in ("flops_forward.executed", "flops_forward.shared_dense", "flops_forward.matmul"):
        assert count(own)[name] == count(mlp)[name]
    trained = [training_flops([Work(one, 10, 100, 10)], Adam(name="adam")) for one in (own, mlp)]
    assert trained[0]["flops_train.executed"] == trained[1]["flops_train.executed"]
    assert trained[0]["flops_train.shared_dense"] == trained[0]["flops_train.executed"]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_lanes_are_modules_side_by_side(dtype):
    own = network("TwoLayers")
    generators = [np.random.default_rng(seed) for seed in (0, 1, 0)]
    flat_RP = initialise(own, generators, 1, dtype, "cpu").requires_grad_()
    x_RNI = torch.linspace(-1, 1, 30, dtype=dtype).reshape(3, 5, 2)

    y_RNO = forward(own, flat_RP, [], x_RNI)
    gradient_RP = torch.autograd.grad(y_RNO.square().sum(), flat_RP)[0]

    for lane in range(3):
        module = TwoLayers(2, 1, 4).to(dtype)
        nn.utils.vector_to_parameters(flat_RP[lane].detach(), module.parameters())
        y_NO = module(x_RNI[lane])
        y_NO.square().sum().backward()
        torch.testing.assert_close(
            y_NO, y_RNO[lane], rtol=1e-12 if dtype == torch.float64 else 1e-5, atol=0
        )
        own_P = torch.cat([each.grad.ravel() for each in module.parameters()])
        torch.testing.assert_close(own_P, gradient_RP[lane])
    assert torch.equal(
        2 * flat_RP[0], initialise(own, [np.random.default_rng(0)], 2, dtype, "cpu")[0]
    )
    assert not torch.equal(flat_RP[0], flat_RP[1])


@pytest.mark.parametrize("name", ["Filling", "Asking", "Sequenced"])
def test_a_module_that_torch_cannot_evaluate_at_once_says_nothing(name, recwarn, capfd):
    module = f"{HERE}:{name}"
    own = ModuleShape(
        shape=(2, 1), module=module, fingerprint=fingerprint(module), size="width", value=4
    )
    assert not allows_vmap(own, torch.float64, "cpu")
    assert not recwarn
    assert capfd.readouterr() == ("", "")
    assert make(own)(torch.zeros(5, 2)).shape == (5, 1)


def test_what_no_table_prices_is_one_a_number_and_buffers_are_no_parameters():
    """LayerNorm gives `width` numbers and two statistics; the rest is two linear maps and a sum."""
    own = network("Normed", width=8)

    assert count(own)["params.trainable"] == (2 * 8 + 8) + 2 * 8 + (8 + 1)
    assert count(own)["flops_forward.executed"] == 2 * 2 * 8 + (8 + 2) + 2 * 8 + 1
    own.check("float64")


def test_a_size_that_cannot_be_made_is_too_large_for_a_search():
    with pytest.raises(CapTooSmall, match="at most 5"):
        network("Narrow", width=6)


def test_a_keyword_that_it_does_not_take_is_said_at_any_size():
    """A depth is tried from 2 on, and 2 is not too deep for what has no depth."""
    with pytest.raises(
        HarnessError, match=r"TwoLayers\(2, 1, depth=2\) failed: TypeError: .*'depth'"
    ):
        module_network(Module(family="module", module=f"{HERE}:TwoLayers", size="depth"), 2, 1, 2)
    assert "did you mean 'TwoLayers'" in refused(network, "TwoLayer")
    with pytest.raises(HarnessError, match=r"write package\.module:name"):
        module_network(Module(family="module", module="torch", size="width"), 1, 1, 1)


@pytest.mark.nightly
def test_an_evaluation_of_it_is_timed_like_others():
    network = module_network(
        Module(family="module", module=f"{HERE}:TwoLayers", size="width"), 2, 1, 5
    )
    recipe = Recipe(optimizer=Adam(name="adam"), max_evaluations=10)
    task = resolve(Task(target="xy", train_points=20))
    run = RunSpec(task=task, network=network, recipe=recipe, seed=0, engine="torch")

    (row,), _ = bench_solo([run], progress=lambda done, total: None)

    assert 0 < row.seconds_per_evaluation < math.inf
