"""Calibrations: a rate is that which made the times, shapes differ where prices do, files are
trusted only whole.
"""

import importlib
import sys
from functools import cache, partial

import pytest
from commands import refused
from made_times import ADAM, KAN, LBFGS, MLP, a_run, solo_rows

from harness.base.errors import HarnessError
from harness.count import run_work, training_flops
from harness.families import SplineMlpShape
from harness.measure import calibration
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt, load_optimiser
from harness.spec.recipe import GridExtension, GridUpdates
from harness.spec.run import RunSpec

LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")


def a_row(run: RunSpec, seconds: float) -> calibration.SoloRow:
    (row,) = solo_rows(run, seconds)
    return row


KNOTS = calibration.KnotRow(
    move=calibration.KnotMove(network=KAN, points=1000, refined=False), seconds=1e-3, flops=1e6
)


@cache
def measured() -> calibration.Calibration:
    return calibration.calibrate("torch", "float64", 0.01, [a_row(a_run(), 1e-3)], [KNOTS])


def test_the_rate_that_made_the_times_is_found():
    for seconds, speed in ((1e-3, 3e9), (3e-6, 2e10), (0.0, 1e9)):
        rate = calibration.fit_rate(
            [(flops, seconds + flops / speed) for flops in (1e4, 1e5, 1e6, 1e7, 1e8)]
        )
        assert rate.seconds == pytest.approx(seconds, rel=0.1, abs=1e-6)
        assert rate.flops_per_second == pytest.approx(speed, rel=0.1)
    rate = calibration.fit_rate([(1e6, 1e-3)])
    assert rate.seconds + 1e6 / rate.flops_per_second == pytest.approx(1e-3, rel=0.1)


def test_cheap_shapes_count_as_much_as_dear_ones():
    """Times that scatter by a factor of 2 either way leave the rate between them, small and
    large.
    """
    rows = []
    for flops in (1e4, 1e6, 1e8):
        rows += [(flops, 2 * flops / 1e9), (flops, flops / 1e9 / 2)]
    assert calibration.fit_rate(rows).flops_per_second == pytest.approx(1e9, rel=0.1)


def test_what_costs_nothing_makes_no_other_shape():
    """Seeds, gains, noises and learning rates share the solo time of their shape; all else has its
    own.
    """
    noisy = KAN.model_copy(update={"noise": 0.5})
    one, other = a_run(), a_run(noisy, Lbfgs(name="lbfgs", learning_rate=0.1), gain=2, seed=5)
    different = [
        a_run(points=999),
        a_run(optimizer=ADAM),
        a_run(optimizer=Adam(name="adam", batch_size=32)),
        a_run(optimizer=Lbfgs(name="lbfgs", history=20)),
        a_run(optimizer=LEVENBERG),
        a_run(optimizer=LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-3)),
        a_run(grid_updates=GridUpdates(grid_eps=0.5)),
        a_run(network=MLP),
        a_run(phases=2),
    ]

    assert calibration.shape_of(one, one.network) == calibration.shape_of(other, other.network)
    assert len({calibration.shape_of(run, run.network) for run in (one, *different)}) == 1 + len(
        different
    )


OWN = """
from dataclasses import replace
from typing import Literal
from harness.families.later import torch
from harness.optimisers import LaneState, OutsideOptimiser
from harness.optimisers.base import begun

class {kind}(OutsideOptimiser):
    title, state = "descent", LaneState
    {timing}
    name: Literal["{module}:{kind}"]
    learning_rate: float = 0.01
    memory: int = 5
    damping: float = 0.1

    def flops(self, network, samples, evaluations, iterations, starts):
        return network.trainable * evaluations

    def start(self, position_RP, learning_rate_R=None, total_steps=None):
        return LaneState(**begun(position_RP))

    def tell(self, state, loss_R, gradient_RP):
        position_RP = state.position_RP - self.learning_rate * gradient_RP
        return replace(state, position_RP=position_RP, evaluations_R=state.evaluations_R + 1)
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A function that makes optimisers of a class of a user's own, which says so of its
    `timing`.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    modules = []

    def made(timing="", edit="", **fields):
        module = f"descent_{len(modules)}_{tmp_path.parent.name.replace('-', '_')}"
        modules.append(module)
        source = OWN.format(module=module, kind="Descent", timing=timing) + edit
        (tmp_path / f"{module}.py").write_text(source, encoding="utf-8")
        importlib.invalidate_caches()
        return partial(load_optimiser(f"{module}:Descent"), name=f"{module}:Descent")

    yield made
    for module in modules:
        sys.modules.pop(module, None)


def test_every_field_of_an_own_optimiser_costs_time_unless_it_says_which_do(own):
    """A memory of 500 has seconds of its own, if memory costs time; another learning rate has the
    same ones.
    """
    others = {"memory": 500, "damping": 0.2, "learning_rate": 0.5}
    for timing, names in (
        ("", {"memory", "damping"}),
        ('timing = ("memory",)', {"memory"}),
        ("timing = ()", set()),
    ):
        optimiser = own(timing)
        plain = calibration.shape_of(a_run(optimizer=optimiser()), KAN)
        shapes = {
            field: calibration.shape_of(a_run(optimizer=optimiser(**{field: others[field]})), KAN)
            for field in others
        }
        assert {field for field, shape in shapes.items() if shape != plain} == names


def test_edited_code_of_an_own_optimiser_is_timed_anew(own):
    one, other = own("timing = ()"), own("timing = ()", edit="# faster now")
    assert one().timed_by(KAN) != other().timed_by(KAN)


def test_a_timing_that_names_no_field_is_refused(own):
    """A name that was mistyped would let two optimisers share their seconds."""
    for timing in ('timing = ("memry",)', 'timing = ("memory")'):
        assert "name fields of Descent, as a tuple; it has damping, learning_rate, me" in refused(
            own, timing
        )


def test_moves_of_knots_add_up_to_what_a_run_counts_for_them():
    for network in (KAN, SplineMlpShape(shape=(2, 5, 5, 1), grid=20)):
        run = a_run(
            network,
            grid_updates=GridUpdates(every=20, until=60),
            grid_extension=GridExtension(grids=(5, 10), evaluations=50),
        )
        works = run_work(run.network, run.recipe, run.task)
        moves = [calibration.knot_moves(work) for work in works]
        flops = sum(
            times * calibration.move_flops(move)
            for of_stage in moves
            for move, times in of_stage.items()
        )
        assert [sum(of_stage.values()) for of_stage in moves] == [3 + 1, 2 + 1 + 1, 2 + 1]
        assert flops == training_flops(works, LBFGS)["flops_train.part_knots"]
    assert not any(
        map(
            calibration.knot_moves,
            run_work(MLP, a_run(grid_updates=GridUpdates()).recipe, a_run().task),
        )
    )


def test_what_is_timed_again_replaces_its_older_time():
    rows = [a_row(a_run(), 1.0), a_row(a_run(network=MLP), 2.0), a_row(a_run(), 3.0)]
    kept = calibration.calibrate("torch", "float64", 0.01, rows, [KNOTS]).solo
    assert sorted(row.seconds_per_evaluation for row in kept) == [2, 3]


def test_a_calibration_reads_as_it_was_written(tmp_path):
    path = calibration.write_calibration(measured(), tmp_path)
    assert path == calibration.calibration_path(tmp_path, "torch", measured().device, "float64")
    assert (
        calibration.read_calibration(tmp_path, "torch", measured().device, "float64") == measured()
    )
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "other", [("fused", None, "float64"), ("torch", "Z80", "float64"), ("torch", None, "float32")]
)
def test_another_engine_device_or_dtype_is_uncalibrated(tmp_path, other):
    engine, device, dtype = other
    device = device or measured().device
    path = calibration.write_calibration(measured(), tmp_path)
    assert calibration.read_calibration(tmp_path, engine, device, dtype) is None
    path.rename(calibration.calibration_path(tmp_path, engine, device, dtype))
    assert calibration.read_calibration(tmp_path, engine, device, dtype) is None


def test_a_calibration_of_other_libraries_is_not_current():
    assert measured().is_current
    assert (
        not measured()
        .model_copy(update={"versions": {**measured().versions, "torch": "1.0"}})
        .is_current
    )
    assert not measured().model_copy(update={"threads": 64}).is_current


@pytest.mark.parametrize(
    ("before", "after"),
    [('"evaluation_rate"', '"evaluation_rates"'), ('"threads": 1', '"threads": 2'), ("{", "[")],
)
def test_a_damaged_calibration_is_named_and_says_how_it_is_mended(tmp_path, before, after):
    path = calibration.write_calibration(measured(), tmp_path)
    path.write_text(path.read_text().replace(before, after, 1))
    with pytest.raises(HarnessError, match="harness bench") as caught:
        calibration.read_calibration(tmp_path, "torch", measured().device, "float64")
    assert str(path) in str(caught.value)
