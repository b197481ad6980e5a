"""Laws foresee: exact ones miss nothing, bends are found, the best N and D are the best; held-out
sizes.
"""

import numpy as np
import pytest
from commands import json_of, said
from made_runs import codes
from scipy.stats import t as t_distribution

from benchmarks.grids import isoflop_grid
from harness.laws import fit_law, fit_surface, prediction_interval
from harness.laws.ahead import (
    budgets_of,
    new_run,
    new_run_of_lines,
    origin_cautions,
    rolling_curve,
    rolling_replicates,
    rolling_surface,
)
from harness.laws.fitting import warn_of_distance
from harness.laws.held_out import extrapolate, largest_sizes

SD = 0.005


def _losses(grid, seed=0):
    return np.exp(
        grid.log_loss + SD * np.random.default_rng(seed).standard_normal(grid.log_loss.size)
    )


def test_budgets_of_a_grid_are_its_own_and_near_computes_are_one():
    grid = np.repeat([1e18, 3e18, 6e18, 1e19], 3) * np.tile([0.9, 1.0, 1.1], 4)

    assert np.unique(budgets_of(grid)).size == 4
    assert np.unique(budgets_of(2.0 ** np.arange(9))).tolist() == pytest.approx(2.0 ** np.arange(9))


def test_an_exact_law_misses_no_budget():
    grid = isoflop_grid(4)
    y = np.exp(grid.log_loss)
    origins = rolling_surface(grid.n, grid.d, y, grid.compute)
    law = fit_surface(grid.n, grid.d, y)
    place = np.array([[1e9, 3e10]])

    assert len(origins) == 2
    assert max(abs(origin.error) for origin in origins) < 1e-6
    step = np.log([6 * 3e19 / grid.compute.max()])
    assert new_run(law, place, step, origins).curve == pytest.approx(
        1.8 + 480 * 1e9**-0.35 + 2100 * 3e10**-0.37
    )


def test_a_law_that_bends_is_told_and_its_new_run_has_room():
    grid = isoflop_grid(5, bend=0.02 / (2 * np.log(10**0.5) ** 2))
    y, fitted = _losses(grid), grid.compute < grid.compute.max()
    origins = rolling_surface(grid.n[fitted], grid.d[fitted], y[fitted], grid.compute[fitted])
    law = fit_surface(grid.n[fitted], grid.d[fitted], y[fitted])
    place, step = np.array([[grid.n[-5], grid.d[-5]]]), np.log([10**0.5])
    seen, alone = new_run(law, place, step, origins), new_run(law, place, step)

    assert [caution.code for caution in origin_cautions(origins)] == ["EXTRAPOLATES_BADLY"]
    assert seen.run_low[0] < y[-5] < seen.run_high[0]
    assert not alone.run_low[0] < y[-5] < alone.run_high[0]


def test_a_curve_has_an_origin_for_each_of_its_last_sizes():
    x = np.repeat(np.geomspace(1e3, 1e6, 7), 3)
    y = x**-0.3 * np.exp(0.02 * np.random.default_rng(1).standard_normal(x.size))

    origins = rolling_curve(x, y, "pure")

    assert [origin.budget for origin in origins] == pytest.approx(np.unique(x)[-3:])
    assert origin_cautions(origins) == ()


def test_replicates_that_are_exact_lines_give_students_interval():
    sizes = np.geomspace(10, 1e4, 5)
    levels = np.array([-0.1, 0.0, 0.05, 0.2])
    logs = levels[:, None] - 0.5 * np.log(sizes)
    seen = new_run_of_lines(sizes, logs, np.array([1e5]), 0.95)
    quantile = t_distribution.isf(0.025, 3)

    assert np.log(seen.high / seen.curve) == pytest.approx(quantile * levels.std(ddof=1) / 2)
    assert np.log(seen.run_high / seen.curve) == pytest.approx(
        quantile * levels.std(ddof=1) * np.sqrt(1 + 1 / 4)
    )


def test_a_replicate_without_a_line_does_not_narrow_an_interval():
    sizes, rng = np.geomspace(10, 1e4, 5), np.random.default_rng(3)
    logs = -0.5 * np.log(sizes) + 0.1 * rng.standard_normal((5, 5))
    lost = np.vstack([logs, np.full(5, np.nan)])
    lost[5, 2] = -1.0
    whole, found = (
        new_run_of_lines(sizes, values, np.array([1e5]), 0.95) for values in (logs, lost)
    )
    assert np.array(found) == pytest.approx(np.array(whole))


def test_the_scatter_of_new_runs_is_about_the_mean_of_each_size():
    """Of a budget of two sizes two means are taken off."""
    sizes, rng = np.array([10.0, 100.0, 1000.0, 1200.0]), np.random.default_rng(4)
    logs = -0.5 * np.log(sizes) + 0.1 * rng.standard_normal((4, 4))
    last = rolling_replicates(sizes, logs)[-1]
    spread = np.sqrt(logs[:, 2:].var(axis=0, ddof=1).mean())
    assert last.run_sd == pytest.approx(np.hypot(spread, last.error_sd))


@pytest.fixture
def table(tmp_path):
    grid = isoflop_grid(5)
    rows = zip(grid.n, grid.d, grid.compute * 0.9, _losses(grid), strict=True)
    path = tmp_path / "runs.csv"
    path.write_text(
        "\n".join(["N,D,flops,loss", *(",".join(map(repr, map(float, row))) for row in rows)])
        + "\n"
    )
    return path


def test_compute_alone_takes_the_best_n_and_d(table):
    """C stands at the least loss of all N and D that cost as much, by the counted compute of the
    table.
    """
    asked = ("--x", "N", "--y", "loss", "--and", "D", "--compute", "flops", "--hold-out", 1)
    places = [part for n in (5e9, 8e9) for part in ("--predict", f"N={n:g},D={1e22 / 5.4 / n:g}")]
    answer = json_of("fit", table, *asked, "--predict", "C=1e22", *places)
    (ahead,) = answer["ahead"]
    best, *others = ahead["predictions"]

    assert best["at"]["N"] * best["at"]["D"] * 5.4 == pytest.approx(1e22, rel=1e-6)
    assert best["loss"] < min(other["loss"] for other in others)
    assert best["run_low"] < best["low"] < best["loss"] < best["high"] < best["run_high"]
    (held,) = ahead["held_out"]
    assert held["runs"] == 9
    assert held["inside"] >= 7
    assert len(ahead["origins"]) == 2


@pytest.mark.parametrize(
    ("place", "says"),
    [("D=1e9", "needs both, or the compute C alone"), ("N=x,D=1", "'x' is no number above 0")],
)
def test_a_place_that_is_none_is_said(table, place, says):
    assert says in said(
        "fit", table, "--x", "N", "--y", "loss", "--and", "D", "--predict", place, exit_code=2
    )


SIZES = 10 ** np.linspace(3, 6, 7)
BEYOND = np.array([3e6, 1e7])


def test_the_largest_sizes_are_distinct_sizes():
    x = [30, 10, 20, 30, 20, 10]
    assert largest_sizes(x, 2).tolist() == [True, False, True, True, True, False]
    assert not largest_sizes(x, 0).any()
    assert largest_sizes(x, 9).all()
    assert largest_sizes([], 2).tolist() == []


def test_errors_are_those_of_the_closed_form():
    """A size twice as bad as the law says has RMSLE ln 2; the last value errs by alpha ln(x /
    largest fitted size).
    """
    noise = np.exp([0.02, -0.02, 0.01, 0, -0.01, 0.02, -0.02])
    fit = fit_law(SIZES, SIZES**-0.5 * noise, "pure")
    ahead = np.repeat(BEYOND[:1], 2)
    curve_there = extrapolate(fit, ahead, [1, 1]).prediction.curve

    found = extrapolate(fit, ahead, [curve_there[0], 4 * curve_there[0]])

    assert found.measured.means == pytest.approx(2 * curve_there)
    assert found.prediction.rmsle == pytest.approx(np.log(2))
    assert found.prediction.within.tolist() == [False]
    assert found.last_value_rmsle == pytest.approx(
        abs(np.log(fit.points.means[-1] / found.measured.means[0]))
    )


def test_a_mean_is_within_exactly_between_the_ends():
    fit = fit_law(SIZES, SIZES**-0.5 * np.exp(0.05 * np.cos(2 * np.arange(7))), "pure")
    (low,), (high,) = prediction_interval(fit, BEYOND[:1])
    for value, within in (
        (low * 0.999, False),
        (low * 1.001, True),
        (high * 0.999, True),
        (high * 1.001, False),
    ):
        assert extrapolate(fit, BEYOND[:1], [value]).prediction.within.tolist() == [within]


@pytest.mark.parametrize(
    ("sizes", "said"), [(SIZES[:3], "TOO_FEW"), (10 ** np.linspace(3, 3.8, 7), "a local slope")]
)
def test_a_law_that_may_not_be_extrapolated_predicts_nothing(sizes, said):
    found = extrapolate(fit_law(sizes, sizes**-0.5, "pure"), BEYOND, BEYOND**-0.5)
    assert found.prediction is None
    assert said in found.reason
    assert found.last_value_rmsle == pytest.approx(
        np.sqrt(np.mean((0.5 * np.log(BEYOND / sizes[-1])) ** 2))
    )


def test_predictions_far_beyond_the_sizes_are_warned_of():
    fit = fit_law(SIZES, SIZES**-0.5 * np.exp(0.05 * np.cos(2 * np.arange(7))), "pure")
    assert codes(warn_of_distance(fit, SIZES[-1:] * 3).warnings) == ["SINGLE_SEED"]
    assert "EXTRAPOLATED" in codes(warn_of_distance(fit, SIZES[-1:] * 4).warnings)
