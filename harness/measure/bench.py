"""`harness bench`: short runs that say what this machine takes for an evaluation.

    measured = bench_classes(full_design("float64"), workers=2, progress=show)      # a minute or two
    solo = bench_solo(runs, progress=show)                                          # a second each shape of `runs`
    write_calibration(calibrate("torch", "float64", measured, solo), results)

Everything is timed in fresh processes of one thread, like the workers that train, and in CPU seconds, which what else
the machine does disturbs least. Nothing is written here, so stopping leaves nothing half done.
"""

from __future__ import annotations

import ctypes
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
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from harness import nets
from harness.errors import INCOMPLETE, HarnessError
from harness.measure.calibration import (
    THREADS,
    KnotRow,
    Measured,
    PackRow,
    Shape,
    ShapeRow,
    SoloRow,
    evaluation_memory,
    shape_of,
)
from harness.measure.executed import executed_evaluation
from harness.spec import Adam, KanShape, Lbfgs, MlpShape, Recipe, RunSpec, Task, TrainedShape, stages
from harness.spec.nouns import Dtype
from harness.tasks import resolve, stream
from harness.train import torch_engine, train_pack
from harness.train.lanes import select

Progress = Callable[[int, int], None]  # hears how many are measured, of how many
Job = tuple[Any, ...]  # a function of this module, and its arguments

# Timed are evaluations 12 to 15 of a stage, which lie between two moments of the learning curve. Which ones they are
# doesn't matter else: every evaluation goes through the same lines of its optimiser, whatever its lanes are at.
TIMED_FROM, TIMED_EVALUATIONS = 11, 4
ENDLESS = 10**6  # the cap of a stage that never comes to its end
LEAST_REPEATS, MOST_REPEATS = 3, 100
CLASS_SECONDS, SOLO_SECONDS = 0.3, 1.0  # what all repeats of a shape may take, if the least number doesn't take longer

# The design: networks and settings as experiments have them, and larger. Settings go round in a step that shares no
# divisor with their number, so that no two features rise and fall together.
KAN_SHAPES = ((1, 1), (2, 1, 1), (2, 5, 1), (4, 2, 2, 1), (2, 10, 10, 1), (16, 32, 1), (100, 1, 1))
GRIDS = (3, 5, 20, 100, 500)
MLP_WIDTHS, MLP_DEPTHS, MLP_INPUTS = (5, 10, 30, 80, 200), (1, 2, 3, 5), (1, 2, 4, 100)
LANES, POINTS = (2, 6, 18, 32), (100, 1000, 3000)
OPTIMIZERS = (Lbfgs(name="lbfgs"), Adam(name="adam"), Adam(name="adam", batch_size=64))
SETTINGS_STEP = 7
LARGEST_SCALARS = 2e7  # in memory: a larger ensemble would take the time of many others
KNOT_SHAPES, KNOT_GRIDS = ((1, 1), (2, 5, 1), (4, 2, 2, 1)), (3, 20, 100, 400)
PACKS = (1, 8, 32)


class Design(NamedTuple):
    """What is measured: (shape, lanes) of classes; network, lanes, points, `refined`, dtype of knots; runs of packs."""

    shapes: tuple[tuple[Shape, int], ...]
    knots: tuple[tuple[KanShape, int, int, bool, Dtype], ...]
    packs: tuple[int, ...]


def full_design(dtype: Dtype) -> Design:
    """What `harness bench` measures."""
    networks: list[TrainedShape] = [KanShape(shape=nodes, grid=grid) for nodes in KAN_SHAPES for grid in GRIDS]
    inputs = itertools.cycle(MLP_INPUTS)
    for width, depth in itertools.product(MLP_WIDTHS, MLP_DEPTHS):
        networks.append(MlpShape(shape=(next(inputs), *[width] * (depth - 1), 1)))
    settings: list[tuple[int, int, Adam | Lbfgs]] = list(itertools.product(LANES, POINTS, OPTIMIZERS))
    shapes: dict[tuple[Shape, int], None] = {}
    for index, network in enumerate(networks * 2):
        lanes, points, optimizer = settings[SETTINGS_STEP * index % len(settings)]
        shape = _shape(network, points, optimizer, dtype)
        if _scalars(shape, lanes) < LARGEST_SCALARS:
            shapes[shape, lanes] = None
    knots: list[tuple[KanShape, int, int, bool, Dtype]] = []
    for index, (nodes, grid) in enumerate(itertools.product(KNOT_SHAPES, KNOT_GRIDS)):
        kan, lanes = KanShape(shape=nodes, grid=grid), LANES[index % 2]
        knots.append((kan, lanes, POINTS[index % len(POINTS)], False, dtype))
        knots.append((kan, lanes, grid + kan.order, True, dtype))
    return Design(tuple(shapes), tuple(knots), PACKS)


def bench_classes(design: Design, workers: int, progress: Progress) -> Measured:
    """The rows of `design`, measured by `workers` processes at once: a sweep has one a core, which share its caches."""
    # The costliest first, as in a sweep: what the allocator has once freed decides what it keeps for later.
    shapes = sorted(design.shapes, key=lambda item: -_scalars(*item))
    jobs: list[Job] = [(_measure_shape, *item) for item in shapes]
    jobs += [(_measure_knots, *item) for item in design.knots]
    jobs += [(_measure_pack, runs) for runs in design.packs]
    rows = _in_workers(jobs, workers, progress)
    return Measured(
        shapes=tuple(row for row in rows if isinstance(row, ShapeRow)),
        knots=tuple(row for row in rows if isinstance(row, KnotRow)),
        packs=tuple(row for row in rows if isinstance(row, PackRow)),
    )


def bench_solo(runs: Sequence[RunSpec], progress: Progress) -> list[SoloRow]:
    """Every shape that a stage of `runs` has, alone in its process and, as far as it is ours to say, on the machine."""
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
def _measure_shape(shape: Shape, lanes: int) -> ShapeRow:
    pack = torch_engine.prepare([_run(shape, seed) for seed in range(lanes)])
    peak_is_known = _forget_peak()
    state = replace(torch_engine.begin(pack), done=TIMED_FROM)
    times = _times(lambda: torch_engine.advance(pack, state, TIMED_EVALUATIONS), CLASS_SECONDS)
    return ShapeRow(
        shape=shape,
        lanes=lanes,
        seconds_per_evaluation=float(np.median(times)) / TIMED_EVALUATIONS,
        repeats=len(times),
        peak_bytes=_peak_bytes() if peak_is_known else None,
    )


def _measure_solo(shape: Shape, run: RunSpec) -> SoloRow:
    """One lane of `run` in the stage of that shape, without the idle companion that it has for its bits only."""
    recipe = Recipe(optimizer=run.recipe.optimizer, max_evaluations=ENDLESS, gain=run.recipe.gain)
    pack = torch_engine.prepare([run.model_copy(update={"network": shape.network, "recipe": recipe})])
    state = torch_engine.begin(pack)
    state = replace(
        state,
        done=TIMED_FROM,
        lanes=state.lanes[:1],
        knots=tuple(knots[:1] for knots in state.knots),
        optimiser=select(state.optimiser, torch.tensor([0])),
        behind=state.behind[:, :1],
        curve_at=state.curve_at[:1],
        curve_errors=state.curve_errors[:1],
    )
    times = _times(lambda: torch_engine.advance(pack, state, TIMED_EVALUATIONS), SOLO_SECONDS)
    low, middle, high = np.quantile(times, [0.25, 0.5, 0.75]) / TIMED_EVALUATIONS
    return SoloRow(
        shape=shape,
        seconds_per_evaluation=float(middle),
        interquartile_seconds=float(high - low),
        repeats=len(times),
        bytes_per_evaluation=executed_evaluation(shape.network).bytes * shape.samples,
    )


def _measure_knots(network: KanShape, lanes: int, points: int, refined: bool, dtype: Dtype) -> KnotRow:
    precision = getattr(torch, dtype)
    peak_is_known = _forget_peak()
    before = network.model_copy(update={"grid": max(1, network.grid // 2)}) if refined else network
    generators = [stream(seed, "initial") for seed in range(lanes)]
    flat_RP = nets.initialise(before, generators, 1.0, precision, "cpu")
    knots = nets.initial_knots(before, lanes, precision, "cpu")
    x_RNI = torch.from_numpy(stream(0, "train").uniform(-1, 1, (lanes, points, network.shape[0]))).to(precision)

    def move() -> object:
        if refined:
            return nets.extend_grid(before, flat_RP, knots, network.grid)
        return nets.update_knots(network, flat_RP, knots, x_RNI, grid_eps=1.0, margin=0.01)

    seconds = float(np.median(_times(move, CLASS_SECONDS)))
    peak = _peak_bytes() if peak_is_known else None
    return KnotRow(network=network, lanes=lanes, points=points, refined=refined, seconds=seconds, peak_bytes=peak)


def _measure_pack(runs: int) -> PackRow:
    shape = _shape(MlpShape(shape=(1, 1)), 1000, Adam(name="adam"), "float64")
    specs = [_run(shape, seed, evaluations=1) for seed in range(runs)]

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            train_pack(specs, Path(folder))

    return PackRow(runs=runs, seconds=float(np.median(_times(train, CLASS_SECONDS))))


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
def _shape(network: TrainedShape, points: int, optimizer: Adam | Lbfgs, dtype: Dtype) -> Shape:
    batch = optimizer.batch_size if isinstance(optimizer, Adam) else None
    return Shape(
        network=network,
        samples=batch or points,
        train_points=points,
        optimizer=optimizer.name,
        history=optimizer.history if isinstance(optimizer, Lbfgs) else 0,
        dtype=dtype,
    )


def _run(shape: Shape, seed: int, evaluations: int = ENDLESS) -> RunSpec:
    batch = shape.samples if shape.samples < shape.train_points else None
    adam, lbfgs = Adam(name="adam", batch_size=batch), Lbfgs(name="lbfgs", history=shape.history or 1)
    task = Task(target=f"{__name__}:{target.__name__}", inputs=shape.network.shape[0], train_points=shape.train_points)
    return RunSpec(
        task=resolve(task),
        network=shape.network,
        recipe=Recipe(optimizer=adam if shape.optimizer == "adam" else lbfgs, max_evaluations=evaluations),
        seed=seed,
        dtype=shape.dtype,
    )


def _scalars(shape: Shape, lanes: int) -> float:
    return sum(evaluation_memory(shape, lanes).values())


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
