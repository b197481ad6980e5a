"""Rules that are judged after more and more replicates, and `harness run --until-decided`, end to
end.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import said
from judging.made_runs import made_plan, made_rule, made_table, power
from made_open import open_experiment
from scipy.stats import t

from harness.comparison.replicates import ratio_over
from harness.judging.headline import headline
from harness.judging.judge import judge, judge_all, outcome
from harness.judging.runs import level_over, looks_at, runs_of
from harness.judging.versus import Side
from harness.show.tables.headline import console_lines
from harness.spec.manifest import read_manifest

LOOKS = (3, 5, 8)
RULES = """
decide:
  - {claim: better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 2}
  - {claim: faster, quantity: exponent, sides: [kan, mlp], threshold: 0, at_least: 1}
"""
TASKS = "[xy, exp2d]"
LAWS = {"kan": power(1, 1.0), "mlp": power(1.5, 1.0)}


def looked(looks=LOOKS):
    return made_plan(8, TASKS, RULES + (f"looks: {list(looks)}\n" if looks else ""))


def of_seeds(table, number):
    return table[table["seed"] < number]


def test_the_looks_share_the_error_by_the_replicates_that_they_add():
    looks = looks_at(0.95, (5, 8, 12, 16))
    assert [(look.replicates, look.of) for look in looks] == [(5, 16), (8, 16), (12, 16), (16, 16)]
    assert [1 - look.level for look in looks] == pytest.approx(
        [0.05 * added / 16 for added in (5, 3, 4, 4)]
    )
    wider = [
        t.isf((1 - look.level) / 2, look.replicates - 1) / t.isf(0.025, look.replicates - 1)
        for look in looks
    ]
    assert (wider[0], wider[-1]) == pytest.approx(
        (1.45, 1.33), abs=0.005
    )  # as docs/verdicts.md says
    assert looks_at(0.99, (7,))[0].level == pytest.approx(0.99)


@pytest.mark.nightly
@pytest.mark.parametrize("spread", [0.2, 2.0])
def test_a_ratio_of_equal_sides_is_decided_at_any_look_as_seldom_as_the_level_says(spread):
    """Of 2,000 experiments 5 % and two standard errors; looks that do not share the error decide
    far more.
    """
    rng, rule = np.random.default_rng(0), made_rule(quantity="test_loss", threshold=1)
    shared = looks_at(0.95, (5, 8, 12, 16))
    unadjusted = [replace(look, level=0.95) for look in shared]
    wrong = {"shared": 0, "unadjusted": 0}
    for gaps in rng.normal(0, spread, (2000, 16)):
        for way, looks in (("shared", shared), ("unadjusted", unadjusted)):
            outcomes = (
                outcome(rule, ratio_over(gaps[: look.replicates], look.level)) for look in looks
            )
            decided = next((one for one in outcomes if one != "open"), "open")
            wrong[way] += decided in ("supported", "refuted")
    assert wrong["shared"] / 2000 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 2000)
    assert wrong["unadjusted"] > 2 * wrong["shared"]


def test_a_look_reads_its_replicates_at_its_level():
    manifest = looked()
    table = made_table(manifest, {"kan": power(1, 1.0), "mlp": power(1, 1.0)}, noise=0.5)
    for verdict in judge_all(manifest, table):
        look = verdict.numbers[0].look
        assert look in looks_at(verdict.interval_level, LOOKS)
        rule = verdict.decide.model_copy(
            update={"level": look.level, "at_least": 1, "tasks": ("xy",)}
        )
        (alone,) = judge(rule, runs_of(looked(()), of_seeds(table, look.replicates))).numbers
        assert verdict.numbers[0].found == alone.found
        assert f" at {look.replicates} of 8 replicates" in verdict.numbers[0].words


def test_what_a_look_decides_on_a_task_stays_as_it_was_found_there():
    manifest = looked()
    quiet = made_table(manifest, LAWS, noise=0.01, task="xy")
    noisy = made_table(manifest, LAWS, noise=1.0, task="exp2d")
    table = pd.concat([quiet, noisy], ignore_index=True)
    at_first, later = (judge_all(manifest, of_seeds(table, number))[0] for number in (3, 8))
    assert [one.outcome for one in at_first.numbers] == ["supported", "open"]
    assert (at_first.verdict, at_first.waits_for) == ("open", 5)
    assert later.numbers[0] == at_first.numbers[0]
    assert later.numbers[1].look.replicates == 8
    turned = table.assign(test_loss=table["test_loss"].where(table["seed"] < 3, 1.0))
    assert judge_all(manifest, turned)[0].numbers[0] == at_first.numbers[0]


@pytest.mark.parametrize(
    ("recorded", "reached", "later"), [(3, 3, 5), (4, 3, 5), (5, 5, 8), (7, 5, 8), (8, 8, None)]
)
def test_an_open_rule_waits_until_the_replicates_of_its_look_are_recorded(recorded, reached, later):
    manifest = looked()
    table = of_seeds(
        made_table(manifest, {"kan": power(1, 1.0), "mlp": power(1, 1.0)}, noise=1.0), recorded
    )
    verdict = judge_all(manifest, table)[0]
    assert verdict.verdict == "open"
    assert {one.look.replicates for one in verdict.numbers} == {reached}
    assert verdict.waits_for == later


def test_without_looks_and_with_one_look_alone_all_runs_are_judged_at_once():
    table = made_table(looked(()), LAWS, noise=0.5)
    at_once, looked_once = (judge_all(looked(looks), table) for looks in ((), (8,)))
    for one, other in zip(looked_once, at_once, strict=True):
        assert [number.found for number in one.numbers] == [
            number.found for number in other.numbers
        ]
        assert one.count == other.count
        assert other.numbers[0].look is None


@pytest.mark.parametrize("diverged", [0, 1])
def test_the_headline_has_the_level_of_its_look(diverged):
    manifest, plain = looked(), looked(())
    table = made_table(manifest, LAWS)
    lost = (table["arm"] == "kan") & (table["asked"] == 2000) & (table["seed"] == 7)
    table.loc[lost & bool(diverged), "status"] = "diverged"
    sides = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
    levels = [look.level for look in looks_at(0.95, LOOKS)]
    found = headline(runs_of(manifest, table), sides, level=0.95)
    level = levels[-1]
    without = headline(runs_of(plain, table), sides, level=level)

    assert level_over(0.95, LOOKS, 8) == level
    where = ("xy", "params.trainable", "largest")
    assert found.reading(*where).ratio == without.reading(*where).ratio
    assert (found.looks, found.level) == (LOOKS, level)
    assert f"({100 * level:.3g} % intervals;" in " ".join(console_lines(found, [], []))


FILE = "tiny.yaml"


@pytest.fixture
def here(here, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    Path(FILE).write_text(open_experiment(seeds=7, looks=[3, 5, 7]), encoding="utf-8")


def records() -> set[str]:
    return {path.stem for path in Path("results/runs").glob("*.json")}


def numbers() -> list[dict]:
    return json.loads(Path("results/tiny/answer.json").read_text(encoding="utf-8"))["verdicts"]


@pytest.mark.nightly  # test_looks_on_slurm.py has the same
def test_replicates_are_added_while_a_rule_is_open(here):
    """The verdicts are the same after an interruption; test_looks.py says that later replicates
    change none.
    """
    text = Path(FILE).read_text(encoding="utf-8")
    Path(FILE).write_text(
        text.replace("sides: [good, twin], threshold: 1", "sides: [good, twin], within: 1.9")
    )
    assert "with --until-decided, the first look, at 3 of 7 replicates: 18 runs" in said(
        "plan", FILE
    )
    told = said("run", FILE, "--until-decided", "--workers", "1")
    manifest, asked_for, judged = read_manifest(Path("results/tiny")), records(), numbers()

    assert "first look, at 3 of 7 replicates: 18 of 18 runs to go" in told
    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in told
    assert [verdict["verdict"] for verdict in judged] == ["supported", "supported"]
    assert [verdict["numbers"][0]["look"]["replicates"] for verdict in judged] == [3, 5]
    assert asked_for == manifest.with_seeds(5)

    unasked = "30 of 42 runs; no open rule asks for the other 12"
    for command in ("status", "verdicts"):
        assert unasked in said(command, FILE)
    assert " at 3 of 7 replicates" in said("verdicts", FILE, "--json")
    assert json.loads(said("status", FILE, "--json"))["missing"] == 0

    later = [run for run in asked_for if run not in manifest.with_seeds(3)]
    lost = Path("results/runs") / f"{later[0]}.json"
    whole = lost.read_text(encoding="utf-8")
    lost.write_text(whole.replace('"test_rmse": 0.', '"test_rmse": 0.1'), encoding="utf-8")
    told = json.loads(said("status", FILE, "--json", exit_code=3))
    assert (told["missing_ids"], told["states"]["damaged"]) == ([lost.stem], 1)
    assert "trains them" not in said("status", FILE, exit_code=3)
    lost.unlink()
    said("status", FILE, exit_code=3)
    assert "are wanted by now have no record" in said("report", FILE, exit_code=3)
    between_looks = said("verdicts", FILE)
    assert "harness run tiny.yaml --until-decided" in between_looks
    judged_now = json.loads(said("verdicts", FILE, "--json").splitlines()[0])["experiments"][0][
        "verdicts"
    ]
    assert [verdict["verdict"] for verdict in judged_now] == ["supported", "open"]
    assert unasked in said("run", FILE, "--until-decided", "--workers", "1")
    assert (records(), numbers()) == (asked_for, judged)


def test_what_no_rule_asks_for_is_not_cancelled(here):
    said("plan", FILE)
    assert said("cancel", FILE, "--yes") == "cancelled: 18 runs\n"
    assert json.loads(said("status", FILE, "--json", exit_code=3))["states"] == {
        "planned": 24,
        "cancelled": 18,
    }
    assert "to submit: 18 runs" in said(
        "retry", FILE, "--cause", "cancelled", "--local", "1", "--dry-run"
    )
    assert "no run of tiny that you chose" in said(
        "cancel", FILE, "--where", "seed=6", "--yes", exit_code=2
    )


def test_a_file_without_looks_is_told_what_to_add(here):
    Path(FILE).write_text(open_experiment(seeds=7, looks=[]), encoding="utf-8")
    for command in (("run", FILE), ("submit", FILE, "--local", "1")):
        told = said(*command, "--until-decided", exit_code=2)
        assert "add after how many replicates, as in `looks: [8, 12, 16]`" in told
    assert not Path("results").exists()


@pytest.mark.nightly
def test_a_submission_sends_what_is_wanted_now(here):
    submit = ("submit", FILE, "--until-decided", "--local", "1", "--yes")
    assert "18 runs in" in said(*submit)
    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in said(*submit)
    said(*submit)
    last = said(*submit)
    assert "no rule asks for more replicates" in last
    assert "nothing to submit; `harness run FILE --until-decided` fits, draws and reports" in last
