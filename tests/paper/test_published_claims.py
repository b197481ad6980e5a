"""What the published rows say: exponents, the numbers in the table of claims, and what each erratum
says of them.
"""

import numpy as np
import pandas as pd
import pytest
from reading import edges, ids

from harness.paper.reference import corrected, load


def test_exponents_are_those_of_the_points():
    for row in load("exponents").to_dict("records"):
        points = load(row["table"])
        points = points[points[row["y"]].notna()]
        for column in ("task", "family", "depth", "shape"):
            if column in points and not pd.isna(row[column]):
                points = points[points[column] == row[column]]
        x = row["x"].removesuffix("_corrected")
        sizes = corrected(points, x) if x != row["x"] else points[x]
        assert row["window"] != "all" or row["points"] == len(points)
        inside = sizes.between(row["min"], row["max"])
        points, sizes = points[inside], sizes[inside].astype(float)

        assert len(points) == row["points"]
        assert (sizes.min(), sizes.max()) == (row["min"], row["max"])
        slope = np.polyfit(np.log(sizes), np.log(points[row["y"]]), 1)[0]
        assert -slope == pytest.approx(row["exponent"], abs=6e-4)
        assert set(row["errata"].split()) == ids(points)


def test_no_kan_of_the_toys_has_the_exponent_of_theory_at_all_its_points():
    kans = load("exponents").query("table == 'toy_scaling' and family == 'kan'")
    whole = kans[kans["window"] == "all"]
    assert [f"{exponent:.1f}" for exponent in whole["exponent"]] == [
        "3.5",
        "2.9",
        "2.6",
        "3.0",
        "3.3",
        "1.3",
    ]
    assert kans.query("exponent > 4")[["task", "window"]].to_numpy().tolist() == [
        ["j0", "grid 10 to 200"]
    ]


def test_the_claims_of_table_2_are_what_its_cells_give():
    """Geometric means, as the table of claims has them (test_bests.py counts who wins); in bold is
    the least error.
    """
    table = load("feynman")
    means = {
        name: np.exp(np.log(table[f"{name}_test_rmse"]).mean())
        for name in ("pruned", "unpruned", "mlp")
    }
    losses = table[["human_test_rmse", "pruned_test_rmse", "unpruned_test_rmse", "mlp_test_rmse"]]
    assert [f"{mean:.1e}" for mean in means.values()] == ["4.9e-04", "7.6e-04", "5.8e-04"]
    assert (losses.idxmin(axis=1) == table["bold"] + "_test_rmse").all()


def test_found_shapes_against_constructed_ones():
    table = load("feynman")
    human, minimal, best = (
        table[f"{kind}_shape"].map(edges) for kind in ("human", "minimal", "best")
    )
    assert ((minimal < human).sum(), (minimal > human).sum()) == (16, 4)
    assert ((best < human).sum(), (best > human).sum()) == (12, 10)


def test_the_figures_of_grid_extension_share_their_points():
    drawn = (
        load("toy_scaling")
        .query("task == 'exp2d' and family == 'kan'")
        .set_index("grid")["test_rmse"]
    )
    stages = load("grid_extension").query("shape == '[2,1,1]'").set_index("grid")["test_rmse"]
    np.testing.assert_allclose(drawn, stages[drawn.index], rtol=1e-3)


def test_published_tables_equal_figures_where_they_are_the_same_thing():
    pairs = load("tables_against_figures")
    published = pd.concat([load("special_functions"), load("feynman")]).set_index("task")
    test = load("frontiers").query("split == 'test' and panel != 28")
    best = published[
        ["best_test_rmse", "human_test_rmse", "pruned_test_rmse", "unpruned_test_rmse"]
    ].min(axis=1)
    assert (
        pairs["mlp_test_rmse"].to_numpy() == published["mlp_test_rmse"][pairs["task"]].to_numpy()
    ).all()
    assert (pairs["kan_test_rmse"].to_numpy() == best[pairs["task"]].to_numpy()).all()
    for row in pairs.to_dict("records"):
        panel = test[test["task"] == row["task"]].set_index("params.paper")
        for column, family in (("mlp_any_width", "mlp"), ("kan_frontier", "kan")):
            errors = panel["rmse"][panel["family"] == family]
            assert (errors.min(), errors.idxmin()) == (row[column], row[f"{column}_params"])


def test_e1_the_high_dimensional_kan_has_the_errors_of_other_grids():
    drawn = load("toy_scaling").query("task == 'exp100d' and family == 'kan'")
    companion = load("grid_extension").query("task == 'exp100d'").set_index("grid")["test_rmse"]
    assert drawn["errata"].str.contains("E1 ").all()
    assert (
        drawn["test_rmse"].to_numpy() == companion.loc[drawn["grid_corrected"]].to_numpy()
    ).all()
    assert drawn["params.paper_corrected"].tolist() == [101 * grid for grid in range(3, 9)]


def test_e2_two_curves_of_the_pde_are_one():
    mlp = load("pde_scaling").query("family == 'mlp'").set_index("width")
    two, three, four = (
        mlp[mlp["depth"] == depth][["l2_squared", "h1_squared"]] for depth in (2, 3, 4)
    )
    assert two.equals(three)
    assert not two.equals(four)
    assert (mlp["errata"].str.contains("E2 ") == mlp["depth"].isin([2, 3])).all()


def test_e3_the_product_has_the_values_of_a_median():
    """Panel 3's KAN equals its companion to the figures' digits, and lies below the training
    error.
    """
    table = load("grid_extension").query("task == 'xy' and grid <= 100")
    drawn = load("toy_scaling").query("task == 'xy' and family == 'kan'")
    np.testing.assert_allclose(drawn["test_rmse"], table["test_rmse"], rtol=0.02)
    ratio = table["train_rmse"] / table["test_rmse"]
    assert ratio.between(1.1, 2.5).all()


def test_e4_two_panels_share_a_point():
    """j0 and xy have the same MLP error at width 5, and four points have what an earlier figure
    had.
    """
    changed = load("toy_scaling").dropna(subset="test_rmse_corrected").set_index("task")
    assert (changed["errata"].str.contains("E4 ")).all()
    assert changed["test_rmse"]["j0"] == changed["test_rmse"]["xy"]
    assert changed["test_rmse_corrected"].tolist() == [0.14675, 0.13496, 2.9686e-05, 0.12131]


def test_e5_all_guides_but_one_have_the_slope_of_their_label():
    """Drawn slopes are the labelled exponents, but for exp4d's, which is half of it."""
    for (task, line), drawn in load("toy_guides").groupby(["task", "line"]):
        ends = drawn.iloc[[0, -1]]
        slope = (
            -np.diff(np.log(ends["test_rmse"]))[0]
            / np.diff(np.log(ends["params.paper"].astype(float)))[0]
        )
        wrong = "E5" in set(drawn["errata"])
        assert slope == pytest.approx(drawn["label"].iloc[0] / (2 if wrong else 1), rel=1e-3)
        assert wrong == ((task, line) == ("exp4d", "dimension"))


def test_e7_the_mlps_of_table_1_are_those_of_width_5():
    pairs = load("tables_against_figures").query("table == 'special_functions'")
    assert len(pairs) == 15
    assert set(pairs["mlp_width5_params"]) <= {15, 40, 65, 90, 115}
    np.testing.assert_allclose(pairs["mlp_test_rmse"], pairs["mlp_width5"], rtol=5e-3)
    assert (pairs["mlp_width5"] / pairs["mlp_any_width"]).max() > 15


def test_e7b_the_mlps_of_table_2_are_those_of_silu():
    """23 of 27 cells are, within 1 %, SiLU's least error at width 5; six of these are above another
    activation's.
    """
    pairs = load("tables_against_figures").query("table == 'feynman'").set_index("task")
    agree = (pairs["mlp_test_rmse"] / pairs["mlp_silu_width5"] - 1).abs() < 0.01
    assert agree.sum() == 23
    assert (agree == (pairs["agrees"] == "yes")).all()
    assert set(pairs.index[~agree]) == {"I.26.2", "I.27.6", "II.11.7", "I.44.4"}
    assert (agree & (pairs["mlp_width5"] < 0.99 * pairs["mlp_silu_width5"])).sum() >= 6


def test_e9_two_cells_of_table_2_repeat_the_one_above():
    table = load("feynman").set_index("task")
    figure = load("tables_against_figures").set_index("task")["mlp_silu_width5"]
    for task, above in (("II.11.7", "II.6.15a"), ("I.44.4", "I.40.1")):
        assert table["mlp_test_rmse"][task] == table["mlp_test_rmse"][above]
        assert table["mlp_test_rmse_corrected"][task] == pytest.approx(figure[task], rel=5e-3)
    assert table["mlp_test_rmse_corrected"].count() == table["errata"].str.contains("E9").sum() == 2


def test_e10_the_last_panel_repeats_another():
    table = load("frontiers").query("source == 'figD.1'")
    points = ["task", "family", "activation", "split", "params.paper", "rmse"]
    last, before = (
        table[table["panel"] == panel][points].reset_index(drop=True) for panel in (28, 27)
    )
    assert last.equals(before)
    assert (table["errata"].str.contains("E10") == (table["panel"] == 28)).all()


def test_e20_curves_end_where_errors_turn():
    """No KAN of Fig. 3.1 is drawn more than a grid past its least error, though Fig. 2.3 goes on to
    1.06.
    """
    for _, curve in load("toy_scaling").query("family == 'kan'").groupby(["task", "shape"]):
        assert curve["test_rmse"].to_numpy().argmin() >= len(curve) - 2
    longer = load("grid_extension").query("shape == '[2,1,1]'").set_index("grid")["test_rmse"]
    assert longer.idxmin() == 100
    assert longer[1000] > 1


def test_e22_small_mlps_are_on_the_frontier():
    test = load("frontiers").query("source == 'fig3.2' and split == 'test'")
    unmet = {}
    for task, panel in test.groupby("task"):
        kans, mlps = (panel[panel["family"] == family] for family in ("kan", "mlp"))
        for size, error in zip(mlps["params.paper"], mlps["rmse"], strict=True):
            if not ((kans["params.paper"] <= size) & (kans["rmse"] <= error)).any():
                unmet.setdefault(task, []).append(size)
        assert kans["rmse"].min() < mlps["rmse"].min()
    assert len(unmet) == 12
    assert max(max(sizes) for sizes in unmet.values()) == 65
