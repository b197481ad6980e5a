"""The state of a pack between two evaluations, as a file: how training goes on after its process
has ended.

A file has three parts: a line with `FORMAT` and the SHA-256 of what follows; a line of JSON, in
which an array is `{"array": [dtype, shape, offset]}`, and one of torch's `{"tensor": ...}`; and the
bytes of these arrays. Reading builds the types that `CheckpointState` declares, with states of the
optimisers of the pack, and no others: no file says what is to be made or run.
"""

import hashlib
import json
import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import numpy as np
import torch
from pydantic import ConfigDict, Field, PositiveInt, TypeAdapter
from torch import Tensor

from harness.base.files import private_folder, whole_file
from harness.base.frozen import Frozen
from harness.spec.recipe import Recipe
from harness.spec.run import pack_key
from harness.train.lanes import EngineState
from harness.train.phases import PhasesState
from harness.train.pruning import PruningState

FORMAT = b"harness checkpoint 2 "
CheckpointState = EngineState | PhasesState | PruningState
Length = Annotated[int, Field(ge=0, lt=2**60)]


@dataclass(frozen=True)
class Checkpoint:
    """A pack on its way: the engine's state, and what its training has taken so far, over all
    attempts.

    `runs` are the ids of those that train, in their order; `evaluations` are the planned ones that
    each lane has behind it; `lanes` is how many there were at first; `resumed` is how often
    training has gone on from a file. `snapshots` has evaluations, and the parameters and knots of
    each run after them. `threads` are those that torch goes on with. `training_cpu_seconds` are
    those of the main run and of the one beside it that ends at the next reading;
    `reading_cpu_seconds` those of each reading's own path, where a pack has one run.
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
    snapshots: tuple[tuple[int, Any], ...] = ()
    threads: PositiveInt = 1
    training_cpu_seconds: tuple[float, float] = (0.0, 0.0)
    reading_cpu_seconds: tuple[float, ...] = ()


def checkpoint_path(folder: Path, run_ids: Sequence[str]) -> Path:
    """Where the checkpoint of a pack lives."""
    return folder / f"{pack_key(run_ids)}.checkpoint"


class Place(NamedTuple):
    """Where in a file the elements of an array lie, which are all that it can hold."""

    dtype: Literal["<f8", "<f4", "<f2", "<i8", "<i4", "<i2", "|i1", "|u1", "|b1"]
    shape: tuple[Length, ...]
    offset: Length


PLACE, HEADER = TypeAdapter(Place), TypeAdapter(Checkpoint)
STATE: TypeAdapter[CheckpointState] = TypeAdapter(
    CheckpointState,
    config=ConfigDict(arbitrary_types_allowed=True, extra="forbid", defer_build=True),
)


def write_checkpoint(checkpoint: Checkpoint, path: Path) -> None:
    """Write it whole or not at all; of two writers the last one wins. An OSError if the disk is
    full.
    """
    private_folder(path.parent)
    arrays: list[bytes] = []

    def plain(value: Any) -> Any:
        if isinstance(value, Tensor | np.ndarray):
            array = value.numpy(force=True) if isinstance(value, Tensor) else value
            place = PLACE.validate_python((array.dtype.str, array.shape, sum(map(len, arrays))))
            arrays.append(array.tobytes())
            return {"tensor" if isinstance(value, Tensor) else "array": place}
        return value.model_dump(mode="json") if isinstance(value, Frozen) else vars(value)

    text = json.dumps(checkpoint, default=plain).encode() + b"\n"
    with whole_file(path) as temporary, open(temporary, "xb") as file:
        file.write(FORMAT + _digest(text, *arrays) + b"\n" + text)
        file.writelines(arrays)
        file.flush()
        os.fsync(file.fileno())


def read_checkpoint(
    path: Path,
    to_train: Sequence[str],
    recipe: Recipe,
    numerics: Mapping[str, Any],
    device: str,
    announce: Callable[[str], None],
) -> Checkpoint | None:
    """The checkpoint at `path`, counted as resumed once more, if all runs `to_train` can go on from
    it.

    None if there is none. `announce` hears why one is of no use: it lacks a run, was written by an
    earlier version or under other `numerics`, or is damaged, which moves it aside. Whether its
    state `fits` is for its engine to say.
    """
    try:
        with open(path, "rb") as file:
            first, text, arrays = file.readline().rstrip(b"\n"), file.readline(), file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        announce(f"{path}: {error.strerror}; its pack starts from the beginning")
        return None
    digest = _digest(text, arrays)
    if first == digest:
        announce(f"{path} was written by an earlier version; its pack starts from the beginning")
        return None
    try:
        if first != FORMAT + digest:
            raise ValueError("its content does not match its checksum")
        saved = HEADER.validate_python(_parsed(text, arrays, device))
        if absent := set(to_train) - set(saved.runs):
            announce(f"{path} does not have run {min(absent)}; its pack starts from the beginning")
            return None
        if differing := [name for name in numerics if saved.numerics.get(name) != numerics[name]]:
            comparison = ", ".join(
                f"{name} {saved.numerics.get(name)}, here {numerics[name]}" for name in differing
            )
            announce(
                f"{path} comes from other numerics ({comparison}); its pack starts from the "
                "beginning"
            )
            return None
        kinds = [optimiser.state for optimiser in recipe.optimisers.values()]
        state = STATE.validate_python(saved.state, context=kinds)
        return replace(saved, state=state, resumed=saved.resumed + 1)
    except (
        ValueError,
        RecursionError,
    ):  # also JSON that is none, arrays that are not there, other types than declared
        announce(f"{path} is damaged and {set_aside(path)}; its pack starts from the beginning")
        return None


def set_aside(path: Path) -> str:
    """Move a checkpoint that is of no use to where those find it who want to look; says so in
    words.
    """
    aside = path.with_suffix(".damaged")
    try:
        path.replace(aside)
    except FileNotFoundError:  # another reader has moved it
        pass
    except OSError as error:
        return f"cannot be moved aside ({error.strerror})"
    return f"was moved to {aside.name}"


def _digest(*parts: bytes) -> bytes:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest().encode()


def _parsed(text: bytes, arrays: bytes, device: str) -> Any:
    """The JSON of a file with its arrays in their places; none is larger than the file."""

    def with_arrays(node: dict[str, Any]) -> Any:
        if len(node) != 1 or (kind := next(iter(node))) not in ("array", "tensor"):
            return node
        dtype, shape, offset = PLACE.validate_python(node[kind])
        end = offset + math.prod(shape) * np.dtype(dtype).itemsize
        array = np.frombuffer(memoryview(arrays)[offset:end], dtype).reshape(shape)
        return torch.tensor(array, device=device) if kind == "tensor" else array.copy()

    return json.loads(text, object_hook=with_arrays)
