"""The laws of an experiment's series, and what they predicted of held-out sizes."""

from collections.abc import Callable, Sequence
from functools import partial

from harness.base.formats import NONE, estimate, human, interval, number
from harness.judging.checks import Check
from harness.judging.scaling import SeriesFit, common_law
from harness.laws import Fit
from harness.show.tables.table import Note, Styled, Table, TableCell, TableRow, number_columns, text_columns
from harness.show.words import LAW_WORDS, exponent_words, loss_words
from harness.spec import axis_words

BothLaws = tuple[SeriesFit, SeriesFit | None]  # of one series on one axis, without a floor and with one, if there is

SERIES_COLUMNS = text_columns("task", "series", "size x", "axis")


def series_cells(one: SeriesFit | Check, called: Callable[[str], str]) -> tuple[TableCell, ...]:
    """What SERIES_COLUMNS say of a series on an axis; `called` is what an axis is called."""
    return (one.task, one.series, called(one.axis), Styled(one.axis, "code"))


def fits_table(fits: Sequence[SeriesFit], axes: Sequence[str], called: Callable[[str], str] = axis_words) -> Table:
    """Exponents with intervals on `axes`, or the refusal in their place; the law that is drawn stands out.

    Where a fit window leaves runs out, the laws without it stand below. Of a search there are laws without a floor
    alone.
    """
    has_floors = any(one.fit.law == "floor" for one in fits)
    of_floor = ("α, E free", "floor E") if has_floors else ()
    columns = (*SERIES_COLUMNS, *number_columns("α, E = 0" if has_floors else "α", *of_floor, "sizes", "decades"))
    loss = loss_words(one.loss for one in fits)
    rows: list[TableRow] = []
    for pure, floor in _both_laws(fits, axes):
        drawn = common_law(fits, pure.task, pure.axis)
        begins_section = bool(rows) and rows[-1].cells[0] not in ("", pure.task)
        cells = (*series_cells(pure, called), *_law_cells(pure.fit, floor and floor.fit, drawn))
        rows.append(TableRow(cells, _notes(pure, floor), begins_section=begins_section))
        if pure.without_window and floor and floor.without_window:
            cells = ("", Styled("without the window", "dim"), "", "")
            rows.append(TableRow((*cells, *_law_cells(pure.without_window, floor.without_window)), goes_on=True))
    law = "E + A x^-α, on size means" if has_floors else "A x^-α, over replicates"
    return Table(f"{loss} = {law} in log space", columns, tuple(rows))


def held_out_table(
    fits: Sequence[SeriesFit], axes: Sequence[str], called: Callable[[str], str] = axis_words
) -> Table | None:
    """The sizes that were held out: test loss as measured, and as the laws predicted it; None if none were.

    Of every series the last row has the errors over all sizes.
    """
    columns = (*SERIES_COLUMNS, *number_columns("size", "measured", "predicted, E = 0", "predicted, E free"))
    rows = []
    for pure, floor in _both_laws(fits, axes):
        if pure.held_out is None or floor is None:
            continue
        names = series_cells(pure, called)
        measured = pure.held_out.measured
        for index, (size, mean) in enumerate(zip(measured.sizes, measured.means, strict=True)):
            cells = (human(size, 4), human(mean), _predicted(pure, index), _predicted(floor, index))
            rows.append(TableRow((*names, *cells), goes_on=index > 0, begins_section=index == 0))
            names = ("",) * len(names)
        baseline = pure.held_out.last_value_rmsle
        last = f"last value: RMSLE {number(baseline, 2)}" if baseline is not None else NONE
        rows.append(TableRow((*names, "all", last, _rmsle(pure), _rmsle(floor)), goes_on=True))
    loss = loss_words(one.loss for one in fits)
    return Table(f"sizes held out of the fits: {loss}, measured and predicted", columns, tuple(rows)) if rows else None


def _both_laws(fits: Sequence[SeriesFit], axes: Sequence[str]) -> list[BothLaws]:
    laws = {(one.task, one.series, one.axis, one.fit.law): one for one in fits if one.axis in axes}
    return [
        (one, laws.get((one.task, one.series, one.axis, "floor"))) for one in laws.values() if one.fit.law == "pure"
    ]


def _law_cells(pure: Fit, floor: Fit | None, drawn: str = "none") -> tuple[TableCell, ...]:
    cells: list[TableCell] = []
    for fit in (pure, floor) if floor else (pure,):
        stands_out = fit.law == drawn and not fit.refusals
        cells.append(Styled(exponent_words(fit), "strong" if stands_out else ""))
    if floor:
        ends = floor.floor_interval
        cells.append(NONE if floor.floor is None or ends is None else estimate(floor.floor, ends.low, ends.high, human))
    return (*cells, len(pure.points.sizes), number(pure.decades, 2))


def _notes(pure: SeriesFit, floor: SeriesFit | None) -> tuple[Note, ...]:
    """Refusals first, then warnings and predictions that cannot be made, then the runs that are in no law.

    What both laws say is said once.
    """
    laws_here = [one for one in (pure, floor) if one]
    said: dict[tuple[str, str], list[str]] = {}
    for one in laws_here:
        for refusal in one.fit.refusals:
            said.setdefault((refusal.code, f"refused: {refusal.reason}"), []).append(one.fit.law)
    for one in laws_here:
        for warning in one.fit.warnings:
            said.setdefault((warning.code, warning.reason), []).append(one.fit.law)
        if one.held_out and one.held_out.reason and not one.fit.refusals:
            said.setdefault(("HELD_OUT", f"no prediction: {one.held_out.reason}"), []).append(one.fit.law)
    notes = []
    for (code, reason), laws in said.items():
        about = ("both laws" if len(laws) > 1 else LAW_WORDS[laws[0]]) if floor else "law"
        brief = "" if reason.startswith("refused: ") else code  # a refusal stands in the exponent's place
        notes.append(Note(code, about, reason, brief))
    if pure.runs_outside_window:
        sizes = pure.fit.points.sizes
        fitted = f"; laws are fitted from {human(sizes[0])} to {human(sizes[-1])}" if sizes.size else ""
        told = f"runs outside the fit window, drawn hollow: {pure.runs_outside_window}{fitted}."
        notes.append(Note("OUTSIDE_WINDOW", "both laws", told, f"{pure.runs_outside_window} runs outside the window"))
    if pure.runs_diverged:
        told = f"runs that diverged and are in no law: {pure.runs_diverged}."
        notes.append(Note("DIVERGED", "both laws", told, f"{pure.runs_diverged} runs diverged"))
    return tuple(notes)


def _predicted(law: SeriesFit, index: int) -> str:
    """`value [low, high] within` or `missed`; elsewhere why there is no prediction, in a word."""
    found = law.held_out.prediction if law.held_out else None
    if found is None:
        return exponent_words(law.fit) if law.fit.refusals else "no prediction"
    two_digits = partial(human, digits=2)
    interval_words = interval(found.low[index], found.high[index], two_digits)
    return f"{human(found.curve[index])} {interval_words} {'within' if found.within[index] else 'missed'}"


def _rmsle(law: SeriesFit) -> str:
    if law.held_out and law.held_out.prediction:
        return f"RMSLE {number(law.held_out.prediction.rmsle, 2)}"
    return NONE
