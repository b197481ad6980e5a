"""What `harness compare --explain` adds of two arms: every ratio, and of laws also costs, crossovers and exponents."""

from collections.abc import Iterator, Sequence

import numpy as np

from harness import comparison
from harness.base.formats import estimate, number
from harness.base.reasons import Refusal
from harness.comparison.multiplier import is_within
from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.versus import Headline, Lead
from harness.judging.words import found_words
from harness.laws import Estimate
from harness.show.grouping import grouped
from harness.show.tables.headline import lead_words, loss_of, turn_words
from harness.show.tables.table import Table, TableCell, TableRow, notes_of, number_columns, table_of, text_columns

CROSSOVERS = {
    "none": "none",
    "bounded": "where neither is ahead",
    "half-open": "none can be claimed, as it is undecided to the end of the sizes that both have",
    "everything": "none can be claimed",
}
AGGREGATES = {"median": "medians", "mean_log": "geometric means", "best": "expected best of k"}


def ratios_table(found: Headline) -> Table:
    """A row a task, axis and size: the ratio of losses, who is better, and the budget for equal losses."""
    first, second = found.first.label, found.second.label
    rows = []
    for reading in found.readings:
        ratio, where = reading.ratio, (reading.task, reading.axis, reading.place)
        told = found_words(ratio), lead_words(ratio, first, second), found_words(reading.multiplier)
        rows.append((*where, number(ratio.at, 4), *told))
    columns = (
        *text_columns("task", "equal in", "place"),
        *number_columns("size", f"{second} / {first}"),
        *text_columns("better"),
        *number_columns(f"budget of {second} for the loss of {first}, over its"),
    )
    over = "replicates" if found.by == "replicates" else "laws"
    title = f"{loss_of(found)} of {second} / {first} at equal size; {100 * found.level:.3g} % intervals over {over}"
    table = table_of(title, columns, rows)
    return table if any(found.tasks) else table.without("task")


def ratios_sentences(found: Headline, absent: Sequence[str]) -> Iterator[str]:
    """Reasons of refusals, a line a reason with all tasks and axes that it is of; and what is not measured."""
    for what in ("ratio", "multiplier"):
        for reason, readings in grouped(found.readings, lambda reading: getattr(reading, what).refused).items():  # noqa: B023
            if reason:
                places = dict.fromkeys(f"{reading.task} {reading.axis}".strip() for reading in readings)
                yield f"no {what}, {', '.join(places)}: {reason}"
    if absent:
        yield f"not measured: {', '.join(absent)}; `harness bench FILE` measures seconds"


def multiplier_table(compared: ComparedByLaws, axes: Sequence[str]) -> Table | None:
    """A row an axis of these and size of A: the multiplier, and below its trend; None of no axis."""
    first, second = compared.arms
    rows: list[TableRow] = []
    for pair in compared.sizes:
        if pair.axis not in axes:
            continue
        found, where = pair.multiplier, (pair.task, pair.axis)
        notes = notes_of((*found.refusals, *found.warnings))
        for place in found.sizes:
            told = _words(place.multiplier)
            if place.extrapolated:
                was_run = is_within(place.size, pair.arms[0].points.sizes)
                told += f" (beyond the runs of {second})" if was_run else " (extrapolated)"
            rows.append(TableRow((*where, number(place.size), number(place.loss, 4), told)))
        if found.trend:
            rows.append(TableRow((*where, "times, each decade", "", _words(found.trend))))
        if not found.sizes:
            rows.append(TableRow((*where, "", "", "")))
        rows[-1] = rows[-1]._replace(notes=notes)
    if not rows:
        return None
    pairs = [pair for pair in compared.sizes if pair.axis in axes]
    shared = dict.fromkeys(f"floor {pair.multiplier.floor}, exponents {pair.multiplier.alpha}" for pair in pairs)
    level = f"{compared.headline.level:.0%} intervals"
    needs = f"the {' or '.join(dict.fromkeys(pair.axis for pair in pairs))} of {first} {second} needs for its loss"
    title = f"multiplier: how many times {needs}; {level}; {', '.join(shared)}"
    heads = number_columns(f"of {first}", pairs[0].arms[0].metric, "multiplier")
    table = Table(title, (*text_columns("task", "size x"), *heads), tuple(rows))
    return table if any(pair.task for pair in pairs) else table.without("task")


def multiplier_sentence(pair: Comparison) -> str:
    """The multiplier at the largest size that A has, and its trend."""
    (first, second), found = (arm.series for arm in pair.arms), pair.multiplier
    if not found.sizes:
        return f"no multiplier by {_on(pair)}: {' '.join(map(str, found.refusals))}"
    largest = pair.arms[0].points.sizes[-1] * (1 + 1e-9)
    place = max((place for place in found.sizes if place.size <= largest), key=lambda place: place.size)
    where, times = f"{_on(pair)} {number(place.size)}", _words(place.multiplier)
    said = f"For the loss of {first} at {where}, {second} needs {times} times"
    grows = f", and {_words(found.trend)} times that in each decade more" if found.trend else ""
    return f"{said} that{grows}."


def _words(found: Estimate) -> str:
    return estimate(found.value, found.interval.low, found.interval.high)


def compare_tables(compared: ComparedByLaws) -> Iterator[Table]:
    """For every column of sizes the cost ratio at the losses that are told; then what else differs between the arms."""
    for pair in compared.sizes:
        if pair.cost.losses is not None:
            yield _cost_table(compared, pair)
    yield _rest_table(compared)


def compare_sentences(compared: ComparedByLaws) -> Iterator[str]:
    """Crossovers, failures and cautions in words, and the verdict last."""
    for pair in compared.sizes:
        leads = [lead for lead in compared.headline.leads if (lead.task, lead.axis) == (pair.task, pair.axis)]
        yield f"crossover by {_on(pair)}: {crossover_words(pair.crossover, leads, compared.arms)}"
    arms = compared.sizes[0].arms
    failed = [f"{arm.runs_failed} of {len(arm.table)} runs of {arm.series}" for arm in arms]
    if any(arm.runs_failed for arm in arms):
        yield f"failed: {' and '.join(failed)}"
    yield from compared.headline.cautions
    for verdict in compared.verdicts:
        yield f"verdict: {comparison.sentence(verdict)}"


def crossover_words(found: comparison.Crossover, leads: Sequence[Lead], arms: tuple[str, str]) -> str:
    """The set of sizes at which the curves may be equal, in a sentence; never a bare point."""
    if found.kind is None:
        return f"{_codes(found.refusals)}: none can be looked for"
    point = f" (the curves cross at {number(found.estimate, 4)})" if found.estimate else ""
    each = f"{found.level:.0%} of each size by itself, not of all together"
    return f"{CROSSOVERS[found.kind]}{point}; {turn_words(leads, arms)} ({each})"


def _on(pair: Comparison) -> str:
    """The axis of a comparison, and its task where there are tasks."""
    return f"{pair.axis} on {pair.task}" if pair.task else pair.axis


def _cost_table(compared: ComparedByLaws, pair: Comparison) -> Table:
    cost, twin = pair.cost, pair.twin
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
    metric = pair.arms[0].metric
    title = f"{_on(pair)} of {second} / {first} at equal {metric}: {pair.law} law of both, {cost.level:.0%} intervals"
    columns = (*number_columns(metric, f"{second} / {first}", "read without a law"), *text_columns("cheaper"))
    return table_of(title, columns, rows)


def _rest_table(compared: ComparedByLaws) -> Table:
    """A row a comparison, a column a column of sizes."""
    first, second = compared.arms
    rows: dict[str, list[TableCell]] = {}
    for place, pair in enumerate(compared.sizes):
        for name, words in _rest(pair, first, second).items():
            rows.setdefault(name, [name, *[""] * len(compared.sizes)])[1 + place] = words
    columns = (*text_columns(""), *number_columns(*(f"by {_on(pair)}" for pair in compared.sizes)))
    return table_of(f"{first} and {second}", columns, rows.values())


def _rest(pair: Comparison, first: str, second: str) -> dict[str, str]:
    rows = {}
    for law, difference in pair.exponents.items():
        told = _codes(difference.refusals)
        if difference.estimate is not None and difference.interval is not None:
            told = estimate(difference.estimate, difference.interval.low, difference.interval.high)
        rows[f"exponent of {first} less that of {second}, {law} law"] = told
    if ratio := pair.ratio:
        ks = f", k {min(ratio.k)} to {max(ratio.k)}" if ratio.k else ""
        told = f"{estimate(ratio.estimate, ratio.interval.low, ratio.interval.high)} in {ratio.cells} bins{ks}"
        rows[f"loss of {second} / {first}, {AGGREGATES[ratio.how]} of bins"] = told
    if dominance := pair.dominance:
        counted = int(np.sum(np.isfinite(dominance.ratio)))
        surely = round(dominance.at_least * counted), round(dominance.at_most * counted)
        rows[f"bins where {first} is better"] = (
            f"{round(dominance.share * counted)} of {counted} ({surely[0]} to {surely[1]} given the noise)"
        )
    return rows


def _codes(refusals: Sequence[Refusal]) -> str:
    return ", ".join(dict.fromkeys(refusal.code for refusal in refusals))
