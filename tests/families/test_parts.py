"""Networks of several parts, with one that encodes its inputs and one that maps the code to
outputs.
"""

import numpy as np
import pytest
import torch

from harness import families
from harness.count.dispatched import executed_evaluation
from harness.families import ChebyshevKanShape, KanShape, LayeredShape, MlpShape, RbfKanShape
from harness.families.layout import of_part
from harness.families.parts import PartedShape
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.nn.classes import module_of
from harness.tasks import stream

PRICES = WEIGHTS[DEFAULT_WEIGHTS]
ENCODER, HEAD = (
    MlpShape(shape=(2, 4, 3), features=2),
    KanShape(shape=(3, 4, 2), grid=4, base="frozen"),
)


class Coded(PartedShape):
    """A network of two parts, one after the other."""

    family: str = "coded"
    encoder: LayeredShape
    head: LayeredShape

    @property
    def parts(self):
        return {"encoder": self.encoder, "head": self.head}

    @property
    def inputs(self):
        return self.encoder.inputs

    @property
    def outputs(self):
        return self.head.outputs

    @property
    def words(self):
        return f"{self.encoder.words} {self.head.words}"

    @property
    def long_words(self):
        return f"{self.encoder.long_words}, {self.head.long_words}"

    def forward(self, parameters, knots, x_RNI):
        parts = self.of_lanes(parameters, knots)
        return parts["head"](parts["encoder"](x_RNI))

    def flops(self, convention, prices):
        return self.encoder.flops(convention, prices) + self.head.flops(convention, prices)

    def executed_forward(self, prices):
        return self.encoder.executed_forward(prices) + self.head.executed_forward(prices)

    def executed_evaluation(self, prices):
        """Somebody asks for the gradient by what the head is given, unlike by the network's own
        inputs.
        """
        first, *rest = self.head.layers
        head = [first._replace(needs_input_gradient=True), *rest]
        backward = [
            *map(self.encoder.layer_backward, self.encoder.layers),
            *map(self.head.layer_backward, head),
        ]
        return self.executed_forward(prices) + 6 * self.outputs + sum(backward)


NETWORK = Coded(encoder=ENCODER, head=HEAD)


def begun(network, seed=3):
    flat = families.initialise(network, [stream(seed, "initial", 0)], 1.0, torch.float64, "cpu")
    return flat, network.draw_knots([stream(seed, "features", 0)], torch.float64, "cpu")


def test_a_part_that_two_networks_share_begins_with_the_same_bits_in_both():
    other = Coded(encoder=ENCODER, head=MlpShape(shape=(3, 9, 1)))
    (flat, knots), (flat_of_other, knots_of_other) = begun(NETWORK), begun(other)
    own, others = (
        families.unflatten(each, of_each)
        for each, of_each in ((NETWORK, flat), (other, flat_of_other))
    )
    shared = [name for name in own if name.startswith("encoder.")]
    assert shared == [
        "encoder.layer0.weight",
        "encoder.layer0.bias",
        "encoder.layer1.weight",
        "encoder.layer1.bias",
    ]
    assert all(torch.equal(own[name], others[name]) for name in shared)
    assert torch.equal(knots[0], knots_of_other[0])
    again = families.unflatten(NETWORK, begun(NETWORK, seed=4)[0])
    assert not any(torch.equal(own[name], again[name]) for name in shared)


def test_parts_of_other_names_begin_differently():
    twins = Coded(encoder=MlpShape(shape=(3, 3)), head=MlpShape(shape=(3, 3)))
    parameters = families.unflatten(twins, begun(twins)[0])
    assert not torch.equal(parameters["encoder.layer0.weight"], parameters["head.layer0.weight"])


def test_counts_are_sums_over_parts():
    flat, knots = begun(NETWORK)
    assert NETWORK.trainable + NETWORK.frozen == flat.shape[1] == families.parameter_count(NETWORK)
    assert NETWORK.frozen == HEAD.frozen > 0
    assert NETWORK.carried == len(knots) == 3
    assert NETWORK.carried_scalars == sum(each.numel() for each in knots)


def test_a_module_has_the_names_of_parts_and_gives_what_its_parts_give():
    flat, knots = begun(NETWORK)
    module, x = (
        module_of(NETWORK, flat, knots),
        torch.from_numpy(np.random.default_rng(0).uniform(-1, 1, (9, 2))),
    )
    parameters = families.unflatten(NETWORK, flat)
    encoder, head = (
        module_of(part, families.flatten(part, of_part(parameters, key)), own)
        for (key, part), own in zip(NETWORK.parts.items(), (knots[:1], knots[1:]), strict=True)
    )
    assert torch.equal(module(x), head(encoder(x)))
    names = [f"encoder.{name}" for name in encoder.state_dict()] + [
        f"head.{name}" for name in head.state_dict()
    ]
    assert list(module.state_dict()) == names
    module(x).sum().backward()
    frozen = [name for name, each in module.named_parameters() if each.grad is None]
    assert frozen == ["head.layer0.base", "head.layer1.base"]
    other = module_of(NETWORK, *begun(NETWORK, seed=4))
    other.load_state_dict(module.state_dict())
    assert torch.equal(other(x), module(x))


HEADS = [
    MlpShape(shape=(3, 4, 2)),
    ChebyshevKanShape(shape=(3, 4, 2), degree=3),
    RbfKanShape(shape=(3, 4, 2), grid=4),
]


@pytest.mark.parametrize("head", [HEAD, *HEADS], ids=lambda head: head.family)
def test_the_first_layer_of_a_part_hands_its_gradient_on(head):
    network = Coded(encoder=MlpShape(shape=(2, 4, 3)), head=head)
    assert network.executed_evaluation(PRICES) == executed_evaluation(network).flops
