"""Every experiment file of the project can be read at every one of its scales."""

from pathlib import Path

import pytest

from harness.spec import read_experiment, scales_of, variants

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))
SCALED = [(file, scale) for file in FILES for scale in scales_of(file)]


@pytest.mark.parametrize(("file", "scale"), SCALED, ids=[f"{file.stem} {scale}" for file, scale in SCALED])
def test_every_shipped_file_is_read_at_every_scale(file, scale):
    assert list(variants(read_experiment(file, scale)))
