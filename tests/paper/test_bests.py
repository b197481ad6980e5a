"""The tables of the paper: by which rule ours are picked, what is compared with what, and who
wins.
"""

import math
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.count import count
from harness.families import KanShape
from harness.paper.reference import load
from harness.paper.replay.bests import (
    ANY_KAN,
    NARROW,
    PRUNED,
    WIDE,
    answer,
    drawn_count,
    frontier,
    frontier_points,
    measured_runs,
    pareto_figure,
    published_frontiers,
    smallest,
    table_points,
    wins,
)
from harness.paper.replay.known import TABLE_1, TABLE_2
from harness.paper.replay.points import whole_grids

NAN = math.nan
SPECIAL, FEYNMAN = (list(load(name)["task"]) for name in ("special_functions", "feynman"))


def runs(*rows: tuple, task: str = "jv") -> pd.DataFrame:
    """Runs of one task: arm, shape, grid, seed, validation and test error; `shape > pruned` where
    it was pruned.
    """
    table = pd.DataFrame(
        rows, columns=["arm", "shape", "grid", "seed", "validation_rmse", "test_rmse"]
    )
    shapes = table["shape"].str.split(" > ", expand=True).reindex(columns=[0, 1]).astype(object)
    cell = table["arm"] + shapes[0] + whole_grids(table["grid"]).astype(str)
    table = table.assign(
        task=task, series=table["arm"], cell=cell, shape=shapes[0], pruned_shape=shapes[1]
    )
    return measured_runs(
        table.assign(run_id=table.index, chosen=True, **{"params.trainable": 1}), None
    )


def test_the_best_is_of_all_and_the_median_is_of_what_validation_picks():
    """The paper's rule looks at test errors; ours picks a size without them, and takes its median
    seed.
    """
    table = runs(
        ("unpruned", "2-5-1", 3, 0, 4.0, 0.5),  # a lucky seed of a bad size
        ("unpruned", "2-5-1", 3, 1, 5.0, 9.0),
        ("unpruned", "2-5-1", 3, 2, 6.0, 9.0),
        ("unpruned", "2-5-1", 20, 0, 1.0, 3.0),
        ("unpruned", "2-5-1", 20, 1, 2.0, 2.0),
        ("unpruned", "2-5-1", 20, 2, 9.0, 7.0),
    )

    assert answer(table) == (0.5, "[2,5,1], G = 3", 3.0, 7.0, 3, "[2,5,1], G = 20")
    assert math.isnan(answer(table.iloc[:0]).best)


def test_a_diverged_seed_is_infinitely_bad():
    """Of three one leaves the median; two make another size the better one; without that, all is
    infinite.
    """
    once = [
        ("mlp", "2-5-1", None, seed, error, error) for seed, error in enumerate((1.0, 2.0, NAN))
    ]
    twice = [
        ("mlp", "2-5-1", None, seed, error, error) for seed, error in enumerate((1.0, NAN, NAN))
    ]
    other = [("mlp", "2-5-5-1", None, seed, 3.0, 3.0) for seed in range(3)]
    assert answer(runs(*once, *other))[:4] == (1.0, "[2,5,1]", 2.0, math.inf)
    assert answer(runs(*twice, *other))[:4] == (1.0, "[2,5,1]", 3.0, 3.0)
    assert answer(runs(*twice))[2:4] == (math.inf, math.inf)


def test_the_smallest_pruned_network_is_good_enough():
    table = runs(
        ("pruned", "2-5-5-1 > 2-1-1", 20, 0, 0.02, 0.02),  # smaller, but not good enough
        ("pruned", "2-5-5-1 > 2-2-1", 5, 1, 0.009, 0.009),
        ("pruned", "2-5-5-1 > 2-2-1", 20, 2, 0.001, 0.002),
        ("pruned", "2-5-5-1 > 2-3-1", 20, 3, 1e-5, 1e-5),
    )
    assert smallest(table)[:2] == (0.002, "[2,2,1], G = 20")
    assert answer(table)[:2] == (1e-5, "[2,3,1], G = 20")
    assert smallest(table.iloc[:1]).seeds == 0


def test_columns_meet_the_runs_that_they_are_of():
    """The MLP column is of width 5 (E7), and wider ones are in the figure; the best KAN is of any
    kind.
    """
    table = runs(
        ("unpruned", "2-5-1", 3, 0, 1e-3, 1e-3),
        ("pruned", "2-5-5-1 > 2-2-1", 3, 0, 1e-2, 2e-2),
        ("mlp", "2-5-5-1", None, 0, 5e-3, 5e-3),
        ("mlp", "2-100-1", None, 0, 4e-4, 4e-4),
    )

    points = table_points(table, TABLE_1, SPECIAL, 2.0)

    medians = points[points["task"] == "jv"].set_index("number")["median"].dropna().to_dict()
    assert medians == {PRUNED: 2e-2, ANY_KAN: 1e-3, NARROW: 5e-3, WIDE: 4e-4}
    assert set(points.loc[points["task"] != "jv", "outcome"]) == {"not run"}
    published = points[points["task"] == "jv"].set_index("number")["published"]
    assert (published[PRUNED], published[NARROW]) == (0.00164, 0.00552)


@pytest.mark.parametrize(
    ("numbers", "tasks", "expected"),
    [
        (TABLE_1, SPECIAL, {(PRUNED, NARROW): 15, (PRUNED, WIDE): 11, (ANY_KAN, WIDE): 15}),
        (
            TABLE_2,
            FEYNMAN,
            {
                (PRUNED, NARROW): 15,
                ("unpruned KAN", NARROW): 13,
                (ANY_KAN, NARROW): 18,
                (ANY_KAN, WIDE): 27 - 22,
            }
            | {(ANY_KAN, "MLP of width 5, any activation"): 27 - 13},
        ),
    ],
)
def test_published_wins_are_counted(numbers, tasks, expected):
    """As the notes on the paper's claims count them by hand; without runs ours are none of none."""
    points = table_points(
        runs(("unpruned", "2-5-1", 3, 0, 1.0, 1.0), task="other"), numbers, tasks, 2.0
    )
    counts = {(won.kan, won.mlp): won for won in wins(points, numbers)}
    assert {key: counts[key].published for key in expected} == expected
    assert {(won.tasks, won.run, won.by_best) for won in counts.values()} == {(len(tasks), 0, 0)}


def test_a_win_is_by_the_best_or_by_medians():
    kans = [
        ("unpruned", "2-5-1", 3, seed, 1.0, error) for seed, error in enumerate((0.1, 3.0, 3.0))
    ]
    mlps = [("mlp", "2-5-1", None, seed, 1.0, 1.0) for seed in range(3)]
    points = table_points(runs(*kans, *mlps), TABLE_1, SPECIAL, 2.0)
    (won,) = [won for won in wins(points, TABLE_1) if (won.kan, won.mlp) == (ANY_KAN, NARROW)]
    assert (won.run, won.by_best, won.by_median) == (1, 1, 0)


def test_a_cell_that_repeats_another_is_not_compared():
    """E9: two MLPs of Table 2; the figure's values of the same formulas are."""
    for task in ("II.11.7", "I.44.4"):
        points = table_points(
            runs(("mlp", "2-5-1", None, 0, 1.0, 1e-3), task=task), TABLE_2, FEYNMAN, 2.0
        )
        outcomes = points[points["task"] == task].set_index("number")["outcome"]
        assert outcomes[NARROW] == "not comparable (E9)"
        assert not outcomes["MLP of width 5, any activation"].startswith("not")


def test_points_of_a_frontier_meet_ours_of_at_most_that_size():
    table = runs(
        ("unpruned", "2-5-1", 3, 0, 1e-2, 1e-2),  # 45 parameters
        ("unpruned", "2-5-1", 10, 0, 1e-3, 1e-3),  # 150
    )
    points = frontier_points(table, published_frontiers(SPECIAL), 2.0)
    kans = points[(points["task"] == "jv") & points["number"].str.startswith("KAN")].set_index(
        "drawn"
    )["median"]
    assert kans[[45, 75, 150]].tolist() == [1e-2, 1e-2, 1e-3]
    assert kans[[6, 40, 300, 3250]].isna().all()


def test_the_panel_that_repeats_another_is_left_out():
    frontiers = published_frontiers(FEYNMAN)
    assert set(frontiers["task"]) == set(FEYNMAN)
    assert not frontiers.duplicated(["task", "family", "drawn"]).any()
    assert not frontiers["errata"].str.contains("E10").any()


POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12)


def stairs(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found = frontier(pd.DataFrame(points, columns=["x", "y"]), "x", "y")
    return list(found.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        (
            [(4, 1), (1, 5), (2, 4), (2, 3), (3, 3), (5, 2)],
            [(1, 5), (2, 3), (4, 1)],
        ),  # above, level, and to the right
        ([(2, 2), (2, 2)], [(2, 2)]),
        ([(1, 1), (2, 2), (3, 3)], [(1, 1)]),
        ([(1, 3), (2, 2), (3, 1)], [(1, 3), (2, 2), (3, 1)]),
        ([(1, np.nan), (2, 2), (3, np.inf)], [(2, 2)]),
    ],
)
def test_a_frontier_is_the_lower_left_staircase(points, expected):
    assert stairs(points) == expected


@settings(max_examples=40)
@given(
    POINTS,
    st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5), st.integers(0, 5)), max_size=6),
    st.randoms(),
)
def test_dominated_points_change_nothing(points, more, random):
    worse = [
        (points[at % len(points)][0] + a, points[at % len(points)][1] + b) for at, a, b in more
    ]
    steps, mixed = stairs(points), [*points, *worse]
    random.shuffle(mixed)
    assert stairs(mixed) == steps
    for x, y in points:
        assert any(a <= x and b <= y for a, b in steps)
    assert all(x < a and y > b for (x, y), (a, b) in pairwise(steps))


def test_published_frontiers_are_frontiers():
    table = load("frontiers").query("split == 'test'")
    for _, curve in table.groupby(["panel", "task", "family", "activation"], dropna=False):
        assert len(frontier(curve, "params.paper", "rmse")) == len(curve)


def test_the_drawn_count_is_that_of_the_figures():
    """Edges times G, or weights; with two inputs whatever the formula has (E6d), unless pruning
    left fewer.
    """
    assert (
        drawn_count("2-5-5-1", 20)
        == count(KanShape(shape=(2, 5, 5, 1), grid=20))["params.paper"]
        == 800
    )
    assert drawn_count("2-100-100-1", 0) == 10300
    assert drawn_count("6-5-1", 1000, inputs=2) == 15 * 1000
    assert drawn_count("1-1-1", 3, inputs=2) == 2 * 3


def test_where_no_size_compares_two_families_the_panel_says_so():
    rows = [
        ("exp2d", "kan", 100),
        ("exp2d", "mlp", 50),
        ("xy", "kan", 100),
        ("xy", "kan", 40),
        ("xy", "mlp", 50),
    ]
    frontiers = pd.DataFrame(rows, columns=["task", "family", "x"]).assign(
        who="ours", y=lambda table: 1 / table["x"]
    )
    figure = pareto_figure(frontiers, ["exp2d", "xy"], "parameters")
    apart, together = figure.axes[:2]
    assert [text.get_gid() for text in apart.texts] == ["apart"]
    assert not together.texts
    assert "No size in common (1 panel)" in figure.get_supxlabel()
