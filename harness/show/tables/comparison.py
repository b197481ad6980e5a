"""What `harness compare` prints of two arms, of an experiment or of a table of runs: ratios, crossovers, verdicts."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness import comparison
from harness.base.formats import estimate, number
from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.found import Found
from harness.judging.headline import Headline, Reading
from harness.judging.versus import VersusRequest, better
from harness.judging.words import found_words
from harness.laws import Caution, Refusal
from harness.show.tables.headline import COLUMNS, console_row, lead_cell, short_names, wrapped
from harness.show.tables.table import Table, number_columns, table_of, text_columns
from harness.show.words import metric_words
from harness.spec import axis_short

LOSS_PLACES = {"smallest": 0, "middle": 1, "largest": -1}


def compare_lines(compared: ComparedByLaws) -> list[str]:
    """Who is better at equal size, who is cheaper at equal loss, and what to be careful of, in lines for a terminal."""
    names, legend = short_names(*compared.arms)
    title = f"Whose {metric_words([compared.metric])} is lower, how many times?"
    lines = wrapped(f"{title} ({100 * compared.level:.3g} % intervals; ?: undecided)")
    lines += legend
    for task in dict.fromkeys(one.task for one in compared.sizes):
        shown = [one for one in compared.sizes if one.task == task][:COLUMNS]
        lines += wrapped(f"On {task}:") if task else []
        lines.append(console_row("at equal:", [axis_short(one.axis) for one in shown]))
        for place, index in LOSS_PLACES.items():
            lines.append(console_row(f"{place} size", [lead_cell(_loss_at(one.loss, index), *names) for one in shown]))
    for one in compared.sizes:
        called = {"first": names[0], "second": names[1]}
        stretches = [f"{called[own.arm]} ahead {_range(own)}" for own in one.crossover.ahead]
        lines += wrapped(f"By {_on(one)}: {', '.join(stretches) or 'nowhere is one ahead beyond doubt'}.")
    for verdict in compared.judged:
        lines += wrapped(f"Verdict: “{verdict.claim}” is {verdict.conclusion}.")
    if cautions := list(_said(compared)):
        _, place, reason = cautions[0]
        others = len(cautions) - 1
        more = f" ({others} more caution{'s' if others > 1 else ''}: --explain)" if others else ""
        lines += wrapped(f"Careful, {place}: {reason.split('. ')[0].removesuffix('.')}.{more}")
    return lines


def _on(one: Comparison) -> str:
    """The axis of a comparison, and its task where there are tasks."""
    return f"{one.axis} on {one.task}" if one.task else one.axis


def _range(stretch: comparison.Ahead) -> str:
    return f"from {_size(stretch.low)} to {_size(stretch.high)}"


def _loss_at(loss: comparison.LossRatio, index: int) -> Found:
    """The ratio of the laws' losses at one of the sizes that both have; `index` counts from the smallest."""
    if loss.sizes is None or loss.estimate is None or loss.low is None or loss.high is None:
        return Found(refusals=loss.refusals)
    place = len(loss.sizes) // 2 if index == 1 else index
    estimate, low, high = (float(values[place]) for values in (loss.estimate, loss.low, loss.high))
    return Found(estimate, low, high, at=float(loss.sizes[place]))


def compare_tables(compared: ComparedByLaws) -> Iterator[Table]:
    """For every column of sizes the cost ratio at the losses that are told; then what else differs between the arms."""
    for one in compared.sizes:
        if one.cost.losses is not None:
            yield _cost_table(compared, one)
    yield _rest_table(compared)


def compare_sentences(compared: ComparedByLaws) -> Iterator[str]:
    """Crossovers, failures and cautions in words, and the verdict last."""
    first, second = compared.arms
    for one in compared.sizes:
        yield f"crossover by {_on(one)}: {crossover_words(one.crossover, first, second)}"
    yield from _failed(compared)
    for code, place, reason in _said(compared):
        yield f"{code}, {place}: {reason}"
    for verdict in compared.judged:
        yield f"verdict: {comparison.sentence(verdict)}"


def crossover_words(found: comparison.Crossover, first: str, second: str) -> str:
    """The set of sizes at which the curves may be equal, in a sentence; never a bare point."""
    if found.searched is None:
        return f"{', '.join(dict.fromkeys(refusal.code for refusal in found.refusals))}: none can be looked for"
    names = {"first": first, "second": second}
    low, high = found.searched
    within = f"the sizes that both have, {_size(low)} to {_size(high)}"
    stretches_ahead = [f"{names[one.arm]} is ahead from {_size(one.low)} to {_size(one.high)}" for one in found.ahead]
    ahead = f"{', '.join(stretches_ahead)} ({found.level:.0%} of each size by itself, not of all together)"
    match found.kind:
        case "none":
            return f"none: {names[found.ahead[0].arm]} is ahead at all of {within}"
        case "everything":
            return f"no crossover can be claimed: nowhere in {within}, is one of them ahead beyond doubt"
        case "bounded":
            point = f" (the curves cross at {_size(found.estimate)})" if found.estimate else ""
            stretches = " and ".join(f"between {_size(one[0])} and {_size(one[1])}" for one in found.equal)
            return f"{stretches}{point}; {ahead}"
    stretches = " and ".join(_stretch_words(one, low, high) for one in found.equal)
    return f"no crossover can be claimed: the curves may be equal {stretches}; {ahead}"


def _stretch_words(stretch: tuple[float, float], low: float, high: float) -> str:
    if stretch[1] >= high:
        return f"from {_size(stretch[0])} on"
    if stretch[0] <= low:
        return f"up to {_size(stretch[1])}"
    return f"between {_size(stretch[0])} and {_size(stretch[1])}"


def _size(value: float) -> str:
    return number(value, 4)


def _cost_table(compared: ComparedByLaws, one: Comparison) -> Table:
    cost, twin = one.cost, one.twin
    assert cost.losses is not None
    assert cost.estimate is not None
    assert cost.low is not None
    assert cost.high is not None
    assert cost.extrapolated is not None
    assert twin is not None
    first, second = compared.arms
    rows = []
    for i, loss in enumerate(cost.losses):
        cheaper = first if cost.low[i] > 1 else second if cost.high[i] < 1 else "not decided"
        by_law = estimate(cost.estimate[i], cost.low[i], cost.high[i])
        if cost.extrapolated[i]:
            by_law += " (extrapolated)"
        rows.append((number(loss), by_law, estimate(twin.estimate[i], twin.low[i], twin.high[i]), cheaper))
    law = f"{one.law} law of both, {compared.level:.0%} intervals"
    title = f"{_on(one)} of {second} / {first} at equal {compared.metric}: {law}"
    columns = (
        *number_columns(compared.metric, f"{second} / {first}", "read without a law"),
        *text_columns("cheaper"),
    )
    return table_of(title, columns, rows)


def _rest_table(compared: ComparedByLaws) -> Table:
    """A row a comparison, a column a column of sizes."""
    first, second = compared.arms
    told = [_rest(one, first, second) for one in compared.sizes]
    rows = [(name, *(column[name] for column in told)) for name in told[0]]
    columns = (*text_columns(""), *number_columns(*(f"by {_on(one)}" for one in compared.sizes)))
    return table_of(f"{first} and {second}", columns, rows)


def _rest(one: Comparison, first: str, second: str) -> dict[str, str]:
    rows = {}
    for law, difference in one.exponents.items():
        told = _codes(difference.refusals)
        if difference.estimate is not None and difference.interval is not None:
            told = estimate(difference.estimate, difference.interval.low, difference.interval.high)
        rows[f"exponent of {first} less that of {second}, {law} law"] = told
    loss = one.loss
    for place, name in ((0, "smallest"), (-1, "largest")):
        told = _codes(loss.refusals)
        if loss.estimate is not None and loss.low is not None and loss.high is not None and loss.sizes is not None:
            told = f"{estimate(loss.estimate[place], loss.low[place], loss.high[place])} at {_size(loss.sizes[place])}"
        rows[f"loss of {second} / {first}, {name} shared size"] = told
    how = {"median": "medians", "mean_log": "geometric means", "best": "expected best of k"}
    ratio, dominance = one.ratio, one.dominance
    if ratio:
        ks = f", k {min(ratio.k)} to {max(ratio.k)}" if ratio.k else ""
        told = f"{estimate(ratio.estimate, ratio.interval.low, ratio.interval.high)} in {ratio.cells} bins{ks}"
        rows[f"loss of {second} / {first}, {how[ratio.how]} of bins"] = told
    if dominance:
        counted = int(np.sum(np.isfinite(dominance.ratio)))
        surely = round(dominance.at_least * counted), round(dominance.at_most * counted)
        rows[f"bins where {first} is better"] = (
            f"{round(dominance.share * counted)} of {counted} ({surely[0]} to {surely[1]} given the noise)"
        )
    return rows


def _codes(refusals: tuple[Refusal, ...] | tuple[comparison.Refusal, ...]) -> str:
    return ", ".join(refusal.code for refusal in refusals)


def _failed(compared: ComparedByLaws) -> Iterator[str]:
    one = compared.sizes[0]
    if any(arm.runs_failed for arm in one.arms):
        told = [f"{arm.runs_failed} of {len(arm.table)} runs of {arm.series}" for arm in one.arms]
        yield f"failed: {' and '.join(told)}"


def _said(compared: ComparedByLaws) -> Iterator[tuple[str, str, str]]:
    """(code, what it is about, sentence): each code once for the comparisons, and once for an arm."""
    said = set()
    for one in compared.sizes:
        own: tuple[Caution | comparison.Refusal, ...] = (*one.curve.refusals, *one.cautions)
        told = [(f"by {_on(one)}", caution) for caution in own]
        for arm in one.arms:
            chosen = arm.selection.cautions if arm.selection else ()
            of_arm = (*arm.cautions, *chosen, *arm.fits[one.law].warnings)
            told += [
                (arm.series, caution) for caution in of_arm if caution.code != "CENSORED"
            ]  # said of both arms above
        for place, caution in told:
            if (caution.code, place) not in said:
                yield caution.code, place, _named(caution.reason, *compared.arms)
            said.add((caution.code, place))


def _named(reason: str, first: str, second: str) -> str:
    """A sentence of harness.comparison, which knows the arms by their order alone."""
    for arm, name in (("first", first), ("second", second)):
        reason = reason.replace(f"the {arm} arm", name).replace(f"of the {arm}", f"of {name}")
    return reason


# -------------------------------------------------------------------------------------------------- of an experiment
def versus_table(found: Headline, asked: VersusRequest) -> Table:
    """A row a task and axis: where it was read, the ratio of losses, who is better, and the budget for equal losses."""
    first, second = asked.first, asked.second
    rows = []
    for one in _largest(found):
        size, ratio = number(one.ratio.at, 4), found_words(one.ratio)
        ahead = better(one.ratio, first, second)
        rows.append((one.task, one.axis, size, ratio, ahead, found_words(one.multiplier)))
    columns = (
        *text_columns("task", "equal in"),
        *number_columns("budget", f"test loss {second} / {first}"),
        *text_columns("better"),
        *number_columns(f"budget of {second} for the loss of {first}, over its"),
    )
    budget = "at the largest common budget" if asked.at is None else f"where {first} has {asked.axis} {asked.at:,.6g}"
    intervals = f"{100 * asked.level:.3g} % intervals over replicates"
    title = f"test loss of {second} / {first} at equal budgets, {budget}; {intervals}"
    return table_of(title, columns, rows)


def _largest(found: Headline) -> list[Reading]:
    """The readings at the largest common size, or at the one that was asked for."""
    return [one for one in found.readings if one.place == found.places[-1]]


def versus_sentences(found: Headline, absent: Sequence[str]) -> Iterator[str]:
    """Reasons of refusals, a line a reason with all tasks and axes that it is of; and what is not measured."""
    for what in ("ratio", "multiplier"):
        places: dict[str, list[str]] = {}
        for one in _largest(found):
            if reason := getattr(one, what).refused:
                places.setdefault(reason, []).append(f"{one.task} {one.axis}")
        for reason, own in places.items():
            yield f"no {what}, {', '.join(own)}: {reason}"
    if absent:
        yield f"not measured: {', '.join(absent)}; `harness bench FILE` measures seconds"
