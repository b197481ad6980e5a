"""The state of a pack between two evaluations, as a file: how training goes on after its process has ended.

A file is a line with the SHA-256 of what follows, a line of JSON, and the engine's state, pickled. Unpickling can run
code: only files of one's own results folder are read.
"""

import hashlib
import json
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.files import whole_file
from harness.spec import canonical_json
from harness.spec.identity import pack_key

PACKAGE = Path(__file__).parents[1]
# What computes: a state goes on in the very code that it comes from.
ROOMS = ("spec", "tasks", "count", "nets", "train")


@dataclass(frozen=True)
class Checkpoint:
    """A pack on its way: the engine's state, and what its training has taken so far, over all attempts.

    `runs` are the ids of those that train, in their order; `evaluations` are the planned ones that each lane has behind
    it; `lanes` is how many there were at first; `resumed` is how often training has gone on from a file.
    """

    runs: tuple[str, ...]
    numerics: Mapping[str, Any]
    lanes: int
    started_at: str
    state: Any
    evaluations: int = 0
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    resumed: int = 0


def checkpoint_path(folder: Path, run_ids: Sequence[str]) -> Path:
    """Where the checkpoint of a pack lives."""
    return folder / f"{pack_key(run_ids)}.checkpoint"


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write it whole or not at all; of two writers the last one wins. An OSError if the disk is full."""
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {name: value for name, value in vars(checkpoint).items() if name != "state"}
    body = canonical_json(header).encode() + b"\n" + pickle.dumps(checkpoint.state, pickle.HIGHEST_PROTOCOL)
    with whole_file(path) as temporary, open(temporary, "xb") as file:
        file.write(hashlib.sha256(body).hexdigest().encode() + b"\n")
        file.write(body)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(
    path: Path, left: Sequence[str], numerics: Mapping[str, Any], announce: Callable[[str], None]
) -> Checkpoint | None:
    """The checkpoint at `path`, counted as resumed once more, if the runs that are `left` can go on from it.

    None if there is none. `announce` hears why one is of no use: it lacks a run, was written under other `numerics`,
    or is damaged, which moves it aside.
    """
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except FileNotFoundError:
        return None
    except OSError as error:
        announce(f"{path}: {error.strerror}; its pack starts from the beginning")
        return None
    if digest.decode(errors="replace") != hashlib.sha256(body).hexdigest():
        aside = path.with_suffix(".damaged")
        with suppress(OSError):  # another reader moved it, or nothing can be written here
            path.replace(aside)
        announce(f"{path} is damaged and was moved to {aside.name}; its pack starts from the beginning")
        return None
    header, _, state = body.partition(b"\n")
    fields = json.loads(header)
    if absent := set(left) - set(fields["runs"]):
        announce(f"{path} does not have run {min(absent)}; its pack starts from the beginning")
        return None
    if other := [name for name in numerics if fields["numerics"].get(name) != numerics[name]]:
        told = ", ".join(f"{name} {fields['numerics'].get(name)}, here {numerics[name]}" for name in other)
        announce(f"{path} comes from other numerics ({told}); its pack starts from the beginning")
        return None
    found = Checkpoint(**{**fields, "runs": tuple(fields["runs"])}, state=pickle.loads(state))
    return replace(found, resumed=found.resumed + 1)


@cache
def source_hash() -> str:
    """12 hex digits over the source of all that computes."""
    digest = hashlib.sha256()
    for path in sorted(path for room in ROOMS for path in (PACKAGE / room).rglob("*.py")):
        digest.update(f"{path.relative_to(PACKAGE)}\n".encode() + path.read_bytes())
    return digest.hexdigest()[:12]
