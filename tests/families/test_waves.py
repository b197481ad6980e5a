"""Sines start as SIREN does, and Fourier features are those of Tancik et al., frozen, from the run's seed."""

from math import pi, sqrt

import pytest
import torch

from harness.families import forward, initialise, unflatten
from harness.spec import MlpShape
from tests.families.test_networks import lane_generators

SIREN = MlpShape(shape=(1, 256, 256, 256, 1), activation="sine")


def parameters_of(network, gain=1.0):
    return unflatten(network, initialise(network, lane_generators(1), gain, torch.float64, "cpu"))


@pytest.mark.parametrize("omega_0", [30.0, 10.0])
def test_sines_start_as_sitzmann_et_al_have_it(omega_0):
    """U(+-1/n), then U(+-sqrt(6/n)/omega_0), the last layer included; biases as torch has them; all times the gain."""
    network = MlpShape(shape=(40, 50, 60, 30), activation="sine", omega_0=omega_0)
    drawn, doubled = parameters_of(network), parameters_of(network, gain=2.0)
    bounds = {
        "layer0.weight": 1 / 40,
        "layer1.weight": sqrt(6 / 50) / omega_0,
        "layer2.weight": sqrt(6 / 60) / omega_0,
        **{f"layer{layer}.bias": 1 / sqrt(inputs) for layer, inputs in enumerate((40, 50, 60))},
    }

    assert drawn.keys() == bounds.keys()
    for name, values in drawn.items():
        assert values.abs().max() <= bounds[name]
        assert values.std().item() == pytest.approx(bounds[name] / sqrt(3), rel=0.2 if "bias" in name else 0.03)
        assert torch.equal(doubled[name], 2 * values)


def test_features_are_sines_and_cosines_of_random_frequencies():
    """sin(2 pi B x), then cos(2 pi B x), before an ordinary MLP; and B is N(0, sigma^2)."""
    network = MlpShape(shape=(3, 4, 2), features=5, features_sigma=0.7)
    generators = lane_generators(2)
    flat = initialise(network, generators, 1.0, torch.float64, "cpu")
    (frequencies,) = carried = network.draw_knots(lane_generators(2, seed=1), torch.float64, "cpu")
    x = torch.rand(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    phase = 2 * pi * x @ (frequencies / (2 * pi))
    waves = torch.cat([torch.sin(phase), torch.cos(phase)], 2)
    plain = forward(MlpShape(shape=(10, 4, 2)), flat, [], waves)
    torch.testing.assert_close(forward(network, flat, carried, x), plain)

    wide = network.model_copy(update={"features": 5000})
    (many,) = wide.draw_knots(lane_generators(1), torch.float64, "cpu")
    assert many.std().item() == pytest.approx(2 * pi * 0.7, rel=0.03)
    assert abs(many.mean().item()) < 0.1


def test_frequencies_are_of_their_generator():
    """A lane's are the same beside others; weights drawn from the same seed do not depend on sigma."""
    network = MlpShape(shape=(3, 4, 2), features=5)
    (alone,), (beside,) = (network.draw_knots(lane_generators(n), torch.float64, "cpu") for n in (1, 3))

    assert torch.equal(alone[0], beside[0])
    assert not torch.equal(beside[0], beside[1])
