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


def with_interval(experiment, claim, convention, task):
    """As the page writes an estimate: two digits, and its interval."""
    numbers = verdict_of(experiment, claim)["numbers"]
    found = next(one["found"] for one in numbers if (one["convention"], one["unit"]) == (convention, task))
    estimate, low, high = (f"{float(f'{found[name]:.2g}'):,g}" for name in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]"


def stated(sentence):
    """The page says so."""
    assert sentence in PROSE, sentence


def test_how_many_rules_came_out_how():
    """Of all kept verdicts."""
    kept = json.loads((KEPT / "verdicts.json").read_text(encoding="utf-8"))["experiments"]
    outcomes = Counter()
    for experiment in kept:
        outcomes.update(verdict["verdict"] for verdict in experiment["verdicts"])

    assert set(outcomes) == {"supported", "refuted", "convention-dependent", "training-dependent", "inconclusive"}
    by_count, by_training = outcomes["convention-dependent"], outcomes["training-dependent"]
    stated(
        f"Of {outcomes.total()} rules that were judged, {outcomes['supported']} are supported, {outcomes['refuted']} "
        f"are refuted, {by_count} depends on the count, {by_training} on the training, and "
        f"{outcomes['inconclusive']} are undecided."
    )


def test_sums_and_turned_sums():
    """The ratios by number of variables, and which of them are decided."""
    sums = estimates("dimension-short", "16: KANs beat MLPs on sums", "params.trainable")
    turned = estimates("dimension-short", "16: KANs beat MLPs on the same sums", "params.trainable")
    two, four, eight = (estimate for estimate, _ in sums.values())
    stated(f"ahead with two variables ({two:.2f}), KANs with four ({four:.1f}) and eight ({eight:.1f})")
    assert all(decided for _, decided in sums.values())
    stated(f"MLPs are ahead with two variables ({next(iter(turned.values()))[0]:.2f}), and nobody with four and eight")
    assert [decided for _, decided in turned.values()] == [True, False, False]


def test_searched_toys():
    """Who is ahead where both sides were searched, and where nobody is."""
    claim = "1: KANs beat MLPs at the largest equal size"
    equal_parameters = estimates("per_flop_toys-short", claim, "params.trainable")
    equal_flops = estimates("per_flop_toys-short", claim, "flops_train.shared_dense")

    assert {task for task, (_, decided) in equal_parameters.items() if decided} == {"exp2d", "xy", "exp4d"}
    assert {task for task, (_, decided) in equal_flops.items() if decided} == {"xy", "exp4d"}
    by_parameters, by_flops = (
        {task: with_interval("per_flop_toys-short", claim, axis, task) for task in ("exp2d", "xy", "exp4d")}
        for axis in ("params.trainable", "flops_train.shared_dense")
    )
    stated(f"exp(sin(πx) + y²) ({by_parameters['exp2d']}), x·y ({by_parameters['xy']}) and")
    stated(f"a function of four variables ({by_parameters['exp4d']})")
    stated(f"x·y ({by_flops['xy']}) and the function of four variables ({by_flops['exp4d']})")


def test_the_ladder():
    """On which rungs and tasks who is ahead, and what its rules came to."""
    claim, axis = "13: KANs beat MLPs at all", "params.trainable"
    teacher, rotated, diabetes, additive = (
        with_interval("ladder-short", claim, axis, task)
        for task in ("mlp_teacher", "rotated_additive", "diabetes", "additive")
    )
    stated(f"({teacher} on a tanh network, {rotated} on a sum in turned axes, {diabetes} on diabetes)")
    stated(f"KANs on a sum of functions of one variable ({additive})")
    assert verdict_of("ladder-short", claim)["verdict"] == "refuted"
    assert verdict_of("ladder-short", "13: the gain")["verdict"] == "supported"
    rank_4 = estimates("ladder-short", "15: rank by rank", axis)
    assert verdict_of("ladder-short", "15: rank by rank")["verdict"] == "refuted"
    assert {task for task, (ratio, decided) in rank_4.items() if decided and ratio < 1} == {
        "additive",
        "mlp_teacher",
        "rotated_additive",
    }


def test_some_seeds_of_a_winner_fail():
    """The KANs that won the largest training FLOPs and the largest size on exp2d, on their fresh seeds."""
    runs = pd.read_csv(KEPT / "per_flop_toys-short" / "runs.csv")
    of_kan = runs[(runs["task"] == "exp2d") & (runs["series"] == "kan")]
    by_flops, by_size = (of_kan[of_kan["won_on"] == axis] for axis in ("flops_train.shared_dense", "params.trainable"))
    errors = by_flops.loc[by_flops["asked"] == by_flops["asked"].max(), "test_loss"]
    good, bad = int((errors < 1e-3).sum()), int((errors > 0.01).sum())

    stated(f"a test error below 1e-3 on {good} of {len(errors)} fresh seeds, and above 0.01 on {bad}")
    assert by_size.loc[by_size["asked"] == 400, "test_loss"].max() < 1e-3


def test_work_of_a_parameter():
    """The least and the most of the four functions."""
    dense, local = (
        [one for one, _ in estimates("per_flop_toys-short", "6:", f"flops_forward.{count}").values()]
        for count in ("shared_dense", "local_min")
    )

    stated(f"need {min(dense):.1f} to {max(dense):.1f} times the forward FLOPs of the MLPs by shared-dense")
    stated(f"and {min(local):.2f} to {max(local):.2f} times by the local minimum")


def test_real_data():
    """Two of five data sets are decided, one is equal, and the claim is refuted."""
    verdict = verdict_of("real_data-short", "1, real data: KANs")
    found = estimates("real_data-short", "1, real data: KANs", "params.trainable")

    assert {task for task, (_, decided) in found.items() if decided} == {"camera", "digits"}
    assert len(found) == 5
    stated(
        f"ahead at equal parameters on digits ({found['digits'][0]:.2f}) and a photograph ({found['camera'][0]:.2f})"
    )
    equal = [one["unit"] for one in verdict["numbers"] if one["outcome"] == "equal"]
    assert set(equal) == {"diabetes"}
    assert verdict["verdict"] == "refuted"
    other_way = estimates("real_data-short", "1, real data: MLPs", "params.trainable")["breast_cancer"]
    assert other_way[1]
    stated(f"KANs are ahead on breast_cancer by the rule that read eight seeds ({1 / other_way[0]:.1f})")
    assert verdict_of("real_data-short", "1, real data: MLPs")["verdict"] == "inconclusive"
    splines = verdict_of("real_data-short", "13, real data")
    given = [one for one in splines["given"] if one["convention"] == "params.trainable"]
    assert splines["verdict"] == "supported"
    assert {one["unit"] for one in given if one["outcome"] in ("refuted", "equal")} == {"digits", "diabetes", "camera"}


def test_the_search_decides_the_headline():
    """The claim by half of the trials, by other trials, and by one optimiser."""
    searched = verdict_of("per_flop_toys-short", "1: KANs beat MLPs at the largest equal size")
    half, other, lbfgs = (
        {(one["convention"], one["unit"]): one["found"] for one in way["numbers"]}
        for name in ("32 trials", "scramble 1", "recipe lbfgs alone")
        for way in searched["under"]
        if way["name"] == name
    )

    def leads(found, convention, side):
        ahead = {"kan": lambda one: one["low"] > 1, "mlp": lambda one: one["high"] < 1}[side]
        return {unit for (axis, unit), one in found.items() if axis == convention and ahead(one)}

    assert leads(half, "params.trainable", "kan") == set()
    assert leads(half, "params.trainable", "mlp") == {"j0"}
    stated(f"and MLPs on J0(20x) ({half['params.trainable', 'j0']['estimate']:.2f})")
    assert leads(other, "params.trainable", "kan") == {"j0", "xy"}
    assert f"{other['params.trainable', 'j0']['estimate']:.2g}" == f"{11_000:.2g}"
    stated(f"KANs are ahead on J0(20x) (11,000) and x·y ({other['params.trainable', 'xy']['estimate']:.0f})")
    assert leads(lbfgs, "params.trainable", "kan") | leads(lbfgs, "params.trainable", "mlp") == set()
    assert leads(lbfgs, "flops_train.shared_dense", "mlp") == {"j0"}
    assert leads(lbfgs, "flops_train.shared_dense", "kan") == set()


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
