"""What an interval would need: seeds, sizes or decades, or why seeds will not help; against simulated experiments."""

import json
import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from judging.made_runs import made_rule, made_runs, made_table, power
from scipy.stats import t as t_distribution

from harness.judging.judge import judge, to_json
from harness.judging.laws import foreseen_exponent
from harness.judging.power import Outlook, asked_words
from harness.judging.spread import ENOUGH, Design, Spread, chance, decades_needed, seeds_needed, seen, sizes_needed
from harness.spec import Condition

PARAMS = "params.trainable"
LOSS = {"quantity": "test_loss", "threshold": 1, "axis": PARAMS}
MATTERS = math.log(1.1)
EQUAL = {"kan": power(1, 1.0), "mlp": power(1, 1.0)}


def _outlook(table, **fields) -> Outlook:
    """Of the one number of a rule on one task."""
    (number,) = judge(made_rule(**fields), made_runs(table)).numbers
    return number.outlook


def _decided(rng, spread: Spread, seeds: int, truth: float, limit: float, margin: bool = False) -> float:
    """In which share of many experiments Student's interval over seeds lies wholly above, or within, a limit."""
    sd = spread.error * math.sqrt(spread.seeds)
    gaps = rng.normal(truth, sd, (40_000, seeds))
    half = t_distribution.isf(0.025, seeds - 1) * gaps.std(axis=1, ddof=1) / math.sqrt(seeds)
    low, high = gaps.mean(axis=1) - half, gaps.mean(axis=1) + half
    return float(np.mean((low > -limit) & (high < limit) if margin else low > limit))


def test_so_many_seeds_decide_in_four_of_five_experiments():
    """A difference is told from the limit, and equality from a margin; with one seed less it is not so often."""
    rng = np.random.default_rng(1)
    for sd in (0.02, 0.08, 0.2):
        spread = Spread(sd / math.sqrt(5), ((1.0, 4),), 5, sd)
        for margin in (False, True):
            needed = seeds_needed(spread, MATTERS, 0.95, margin)
            assert needed is not None
            truth, limit = (0.0, MATTERS) if margin else (MATTERS, 0.0)
            shares = [_decided(rng, spread, seeds, truth, limit, margin) for seeds in (needed, needed - 1) if seeds > 1]

            assert shares[0] == pytest.approx(chance(spread.with_seeds(needed), MATTERS, 0.95, margin), abs=0.01)
            assert shares[0] > ENOUGH - 0.01
            assert all(less < ENOUGH + 0.01 for less in shares[1:])


def test_so_many_seeds_tell_two_slopes_apart():
    """Of two lines of four and of seven sizes, by Welch's interval: as of laws without a floor, at planned sizes."""
    rng = np.random.default_rng(2)
    sides = [np.log(np.geomspace(30, 2000, sizes)) for sizes in (4, 7)]
    seeds = seeds_needed(foreseen_exponent(Design(0.3, 5, tuple(sides))), 0.2, 0.95)
    assert seeds is not None
    for number in (seeds, seeds - 1):
        slopes, variances, dofs = [], [], []
        for sizes, slope in zip(sides, (0.2, 0.0), strict=True):
            centred = sizes - sizes.mean()
            means = slope * centred + rng.normal(0, 0.3 / math.sqrt(number), (40_000, sizes.size))
            fitted = means @ centred / (centred @ centred)
            left = means - means.mean(axis=1, keepdims=True) - fitted[:, None] * centred
            dofs.append(sizes.size - 2)
            slopes.append(fitted)
            variances.append((left**2).sum(axis=1) / dofs[-1] / (centred @ centred))
        variance = variances[0] + variances[1]
        welch = variance**2 / (variances[0] ** 2 / dofs[0] + variances[1] ** 2 / dofs[1])
        low = slopes[0] - slopes[1] - t_distribution.isf(0.025, welch) * np.sqrt(variance)
        share = float(np.mean(low > 0))

        assert share == pytest.approx(chance(foreseen_exponent(Design(0.3, number, tuple(sides))), 0.2, 0.95), abs=0.01)
        assert (share > ENOUGH - 0.01) if number == seeds else (share < ENOUGH + 0.01)


@given(
    st.floats(0.01, 3), st.integers(2, 40), st.floats(0.05, 1), st.sampled_from((None, 5, 9)), st.booleans(), st.data()
)
def test_more_noise_needs_more_seeds_and_more_seeds_see_more(error, seeds, from_seeds, sizes, margin, data):
    """Half-widths and what is seen shrink with seeds, sizes and decades; needs grow with noise."""
    dof = seeds - 1 if sizes is None else sizes - 2
    if sizes is None:
        from_seeds = 1.0
    spread = Spread(error, ((1.0, dof),), seeds, 0.0, from_seeds, "", sizes, None if sizes is None else 2.0)
    more = spread.with_seeds(seeds + data.draw(st.integers(1, 50)))
    worse = replace(spread, error=1.5 * error)

    assert spread.with_seeds(seeds).half_width(0.95) == pytest.approx(spread.half_width(0.95))
    assert more.half_width(0.95) < spread.half_width(0.95) < worse.half_width(0.95)
    assert seen(more, 0.95, margin) < seen(spread, 0.95, margin) < seen(worse, 0.95, margin)
    assert chance(spread, seen(spread, 0.95, margin), 0.95, margin) == pytest.approx(ENOUGH, abs=1e-3)
    for need in (seeds_needed, sizes_needed, decades_needed):
        least, of_worse = need(spread, 0.3, 0.95, margin), need(worse, 0.3, 0.95, margin)
        if of_worse is not None:
            assert least is not None
            assert least <= of_worse


@pytest.mark.parametrize(
    ("fields", "arms"),
    [
        ({"quantity": "test_loss", "threshold": 1}, EQUAL),
        ({"quantity": "exponent", "threshold": 0}, EQUAL),
        ({"quantity": "cost", "threshold": 1}, EQUAL),
        ({"quantity": "crossover"}, EQUAL),
        ({"quantity": "floor", "threshold": 1}, {"kan": power(1, 1.5, 0.01), "mlp": power(1, 1.5, 0.01)}),
    ],
)
def test_the_width_of_today_is_that_of_the_interval(fields, arms):
    """So that what is said of more seeds begins where the data are."""
    rule = made_rule(**fields, axis=PARAMS)
    table = made_table(arms, noise=0.1)
    one = _outlook(table, **fields, axis=PARAMS)
    found = judge(rule, made_runs(table)).numbers[0].found
    width = found.high - found.low if fields["quantity"] == "exponent" else math.log(found.high / found.low)

    assert one.spread is not None
    assert one.spread.seeds == 5
    assert one.spread.half_width(one.level) == pytest.approx(width / 2)


def test_the_sizes_of_a_local_slope_have_a_width_too():
    """A law of less than a decade may not be asked beyond its sizes, and is not."""
    near = {arm: np.array([100, 140, 200, 280, 400]) for arm in EQUAL}
    one = _outlook(made_table(EQUAL, noise=0.02, sizes=near), quantity="cost", threshold=1, axis=PARAMS)

    assert one.why == ""
    assert one.seeds is not None


def test_what_was_estimated_is_not_asked():
    """Of arms that differ the needs are those of equal arms with the same noise."""
    for fields in ({"quantity": "test_loss", "threshold": 1}, {"quantity": "crossover"}):
        table = made_table(EQUAL, noise=0.2)
        apart = table.assign(test_loss=table["test_loss"].where(table["arm"] == "kan", 2 * table["test_loss"]))
        one, other = (_outlook(own, **fields, axis=PARAMS) for own in (table, apart))

        assert one.seeds == other.seeds
        assert one.spread.error == pytest.approx(other.spread.error, rel=1e-3)


def _bent(size: np.ndarray) -> np.ndarray:
    """A loss that no power law has, with a floor or without."""
    return size**-1.0 * np.exp(0.4 * np.sin(4 * np.log(size)))


def test_seeds_do_not_mend_a_law_that_does_not_fit():
    """It is said so, and twenty times the seeds indeed leave the interval as wide as it is."""
    rule = {"quantity": "exponent", "threshold": 0, "axis": PARAMS}
    bent = {"kan": _bent, "mlp": power(1, 1.0)}
    few, many = (made_table(bent, noise=0.05, seeds=seeds) for seeds in (5, 100))
    verdict = judge(made_rule(**rule), made_runs(few))
    now, then = (_outlook(table, **rule) for table in (few, many))

    assert verdict.power is not None
    assert verdict.power.startswith("more seeds will not help: the law does not fit (kan on t)")
    assert now.spread.from_seeds < 0.05
    assert then.spread.half_width(0.95) == pytest.approx(now.spread.half_width(0.95), rel=0.15)
    assert now.spread.with_seeds(100).half_width(0.95) == pytest.approx(now.spread.half_width(0.95), rel=0.05)


def test_seeds_narrow_the_interval_of_a_law_that_fits():
    """Within the chance of a scatter of so few sizes, over many experiments."""
    rule = {"quantity": "crossover", "axis": PARAMS}
    rng = np.random.default_rng(3)
    now, then = (
        [_outlook(made_table(EQUAL, noise=0.3, seeds=seeds, rng=rng), **rule).spread for _ in range(12)]
        for seeds in (4, 16)
    )
    projected = np.median([one.with_seeds(16).half_width(0.95) for one in now])

    assert projected == pytest.approx(np.median([one.half_width(0.95) for one in then]), rel=0.35)
    assert np.median([one.from_seeds for one in now]) > 0.7


INPUTS = {"one": 1, "two": 2, "four": 4}


def _family():
    """Three tasks of one family, whose sizes at a loss follow no clear slope."""
    shifts = {"one": 1.0, "two": 3.0, "four": 1.5}
    tables = [made_table({"kan": power(shift, 1.0)}, (task,)) for task, shift in shifts.items()]
    return pd.concat(tables, ignore_index=True)


def test_every_kind_of_line():
    """Short, and each with its next move or its reason."""
    noisy, quiet = made_table(EQUAL, noise=0.2), made_table(EQUAL, noise=0.02)
    two = made_table(EQUAL, ("a", "b"), noise=0.2)
    one_seed = made_table(EQUAL, noise=0.2, seeds=1)
    few_sizes = {arm: np.array([30, 60, 120]) for arm in EQUAL}
    lines = {
        "a difference of 1.1 would need": judge(made_rule(**LOSS), made_runs(noisy)),
        "a ratio of 3.3 would need": judge(
            made_rule(**LOSS, least=3), made_runs(made_table({"kan": power(1, 1.0), "mlp": power(2, 1.0)}, noise=0.3))
        ),
        "equality within 5 % would need": judge(
            made_rule(quantity="test_loss", margin=0.05, axis=PARAMS), made_runs(noisy)
        ),
        "a difference of 0.2 would need": judge(
            made_rule(quantity="exponent", threshold=0, axis=PARAMS), made_runs(made_table(EQUAL, noise=0.8))
        ),
        "a difference of 1.1 on ": judge(made_rule(**LOSS, at_least=2), made_runs(two)),
        "nobody can tell how many seeds it would need: one has no spread": judge(
            made_rule(**LOSS), made_runs(one_seed)
        ),
        "a difference of 1.01 would need more than 1,000 seeds; the present 5 seeds can tell only one of": judge(
            made_rule(**LOSS, matters=1.01), made_runs(noisy)
        ),
        "more seeds will not help: 3 distinct sizes for 3 parameters; add sizes": judge(
            made_rule(quantity="exponent", threshold=0, axis=PARAMS), made_runs(made_table(EQUAL, sizes=few_sizes))
        ),
        "the present 5 seeds see a difference of 1.1 (80 %), so that the truth is probably nearer; if the "
        "sides are equal, 1 more seed would show it": judge(
            made_rule(**LOSS), made_runs(made_table({"kan": power(1, 1.0), "mlp": power(1.04, 1.0)}, noise=0.03))
        ),
        "more seeds will not help: tasks are the units of a slope": judge(
            made_rule(quantity="growth", arms=("kan",), at=0.005, threshold=0.1, axis=PARAMS),
            made_runs(_family(), {name: ("f", inputs) for name, inputs in INPUTS.items()}),
        ),
        "its seconds are not measured": judge(
            made_rule(quantity="test_loss", threshold=1, axis="seconds"), made_runs(noisy.drop(columns="seconds"))
        ),
    }
    for begins, verdict in lines.items():
        assert verdict.conclusion == "inconclusive", begins
        assert verdict.power is not None
        assert verdict.power.startswith(begins), verdict.power
        assert len(verdict.power) < 160
        assert json.loads(json.dumps(to_json(verdict)))["power"] == verdict.power
    assert "(80 % for each task)" in str(lines["a difference of 1.1 on "].power)
    assert judge(made_rule(**LOSS), made_runs(quiet)).power is None


def test_where_some_seeds_fail_the_line_says_so():
    """It names the side and how many of its runs there, in place of a number of seeds that supposes even noise."""
    table = made_table(EQUAL, ("a", "b"), noise=0.05)
    is_last = table["asked"] == table["asked"].max()
    is_third = is_last & (table["seed"] == 3)
    for arms, factor, told in (
        (["kan"], 1e4, "some seeds of kan fail: 1 of 5 runs of kan ended over 10 times above the median of their size"),
        (
            ["kan"],
            1e-4,
            "seeds of kan differ widely: 1 of 5 runs of kan ended over 10 times below the median of their",
        ),
        (
            ["kan", "mlp"],
            1e4,
            "some seeds of kan and mlp fail: 1 of 5 runs of kan and 1 of 5 runs of mlp ended over 10",
        ),
    ):
        scale = np.where(is_third & table["arm"].isin(arms), factor ** np.where(table["arm"] == "kan", 1, 0.4), 1)
        runs = made_runs(table.assign(test_loss=table["test_loss"] * scale))
        verdict = judge(made_rule(quantity="test_loss", threshold=1, at_least=2), runs)

        assert verdict.conclusion == "inconclusive"
        assert str(verdict.power).startswith(f"more seeds hardly help, as {told}")
        assert str(verdict.power).endswith(f"(on b under {PARAMS})")
    noisy = made_table(EQUAL, noise=0.2)
    elsewhere = noisy["test_loss"].mask((noisy["asked"] == 30) & (noisy["seed"] == 3), 1e4)
    verdict = judge(made_rule(**LOSS, matters=1.01), made_runs(noisy.assign(test_loss=elsewhere)))
    assert "would need more than 1,000 seeds" in str(verdict.power)  # at a size that is not read


def test_the_line_is_of_what_a_rule_still_needs():
    """Of three open tasks one is enough: the quietest. Under several conventions all are needed: the noisiest."""
    rng = np.random.default_rng(4)
    tables = [made_table(EQUAL, (task,), noise, rng=rng) for task, noise in (("a", 0.15), ("b", 0.4), ("c", 1.0))]
    runs = made_runs(pd.concat(tables, ignore_index=True))
    one, three = (judge(made_rule(**LOSS, at_least=at_least), runs) for at_least in (1, 3))

    assert "on a " in str(one.power)
    assert "on c " in str(three.power)
    assert "for each task" not in str(one.power)


def test_a_difference_is_asked_from_the_limit():
    """A factor of a ratio, or a difference of exponents; the words name the ratio that is asked about."""
    loss, exponent = ({"quantity": quantity, "arms": ("kan", "mlp")} for quantity in ("test_loss", "exponent"))
    for fields, limits, difference, told in (
        (loss, {"threshold": 1}, math.log(1.1), "a difference of 1.1"),
        (loss, {"most": 0.5}, math.log(1.1), "a ratio of 0.455"),
        (loss, {"threshold": 2, "matters": 1.5}, math.log(1.5), "a ratio of 3"),
        (loss, {"margin": 0.05}, math.log(1.05), "equality within 5 %"),
        (exponent, {"threshold": 0}, 0.2, "a difference of 0.2"),
        (exponent, {"most": 1, "matters": 0.1}, 0.1, "a difference of 0.1 from 1"),
    ):
        condition = Condition(**fields, **limits)
        assert Outlook(PARAMS, "t", condition, 0.95, None).difference == pytest.approx(difference)
        assert asked_words(condition) == told
