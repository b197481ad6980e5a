"""The KAN paper's x-axis: `params.paper` against the published points of its Fig. 3.1, errata aside."""

import csv
import json
from pathlib import Path

import pytest

from harness.count import count
from harness.spec import KanShape, MlpShape

PUBLISHED = Path(__file__).parents[3] / "shared" / "paper" / "toy_scaling.csv"


def _rows(series: str) -> list[dict[str, str]]:
    if not PUBLISHED.exists():
        pytest.skip(f"{PUBLISHED.name} is not on this machine")
    with open(PUBLISHED, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["series"] == series]


def test_kans_are_drawn_at_grid_times_edges():
    """Every KAN point, but panel 4, drawn at wrong grids (E1), and [4,2,2,1], entered with 13 edges for 14 (E6c)."""
    checked = 0
    for row in _rows("KAN"):
        shape, grid, drawn = tuple(json.loads(row["arch"])), int(row["grid_G"]), int(row["n_params_as_plotted"])
        if row["panel"] == "4":
            grid = {3: 3, 4: 5, 5: 10, 6: 20, 7: 50, 8: 100}[grid]
        counted = count(KanShape(shape=shape, grid=grid))["params.paper"]
        assert drawn == (counted * 13 // 14 if shape == (4, 2, 2, 1) else counted), row
        checked += 1
    assert checked > 25


def test_mlps_are_drawn_at_their_weights():
    """Every MLP point counts weights only, but panel 1, which counts its one input as two (E6b)."""
    checked = 0
    for row in _rows("MLP"):
        shape = tuple(json.loads(row["arch"]))
        if row["panel"] == "1":
            shape = (2, *shape[1:])
        assert int(row["n_params_as_plotted"]) == count(MlpShape(shape=shape))["params.paper"], row
        checked += 1
    assert checked > 100
