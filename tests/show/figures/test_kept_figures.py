"""Kept figures fit on a page."""

import struct
from pathlib import Path

from harness.show.figures.theme import DPI, MOST_HEIGHT

ROOT = Path(__file__).parents[3]


def test_no_kept_figure_is_too_tall():
    """1,600 pixels at most, by the head of each file."""
    kept = [path for folder in ("results", "docs/figures") for path in (ROOT / folder).rglob("*.png")]
    sizes = {path: struct.unpack(">II", path.read_bytes()[16:24]) for path in kept}
    assert len(kept) > 20
    assert [path for path, (_, height) in sizes.items() if height > MOST_HEIGHT * DPI] == []
