"""Fig. 3.3: squared errors meet in both norms, and the KAN is held against the MLP that validation
chooses.
"""

import re

import numpy as np
import pandas as pd
import pytest

from harness.judging.laws import fit_table
from harness.paper.reference import load
from harness.paper.replay import REPLAYS
from harness.paper.replay.content import TEXTS
from harness.paper.replay.poisson import (
    KAN,
    MLP,
    MOST_PARAMETERS,
    _duel_table,
    _exponent_table,
    duel,
    points_of,
)

REPLAY = REPLAYS["fig3_3_poisson"]


def runs(published: pd.DataFrame, factors: dict[int, float]) -> pd.DataFrame:
    """A table of runs with the published errors, those of MLPs of some depths times a factor, in
    three seeds.
    """
    kept = [
        "family",
        "shape",
        "depth",
        "grid",
        "l2_squared",
        "h1_squared",
        "params.paper",
        "params.trainable",
    ]
    table = published[kept].merge(
        pd.DataFrame({"seed": [0, 1, 2], "noise": [0.5, 1.0, 3.0]}), how="cross"
    )
    is_mlp = table["family"] == "mlp"
    factor = table["depth"].map(factors).fillna(1.0).where(is_mlp, 1.0).astype(float)
    rmse, h1 = (
        table["noise"] * np.sqrt(factor * table[square]) for square in ("l2_squared", "h1_squared")
    )
    table = table.assign(
        arm=table["family"],
        series=np.where(is_mlp, "mlp depth=" + table["depth"].astype(str), "kan " + table["shape"]),
        shape=table["shape"].str[1:-1].str.replace(",", "-"),
        cell=table.index // 3,
        run_id=table.index,
        test_rmse=rmse,
        test_h1_error=h1,
        validation_rmse=10 * rmse,
    )
    took = {"evaluations": 6000, "flops_train.shared_dense": 1e9, "flops_train.local_min": 1e8}
    of_all = {
        "task": "poisson",
        "trial": 0,
        "status": "done",
        "pack_seconds": 30.0,
        "pack_lanes": 3,
        "chosen": True,
    }
    return table.assign(**took, **of_all)


def points(table: pd.DataFrame) -> pd.DataFrame:
    return points_of(table, REPLAY)


def test_squared_errors_meet_in_both_norms():
    """Runs with the published errors have ratio 1 at every point of the scaling curves; E2's are
    not judged.
    """
    points_of_runs = points(runs(load("pde_scaling"), {}))
    curves = points_of_runs[~points_of_runs["curve"].str.startswith("course")]
    assert len(curves) == 2 * len(load("pde_scaling"))
    np.testing.assert_allclose(curves["ratio"], 1, rtol=1e-12)
    assert set(curves["outcome"]) == {"within 4x", "not comparable (E2)"}
    assert (curves["outcome"] == "not comparable (E2)").sum() == 24
    np.testing.assert_allclose(curves["worst"] / curves["best"], 36, rtol=1e-12)


def test_the_courses_end_where_a_grid_does():
    """Panels 1 and 2: the KAN at the end of its five grids, the MLPs at theirs; [2,10,1] is another
    than in panel 3.
    """
    points_of_runs = points(runs(load("pde_scaling"), {})).query("quantity == 'L2²'")
    courses = points_of_runs[points_of_runs["curve"].str.startswith("course")].set_index(
        ["family", "grid"]
    )
    assert list(courses.loc["kan"].index) == [2, 4, 6, 8, 10]
    assert courses.loc[("kan", 10), "published"] == pytest.approx(9.8402e-8)
    assert (
        round(courses.loc["mlp", "published"].iloc[-1] / 9.8402e-8) == 58
    )  # as the table of claims has it
    assert list(courses.loc["mlp", "shape"]) == ["[2,10,1]", "[2,100,100,100,1]"]
    assert list(courses.loc["mlp", "outcome"]) == ["better", "within 4x"]


def test_the_kan_is_held_against_the_mlp_that_validation_chooses():
    """Of MLPs with at most 20,601 parameters the one of depth 4 and width 50; larger ones do not
    count.
    """
    table = runs(load("pde_scaling"), {5: 1e-9})
    table = table[(table["params.trainable"] > 20_601) | (table["series"] != "mlp depth=5")]

    who = duel(table)

    assert who.kan["grid"] == 10
    assert (who.best["shape"], who.chosen["shape"]) == ("[2,50,50,50,1]", "[2,100,100,100,1]")
    (table_of_duel,) = _duel_table(who)
    rows = {row.cells[0]: row.cells for row in table_of_duel.rows}
    assert rows["params.trainable"][1:4] == (450, 5301, 20601)
    assert rows["seconds in the pack"][1:] == (10, 10, 10, 1, 1)


def test_what_the_page_says_of_the_published_figure_is_in_it():
    published = load("pde_scaling")
    kan = published[(published["shape"] == KAN) & published["grid"].notna()].iloc[-1]
    mlp = published[published["shape"] == MLP].iloc[0]
    best = published[
        (published["family"] == "mlp") & (published["params.trainable"] <= MOST_PARAMETERS)
    ]
    times = [mlp[name] / kan[name] for name in ("l2_squared", "params.paper", "params.trainable")]
    times.append(best["l2_squared"].min() / kan["l2_squared"])
    said = " ".join(TEXTS["tables"]["duel"]["introduction"].split())
    assert re.findall(
        r"gives (\d+) and (\d+) times, on true parameters (\d+), and (\d+) times against", said
    ) == [tuple(f"{number:.0f}" for number in times)]


def test_nothing_is_held_against_nothing():
    table = runs(load("pde_scaling"), {})
    who = duel(table[table["grid"].isna()])
    assert list(_duel_table(who)) == []


def test_exponents_are_half_of_what_the_figure_draws():
    table = runs(load("pde_scaling"), {})
    kans = table[table["arm"] == "kan"].assign(
        dtype="float64", metric="rmse", test_loss=table["test_rmse"]
    )
    fits = fit_table(
        kans.assign(in_window=True, until_minimum=False, hold_out=0, of_budget=False),
        ("params.paper", "params.trainable"),
    )
    (exponents,) = _exponent_table(points(table), fits)
    l2 = [row.cells for row in exponents.rows if row.cells[0] == "L2²"]
    assert [row[3] for row in l2] == ["3.49", "4.33", "4.25"]
    assert [row[4] for row in l2] == [row[5] for row in l2] == ["1.74", "2.17", "2.12"]
