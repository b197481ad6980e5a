"""Curves: published points and ours meet where they are the same network, in the quantity that was
published.
"""

import itertools

import numpy as np
import pandas as pd
import pytest

from harness.paper.reference import load
from harness.paper.replay import REPLAYS, Replay
from harness.paper.replay.curves import beside, curves_figure, published_points

FIG_2_3, FIG_3_1 = REPLAYS["fig2_3_grid_extension"], REPLAYS["fig3_1_toy_scaling"]


def runs(errors: dict[int, list[float]], shape: str = "2-5-1", task: str = "exp2d") -> pd.DataFrame:
    """A table of runs of one series: by grid, the test error of every seed, nan where one
    diverged.
    """
    table = (
        pd.Series(errors, name="test_rmse")
        .explode()
        .astype(float)
        .rename_axis("grid")
        .reset_index()
    )
    counts = {"params.paper": 15 * table["grid"], "params.trainable": 15 * (table["grid"] + 5)}
    of_all = {
        "task": task,
        "shape": shape,
        "evaluations": 10,
        "pack_seconds": 1.0,
        "pack_lanes": 1,
        "chosen": True,
    }
    table = table.assign(
        run_id=table.index, arm="kan", series="kan", cell=table["grid"], **counts, **of_all
    )
    return table.assign(test_root_median_square=table["test_rmse"] / 2)


def joined(replay: Replay, table: pd.DataFrame) -> pd.DataFrame:
    return beside(published_points(replay, **replay.kind.keywords), table, replay.tolerance)


def test_a_point_has_the_median_best_and_worst_seed_of_its_network():
    (row,) = (
        joined(FIG_2_3, runs({10: [3e-4, 1e-4, np.nan]})).query("ours == 'kan'").to_dict("records")
    )
    at_ten = load("grid_extension").query("shape == '[2,5,1]' and grid == 10")["test_rmse"].item()
    assert (row["best"], row["median"], row["worst"], row["seeds"]) == (1e-4, 3e-4, np.inf, 3)
    assert row["ratio"] == pytest.approx(3e-4 / at_ten)
    assert row["what"] == "exp2d [2,5,1], G = 10"
    every = joined(FIG_2_3, runs({10: [1.0]}))
    assert (every["outcome"] == "not run").sum() == len(load("grid_extension")) - 1


def test_points_meet_where_errata_say_they_belong():
    """Panel 4's errors are those of grids 3 to 8 (E1); panel 3's are roots of medians (E3); E4's
    are of no use.
    """
    published = published_points(FIG_3_1, **FIG_3_1.kind.keywords)
    kans = published[published["family"] == "kan"]

    many = kans[kans["task"] == "exp100d"]
    assert list(many["grid"]) == [3, 4, 5, 6, 7, 8]
    assert list(many["x"]) == [101 * grid for grid in range(3, 9)]
    assert set(kans.loc[kans["task"] == "xy", "quantity"]) == {"test_root_median_square"}
    found = joined(FIG_3_1, runs({3: [1e-4]}, "2-2-1", "xy"))
    (row,) = found[found["ours"].notna()].to_dict("records")
    assert row["median"] == 0.5e-4
    wrong = found[found["errata"].str.contains(r"\bE4\b")]
    assert len(wrong) == 4
    assert set(wrong["outcome"]) == {"not comparable (E4)"}


def test_points_are_in_the_order_of_the_figure():
    found = joined(FIG_3_1, runs({5: [1e-4], 3: [1e-4]}, "2-2-1", "xy"))
    assert list(dict.fromkeys(found["panel"])) == ["j0", "exp2d", "xy", "exp100d", "exp4d"]
    assert all(rows["x"].is_monotonic_increasing for _, rows in found.groupby("panel"))


def test_without_runs_in_any_panel_what_was_published_is_drawn():
    figure = curves_figure(joined(FIG_3_1, runs({3: [1.0]}, "2-7-1")), FIG_3_1.arms, "params.paper")
    assert len([axes for axes in figure.axes if axes.lines]) == 5


def test_a_way_of_training_has_one_colour_in_all_panels_and_a_plain_name():
    tables = []
    for shape, task, hidden in (("2-1-1", "exp2d", 1), ("2-2-1", "xy", 2), ("4-9-1", "exp4d", 9)):
        table = runs({3: [1e-2], 5: [1e-3]}, shape, task)
        tables += [
            table.assign(series=f"kan grid_eps={eps} hidden=[{hidden}]") for eps in (1.0, 0.02)
        ]

    figure = curves_figure(joined(FIG_3_1, pd.concat(tables)), FIG_3_1.arms, "params.paper")

    panels = [axes for axes in figure.axes if axes.lines]
    titles = ["exp(sin(πx) + y²)", "xy", "exp((sin(π(x₁²+x₂²)) + sin(π(x₃²+x₄²)))/2)"]
    assert [axes.get_title(loc="left") for axes in panels] == titles
    lines = list(itertools.chain.from_iterable(axes.lines for axes in panels))
    for eps in (1.0, 0.02):
        ours = [
            line for line in lines if str(line.get_gid()).startswith(f"ours:kan grid_eps={eps}")
        ]
        assert len(ours) == 3
        assert len({line.get_color() for line in ours}) == 1
    (legend,) = [*figure.legends, *(axes.get_legend() for axes in figure.axes if axes.get_legend())]
    names = [text.get_text() for text in legend.get_texts()]
    assert names[0] == "published KAN"
    assert names[-2:] == ["our KAN, uniform knots", "our KAN, knots at percentiles"]
    assert len(names) == len(set(names))
