"""How laws foresaw their own largest budgets, and what they say of new runs."""

from collections.abc import Iterator, Sequence

from harness.base.formats import NONE, estimate, number
from harness.judging.ahead import Ahead, Predicted
from harness.laws.ahead import BudgetAhead
from harness.show.tables.table import Table, TableRow, notes_of, number_columns, text_columns

BUDGET_HEADS = ("budget", "runs", "missed by", "scatter", "sd of a new run")


def ahead_tables(ahead: Sequence[Ahead], loss: str) -> Iterator[Table]:
    """The budgets that were foreseen from the smaller ones, those held out, and new runs; each if there are any."""
    origins = [(law, origin) for law in ahead for origin in law.origins]
    if origins:
        rows = [_budget_row(law, origin, origin is law.origins[-1]) for law, origin in origins]
        heads = (*text_columns("series", "law"), *number_columns(*BUDGET_HEADS))
        yield Table(f"the largest budgets, each predicted from the smaller ones: {loss}", heads, tuple(rows))
    held = [(law, budget) for law in ahead for budget in law.held_out]
    if held:
        rows = []
        for law, budget in held:
            row = _budget_row(law, budget, False)
            rows.append(row._replace(cells=(*row.cells, f"{budget.inside} of {budget.runs}")))
        heads = (*text_columns("series", "law"), *number_columns(*BUDGET_HEADS, "runs inside the interval"))
        yield Table(f"budgets held out of the fits: {loss}", heads, tuple(rows))
    asked = [(law, place) for law in ahead for place in law.predictions]
    if asked:
        heads = (*text_columns("series", "law", "at"), *number_columns("by the law", "one new run"))
        yield Table(f"predictions: {loss}", heads, tuple(_predicted_row(law, place) for law, place in asked))


def _budget_row(law: Ahead, budget: BudgetAhead, is_last: bool) -> TableRow:
    percent = f"{budget.error:+.2%}".replace("%", " %")
    scatter = NONE if budget.scatter is None else f"{100 * budget.scatter:.2g} %"
    cells = (number(budget.budget), budget.runs, percent, scatter, f"{100 * budget.run_sd:.2g} %")
    notes = notes_of(law.cautions) if is_last else ()
    return TableRow((law.series, _law(law), *cells), notes)


def _predicted_row(law: Ahead, place: Predicted) -> TableRow:
    at = ", ".join(f"{name}={number(value, 4)}" for name, value in place.at.items())
    if place.refusal or place.low is None or place.high is None or place.run_low is None or place.run_high is None:
        notes = notes_of([place.refusal] if place.refusal else [])
        return TableRow((law.series, _law(law), at, "", ""), notes)
    of_law = estimate(place.loss, place.low, place.high, lambda value: number(value, 4))
    run = f"[{number(place.run_low, 4)}, {number(place.run_high, 4)}]"
    return TableRow((law.series, _law(law), at, of_law, run), notes_of((*place.cautions, *law.cautions)))


def _law(law: Ahead) -> str:
    return law.axis if law.law == "surface" else f"{law.law} in {law.axis}"
