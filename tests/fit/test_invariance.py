"""A fit does not depend on units, on the order of rows, or on how often a run was read."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_runs import curve, runs

from harness.fit import fit_law


@st.composite
def noisy_runs(draw):
    """Seeded runs of a floor law over 1.5 to 4 decades, with a floor anywhere from dominant to out of sight."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decades = draw(st.floats(1.5, 4))
    sizes = 10 ** (2 + decades * np.linspace(0, 1, draw(st.integers(5, 9))))
    crossing = 10 ** (2 + decades * draw(st.floats(0.2, 1.5)))
    means = curve(sizes, draw(st.floats(0.3, 4)), crossing=crossing)
    return runs(rng, sizes, means, seeds=draw(st.integers(1, 4)), sd=draw(st.floats(1e-3, 0.3)))


def assert_same_exponent(fit, other, rel):
    """The same refusals, or the same exponent and (to the accuracy of a root) the same interval."""
    assert [refusal.code for refusal in fit.refusals] == [refusal.code for refusal in other.refusals]
    if not fit.refusals:
        assert other.alpha == pytest.approx(fit.alpha, rel=rel)
        assert other.alpha_interval.low == pytest.approx(fit.alpha_interval.low, rel=1e-4)
        assert other.alpha_interval.high == pytest.approx(fit.alpha_interval.high, rel=1e-4)


many = settings(max_examples=20, deadline=None, derandomize=True)
laws = pytest.mark.parametrize("law", ["pure", "floor"])


@laws
@many
@given(noisy_runs(), st.sampled_from([1e-6, 1e6]), st.sampled_from([1e-9, 1e9]))
def test_units_do_not_matter(law, data, x_unit, y_unit):
    """Rescaling x and y leaves the exponent to 1e-8 and scales the floor with y."""
    x, y = data
    fit, other = fit_law(x, y, law), fit_law(x * x_unit, y * y_unit, law)
    assert_same_exponent(fit, other, rel=1e-8)
    if fit.floor is not None:
        assert other.floor == pytest.approx(fit.floor * y_unit, rel=1e-7)
        assert other.floor_interval.high == pytest.approx(fit.floor_interval.high * y_unit, rel=1e-4)


@laws
@many
@given(noisy_runs(), st.integers(0, 2**32 - 1))
def test_order_of_rows_does_not_matter(law, data, seed):
    """Shuffled rows give the exponent to 1e-10."""
    x, y = data
    order = np.random.default_rng(seed).permutation(len(x))
    assert_same_exponent(fit_law(x, y, law), fit_law(x[order], y[order], law), rel=1e-10)


@laws
@many
@given(noisy_runs())
def test_copies_of_the_runs_are_not_evidence(law, data):
    """Ten copies of every row: the same refusals, the same exponent, an interval that does not shrink."""
    x, y = data
    assert_same_exponent(fit_law(x, y, law), fit_law(np.tile(x, 10), np.tile(y, 10), law), rel=1e-8)


@laws
@many
@given(noisy_runs())
def test_higher_level_is_wider(law, data):
    """The 80 % interval lies within the 95 % interval and both hold the estimate."""
    narrow, wide = fit_law(*data, law, level=0.8), fit_law(*data, law, level=0.95)
    if not narrow.refusals:
        outer, inner = wide.alpha_interval, narrow.alpha_interval
        assert outer.low <= inner.low <= narrow.alpha <= inner.high <= outer.high
