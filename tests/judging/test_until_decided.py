"""`harness run --until-decided`, end to end: seeds are added while a rule is open."""

import json
from pathlib import Path

import pytest
from commands import said as harness
from made_open import open_experiment

from harness.spec import read_manifest

FILE = "tiny.yaml"


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    Path(FILE).write_text(open_experiment(seeds=7, looks=[3, 5, 7]), encoding="utf-8")


def records() -> set[str]:
    return {path.stem for path in Path("results/runs").glob("*.json")}


def numbers() -> list[dict]:
    return json.loads(Path("results/tiny/answer.json").read_text(encoding="utf-8"))["verdicts"]


def test_replicates_are_added_while_a_rule_is_open(here):
    """The verdicts are the same after an interruption; test_looks.py says that later replicates change none."""
    text = Path(FILE).read_text(encoding="utf-8")
    Path(FILE).write_text(text.replace("sides: [good, twin], threshold: 1", "sides: [good, twin], within: 1.9"))
    assert "with --until-decided, the first look, at 3 of 7 replicates: 18 runs" in harness("plan", FILE)
    told = harness("run", FILE, "--until-decided", "--workers", "1")
    manifest, asked_for, judged = read_manifest(Path("results/tiny")), records(), numbers()

    assert "first look, at 3 of 7 replicates: 18 of 18 runs to go" in told
    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in told
    assert [verdict["verdict"] for verdict in judged] == ["supported", "supported"]
    assert [verdict["numbers"][0]["look"]["replicates"] for verdict in judged] == [3, 5]
    assert asked_for == manifest.with_seeds(5)

    unasked = "30 of 42 runs; no open rule asks for the other 12"
    for command in ("status", "verdicts"):
        assert unasked in harness(command, FILE)
    assert " at 3 of 7 replicates" in harness("verdicts", FILE, "--json")
    assert json.loads(harness("status", FILE, "--json"))["missing"] == 0

    later = [run for run in asked_for if run not in manifest.with_seeds(3)]
    lost = Path("results/runs") / f"{later[0]}.json"
    whole = lost.read_text(encoding="utf-8")
    lost.write_text(whole.replace('"test_rmse": 0.', '"test_rmse": 0.1'), encoding="utf-8")
    told = json.loads(harness("status", FILE, "--json", exit_code=3))
    assert (told["missing_ids"], told["states"]["damaged"]) == ([lost.stem], 1)
    assert "trains them" not in harness("status", FILE, exit_code=3)
    lost.unlink()
    harness("status", FILE, exit_code=3)
    assert "are wanted by now have no record" in harness("report", FILE, exit_code=3)
    between_looks = harness("verdicts", FILE)
    assert "harness run tiny.yaml --until-decided" in between_looks
    judged_now = json.loads(harness("verdicts", FILE, "--json").splitlines()[0])["experiments"][0]["verdicts"]
    assert [verdict["verdict"] for verdict in judged_now] == ["supported", "open"]
    assert unasked in harness("run", FILE, "--until-decided", "--workers", "1")
    assert (records(), numbers()) == (asked_for, judged)


def test_what_no_rule_asks_for_is_not_cancelled(here):
    harness("plan", FILE)
    assert harness("cancel", FILE, "--yes") == "cancelled: 18 runs\n"
    assert json.loads(harness("status", FILE, "--json", exit_code=3))["states"] == {"planned": 24, "cancelled": 18}
    assert "to submit: 18 runs" in harness("retry", FILE, "--cause", "cancelled", "--local", "1", "--dry-run")
    assert "no run of tiny that fits" in harness("cancel", FILE, "--where", "seed=6", "--yes", exit_code=2)


def test_a_file_without_looks_is_told_what_to_add(here):
    Path(FILE).write_text(open_experiment(seeds=7, looks=[]), encoding="utf-8")
    for command in (("run", FILE), ("submit", FILE, "--local", "1")):
        assert "add after how many replicates, as in `looks: [8, 12, 16]`" in harness(
            *command, "--until-decided", exit_code=2
        )
    assert not Path("results").exists()


@pytest.mark.nightly
def test_a_submission_sends_what_is_wanted_now(here):
    submit = ("submit", FILE, "--until-decided", "--local", "1", "--yes")
    assert "18 runs in" in harness(*submit)
    assert "“twins differ” is open; the next look is at 5 of 7 replicates" in harness(*submit)
    harness(*submit)
    last = harness(*submit)
    assert "no rule asks for more replicates" in last
    assert "nothing to submit; `harness run FILE --until-decided` fits, draws and reports" in last
