"""Intervals hold the truth as often as they say, by the simulations of benchmarks/simulation.py.

What results/fits/coverage.csv keeps is believed for its code, numpy and scipy; otherwise all is
simulated here.
"""

import ast

import pandas as pd
import pytest

from benchmarks import planning, report
from benchmarks.coverage import FOLDER
from benchmarks.fingerprint import ROOT, files_behind, fingerprint, meaning
from benchmarks.simulation import FEW, REPLICATES, SCENARIOS, judged, mean_of, pool, simulate

KEPT = pd.read_csv(ROOT / FOLDER / "coverage.csv")
KEPT["met"] = KEPT["met"].map({"yes": True, "NO": False})
BY_NAME = {scenario.name: scenario for scenario in SCENARIOS}


@pytest.fixture(scope="module")
def stands():
    (kept_by,) = set(KEPT["decided_by"])
    return kept_by == fingerprint("benchmarks.simulation")


@pytest.fixture(scope="module")
def workers():
    with pool() as executor:
        yield executor


def is_accepted(scenario, lines):
    """Whether all scores that must lie in a range do, of 500 replicates or else of 2000 others."""
    assert set(scenario.accepted) <= set(lines["what"])
    assert lines["refused"].max() <= scenario.refused * REPLICATES
    assert lines.loc[lines["met"].eq(False), "what"].tolist() == []


def few_differ_by(name):
    """How far the means of the first five replicates, simulated again, are from those that are
    kept, at most.
    """
    kept = KEPT[KEPT["scenario"] == name].set_index("what")["mean_of_few"].dropna()
    again = mean_of(simulate(BY_NAME[name], range(FEW)))["mean"]
    assert set(again.index) == set(kept.index)
    return (again - kept).abs().max()


@pytest.mark.parametrize("name", BY_NAME)
def test_acceptance(name, stands, request):
    scenario = BY_NAME[name]
    if not (stands or few_differ_by(name) < 1e-6):
        is_accepted(scenario, judged(scenario, request.getfixturevalue("workers")))
        return
    lines = KEPT[KEPT["scenario"] == name]
    is_accepted(scenario, lines)
    assert (lines["replicates"].max() + lines["refused"].max()) == REPLICATES
    ranges = lines.set_index("what").loc[list(scenario.accepted), ["accepted_low", "accepted_high"]]
    assert ranges.to_numpy().tolist() == [
        list(accepted[:2]) for accepted in scenario.accepted.values()
    ]


@pytest.mark.nightly
@pytest.mark.parametrize("name", BY_NAME)
def test_what_is_kept_is_of_this_code(name, stands):
    if not stands:
        pytest.skip("nothing is kept for this code: python -m benchmarks.coverage")
    assert few_differ_by(name) < 1e-6


@pytest.mark.nightly
@pytest.mark.parametrize("name", BY_NAME)
def test_acceptance_simulated(name, workers):
    is_accepted(BY_NAME[name], judged(BY_NAME[name], workers))


def test_the_hash_covers_what_decides_the_numbers():
    """Laws, intervals and comparisons, the made-up arms and the scores; neither verdicts nor the
    page.
    """
    files = files_behind("benchmarks.simulation")

    of_simulations = {
        "benchmarks.arms",
        "benchmarks.simulation",
        "harness.laws.profile",
        "harness.comparison.multiplier",
    }
    assert of_simulations <= set(files)
    assert {"benchmarks.coverage", "harness.comparison.verdict", "harness.laws.isoflop"}.isdisjoint(
        files
    )


def test_only_meaning_counts_in_the_hash():
    code = 'def half(x):\n    """Half of x."""\n    return x / 2\n'
    same = "# of two\ndef half(x: float) -> float:\n    return (\n        x / 2)\n"
    assert meaning(ast.parse(code)) == meaning(ast.parse(same))
    assert meaning(ast.parse(code)) != meaning(ast.parse(code.replace("2", "3")))


def test_rows_that_stay_keep_their_commit(tmp_path, monkeypatch):
    """A part of results/fits/planning.md that is made anew has today's commit, the others have
    theirs.
    """
    old = pd.DataFrame(
        [{"part": part, "scenario": "", "what": "", "found": "1", "commit": "abc"} for part in "ab"]
    )
    old.assign(accepted="", met="", date="then").to_csv(tmp_path / "planning.csv", index=False)
    made = {"b": lambda replicates: iter([planning.Score("b", "", "", 0.0, 1.0, [True])])}
    monkeypatch.setattr(planning, "PARTS", made)
    planning.main.callback(("b",), 1, tmp_path)
    rows = pd.read_csv(tmp_path / "planning.csv").set_index("part")
    assert rows.loc["a", ["commit", "date"]].tolist() == ["abc", "then"]
    assert rows.loc["b", "commit"] == report.provenance(0.0)["commit"]
    assert "a at abc (then)" in (tmp_path / "planning.md").read_text("utf-8")
