"""Another search would agree: halves of the replicates of every kept search say the same of a task,
budget and pair.
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from harness.judging.readings import with_readings
from harness.judging.winners import reported
from harness.laws.replicates import half_width
from harness.spec.manifest import read_manifest

RESULTS = Path(__file__).parents[2] / "results"
LEVEL = 0.95
LEAST = 8  # replicates of a search whose halves have intervals
ANSWERS = (
    RESULTS / "reference" / "quickstart" / "answer.json",
    *RESULTS.glob("verdicts/*/answer.json"),
)
KEPT = [
    path.parent
    for path in ANSWERS
    if json.loads(path.read_text())["headline"]["replicates"] >= LEAST
]


class Cell(NamedTuple):
    """What a cell's replicates say: all of them, and each half; above 0 the first side of the pair
    is ahead.
    """

    name: str
    all: np.ndarray
    halves: tuple[np.ndarray, np.ndarray]


def winners_of(folder: Path) -> pd.DataFrame:
    """The run of each side at each budget of each replicate."""
    table = pd.read_csv(next(folder.glob("runs.csv*")), low_memory=False)
    for readings in folder.glob("readings.csv*"):
        table = with_readings(table, pd.read_csv(readings))
    return table if "won_on" in table else reported(read_manifest(folder), table)


def cells(folder: Path) -> Iterator[Cell]:
    winners = winners_of(folder)
    winners = winners[winners["status"] == "done"]
    for place, rows in winners.groupby(["task", "won_on", "asked"]):
        logs = np.log(rows.pivot_table(index="seed", columns="series", values="test_loss"))
        for first, second in itertools.combinations(logs.columns, 2):
            gaps = (logs[second] - logs[first]).dropna().to_numpy()
            if gaps.size >= LEAST:
                yield Cell(f"{place} {first}, {second}", gaps, (gaps[::2], gaps[1::2]))


def decided(gaps: np.ndarray) -> int:
    """1 or -1 for the side that is ahead beyond doubt, 0 for none."""
    half = half_width(gaps.std(ddof=1), gaps.size, LEVEL)
    return int(np.sign(gaps.mean())) if abs(gaps.mean()) > half else 0


@pytest.mark.parametrize("folder", KEPT, ids=lambda folder: folder.name)
def test_halves_of_the_replicates_agree(folder):
    """In 1 % of the cells that both decide they may differ; in 90 % of those that all decide, their
    signs are one.
    """
    found = list(cells(folder))
    by_both = [cell for cell in found if all(decided(half) for half in cell.halves)]
    opposite = [cell.name for cell in by_both if decided(cell.halves[0]) != decided(cell.halves[1])]
    by_all = [cell for cell in found if decided(cell.all)]
    same = [np.sign(cell.halves[0].mean()) == np.sign(cell.halves[1].mean()) for cell in by_all]
    assert len(by_all) > 10
    assert len(opposite) <= 0.01 * len(by_both), opposite
    assert np.mean(same) >= 0.9
