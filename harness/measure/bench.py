"""`harness bench`: short runs that say what this machine takes for an evaluation.

    compile_kernels(print)                                                              # once a
    machine seconds_per_run = bench_run("fused", "float64", progress=show) solo, knots =
    bench_solo(standard_runs("fused", "float64"), progress=show)          # a fraction of a second a
    shape write_calibration(calibrate("fused", "float64", seconds_per_run, solo, knots), results)

Everything is timed in a fresh process of one thread, like the workers that train, one after the
other, and in CPU seconds, which what else the machine does disturbs least. Nothing is written here,
so stopping leaves nothing half done.
"""

from __future__ import annotations

import itertools
import multiprocessing
import signal
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness import families
from harness.base.allocator import keep_freed_memory
from harness.base.errors import INCOMPLETE, HarnessError
from harness.count import run_work
from harness.families import KanShape, MlpShape, Network
from harness.measure.calibration import (
    THREADS,
    KnotMove,
    KnotRow,
    Shape,
    SoloRow,
    knot_moves,
    move_flops,
    shape_of,
)
from harness.measure.cost import flops_per_evaluation
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt, Optimiser
from harness.spec.recipe import GridExtension, GridUpdates, Recipe, at_a_time
from harness.spec.run import Dtype, Engine, RunSpec
from harness.spec.task import Task
from harness.tasks import resolve, stream
from harness.train import fused_engine, torch_engine, train_pack
from harness.train.course import of_lanes
from harness.train.fused.optimisers.lbfgs import LbfgsState
from harness.train.lanes import LoopStates

Progress = Callable[[int, int], None]  # hears how many are measured, of how many
TimingJob = tuple[Any, ...]  # a function of this module, and its arguments

# Timed are evaluations 1449 and some that follow: until 2048 nothing else is done, such as learning
# curves. Else it doesn't matter which ones: every evaluation goes through the same lines of its
# optimiser, whatever its lanes are at.
TIMED_FROM, MOST_EVALUATIONS = 1448, 512
ENDLESS = 10**6  # the cap of a stage that never comes to its end
# Of the torch engine so many are timed together; of the fused engine more, until they take a while.
TORCH_EVALUATIONS, FUSED_EVALUATIONS, FUSED_SECONDS = 4, 8, 0.004
LEAST_REPEATS, MOST_REPEATS = 3, 100
# What all repeats of a shape may take, if the least number doesn't take longer. Longer timings
# repeat no better: what differs is the clock of a shared machine from minute to minute.
SOLO_SECONDS = 0.03

# What the rates of shapes that nobody timed are fitted to: networks as experiments have them, tiny
# to large.
STANDARD_NETWORKS = (
    KanShape(shape=(2, 1, 1), grid=5),
    KanShape(shape=(2, 5, 1), grid=20),
    KanShape(shape=(2, 10, 10, 1), grid=5),
    MlpShape(shape=(2, 5, 1)),
    MlpShape(shape=(2, 20, 20, 1)),
    MlpShape(shape=(2, 80, 80, 1)),
)
STANDARD_OPTIMIZERS: tuple[Optimiser, ...] = (
    Lbfgs(name="lbfgs"),
    Adam(name="adam"),
    LevenbergMarquardt(name="levenberg_marquardt"),
)
STANDARD_POINTS = (100, 3000)
LARGEST_STANDARD_SYSTEM = (
    500  # parameters: a larger one by Levenberg-Marquardt takes the time of many others
)


def compile_kernels(announce: Callable[[str], None]) -> None:
    """What the fused engine needs, so that processes of the bench find it; `announce` hears when
    that takes a while.
    """
    runs = standard_runs("fused", "float64")
    if fused_engine.is_cold(runs):
        announce(
            "fused engine: compiling its kernels for this processor, once (about half a minute)"
        )
        for module in dict.fromkeys(run.network.kernels for run in runs):
            fused_engine.compile_for(module, runs)


def standard_runs(engine: Engine, dtype: Dtype) -> list[RunSpec]:
    """The runs whose shapes are timed on every machine; those of a KAN move its knots and refine
    its grid.
    """
    runs = []
    for network, optimizer, points in itertools.product(
        STANDARD_NETWORKS, STANDARD_OPTIMIZERS, STANDARD_POINTS
    ):
        if optimizer.needs_squares and network.trainable > LARGEST_STANDARD_SYSTEM:
            continue
        runs.append(_run(engine, dtype, network, optimizer, points, 1000))
    return runs


def bench_run(engine: Engine, dtype: Dtype, progress: Progress) -> float:
    """CPU seconds of a run that trains next to nothing: samples, learning curve and record."""
    tiny = _run(engine, dtype, MlpShape(shape=(2, 5, 1)), Adam(name="adam"), 1000, 8)
    (seconds,) = _in_worker([(_measure_run, tiny)], progress)
    return seconds


def bench_solo(runs: Sequence[RunSpec], progress: Progress) -> tuple[list[SoloRow], list[KnotRow]]:
    """Every shape that a stage of `runs` has and every move of their knots, as far as it is ours to
    say alone.

    The runs are of one engine.
    """
    shapes: dict[Shape, TimingJob] = {}
    moves: dict[KnotMove, TimingJob] = {}
    for run in runs:
        for work in run_work(run.network, run.recipe, run.task):
            shape = shape_of(run, work.network)
            shapes[shape] = (
                _measure_solo,
                shape,
                run,
                flops_per_evaluation(run.recipe.optimizer, work),
            )
            moves |= {
                move: (_measure_knots, move, run.engine, run.dtype) for move in knot_moves(work)
            }
    rows = _in_worker([*shapes.values(), *moves.values()], progress)
    return rows[: len(shapes)], rows[len(shapes) :]


# --------------------------------------------------------------------------------------------------
# processes
def _in_worker(jobs: Sequence[TimingJob], progress: Progress) -> list[Any]:
    """What the jobs return, in their order; they run in a random one, so that no arm meets the slow
    minutes alone.
    """
    executor = ProcessPoolExecutor(
        1, multiprocessing.get_context("spawn"), initializer=_begin_worker
    )
    try:
        submitted = {
            index: executor.submit(*jobs[index])
            for index in np.random.default_rng(0).permutation(len(jobs))
        }
        for done, future in enumerate(as_completed(submitted.values()), start=1):
            future.result()
            progress(done, len(jobs))
        return [submitted[index].result() for index in range(len(jobs))]
    except BrokenProcessPool:
        raise HarnessError(
            "a process of the bench died (out of memory?); nothing was written", INCOMPLETE
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(
        signal.SIGINT, signal.SIG_IGN
    )  # Ctrl-C reaches workers too, but it is the parent that decides
    keep_freed_memory()  # as in a process that trains
    torch.set_num_threads(THREADS)


# --------------------------------------------------------------------------------------------------
# measurements
def _measure_solo(shape: Shape, run: RunSpec, flops_per_evaluation: float) -> SoloRow:
    # Unchecked, as a schedule may span fewer evaluations.
    recipe = Recipe.model_construct(
        optimizer=run.recipe.optimizer, max_evaluations=ENDLESS, gain=run.recipe.gain
    )
    task = at_a_time(run.recipe, run.task)
    run = run.model_copy(
        update={"network": shape.network, "recipe": recipe, "task": task, "readings": ()}
    )
    times = _fused_times(run, shape.has_equal_knots) if run.engine == "fused" else _torch_times(run)
    seconds = float(np.median(times))
    return SoloRow(
        shape=shape, seconds_per_evaluation=seconds, flops_per_evaluation=flops_per_evaluation
    )


def _torch_times(run: RunSpec) -> list[float]:
    """Without the idle companion that a lone run has for its bits only."""
    pack = torch_engine.prepare([run])
    state = replace(torch_engine.begin(pack), done=TIMED_FROM)
    state = of_lanes(pack, state, torch.tensor([0]))
    times = _times(lambda: torch_engine.advance(pack, state, TORCH_EVALUATIONS))
    return [time / TORCH_EVALUATIONS for time in times]


def _fused_times(run: RunSpec, has_equal_knots: bool) -> list[float]:
    """So many evaluations at a time that the clock is fine enough for them, and what goes before
    them is little.
    """
    pack = fused_engine.prepare([run])
    state = fused_engine.begin(pack)
    # With a full memory, and with unequal knots where a run would have them.
    knots = (
        state.knots if has_equal_knots else tuple(layer + 1e-3 * layer**2 for layer in state.knots)
    )
    lanes = [
        replace(lane, remembered=len(lane.rho_M)) if isinstance(lane, LbfgsState) else lane
        for lane in state.optimiser.by_lane
    ]
    state = replace(state, done=TIMED_FROM, knots=knots, optimiser=LoopStates(tuple(lanes)))
    fused_engine.advance(pack, state, 1)  # loads what is compiled
    evaluations, seconds_taken = FUSED_EVALUATIONS // 2, 0.0
    while seconds_taken < FUSED_SECONDS and evaluations < MOST_EVALUATIONS:
        evaluations *= 2
        begun = time.process_time()
        after = fused_engine.advance(pack, state, evaluations)
        seconds_taken = time.process_time() - begun
    made = max(
        lane.evaluations for lane in after.optimiser.by_lane
    )  # less, if the lanes came to rest
    return [
        seconds / made for seconds in _times(lambda: fused_engine.advance(pack, state, evaluations))
    ]


def _measure_knots(move: KnotMove, engine: Engine, dtype: Dtype) -> KnotRow:
    network, precision = move.network, getattr(torch, dtype)
    solver = fused_engine.FusedPack.solver if engine == "fused" else torch_engine.TorchPack.solver
    assert isinstance(network, families.SplinedShape)
    before = (
        network.model_copy(update={"grid": max(1, network.grid // 2)}) if move.refined else network
    )
    flat_RP = families.initialise(before, [stream(0, "initial")], 1.0, precision, "cpu")
    knots = before.initial_knots(1, precision, "cpu")
    x_RNI = torch.from_numpy(
        stream(0, "train").uniform(-1, 1, (1, move.points, network.inputs))
    ).to(precision)

    def once() -> object:
        if move.refined:
            return families.extend_grid(before, flat_RP, knots, network.grid, solver)
        return families.update_knots(
            network, flat_RP, knots, x_RNI, grid_eps=1.0, margin=0.01, solver=solver
        )

    return KnotRow(move=move, seconds=float(np.median(_times(once))), flops=move_flops(move))


def _measure_run(run: RunSpec) -> float:
    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train_pack([run], Path(folder))

    return float(np.median(_times(train)))


def _times(once: Callable[[], object]) -> list[float]:
    """CPU seconds of each repeat, after one to warm up."""
    once()
    times: list[float] = []
    while len(times) < LEAST_REPEATS or (len(times) < MOST_REPEATS and sum(times) < SOLO_SECONDS):
        begun = time.process_time()
        once()
        times.append(time.process_time() - begun)
    return times


# --------------------------------------------------------------------------------------------------
# what runs
def _run(
    engine: Engine,
    dtype: Dtype,
    network: Network,
    optimizer: Optimiser,
    points: int,
    evaluations: int,
) -> RunSpec:
    course = {}
    if isinstance(network, KanShape):
        course = {
            "grid_updates": GridUpdates(),
            "grid_extension": GridExtension(grids=(3,), evaluations=10),
        }
    task = resolve(Task(target="exp2d", train_points=points))
    dtype = (
        "float32" if dtype == "bfloat16" else dtype
    )  # which is for transformers; those alone are timed in it
    recipe = Recipe(optimizer=optimizer, max_evaluations=evaluations, **course)
    return RunSpec(task=task, network=network, recipe=recipe, seed=0, dtype=dtype, engine=engine)
