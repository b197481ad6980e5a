"""The interface from Python: what it returns is what the commands say, and each answer has a table
and a figure.
"""

import importlib
import json
import pkgutil
import shlex
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from commands import invoke, refused, said
from made_headline import made_headline
from made_searched import TEXT as SEARCHED
from made_study import record_of
from matplotlib.figure import Figure

import harness
from harness.comparison.replicates import Found
from harness.judging.winners import reported
from harness.laws import Refusal
from harness.python.study import readings
from harness.record.store import publish

FILE = """
question: Is a KAN better than an MLP of as many parameters?
tasks: [exp2d, j0]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: adam}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: adam}
match: {axis: params, at: [40, 80], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {adam: {optimizer: {name: adam, learning_rate: 0.05}, max_evaluations: 8}}
seeds: [0, 1, 2]
engine: torch
keep: networks
scales: {short: {tasks: [exp2d]}}
decide:
  - {claim: the KAN is better, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder with the file and results of its scale `short`, and the answer; all modules are
    imported before.
    """
    for module in pkgutil.walk_packages(harness.__path__, "harness."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    folder = tmp_path_factory.mktemp("python")
    (folder / "study.yaml").write_text(FILE)
    study = harness.read(folder / "study.yaml", scale="short", results=folder / "results")
    return folder, study, harness.run(study, workers=1)


def check_shown(shown, rows: int, parts: tuple[str, ...] = ("<p>", "<table", "<svg")) -> None:
    """Sentences, a table of so many rows, a figure if it is a part, and all of them in a
    notebook.
    """
    assert all(sentence and sentence.strip() == sentence for sentence in shown.sentences)
    assert str(shown) == "\n".join(shown.sentences)
    assert isinstance(shown.table, pd.DataFrame)
    assert len(shown.table) == rows
    assert isinstance(shown.figure(), Figure) == ("<svg" in parts)
    page = shown._repr_html_()
    assert all(part in page for part in parts)


def test_the_package_names_what_it_has():
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = harness.nothing
    assert set(harness.__all__) <= set(dir(harness))


def test_what_is_read_and_planned(trained, tmp_path):
    folder, _, _ = trained
    study = harness.read(folder / "study.yaml", results=tmp_path)
    check_shown(study, rows=2, parts=("<p>", "<table"))
    assert study.table["family"].tolist() == ["kan", "mlp"]
    plan = harness.plan(study)
    check_shown(plan, rows=2 * 2 * 2, parts=("<p>", "<table"))
    assert (plan.folder / "manifest.json").exists()
    assert plan.table["params.trainable"].tolist() == [
        cell.counts["params.trainable"] for cell in plan.manifest.cells
    ]
    (folder / "broken.yaml").write_text(FILE.replace("kan, hidden", "kann, hidden"))
    with pytest.raises(harness.HarnessError, match=r"broken.yaml:5.*kann"):
        harness.read(folder / "broken.yaml")


def test_fields_that_are_set_make_the_plan_that_the_command_makes(trained, here):
    folder, _, _ = trained
    options = ("--scale", "short", "--set", "match.at=[40, 60]", "--set", "seeds=[0, 1, 2, 3]")
    said("plan", folder / "study.yaml", *options)
    study = harness.read(
        folder / "study.yaml", {"match.at": np.array([40, 60]), "seeds": range(4)}, scale="short"
    )
    plan = harness.plan(study)
    assert [path.name for path in (here / "results").iterdir()] == [
        "study-short+match.at=40_60+seeds=0_1_2_3"
    ]
    assert plan.table["asked"].unique().tolist() == [40, 60]
    assert "with match.at = [40, 60]" in study.sentences[-1]
    (answer,) = harness.verdicts(study).answers
    assert answer["name"] == plan.manifest.name
    command = shlex.split(answer["command"])
    assert command[3:] == [
        "--scale",
        "short",
        "--set",
        "match.at=[40, 60]",
        "--set",
        "seeds=[0, 1, 2, 3]",
    ]
    assert "16 of 16 runs" in refused(harness.runs, study)
    for settings, wrong in (
        ({"mach.at": [30]}, "`settings` mach.at: the file has no 'mach'; did you mean 'match'"),
        ({"match.at": [30, harness]}, "`settings` match.at: a module cannot stand in a file"),
        ("short", "settings: 'short' is no mapping"),
    ):
        with pytest.raises(harness.HarnessError, match=wrong):
            harness.read(folder / "study.yaml", settings)


def test_what_was_run_is_what_the_command_says(trained):
    folder, study, answer = trained
    check_shown(answer, rows=1 * 3 * 3)
    assert answer.report.exists()
    readings = json.loads((folder / "results" / "study-short" / "answer.json").read_text())[
        "headline"
    ]["readings"]
    estimates = [one["ratio"]["estimate"] for one in readings]
    assert answer.table["times"].dropna().tolist() == [
        max(one, 1 / one) for one in estimates if one is not None
    ]
    again = harness.run(study, workers=1)
    pd.testing.assert_frame_equal(again.table, answer.table)
    for workers in (0, -1):
        with pytest.raises(
            harness.HarnessError, match=rf"run\(workers={workers}\): give 1 or more"
        ):
            harness.run(study, workers=workers)


def test_where_all_is_refused_the_table_and_the_figure_say_why(trained):
    """Who reads the answer of a table that taught nothing gets the reason, and no
    AttributeError.
    """
    _, _, answer = trained
    why = Found(refusals=(Refusal("WORSE_THAN_CONSTANT", "a constant has a test loss of 0.94"),))
    headline = made_headline({"houses": "1,478 rows"}, [why])
    refused = replace(answer, headline=headline)
    assert set(refused.table["refused"]) == {"WORSE_THAN_CONSTANT"}
    assert set(refused.table["why"]) == {"WORSE_THAN_CONSTANT: a constant has a test loss of 0.94"}
    (axes,) = refused.figure().axes
    assert "a constant has a test loss of 0.94" in " ".join(axes.texts[0].get_text().split())


def test_a_table_tells_each_ratio_as_times_lower_of_the_side_that_is_lower():
    ratios = [
        Found(5.0, 2.0, 12.5, replicates=8),
        Found(0.0005, 0.00025, 0.001, replicates=8),
        Found(0.8, 0.5, 1.25),
    ]
    rows = readings(made_headline({"xy": "x y"}, ratios)).head(3)
    assert rows["leader"].tolist()[:2] == ["kan", "mlp"]
    assert rows["leader"].isna().tolist() == [False, False, True]
    assert rows["lower"].tolist() == ["kan", "mlp", "mlp"]
    numbers = [[5, 2, 12.5], [2000, 1000, 4000], [1.25, 0.8, 2]]
    assert rows[["times", "low", "high"]].to_numpy().tolist() == [
        pytest.approx(row) for row in numbers
    ]


def test_runs_are_a_data_frame(trained):
    _, study, answer = trained
    runs = harness.runs(study)
    assert isinstance(runs, pd.DataFrame)
    assert len(runs) == 2 * 2 * 3
    assert isinstance(runs.figure(), Figure)
    assert isinstance(runs.table, pd.DataFrame)
    assert type(runs.groupby("arm")["test_loss"].median()) is pd.Series
    pd.testing.assert_frame_equal(runs.table, answer.runs.table)
    network = harness.load_network(runs["run_id"][0], results=study.results)
    assert network.record.metrics.test_rmse == runs["test_rmse"][0]
    of_folder = harness.runs(answer.report.parent)
    pd.testing.assert_frame_equal(of_folder.table, runs.table)


def test_of_a_search_all_runs_are_there_and_its_winners_are_drawn(tmp_path):
    one_size = SEARCHED.replace("at: [40, 90]", "at: [40]").replace("[1.0e+6, 4.0e+6]", "[4.0e+6]")
    (tmp_path / "searched.yaml").write_text(one_size.partition("decide:")[0])
    study, noise = (
        harness.read(tmp_path / "searched.yaml", results=tmp_path / "results"),
        np.random.default_rng(0),
    )
    manifest = harness.plan(study).manifest
    for planned in manifest.runs:
        publish(
            record_of(planned, manifest.cells[planned.cell].counts, noise.uniform()),
            study.results / "runs",
        )
    answer, runs = harness.run(study), harness.runs(study)
    pd.testing.assert_frame_equal(answer.runs.table, runs.table)
    winners = reported(manifest, runs.table)
    assert len(runs) > len(winners)
    lines = {line.get_gid(): line.get_ydata() for axes in runs.figure().axes for line in axes.lines}
    assert {*lines["runs:kan"], *lines["runs:mlp"]} == {*winners["test_loss"]}


def test_what_is_compared_and_judged_is_what_the_commands_say(trained):
    folder, study, answer = trained
    compared = harness.compare(study, "kan", "mlp")
    check_shown(compared, rows=3 * 3)
    at_one = harness.compare(study, "kan", "mlp", at=60, axis="params")
    assert at_one.table["place"].unique().tolist() == ["60"]
    place, results = str(answer.report.parent), ["--results", str(folder / "results")]
    told = invoke("compare", place, "kan", "mlp", "--json", *results).stdout
    ratios = [one["ratio"] for one in json.loads(told)["headline"]["readings"]]
    found = [ratio for ratio in ratios if ratio["estimate"] is not None]
    lower = [ratio["low"] if ratio["estimate"] >= 1 else 1 / ratio["high"] for ratio in found]
    assert compared.table["low"].dropna().tolist() == lower
    judged = harness.verdicts(study)
    check_shown(judged, rows=1, parts=("<p>", "<table"))
    told = invoke("verdicts", study.file, "--scale", "short", "--json", *results).stdout
    assert json.loads(told)["experiments"] == judged.answers
    assert judged.numbers["claim"].unique().tolist() == ["the KAN is better"]


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        ({"by": "arm"}, "`by`: two sides of an experiment are compared without it"),
        ({"alpha": 0.5}, "`alpha`: two sides of an experiment"),
        ({"foo": 3}, "`foo`: two sides of an experiment"),
        ({"at": [40, 60]}, "`at` [40, 60]: an experiment is compared at one size; give one"),
    ],
)
def test_an_experiment_is_compared_at_one_size_by_what_it_says(trained, given, wrong):
    assert wrong in refused(harness.compare, trained[1], "kan", "mlp", **given)


def test_an_axis_of_a_comparison_is_not_for_tables(trained):
    answer = trained[2]
    asked = {"x": "params.trainable", "y": "test_loss", "by": "arm", "axis": "params"}
    assert "`axis` params: is for experiments" in refused(
        harness.compare, answer.runs.table, "kan", "mlp", **asked
    )


def test_what_is_not_there_is_said(trained, tmp_path):
    folder, _, _ = trained
    study = harness.read(folder / "study.yaml", results=tmp_path)
    assert "no plan yet" in refused(harness.runs, study)
    judged = harness.verdicts(study)
    assert judged.table["verdict"].tolist() == ["not run"]
    assert judged.figure() is None
    assert "harness run" in judged.sentences[-1]
    assert "name at least one" in refused(harness.verdicts)


@pytest.mark.nightly
def test_a_script_needs_no_guard(trained):
    folder, _, _ = trained
    script = folder / "script.py"
    script.write_text(
        "import harness\nprint('once')\nprint(harness.run('study.yaml', workers=1))\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], cwd=folder, check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("once") == 1


def test_a_study_of_a_table_says_what_it_learns_from_which_columns(tmp_path):
    chance = np.random.default_rng(0)
    houses = pd.DataFrame(
        {"rooms": chance.integers(1, 8, 200), "area": chance.uniform(20, 200, 200)}
    )
    study = harness.new(tmp_path / "prices", houses.assign(price=1000 * houses["area"]), "price")
    assert "price is learnt as a number" in str(study)
    assert study.sentences[-1] == "Its inputs: rooms, area"
