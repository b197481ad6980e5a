"""The answer at equal FLOPs is read off runs that all sizes train to the last budget, at each
budget on their way.
"""

import math

import numpy as np
import pandas as pd
import pytest
from commands import refused

import harness
from harness.families import KanShape, MlpShape
from harness.judging.readings import with_readings
from harness.judging.runs import runs_of
from harness.judging.sides import side_curve
from harness.judging.versus import leader
from harness.judging.winners import of_side
from harness.judging.won import kind_of
from harness.record.store import read_record, record_path
from harness.show.figures.surface import surface
from harness.show.tables.headline import console_lines
from harness.train import train_pack

DENSE, LOCAL = "flops_train.shared_dense", "flops_train.local_min"
BUDGETS = (1e6, 3e6, 1e7)
TEXT = """
question: which?
tasks: [{target: exp2d, train_points: 50, validation_points: 60, test_points: 70}]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 2}, recipe: refined}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast}
match: {axis: params, at: [50, 80, 110], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes:
  fast: {optimizer: {name: lbfgs}, max_evaluations: 9}
  refined: {optimizer: {name: lbfgs}, max_evaluations: 9, grid_extension: {grids: [2, 3], evaluations: 5}}
search:
  runs: 2
  replicates: 3
  budgets: {flops_train.shared_dense: [1.0e+6, 3.0e+6, 1.0e+7], flops_train.local_min: same}
decide:
  - {claim: a, quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 1, at: {flops_train.local_min: largest}}
"""


@pytest.fixture(scope="module")
def answer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("readings")
    (folder / "which.yaml").write_text(TEXT)
    return harness.run(harness.read(folder / "which.yaml", results=folder / "results"), workers=1)


@pytest.fixture(scope="module")
def readings(answer):
    return harness.runs(answer.report.parent, readings=True)


def test_a_row_is_the_run_with_this_cap_with_its_losses_and_its_counts(answer, readings, tmp_path):
    checked = set()
    of_one = readings[(readings["seed"] == 0) & (readings["status"] == "done")]
    for index, row in enumerate(of_one.to_dict("records")):
        run = read_record(record_path(answer.report.parents[1] / "runs", row["run_id"])).run
        grid, cap = getattr(run.network, "grid", None), int(row["evaluations"])
        below = [
            coarse
            for coarse in (2, 3)
            if grid and 5 * (2, 3).index(coarse) + 5 < cap and coarse < grid
        ]
        stages = [*[coarse for coarse in (2, 3) if grid and coarse < grid], grid]
        network = (
            run.network.model_copy(update={"grid": stages[len(below)]}) if grid else run.network
        )
        extension = run.recipe.grid_extension
        extension = extension.model_copy(update={"grids": tuple(below)}) if below else None
        recipe = run.recipe.model_copy(update={"max_evaluations": cap, "grid_extension": extension})
        capped = run.model_copy(update={"network": network, "recipe": recipe, "readings": ()})
        (alone,) = train_pack([capped], tmp_path / str(index))
        assert (alone.evaluations, alone.metrics.losses.test) == (cap, row["test_loss"])
        assert {name: row[name] for name in alone.counts} == alone.counts
        assert alone.counts[row["axis"]] <= row["budget"]
        checked.add((row["arm"], len(below)))
    assert checked >= {("mlp", 0), ("kan", 0), ("kan", 1)}


def test_at_a_budget_of_work_validation_picks_among_the_readings_of_all_sizes_there(
    answer, readings
):
    winners = pd.read_csv(answer.report.parent / "winners.csv")
    for axis in (DENSE, LOCAL):
        assert sorted(set(winners.loc[winners["won_on"] == axis, "asked"])) == list(BUDGETS)
    for row in winners[winners["status"] == "done"].to_dict("records"):
        mine = readings[(readings["arm"] == row["series"]) & (readings["seed"] == row["seed"])]
        if row["won_on"] in (DENSE, LOCAL):
            mine = mine[(mine["axis"] == row["won_on"]) & (mine["budget"] == row["asked"])]
        else:
            mine = mine[(mine["axis"] == DENSE) & (mine["budget"] == BUDGETS[-1])]
            mine = mine[mine["params.trainable"] <= row["asked"]]
        best = mine.loc[mine["val_loss"].idxmin()]
        assert (row["run_id"], row["test_loss"]) == (
            best["run_id"],
            pytest.approx(best["test_loss"]),
        )
        assert row[DENSE] == best[DENSE]


def test_a_search_of_full_effort_finds_the_winners(answer, readings):
    manifest, judged = answer.manifest, pd.read_csv(answer.report.parent / "winners.csv")
    runs = runs_of(manifest, judged, readings.table)
    for axis in (DENSE, LOCAL, "params.trainable"):
        full, at_effort = (
            side_curve(runs, "exp2d", ("kan",), axis, effort) for effort in (None, 2)
        )
        assert full.logs == pytest.approx(at_effort.logs, nan_ok=True)
        one = side_curve(runs, "exp2d", ("kan",), axis, 1)
        assert np.isfinite(one.logs).any()


def test_the_answer_has_budgets_of_both_counts(answer):
    columns = answer.headline.columns
    assert columns == ("params.trainable", DENSE, LOCAL)
    (verdict,) = answer.verdicts
    assert verdict.axis == LOCAL
    assert verdict.cap == {DENSE: 1e7, LOCAL: 1e7}
    assert not any("share no cap" in sentence for sentence in answer.headline.cautions)


def test_a_side_leads_per_flop_where_both_counts_say_so(answer):
    lines = " ".join(console_lines(answer.headline, answer.verdicts, []))
    ratios = [answer.headline.reading("exp2d", axis, "largest").ratio for axis in (DENSE, LOCAL)]
    leaders = {leader(ratio, "kan", "mlp") for ratio in ratios}
    told = (
        "depends on the count"
        if len(leaders) > 1
        else f"{leaders.pop()} ahead".replace("None ahead", "undecided")
    )
    assert f"Per FLOP, by both counts, at the last budget: exp2d {told}." in lines


def test_what_won_is_told_with_its_shape_or_units_and_its_sizes(answer, readings):
    judged = pd.read_csv(answer.report.parent / "winners.csv")
    network = {one.run_id: one.run.network for one in answer.manifest.runs}
    assert [(one.task, one.side, one.axis, one.at) for one in answer.headline.won] == [
        ("exp2d", side, DENSE, BUDGETS[-1]) for side in ("kan", "mlp")
    ]
    for one in answer.headline.won:
        rows = judged.query(
            "series == @one.side and won_on == @one.axis and asked == @one.at and status == 'done'"
        )
        kinds = [kind_of(network[run_id]) for run_id in rows["run_id"]]
        assert (one.times, one.of) == (kinds.count(one.what), len(rows))
        assert one.times == max(map(kinds.count, kinds))
        assert (one.smallest, one.largest) == (
            rows["params.trainable"].min(),
            rows["params.trainable"].max(),
        )
        asked = readings.table.drop_duplicates("run_id").set_index("run_id")["asked"]
        middle = sorted(asked[run_id] for run_id in rows["run_id"])[len(rows) // 2]
        assert one.is_edge == (middle in (50, 110))
        is_said = any(
            f"of {one.side} on exp2d is the smallest" in caution
            for caution in answer.headline.cautions
        )
        assert is_said or not one.is_edge
    assert kind_of(MlpShape(shape=(2, 5, 1), activation="sine")) == "sine units"
    assert kind_of(KanShape(shape=(2, 1, 1), grid=3)) == "[2,1,1]"


def test_the_surface_is_the_loss_of_the_picked_network_of_each_size_at_each_budget(
    answer, readings
):
    of_mlp = readings[(readings["arm"] == "mlp") & (readings["status"] == "done")]
    for axis in (DENSE, LOCAL):
        curves = surface(
            answer.manifest, of_side(answer.manifest, readings.table, "exp2d", ("mlp",)), axis
        )
        assert list(curves) == list(BUDGETS)
        for (budget, size), there in of_mlp[of_mlp["axis"] == axis].groupby(["budget", "asked"]):
            picked = [
                of_seed.loc[of_seed["val_loss"].idxmin(), "test_loss"]
                for _, of_seed in there.groupby("seed")
            ]
            assert curves[budget][size] == pytest.approx(math.exp(np.log(picked).mean()))
    assert (answer.report.parent / "surface.png").exists()


def test_what_is_known_of_a_runs_end_alone_stands_in_no_row_of_a_reading(readings):
    assert readings[["test_rmse", "test_largest_error", "pack_seconds"]].isna().all(axis=None)
    assert readings.loc[readings["status"] == "done", "test_loss"].notna().all()


def test_seconds_of_a_reading_are_of_its_own_evaluations():
    runs = pd.DataFrame(
        {"run_id": ["a"], "cell": [0], "evaluations": [10], "seconds": [5.0], "status": ["done"]}
    )
    known = {"run_id": "a", "task": "t", "series": "s", "cell": 0}
    readings = pd.DataFrame([known | {"evaluations": made, "status": "done"} for made in (2, 10)])
    assert with_readings(runs, readings)["seconds"].tolist() == [1.0, 5.0]


def test_readings_of_a_run_that_trained_alone_have_its_cpu_seconds(answer, readings):
    read = readings[readings["status"] != "not read"]
    for run, of_run in read.groupby("run_id"):
        seconds = read_record(
            record_path(answer.report.parents[1] / "runs", run)
        ).provenance.reading_cpu_seconds
        assert set(of_run["cpu_seconds"].dropna()) <= set(seconds)
        assert (
            of_run.sort_values("evaluations")["cpu_seconds"].is_monotonic_increasing or not seconds
        )
    assert read["cpu_seconds"].notna().any()


def test_the_folder_has_a_table_of_readings(answer, readings):
    kept = pd.read_csv(answer.report.parent / "readings.csv.xz")
    assert len(kept) == len(readings) == len(harness.runs(answer.report.parent)) * 6
    assert (kept["run_id"] == readings["run_id"]).all()
    assert kept["over_constant"].dropna().between(0, math.inf).all()


def test_without_budgets_there_are_no_readings(tmp_path):
    (tmp_path / "which.yaml").write_text(
        TEXT[: TEXT.index("  budgets")] + "  cap: {evaluations: 30}\n"
    )
    study = harness.read(tmp_path / "which.yaml", results=tmp_path / "results")
    harness.plan(study)
    assert "has no budgets" in refused(harness.runs, study, readings=True)
