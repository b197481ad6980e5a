"""A side of several arms: other seeds choose what is read of a seed, so that more arms gain nothing by luck.

pytest tests/judging/test_side_runs.py
"""

import numpy as np
import pandas as pd
import pytest
from judging.made_runs import SIZES, made_rule, made_runs, made_table, power
from scipy.stats import t as t_distribution

from harness.base.errors import HarnessError
from harness.judging.judge import judge
from harness.judging.runs import laws, of_arm
from harness.judging.side_runs import side_runs
from harness.judging.versus import Side, VersusRequest, lines, versus

PARAMS = "params.trainable"
KANS, MLPS = ("kan_0", "kan_1"), ("mlp_0", "mlp_1", "mlp_2", "mlp_3")


def noisy(table, rng, noise=0.5, common=0.3, alike=0.9):
    """The table with noise in both losses, of which `alike` is the correlation, and what a seed's data do to all arms.

    Work is left out, so that parameters are the only count.
    """
    own, other = rng.normal(size=(2, len(table)))
    draw = table.groupby(["asked", "seed"]).ngroup().to_numpy()
    of_data = common * rng.normal(size=draw.max() + 1)[draw]
    validation = np.exp(of_data + noise * own)
    test = np.exp(of_data + noise * (alike * own + np.sqrt(1 - alike**2) * other))
    table = table.drop(columns=[name for name in table if name.startswith(("flops", "seconds"))])
    return table.assign(val_loss=table["val_loss"] * validation, test_loss=table["test_loss"] * test)


def equal_arms(names, rng, budgets, seeds=5):
    """Arms that have one and the same loss at every budget, but for noise."""
    sizes = 100 * 1.01 ** np.arange(budgets)
    arms = dict.fromkeys(names, power(1, 0.0))
    return noisy(made_table(arms, noise=0.0, seeds=seeds, sizes=dict.fromkeys(names, sizes)), rng)


def compared(table, first, second):
    """ln of the ratio second / first, and both ends of its interval, at every size of the first [3, sizes]."""
    (line,) = lines(made_runs(table), VersusRequest((Side("A", first), Side("B", second)), PARAMS))
    return np.log([line.ratio, line.low, line.high])


def read_by_seed(table, names):
    """The arm that stands for all, by budget and seed."""
    return side_runs(table, "t", names, "best").runs.set_index(["asked", "seed"])["arm"].sort_index()


@pytest.mark.parametrize("second", [KANS, KANS[:1]])
def test_four_equal_arms_are_no_better_than_two_or_one(second):
    """The mean ln ratio over 500 budgets is 0 within its error, and intervals leave 0 out no more often than they say.

    Chosen on the seeds that are read, four arms come out at 0.92 against two and at 0.82 against one. By Student's
    interval of the seeds' ratios, which are correlated, 7 to 10 % would leave out 0.
    """
    rng = np.random.default_rng(0)
    ratio, low, high = compared(equal_arms((*KANS, *MLPS), rng, budgets=500), second, MLPS)

    assert abs(ratio.mean()) < 2 * ratio.std(ddof=1) / np.sqrt(ratio.size)
    assert np.mean((low > 0) | (high < 0)) < 0.05 + 2 * np.sqrt(0.05 * 0.95 / ratio.size)


def test_an_arm_that_is_truly_best_is_what_is_read():
    """Three times better than the others: the side is that arm, in estimate, interval and law."""
    arms = dict.fromkeys(("kan", *MLPS), power(1, 1.0)) | {"mlp_2": power(1 / 3, 1.0)}
    runs = made_runs(noisy(made_table(arms, noise=0.0), np.random.default_rng(1), noise=0.1))
    found = {}
    for side in (MLPS, ("mlp_2",)):
        rule = made_rule(quantity="test_loss", arms=("kan", side), threshold=1, axis=PARAMS)
        (number,) = judge(rule, runs).numbers
        law = laws(runs, "t", side, PARAMS, 0.95)[0].fit
        found[side] = [number.found.estimate, number.found.low, number.found.high, law.alpha, *law.points.sizes]

    assert found[MLPS] == pytest.approx(found["mlp_2",])
    assert set(read_by_seed(runs.table, MLPS)) == {"mlp_2"}


def test_what_is_read_of_a_seed_does_not_hang_on_its_own_losses():
    """Whatever becomes of a seed's runs, the arms stay that are read there; on other seeds they may change."""
    rng = np.random.default_rng(2)
    table = equal_arms(MLPS, rng, budgets=20)
    before = read_by_seed(table, MLPS)
    assert before.nunique() == len(MLPS)
    for seed in range(5):
        own = table["seed"] == seed
        lost = own & (rng.random(len(table)) < 0.3)
        changed = table.assign(status=np.where(lost, "diverged", "done"))
        for loss in ("val_loss", "test_loss"):
            changed[loss] = table[loss].where(~own, rng.lognormal(0, 5, len(table)))
        after = read_by_seed(changed, MLPS)
        assert after.xs(seed, level="seed").equals(before.xs(seed, level="seed"))
        assert not after.equals(before)
        left, as_before = (side_runs(one, "t", MLPS, "best").without[seed] for one in (changed, table))
        assert left.index.tolist() == as_before.index.tolist()


def test_a_run_that_diverged_counts_as_infinite_whatever_loss_it_left():
    """An arm with the least losses is read on the one seed that failed only: there, all others choose it."""
    table = made_table(dict.fromkeys(MLPS, power(1, 1.0)), noise=0.0)
    fails = table["arm"] == "mlp_1"
    table = table.assign(
        status=np.where(fails & (table["seed"] < 2), "diverged", "done"),
        val_loss=table["val_loss"] * np.where(fails, 1e-3, 1.0),
    )
    assert set(read_by_seed(table, MLPS)) == {"mlp_0"}
    once = table.assign(status=np.where(fails & (table["seed"] < 1), "diverged", "done"))
    assert read_by_seed(once, MLPS).groupby("seed").unique().map(list).tolist() == [["mlp_1"], *[["mlp_0"]] * 4]


def test_networks_of_different_sizes_at_a_budget_are_read_on_their_power_law():
    """Seeds that read a smaller or a larger network have one size: the law and the ratio are without error."""
    table = made_table(dict.fromkeys(("kan", *MLPS), power(1, 1.5)), noise=0.0)
    off = table["arm"].map(dict(zip(("kan", *MLPS), (1.0, 0.85, 0.95, 1.1, 1.2), strict=True)))
    size = table["asked"] * off
    noise = np.random.default_rng(3).lognormal(0, 0.5, len(table))
    table = table.assign(**{PARAMS: size}, test_loss=2 * size**-1.5, val_loss=noise)
    runs = made_runs(table)

    assert read_by_seed(table, MLPS).groupby("asked").nunique().max() > 2
    pure = laws(runs, "t", MLPS, PARAMS, 0.95)[0].fit
    assert pure.points.sizes.size == SIZES.size
    assert pure.alpha == pytest.approx(1.5)
    for at in (40.0, 500.0, 1500.0):
        rule = made_rule(quantity="test_loss", arms=("kan", MLPS), threshold=1, axis=PARAMS, at=at)
        (number,) = judge(rule, runs).numbers
        assert number.found.estimate == pytest.approx(1)


def test_a_window_until_the_minimum_is_the_sides_whichever_arm_has_it():
    """One of two equal arms has it, and both turn up at the two largest sizes.

    The law is the same whether that arm is read at the smallest sizes or at the largest.
    """
    table = made_table(dict.fromkeys(KANS, power(1, 1.0)), noise=0.0)
    table = table.assign(test_loss=table["test_loss"] * np.where(table["asked"] > 500, 100, 1))
    for chosen_when_small, chosen_when_large in (KANS, KANS[::-1]):
        chosen = np.where(table["asked"] < 100, chosen_when_small, chosen_when_large)
        runs = table.assign(until_minimum=table["arm"] == "kan_0", val_loss=np.where(table["arm"] == chosen, 1.0, 2.0))
        law = laws(made_runs(runs), "t", KANS, PARAMS, 0.95)[0]

        assert law.fit.points.sizes.tolist() == SIZES[:5].tolist()
        assert law.fit.alpha == pytest.approx(1)
        assert "WINDOW" in {caution.code for caution in law.fit.warnings}


def jackknifed(validation, test, level=0.95):
    """The mean of what each seed reads, and half its interval, by making the choice again seed by seed."""

    def mean(seeds):
        found = []
        for seed in seeds:
            others = [other for other in seeds if other != seed]
            means = [np.mean(arm[others]) for arm in validation]
            found.append(np.log(test[int(np.argmin(means)), seed]))
        return np.mean(found)

    seeds = list(range(validation.shape[1]))
    pseudo = [len(seeds) * mean(seeds) - (len(seeds) - 1) * mean([s for s in seeds if s != left]) for left in seeds]
    error = np.std(pseudo, ddof=1) / np.sqrt(len(seeds))
    return mean(seeds), t_distribution.ppf((1 + level) / 2, len(seeds) - 1) * error


def test_the_interval_is_that_of_the_jackknife_in_verdict_and_figure():
    """Against a fixed arm of loss 1, at each budget; three seeds are the fewest of which one can be left out."""
    for seeds in (3, 4, 6):
        rng = np.random.default_rng(seeds)
        table = equal_arms(MLPS, rng, budgets=5, seeds=seeds)
        fixed = made_table({"kan": power(1, 0.0)}, noise=0.0, seeds=seeds, sizes={"kan": table["asked"].unique()})
        table = pd.concat([table, fixed[[*table]]], ignore_index=True)
        figure = compared(table, ("kan",), MLPS)
        for column, (asked, own) in enumerate(table[table["arm"] != "kan"].groupby("asked")):
            losses = [own.pivot_table(name, "arm", "seed").to_numpy() for name in ("val_loss", "test_loss")]
            mean, half = jackknifed(*losses)
            rule = made_rule(quantity="test_loss", arms=("kan", MLPS), threshold=1, axis=PARAMS, at=float(asked))
            (number,) = judge(rule, made_runs(table)).numbers
            said = np.log([number.found.estimate, number.found.low, number.found.high])
            assert said == pytest.approx([mean, mean - half, mean + half])
            assert figure[:, column] == pytest.approx(said)


def test_two_seeds_choose_for_each_other_and_one_is_refused():
    """With one seed there is no other: no verdict, and no figure; what needs no choice is read all the same."""
    table = equal_arms(("kan", *MLPS), np.random.default_rng(4), budgets=5, seeds=2)
    of_other = table[table["arm"] != "kan"].assign(seed=1 - table["seed"])
    others_best = of_other.pivot_table("val_loss", ["asked", "seed"], "arm").idxmin(axis=1)
    assert read_by_seed(table, MLPS).to_dict() == others_best.to_dict()
    rule = made_rule(quantity="test_loss", arms=("kan", MLPS), threshold=1, axis=PARAMS)
    assert judge(rule, made_runs(table)).numbers[0].found.seeds == 2

    alone = made_runs(table[table["seed"] == 0])
    for quantity in ("test_loss", "exponent", "cost"):
        (number,) = judge(made_rule(quantity=quantity, arms=("kan", MLPS), threshold=1, axis=PARAMS), alone).numbers
        assert number.outcome == "inconclusive"
        assert "chosen for each seed on all other seeds, of which there are none" in number.found.refused
    with pytest.raises(HarnessError, match="run more seeds, or name one of the series"):
        versus(alone, VersusRequest((Side("KAN", ("kan",)), Side("MLP", MLPS)), PARAMS))
    at_budgets_of_its_own = alone.table[(alone.table["arm"] == "mlp_0") ^ (alone.table["asked"] > 102)]
    assert len(of_arm(made_runs(at_budgets_of_its_own), "t", ("mlp_0", "mlp_1")).runs) == 5
