"""One training run, resolved, the words for what trains it, and its identity, which is its
content.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import NonNegativeInt, PositiveInt, model_validator

from harness.base.files import write_whole
from harness.base.frozen import Frozen, left_out_at
from harness.families import Network
from harness.spec.recipe import Recipe, parts_at, stages
from harness.spec.task import RunTask

# Raise DATA_VERSION when the same task spec and seed would give other samples, and NUMERICS_VERSION
# when all runs would train to other numbers. Both are part of a run's identity, so old records are
# then never taken for new ones. Where the torch engine's numbers change for some networks or
# optimisers only, raise `torch_version` of these instead.
DATA_VERSION = 1
NUMERICS_VERSION = 1
Dtype = Literal["float64", "float32", "bfloat16"]
Engine = Literal["fused", "torch"]
Device = Literal["cpu", "cuda"]


class RunSpec(Frozen):
    """One training run, resolved: all that decides its numbers and nothing else, so that its hash
    is its identity.

    Runs of one seed learn from the same data; `initialisation` tells apart those that begin from
    other weights and see batches in another order. After so many evaluations, counted as
    `max_evaluations` counts them, it leaves `readings`.
    """

    task: RunTask
    network: Network
    recipe: Recipe
    seed: int
    initialisation: NonNegativeInt = left_out_at(0)
    dtype: Dtype = "float64"
    engine: Engine = "torch"
    engine_version: int = left_out_at(1)
    data_version: int = DATA_VERSION
    numerics_version: int = NUMERICS_VERSION
    readings: tuple[PositiveInt, ...] = left_out_at(())

    @model_validator(mode="after")
    def _readings_are_on_the_way(self) -> RunSpec:
        most = self.recipe.max_evaluations
        if self.readings != tuple(sorted(set(self.readings))) or (
            self.readings and self.readings[-1] > most
        ):
            raise ValueError(
                f"readings={list(self.readings)} must ascend to at most max_evaluations={most}"
            )
        if self.readings and (why := self.recipe.why_no_budgets()):
            raise ValueError(f"readings={list(self.readings)}: recipe.{why}")
        return self

    @property
    def evaluations_beside(self) -> int:
        """Evaluations beside its own, by which schedules of smaller budgets are trained to their
        ends.
        """
        behind, beside = 0, 0
        for stage in stages(self.network, self.recipe):
            in_stage = [moment - behind for moment in self.readings]
            here = [
                moment
                for moment in in_stage
                if stage.starts == 1 and 0 < moment <= stage.evaluations
            ]
            beside += sum(moment - parts_at(self.recipe, stage, moment) for moment in here)
            behind += stage.starts * stage.evaluations
        return beside

    @property
    def kept_in(self) -> Literal["float64", "float32"]:
        """The precision of parameters, of the optimiser's state and of errors.

        In bfloat16 are the products of training alone (mixed precision).
        """
        return "float32" if self.dtype == "bfloat16" else self.dtype

    def keys(self, *keys: int) -> tuple[int, ...]:
        """The keys of a random stream of this run, beside its seed."""
        return (*keys, self.initialisation) if self.initialisation else keys


# --------------------------------------------------------------------------------------------------
# identity
CANONICAL = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), allow_nan=False
)  # json.dumps makes one a call


def canonical_json(data: Any) -> str:
    """The one spelling of plain data: sorted keys, no spaces, no NaN; floats as Python's shortest
    round-trip repr.
    """
    return CANONICAL.encode(data)


def content_hash(model: Frozen) -> str:
    """64 hex digits: SHA-256 over the canonical JSON of a model with every default written out."""
    return hashlib.sha256(canonical_json(model.model_dump(mode="json")).encode()).hexdigest()


def sealed(data: dict[str, Any]) -> dict[str, Any]:
    """Plain data with its checksum, so that a change by hand is seen."""
    return {"checksum": hashlib.sha256(canonical_json(data).encode()).hexdigest(), **data}


def unsealed(text: str) -> dict[str, Any]:
    """The plain data of a sealed JSON text; a ValueError says what is wrong with it."""
    data = json.loads(text)
    if not isinstance(data, dict) or "checksum" not in data:
        raise ValueError("it has no checksum")
    checksum = data.pop("checksum")
    if sealed(data)["checksum"] != checksum:
        raise ValueError("its content does not match its checksum")
    return data


def write_sealed(path: Path, model: Frozen, indent: int | None = None) -> None:
    """Write a model as sealed JSON, whole or not at all."""
    write_whole(path, json.dumps(sealed(model.model_dump(mode="json")), indent=indent))


def run_id(run: RunSpec) -> str:
    """The first 16 hex digits of the run's content hash; two experiments that need the same run
    share it.
    """
    return run_ids(run, (run.seed,))[0]


def run_ids(run: RunSpec, seeds: Iterable[int]) -> list[str]:
    """The ids of a run under other seeds, which its canonical JSON has in one place."""
    data = run.model_dump(mode="json")
    before = canonical_json({name: value for name, value in data.items() if name < "seed"})[:-1]
    after = canonical_json({name: value for name, value in data.items() if name > "seed"})[1:]
    texts = (f'{before},"seed":{seed},{after}' for seed in seeds)
    return [hashlib.sha256(text.encode()).hexdigest()[:16] for text in texts]


def pack_key(run_ids: Sequence[str]) -> str:
    """The name of a pack, 16 hex digits: a hash of its runs in their order."""
    return hashlib.sha256(canonical_json(list(run_ids)).encode()).hexdigest()[:16]
