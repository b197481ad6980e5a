"""What a search finds: of an effort, against all subsets, one by one; the best of k, exact by
enumeration.
"""

import csv
import math
from itertools import chain, combinations, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shared_data import shared

from harness.base.errors import HarnessError
from harness.comparison import expected_best
from harness.comparison.effort import Searched, efforts, value

BUDGET = 2.0
NO_LOSS = [math.nan, math.inf]


def searched(*columns):
    """Runs with these sizes, costs, validation losses and test losses."""
    return Searched(*(np.asarray(column, float) for column in columns))


def by_subsets(side, budget, effort):
    """The mean over all subsets that have a value, and the share that has none: the definition,
    word by word.
    """
    sizes = [np.flatnonzero(side.size == size) for size in np.unique(side.size)]
    found, none, number = [], 0.0, 0
    for parts in product(*(combinations(runs, min(effort, len(runs))) for runs in sizes)):
        number += 1
        chosen = [
            run
            for run in chain(*parts)
            if np.isfinite(side.validation[run]) and side.cost[run] <= budget
        ]
        best = min(((side.validation[run], side.size[run]) for run in chosen), default=None)
        ties = [side.test[run] for run in chosen if (side.validation[run], side.size[run]) == best]
        kept = [loss for loss in ties if np.isfinite(loss)]
        none += 1 - len(kept) / len(ties) if ties else 1
        found += [(math.log(loss), 1 / len(ties)) for loss in kept]
    weight = sum(share for _, share in found)
    return sum(ln * share for ln, share in found) / weight if weight else math.nan, none / number


def of_one_size(validation, test):
    """Runs of one size, all within the budget."""
    return searched(np.zeros(len(test)), np.ones(len(test)), validation, test)


@st.composite
def searches(draw):
    """Up to nine runs of up to three sizes: some diverged, some cost too much, some tie, some fail
    on the test data.
    """
    runs = draw(st.integers(1, 9))

    def each(values):
        return draw(st.lists(st.sampled_from(values), min_size=runs, max_size=runs))

    test = [
        draw(st.sampled_from([*NO_LOSS, *(2.0**power for power in range(-8, 8))]))
        for _ in range(runs)
    ]
    return searched(
        each([1, 2, 4]), each([1.0, 2.0, 3.0]), each([*NO_LOSS, 0.5, 1.0, 2.0, 3.0, 4.0]), test
    )


@given(searches(), st.integers(1, 6))
def test_it_is_the_mean_over_all_subsets(side, effort):
    ln_loss, none = by_subsets(side, BUDGET, effort)
    found = value(side, BUDGET, effort)
    assert found.ln_loss == pytest.approx(ln_loss, nan_ok=True)
    assert found.none == pytest.approx(none, abs=1e-12)


def test_one_run_is_the_mean_and_all_runs_are_the_best():
    rng = np.random.default_rng(1)
    validation, test = rng.random(40), rng.random(40)
    side = of_one_size(validation, test)
    assert value(side, BUDGET, 1).ln_loss == pytest.approx(np.log(test).mean())
    assert (
        value(side, BUDGET, 40).ln_loss
        == value(side, BUDGET).ln_loss
        == np.log(test[validation.argmin()])
    )
    assert value(side, BUDGET).none == 0


@pytest.mark.parametrize("effort", [1, 2, 64, 699])
def test_hundreds_of_runs_keep_their_digits(effort):
    """Of n runs whose losses are exp(rank), the best of k has the mean rank (n + 1) / (k + 1)."""
    ranks = np.arange(1.0, 701.0)
    found = value(of_one_size(ranks, np.exp(ranks)), BUDGET, effort)
    assert found.ln_loss == pytest.approx(701 / (effort + 1), rel=1e-12)


def test_neither_order_nor_units_nor_a_run_that_cannot_win_matter():
    rng = np.random.default_rng(2)
    columns = np.array(
        [rng.integers(0, 3, 30), rng.choice([1.0, 3.0], 30), rng.integers(0, 9, 30), rng.random(30)]
    )
    columns[2, ::7] = np.nan
    with_a_worst = np.column_stack([columns, [0, 1, 99, 1e9]])
    for effort in (1, 4, None):
        found = value(searched(*columns), BUDGET, effort)
        shuffled = value(searched(*columns[:, rng.permutation(30)]), BUDGET, effort)
        size, cost, validation, test = columns
        assert shuffled == pytest.approx(found, rel=1e-12)
        in_other_units = value(searched(size, cost, validation, 1e3 * test), BUDGET, effort)
        assert in_other_units.ln_loss == pytest.approx(found.ln_loss + math.log(1e3))
    assert value(searched(*with_a_worst), BUDGET) == value(searched(*columns), BUDGET)


def test_replicates_are_read_at_once_as_one_by_one():
    rng = np.random.default_rng(3)
    size, cost = rng.integers(0, 2, (5, 8)), rng.choice([1.0, 3.0], (5, 8))
    cost[2] = 3.0
    validation, test = rng.random((5, 8)), rng.random((5, 8))
    together = value(searched(size, cost, validation, test), BUDGET, 2)
    apart = [
        value(searched(*row), BUDGET, 2) for row in zip(size, cost, validation, test, strict=True)
    ]

    assert together.ln_loss == pytest.approx([one.ln_loss for one in apart], nan_ok=True)
    assert together.none == pytest.approx([one.none for one in apart])
    assert np.isnan(together.ln_loss).tolist() == [False, False, True, False, False]
    assert together.none[2] == 1


def test_a_test_loss_of_zero_is_minus_infinity_only_where_it_can_be_picked():
    assert value(of_one_size([1, 2], [1, 0]), BUDGET).ln_loss == 0
    assert value(of_one_size([1, 2], [1, 0]), BUDGET, 1).ln_loss == -math.inf


def test_the_efforts_of_a_curve_double_and_end_with_all_runs():
    assert [efforts(most) for most in (1, 2, 20, 32)] == [
        (1,),
        (1, 2),
        (1, 2, 4, 8, 16, 20),
        (1, 2, 4, 8, 16, 32),
    ]


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_it_is_the_mean_over_all_choices_of_k(k):
    """The order-statistic weights equal the mean of the minimum over every subset of k of the 7
    runs.
    """
    runs = np.random.default_rng(1).standard_normal(7)
    enumerated = np.mean([min(choice) for choice in combinations(runs, k)])
    assert expected_best(runs, k) == pytest.approx(enumerated)


@pytest.mark.parametrize("k", [0, 7])
def test_a_k_that_a_size_cannot_give_is_an_error(k):
    with pytest.raises(HarnessError, match=f"`k` {k}: there are 6 runs of a size"):
        expected_best(np.zeros(6), k)


def test_the_best_of_more_runs_is_better_for_nothing():
    """Equal arms of sd .3, run 44 times and 6 times: by the best of all runs the one is 1.32 times
    better.
    """
    rng = np.random.default_rng(4)
    best, other = (0.3 * rng.standard_normal((2100, runs)).min(axis=1) for runs in (44, 6))
    assert np.exp(np.mean(other - best)) == pytest.approx(1.32, abs=0.02)


def test_kanbefair_at_equal_run_counts():
    """MLP error / KAN error in six bins of FLOPs: 3.85 by the best of a bin, 2.07 by the expected
    best of equally many runs of both, as MLPs have fewer.
    """
    runs = {}
    with open(
        shared("fair", "kanbefair_results_raw_noheader.csv"), newline="", encoding="utf-8"
    ) as file:
        for row in csv.reader(file):
            if row[1].startswith("Special"):
                error, flops = (row[15], row[17]) if row[2] == "KAN" else (row[12], row[14])
                runs.setdefault((row[1], row[2]), []).append((float(flops), float(error)))
    best, common = [], []
    for task in sorted({task for task, _ in runs}):
        kan, mlp = (np.log(np.array(runs[task, model])).T for model in ("KAN", "MLP"))
        low, high = max(kan[0].min(), mlp[0].min()), min(kan[0].max(), mlp[0].max())
        edges = np.linspace(low, high, 7)
        edges[-1] += 1e-9  # the last bin has its upper edge
        for index in range(1, 7):
            of_kan, of_mlp = (y[np.digitize(x, edges) == index] for x, y in (kan, mlp))
            if k := min(of_kan.size, of_mlp.size):
                best.append(of_mlp.min() - of_kan.min())
                common.append(expected_best(of_mlp, k) - expected_best(of_kan, k))
    assert np.exp(np.mean(best)) == pytest.approx(3.85, abs=0.05)
    assert np.exp(np.mean(common)) == pytest.approx(2.07, abs=0.15)
