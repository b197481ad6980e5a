"""`harness verdicts`: judged by the frozen plan, told where there is nothing to judge, kept."""

import json
import re
from contextlib import chdir
from pathlib import Path
from typing import get_args

import pandas as pd
import pytest
from commands import invoke, json_of, said
from judging import made_experiment
from judging.made_experiment import RULES, write_records

from harness.base.json_text import FORMAT, write_json
from harness.judging.verdict import NOT_RUN, Outcome
from harness.record import store
from harness.show.console import Terminal
from harness.show.pages.verdicts import keep_verdicts
from harness.show.tables.verdicts import rules_table


def write_experiment(folder: Path, rules: str = RULES) -> None:
    """Of four sizes, the fewest that a rule on an exponent takes: so a page takes few seconds."""
    made_experiment.write_experiment(folder, rules, "[30, 80, 200, 500]")


@pytest.fixture
def here(here, monkeypatch) -> Path:
    monkeypatch.setenv("COLUMNS", "200")
    write_experiment(here)
    return here


def _verdicts(*arguments: str) -> list[dict]:
    return json_of("verdicts", *arguments)["experiments"]


def test_before_anything_ran_every_rule_is_not_run(here):
    (before,) = _verdicts()
    invoke("plan", "experiments/made.yaml")
    write_records(here, leave_out=5)
    (part,) = _verdicts()
    assert [one["verdict"] for one in before["verdicts"]] == ["not run"] * 2
    assert (before["why"], before["command"]) == (
        "no plan, no runs",
        "harness run experiments/made.yaml",
    )
    assert [one["verdict"] for one in part["verdicts"]] == ["not run"] * 2
    assert part["why"] == "5 of 24 runs have no record"


def test_runs_of_every_seed_are_waited_for_when_seeds_are_an_axis(here):
    file = here / "experiments" / "made.yaml"
    file.write_text(
        f"{file.read_text(encoding='utf-8')}grid: {{seeds: [[0, 1, 2], [3]]}}\n", encoding="utf-8"
    )
    invoke("plan", "experiments/made.yaml")
    write_records(here, leave_out=1, seeds=4)
    assert [one["why"] for one in _verdicts()] == ["1 of 32 runs have no record"]


def test_a_folder_of_set_fields_is_of_no_scale(here):
    """Its name does not say which values were set, so the next move names no file; the folder of a
    scale does.
    """
    for options in (("--scale", "short"), ("--scale", "short", "--set", "seeds=[4]")):
        invoke("plan", "experiments/made.yaml", *options)
    ((of_scale,), (of_set,)) = (
        _verdicts(f"results/{name}") for name in ("made-short", "made-short+seeds=4")
    )
    assert of_scale["command"] == "harness run experiments/made.yaml --scale short"
    assert of_set["command"] == "harness run FILE"


@pytest.fixture
def whole(here) -> Path:
    """The same with all records."""
    invoke("plan", "experiments/made.yaml")
    write_records(here)
    return here


def test_all_runs_there_the_rules_are_judged(whole, monkeypatch):
    read = []
    monkeypatch.setattr(
        store, "_checked", lambda path, real=store._checked: (read.append(path), real(path))[1]
    )
    (answer,) = _verdicts("experiments/made.yaml")

    assert len(read) == len(set(read)) == 24
    assert [one["verdict"] for one in answer["verdicts"]] == ["supported"] * 2
    assert answer["notes"] == [
        "24 of 24 records do not say which code computed them: they are older",
        "24 of 24 records come from a checkout with changes that were not committed",
    ]
    assert answer["commits"] == ["c0ffee" * 6 + "c0ff (dirty)"]
    assert _verdicts("results/made") == [answer | {"file": "experiments/made.yaml"}]
    with chdir("results/made"):
        assert _verdicts(".")[0]["verdicts"] == answer["verdicts"]
    shown = invoke("verdicts").output
    assert "the first scales faster" in shown
    for verdict in answer["verdicts"]:
        assert verdict["numbers"][0]["words"] in re.sub(r"\s+", " ", shown)
    page = (whole / "results" / "verdicts.html").read_text(encoding="utf-8")
    assert "the first is better" in page
    assert not re.search(r'(src|href)="http', page)
    explained = {
        word.lower() for word in re.findall(r"<strong>(.+?)</strong>", page.partition("<form")[0])
    }
    assert explained >= {*get_args(Outcome), NOT_RUN}


def test_an_analysis_shows_one_progress_bar(whole, monkeypatch):
    begun = []
    steps = Terminal.steps
    monkeypatch.setattr(
        Terminal, "steps", lambda terminal, what: (begun.append(what), steps(terminal, what))[1]
    )
    for command in ("fit", "report"):
        said(command, "experiments/made.yaml")
        assert begun == ["analysis"], command
        begun.clear()


def test_a_rule_that_was_changed_after_the_plan_is_judged_as_it_was_frozen(whole):
    write_experiment(whole, RULES.replace("threshold: 0,", "threshold: 9,"))
    (answer,) = _verdicts()
    assert answer["verdicts"][0]["decide"]["threshold"] == 0
    assert answer["verdicts"][0]["verdict"] == "supported"
    assert "judged by the plan as it was frozen" in answer["notes"][0]
    assert "it differs in: decide" in answer["notes"][0]


def test_rules_that_the_plan_has_not_are_no_rules_yet(here):
    write_experiment(here, rules="")
    said("plan", "experiments/made.yaml")
    write_experiment(here)
    told = said("verdicts", "experiments/made.yaml", exit_code=2)
    assert "`harness run experiments/made.yaml --replan` takes it in" in " ".join(told.split())


def test_a_scale_has_its_own_plan(whole):
    (short,) = _verdicts("--scale", "short")
    assert (short["name"], short["command"]) == (
        "made-short",
        "harness run experiments/made.yaml --scale short",
    )
    none = said("verdicts", "--scale", "shrt", exit_code=2)
    assert "no file with a `decide:` and a scale shrt here" in none
    assert "did you mean 'short'?" in said(
        "verdicts", "experiments/made.yaml", "--scale", "shrt", exit_code=2
    )


def test_a_folder_has_one_scale(whole):
    told = said("verdicts", "results/made", "--scale", "short", exit_code=2)
    assert (
        "--scale short: results/made is a results folder, which holds the plan of one scale" in told
    )


def test_a_damaged_record_is_named_and_the_command_fails_in_the_end(whole):
    record = next((whole / "results" / "runs").glob("*.json"))
    record.write_text(record.read_text().replace('"evaluations": 100', '"evaluations": 1'))
    done = invoke("verdicts", "--json")
    (answer,) = json.loads(done.stdout)["experiments"]
    assert done.exit_code == 3
    assert record.stem in answer["why"]
    assert [one["verdict"] for one in answer["verdicts"]] == ["not run"] * 2


def test_verdicts_that_cannot_be_written_are_shown(whole):
    (whole / "results" / "verdicts.json").mkdir()
    done = invoke("verdicts", "experiments/made.yaml")
    assert done.exit_code == 2
    assert "the first scales faster" in done.stdout
    assert "verdicts.json: Is a directory" in done.stderr


def test_what_makes_the_table_is_kept(whole):
    kept, answer = (whole / "results" / name for name in ("verdicts", "made/answer.json"))
    answer.write_text('{"verdicts": []}', encoding="utf-8")  # as after new records
    assert invoke("verdicts", "--keep").exit_code == 0
    (kept / "made" / "beliefs-mess3.png").write_bytes(
        b"a picture of `harness observe`, which this cannot make"
    )
    (kept / "made" / "compare_seconds.png").write_bytes(b"a figure of an earlier answer")
    assert invoke("verdicts", "--keep").exit_code == 0
    made = json.loads((kept / "made" / "answer.json").read_text(encoding="utf-8"))
    assert made["verdicts"] == _verdicts()[0]["verdicts"]
    assert {str(path.relative_to(kept)) for path in kept.rglob("*") if path.is_file()} == {
        *("README.md", "verdicts.html", "verdicts.json"),
        *("made/verdicts.json", "made/runs.csv.xz", "made/records.jsonl.xz"),
        *("made/answer.json", "made/answer.png", "made/scaling.png", "made/beliefs-mess3.png"),
    }
    runs = pd.read_csv(kept / "made" / "runs.csv.xz")
    assert len(runs) == 24
    assert {"test_loss", "params.trainable", "flops_train.local_min"} <= set(runs)
    assert "| the first is better | **supported** | per parameter |  |" in (
        kept / "README.md"
    ).read_text(encoding="utf-8")
    runs.assign(seconds=1.0, seconds_on="another machine").to_csv(
        kept / "made" / "runs.csv.xz", index=False
    )
    output = said("verdicts", "--keep", exit_code=2)
    assert (
        "runs.csv.xz has the seconds of runs on another machine. Keeping would drop them" in output
    )
    assert set(pd.read_csv(kept / "made" / "runs.csv.xz")["seconds_on"]) == {"another machine"}


def test_a_plan_of_another_folder_is_kept_by_naming_that_folder(whole):
    (whole / "results").rename(whole / "other")
    told = said("verdicts", "other/made", "--keep", exit_code=2)
    assert (
        "--keep: other/made is not in results; name the folder that it is in by --results" in told
    )
    assert not (whole / "results").exists()


def test_what_an_open_rule_would_need_is_told_wherever_it_stands(here):
    fields = "quantity: exponent, sides: [kan, mlp], threshold: 0.4, matters: 0.03, at_least: 1"
    write_experiment(here, f"decide:\n  - {{claim: by 0.4, {fields}}}\n")
    invoke("plan", "experiments/made.yaml")
    write_records(here)
    (answer,) = _verdicts("--keep")
    kept = here / "results" / "verdicts"
    line = answer["verdicts"][0]["power"]
    shown, explained = (
        invoke("verdicts").output,
        invoke("run", "experiments/made.yaml", "--explain").output,
    )
    pages = [
        here / "results" / "verdicts.html",
        kept / "verdicts.html",
        here / "results" / "made" / "report.html",
    ]

    assert answer["verdicts"][0]["verdict"] == "open"
    assert line.startswith("a difference of 0.03 would need")
    assert line[2:] in re.sub(r"\s+", " ", explained)
    assert "A difference of 0.03" in shown  # in a narrow column
    for page in pages:
        assert f"A {line[2:]}." in page.read_text(encoding="utf-8")
    assert f"- by 0.4: A {line[2:]}." in (kept / "README.md").read_text(encoding="utf-8")
    for path in (kept / "made" / "verdicts.json", kept / "verdicts.json"):
        path.write_text(
            path.read_text(encoding="utf-8").replace('"power":', '"older":'), encoding="utf-8"
        )
    assert invoke("verdicts", "--keep").exit_code == 0


def test_a_reason_that_several_tasks_have_is_told_once():
    """As of the rules about exponents: on three toys few networks win along the curves."""
    kept = Path(__file__).parents[2] / "results" / "verdicts" / "toys-evening" / "verdicts.json"
    found = [
        str(row.cells[2])
        for row in rules_table(json.loads(kept.read_text(encoding="utf-8"))["verdicts"]).rows
    ]
    assert max(words.count("its points are copies") for words in found) == 1


def test_nothing_to_judge_or_to_keep_is_an_answer(here):
    assert "nothing to keep" in said("verdicts", "--keep", exit_code=3)
    write_experiment(here, rules="")
    assert "it has no `decide:`" in said("verdicts", "experiments/made.yaml", exit_code=2)
    assert "no file with a `decide:` here" in said("verdicts", exit_code=2)
    assert "No such file" in said("verdicts", "experiments/maid.yaml", exit_code=2)


def test_what_an_earlier_format_kept_stays_and_is_named(tmp_path):
    kept = tmp_path / "verdicts"
    answer = {
        "question": "Which is better?",
        "commits": [],
        "runs": 3,
        "diverged": 0,
        "notes": [],
        "verdicts": [],
    }
    for name, written in (("earlier", 1), ("before", 2), ("now", FORMAT)):
        (kept / name).mkdir(parents=True)
        path = write_json(
            {**answer, "name": name, "file": f"{name}.yaml", "why": ""},
            kept / name / "verdicts.json",
        )
        path.write_text(path.read_text().replace(f'"format": {FORMAT}', f'"format": {written}'))
    before = (kept / "earlier" / "verdicts.json").read_bytes()
    keep_verdicts([], tmp_path, kept)
    readme, page = ((kept / name).read_text() for name in ("README.md", "verdicts.html"))
    assert (
        "because their rules are of an earlier version: [earlier](earlier/verdicts.json)." in readme
    )
    assert "[now](now/verdicts.json)" in readme
    assert "now.yaml" in page
    assert "before.yaml" in page
    assert "earlier.yaml" not in page
    assert (kept / "earlier" / "verdicts.json").read_bytes() == before
