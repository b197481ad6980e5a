"""A fit does not depend on units, on the order of rows, on how often a run was read, or on the
scale of weights.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from made_runs import curve, runs

from harness.comparison import multiplier
from harness.laws import fit_law, fit_surface
from harness.laws.law import LAWS, to_logs
from harness.laws.objective import optimum, read_objective
from harness.laws.solve import Problem, descend, residuals_of


@st.composite
def noisy_runs(draw, law):
    """Of a law over 1.5 to 4 decades, its floor or shift from dominant to out of sight; a break can
    be seen.
    """
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    decades, alpha = draw(st.floats(1.5, 4)), draw(st.floats(0.3, 4))
    sizes = 10 ** (
        2 + decades * np.linspace(0, 1, draw(st.integers(5, 9)) if law != "broken" else 14)
    )
    place = 10 ** (2 + decades * draw(st.floats(0.2, 1.5)))
    sd = draw(st.floats(1e-3, 0.3))
    match law:
        case "broken":
            middle, sd = 10 ** (2 + 0.4 * decades), 1e-3
            means = (sizes / middle) ** -0.2 * (1 + (sizes / middle) ** 3) ** (-alpha / 3)
            means = means + 0.1 * means[-1]
        case "shifted":
            means = (sizes + 0.3 * place) ** -alpha
        case _:
            means = curve(sizes, alpha, crossing=place)
    return runs(rng, sizes, means, seeds=draw(st.integers(1, 4)), sd=sd)


@st.composite
def noisy_surface(draw):
    """N, D and loss of single runs at 25 to 49 cells, with a floor."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    alpha, beta = draw(st.floats(0.2, 1)), draw(st.floats(0.2, 1))
    levels = draw(st.integers(5, 7))
    n, d = (
        axis.ravel()
        for axis in np.meshgrid(np.geomspace(1e6, 1e9, levels), np.geomspace(1e8, 1e11, levels))
    )
    means = 1 + (n / 1e7) ** -alpha + (d / 1e9) ** -beta
    return n, d, means * np.exp(0.01 * rng.standard_normal(n.size))


def assert_same_exponent(fit, other, rel):
    """The same refusals, or the same exponent and (to the accuracy of a root) the same interval."""
    assert [refusal.code for refusal in fit.refusals] == [
        refusal.code for refusal in other.refusals
    ]
    if not fit.refusals:
        assert other.alpha == pytest.approx(fit.alpha, rel=rel)
        assert other.alpha_interval.low == pytest.approx(fit.alpha_interval.low, rel=1e-4)
        assert other.alpha_interval.high == pytest.approx(fit.alpha_interval.high, rel=1e-4)


def assert_same_surface(fit, other, rel):
    """The same refusals, or both exponents with their intervals."""
    assert [refusal.code for refusal in fit.refusals] == [
        refusal.code for refusal in other.refusals
    ]
    if not fit.refusals:
        for one, two in (
            (fit.alpha, other.alpha),
            (fit.beta, other.beta),
            (fit.allocation, other.allocation),
        ):
            assert two.value == pytest.approx(one.value, rel=rel)
            assert two.interval.low == pytest.approx(one.interval.low, rel=1e-4)
            assert two.interval.high == pytest.approx(one.interval.high, rel=1e-4)


# Failures are shown as found: to shrink one takes thousands of fits.
many = settings(max_examples=8, derandomize=True, phases=[Phase.explicit, Phase.generate])
few = settings(many, max_examples=3)
# The broken law takes ten times as long as the others together.
laws = pytest.mark.parametrize(
    "law",
    [pytest.param(law, marks=[pytest.mark.nightly] if law == "broken" else []) for law in LAWS],
)


@laws
@many
@given(st.data(), st.sampled_from([1e-6, 1e6]), st.sampled_from([1e-9, 1e9]))
def test_units_do_not_matter(law, data, x_unit, y_unit):
    x, y = data.draw(noisy_runs(law))
    fit, other = fit_law(x, y, law), fit_law(x * x_unit, y * y_unit, law)
    assert_same_exponent(fit, other, rel=1e-8)
    if fit.floor is not None:
        assert other.floor == pytest.approx(fit.floor * y_unit, rel=1e-7)
        assert other.floor_interval.high == pytest.approx(
            fit.floor_interval.high * y_unit, rel=1e-4
        )


@laws
@many
@given(st.data(), st.integers(0, 2**32 - 1))
def test_order_of_rows_does_not_matter(law, data, seed):
    x, y = data.draw(noisy_runs(law))
    order = np.random.default_rng(seed).permutation(len(x))
    assert_same_exponent(fit_law(x, y, law), fit_law(x[order], y[order], law), rel=1e-10)


@laws
@many
@given(st.data())
def test_copies_of_the_runs_are_not_evidence(law, data):
    x, y = data.draw(noisy_runs(law))
    assert_same_exponent(fit_law(x, y, law), fit_law(np.tile(x, 10), np.tile(y, 10), law), rel=1e-8)


@laws
@many
@given(st.data())
def test_higher_level_is_wider(law, data):
    x, y = data.draw(noisy_runs(law))
    narrow, wide = fit_law(x, y, law, level=0.8), fit_law(x, y, law, level=0.95)
    if not narrow.refusals:
        outer, inner = wide.alpha_interval, narrow.alpha_interval
        assert outer.low <= inner.low <= narrow.alpha <= inner.high <= outer.high


@few
@given(
    noisy_surface(),
    st.sampled_from([1e-6, 1e6]),
    st.sampled_from([1e-9, 1e9]),
    st.integers(0, 2**32 - 1),
)
def test_a_surface_depends_on_no_unit_order_or_copy(data, x_unit, y_unit, seed):
    n, d, y = data
    fit = fit_surface(n, d, y)
    other = fit_surface(n * x_unit, d / x_unit, y * y_unit)
    assert_same_surface(fit, other, rel=1e-8)
    assert other.floor.value == pytest.approx(fit.floor.value * y_unit, rel=1e-7)
    order = np.random.default_rng(seed).permutation(len(n))
    assert_same_surface(fit, fit_surface(n[order], d[order], y[order]), rel=1e-10)
    assert_same_surface(fit, fit_surface(*(np.tile(column, 10) for column in data)), rel=1e-8)


@few
@given(noisy_runs("floor"), st.sampled_from([1e-6, 1e6]), st.sampled_from([1e-9, 1e9]))
def test_units_do_not_matter_to_the_multiplier(data, x_unit, y_unit):
    x, y = data
    asked = {"floor": "shared", "alpha": "shared"}
    one = multiplier({"a": x, "b": 3 * x}, {"a": y, "b": y}, **asked)
    other = multiplier(
        {"a": x * x_unit, "b": 3 * x * x_unit}, {"a": y * y_unit, "b": y * y_unit}, **asked
    )
    assert [refusal.code for refusal in one.refusals] == [
        refusal.code for refusal in other.refusals
    ]
    if not one.refusals:
        before, after = one.sizes[0].multiplier, other.sizes[0].multiplier
        assert before.value == pytest.approx(3, rel=1e-6)
        assert after.value == pytest.approx(before.value, rel=1e-8)
        assert after.interval.low == pytest.approx(before.interval.low, rel=1e-4)


@laws
@many
@given(st.data(), st.sampled_from([1e-9, 1e-3, 1e3, 1e9]))
def test_the_scale_of_weights_does_not_matter(law, data, factor):
    x, y = data.draw(noisy_runs(law))
    weights = np.random.default_rng(0).uniform(0.2, 2, x.size)
    wanted = read_objective("least_squares")
    _, _, one, _ = optimum(Problem(LAWS[law], to_logs(x, y, weights)), wanted)
    _, _, other, _ = optimum(Problem(LAWS[law], to_logs(x, y, factor * weights)), wanted)
    assert other.edge == one.edge
    assert other.objective == pytest.approx(factor * one.objective, rel=1e-9)
    if one.edge is None and one.agreeing > 1:
        # Losses that do not fall, or fall like an exponential, leave a shift undetermined.
        u = to_logs(x, y, weights).u
        falls = (
            np.ptp(LAWS[law].curve(one.p, u)[0]) > 1 and one.p[2] < u.max()
            if law == "shifted"
            else True
        )
        if falls:
            assert other.p == pytest.approx(one.p, rel=1e-8, abs=1e-8)


@pytest.mark.parametrize("factor", [1e-9, 1e-3, 1e3, 1e9])
@pytest.mark.parametrize("delta", [None, 0.05])
def test_the_scale_of_an_objective_does_not_matter(factor, delta):
    x, y = runs(
        np.random.default_rng(1),
        np.geomspace(1e2, 1e5, 7),
        curve(np.geomspace(1e2, 1e5, 7), 1.0),
        5,
        0.1,
    )
    law, logs = LAWS["floor"], to_logs(x, y, np.ones(x.size))
    scaled = replace(logs, scale=factor * logs.scale, roundoff=factor**2 * logs.roundoff)
    longest = np.array(law.longest_step)
    found = []
    for one, size in ((logs, 1.0), (scaled, factor)):
        p, objective = descend(
            residuals_of(law.curve, one),
            law.starts(logs),
            longest,
            one.roundoff,
            delta and delta * size,
        )
        found.append((p[objective.argmin()], objective.min() / size**2))
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-8)
    assert found[1][1] == pytest.approx(found[0][1], rel=1e-12)
