"""Frontiers are lower-left staircases, and the paper's count is what its figures have on their axis."""

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.count import count
from harness.paper.reference import load
from harness.paper.replay.bests import drawn_count, frontier
from harness.paper.replay.figures.pareto import pareto_figure
from harness.spec import KanShape

POINTS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=12)


def stairs(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    found = frontier(pd.DataFrame(points, columns=["x", "y"]), "x", "y")
    return list(found.itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(4, 1), (1, 5), (2, 4), (2, 3), (3, 3), (5, 2)], [(1, 5), (2, 3), (4, 1)]),  # above, level, and to the right
        ([(2, 2), (2, 2)], [(2, 2)]),
        ([(1, 1), (2, 2), (3, 3)], [(1, 1)]),
        ([(1, 3), (2, 2), (3, 1)], [(1, 3), (2, 2), (3, 1)]),
        ([(1, np.nan), (2, 2), (3, np.inf)], [(2, 2)]),
    ],
)
def test_a_frontier_is_the_lower_left_staircase(points, expected):
    assert stairs(points) == expected


@settings(max_examples=40)
@given(POINTS, st.lists(st.tuples(st.integers(0, 11), st.integers(0, 5), st.integers(0, 5)), max_size=6), st.randoms())
def test_dominated_points_change_nothing(points, more, random):
    """Points above and to the right of any of the set, in any order, leave its frontier, which is below all of it."""
    worse = [(points[at % len(points)][0] + a, points[at % len(points)][1] + b) for at, a, b in more]
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
    """Edges times G, or weights; with two inputs whatever the formula has (E6d), unless pruning left fewer."""
    assert drawn_count("2-5-5-1", 20) == count(KanShape(shape=(2, 5, 5, 1), grid=20))["params.paper"] == 800
    assert drawn_count("2-100-100-1", 0) == 10300
    assert drawn_count("6-5-1", 1000, inputs=2) == 15 * 1000
    assert drawn_count("1-1-1", 3, inputs=2) == 2 * 3


def test_where_no_size_compares_two_families_the_panel_says_so():
    rows = [("exp2d", "kan", 100), ("exp2d", "mlp", 50), ("xy", "kan", 100), ("xy", "kan", 40), ("xy", "mlp", 50)]
    frontiers = pd.DataFrame(rows, columns=["task", "family", "x"]).assign(who="ours", y=lambda table: 1 / table["x"])
    figure = pareto_figure(frontiers, ["exp2d", "xy"], "parameters")
    apart, together = figure.axes[:2]
    assert [text.get_gid() for text in apart.texts] == ["apart"]
    assert not together.texts
    assert "No size in common (1 panel)" in figure.get_supxlabel()
