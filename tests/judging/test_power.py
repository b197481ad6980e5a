"""What an open rule would need, and what a plan's rules will see: against simulations, and as
`harness power`.
"""

import math
import re
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import json_of, said
from hypothesis import given
from hypothesis import strategies as st
from judging.made_experiment import write_experiment, write_records
from judging.made_runs import made_plan, made_rule, made_runs, made_table, power, verdict_on
from scipy.stats import t

from harness.base.errors import HarnessError
from harness.judging.foreseen import foresee
from harness.judging.power import ENOUGH, as_said, chance, difference_of, replicates_needed, seen
from harness.judging.runs import runs_of
from harness.spec.manifest import read_manifest

MATTERS = math.log(1.1)
EQUAL = {"kan": power(1, 1.0), "mlp": power(1, 1.0)}
LOSS = {"quantity": "test_loss", "threshold": 1}


def decided(rng, spread, replicates, truth, limit, of_equality):
    """In which share of many experiments Student's interval lies wholly above, or within, a
    limit.
    """
    gaps = rng.normal(truth, spread, (20_000, replicates))
    half = t.isf(0.025, replicates - 1) * gaps.std(axis=1, ddof=1) / math.sqrt(replicates)
    low, high = gaps.mean(axis=1) - half, gaps.mean(axis=1) + half
    return float(np.mean((low > -limit) & (high < limit) if of_equality else low > limit))


@pytest.mark.parametrize("of_equality", [False, True])
@pytest.mark.parametrize("spread", [0.02, 0.08, 0.2])
def test_so_many_replicates_decide_in_four_of_five_experiments(spread, of_equality):
    rng = np.random.default_rng(1)
    needed = replicates_needed(spread, MATTERS, 0.95, of_equality)
    truth, limit = (0.0, MATTERS) if of_equality else (MATTERS, 0.0)
    share, less = (
        decided(rng, spread, max(2, number), truth, limit, of_equality)
        for number in (needed, needed - 1)
    )
    assert share == pytest.approx(chance(spread, needed, MATTERS, 0.95, of_equality), abs=0.015)
    assert share > ENOUGH - 0.015
    assert needed == 2 or less < ENOUGH + 0.015


@given(st.floats(0.01, 3), st.integers(2, 40), st.booleans(), st.integers(1, 50))
def test_more_noise_needs_more_and_more_replicates_see_more(spread, replicates, of_equality, more):
    told = seen(spread, replicates, 0.95, of_equality)
    needs = [
        replicates_needed(noise, 0.3, 0.95, of_equality) or math.inf
        for noise in (spread, 1.5 * spread)
    ]
    assert (
        seen(spread, replicates + more, 0.95, of_equality)
        < told
        < seen(1.5 * spread, replicates, 0.95, of_equality)
    )
    assert chance(spread, replicates, told, 0.95, of_equality) == pytest.approx(ENOUGH, abs=1e-3)
    assert needs[0] <= needs[1]


@pytest.mark.parametrize(
    ("fields", "difference", "factor"),
    [
        ({"threshold": 1}, MATTERS, 1.1),
        ({"most": 0.5, "matters": 1.5}, math.log(1.5), 1.5),
        ({"within": 1.2}, math.log(1.2), 1.2),
        ({"quantity": "exponent", "threshold": 0}, 0.2, 0.2),
        ({"quantity": "exponent", "within": 0.1}, 0.1, 0.1),
    ],
)
def test_a_difference_is_asked_from_the_limit(fields, difference, factor):
    rule = made_rule(**{"quantity": "test_loss"} | fields)
    assert difference_of(rule) == pytest.approx(difference)
    assert as_said(rule, difference) == pytest.approx(factor)


def test_what_was_estimated_is_not_asked():
    """Of sides that differ, but stay open, the need is that of equal sides with the same noise."""
    runs = [
        made_runs({"kan": power(1, 1.0), "mlp": power(ratio, 1.0)}, noise=0.5) for ratio in (1, 1.3)
    ]
    verdicts = [verdict_on(one, **LOSS) for one in runs]
    assert [one.verdict for one in verdicts] == ["open", "open"]
    assert verdicts[0].power == verdicts[1].power


@pytest.mark.parametrize(
    ("fields", "made", "begins"),
    [
        (LOSS, {"noise": 0.06}, "a difference of 10 % would need"),
        (
            {"quantity": "test_loss", "within": 1.05},
            {"noise": 0.2},
            "equality within 5 % would need",
        ),
        (
            {"quantity": "exponent", "threshold": 0},
            {"noise": 1.0},
            "a difference of 0.2 would need",
        ),
        (
            LOSS,
            {"noise": 60.0},
            "a difference of 10 % would need more than 1,000 replicates; the present 5 show only",
        ),
        (LOSS, {"seeds": 1}, "it needs two replicates or more"),
        (
            LOSS | {"at": {"params.trainable": 9}},
            {},
            "more replicates will not help: kan has params.trainable from 30",
        ),
        (
            LOSS | {"within": 1.5, "threshold": None},
            {"mlp": 1.45, "noise": 0.05},
            (
                "the present 5 replicates show equality within a factor of 1.5 in 80 % of "
                "experiments, so the truth is"
            ),
        ),
    ],
)
def test_every_kind_of_line(fields, made, begins):
    ratio = made.pop("mlp", 1.0)
    verdict = verdict_on(
        made_runs({"kan": power(1, 1.0), "mlp": power(ratio, 1.0)}, **made), **fields
    )
    assert verdict.verdict == "open"
    assert verdict.power.startswith(begins), verdict.power
    assert len(verdict.power) < 160
    assert not re.search(r"\d\.\d{3}", verdict.power)


def test_the_line_is_of_what_a_rule_still_needs():
    manifest = made_plan(5, "[xy, exp2d, j0]")
    tables = [
        made_table(manifest, EQUAL, noise=noise, task=task)
        for task, noise in (("xy", 0.2), ("exp2d", 0.5), ("j0", 1))
    ]
    runs = runs_of(manifest, pd.concat(tables, ignore_index=True))
    one, three = (verdict_on(runs, **LOSS, at_least=at_least) for at_least in (1, 3))
    assert " on xy would need" in one.power
    assert " on j0 would need" in three.power


RULES = """
decide:
  - {claim: better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
  - {claim: alike, quantity: test_loss, sides: [kan, mlp], within: 1.5, at_least: 1}
  - {claim: faster, quantity: exponent, sides: [kan, mlp], threshold: 0, at_least: 1}
"""


def test_from_records_a_rule_is_foreseen_by_the_spread_of_its_replicates():
    manifest = made_plan(12, more=RULES)
    table = made_table(manifest, EQUAL, noise=0.5)
    pilot = table[table["seed"] < 5]
    better, alike, faster = foresee(manifest, (pilot, pilot))
    logs = np.log(pilot[pilot["asked"] == 2000].pivot_table("test_loss", "seed", "arm"))
    spread = (logs["mlp"] - logs["kan"]).std(ddof=1)

    assert (better.source, better.replicates) == ("records of 5 replicates", 12)
    assert better.numbers[0].spread == pytest.approx(spread)
    (number,) = better.numbers
    half = t.isf(0.025, 11) * spread / math.sqrt(12)
    assert number.half_width == pytest.approx(math.exp(half))
    assert number.replicates_needed == replicates_needed(spread, MATTERS, 0.95)
    assert better.sentence.startswith("a difference of 10 % would need ")
    assert alike.numbers[0].spread == pytest.approx(spread)
    assert faster.numbers[0].spread < spread
    assert foresee(manifest, (pilot, pilot), replicates=6)[0].replicates == 6


def test_from_a_noise_a_ratio_of_losses_is_foreseen_and_no_exponent():
    manifest = made_plan(12, more=RULES)
    better, _, faster = foresee(manifest, None, noise=0.05)
    assert better.source == "a declared noise of 0.05"
    assert better.numbers[0].spread == pytest.approx(0.05 * math.sqrt(2))
    assert (
        better.sentence
        == "the planned 12 replicates show a difference of 10 % in 80 % of experiments"
    )
    assert faster.numbers[0].spread is None
    assert faster.sentence.startswith(
        "only a pilot says how far replicates differ in exponent: train"
    )
    assert faster.numbers[0].why == faster.sentence


def test_a_rule_that_its_records_decide_needs_no_more():
    manifest = made_plan(12, more=RULES)
    table = made_table(manifest, {"kan": power(1, 1.0), "mlp": power(9, 1.0)})
    for recorded, decided_as in ((12, "supported"), (4, None)):
        (better, *_) = foresee(manifest, (table[table["seed"] < recorded],) * 2)
        assert better.decided == decided_as
        assert ("already decided: supported" in better.sentence) == (decided_as is not None)


def test_one_planned_seed_has_no_interval_to_foresee():
    with pytest.raises(HarnessError, match=r"seeds: \[0\] is one seed, which has no interval"):
        foresee(made_plan(1, more=RULES), None, noise=0.3)


RULES_OF_FILE = """
decide:
  - {claim: is better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
  - {claim: scales faster, quantity: exponent, sides: [kan, mlp], threshold: 0, at_least: 1}
  - {claim: needs less, quantity: multiplier, sides: [kan, mlp], threshold: 1, at_least: 1}
"""


@pytest.fixture
def here(here, monkeypatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    write_experiment(here, RULES_OF_FILE)
    said("plan", "experiments/made.yaml")
    return here


def _rules(*arguments: str) -> list[dict]:
    return json_of("power", "experiments/made.yaml", *arguments)["rules"]


_write_pilot = partial(write_records, seeds=2, sd=0.2, alphas={"kan": 1.0, "mlp": 1.0})


def test_without_records_and_without_noise_there_are_two_next_moves(here):
    told = said("power", "experiments/made.yaml", exit_code=2)
    for move in (
        "train a pilot (`harness run FILE`",
        "declare `noise: 0.3`",
        "for once, give --noise",
    ):
        assert move in told
    write_experiment(here, rules="")
    assert "it has no `decide:`" in said("power", "experiments/made.yaml", exit_code=2)


def test_a_pilot_of_two_seeds_is_enough(here):
    _write_pilot(here)
    (
        here
        / "results"
        / "runs"
        / f"{read_manifest(here / 'results' / 'made').runs[0].run_id}.json"
    ).unlink()
    part = said("power", "experiments/made.yaml", exit_code=2)
    assert "no two seeds have all of their records" in " ".join(part.split())
    _write_pilot(here)
    few, many = _rules(), _rules("--replicates", "12")
    shown = said("power", "experiments/made.yaml")
    said("keep", "experiments/made.yaml")
    shutil.rmtree(here / "results" / "runs")
    assert _rules() == few
    assert [one["replicates"] for one in (few[0], many[0])] == [3, 12]
    (of_few,), (of_many,) = few[0]["numbers"], many[0]["numbers"]
    assert of_many["half_width"] < of_few["half_width"]
    assert of_few["replicates_needed"] == of_many["replicates_needed"]
    assert "1. “is better” (from records of 2 replicates): a difference of 10 % would need" in shown
    assert "`harness power experiments/made.yaml` says" in said("plan", "experiments/made.yaml")


def test_noise_in_the_file_is_taken_and_told_by_the_plan(here):
    path = here / "experiments" / "made.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "noise: 0.1\n", encoding="utf-8")
    planned = said("plan", "experiments/made.yaml", "--replan")
    of_file = _rules()
    _write_pilot(here)
    assert (
        "`harness power experiments/made.yaml` says how many replicates the rules need" in planned
    )
    for options, named in (
        (("--scale", "short"), "experiments/made.yaml --scale short"),
        (("--results", "r2"), "r2/made"),
        (("--scale", "short", "--set", "noise=0.2"), "results/made-short+noise=0.2"),
    ):
        assert f"`harness power {named}` says" in said("plan", "experiments/made.yaml", *options)
        said("power", *named.split())
    sources = [one["source"] for one in (of_file[0], _rules()[0], _rules("--noise", "0.5")[0])]
    assert sources == [
        "a declared noise of 0.1",
        "records of 2 replicates",
        "a declared noise of 0.5",
    ]
