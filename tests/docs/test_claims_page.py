"""docs/claims.md is true: every number of what was found is that of a kept verdict."""

import json
from collections import Counter
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[2]
PROSE = " ".join((ROOT / "docs" / "claims.md").read_text(encoding="utf-8").split())
KEPT = ROOT / "results" / "verdicts"


def verdict_of(experiment, claim):
    """The kept verdict of the first rule whose claim begins so."""
    kept = json.loads((KEPT / experiment / "verdicts.json").read_text(encoding="utf-8"))
    return next(verdict for verdict in kept["verdicts"] if verdict["claim"].startswith(claim))


def estimates(experiment, claim, convention):
    """Task by task, the estimate and whether its interval leaves out 1."""
    numbers = [one for one in verdict_of(experiment, claim)["numbers"] if one["convention"] == convention]
    found = {one["unit"]: one["found"] for one in numbers}
    return {task: (one["estimate"], not one["low"] <= 1 <= one["high"]) for task, one in found.items()}


def stated(sentence):
    """The page says so."""
    assert sentence in PROSE, sentence


def test_how_many_rules_came_out_how():
    """Of all kept verdicts."""
    kept = json.loads((KEPT / "verdicts.json").read_text(encoding="utf-8"))["experiments"]
    outcomes = Counter()
    for experiment in kept:
        outcomes.update(verdict["verdict"] for verdict in experiment["verdicts"])

    assert set(outcomes) == {"supported", "refuted", "convention-dependent", "inconclusive"}
    by_count, undecided = outcomes["convention-dependent"], outcomes["inconclusive"]
    stated(
        f"Of {outcomes.total()} rules that were judged, {outcomes['supported']} is supported, {outcomes['refuted']} is "
        f"refuted, {by_count} depends on the count, and {undecided} are undecided."
    )


def test_sums_and_turned_sums():
    """The ratios by number of variables, all of them decided."""
    sums = estimates("dimension-short", "16: KANs beat MLPs on sums", "params.trainable")
    turned = estimates("dimension-short", "16: KANs beat MLPs on the same sums", "params.trainable")
    two, four, eight = (f"{estimate:.2g}" for estimate, _ in sums.values())
    stated(f"the ratio is {two} with two variables, {four} with four and {eight} with eight")
    two, four, eight = (f"{estimate:.2g}" for estimate, _ in turned.values())
    stated(f"stays with two variables ({two}). It is lost with four ({four}) and eight ({eight})")
    assert all(decided for _, decided in (*sums.values(), *turned.values()))
    assert verdict_of("dimension-short", "16: KANs beat MLPs on sums")["stable"]


def test_searched_toys():
    """Who is ahead where both sides were searched, and where nobody is."""
    claim = "1: KANs beat MLPs at the largest equal size"
    equal_parameters = estimates("per_flop_toys-short", claim, "params.trainable")
    equal_flops = estimates("per_flop_toys-short", claim, "flops_train.shared_dense")

    assert {task for task, (_, decided) in equal_parameters.items() if decided} == {"j0", "xy"}
    assert {task for task, (_, decided) in equal_flops.items() if decided} == {"exp4d"}
    stated(f"on J0(20x) ({equal_parameters['j0'][0]:.2f}) and x·y ({equal_parameters['xy'][0]:.2f})")
    stated(f"function of four variables is decided, for KANs ({equal_flops['exp4d'][0]:.1f})")


def test_some_seeds_of_a_winner_fail():
    """The KAN that won at 66 parameters on exp2d, on its fresh seeds."""
    runs = pd.read_csv(KEPT / "per_flop_toys-short" / "runs.csv")
    of_kan = runs[(runs["task"] == "exp2d") & (runs["series"] == "kan") & (runs["won_on"] == "params.trainable")]
    errors = of_kan.loc[of_kan["asked"] == 66, "test_loss"]
    good, bad = int((errors < 1e-6).sum()), int((errors > 0.4).sum())

    assert good + bad == len(errors)
    stated(f"a test error below 1e-6 on {good} of {len(errors)} fresh seeds, and above 0.4 on {bad}")


def test_work_of_a_parameter():
    """The least and the most of the four functions."""
    flops = [one for one, _ in estimates("per_flop_toys-short", "6:", "flops_forward.shared_dense").values()]

    stated(f"a KAN needs {min(flops):.1f} to {max(flops):.1f} times the forward FLOPs of an MLP")


def test_real_data():
    """Two of five data sets are decided."""
    found = estimates("real_data-short", "1, real data: KANs", "params.trainable")

    assert {task for task, (_, decided) in found.items() if decided} == {"camera", "diabetes"}
    assert len(found) == 5
    stated(f"ahead on a photograph ({found['camera'][0]:.2g}), MLPs on diabetes ({found['diabetes'][0]:.2g})")


def test_training_changed_the_headline():
    """The ratio on J0 by another recipe, and the claim under one recipe alone."""
    levenberg = estimates("training_pilot", "1, another recipe: cubic", "params.trainable")["j0"]
    searched = verdict_of("per_flop_toys-short", "1: KANs beat MLPs at the largest equal size")
    alone = next(way for way in searched["under"] if way["name"] == "recipe lbfgs alone")

    assert levenberg[1]
    stated(f"the ratio is {levenberg[0]:.2f}")
    declared = {count["convention"]: count["outcome"] for count in searched["counts"]}
    by_lbfgs = {count["convention"]: count["outcome"] for count in alone["counts"]}
    assert declared["params.trainable"] == "refuted"
    assert (declared["flops_train.shared_dense"], by_lbfgs["flops_train.shared_dense"]) == ("inconclusive", "refuted")
    stated("“KANs beat MLPs” is refuted at equal parameters by one draw of trials, and open by another")
    other = next(way for way in searched["under"] if way["name"] == "scramble 1")
    drawn = {count["convention"]: count["outcome"] for count in other["counts"]}
    assert drawn["params.trainable"] == "inconclusive"
    leads = [one for one in other["numbers"] if one["convention"] == "params.trainable" and one["found"]["low"] > 1]
    ratios = {one["unit"]: f"{one['found']['estimate']:.3g}" for one in leads}
    assert ratios.keys() == {"j0", "xy"}
    stated(f"KANs are ahead on J0(20x) ({float(ratios['j0']):.2g}) and x·y ({ratios['xy']})")


def test_cells_that_it_explains_are_kept_cells():
    """Every kind of cell that the page explains is in the kept table."""
    table = (KEPT / "README.md").read_text(encoding="utf-8")
    for cell in (
        "refuted: 1 for, 3 against",
        "inconclusive: 1 for, 3 open",
        "refuted: 1 against, 1 open",
        "–",
        "not measured",
    ):
        stated(f"| {cell} |")
        assert f"| {cell} |" in table
