"""The laws of a table of runs: exponents, predictions of sizes held out, which law to quote, and what to know."""

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

import numpy as np

from harness.base.formats import NONE, estimate, exponent, human, interval, number, p_value
from harness.judging.laws import ORDER, SeriesLaws, drawn_law
from harness.judging.request import Source
from harness.laws import Fit, LawName
from harness.laws.checklist import checklist
from harness.laws.checklist import to_markdown as checklist_text
from harness.laws.held_out import Extrapolation
from harness.laws.select import Selection
from harness.record.elsewhere import is_ok, size_words
from harness.show.tables.table import (
    Note,
    Styled,
    Table,
    TableCell,
    TableRow,
    notes_of,
    number_columns,
    text_columns,
)
from harness.show.words import exponent_words, metric_words
from harness.spec import Manifest, axis_words

LAW_HEADS: dict[LawName, str] = {"pure": "E = 0", "floor": "E free", "shifted": "shifted", "broken": "after break"}
SERIES_COLUMNS = text_columns("task", "series", "size x", "axis")
# Of the columns of checks those that are too many for a terminal.
IN_THE_REPORT = ("α, Huber to squares", "α, other intervals", "largest leverage", "condition", "AICc weights")
MAX_SIZES_NAMED = 5
MAX_SERIES_NAMED = 3
QUOTED = (
    "law to quote: of the laws that AICc and the test of a floor leave standing, the simplest that predicts sizes left "
    "out as well as the best does, to a standard error; MISFIT says where it misses sizes all the same."
)


def law_tables(
    laws: Sequence[SeriesLaws], axes: Sequence[str], called: Callable[[str], str] = axis_words
) -> list[Table]:
    """All that is said of laws on these axes: laws, held-out sizes and checks, of which there may be none."""
    own = [one for one in laws if one.axis in axes]
    tables = (laws_table(laws, axes, called), held_out_table(own, called), checks_table(own, called))
    empty = () if any(one.task for one in own) else ("task",)
    return [table.without("axis", *empty) for table in tables if table]


def laws_table(laws: Sequence[SeriesLaws], axes: Sequence[str], called: Callable[[str], str] = axis_words) -> Table:
    """Exponents with intervals on `axes`, or the refusal in their place; the law that is drawn stands out.

    Where a fit window leaves runs out, the laws without it stand below.
    """
    own = [one for one in laws if one.axis in axes]
    names = [law for law in ORDER if any(law in one.fits for one in own)]
    has_floors = any(fit.floor is not None for one in own for fit in one.fits.values()) or "floor" in names
    heads = (*_heads("α", names), *(["floor E"] if has_floors else []), "sizes", "runs", "decades")
    drawn = {place: drawn_law(laws, *place) for place in dict.fromkeys((one.task, one.axis) for one in own)}
    rows: list[TableRow] = []
    for one in own:
        begins_section = bool(rows) and rows[-1].cells[0] not in ("", one.task)
        cells = _law_cells(one, one.fits, names, has_floors, drawn[one.task, one.axis])
        rows.append(TableRow((*series_cells(one, called), *cells), _notes(one), begins_section=begins_section))
        if one.without_window:
            cells = _law_cells(one, one.without_window, names, has_floors)
            rows.append(TableRow(("", Styled("without the window", "dim"), "", "", *cells), goes_on=True))
    return Table(_title(own, names), (*SERIES_COLUMNS, *number_columns(*heads)), tuple(rows))


def uncrossed(manifest: Manifest, laws: Iterable[SeriesLaws]) -> list[SeriesLaws]:
    """The laws of series that are not of one training budget each."""
    crossed = {cell.series for cell in manifest.cells if cell.frontier}
    return [one for one in laws if one.series not in crossed]


def series_cells(one: SeriesLaws, called: Callable[[str], str]) -> tuple[TableCell, ...]:
    """What SERIES_COLUMNS say of a series on an axis; `called` is what an axis is called."""
    return (one.task, one.series, called(one.axis), Styled(one.axis, "code"))


def _heads(what: str, laws: Sequence[LawName]) -> list[str]:
    """A heading a law; of the law without a floor alone there is nothing to tell apart."""
    return [what if list(laws) == ["pure"] else f"{what}, {LAW_HEADS[law]}" for law in laws]


def _title(own: Sequence[SeriesLaws], names: Sequence[LawName]) -> str:
    fits = [fit for one in own for fit in one.fits.values()]
    over_replicates = any(fit.lines is not None for fit in fits)
    form = "A x^-α" if names == ["pure"] else "E + A x^-α" if {*names} <= {"pure", "floor"} else "a law of x"
    objectives = Counter(fit.objective for fit in fits if fit.objective and not over_replicates)
    of_runs = any(objective.startswith("huber_log") for objective in objectives)
    points = "over replicates" if over_replicates else "on single runs" if of_runs else "on size means"
    said = [f"{metric_words(one.metric for one in own)} = {form}, {points} in log space"]
    return ", ".join([*said, *(objective for objective, _ in objectives.most_common(MAX_SERIES_NAMED))])


def _law_cells(
    one: SeriesLaws,
    fits: Mapping[LawName, Fit],
    names: Sequence[LawName],
    has_floors: bool,
    drawn: LawName | None = None,
) -> tuple[TableCell, ...]:
    cells: list[TableCell] = []
    for law in names:
        fit = fits.get(law)
        stands_out = fit is not None and law == drawn and not fit.refusals
        cells.append(Styled(exponent_words(fit) if fit else "", "strong" if stands_out else ""))
    if has_floors:
        first = (one.quoted_law,) if one.quoted_law else ()
        order: dict[LawName, None] = dict.fromkeys((*first, "floor", *fits))
        wanted = [fits[law] for law in order if law in fits]
        floors = [(fit.floor, fit.floor_interval) for fit in wanted if fit.floor is not None]
        value, ends = next(iter(floors), (None, None))
        cells.append(NONE if ends is None else estimate(value, ends.low, ends.high, human))
    points = next(iter(fits.values())).points
    return (*cells, len(points.sizes), int(points.counts.sum()), number(points.decades, 2))


def _told(one: SeriesLaws) -> dict[LawName, Fit]:
    """The laws whose cautions and predictions are told: those asked for, or the chosen one; the others are in JSON."""
    return {law: fit for law, fit in one.fits.items() if law in one.drawable}


def _notes(one: SeriesLaws) -> tuple[Note, ...]:
    """What to know of the runs, refusals, warnings and predictions that cannot be made, then runs that are in no law.

    What several laws say is said once.
    """
    said: dict[tuple[str, str], list[LawName]] = {}
    for law, fit in one.fits.items():
        for refusal in fit.refusals:
            said.setdefault((refusal.code, f"refused: {refusal.reason}"), []).append(law)
    for law, fit in _told(one).items():
        for warning in fit.warnings:
            said.setdefault((warning.code, warning.reason), []).append(law)
        held_out = one.held_out.get(law)
        if held_out and held_out.reason and not fit.refusals:
            said.setdefault(("HELD_OUT", f"no prediction: {held_out.reason}"), []).append(law)
    notes = list(notes_of(one.cautions))
    every = {1: "law", 2: "both laws"}.get(len(one.fits), "all laws")
    for (code, reason), laws in said.items():
        about = every if len(laws) == len(one.fits) else ", ".join(LAW_HEADS[law] for law in laws)
        brief = "" if reason.startswith("refused: ") else code  # a refusal stands in the exponent's place
        notes.append(Note(code, about, reason, brief))
    if outside := one.runs_outside_window:
        sizes = one.points.sizes
        fitted = f"; laws are fitted from {human(sizes[0])} to {human(sizes[-1])}" if sizes.size else ""
        told = f"runs outside the fit window, drawn hollow: {outside}{fitted}."
        notes.append(Note("OUTSIDE_WINDOW", every, told, f"{outside} runs outside the window"))
    if one.runs_failed:
        lost = [size for size in one.sizes if size.failed]
        named = [
            f"{of.failed} of {of.done + of.failed} at {size_words(np.nan if of.size is None else of.size)}"
            for of in lost[:MAX_SIZES_NAMED]
        ]
        more = f" and at {len(lost) - MAX_SIZES_NAMED} more sizes" if len(lost) > MAX_SIZES_NAMED else ""
        told = f"runs that failed and are in no law: {', '.join(named)}{more}."
        notes.append(Note("FAILED", every, told, f"{one.runs_failed} runs failed"))
    return tuple(notes)


# ------------------------------------------------------------------------------------------------------------ held out
def held_out_table(laws: Sequence[SeriesLaws], called: Callable[[str], str] = axis_words) -> Table | None:
    """The sizes that were held out: the loss as measured, and as the laws predicted it; None if none were.

    Of every series the last row has the errors over all sizes.
    """
    held = [one for one in laws if one.held_out]
    names = [law for law in ORDER if any(law in _told(one) for one in held)]
    rows = []
    for one in held:
        places = series_cells(one, called)
        first = next(iter(one.held_out.values()))
        for index, (size, mean) in enumerate(zip(first.measured.sizes, first.measured.means, strict=True)):
            cells = (human(size, 4), human(mean), *(_predicted(one, law, index) for law in names))
            rows.append(TableRow((*places, *cells), goes_on=index > 0, begins_section=index == 0))
            places = ("",) * len(places)
        baseline = first.last_value_rmsle
        errors = []
        for law in names:
            held_out = _held(one, law)
            known = held_out.prediction if held_out else None
            errors.append(f"RMSLE {number(known.rmsle, 2)}" if known else NONE)
        last = f"last value: RMSLE {number(baseline, 2)}" if baseline is not None else NONE
        rows.append(TableRow((*places, "all", last, *errors), goes_on=True))
    columns = (*SERIES_COLUMNS, *number_columns("size", "measured", *_heads("predicted", names)))
    loss = metric_words(one.metric for one in laws)
    return Table(f"sizes held out of the fits: {loss}, measured and predicted", columns, tuple(rows)) if rows else None


def _held(one: SeriesLaws, law: LawName) -> Extrapolation | None:
    return one.held_out[law] if law in _told(one) else None


def _predicted(one: SeriesLaws, law: LawName, index: int) -> str:
    """`value [low, high] within` or `missed`; elsewhere why there is no prediction, in a word."""
    held = _held(one, law)
    if held is None:
        return ""
    if held.prediction is None:
        return exponent_words(one.fits[law]) if one.fits[law].refusals else "no prediction"
    found, two_digits = held.prediction, partial(human, digits=2)
    interval_words = interval(found.low[index], found.high[index], two_digits)
    return f"{human(found.curve[index])} {interval_words} {'within' if found.within[index] else 'missed'}"


# -------------------------------------------------------------------------------------------------------------- checks
def checks_table(laws: Sequence[SeriesLaws], called: Callable[[str], str] = axis_words) -> Table | None:
    """A row a series and axis: the law to quote, and what is known of it; None if nobody asked."""
    own = [one for one in laws if one.selection or one.checks]
    columns = (
        *(*SERIES_COLUMNS, *text_columns("law to quote", "AICc weights", "misses larger sizes by (last value)")),
        *number_columns("p, no floor", "p, lack of fit; runs"),
        *text_columns("α, one size less", "α, Huber to squares", "α, other intervals"),
        *number_columns("largest leverage", "condition"),
    )
    rows = []
    for one in own:
        other = one.checks.cross_check.caution if one.checks else None
        known = (*(one.selection.cautions if one.selection else ()), *((other,) if other else ()))
        rows.append(TableRow((*series_cells(one, called), *_check_cells(one)), notes_of(known)))
    table = Table("which law, and how far to trust it", columns, tuple(rows))
    checked = any(one.checks for one in own)
    return (table if checked else table.without(*(column.head for column in columns[8:]))) if rows else None


def _check_cells(one: SeriesLaws) -> tuple[TableCell, ...]:
    chosen: tuple[TableCell, ...] = (one.quoted_law or "all refused", NONE, NONE, NONE)
    if one.selection:
        weights = ", ".join(f"{law} {weight:.2f}" for law, weight in one.selection.aicc_weights.items())
        chosen = (chosen[0], weights or NONE, _misses(one.selection), p_value(one.selection.floor_p))
    if one.checks is None:
        return (*chosen, *(NONE,) * 6)
    seen, found = one.checks.diagnostics, one.checks.cross_check
    others = {"sizes": found.pairs, "seeds": found.stratified, "sandwich": found.sandwich}
    told = [f"{name} {interval(ends.low, ends.high, exponent)}" for name, ends in others.items() if ends]
    return (
        *chosen,
        f"{p_value(seen.misfit.lack_of_fit_p)}; {p_value(seen.misfit.runs_p)}",
        _range(seen.drop_one),
        _range(np.array(list(seen.deltas.values()))),
        "; ".join(told) or NONE,
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


def checklists(laws: Sequence[SeriesLaws], source: str) -> str:
    """The reporting checklist of the quoted law of every series that was checked, as Markdown.

    `source` says where the runs are.
    """
    parts = [f"# Reporting checklist: {', '.join(dict.fromkeys(one.metric for one in laws))}\n"]
    for one in laws:
        if one.selection is None and one.checks is None:
            continue
        law = one.quoted or next(iter(one.fits.values()))
        seen, other = (one.checks.diagnostics, one.checks.cross_check) if one.checks else (None, None)
        told = f"{source} (data hash {one.data_hash})"
        items = checklist(law, seen, one.selection, other, one.axis, one.metric, told)
        name = ", ".join(filter(None, (one.task, one.series)))
        parts.append(f"## {name}, by {one.axis}\n\n{checklist_text(items)}")
    return "\n".join(parts)


# ----------------------------------------------------------------------------------------------------------- sentences
def law_sentences(tables: Sequence[Table], source: Source) -> Iterator[str]:
    """What stands below the tables: how runs ended, what to know, each once, and how the law to quote is chosen."""
    if not all(map(is_ok, source.statuses)):
        words = {status: (status or "empty") + ("" if is_ok(status) else " (failed)") for status in source.statuses}
        yield f"status: {', '.join(f'{count} {words[status]}' for status, count in source.statuses.items())}"
    yield from note_sentences(tables)
    if any(column.head == "law to quote" for table in tables for column in table.columns):
        yield QUOTED


def note_sentences(tables: Sequence[Table]) -> Iterator[str]:
    """What to know of the rows of tables: each code once, with the sentence of the first series that it is about."""
    said: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for row, name in itertools.chain.from_iterable(map(_named_rows, tables)):
        for note in row.notes:
            names = said.setdefault((note.code, note.about), (note.sentence, []))[1]
            if name not in names:
                names.append(name)
    for (code, about), (sentence, names) in said.items():
        yield f"{code}, {_first_of(names)}{f', {about}' if about else ''}: {sentence}"


def _named_rows(table: Table) -> Iterator[tuple[TableRow, str]]:
    """The rows, and which series each is of; on which size too, where there are several."""
    places = {column.head: place for place, column in enumerate(table.columns)}
    sizes = {row.cells[places["size x"]] for row in table.rows if "size x" in places and row.cells[places["size x"]]}
    for row in table.rows:
        words = [str(row.cells[places[head]]) for head in ("task", "series") if head in places] or [str(row.cells[0])]
        by = f" by {row.cells[places['size x']]}" if len(sizes) > 1 else ""
        yield row, " ".join(filter(None, words)) + by


def _first_of(names: Sequence[str]) -> str:
    """The series that a sentence is about, and those it holds for too, with other numbers."""
    if len(names) == 1:
        return names[0]
    more = f" and {len(names) - 1 - MAX_SERIES_NAMED} more" if len(names) > 1 + MAX_SERIES_NAMED else ""
    return f"{names[0]} (likewise {', '.join(names[1 : 1 + MAX_SERIES_NAMED])}{more})"
