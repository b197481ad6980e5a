"""What `harness fit` prints of a table of runs: the laws of every arm, and below them what to know, in sentences."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from rich.table import Table

from harness.base.formats import exponent
from harness.comparison.tables.fits import ORDER, ArmFit, Checks, RequestedFits
from harness.comparison.tables.read import is_ok
from harness.fit import Caution, Fit, Refusal
from harness.fit.checklist import checklist, to_markdown
from harness.fit.held_out import Extrapolation
from harness.fit.result import LawName
from harness.fit.runs import size_words
from harness.fit.select import CANDIDATES
from harness.show.words import exponent_words

LAW_TITLES: dict[LawName, str] = {
    "pure": "alpha, E = 0",
    "floor": "alpha, E free",
    "shifted": "alpha, shifted",
    "broken": "alpha, after break",
}
MAX_CELLS_NAMED = 5
MAX_ARMS_NAMED = 3


def answer_tables(found: RequestedFits, checked: Callable[[ArmFit], Checks | None] | None) -> Iterator[Table]:
    """For every column of sizes: each arm's exponents with intervals, or codes of refusals in their place; which law to
    quote; what was predicted of held-out sizes; and the diagnostics if `checked` says how to get them.
    """
    for x in found.cells:
        fits = [one for one in found.fits if one.x_name == x]
        tables = (_table(found, x, fits), selection_table(fits), held_out_table(fits))
        yield from (table for table in tables if table)
        if checked:
            yield checks_table(fits, checked)


def _table(found: RequestedFits, x: str, fits: Sequence[ArmFit]) -> Table:
    request = found.request
    laws: tuple[LawName, ...] = tuple(law for law in ORDER if any(law in one.fits for one in fits))
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    points = "single runs" if request.objective.startswith("huber_log") else "size means"
    how = f"{request.level:.0%} intervals, {points} in log space, {_objectives(fits)}"
    table = Table(title=f"{request.columns.y} against {x}{filters}: {how}", title_justify="left")
    table.add_column(", ".join(request.columns.by) or "arm", overflow="fold")
    columns = {name: cells for name, cells in _numbers(fits, laws).items() if any(cells)}
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("notes", overflow="fold")
    for one, *cells in zip(fits, *columns.values(), strict=True):
        table.add_row(one.arm, *cells, "; ".join(_codes(one)))
    return table


def _objectives(fits: Sequence[ArmFit]) -> str:
    """What was minimised, the commonest first."""
    words = Counter(fit.objective for one in fits for fit in one.fits.values() if fit.objective)
    return ", ".join(word for word, _ in words.most_common(MAX_ARMS_NAMED)) or "no objective"


def _numbers(fits: Sequence[ArmFit], laws: Sequence[LawName]) -> dict[str, list[str]]:
    """The columns of numbers, a cell for every arm; a cell is empty where there is nothing to say."""
    columns = {
        "sizes": [str(one.points.sizes.size) for one in fits],
        "runs": [str(one.points.counts.sum()) for one in fits],
        "outside": [str(one.parts.outside.sum() or "") for one in fits],
        "failed": [str(one.failed or "") for one in fits],
        "decades": [f"{one.points.decades:.2g}" for one in fits],
    }
    for law in laws:
        columns[LAW_TITLES[law]] = [exponent_words(one.fits[law]) if law in one.fits else "" for one in fits]
        columns[f"{law}, all sizes"] = [exponent_words(one.whole[law]) if law in one.whole else "" for one in fits]
    columns["E"] = [_floor_words(one) for one in fits]
    columns["quote"] = [(one.quoted.law if one.quoted else "none") if one.selection else "" for one in fits]
    return columns


def selection_table(fits: Sequence[ArmFit]) -> Table | None:
    """Why a law was chosen for each arm: AICc weights, the test of a floor, and how sizes left out are predicted."""
    chosen = [(one, one.selection) for one in fits if one.selection]
    if not chosen:
        return None
    laws = [law for law in CANDIDATES if any(law in selection.fits for _, selection in chosen)]
    told = " / ".join(laws)
    table = Table(title=f"which law, by {fits[0].x_name}", title_justify="left")
    table.add_column("arm", overflow="fold")
    table.add_column("quote")
    for name in (f"AICc weight, {told}", "no floor: p", f"error of ln ahead, {told} / last value"):
        table.add_column(name, justify="right")
    for one, selection in chosen:
        scores = [selection.extrapolation.get(law) for law in laws]
        table.add_row(
            one.arm,
            selection.chosen or "none",
            " / ".join(_number(selection.aicc_weights.get(law), "{:.2f}") for law in laws),
            _number(selection.floor_p, "{:.2g}"),
            " / ".join(_number(score.rmsle if score else None, "{:.2g}") for score in (*scores, selection.last_value)),
        )
    return table


def held_out_table(fits: Sequence[ArmFit]) -> Table | None:
    """Each held-out size beside what the quoted law predicts of it, and the errors of that law and the last value."""
    rows = [(one, held_out(one)) for one in fits]
    if not any(found for _, found in rows):
        return None
    table = Table(title=f"held-out sizes, by {fits[0].x_name}: not fitted, but predicted", title_justify="left")
    table.add_column("arm", overflow="fold")
    for name in ("law", "size", "measured", "predicted", "within", "error of ln", "last value's"):
        table.add_column(name, justify="right")
    for one, found in rows:
        if found is None:
            continue
        law, ahead = found
        for index, (size, measured) in enumerate(zip(ahead.measured.sizes, ahead.measured.means, strict=True)):
            table.add_row(
                *((one.arm, law) if not index else ("", "")),
                f"{size:.4g}",
                f"{measured:.3g}",
                *_predicted_words(ahead, index),
                *((_error(ahead.prediction.rmsle if ahead.prediction else None), _error(ahead.last_value_rmsle)))
                if not index
                else ("", ""),
            )
    return table


def held_out(one: ArmFit) -> tuple[LawName, Extrapolation] | None:
    """The law whose predictions are shown, and they; None where nothing was held out."""
    if not one.held_out:
        return None
    law = one.quoted.law if one.quoted else next(iter(one.held_out))
    return law, one.held_out[law]


def _predicted_words(found: Extrapolation, index: int) -> tuple[str, str]:
    if found.prediction is None:
        return "no prediction", ""
    interval = f"[{found.prediction.low[index]:.3g}, {found.prediction.high[index]:.3g}]"
    return f"{found.prediction.curve[index]:.3g} {interval}", "yes" if found.prediction.within[index] else "missed"


def _error(rmsle: float | None) -> str:
    return _number(rmsle, "{:.2g}")


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def checks_table(fits: Sequence[ArmFit], checked: Callable[[ArmFit], Checks | None]) -> Table:
    """The diagnostics of every arm's quoted law, and other intervals of its exponent."""
    table = Table(
        title=f"diagnostics of the quoted laws, and other intervals of alpha, by {fits[0].x_name}", title_justify="left"
    )
    table.add_column("arm", overflow="fold")
    columns: dict[str, list[str]] = {"law": [], "dof": [], "sd": [], "lack of fit, p": [], "signs, p": []}
    columns |= {"leverage": [], "without one size": [], "Huber / squares": []}
    columns |= {"profile": [], "pairs": [], "stratified": [], "sandwich": []}
    for one in fits:
        for cells, text in zip(columns.values(), _check_words(one, checked(one)), strict=True):
            cells.append(text)
    columns = {name: cells for name, cells in columns.items() if any(cells)}
    for name in columns:
        table.add_column(name, justify="right")
    for one, *cells in zip(fits, *columns.values(), strict=True):
        table.add_row(one.arm, *cells)
    return table


def _check_words(one: ArmFit, found: Checks | None) -> list[str]:
    """The cells of an arm's diagnostics; the rest of them is in the JSON."""
    if found is None or one.quoted is None:
        return ["none", *[""] * 11]
    own, others = found.diagnostics, found.cross_check
    intervals = (one.quoted.alpha_interval, others.pairs, others.stratified, others.sandwich)
    return [
        one.quoted.law,
        str(own.dof),
        _number(one.quoted.sigma, "{:.2g}"),
        _number(own.misfit.lack_of_fit_p, "{:.2g}"),
        f"{own.misfit.runs_p:.2g}",
        f"{own.leverage.max():.2f}",
        _range_words(own.drop_one),
        f"{exponent(own.deltas['1.345 sd'])} / {exponent(own.deltas['squares'])}",
        *(f"{exponent(ends.low)} to {exponent(ends.high)}" if ends else "" for ends in intervals),
    ]


def _range_words(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"{exponent(known.min())} to {exponent(known.max())}" if known.size else "-"


def _floor_words(one: ArmFit) -> str:
    """The floor of the law to quote, or else of the law that has one."""
    laws = [one.quoted, *one.fits.values()]
    fit = next((fit for fit in laws if fit and fit.floor is not None), None)
    if fit is None or fit.floor is None or fit.floor_interval is None:
        return ""
    return f"{fit.floor:.3g} [{fit.floor_interval.low:.2g}, {fit.floor_interval.high:.2g}]"


def _told_of(one: ArmFit) -> list[Fit]:
    """The laws whose cautions are told: the chosen one, or all that were asked for; those of the others are in JSON."""
    return [one.quoted] if one.selection and one.quoted else list(one.fits.values())


def _codes(one: ArmFit) -> list[str]:
    codes = [caution.code for caution in one.cautions]
    codes += [warning.code for fit in _told_of(one) for warning in fit.warnings]
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
        told_of += [(f" of the {fit.law} law", refusal) for fit in one.fits.values() for refusal in fit.refusals]
        told_of += [(f" of the {fit.law} law", warning) for fit in _told_of(one) for warning in fit.warnings]
        for whose, told in told_of:
            arms = said.setdefault(f"{told.code}{whose}", (told.reason, []))[1]
            if one.arm not in arms:
                arms.append(one.arm)
    for code, (reason, arms) in said.items():
        yield code, reason, arms
