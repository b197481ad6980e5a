"""A run's identity is its content."""

import hashlib
import json
from collections.abc import Iterable, Sequence
from typing import Any

from harness.base.frozen import Frozen
from harness.spec.run import RunSpec

CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), allow_nan=False)  # json.dumps makes one a call


def canonical_json(data: Any) -> str:
    """The one spelling of plain data: sorted keys, no spaces, no NaN; floats as Python's shortest round-trip repr."""
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


def run_id(run: RunSpec) -> str:
    """The first 16 hex digits of the run's content hash; two experiments that need the same run share it."""
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
