"""Kept figures fit on a page, and those of an answer in one column of a paper, where they can be
read.
"""

import struct
from pathlib import Path

import pytest

from harness.show.figures.theme import COLUMN_WIDTH, MOST_HEIGHT

ROOT = Path(__file__).parents[3]
METRE = 1 / 0.0254  # inches
OF_EARLIER_CODE = ("-evening", "toys_pooled", "ladder", "dimension")  # which are trained again


def inches(path: Path) -> tuple[float, float]:
    """How wide and high a PNG is, by its own resolution."""
    data = path.read_bytes()
    at = data.index(b"pHYs") + 4
    size, resolution = struct.unpack(">II", data[16:24]), struct.unpack(">II", data[at : at + 8])
    return size[0] / resolution[0] * METRE, size[1] / resolution[1] * METRE


def test_no_kept_figure_is_higher_than_a_page():
    kept = [
        path for folder in ("results", "docs/figures") for path in (ROOT / folder).rglob("*.png")
    ]
    assert len(kept) > 20
    assert [path for path in kept if inches(path)[1] > MOST_HEIGHT + 0.01] == []


def test_every_kept_experiment_has_its_answer_and_its_laws_in_one_column():
    folders = [
        path.parent
        for kind in ("reference", "verdicts")
        for path in (ROOT / "results" / kind).glob("*/runs.csv")
    ]
    for folder in folders:
        if (
            any(word in folder.name for word in OF_EARLIER_CODE)
            or not (folder / "scaling.png").exists()
        ):
            continue
        assert (folder / "answer.png").exists(), folder
        for picture in (folder / "answer.png", *folder.glob("scaling*.png")):
            assert inches(picture)[0] == pytest.approx(COLUMN_WIDTH, abs=0.01), picture
