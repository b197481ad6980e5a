"""What evaluations take on a machine, as `harness bench` timed them alone, and the file that keeps
it.

    calibration = read_calibration(results, "fused", processor(), "float64")     # None: `harness
    bench` was never run

Seconds are CPU seconds of one thread: what the clock shows when that thread has a core to itself. A
calibration is of one engine and dtype: a plan whose runs have several needs several, see
`Calibrations`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Annotated, NamedTuple

import numpy as np
from pydantic import AfterValidator

from harness.base import provenance
from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.frozen import Frozen, left_out_at, problem_of
from harness.count import Work
from harness.count.training import knots_flops
from harness.families import Network, SplinedShape
from harness.spec.recipe import at_a_time, samples_per_evaluation
from harness.spec.run import Dtype, Engine, RunSpec, canonical_json, unsealed, write_sealed

# 6: of a shape that was timed alone its seconds and FLOPs, and no more.
CALIBRATION_SCHEMA = 6

# Workers of `harness.dispatch` have one thread each, so that is what is measured.
THREADS = 1


# --------------------------------------------------------------------------------------------------
# rows Networks that differ in what they begin by take the same time.
TimedNetwork = Annotated[Network, AfterValidator(lambda network: network.begun_as())]


class Shape(Frozen):
    """What the time of an evaluation hangs on, lanes apart.

    `samples` are points of one evaluation, of the `train_points` that there are. Of a PDE both are
    the points that an evaluation amounts to (`RunTask.points_evaluated`). `timing` is JSON of what
    costs time in the settings of the optimiser (`Optimiser.timed_by`). `has_equal_knots` says that
    updates, if any, leave knots equally spaced. Gains and seeds are left out: they cost nothing.
    """

    network: TimedNetwork
    samples: int
    train_points: int
    optimizer: str
    timing: str
    dtype: Dtype
    has_equal_knots: bool = True
    is_pde: bool = left_out_at(False)


def shape_of(run: RunSpec, network: Network) -> Shape:
    """The shape of a stage of `run` that trains `network`."""
    optimizer, updates = run.recipe.optimizer, run.recipe.grid_updates
    train_points = at_a_time(run.recipe, run.task).points_evaluated
    return Shape(
        network=network,
        samples=samples_per_evaluation(run.recipe, train_points),
        train_points=train_points,
        optimizer=optimizer.name,
        timing=canonical_json(optimizer.timed_by(network)),
        dtype=run.dtype,
        has_equal_knots=updates is None or updates.grid_eps == 1,
        is_pde=run.task.is_pde,
    )


class KnotMove(Frozen):
    """The least squares on `points` points that move all knots of a lane, or refined them to this
    network.
    """

    network: TimedNetwork
    points: int
    refined: bool


def knot_moves(work: Work) -> dict[KnotMove, int]:
    """How often a stage makes each of its moves; a refinement has as many points as its splines
    have unknowns.
    """
    network, moves = work.network, {}
    if work.knot_updates:
        moves[KnotMove(network=network, points=work.fit_samples, refined=False)] = work.knot_updates
    if work.refined and isinstance(network, SplinedShape):
        moves[KnotMove(network=network, points=network.grid + network.order, refined=True)] = 1
    return moves


def move_flops(move: KnotMove) -> int:
    """The FLOPs of one move of one lane."""
    updates = 0 if move.refined else 1
    none = {"evaluations": 0, "samples": 0, "iterations": 0}
    return knots_flops(
        Work(
            move.network,
            **none,
            knot_updates=updates,
            fit_samples=move.points,
            refined=move.refined,
        )
    )


class SoloRow(Frozen):
    """One lane alone: median of the CPU seconds of its evaluations, FLOPs of one (`local_min`, the
    optimiser's too).
    """

    shape: Shape
    seconds_per_evaluation: float
    flops_per_evaluation: float


class KnotRow(Frozen):
    """One lane's move of knots: median of its CPU seconds, and its FLOPs."""

    move: KnotMove
    seconds: float
    flops: float


class Rate(Frozen):
    """What takes `seconds` at any size, and so much more for its FLOPs."""

    seconds: float
    flops_per_second: float


# --------------------------------------------------------------------------------------------------
# calibration
class Calibration(Frozen):
    """A bench of one engine, device model and dtype: what was timed, and the rates of what was not.

    `seconds_per_run` go into samples, learning curve and record, whatever is trained.
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
    seconds_per_run: float
    evaluation_rate: Rate
    knot_rate: Rate
    solo: tuple[SoloRow, ...]
    knots: tuple[KnotRow, ...]

    @property
    def machine_words(self) -> str:
        """The machine that it is of, and the day."""
        return f"{self.host}, {self.device}, {self.measured_at[:10]}"

    @property
    def is_current(self) -> bool:
        """Whether it was measured with the libraries and threads that a run would have now."""
        return self.threads == THREADS and self.versions == provenance.versions()

    @cached_property
    def solo_seconds(self) -> dict[Shape, float]:
        """Of an evaluation, by the shapes that were timed."""
        return {row.shape: row.seconds_per_evaluation for row in self.solo}

    @cached_property
    def knot_seconds(self) -> dict[KnotMove, float]:
        """Of a move of knots, by those that were timed."""
        return {row.move: row.seconds for row in self.knots}


class EngineKind(NamedTuple):
    """What a calibration is of, on a machine."""

    engine: Engine
    dtype: Dtype

    @property
    def bench_command(self) -> str:
        """What measures it; without options it is the fused engine that is measured, in float64."""
        if self.engine == "fused":
            return "harness bench"
        return (
            "harness bench --engine torch"
            if self.dtype == "float64"
            else f"harness bench --dtype {self.dtype}"
        )


Calibrations = Mapping[EngineKind, Calibration]


def kind_of(run: RunSpec) -> EngineKind:
    """Of the calibration that speaks of `run`."""
    return EngineKind(run.engine, run.dtype)


def missing(calibrations: Calibrations, runs: Iterable[RunSpec]) -> list[EngineKind]:
    """The kinds that some of the runs have and none of the calibrations is of."""
    return sorted({kind_of(run) for run in runs} - calibrations.keys())


def calibrate(
    engine: Engine,
    dtype: Dtype,
    seconds_per_run: float,
    solo: Sequence[SoloRow],
    knots: Sequence[KnotRow],
) -> Calibration:
    """The calibration that the rows of a bench on this machine make; of two rows of one thing the
    later one stays.
    """
    solo = list({row.shape: row for row in solo}.values())
    knots = list({row.move: row for row in knots}.values())
    return Calibration(
        engine=engine,
        device=provenance.processor(),
        dtype=dtype,
        threads=THREADS,
        versions=provenance.versions(),
        host=provenance.host(),
        commit=provenance.code().commit,
        measured_at=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds_per_run=seconds_per_run,
        evaluation_rate=fit_rate(
            [(row.flops_per_evaluation, row.seconds_per_evaluation) for row in solo]
        ),
        knot_rate=fit_rate([(row.flops, row.seconds) for row in knots]),
        solo=tuple(solo),
        knots=tuple(knots),
    )


def fit_rate(rows: Sequence[tuple[float, float]]) -> Rate:
    """The rate by which (FLOPs, seconds) are least wrong: squared logarithms of ratios, on a grid
    in steps of some 5 %.

    Optimisers have no rates of their own: they hardly came closer by them.
    """
    flops, seconds = np.array(rows, dtype=float).T
    fixed = np.geomspace(seconds.min() / 100, seconds.max(), 200)[:, None, None]
    speeds = flops / seconds
    speed = np.geomspace(speeds.min(), 100 * speeds.max(), 200)[:, None]
    errors = (np.log((fixed + flops / speed) / seconds) ** 2).mean(-1)
    best_fixed, best_speed = np.unravel_index(errors.argmin(), errors.shape)
    return Rate(
        seconds=float(fixed[best_fixed, 0, 0]), flops_per_second=float(speed[best_speed, 0])
    )


# --------------------------------------------------------------------------------------------------
# files
def calibration_path(results: Path, engine: Engine, device: str, dtype: Dtype) -> Path:
    """Where the calibration of an engine on a device model lives."""
    slug = re.sub(r"[^a-z0-9]+", "-", device.lower()).strip("-")
    return results / "calibrations" / f"{engine}-{slug}-{dtype}.json"


def write_calibration(calibration: Calibration, results: Path) -> Path:
    """Write the calibration under `results`, whole or not at all, in place of an older one; where
    it is.
    """
    path = calibration_path(results, calibration.engine, calibration.device, calibration.dtype)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_sealed(path, calibration, indent=1)
    return path


def read_calibration(
    results: Path, engine: Engine, device: str, dtype: Dtype
) -> Calibration | None:
    """The calibration of this engine, device model and dtype, or None; a HarnessError if it is
    damaged or old.
    """
    calibration = _read(calibration_path(results, engine, device, dtype), EngineKind(engine, dtype))
    # Two names of devices can make one name of a file, and a file can be renamed.
    return calibration if calibration and calibration.device == device else None


def latest_calibration(results: Path, kind: EngineKind) -> Calibration | None:
    """The calibration of this kind that was measured last, on whatever device; None if there is
    none.
    """
    paths = sorted((results / "calibrations").glob(f"{kind.engine}-*-{kind.dtype}.json"))
    calibrations = [calibration for path in paths if (calibration := _read(path, kind))]
    return max(calibrations, key=lambda calibration: calibration.measured_at, default=None)


def _read(path: Path, kind: EngineKind) -> Calibration | None:
    command = kind.bench_command
    try:
        data = unsealed(path.read_text(encoding="utf-8"))
        if data.get("calibration_schema") != CALIBRATION_SCHEMA:
            version = f"{path} was written by another version of harness"
            raise HarnessError(f"{version}; run `{command}` again, which replaces it", INCOMPLETE)
        calibration = Calibration.model_validate_json(json.dumps(data), strict=True)
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise HarnessError(
            f"{path} is damaged ({problem_of(error)}); `{command}` makes it anew", INCOMPLETE
        ) from None
    return calibration if (calibration.engine, calibration.dtype) == kind else None
