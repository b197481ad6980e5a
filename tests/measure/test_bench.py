"""The bench measures: what it times is real, finite, and longer for larger shapes. No test asserts a time."""

import math
import sys

import pytest
import torch

from harness.measure.bench import Design, bench_classes, bench_solo, full_design
from harness.measure.calibration import Shape, calibrate, predict, run_seconds, shape_of, with_solo
from harness.spec import Adam, GridExtension, KanShape, Lbfgs, MlpShape, Recipe, Restarts, RunSpec, Task, stages
from harness.tasks import resolve

KAN = KanShape(shape=(2, 5, 1), grid=5)
MLP = MlpShape(shape=(2, 10, 10, 1))


def _shape(network, samples, train_points, optimizer="adam", history=0) -> Shape:
    return Shape(
        network=network,
        samples=samples,
        train_points=train_points,
        optimizer=optimizer,
        history=history,
        dtype="float64",
    )


REDUCED = Design(
    shapes=(
        (_shape(KAN, 100, 100, "lbfgs", 10), 2),
        (_shape(KAN, 3000, 3000, "lbfgs", 10), 6),
        (_shape(MLP, 100, 100), 2),
        (_shape(MLP, 32, 100), 2),
        (_shape(MlpShape(shape=(2, 100, 100, 1)), 1000, 1000), 6),
    ),
    knots=((KAN, 2, 100, False, "float64"), (KAN.model_copy(update={"grid": 200}), 2, 203, True, "float32")),
    packs=(1, 4),
)


@pytest.fixture(scope="module")
def measured():
    """The reduced design, measured once, and what its progress heard."""
    heard = []
    rows = bench_classes(REDUCED, workers=1, progress=lambda done, total: heard.append((done, total)))
    return rows, heard


def test_every_row_of_a_design_is_measured(measured):
    """Each class has a positive finite time and, on Linux, a peak of memory; progress hears of every one."""
    rows, heard = measured
    times = [row.seconds_per_evaluation for row in rows.shapes] + [row.seconds for row in (*rows.knots, *rows.packs)]

    assert {(row.shape, row.lanes) for row in rows.shapes} == set(REDUCED.shapes)
    assert len(rows.knots) == len(REDUCED.knots)
    assert [row.runs for row in rows.packs] == list(REDUCED.packs)
    assert all(0 < time < math.inf for time in times)
    assert all(row.repeats >= 3 for row in rows.shapes)
    assert heard == [(done, 9) for done in range(1, 10)]
    if sys.platform == "linux":
        assert all(row.peak_bytes > 1e7 for row in (*rows.shapes, *rows.knots))


def test_much_larger_shapes_take_longer(measured):
    """Ninety times the points times lanes, or a hundred times the weights, take longer; so does a larger grid."""
    rows, _ = measured
    seconds = {(row.shape.network, row.shape.samples): row.seconds_per_evaluation for row in rows.shapes}
    small, large = rows.knots

    assert seconds[KAN, 3000] > seconds[KAN, 100]
    assert seconds[MlpShape(shape=(2, 100, 100, 1)), 1000] > seconds[MLP, 100]
    assert large.seconds > small.seconds


def test_a_bench_makes_a_calibration_that_predicts(measured):
    """Rows as measured give a price to a pack of a shape that is not among them."""
    rows, _ = measured
    run = _run(KanShape(shape=(2, 3, 1), grid=7), Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=20))
    predicted = predict(calibrate("torch", "float64", rows), [run] * 3)

    assert 0 < predicted.seconds < math.inf


def test_the_full_design_has_both_families_every_optimiser_and_all_sorts_of_lanes():
    """More than fifty different classes, so that each factor is seen by many."""
    design = full_design("float32")
    shapes = [shape for shape, _ in design.shapes]

    assert len(set(design.shapes)) == len(design.shapes) > 50
    for family in ("kan", "mlp"):
        ours = [(shape, lanes) for shape, lanes in design.shapes if shape.network.family == family]
        assert {lanes for _, lanes in ours} == {2, 6, 18, 32}
        assert {shape.optimizer for shape, _ in ours} == {"adam", "lbfgs"}
        assert {shape.samples < shape.train_points for shape, _ in ours} == {True, False}
    assert {shape.dtype for shape in shapes} == {"float32"}


def _run(network, recipe, seed=0) -> RunSpec:
    return RunSpec(task=resolve(Task(target="exp2d", train_points=100)), network=network, recipe=recipe, seed=seed)


def test_solo_times_are_of_the_stages_that_runs_have(measured):
    """Each distinct shape is measured once, seeds and gains together; then all these runs have seconds."""
    rows, _ = measured
    extended = Recipe(
        optimizer=Lbfgs(name="lbfgs"),
        max_evaluations=50,
        restarts=Restarts(count=2, evaluations=5),
        grid_extension=GridExtension(grids=(3,), evaluations=10),
    )
    minibatch = Recipe(optimizer=Adam(name="adam", batch_size=32), max_evaluations=50)
    runs = [_run(KAN, extended), _run(KAN, extended, seed=1), _run(MLP, minibatch)]
    path, threads = list(sys.path), torch.get_num_threads()
    solo = bench_solo(runs, progress=lambda done, total: None)
    calibration = with_solo(calibrate("torch", "float64", rows), solo)

    assert [row.shape for row in solo] == list(
        dict.fromkeys(shape_of(run, stage.network) for run in runs for stage in stages(run.network, run.recipe))
    )
    assert all(0 < row.seconds_per_evaluation < math.inf for row in solo)
    assert all(row.interquartile_seconds >= 0 for row in solo)
    for run in runs:
        made = [stage.starts * stage.evaluations for stage in stages(run.network, run.recipe)]
        assert run_seconds(calibration, run, made) > 0
    assert (sys.path, torch.get_num_threads()) == (path, threads)
