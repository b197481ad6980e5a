"""What a sweep costs: predictions add up over workers, each run by its own engine; seconds are evaluations alone."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from harness.base import provenance
from harness.cli import main
from harness.measure import bench, design
from harness.measure.calibration import (
    Calibration,
    KnotRow,
    Measured,
    PackRow,
    ShapeRow,
    SoloRow,
    calibrate,
    kind_of,
    with_solo,
    write_calibration,
)
from harness.measure.cost import pack_costs, pack_errors, pack_predictions, sweep_cost, with_seconds
from harness.measure.features import shape_of
from harness.measure.prediction import predict
from harness.planning.plan import make_plan
from harness.record import Metrics, Provenance, Record, load, publish, read_planned
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
MIXED = TEXT + "grid: {engine: [fused, torch]}\n"
FOREIGN = "another processor"
FUSED, TORCH = ("fused", "float64"), ("torch", "float64")


@pytest.fixture
def manifest() -> Manifest:
    """Two packs of three runs, in the torch engine."""
    return make_plan(parse_experiment(TEXT + "engine: torch\n"), "test")


@pytest.fixture
def mixed() -> Manifest:
    """Two packs of three runs in the torch engine, and the same six runs in the fused one, each a pack."""
    return make_plan(parse_experiment(MIXED), "test")


def _specs(manifest):
    return {planned.run_id: planned.run for planned in manifest.runs}


def _packs(manifest):
    return [[_specs(manifest)[identity] for identity in pack] for pack in manifest.packs]


def _calibration(manifest, solo_seconds=(), engine="torch") -> Calibration:
    """A machine on which an evaluation of a class takes 1 or 2 ms, moving knots 1 s and a pack 1 s.

    In the fused engine an evaluation takes a tenth.
    """
    first = next(iter(_specs(manifest).values()))
    networks = [MlpShape(shape=(2, 4, 1)), MlpShape(shape=(2, 50, 50, 1)), KanShape(shape=(2, 2, 1), grid=3)]
    shapes = tuple(
        ShapeRow(
            shape=shape_of(first, network),
            lanes=lanes,
            seconds_per_evaluation=lanes * (1e-3 if engine == "torch" else 1e-4),
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
    packs = tuple(PackRow(runs=runs, evaluations=1, seconds=1.0) for runs in (1, 2))
    calibration = calibrate(engine, "float64", Measured(shapes, knots, packs))
    solo = [
        SoloRow(
            shape=shape_of(run, run.network),
            seconds_per_evaluation=s,
            interquartile_seconds=0.0,
            repeats=3,
            bytes_per_evaluation=8 if engine == "torch" else None,
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
    packs, calibration = _packs(manifest), _calibration(manifest)
    each = [predict(calibration, pack).seconds for pack in packs]

    cost = sweep_cost({TORCH: calibration}, packs, workers)

    assert cost.seconds == pytest.approx(sum(each) if workers == 1 else max(each))
    assert cost.peak_bytes > 0


def test_each_pack_is_predicted_by_the_calibration_of_its_engine(mixed):
    """A plan of both engines costs what each engine takes for its own packs; without one of them it is uncalibrated."""
    both = {FUSED: _calibration(mixed, engine="fused"), TORCH: _calibration(mixed)}
    packs = _packs(mixed)
    each = [predict(both[kind_of(pack[0])], pack).seconds for pack in packs]

    assert sorted(len(pack) for pack in packs) == [1] * 6 + [3] * 2
    assert sweep_cost(both, packs, 1).seconds == pytest.approx(sum(each))
    assert pack_predictions(mixed, both)["seconds"].tolist() == pytest.approx(each)
    for known in both:
        one = {known: both[known]}
        assert sweep_cost(one, packs, 1) is None
        table = pack_predictions(mixed, one)
        assert (table["seconds"].notna() == (table["engine"] == known[0])).all()


def test_seconds_are_evaluations_at_their_solo_time(manifest, tmp_path):
    """7 evaluations of 2 ms are 14 ms, whatever the pack took; a shape not measured alone leaves no such axis."""
    _publish(manifest, tmp_path, provenance.processor())
    table, specs = load(manifest, tmp_path), _specs(manifest)
    by_family = {run.network.family: run for run in specs.values()}
    both = _calibration(manifest, [(by_family["kan"], 2e-3), (by_family["mlp"], 1e-3)])
    one = _calibration(manifest, [(by_family["kan"], 2e-3)])

    told = with_seconds(table, specs, {TORCH: both})
    seconds = told.groupby("arm")["seconds"].unique()

    assert seconds["kan"] == pytest.approx(7 * 2e-3)
    assert seconds["mlp"] == pytest.approx(7 * 1e-3)
    assert set(told["bytes_moved"]) == {7 * 8}
    for calibrations in ({TORCH: one}, {FUSED: both}, {}):
        pd.testing.assert_frame_equal(with_seconds(table, specs, calibrations), table)


def test_seconds_are_those_of_each_runs_engine(mixed, tmp_path):
    """One run in two engines has the seconds of each; bytes are known where torch moves them. One machine is named."""
    _publish(mixed, tmp_path, provenance.processor())
    table, specs = load(mixed, tmp_path), _specs(mixed)
    of_engine = {engine: [run for run in specs.values() if run.engine == engine] for engine in ("fused", "torch")}
    fused = _calibration(mixed, [(run, 1e-4) for run in of_engine["fused"]], "fused")
    torch = _calibration(mixed, [(run, 1e-3) for run in of_engine["torch"]])

    told = with_seconds(table, specs, {FUSED: fused, TORCH: torch})

    assert told.groupby("engine")["seconds"].unique().map(list).to_dict() == {
        "fused": [pytest.approx(7e-4)],
        "torch": [pytest.approx(7e-3)],
    }
    assert told["bytes_moved"].notna().tolist() == (told["engine"] == "torch").tolist()
    assert set(told["seconds_on"]) == {f"{torch.host}, {torch.device}, {torch.measured_at[:10]}"}
    pd.testing.assert_frame_equal(with_seconds(table, specs, {FUSED: fused}), table)


def test_packs_are_held_against_what_was_predicted(manifest, tmp_path):
    """CPU seconds of packs that were trained as planned, here; others are left out."""
    _publish(manifest, tmp_path / "here", provenance.processor())
    _publish(manifest, tmp_path / "apart", provenance.processor(), apart=manifest.packs[0][:1])
    _publish(manifest, tmp_path / "there", FOREIGN)
    calibration = _calibration(manifest)

    known = {TORCH: calibration}
    records = {name: read_planned(manifest, tmp_path / name) for name in ("here", "apart", "there")}
    costs = {name: pack_costs(manifest, own, known) for name, own in records.items()}

    assert {name: len(found) for name, found in costs.items()} == {"here": 2, "apart": 1, "there": 0}
    errors = pack_errors(costs["here"])
    assert errors.number == 2
    assert errors.median == pytest.approx((costs["here"]["predicted_seconds"] / 5.0).median())
    assert pack_errors(costs["there"]) is None
    assert pack_costs(manifest, records["here"], {FUSED: calibration}).empty


def test_a_calibrated_machine_is_in_the_plan(manifest, tmp_path, monkeypatch):
    """`harness plan` says FLOPs and 'uncalibrated' first, and seconds and memory once there is a calibration."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TEXT + "engine: torch\n", encoding="utf-8")

    before = CliRunner().invoke(main, ["plan", "tiny.yaml"]).output
    write_calibration(_calibration(manifest), Path("results"))
    after = CliRunner().invoke(main, ["plan", "tiny.yaml"]).output

    assert "uncalibrated (`harness bench --engine torch` measures this machine)" in before
    assert "training FLOPs (shared_dense)" in after
    assert "GB a worker (calibrated)" in after


def test_a_plan_of_two_engines_needs_both(mixed, tmp_path, monkeypatch):
    """While one engine is uncalibrated the plan is, and says which command would mend it."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(MIXED, encoding="utf-8")

    def told() -> str:
        return CliRunner().invoke(main, ["plan", "tiny.yaml"]).output

    assert "uncalibrated (`harness bench` and `harness bench --engine torch` measure this machine)" in told()
    write_calibration(_calibration(mixed), Path("results"))
    assert "uncalibrated (`harness bench` measures this machine)" in told()
    write_calibration(_calibration(mixed, engine="fused"), Path("results"))
    assert "(calibrated)" in told()


def test_only_cpus_are_calibrated(manifest, tmp_path, monkeypatch):
    """What a CPU takes says nothing of a GPU."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TEXT + "device: cuda\n", encoding="utf-8")
    write_calibration(_calibration(manifest), Path("results"))

    assert "uncalibrated (only CPUs are measured)" in CliRunner().invoke(main, ["plan", "tiny.yaml"]).output
    refused = CliRunner().invoke(main, ["bench", "tiny.yaml"])
    assert (refused.exit_code, "only CPUs are measured" in refused.output) == (2, True)


@pytest.mark.slow
def test_bench_measures_and_gives_a_file_its_seconds(tmp_path, monkeypatch):
    """After `harness bench FILE`, tables have an axis of seconds by each run's engine, and predictions are checked."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(MIXED, encoding="utf-8")
    full = design.full_design
    monkeypatch.setattr(
        "harness.cli.commands.bench.full_design",
        lambda *kind: full(*kind)._replace(shapes=full(*kind).shapes[:2], knots=full(*kind).knots[:2]),
    )
    runner = CliRunner()

    benched = runner.invoke(main, ["bench", "tiny.yaml", "--workers", "1"], catch_exceptions=False)
    ran = runner.invoke(main, ["run", "tiny.yaml", "--workers", "1"], catch_exceptions=False)

    assert benched.output.count("2 shapes measured alone") == 2
    assert len(list(Path("results/calibrations").glob("*.json"))) == 2
    assert "predicted / measured CPU seconds" in ran.output
    table = pd.read_csv("results/tiny/runs.csv")
    assert (table["seconds"] > 0).all()
    fits = json.loads(Path("results/tiny/fits.json").read_text(encoding="utf-8"))["fits"]
    assert "seconds" in {one["axis"] for one in fits}
    assert len(pd.read_csv("results/tiny/packs.csv")) == 8


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ([], ("fused", "float64")),
        (["--engine", "torch"], ("torch", "float64")),
        (["--dtype", "float32"], ("torch", "float32")),
    ],
)
def test_bench_without_a_file_measures_one_engine(options, kind, manifest, tmp_path, monkeypatch):
    """The fused engine, which plans use where they can, unless the options ask for what only torch computes."""
    asked = []
    monkeypatch.setattr(
        bench, "bench_classes", lambda design, workers, progress: asked.append(design) or _rows(manifest)
    )
    monkeypatch.setattr(bench, "compile_kernels", lambda announce: None)

    done = CliRunner().invoke(main, ["bench", "--results", str(tmp_path), *options], catch_exceptions=False)

    assert done.exit_code == 0
    assert [(one.engine, one.shapes[0][0].dtype) for one in asked] == [kind]
    (path,) = (tmp_path / "calibrations").glob("*.json")
    assert path.name.startswith(kind[0])
    assert path.stem.endswith(kind[1])


def _rows(manifest) -> Measured:
    calibration = _calibration(manifest)
    return Measured(calibration.shapes, calibration.knots, calibration.packs)


@pytest.mark.parametrize(
    "options",
    [["--engine", "fused", "--dtype", "float32"], ["tiny.yaml", "--engine", "torch"], ["--scale", "short"]],
)
def test_bench_refuses_what_does_not_go_together(options, tmp_path, monkeypatch):
    """The fused engine has one dtype, a file says its engines itself, and a scale is of a file."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(TEXT, encoding="utf-8")

    refused = CliRunner().invoke(main, ["bench", *options])

    assert refused.exit_code == 2
    assert "leave" in refused.output
