"""What a point says: how far our median is from what was published, in words and as a factor."""

import math

import pandas as pd
import pytest

from harness.paper.reference import load
from harness.paper.replay import points, summary, with_outcomes


def point(seeds: list[float], published: float = 1.0, errata: str = "") -> dict[str, object]:
    """A published point and our errors over seeds; inf where a seed diverged."""
    return points.point("", "", published, seeds) | {"errata": errata}


@pytest.mark.parametrize(
    ("seeds", "outcome"),
    [
        ([1.9, 1.9, 1.9], "within 2x"),
        ([0.51, 0.6, 90.0], "within 2x"),
        ([0.3, 3.0, 9.0], "within the seed spread"),
        ([0.1, 0.2, 0.4], "better"),
        ([2.1, 2.2, 9.0], "worse"),
        ([0.3, 3.0, math.inf], "within the seed spread"),
        ([3.0, math.inf, math.inf], "worse"),
        ([], "not run"),
    ],
)
def test_the_outcome_of_a_point_is_that_of_its_median_and_spread(seeds, outcome):
    """Within the tolerance is the same; else what lies between best and worst seed; a diverged seed is the worst."""
    (row,) = with_outcomes(pd.DataFrame([point(seeds)]), 2.0).to_dict("records")
    assert row["outcome"] == outcome
    assert row["tolerance"] == 2.0


def test_what_cannot_be_compared_says_why():
    """An erratum comes before all else; a number of ours that was not published is not worse than nothing."""
    rows = [point([1.0], errata="E6 E2"), point([1.0], published=math.nan), point([1.0], errata="E6")]
    found = with_outcomes(pd.DataFrame(rows), 3.0)
    assert list(found["outcome"]) == ["not comparable (E2)", "not published", "within 3x"]
    assert summary(found).points == 1
    assert set(points.MEANINGLESS) <= set(load("errata")["erratum"])


def test_the_factor_of_a_curve_is_the_same_for_twice_and_for_half():
    found = summary(with_outcomes(pd.DataFrame([point([8.0]), point([0.5]), point([])]), 2.0))
    assert (found.points, found.typical_factor, found.largest_factor) == (2, pytest.approx(4), pytest.approx(8))
    assert found.outcomes == {"worse": 1, "within 2x": 1}
    of_nothing = summary(with_outcomes(pd.DataFrame([point([])]), 2.0))
    assert math.isnan(of_nothing.typical_factor)  # not one, which would say that all are the same


def test_a_page_begins_with_how_many_points_are_as_published_and_which_are_worse():
    of_arms = {"kan": [[1.0], [0.3, 3.0, 9.0]], "mlp": [[9.0], [0.1], [1.5]]}
    rows = [
        point(seeds) | {"arm": arm, "panel": "xy", "curve": arm} for arm, points in of_arms.items() for seeds in points
    ]
    said = points.in_one_sentence(with_outcomes(pd.DataFrame(rows), 2.0), {"kan": "KAN", "mlp": "MLP"})
    assert said.startswith("Replicates 2 of 5 published points within a factor of 2 (KAN 1 of 2, MLP 1 of 3);")
    assert "; 1 within the seed spread, 1 better, 1 worse, typically " in said
    assert said.endswith(" Worse most often: xy mlp (1 of 3).")
