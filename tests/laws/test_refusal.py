"""A fit that the data do not support has no numbers, only reasons."""

from dataclasses import replace

import numpy as np
import pytest
from commands import refused
from made_runs import codes, curve, runs

from harness.base.plain import plain
from harness.laws import band, bootstrap, diagnose, fit_law, predict, sandwich
from harness.laws.held_out import warn_of_cut
from harness.laws.refusal import stuck, warn_of_precision
from harness.laws.solve import Solution

SIZES = np.geomspace(1e2, 1e5, 7)


@pytest.mark.parametrize(("law", "needed"), [("pure", 4), ("floor", 5)])
def test_two_sizes_to_spare(law, needed):
    """A law needs two sizes more than it has parameters, and more seeds do not replace them."""
    enough = np.geomspace(1e2, 1e4, needed)
    few = np.tile(np.geomspace(1e2, 1e4, needed - 1), 10)
    assert codes(fit_law(enough, curve(enough, 1.0, crossing=1e3), law).refusals) == []
    assert codes(fit_law(few, curve(few, 1.0, crossing=1e3), law).refusals) == ["TOO_FEW"]


@pytest.mark.parametrize(
    ("sizes", "seeds", "is_quoted"), [(4, 9, False), (5, 1, False), (5, 2, True), (6, 1, True)]
)
def test_a_law_without_a_floor_is_quoted_where_one_with_a_floor_can_be_fitted(
    sizes, seeds, is_quoted
):
    """Four sizes show no floor, with whatever many seeds: of simulated ones the interval then held
    3 to 78 %.
    """
    x = np.repeat(np.geomspace(1e2, 1e4, sizes), seeds)
    noise = np.exp(0.01 * np.random.default_rng(0).standard_normal(x.size))
    fit = fit_law(x, x**-0.5 * noise, "pure")
    assert fit.is_quotable is is_quoted
    assert ("FEW_SIZES" in codes(fit.warnings)) is not is_quoted


@pytest.mark.parametrize(
    ("decades", "refusals", "warnings"),
    [(0.49, ["RANGE"], False), (0.5, [], True), (0.99, [], True), (1.0, [], False)],
)
def test_range_rule(decades, refusals, warnings):
    """Below half a decade there is no exponent; below one it is a local slope; the limits
    themselves pass.
    """
    sizes = 500.0 * 10 ** np.linspace(0, decades, 6)
    fit = fit_law(sizes, sizes**-1.0, "pure")
    assert codes(fit.refusals) == refusals
    assert ("LOCAL_SLOPE" in codes(fit.warnings)) == warnings


def test_one_size_is_refused_for_both_reasons():
    assert codes(fit_law([7.0, 7.0], [1.0, 2.0], "pure").refusals) == ["TOO_FEW", "RANGE"]


def test_a_local_slope_is_not_extrapolated():
    sizes = np.geomspace(100, 500, 6)
    fit = fit_law(sizes, sizes**-1.0, "pure")
    assert predict(fit, sizes) == pytest.approx(sizes**-1.0)
    for ask in (predict, band):
        assert "local slope" in refused(ask, fit, [100, 600])


def test_a_significant_rise_is_refused_and_located():
    """By 30 %, of seeds that agree to 1 %: both sizes are named. Seeds that differ by 30 % prove
    nothing.
    """
    means = curve(SIZES, 1.0) * np.array([1, 1, 1, 1, 1, 1, 1.3])
    for law in ("pure", "floor"):
        fit, noisy = (
            fit_law(*runs(np.random.default_rng(1), SIZES, means, seeds=5, sd=sd), law)
            for sd in (0.01, 0.3)
        )
        assert codes(fit.refusals) == ["NONMONOTONE"]
        assert "3.162e+04" in fit.refusals[0].reason
        assert "1e+05" in fit.refusals[0].reason
        assert "NONMONOTONE" not in codes(noisy.refusals)


def test_a_rise_beyond_any_float_is_told():
    """From 1e-200 to 1e200 is a factor of 1e400, which no float holds; seeds agree."""
    x = np.repeat(np.geomspace(1e2, 1e4, 6), 2)
    fit = fit_law(x, np.where(x < 1e3, 1e-200, 1e200) * x**-1.0, "pure")
    (refusal,) = [one for one in fit.refusals if one.code == "NONMONOTONE"]
    assert "a factor of 1e4" in refusal.reason


@pytest.mark.parametrize(("factor", "refused"), [(1.99, []), (2.01, ["NONMONOTONE"])])
def test_a_single_seed_may_rise_twofold(factor, refused):
    assert (
        codes(fit_law([1, 10, 100, 1000, 10000], [9, 3, 1, factor, 0.9], "pure").refusals)
        == refused
    )


def test_a_law_without_an_exponent_is_stuck():
    """Flat losses, and losses of which only the first is above the plateau, fit the floor law at no
    finite exponent.
    """
    flat = fit_law(SIZES, np.full(7, 3.3e-9), "floor")
    step = fit_law(SIZES, [2.0, 1, 1, 1, 1, 1, 1], "floor")
    assert codes(flat.refusals) == codes(step.refusals) == ["STUCK"]
    assert "flat" in flat.refusals[0].reason
    assert "runs away" in step.refusals[0].reason


def test_a_lonely_start_and_a_search_that_did_not_move_or_rest_are_stuck():
    """Two starts of sixteen are enough. The commonest failure: the start is handed back, or it
    stops on a slope.
    """
    found = Solution(p=np.zeros(3), objective=1.0, agreeing=2, starts=16, edge=None, gradient=0.0)
    assert stuck(found) is None
    for failed in ({"agreeing": 1}, {"unmoved": True}, {"gradient": 1e-3}):
        assert stuck(replace(found, **failed)).code == "STUCK"


@pytest.mark.parametrize("sd", [1e-13, 1e-10, 1e-7, 1e-4])
def test_starts_agree_down_to_rounding(sd):
    x, y = runs(np.random.default_rng(8), SIZES, curve(SIZES, 3.0), seeds=1, sd=sd)
    assert codes(fit_law(x, y, "floor").refusals) == []


def test_flat_losses_have_a_pure_exponent_of_zero():
    fit = fit_law(SIZES, np.full(7, 3.3e-9), "pure")
    assert fit.alpha == pytest.approx(0, abs=1e-12)
    assert fit.amplitude == pytest.approx(3.3e-9)
    assert "EXPONENT_OPEN" in codes(fit.warnings)


def test_sizes_with_one_run_are_counted():
    x = np.repeat(np.geomspace(1e2, 1e4, 6), 2)
    y = x**-1.0 * np.tile([1.0, 1.1], 6)
    y[1], y[3] = y[0], y[2]
    fit = fit_law(x, y, "pure")
    assert "SINGLE_SEED" in codes(fit.warnings)
    assert next(caution.reason for caution in fit.warnings).startswith("2 of 6")


def test_a_refused_fit_prints_no_number():
    fit = fit_law([1, 2, 3], [3, 2, 1], "floor")
    assert (
        warn_of_precision(fit, "float32")
        is warn_of_cut(fit, fit_law(SIZES, SIZES**-1.0, "floor"))
        is fit
    )
    numbers = (
        "alpha",
        "amplitude",
        "log_amplitude",
        "floor",
        "sigma",
        "aicc",
        "alpha_interval",
        "floor_interval",
    )
    assert all(getattr(fit, name) is None for name in numbers)
    assert all(plain(fit)[name] is None for name in numbers)
    for ask in (predict, band):
        assert "TOO_FEW" in refused(ask, fit, [1.0])
    for ask in (
        sandwich,
        diagnose,
        lambda refused: bootstrap([1, 2, 3], [3, 2, 1], refused, "pairs"),
    ):
        assert "the floor law was refused, so " in refused(ask, fit)


@pytest.mark.parametrize(
    ("dtype", "floor", "warned"),
    [("float32", 3e-7, True), ("float64", 3e-7, False), ("float64", 1e-15, True)],
)
def test_a_floor_near_rounding_is_the_arithmetics(dtype, floor, warned):
    """3e-7 is rounding in float32 and a result in float64; 1e-15 is rounding in both."""
    x, y = runs(np.random.default_rng(0), SIZES, curve(SIZES, 2.0, floor), seeds=3, sd=0.05)
    fit = fit_law(x, y, "floor")
    assert ("NUMERICAL_FLOOR" in codes(warn_of_precision(fit, dtype).warnings)) == warned
    assert "NUMERICAL_FLOOR" not in codes(fit.warnings)
