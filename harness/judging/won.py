"""What validation picked of each side of a search: which shapes or units won, how large they are,
and whether a best size lies at an end of those that were tried.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pandas as pd

from harness.judging import sides
from harness.judging.pair import Pair
from harness.judging.versus import Side, Won
from harness.spec.budgets import by_count
from harness.spec.counts import default_count

SIZE = default_count("params")


def won_by(pair: Pair) -> Iterator[Won]:
    """Of each side on each task, at the last budget of the first count; without budgets at the
    largest size.
    """
    manifest = pair.runs.manifest
    if "won_on" not in pair.runs.table:
        return
    axis = next(iter(by_count(manifest.experiment.read_at)), pair.runs.matched)
    planned = {one.run_id: one for one in manifest.runs}
    for task in pair.tasks:
        for side in pair.sides:
            rows = _won_last(pair, task, side, axis)
            if rows.empty:
                continue
            networks = [planned[run_id].run.network for run_id in rows["run_id"]]
            asked = sorted(
                float(manifest.cells[planned[run_id].cell].asked or 0) for run_id in rows["run_id"]
            )
            of_side = (
                cell for cell in manifest.cells if cell.task == task and cell.arm in side.names
            )
            tried = sorted({float(cell.asked or 0) for cell in of_side if not cell.infeasible})
            (what, times), *_ = Counter(map(kind_of, networks)).most_common(1)
            is_edge = (
                bool(manifest.experiment.read_at)
                and len(tried) > 1
                and asked[len(asked) // 2] in (tried[0], tried[-1])
            )
            sizes = int(rows[SIZE].min()), int(rows[SIZE].max())
            at = float(rows["asked"].iloc[0])
            yield Won(task, side.label, axis, at, what, times, len(rows), *sizes, is_edge)


def kind_of(network: Any) -> str:
    """`sine units` of an MLP, `[2,1,1]` of a network of layers, the name of a module; of a
    transformer its blocks'.
    """
    network = getattr(network, "block", network)
    if activation := getattr(network, "activation", None):
        features = " on Fourier features" if getattr(network, "features", None) else ""
        return f"{activation} units{features}"
    if module := getattr(network, "module", None):
        return str(module).rpartition(":")[2]
    shape = getattr(network, "shape", None)
    return f"[{','.join(map(str, shape))}]" if shape else str(network.family)


def _won_last(pair: Pair, task: str, side: Side, axis: str) -> pd.DataFrame:
    rows = sides.rows_of_side(pair.runs.table, task, side.names)
    rows = rows[(rows["won_on"] == axis) & (rows["status"] == "done")]
    return rows[rows["asked"] == rows["asked"].max()]
