"""Diagnostics against what they are for a straight line, and against enumeration."""

from fractions import Fraction
from itertools import pairwise, permutations
from math import comb

import numpy as np
import pytest
from made_runs import curve, runs

from harness.laws import data_hash, diagnose, fit_law
from harness.laws.fitting import _runs_p

SIZES = np.geomspace(1e2, 1e5, 7)


def test_of_a_line_leverage_is_the_hat_matrix():
    """Leverages of the pure law are the diagonal of X (X'X)^-1 X', and add up to the parameters."""
    x, y = runs(np.random.default_rng(1), SIZES, SIZES**-0.7, seeds=2, sd=0.2)
    found = diagnose(fit_law(x, y, "pure"))
    design = np.column_stack([np.ones(7), np.log(SIZES)])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    assert found.leverage == pytest.approx(np.diag(hat), rel=1e-9)
    assert found.leverage.sum() == pytest.approx(2)
    scaled = np.column_stack([np.ones(7), np.log(SIZES / SIZES[0])])
    assert found.condition == pytest.approx(np.linalg.cond(scaled / np.linalg.norm(scaled, axis=0)))


@pytest.mark.parametrize("law", ["pure", "floor"])
def test_drop_one_is_a_fit_without_the_size(law):
    """Each exponent of `drop_one` is that of the other sizes' own fit (two seeds: weights are equal)."""
    x, y = runs(np.random.default_rng(2), SIZES, curve(SIZES, 1.0), seeds=2, sd=0.05)
    found = diagnose(fit_law(x, y, law))
    for index, size in enumerate(SIZES):
        other = fit_law(x[x != size], y[x != size], law)
        assert found.drop_one[index] == pytest.approx(other.alpha, rel=1e-7)


def test_numbers_of_the_fit():
    """Counts, decades, residuals, and the reducible loss over the floor at the largest size."""
    x, y = runs(np.random.default_rng(3), SIZES, curve(SIZES, 1.0), seeds=2, sd=0.05)
    fit = fit_law(x, y, "floor")
    found = diagnose(fit)
    law = fit.floor + fit.amplitude * SIZES**-fit.alpha
    assert (found.sizes, found.runs, found.dof) == (7, 14, 4)
    assert found.decades_x == pytest.approx(3)
    assert found.decades_y == pytest.approx(np.log10(fit.points.means.max() / fit.points.means.min()))
    assert found.residuals == pytest.approx(np.log(fit.points.means / law), abs=1e-9)
    assert found.reducible_over_floor == pytest.approx((law / fit.floor - 1)[-1])
    assert found.deltas["squares"] == pytest.approx(fit.alpha, rel=1e-6)
    assert found.deltas["13.45 sd"] == pytest.approx(fit.alpha, rel=1e-6)
    assert -1 <= found.alpha_floor_correlation <= 1
    assert np.argsort(found.normal_scores).tolist() == np.argsort(found.residuals).tolist()


@pytest.mark.parametrize("signs", ["+++---", "+-+-+-", "++--+-", "++++--", "+-++++-"])
def test_runs_test_is_the_share_of_all_orders(signs):
    """The chance of as few runs is that among all orders of as many signs."""
    r = np.array([1.0 if sign == "+" else -1.0 for sign in signs])

    def count(order):
        return 1 + sum(a != b for a, b in pairwise(order))

    orders = set(permutations(signs))
    share = np.mean([count(order) <= count(signs) for order in orders])
    assert _runs_p(r, 1e-20) == pytest.approx(share)


def test_runs_test_of_many_sizes_is_that_of_integers():
    """Beyond a thousand sizes, whose orders are too many for a float, the chance is still the exact ratio."""
    for sizes, share in ((400, 0.1), (400, 0.5), (2_000, 0.5)):
        positive = np.random.default_rng(sizes).random(sizes) < share
        plus, minus = int(positive.sum()), int((~positive).sum())
        seen = 1 + int(np.sum(positive[1:] != positive[:-1]))
        ways = 0
        for runs_seen in range(2, seen + 1):
            half, rest = runs_seen // 2, runs_seen - runs_seen // 2
            ways += comb(plus - 1, half - 1) * comb(minus - 1, rest - 1)
            ways += comb(plus - 1, rest - 1) * comb(minus - 1, half - 1)
        exact = float(Fraction(ways, comb(sizes, plus)))
        assert _runs_p(np.where(positive, 1.0, -1.0), 1e-20) == pytest.approx(exact, rel=1e-9)


def test_the_hash_is_of_the_rows_whatever_their_order():
    """Sorted differently it is the same, with one loss changed another."""
    x, y = [1.0, 2.0, 3.0], [3.0, 2.0, 1.0]
    assert data_hash(x, y) == data_hash(x[::-1], y[::-1])
    assert data_hash(x, y) != data_hash(x, [3.0, 2.0, 1.5])
