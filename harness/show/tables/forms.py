"""What `harness fit` prints of forms that are not a law of each series by itself."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import pandas as pd

from harness.base.formats import NONE, estimate, number, p_value, plural
from harness.judging.forms import FormAnswer, Result
from harness.judging.request import Request
from harness.laws import Estimate, Interval
from harness.laws.frontier import Frontier
from harness.laws.isoflop import Isoflop
from harness.laws.sigmoid import Sigmoid
from harness.laws.surface import Surface
from harness.show.tables.laws import note_sentences
from harness.show.tables.table import Note, Table, TableRow, notes_of, table_of
from harness.show.tables.to_come import ahead_tables
from harness.show.words import estimate_words, interval_words


def form_tables(answer: FormAnswer) -> Iterator[Table]:
    """The numbers of every series, or the codes of refusals in their place."""
    request = answer.request
    y, x = _loss(request), request.x[0]
    match request.form:
        case "and":
            law = f"{y} = E + A {x}^-alpha + B {request.value}^-beta"
        case "sigmoid":
            law = f"{y} = chance + (ceiling - chance) / (1 + e^(-slope ({x} - midpoint)))"
        case "isoflop":
            law = f"{x} of the least {y} = c {request.value}^a"
        case _:
            law = f"{y} = A {x}^-alpha, above {100 * float(request.value or 0):.3g}% of the runs"
    cells_of = {series: _cells(result, request) for series, result in answer.results.items()}
    heads = max(cells_of.values(), key=len, default={})  # a refused sigmoid has no parameters
    rows = []
    for series, result in answer.results.items():
        texts = [""] * len(heads) if result.refusals else cells_of[series].values()
        notes = (*notes_of((*result.refusals, *result.warnings)), *_run_notes(answer, series))
        rows.append(TableRow((series, *texts), notes))
    in_logs = "" if request.form == "sigmoid" else ", in log space"
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    title = f"{law}: {100 * request.level:.3g}% intervals{in_logs}{filters}"
    yield table_of(title, ("series", *(f"#{head}" for head in heads)), rows)
    if request.form == "isoflop":
        yield _valleys_table(answer)
    yield from ahead_tables(answer.ahead, y)


def form_sentences(tables: Sequence[Table]) -> Iterator[str]:
    """Why there is no number, and what to know: each code once, with the sentence of the first
    series it is about.
    """
    yield from note_sentences(tables)


def form_words(answer: FormAnswer[Any], table: Table) -> Iterator[str]:
    """What was fitted, as the first of its tables has it, the numbers of each row, and new runs
    with their interval.
    """
    yield table.title
    for row in table.rows:
        said = [
            f"{head.lstrip('#')} {cell}"
            for head, cell in zip(table.heads[1:], row.cells[1:], strict=True)
            if cell
        ]
        yield f"{row.cells[0]}: {', '.join(said) or ', '.join(note.code for note in row.notes)}"
    for law in answer.ahead:
        for place in law.predictions:
            if place.loss is not None:
                at = ", ".join(f"{name} = {number(value)}" for name, value in place.at.items())
                new = estimate(
                    place.loss, place.run_low or 0, place.run_high or 0, partial(number, digits=4)
                )
                yield f"{law.series}, a new run at {at}: {new}"


def form_frame(answer: FormAnswer[Any]) -> pd.DataFrame:
    """A row for each result: numbers, and ends of intervals as `_low` and `_high`."""
    rows = []
    for series, result in answer.results.items():
        refused = ", ".join(refusal.code for refusal in result.refusals) or None
        rows.append({"series": series, **_in_numbers(vars(result)), "refused": refused})
    return pd.DataFrame(rows)


def _in_numbers(values: Mapping[str, Any]) -> dict[str, Any]:
    """The numbers among these values by their names; an estimate or an interval has its ends beside
    it.
    """
    found: dict[str, Any] = {}
    for name, value in values.items():
        ends = (
            value.interval
            if isinstance(value, Estimate)
            else value
            if isinstance(value, Interval)
            else None
        )
        stem = name.removesuffix("_interval")
        if isinstance(value, Estimate):
            found[name] = value.value
        elif isinstance(value, int | float):
            found[name] = value
        elif name == "parameters":
            found |= _in_numbers(value)
        if ends:
            found |= {f"{stem}_low": ends.low, f"{stem}_high": ends.high}
    return found


def _run_notes(answer: FormAnswer, series: str) -> tuple[Note, ...]:
    failed, notes = answer.runs_failed[series], notes_of(answer.cautions[series])
    lost = f"{plural(failed, 'run')} failed"
    return (*notes, Note("FAILED", "", f"{lost}.", lost)) if failed else notes


def _cells(result: Result, request: Request) -> dict[str, str]:
    """What a row says under each heading."""
    x = request.x[0]
    match result:
        case Surface():
            cells = {
                "cells": str(result.cells),
                "alpha": _estimate(result.alpha),
                "beta": _estimate(result.beta),
            }
            cells |= {
                "E": _estimate(result.floor),
                "A": number(result.a, 4),
                "B": number(result.b, 4),
            }
            if request.columns and request.columns.schedule:
                cells["decay"] = _estimate(result.decay)
            cells |= {
                f"best {x} ~ compute^": _estimate(result.allocation),
                "objective": str(result.objective),
            }
        case Isoflop():
            cells = {
                "budgets": f"{len(result.used)} of {len(result.valleys)}",
                "decades": number(result.decades, 2),
            }
            a = interval_words(result.exponent, result.exponent_interval) or NONE
            cells |= {"a": a, "c": number(result.coefficient)}
            cells |= {
                "scatter / errors": number(result.excess, 2),
                "p, parabolas": p_value(result.skew_p),
            }
            cells |= {"a by a surface": _estimate(result.by_surface) if result.by_surface else NONE}
        case Frontier():
            cells = {
                "runs": str(result.runs),
                "sizes": str(result.sizes),
                "decades": number(result.decades, 2),
            }
            alpha = interval_words(result.alpha, result.alpha_interval) or NONE
            cells |= {"alpha": alpha, "A": number(result.amplitude)}
            cells |= {"on / below": f"{result.on} / {result.below}"}
        case Sigmoid():
            cells = {"points": str(result.points), "runs": str(result.runs)}
            for name, estimated in result.parameters.items():
                cells[name] = (
                    f"{number(estimated.value)} (given)"
                    if name in result.given
                    else _estimate(estimated)
                )
        case _:
            raise TypeError(result)
    return cells


def _valleys_table(answer: FormAnswer) -> Table:
    rows = []
    for series, result in answer.results.items():
        assert isinstance(result, Isoflop)
        for valley in result.valleys:
            tried = f"{number(valley.smallest)} to {number(valley.largest)}"
            best = (number(valley.x_best, 4), number(valley.error, 2), number(valley.y_best, 4))
            refusals = [valley.refusal] if valley.refusal else []
            rows.append(
                TableRow(
                    (series, number(valley.budget, 4), valley.runs, tried, *best),
                    notes_of(refusals),
                )
            )
    x = answer.request.x[0]
    heads = (
        f"#{answer.request.value}",
        "#runs",
        f"#tried {x}",
        f"#best {x}",
        "#error of ln",
        "#least loss",
    )
    return table_of("minima", ("series", *heads), rows)


def _loss(request: Request) -> str:
    return request.columns.loss if request.columns else "test loss"


def _estimate(estimated: Estimate | None) -> str:
    return "1" if estimated is None else estimate_words(estimated)
