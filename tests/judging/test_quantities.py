"""Each quantity on runs whose law is known: its number is the true one, and each outcome comes where it must.

pytest tests/verdicts
"""

import numpy as np
import pandas as pd
import pytest
from judging.made_runs import SIZES, made_rule, made_runs, made_table, power

from harness.judging.judge import judge
from harness.judging.runs import ExperimentRuns

PARAMS = {"axis": "params.trainable"}


def _number(rule, table, inputs=None):
    """What one condition, task and convention comes to; `table` may be of runs whose laws are known already."""
    runs = table if isinstance(table, ExperimentRuns) else made_runs(table, inputs)
    (number,) = judge(rule, runs).numbers
    return number


@pytest.mark.parametrize(
    ("fields", "kan", "mlp", "truth"),
    [
        ({"quantity": "exponent"}, power(1, 1.0, 1e-5), power(1, 0.5, 1e-5), 0.5),
        ({"quantity": "test_loss"}, power(1, 1.0), power(5, 1.0), 5.0),
        ({"quantity": "test_rmse", "at": 777}, power(1, 1.0), power(5, 1.0), 5.0),
        ({"quantity": "cost"}, power(1, 1.0, 1e-5), power(3, 1.0, 1e-5), 3.0),
        ({"quantity": "cost", "at": "lowest"}, power(1, 1.0, 1e-5), power(3, 1.0, 1e-5), 3.0),
        ({"quantity": "cost", "at": 5e-3}, power(1, 1.0, 1e-5), power(3, 1.0, 1e-5), 3.0),
        ({"quantity": "floor"}, power(1, 1.5, 0.002), power(1, 1.5, 0.008), 4.0),
    ],
)
def test_a_number_is_the_true_one_and_its_outcome_follows_from_where_the_limit_lies(fields, kan, mlp, truth):
    """A limit well below is passed, one well above is refuted, one within the interval says nothing; `most` mirrors.

    If all of a wide enough neighbourhood of the limit does not matter, the interval around it says equal.
    """
    table = made_runs(made_table({"kan": kan, "mlp": mlp}, noise=0.02))
    number = _number(made_rule(**fields, **PARAMS, threshold=truth), table)
    low, high = number.found.low, number.found.high

    assert number.found.estimate == pytest.approx(truth, rel=0.12)
    assert low < truth < high
    is_difference = fields["quantity"] == "exponent"
    wide, narrow = (1.0, 1e-4) if is_difference else (3.0, 1.0001)
    said = [_number(made_rule(**fields, **PARAMS, threshold=truth, matters=at), table).outcome for at in (wide, narrow)]
    assert said == ["equal", "inconclusive"]
    below, above = low - 0.1 * abs(low), high + 0.1 * abs(high)
    outcomes = {
        limit: [_number(made_rule(**fields, **PARAMS, **{limit: at}), table).outcome for at in (below, above)]
        for limit in ("threshold", "most")
    }
    assert outcomes == {"threshold": ["supported", "refuted"], "most": ["refuted", "supported"]}


@pytest.mark.parametrize(("ratio", "noise", "said"), [(1.01, 0.01, "supported"), (1.3, 0.01, "refuted")])
def test_equivalence_is_an_interval_wholly_within_the_margin(ratio, noise, said):
    """Within 5 % of equal: supported; apart: refuted. With large noise neither, however near the estimate is."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(ratio, 1.0)}, noise=noise)
    rule = made_rule(quantity="test_loss", margin=0.05, **PARAMS)

    assert _number(rule, table).outcome == said
    assert _number(rule, made_table({"kan": power(1, 1.0), "mlp": power(1, 1.0)}, noise=0.2)).outcome == "inconclusive"


@pytest.mark.parametrize(("ratio", "said"), [(5, "supported"), (2, "refuted"), (1, "refuted")])
def test_a_least_estimate_asks_for_more_than_the_threshold(ratio, said):
    """Factor 3 or more, with the interval above 1: an interval below 3 refutes it, though it may lie above 1."""
    table = made_table({"kan": power(1, 1.0, 1e-6), "mlp": power(ratio, 1.0, 1e-6)}, noise=0.02)

    assert _number(made_rule(quantity="cost", threshold=1, least=3, **PARAMS), table).outcome == said


def test_counts_at_equal_size_have_the_ratio_of_what_a_parameter_costs():
    """Ten times the FLOPs and seconds for each parameter; what no run changes is known exactly, from one seed too."""
    table = made_table({"mlp": power(1, 1.0), "kan": power(1, 1.0)}, seeds=1)
    rule = made_rule(quantity="count", arms=("mlp", "kan"), axis="flops_forward.shared_dense", threshold=1.2)
    exact = _number(rule, table)
    clock = _number(rule.model_copy(update={"axis": "seconds_per_evaluation"}), table)
    timed = _number(
        rule.model_copy(update={"axis": "seconds_per_evaluation"}),
        made_table({"mlp": power(1, 1.0), "kan": power(1, 1.0)}),
    )

    assert (exact.found.estimate, exact.found.low, exact.found.high) == pytest.approx((10, 10, 10))
    assert exact.outcome == "supported"
    assert "SEEDS" in clock.found.refused
    assert timed.found.estimate == pytest.approx(10)


def test_held_out_sizes_are_predicted_or_missed():
    """A law that goes on is within; ten times its error is missed; a margin asks that it be near, too."""
    rule = made_rule(quantity="held_out", **PARAMS)
    table = made_table({"kan": power(1, 1.0, 1e-5), "mlp": power(1, 0.5, 1e-5)}, hold_out=1)
    largest = table["params.trainable"] == SIZES[-1]
    turned = table.assign(test_loss=table["test_loss"] * np.where(largest & (table["arm"] == "mlp"), 10, 1))

    assert _number(rule, table).outcome == "supported"
    assert _number(rule.model_copy(update={"margin": 1e-4}), table).outcome == "refuted"
    missed = _number(rule, turned)
    assert missed.outcome == "refuted"
    assert missed.found.estimate == pytest.approx(10, rel=0.2)


@pytest.mark.parametrize("alphas", [(1.0, 0.5), (0.5, 1.0), (0.7, 0.7)])
def test_a_crossover_below_the_largest_size_has_one_arm_ahead_there(alphas):
    """Curves that cross at 250: whoever is steeper is ahead at 2000, by sqrt(8) times; equal curves are equal."""
    kan, mlp = (power(0.01 * 250**alpha, alpha, 1e-6) for alpha in alphas)
    number = _number(made_rule(quantity="crossover", **PARAMS), made_table({"kan": kan, "mlp": mlp}))

    assert number.outcome == ("equal" if alphas[0] == alphas[1] else "supported")
    assert number.found.low < 8 ** (alphas[0] - alphas[1]) < number.found.high


INPUTS = {f"f{d}": ("f", d) for d in (2, 4, 8, 16)}


def _family(alpha, scale) -> pd.DataFrame:
    """Tasks of 2 to 16 inputs d; the law of each is scale(d) * size^-alpha(d)."""
    return pd.concat(
        [
            made_table({"kan": power(scale(d), alpha(d))}, (task,), rng=np.random.default_rng(d))
            for task, (_, d) in INPUTS.items()
        ],
        ignore_index=True,
    )


@pytest.mark.parametrize(("alpha", "said"), [(lambda d: 1.0, "supported"), (lambda d: 2 / d, "refuted")])
def test_an_exponent_is_kept_or_falls_with_the_inputs(alpha, said):
    """Flat in d, or as 1/d: the exponent at 16 inputs over that at 2."""
    rule = made_rule(quantity="exponent_kept", arms=("kan",), threshold=0.5, **PARAMS)
    number = _number(rule, _family(alpha, lambda d: 1.0), INPUTS)

    assert number.outcome == said
    assert number.unit == "f"
    assert number.found.low < alpha(16) / alpha(2) < number.found.high


@pytest.mark.parametrize(("power_of_d", "said"), [(1.5, "supported"), (4.5, "refuted")])
def test_sizes_grow_with_the_inputs_by_the_power_that_was_made(power_of_d, said):
    """N at a loss is d^p where the scale of a law of exponent 1 is: its slope is p."""
    rule = made_rule(quantity="growth", arms=("kan",), at=2e-3 * 16 ** (power_of_d / 2), most=3, **PARAMS)
    sizes = {"kan": np.geomspace(10, 1e7, 12)}
    table = pd.concat(
        [
            made_table({"kan": power(d**power_of_d, 1.0)}, (task,), noise=0.02, sizes=sizes)
            for task, (_, d) in INPUTS.items()
        ],
        ignore_index=True,
    )
    number = _number(rule, table, INPUTS)

    assert number.outcome == said
    assert number.found.estimate == pytest.approx(power_of_d, abs=0.1)


def test_a_loss_that_is_not_attained_on_a_task_has_no_growth():
    """Neither beyond the largest size nor below the smallest is a size invented."""
    table = _family(lambda d: 1.0, lambda d: 1.0)
    for loss, said in ((1e-9, "does not come to"), (0.9, "at its smallest size already")):
        rule = made_rule(quantity="growth", arms=("kan",), at=loss, most=3, **PARAMS)
        assert said in _number(rule, table, INPUTS).found.refused


def test_the_best_of_several_arms_is_chosen_by_validation_at_each_budget():
    """Of two depths one is better at small budgets and one at large: their envelope is compared, not either."""
    arms = {"kan": power(1, 1.0), "mlp depth=2": power(10, 1.2), "mlp depth=3": power(0.6, 0.7)}
    table = made_table(arms, noise=0.0)
    truth = np.minimum(arms["mlp depth=2"](SIZES), arms["mlp depth=3"](SIZES)) / arms["kan"](SIZES)

    found = [
        _number(made_rule(quantity="test_loss", threshold=1, at=at, **PARAMS), table).found for at in SIZES.tolist()
    ]

    assert [one.estimate for one in found] == pytest.approx(truth.tolist())
    unmatched = _number(made_rule(quantity="test_loss", threshold=1, **PARAMS), table.assign(asked=np.nan))
    assert "there is no best of them" in unmatched.found.refused


def _without(table, **cut):
    return table[np.logical_and.reduce([table[name].isin(values) for name, values in cut.items()])]


@pytest.mark.parametrize(
    ("quantity", "change", "said"),
    [
        (
            "exponent",
            lambda t: _without(t, cell=[f"t-{arm}-{i}" for arm in ("kan", "mlp") for i in range(3)]),
            "TOO_FEW",
        ),
        ("test_loss", lambda t: _without(t, seed=[0]), "SEEDS"),
        ("test_loss", lambda t: t.assign(seed=t["seed"] + 9 * (t["arm"] == "kan")), "SEEDS"),
        ("test_loss", lambda t: t[(t["arm"] == "kan") ^ (t["params.trainable"] > 500)], "NO_OVERLAP"),
        ("test_loss", lambda t: t.assign(status="diverged", test_loss=np.nan), "CENSORED"),
        ("cost", lambda t: t.assign(test_loss=t["test_loss"] * np.where(t["arm"] == "kan", 1e-6, 1)), "NO_OVERLAP"),
        ("floor", lambda t: t.assign(status="diverged", test_loss=np.nan), "TOO_FEW"),
        ("crossover", lambda t: t[t["params.trainable"] < 60], "TOO_FEW"),
        ("test_loss", lambda t: t[t["arm"] == "kan"], "mlp has no runs on t"),
        ("exponent", lambda t: t.assign(**{"params.trainable": 0.0}), "counts nothing"),
    ],
)
def test_what_the_data_do_not_carry_is_refused_with_the_reason(quantity, change, said):
    """Too few sizes or seeds, no common range, all diverged, an arm that is not there: a sentence, never an error."""
    table = change(made_table({"kan": power(1, 1.0), "mlp": power(5, 1.0)}))
    limit = {} if quantity == "crossover" else {"threshold": 1}
    number = _number(made_rule(quantity=quantity, **limit, **PARAMS), table)

    assert number.outcome == "inconclusive"
    assert said in number.found.refused


def test_a_few_diverged_runs_leave_the_seeds_that_both_arms_have():
    """One of six seeds may be lost at a size; the ratio is that of the other five."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(5, 1.0)}, seeds=6)
    lost = (table["seed"] == 3) & (table["arm"] == "kan")
    table = table.assign(status=np.where(lost, "diverged", "done"), test_loss=table["test_loss"].mask(lost))
    found = _number(made_rule(quantity="test_loss", threshold=1, **PARAMS), table).found

    assert found.seeds == 5
    assert found.low < 5 < found.high
