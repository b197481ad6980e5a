"""The errata: what each says of the published rows can be seen in them."""

import numpy as np
import pytest

from harness.paper.reference import load


def test_e1_the_high_dimensional_kan_has_the_errors_of_other_grids():
    drawn = load("toy_scaling").query("task == 'exp100d' and family == 'kan'")
    companion = load("grid_extension").query("task == 'exp100d'").set_index("grid")["test_rmse"]
    assert drawn["errata"].str.contains("E1 ").all()
    assert (drawn["test_rmse"].to_numpy() == companion.loc[drawn["grid_corrected"]].to_numpy()).all()
    assert drawn["params.paper_corrected"].tolist() == [101 * grid for grid in range(3, 9)]


def test_e2_two_curves_of_the_pde_are_one():
    mlp = load("pde_scaling").query("family == 'mlp'").set_index("width")
    two, three, four = (mlp[mlp["depth"] == depth][["l2_squared", "h1_squared"]] for depth in (2, 3, 4))
    assert two.equals(three)
    assert not two.equals(four)
    assert (mlp["errata"].str.contains("E2 ") == mlp["depth"].isin([2, 3])).all()


def test_e3_the_product_has_the_values_of_a_median():
    """Panel 3's KAN equals its companion to the figures' digits, and lies below the training error."""
    table = load("grid_extension").query("task == 'xy' and grid <= 100")
    drawn = load("toy_scaling").query("task == 'xy' and family == 'kan'")
    np.testing.assert_allclose(drawn["test_rmse"], table["test_rmse"], rtol=0.02)
    ratio = table["train_rmse"] / table["test_rmse"]
    assert ratio.between(1.1, 2.5).all()


def test_e4_two_panels_share_a_point():
    """j0 and xy have the same MLP error at width 5, and four points have what an earlier figure had."""
    changed = load("toy_scaling").dropna(subset="test_rmse_corrected").set_index("task")
    assert (changed["errata"].str.contains("E4 ")).all()
    assert changed["test_rmse"]["j0"] == changed["test_rmse"]["xy"]
    assert changed["test_rmse_corrected"].tolist() == [0.14675, 0.13496, 2.9686e-05, 0.12131]


def test_e5_all_guides_but_one_have_the_slope_of_their_label():
    """Drawn slopes are the labelled exponents, but for exp4d's, which is half of it."""
    for (task, line), drawn in load("toy_guides").groupby(["task", "line"]):
        ends = drawn.iloc[[0, -1]]
        slope = -np.diff(np.log(ends["test_rmse"]))[0] / np.diff(np.log(ends["params.paper"].astype(float)))[0]
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
    """23 of 27 cells are, within 1 %, SiLU's least error at width 5; six of these are above another activation's."""
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
    last, before = (table[table["panel"] == panel][points].reset_index(drop=True) for panel in (28, 27))
    assert last.equals(before)
    assert (table["errata"].str.contains("E10") == (table["panel"] == 28)).all()


def test_e20_curves_end_where_errors_turn():
    """No KAN of Fig. 3.1 is drawn more than a grid past its least error, though Fig. 2.3 goes on to 1.06."""
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
