"""The winners of replicates: at each budget the run that validation picks among all that fit it."""

from functools import cache

import numpy as np
import pandas as pd
import pytest
from judging.made_runs import LAWS, SAME, made_plan, made_table, power
from scipy.stats import ttest_1samp

from harness.base.errors import HarnessError
from harness.judging.baselines import CONSTANT
from harness.judging.headline import main_headline
from harness.judging.judge import judge
from harness.judging.laws import fit_table
from harness.judging.runs import runs_of
from harness.judging.winners import reported
from harness.planning.plan import make_plan
from harness.show.tables.headline import other_pairs
from harness.spec.manifest import Manifest
from harness.spec.read import parse_experiment

TEXT = """
question: which?
tasks: [exp2d]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: fast}
  spline_mlp: {architecture: {family: spline_mlp, depth: 2, width: 3}, recipe: fast}
match: {axis: params, at: [60, 130, 280], tol: 0.3, solve: {mlp: width, "*": grid}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 1000}}
search: {runs: 6, replicates: 4, cap: {evaluations: 1000}}
decide:
  - {claim: a, quantity: test_loss, sides: [kan, [mlp, spline_mlp]], threshold: 1, at_least: 1}
"""
FLOPS = "flops_train.shared_dense"
ONE_CAP = "{flops_train.shared_dense: 1.2e+8}"


@cache
def searched() -> Manifest:
    return make_plan(parse_experiment(TEXT, "which.yaml"), "which")


def made_runs(rng, diverged=0.1, plan=None):
    """A table of all runs of the plan with losses that are made up; some diverged."""
    plan = plan or searched()
    cells = [plan.cells[one.cell] for one in plan.runs]
    asked = np.array([cell.asked for cell in cells])
    is_lost = rng.random(asked.size) < diverged
    validation = np.where(is_lost, np.nan, np.exp(rng.normal(-np.log(asked), 1.0)))
    found = {
        "run_id": [one.run_id for one in plan.runs],
        "task": [cell.task for cell in cells],
        "arm": [cell.arm for cell in cells],
        "series": [cell.arm for cell in cells],
        "asked": asked,
        "seed": [one.run.seed for one in plan.runs],
        "cell": [cell.index for cell in cells],
        "val_loss": validation,
        "test_loss": validation * np.exp(rng.normal(0, 0.2, asked.size)),
        "params.trainable": 0.9 * asked,
        FLOPS: asked * 4e5 * rng.uniform(0.9, 1.0, asked.size),
        "flops_train.local_min": asked * 1e5 * rng.uniform(0.1, 1.0, asked.size),
    }
    told = {
        "trial": [one.trial for one in plan.runs],
        "status": np.where(is_lost, "diverged", "done"),
    }
    return pd.DataFrame(found | SAME | LAWS | told)


@pytest.fixture(scope="module")
def runs():
    return made_runs(np.random.default_rng(0))


@pytest.fixture(scope="module")
def winners(runs):
    return reported(searched(), runs)


def test_a_replicate_that_lacks_a_run_is_no_replicate(runs):
    """The best of a part of a search is no winner of it; without a whole replicate there is no
    row.
    """
    lacking = runs.drop(runs.index[(runs["seed"] == 2) & (runs["trial"] == 1)][:1])
    pd.testing.assert_frame_equal(
        reported(searched(), lacking), reported(searched(), runs[runs["seed"] != 2])
    )
    assert reported(searched(), runs[runs["trial"] > 0]).empty
    plain = made_plan(3)
    table = made_table(plain, dict.fromkeys(("kan", "mlp", "deep"), power(1, 1.0)))
    pd.testing.assert_frame_equal(reported(plain, table), table)
    assert set(reported(plain, table.drop(index=table.index[table["seed"] == 1][:1]))["seed"]) == {
        0,
        2,
    }


def test_a_winner_is_the_least_validation_loss_of_all_that_fit_its_budget(runs, winners):
    of_side = {"kan": (("kan", 6),), "the best of mlp, spline_mlp": (("mlp", 3), ("spline_mlp", 3))}
    checked = 0
    for row in winners.to_dict("records"):
        own = pd.concat(
            runs[(runs["arm"] == arm) & (runs["trial"] < most)]
            for arm, most in of_side[row["series"]]
        )
        own = own[own["seed"] == row["seed"]]
        allowed = own[(own["asked"] <= row["asked"]) & own["val_loss"].notna()]
        if allowed.empty:
            assert row["status"] == "diverged"
            assert np.isnan(row["test_loss"])
            continue
        assert row["run_id"] == allowed.loc[allowed["val_loss"].idxmin(), "run_id"]
        checked += 1
    assert checked > 20
    assert set(winners.groupby(["series", "won_on", "asked"])["seed"].nunique()) == {4}


def test_a_winner_keeps_its_own_counts(runs, winners):
    """Its budget stands beside them, in `asked`."""
    own = runs.set_index("run_id")
    for column in ("params.trainable", FLOPS, "flops_train.local_min"):
        assert (winners[column].to_numpy() == own.loc[winners["run_id"], column].to_numpy()).all()
    assert (winners["params.trainable"] < winners["asked"]).all()


def test_a_count_is_of_the_networks_that_won_and_not_of_their_budgets():
    plan = make_plan(parse_experiment(TEXT.replace("[mlp, spline_mlp]", "mlp")), "which")
    counts = {"quantity": "count", "sides": ("mlp",), "count": ("params.paper", "params.trainable")}
    rule = plan.experiment.decide[0].model_copy(update=counts)
    every = made_runs(np.random.default_rng(3), diverged=0.0, plan=plan).assign(
        **{"params.paper": 10.0}
    )
    table = reported(plan, every)
    won = table[(table["series"] == "mlp") & (table["asked"] == 280)]
    (number,) = judge(rule, runs_of(plan, table, every)).numbers
    assert number.found.estimate == pytest.approx(
        np.exp(np.log(won["params.trainable"] / 10).mean())
    )
    assert number.found.estimate < 0.95 * 28


def test_a_cap_in_evaluations_is_no_budget_of_work():
    """Equal work would be equal sizes under another name: no answer, no law, and a refusal where a
    rule asks.
    """
    search = searched().experiment.search.model_copy(update={"cap": {"evaluations": 1000.0}})
    plan = searched().model_copy(
        update={"experiment": searched().experiment.model_copy(update={"search": search})}
    )
    assert Manifest.model_validate_json(plan.model_dump_json(), strict=True) == plan
    every = made_runs(np.random.default_rng(4), diverged=0.0, plan=plan)
    table = reported(plan, every)
    assert set(table["won_on"]) == {"params.trainable"}
    found = main_headline(plan, table, every)
    assert {reading.axis for reading in found.readings} == {"params.trainable"}
    assert {one.axis for one in found.exponents} == {"params.trainable"}
    assert not found.limits
    assert sum("have no cap of these" in caution for caution in found.cautions) == 1
    assert not [series for series in fit_table(table) if series.axis.startswith("flops_train")]
    for quantity, at in (
        ("test_loss", FLOPS),
        ("exponent", "flops_train.local_min"),
        ("multiplier", "seconds"),
    ):
        rule = plan.experiment.decide[0].model_copy(
            update={"quantity": quantity, "at": {at: "largest"}}
        )
        verdict = judge(rule, runs_of(plan, table, every))
        assert verdict.verdict == "open"
        assert verdict.numbers[0].found.is_refused_by("OWN_CAPS")
        assert "equal sizes under another name" in verdict.power


def test_one_cap_for_all_sizes_is_the_only_budget_of_work():
    text = TEXT.replace("{evaluations: 1000}", ONE_CAP)
    plan = make_plan(parse_experiment(text), "which")
    every = made_runs(np.random.default_rng(5), diverged=0.0, plan=plan)
    table = reported(plan, every)
    of_work = table[table["won_on"] != "params.trainable"]
    assert set(zip(of_work["won_on"], of_work["asked"], strict=True)) == {(FLOPS, 1.2e8)}
    found = main_headline(plan, table, every)
    assert {reading.axis for reading in found.readings} == {"params.trainable", FLOPS}
    assert found.reading("exp2d", FLOPS, "largest").ratio.at == 1.2e8
    assert not any("share no cap" in caution for caution in found.cautions)


def test_an_effort_of_one_run_is_the_mean_over_all_runs_and_of_all_runs_the_winner():
    """With one size: the plain mean of ln test losses, and the network of least validation loss."""
    text = TEXT.replace("at: [60, 130, 280]", "at: [280]").replace("{evaluations: 1000}", ONE_CAP)
    plan = make_plan(
        parse_experiment(text.replace("[mlp, spline_mlp]", "mlp"), "which.yaml"), "which"
    )
    every = made_runs(np.random.default_rng(2), diverged=0.0, plan=plan)
    runs = runs_of(plan, reported(plan, every), every)
    logs = np.log(every["test_loss"]).groupby([every["arm"], every["seed"]]).mean()
    rule = plan.experiment.decide[0]
    one, six, full = (
        judge(rule.model_copy(update={"effort": effort}), runs) for effort in (1, 6, None)
    )

    assert one.effort == 1
    gaps = logs["mlp"] - logs["kan"]
    low, high = np.exp(ttest_1samp(gaps, 0).confidence_interval(0.95))
    found = one.numbers[0].found
    assert (found.estimate, found.low, found.high) == pytest.approx(
        (np.exp(gaps.mean()), low, high)
    )
    assert six.numbers[0].found.estimate == pytest.approx(full.numbers[0].found.estimate)
    assert full.effort == 6


@pytest.mark.parametrize("effort", [None, 2])
@pytest.mark.parametrize("sides", [("kan",), ("kan", "mlp")])
def test_one_network_that_wins_at_all_budgets_carries_no_law_at_any_effort(sides, effort):
    text = TEXT.replace("[mlp, spline_mlp]", "mlp").replace("[60, 130, 280]", "[60, 280, 1200]")
    plan = make_plan(parse_experiment(text, "which.yaml"), "which")
    every = made_runs(np.random.default_rng(6), diverged=0.0, plan=plan)
    is_best = (every["asked"] == 60) & (every["trial"] == 0) & (every["arm"] == "kan")
    losses = {name: every[name].mask(is_best, 1e-9) for name in ("val_loss", "test_loss")}
    every = every.assign(**losses)
    rule = plan.experiment.decide[0].model_copy(
        update={"quantity": "exponent", "sides": sides, "effort": effort}
    )
    (number,) = judge(rule, runs_of(plan, reported(plan, every), every)).numbers
    assert "ONE_NETWORK" in number.found.refused


def test_other_pairs_of_the_file_have_a_line_each():
    text = TEXT[: TEXT.index("decide:")] + "compare: [[mlp, kan], [kan, spline_mlp]]\n"
    plan = make_plan(parse_experiment(text, "which.yaml"), "which")
    every = made_runs(np.random.default_rng(7), diverged=0.0, plan=plan)
    table = reported(plan, every)

    found = main_headline(plan, table, every)

    assert (found.first.label, found.second.label) == ("mlp", "kan")
    (other,) = found.others
    assert (other.first, other.second, other.task) == ("kan", "spline_mlp", "exp2d")
    largest = table[(table["won_on"] == "params.trainable") & (table["asked"] == 280)]
    logs = np.log(largest.set_index(["series", "seed"])["test_loss"])
    gaps = logs["spline_mlp"] - logs["kan"]
    assert other.ratio.estimate == pytest.approx(np.exp(gaps.mean()))
    assert other.ratio.low == pytest.approx(
        np.exp(ttest_1samp(gaps, 0).confidence_interval(0.95).low)
    )
    assert other_pairs(found)[0].startswith("kan or spline_mlp, largest size: exp2d ")
    with pytest.raises(HarnessError, match=r"compare\.1: 'knn' is not defined; did you mean 'kan'"):
        parse_experiment(text.replace("[kan, spline", "[knn, spline"), "which.yaml")
    with pytest.raises(HarnessError, match=r"compare\.1: kan is on both sides"):
        parse_experiment(
            text.replace("[kan, spline_mlp]", "[kan, [kan, spline_mlp]]"), "which.yaml"
        )


def test_among_failures_no_effort_has_a_leader():
    every = made_runs(np.random.default_rng(8), diverged=0.0)
    for constant, refused in ((1e-9, True), (1e9, False)):
        table = every.assign(**{CONSTANT: constant})
        found = main_headline(searched(), reported(searched(), table), table)
        assert {one.ratio.is_refused_by("WORSE_THAN_CONSTANT") for one in found.efforts} == {
            refused
        }


def test_the_effort_of_all_runs_is_the_answer():
    every = made_runs(np.random.default_rng(1), diverged=0.0)
    found = main_headline(searched(), reported(searched(), every), every)
    assert [one.runs for one in found.efforts] == [1, 2, 4, 6]
    largest = found.reading("exp2d", "params.trainable", "largest").ratio
    last = found.efforts[-1]
    assert last.ratio.estimate == pytest.approx(largest.estimate)
    assert (last.ratio.low, last.ratio.high) == pytest.approx((largest.low, largest.high))
    assert last.ratio.won + last.ratio.lost == 4
