"""What `harness fit` prints of a table of runs: the laws of every arm, and below them what to know, in sentences."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from harness.base.formats import NONE, estimate, exponent, number, p_value
from harness.comparison.tables.fits import ORDER, ArmFit, Checks, RequestedFits
from harness.comparison.tables.read import is_ok
from harness.laws import Caution, Fit, Refusal
from harness.laws.checklist import checklist, to_markdown
from harness.laws.held_out import Extrapolation
from harness.laws.result import LawName
from harness.laws.runs import size_words
from harness.laws.select import CANDIDATES
from harness.show.tables.table import Note, Table, TableRow, number_columns, table_of, text_columns
from harness.show.words import exponent_words

LAW_TITLES: dict[LawName, str] = {
    "pure": "α, E = 0",
    "floor": "α, E free",
    "shifted": "α, shifted",
    "broken": "α, after break",
}
MAX_CELLS_NAMED = 5
MAX_ARMS_NAMED = 3


def answer_tables(found: RequestedFits, checked: Callable[[ArmFit], Checks | None] | None) -> Iterator[Table]:
    """Tables for every column of sizes: exponents, the law to quote, predictions of held-out sizes, diagnostics.

    Where an exponent was refused, the code stands. Diagnostics come from `checked`, if it is given.
    """
    for x in found.cells:
        fits = [one for one in found.fits if one.x_name == x]
        yield _laws_table(found, x, fits)
        if any(one.selection for one in fits):
            yield _selection_table(fits)
        if any(one.held_out for one in fits):
            yield _held_out_table(fits)
        if checked:
            yield _checks_table(fits, checked)


def _laws_table(found: RequestedFits, x: str, fits: Sequence[ArmFit]) -> Table:
    """Columns in which no arm has anything are left out."""
    request = found.request
    columns = _law_columns(fits)
    rows = []
    for one, *cells in zip(fits, *columns.values(), strict=True):
        notes = tuple(Note(code, "", "", code) for code in _codes(one))
        rows.append(TableRow((one.arm, *cells), notes))
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    points = "single runs" if request.objective.startswith("huber_log") else "size means"
    how = f"{request.level:.0%} intervals, {points} in log space, {_objectives(fits)}"
    heads = (*text_columns(", ".join(request.columns.by) or "arm"), *number_columns(*columns))
    return Table(f"{request.columns.y} against {x}{filters}: {how}", heads, tuple(rows))


def _objectives(fits: Sequence[ArmFit]) -> str:
    """What was minimised, the commonest first."""
    counted: Counter[str] = Counter()
    for one in fits:
        counted.update(str(fit.objective) for fit in one.fits.values() if fit.objective)
    return ", ".join(word for word, _ in counted.most_common(MAX_ARMS_NAMED)) or "no objective"


def _law_columns(fits: Sequence[ArmFit]) -> dict[str, list[str]]:
    """The columns of numbers that say anything, a cell for every arm."""
    columns = {
        "sizes": [str(one.points.sizes.size) for one in fits],
        "runs": [str(one.points.counts.sum()) for one in fits],
        "outside": [str(one.parts.outside.sum() or "") for one in fits],
        "failed": [str(one.failed or "") for one in fits],
        "decades": [number(one.points.decades, 2) for one in fits],
    }
    for law in ORDER:
        columns[LAW_TITLES[law]] = [exponent_words(one.fits[law]) if law in one.fits else "" for one in fits]
        columns[f"{law}, all sizes"] = [exponent_words(one.whole[law]) if law in one.whole else "" for one in fits]
    columns["E"] = [_floor_words(one) for one in fits]
    columns["quote"] = [(one.quoted.law if one.quoted else "none") if one.selection else "" for one in fits]
    return {name: cells for name, cells in columns.items() if any(cells)}


def _selection_table(fits: Sequence[ArmFit]) -> Table:
    """Why a law was chosen for each arm: AICc weights, the test of a floor, and how sizes left out are predicted."""
    chosen = [(one.arm, one.selection) for one in fits if one.selection]
    laws = [law for law in CANDIDATES if any(law in selection.fits for _, selection in chosen)]
    rows = []
    for arm, selection in chosen:
        scores = [*(selection.extrapolation.get(law) for law in laws), selection.last_value]
        weights = [f"{selection.aicc_weights[law]:.2f}" if law in selection.aicc_weights else NONE for law in laws]
        errors = [number(score.rmsle if score else None, 2) for score in scores]
        quoted = selection.chosen or "none"
        rows.append((arm, quoted, " / ".join(weights), p_value(selection.floor_p), " / ".join(errors)))
    told = " / ".join(laws)
    heads = number_columns(f"AICc weight, {told}", "no floor: p", f"error of ln ahead, {told} / last value")
    return table_of(f"which law, by {fits[0].x_name}", (*text_columns("arm", "quote"), *heads), rows)


def _held_out_table(fits: Sequence[ArmFit]) -> Table:
    """Each held-out size beside what the quoted law predicts of it, and the errors of that law and the last value."""
    rows = []
    for one in fits:
        if not one.held_out:
            continue
        law = one.quoted.law if one.quoted else next(iter(one.held_out))
        ahead = one.held_out[law]
        error = number(ahead.prediction.rmsle if ahead.prediction else None, 2)
        names: tuple[str, str] = (one.arm, law)
        errors = (error, number(ahead.last_value_rmsle, 2))
        for index, (size, measured) in enumerate(zip(ahead.measured.sizes, ahead.measured.means, strict=True)):
            cells = (*names, number(size, 4), number(measured), *_predicted_words(ahead, index), *errors)
            rows.append(TableRow(cells, goes_on=index > 0))
            names = errors = ("", "")
    heads = number_columns("law", "size", "measured", "predicted", "within", "error of ln", "last value's")
    title = f"held-out sizes, by {fits[0].x_name}: not fitted, but predicted"
    return Table(title, (*text_columns("arm"), *heads), tuple(rows))


def _predicted_words(found: Extrapolation, index: int) -> tuple[str, str]:
    if found.prediction is None:
        return "no prediction", ""
    told = estimate(found.prediction.curve[index], found.prediction.low[index], found.prediction.high[index])
    return told, "yes" if found.prediction.within[index] else "missed"


def _checks_table(fits: Sequence[ArmFit], checked: Callable[[ArmFit], Checks | None]) -> Table:
    """The diagnostics of every arm's quoted law, and other intervals of its exponent; the JSON has more."""
    heads = (
        *("law", "dof", "sd", "lack of fit, p", "signs, p", "leverage", "without one size", "Huber / squares"),
        *("profile", "pairs", "stratified", "sandwich"),
    )
    rows = [(one.arm, *_check_words(one, checked(one), len(heads))) for one in fits]
    title = f"diagnostics of the quoted laws, and other intervals of α, by {fits[0].x_name}"
    whole = table_of(title, (*text_columns("arm"), *number_columns(*heads)), rows)
    empty = [head for index, head in enumerate(heads, 1) if not any(row[index] for row in rows)]
    return whole.without(*empty)


def _check_words(one: ArmFit, found: Checks | None, columns: int) -> list[str]:
    if found is None or one.quoted is None:
        return ["none", *[""] * (columns - 1)]
    own, others = found.diagnostics, found.cross_check
    intervals = (one.quoted.alpha_interval, others.pairs, others.stratified, others.sandwich)
    return [
        one.quoted.law,
        str(own.dof),
        number(one.quoted.sigma, 2),
        p_value(own.misfit.lack_of_fit_p),
        p_value(own.misfit.runs_p),
        number(own.leverage.max(), 2),
        _range_words(own.drop_one),
        f"{exponent(own.deltas['1.345 sd'])} / {exponent(own.deltas['squares'])}",
        *(f"{exponent(ends.low)} to {exponent(ends.high)}" if ends else "" for ends in intervals),
    ]


def _range_words(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{exponent(known.min())} to {exponent(known.max())}" if known.size else NONE


def _floor_words(one: ArmFit) -> str:
    """The floor of the law to quote, or else of the law that has one."""
    for fit in (one.quoted, *one.fits.values()):
        if fit and fit.floor is not None:
            known = fit.floor_interval
            return estimate(fit.floor, known.low, known.high) if known else ""
    return ""


def _told_of(one: ArmFit) -> list[Fit]:
    """The laws whose cautions are told: the chosen one, or all that were asked for; those of the others are in JSON."""
    return [one.quoted] if one.selection and one.quoted else list(one.fits.values())


def _codes(one: ArmFit) -> list[str]:
    """The codes of what to know of an arm, each once."""
    codes = [caution.code for caution in one.cautions]
    for fit in _told_of(one):
        codes += [warning.code for warning in fit.warnings]
    return list(dict.fromkeys(codes))


# ----------------------------------------------------------------------------------------------------------- checklist
def checklists(found: RequestedFits, checked: Callable[[ArmFit], Checks | None]) -> str:
    """The reporting checklist of every arm's quoted law, as Markdown."""
    request = found.request
    source = f"{request.file.name} (SHA-256 {found.sha256})"
    parts = [f"# Reporting checklist: {request.columns.y}\n"]
    for one in found.fits:
        checks = checked(one)
        seen, other = (checks.diagnostics, checks.cross_check) if checks else (None, None)
        law = one.quoted or next(iter(one.fits.values()))
        items = checklist(law, seen, one.selection, other, one.x_name, request.columns.y, source)
        parts.append(f"## {one.arm}, by {one.x_name}\n\n{to_markdown(items)}")
    return "\n".join(parts)


# ----------------------------------------------------------------------------------------------------------- sentences
def answer_sentences(found: RequestedFits) -> Iterator[str]:
    """What is below the tables: how runs ended, why laws were refused, and what the notes mean."""
    if found.statuses:
        words = {status: (status or "empty") + ("" if is_ok(status) else " (failed)") for status in found.statuses}
        tally = [f"{count} {words[status]}" for status, count in found.statuses.items()]
        yield f"status: {', '.join(tally)}"
    for x in found.cells:
        yield from _failed_cells(found, x)
        for code, reason, arms in _said(found, x):
            by = f" by {x}" if len(found.cells) > 1 else ""
            yield f"{code}, {_first_of(arms)}{by}: {reason}"
    if any(one.quoted for one in found.fits if one.selection):
        yield (
            "quote: of the laws that AICc and the test of a floor leave standing, the simplest that predicts sizes "
            "left out as well as the best does, to a standard error; MISFIT says where it misses sizes all the same."
        )
    if found.request.hold_out:
        yield (
            f"held out, the {found.request.hold_out} largest of every arm's sizes: within the interval of as many new "
            "runs, or missed. The last value is the loss of the largest size that is fitted, which a law should beat."
        )


def _first_of(arms: Sequence[str]) -> str:
    """The arm that a sentence is about, and those it holds for too, with other numbers."""
    if len(arms) == 1:
        return arms[0]
    more = f" and {len(arms) - 1 - MAX_ARMS_NAMED} more" if len(arms) > 1 + MAX_ARMS_NAMED else ""
    return f"{arms[0]} (likewise {', '.join(arms[1 : 1 + MAX_ARMS_NAMED])}{more})"


def _failed_cells(found: RequestedFits, x: str) -> Iterator[str]:
    lost = [cell for cell in found.cells[x] if cell.failed]
    if lost:
        named = [f"{cell.arm} {cell.failed} of {cell.done + cell.failed} at {size_words(cell.size)}" for cell in lost]
        more = f" and at {len(lost) - MAX_CELLS_NAMED} more sizes" if len(lost) > MAX_CELLS_NAMED else ""
        yield f"failed, by {x}: {', '.join(named[:MAX_CELLS_NAMED])}{more}"


def _said(found: RequestedFits, x: str) -> Iterator[tuple[str, str, list[str]]]:
    """(code, sentence, arms): each code once, with the sentence of the first arm that it is about."""
    said: dict[str, tuple[str, list[str]]] = {}
    for one in (one for one in found.fits if one.x_name == x):
        told_of: list[tuple[str, Caution | Refusal]] = [("", caution) for caution in one.cautions]
        for fit in one.fits.values():
            told_of += [(f" of the {fit.law} law", refusal) for refusal in fit.refusals]
        for fit in _told_of(one):
            told_of += [(f" of the {fit.law} law", warning) for warning in fit.warnings]
        for whose, told in told_of:
            arms = said.setdefault(f"{told.code}{whose}", (told.reason, []))[1]
            if one.arm not in arms:
                arms.append(one.arm)
    for code, (reason, arms) in said.items():
        yield code, reason, arms
