"""What a machine takes for an evaluation, as `harness bench` measured it, and the prices that follow from it.

    calibration = read_calibration(results, "fused", processor(), "float64")     # None: `harness bench` was never run

Seconds are CPU seconds of one thread: what the clock shows when that thread has a core to itself. A cost is a sum of
what there is of each *feature* (see `features`) times what one of it takes, its *factor*. Factors are fitted to the
measured rows with none negative and errors relative to what was measured, so that cheap shapes count as much as dear.
A calibration is of one engine and dtype: a plan whose runs have several needs several, see `Calibrations`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
from pydantic import ValidationError
from scipy.optimize import nnls

from harness.base import provenance
from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.base.frozen import Frozen
from harness.measure.features import (
    Features,
    Shape,
    evaluation_features,
    evaluation_memory,
    knot_features,
    knot_memory,
    moments,
    pack_features,
)
from harness.spec import KanShape, RunSpec, sealed, unsealed
from harness.spec.run import Dtype, Engine

# 1: first version. 2: `mapped`, of optimiser and learning curve as well, in place of the graph's memory alone.
# 3: bytes of solo rows. 4: features by engine, Levenberg-Marquardt, moments of the learning curve.
# Raise it with every change of a feature: factors mean nothing without theirs.
CALIBRATION_SCHEMA = 4

# Workers of `harness.dispatch` have one thread each, so that is what is measured.
THREADS = 1


# --------------------------------------------------------------------------------------------------------------- rows
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
    """A pack of `runs` that makes a few evaluations of a tiny network: samples, records, curves and little else."""

    runs: int
    evaluations: int
    seconds: float


class SoloRow(Frozen):
    """One lane alone: median and interquartile range of the CPU seconds of its evaluations, and the bytes of one.

    Bytes are moved by the operations of the network (see `harness.count.dispatched`), as if nothing stayed in a cache.
    That is what torch does for a gradient; of other evaluations they are not known.
    """

    shape: Shape
    seconds_per_evaluation: float
    interquartile_seconds: float
    repeats: int
    bytes_per_evaluation: int | None


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
    engine: Engine
    device: str
    dtype: Dtype
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


Kind = tuple[Engine, Dtype]  # what a calibration is of, on a machine
Calibrations = Mapping[Kind, Calibration]


def kind_of(run: RunSpec) -> Kind:
    """Of the calibration that speaks of `run`."""
    return run.engine, run.dtype


def missing(calibrations: Calibrations, runs: Iterable[RunSpec]) -> list[Kind]:
    """The kinds that some of the runs have and none of the calibrations is of."""
    return sorted({kind_of(run) for run in runs} - calibrations.keys())


def bench_command(kind: Kind) -> str:
    """What measures this kind; without options it is the fused engine that is measured, in float64."""
    engine, dtype = kind
    if engine == "fused":
        return "harness bench"
    return "harness bench --engine torch" if dtype == "float64" else f"harness bench --dtype {dtype}"


def calibrate(engine: Engine, dtype: Dtype, measured: Measured, solo: Sequence[SoloRow] = ()) -> Calibration:
    """The calibration that the rows of a bench on this machine make."""
    evaluations = [evaluation_features(engine, row.shape, row.lanes) for row in measured.shapes]
    seconds = [row.seconds_per_evaluation for row in measured.shapes]
    knots = [knot_features(row.network, row.lanes, row.points) for row in measured.knots]
    knot_seconds = [row.seconds for row in measured.knots]
    return Calibration(
        engine=engine,
        device=provenance.processor(),
        dtype=dtype,
        threads=THREADS,
        versions=provenance.versions(),
        host=provenance.host(),
        commit=provenance.code().commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        shapes=measured.shapes,
        knots=measured.knots,
        packs=measured.packs,
        solo=tuple(solo),
        evaluation_seconds=fit(evaluations, seconds),
        evaluation_bytes=_fit_bytes(
            [evaluation_memory(engine, row.shape, row.lanes) for row in measured.shapes],
            [row.peak_bytes for row in measured.shapes],
        ),
        knot_seconds=fit(knots, knot_seconds),
        knot_bytes=_fit_bytes(
            [knot_memory(row.network, row.points) for row in measured.knots], [row.peak_bytes for row in measured.knots]
        ),
        pack_seconds=fit(
            [pack_features(engine, row.runs, row.runs * moments(row.evaluations)) for row in measured.packs],
            [row.seconds for row in measured.packs],
        ),
        evaluation_errors=left_out_errors(evaluations, seconds),
        knot_errors=left_out_errors(knots, knot_seconds),
    )


def with_solo(calibration: Calibration, rows: Sequence[SoloRow]) -> Calibration:
    """The calibration with more solo rows; of two of one shape the new one stays."""
    kept = {row.shape: row for row in (*calibration.solo, *rows)}
    return calibration.model_copy(update={"solo": tuple(kept.values())})


def calibration_path(results: Path, engine: Engine, device: str, dtype: Dtype) -> Path:
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


def read_calibration(results: Path, engine: Engine, device: str, dtype: Dtype) -> Calibration | None:
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
        command = bench_command((engine, dtype))
        raise HarnessError(f"{path} is damaged ({problem}); `{command}` makes it anew", INCOMPLETE) from None
    # Two names of devices can make one name of a file, and a file can be renamed.
    found = (calibration.engine, calibration.device, calibration.dtype)
    return calibration if found == (engine, device, dtype) else None


def is_current(calibration: Calibration) -> bool:
    """Whether it was measured with the libraries and threads that a run would have now."""
    return calibration.threads == THREADS and calibration.versions == provenance.versions()


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
