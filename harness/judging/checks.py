"""How far the laws of every series can be trusted: which law, how it hangs on its points, what other intervals say."""

from collections.abc import Sequence
from typing import Annotated, NamedTuple

import pandas as pd

from harness import laws
from harness.judging.kept import kept, prepare
from harness.judging.scaling import chosen_runs, with_parts
from harness.laws.bootstrap import CrossCheck
from harness.laws.diagnose import Diagnostics
from harness.laws.result import Caution
from harness.laws.select import Selection


class Check(NamedTuple):
    """How far the laws of a series can be trusted."""

    task: Annotated[str, "the task"]
    series: Annotated[str, "the curve"]
    axis: Annotated[str, "of its sizes"]
    selection: Annotated[Selection, "which law to quote"]
    diagnostics: Annotated[Diagnostics | None, "how it hangs on its points; null if all laws are refused"]
    cross_check: Annotated[CrossCheck | None, "other intervals of its exponent; null if all laws are refused"]
    data_hash: Annotated[str, "of the sizes and losses that were fitted"]
    metric: Annotated[str, "the loss, such as `rmse`"] = "rmse"

    @property
    def cautions(self) -> tuple[Caution, ...]:
        """What the selection and the other intervals say against quoting the law."""
        other = self.cross_check.caution if self.cross_check else None
        return (*self.selection.cautions, *((other,) if other else ()))


def check_table(table: pd.DataFrame, axes: Sequence[str], level: float = 0.95) -> list[Check]:
    """A check of every task, series and axis of a table of runs, from the runs that laws are fitted to."""
    groups = []
    for axis in axes:
        if axis not in table:
            continue
        runs = with_parts(chosen_runs(table, axis))
        for (task, series), group in runs[runs["part"] == "fitted"].groupby(["task", "series"], sort=False):
            points = group["size"].to_numpy(float), group["test_loss"].to_numpy(float)
            groups.append((str(task), str(series), axis, str(group["metric"].iloc[0]), *points))
    prepare(laws.select_law, [(x, y, level) for *_, x, y in groups], "choices of laws")
    selections: list[Selection] = [kept(laws.select_law, x, y, level) for *_, x, y in groups]
    quoted = [selection.fits[selection.chosen] if selection.chosen else None for selection in selections]
    checked = [(x, y, chosen) for (*_, x, y), chosen in zip(groups, quoted, strict=True) if chosen]
    prepare(laws.cross_check, checked, "bootstraps")
    prepare(laws.diagnose, [(chosen,) for *_, chosen in checked], "diagnostics")
    return [
        Check(
            task=task,
            series=series,
            axis=axis,
            selection=selection,
            diagnostics=kept(laws.diagnose, chosen) if chosen else None,
            cross_check=kept(laws.cross_check, x, y, chosen) if chosen else None,
            data_hash=laws.data_hash(x, y),
            metric=metric,
        )
        for (task, series, axis, metric, x, y), selection, chosen in zip(groups, selections, quoted, strict=True)
    ]
