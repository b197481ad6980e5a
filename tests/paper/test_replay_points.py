"""Replays: what a point says, in words and as a factor, and rules from made records to verdicts on
the page.
"""

import json
import math

import pandas as pd
import pytest
from reading import PEAKS, runs_in_phases

from harness.base.errors import HarnessError
from harness.base.plain import plain
from harness.judging.judge import judge_all
from harness.judging.verdict import not_run
from harness.paper.reference import load
from harness.paper.replay import REPLAYS, Made, points, summary, with_outcomes, write_page
from harness.paper.replay.page import keep
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment


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
    """Within the tolerance is the same; else what lies between best and worst seed; a diverged seed
    is the worst.
    """
    (row,) = with_outcomes(pd.DataFrame([point(seeds)]), 2.0).to_dict("records")
    assert row["outcome"] == outcome
    assert row["tolerance"] == 2.0


def test_what_cannot_be_compared_says_why():
    """An erratum comes before all else; a number of ours that was not published is not worse than
    nothing.
    """
    rows = [
        point([1.0], errata="E6 E2"),
        point([1.0], published=math.nan),
        point([1.0], errata="E6"),
    ]
    found = with_outcomes(pd.DataFrame(rows), 3.0)
    assert list(found["outcome"]) == ["not comparable (E2)", "not published", "within 3x"]
    assert summary(found).points == 1
    assert set(points.MEANINGLESS) <= set(load("errata")["erratum"])


def test_the_factor_of_a_curve_is_the_same_for_twice_and_for_half():
    found = summary(with_outcomes(pd.DataFrame([point([8.0]), point([0.5]), point([])]), 2.0))
    assert (found.points, found.typical_factor, found.largest_factor) == (
        2,
        pytest.approx(4),
        pytest.approx(8),
    )
    assert found.outcomes == {"worse": 1, "within 2x": 1}
    of_nothing = summary(with_outcomes(pd.DataFrame([point([])]), 2.0))
    assert math.isnan(of_nothing.typical_factor)  # not one, which would say that all are the same


def test_a_page_begins_with_how_many_points_are_as_published_and_which_are_worse():
    of_arms = {"kan": [[1.0], [0.3, 3.0, 9.0]], "mlp": [[9.0], [0.1], [1.5]]}
    rows = [
        point(seeds) | {"arm": arm, "panel": "xy", "curve": arm}
        for arm, points in of_arms.items()
        for seeds in points
    ]
    said = points.in_one_sentence(
        with_outcomes(pd.DataFrame(rows), 2.0), {"kan": "KAN", "mlp": "MLP"}
    )
    assert said.startswith(
        "Replicates 2 of 5 published points within a factor of 2 (KAN 1 of 2, MLP 1 of 3);"
    )
    assert "; 1 within the seed spread, 1 better, 1 worse, typically " in said
    assert said.endswith(" Worse most often: xy mlp (1 of 3).")


RULED = (
    PEAKS
    + """decide:
  - {claim: "17: it forgets less", quantity: forgetting, sides: [paper, mlp], threshold: 1, at_least: 1}
  - {claim: "17: MLPs keep it", quantity: forgetting, sides: [mlp], most: 2, at_least: 1}
  - {claim: "17: it is learnt", quantity: error_in_the_end, sides: [paper], published: 4.0e-6, within: 1.5, at_least: 1}
"""
)


def _errors(arm: str, seed: int) -> list[list[float]]:
    """The KAN ends with the errors that it had, 4e-6; the MLP forgets the first a hundredfold or
    more.
    """
    return [[4e-6, 1.0], [4e-6, 4e-6]] if arm == "paper" else [[0.01, 1.0], [2.0 + seed, 0.01]]


def test_verdicts_on_made_records_are_rows_of_the_page_and_of_what_is_kept(tmp_path):
    runs = runs_in_phases(RULED, _errors)
    verdicts = [plain(verdict) for verdict in judge_all(runs.manifest, runs.table)]
    folder = tmp_path / "made"
    folder.mkdir()

    write_page(
        runs,
        REPLAYS["fig3_4_forgetting"],
        Made("harness replay x", "full", {}, {}),
        verdicts,
        folder,
    )
    kept = keep(folder, runs.table, tmp_path / "kept")

    assert [one["verdict"] for one in verdicts] == ["supported", "refuted", "supported"]
    page = (folder / "replay.html").read_text(encoding="utf-8")
    shown = page.partition('<section id="verdicts"')[2].partition("</section>")[0]
    listed = (kept.parent / "README.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
    assert facts["verdicts"] == verdicts
    for one in verdicts:
        assert shown.count(one["claim"]) == 2  # in the table, and over its rule
        assert f"| {one['claim']} | " in listed
        assert one["numbers"][0]["words"] in listed
    assert "2 supported" in (kept.parent / "index.html").read_text(encoding="utf-8")


def test_rules_of_a_part_of_the_runs_are_shown_and_not_judged(tmp_path):
    runs = runs_in_phases(RULED, _errors)
    verdicts = plain([not_run(rule) for rule in runs.manifest.experiment.decide])
    write_page(
        runs, REPLAYS["fig3_4_forgetting"], Made("x", "full", {}, {"mlp": 1}), verdicts, tmp_path
    )
    page = (tmp_path / "replay.html").read_text(encoding="utf-8")
    assert "“17: MLPs keep it”: not run." in page


def test_a_rule_may_name_a_series_that_is_planned():
    grid = "grid: {recipes.lbfgs.optimizer.history: [5, 10], recipes.lbfgs.phases: [2, null]}"
    text = RULED.replace("grid: {recipes.lbfgs.phases: [2, null]}", grid)
    for wrong, said in (
        ("paper history=6", "did you mean 'paper history="),
        ("papre history=5", "is not defined"),
    ):
        with pytest.raises(HarnessError, match=said):
            make_plan(
                parse_experiment(text.replace("sides: [paper, mlp]", f"sides: [{wrong}, mlp]")),
                "peaks",
            )
