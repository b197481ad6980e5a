"""`harness bench`: short runs that say what this machine takes for an evaluation.

    compile_kernels(print)                                                                  # once a machine
    measured = bench_classes(full_design("fused", "float64"), workers=2, progress=show)     # a minute or two
    solo = bench_solo(runs, progress=show)                                                  # a second each shape
    write_calibration(calibrate("fused", "float64", measured, solo), results)

Everything is timed in fresh processes of one thread, like the workers that train, and in CPU seconds, which what else
the machine does disturbs least. Nothing is written here, so stopping leaves nothing half done.
"""

from __future__ import annotations

import ctypes
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
from numpy.typing import NDArray

from harness import families
from harness.base.errors import INCOMPLETE, HarnessError
from harness.count.dispatched import executed_evaluation
from harness.measure.calibration import THREADS, KnotRow, Measured, PackRow, ShapeRow, SoloRow
from harness.measure.design import LEVENBERG, OPTIMIZERS, Design, class_shape, held_scalars
from harness.measure.features import Shape, shape_of
from harness.optimisers.lanes import select
from harness.spec import Adam, KanShape, Lbfgs, MlpShape, ModuleShape, Optimiser, Recipe, RunSpec, Task, stages
from harness.spec.run import Dtype, Engine
from harness.tasks import resolve, stream
from harness.train import fused_engine, torch_engine, train_pack
from harness.train.fused.optimisers.lbfgs import LbfgsState

Progress = Callable[[int, int], None]  # hears how many are measured, of how many
Job = tuple[Any, ...]  # a function of this module, and its arguments

# Timed are evaluations 1449 and some that follow: until 2048 nothing else is done, such as learning curves. Else it
# doesn't matter which ones: every evaluation goes through the same lines of its optimiser, whatever its lanes are at.
TIMED_FROM, MOST_EVALUATIONS = 1448, 512
ENDLESS = 10**6  # the cap of a stage that never comes to its end
# Of the torch engine so many are timed together; of the fused engine more, until they take a while.
TORCH_EVALUATIONS, FUSED_EVALUATIONS, FUSED_SECONDS = 4, 8, 0.02
LEAST_REPEATS, MOST_REPEATS = 3, 100
CLASS_SECONDS, SOLO_SECONDS = 0.3, 0.2  # what all repeats of a shape may take, if the least number doesn't take longer


def compile_kernels(announce: Callable[[str], None]) -> None:
    """What the fused engine needs, so that processes of the bench find it; `announce` hears when that takes a while."""
    networks = (MlpShape(shape=(1, 1)), KanShape(shape=(1, 1), grid=1))
    shapes = [class_shape(network, 1, each, "float64") for network in networks for each in (*OPTIMIZERS, LEVENBERG)]
    runs = [_run("fused", shape, 0) for shape in shapes]
    if fused_engine.is_cold(runs):
        announce("fused engine: compiling its kernels for this processor, once (about half a minute)")
        fused_engine.compile_for(runs)


def bench_classes(design: Design, workers: int, progress: Progress) -> Measured:
    """The rows of `design`, measured by `workers` processes at once: a sweep has one a core, which share its caches."""
    engine = design.engine
    # The costliest first, as in a sweep: what the allocator has once freed decides what it keeps for later.
    shapes = sorted(design.shapes, key=lambda item: -held_scalars(engine, *item))
    jobs: list[Job] = [(_measure_shape, engine, *item) for item in shapes]
    jobs += [(_measure_knots, *item) for item in design.knots]
    jobs += [(_measure_pack, engine, *item) for item in design.packs]
    rows = _in_workers(jobs, workers, progress)
    return Measured(
        shapes=tuple(row for row in rows if isinstance(row, ShapeRow)),
        knots=tuple(row for row in rows if isinstance(row, KnotRow)),
        packs=tuple(row for row in rows if isinstance(row, PackRow)),
    )


def bench_solo(runs: Sequence[RunSpec], progress: Progress) -> list[SoloRow]:
    """Every shape that a stage of `runs` has, alone in its process and, as far as it is ours to say, on the machine.

    The runs are of one engine.
    """
    found = {shape_of(run, stage.network): run for run in runs for stage in stages(run.network, run.recipe)}
    return _in_workers([(_measure_solo, shape, run) for shape, run in found.items()], 1, progress)


def target(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the networks of the classes learn, for any number of inputs: mean_i sin(3 x_i); x [n, inputs] -> [n]."""
    return np.sin(3 * x).mean(1)


# ---------------------------------------------------------------------------------------------------------- processes
def _in_workers(jobs: Sequence[Job], workers: int, progress: Progress) -> list[Any]:
    """What the jobs return, in their order."""
    context = multiprocessing.get_context("spawn")
    executor = ProcessPoolExecutor(max(1, min(workers, len(jobs))), mp_context=context, initializer=_begin_worker)
    try:
        waiting = [executor.submit(*job) for job in jobs]
        for done, future in enumerate(as_completed(waiting), start=1):
            future.result()
            progress(done, len(jobs))
        return [future.result() for future in waiting]
    except BrokenProcessPool:
        raise HarnessError("a process of the bench died (out of memory?); nothing was written", INCOMPLETE) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches workers too, but it is the parent that decides
    torch.set_num_threads(THREADS)


# ------------------------------------------------------------------------------------------------------- measurements
def _measure_shape(engine: Engine, shape: Shape, lanes: int) -> ShapeRow:
    peak_is_known = _forget_peak()
    times = _evaluation_times(shape, [_run(engine, shape, seed) for seed in range(lanes)], CLASS_SECONDS)
    return ShapeRow(
        shape=shape,
        lanes=lanes,
        seconds_per_evaluation=float(np.median(times)),
        repeats=len(times),
        peak_bytes=_peak_bytes() if peak_is_known else None,
    )


def _measure_solo(shape: Shape, run: RunSpec) -> SoloRow:
    """One lane of `run` in the stage of that shape."""
    recipe = Recipe(optimizer=run.recipe.optimizer, max_evaluations=ENDLESS, gain=run.recipe.gain)
    run = run.model_copy(update={"network": shape.network, "recipe": recipe})
    times = _evaluation_times(shape, [run], SOLO_SECONDS, alone=True)
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75])
    is_counted = run.engine == "torch" and shape.optimizer != "levenberg_marquardt" and not shape.is_pde
    is_counted &= not isinstance(shape.network, ModuleShape)  # whose operations may have no price in bytes
    return SoloRow(
        shape=shape,
        seconds_per_evaluation=float(middle),
        interquartile_seconds=float(high - low),
        repeats=len(times),
        bytes_per_evaluation=executed_evaluation(shape.network).bytes * shape.samples if is_counted else None,
    )


def _evaluation_times(shape: Shape, runs: Sequence[RunSpec], seconds: float, alone: bool = False) -> list[float]:
    """CPU seconds of an evaluation in all lanes, as often as it was timed."""
    if runs[0].engine == "fused":
        return _fused_times(runs, seconds, shape.has_equal_knots)
    return _torch_times(runs, seconds, alone)


def _torch_times(runs: Sequence[RunSpec], seconds: float, alone: bool) -> list[float]:
    """`alone`: without the idle companion that a lone run has for its bits only."""
    pack = torch_engine.prepare(runs)
    state = replace(torch_engine.begin(pack), done=TIMED_FROM)
    if alone:
        state = replace(
            state,
            lanes=state.lanes[:1],
            knots=tuple(knots[:1] for knots in state.knots),
            optimiser=select(state.optimiser, torch.tensor([0])),
            behind=state.behind[:, :1],
            curve_at=state.curve_at[:1],
            curve_errors=state.curve_errors[:1],
        )
    times = _times(lambda: torch_engine.advance(pack, state, TORCH_EVALUATIONS), seconds)
    return [time / TORCH_EVALUATIONS for time in times]


def _fused_times(runs: Sequence[RunSpec], seconds: float, has_equal_knots: bool) -> list[float]:
    """So many evaluations at a time that the clock is fine enough for them, and what goes before them is little."""
    pack = fused_engine.prepare(runs)
    state = fused_engine.begin(pack)
    lanes = tuple(_as_in_the_middle(lane, has_equal_knots) for lane in state.lanes)
    state = replace(state, done=TIMED_FROM, lanes=lanes)
    fused_engine.advance(pack, state, 1)  # loads what is compiled
    evaluations, taken = FUSED_EVALUATIONS // 2, 0.0
    while taken < FUSED_SECONDS and evaluations < MOST_EVALUATIONS:
        evaluations *= 2
        begun = time.process_time()
        after = fused_engine.advance(pack, state, evaluations)
        taken = time.process_time() - begun
    made = max(lane.optimiser.evaluations for lane in after.lanes)  # less, if the lanes came to rest
    return [each / made for each in _times(lambda: fused_engine.advance(pack, state, evaluations), seconds)]


def _as_in_the_middle(lane: fused_engine.Lane, has_equal_knots: bool) -> fused_engine.Lane:
    """With a full memory, of zeros: L-BFGS takes as long with it. With unequal knots where a run would have them."""
    if isinstance(lane.optimiser, LbfgsState):
        lane = replace(lane, optimiser=replace(lane.optimiser, remembered=len(lane.optimiser.rho_M)))
    if not has_equal_knots:
        lane = replace(lane, knots=lane.knots + 1e-3 * lane.knots**2)
    return lane


def _measure_knots(network: KanShape, lanes: int, points: int, refined: bool, dtype: Dtype) -> KnotRow:
    precision = getattr(torch, dtype)
    peak_is_known = _forget_peak()
    before = network.model_copy(update={"grid": max(1, network.grid // 2)}) if refined else network
    generators = [stream(seed, "initial") for seed in range(lanes)]
    flat_RP = families.initialise(before, generators, 1.0, precision, "cpu")
    knots = families.initial_knots(before, lanes, precision, "cpu")
    x_RNI = torch.from_numpy(stream(0, "train").uniform(-1, 1, (lanes, points, network.shape[0]))).to(precision)

    def move() -> object:
        if refined:
            return families.extend_grid(before, flat_RP, knots, network.grid)
        return families.update_knots(network, flat_RP, knots, x_RNI, grid_eps=1.0, margin=0.01)

    seconds = float(np.median(_times(move, CLASS_SECONDS)))
    peak = _peak_bytes() if peak_is_known else None
    return KnotRow(network=network, lanes=lanes, points=points, refined=refined, seconds=seconds, peak_bytes=peak)


def _measure_pack(engine: Engine, runs: int, evaluations: int) -> PackRow:
    shape = class_shape(MlpShape(shape=(1, 1)), 1000, Adam(name="adam"), "float64")
    specs = [_run(engine, shape, seed, evaluations) for seed in range(runs)]

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train_pack(specs, Path(folder))

    seconds = float(np.median(_times(train, CLASS_SECONDS)))
    return PackRow(runs=runs, evaluations=evaluations, seconds=seconds)


def _times(once: Callable[[], object], seconds: float) -> list[float]:
    """CPU seconds of each repeat, after one to warm up."""
    once()
    times: list[float] = []
    while len(times) < LEAST_REPEATS or (len(times) < MOST_REPEATS and sum(times) < seconds):
        begun = time.process_time()
        once()
        times.append(time.process_time() - begun)
    return times


# ---------------------------------------------------------------------------------------------------------- what runs
def _run(engine: Engine, shape: Shape, seed: int, evaluations: int = ENDLESS) -> RunSpec:
    task = Task(target=f"{__name__}:{target.__name__}", inputs=shape.network.shape[0], train_points=shape.train_points)
    return RunSpec(
        task=resolve(task),
        network=shape.network,
        recipe=Recipe(optimizer=_optimizer(shape), max_evaluations=evaluations),
        seed=seed,
        dtype=shape.dtype,
        engine=engine,
    )


def _optimizer(shape: Shape) -> Optimiser:
    match shape.optimizer:
        case "adam":
            return Adam(name="adam", batch_size=shape.samples if shape.samples < shape.train_points else None)
        case "lbfgs":
            return Lbfgs(name="lbfgs", history=shape.history)
    return LEVENBERG


# ------------------------------------------------------------------------------------------------------------- memory
def _forget_peak() -> bool:
    """Make this moment the highest that the process's memory has been, so far; False where that can't be done.

    What was freed is given back to the system first, or it would count as used. Linux and glibc only.
    """
    try:
        ctypes.CDLL(None).malloc_trim(0)
        Path("/proc/self/clear_refs").write_text("5")
    except (OSError, AttributeError, TypeError):
        return False
    return True


def _peak_bytes() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))
