"""The next runs: what is expected of them is what a new fit gives, and they beat the largest runs
of equal cost.
"""

import itertools

import numpy as np
import pandas as pd
import pytest
from commands import json_of, said
from scipy.stats import linregress, t
from shared_data import shared

import harness
from benchmarks.grids import isoflop_grid
from benchmarks.next_runs import LEAST_GAIN, hidden, shortened, simulated
from harness.laws import fit_law, fit_surface
from harness.laws.design import STEP, Search, grid

QUESTIONS = ("exponent", "optimum", "prediction")
PURE = np.geomspace(1e3, 1e6, 7)


@pytest.fixture(scope="module")
def surface() -> pd.DataFrame:
    of = isoflop_grid(5)
    noise = 0.005 * np.random.default_rng(0).standard_normal(of.n.size)
    return pd.DataFrame({"N": of.n, "D": of.d, "loss": np.exp(of.log_loss + noise)})


@pytest.fixture(scope="module")
def curves() -> pd.DataFrame:
    """Two arms over compute, of which the second needs 1.4 times as much."""
    compute, rng = np.repeat(np.geomspace(1e18, 1e21, 8), 2), np.random.default_rng(0)
    losses = {
        arm: 1.8 + 1.6 * (compute / factor / 1e18) ** -0.155
        for arm, factor in (("A", 1), ("B", 1.4))
    }
    noise = {arm: np.exp(0.003 * rng.standard_normal(compute.size)) for arm in losses}
    return pd.concat(
        pd.DataFrame({"arm": arm, "C": compute, "loss": losses[arm] * noise[arm]}) for arm in losses
    )


def test_of_a_line_the_width_is_the_one_of_linear_regression():
    """A pure law is a straight line: the half-width is that of its slope, with new sizes too."""
    y = PURE**-0.3 * np.exp(0.02 * np.random.default_rng(0).standard_normal(7))
    fit = fit_law(PURE, y, "pure")
    known = fit.region
    u = np.log([1e3, 3e6]) - known.problem.logs.log_x_first
    search = Search(known, np.array([0.0, 1.0]), 0.95, u, np.ones(2), np.zeros(2, int), fit)
    line = linregress(np.log(PURE), np.log(y))
    assert search.half_width([]) == pytest.approx(t.isf(0.025, 5) * line.stderr)
    x = np.log(np.append(PURE, [1e3, 3e6]))
    sigma = line.stderr * np.sqrt(np.sum((np.log(PURE) - np.log(PURE).mean()) ** 2))
    assert search.half_width([0, 1]) == pytest.approx(
        t.isf(0.025, 7) * sigma / np.sqrt(np.sum((x - x.mean()) ** 2))
    )


def test_the_choice_is_the_best_of_all_choices():
    of = isoflop_grid(4)
    y = np.exp(of.log_loss + 0.005 * np.random.default_rng(1).standard_normal(of.n.size))
    known = fit_surface(of.n, of.d, y).region
    u = grid(known.problem.logs.u)[::2]
    costs = np.exp((u + known.problem.logs.log_x_first).sum(axis=1))
    for gradient in np.eye(5)[1:3]:
        search = Search(known, gradient, 0.95, u, costs, np.zeros(len(u), int))
        budget = 1.5 * float(costs.max())
        pairs = (pair for pair in itertools.combinations_with_replacement(range(len(u)), 2))
        least = min(
            search.half_width(list(pair)) for pair in pairs if costs[list(pair)].sum() <= budget
        )
        assert search.half_width(search.choose(budget, 2)) <= 1.01 * least


def test_places_stay_near_the_table(surface):
    """At most half a decade beyond the largest of each size, at ratios that the table has, and
    within the budget.
    """
    for question, at in (
        ("exponent", None),
        ("optimum", "1e22"),
        ("optimum", None),
        ("prediction", "C=1e22"),
    ):
        found = harness.design(
            surface, x="N", and_="D", y="loss", question=question, budget=4e20, at=at
        )
        plans, (design,) = found.table, found.answer.designs
        ratio = surface["D"] / surface["N"]
        for size in ("N", "D"):
            most = surface[size].max() * np.exp(STEP) * 1.001
            assert plans[size].between(0.999 * surface[size].min(), most).all()
        assert plans["ratio"].between(0.999 * ratio.min(), 1.001 * ratio.max()).all()
        assert (plans.groupby("plan")["cost"].sum() <= 4.001e20).all()
        assert (plans.groupby("plan")["runs"].sum() == 4).all()
        widths = plans.groupby("plan")["width"].first()
        assert widths["proposed"] == widths.min() < 1
        assert (
            design.now.interval.low
            < plans["low"].min()
            < plans["high"].max()
            < design.now.interval.high
        )


def test_the_best_size_is_the_one_that_is_predicted(surface):
    found = harness.design(
        surface, x="N", and_="D", y="loss", question="optimum", budget=4e20, at=1e22
    )
    law = fit_surface(surface["N"], surface["D"], surface["loss"])
    n = np.geomspace(1e8, 1e11, 400_001)
    best = n[np.argmin(law.a * n**-law.alpha.value + law.b * (1e22 / 6 / n) ** -law.beta.value)]

    assert found.answer.designs[0].now.value == pytest.approx(best, rel=1e-4)


def test_a_question_nobody_can_answer_is_refused(curves):
    for asked, message in (
        ({"question": "exponents"}, "did you mean 'exponent'"),
        ({"runs": 0}, "at least one run"),
    ):
        with pytest.raises(harness.HarnessError, match=message):
            harness.design(
                curves,
                x="C",
                y="loss",
                by="arm",
                **{"question": "exponent", "budget": 4e21, **asked},
            )


def test_a_multiplier_gets_runs_of_both_arms(curves):
    found = harness.design(
        curves, x="C", y="loss", by="arm", question="multiplier", at=1e21, budget=4e21
    )
    compared = harness.compare(curves, "A", "B", x="C", y="loss", by="arm", budgets=1e21)
    wanted = compared.table.query("size == 1e21").iloc[-1]

    assert found.answer.designs[0].now.value == pytest.approx(wanted["multiplier"])
    assert set(found.table.query("plan == 'proposed'")["arm"]) == {"A", "B"}
    assert found.table.query("plan == 'proposed'")["width"].iloc[0] < 0.85


def test_the_command_says_what_python_has(curves, tmp_path):
    curves.to_csv(tmp_path / "runs.csv", index=False)
    words = ["design", tmp_path / "runs.csv", "--x", "C", "--y", "loss", "--by", "arm"]
    at_budget = ("--budget", "4e21")
    answer = json_of(*words, *at_budget, "--question", "exponent")
    found = harness.design(curves, x="C", y="loss", by="arm", question="exponent", budget=4e21)

    assert [run["cost"] for design in answer["designs"] for run in design["runs"]] == list(
        found.table["cost"]
    )
    assert "this interval is expected to be" in said(*words, *at_budget, "--question", "exponent")
    for more, why in {
        "--question optimum": "name the second size (--and)",
        "--question prediction": "say where (--at)",
        "--question exponent --compute loss": "--compute goes with a second size",
        "--question exponent --budget 1e17": "--budget 1e+17: one run costs 1e+18 at least",
        "--question multiplier --at 1e21 --where arm=A": "of two curves, not 1",
    }.items():
        budget = () if "--budget" in more else at_budget
        assert why in said(*words, *budget, *more.split(), exit_code=2)


def test_what_cannot_be_planned_by_is_refused():
    """Too few sizes; no law to quote; and a floor that went to nothing, where nobody can tell what
    runs would add.
    """
    rng = np.random.default_rng(0)
    few = pd.DataFrame({"x": PURE[:3], "y": PURE[:3] ** -0.3})
    noise = pd.DataFrame({"x": PURE, "y": np.exp(0.5 * rng.standard_normal(7))})
    steeper = pd.DataFrame({"x": PURE, "y": PURE**-0.3 * np.exp(-0.02 * np.log(PURE / 1e3) ** 2)})
    for table, law, code in (
        (few, "pure", "TOO_FEW"),
        (noise, "auto", "NO_LAW"),
        (steeper, "floor", "NO_LAW"),
    ):
        found = harness.design(table, x="x", y="y", question="exponent", budget=1e7, law=law)
        assert code in [refusal.code for refusal in found.answer.designs[0].refusals]
        assert any(code in sentence for sentence in found.sentences)
        assert found.table.empty


@pytest.mark.parametrize("question", QUESTIONS)
def test_proposed_runs_shorten_more_than_the_largest(question):
    of = isoflop_grid(5)
    x, place = np.column_stack([of.n, of.d]), np.array([[2e10, 2e11]])
    runs = simulated(x, (1.8, 480.0, 0.35, 2100.0, 0.37), question, place, 6)
    found = shortened("five budgets", runs, question, place)

    assert np.mean(found.proposed) > LEAST_GAIN * np.mean(found.largest)


@pytest.mark.nightly
@pytest.mark.parametrize("question", QUESTIONS)
def test_of_a_published_table_hidden_runs_are_chosen_well(question):
    """106 runs of language models ("(Mis)Fitting"), of which 70 % are hidden."""
    runs = pd.read_csv(shared("scaling_data", "openathena_isoflops", "isoflops.csv"))
    runs = runs[(runs["source"] == "misfitting") & ~runs["outlier"].astype(bool)]
    table = runs.rename(columns={"params": "N", "tokens": "D"}).dropna(subset=["N", "D", "loss"])
    place = table[["N", "D"]].to_numpy(float).max(axis=0, keepdims=True) * [[1, 3]]
    found = shortened("hidden", hidden(table, question, place, 30), question, place)

    assert np.mean(found.proposed) > LEAST_GAIN * np.mean(found.largest)
