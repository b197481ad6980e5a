"""What a sweep costs: predictions add up over workers, seconds are evaluations at their solo time."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from harness import provenance
from harness.cli import main
from harness.cost import pack_costs, pack_errors, sweep_cost, with_seconds
from harness.measure import bench
from harness.measure.calibration import (
    Calibration,
    KnotRow,
    Measured,
    PackRow,
    ShapeRow,
    SoloRow,
    calibrate,
    predict,
    shape_of,
    with_solo,
    write_calibration,
)
from harness.plan import make_plan
from harness.record import Metrics, Provenance, Record, load, publish
from harness.spec import KanShape, Manifest, MlpShape, parse_experiment, stages

TEXT = """
question: which?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10}
seeds: [0, 1, 2]
"""
FOREIGN = "another processor"


@pytest.fixture
def manifest() -> Manifest:
    """Two packs of three runs."""
    return make_plan(parse_experiment(TEXT), "test")


def _specs(manifest):
    return {planned.run_id: planned.run for planned in manifest.runs}


def _calibration(manifest, solo_seconds=()) -> Calibration:
    """A machine on which an evaluation of a class takes 1 or 2 ms, moving knots 1 s and a pack 1 s."""
    first = next(iter(_specs(manifest).values()))
    networks = [MlpShape(shape=(2, 4, 1)), MlpShape(shape=(2, 50, 50, 1)), KanShape(shape=(2, 2, 1), grid=3)]
    shapes = tuple(
        ShapeRow(
            shape=shape_of(first, network),
            lanes=lanes,
            seconds_per_evaluation=lanes * 1e-3,
            repeats=3,
            peak_bytes=lanes * 10**8,
        )
        for network in networks
        for lanes in (1, 2)
    )
    knots = tuple(
        KnotRow(network=networks[2], lanes=lanes, points=100, refined=False, seconds=lanes, peak_bytes=None)
        for lanes in (1, 2)
    )
    packs = (PackRow(runs=1, seconds=1.0), PackRow(runs=2, seconds=1.0))
    calibration = calibrate("torch", "float64", Measured(shapes, knots, packs))
    solo = [
        SoloRow(
            shape=shape_of(run, run.network),
            seconds_per_evaluation=s,
            interquartile_seconds=0.0,
            repeats=3,
            bytes_per_evaluation=8,
        )
        for run, s in solo_seconds
    ]
    return with_solo(calibration, solo)


def _publish(manifest, folder: Path, device: str, apart=()) -> None:
    """Records of every pack, trained together on `device` in 5 CPU seconds, but for the runs that were `apart`."""
    for pack in manifest.packs:
        for identity in pack:
            run = _specs(manifest)[identity]
            where = Provenance(
                commit=None,
                dirty=None,
                versions={},
                host="h",
                device=device,
                instruction_set="i",
                threads=1,
                started_at="earlier" if identity in apart else "now",
                pack_seconds=9.0,
                pack_cpu_seconds=5.0,
                pack_lanes=len(pack),
            )
            errors = Metrics(train_rmse=0.1, validation_rmse=0.1, test_rmse=0.1, test_root_median_square=0.1)
            publish(
                Record(
                    run_id=identity,
                    run=run,
                    status="done",
                    metrics=errors,
                    evaluations=7,
                    iterations=7,
                    by_stage=tuple((7, 7) for _ in stages(run.network, run.recipe)),
                    diverged_at=None,
                    counts={"params.trainable": 30},
                    weights="kanbefair",
                    curve=(),
                    provenance=where,
                ),
                folder,
            )


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_packs_are_shared_by_workers(manifest, workers):
    """One worker takes the sum of all packs, two or more no less than the longest."""
    packs = [[_specs(manifest)[identity] for identity in pack] for pack in manifest.packs]
    calibration = _calibration(manifest)
    each = [predict(calibration, pack).seconds for pack in packs]

    cost = sweep_cost(calibration, packs, workers)

    assert cost.seconds == pytest.approx(sum(each) if workers == 1 else max(each))
    assert cost.peak_bytes > 0


def test_seconds_are_evaluations_at_their_solo_time(manifest, tmp_path):
    """7 evaluations of 2 ms are 14 ms, whatever the pack took; a shape not measured alone leaves no such axis."""
    _publish(manifest, tmp_path, provenance.processor())
    table, specs = load(manifest, tmp_path), _specs(manifest)
    by_family = {run.network.family: run for run in specs.values()}
    both = _calibration(manifest, [(by_family["kan"], 2e-3), (by_family["mlp"], 1e-3)])
    one = _calibration(manifest, [(by_family["kan"], 2e-3)])

    seconds = with_seconds(table, specs, both).groupby("arm")["seconds"].unique()

    assert seconds["kan"] == pytest.approx(7 * 2e-3)
    assert seconds["mlp"] == pytest.approx(7 * 1e-3)
    for calibration in (one, None):
        pd.testing.assert_frame_equal(with_seconds(table, specs, calibration), table)


def test_packs_are_held_against_what_was_predicted(manifest, tmp_path):
    """CPU seconds of packs that were trained as planned, here; others are left out."""
    _publish(manifest, tmp_path / "here", provenance.processor())
    _publish(manifest, tmp_path / "apart", provenance.processor(), apart=manifest.packs[0][:1])
    _publish(manifest, tmp_path / "there", FOREIGN)
    calibration = _calibration(manifest)

    costs = {name: pack_costs(manifest, tmp_path / name, calibration) for name in ("here", "apart", "there")}

    assert {name: len(found) for name, found in costs.items()} == {"here": 2, "apart": 1, "there": 0}
    errors = pack_errors(costs["here"])
    assert errors.number == 2
    assert errors.median == pytest.approx((costs["here"]["predicted_seconds"] / 5.0).median())
    assert pack_errors(costs["there"]) is None


def test_a_calibrated_machine_is_in_the_plan(manifest, tmp_path, monkeypatch):
    """`harness plan` says FLOPs and 'uncalibrated' first, and seconds and memory once there is a calibration."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TEXT, encoding="utf-8")

    before = CliRunner().invoke(main, ["plan", "tiny.yaml"]).output
    write_calibration(_calibration(manifest), Path("results"))
    after = CliRunner().invoke(main, ["plan", "tiny.yaml"]).output

    assert "uncalibrated" in before
    assert "training FLOPs (shared_dense)" in after
    assert "GB a worker (calibrated)" in after


def test_bench_measures_and_gives_a_file_its_seconds(tmp_path, monkeypatch):
    """After `harness bench FILE`, a run's tables have an axis of seconds, and the packs' predictions are checked."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TEXT, encoding="utf-8")
    full = bench.full_design("float64")
    monkeypatch.setattr(bench, "full_design", lambda dtype: bench.Design(full.shapes[:2], full.knots[:2], (1, 2)))
    runner = CliRunner()

    benched = runner.invoke(main, ["bench", "tiny.yaml", "--workers", "1"], catch_exceptions=False)
    ran = runner.invoke(main, ["run", "tiny.yaml", "--workers", "1"], catch_exceptions=False)

    assert "2 shapes measured alone" in benched.output
    assert "predicted / measured CPU seconds" in ran.output
    table = pd.read_csv("results/tiny/runs.csv")
    assert (table["seconds"] > 0).all()
    fits = json.loads(Path("results/tiny/fits.json").read_text(encoding="utf-8"))["fits"]
    assert "seconds" in {one["axis"] for one in fits}
    assert len(pd.read_csv("results/tiny/packs.csv")) == 2
