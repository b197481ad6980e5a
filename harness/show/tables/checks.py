"""The checks of every law in words: what the command line and the report print of them."""

from collections.abc import Callable, Sequence

import numpy as np

from harness.base.formats import NONE, exponent, interval, number, p_value
from harness.judging.checks import Check
from harness.laws.checklist import checklist, to_markdown
from harness.laws.select import Selection
from harness.show.tables.laws import SERIES_COLUMNS, series_cells
from harness.show.tables.table import Table, TableCell, TableRow, notes_of, number_columns, text_columns
from harness.spec import axis_words

# Of the columns those that are too many for a terminal.
IN_THE_REPORT = ("α, Huber to squares", "α, other intervals", "largest leverage", "condition")


def checks_table(checks: Sequence[Check], called: Callable[[str], str] = axis_words) -> Table:
    """A row a series and axis: the law to quote, and what is known of it."""
    columns = (
        *(*SERIES_COLUMNS, *text_columns("law to quote", "misses larger sizes by (last value)")),
        *number_columns("p, no floor", "p, lack of fit; runs"),
        *text_columns("α, one size less", *IN_THE_REPORT),
    )
    rows = [
        TableRow((*series_cells(check, called), *_check_cells(check)), notes_of(check.cautions)) for check in checks
    ]
    return Table("which law, and how far to trust it", columns, tuple(rows))


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


def _check_cells(check: Check) -> tuple[TableCell, ...]:
    seen = check.diagnostics
    quoted = (check.selection.chosen or "all refused", _misses(check.selection), p_value(check.selection.floor_p))
    if seen is None:
        return (*quoted, NONE, NONE, NONE, _other_intervals(check), NONE, NONE)
    return (
        *quoted,
        f"{p_value(seen.misfit.lack_of_fit_p)}; {p_value(seen.misfit.runs_p)}",
        _range(seen.drop_one),
        _range(np.array(list(seen.deltas.values()))),
        _other_intervals(check),
        number(seen.leverage.max(), 2),
        number(seen.condition, 2),
    )


def _misses(selection: Selection) -> str:
    """Root mean squares of ln(predicted/measured) over rolling origins, in percent, by law."""
    if selection.last_value is None:
        return "too few sizes"
    laws = [f"{law} {score.rmsle:.0%}" for law, score in selection.extrapolation.items()]
    return f"{', '.join(laws) or 'no law'} ({selection.last_value.rmsle:.0%})"


def _range(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    if not known.size:
        return "none"
    lost = f", {values.size - known.size} none" if known.size < values.size else ""
    return f"{exponent(known.min())} to {exponent(known.max())}{lost}"


def _other_intervals(check: Check) -> str:
    found = check.cross_check
    if found is None:
        return NONE
    others = {"sizes": found.pairs, "seeds": found.stratified, "sandwich": found.sandwich}
    told = [f"{name} {interval(ends.low, ends.high, exponent)}" for name, ends in others.items() if ends]
    return "; ".join(told) or NONE
