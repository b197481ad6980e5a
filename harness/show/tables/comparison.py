"""What `harness compare` prints: with --explain every ratio of two sides, and of laws how much more
the second arm needs.
"""

import math
from collections.abc import Iterator, Sequence
from operator import attrgetter

from harness import comparison
from harness.base.formats import number
from harness.comparison.multiplier import is_within
from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.verdict import found_words
from harness.judging.versus import Headline
from harness.laws import Estimate
from harness.show.grouping import grouped
from harness.show.tables.headline import lead_words
from harness.show.tables.table import Note, Table, TableRow, notes_of, table_of
from harness.show.words import estimate_words, loss_word


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
    level = f"{100 * headline.level:.3g} % intervals over replicates"
    title = f"{loss_word(headline.metric)} of {second} / {first} at equal size; {level}"
    return table_of(title, heads, rows)


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


def laws_tables(compared: ComparedByLaws) -> list[Table]:
    """The multipliers, a row an axis and size of A, and below them the trend; then where there are
    none the ratios at equal sizes.
    """
    by_law = [pair for pair in compared.sizes if not pair.equal_sizes]
    tables = [_multiplier_table(compared, by_law)] if by_law else []
    without_law = [pair for pair in compared.sizes if pair.equal_sizes]
    tables += [_ratios_table(compared, without_law)] if without_law else []
    return tables


def _multiplier_table(compared: ComparedByLaws, pairs: Sequence[Comparison]) -> Table:
    first, second = compared.arms
    rows: list[TableRow] = []
    for pair in pairs:
        where = (pair.task, pair.axis)
        for place in pair.multiplier.sizes:
            times = _times(place.multiplier)
            if place.extrapolated:
                was_run = is_within(place.size, pair.arms[0].points.sizes)
                times += f" (beyond the runs of {second})" if was_run else " (extrapolated)"
            rows.append(TableRow((*where, number(place.size), number(place.loss, 4), times)))
        if pair.multiplier.trend:
            rows.append(
                TableRow((*where, "times, each decade", "", estimate_words(pair.multiplier.trend)))
            )
        if not pair.multiplier.sizes:
            rows.append(TableRow((*where, "", "", "")))
        rows[-1] = rows[-1]._replace(notes=_notes(pair))
    shared = dict.fromkeys(
        f"floor {pair.multiplier.floor}, exponents {pair.multiplier.alpha}" for pair in pairs
    )
    axes = " or ".join(dict.fromkeys(pair.axis for pair in pairs))
    title = (
        f"multiplier: how many times the {axes} of {first} {second} needs for its loss; "
        f"{_level(compared)}; {', '.join(shared)}"
    )
    heads = ("task", "size x", f"#of {first}", f"#{pairs[0].arms[0].metric}", "#multiplier")
    return _of_tasks(table_of(title, heads, rows), pairs)


def _ratios_table(compared: ComparedByLaws, pairs: Sequence[Comparison]) -> Table:
    first, second = compared.arms
    rows: list[TableRow] = []
    for pair in pairs:
        for place in pair.equal_sizes:
            runs = f"{place.runs[0]}, {place.runs[1]}"
            cells = (pair.task, pair.axis, number(place.size), runs, estimate_words(place.ratio))
            rows.append(TableRow(cells))
        rows[-1] = rows[-1]._replace(notes=_notes(pair))
    metric = pairs[0].arms[0].metric
    title = f"{metric} of {second} / {first} at equal sizes, without a law; {_level(compared)}"
    heads = ("task", "size x", "#equal", "#runs", f"#{second} / {first}")
    return _of_tasks(table_of(title, heads, rows), pairs)


def _times(multiplier: Estimate) -> str:
    """`4 [3.9, 4.1]`, or `more than 10` where the runs of the second arm do not reach so far."""
    if multiplier.value == math.inf:
        return f"more than {number(multiplier.interval.low)}"
    if multiplier.value == 0:
        return f"less than {number(multiplier.interval.high)}"
    return estimate_words(multiplier)


def _level(compared: ComparedByLaws) -> str:
    return f"{100 * compared.request.table.level:.3g}% intervals"


def _of_tasks(table: Table, pairs: Sequence[Comparison]) -> Table:
    return table if any(pair.task for pair in pairs) else table.without("task")


def _notes(pair: Comparison) -> tuple[Note, ...]:
    """Why there is no multiplier, and what to know of it and of the runs."""
    return notes_of((*pair.multiplier.refusals, *pair.multiplier.warnings, *pair.cautions))


def laws_sentences(compared: ComparedByLaws) -> Iterator[str]:
    """What the second arm needs, on every axis, and the verdicts."""
    first, second = compared.arms
    for pair in compared.sizes:
        where = f"{pair.axis} on {pair.task}" if pair.task else pair.axis
        if place := pair.largest:
            times = _times(place.multiplier)
            is_reached = 0 < place.multiplier.value < math.inf
            trend = pair.multiplier.trend if is_reached else None
            further = (
                f"; each further decade multiplies this by {estimate_words(trend)}" if trend else ""
            )
            yield (
                f"For the loss of {first} at {where} {number(place.size)}, {second} needs {times} "
                f"times that{further}."
            )
        elif pair.equal_sizes:
            at = pair.equal_sizes[-1]
            yield (
                f"No law of both by {where}. At {number(at.size)}, the largest size that both "
                f"have, the loss of {second} is {estimate_words(at.ratio)} times that of {first}."
            )
        else:
            yield f"No law of both by {where}, and no size that both have."
    for verdict in compared.verdicts:
        yield f"Verdict: {comparison.sentence(verdict)}"
