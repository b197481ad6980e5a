"""What an evaluation asks of torch, before and after a change: operations, launches on a GPU,
waits, bytes.

Counts, not times, and the same on every machine.
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from benchmarks.checkouts import BEFORE, TODAY, Row, answers, commits_of, folders_of, started
from benchmarks.engines import (
    LEARNER,
    NARROW,
    OPTIMISERS,
    POINTS,
    WIDE,
    WIDE_POINTS,
    beside,
    said,
    words,
)
from benchmarks.report import Report
from harness.families import (
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    Network,
    RationalKanShape,
    RbfKanShape,
    SplineMlpShape,
)

LANES = 2
COUNTS = {
    "launches": "launches",
    "waits": "waits",
    "megabytes_a_lane": "MB a lane",
}
NETWORKS: dict[str, tuple[Network, int]] = {
    **{words(network): (network, WIDE_POINTS) for kan in WIDE for network in (kan, beside(kan))},
    **{words(kan): (kan, POINTS) for kan in NARROW},
    "KAN [2,5,1] G=5, frozen base": (KanShape(shape=(2, 5, 1), grid=5, base="frozen"), POINTS),
    "MLP [4,28,28,1], silu": (MlpShape(shape=(4, 28, 28, 1)), POINTS),
    "MLP [4,28,28,1], prelu": (MlpShape(shape=(4, 28, 28, 1), activation="prelu"), POINTS),
    "spline MLP [4,71,1] G=5": (SplineMlpShape(shape=(4, 71, 1), grid=5), POINTS),
    "RBF KAN [4,22,1]": (RbfKanShape(shape=(4, 22, 1), grid=7), POINTS),
    "Chebyshev KAN [4,22,1]": (ChebyshevKanShape(shape=(4, 22, 1), degree=7), POINTS),
    "Fourier KAN [4,22,1]": (FourierKanShape(shape=(4, 22, 1), harmonics=4), POINTS),
    "rational KAN [4,26,26,1]": (RationalKanShape(shape=(4, 26, 26, 1)), POINTS),
}


def compare(folder: Path, before: Path | None = None) -> Report:
    """Counts of loss and gradient of every family, and of what each optimiser does beside."""
    passes = [
        Row(
            name,
            "evaluator",
            {"network": said(network), "dtype": "float64", "lanes": LANES, "points": points},
        )
        for name, (network, points) in NETWORKS.items()
    ]
    parts = {"loss and gradient": passes}
    for part, alone in (("ask and tell", True), ("evaluation, all of it", False)):
        known = {"network": said(LEARNER), "lanes": LANES, "points": POINTS, "alone": alone}
        parts[f"{part}, {words(LEARNER)}"] = [
            Row(name, "optimiser", {"settings": settings, "evaluations": evaluations, **known})
            for name, (settings, evaluations) in OPTIMISERS.items()
        ]
    with started(before) as checkouts:
        rows = []
        for part, of_part in parts.items():
            found = answers(of_part, checkouts, "operations")
            rows += [_row(part, row.name, found) for row in of_part]
    shown = {
        f"{name}_{count}": f"{heading}, {name}"
        for count, heading in COUNTS.items()
        for name in (BEFORE, TODAY)
    }
    return Report(
        name="operations",
        title=f"What torch dispatches for one evaluation of {LANES} lanes, float64",
        table=pd.DataFrame(rows),
        shown={"part": "part", "what": "what", **shown},
        notes=[
            f"{commits_of(folders_of(before))} Launches are operations that are no views and do "
            "more than allocate "
            "memory: what a GPU would be asked to start. Waits are those whose result Python "
            "needs before it goes on, "
            "so that it would wait for the GPU. MB are what each launch alone reads and writes, "
            "as if nothing stayed "
            "in a cache. The other counts do not depend on the number of lanes. Those of "
            "optimisers are means over "
            "the evaluations of a training."
        ],
    )


def _row(part: str, what: str, found: Mapping[tuple[str, str], dict[str, float]]) -> dict:
    row: dict = {"part": part, "what": what}
    for name in (BEFORE, TODAY):
        counts = found.get((what, name), {})
        row |= {f"{name}_{count}": counts.get(count) for count in COUNTS}
    return row
