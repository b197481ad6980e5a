"""What `harness compare` prints: ratios, crossovers in words, and the verdict."""

from collections.abc import Iterator

import numpy as np
from rich.table import Table

from harness import comparison
from harness.comparison.tables.comparison import Compared, Comparison
from harness.fit import Caution, Refusal
from harness.fit.result import Interval


def compare_tables(compared: Compared) -> Iterator[Table]:
    """For every column of sizes the cost ratio at the losses that are told; then what else differs between the arms."""
    for one in compared.by_size:
        if one.cost.losses is not None:
            yield _cost_table(compared, one)
    yield _rest_table(compared)


def compare_sentences(compared: Compared) -> Iterator[str]:
    """Crossovers, failures and cautions in words, and the verdict last."""
    first, second = compared.arms
    for one in compared.by_size:
        yield f"crossover by {one.x_name}: {crossover_words(one.crossover, first, second)}"
    yield from _failed(compared)
    for code, place, reason in _said(compared):
        yield f"{code}, {place}: {reason}"
    for verdict in compared.verdicts:
        yield f"verdict: {comparison.sentence(verdict)}"


def crossover_words(found: comparison.Crossover, first: str, second: str) -> str:
    """The set of sizes at which the curves may be equal, in a sentence; never a bare point."""
    if found.searched is None:
        return f"{', '.join(dict.fromkeys(refusal.code for refusal in found.refusals))}: none can be looked for"
    names = {"first": first, "second": second}
    low, high = found.searched
    within = f"the sizes that both have, {low:.4g} to {high:.4g}"
    stretches_ahead = [f"{names[one.arm]} is ahead from {one.low:.4g} to {one.high:.4g}" for one in found.ahead]
    ahead = f"{', '.join(stretches_ahead)} ({found.level:.0%} of each size by itself, not of all together)"
    match found.kind:
        case "none":
            return f"none: {names[found.ahead[0].arm]} is ahead at all of {within}"
        case "everything":
            return f"no crossover can be claimed: nowhere in {within}, is one of them ahead beyond doubt"
        case "bounded":
            point = f" (the curves cross at {found.estimate:.4g})" if found.estimate else ""
            stretches = " and ".join(f"between {one[0]:.4g} and {one[1]:.4g}" for one in found.equal)
            return f"{stretches}{point}; {ahead}"
    stretches = " and ".join(_stretch_words(one, low, high) for one in found.equal)
    return f"no crossover can be claimed: the curves may be equal {stretches}; {ahead}"


def ratio_words(estimate: float, low: float, high: float) -> str:
    """`3.2 [1.1, 9]`; an end that the data do not bound is ∞ or 0."""
    return f"{_number(estimate)} [{_number(low)}, {_number(high)}]"


def _number(value: float) -> str:
    return "-" if np.isnan(value) else "∞" if np.isinf(value) else f"{value:.3g}"


def _stretch_words(stretch: tuple[float, float], low: float, high: float) -> str:
    if stretch[1] >= high:
        return f"from {stretch[0]:.4g} on"
    return f"up to {stretch[1]:.4g}" if stretch[0] <= low else f"between {stretch[0]:.4g} and {stretch[1]:.4g}"


def _cost_table(compared: Compared, one: Comparison) -> Table:
    cost, twin = one.cost, one.twin
    assert cost.losses is not None
    assert cost.estimate is not None
    assert cost.low is not None
    assert cost.high is not None
    assert cost.extrapolated is not None
    assert twin is not None
    first, second = compared.arms
    request = compared.found.request
    law = f"{one.law} law of both, {request.level:.0%} intervals"
    table = Table(title=f"{one.x_name} of {second} / {first} at equal {request.columns.y}: {law}", title_justify="left")
    table.add_column(request.columns.y, justify="right")
    table.add_column(f"{second} / {first}", justify="right")
    table.add_column("read without a law", justify="right")
    table.add_column("cheaper")
    for i, loss in enumerate(cost.losses):
        winner = first if cost.low[i] > 1 else second if cost.high[i] < 1 else "not decided"
        beyond = " (extrapolated)" if cost.extrapolated[i] else ""
        table.add_row(
            f"{loss:.3g}",
            ratio_words(cost.estimate[i], cost.low[i], cost.high[i]) + beyond,
            ratio_words(twin.estimate[i], twin.low[i], twin.high[i]),
            winner,
        )
    return table


def _rest_table(compared: Compared) -> Table:
    """A row a comparison, a column a column of sizes."""
    first, second = compared.arms
    table = Table(title=f"{first} and {second}", title_justify="left")
    table.add_column("")
    for one in compared.by_size:
        table.add_column(f"by {one.x_name}", justify="right")
    columns = [_rest(one, first, second) for one in compared.by_size]
    for name in columns[0]:
        table.add_row(name, *(column[name] for column in columns))
    return table


def _rest(one: Comparison, first: str, second: str) -> dict[str, str]:
    rows = {}
    for law, difference in one.exponents.items():
        words = _estimate(difference.estimate, difference.interval) or _codes(difference.refusals)
        rows[f"exponent of {first} less that of {second}, {law} law"] = words
    loss = one.loss
    ends = ("smallest", "largest")
    for place, name in zip((0, -1), ends, strict=True):
        words = _codes(loss.refusals)
        if loss.estimate is not None and loss.low is not None and loss.high is not None and loss.sizes is not None:
            words = f"{ratio_words(loss.estimate[place], loss.low[place], loss.high[place])} at {loss.sizes[place]:.4g}"
        rows[f"loss of {second} / {first}, {name} shared size"] = words
    how = {"median": "medians", "mean_log": "geometric means", "best": "expected best of k"}
    ratio, dominance = one.ratio, one.dominance
    if ratio:
        ks = f", k {min(ratio.k)} to {max(ratio.k)}" if ratio.k else ""
        words = f"{ratio_words(ratio.estimate, ratio.interval.low, ratio.interval.high)} in {ratio.cells} bins{ks}"
        rows[f"loss of {second} / {first}, {how[ratio.how]} of bins"] = words
    if dominance:
        counted = int(np.sum(np.isfinite(dominance.ratio)))
        surely = round(dominance.at_least * counted), round(dominance.at_most * counted)
        rows[f"bins where {first} is better"] = (
            f"{round(dominance.share * counted)} of {counted} ({surely[0]} to {surely[1]} given the noise)"
        )
    return rows


def _estimate(value: float | None, interval: Interval | None) -> str:
    return ratio_words(value, interval.low, interval.high) if value is not None and interval else ""


def _codes(refusals: tuple[Refusal, ...] | tuple[comparison.Refusal, ...]) -> str:
    return ", ".join(refusal.code for refusal in refusals)


def _failed(compared: Compared) -> Iterator[str]:
    one = compared.by_size[0]
    if any(arm.failed for arm in (one.first, one.second)):
        told = [f"{arm.failed} of {arm.failed + arm.x.size} runs of {arm.arm}" for arm in (one.first, one.second)]
        yield f"failed: {' and '.join(told)}"


def _said(compared: Compared) -> Iterator[tuple[str, str, str]]:
    """(code, what it is about, sentence): each code once for the comparisons, and once for an arm."""
    said = set()
    for one in compared.by_size:
        own: tuple[Caution | comparison.Refusal, ...] = (*one.curve.refusals, *one.cautions)
        told = [(f"by {one.x_name}", caution) for caution in own]
        for arm in (one.first, one.second):
            of_arm = (*arm.cautions, *arm.fits[one.law].warnings)
            told += [(arm.arm, caution) for caution in of_arm if caution.code != "CENSORED"]  # said of both arms above
        for place, caution in told:
            if (caution.code, place) not in said:
                yield caution.code, place, _named(caution.reason, *compared.arms)
            said.add((caution.code, place))


def _named(reason: str, first: str, second: str) -> str:
    """A sentence of harness.comparison, which knows the arms by their order alone."""
    for arm, name in (("first", first), ("second", second)):
        reason = reason.replace(f"the {arm} arm", name).replace(f"of the {arm}", f"of {name}")
    return reason
