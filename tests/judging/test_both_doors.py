"""One table of runs, two doors: an experiment gives what its runs.csv gives, and both have all
forms of laws.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, json_of, said
from judging.made_experiment import write_experiment, write_records
from made_study import record_of

from harness.record.store import publish
from harness.spec.manifest import read_manifest

SIZE, COST = "params.trainable", "flops_train.shared_dense"
BUDGETS = (1e8, 5e8, 2e9, 1e10)
CROSSED = """
question: which size is best?
tasks: [xy]
arms:
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast, sizes: {width: [2, 3, 4, 8, 16, 32]}}
match: {axis: flops_train, at: [1.0e+8, 5.0e+8, 2.0e+9, 1.0e+10], tol: 0.2, solve: steps}
recipes: {fast: {optimizer: {name: adam}, max_evaluations: 1}}
seeds: [0, 1, 2]
"""

SIZE_AND_DATA = """
question: how does the loss fall with size and data?
tasks:
  - {target: xy, train_points: 100}
  - {target: xy, train_points: 400}
  - {target: xy, train_points: 1600}
  - {target: xy, train_points: 6400}
arms:
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast}
match: {axis: params, at: [20, 40, 80, 160, 320], tol: 0.2, solve: width}
recipes: {fast: {optimizer: {name: adam}, max_evaluations: 1}}
seeds: [0, 1, 2]
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Losses N^-1 and N^-0.6 of two arms; budgets whose best size is 20 (C / 1e9)^0.25; losses
    N^-0.8 + 3 D^-0.5.
    """
    folder = tmp_path_factory.mktemp("doors")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_experiment(folder, rules="")
        (folder / "experiments" / "crossed.yaml").write_text(CROSSED, encoding="utf-8")
        (folder / "experiments" / "amounts.yaml").write_text(SIZE_AND_DATA, encoding="utf-8")
        for name in ("made", "crossed", "amounts"):
            invoke("plan", f"experiments/{name}.yaml")
        write_records(folder)
        manifest, noise = read_manifest(folder / "results" / "crossed"), np.random.default_rng(1)
        for planned in manifest.runs:
            cell = manifest.cells[planned.cell]
            away = np.log(cell.counts[SIZE] / (20 * (cell.asked / 1e9) ** 0.25))
            loss = (cell.asked / 1e8) ** -0.2 * np.exp(0.1 * away**2 + noise.normal(0, 0.01))
            publish(record_of(planned, cell.counts, loss), folder / "results" / "runs")
        manifest = read_manifest(folder / "results" / "amounts")
        for planned in manifest.runs:
            counts = manifest.cells[planned.cell].counts
            loss = counts[SIZE] ** -0.8 + 3 * planned.run.task.train_points**-0.5
            publish(
                record_of(planned, counts, loss * np.exp(noise.normal(0, 0.01))),
                folder / "results" / "runs",
            )
        invoke("fit", "results/made")
    return folder


@pytest.fixture
def here(folder, monkeypatch) -> Path:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


@pytest.mark.parametrize(
    "asked", [(), ("--law", "shifted"), ("--hold-out", "1", "--law", "pure", "--law", "floor")]
)
def test_an_experiment_and_its_table_have_the_same_laws(here, asked):
    table = (
        "--y",
        "test_loss",
        "--by",
        "series",
        "--config",
        "cell",
        "--seed",
        "seed",
        "--status",
        "status",
    )
    experiment = json_of("fit", "results/made", "--x", SIZE, *asked)["laws"]
    file = json_of("fit", "results/made/runs.csv", "--x", SIZE, *table, *asked)["laws"]

    assert (
        [one["series"] for one in experiment] == [one["series"] for one in file] == ["kan", "mlp"]
    )
    for one, other in zip(experiment, file, strict=True):
        for key in (
            "fits",
            "held_out",
            "selection",
            "checks",
            "quoted_law",
            "sizes",
            "runs",
            "data_hash",
        ):
            assert one[key] == other[key], key


def test_the_best_size_of_each_budget_has_its_law(here):
    """IsoFLOP: at each budget that was asked for, loss over size has its minimum, and these follow
    a power law.
    """
    asked = ("fit", "results/crossed", "--x", SIZE, "--isoflop", COST)
    found = json_of(*asked)["results"]["xy: mlp"]
    assert tuple(valley["budget"] for valley in found["valleys"]) == BUDGETS
    assert {valley["runs"] for valley in found["valleys"]} == {18}
    assert found["exponent"] == pytest.approx(0.25, abs=0.02)
    assert "4 of 4" in said(*asked)


def test_a_surface_has_every_size_at_every_budget(here):
    asked = ("fit", "results/crossed", "--x", SIZE, "--and", COST)
    found = json_of(*asked)["results"]
    assert list(found) == ["xy: mlp"]
    assert (found["xy: mlp"]["rows"], found["xy: mlp"]["cells"]) == (72, 24)
    assert f"E + A {SIZE}^-alpha + B {COST}^-beta" in " ".join(said(*asked).split())


def test_tasks_that_differ_in_their_data_alone_have_one_law_of_size_and_data(here):
    found = json_of("fit", "results/amounts", "--x", SIZE, "--and", "train_points")["results"]
    assert list(found) == ["xy: mlp"]
    law = found["xy: mlp"]
    assert (law["rows"], law["cells"]) == (60, 20)
    assert (law["alpha"]["value"], law["beta"]["value"]) == pytest.approx((0.8, 0.5), abs=0.03)


def test_the_next_runs_of_an_experiment_are_those_of_its_table(here):
    table = (
        "--y",
        "test_loss",
        "--by",
        "series",
        "--config",
        "cell",
        "--seed",
        "seed",
        "--status",
        "status",
    )
    asked = ("--x", SIZE, "--question", "exponent", "--budget", "1e4", "--law", "pure")
    experiment = json_of("design", "results/made", *asked)["designs"]
    file = json_of("design", "results/made/runs.csv", *asked, *table)["designs"]
    crossed = (
        "design",
        "results/crossed",
        "--x",
        SIZE,
        "--and",
        COST,
        "--question",
        "optimum",
        "--budget",
        "2e10",
    )
    (design,) = json_of(*crossed)["designs"]

    assert [one["runs"] for one in experiment] == [one["runs"] for one in file]
    assert {run["arm"] for one in experiment for run in one["runs"]} == {"kan", "mlp"}
    assert all(
        run["cost"] == pytest.approx(run["runs"] * run["at"][COST]) for run in design["runs"]
    )


def test_arms_of_an_experiment_have_a_lower_edge(here):
    edge = json_of("fit", "results/made", "--frontier", "0.5")["results"]
    alphas = {name: one["alpha"] for name, one in edge.items()}
    assert alphas == pytest.approx({"xy: kan": 1.0, "xy: mlp": 0.6}, abs=0.05)


def test_what_is_asked_of_an_experiment_is_written_where_it_is_told_to_be(here, tmp_path):
    own = (here / "results" / "made" / "fits.json").read_bytes()
    found = json_of(
        "fit", "results/made", "--law", "pure", "--min-x", "60", "--x", SIZE, "--out", str(tmp_path)
    )
    assert json.loads((tmp_path / "fits.json").read_text()) == found
    assert {path.name for path in tmp_path.iterdir()} >= {
        "scaling.png",
        "residuals.png",
        "checklist.md",
    }
    assert {one["runs_outside_window"] for one in found["laws"]} == {3}
    assert (here / "results" / "made" / "fits.json").read_bytes() == own


def test_arms_of_an_experiment_are_compared_by_their_laws(here, tmp_path):
    told = said("compare", "results/made", "kan", "mlp", "--x", SIZE, "--out", str(tmp_path))
    found = json.loads((tmp_path / "compare.json").read_text(encoding="utf-8"))

    (pair,) = found["sizes"]
    assert (pair["task"], pair["axis"]) == ("xy", SIZE)
    first = pair["multiplier"]["sizes"][0]  # loss n^-1 of the KAN against n^-.6 of the MLP
    assert first["multiplier"]["value"] == pytest.approx(first["size"] ** (0.4 / 0.6), rel=0.2)
    assert found["verdicts"][0]["claim"] == "kan is better than mlp at its largest size on xy"
    assert (tmp_path / "compare.png").exists()
    assert "mlp needs" in told


def test_a_column_that_is_no_number_is_named(here):
    told = said("fit", "results/made", "--x", "shape", exit_code=2)
    assert "'shape' is no size or count of these runs" in told
