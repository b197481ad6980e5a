"""What a machine takes for an evaluation, as `harness bench` measured it, and what a plan will therefore take.

    calibration = read_calibration(results, "torch", processor(), "float64")     # None: `harness bench` was never run
    predict(calibration, runs)                                                   # seconds and memory of a pack
    run_seconds(calibration, run, [evaluations for evaluations, _ in record.by_stage])      # what one run costs alone

Seconds are CPU seconds of one thread: what the clock shows when that thread has a core to itself. A cost is a sum of
what there is of each *feature* (a count from closed forms) times what one of it takes. The factors are fitted to the
measured rows with none negative and errors relative to what was measured, so that cheap shapes count as much as dear.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from pydantic import ValidationError
from scipy.optimize import nnls

from harness import provenance
from harness.count import run_work, trainable
from harness.errors import INCOMPLETE, HarnessError
from harness.files import whole_file
from harness.spec import (
    KanShape,
    Lbfgs,
    MlpShape,
    RunSpec,
    Stage,
    TrainedShape,
    samples_per_evaluation,
    sealed,
    stages,
    unsealed,
)
from harness.spec.frozen import Frozen
from harness.spec.networks import Network
from harness.spec.nouns import Dtype

# 1: first version. 2: `mapped`, of optimiser and learning curve as well, in place of the graph's memory alone.
# 3: bytes of solo rows.
# Raise it with every change of a feature: factors mean nothing without theirs.
CALIBRATION_SCHEMA = 3

# Workers of `harness.dispatch` have one thread each, so that is what is measured.
THREADS = 1
# The engine gives a lone lane an idle companion.
SMALLEST_ENSEMBLE = 2
# What is freed beyond this goes back to the system, by glibc's rules, and the next evaluation asks for it again: the
# first touch of each of its pages then costs as much as the arithmetic on it.
KEPT_BYTES = 2**25
# A forward pass without gradients as a share of an evaluation without its optimiser, in time and in memory. Seen on one
# machine: 0.5 to 0.9 for KANs, whose bases have a hand-written backward pass, 0.2 to 0.35 for MLPs. It decides a per
# cent or two of a full-batch run, and more of one with small batches, whose learning curve passes over all points.
FORWARD_SHARE = {"kan": 0.7, "mlp": 0.33}

Features = dict[str, float]


# --------------------------------------------------------------------------------------------------------------- rows
class Shape(Frozen):
    """What the time of an evaluation hangs on, lanes apart.

    `samples` are points of one evaluation, of the `train_points` that there are; `history` is that of L-BFGS, 0 for
    Adam. Learning rates, schedules, gains and seeds are left out: they cost nothing.
    """

    network: Network
    samples: int
    train_points: int
    optimizer: Literal["adam", "lbfgs"]
    history: int
    dtype: Dtype


class ShapeRow(Frozen):
    """An ensemble of `lanes`: the median CPU seconds of its evaluations, and the most memory its process then held."""

    shape: Shape
    lanes: int
    seconds_per_evaluation: float
    repeats: int
    peak_bytes: int | None


class KnotRow(Frozen):
    """The least squares on `points` points that move all knots of `lanes` KANs, or refined them to this network."""

    network: KanShape
    lanes: int
    points: int
    refined: bool
    seconds: float
    peak_bytes: int | None


class PackRow(Frozen):
    """A pack of `runs` that makes a single evaluation of a tiny network: samples, records and little else."""

    runs: int
    seconds: float


class SoloRow(Frozen):
    """One lane alone: median and interquartile range of the CPU seconds of its evaluations, and the bytes of one.

    Bytes are moved by the operations of the network (see `harness.measure.executed`), as if nothing stayed in a cache.
    """

    shape: Shape
    seconds_per_evaluation: float
    interquartile_seconds: float
    repeats: int
    bytes_per_evaluation: int


class Measured(NamedTuple):
    """All rows of a bench but the solo ones."""

    shapes: tuple[ShapeRow, ...]
    knots: tuple[KnotRow, ...]
    packs: tuple[PackRow, ...]


# -------------------------------------------------------------------------------------------------------- calibration
class PredictionErrors(Frozen):
    """How predicted / measured lies around 1: `within_two` is a share; `worst` is the ratio furthest from 1."""

    number: int
    median: float
    within_two: float
    worst: float


class Calibration(Frozen):
    """A bench of one engine, device model and dtype, and the factors that were fitted to it.

    Factors are CPU seconds, or bytes, an item of each feature. `evaluation_errors` and `knot_errors` are of rows
    predicted from factors that were fitted to all the other rows.
    """

    calibration_schema: int = CALIBRATION_SCHEMA
    engine: str
    device: str
    dtype: str
    threads: int
    versions: dict[str, str]
    host: str
    commit: str | None
    measured_at: str
    shapes: tuple[ShapeRow, ...]
    knots: tuple[KnotRow, ...]
    packs: tuple[PackRow, ...]
    solo: tuple[SoloRow, ...]
    evaluation_seconds: dict[str, float]
    evaluation_bytes: dict[str, float] | None
    knot_seconds: dict[str, float]
    knot_bytes: dict[str, float] | None
    pack_seconds: dict[str, float]
    evaluation_errors: PredictionErrors
    knot_errors: PredictionErrors


def calibrate(engine: str, dtype: str, measured: Measured, solo: Sequence[SoloRow] = ()) -> Calibration:
    """The calibration that the rows of a bench on this machine make."""
    evaluations = [evaluation_features(row.shape, row.lanes) for row in measured.shapes]
    seconds = [row.seconds_per_evaluation for row in measured.shapes]
    knots = [knot_features(row.network, row.lanes, row.points) for row in measured.knots]
    knot_seconds = [row.seconds for row in measured.knots]
    commit, _ = provenance.commit_and_dirty()
    return Calibration(
        engine=engine,
        device=provenance.processor(),
        dtype=dtype,
        threads=THREADS,
        versions=provenance.versions(),
        host=provenance.host(),
        commit=commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        shapes=measured.shapes,
        knots=measured.knots,
        packs=measured.packs,
        solo=tuple(solo),
        evaluation_seconds=fit(evaluations, seconds),
        evaluation_bytes=_fit_bytes(
            [evaluation_memory(row.shape, row.lanes) for row in measured.shapes],
            [row.peak_bytes for row in measured.shapes],
        ),
        knot_seconds=fit(knots, knot_seconds),
        knot_bytes=_fit_bytes(
            [knot_memory(row.network, row.points) for row in measured.knots], [row.peak_bytes for row in measured.knots]
        ),
        pack_seconds=fit([pack_features(row.runs) for row in measured.packs], [row.seconds for row in measured.packs]),
        evaluation_errors=left_out_errors(evaluations, seconds),
        knot_errors=left_out_errors(knots, knot_seconds),
    )


def with_solo(calibration: Calibration, rows: Sequence[SoloRow]) -> Calibration:
    """The calibration with more solo rows; of two of one shape the new one stays."""
    kept = {row.shape: row for row in (*calibration.solo, *rows)}
    return calibration.model_copy(update={"solo": tuple(kept.values())})


def calibration_path(results: Path, engine: str, device: str, dtype: str) -> Path:
    """Where the calibration of an engine on a device model lives."""
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return results / "calibrations" / f"{engine}-{slug}-{dtype}.json"


def write_calibration(calibration: Calibration, results: Path) -> Path:
    """Write the calibration under `results`, whole or not at all, in place of an older one; where it is."""
    path = calibration_path(results, calibration.engine, calibration.device, calibration.dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as temporary:
        temporary.write_text(json.dumps(sealed(calibration.model_dump(mode="json")), indent=1), encoding="utf-8")
    return path


def read_calibration(results: Path, engine: str, device: str, dtype: str) -> Calibration | None:
    """The calibration of this engine, device model and dtype, or None; a HarnessError if it is damaged."""
    path = calibration_path(results, engine, device, dtype)
    try:
        data = unsealed(path.read_text(encoding="utf-8"))
        if data.get("calibration_schema") != CALIBRATION_SCHEMA:
            return None  # of another version: as if nothing had been measured
        calibration = Calibration.model_validate_json(json.dumps(data), strict=True)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        problem = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        raise HarnessError(f"{path} is damaged ({problem}); `harness bench` makes it anew", INCOMPLETE) from None
    # Two names of devices can make one name of a file, and a file can be renamed.
    found = (calibration.engine, calibration.device, calibration.dtype)
    return calibration if found == (engine, device, dtype) else None


# ----------------------------------------------------------------------------------------------------------- features
def evaluation_features(shape: Shape, lanes: int) -> Features:
    """What an evaluation of an ensemble of `lanes` is made of: its network's part, and its optimiser's."""
    network, parameters = shape.network, lanes * trainable(shape.network)
    parts = network_features(network, lanes * shape.samples)
    history = parameters * shape.history
    # The graph is freed as a whole; the optimiser's arithmetic makes some thirty arrays, and L-BFGS four copies of what
    # it remembers.
    graph = sum(_kept_for_backward(parts).values())
    mapped = sum(
        times * _mapped(scalars, shape.dtype) for times, scalars in ((1, graph), (30, parameters), (4, history))
    )
    # Gradient, checks and the optimiser's arithmetic go over the parameters; the two loops of L-BFGS and the shift of
    # its memory over the history as well. At any size both optimisers call as many operations.
    optimiser = {"parameters": parameters, "history": history, f"{shape.optimizer}_steps": 1, "mapped": mapped}
    # For every minibatch a lane seeds a generator and puts all its points in an order (see torch_engine).
    orders = lanes if shape.samples < shape.train_points else 0
    return {**parts, **optimiser, "orders": orders, "ordered_points": orders * shape.train_points}


def network_features(network: TrainedShape, samples: int) -> Features:
    """Forward and backward pass over `samples` points, lanes times samples a lane."""
    layers = list(pairwise(network.shape))
    edges, inputs = sum(inputs * outputs for inputs, outputs in layers), sum(inputs for inputs, _ in layers)
    match network:
        case MlpShape():
            return {
                "mlp_calls": len(layers),  # what a torch operation costs at any size, some ten a layer
                "products": samples * edges,  # multiply-adds of the three matrix products a layer
                "nodes": samples * sum(network.shape),  # elements that activations, losses and their gradients touch
            }
        case KanShape():
            # G is not here: splines are evaluated through their k + 1 active bases. It counts in the parameters, and
            # in a search of log2(G) steps that no fit could see.
            active = network.order + 1
            return {
                "kan_calls": len(layers) * active,
                "edge_terms": samples * edges * active,  # gathered, weighted, added; scattered backwards
                "basis_terms": samples * inputs * active,  # values of active bases, and their knots
            }


def evaluation_memory(shape: Shape, lanes: int) -> Features:
    """What a training process holds at the peak of an evaluation: itself with its libraries, and scalars."""
    parts, parameters = network_features(shape.network, lanes * shape.samples), lanes * trainable(shape.network)
    return {"process": 1, **_kept_for_backward(parts), "parameters": parameters, "history": parameters * shape.history}


def knot_features(network: KanShape, lanes: int, points: int) -> Features:
    """Least squares on `points` points for every input of every layer, one lane after the other (see spline.py)."""
    layers, unknowns = len(network.shape) - 1, network.grid + network.order
    systems = lanes * sum(network.shape[:-1])
    return {
        "lane_layers": lanes * layers,  # some fifty torch operations each
        "design": systems * points * unknowns,  # dense design matrices, made, copied and factorised
        "cubes": systems * min(points, unknowns) ** 3,  # the singular values of what the factorisation leaves
    }


def knot_memory(network: KanShape, points: int) -> Features:
    """The design matrices of the widest layer, one lane's at a time."""
    return {"process": 1, "design": max(network.shape[:-1]) * points * (network.grid + network.order)}


def pack_features(runs: int) -> Features:
    """What is done once a pack, and once a run."""
    return {"packs": 1, "runs": runs}


def _kept_for_backward(parts: Features) -> Features:
    return {name: amount for name, amount in parts.items() if name in ("edge_terms", "basis_terms", "nodes")}


def _mapped(scalars: float, dtype: Dtype) -> float:
    """How many of the scalars have memory that the process doesn't keep from one evaluation to the next."""
    return max(0.0, scalars - KEPT_BYTES / np.dtype(dtype).itemsize)


# ---------------------------------------------------------------------------------------------------------------- fit
def fit(rows: Sequence[Features], measured: Sequence[float]) -> dict[str, float]:
    """The factor of every feature, none negative, that makes the squares of predicted / measured - 1 least in sum.

    That pulls predictions a little below the measured (overshooting costs more): by some 5 % here.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = np.array([[row.get(name, 0.0) for name in names] for row in rows], dtype=float)
    table /= np.array(measured, dtype=float)[:, None]
    largest = table.max(0)
    units = np.where(largest > 0, largest, 1.0)  # columns of like size, for the solver's tolerances
    factors, _ = nnls(table / units, np.ones(len(rows)))
    return dict(zip(names, (factors / units).tolist(), strict=True))


def cost(factors: dict[str, float], features: Features) -> float:
    """Seconds (or bytes) of what the features count; one that no calibrated row had costs nothing."""
    return sum(factors.get(name, 0.0) * amount for name, amount in features.items())


def left_out_errors(rows: Sequence[Features], measured: Sequence[float]) -> PredictionErrors:
    """Every row predicted from the others."""
    predicted = [
        cost(fit([*rows[:left], *rows[left + 1 :]], [*measured[:left], *measured[left + 1 :]]), row)
        for left, row in enumerate(rows)
    ]
    return prediction_errors(predicted, measured)


def _fit_bytes(rows: Sequence[Features], measured: Sequence[int | None]) -> dict[str, float] | None:
    known = [number for number in measured if number is not None]
    return fit(rows, known) if len(known) == len(measured) else None


# --------------------------------------------------------------------------------------------------------- prediction
class Predicted(NamedTuple):
    """CPU seconds of a pack, and the most memory that its worker process will hold, libraries included."""

    seconds: float
    peak_bytes: int | None


def shape_of(run: RunSpec, network: TrainedShape) -> Shape:
    """The shape of a stage of `run` that trains `network`."""
    optimizer = run.recipe.optimizer
    return Shape(
        network=network,
        samples=samples_per_evaluation(run.recipe, run.task.train_points),
        train_points=run.task.train_points,
        optimizer=optimizer.name,
        history=optimizer.history if isinstance(optimizer, Lbfgs) else 0,
        dtype=run.dtype,
    )


def predict(calibration: Calibration, runs: Sequence[RunSpec]) -> Predicted:
    """Of a pack: `runs` that share all but seed, gain and learning rate (see `harness.plan`).

    Assumes that every lane spends its whole cap: one that converges or diverges early only makes a pack cheaper once
    all of its lanes have.
    """
    run, planned = runs[0], stages(runs[0].network, runs[0].recipe)
    seconds = cost(calibration.pack_seconds, pack_features(len(runs)))
    peaks = []
    for stage in planned:
        shape, lanes = shape_of(run, stage.network), max(SMALLEST_ENSEMBLE, len(runs) * stage.starts)
        seconds += stage.evaluations * cost(calibration.evaluation_seconds, evaluation_features(shape, lanes))
        seconds += _curve_seconds(calibration, run, stage, lanes)
        peaks.append(_bytes(calibration.evaluation_bytes, evaluation_memory(shape, lanes)))
        peaks.append(_bytes(calibration.evaluation_bytes, _curve_memory(run, stage, lanes)))
    seconds += max(SMALLEST_ENSEMBLE, len(runs)) * _knot_seconds(calibration, run)
    if isinstance(run.network, KanShape) and run.recipe.grid_updates:
        peaks.append(_bytes(calibration.knot_bytes, knot_memory(run.network, run.task.train_points)))
    known = [peak for peak in peaks if peak is not None]
    return Predicted(seconds, max(known) if len(known) == len(peaks) else None)


def run_seconds(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int]) -> float | None:
    """CPU seconds of a run alone on the calibrated machine, None if one of its stages was not measured solo.

    `stage_evaluations` are those that each stage really made, all starts together. To evaluations at their solo time,
    optimiser included, comes the least squares of its knots as the calibration predicts it; the learning curve and
    drawing samples are not training, and are left out.
    """
    rows = _solo_rows(calibration, run)
    if rows is None:
        return None
    evaluations = sum(made * row.seconds_per_evaluation for made, row in zip(stage_evaluations, rows, strict=True))
    return evaluations + _knot_seconds(calibration, run, stage_evaluations)


def run_bytes(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int]) -> int | None:
    """Bytes that the evaluations of a run move, None if one of its stages was not measured solo."""
    rows = _solo_rows(calibration, run)
    if rows is None:
        return None
    return sum(made * row.bytes_per_evaluation for made, row in zip(stage_evaluations, rows, strict=True))


def is_current(calibration: Calibration) -> bool:
    """Whether it was measured with the libraries and threads that a run would have now."""
    return calibration.threads == THREADS and calibration.versions == provenance.versions()


def _solo_rows(calibration: Calibration, run: RunSpec) -> list[SoloRow] | None:
    """The solo rows of a run's stages, or None if one is missing."""
    solo = {row.shape: row for row in calibration.solo}
    rows = [solo.get(shape_of(run, stage.network)) for stage in stages(run.network, run.recipe)]
    known = [row for row in rows if row is not None]
    return known if len(known) == len(rows) else None


def prediction_errors(predicted: Sequence[float], measured: Sequence[float]) -> PredictionErrors:
    """How well `predicted` seconds met the `measured` ones."""
    ratios = np.array(predicted, dtype=float) / np.array(measured, dtype=float)
    distance = np.abs(np.log(np.maximum(ratios, np.finfo(float).tiny)))
    return PredictionErrors(
        number=len(ratios),
        median=float(np.median(ratios)),
        within_two=float((distance <= math.log(2)).mean()),
        worst=float(ratios[distance.argmax()]),
    )


def errors_sentence(errors: PredictionErrors) -> str:
    """What a user reads about the packs of a sweep."""
    within = round(errors.within_two * errors.number)
    return (
        f"predicted / measured CPU seconds: {within} of {errors.number} packs within a factor of 2 "
        f"({errors.within_two:.0%}), median {errors.median:.2f}, worst {errors.worst:.2f}"
    )


def _curve_seconds(calibration: Calibration, run: RunSpec, stage: Stage, lanes: int) -> float:
    """Forward passes over training and validation points: two moments to the octave and the end of the stage.

    The three of a run's end, over test points too, are counted as one moment more.
    """
    forward = 0.0
    for points in (run.task.train_points, run.task.validation_points):
        parts = network_features(stage.network, lanes * points)
        mapped = _mapped(sum(_kept_for_backward(parts).values()), run.dtype)
        forward += cost(calibration.evaluation_seconds, {**parts, "mapped": mapped})
    return (2 * math.log2(stage.evaluations) + 2) * FORWARD_SHARE[stage.network.family] * forward


def _curve_memory(run: RunSpec, stage: Stage, lanes: int) -> Features:
    """The same over the largest of a run's samples, which are never split into batches."""
    points = max(run.task.train_points, run.task.validation_points, run.task.test_points)
    shape = shape_of(run, stage.network).model_copy(update={"samples": points})
    share = FORWARD_SHARE[stage.network.family]
    memory = evaluation_memory(shape, lanes)
    return memory | {name: share * amount for name, amount in _kept_for_backward(memory).items()}


def _knot_seconds(calibration: Calibration, run: RunSpec, stage_evaluations: Sequence[int] | None = None) -> float:
    """One lane's updates of knots and refinements, as many as `stage_evaluations` or else the whole cap bring."""
    spent = None if stage_evaluations is None else [(made, 0) for made in stage_evaluations]
    seconds = 0.0
    for work in run_work(run.network, run.recipe, run.task.train_points, spent):
        if isinstance(work.network, KanShape):
            moved = knot_features(work.network, 1, work.fit_samples)
            refined = knot_features(work.network, 1, work.network.grid + work.network.order)
            seconds += work.knot_updates * cost(calibration.knot_seconds, moved)
            seconds += work.refined * cost(calibration.knot_seconds, refined)
    return seconds


def _bytes(factors: dict[str, float] | None, features: Features) -> int | None:
    return None if factors is None else round(cost(factors, features))
