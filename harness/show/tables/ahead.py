"""How laws foresaw their own largest budgets, and what they say of new runs."""

import math
from collections.abc import Iterator, Sequence
from functools import partial

from harness.base.formats import NONE, estimate, interval, number
from harness.judging.ahead import Foresight
from harness.laws.ahead import BudgetAhead
from harness.show.tables.table import Table, TableRow, notes_of, table_of

BUDGET_HEADS = ("series", "law", "#budget", "#runs", "#missed by", "#scatter", "#sd of a new run")
DIGITS = partial(number, digits=4)


def ahead_tables(ahead: Sequence[Foresight], loss: str) -> Iterator[Table]:
    """The budgets that were foreseen from the smaller ones, those held out, and new runs; each if there are any."""
    origins, held, new = [], [], []
    for law in ahead:
        names = (law.series, law.axis if law.law == "surface" else f"{law.law} in {law.axis}")
        for origin in law.origins:
            notes = notes_of(law.cautions) if origin is law.origins[-1] else ()
            origins.append(TableRow((*names, *_cells(origin)), notes))
        for budget in law.held_out:
            held.append(TableRow((*names, *_cells(budget), f"{budget.inside} of {budget.runs}")))
        for place in law.predictions:
            at = ", ".join(f"{name}={DIGITS(value)}" for name, value in place.at.items())
            cells, reasons = ("", ""), (place.refusal,) if place.refusal else (*place.cautions, *law.cautions)
            if None not in (place.low, place.high, place.run_low, place.run_high):
                of_law = estimate(place.loss, place.low or 0, place.high or 0, DIGITS)
                cells = (of_law, interval(place.run_low or 0, place.run_high or 0, DIGITS))
            new.append(TableRow((*names, at, *cells), notes_of(reasons)))
    if origins:
        yield table_of(f"the largest budgets, each predicted from the smaller ones: {loss}", BUDGET_HEADS, origins)
    if held:
        yield table_of(f"budgets held out of the fits: {loss}", (*BUDGET_HEADS, "#runs inside the interval"), held)
    if new:
        yield table_of(f"predictions: {loss}", ("series", "law", "at", "#by the law", "#one new run"), new)


def _cells(budget: BudgetAhead) -> tuple[str | int, ...]:
    scatter = NONE if budget.scatter is None else f"{budget.scatter:.2%}"
    return number(budget.budget), budget.runs, f"{math.expm1(budget.error):+.2%}", scatter, f"{budget.run_sd:.2%}"
