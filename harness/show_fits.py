"""What `harness fit` prints of a table of runs: the laws of every arm, and below them what to know, in sentences."""

from collections.abc import Iterator, Sequence

from rich.table import Table

from harness.csv_fits import Answer, ArmFit
from harness.csv_runs import is_ok
from harness.fit import Fit
from harness.fit.result import LawName
from harness.fit.runs import size_words

LAW_TITLES = {"pure": "alpha, E = 0", "floor": "alpha, E free"}
MAX_CELLS_NAMED = 5
MAX_ARMS_NAMED = 3


def answer_tables(found: Answer) -> Iterator[Table]:
    """A table for every column of sizes: each arm's exponents with intervals, or codes of refusals in their place."""
    for x in found.cells:
        yield _table(found, x, [one for one in found.fits if one.x_name == x])


def _table(found: Answer, x: str, fits: Sequence[ArmFit]) -> Table:
    request, laws = found.request, tuple(fits[0].fits)
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    objective = f", objective {request.objective}" if request.objective else ""
    how = f"{request.level:.0%} intervals, size means in log space{objective}"
    table = Table(title=f"{request.columns.y} against {x}{filters}: {how}", title_justify="left")
    table.add_column(", ".join(request.columns.by) or "arm", overflow="fold")
    columns = {name: cells for name, cells in _numbers(fits, laws).items() if any(cells)}
    for name in columns:
        table.add_column(name, justify="right")
    table.add_column("notes", overflow="fold")
    # What is true of all arms is said once, below the table.
    common = set.intersection(*(set(_codes(found, one)) for one in fits)) if len(fits) > 1 else set()
    for one, *cells in zip(fits, *columns.values(), strict=True):
        table.add_row(one.arm, *cells, "; ".join(code for code in _codes(found, one) if code not in common))
    return table


def _numbers(fits: Sequence[ArmFit], laws: Sequence[LawName]) -> dict[str, list[str]]:
    """The columns of numbers, a cell for every arm; a cell is empty where there is nothing to say."""
    columns = {
        "sizes": [str(one.points.sizes.size) for one in fits],
        "runs": [str(one.points.counts.sum()) for one in fits],
        "outside": [str(one.outside.counts.sum() or "") for one in fits],
        "failed": [str(one.failed or "") for one in fits],
        "decades": [f"{one.points.decades:.2g}" for one in fits],
    }
    for law in laws:
        columns[LAW_TITLES.get(law, f"alpha, {law}")] = [exponent_words(one.fits[law]) for one in fits]
        columns[f"{law}, all sizes"] = [exponent_words(one.whole[law]) if one.whole else "" for one in fits]
    columns["E"] = [_floor_words(one) for one in fits]
    columns[f"misses, %: {' / '.join((*laws, 'last value'))}"] = [_miss_words(one) for one in fits]
    return columns


def exponent_words(fit: Fit) -> str:
    """`alpha [low, high]`, or the codes of the refusals."""
    if fit.refusals:
        return ", ".join(refusal.code for refusal in fit.refusals)
    assert fit.alpha is not None
    assert fit.alpha_interval is not None
    low, high = fit.alpha_interval.low, fit.alpha_interval.high
    return f"{_short(fit.alpha)} [{_short(low)}, {_short(high)}]"


def _short(value: float) -> str:
    """Two decimals, three below 0.1: exponents of language models are small."""
    if abs(value) == float("inf"):
        return "∞" if value > 0 else "-∞"
    return f"{value:.2f}" if abs(value) >= 0.1 else f"{round(value, 3) + 0.0:.3f}"  # + 0.0: no -0.000


def _floor_words(one: ArmFit) -> str:
    fit = next((fit for fit in one.fits.values() if fit.floor is not None), None)
    if fit is None or fit.floor is None or fit.floor_interval is None:
        return ""
    return f"{fit.floor:.3g} [{fit.floor_interval.low:.2g}, {fit.floor_interval.high:.2g}]"


def _miss_words(one: ArmFit) -> str:
    """Root mean squares of ln(predicted/measured) over the sizes held out, in percent."""
    if one.held_out is None:
        return ""
    errors = (*one.held_out.errors.values(), one.held_out.last_value)
    return " / ".join("-" if error is None else f"{100 * error:.3g}" for error in errors)


def _codes(found: Answer, one: ArmFit) -> list[str]:
    codes: list[str] = [caution.code for caution in found.cautions[one.x_name] if caution.arm == one.arm]
    codes += [warning.code for fit in one.fits.values() for warning in fit.warnings]
    return list(dict.fromkeys(codes))


# ----------------------------------------------------------------------------------------------------------- sentences
def answer_sentences(found: Answer) -> Iterator[str]:
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
    if found.request.hold_out:
        yield (
            f"held out, the {found.request.hold_out} largest of every arm's sizes: not fitted, but predicted by each "
            "law. The last value is the loss of the largest size that is fitted, which a law should beat."
        )


def _first_of(arms: Sequence[str]) -> str:
    """The arm that a sentence is about, and those it holds for too, with other numbers."""
    if len(arms) == 1:
        return arms[0]
    more = f" and {len(arms) - 1 - MAX_ARMS_NAMED} more" if len(arms) > 1 + MAX_ARMS_NAMED else ""
    return f"{arms[0]} (likewise {', '.join(arms[1 : 1 + MAX_ARMS_NAMED])}{more})"


def _failed_cells(found: Answer, x: str) -> Iterator[str]:
    lost = [cell for cell in found.cells[x] if cell.failed]
    if lost:
        named = [f"{cell.arm} {cell.failed} of {cell.done + cell.failed} at {size_words(cell.size)}" for cell in lost]
        more = f" and at {len(lost) - MAX_CELLS_NAMED} more sizes" if len(lost) > MAX_CELLS_NAMED else ""
        yield f"failed, by {x}: {', '.join(named[:MAX_CELLS_NAMED])}{more}"


def _said(found: Answer, x: str) -> Iterator[tuple[str, str, list[str]]]:
    """(code, sentence, arms): each code once, with the sentence of the first arm that it is about."""
    said: dict[str, tuple[str, list[str]]] = {}
    for one in (one for one in found.fits if one.x_name == x):
        own: list[tuple[str, str]] = [
            (caution.code, caution.reason) for caution in found.cautions[x] if caution.arm == one.arm
        ]
        refused = [(refusal.code, refusal.reason) for fit in one.fits.values() for refusal in fit.refusals]
        warned = [(warning.code, warning.reason) for fit in one.fits.values() for warning in fit.warnings]
        for code, reason in (*own, *refused, *warned):
            arms = said.setdefault(code, (reason, []))[1]
            if one.arm not in arms:
                arms.append(one.arm)
    for code, (reason, arms) in said.items():
        yield code, reason, arms
