"""What `harness compare --explain` adds of two arms: every ratio, and of laws also costs,
crossovers and exponents.
"""

import itertools
from collections.abc import Iterator, Sequence
from operator import attrgetter

import numpy as np

from harness import comparison
from harness.base.formats import estimate, number
from harness.base.reasons import Refusal
from harness.comparison.multiplier import is_within
from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.verdict import found_words
from harness.judging.versus import Headline, Lead
from harness.show.grouping import grouped
from harness.show.tables.headline import lead_words, loss_of, turn_words
from harness.show.tables.table import Table, TableRow, notes_of, table_of
from harness.show.words import estimate_words, interval_words

CROSSOVERS = {
    "none": "none",
    "bounded": "where neither is ahead",
    "half-open": "none can be claimed, as it is undecided to the end of the sizes that both have",
    "everything": "none can be claimed",
}


def ratios_table(headline: Headline) -> Table:
    """A row a task, axis and size: the ratio of losses, who is better, and the budget for equal
    losses.
    """
    first, second = headline.first.label, headline.second.label
    rows = []
    for reading in headline.readings:
        ratio, where = reading.ratio, (reading.task, reading.axis, reading.place)
        words = (
            found_words(ratio),
            lead_words(ratio, first, second),
            found_words(reading.multiplier),
        )
        rows.append((*where, number(ratio.at, 4), *words))
    budgets = f"#budget of {second} for the loss of {first}, over its"
    heads = ("task", "equal in", "place", "#size", f"#{second} / {first}", "better", budgets)
    over = "replicates" if headline.by == "replicates" else "laws"
    level = f"{100 * headline.level:.3g} % intervals over {over}"
    title = f"{loss_of(headline)} of {second} / {first} at equal size; {level}"
    table = table_of(title, heads, rows)
    return table if any(headline.tasks) else table.without("task")


def ratios_sentences(headline: Headline, absent: Sequence[str]) -> Iterator[str]:
    """Reasons of refusals, a line a reason with all tasks and axes that it is of; and what is not
    measured.
    """
    for what in ("ratio", "multiplier"):
        found_of = attrgetter(f"{what}.refused")
        for reason, readings in grouped(headline.readings, found_of).items():
            if reason:
                places = dict.fromkeys(
                    f"{reading.task} {reading.axis}".strip() for reading in readings
                )
                yield f"no {what}, {', '.join(places)}: {reason}"
    if absent:
        yield f"not measured: {', '.join(absent)}; `harness bench FILE` measures seconds"


def multiplier_table(compared: ComparedByLaws, axes: Sequence[str]) -> Table | None:
    """A row an axis of these and size of A: the multiplier, and below its trend; None of no
    axis.
    """
    first, second = compared.arms
    rows: list[TableRow] = []
    for pair in compared.sizes:
        if pair.axis not in axes:
            continue
        multiplier, where = pair.multiplier, (pair.task, pair.axis)
        notes = notes_of((*multiplier.refusals, *multiplier.warnings))
        for place in multiplier.sizes:
            times = estimate_words(place.multiplier)
            if place.extrapolated:
                was_run = is_within(place.size, pair.arms[0].points.sizes)
                times += f" (beyond the runs of {second})" if was_run else " (extrapolated)"
            rows.append(TableRow((*where, number(place.size), number(place.loss, 4), times)))
        if multiplier.trend:
            rows.append(
                TableRow((*where, "times, each decade", "", estimate_words(multiplier.trend)))
            )
        if not multiplier.sizes:
            rows.append(TableRow((*where, "", "", "")))
        rows[-1] = rows[-1]._replace(notes=notes)
    if not rows:
        return None
    pairs = [pair for pair in compared.sizes if pair.axis in axes]
    shared = dict.fromkeys(
        f"floor {pair.multiplier.floor}, exponents {pair.multiplier.alpha}" for pair in pairs
    )
    level = f"{100 * compared.headline.level:.3g}% intervals"
    needs = (
        f"the {' or '.join(dict.fromkeys(pair.axis for pair in pairs))} of {first} {second} "
        "needs for its loss"
    )
    title = f"multiplier: how many times {needs}; {level}; {', '.join(shared)}"
    heads = ("task", "size x", f"#of {first}", f"#{pairs[0].arms[0].metric}", "#multiplier")
    table = table_of(title, heads, rows)
    return table if any(pair.task for pair in pairs) else table.without("task")


def multiplier_sentence(pair: Comparison) -> str:
    """The multiplier at the largest size that A has, and its trend."""
    (first, second), multiplier = (arm.series for arm in pair.arms), pair.multiplier
    if not multiplier.sizes:
        return f"no multiplier by {_on(pair)}: {' '.join(map(str, multiplier.refusals))}"
    largest = pair.arms[0].points.sizes[-1] * (1 + 1e-9)
    place = max(
        (place for place in multiplier.sizes if place.size <= largest), key=lambda place: place.size
    )
    where, times = f"{_on(pair)} {number(place.size)}", estimate_words(place.multiplier)
    trend = (
        f"; each further decade multiplies this by {estimate_words(multiplier.trend)}"
        if multiplier.trend
        else ""
    )
    return f"For the loss of {first} at {where}, {second} needs {times} times that{trend}."


def compare_tables(compared: ComparedByLaws) -> Iterator[Table]:
    """For every column of sizes the cost ratio at the losses that are told; then what else differs
    between the arms.
    """
    for pair in compared.sizes:
        if pair.cost.losses is not None:
            yield _cost_table(compared, pair)
    yield _rest_table(compared)


def compare_sentences(compared: ComparedByLaws) -> Iterator[str]:
    """Crossovers, failures and cautions in words, and the verdict last."""
    for pair in compared.sizes:
        leads = [
            lead
            for lead in compared.headline.leads
            if (lead.task, lead.axis) == (pair.task, pair.axis)
        ]
        yield f"crossover by {_on(pair)}: {crossover_words(pair.crossover, leads, compared.arms)}"
    arms = compared.sizes[0].arms
    failed = [f"{arm.runs_failed} of {len(arm.table)} runs of {arm.series}" for arm in arms]
    if any(arm.runs_failed for arm in arms):
        yield f"failed: {' and '.join(failed)}"
    yield from compared.headline.cautions
    for verdict in compared.verdicts:
        yield f"verdict: {comparison.sentence(verdict)}"


def crossover_words(
    crossover: comparison.Crossover, leads: Sequence[Lead], arms: tuple[str, str]
) -> str:
    """The set of sizes at which the curves may be equal, in a sentence; never a bare point."""
    if crossover.kind is None:
        return f"{_codes(crossover.refusals)}: none can be looked for"
    point = f" (the curves cross at {number(crossover.estimate, 4)})" if crossover.estimate else ""
    each = f"{100 * crossover.level:.3g}% of each size by itself, not of all together"
    return f"{CROSSOVERS[crossover.kind]}{point}; {turn_words(leads, arms)} ({each})"


def _on(pair: Comparison) -> str:
    """The axis of a comparison, and its task where there are tasks."""
    return f"{pair.axis} on {pair.task}" if pair.task else pair.axis


def _cost_table(compared: ComparedByLaws, pair: Comparison) -> Table:
    cost = pair.cost
    first, second = compared.arms
    rows = []
    columns = (cost.losses, cost.estimate, cost.low, cost.high, cost.extrapolated)
    for loss, ratio, low, high, is_extrapolated in zip(*map(np.asarray, columns), strict=True):
        cheaper = first if low > 1 else second if high < 1 else "not decided"
        by_law = estimate(ratio, low, high) + (" (extrapolated)" if is_extrapolated else "")
        rows.append((number(loss), by_law, cheaper))
    metric = pair.arms[0].metric
    level = f"{100 * cost.level:.3g}% intervals"
    title = f"{_on(pair)} of {second} / {first} at equal {metric}: {pair.law} law of both, {level}"
    return table_of(title, (f"#{metric}", f"#{second} / {first}", "cheaper"), rows)


def _rest_table(compared: ComparedByLaws) -> Table:
    """A row a comparison, a column a column of sizes."""
    first, second = compared.arms
    cells = [_rest(pair, first, second) for pair in compared.sizes]
    rows = []
    for name in dict.fromkeys(itertools.chain.from_iterable(cells)):
        rows.append([name, *(of_pair.get(name, "") for of_pair in cells)])
    return table_of(
        f"{first} and {second}", ("", *(f"#by {_on(pair)}" for pair in compared.sizes)), rows
    )


def _rest(pair: Comparison, first: str, second: str) -> dict[str, str]:
    rows = {}
    for law, difference in pair.exponents.items():
        name = f"exponent of {first} less that of {second}, {law} law"
        rows[name] = interval_words(difference.estimate, difference.interval) or _codes(
            difference.refusals
        )
    if ratio := pair.ratio:
        words = f"{interval_words(ratio.estimate, ratio.interval)} in {ratio.cells} bins"
        rows[f"loss of {second} / {first}, medians of bins"] = words
    if dominance := pair.dominance:
        counted = int(np.sum(np.isfinite(dominance.ratio)))
        surely = round(dominance.at_least * counted), round(dominance.at_most * counted)
        rows[f"bins where {first} is better"] = (
            f"{round(dominance.share * counted)} of {counted} ({surely[0]} to {surely[1]} given "
            "the noise)"
        )
    return rows


def _codes(refusals: Sequence[Refusal]) -> str:
    return ", ".join(dict.fromkeys(refusal.code for refusal in refusals))


def verdict_words(compared: ComparedByLaws) -> Iterator[str]:
    """Each claim with its verdict; of one that is refuted also who is better."""
    for verdict in compared.verdicts:
        better = (
            f": {compared.arms[1]} is the better one" if verdict.conclusion == "refuted" else ""
        )
        yield f"“{verdict.claim}” is {verdict.conclusion}{better}."
