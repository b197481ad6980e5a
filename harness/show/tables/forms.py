"""What `harness fit` prints of forms that are not a law of each arm by itself."""

from collections.abc import Iterator

from harness.base.formats import NONE, estimate, number, p_value
from harness.comparison.tables.forms import FormAnswer, FormRequest, Result
from harness.laws import Caution, Estimate, Interval, Refusal
from harness.laws.frontier import Frontier
from harness.laws.isoflop import Isoflop
from harness.laws.shared import SharedFit
from harness.laws.surface import Surface
from harness.show.tables.table import Table, TableRow, notes_of, number_columns, table_of, text_columns


def form_tables(found: FormAnswer) -> Iterator[Table]:
    """The numbers of every arm, or the codes of refusals in their place."""
    request = found.request
    if shared := [one for one in found.results.values() if isinstance(one, SharedFit)]:
        yield _shares_table(request, shared)
        if not shared[0].refusals:
            yield _shared_table(shared[0])
        return
    y, x = request.columns.y, request.x
    names: tuple[str, ...]
    match request.form:
        case "and":
            law = f"{y} = E + A {x}^-alpha + B {request.asked}^-beta"
            names = ("cells", "alpha", "beta", "E", "A", "B", f"best {x} ~ compute^", "objective")
        case "isoflop":
            law = f"{x} of the least {y} = c {request.asked}^a"
            names = ("budgets", "decades", "a", "c", "scatter / errors")
        case _:
            law = f"{y} = A {x}^-alpha, above {float(request.asked):.0%} of the runs"
            names = ("runs", "sizes", "decades", "alpha", "A", "on / below")
    rows = []
    for arm, one in found.results.items():
        known: tuple[Caution | Refusal, ...] = one.refusals or (*found.cautions[arm], *_warnings(one))
        cells = [""] * len(names) if one.refusals else _cells(one)
        rows.append(TableRow((arm, *cells), notes_of(known)))
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    title = f"{law}: {request.level:.0%} intervals, in log space{filters}"
    yield Table(title, (*text_columns(", ".join(request.columns.by) or "arm"), *number_columns(*names)), tuple(rows))
    if request.form == "isoflop":
        yield _valleys_table(found)


def form_sentences(found: FormAnswer) -> Iterator[str]:
    """Why there is no number, and what to know: each code once, with the sentence of the first arm that it is about."""
    said = set()
    if isinstance(next(iter(found.results.values())), SharedFit):
        yield "p: the chance of so much worse a fit than with nothing shared, if what is shared is the same in fact."
    for arm, cautions in found.cautions.items():
        for one in cautions:
            if one.code not in said:
                yield f"{one.code}, {arm}: {one.reason}"
            said.add(one.code)
    for name, result in found.results.items():
        told_of: tuple[Caution | Refusal, ...] = (*result.refusals, *_warnings(result))
        for told in told_of:
            if told.code not in said:
                yield f"{told.code}, {name}: {told.reason}"
            said.add(told.code)
    for arm, failed in found.runs_failed.items():
        if failed:
            yield f"failed: {failed} {'run' if failed == 1 else 'runs'} of {arm}"


def _warnings(one: Result) -> tuple[Caution, ...]:
    return () if isinstance(one, SharedFit) else one.warnings


def _cells(one: Result) -> list[str]:
    match one:
        case Surface():
            exponents = [_estimate(each) for each in (one.alpha, one.beta, one.floor)]
            amplitudes = [number(one.a, 4), number(one.b, 4)]
            return [str(one.cells), *exponents, *amplitudes, _estimate(one.allocation), str(one.objective)]
        case Isoflop():
            budgets = f"{len(one.used)} of {len(one.valleys)}"
            power = _words(one.exponent, one.exponent_interval)
            return [budgets, number(one.decades, 2), power, number(one.coefficient), number(one.excess, 2)]
        case Frontier():
            alpha = _words(one.alpha, one.alpha_interval)
            counts = [str(one.runs), str(one.sizes), number(one.decades, 2)]
            return [*counts, alpha, number(one.amplitude), f"{one.on} / {one.below}"]
    raise TypeError(one)


def _valleys_table(found: FormAnswer) -> Table:
    """Every budget's minimum, also of those that are not in the law."""
    rows = []
    for arm, result in found.results.items():
        assert isinstance(result, Isoflop)
        for one in result.valleys:
            tried = f"{number(one.smallest)} to {number(one.largest)}"
            best = (number(one.x_best, 4), number(one.error, 2), number(one.y_best, 4))
            refusals = [one.refusal] if one.refusal else []
            rows.append(TableRow((arm, number(one.budget, 4), one.runs, tried, *best), notes_of(refusals)))
    x = found.request.x
    heads = number_columns(found.request.asked, "runs", f"tried {x}", f"best {x}", "error of ln", "least loss")
    return Table("minima", (*text_columns("arm"), *heads), tuple(rows))


def _shares_table(request: FormRequest, fits: list[SharedFit]) -> Table:
    rows = []
    for one in sorted(fits, key=lambda one: -one.parameters):
        cells = (one.share, one.parameters, one.dof, number(one.aicc), p_value(one.p))
        rows.append(TableRow(cells, notes_of(one.refusals)))
    title = f"{request.columns.y} = E + A {request.x}^-alpha in {len(fits[0].arms)} arms: what they share"
    return Table(title, (*text_columns("shared"), *number_columns("parameters", "dof", "AICc", "p")), tuple(rows))


def _shared_table(one: SharedFit) -> Table:
    numbers = {"α": one.alphas, "E": one.floors, f"needs, for each of {one.arms[0]}": one.multipliers}
    known = {head: found for head, found in numbers.items() if found}
    rows = [(arm, *(_estimate(found.get(arm)) for found in known.values())) for arm in one.arms]
    title = f"shared: {one.share}; {one.level:.0%} intervals"
    return table_of(title, (*text_columns("arm"), *number_columns(*known)), rows)


def _estimate(one: Estimate | None) -> str:
    return "1" if one is None else _words(one.value, one.interval)


def _words(value: float | None, interval: Interval | None) -> str:
    return NONE if value is None or interval is None else estimate(value, interval.low, interval.high)
