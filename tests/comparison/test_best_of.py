"""The best of k: exact by enumeration, the same for equal arms however many runs, and what it makes of KANbeFair."""

import csv
from itertools import combinations

import numpy as np
import pytest
from shared_data import shared

from benchmarks.simulation import equal_cells
from harness.base.errors import HarnessError
from harness.comparison import ArmRuns, SizePair, cells, expected_best, matched_edges, ratio
from harness.comparison.runs import bin_of


@pytest.mark.parametrize("k", [1, 2, 5, 7])
def test_it_is_the_mean_over_all_choices_of_k(k):
    """The order-statistic weights equal the mean of the minimum over every subset of k of the 7 runs."""
    runs = np.random.default_rng(1).standard_normal(7)
    enumerated = np.mean([min(choice) for choice in combinations(runs, k)])
    assert expected_best(runs, k) == pytest.approx(enumerated)


def test_the_default_is_the_median():
    cells = [SizePair(np.zeros(3), np.array([0.0, 1.0, 50.0]))]
    assert ratio(cells).estimate == pytest.approx(np.e)
    assert ratio(cells, "mean_log").estimate == pytest.approx(np.exp(17))
    with pytest.raises(HarnessError, match=r"how='min' .* median, mean_log, best"):
        ratio(cells, "min")


@pytest.mark.parametrize("k", [0, 7])
def test_a_k_that_a_size_cannot_give_is_an_error(k):
    with pytest.raises(HarnessError, match=f"`k` {k}: there are 6 runs of a size"):
        ratio([SizePair(np.zeros(44), np.zeros(6))], "best", k=k)


def test_the_best_of_more_runs_is_better_for_nothing():
    """Equal arms of sd .3, run 44 times and 6 times: by the best of all runs the one is 1.32 times better."""
    rng = np.random.default_rng(4)
    replicates = [equal_cells(rng, 44, 6) for _ in range(300)]
    naive = np.exp(np.mean([[cell.second.min() - cell.first.min() for cell in cells] for cells in replicates]))
    assert naive == pytest.approx(1.32, abs=0.02)


def test_one_size_has_no_interval():
    """A ratio at a single size says nothing of other sizes: the interval is open."""
    found = ratio([SizePair(np.zeros(3), np.ones(3)), SizePair(np.zeros(0), np.ones(3))])
    assert found.cells == 1
    assert found.estimate == pytest.approx(np.e)
    assert (found.interval.low, found.interval.high) == (0, np.inf)


def _kanbefair_cells():
    """KAN and MLP runs of each special function in six bins equal in ln FLOPs over the range of both, empty ones out.

    The metric is the test error (column 16 of KANs, 13 of MLPs), the size the released FLOPs. Twice: runs where they
    are in their bins, as a plot of bins has them, and moved to the middle.
    """
    runs = {}
    with open(shared("fair", "kanbefair_results_raw_noheader.csv"), newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if row[1].startswith("Special"):
                error, flops = (row[15], row[17]) if row[2] == "KAN" else (row[12], row[14])
                runs.setdefault((row[1], row[2]), []).append((float(flops), float(error)))
    plain, moved = [], []
    for task in sorted({task for task, _ in runs}):
        kan, mlp = (ArmRuns(*np.array(runs[task, model]).T) for model in ("KAN", "MLP"))
        edges = matched_edges(kan.x, mlp.x, 6)
        moved += cells(kan, mlp, edges)
        bins = [bin_of(arm.x, edges) for arm in (kan, mlp)]
        plain += [SizePair(np.log(kan.y[bins[0] == one]), np.log(mlp.y[bins[1] == one])) for one in range(6)]
    return [[cell for cell in found if cell.first.size and cell.second.size] for found in (plain, moved)]


def test_kanbefair_at_equal_run_counts():
    """MLP error / KAN error on the special functions at equal FLOPs: 3.85 best of bin, 2.07 at a common k, 1.34 by
    medians, as the notes have it; here 3.85, 2.05 and 1.30, and the last interval is the narrowest.

    Other bins (5, 8 or 10 a task) give 3.80 to 4.03, 1.98 to 2.21 and 1.31 to 1.37. With runs moved to the middle of
    their bin it is 1.87 at a common k: part of the 2.05 is that the arms have other sizes within bins.
    """
    found, moved = _kanbefair_cells()
    best = np.exp(np.mean([cell.second.min() - cell.first.min() for cell in found]))
    common, median = ratio(found, "best"), ratio(found, "median")

    assert best == pytest.approx(3.85, abs=0.05)
    assert common.estimate == pytest.approx(2.07, abs=0.15)
    assert median.estimate == pytest.approx(1.34, abs=0.06)
    assert common.interval.low < 2.07 < common.interval.high
    assert 1 < ratio(moved, "best").estimate < common.estimate
