"""What `harness fit` prints of forms that are not a law of each arm by itself."""

from collections.abc import Iterator

from rich.table import Table

from harness.comparison.tables.forms import FormAnswer, FormRequest, Result
from harness.fit import Caution, Estimate, Interval, Refusal
from harness.fit.frontier import Frontier
from harness.fit.isoflop import Isoflop
from harness.fit.shared import SharedFit
from harness.fit.surface import Surface


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
    table = _table(f"{law}: {request.level:.0%} intervals, in log space", request, names)
    for arm, one in found.results.items():
        codes = "; ".join(caution.code for caution in (*found.cautions[arm], *_warnings(one)))
        cells = [""] * len(names) if one.refusals else _cells(one)
        table.add_row(arm, *cells, ", ".join(refusal.code for refusal in one.refusals) or codes)
    yield table
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
    for arm, failed in found.failed.items():
        if failed:
            yield f"failed: {failed} {'run' if failed == 1 else 'runs'} of {arm}"


def _warnings(one: Result) -> tuple[Caution, ...]:
    return () if isinstance(one, SharedFit) else one.warnings


def _table(title: str, request: FormRequest, names: tuple[str, ...]) -> Table:
    filters = f", where {' and '.join(request.where)}" if request.where else ""
    table = Table(title=title + filters, title_justify="left")
    table.add_column(", ".join(request.columns.by) or "arm", overflow="fold")
    for name in names:
        table.add_column(name, justify="right")
    table.add_column("notes", overflow="fold")
    return table


def _cells(one: Result) -> list[str]:
    match one:
        case Surface():
            numbers = [_estimate(each) for each in (one.alpha, one.beta, one.floor)]
            return [
                str(one.cells),
                *numbers,
                f"{one.a:.4g}",
                f"{one.b:.4g}",
                _estimate(one.allocation),
                str(one.objective),
            ]
        case Isoflop():
            budgets = f"{len(one.used)} of {len(one.valleys)}"
            excess = "-" if one.excess is None else f"{one.excess:.2g}"
            exponent = _words(one.exponent, one.exponent_interval)
            return [budgets, f"{one.decades:.2g}", exponent, f"{one.coefficient:.3g}", excess]
        case Frontier():
            alpha = _words(one.alpha, one.alpha_interval)
            counts = [str(one.runs), str(one.sizes), f"{one.decades:.2g}"]
            return [*counts, alpha, f"{one.amplitude:.3g}", f"{one.on} / {one.below}"]
    raise TypeError(one)


def _valleys_table(found: FormAnswer) -> Table:
    """Every budget's minimum, also of those that are not in the law."""
    table = Table(title="minima", title_justify="left")
    x = found.request.x
    for name in ("arm", found.request.asked, "runs", f"tried {x}", f"best {x}", "error of ln", "least loss", "notes"):
        table.add_column(name, justify="left" if name in ("arm", "notes") else "right", overflow="fold")
    for arm, result in found.results.items():
        assert isinstance(result, Isoflop)
        for one in result.valleys:
            best = ("-",) * 3
            if one.x_best is not None and one.y_best is not None and one.error is not None:
                best = (f"{one.x_best:.4g}", f"{one.error:.2g}", f"{one.y_best:.4g}")
            tried = f"{one.smallest:.3g} to {one.largest:.3g}"
            table.add_row(
                arm, f"{one.budget:.4g}", str(one.runs), tried, *best, one.refusal.code if one.refusal else ""
            )
    return table


def _shares_table(request: FormRequest, fits: list[SharedFit]) -> Table:
    title = f"{request.columns.y} = E + A {request.x}^-alpha in {len(fits[0].arms)} arms: what they share"
    table = Table(title=title, title_justify="left")
    for name in ("shared", "parameters", "dof", "AICc", "p"):
        table.add_column(name, justify="left" if name == "shared" else "right")
    table.add_column("notes", overflow="fold")
    for one in sorted(fits, key=lambda one: -one.parameters):
        numbers = ["-" if value is None else f"{value:.3g}" for value in (one.aicc, one.p)]
        codes = ", ".join(refusal.code for refusal in one.refusals)
        table.add_row(one.share, str(one.parameters), str(one.dof), *numbers, codes)
    return table


def _shared_table(one: SharedFit) -> Table:
    table = Table(title=f"shared: {one.share}; {one.level:.0%} intervals", title_justify="left")
    table.add_column("arm", overflow="fold")
    columns = {"alpha": one.alphas, "E": one.floors, f"needs, for each of {one.arms[0]}": one.multipliers}
    columns = {name: found for name, found in columns.items() if found}
    for name in columns:
        table.add_column(name, justify="right")
    for arm in one.arms:
        table.add_row(arm, *(_estimate(found.get(arm)) if found else "" for found in columns.values()))
    return table


def _estimate(one: Estimate | None) -> str:
    return "1" if one is None else _words(one.value, one.interval)


def _words(value: float | None, interval: Interval | None) -> str:
    if value is None or interval is None:
        return "-"
    high = "∞" if interval.high_open else f"{interval.high:.3g}"
    return f"{value:.3g} [{interval.low:.3g}, {high}]"
