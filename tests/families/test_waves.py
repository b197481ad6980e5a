"""Sines start as SIREN does, and Fourier features are those of Tancik et al., frozen, from the run's seed."""

from math import pi, sqrt

import numpy as np
import pytest
import torch

from harness.families import forward, initial_carried, initialise, unflatten
from harness.families.layout import of_layer
from harness.families.linear import evaluate_dense
from harness.spec import MlpShape, Recipe, RunSpec, Task, run_id
from harness.tasks import resolve
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


@pytest.mark.parametrize("omega_0", [30.0, 10.0])
def test_phases_have_variance_1_at_any_depth(omega_0):
    """SIREN's theorem 1.8: in every layer but the first omega_0 W h has variance 1, or somewhat less.

    Sines of phases of variance v have variance (1 - e^-2v) / 2, which the theorem takes for 1/2, and omega_0 W h twice
    that: 0.86 at v = 1. Biases add omega_0^2 / 3n to v.
    """
    network = SIREN.model_copy(update={"omega_0": omega_0})
    many_waves = 60 / omega_0  # of the first layer, whose outputs then have variance 1/2
    h_RIN = torch.from_numpy(np.random.default_rng(0).uniform(-many_waves, many_waves, (1, 1, 2000)))
    before = np.inf
    for layer in range(3):
        own = of_layer(parameters_of(network), layer)
        z_RON = evaluate_dense(own, h_RIN)
        if layer:
            without_biases = (omega_0 * (z_RON - own["bias"][..., None])).square().mean().item()
            assert without_biases == pytest.approx(1 - np.exp(-2 * before), rel=0.03)
            assert 0.85 < without_biases < 1.05
            before = without_biases + omega_0**2 / (3 * 256)
            assert (omega_0 * z_RON).square().mean().item() == pytest.approx(before, rel=0.1)
        h_RIN = network.activate(own, z_RON)


def test_features_are_sines_and_cosines_of_random_frequencies():
    """sin(2 pi B x), then cos(2 pi B x), before an ordinary MLP; and B is N(0, sigma^2)."""
    network = MlpShape(shape=(3, 4, 2), features=5, features_sigma=0.7)
    generators = lane_generators(2)
    flat = initialise(network, generators, 1.0, torch.float64, "cpu")
    (frequencies,) = carried = initial_carried(network, lane_generators(2, seed=1), torch.float64, "cpu")
    x = torch.rand(2, 9, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    phase = 2 * pi * x @ (frequencies / (2 * pi))
    waves = torch.cat([torch.sin(phase), torch.cos(phase)], 2)
    plain = forward(MlpShape(shape=(10, 4, 2)), flat, [], waves)
    torch.testing.assert_close(forward(network, flat, carried, x), plain)

    wide = network.model_copy(update={"features": 5000})
    (many,) = initial_carried(wide, lane_generators(1), torch.float64, "cpu")
    assert many.std().item() == pytest.approx(2 * pi * 0.7, rel=0.03)
    assert abs(many.mean().item()) < 0.1


def test_frequencies_are_of_their_generator():
    """A lane's are the same beside others; weights drawn from the same seed do not depend on sigma."""
    network = MlpShape(shape=(3, 4, 2), features=5)
    (alone,), (beside,) = (initial_carried(network, lane_generators(n), torch.float64, "cpu") for n in (1, 3))

    assert torch.equal(alone[0], beside[0])
    assert not torch.equal(beside[0], beside[1])


def test_what_is_at_its_default_leaves_no_trace_in_an_identity():
    """Runs of before have the ids that they had; whatever changes numbers changes the id."""
    run = RunSpec(
        task=resolve(Task(target="xy")),
        network=MlpShape(shape=(2, 4, 1)),
        recipe=Recipe.model_validate({"optimizer": {"name": "lbfgs"}, "max_evaluations": 10}),
        seed=0,
    )
    given = ({"omega_0": 30.0}, {"features": None}, {"features_sigma": 1.0})
    others = ({"activation": "sine"}, {"activation": "sine", "omega_0": 10.0}, {"features": 3})
    others = (*others, {"features": 3, "features_sigma": 2.0})

    def identity(fields):
        return run_id(run.model_copy(update={"network": MlpShape(shape=(2, 4, 1), **fields)}))

    assert set(run.network.model_dump()) == {"shape", "family", "activation"}
    assert {identity(fields) for fields in given} == {run_id(run)}
    assert len({run_id(run), *map(identity, others)}) == 5
