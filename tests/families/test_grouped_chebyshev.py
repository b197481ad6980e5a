"""Chebyshev series of groups of inputs: equal to numpy's, and tanh at the start."""

import numpy as np
import pytest
import torch
from numpy.polynomial import chebyshev

from harness import families
from harness.families.grouped_chebyshev import GroupedChebyshevShape, series
from harness.families.rational_kan import groups_of_nodes


@pytest.mark.parametrize("degree", [1, 2, 3, 7])
def test_a_series_is_numpys_of_its_group(degree):
    generator = np.random.default_rng(degree)
    coefficients_GC, t_IN = generator.normal(size=(3, degree + 1)), generator.uniform(-1, 1, (7, 11))
    ours_RIN = series(torch.from_numpy(coefficients_GC)[None], torch.from_numpy(t_IN)[None])
    groups = groups_of_nodes(7, 3)
    numpys = [chebyshev.chebval(t_N, coefficients_GC[group]) for t_N, group in zip(t_IN, groups, strict=True)]
    np.testing.assert_allclose(ours_RIN[0], numpys, rtol=1e-12, atol=1e-12)


def test_it_begins_as_an_mlp_of_tanh_that_keeps_the_variance():
    network = GroupedChebyshevShape(shape=(400, 400, 400))
    flat = families.initialise(network, [np.random.default_rng(0)], 1.0, torch.float64, "cpu")
    own = families.unflatten(network, flat)
    x_RNI = torch.randn(1, 500, 400, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    outputs = families.forward(network, flat, [], x_RNI)
    hidden = torch.tanh(x_RNI) @ own["layer0.weight"]
    torch.testing.assert_close(outputs, torch.tanh(hidden) @ own["layer1.weight"])
    assert outputs.var().item() == pytest.approx(1, rel=0.1)
