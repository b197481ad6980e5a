"""The checks of every law in words: what the command line and the report print of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from rich.table import Table

from harness.fit import Interval
from harness.fit.checklist import checklist, to_markdown
from harness.fit.diagnose import Diagnostics
from harness.fit.select import Selection
from harness.judging.checks import Check


class CheckRow(NamedTuple):
    """One check, a cell a field; an empty cell where there is nothing to say."""

    task: str
    series: str
    axis: str
    law: str
    misses: str
    floor_p: str
    misfit: str
    one_size_less: str
    other_losses: str
    other_intervals: str
    leverage: str
    condition: str


TITLES = {
    "law": "law to quote",
    "misses": "misses larger sizes by (last value)",
    "floor_p": "p, no floor",
    "misfit": "p, lack of fit; runs",
    "one_size_less": "alpha, one size less",
    "other_losses": "alpha, Huber to squares",
    "other_intervals": "alpha, other intervals",
    "leverage": "largest leverage",
    "condition": "condition",
}


def check_row(check: Check) -> CheckRow:
    """The check in words."""
    seen = check.diagnostics
    return CheckRow(
        check.task,
        check.series,
        check.axis,
        check.selection.chosen or "all refused",
        _misses(check.selection),
        _p(check.selection.floor_p),
        f"{_p(seen.misfit.lack_of_fit_p) or '-'}; {_p(seen.misfit.runs_p)}" if seen else "",
        _range(seen.drop_one) if seen else "",
        _range(np.array(list(seen.deltas.values()))) if seen else "",
        _other_intervals(check),
        _leverage(seen) if seen else "",
        f"{seen.condition:.2g}" if seen else "",
    )


def checks_table(checks: Sequence[Check]) -> Table:
    """A row a series and axis: the law to quote, and what is known of it."""
    table = Table(title="which law, and how far to trust it", title_justify="left")
    for name in ("task", "arm", "axis"):
        table.add_column(name, no_wrap=True)
    shown = ("law", "misses", "floor_p", "misfit", "one_size_less")  # what else there is stands in the report
    for name in shown:
        table.add_column(TITLES[name], justify="right")
    table.add_column("notes", overflow="fold")
    for check in checks:
        row = check_row(check)
        cells = [getattr(row, name) for name in ("task", "series", "axis", *shown)]
        table.add_row(*cells, "; ".join(caution.code for caution in check.cautions))
    return table


def checklists(checks: Sequence[Check]) -> str:
    """The reporting checklist of the quoted law of every series and axis, as Markdown."""
    losses = dict.fromkeys(f"test_{check.metric}" for check in checks)
    parts = [f"# Reporting checklist: {', '.join(losses)}\n"]
    for check in checks:
        quoted: str = check.selection.chosen or next(iter(check.selection.fits))
        law, seen, other = check.selection.fits[quoted], check.diagnostics, check.cross_check
        source = f"runs.csv beside this file (data hash {check.data_hash})"
        items = checklist(law, seen, check.selection, other, check.axis, f"test_{check.metric}", source)
        parts.append(f"## {check.task}, {check.series}, by {check.axis}\n\n{to_markdown(items)}")
    return "\n".join(parts)


def _misses(selection: Selection) -> str:
    """Root mean squares of ln(predicted/measured) over rolling origins, in percent, by law."""
    if selection.last_value is None:
        return "too few sizes"
    laws = [f"{law} {score.rmsle:.0%}" for law, score in selection.extrapolation.items()]
    return f"{', '.join(laws) or 'no law'} ({selection.last_value.rmsle:.0%})"


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.2g}" if value >= 0.001 else "<.001"


def _range(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    lost = f", {values.size - known.size} none" if known.size < values.size else ""
    return f"{known.min():.2f} to {known.max():.2f}{lost}" if known.size else "none"


def _other_intervals(check: Check) -> str:
    found = check.cross_check
    if found is None:
        return ""
    others = {"sizes": found.pairs, "seeds": found.stratified, "sandwich": found.sandwich}
    return "; ".join(f"{name} {_ends(ends)}" for name, ends in others.items() if ends)


def _ends(interval: Interval) -> str:
    return f"[{interval.low:.2f}, {interval.high:.2f}]"


def _leverage(seen: Diagnostics) -> str:
    return f"{seen.leverage.max():.2f}"
