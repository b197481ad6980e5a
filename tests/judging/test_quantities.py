"""Each quantity on runs whose law is known: its number is the true one, with Student's interval
over replicates.
"""

import json
import math

import numpy as np
import pandas as pd
import pytest
from judging.made_runs import SIZES, TEXT, made_plan, made_runs, made_table, number_of, power
from scipy.stats import chi2, ttest_1samp

from harness.judging.runs import runs_of
from harness.judging.winners import VALIDATION
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment

FIVE_TIMES = {"kan": power(1, 1.0), "mlp": power(5, 1.0)}
FAMILY = (
    "[{target: additive, inputs: 2}, {target: additive, inputs: 4}, {target: additive, inputs: 16}]"
)
PARAMS, FLOPS = "params.trainable", "flops_train.shared_dense"


def near(found, truth, **tolerance):
    """Whether the estimate and both ends of its interval are the truth."""
    return (found.estimate, found.low, found.high) == pytest.approx((truth,) * 3, **tolerance)


def test_what_runs_observe_is_a_ratio_of_the_networks_that_validation_picks():
    runs = made_runs(FIVE_TIMES, noise=0)
    values = np.where(runs.table["arm"] == "mlp", 3.0, 1.5)
    table = runs.table.assign(**{"observed.far_off": values, "test_largest_error": 10 * values})
    with_observed = runs_of(runs.manifest, table)
    for name in ("far_off", "test_largest_error"):
        assert near(
            number_of(with_observed, quantity="observed", observed=name, threshold=1).found,
            2.0,
            abs=1e-9,
        )
    for value, reason in (
        (0.0, "a value at params.trainable 2000 is 0"),
        (-1.0, "far_off of mlp is below 0"),
    ):
        one = table.mask(
            (table["arm"] == "mlp") & (table["asked"] == 2000) & (table["seed"] == 0), value
        )
        other = runs_of(
            runs.manifest, table.assign(**{"observed.far_off": one["observed.far_off"]})
        )
        assert (
            reason
            in number_of(other, quantity="observed", observed="far_off", threshold=1).found.refused
        )
    refused = number_of(with_observed, quantity="observed", observed="far_of", threshold=1)
    assert "no run observed far_of; they have: " in str(refused)
    with pytest.raises(ValueError, match="observed: say which, such as belief_error"):
        number_of(with_observed, quantity="observed", threshold=1)
    with pytest.raises(ValueError, match="observed: it goes with quantity: observed"):
        number_of(with_observed, quantity="test_loss", observed="far_off", threshold=1)


def test_a_ratio_of_losses_has_the_interval_of_scipy():
    runs = made_runs(FIVE_TIMES, noise=0.3)
    logs = np.log(runs.table[runs.table["asked"] == 2000].pivot_table("test_loss", "seed", "arm"))
    gaps = logs["mlp"] - logs["kan"]
    number = number_of(runs, quantity="test_loss", threshold=1)
    interval = ttest_1samp(gaps, 0).confidence_interval(0.95)
    assert number.found.estimate == pytest.approx(math.exp(gaps.mean()))
    assert (number.found.low, number.found.high) == pytest.approx(
        (math.exp(interval.low), math.exp(interval.high))
    )
    assert number.spread == pytest.approx(gaps.std(ddof=1))
    assert (number.found.won, number.found.lost) == ((gaps > 0).sum(), (gaps < 0).sum())


@pytest.mark.parametrize(
    ("fields", "truth"),
    [
        ({"quantity": "test_loss"}, 5.0),
        ({"quantity": "test_loss", "at": {PARAMS: 777}}, 5.0),
        # Half of the FLOPs that both have: the MLP has ten times the parameters there.
        ({"quantity": "test_loss", "at": {FLOPS: 1e6}}, 0.5),
        ({"quantity": "multiplier", "at": {PARAMS: 120}}, 5.0),
        ({"quantity": "multiplier", "at": {FLOPS: 120 * 40 * 300}}, 0.5),
        (
            {"quantity": "multiplier", "sides": ("mlp", "kan"), "at": {PARAMS: 2010}},
            0.2,
        ),  # read at 2000
        ({"quantity": "exponent"}, 0.0),
        ({"quantity": "exponent", "sides": ("mlp",)}, 1.0),
        ({"quantity": "exponent", "sides": ("mlp",), "published": 0.75}, 0.25),
        ({"quantity": "count", "count": "flops_forward.shared_dense"}, 0.1),
        ({"quantity": "count", "count": "seconds_per_evaluation", "at": {PARAMS: 60}}, 0.1),
        (
            {
                "quantity": "count",
                "sides": ("kan",),
                "count": ["params.trainable", "flops_forward.shared_dense"],
            },
            40,
        ),
        (
            {
                "quantity": "network_loss",
                "sides": ("mlp",),
                "at": {PARAMS: 500},
                "published": 0.005,
            },
            2.0,
        ),
    ],
)
def test_of_exact_power_laws_every_number_is_the_closed_form(fields, truth):
    found = number_of(made_runs(FIVE_TIMES, noise=0), threshold=0.5, **fields).found
    assert near(found, truth, abs=1e-9)
    assert found.replicates == 5


@pytest.mark.parametrize(("kan", "mlp"), [(1.0, 0.5), (0.5, 1.0), (0.7, 0.7)])
def test_exponents_are_recovered_from_noisy_replicates(kan, mlp):
    runs = made_runs({"kan": power(1, kan), "mlp": power(1, mlp)}, noise=0.1)
    found = number_of(runs, quantity="exponent", threshold=0).found
    slopes = runs.table.assign(log=np.log(runs.table["test_loss"])).pivot_table(
        "log", "asked", ["arm", "seed"]
    )
    slopes = -pd.Series(np.polyfit(np.log(SIZES), slopes, 1)[0], slopes.columns)
    interval = ttest_1samp(slopes["kan"] - slopes["mlp"], 0).confidence_interval(0.95)
    assert found.low < kan - mlp < found.high
    assert (found.low, found.high) == pytest.approx(tuple(interval))


def test_where_a_curve_turns_up_and_how_far():
    """Losses 1 / N that turn at the third of five sizes, and 100 times the least one at the
    largest.
    """
    turn, last = SIZES[2], SIZES[-1]
    runs = made_runs(
        {"kan": lambda n: np.where(n == last, 100 / turn, 1 / np.minimum(n, turn**2 / n))}, noise=0
    )
    rule = {"sides": ("kan",), "threshold": 2}
    assert near(number_of(runs, quantity="upturn", **rule).found, 100.0)
    assert near(number_of(runs, quantity="best_size", **rule).found, turn)
    assert near(number_of(runs, quantity="best_size", **rule, published=turn / 2).found, 2.0)
    one_lost = runs.table.assign(status=np.where(runs.table["seed"] == 0, "diverged", "done"))
    of_others = number_of(runs_of(runs.manifest, one_lost), quantity="best_size", **rule).found
    assert near(of_others, turn)
    assert of_others.replicates == 4


def test_the_exponent_of_a_network_is_read_over_its_own_sizes_up_to_its_best():
    """KANs fall as N^-2 up to the fourth of five sizes; MLPs have ten times the sizes, and two
    depths of other laws.
    """
    best = SIZES[-2]
    runs = made_runs(
        {"kan": lambda n: np.where(n > best, 1.0, n**-2.0), "mlp": power(1, 0.5)}, noise=0
    )
    of_mlps = runs.table["arm"] == "mlp"
    table = runs.table.assign(until_minimum=~of_mlps)
    table.loc[of_mlps, PARAMS] *= 10
    deep = table[of_mlps].assign(series="mlp depth=9", cell=table["cell"].max() + 1 + table["cell"])
    worse = ["test_loss", VALIDATION]
    deep[worse] = np.exp(np.log(deep[worse]) * 0.2)
    both = runs_of(runs.manifest, pd.concat([table, deep], ignore_index=True))
    rule = {"quantity": "network_exponent", "at": PARAMS, "threshold": 0}
    assert near(number_of(both, **rule, sides=["kan", "mlp"]).found, 1.5)
    assert near(number_of(both, **rule, sides=["mlp"]).found, 0.5)
    assert near(number_of(both, **rule, sides=["mlp depth=9"]).found, 0.1)
    assert near(number_of(both, **rule, sides=["kan"], published=1.5).found, 0.5)
    whole = runs_of(runs.manifest, table.assign(until_minimum=False))
    assert number_of(whole, **rule, sides=["kan"]).found.estimate < 2
    two_sizes = runs_of(runs.manifest, table[table["asked"] <= SIZES[1]])
    assert "FAILED_REPLICATES" in number_of(two_sizes, **rule, sides=["kan"]).found.refused


def family(law):
    """Tasks of 2, 4 and 16 inputs d, each with the exact law that `law` gives for d."""
    manifest = made_plan(5, FAMILY)
    tables = [
        made_table(manifest, {"kan": law(inputs)}, noise=0, task=task)
        for task, (_, inputs) in manifest.tasks.items()
    ]
    return runs_of(manifest, pd.concat(tables, ignore_index=True))


def test_an_exponent_is_kept_or_falls_with_the_inputs():
    rule = {"quantity": "exponent_kept", "sides": ["kan"], "threshold": 0.5}
    falling = number_of(family(lambda d: power(1, 2 / d)), **rule)
    flat = number_of(family(lambda d: power(1, 1.0 if d < 16 else 0.0)), **rule)
    assert near(falling.found, 1 / 8)
    assert falling.outcome == "refuted"
    assert "ONE_NETWORK" in flat.found.refused


def test_of_several_arms_validation_picks_at_each_budget():
    laws = {"kan": power(1, 1.0), "mlp": power(10, 1.2), "deep": power(0.6, 0.7)}
    runs = made_runs(laws, noise=0)
    truth = np.minimum(laws["mlp"](SIZES), laws["deep"](SIZES)) / laws["kan"](SIZES)
    fields = {"quantity": "test_loss", "sides": ["kan", ["mlp", "deep"]], "threshold": 1}
    assert [
        number_of(runs, **fields, at={PARAMS: at}).found.estimate for at in SIZES
    ] == pytest.approx(truth)
    unmatched = runs_of(runs.manifest, runs.table.assign(asked=np.nan))
    assert "there is no best of them" in number_of(unmatched, **fields).found.refused


def test_networks_of_other_sizes_at_a_budget_are_read_on_their_power_law():
    """Seeds that read a smaller or a larger network there have one size, so that the ratio is
    without error.
    """
    runs = made_runs(dict.fromkeys(("kan", "mlp", "deep"), power(1, 1.5)), noise=0)
    size = runs.table["asked"] * runs.table["arm"].map({"kan": 1.0, "mlp": 0.85, "deep": 1.1})
    luck = np.random.default_rng(3).lognormal(0, 0.5, size.size)
    runs = runs_of(
        runs.manifest, runs.table.assign(**{PARAMS: size}, test_loss=2 * size**-1.5, val_loss=luck)
    )
    for at in (40.0, 500.0, 1500.0):
        fields = {"quantity": "test_loss", "sides": ["kan", ["mlp", "deep"]], "at": {PARAMS: at}}
        found = number_of(runs, **fields, threshold=1).found
        assert found.estimate == pytest.approx(1)
        assert found.replicates == 5


def test_without_a_match_the_best_network_up_to_a_size_is_read():
    """Of the sizes that a side has: the MLP's 250 stands at 490, whatever larger ones could do."""
    before, _, after = TEXT.partition("match:")
    text = (
        before.replace("recipe: fast}}", "recipe: fast, sizes: {{width: [4, 8]}}}}")
        + after.partition("\n")[2]
    )
    manifest = make_plan(
        parse_experiment(text.format(tasks="[xy]", seeds=[0, 1, 2, 3, 4], more="")), "made"
    )
    table = made_runs(FIVE_TIMES, noise=0).table.assign(asked=np.nan)
    runs = runs_of(manifest, table[(table["arm"] == "mlp") | (table["params.trainable"] != 250)])
    fields = {"quantity": "test_loss", "threshold": 1}

    for at, truth in ((490, 5 * 120 / 250), (500, 5), (3000, 5)):
        assert near(number_of(runs, **fields, at={PARAMS: at}).found, truth)
    assert "kan has no network of 20 params.trainable or less: the smallest has 30" in (
        number_of(runs, **fields, at={PARAMS: 20}).found.refused
    )


PHASED, AT_ONCE, SPARSE = (
    json.dumps({key: value})
    for key, value in (("phases", 5), ("phases", None), ("sparsity", {"strength": 1}))
)


def of_networks(values, column, recipe):
    """Runs of one network an arm, with the values of the seeds in a column; nan where the run
    diverged.
    """
    seeds = len(next(iter(values.values())))
    manifest = made_plan(seeds)
    table = made_table(manifest, dict.fromkeys(values, power(1, 1.0)))
    table = table[table["asked"] == SIZES[0]]
    own = [values[arm][seed] for arm, seed in zip(table["arm"], table["seed"], strict=True)]
    status = ["diverged" if np.isnan(value) else "done" for value in own]
    return runs_of(manifest, table.assign(**{column: own}, status=status, recipe=recipe))


@pytest.mark.parametrize(
    ("quantity", "recipe", "column"),
    [
        ("forgetting", PHASED, "forgetting"),
        ("error_in_the_end", PHASED, "rmse_in_the_end"),
        ("edges", SPARSE, "active_edges"),
    ],
)
def test_columns_of_special_training_are_values_and_ratios(quantity, recipe, column):
    values = {"kan": [1.0, 2.0, 4.0, 2.0], "mlp": [30.0, 40.0, 10.0, 20.0]}
    runs = of_networks(values, column, recipe)
    (kan, mlp), rule = (
        (np.log(own) for own in values.values()),
        {"quantity": quantity, "threshold": 1},
    )
    cases = [
        ({}, mlp - kan),
        ({"sides": ["kan"]}, kan),
        ({"sides": ["kan"], "published": 2.0}, kan - np.log(2)),
    ]
    for fields, logs in cases:
        found = number_of(runs, **rule, **fields).found
        low, high = np.exp(ttest_1samp(logs, 0).confidence_interval(0.95))
        assert (found.estimate, found.low, found.high) == pytest.approx(
            (np.exp(logs.mean()), low, high)
        )
    plain = runs_of(runs.manifest, runs.table.assign(recipe=AT_ONCE))
    assert "was not trained with" in number_of(plain, **rule).found.refused
    zero = runs_of(runs.manifest, runs.table.assign(**{column: 0}))
    assert "of which there is no ratio" in number_of(zero, **rule).found.refused


def test_networks_of_other_training_have_no_part_in_it():
    runs = of_networks({"kan": [2.0, 3.0]}, "forgetting", PHASED)
    at_once = runs.table.assign(
        forgetting=np.nan, recipe=AT_ONCE, series="kan phases=null", cell=99
    )
    both = runs_of(runs.manifest, pd.concat([runs.table, at_once], ignore_index=True))
    rule = {"quantity": "forgetting", "sides": ["kan"], "most": 3}
    assert number_of(both, **rule).found == number_of(runs, **rule).found


def test_the_spread_of_edges_has_the_interval_of_chi_squared():
    """(n - 1) s^2 over its quantiles; that of one seed is refused."""
    counts, rule = (
        [5.0, 8.0, 13.0, 4.0],
        {"quantity": "edges_by_seed", "sides": ["kan"], "threshold": 1},
    )
    found = number_of(of_networks({"kan": counts}, "active_edges", SPARSE), **rule).found
    squares = 3 * np.log(counts).var(ddof=1)
    assert found.estimate == pytest.approx(np.log(counts).std(ddof=1))
    assert (found.low, found.high) == pytest.approx(
        tuple(np.sqrt(squares / chi2.ppf([0.975, 0.025], 3)))
    )
    alone = number_of(of_networks({"kan": [5.0]}, "active_edges", SPARSE), **rule)
    assert "ONE_REPLICATE" in alone.found.refused


def test_a_network_of_another_size_stands_for_none():
    runs = made_runs({"kan": power(1, 1.0)})
    rule = {"quantity": "network_loss", "sides": ["kan"], "within": 1.7, "published": 1 / 700}
    assert "no network of kan has 700 params.trainable here; they have 30 to 2,000" in (
        number_of(runs, **rule, at={PARAMS: 700}).found.refused
    )
    assert number_of(runs, **rule, at={PARAMS: 502}).outcome == "supported"


NETWORK = {"quantity": "network_loss", "sides": ["kan"], "at": {PARAMS: 500}}


@pytest.mark.parametrize(
    ("fields", "change", "said"),
    [
        ({}, lambda t: t[t["seed"] == 0], "ONE_REPLICATE"),
        (
            {},
            lambda t: t[(t["arm"] == "kan") ^ (t["asked"] > 500)],
            "NO_OVERLAP: kan has params.trainable from 30 to",
        ),
        (
            {"at": {PARAMS: 9}},
            lambda t: t,
            "NO_OVERLAP: kan has params.trainable from 30 to 2000, which leaves 9 out",
        ),
        ({}, lambda t: t.assign(status="diverged"), "CENSORED: 100% of the runs of kan"),
        ({}, lambda t: t.assign(**{"baseline.constant": 1e-6}), "WORSE_THAN_CONSTANT"),
        ({}, lambda t: t.assign(test_loss=0.0), "ZERO"),
        (NETWORK, lambda t: t.assign(test_loss=0.0), "ZERO"),
        (
            {"quantity": "exponent"},
            lambda t: t.assign(test_loss=t["test_loss"].where(t["asked"] < 2000, 0.0)),
            "ZERO",
        ),
        ({"quantity": "upturn", "sides": ["kan"]}, lambda t: t.assign(test_loss=0.0), "ZERO"),
        (
            {"quantity": "network_exponent", "at": PARAMS},
            lambda t: t.assign(test_loss=t["test_loss"] * t["seed"]),
            "ZERO",
        ),
        ({}, lambda t: t[t["arm"] == "kan"], "mlp has no runs on xy"),
        ({"at": "seconds"}, lambda t: t.drop(columns="seconds"), "seconds are not measured"),
        ({"effort": 2}, lambda t: t, "effort=2: nothing is searched"),
        ({"quantity": "exponent"}, lambda t: t.assign(**{PARAMS: 0}), "counts nothing"),
        ({"quantity": "exponent"}, lambda t: t[t["asked"] < 61], "RANGE"),
        ({"quantity": "exponent"}, lambda t: t.assign(test_loss=1 / t["test_loss"]), "NOT_FALLING"),
        ({"quantity": "multiplier"}, lambda t: t[t["arm"] == "mlp"], "kan has no runs on xy"),
    ],
)
def test_what_the_data_do_not_carry_is_refused_with_the_reason(fields, change, said):
    runs = made_runs(FIVE_TIMES)
    number = number_of(
        runs_of(runs.manifest, change(runs.table)),
        **{"quantity": "test_loss", "threshold": 1} | fields,
    )
    assert number.outcome == "open"
    assert number.found.refused.startswith(said) or said in number.found.refused


def test_a_few_diverged_runs_leave_the_replicates_that_both_sides_have():
    runs = made_runs(FIVE_TIMES, seeds=6)

    def found(**lost):
        is_lost = [
            seed in lost.get(arm, ())
            for arm, seed in zip(runs.table["arm"], runs.table["seed"], strict=True)
        ]
        table = runs.table.assign(status=np.where(is_lost, "diverged", "done"))
        return number_of(runs_of(runs.manifest, table), quantity="test_loss", threshold=1).found

    one = found(kan=[3])
    assert one.low < 5 < one.high
    assert (one.replicates, one.won, one.lost) == (5, 5, 1)
    assert "FAILED_REPLICATES" in found(kan=[3], mlp=[4]).refused
    assert "CENSORED" in found(kan=[3, 4]).refused


def test_a_bound_decides_nothing():
    runs = made_runs(FIVE_TIMES, noise=0)
    number = number_of(runs, quantity="multiplier", threshold=1)
    assert number.outcome == "open"
    assert number.found.bound == ("at least", pytest.approx(1.0))
