"""What the published rows say: exponents, and the numbers in the table of claims."""

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
    assert [f"{exponent:.1f}" for exponent in whole["exponent"]] == ["3.5", "2.9", "2.6", "3.0", "3.3", "1.3"]
    assert kans.query("exponent > 4")[["task", "window"]].to_numpy().tolist() == [["j0", "grid 10 to 200"]]


def test_the_claims_of_table_2_are_what_its_cells_give():
    """Geometric means, as the table of claims has them (test_bests.py counts who wins); in bold is the least error."""
    table = load("feynman")
    means = {name: np.exp(np.log(table[f"{name}_test_rmse"]).mean()) for name in ("pruned", "unpruned", "mlp")}
    losses = table[["human_test_rmse", "pruned_test_rmse", "unpruned_test_rmse", "mlp_test_rmse"]]
    assert [f"{mean:.1e}" for mean in means.values()] == ["4.9e-04", "7.6e-04", "5.8e-04"]
    assert (losses.idxmin(axis=1) == table["bold"] + "_test_rmse").all()


def test_found_shapes_against_constructed_ones():
    table = load("feynman")
    human, minimal, best = (table[f"{kind}_shape"].map(edges) for kind in ("human", "minimal", "best"))
    assert ((minimal < human).sum(), (minimal > human).sum()) == (16, 4)
    assert ((best < human).sum(), (best > human).sum()) == (12, 10)


def test_the_figures_of_grid_extension_share_their_points():
    drawn = load("toy_scaling").query("task == 'exp2d' and family == 'kan'").set_index("grid")["test_rmse"]
    stages = load("grid_extension").query("shape == '[2,1,1]'").set_index("grid")["test_rmse"]
    np.testing.assert_allclose(drawn, stages[drawn.index], rtol=1e-3)


def test_published_tables_equal_figures_where_they_are_the_same_thing():
    pairs = load("tables_against_figures")
    published = pd.concat([load("special_functions"), load("feynman")]).set_index("task")
    test = load("frontiers").query("split == 'test' and panel != 28")
    best = published[["best_test_rmse", "human_test_rmse", "pruned_test_rmse", "unpruned_test_rmse"]].min(axis=1)
    assert (pairs["mlp_test_rmse"].to_numpy() == published["mlp_test_rmse"][pairs["task"]].to_numpy()).all()
    assert (pairs["kan_test_rmse"].to_numpy() == best[pairs["task"]].to_numpy()).all()
    for row in pairs.to_dict("records"):
        panel = test[test["task"] == row["task"]].set_index("params.paper")
        for column, family in (("mlp_any_width", "mlp"), ("kan_frontier", "kan")):
            errors = panel["rmse"][panel["family"] == family]
            assert (errors.min(), errors.idxmin()) == (row[column], row[f"{column}_params"])
