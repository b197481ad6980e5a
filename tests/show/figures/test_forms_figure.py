"""Figures of two sizes, isoFLOP, frontiers, shared laws, scores and designs: lines are the laws,
dots the runs.
"""

import numpy as np
import pandas as pd
import pytest
from commands import said

import harness
from harness.laws.ahead import new_run

RNG = np.random.default_rng(4)
N, D = (
    np.exp(axis.ravel()) for axis in np.meshgrid(np.linspace(17, 23, 6), np.linspace(20, 27, 6))
)
GRID = pd.DataFrame(
    {
        "N": N,
        "D": D,
        "loss": (1.8 + 480 * N**-0.35 + 2100 * D**-0.37)
        * np.exp(0.003 * RNG.standard_normal(N.size)),
    }
)


def drawn(figure, kind):
    """The artists of a figure by their gid, of those that begin so."""
    artists = [
        artist
        for axes in figure.axes
        for artist in (*axes.lines, *axes.collections)
        if artist.get_gid()
    ]
    return {artist.get_gid(): artist for artist in artists if artist.get_gid().startswith(kind)}


def test_lines_of_two_sizes_are_the_law_and_new_runs_stand_where_it_says():
    fitted = harness.fit(GRID, "N", "loss", and_="D", predict=["N=1e10,D=1e12", "C=1e22"])
    (law,) = fitted.answer.results.values()
    figure = fitted.figure()

    for gid, line in drawn(figure, "law:").items():
        level, d = float(gid.rpartition(":")[2]), line.get_xdata()
        there = new_run(law, np.column_stack([np.full(d.size, level), d]), np.zeros(d.size))
        assert line.get_ydata() == pytest.approx(there.curve, rel=1e-5)
    (dots,) = drawn(figure, "runs:").values()
    assert len(dots.get_offsets()) == len(GRID)
    stars = [
        line for axes in figure.axes for line in axes.lines if line.get_gid() == "predicted:all"
    ]
    assert sorted(float(star.get_ydata()[0]) for star in stars) == pytest.approx(
        sorted(fitted.predictions["loss"])
    )


def test_valleys_go_through_their_minima_and_the_law_through_the_best_sizes():
    budget = np.repeat(np.geomspace(1e18, 1e21, 4), 7)
    size = 0.3 * budget**0.5 * np.tile(np.geomspace(0.1, 10, 7), 4)
    loss = budget**-0.1 * np.exp(0.1 * np.log(size / (0.3 * budget**0.5)) ** 2)
    figure = harness.fit(
        pd.DataFrame({"C": budget, "N": size, "loss": loss}), "N", "loss", isoflop="C"
    ).figure()

    valleys = drawn(figure, "valley:")
    assert len(valleys) == 4
    for gid, line in valleys.items():
        x, y = line.get_data()
        assert x[np.argmin(y)] == pytest.approx(0.3 * float(gid.rpartition(":")[2]) ** 0.5, rel=0.1)
    (line,) = drawn(figure, "law:").values()
    assert line.get_ydata() == pytest.approx(0.3 * line.get_xdata() ** 0.5, rel=1e-6)


@pytest.mark.parametrize("asked", [{"and_": "D"}, {"and_": "D", "compute": "C"}, {"isoflop": "C"}])
def test_an_arm_whose_runs_all_failed_is_refused_and_not_drawn(asked):
    grid = GRID.assign(C=N * D)
    both = pd.concat(
        [grid.assign(arm="a", end="ok"), grid.assign(arm="b", end="failed", loss=np.nan)]
    )
    fitted = harness.fit(both, "N", "loss", "arm", status="end", **asked)
    assert fitted.answer.results["b"].refusals
    assert {gid.split(":")[1] for gid in drawn(fitted.figure(), ("runs:", "valley:"))} <= {"a"}


def test_a_frontier_and_scores_are_drawn_as_they_were_fitted():
    x = np.repeat(np.geomspace(1e3, 1e6, 8), 3)
    pure = pd.DataFrame({"x": x, "y": 3 * x**-0.5})
    (line,) = drawn(harness.fit(pure, "x", "y", frontier=0.5).figure(), "law:").values()
    assert line.get_ydata() == pytest.approx(3 * line.get_xdata() ** -0.5, rel=1e-6)
    (dots,) = drawn(harness.fit(pure, "x", "y", frontier=0.5, min_x=5e3).figure(), "runs:").values()
    assert dots.get_xdata().min() > 5e3  # as what is fitted

    losses = np.linspace(3.2, 2.0, 12)
    scores = pd.DataFrame({"loss": losses, "score": 0.25 + 0.7 / (1 + np.exp(6 * (losses - 2.5)))})
    figure = harness.fit(
        scores, "loss", "score", law="sigmoid", chance=0.25, predict=[1.8]
    ).figure()
    (line,) = drawn(figure, "law:").values()
    assert line.get_ydata() == pytest.approx(
        0.25 + 0.7 / (1 + np.exp(6 * (line.get_xdata() - 2.5))), rel=1e-4
    )


def test_a_design_shows_where_the_runs_of_each_plan_lie():
    design = harness.design(GRID, "N", "loss", and_="D", question="exponent", budget=1e22)
    marks = drawn(design.figure(), "proposed:")
    places = design.table[design.table["plan"] == "proposed"]
    assert {float(mark.get_xdata()[0]) for mark in marks.values()} <= set(places["N"])


def test_out_keeps_the_figure_of_a_form(tmp_path):
    GRID.to_csv(tmp_path / "grid.csv", index=False)
    asked = ("fit", tmp_path / "grid.csv", "--x", "N", "--and", "D", "--y", "loss")
    said(*asked, "--out", tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "fits.json",
        "and.png",
        "and.pdf",
    }


def test_what_a_form_says_in_words_and_numbers_is_its_answer():
    fitted = harness.fit(GRID, "N", "loss", and_="D", predict="C=1e22")
    (law,) = fitted.answer.results.values()
    (row,) = fitted.table.to_dict("records")

    assert (row["alpha"], row["alpha_low"], row["floor"]) == (
        law.alpha.value,
        law.alpha.interval.low,
        law.floor.value,
    )
    assert any("alpha 0.3" in sentence for sentence in fitted.sentences)
    assert any("a new run at" in sentence for sentence in fitted.sentences)


def test_budgets_that_are_held_out_are_hollow_and_predictions_are_said_to_lack_them(tmp_path):
    fitted = harness.fit(GRID, "N", "loss", and_="D", hold_out=1, predict="C=1e22")
    (hollow,) = drawn(fitted.figure(), "held_out:").values()
    (dots,) = drawn(fitted.figure(), "runs:").values()
    assert len(hollow.get_offsets()) + len(dots.get_offsets()) == len(GRID)

    GRID.to_csv(tmp_path / "grid.csv", index=False)
    asked = (
        "fit",
        tmp_path / "grid.csv",
        "--x",
        "N",
        "--and",
        "D",
        "--y",
        "loss",
        "--predict",
        "C=1e22",
    )
    assert "by laws without the budgets held out" in said(*asked, "--hold-out", "1")
    assert "held out" not in said(*asked)
