"""How far the laws of every series can be trusted: which law, how it hangs on its points, what other intervals say."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from harness import fit
from harness.fit.bootstrap import CrossCheck
from harness.fit.diagnose import Diagnostics
from harness.fit.result import Caution
from harness.fit.select import Selection
from harness.judging.kept import kept, prepare
from harness.judging.scaling import chosen_runs, with_parts


class Check(NamedTuple):
    """The laws of a series side by side, and the one to quote under scrutiny (None where all are refused)."""

    task: str
    series: str
    axis: str
    selection: Selection
    diagnostics: Diagnostics | None
    cross_check: CrossCheck | None
    data_hash: str
    metric: str = "rmse"

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
    prepare(fit.select_law, [(x, y, level) for *_, x, y in groups], "choices of laws")
    selections: list[Selection] = [kept(fit.select_law, x, y, level) for *_, x, y in groups]
    quoted = [selection.fits[selection.chosen] if selection.chosen else None for selection in selections]
    checked = [(x, y, chosen) for (*_, x, y), chosen in zip(groups, quoted, strict=True) if chosen]
    prepare(fit.cross_check, checked, "bootstraps")
    prepare(fit.diagnose, [(chosen,) for *_, chosen in checked], "diagnostics")
    return [
        Check(
            task=task,
            series=series,
            axis=axis,
            selection=selection,
            diagnostics=kept(fit.diagnose, chosen) if chosen else None,
            cross_check=kept(fit.cross_check, x, y, chosen) if chosen else None,
            data_hash=fit.data_hash(x, y),
            metric=metric,
        )
        for (task, series, axis, metric, x, y), selection, chosen in zip(groups, selections, quoted, strict=True)
    ]


def to_json(checks: Sequence[Check]) -> list[dict[str, Any]]:
    """The checks as plain data; the fits themselves are elsewhere."""
    found = []
    for check in checks:
        selection = {k: v for k, v in vars(check.selection).items() if k != "fits"}
        found.append(fit.to_json({**check._asdict(), "selection": selection}))
    return found
