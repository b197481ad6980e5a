"""One run, one file, written once: the record of what was trained, what came out, and where.

Who trains a run a second time publishes nothing, but what came out is compared, and kept if it differs. Records load,
under a manifest, into one table; the manifest is the denominator, so a missing or damaged record is an error and never
a shorter table.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import Field, ValidationError, model_validator

from harness.count import stored
from harness.errors import INCOMPLETE, HarnessError
from harness.files import unfinished, whole_file
from harness.spec import (
    Cell,
    KanShape,
    Manifest,
    ModuleShape,
    Network,
    PlannedRun,
    RunSpec,
    Won,
    canonical_json,
    content_hash,
    run_id,
    sealed,
    unsealed,
)
from harness.spec.frozen import Frozen
from harness.spec.nouns import Engine, Metric

if TYPE_CHECKING:
    import pandas as pd

# 1: first version. 2: evaluations and iterations by stage; counts under more conventions, with their weight table.
# Provenance has grown by fields with defaults, without which older records read as well: that made no new version.
RECORD_SCHEMA = 2

Read = TypeVar("Read")
Status = Literal["done", "diverged"]
# Of two records of one run. A defect: the same code on the same machine ought to have made the same bits.
Verdict = Literal["same", "within tolerance", "beyond tolerance", "defect"]
# What machines agree to (docs/engine.md): training errors of the first evaluations, relative; and in the end, the
# larger one over the smaller.
EARLY_EVALUATIONS = 8
EARLY_TOLERANCE = {"float64": 1e-6, "float32": 1e-2}
END_FACTOR = 10.0

SPLITS = {"train": "train", "val": "validation", "test": "test"}  # as tables of classifications name them
CURVE_POINTS = 201  # of a network of one variable after each phase

DAMAGED = "damaged"  # where damaged records are moved to, beside `duplicates`
NAMED = 3  # damaged records that an error names; it counts the others
NO_LINKS = (errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)  # a file system without them
LOCK_SECONDS = 10.0  # for how long another writer may hold the lock of a record, which takes it microseconds


class Losses(NamedTuple):
    """A run's errors in the metric of its task (`RunTask.metric`)."""

    train: float
    validation: float
    test: float


class Metrics(Frozen):
    """Errors at the end of a run, in units of the target. Validation chooses between trials; test is reported.

    `test_root_median_square` is the square root of the median squared error, which some published curves show instead.
    `test_h1_error` is of PDEs: the root of the mean over the box of |u - y|^2 + |grad u - grad y|^2. The training and
    validation errors of those are roots of the loss.
    """

    train_rmse: float
    validation_rmse: float
    test_rmse: float
    test_root_median_square: float
    test_h1_error: float | None = Field(None, exclude_if=lambda value: value is None)

    @property
    def losses(self) -> Losses:
        """What trials are chosen by, and laws fitted to."""
        return Losses(self.train_rmse, self.validation_rmse, self.test_rmse)


class ClassMetrics(Frozen):
    """Mean cross-entropies in nats at the end of a run that learns classes, and shares of points told right."""

    train_cross_entropy: float
    validation_cross_entropy: float
    test_cross_entropy: float
    train_accuracy: float
    validation_accuracy: float
    test_accuracy: float

    @property
    def losses(self) -> Losses:
        """What trials are chosen by, and laws fitted to."""
        return Losses(self.train_cross_entropy, self.validation_cross_entropy, self.test_cross_entropy)


METRICS: dict[Metric, type[Metrics] | type[ClassMetrics]] = {"rmse": Metrics, "cross_entropy": ClassMetrics}


class CurvePoint(Frozen):
    """Errors after `evaluations` forward+backward passes of the run, restarts included."""

    evaluations: int
    train_rmse: float | None
    validation_rmse: float | None

    @property
    def train_loss(self) -> float | None:
        """In the metric of the task."""
        return self.train_rmse

    @property
    def validation_loss(self) -> float | None:
        """In the metric of the task."""
        return self.validation_rmse


class ClassCurvePoint(Frozen):
    """The same of a run that learns classes: mean cross-entropies in nats."""

    evaluations: int
    train_cross_entropy: float | None
    validation_cross_entropy: float | None

    @property
    def train_loss(self) -> float | None:
        """In the metric of the task."""
        return self.train_cross_entropy

    @property
    def validation_loss(self) -> float | None:
        """In the metric of the task."""
        return self.validation_cross_entropy


Curve = tuple[Annotated[CurvePoint | ClassCurvePoint, Field(union_mode="left_to_right")], ...]
CURVE_POINT: dict[Metric, type[CurvePoint] | type[ClassCurvePoint]] = {
    "rmse": CurvePoint,
    "cross_entropy": ClassCurvePoint,
}


class PhaseEnd(Frozen):
    """A network right after a phase: the training RMSE on the points of every phase, those to come too.

    `outputs` are its values at `CURVE_POINTS` points, evenly from the task's low to its high, to six digits behind the
    point; none where there is more than one variable.
    """

    rmse: tuple[float, ...]
    outputs: tuple[float, ...]


class Provenance(Frozen):
    """Where and with what a run was trained; never part of its identity.

    `pack_seconds` is the wall clock of the whole pack of `pack_lanes` lanes that shared `threads` threads, and
    `pack_cpu_seconds` what its process computed in that time: provenance, not axes to compare arms on. They and
    `started_at` are of all attempts, `resumed` being how often training went on from a checkpoint; all else is of the
    last one, `attempt`. `snapshot` is the hash of the code if it ran from a snapshot.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str]
    host: str
    device: str
    instruction_set: str
    threads: int
    started_at: str
    pack_seconds: float
    pack_cpu_seconds: float
    pack_lanes: int
    snapshot: str | None = None
    attempt: str | None = None
    resumed: int = 0


class Snapped(Frozen):
    """The formula that a KAN was read into, the least R² of its edges, and its own error, None where it has none."""

    text: str
    least_r2: float | None
    test_rmse: float | None


class Pruned(Frozen):
    """What pruning left of a KAN that was trained sparse (see `harness.spec.Sparsity`), and what it was before.

    `network` at the run's own grid, seeing those `inputs` of the task's. `scores` has the norm of every edge before,
    [layer][output][input], `active_edges` counts those above the threshold, and `test_rmse` is the error until then.
    """

    network: KanShape
    inputs: tuple[int, ...]
    scores: tuple[tuple[tuple[float, ...], ...], ...]
    active_edges: int
    test_rmse: float
    formula: Snapped | None = Field(None, exclude_if=lambda value: value is None)


class Record(Frozen):
    """The outcome of a run. A diverged run has a record too: status `diverged`, no metrics, and when it happened.

    `by_stage` has the evaluations and iterations of each stage, all starts together; `refused_steps` counts systems of
    Levenberg-Marquardt without a solution; `weights` names the table that says what transcendental functions cost in
    `counts`. Of a run in phases `train_rmse` is that on all training points in the end, while its curve shows the error
    on those of the phase.
    """

    record_schema: int = RECORD_SCHEMA
    run_id: str
    run: RunSpec
    status: Status
    metrics: Metrics | ClassMetrics | None = Field(union_mode="left_to_right")
    evaluations: int
    iterations: int
    by_stage: tuple[tuple[int, int], ...]
    diverged_at: int | None
    refused_steps: int = 0
    counts: dict[str, int]
    weights: str
    curve: Curve
    phases: tuple[PhaseEnd, ...] | None = Field(None, exclude_if=lambda value: value is None)
    provenance: Provenance
    pruned: Pruned | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _metrics_if_done(self) -> Record:
        if (self.status == "done") != (self.metrics is not None):
            raise ValueError(f"status {self.status} with metrics {self.metrics}")
        return self


def record_path(folder: Path, identity: str) -> Path:
    """Where the record of a run lives."""
    return folder / f"{identity}.json"


def publish(record: Record, folder: Path) -> Literal["published"] | Verdict:
    """Write `record` whole or not at all; the verdict on it if its run had a record already, which stays as it is.

    The first wins: two writers cannot mix. A second one that is not the same goes to `duplicates/`. A HarnessError if
    the first one is damaged, or nothing can be written.
    """
    path = record_path(folder, record.run_id)
    data = sealed(record.model_dump(mode="json"))
    if _created(path, data):
        return "published"
    found = verdict(read_record(path), record)
    if found != "same":
        _created(duplicate_path(folder, record), data)
    return found


def read_record(path: Path) -> Record:
    """The record at `path`; a HarnessError if it is damaged, of another schema, or not of the run its name says."""
    try:
        return _checked(path)
    except (ValueError, OSError) as error:
        raise HarnessError(
            f"record {path} is damaged ({_problem(error)}); move it away and run again", INCOMPLETE
        ) from None


def read_records(identities: Iterable[str], folder: Path, plan: Path) -> dict[str, Record]:
    """The records of these runs by id; a HarnessError that counts and names the damaged ones if there are any.

    `plan` is the folder of the experiment that they are read for.
    """
    records, damaged = _each(identities, folder, _checked)
    if damaged:
        named = [f"{identity}.json ({problem})" for identity, problem in list(damaged.items())[:NAMED]]
        more = ["…"] if len(damaged) > NAMED else []
        raise HarnessError(
            f"{len(damaged)} of {len(records) + len(damaged)} records in {folder} are damaged: "
            f"{', '.join([*named, *more])}; `harness retry {plan} --cause damaged --local N` moves them to "
            f"{folder / DAMAGED} and trains their runs again, N at a time on this machine",
            INCOMPLETE,
        )
    return records


def _checked(path: Path) -> Record:
    """The record at `path`; a ValueError or an OSError says what is wrong with it."""
    data = unsealed(path.read_text(encoding="utf-8"))
    if data.get("record_schema") != RECORD_SCHEMA:
        raise ValueError(f"schema {data.get('record_schema')}, this version reads {RECORD_SCHEMA}")
    record = Record.model_validate_json(json.dumps(data), strict=True)
    hashed, named = run_id(record.run), path.name.partition(".")[0]
    if not record.run_id == hashed == named:
        problem = f"its config hashes to {hashed}, its name and run_id say {named} and {record.run_id}"
        raise ValueError(f"it does not match its config: {problem}")
    return record


def _problem(error: ValueError | OSError) -> str:
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"]
    return str(error.strerror if isinstance(error, OSError) else error)


# ---------------------------------------------------------------------------------------------------------- duplicates
class Duplicate(NamedTuple):
    """A record that came second and differs from the one of its run, or is damaged."""

    run_id: str
    path: Path
    verdict: Verdict | Literal["damaged"]


def duplicate_path(folder: Path, record: Record) -> Path:
    """Where a record that came second is kept: named by its content, so once however often it is brought."""
    checksum = sealed(record.model_dump(mode="json"))["checksum"]
    return folder / "duplicates" / f"{record.run_id}.{checksum[:16]}.json"


def duplicates(folder: Path) -> list[Duplicate]:
    """All that came second, by name, and what is to be said of each beside the record that its run has now.

    Where that record is damaged, or was moved away to be trained again, there is nothing to be said.
    """
    found = []
    for path in sorted((folder / "duplicates").glob("*.json")):
        identity = path.name.partition(".")[0]
        try:
            second = _checked(path)
        except (ValueError, OSError):
            found.append(Duplicate(identity, path, "damaged"))
            continue
        with suppress(ValueError, OSError):
            found.append(Duplicate(identity, path, verdict(_checked(record_path(folder, identity)), second)))
    return found


def fingerprint(engine: Engine, provenance: Provenance) -> str:
    """16 hex digits of all that decides the last bits of a run beside the code of this package.

    That is the engine, the device's model, the instruction set, and the versions of the libraries that compute. It is
    not the host, nor this package's version: which code ran is told by the snapshot or the commit.
    """
    libraries = {name: number for name, number in provenance.versions.items() if name != "harness"}
    numerics = [engine, provenance.device, provenance.instruction_set, libraries]
    return hashlib.sha256(canonical_json(numerics).encode()).hexdigest()[:16]


def verdict(one: Record, other: Record) -> Verdict:
    """What is to be said of two records of one run; which came first does not matter."""
    if _results(one) == _results(other):
        return "same"
    alike = fingerprint(one.run.engine, one.provenance) == fingerprint(other.run.engine, other.provenance)
    if alike and _same_code(one.provenance, other.provenance):
        return "defect"
    return "within tolerance" if _agree(one, other) else "beyond tolerance"


def _results(record: Record) -> str:
    """All but the provenance, bit for bit."""
    return canonical_json(record.model_dump(mode="json", exclude={"provenance"}))


def _same_code(one: Provenance, other: Provenance) -> bool:
    """Whether the same code is known to have run; not what is the same of a changed tree without a snapshot."""
    if one.snapshot is not None and one.snapshot == other.snapshot:
        return True
    return one.commit is not None and one.commit == other.commit and not one.dirty and not other.dirty


def _agree(one: Record, other: Record) -> bool:
    """Whether two machines may have made them: the same course at first, and ends of about the same quality."""
    if one.metrics is None or other.metrics is None:
        return one.metrics is other.metrics
    early, tolerance = [_early(record) for record in (one, other)], EARLY_TOLERANCE[one.run.dtype]
    same_course = early[0].keys() == early[1].keys() and all(
        math.isclose(error, early[1][at], rel_tol=tolerance) for at, error in early[0].items()
    )
    small, large = sorted((one.metrics.losses.train, other.metrics.losses.train))
    return same_course and large <= END_FACTOR * small


def _early(record: Record) -> dict[int, float]:
    """Training errors by evaluations, of the first ones that are finite."""
    return {
        point.evaluations: point.train_loss
        for point in record.curve
        if point.evaluations <= EARLY_EVALUATIONS and point.train_loss is not None
    }


# --------------------------------------------------------------------------------------------------------------- files
def _created(path: Path, data: dict[str, Any]) -> bool:
    """Write a new file whole or not at all; False if there is one of that name, which then stays as it is."""
    temporary = unfinished(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "x", encoding="utf-8") as file:
            file.write(json.dumps(data, indent=1))
            file.flush()
            os.fsync(file.fileno())
        return _named(temporary, path)
    except OSError as error:
        mend = "make room there or choose another results folder, and run again"
        raise HarnessError(f"record {path}: {error.strerror}; nothing of it was written: {mend}", INCOMPLETE) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _named(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless another has it: by a hard link, which fails then, or else under a lock."""
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    with _lock(path.with_name(f".{path.stem}.lock")):
        if path.exists():
            return False
        temporary.replace(path)
        return True


@contextmanager
def _lock(folder: Path) -> Iterator[None]:
    """Hold a lock that works on every file system, as only one can make a folder; a HarnessError if it stays taken."""
    deadline = time.monotonic() + LOCK_SECONDS
    while True:
        try:
            folder.mkdir()
            break
        except FileExistsError:
            if time.monotonic() > deadline:
                who = "another writer is at this record, or died there"
                raise HarnessError(f"{folder}: {who}; remove it if none is left, and run again", INCOMPLETE) from None
            time.sleep(0.01)
    try:
        yield
    finally:
        folder.rmdir()


# --------------------------------------------------------------------------------------------------- the runs of a plan
class Recorded(NamedTuple):
    """What records there are of some runs: the status of those that are whole, and what is wrong with the others."""

    statuses: dict[str, Status]
    damaged: dict[str, str]


def recorded(identities: Iterable[str], folder: Path, check_all: bool = False) -> Recorded:
    """Which of these runs have a record in `folder`, and its status.

    Only what cannot be read is called damaged, unless `check_all`: to check seals too takes six times as long, and
    whatever computes from records does it (`load`).
    """
    present = set(os.listdir(folder)) if folder.is_dir() else set()
    there = [identity for identity in identities if f"{identity}.json" in present]
    return Recorded(*_each(there, folder, (lambda path: _checked(path).status) if check_all else _status))


def set_aside(identities: Iterable[str], folder: Path) -> int:
    """Move the damaged records of these runs to `damaged/`, each to a name that nothing there has; how many it moved.

    A HarnessError, before anything is moved, if one is damaged only in so far as this user may not read it.
    """
    paths = [record_path(folder, identity) for identity in recorded(identities, folder, check_all=True).damaged]
    for path in paths:
        if not os.access(path, os.R_OK):
            raise HarnessError(f"record {path}: you may not read it, and it can be whole; ask its owner", INCOMPLETE)
    for path in paths:
        (folder / DAMAGED).mkdir(exist_ok=True)
        path.rename(folder / DAMAGED / f"{path.stem}.{uuid.uuid4().hex[:12]}.json")
    return len(paths)


def _each(
    identities: Iterable[str], folder: Path, read: Callable[[Path], Read]
) -> tuple[dict[str, Read], dict[str, str]]:
    """What is read of each of these runs' records, and what is wrong with the damaged ones."""
    found: dict[str, Read] = {}
    damaged: dict[str, str] = {}
    for identity in identities:
        try:
            found[identity] = read(record_path(folder, identity))
        except (ValueError, OSError) as error:
            damaged[identity] = _problem(error)
    return found, damaged


class _Ended(Frozen, extra="ignore"):
    """A record as far as its status, which is read in a sixth of the time that a seal takes."""

    status: Status


def _status(path: Path) -> Status:
    try:
        return _Ended.model_validate_json(path.read_bytes()).status
    except ValidationError:
        return _checked(path).status  # which says what is wrong with it


def records_hash(records: Mapping[str, Record]) -> str:
    """64 hex digits of the contents of records, by run id."""
    contents = {identity: content_hash(record) for identity, record in records.items()}
    return hashlib.sha256(canonical_json(contents).encode()).hexdigest()


def missing(manifest: Manifest, folder: Path) -> list[str]:
    """Ids of the planned runs that have no record yet, in plan order."""
    present = {path.stem for path in folder.glob("*.json")}
    return [identity for identity in manifest.run_ids() if identity not in present]


def read_planned(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The record of every planned run, by its id.

    A HarnessError (incomplete) if a planned run has no record or a record is damaged.
    """
    absent = missing(manifest, folder)
    if absent:
        total = len(manifest.run_ids())
        raise HarnessError(
            f"{len(absent)} of {total} runs of {manifest.name} have no record in {folder} (first: {absent[0]}); "
            "`harness run` does the missing ones",
            INCOMPLETE,
        )
    return read_records(manifest.run_ids(), folder, folder.parent / manifest.name)


def read_present(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The records of those planned runs that have one, by run id; whoever shows them says what is missing.

    A HarnessError (incomplete) if no run has one, or a record is damaged.
    """
    absent = set(missing(manifest, folder))
    present = [identity for identity in manifest.run_ids() if identity not in absent]
    if not present:
        raise HarnessError(
            f"none of the {len(absent)} runs of {manifest.name} has a record in {folder}; train some first", INCOMPLETE
        )
    return read_records(present, folder, folder.parent / manifest.name)


def load(manifest: Manifest, folder: Path) -> pd.DataFrame:
    """The table (`runs_table`) of a complete plan; a HarnessError as `read_planned`."""
    return runs_table(manifest, read_planned(manifest, folder))


def runs_table(manifest: Manifest, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a recorded run and series, with counts, metrics and `chosen`, the trial that validation picked.

    `val_loss` and `test_loss` are in the `metric` of the task: the RMSE, or the cross-entropy, which has `val_accuracy`
    and `test_accuracy` beside it.

    `in_window`, `until` and `hold_out` are what the plan declares of the sizes that laws are fitted to.
    `of_budget` marks the series of one training budget each, of which the best sizes make a series of their own.
    Where the winners of a search are confirmed, a series is a side, and `won_on` the axis on which a row is to be read.
    """
    import pandas as pd  # takes a third of a second, which workers and `harness status` need not wait for

    cells = {cell.index: cell for cell in manifest.cells}
    rows = [_row(cells[run.cell], run, records[run.run_id]) for run in manifest.runs if run.run_id in records]
    table = pd.DataFrame(rows)
    trials = table["search_trials"] if manifest.confirms else table.groupby("cell")["trial"].transform("nunique")
    of_budget = table["cell"].map({index: cell.frontier is not None for index, cell in cells.items()})
    table = table.assign(trials=trials, chosen=_chosen(table), of_budget=of_budget)
    return pd.concat([table, *_frontiers(table, cells)], ignore_index=True)


def write_table(table: pd.DataFrame, folder: Path) -> None:
    """The table as `runs.csv` and `runs.parquet` in `folder`."""
    with whole_file(folder / "runs.csv") as path:
        table.to_csv(path, index=False)
    with whole_file(folder / "runs.parquet") as path:
        table.to_parquet(path, index=False)


def _row(cell: Cell, planned: PlannedRun, record: Record) -> dict[str, Any]:
    network = planned.run.network
    return {
        "run_id": planned.run_id,
        "task": cell.task,
        "arm": cell.arm,
        "series": cell.series,
        "shape": "-".join(str(nodes) for nodes in network.shape),
        "grid": getattr(network, "grid", None),
        "order": getattr(network, "order", None),
        "asked": cell.asked,
        "residual": cell.residual,
        "seed": planned.run.seed,
        "trial": planned.trial,
        "recipe": canonical_json(planned.run.recipe.model_dump(mode="json")),
        "dtype": planned.run.dtype,
        "engine": planned.run.engine,
        "status": record.status,
        **_errors(planned.run.task.metric, record.metrics),
        **(_forgetting(record.phases) if planned.run.recipe.phases else {}),
        "evaluations": record.evaluations,
        "evaluations_by_stage": json.dumps([made for made, _ in record.by_stage]),
        "iterations": record.iterations,
        "refused_steps": record.refused_steps,
        **_counts(network, record),
        **(_of_pruned(record.pruned) if record.pruned else {}),
        "weights": record.weights,
        "pack_seconds": record.provenance.pack_seconds,
        "pack_lanes": record.provenance.pack_lanes,
        "cell": cell.index,
        "in_window": cell.in_window,
        "until_minimum": bool(cell.window and cell.window.until),
        "hold_out": cell.hold_out,
        **(_of_won(cell.won) if cell.won else {}),
    }


def _of_won(won: Won) -> dict[str, Any]:
    return {
        "won_on": won.axis,
        "won_under": won.under,
        "won_at_stop": won.stop,
        "search_trials": won.trials,
        "search_val_loss": won.validation_loss,
        "search_test_loss": won.test_loss,
        "flops_search": won.flops_search,
    }


def _counts(network: Network, record: Record) -> dict[str, int]:
    """What the record counts, and `params.stored`, which records of before do not have."""
    kept = record.pruned.network if record.pruned else network
    return record.counts if isinstance(kept, ModuleShape) else {"params.stored": stored(kept)} | record.counts


def _errors(metric: Metric, metrics: Metrics | ClassMetrics | None) -> dict[str, Any]:
    """The columns of a run's errors; those of one that diverged are NaN."""
    losses = metrics.losses if metrics else Losses(math.nan, math.nan, math.nan)
    of_task = {"metric": metric, "val_loss": losses.validation, "test_loss": losses.test}
    always = [name for name, field in METRICS[metric].model_fields.items() if field.is_required()]
    found = metrics.model_dump() if metrics else dict.fromkeys(always, math.nan)
    if metric == "rmse":
        return found | of_task
    return of_task | {f"{split}_accuracy": found[f"{name}_accuracy"] for split, name in SPLITS.items()}


def _of_pruned(pruned: Pruned) -> dict[str, Any]:
    return {
        "pruned_shape": "-".join(map(str, pruned.network.shape)),
        "active_edges": pruned.active_edges,
        "test_rmse_unpruned": pruned.test_rmse,
    }


def _forgetting(phases: tuple[PhaseEnd, ...] | None) -> dict[str, float]:
    """Training RMSE, mean over phases, right after each of them and after the last, and how many times more that is."""
    right_after = in_the_end = math.nan
    if phases:
        right_after = sum(end.rmse[index] for index, end in enumerate(phases)) / len(phases)
        in_the_end = sum(phases[-1].rmse) / len(phases)
    return {
        "rmse_right_after": right_after,
        "rmse_in_the_end": in_the_end,
        "forgetting": in_the_end / right_after if right_after else math.nan,
    }


def _frontiers(table: pd.DataFrame, cells: dict[int, Cell]) -> list[pd.DataFrame]:
    """Where sizes were crossed with training budgets: the best size of each budget, by validation, as a series more."""
    frontier = table["cell"].map({index: cell.frontier for index, cell in cells.items()})
    found = []
    for (_, name, _), group in table.groupby([table["task"], frontier, table["asked"]], sort=False):
        validation = group.loc[group["chosen"], ["cell", "val_loss"]].fillna({"val_loss": math.inf})
        best = validation.groupby("cell")["val_loss"].median().idxmin()
        found.append(group[group["cell"] == best].assign(series=str(name), of_budget=False))
    return found


def _chosen(table: pd.DataFrame) -> pd.Series:
    """Per cell, the trial with the lowest median validation loss over seeds; a diverged run counts as infinite."""
    validation = table["val_loss"].fillna(math.inf)
    medians = validation.groupby([table["cell"], table["trial"]]).median()
    best = medians.groupby("cell").idxmin().map(lambda key: key[1])
    return table["trial"] == table["cell"].map(best)
