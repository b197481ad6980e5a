"""What is minimised: least squares, Huber's loss at its own scale, or a declared one, against
scipy.
"""

import numpy as np
import pytest
from commands import refused
from made_runs import curve, runs
from scipy.optimize import minimize
from scipy.special import huber

from harness.laws import fit_law, fit_surface
from harness.laws.objective import read_objective

SIZES = np.geomspace(1e2, 1e5, 24)


def single_runs(seed, outlier=1.0, sd=0.05):
    """24 sizes, one run each, of which the last but one is `outlier` times too high."""
    x, y = runs(np.random.default_rng(seed), SIZES, SIZES**-0.7, seeds=1, sd=sd)
    y[-2] *= outlier
    return x, y


def test_auto_is_least_squares_until_residuals_ask_for_more():
    """Normal residuals are squared; with one run 1.6 times too high (9 sd) the loss is Huber's, and
    says its delta.
    """
    clean, spoilt = (fit_law(*single_runs(1, outlier), "pure") for outlier in (1.0, 1.6))
    squares = fit_law(*single_runs(1, 1.6), "pure", objective="least_squares")
    assert clean.objective == "least_squares"
    assert spoilt.objective.startswith("huber(delta=")
    assert spoilt.alpha == fit_law(*single_runs(1, 1.6), "pure", objective="huber").alpha
    assert abs(spoilt.alpha - clean.alpha) < abs(squares.alpha - clean.alpha)


def test_few_sizes_are_never_heavy_tailed():
    means = (np.arange(7) + 1.0) ** -0.7 * np.array([1, 1, 1, 0.5, 1, 1, 1])
    assert fit_law(np.geomspace(1e2, 1e5, 7), means, "pure").objective == "least_squares"


@pytest.mark.parametrize("delta", [1e-3, 1e-2, 10.0])
def test_declared_huber_is_scipys_minimum(delta):
    x, y = runs(np.random.default_rng(2), SIZES, curve(SIZES, 0.6), seeds=2, sd=0.05)
    fit = fit_law(x, y, "floor", objective=f"huber_log(delta={delta})")

    def objective(p):
        law = np.logaddexp(p[0], p[1] - np.exp(p[2]) * np.log(x))
        return huber(delta, np.log(y) - law).sum() / delta

    start = (np.log(fit.floor) + 0.1, fit.log_amplitude + 0.1, np.log(fit.alpha) - 0.01)
    found = start
    for _ in range(4):  # restarts of the simplex
        found = minimize(
            objective, found, method="Nelder-Mead", options={"xatol": 1e-10, "fatol": 1e-14}
        ).x
    ours = (np.log(fit.floor), fit.log_amplitude, np.log(fit.alpha))
    assert fit.objective == f"huber_log(delta={delta:g})"
    assert objective(ours) <= objective(found) * (1 + 1e-9)
    assert fit.alpha == pytest.approx(np.exp(found[2]), rel=1e-4)
    assert fit.floor == pytest.approx(np.exp(found[0]), rel=1e-4)


def test_the_loss_of_a_surface_is_the_published_sum():
    """`loss` is the sum of Huber's losses, half a square inside of delta, at the parameters that
    are printed.
    """
    rng = np.random.default_rng(3)
    n, d = (
        axis.ravel() for axis in np.meshgrid(np.geomspace(1e6, 1e9, 5), np.geomspace(1e8, 1e11, 5))
    )
    y = (1.8 + 400 * n**-0.34 + 400 * d**-0.28) * np.exp(0.01 * rng.standard_normal(n.size))
    fit = fit_surface(n, d, y, objective="huber_log(delta=1e-3)")
    law = fit.floor.value + fit.a * n**-fit.alpha.value + fit.b * d**-fit.beta.value
    assert fit.loss == pytest.approx(huber(1e-3, np.log(y / law)).sum(), rel=1e-8)


@pytest.mark.parametrize(
    "text", ["hubert", "huber_log", "huber_log(delta=0)", "huber_log(delta=-1)", "huber_log(1e)"]
)
def test_an_unknown_objective_is_answered_with_those_allowed(text):
    told = refused(read_objective, text)
    assert "allowed: auto, least_squares, huber, huber_log" in told
    assert repr(text) in told


def test_a_published_loss_of_single_runs_has_sizes_as_units_all_the_same():
    """Twelve runs at two sizes are two sizes: refused; 21 at seven have five degrees of freedom,
    none is single.
    """
    rng = np.random.default_rng(0)
    few = fit_law(
        np.repeat([1e2, 1e3], 6),
        np.exp(rng.normal(0, 0.1, 12)),
        "pure",
        objective="huber_log(delta=1e-3)",
    )
    x = np.repeat(np.geomspace(1e2, 1e5, 7), 3)
    fit = fit_law(
        x, x**-0.5 * np.exp(rng.normal(0, 0.05, 21)), "pure", objective="huber_log(delta=1e-3)"
    )

    assert [refusal.code for refusal in few.refusals] == ["TOO_FEW"]
    assert (fit.points.sizes.size, fit.dof, fit.aicc) == (7, 5, None)
    assert "SINGLE_SEED" not in [caution.code for caution in fit.warnings]


@pytest.mark.nightly
def test_intervals_of_a_delta_far_below_the_scatter_hold_the_truth():
    """A law through single runs has residuals of zero, which say nothing of the noise: 95 in 100
    all the same.
    """
    rng = np.random.default_rng(1)
    x = np.repeat(np.geomspace(1e2, 1e5, 7), 3)
    held = []
    for _ in range(60):
        fit = fit_law(
            x,
            x**-1.0 * np.exp(0.1 * rng.standard_normal(x.size)),
            "pure",
            objective="huber_log(delta=1e-3)",
        )
        held.append(bool(fit.refusals) or fit.alpha_interval.low <= 1 <= fit.alpha_interval.high)
    assert np.mean(held) >= 0.95 - 3 * np.sqrt(0.95 * 0.05 / 60)
