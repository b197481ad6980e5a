"""Rules of replays: from made records to verdicts, and to their rows on the page, in the JSON and in what is kept."""

import json

import pytest
from reading import PEAKS, runs_in_phases

from harness.base.errors import HarnessError
from harness.base.plain import plain
from harness.judging.judge import judge_all
from harness.judging.verdict import not_run
from harness.paper.replay import REPLAYS, Made, write_page
from harness.paper.replay.page import keep
from harness.planning.plan import make_plan
from harness.spec import parse_experiment

RULED = (
    PEAKS
    + """decide:
  - {claim: "17: it forgets less", quantity: forgetting, sides: [paper, mlp], threshold: 1, at_least: 1}
  - {claim: "17: MLPs keep it", quantity: forgetting, sides: [mlp], most: 2, at_least: 1}
  - {claim: "17: it is learnt", quantity: error_in_the_end, sides: [paper], published: 4.0e-6, within: 1.5, at_least: 1}
"""
)


def _errors(arm: str, seed: int) -> list[list[float]]:
    """The KAN ends with the errors that it had, 4e-6; the MLP forgets the first a hundredfold or more."""
    return [[4e-6, 1.0], [4e-6, 4e-6]] if arm == "paper" else [[0.01, 1.0], [2.0 + seed, 0.01]]


def test_verdicts_on_made_records_are_rows_of_the_page_and_of_what_is_kept(tmp_path):
    runs = runs_in_phases(RULED, _errors)
    verdicts = [plain(verdict) for verdict in judge_all(runs.manifest, runs.table)]
    folder = tmp_path / "made"
    folder.mkdir()

    write_page(runs, REPLAYS["fig3_4_forgetting"], Made("harness replay x", "full", {}, {}), verdicts, folder)
    kept = keep(folder, runs.table, tmp_path / "kept")

    assert [one["verdict"] for one in verdicts] == ["supported", "refuted", "supported"]
    page = (folder / "replay.html").read_text(encoding="utf-8")
    shown = page.partition('<section id="verdicts"')[2].partition("</section>")[0]
    listed = (kept.parent / "README.md").read_text(encoding="utf-8")
    facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
    assert facts["verdicts"] == verdicts
    for one in verdicts:
        assert shown.count(one["claim"]) == 2  # in the table, and over its rule
        assert f"| {one['claim']} | " in listed
        assert one["numbers"][0]["words"] in listed
    assert "2 supported" in (kept.parent / "index.html").read_text(encoding="utf-8")


def test_rules_of_a_part_of_the_runs_are_shown_and_not_judged(tmp_path):
    runs = runs_in_phases(RULED, _errors)
    verdicts = plain([not_run(rule) for rule in runs.manifest.experiment.decide])
    write_page(runs, REPLAYS["fig3_4_forgetting"], Made("x", "full", {}, {"mlp": 1}), verdicts, tmp_path)
    page = (tmp_path / "replay.html").read_text(encoding="utf-8")
    assert "“17: MLPs keep it”: not run." in page


def test_a_rule_may_name_a_series_that_is_planned():
    grid = "grid: {recipes.lbfgs.optimizer.history: [5, 10], recipes.lbfgs.phases: [2, null]}"
    text = RULED.replace("grid: {recipes.lbfgs.phases: [2, null]}", grid)
    for wrong, said in (("paper history=6", "did you mean 'paper history="), ("papre history=5", "is not defined")):
        with pytest.raises(HarnessError, match=said):
            make_plan(parse_experiment(text.replace("sides: [paper, mlp]", f"sides: [{wrong}, mlp]")), "peaks")
