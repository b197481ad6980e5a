"""Transformers: counts of known shapes, plain PyTorch's outputs and gradients, lanes, causality,
shared backbones.
"""

import numpy as np
import pytest
import torch
from commands import refused
from torch import nn

from harness import families
from harness.count import count, run_flops
from harness.families import Transformer, TransformerShape
from harness.families.blocks import BLOCKS
from harness.families.layout import of_part
from harness.families.prices import WEIGHTS
from harness.optimisers import Adam
from harness.spec.recipe import Recipe
from harness.spec.task import RunTask
from harness.tasks.loss import LanePoints
from harness.tasks.sequences import NEXT_TOKEN

SMALLEST = {"kan": {"grid": 5}, "spline_mlp": {"grid": 5}, "rbf_kan": {"grid": 5}} | {
    "chebyshev_kan": {"degree": 4},
    "fourier_kan": {"harmonics": 3},
}
NAMES = [block.network.model_fields["family"].default for block in BLOCKS]


def transformer(
    block: dict, width=8, layers=2, context=5, vocabulary=3, **more
) -> TransformerShape:
    said = {"family": "transformer", "layers": layers, "width": width, "block": block, **more}
    return Transformer.model_validate(said).network_of(
        context, context * vocabulary, "arm", scales=False
    )


def of_family(family: str, **sizes) -> TransformerShape:
    return transformer({"family": family, "width": 6, **SMALLEST.get(family, {})}, **sizes)


def begun(network, lanes=1, dtype=torch.float64, sequences=32):
    generators = [
        [np.random.default_rng([lane, stream]) for lane in range(lanes)] for stream in range(3)
    ]
    flat = families.initialise(network, generators[0], 1.0, dtype, "cpu")
    knots = network.draw_knots(generators[1], dtype, "cpu")
    backbone = network.backbone
    shape = (sequences, backbone.context)
    tokens = np.stack(
        [generator.integers(0, backbone.vocabulary, shape) for generator in generators[2]]
    )
    return flat, knots, torch.from_numpy(tokens).to(dtype)


@pytest.mark.parametrize(
    ("width", "layers", "context", "vocabulary", "heads", "head_width", "block", "parameters"),
    [
        (
            64,
            4,
            10,
            3,
            1,
            8,
            {"family": "mlp", "activation": "relu"},
            143_075,
        ),  # of Shai et al. 2024
        (64, 4, 10, 3, 1, 8, {"family": "kan", "grid": 5, "width": 29}, 144_355),
        (64, 2, 10, 3, 1, 8, {"family": "mlp"}, 72_115),
        (16, 2, 10, 3, 1, 8, {"family": "kan", "grid": 5, "width": 7}, 5_555),
        (64, 2, 64, 84, 4, 16, {"family": "mlp"}, 115_028),
        (32, 2, 64, 84, 2, 16, {"family": "kan", "grid": 5, "width": 14}, 32_404),
    ],
)
def test_parameters_of_known_shapes(
    width, layers, context, vocabulary, heads, head_width, block, parameters
):
    network = transformer(
        block, width, layers, context, vocabulary, heads=heads, head_width=head_width
    )
    assert network.trainable == parameters == families.parameter_count(network)
    embeddings = (2 * vocabulary + context) * width + vocabulary
    counted = count(network)
    assert counted["params.non_embedding"] == parameters - embeddings
    assert counted["params.blocks"] == layers * network.block.trainable


def test_forward_flops_are_those_of_the_closed_form():
    """Of the network of Shai et al., a token: embedding, norms, attention, blocks, residuals,
    logits.
    """
    network = transformer(
        {"family": "mlp", "activation": "relu"}, 64, 4, 10, 3, heads=1, head_width=8
    )
    maps, norms, residuals = 4 * 8 * 64 * 8, 9 * 8 * 64, 2 * 64 * 4
    blocks = 4 * (4 * 64 * 256 + 256)
    for convention, keys in (("shared_dense", 10), ("local_min", 5.5)):
        attention = 4 * keys * (4 * 8 + 4)
        token = 64 + norms + maps + attention + blocks + residuals + 2 * 64 * 3
        assert count(network)[f"flops_forward.{convention}"] == 10 * token
    recipe = Recipe(optimizer=Adam(name="adam", batch_size=64), max_evaluations=7)
    task = RunTask(
        target="mess3",
        fingerprint="1",
        inputs=10,
        low=-1,
        high=1,
        train_points=100,
        validation_points=1,
        test_points=1,
    )
    flops = run_flops(network, recipe, task)["flops_train.shared_dense"]
    assert flops == 7 * (
        64 * 3 * count(network)["flops_forward.shared_dense"] + 13 * network.trainable
    )


class Plain(nn.Module):
    """The same network of torch's own parts; its linear maps hold our weights."""

    def __init__(self, network: TransformerShape, parameters: dict[str, torch.Tensor]):
        super().__init__()
        self.network, self.own = network, of_part(parameters, "backbone")
        self.blocks = [of_part(parameters, f"block{layer}") for layer in range(network.layers)]

    def map(self, name, h):
        return nn.functional.linear(h, self.own[f"{name}.weight"].T, self.own[f"{name}.bias"])

    def norm(self, name, h):
        return nn.functional.layer_norm(
            h, h.shape[-1:], self.own[f"{name}.scale"], self.own[f"{name}.shift"]
        )

    def forward(self, tokens):
        context, heads = self.network.backbone.context, self.network.heads
        h = self.own["token"][tokens] + self.own["position"]
        hidden = torch.full((context, context), -torch.inf, dtype=h.dtype).triu(1)
        for layer, block in enumerate(self.blocks):
            normed = self.norm(f"{layer}.norm", h)
            query, key, value = (
                self.map(f"{layer}.{name}", normed).unflatten(2, (heads, -1)).transpose(1, 2)
                for name in ("query", "key", "value")
            )
            weights = (query @ key.transpose(2, 3) / query.shape[3] ** 0.5 + hidden).softmax(3)
            h = h + self.map(f"{layer}.out", (weights @ value).transpose(1, 2).flatten(2))
            normed = self.norm(f"{layer}.block_norm", h)
            inner = torch.relu(normed @ block["layer0.weight"] + block["layer0.bias"])
            h = h + inner @ block["layer1.weight"] + block["layer1.bias"]
        return self.map("logits", self.norm("norm", h)).flatten(1)


def test_it_computes_what_plain_torch_computes_with_the_same_gradients():
    network = transformer({"family": "mlp", "activation": "relu"}, heads=2)
    flat, knots, tokens = begun(network)
    flat = (
        flat + 0.3 * torch.randn(flat.shape, generator=torch.Generator().manual_seed(1))
    ).requires_grad_()
    parameters = {name: value[0] for name, value in families.unflatten(network, flat).items()}
    plain = Plain(network, parameters)(tokens[0].long())
    ours = families.forward(network, flat, knots, tokens)[0]
    torch.testing.assert_close(ours, plain, rtol=1e-12, atol=1e-12)
    gradients = [
        torch.autograd.grad(each.sin().sum(), flat, retain_graph=True)[0] for each in (ours, plain)
    ]
    torch.testing.assert_close(*gradients, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("family", NAMES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_a_lane_has_the_same_bits_whatever_its_company(family, dtype):
    network = of_family(family)
    flat, knots, tokens = begun(network, lanes=4, dtype=dtype)
    found = []
    for own in (slice(None), slice(2, 4)):
        own_flat = flat[own].detach().requires_grad_()
        outputs = families.forward(network, own_flat, [each[own] for each in knots], tokens[own])
        found.append((outputs[-2:], torch.autograd.grad(outputs.sin().sum(), own_flat)[0][-2:]))
    assert all(map(torch.equal, *found))


@pytest.mark.parametrize("family", NAMES)
def test_mixed_precision_has_about_the_same_gradient_whatever_the_company(family):
    """Three digits of each product; waves of a Fourier KAN take more of them."""
    network = of_family(family)
    flat, knots, tokens = begun(network, lanes=4, dtype=torch.float32)
    found = []
    for own, in_bfloat16 in ((slice(None), False), (slice(None), True), (slice(2, 4), True)):
        points = LanePoints(tokens[own], tokens[own], NEXT_TOKEN, in_bfloat16)
        found.append(
            NEXT_TOKEN.loss_and_gradient(network, flat[own], [each[own] for each in knots], points)
        )
    (loss, gradient), (mixed_loss, mixed_gradient), alone = found
    torch.testing.assert_close(mixed_loss, loss, rtol=2e-3, atol=0)
    assert mixed_gradient.dtype == torch.float32
    assert not torch.equal(mixed_gradient, gradient)
    assert (mixed_gradient - gradient).norm() < (
        0.2 if family == "fourier_kan" else 0.05
    ) * gradient.norm()
    assert torch.equal(alone[0], mixed_loss[2:])
    assert torch.equal(alone[1], mixed_gradient[2:])


@pytest.mark.parametrize("family", NAMES)
def test_what_a_forward_pass_is_said_to_leave_is_what_torch_saves(family):
    network = of_family(family, width=32, layers=2, context=16, vocabulary=20)
    flat, knots, tokens = begun(network, lanes=2, dtype=torch.float32, sequences=64)
    saved = {}

    def note(tensor):
        saved[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        NEXT_TOKEN.losses(
            network, flat.requires_grad_(), knots, LanePoints(tokens, tokens, NEXT_TOKEN)
        )
    numbers = sum(tensor.untyped_storage().nbytes() for tensor in saved.values()) / 4 / (2 * 64)
    assert numbers < network.numbers_left(WEIGHTS["unit"]) < 2 * numbers


@pytest.mark.parametrize("family", NAMES)
def test_a_token_changes_nothing_before_it(family):
    network = of_family(family)
    flat, knots, tokens = begun(network)
    other = tokens.clone()
    other[:, :, 3] = (other[:, :, 3] + 1) % 3
    before, after = (
        families.forward(network, flat, knots, each).unflatten(2, (5, 3))
        for each in (tokens, other)
    )
    assert torch.equal(before[:, :, :3], after[:, :, :3])
    assert (before[:, :, 3:] != after[:, :, 3:]).any(3).all()


def test_positions_matter_and_splines_of_blocks_cover_what_layer_norm_gives():
    flat, knots, tokens = begun(network := of_family("kan"))
    same = torch.zeros_like(tokens)
    logits = families.forward(network, flat, knots, same).unflatten(2, (5, 3))
    assert (logits[0, 0, 0] != logits[0, 0, 1]).all()
    assert (network.block.low, network.block.high) == (-3.0, 3.0)
    assert of_family("mlp").block.shape == (8, 6, 8)
    assert transformer({"family": "mlp"}).block.shape == (8, 32, 8)


def test_what_it_cannot_be_is_said():
    assert "arm.heads=3: they do not divide width=8" in refused(
        transformer, {"family": "mlp"}, heads=3
    )
    assert "arm.block.grid is missing" in refused(transformer, {"family": "kan"})
