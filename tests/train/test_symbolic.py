"""Edges are recognised by their samples, and a network of them becomes the formula that it is."""

import numpy as np
import pytest

from harness.train.symbolic import FORMS, EdgeSamples, read_formula, snap_edge

X = np.sort(np.random.default_rng(0).uniform(-1, 1, 400))


@pytest.mark.parametrize(
    ("form", "a", "b", "c", "d", "noise"),
    [
        ("t", 1, 0, -3, 1, 0),
        ("t**2", 1, 0.3, 2, 1, 1e-3),
        ("t**3", 1.5, -0.2, 1, 0, 1e-3),
        ("exp(t)", -1.3, 0, 0.5, 2, 1e-3),
        ("sin(t)", np.pi, 0.4, 1, 0, 1e-3),
        ("sin(t)", 9.0, 0, 1, -1, 1e-3),
        ("log(t)", 1, 1.2, 1, 0, 1e-4),
        ("sqrt(t)", -1, 1.001, 1, 0, 1e-4),
        ("1/t", -1, 1.3, 1, 0, 1e-3),
        ("Abs(t)", 1, 0.5, 1, 0, 1e-3),
        ("tanh(t)", 4, 1, 2, 0, 1e-3),
        ("exp(-t**2)", 5, -1, 1, 0, 1e-3),
    ],
)
def test_a_planted_edge_is_recognised(form, a, b, c, d, noise):
    exact = c * FORMS[form](a * X + b) + d
    noisy = exact + noise * exact.std() * np.random.default_rng(1).standard_normal(X.size)

    edge = snap_edge(X, noisy)

    assert edge.form == form
    assert edge.r2 > 0.9999
    slope, shift, factor, offset = edge.constants
    again = factor * FORMS[form](slope * X + shift) + offset
    assert np.abs(again - exact).max() <= max(2 * noise, 1e-9) * exact.std() * 3


def test_a_network_becomes_its_formula():
    x_IN = np.random.default_rng(2).uniform(-1, 1, (2, 500))
    inner = np.stack([0.5 * np.sin(np.pi * x_IN[0]) + 0.1, 0.5 * x_IN[1] ** 2])
    noise = 1e-3 * np.random.default_rng(3).standard_normal((2, 500))
    hidden = inner.sum(0) + 0.2  # a bias
    last = np.exp(2 * (hidden - 0.3))
    y_N = np.exp(np.sin(np.pi * x_IN[0]) + x_IN[1] ** 2)

    biases = [np.array([0.2]), np.zeros(1)]
    train = test = EdgeSamples(x_IN, y_N)
    found = read_formula([(inner + noise)[None], last[None, None]], biases, train, test, ["x", "y"])

    assert found.least_r2 > 0.9999
    assert found.rmse < 1e-5
    assert found.text == "1.0*exp(1.0*y**2 + 1.0*sin(3.14159*x))"


def test_a_constant_edge_is_its_constant():
    edge = snap_edge(X, np.full_like(X, 0.7))

    assert edge.constants[2:] == (0, 0.7)
    assert np.isnan(edge.r2)
    samples = EdgeSamples(X[None], np.full_like(X, 0.7))
    found = read_formula([np.full((1, 1, X.size), 0.7)], [np.zeros(1)], samples, samples, ["x"])
    assert found.text == "0.700000"
    assert found.rmse == pytest.approx(0, abs=1e-6)
