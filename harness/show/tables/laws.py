"""The laws of a table of runs: exponents, predictions of sizes held out, which law to quote, and
what to know.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from harness.base import formats
from harness.base.formats import (
    MOST_NAMED,
    NONE,
    estimate,
    exponent,
    human,
    interval,
    likewise,
    number,
    p_value,
)
from harness.judging.laws import ORDER, drawn_law
from harness.laws.checklist import checklist
from harness.laws.checklist import to_markdown as checklist_text
from harness.record.elsewhere import is_ok, size_words
from harness.show.tables.table import Note, Styled, TableRow, notes_of, table_of
from harness.show.words import exponent_words, loss_of_laws
from harness.spec.counts import axis_words

if TYPE_CHECKING:
    from harness.judging.laws import SeriesLaws
    from harness.judging.request import Source
    from harness.laws import Fit, LawName
    from harness.laws.held_out import Extrapolation
    from harness.show.tables.table import Table, TableCell
    from harness.spec.manifest import Manifest

LAW_HEADS: dict[LawName, str] = {
    "pure": "E = 0",
    "floor": "E free",
    "shifted": "shifted",
    "broken": "after break",
}
SERIES_HEADS = ("task", "series", "size x", "axis")
# Of the columns of checks those that are too many for a terminal.
IN_THE_REPORT = (
    "α, Huber to squares",
    "α, other intervals",
    "largest leverage",
    "condition",
    "AICc weights",
)
MAX_SIZES_NAMED = 5
TELLING = {
    "size x": "by",
    "law": "by",
    "at": "at",
}  # how a row is told from others, by what its column has
QUOTED = (
    "law to quote: the simplest law that AICc and the test of a floor do not reject, and that "
    "predicts larger sizes as "
    "well as the best one, within a standard error. In parentheses: by how much the last known "
    "loss would miss. MISFIT "
    "marks a law that still misses some sizes."
)


def law_tables(
    laws: Sequence[SeriesLaws], axes: Sequence[str], called: Callable[[str], str] = axis_words
) -> dict[str, Table]:
    """All that is said of laws on these axes: `laws`, and if there are any, `held_out` sizes and
    `checks`.
    """
    laws = [series for series in laws if series.axis in axes]
    hidden = ("axis",) if any(series.task for series in laws) else ("axis", "task")
    tables = {"laws": laws_table(laws, called), "held_out": held_out_table(laws, called)}
    tables["checks"] = checks_table(laws, called)
    return {name: table.without(*hidden) for name, table in tables.items() if table}


def laws_table(laws: Sequence[SeriesLaws], called: Callable[[str], str] = axis_words) -> Table:
    """Exponents with intervals, or the refusal in their place; the law that is drawn stands out.

    Where a fit window leaves runs out, the laws without it stand below.
    """
    fits = list(itertools.chain.from_iterable(series.fits.values() for series in laws))
    fitted = {fit.law for fit in fits}
    names = list(filter(fitted.__contains__, ORDER))
    has_floors = "floor" in fitted or any(fit.floor is not None for fit in fits)
    heads = (
        *_heads("α", names),
        *(["#floor E"] if has_floors else []),
        "#sizes",
        "#runs",
        "#decades",
    )
    rows: list[TableRow] = []
    for series in laws:
        begins_section = bool(rows) and rows[-1].cells[0] not in ("", series.task)
        drawn = drawn_law(laws, series.task, series.axis)
        cells = _law_cells(series, series.fits, names, has_floors, drawn)
        rows.append(
            TableRow(
                (*_series_cells(series, called), *cells),
                _notes(series),
                begins_section=begins_section,
            )
        )
        if series.without_window:
            cells = _law_cells(series, series.without_window, names, has_floors)
            rows.append(
                TableRow(("", Styled("without the window", "dim"), "", "", *cells), goes_on=True)
            )
    return table_of(_title(loss_of_laws(laws), fits, names), (*SERIES_HEADS, *heads), rows)


def uncrossed(manifest: Manifest, laws: Iterable[SeriesLaws]) -> list[SeriesLaws]:
    """The laws of series that are not of one training budget each."""
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    return [series for series in laws if series.series not in crossed]


def _series_cells(series: SeriesLaws, called: Callable[[str], str]) -> tuple[TableCell, ...]:
    """What SERIES_HEADS say of a series on an axis; `called` is what an axis is called."""
    return (series.task, series.series, called(series.axis), Styled(series.axis, "code"))


def _heads(what: str, laws: Sequence[LawName]) -> list[str]:
    """A heading a law; of the law without a floor alone there is nothing to tell apart."""
    return [f"#{what}" if list(laws) == ["pure"] else f"#{what}, {LAW_HEADS[law]}" for law in laws]


def _title(loss: str, fits: Sequence[Fit], names: Sequence[LawName]) -> str:
    form = (
        "A x^-α"
        if names == ["pure"]
        else "E + A x^-α"
        if {*names} <= {"pure", "floor"}
        else "a law of x"
    )
    if any(fit.lines is not None for fit in fits):
        return f"{loss} = {form}, over replicates in log space"
    objectives = Counter(fit.objective for fit in fits if fit.objective)
    most_common = dict(objectives.most_common(MOST_NAMED))
    points = "single runs" if "huber_log" in " ".join(objectives) else "size means"
    return ", ".join([f"{loss} = {form}, on {points} in log space", *most_common])


def _law_cells(
    series: SeriesLaws,
    fits: Mapping[LawName, Fit],
    names: Sequence[LawName],
    has_floors: bool,
    drawn: LawName | None = None,
) -> tuple[TableCell, ...]:
    cells: list[TableCell] = []
    for law in names:
        fit = fits.get(law)
        stands_out = fit is not None and law == drawn and fit.is_quotable
        cells.append(Styled(exponent_words(fit) if fit else "", "strong" if stands_out else ""))
    if has_floors:
        cells.append(_floor_words(fits, series.quoted_law))
    points = next(iter(fits.values())).points
    return (*cells, len(points.sizes), int(points.counts.sum()), number(points.decades, 2))


def _floor_words(fits: Mapping[LawName, Fit], quoted: LawName | None) -> str:
    """The floor of the law to quote, or else of the law `floor`, or else of any, with its interval
    unless given.
    """
    order: list[LawName] = [*([quoted] if quoted else []), "floor", *fits]
    for law in order:
        fit = fits.get(law)
        if fit and fit.floor is not None:
            ends = fit.floor_interval
            return (
                estimate(fit.floor, ends.low, ends.high, human)
                if ends
                else f"{human(fit.floor)} (given)"
            )
    return NONE


def _told(series: SeriesLaws) -> dict[LawName, Fit]:
    """The laws whose cautions and predictions are told: those asked for, or the chosen one; the
    others are in JSON.
    """
    return {law: fit for law, fit in series.fits.items() if law in series.drawable}


def _notes(series: SeriesLaws) -> tuple[Note, ...]:
    """What to know of the runs, refusals, warnings and predictions that cannot be made, then runs
    that are in no law.

    What several laws say is said once.
    """
    laws_that_say: dict[Note, list[str]] = {}  # a note is about all laws that say it

    def say(law: LawName, code: str, sentence: str, brief: str) -> None:
        laws_that_say.setdefault(Note(code, "", sentence, brief), []).append(LAW_HEADS[law])

    for law, fit in series.fits.items():
        for refusal in fit.refusals:  # which stands in the exponent's place
            say(law, refusal.code, f"refused: {refusal.reason}", "")
    for law, fit in _told(series).items():
        for warning in fit.warnings:
            say(law, warning.code, warning.reason, warning.code)
        held_out = series.held_out.get(law)
        if held_out and held_out.reason and not fit.refusals:
            say(law, "HELD_OUT", f"no prediction: {held_out.reason}", "HELD_OUT")
    notes = list(notes_of(series.cautions))
    every = {1: "law", 2: "both laws"}.get(len(series.fits), "all laws")
    for note, laws in laws_that_say.items():
        notes.append(
            note._replace(about=every if len(laws) == len(series.fits) else ", ".join(laws))
        )
    if outside := series.runs_outside_window:
        sizes = series.points.sizes
        fitted = (
            f"; laws are fitted from {human(sizes[0])} to {human(sizes[-1])}" if sizes.size else ""
        )
        sentence = f"runs outside the fit window, drawn hollow: {outside}{fitted}."
        notes.append(Note("OUTSIDE_WINDOW", every, sentence, f"{outside} runs outside the window"))
    if series.runs_failed:
        lost = [size for size in series.sizes if size.failed]
        named = []
        for size in lost[:MAX_SIZES_NAMED]:
            where = size_words(np.nan if size.size is None else size.size)
            named.append(f"{size.failed} of {size.done + size.failed} at {where}")
        more = (
            f" and at {len(lost) - MAX_SIZES_NAMED} more sizes"
            if len(lost) > MAX_SIZES_NAMED
            else ""
        )
        sentence = f"runs that failed and are in no law: {', '.join(named)}{more}."
        notes.append(Note("FAILED", every, sentence, f"{series.runs_failed} runs failed"))
    return tuple(notes)


# --------------------------------------------------------------------------------------------------
# held out
def held_out_table(
    laws: Sequence[SeriesLaws], called: Callable[[str], str] = axis_words
) -> Table | None:
    """The sizes that were held out: the loss as measured, and as the laws predicted it; None if
    none were.

    Of every series the last row has the errors over all sizes.
    """
    held = [series for series in laws if series.held_out]
    shown = set(itertools.chain.from_iterable(map(_told, held)))
    names = list(filter(shown.__contains__, ORDER))
    rows = []
    for series in held:
        first = next(iter(series.held_out.values()))
        predicted = {law: series.held_out[law] if law in _told(series) else None for law in names}
        places = _series_cells(series, called)
        for index, (size, mean) in enumerate(
            zip(first.measured.sizes, first.measured.means, strict=True)
        ):
            words = [
                _predicted(foreseen, series.fits.get(law), index)
                for law, foreseen in predicted.items()
            ]
            row = (*places, human(size, 4), human(mean), *words)
            rows.append(TableRow(row, goes_on=index > 0, begins_section=index == 0))
            places = ("",) * len(places)
        measured = [
            first.last_value_rmsle,
            *(foreseen.rmsle if foreseen else None for foreseen in predicted.values()),
        ]
        errors = [NONE if rmsle is None else f"RMSLE {number(rmsle, 2)}" for rmsle in measured]
        last_value = errors[0] if errors[0] == NONE else f"last value: {errors[0]}"
        rows.append(TableRow((*places, "all", last_value, *errors[1:]), goes_on=True))
    title = f"sizes held out of the fits: {loss_of_laws(laws)}, measured and predicted"
    heads = (*SERIES_HEADS, "#size", "#measured", *_heads("predicted", names))
    return table_of(title, heads, rows) if rows else None


def _predicted(held: Extrapolation | None, fit: Fit | None, index: int) -> str:
    """`value [low, high] within` or `missed`; elsewhere why there is no prediction, in a word."""
    if held is None or fit is None:
        return ""
    if held.prediction is None:
        return exponent_words(fit) if fit.refusals else "no prediction"
    prediction = held.prediction
    ends = interval(prediction.low[index], prediction.high[index], partial(human, digits=2))
    return (
        f"{human(prediction.curve[index])} {ends} "
        f"{'within' if prediction.within[index] else 'missed'}"
    )


# --------------------------------------------------------------------------------------------------
# checks
def checks_table(
    laws: Sequence[SeriesLaws], called: Callable[[str], str] = axis_words
) -> Table | None:
    """A row a series and axis: the law to quote, and what is known of it; None if nobody asked."""
    heads = (
        *(*SERIES_HEADS, "law to quote", "AICc weights", "misses larger sizes by (last value)"),
        *(
            "#p, no floor",
            "#p, lack of fit; faults",
            "α, one size less",
            "α, Huber to squares",
            "α, other intervals",
        ),
        *("#largest leverage", "#condition"),
    )
    rows = []
    for series in laws:
        if series.selection or series.checks:
            other = series.checks.cross_check.caution if series.checks else None
            cautions = (
                *(series.selection.cautions if series.selection else ()),
                *((other,) if other else ()),
            )
            rows.append(
                TableRow(
                    (*_series_cells(series, called), *_check_cells(series)), notes_of(cautions)
                )
            )
    if not rows:
        return None
    table = table_of("which law, and how far to trust it", heads, rows)
    return table if any(series.checks for series in laws) else table.without(*table.heads[8:])


def _check_cells(series: SeriesLaws) -> tuple[TableCell, ...]:
    cells: list[TableCell] = [series.quoted_law or "none"]
    if series.selection:
        weights = ", ".join(
            f"{law} {weight:.2f}" for law, weight in series.selection.aicc_weights.items()
        )
        # Root mean squares of ln(predicted/measured) over rolling origins, by law.
        scores, last_value = series.selection.extrapolation.items(), series.selection.last_value
        misses = ", ".join(f"{law} {score.rmsle:.0%}" for law, score in scores) or "no law"
        known_misses = (
            "too few sizes" if last_value is None else f"{misses} ({last_value.rmsle:.0%})"
        )
        cells += [weights or NONE, known_misses, p_value(series.selection.floor_p)]
    if series.checks:
        fit, cross, intervals = series.checks.diagnostics, series.checks.cross_check, []
        for name, ends in (
            ("sizes", cross.pairs),
            ("seeds", cross.stratified),
            ("sandwich", cross.sandwich),
        ):
            if ends:
                intervals.append(f"{name} {interval(ends.low, ends.high, exponent)}")
        cells += [NONE] * (4 - len(cells))
        cells.append(
            f"{p_value(fit.misfit.lack_of_fit_p)}; "
            f"{p_value(min(fit.misfit.faults.values(), default=None))}"
        )
        cells += [
            _range(fit.drop_one),
            _range(np.array(list(fit.deltas.values()))),
            "; ".join(intervals) or NONE,
        ]
        cells += [number(fit.leverage.max(), 2), number(fit.condition, 2)]
    return (*cells, *[NONE] * (10 - len(cells)))


def _range(values: np.ndarray) -> str:
    finite = values[np.isfinite(values)]
    if not finite.size:
        return "none"
    lost = f", {values.size - finite.size} none" if finite.size < values.size else ""
    return f"{exponent(finite.min())} to {exponent(finite.max())}{lost}"


def checklists(laws: Sequence[SeriesLaws], source: str) -> str:
    """The reporting checklist of the quoted law of every series that was checked, as Markdown.

    `source` says where the runs are.
    """
    parts = [
        f"# Reporting checklist: {', '.join(dict.fromkeys(series.metric for series in laws))}\n"
    ]
    for series in laws:
        if series.selection or series.checks:
            law = series.quoted or next(iter(series.fits.values()))
            seen, other = (
                (series.checks.diagnostics, series.checks.cross_check)
                if series.checks
                else (None, None)
            )
            where = f"{source} (data hash {series.data_hash})"
            items = checklist(law, seen, series.selection, other, series.axis, series.metric, where)
            name = ", ".join(filter(None, (series.task, series.series)))
            parts.append(f"## {name}, by {series.axis}\n\n{checklist_text(items)}")
    return formats.without_html("\n".join(parts))


# --------------------------------------------------------------------------------------------------
# sentences
def law_sentences(tables: Sequence[Table], source: Source) -> Iterator[str]:
    """What stands below the tables: how runs ended, what to know, each once, and how the law to
    quote is chosen.
    """
    if not all(map(is_ok, source.statuses)):
        counts = []
        for status, count in source.statuses.items():
            counts.append(f"{count} {status or 'empty'}{'' if is_ok(status) else ' (failed)'}")
        yield f"status: {', '.join(counts)}"
    yield from note_sentences(tables)
    if "law to quote" in itertools.chain.from_iterable(table.heads for table in tables):
        yield QUOTED


def note_sentences(tables: Sequence[Table]) -> Iterator[str]:
    """What to know of the rows of tables: each code once, with the sentence of the first series
    that it is about.
    """
    sentences: dict[tuple[str, str], dict[str, str]] = {}  # by the row that each is of
    for table in tables:
        for row, name in zip(table.rows, _row_names(table), strict=True):
            for note in row.notes:
                sentences.setdefault(note[:2], {}).setdefault(name, note.sentence)
    for (code, about), named in sentences.items():
        names, is_alike = (
            likewise(named, len(set(named.values())) == 1),
            f", {about}" if about else "",
        )
        yield f"{code}, {names}{is_alike}: {next(iter(named.values()))}"


def _row_names(table: Table) -> Iterator[str]:
    """Which series each row is of; also by which size or law and at which place, where there are
    several.
    """
    rows = [dict(zip(table.heads, map(str, row.cells), strict=True)) for row in table.rows]
    several = [head for head in TELLING if len({row.get(head) or "" for row in rows} - {""}) > 1]
    for row in rows:
        named_by: list[str] = [head for head in ("task", "series") if head in row]
        named_by = named_by or [next(iter(row))]
        words = [row[head] for head in named_by if row[head]]
        words += [f"{TELLING[head]} {row[head]}" for head in several if head not in named_by]
        yield " ".join(words)
