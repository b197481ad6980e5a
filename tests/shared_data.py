"""Published data that tests may read: beside the checkout, or where HARNESS_SHARED says; skipped
where missing.
"""

import os
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("HARNESS_SHARED", Path(__file__).parents[2] / "shared"))


def shared(*parts: str) -> Path:
    """The path of a shared file; the test is skipped, with the reason, where it is not there."""
    path = ROOT.joinpath(*parts)
    if not path.exists():
        pytest.skip(f"{path} is not here: published data are checked where they are at hand")
    return path
