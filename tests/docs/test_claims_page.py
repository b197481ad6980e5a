"""The page on claims: every number in it is that of kept runs and verdicts.

pytest tests/docs/test_claims_page.py
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as t_distribution

from harness.base.formats import exponent

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
PROSE = " ".join(PAGE.split())
KEPT = ROOT / "results" / "verdicts"
PARAMS, FLOPS = "params.trainable", "flops_train.shared_dense"


def stated(*sentences: str) -> None:
    """The page says so."""
    for sentence in sentences:
        assert sentence in PROSE, sentence


def times(found: dict, digits: int = 2) -> str:
    """`5.7 times [2.9, 11]`: how many times the leader leads, whichever side that is."""
    ends = [found[name] for name in ("estimate", "low", "high")]
    if found["low"] < 1:
        ends = [1 / found[name] for name in ("estimate", "high", "low")]
    assert ends[1] > 1
    estimate, low, high = (f"{float(f'{end:.{digits}g}'):,g}" for end in ends)
    return f"{estimate} times [{low}, {high}]"


# ----------------------------------------------------------------------------------------------------------- replicates
HEADLINE = json.loads((ROOT / "results/reference/quickstart/answer.json").read_text(encoding="utf-8"))["headline"]
TOYS = json.loads((KEPT / "toys-short" / "answer.json").read_text(encoding="utf-8"))["headline"]
TASKS = ("j0", "exp2d", "xy", "exp4d")


def is_open(ratio: dict) -> bool:
    return ratio["low"] < 1 < ratio["high"]


def test_who_leads_on_the_toys():
    """Sixteen replicates: at 400 parameters, with all runs and with one, and the spline MLP beside the KAN."""
    leads = {
        one["task"]: one["ratio"] for one in TOYS["readings"] if (one["axis"], one["place"]) == (PARAMS, "largest")
    }
    alone = {one["task"]: one["ratio"] for one in TOYS["efforts"] if one["runs"] == 1}
    others = {one["task"]: one["ratio"] for one in TOYS["others"] if one["second"] == "spline_mlp"}

    stated(f"KANs ahead on exp(sin(πx) + y²) by {times(leads['exp2d'])} and on a function of four variables by")
    stated(f"by {times(leads['exp4d'])}; J0(20x) and x·y are undecided.")
    stated(f"With one run a size MLPs are ahead on J0 by {times(alone['j0'])} and on x·y by {times(alone['xy'])}.")
    stated(
        f"KANs ahead of spline MLPs by {times(others['exp2d'])} on exp2d, spline MLPs by {times(others['xy'])} on x·y"
    )
    assert all(map(is_open, (leads["j0"], leads["xy"], others["j0"], others["exp4d"])))


def test_what_the_rules_of_the_toys_found():
    """Budgets for equal errors, exponents, counts and seconds."""
    found = {
        task: {claim: found_of("toys-short", claim, axis, task) for claim, axis in RULES_OF_TOYS} for task in TASKS
    }
    needed, steeper = found["exp4d"]["2: KANs are as good"], found["exp2d"]["4, the formula's shape"]
    stated(f"on four variables the MLP needs {ends(needed)} times the parameters")
    stated(f"on exp2d at least {found['exp2d']['2: KANs are as good']['bound'][1]:.2g} times, which is a bound")
    stated(f"the formula's shape has an exponent higher by {ends(steeper, 3)} than MLPs")
    work, counted = (
        [found[task][claim]["estimate"] for task in TASKS] for claim in ("6: a parameter", "10: what the paper")
    )
    stated(f"need {min(work):.1f} to {max(work):.0f} times the forward FLOPs")
    stated(f"the KANs that win train {min(counted):.1f} to {max(counted):.1f} times that")
    takes = {task: found[task]["7: at equal parameters"] for task in TASKS}
    stated(
        f"takes {ends(takes['j0'])} times an MLP's time on J0 and {ends(takes['xy'])} on x·y; the other two are open"
    )
    assert is_open(takes["exp2d"])
    assert is_open(takes["exp4d"])
    sooner = [times(found[task]["7: MLPs reach"]) for task in ("exp2d", "exp4d")]
    stated(f"the MLP needs {sooner[0]} the KAN's seconds on exp2d and {sooner[1]} on four variables")


RULES_OF_TOYS = (
    ("2: KANs are as good", PARAMS),
    ("4, the formula's shape", PARAMS),
    ("6: a parameter", PARAMS),
    ("7: at equal parameters", PARAMS),
    ("7: MLPs reach", "seconds"),
    ("10: what the paper", PARAMS),
)


def ends(found: dict, digits: int = 2) -> str:
    """`1.8 [1.1, 2.8]`."""
    estimate, low, high = (f"{float(f'{found[end]:.{digits}g}'):,g}" for end in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def test_exponents_of_the_quickstart():
    """Of both sides, by parameters and by FLOPs."""
    told = {}
    for one in HEADLINE["exponents"]:
        found = one["exponent"]
        ends = ", ".join(exponent(found[end]) for end in ("low", "high"))
        told[one["task"], one["side"], one["axis"]] = f"{exponent(found['estimate'])} [{ends}]"

    for axis, of_mlp in ((PARAMS, "against the MLP's"), (FLOPS, "against")):
        stated(f"{told['exp2d', 'kan', axis]} {of_mlp} {told['exp2d', 'mlp', axis]} on exp2d,")
        stated(f"{told['j0', 'kan', axis]} against {told['j0', 'mlp', axis]} on J0")


# ----------------------------------------------------------------------------------------------------------- one search
def number_of(experiment: str, claim: str, axis: str, task: str) -> dict:
    """The first number of the first rule whose claim begins so, on a task."""
    kept = json.loads((KEPT / experiment / "verdicts.json").read_text(encoding="utf-8"))["verdicts"]
    rule = next(one for one in kept if one["claim"].startswith(claim))
    axes = {one.get("convention", rule.get("axis")) for one in rule["numbers"]}
    assert axis in axes
    return next(one for one in rule["numbers"] if (one.get("convention", axis), one["unit"]) == (axis, task))


def found_of(experiment: str, claim: str, axis: str, task: str) -> dict:
    """What it is over all seeds that ran, where an early look decided it."""
    number = number_of(experiment, claim, axis, task)
    return number["later"]["found"] if number.get("later") else number["found"]


def test_real_data():
    """Two of six data sets are decided at equal parameters, both for MLPs."""
    tasks = ("digits", "camera", "diabetes", "randhie", "breast_cancer", "wine")
    found = {task: found_of("real_data-evening", "1, real data: MLPs", PARAMS, task) for task in tasks}

    assert [task for task in tasks if found[task]["low"] > 1] == ["digits", "camera"]
    assert not [task for task in tasks if found[task]["high"] < 1]
    stated(f"MLPs ahead by {times(found['digits'])} on digits and {times(found['camera'])} on a photograph")


def test_the_ladder():
    """Who is ahead with one shape, and where both sides choose theirs; three tasks on which rank 4 is not enough."""
    name, one_shape, any_shape = "ladder-evening", "13: KANs beat MLPs at all", "13: KANs of any grid"
    rotated, teacher, diabetes = (
        times(found_of(name, one_shape, PARAMS, task)) for task in ("rotated_additive", "mlp_teacher", "diabetes")
    )
    stated(f"MLPs ahead by {rotated} on a sum in turned axes, {teacher} on a tanh network and {diabetes} on diabetes")
    stated(f"KANs on the sum by {times(found_of(name, any_shape, PARAMS, 'additive'))}.")
    tasks = ("additive", "rotated_additive", "tree", "mlp_teacher", "diabetes")
    behind = [task for task in tasks if number_of(name, "15: rank by rank", PARAMS, task)["outcome"] == "refuted"]
    assert behind == ["additive", "tree", "mlp_teacher"]


def test_sums_and_random_fields():
    """At 1,000 parameters: KANs on sums of four and eight variables, MLPs on fields without structure."""
    four, eight = (
        times(found_of("dimension-evening", "16: KANs beat MLPs on sums", PARAMS, f"additive inputs={inputs}"))
        for inputs in (4, 8)
    )
    stated(f"KANs are ahead on sums of four and eight variables, by {four} and {eight}")
    runs = pd.read_csv(KEPT / "dimension-evening" / "runs.csv")
    runs = runs[(runs["won_on"] == PARAMS) & (runs["asked"] == 1000) & (runs["status"] == "done")]
    for inputs in (2, 4, 8):
        own = runs[runs["task"] == f"gaussian_field inputs={inputs}"]
        logs = np.log(own.pivot_table(index="seed", columns="series", values="test_rmse"))
        gaps = logs["kan"] - logs["mlp"]
        half = t_distribution.ppf(0.975, len(gaps) - 1) * gaps.std() / len(gaps) ** 0.5
        assert round(float(np.exp(gaps.mean())), 1) == 1.3
        assert gaps.mean() > half
    stated("on a random field MLPs are ahead by 1.3 times with two, four and eight variables")


def test_a_function_of_100_variables():
    """At equal parameters, and the spline MLP at equal training FLOPs."""
    name = "toy_100_variables"
    stated(f"KANs ahead by {times(found_of(name, '1: KANs', PARAMS, 'exp100d'), 3)} at 2,400 equal parameters")
    stated(f"spline MLPs ahead by {times(found_of(name, '13: the gain', FLOPS, 'exp100d'))}")


def test_work_of_a_parameter_by_the_local_count():
    """The least and the most of the four toys."""
    local = [found_of("per_flop_toys-evening", "6:", "flops_forward.local_min", task)["estimate"] for task in TASKS]
    stated(f"{min(local):.2f} to {max(local):.2f} times by the local one")


# -------------------------------------------------------------------------------------------------------------- replays
def _slope(runs: pd.DataFrame) -> float:
    """Minus the slope of the logarithms of test errors over those of parameters."""
    return float(-np.polyfit(np.log(runs["params.trainable"]), np.log(runs["test_rmse"]), 1)[0])


def test_the_replay_of_scaling_exponents():
    """Of KANs up to the grid of least error, and of MLPs; and the shape of the theorem."""
    runs = pd.read_csv(ROOT / "results" / "replay" / "fig3_1_toy_scaling-width-100-seeds-1" / "runs.csv")
    mlps = [_slope(series) for _, series in runs[runs["series"].str.startswith("mlp")].groupby(["task", "series"])]
    assert [round(min(mlps), 1), round(max(mlps), 1)] == [0.2, 1.5]
    kans = {}
    of_kans = runs[runs["series"].str.contains("grid_eps=1.0")]
    for (task, shape), own in of_kans.groupby(["task", "shape"]):
        ascending = own.sort_values("grid")
        kans[task, shape] = round(_slope(ascending.iloc[: ascending["test_rmse"].argmin() + 1]), 1)
    stated(
        f"exponents of {kans['j0', '1-1']} (J0), {kans['exp2d', '2-1-1']} (exp2d), {kans['xy', '2-2-1']} (x·y), "
        f"{kans['exp100d', '100-1-1']} (exp100d) and {kans['exp4d', '4-2-2-1']:.1f} (exp4d), MLPs 0.2 to 1.5"
    )
    stated(f"the KAN [4,9,1], of another shape, {kans['exp4d', '4-9-1']}.")
    best = of_kans[of_kans["task"] == "exp4d"].groupby("shape")["test_rmse"].min()
    ratio = best["4-9-1"] / best["4-2-2-1"]
    stated(f"[4,9,1] has {float(f'{ratio:.2g}'):g} times the error of [4,2,2,1]")


def test_poissons_equation():
    """The best KAN beside the best MLP of the paper's size or less."""
    kept = json.loads((ROOT / "results/replay/fig3_3_poisson-table/replay.json").read_text(encoding="utf-8"))
    (found,) = (one["numbers"][0]["found"] for one in kept["verdicts"] if one["claim"].startswith("3, at all"))
    ends = [1 / found[end] for end in ("estimate", "high", "low")]
    assert ends == pytest.approx([2.6, 1.02, 6.7], rel=0.01)
    stated("the best MLP of the paper's size or less is 2.6 times [1.02, 6.7] *more* accurate")


# ------------------------------------------------------------------------------------------------------------ the table
def test_every_claim_has_a_row_with_an_answer():
    """In order, with a sentence for an answer."""
    rows = [line.strip("| ").split(" | ") for line in PAGE.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 30))
    assert all(len(row) == 5 and len(row[2]) > 5 for row in rows)


def test_it_can_be_read_in_ten_minutes():
    """At 230 words a minute."""
    assert len(PAGE.split()) <= 2300
