"""The choice of a law: the one that made the data, where the data can tell."""

import math

import numpy as np
import pandas as pd
import pytest
from made_runs import curve, runs
from scipy import stats

import harness
from harness.laws import fit_law, predict, select_law

SIZES = np.geomspace(1e2, 1e5, 7)  # too few for a break


def test_clear_data_choose_the_law_that_made_them():
    rng = np.random.default_rng(1)
    sizes = np.geomspace(1e2, 1e6, 14)
    broken = (sizes / 3e3) ** -0.2 * (1 + (sizes / 3e3) ** 3) ** (-1 / 3)
    for law, means in {"pure": sizes**-0.7, "floor": curve(sizes, 0.7), "broken": broken}.items():
        assert select_law(*runs(rng, sizes, means, seeds=3, sd=0.01)).chosen == law


def test_weights_are_those_of_aicc():
    """exp(-difference / 2) over the laws that stand, adding up to 1."""
    found = select_law(
        *runs(np.random.default_rng(2), SIZES, curve(SIZES, 0.7, crossing=1e6), seeds=3, sd=0.1)
    )
    gap = found.fits["floor"].aicc - found.fits["pure"].aicc
    ratio = found.aicc_weights["floor"] / found.aicc_weights["pure"]
    assert ratio == pytest.approx(math.exp(-gap / 2))
    assert sum(found.aicc_weights.values()) == pytest.approx(1)


def test_the_floor_is_tested_at_its_boundary():
    """Half of the chance that F gives the gain in squares of the floor law over the line."""
    x, y = runs(np.random.default_rng(3), SIZES, curve(SIZES, 0.7, crossing=1e5), seeds=2, sd=0.1)
    found = select_law(x, y)
    squares = {
        law: np.sum(np.log(found.fits[law].points.means / predict(found.fits[law], SIZES)) ** 2)
        for law in ("pure", "floor")
    }
    gain = (squares["pure"] - squares["floor"]) / (squares["floor"] / 4)
    assert np.all(found.fits["floor"].points.weights == 1)
    assert found.floor_p == pytest.approx(stats.f.sf(gain, 1, 4) / 2, rel=1e-5)


def test_extrapolation_is_scored_on_sizes_left_out():
    """The largest 1 and 2 of 7 sizes are predicted by fits to the others; the last value is scored
    on the same.
    """
    x, y = runs(np.random.default_rng(4), SIZES, SIZES**-0.7, seeds=2, sd=0.1)
    found = select_law(x, y)
    means = np.array([np.log(y[x == size]).mean() for size in SIZES])
    errors, last = [], []
    for held in (1, 2):
        kept = x < SIZES[-held]
        line = stats.linregress(np.log(SIZES[:-held]), means[:-held])
        assert fit_law(x[kept], y[kept], "pure").alpha == pytest.approx(-line.slope)
        errors.extend(line.intercept + line.slope * np.log(SIZES[-held:]) - means[-held:])
        last.extend(means[-held - 1] - means[-held:])
    assert found.extrapolation["pure"].predictions == 3
    assert found.extrapolation["pure"].rmsle == pytest.approx(
        np.sqrt(np.mean(np.square(errors))), rel=1e-6
    )
    assert found.last_value.rmsle == pytest.approx(np.sqrt(np.mean(np.square(last))))


def test_laws_that_disagree_on_the_exponent_are_both_named():
    found = select_law(
        *runs(np.random.default_rng(5), SIZES, curve(SIZES, 1.0, crossing=1e4), seeds=3, sd=0.02)
    )
    reason = next(caution.reason for caution in found.cautions if caution.code == "MODEL_DEPENDENT")
    assert f"{found.fits['pure'].alpha:.3g} by the pure law" in reason


def test_where_all_laws_are_refused_none_is_chosen():
    found = select_law([1.0, 2.0, 3.0], [3.0, 2.0, 1.0])
    assert found.chosen is None
    assert found.cautions == ()
    assert "broken" not in found.fits


def test_a_law_that_the_sizes_reject_is_not_drawn_where_none_may_be_quoted():
    """Seven sizes of one run over a clear floor: too few to quote the floor law, and the pure law
    is rejected.
    """
    sizes = np.geomspace(1e3, 1e6, 7)
    losses = (0.3 + 2 * sizes**-0.25) * np.exp(0.002 * np.random.default_rng(1).standard_normal(7))
    found = select_law(sizes, losses)
    assert (found.chosen, found.rejected) == (None, ("pure",))
    assert [caution.code for caution in found.cautions] == ["FEW_SIZES"]
    assert "a law is quoted from 9" in found.cautions[0].reason

    fitted = harness.fit(pd.DataFrame({"N": sizes, "loss": losses}), "N", "loss")
    assert fitted.table["law"].tolist() == ["floor"]
    assert fitted.table["exponent"].item() == pytest.approx(0.25, abs=0.05)
    assert "by the floor law, which may not be quoted" in fitted.sentences[0]
