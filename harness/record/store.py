"""Records in a folder: published once, whole or not at all, and read back with their seals checked.

Who trains a run a second time publishes nothing, but what came out is compared, and kept if it
differs.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import ValidationError

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import NO_LINKS, locked, unfinished
from harness.base.frozen import Frozen, problem_of
from harness.record.code import check_one_code
from harness.record.schema import RECORD_SCHEMA, Provenance, Record, Status
from harness.spec.manifest import Manifest
from harness.spec.run import Engine, canonical_json, run_id, sealed, unsealed

Read = TypeVar("Read")
# Of two records of one run. A defect: the same code on the same machine ought to have made the same
# bits.
Agreement = Literal["same", "within tolerance", "beyond tolerance", "defect"]
# What machines agree to (docs/engine.md): training errors of the first evaluations, relative; and
# in the end, the larger one over the smaller.
EARLY_EVALUATIONS = 8
EARLY_TOLERANCE = {"float64": 1e-6, "float32": 1e-2, "bfloat16": 1e-1}
END_FACTOR = 10.0

SEAL = re.compile(r'\A\{\s*"checksum": ?"[0-9a-f]{64}",')
RECORDS = "[!.]*.json"  # not what is being written, which is hidden
DAMAGED = "damaged"  # where damaged records are moved to, beside `duplicates`
NAMED = 3  # damaged records that an error names; it counts the others
LOCK_SECONDS = (
    10.0  # for how long another writer may hold the lock of a record, which takes it microseconds
)


def record_path(folder: Path, identity: str) -> Path:
    """Where the record of a run lives."""
    return folder / f"{identity}.json"


def publish(record: Record, folder: Path) -> Literal["published"] | Agreement:
    """Write `record` whole or not at all; the verdict on it if its run had a record already, which
    stays as it is.

    The first wins: two writers cannot mix. A second one that is not the same goes to `duplicates/`.
    A HarnessError if the first one is damaged, or nothing can be written.
    """
    path = record_path(folder, record.run_id)
    data = sealed(record.model_dump(mode="json"))
    if _created(path, data):
        return "published"
    agreement = verdict(read_record(path), record)
    if agreement != "same":
        _created(duplicate_path(folder, record), data)
    return agreement


def read_record(path: Path) -> Record:
    """The record at `path`; a HarnessError if it is damaged, of another schema, or not of the run
    its name says.
    """
    try:
        return _checked(path)
    except (ValueError, OSError) as error:
        again = "`harness retry FILE --cause damaged` moves it away and trains it again"
        raise HarnessError(
            f"record {path} is damaged ({problem_of(error)}); {again}", INCOMPLETE
        ) from None


def read_records(identities: Iterable[str], folder: Path, plan: Path) -> dict[str, Record]:
    """The records of these runs by id; a HarnessError that counts and names the damaged ones if
    there are any.

    `plan` is the folder of the experiment that they are read for. A HarnessError too if several
    codes trained them and it takes but one (see `record.code`).
    """
    records, damaged = _each(identities, folder, _checked)
    if damaged:
        named = [f"{identity}.json ({problem})" for identity, problem in damaged.items()]
        named[NAMED:] = ["…"] if len(named) > NAMED else []
        of_all = f"{len(damaged)} of {len(records) + len(damaged)} records in {folder} are damaged"
        moved = f"`harness retry {plan} --cause damaged --local N` moves them to {folder / DAMAGED}"
        again = "and trains their runs again, N at a time on this machine"
        raise HarnessError(f"{of_all}: {', '.join(named)}; {moved} {again}", INCOMPLETE)
    check_one_code((record.provenance for record in records.values()), plan)
    return records


def _checked(path: Path) -> Record:
    """The record at `path`; a ValueError or an OSError says what is wrong with it."""
    return record_of(path.read_text(encoding="utf-8"), path.name.partition(".")[0])


def record_of(text: str, identity: str) -> Record:
    """The record of this run that a sealed JSON text holds; a ValueError says what is wrong with
    it.
    """
    data = unsealed(text)
    if data.get("record_schema") != RECORD_SCHEMA:
        raise ValueError(f"schema {data.get('record_schema')}, this version reads {RECORD_SCHEMA}")
    # To write the data again without their seal takes as long as to read them: it is cut off where
    # it stands first.
    unsealed_text, was_first = SEAL.subn("{", text, count=1)
    record = Record.model_validate_json(
        unsealed_text if was_first else json.dumps(data), strict=True
    )
    hashed = run_id(record.run)
    if not record.run_id == hashed == identity:
        claimed = f"its name and run_id say {identity} and {record.run_id}"
        raise ValueError(f"it does not match its config: its config hashes to {hashed}, {claimed}")
    return record


# --------------------------------------------------------------------------------------------------
# duplicates
class Duplicate(NamedTuple):
    """A record that came second and differs from the one of its run, or is damaged."""

    run_id: str
    path: Path
    verdict: Agreement | Literal["damaged"]


def duplicate_path(folder: Path, record: Record) -> Path:
    """Where a record that came second is kept. Its content names it, so it is kept once however
    often it comes.
    """
    checksum = sealed(record.model_dump(mode="json"))["checksum"]
    return folder / "duplicates" / f"{record.run_id}.{checksum[:16]}.json"


def duplicates(folder: Path) -> list[Duplicate]:
    """All that came second, by name, and what is to be said of each beside the record that its run
    has now.

    Where that record is damaged, or was moved away to be trained again, there is nothing to be
    said.
    """
    later = []
    for path in sorted((folder / "duplicates").glob(RECORDS)):
        identity = path.name.partition(".")[0]
        try:
            second = _checked(path)
        except (ValueError, OSError):
            later.append(Duplicate(identity, path, "damaged"))
            continue
        with suppress(ValueError, OSError):
            later.append(
                Duplicate(identity, path, verdict(_checked(record_path(folder, identity)), second))
            )
    return later


def fingerprint(engine: Engine, provenance: Provenance) -> str:
    """16 hex digits of all that decides the last bits of a run beside the code of this package.

    That is the engine, the device's model, the instruction set, the versions of the libraries that
    compute, and threads if there are several. It is not the host, nor this package's version: which
    code ran is told by the snapshot or the commit.
    """
    libraries = {name: number for name, number in provenance.versions.items() if name != "harness"}
    threads = [provenance.threads] if provenance.threads > 1 else []
    numerics = [engine, provenance.device, provenance.instruction_set, libraries, *threads]
    return hashlib.sha256(canonical_json(numerics).encode()).hexdigest()[:16]


def verdict(first: Record, second: Record) -> Agreement:
    """What is to be said of two records of one run; which came first does not matter.

    Where one of them is brief (see `Record.brief`), only what both have is compared.
    """
    if first == first.brief() or second == second.brief():
        first, second = first.brief(), second.brief()
    contents = [
        canonical_json(record.model_dump(mode="json", exclude={"provenance"}))
        for record in (first, second)
    ]
    if contents[0] == contents[1]:  # bit for bit
        return "same"
    kinds = [fingerprint(record.run.engine, record.provenance) for record in (first, second)]
    if kinds[0] == kinds[1] and _same_code(first.provenance, second.provenance):
        return "defect"
    return "within tolerance" if _agree(first, second) else "beyond tolerance"


def _same_code(first: Provenance, second: Provenance) -> bool:
    """Whether the same code is known to have run; not what is the same of a changed tree without a
    snapshot.
    """
    if first.snapshot is not None and first.snapshot == second.snapshot:
        return True
    return (
        first.commit is not None
        and first.commit == second.commit
        and not first.dirty
        and not second.dirty
    )


def _agree(first: Record, second: Record) -> bool:
    """Whether two machines may have made them: the same course at first, and ends of about the same
    quality.
    """
    if first.metrics is None or second.metrics is None:
        return first.metrics is second.metrics
    early, early_second, tolerance = _early(first), _early(second), EARLY_TOLERANCE[first.run.dtype]
    small, large = sorted((first.metrics.losses.train, second.metrics.losses.train))
    if early.keys() != early_second.keys() or large > END_FACTOR * small:
        return False
    return all(
        math.isclose(error, early_second[spent], rel_tol=tolerance)
        for spent, error in early.items()
    )


def _early(record: Record) -> dict[int, float]:
    """Training errors by evaluations, of the first ones that are finite."""
    early = {point.evaluations: point.train_loss for point in record.curve}
    return {
        spent: loss
        for spent, loss in early.items()
        if spent <= EARLY_EVALUATIONS and loss is not None
    }


# --------------------------------------------------------------------------------------------------
# files
def _created(path: Path, data: dict[str, Any]) -> bool:
    """Write a new file whole or not at all; False if there is one of that name, which then stays as
    it is.
    """
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
        raise HarnessError(
            f"record {path}: {error.strerror}; nothing of it was written: {mend}", INCOMPLETE
        ) from None
    finally:
        with suppress(OSError):
            temporary.unlink()


def _named(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless another has it: by a hard link, which fails then, or else under
    a lock.
    """
    try:
        os.link(temporary, path)
        return True
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in NO_LINKS:
            raise
    message = "is at this record, or died there; remove it if none is left, and run again"
    with locked(path.with_name(f".{path.stem}.lock"), message, LOCK_SECONDS):
        if path.exists():
            return False
        temporary.replace(path)
        return True


# --------------------------------------------------------------------------------------------------
# the runs of a plan
class Recorded(NamedTuple):
    """The records of some runs: the status of those that are whole, and what is wrong with the
    others.
    """

    statuses: dict[str, Status]
    damaged: dict[str, str]


def recorded(identities: Iterable[str], folder: Path, check_all: bool = False) -> Recorded:
    """Which of these runs have a record in `folder`, and its status.

    Only what cannot be read, or is of another run, is called damaged, unless `check_all`: to check
    seals too takes six times as long, and whatever computes from records does it (`read_records`).
    """
    present = set(os.listdir(folder)) if folder.is_dir() else set()
    with_record = [identity for identity in identities if f"{identity}.json" in present]
    return Recorded(
        *_each(with_record, folder, (lambda path: _checked(path).status) if check_all else _status)
    )


def set_aside(identities: Iterable[str], folder: Path) -> int:
    """Move the damaged records of these runs to `damaged/`, each to a name that nothing there has;
    how many it moved.

    A HarnessError, before anything is moved, if one is damaged only in so far as this user may not
    read it.
    """
    paths = [
        record_path(folder, identity)
        for identity in recorded(identities, folder, check_all=True).damaged
    ]
    for path in paths:
        if not os.access(path, os.R_OK):
            raise HarnessError(
                f"record {path}: you may not read it, and it can be whole; ask its owner",
                INCOMPLETE,
            )
    for path in paths:
        (folder / DAMAGED).mkdir(exist_ok=True)
        path.rename(folder / DAMAGED / f"{path.stem}.{uuid.uuid4().hex[:12]}.json")
    return len(paths)


def _each(
    identities: Iterable[str], folder: Path, read: Callable[[Path], Read]
) -> tuple[dict[str, Read], dict[str, str]]:
    """What is read of each of these runs' records, and what is wrong with the damaged ones."""
    whole: dict[str, Read] = {}
    damaged: dict[str, str] = {}
    for identity in identities:
        try:
            whole[identity] = read(record_path(folder, identity))
        except (ValueError, OSError) as error:
            damaged[identity] = problem_of(error)
    return whole, damaged


class _Ended(Frozen, extra="ignore"):
    """A record as far as its run and status, which is read in a sixth of the time that a seal
    takes.
    """

    run_id: str
    status: Status


def _status(path: Path) -> Status:
    try:
        ended = _Ended.model_validate_json(path.read_bytes())
    except ValidationError:
        ended = None
    return (
        ended.status if ended and ended.run_id == path.stem else _checked(path).status
    )  # it says what is wrong


def missing(manifest: Manifest, folder: Path) -> list[str]:
    """Ids of the planned runs that have no record yet, in plan order."""
    present = {path.stem for path in folder.glob("*.json")}
    return [identity for identity in manifest.run_ids() if identity not in present]


def read_planned(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The record of every planned run, by its id.

    A HarnessError (incomplete) if a planned run has no record or a record is damaged.
    """
    if absent := missing(manifest, folder):
        without = (
            f"{len(absent)} of {len(manifest.run_ids())} runs of {manifest.name} have no "
            f"record in {folder}"
        )
        raise HarnessError(
            f"{without} (first: {absent[0]}); `harness run` does the missing ones", INCOMPLETE
        )
    return read_records(manifest.run_ids(), folder, folder.parent / manifest.name)


def read_present(manifest: Manifest, folder: Path) -> dict[str, Record]:
    """The records of those planned runs that have one, by run id; whoever shows them says what is
    missing.

    A HarnessError (incomplete) if no run has one, or a record is damaged.
    """
    absent = set(missing(manifest, folder))
    present = [identity for identity in manifest.run_ids() if identity not in absent]
    if not present:
        none = (
            f"none of the {len(absent)} runs of {manifest.name} has a record in {folder}; "
            "train some first"
        )
        raise HarnessError(none, INCOMPLETE)
    return read_records(present, folder, folder.parent / manifest.name)
