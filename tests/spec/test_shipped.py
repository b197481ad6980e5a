"""Every experiment file of the project can be read at every one of its scales."""

from pathlib import Path

import pytest

from harness.spec import read_experiment, scales_of, variants

FILES = sorted((Path(__file__).parents[2] / "experiments").glob("*.yaml"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_shipped_file_is_read_at_every_scale(file):
    """The file is valid, and so is every point of its axes."""
    for scale in scales_of(file):
        assert list(variants(read_experiment(file, scale))), scale
