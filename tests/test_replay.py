"""Replays: published points and ours meet where they are the same network, and the page says what was not run."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.reference import load
from harness.replay import MEANINGLESS, REPLAYS, beside, measured_points, published_points, summaries

ROOT = Path(__file__).parents[1]
TINY = {
    "fig2_3_grid_extension": """
  tiny:
    seeds: [0]
    arms.wide.sizes.grid: [3, 5]
    arms.narrow.sizes.grid: [3, 5]
    arms.wide_levenberg.sizes.grid: [3, 5]
    arms.narrow_levenberg.sizes.grid: [3, 5]
    recipes.staged.restarts: {count: 2, evaluations: 20}
    recipes.staged.grid_extension.evaluations: 60
""",
    "fig3_1_toy_scaling": """
  tiny:
    zip:
      tasks: [j0, exp2d]
      arms.kan.architecture.hidden: [[], [1]]
      arms.kan_levenberg.architecture.hidden: [[], [1]]
      arms.kan.sizes.grid: [[3, 5], [3, 5]]
      arms.kan_levenberg.sizes.grid: [[3, 5], [3, 5]]
      recipes.staged.grid_extension.grids: [[3], [3]]
      recipes.levenberg.grid_extension.grids: [[3], [3]]
    seeds: [0]
    arms.mlp.sizes.width: [5, 10]
    recipes.long.max_evaluations: 60
    recipes.staged.restarts: {count: 2, evaluations: 20}
    recipes.staged.grid_extension.evaluations: 60
""",
}


def runs(errors: dict[int, list[float]], shape: str = "2-5-1", task: str = "exp2d") -> pd.DataFrame:
    """A table of runs of one series: by grid, the test error of every seed, nan where one diverged."""
    rows = [
        {
            "run_id": f"{grid}-{seed}",
            "task": task,
            "arm": "kan",
            "series": "kan",
            "shape": shape,
            "grid": grid,
            "test_rmse": error,
            "test_root_median_square": error / 2,
            "evaluations": 10,
            "pack_seconds": 1.0,
            "pack_lanes": 1,
            "params.paper": 15 * grid,
            "params.trainable": 15 * (grid + 5),
            "chosen": True,
        }
        for grid, seeds in errors.items()
        for seed, error in enumerate(seeds)
    ]
    return pd.DataFrame(rows)


def joined(name: str, table: pd.DataFrame) -> pd.DataFrame:
    return beside(published_points(REPLAYS[name]), measured_points(table, REPLAYS[name]))


@pytest.mark.parametrize(
    ("factors", "outcome"),
    [
        ([1.9, 1.9, 1.9], "within 2x"),
        ([0.51, 0.6, 90.0], "within 2x"),
        ([0.3, 3.0, 9.0], "within the seed spread"),
        ([0.1, 0.2, 0.4], "better"),
        ([2.1, 2.2, 9.0], "worse"),
        ([0.3, 3.0, math.nan], "within the seed spread"),
        ([3.0, math.nan, math.nan], "worse"),
    ],
)
def test_the_outcome_of_a_point_is_that_of_its_median_and_spread(factors, outcome):
    """Within twice is the same; else what lies between best and worst seed; a diverged seed is the worst of all."""
    at_ten = load("grid_extension").query("shape == '[2,5,1]' and grid == 10")["test_rmse"].item()

    found = joined("fig2_3_grid_extension", runs({10: [factor * at_ten for factor in factors]}))

    (row,) = found[found["series"].notna()].to_dict("records")
    assert row["outcome"] == outcome
    assert row["best"] == pytest.approx(np.nanmin(factors) * at_ten)
    assert (found["outcome"] == "not run").sum() == len(load("grid_extension")) - 1


def test_points_meet_where_errata_say_they_belong():
    """Panel 4's errors are those of grids 3 to 8 (E1); panel 3's are roots of medians (E3); E4's are of no use."""
    published = published_points(REPLAYS["fig3_1_toy_scaling"])
    kans = published[published["family"] == "kan"]

    many = kans[kans["task"] == "exp100d"]
    assert list(many["grid"]) == [3, 4, 5, 6, 7, 8]
    assert list(many["x"]) == [101 * grid for grid in range(3, 9)]
    assert set(kans.loc[kans["task"] == "xy", "quantity"]) == {"test_root_median_square"}
    found = joined("fig3_1_toy_scaling", runs({3: [1e-4]}, "2-2-1", "xy"))
    (row,) = found[found["series"].notna()].to_dict("records")
    assert row["median"] == 0.5e-4
    wrong = found[found["errata"].str.contains(r"\bE4\b")]
    assert len(wrong) == 4
    assert set(wrong["outcome"]) == {"not comparable (E4)"}
    assert set(MEANINGLESS) <= set(load("errata")["erratum"])


def test_the_factor_of_a_curve_is_the_same_for_twice_and_for_half():
    """Typical is the geometric mean over points, of the ratio or its inverse."""
    published = load("grid_extension").query("shape == '[2,5,1]'").set_index("grid")["test_rmse"]
    replay = REPLAYS["fig2_3_grid_extension"]

    (one,) = summaries(joined("fig2_3_grid_extension", runs({5: [published[5] * 8], 20: [published[20] / 2]})), replay)

    assert (one.points, one.typical_factor, one.largest_factor) == (2, pytest.approx(4), pytest.approx(8))
    assert one.outcomes == {"worse": 1, "within 2x": 1}


@pytest.mark.parametrize("name", REPLAYS)
def test_a_slice_of_every_replay_runs_to_its_page(tmp_path, monkeypatch, name):
    """From the file in experiments/ to a page that says on top that it is not the whole, and how it differs."""
    (tmp_path / "experiments").mkdir()
    text = (ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    (tmp_path / "experiments" / f"{name}.yaml").write_text(text + TINY[name], encoding="utf-8")
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, ["replay", name, "--scale", "tiny"], catch_exceptions=False)

    folder = tmp_path / "results" / f"{name}-tiny"
    assert done.exit_code == 0, done.output
    page = (folder / "replay.html").read_text(encoding="utf-8")
    assert "Not at full scale." in page
    assert "seeds: [0]" in page
    points = pd.read_csv(folder / "replay.csv")
    assert (points["outcome"] == "not run").any()
    assert points["ratio"].notna().sum() >= 8
    assert all((folder / f"replay.{kind}").stat().st_size > 1000 for kind in ("png", "pdf"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["replay", "fig3_1_toy_scalign"], "fig3_1_toy_scalign: no such replay; did you mean 'fig3_1_toy_scaling'"),
        (["replay", "fig"], "fig: no such replay; allowed: fig2_3_grid_extension, fig3_1_toy_scaling"),
        (["replay", "fig2_3"], "run it where the project's experiments/ is"),
    ],
)
def test_a_replay_that_is_not_there_is_named(tmp_path, monkeypatch, arguments, said):
    """A wrong name gives the nearest one, a wrong folder the right one."""
    monkeypatch.chdir(tmp_path)

    done = CliRunner().invoke(main, arguments)

    assert done.exit_code == 2
    assert said in done.output


def test_a_scale_that_is_not_there_is_named(monkeypatch):
    """A wrong scale gives those that the file has."""
    monkeypatch.chdir(ROOT)

    done = CliRunner().invoke(main, ["replay", "fig2_3_grid_extension", "--scale", "sohrt"])

    assert done.exit_code == 2
    assert "did you mean 'short'? (allowed: full, short)" in done.output
