"""The bench measures: what it times is real, finite, and longer for larger shapes. No test asserts a time."""

import math
import sys

import numpy as np
import pytest
import torch

from harness.measure import features, prediction
from harness.measure.bench import bench_classes, bench_solo, compile_kernels
from harness.measure.calibration import calibrate, with_solo
from harness.measure.design import Design, full_design
from harness.measure.features import Shape, shape_of
from harness.measure.prediction import predict, run_seconds
from harness.optimisers.levenberg import JACOBIAN_BYTES
from harness.spec import (
    Adam,
    GridExtension,
    GridUpdates,
    KanShape,
    Lbfgs,
    LevenbergMarquardt,
    MlpShape,
    Recipe,
    Restarts,
    RunSpec,
    SplineMlpShape,
    Task,
    stages,
)
from harness.tasks import resolve
from harness.train import CHUNK_SECONDS, torch_engine, train_pack
from harness.train.fused import kan, kernels, simd

KAN = KanShape(shape=(2, 5, 1), grid=5)
MLP = MlpShape(shape=(2, 10, 10, 1))
SPLINE_MLP = SplineMlpShape(shape=(2, 5, 5, 1), grid=5)
LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")


def _shape(network, samples, train_points, optimizer="adam", history=0) -> Shape:
    return Shape(
        network=network,
        samples=samples,
        train_points=train_points,
        optimizer=optimizer,
        history=history,
        dtype="float64",
    )


SHAPES = (
    (_shape(KAN, 100, 100, "lbfgs", 10), 2),
    (_shape(KAN, 3000, 3000, "lbfgs", 10), 6),
    (_shape(MLP, 100, 100), 2),
    (_shape(MLP, 32, 100), 2),
    (_shape(MlpShape(shape=(2, 100, 100, 1)), 1000, 1000), 6),
    (_shape(KAN, 300, 300, "levenberg_marquardt"), 2),
)
KNOTS = ((KAN, 2, 100, False, "float64"), (KAN.model_copy(update={"grid": 200}), 2, 203, True, "float32"))
REDUCED = {
    "torch": Design("torch", SHAPES, KNOTS, ((1, 1), (4, 1))),
    "fused": Design("fused", tuple((shape, 1) for shape, _ in SHAPES), KNOTS, ((1, 1), (4, 32))),
}


@pytest.fixture(scope="module", params=["fused", pytest.param("torch", marks=pytest.mark.slow)])
def measured(request):
    """The engine, its reduced design measured once, and what progress heard."""
    heard = []
    if request.param == "fused":
        compile_kernels(lambda message: None)
    rows = bench_classes(REDUCED[request.param], 1, progress=lambda done, total: heard.append((done, total)))
    return request.param, rows, heard


def test_every_row_of_a_design_is_measured(measured):
    """Each class has a positive finite time and, on Linux, a peak of memory; progress hears of every one."""
    engine, rows, heard = measured
    times = [row.seconds_per_evaluation for row in rows.shapes] + [row.seconds for row in (*rows.knots, *rows.packs)]

    design = REDUCED[engine]
    assert {(row.shape, row.lanes) for row in rows.shapes} == set(design.shapes)
    assert len(rows.knots) == len(design.knots)
    assert [(row.runs, row.evaluations) for row in rows.packs] == list(design.packs)
    assert all(0 < time < math.inf for time in times)
    assert all(row.repeats >= 3 for row in rows.shapes)
    assert heard == [(done, 10) for done in range(1, 11)]
    if sys.platform == "linux":
        assert all(row.peak_bytes > 1e7 for row in (*rows.shapes, *rows.knots))


def test_much_larger_shapes_take_longer(measured):
    """Ninety times the points times lanes, or a hundred times the weights, take longer; so does a larger grid."""
    _, rows, _ = measured
    seconds = {(row.shape.network, row.shape.samples): row.seconds_per_evaluation for row in rows.shapes}
    small, large = rows.knots

    assert seconds[KAN, 3000] > seconds[KAN, 100]
    assert seconds[MlpShape(shape=(2, 100, 100, 1)), 1000] > seconds[MLP, 100]
    assert large.seconds > small.seconds


def test_a_bench_makes_a_calibration_that_predicts(measured):
    """Rows as measured give a price to a pack of a shape that is not among them."""
    engine, rows, _ = measured
    recipe = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=20)
    run = _run(KanShape(shape=(2, 3, 1), grid=7), recipe, engine=engine)
    predicted = predict(calibrate(engine, "float64", rows), [run] * 3)

    assert 0 < predicted.seconds < math.inf


def test_the_full_design_has_both_families_every_optimiser_and_all_sorts_of_lanes():
    """More than fifty different classes, so that each factor is seen by many."""
    design = full_design("torch", "float32")
    shapes = [shape for shape, _ in design.shapes]
    first_order = [one for one in design.shapes if one[0].optimizer != "levenberg_marquardt"]

    assert len(set(design.shapes)) == len(design.shapes) > 50
    for family in ("kan", "mlp"):
        ours = [(shape, lanes) for shape, lanes in first_order if shape.network.family == family]
        assert {lanes for _, lanes in ours} == {2, 6, 18, 32}
        assert {shape.optimizer for shape, _ in ours} == {"adam", "lbfgs"}
        assert {shape.samples < shape.train_points for shape, _ in ours} == {True, False}
    assert {shape.dtype for shape in shapes} == {"float32"}


def test_the_fused_design_is_of_single_lanes_and_has_all_that_differs_in_price():
    """Every feature of the fused engine is in many classes, and no lane has company."""
    design = full_design("fused", "float64")
    found = [features.evaluation_features("fused", shape, lanes) for shape, lanes in design.shapes]
    names = {name for one in found for name, amount in one.items() if amount}

    assert len(set(design.shapes)) == len(design.shapes) > 100
    assert {lanes for _, lanes in design.shapes} == {lanes for _, lanes, *_ in design.knots} == {1}
    assert all(sum(one.get(name, 0) > 0 for one in found) >= 4 for name in names)
    assert {shape.network.activation for shape, _ in design.shapes if shape.network.family == "mlp"} == {
        "silu",
        "relu",
        "tanh",
        "gelu",
    }


def test_what_is_said_of_the_engines_is_so():
    """Analysis imports no engine, so it repeats a few of their numbers."""
    assert features.BLOCK == simd.BLOCK
    assert features.JACOBIAN_BYTES == JACOBIAN_BYTES
    assert features.SMALLEST_ENSEMBLE == torch_engine.SMALLEST_ENSEMBLE
    assert prediction.CHUNK_SECONDS == CHUNK_SECONDS


def _run(network, recipe, seed=0, engine="torch", points=100) -> RunSpec:
    task = resolve(Task(target="exp2d", train_points=points))
    return RunSpec(task=task, network=network, recipe=recipe, seed=seed, engine=engine)


def test_solo_times_are_of_the_stages_that_runs_have(measured):
    """Each distinct shape is measured once, seeds and gains together; then all these runs have seconds."""
    engine, rows, _ = measured
    extended = Recipe(
        optimizer=Lbfgs(name="lbfgs"),
        max_evaluations=50,
        restarts=Restarts(count=2, evaluations=5),
        grid_extension=GridExtension(grids=(3,), evaluations=10),
    )
    minibatch = Recipe(optimizer=Adam(name="adam", batch_size=32), max_evaluations=50)
    moved = Recipe(optimizer=LEVENBERG, max_evaluations=50, grid_updates=GridUpdates(grid_eps=0.5))
    recipes = [(KAN, extended, 0), (KAN, extended, 1), (MLP, minibatch, 0), (KAN, moved, 0), (SPLINE_MLP, moved, 0)]
    runs = [_run(*one, engine=engine) for one in recipes]
    path, threads = list(sys.path), torch.get_num_threads()
    solo = bench_solo(runs, progress=lambda done, total: None)
    calibration = with_solo(calibrate(engine, "float64", rows), solo)

    assert [row.shape for row in solo] == list(
        dict.fromkeys(shape_of(run, stage.network) for run in runs for stage in stages(run.network, run.recipe))
    )
    assert all(0 < row.seconds_per_evaluation < math.inf for row in solo)
    assert all(row.interquartile_seconds >= 0 for row in solo)
    for row in solo:
        is_counted = engine == "torch" and row.shape.optimizer != "levenberg_marquardt"
        assert (row.bytes_per_evaluation is not None) == is_counted
    for run in runs:
        made = [stage.starts * stage.evaluations for stage in stages(run.network, run.recipe)]
        assert run_seconds(calibration, run, made) > 0
    assert (sys.path, torch.get_num_threads()) == (path, threads)


@pytest.mark.slow
def test_a_small_fused_sweep_is_predicted(tmp_path):
    """Measured as `harness bench` does, packs of networks that are not in the design take what was predicted.

    Within a factor of 2 for most and of 3 for each, whatever else this machine does meanwhile.
    """
    compile_kernels(lambda message: None)
    rows = bench_classes(full_design("fused", "float64"), 1, progress=lambda done, total: None)
    calibration = calibrate("fused", "float64", rows)
    course = {
        "restarts": Restarts(count=2, evaluations=30),
        "grid_extension": GridExtension(grids=(5,), evaluations=100),
    }
    recipes = [
        (Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=600, **course), (KanShape(shape=(2, 3, 1), grid=15),)),
        (Recipe(optimizer=Adam(name="adam", batch_size=50), max_evaluations=2000), (MLP, KAN, SPLINE_MLP)),
        (Recipe(optimizer=LEVENBERG, max_evaluations=60), (MLP, KanShape(shape=(2, 3, 1), grid=12), SPLINE_MLP)),
        (
            Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=600),
            (MlpShape(shape=(2, 25, 1), activation="tanh"), SplineMlpShape(shape=(2, 9, 1), grid=10, place="before")),
        ),
    ]
    ratios = []
    for recipe, networks in recipes:
        for network in networks:
            runs = [_run(network, recipe, seed, "fused", points=800) for seed in (0, 1)]
            train_pack(runs[:1], tmp_path / "first")  # loads what is compiled
            (record, _) = train_pack(runs, tmp_path / "both")
            ratios.append(predict(calibration, runs).seconds / record.provenance.pack_cpu_seconds)
    distances = np.abs(np.log(ratios))

    assert np.median(distances) < math.log(2)
    assert distances.max() < math.log(3)


@pytest.mark.parametrize("network", [KAN, KanShape(shape=(1, 1), grid=100), KanShape(shape=(2, 10, 10, 1), grid=3)])
def test_full_rows_are_priced_where_the_fused_engine_takes_them(network):
    """Far from where both ways cost the same, the closed form knows which one the kernels of a KAN go."""
    shape = _shape(network, 10_000, 10_000, "levenberg_marquardt")
    _, sizes = kernels.describe(network)

    assert ("products_of_rows" in features.evaluation_features("fused", shape, 1)) == bool(sizes[0, kan.IS_DENSE])
