"""What a sweep costs: predictions add up over workers, each run by its own engine; seconds are
evaluations alone.
"""

import json
import math
import re
from pathlib import Path

import pandas as pd
import pytest
from commands import said
from made_records import TEXT as SIX_SEEDS
from made_records import made_record, recorded_table
from made_times import ADAM, KAN, LBFGS, MLP, a_run, solo_rows

from harness.count import count, run_work
from harness.measure import bench, cost
from harness.measure.calibration import (
    Calibration,
    KnotMove,
    KnotRow,
    Rate,
    calibrate,
    kind_of,
    knot_moves,
    write_calibration,
)
from harness.optimisers import Adam, LevenbergMarquardt
from harness.planning.plan import make_plan
from harness.record.store import publish
from harness.spec.read import parse_experiment, read_experiment
from harness.spec.recipe import GridExtension, GridUpdates, Restarts, stages
from harness.spec.run import RunSpec

POISSON = Path(__file__).parents[2] / "experiments" / "fig3_3_poisson.yaml"
TEXT = SIX_SEEDS.partition("seeds")[0] + "seeds: [0, 1, 2]\n"
MIXED = TEXT + "grid: {engine: [fused, torch]}\n"
FUSED, TORCH = ("fused", "float64"), ("torch", "float64")
OPTIMIZERS = (
    LBFGS,
    ADAM,
    Adam(name="adam", batch_size=20),
    LevenbergMarquardt(name="levenberg_marquardt"),
)
ENGINES = ("fused", "torch")


@pytest.fixture
def manifest():
    return make_plan(parse_experiment(TEXT + "engine: torch\n"), "test")


@pytest.fixture
def mixed():
    """Two packs of three runs in the torch engine, and the same six runs in the fused one, each a
    pack.
    """
    return make_plan(parse_experiment(MIXED), "test")


def told() -> str:
    return " ".join(said("plan", "tiny.yaml").split())


def _specs(manifest):
    return {planned.run_id: planned.run for planned in manifest.runs}


def _packs(manifest):
    return [[_specs(manifest)[identity] for identity in pack] for pack in manifest.packs]


def knot_rows(run: RunSpec, seconds: float) -> list[KnotRow]:
    """Every move of the run's knots takes so long."""
    works = run_work(run.network, run.recipe, run.task)
    return [
        KnotRow(move=move, seconds=seconds, flops=1e6)
        for work in works
        for move in knot_moves(work)
    ]


def machine(engine="torch", solo=(), knots=()) -> Calibration:
    """An evaluation takes 1 ms (fused 10 us) and its FLOPs at 1e9 a second, a run 1 s, a move of
    knots 10 ms.
    """
    moved = KnotRow(move=KnotMove(network=KAN, points=123, refined=False), seconds=0.01, flops=1e6)
    elsewhere = solo_rows(a_run(engine=engine, points=123), 1.0)
    calibration = calibrate(engine, "float64", 1.0, [*elsewhere, *solo], [moved, *knots])
    rate = Rate(seconds=1e-3 if engine == "torch" else 1e-5, flops_per_second=1e9)
    moving = Rate(seconds=0.01, flops_per_second=1e12)
    return calibration.model_copy(update={"evaluation_rate": rate, "knot_rate": moving})


def predicted(runs: int, engine="torch", solo=(), knots=(), **settings) -> float:
    pack, calibrations = (
        [a_run(engine=engine, **settings)] * runs,
        {(engine, "float64"): machine(engine, solo, knots)},
    )
    (seconds,) = cost.likely_seconds([pack], calibrations, "cpu")
    return seconds


def _publish(manifest, folder: Path) -> None:
    """Records of every run, of 7 evaluations."""
    for planned in manifest.runs:
        by_stage = ((7, 7),) * len(stages(planned.run.network, planned.run.recipe))
        record = made_record(planned)
        publish(
            record.model_copy(update={"evaluations": 7, "iterations": 7, "by_stage": by_stage}),
            folder,
        )


def test_more_of_anything_never_costs_less():
    for engine in ENGINES:
        for network in (KAN, MLP):
            for optimizer in OPTIMIZERS:
                settings = {"engine": engine, "network": network, "optimizer": optimizer}
                before = predicted(3, **settings)
                assert predicted(4, **settings) > before
                assert predicted(3, **settings, evaluations=300) > before
                assert predicted(3, **settings, points=4000) >= before
                assert math.isfinite(before)


def test_a_pack_of_fused_runs_costs_the_sum_of_its_runs():
    for optimizer in OPTIMIZERS:
        run = a_run(engine="fused", optimizer=optimizer)
        for solo in ((), solo_rows(run, 1e-3)):
            one, five = (predicted(runs, "fused", solo, optimizer=optimizer) for runs in (1, 5))
            assert five == pytest.approx(5 * one)


def test_a_further_lane_of_torch_costs_its_flops():
    run = a_run()
    (work,) = run_work(run.network, run.recipe, run.task)
    arithmetic = cost.flops_per_evaluation(LBFGS, work) / 1e9
    forward = (
        count(run.network)["flops_forward.local_min"]
        * work.samples
        / cost.flops_per_evaluation(LBFGS, work)
    )
    # Evaluations, the learning curve over two splits of 1000, and three such splits at the run's
    # end.
    passes = 200 + forward * ((2 * math.log2(200) + 1) * 2 + 3)

    for runs, lanes in ((1, 2), (2, 2), (5, 5), (32, 32)):
        alone = predicted(runs, solo=solo_rows(run, 0.1)) - runs
        assert alone == pytest.approx(passes * (0.1 + (lanes - 1) * arithmetic))
        large = (
            predicted(runs, solo=solo_rows(run, 1e-5)) - runs
        )  # no lane costs more than one alone
        assert large == pytest.approx(passes * lanes * 1e-5)
        never = predicted(runs) - runs
        assert never == pytest.approx(passes * (1e-3 + lanes * arithmetic))


def test_restarts_train_as_lanes():
    fifteen = predicted(15, evaluations=200) - 15
    whole = predicted(5, evaluations=700, restarts=Restarts(count=3, evaluations=200)) - 5
    rest = predicted(5, evaluations=100) - 5
    assert whole == pytest.approx(
        fifteen + rest, rel=0.01
    )  # but for the errors of what did not go on


def test_knots_that_move_and_grids_that_grow_are_in_the_price():
    """Moves are predicted as often as they happen, in every lane, by their own time where it is
    known.
    """
    updates = GridUpdates(every=50, until=200)
    run = a_run(grid_updates=updates)
    for engine in ENGINES:
        plain = predicted(6, engine)
        timed_moves = predicted(6, engine, knots=knot_rows(run, 0.5), grid_updates=updates) - plain
        assert timed_moves == pytest.approx(6 * 4 * 0.5)
        assert predicted(6, engine, grid_updates=updates) - plain == pytest.approx(
            6 * 4 * 0.01, rel=0.01
        )


def test_small_batches_pay_for_many_points_once():
    """At the end; the learning curve reads 1,000 of them at each of its moments."""
    for engine in ENGINES:
        few, many, more = (
            predicted(
                6, engine, network=MLP, optimizer=Adam(name="adam", batch_size=32), points=points
            )
            - 6
            for points in (1000, 101_000, 201_000)
        )
        assert 0 < many - few == pytest.approx(more - many, rel=1e-6)
        assert many < 4 * few


def test_every_phase_begins_and_ends_as_a_run_does():
    for engine in ENGINES:
        halves = predicted(1, engine, points=500, evaluations=100)
        assert predicted(1, engine, phases=2) == pytest.approx(2 * halves, rel=0.01)


def test_how_many_shapes_go_by_a_rate_is_counted():
    runs = [a_run(), a_run(network=MLP), a_run(engine="fused"), a_run(seed=1)]
    assert cost.never_timed(runs, {}) == (3, 3)
    assert cost.never_timed(runs, {TORCH: machine(solo=solo_rows(a_run(), 1.0))}) == (2, 3)


def test_the_seconds_of_a_run_add_over_its_stages():
    run = a_run(
        restarts=Restarts(count=2, evaluations=10),
        grid_extension=GridExtension(grids=(5, 10), evaluations=30),
    )
    rows = {row.shape.network.grid: row for row in solo_rows(run, 1.0)}
    times = {5: 1.0, 10: 10.0, 20: 100.0}
    solo = [
        row.model_copy(update={"seconds_per_evaluation": times[grid]}) for grid, row in rows.items()
    ]
    seconds = cost.run_seconds(machine(solo=solo, knots=knot_rows(run, 0.25)), run, [20, 30, 25, 7])
    assert seconds == pytest.approx(20 * 1 + 30 * 1 + 25 * 10 + 7 * 100 + 2 * 0.25)


def test_what_was_not_timed_alone_has_no_seconds():
    """Solo times are of exact shapes: other points, another optimiser or network have none; nor has
    a move of knots.
    """
    known = machine(solo=solo_rows(a_run(), 1e-3))
    assert cost.run_seconds(known, a_run(), [200]) == pytest.approx(0.2)
    for change in (
        {"points": 999},
        {"optimizer": ADAM},
        {"network": MLP},
        {"grid_updates": GridUpdates()},
    ):
        assert cost.run_seconds(known, a_run(**change), [200]) is None
    sparse = a_run(sparsity={"strength": 0.01, "evaluations": 150})
    assert cost.run_seconds(known, sparse, [150, 50]) is None


def test_unmeasured_packs_weigh_as_they_take():
    """CPU seconds of Poisson's equation at 1,500 points, within three times; of small networks
    those of a call.
    """
    taken = {(2, 10, 10, 1): 49.2, (2, 20, 20, 20, 1): 69.0, (2, 100, 100, 100, 1): 590.9}
    manifest = make_plan(read_experiment(POISSON, "table"), "table")
    packs = {}
    for run in (planned.run for planned in manifest.runs):
        fewer = run.task.model_copy(update={"train_points": 1500, "validation_points": 1500})
        packs[run.network.shape] = [run.model_copy(update={"task": fewer})] * 3
    for shape, seconds in taken.items():
        (likely,) = cost.likely_seconds([packs[shape]], {}, "cpu")
        assert seconds / 3 < likely < 3 * seconds


def test_each_pack_is_predicted_by_the_calibration_of_its_engine(mixed):
    both = {FUSED: machine("fused"), TORCH: machine()}
    packs = _packs(mixed)
    measured, assumed = (
        cost.likely_seconds(packs, calibrations, "cpu") for calibrations in (both, {})
    )
    assert sorted(len(pack) for pack in packs) == [1] * 6 + [3] * 2
    assert not set(assumed) & set(measured)
    for kind in both:
        calibrated, is_of_kind = {kind: both[kind]}, [kind_of(pack[0]) == kind for pack in packs]
        either = zip(measured, assumed, is_of_kind, strict=True)
        assert cost.likely_seconds(packs, calibrated, "cpu") == [
            seconds if is_known else rate for seconds, rate, is_known in either
        ]


def test_seconds_are_evaluations_at_the_solo_time_of_each_runs_engine(mixed, tmp_path):
    """7 evaluations of 2 ms are 14 ms, whatever the pack took; a shape not measured alone leaves no
    such axis.
    """
    _publish(mixed, tmp_path)
    table, specs = recorded_table(mixed, tmp_path), _specs(mixed)
    times = {
        ("fused", "kan"): 2e-4,
        ("fused", "mlp"): 1e-4,
        ("torch", "kan"): 2e-3,
        ("torch", "mlp"): 1e-3,
    }
    solo = {"fused": [], "torch": []}
    for run in specs.values():
        solo[run.engine] += solo_rows(run, times[run.engine, run.network.family])
    fused, torch = machine("fused", solo["fused"]), machine("torch", solo["torch"])

    told = cost.with_seconds(table, specs, {FUSED: fused, TORCH: torch})

    for kind, seconds in told.groupby(["engine", "arm"])["seconds"]:
        assert seconds.unique() == pytest.approx(7 * times[kind])
    assert set(told["seconds_on"]) == {f"{torch.host}, {torch.device}, {torch.measured_at[:10]}"}
    in_part = machine("torch", [row for row in solo["torch"] if row.shape.network.family == "kan"])
    for calibrations in ({FUSED: fused}, {FUSED: fused, TORCH: in_part}, {}):
        pd.testing.assert_frame_equal(cost.with_seconds(table, specs, calibrations), table)


def test_a_calibrated_machine_is_in_the_plan(manifest, here):
    Path("tiny.yaml").write_text(TEXT + "engine: torch\n", encoding="utf-8")
    solo = []
    for run in _specs(manifest).values():
        solo += solo_rows(run, 1e-3)
    assert "uncalibrated (`harness bench --engine torch` measures this machine)" in told()
    assert "training FLOPs (shared_dense)" in told()
    write_calibration(machine(), Path("results"))
    assert "(calibrated; 2 of 2 shapes by a rate: `harness bench FILE` times them)" in told()
    write_calibration(machine(solo=solo), Path("results"))
    assert re.search(r"workers, \S+ core-hours \(calibrated\)", told())
    write_calibration(machine().model_copy(update={"calibration_schema": 4}), Path("results"))
    assert (
        "was written by another version of harness; run `harness bench --engine torch` again"
        in told()
    )


def test_a_login_node_reads_what_was_measured_on_a_node(here):
    """Of a processor that nobody measured, the one measured last stands for it, by name; its own
    comes first.
    """
    Path("tiny.yaml").write_text(TEXT + "engine: torch\n", encoding="utf-8")
    for device, at in (("Late 9", "2026-11-02"), ("Early 8", "2026-11-01")):
        write_calibration(
            machine().model_copy(update={"device": device, "measured_at": at}), Path("results")
        )
    assert "(calibrated on Late 9; 2 of 2 shapes by a rate" in told()
    write_calibration(machine(), Path("results"))
    assert "(calibrated; 2 of 2 shapes by a rate" in told()


def test_a_plan_of_two_engines_needs_both(here):
    Path("tiny.yaml").write_text(MIXED, encoding="utf-8")
    assert (
        "uncalibrated (`harness bench` and `harness bench --engine torch` measure this machine)"
        in told()
    )
    write_calibration(machine(), Path("results"))
    assert "uncalibrated (`harness bench` measures this machine)" in told()
    write_calibration(machine("fused"), Path("results"))
    assert "(calibrated; 4 of 4 shapes by a rate" in told()


def test_only_cpus_are_calibrated(here):
    Path("tiny.yaml").write_text(TEXT + "device: cuda\n", encoding="utf-8")
    write_calibration(machine(), Path("results"))
    assert "uncalibrated (only CPUs are measured)" in told()
    assert "only CPUs are measured" in said("bench", "tiny.yaml", exit_code=2)


@pytest.fixture
def asked(monkeypatch) -> list[RunSpec]:
    """The runs that a bench, which takes no time here, is asked to time."""
    runs: list[RunSpec] = []
    solo, knots = solo_rows(a_run(), 1.0), machine().knots
    monkeypatch.setattr(bench, "bench_run", lambda *args: 0.01)
    monkeypatch.setattr(
        bench, "bench_solo", lambda asked, progress: runs.extend(asked) or (solo, knots)
    )
    monkeypatch.setattr(bench, "compile_kernels", lambda announce: None)
    return runs


def test_bench_times_the_networks_of_set_fields(here, asked):
    Path("tiny.yaml").write_text(TEXT, encoding="utf-8")
    said("bench", "tiny.yaml", "--set", "arms.mlp.architecture.hidden=[7]")
    assert (2, 7, 1) in {run.network.shape for run in asked}


@pytest.mark.nightly
def test_bench_measures_and_gives_a_file_its_seconds(here, monkeypatch):
    Path("tiny.yaml").write_text(MIXED, encoding="utf-8")
    monkeypatch.setattr(bench, "STANDARD_NETWORKS", (MLP, KAN, MLP))
    monkeypatch.setattr(bench, "STANDARD_OPTIMIZERS", (LBFGS, ADAM))
    monkeypatch.setattr(bench, "STANDARD_POINTS", (100,))
    assert said("bench", "tiny.yaml").count("shapes timed alone") == 2
    assert len(list(Path("results/calibrations").glob("*.json"))) == 2
    said("run", "tiny.yaml", "--workers", "1")
    table = pd.read_csv("results/tiny/runs.csv")
    assert (table["seconds"] > 0).all()
    fits = json.loads(Path("results/tiny/fits.json").read_text(encoding="utf-8"))["laws"]
    assert "seconds" in {one["axis"] for one in fits}


@pytest.mark.parametrize(
    ("options", "kind"),
    [([], FUSED), (["--engine", "torch"], TORCH), (["--dtype", "float32"], ("torch", "float32"))],
)
def test_bench_without_a_file_measures_one_engine(options, kind, tmp_path, asked):
    """The fused engine, which plans use where they can, unless the options ask for what only torch
    computes.
    """
    said("bench", "--results", tmp_path, *options)
    assert {kind_of(run) for run in asked} == {kind}
    (path,) = (tmp_path / "calibrations").glob("*.json")
    assert path.name.startswith(kind[0])
    assert path.stem.endswith(kind[1])


def test_bench_refuses_what_does_not_go_together(here):
    Path("tiny.yaml").write_text(TEXT, encoding="utf-8")
    for options in (
        "--engine fused --dtype float32",
        "tiny.yaml --engine torch",
        "--scale short",
        "--set seeds=[0]",
    ):
        assert "leave" in said("bench", *options.split(), exit_code=2)
