"""The bench measures: what it times is real, finite, and longer for larger shapes. No test asserts a time."""

import math
import sys

import numpy as np
import pytest
import torch

from harness.count import run_work
from harness.measure import cost
from harness.measure.bench import bench_run, bench_solo, compile_kernels, standard_runs
from harness.measure.calibration import calibrate, knot_moves, shape_of
from harness.measure.cost import pack_seconds, run_seconds, timed
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
from harness.train import torch_engine, train_pack

KAN = KanShape(shape=(2, 5, 1), grid=5)
MLP = MlpShape(shape=(2, 10, 10, 1))
SPLINE_MLP = SplineMlpShape(shape=(2, 5, 5, 1), grid=5)
LBFGS, ADAM = Lbfgs(name="lbfgs"), Adam(name="adam")
LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")


def _run(network, recipe, seed=0, engine="fused", points=100) -> RunSpec:
    task = resolve(Task(target="exp2d", train_points=points))
    return RunSpec(task=task, network=network, recipe=recipe, seed=seed, engine=engine)


def _timed(runs):
    """Rows of shapes and of moves, and what progress heard."""
    heard = []
    solo, knots = bench_solo(runs, progress=lambda done, total: heard.append((done, total)))
    return solo, knots, heard


@pytest.mark.parametrize("engine", ["fused", pytest.param("torch", marks=pytest.mark.nightly)])
def test_everything_that_runs_do_is_timed_once(engine):
    extended = Recipe(
        optimizer=LBFGS,
        max_evaluations=50,
        restarts=Restarts(count=2, evaluations=5),
        grid_updates=GridUpdates(every=10, until=20),
        grid_extension=GridExtension(grids=(3,), evaluations=10),
    )
    minibatch = Recipe(optimizer=Adam(name="adam", batch_size=32), max_evaluations=50)
    mixed = Recipe(optimizer=LEVENBERG, max_evaluations=50, grid_updates=GridUpdates(grid_eps=0.5))
    recipes = [(KAN, extended, 0), (KAN, extended, 1), (MLP, minibatch, 0), (KAN, mixed, 0), (SPLINE_MLP, mixed, 0)]
    runs = [_run(*one, engine=engine) for one in recipes]
    path, threads = list(sys.path), torch.get_num_threads()
    compile_kernels(lambda message: None)
    solo, knots, heard = _timed(runs)

    works = [work for run in runs for work in run_work(run.network, run.recipe, run.task)]
    shapes = dict.fromkeys(shape_of(run, stage.network) for run in runs for stage in stages(run.network, run.recipe))
    assert [row.shape for row in solo] == list(shapes)
    assert [row.move for row in knots] == list(dict.fromkeys(move for work in works for move in knot_moves(work)))
    assert {row.move.refined for row in knots} == {True, False}
    assert heard == [(done, len(solo) + len(knots)) for done in range(1, len(solo) + len(knots) + 1)]
    for row in solo:
        assert 0 < row.seconds_per_evaluation < math.inf
        assert row.interquartile_seconds >= 0
        assert row.repeats >= 3
        is_counted = engine == "torch" and row.shape.optimizer != "levenberg_marquardt"
        assert (row.bytes_per_evaluation is not None) == is_counted
    assert all(0 < row.seconds < math.inf for row in knots)

    machine = timed(calibrate(engine, "float64", 0.01, solo, knots))
    for run in runs:
        made = [stage.starts * stage.evaluations for stage in stages(run.network, run.recipe)]
        assert run_seconds(machine, run, made) > 0
    assert (sys.path, torch.get_num_threads()) == (path, threads)


@pytest.mark.nightly
def test_much_larger_shapes_take_longer():
    """Thirty times the points, or a hundred times the weights, take longer; so do the knots of more splines."""
    recipe = Recipe(optimizer=ADAM, max_evaluations=500, grid_updates=GridUpdates())
    wide = MlpShape(shape=(2, 100, 100, 1))
    compile_kernels(lambda message: None)
    solo, knots, _ = _timed(
        [_run(network, recipe, points=points) for network in (KAN, MLP, wide) for points in (100, 3000)]
    )
    kan, kan_3000, mlp, mlp_3000, of_wide, _ = (row.seconds_per_evaluation for row in solo)
    assert kan_3000 > kan
    assert mlp_3000 > mlp
    assert of_wide > mlp
    assert knots[1].seconds > knots[0].seconds


@pytest.mark.nightly
def test_an_evaluation_of_a_phase_is_timed_on_its_share_of_the_points():
    """With forty phases an evaluation sees a fortieth of the points, and takes far less than one that sees all."""
    compile_kernels(lambda message: None)
    whole = Recipe(optimizer=ADAM, max_evaluations=400)
    solo, _, _ = _timed(
        [_run(MLP, recipe, points=40_000) for recipe in (whole, whole.model_copy(update={"phases": 40}))]
    )
    assert [row.shape.samples for row in solo] == [40_000, 1000]
    assert solo[1].seconds_per_evaluation < solo[0].seconds_per_evaluation / 5
    assert solo[1].flops_per_evaluation < solo[0].flops_per_evaluation / 30


def test_standard_runs_have_both_families_every_optimiser_and_moves_of_knots():
    for engine, dtype in (("fused", "float64"), ("torch", "float32")):
        runs = standard_runs(engine, dtype)
        kinds = {(run.network.family, run.recipe.optimizer.name) for run in runs}
        assert len(kinds) == 6
        assert {(run.engine, run.dtype) for run in runs} == {(engine, dtype)}
        assert all(run.recipe.grid_updates and run.recipe.grid_extension for run in runs if run.network.family == "kan")


@pytest.mark.nightly
def test_a_run_takes_time_whatever_it_trains():
    compile_kernels(lambda message: None)
    assert 0 < bench_run("fused", "float64", progress=lambda done, total: None) < math.inf


def test_what_is_said_of_the_torch_engine_is_so():
    assert cost.SMALLEST_ENSEMBLE == torch_engine.SMALLEST_ENSEMBLE


@pytest.mark.nightly
@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_small_sweep_is_predicted(engine, tmp_path):
    """Packs take what was predicted from one lane alone: within a factor of 2 for most, and of 3 for each.

    In the torch engine the rate of further lanes is that of the standard shapes, whatever else this machine does.
    """
    compile_kernels(lambda message: None)
    course = {
        "restarts": Restarts(count=2, evaluations=30),
        "grid_extension": GridExtension(grids=(5,), evaluations=100),
    }
    recipes = [
        (Recipe(optimizer=LBFGS, max_evaluations=600, **course), (KanShape(shape=(2, 3, 1), grid=15),)),
        (Recipe(optimizer=Adam(name="adam", batch_size=50), max_evaluations=2000), (MLP, KAN, SPLINE_MLP)),
        (Recipe(optimizer=LEVENBERG, max_evaluations=60), (MLP, KanShape(shape=(2, 3, 1), grid=12), SPLINE_MLP)),
        (Recipe(optimizer=LBFGS, max_evaluations=600), (MlpShape(shape=(2, 25, 1), activation="tanh"),)),
    ]
    packs = [
        [_run(network, recipe, seed, engine, points=800) for seed in range(6)]
        for recipe, networks in recipes
        for network in networks
    ]
    standard = standard_runs(engine, "float64") if engine == "torch" else []
    solo, knots, _ = _timed([*standard, *(pack[0] for pack in packs)])
    per_run = bench_run(engine, "float64", progress=lambda done, total: None)
    calibration = calibrate(engine, "float64", per_run, solo, knots)
    predicted = pack_seconds(packs, {(engine, "float64"): calibration})
    taken = []
    for index, runs in enumerate(packs):
        train_pack(runs[:1], tmp_path / f"first {index}")  # loads what is compiled
        records = train_pack(runs, tmp_path / f"all {index}")
        taken.append(records[0].provenance.pack_cpu_seconds)
    distances = np.abs(np.log(np.array(predicted) / np.array(taken)))

    assert np.median(distances) < math.log(2)
    assert distances.max() < math.log(3)
