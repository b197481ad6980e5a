"""Checks of runs before a fit: every bad row is named with its value, and what is odd but possible is a caution.

pytest tests/laws/test_runs.py
"""

import math

import numpy as np
import pytest

from harness.base.errors import HarnessError
from harness.laws.runs import ArmSize, cells, check_runs, make_runs, with_config_sizes

SIZES = np.array([10.0, 10.0, 100.0, 100.0, 1000.0, 1000.0])
LOSSES = np.array([1.0, 1.1, 0.3, 0.33, 0.1, 0.11])
CONFIGS, SEEDS = ["a", "a", "b", "b", "c", "c"], ["0", "1"] * 3


def test_good_runs_pass_without_a_word():
    """Runs whose configs and seeds are named have nothing to be cautious of."""
    assert check_runs(make_runs(SIZES, LOSSES, config=CONFIGS, seed=SEEDS)) == {"all": ()}


@pytest.mark.parametrize(("bad", "shown"), [(math.nan, "nan"), (math.inf, "inf"), (0.0, "0"), (-0.5, "-0.5")])
@pytest.mark.parametrize("name", ["params", "rmse"])
def test_a_number_that_no_law_can_hold_is_named(name, bad, shown):
    """NaN, infinity, zero and negative numbers, as sizes or losses, are an error with row, column and value."""
    x, y = SIZES.copy(), LOSSES.copy()
    (x if name == "params" else y)[4] = bad

    with pytest.raises(HarnessError, match=rf"row 4: {name} = {shown}: .*finite numbers above 0"):
        check_runs(make_runs(x, y, x_name="params", y_name="rmse"))


def test_numbers_that_overflow_in_products_are_named():
    """1e308 is a number, and its square is none."""
    with pytest.raises(HarnessError, match=r"row 4: x = 1e\+308: numbers from 1e-100 to 1e\+100 are fitted"):
        check_runs(make_runs(np.where(np.arange(6) == 4, 1e308, SIZES), LOSSES))


def test_five_rows_are_named_and_the_others_counted():
    """An error stays readable however many rows are bad."""
    with pytest.raises(HarnessError) as error:
        check_runs(make_runs(np.arange(1, 11), np.repeat([1.0, -1.0], [1, 9])))

    assert all(f"row {i}: y = -1" in str(error.value) for i in range(1, 6))
    assert "row 6" not in str(error.value)
    assert "and 4 more rows" in str(error.value)


def test_a_failed_run_needs_no_numbers():
    """What stands in a failed run is not read: it is counted, at its size if it has one."""
    x, y = SIZES.copy(), LOSSES.copy()
    x[0], y[0], y[4] = math.nan, -1, math.inf

    runs = make_runs(x, y, failed=[True, False, False, False, True, False])
    check_runs(runs)

    assert cells(runs) == (
        ArmSize("all", 10, 1, 0),
        ArmSize("all", 100, 2, 0),
        ArmSize("all", 1000, 1, 1),
        ArmSize("all", None, 0, 1),
    )


def test_nothing_but_failures_is_an_error():
    """A table without a run that ended well is not fitted."""
    with pytest.raises(HarnessError, match="none of the 6 runs"):
        check_runs(make_runs(SIZES, LOSSES, failed=np.ones(6, bool)))


def test_more_than_a_fifth_failed_at_a_size_is_censored():
    """One of five runs lost is no caution, two of five are; the arm and the counts are named."""
    x, arms = np.repeat([10.0, 100.0], 5), ["kan"] * 10
    one, two = np.arange(10) == 3, np.arange(10) >= 8
    config, seed = np.repeat(["a", "b"], 5), np.tile(np.arange(5), 2)

    assert check_runs(make_runs(x, np.ones(10), arms, failed=one, config=config, seed=seed)) == {"kan": ()}
    (caution,) = check_runs(make_runs(x, np.ones(10), arms, failed=two, config=config, seed=seed))["kan"]

    assert caution.code == "CENSORED"
    assert "2 of 5 at size 100" in caution.reason


def test_a_run_that_is_there_twice_is_named():
    """With a config, the same (config, seed) of an arm twice is an error with both rows and losses."""
    with pytest.raises(HarnessError, match=r"row 5: y = 0\.11, and 0\.1 in row 4: config c, seed 0.*--config"):
        check_runs(make_runs(SIZES, LOSSES, config=CONFIGS, seed=["0", "1", "0", "1", "0", "0"]))


def test_configs_without_seeds_must_differ():
    """With a config and no seed, every repeat is a run twice, and the error says how to name seeds."""
    with pytest.raises(HarnessError, match=r"row 1: .*row 3: .*row 5: .*--seed"):
        check_runs(make_runs(SIZES, LOSSES, config=CONFIGS))


def test_the_same_config_in_two_arms_is_two_runs():
    """A config and seed repeat only within an arm."""
    arms = ["kan"] * 6 + ["mlp"] * 6

    assert check_runs(make_runs([*SIZES] * 2, [*LOSSES] * 2, arms, config=CONFIGS * 2, seed=SEEDS * 2)) == {
        "kan": (),
        "mlp": (),
    }


@pytest.mark.parametrize(("seed", "repeated"), [(None, 3), (SEEDS, 0), (["0"] * 6, 3)])
def test_repeats_without_a_config_are_replicates_with_a_caution(seed, repeated):
    """Rows at one size count as replicates, and that is said, unless their seeds tell them apart."""
    cautions = check_runs(make_runs(SIZES, LOSSES, seed=seed))["all"]

    assert [caution.code for caution in cautions] == ["REPEATS"] * bool(repeated)
    assert all(f"{repeated} rows repeat" in caution.reason for caution in cautions)


def test_seeds_that_spent_slightly_different_work_are_one_size():
    """Runs of a config stand at its median, failed ones too, and a caution counts them; a factor of 2 is kept."""
    x, failed = [10.0, 12.0, math.nan, 100.0, 200.0, 1000.0], np.arange(6) == 2
    made = make_runs(x, LOSSES, failed=failed, config=["a", "a", "a", "b", "b", "c"], seed=["0", "1", "2"] * 2)

    moved = with_config_sizes(made)

    np.testing.assert_array_equal(moved.x, [11, 11, 11, 100, 200, 1000])
    assert [(one.code, one.reason[:6]) for one in check_runs(moved)["all"]][:1] == [("MEDIAN_SIZE", "2 runs")]
    bare = make_runs(x, LOSSES, failed=failed)
    np.testing.assert_array_equal(with_config_sizes(bare).x, bare.x)


def test_two_metrics_are_not_one_curve():
    """A column that must be the same may differ between arms, not within one; a row of each value is named."""
    arms, metric = ["kan"] * 3 + ["mlp"] * 3, ["rmse"] * 3 + ["mae"] * 3

    check_runs(make_runs(SIZES, LOSSES, arms, same={"metric": metric}, config=np.arange(6)))
    with pytest.raises(
        HarnessError, match=r"metric has 2 values \(row 3: metric = mae in 3 rows, row 0: metric = rmse"
    ):
        check_runs(make_runs(SIZES, LOSSES, same={"metric": metric}))


def test_entries_must_be_one_a_run():
    """Arrays of different lengths are an error that names the odd one."""
    with pytest.raises(HarnessError, match=r"failed has shape \(2,\) and y has 6 rows"):
        make_runs(SIZES, LOSSES, failed=[True, False])
