"""The tables against the files that the published numbers were first written down in, where these are at hand."""

import numpy as np
import pandas as pd
import pytest
from reading import corrected
from shared_data import shared

from harness.paper.reference import load

PANELS = {1: "j0", 2: "exp2d", 3: "xy", 4: "exp100d", 5: "exp4d"}
FUNCTIONS = {"exp(sin(pi x)+y^2)": "exp2d", "xy": "xy", "exp(mean sin^2(pi x_i/2)), d=100": "exp100d"}


def _first(name: str) -> pd.DataFrame:
    return pd.read_csv(shared("paper", f"{name}.csv"))


def _equal(ours: pd.DataFrame, theirs: pd.DataFrame, pairs: dict[str, str]) -> None:
    """Every pair of columns holds the same values, row by row; what is missing is missing in both."""
    assert len(ours) == len(theirs)
    for own, other in pairs.items():
        mine, given = ours[own].astype(object), theirs[other].astype(object)
        assert [None if pd.isna(one) else one for one in mine] == [None if pd.isna(one) else one for one in given], own


def test_toy_scaling_and_its_guides():
    theirs = _first("toy_scaling").rename(columns={"n_params_as_plotted": "params"})
    lines = theirs["series"].str.startswith("theory")
    points, ours = theirs[~lines], load("toy_scaling")
    columns = {"panel": "panel", "shape": "arch", "width": "width", "params.paper": "params", "test_rmse": "test_rmse"}

    _equal(ours, points, columns)
    _equal(load("toy_guides"), theirs[lines], {"panel": "panel", "params.paper": "params", "test_rmse": "test_rmse"})
    _equal(ours.assign(real=corrected(ours, "grid")), points, {"real": "grid_G"})
    assert ours["task"].tolist() == points["panel"].map(PANELS).tolist()
    assert ours["family"].tolist() == points["series"].str.lower().tolist()
    noted = points["notes"].str.extract(r"has ([\d.e-]+) here")[0].astype(float)
    np.testing.assert_array_equal(ours["test_rmse_corrected"], noted)
    counted = points["n_params_true"].str.extract(r"(\d+)$")[0].astype(int)
    assert ours["params.trainable"].tolist() == counted.tolist()


def test_grid_extension():
    theirs = _first("grid_extension")
    columns = {"shape": "kan_shape", "grid": "G", "step": "last_step", "train_rmse": "train_rmse_end"}
    columns |= {"test_rmse": "test_rmse_end", "test_root_median_square": "test_sqrt_median_sq"}

    _equal(load("grid_extension"), theirs, {**columns, "seconds_per_step": "seconds_per_step"})
    assert load("grid_extension")["task"].tolist() == theirs["function"].map(FUNCTIONS).tolist()


def test_special_functions_and_feynman():
    special = {"scipy": "scipy_api", "minimal_shape": "min_kan_shape", "minimal_test_rmse": "min_kan_test_rmse"}
    special |= {"best_shape": "best_kan_shape", "best_test_rmse": "best_kan_test_rmse", "function": "name"}
    _equal(load("special_functions"), _first("special_functions"), {**special, "mlp_test_rmse": "mlp_test_rmse"})

    theirs = _first("feynman")
    for column in ("original_formula", "dimensionless_formula"):
        theirs[column] = theirs[column].str.replace("$", "", regex=False)
    feynman = {"task": "feynman_eq", "formula": "original_formula", "dimensionless": "dimensionless_formula"}
    feynman |= {"inputs": "n_vars", "human_shape": "human_kan_shape", "minimal_shape": "pruned_kan_shape_smallest"}
    feynman |= {"best_shape": "pruned_kan_shape_lowest_loss", "mlp_test_rmse": "mlp_rmse", "bold": "bold"}
    feynman |= {f"{kind}_test_rmse": f"{kind}_kan_rmse" for kind in ("human", "pruned", "unpruned")}
    _equal(load("feynman"), theirs, feynman)


def test_frontiers():
    theirs, ours = _first("pareto_frontiers"), load("frontiers")

    _equal(ours, theirs, {"task": "task", "split": "split", "params.paper": "n_params_as_plotted", "rmse": "rmse"})
    families = ours["family"] + ("-" + ours["activation"]).fillna("")
    assert families.tolist() == theirs["family"].str.lower().tolist()
    assert ((ours["panel"] == 28).tolist()) == (theirs["panel_occurrence"] == 2).tolist()


def test_pde():
    theirs = _first("pde")
    for name, kind in (("pde_scaling", "scaling"), ("pde_dynamics", "dynamics")):
        for column, metric in (("l2_squared", "L2_squared"), ("h1_squared", "H1_squared")):
            rows = theirs[(theirs["kind"] == kind) & (theirs["metric"] == metric)]
            same = {"shape": "arch", column: "value"}
            same |= (
                {"step": "step"} if kind == "dynamics" else {"grid": "grid_G", "params.paper": "n_params_as_plotted"}
            )
            _equal(load(name), rows, same)


def test_tables_against_figures():
    ours, theirs = load("tables_against_figures"), _first("table_vs_figure_check")
    same = {"task": "task", "mlp_test_rmse": "table_mlp", "kan_test_rmse": "table_best_kan"}
    same |= {"mlp_width5_params": "pf_mlp_width5_N", "mlp_any_width_params": "pf_mlp_any_N"}

    _equal(ours, theirs, {**same, "kan_frontier_params": "pf_kan_N"})
    rounded = {"mlp_width5": "pf_mlp_width5_min", "mlp_any_width": "pf_mlp_any_min", "kan_frontier": "pf_kan_min"}
    for own, other in {**rounded, "mlp_silu_width5": "pf_mlp_silu_width5_min"}.items():
        np.testing.assert_allclose(ours[own], theirs[other], rtol=5e-3)


def test_tutorials_and_reruns():
    ours, theirs = load("tutorials"), _first("tutorial_outputs")
    same = {"shape": "kan_shape", "grid": "G", "train_rmse": "train_rmse", "test_rmse": "test_rmse"}
    _equal(ours, theirs, {**same, "train_points": "n_train", "steps": "lbfgs_steps_per_grid"})

    ours, theirs = load("reruns"), _first("reruns")
    same = {"grid_eps": "grid_eps", "run": "run", "seed": "seed", "grid": "G", "train_rmse": "train_rmse"}
    _equal(ours, theirs, {**same, "test_rmse": "test_rmse", "test_root_median_square": "test_sqrt_median_sq"})
    assert ("v" + ours["pykan"]).tolist() == theirs["pykan"].tolist()


def test_accuracies():
    theirs = _first("knots")
    shares = theirs["value"].str.extract(r"^~?([\d.]+)%$")[0].astype(float) / 100
    supervised = theirs["experiment"].str.startswith("supervised")
    assert load("knots")["test_accuracy"].dropna().tolist() == pytest.approx(shares[supervised].tolist())
    for column, metric in (("r2_signature", "r2 with signature"), ("r2_human", "r2 with DM formula")):
        given = theirs["value"][theirs["metric"] == metric].astype(float)
        assert load("knot_formulas")[column].tolist() == given.tolist()
    formulas = shares[~supervised].dropna()
    assert load("knot_formulas")["test_accuracy"].tolist() == pytest.approx(formulas.tolist())

    given = _first("anderson")["accuracy"].str.extract(r"([\d.]+)%")[0].astype(float) / 100
    assert sorted(load("anderson")["accuracy"]) == pytest.approx(sorted(given))


def test_errata_and_claims():
    assert set(_first("errata")["id"]) <= set(load("errata")["erratum"])
    assert _first("claims")["id"].tolist() == load("claims")["claim"].tolist()
    assert len(_first("pykan_defaults")) == len(load("pykan_defaults"))
    assert _first("interpretability_toys")["function"].str[:4].tolist()[0] == load("interpretability")["function"][0]
