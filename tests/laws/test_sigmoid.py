"""Sigmoids of scores over losses: true ones come back with intervals that hold; half of one is not
sold as a whole.
"""

import numpy as np
import pytest
from commands import refused
from made_runs import codes
from scipy.optimize import curve_fit
from scipy.special import expit

from harness.laws.sigmoid import fit_sigmoid, scores_at

TRUE = {"midpoint": 2.5, "slope": -6.0, "chance": 0.25, "ceiling": 0.95}
LOSSES = np.linspace(3.2, 2.0, 12)


def curve(x, midpoint, slope, chance, ceiling):
    return chance + (ceiling - chance) * expit(slope * (x - midpoint))


@pytest.mark.parametrize("given", [(), ("chance",), ("ceiling",), ("chance", "ceiling")])
@pytest.mark.parametrize(("unit", "slope"), [(1.0, -6.0), (100.0, 4.0)])
def test_a_sigmoid_without_noise_comes_back(given, unit, slope):
    true = {**TRUE, "slope": slope}
    scores = unit * curve(LOSSES, **true)
    levels = tuple(unit * true[name] if name in given else None for name in ("chance", "ceiling"))
    found = fit_sigmoid(LOSSES, scores, levels)
    expected = {
        name: value * (unit if name in ("chance", "ceiling") else 1) for name, value in true.items()
    }
    assert {name: found.parameters[name].value for name in true} == pytest.approx(
        expected, rel=1e-6
    )
    assert not found.warnings
    assert scores_at(found, np.array([2.2])).curve == pytest.approx(
        unit * curve(2.2, **true), rel=1e-6
    )


def test_it_is_the_curve_of_least_squares():
    """With known standard errors the values are those of scipy, and intervals nearly those of its
    linearisation.
    """
    rng = np.random.default_rng(2)
    sd = np.geomspace(0.002, 0.01, LOSSES.size)
    scores = curve(LOSSES, **TRUE) + sd * rng.standard_normal(LOSSES.size)
    found = fit_sigmoid(LOSSES, scores, sd=sd)
    values, covariance = curve_fit(
        curve, LOSSES, scores, list(TRUE.values()), sigma=sd, absolute_sigma=True
    )
    for name, value, error in zip(TRUE, values, np.sqrt(np.diag(covariance)), strict=True):
        estimate = found.parameters[name]
        assert estimate.value == pytest.approx(value, rel=1e-4)
        half = (estimate.interval.high - estimate.interval.low) / 2
        assert half == pytest.approx(1.96 * error, rel=0.1)


def test_intervals_hold_the_truth():
    """Of its parameters, the curve beyond the points, and one new run, in about 95 % of
    simulations.
    """
    rng = np.random.default_rng(3)
    held: dict[str, list[bool]] = {}
    for _ in range(50):
        scores = curve(LOSSES, **TRUE) + 0.01 * rng.standard_normal(LOSSES.size)
        found = fit_sigmoid(LOSSES, scores, (TRUE["chance"], None))
        for name in ("midpoint", "slope", "ceiling"):
            interval = found.parameters[name].interval
            held.setdefault(name, []).append(interval.low <= TRUE[name] <= interval.high)
        place = np.array([1.9])
        ahead, truth = scores_at(found, place), curve(1.9, **TRUE)
        held.setdefault("curve", []).append(bool(ahead.low[0] <= truth <= ahead.high[0]))
        new = truth + 0.01 * rng.standard_normal()
        held.setdefault("new run", []).append(bool(ahead.run_low[0] <= new <= ahead.run_high[0]))
    assert {name: np.mean(of) >= 0.87 for name, of in held.items()} == dict.fromkeys(held, True)


def test_half_a_curve_has_no_free_levels():
    """Scores that only begin to rise bound no ceiling; with it given they do. Noise alone has no
    slope.
    """
    rng = np.random.default_rng(4)
    begins = np.linspace(3.2, 2.6, 12)
    scores = curve(begins, **TRUE) + 0.01 * rng.standard_normal(12)
    free, given = fit_sigmoid(begins, scores), fit_sigmoid(begins, scores, (None, 0.95))
    assert "STUCK" in codes(free.refusals) or "SIGMOID_OPEN" in codes(free.warnings)
    assert not given.refusals
    assert (
        given.parameters["midpoint"].interval.low
        <= 2.5
        <= given.parameters["midpoint"].interval.high
    )
    noise = fit_sigmoid(LOSSES, 0.6 + 0.05 * rng.standard_normal(12), (0.25, 0.95))
    assert "SIGMOID_OPEN" in codes(noise.warnings)
    few = fit_sigmoid(-LOSSES[:5], scores[:5])
    assert codes(few.refusals) == ["TOO_FEW"]
    assert few.ends == (-LOSSES[0], -LOSSES[4])


def test_errors_that_are_too_small_are_said():
    """Scores that scatter ten times as much as their errors say: intervals rest on the scatter, and
    MISFIT stands.
    """
    scores = curve(LOSSES, **TRUE) + 0.005 * np.random.default_rng(5).standard_normal(12)
    narrow, free = fit_sigmoid(LOSSES, scores, sd=0.0005), fit_sigmoid(LOSSES, scores)
    assert codes(narrow.warnings) == ["MISFIT"]
    one, other = (law.parameters["midpoint"].interval for law in (narrow, free))
    assert (one.low, one.high) == pytest.approx((other.low, other.high), rel=1e-6)


def test_levels_without_room_between_them_are_an_error():
    assert "must be below" in refused(fit_sigmoid, LOSSES, curve(LOSSES, **TRUE), (0.9, 0.5))
    assert "finite" in refused(fit_sigmoid, LOSSES, np.full(12, np.nan))


def test_row_order_does_not_matter():
    rng = np.random.default_rng(6)
    scores = curve(LOSSES, **TRUE) + 0.01 * rng.standard_normal(12)
    orders = [np.arange(12), rng.permutation(12)]
    first, second = (fit_sigmoid(LOSSES[order], scores[order]) for order in orders)
    assert first.parameters == second.parameters
