"""A run's identity is its content."""

import hashlib
import json
from typing import Any

from harness.spec.nouns import Frozen, RunSpec


def canonical_json(data: Any) -> str:
    """The one spelling of plain data: sorted keys, no spaces, no NaN; floats as Python's shortest round-trip repr."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)


def content_hash(model: Frozen) -> str:
    """64 hex digits: SHA-256 over the canonical JSON of a model with every default written out."""
    return hashlib.sha256(canonical_json(model.model_dump(mode="json")).encode()).hexdigest()


def run_id(run: RunSpec) -> str:
    """The first 16 hex digits of the run's content hash; two experiments that need the same run share it."""
    return content_hash(run)[:16]
