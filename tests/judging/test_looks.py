"""Rules that are judged after more and more seeds.

pytest tests/judging/test_looks.py
"""

from dataclasses import replace
from itertools import pairwise

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from judging.made_looks import LOOKS, asked_for, looked_plan, made_looked_table, only
from scipy.stats import t

from harness.judging.headline import headline
from harness.judging.headline import to_json as headline_json
from harness.judging.judge import judge, judge_all, judge_looks, to_json, wanted
from harness.judging.kept import keeping
from harness.judging.looks import level_over, looks_at
from harness.judging.runs import runs_of
from harness.judging.versus import Side
from harness.show.tables.headline import console_lines


@pytest.fixture(scope="module", autouse=True)
def kept_fits(tmp_path_factory):
    """Laws of the same runs are fitted once."""
    with keeping(tmp_path_factory.mktemp("kept")):
        yield


def test_the_looks_share_the_error_by_the_seeds_that_they_add():
    looks = looks_at(0.95, (5, 8, 12, 16))

    assert [(look.seeds, look.of) for look in looks] == [(5, 16), (8, 16), (12, 16), (16, 16)]
    assert [1 - look.level for look in looks] == pytest.approx([0.05 * added / 16 for added in (5, 3, 4, 4)])
    wider = [t.isf((1 - look.level) / 2, look.seeds - 1) / t.isf(0.025, look.seeds - 1) for look in looks]
    assert (wider[0], wider[-1]) == pytest.approx((1.45, 1.33), abs=0.005)  # as docs/verdicts.md says
    assert looks_at(0.99, (7,))[0].level == pytest.approx(0.99)


@settings(max_examples=3)
@given(st.sampled_from([1.0, 1.3, 2.0]), st.integers(0, 3), st.data())
def test_a_verdict_hangs_on_the_wanted_runs_alone(ratio, seed, data):
    """What is wanted grows until nothing is added; whatever other runs have records, verdicts and wants stay."""
    manifest = looked_plan()
    table = made_looked_table(manifest, ratio=ratio, seed=seed)
    steps = asked_for(manifest, table)
    every = set(manifest.run_ids())
    unwanted = sorted(every - steps[-1])
    more = data.draw(st.sets(st.sampled_from(unwanted)) if unwanted else st.just(set()))
    found = judge_all(manifest, only(manifest, table, steps[-1]))

    assert steps[0] == manifest.with_seeds(LOOKS[0])
    assert all(before < after for before, after in pairwise(steps))
    assert steps[-1] <= every
    assert not any(verdict.looked.waiting for verdict in found)
    for others in (more, every):
        again = judge_all(manifest, only(manifest, table, steps[-1] | others))
        assert [to_json(verdict) for verdict in again] == [to_json(verdict) for verdict in found]
        assert wanted(manifest, again) == steps[-1]


def test_a_rule_waits_for_what_it_asks_for():
    """One wanted run less, and the rules that read it stand as the look before found them."""
    manifest = looked_plan()
    table = made_looked_table(manifest)
    steps = asked_for(manifest, table)
    lacking = max(steps[-1] - steps[-2])
    before, after = (
        judge_all(manifest, only(manifest, table, run_ids)) for run_ids in (steps[-1] - {lacking}, steps[-1])
    )

    assert len(steps) > 2
    for one, other in zip(before, after, strict=True):
        if one.looked.waiting:
            assert lacking in one.looked.run_ids
            assert one.looked.last.seeds < other.looked.last.seeds
        else:
            assert to_json(one) == to_json(other)
    assert any(one.looked.waiting for one in before)


def test_what_a_look_decides_stays_as_it_was_found_there():
    """A number of the first look is what all rules say of these seeds, at the level of that look."""
    manifest = looked_plan()
    table = made_looked_table(manifest, ratio=2.0)
    first_runs = runs_of(manifest, only(manifest, table, manifest.with_seeds(LOOKS[0])))
    found_at = set()
    for verdict in judge_all(manifest, table):
        for one in (*verdict.numbers, *verdict.given):
            found_at.add(one.look.seeds)
            assert one.look.level == looks_at(verdict.level, LOOKS)[LOOKS.index(one.look.seeds)].level
            if one.outcome != "inconclusive" and one.look.seeds < LOOKS[-1]:
                assert verdict.looked.last.seeds >= one.look.seeds
        at_first = judge(verdict.rule, first_runs)
        for one, other in zip(verdict.numbers, at_first.numbers, strict=True):
            if one.look.seeds == LOOKS[0] and one.found.low is not None:
                assert one.found.estimate == other.found.estimate
                assert one.found.low <= other.found.low  # of a wider level
                assert one.found.high >= other.found.high
    assert found_at == set(LOOKS)


def test_a_later_look_is_told_beside_the_one_that_decided():
    """From runs that other rules asked for: its interval is at the level of its look, and it changes no verdict."""
    manifest = looked_plan()
    table = made_looked_table(manifest, ratio=2.0)
    run_ids = asked_for(manifest, table)[-1]
    verdicts = judge_all(manifest, only(manifest, table, run_ids))
    later = [(verdict, one) for verdict in verdicts for one in (*verdict.numbers, *verdict.given) if one.later]

    assert later
    for verdict, one in later:
        look = looks_at(verdict.level, LOOKS)[LOOKS.index(one.later.look.seeds)]
        assert one.later.look == look
        assert one.look.seeds < look.seeds
        (said,) = [
            said
            for said in (to_json(verdict)["numbers"] + to_json(verdict)["given"])
            if (said["convention"], said["unit"], said["condition"]) == (one.convention, one.unit, one.condition)
        ]
        turned = f" ({one.later.outcome})" if one.later.outcome != one.outcome else ""
        assert said["words"].endswith(f" at {look.seeds}{turned}")
        assert said["later"]["look"]["seeds"] == look.seeds
        with_its_seeds = runs_of(manifest, only(manifest, table, manifest.with_seeds(look.seeds)))
        whole = judge(verdict.rule, with_its_seeds)
        (other,) = [
            other
            for other in (*whole.numbers, *whole.given)
            if (other.convention, other.unit, other.condition) == (one.convention, one.unit, one.condition)
        ]
        assert one.later.found.estimate == other.found.estimate


def test_without_looks_and_with_one_look_alone_all_runs_are_judged_at_once():
    """One look after all seeds has the level of no looks, so that every number is the same to the last bit."""
    plain, looked = looked_plan(()), looked_plan((8,))
    table = made_looked_table(plain)
    at_once = [judge(rule, runs_of(plain, table)) for rule in plain.experiment.decide]

    assert judge_all(plain, table) == at_once
    for one, other in zip(judge_all(looked, table), at_once, strict=True):
        without = [replace(number, look=None) for number in one.numbers]
        assert tuple(without) == other.numbers
        assert one.counts == other.counts
        assert to_json(other)["looked"] is None
        assert to_json(other)["numbers"][0]["look"] is None
    assert (plain.runs, plain.packs) == (looked.runs, looked.packs)


@pytest.mark.parametrize(
    ("rule", "budgets"),
    [
        ("{claim: c, quantity: test_loss, arms: [kan, [mlp, deep]], threshold: 1, at_least: 2}", {500.0, 1000.0}),
        ("{claim: c, quantity: test_loss, arms: [kan, mlp], at: 150.0, threshold: 1, at_least: 2}", {120.0, 250.0}),
        ("{claim: c, quantity: floor, arms: [kan, mlp], threshold: 1, at_least: 2}", {30, 60, 120, 250, 500, 1000}),
    ],
)
def test_seeds_are_added_where_a_number_is_read(rule, budgets):
    """At a size these are the budgets next to it, of all arms of a side; a law needs all of them."""
    manifest = looked_plan(rules=f"decide: [{rule.replace('claim: c', 'claim: c, axis: params.trainable')}]")
    table = made_looked_table(manifest)
    added = asked_for(manifest, table)[-1] - manifest.with_seeds(LOOKS[0])
    cells = [manifest.cells[planned.cell] for planned in manifest.runs if planned.run_id in added]

    assert {cell.asked for cell in cells} == budgets
    assert {cell.arm for cell in cells} == ({"kan", "mlp", "deep"} if "deep" in rule else {"kan", "mlp"})


def test_what_seeds_cannot_decide_asks_for_none():
    """A law of too few sizes asks for sizes."""
    text = "decide: [{claim: f, quantity: exponent, arms: [kan, mlp], threshold: 0, at_least: 2}]"
    manifest = looked_plan(rules=text)
    small = {cell.index for cell in manifest.cells if cell.asked in (30.0, 60.0)}
    table = made_looked_table(manifest)
    few = table[table["cell"].isin(small)]
    _, (verdict,) = judge_looks(manifest, few)

    assert "TOO_FEW" in verdict.numbers[0].found.refused
    assert not verdict.looked.waiting
    assert verdict.looked.last.seeds == LOOKS[0]


@pytest.mark.parametrize("axis", ["params.trainable", "flops_train.shared_dense"])
def test_runs_that_diverged_early_ask_for_more_seeds(axis):
    """Of more seeds a smaller share may have diverged: at a given size that is so by every count."""
    rule = "{claim: c, quantity: test_loss, arms: [mlp, deep], at: 120.0, threshold: 1, at_least: 1, tasks: [xy]"
    manifest = looked_plan(rules=f"decide: [{rule}, axis: {axis}}}]")
    table = made_looked_table(manifest)
    arms = [manifest.cells[cell].arm for cell in table["cell"]]
    lost = (pd.Series(arms, index=table.index) == "mlp") & (table["seed"] == 7)
    table = table.assign(status=table["status"].mask(lost, "diverged"))
    _, (verdict,) = judge_looks(manifest, only(manifest, table, manifest.with_seeds(LOOKS[0])))

    assert "CENSORED" in verdict.numbers[0].found.refused
    assert verdict.looked.waiting.seeds == LOOKS[1]
    assert "nobody can tell how many seeds it would need" in verdict.power


@pytest.mark.parametrize("diverged", [0, 1])
def test_the_headline_has_the_level_of_its_look(diverged):
    """Over the seeds of a look it is that look's, over fewer the strictest; so all looks together err as one."""
    manifest, plain = looked_plan(), looked_plan(())
    table = made_looked_table(manifest, seed=1)
    table["status"] = "done"
    table["test_loss"] = table["val_loss"] = table["test_loss"].fillna(0.1)
    lost = (table["arm"] == "kan") & (table["asked"] == 1000) & (table["seed"] == 19)
    table.loc[lost & bool(diverged), "status"] = "diverged"
    sides = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
    levels = [look.level for look in looks_at(0.95, LOOKS)]
    found = headline(manifest, runs_of(manifest, table), sides, level=0.95)
    level = max(levels) if diverged else levels[-1]
    without = headline(plain, runs_of(plain, table), sides, level=level)

    assert level_over(0.95, LOOKS, 8 - diverged) == level
    where = ("xy", "params.trainable", "largest")
    assert found.reading(*where).ratio == without.reading(*where).ratio
    assert (found.looks, found.level) == (LOOKS, 0.95)
    assert "95 % intervals over all looks" in " ".join(console_lines(found, [], []))
    assert headline_json(without)["looks"] == []
