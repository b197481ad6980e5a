"""The bench measures: what it times is real, finite, and longer for larger shapes. No test asserts
a time.
"""

import math
import sys

import pytest
import torch
from made_times import MLP, a_run

from benchmarks.traced import operations
from harness.count import run_work
from harness.families import KanShape, SplineMlpShape
from harness.measure.bench import bench_solo, compile_kernels, standard_runs
from harness.measure.calibration import calibrate, knot_moves, shape_of
from harness.measure.cost import run_seconds
from harness.optimisers import Adam, LevenbergMarquardt
from harness.spec.recipe import GridExtension, GridUpdates, Restarts, stages

KAN = KanShape(shape=(2, 5, 1), grid=5)
SPLINE_MLP = SplineMlpShape(shape=(2, 5, 5, 1), grid=5)


@pytest.mark.parametrize("engine", ["fused", pytest.param("torch", marks=pytest.mark.nightly)])
def test_everything_that_runs_do_is_timed_once(engine):
    updates, extension = GridUpdates(every=10, until=20), GridExtension(grids=(3,), evaluations=10)
    extended = {
        "restarts": Restarts(count=2, evaluations=5),
        "grid_updates": updates,
        "grid_extension": extension,
    }
    mixed = {
        "optimizer": LevenbergMarquardt(name="levenberg_marquardt"),
        "grid_updates": GridUpdates(grid_eps=0.5),
    }
    settings = [
        {"network": KAN, **extended},
        {"network": KAN, "seed": 1, **extended},
        {"network": MLP, "optimizer": Adam(name="adam", batch_size=32)},
        {"network": MLP, "optimizer": Adam(name="adam", schedule="cosine", decays_over=100)},
        {"network": KAN, **mixed},
        {"network": SPLINE_MLP, **mixed},
    ]
    runs = [a_run(engine=engine, points=100, evaluations=50, **fields) for fields in settings]
    path, threads, heard = list(sys.path), torch.get_num_threads(), []
    compile_kernels(lambda message: None)
    solo, knots = bench_solo(runs, progress=lambda done, total: heard.append((done, total)))

    works = [work for run in runs for work in run_work(run.network, run.recipe, run.task)]
    shapes = dict.fromkeys(
        shape_of(run, stage.network) for run in runs for stage in stages(run.network, run.recipe)
    )
    assert [row.shape for row in solo] == list(shapes)
    assert [row.move for row in knots] == list(
        dict.fromkeys(move for work in works for move in knot_moves(work))
    )
    assert {row.move.refined for row in knots} == {True, False}
    assert heard == [
        (done, len(solo) + len(knots)) for done in range(1, len(solo) + len(knots) + 1)
    ]
    for row in solo:
        assert 0 < row.seconds_per_evaluation < math.inf
    assert all(0 < row.seconds < math.inf for row in knots)

    machine = calibrate(engine, "float64", 0.01, solo, knots)
    for run in runs:
        made = [stage.starts * stage.evaluations for stage in stages(run.network, run.recipe)]
        assert run_seconds(machine, run, made) > 0
    assert (sys.path, torch.get_num_threads()) == (path, threads)


def test_standard_runs_have_both_families_every_optimiser_and_moves_of_knots():
    for engine, dtype in (("fused", "float64"), ("torch", "float32")):
        runs = standard_runs(engine, dtype)
        kinds = {(run.network.family, run.recipe.optimizer.name) for run in runs}
        assert len(kinds) == 6
        assert {(run.engine, run.dtype) for run in runs} == {(engine, dtype)}
        assert all(
            run.recipe.grid_updates and run.recipe.grid_extension
            for run in runs
            if run.network.family == "kan"
        )


def test_operations_are_listed_in_order_with_their_bytes_and_without_views():
    """Backward passes are part of the call; memory that is only allocated launches nothing."""
    x = torch.ones(4, 3, dtype=torch.float64, requires_grad=True)
    done = operations(lambda: torch.autograd.grad((x.T * 2).sum(), x))
    assert [one.name for one in done] == ["mul", "sum", "ones_like", "mul"]
    assert done[0].bytes == 2 * 12 * 8
    assert not any(one.waits for one in done)
    assert [one.launches for one in operations(lambda: torch.empty(3).fill_(1))] == [False, True]


def test_a_host_that_waits_is_found():
    """It asks for a number, for the length of what comes out, or it makes a tensor that the device
    lacks.
    """
    x = torch.ones(3)
    on_device = torch.empty(3, device="meta")
    for function in (
        x.sum().item,
        lambda: bool(x.any()),
        x.nonzero,
        lambda: x[x > 0],
        lambda: torch.equal(x, x),
    ):
        assert any(one.waits for one in operations(function))
    own = torch.ones(())
    for function in (
        lambda: own.to(on_device),
        lambda: on_device * own,
        lambda: torch.tensor([1.0]),
    ):
        assert any(one.waits for one in operations(function))
    assert not any(
        one.waits for one in operations(lambda: (on_device * 2).masked_fill(on_device > 0, 1))
    )
