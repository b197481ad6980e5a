"""What the rules of a plan will see, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.base.formats import NONE, number
from harness.judging.foreseen import ForeseenNumber, ForeseenRule
from harness.judging.power import ENOUGH, MOST_REPLICATES, as_said, difference_of, replicates_needed, seen
from harness.judging.words import limit_words
from harness.laws.replicates import half_width
from harness.show.tables.table import Table, TableCell, TableRow, number_columns, text_columns

MOST_LISTED = 3  # tasks in a cell


def power_table(foreseen: Sequence[ForeseenRule]) -> Table:
    """A row for each task of a rule: its spread, its width, what it will see, and what it would need.

    Rules are told by their number in the file; `power_sentences` has their claims. Tasks of which all is the same share
    a row.
    """
    rows: list[TableRow] = []
    for index, rule in enumerate(foreseen, start=1):
        alike: dict[tuple[TableCell, ...], list[str]] = defaultdict(list)
        for one in rule.numbers:
            alike[_cells(one, rule)].append(one.unit)
        told, asked = str(index), f"{rule.rule.quantity} {limit_words(rule.rule)}"
        for cells, names in alike.items():
            tasks = ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} tasks"
            rows.append(TableRow((told, asked, tasks, *cells), begins_section=told != ""))
            told = asked = ""
    replicates = foreseen[0].replicates if foreseen else 0
    heads = ("spread", "half-width", f"seen with {replicates} replicates", "replicates needed")
    columns = (*text_columns("rule", "what is asked", "task"), *number_columns(*heads))
    return Table("what the rules will see", columns, tuple(rows))


def _cells(one: ForeseenNumber, of: ForeseenRule) -> tuple[TableCell, ...]:
    if one.spread is None:
        return (NONE,) * 4
    rule, of_equality = of.rule, of.rule.within is not None
    half = number(as_said(rule, float(half_width(one.spread, of.replicates, of.level))))
    least = as_said(rule, seen(one.spread, of.replicates, of.level, of_equality))
    needed = replicates_needed(one.spread, difference_of(rule), of.level, of_equality)
    told = f"{'±' if rule.takes.is_difference else '×/÷ '}{half}"
    return (number(one.spread), told, number(least), f"over {MOST_REPLICATES:,}" if needed is None else f"{needed:,}")


def power_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """How to read the table, and what each rule will see, or would need more."""
    line = (
        "Spread: the standard deviation between replicates, of ln for ratios. Seen: the smallest difference from the "
        f"limit that {100 * ENOUGH:g} % of such experiments would see."
    )
    return [line, *rule_sentences(foreseen)]


def rule_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """What each rule will see, or would need more, and why nobody can tell it of some numbers."""
    lines = []
    for index, one in enumerate(foreseen, start=1):
        lines.append(f"{index}. “{one.rule.claim}” (from {one.source}): {one.sentence}.")
        whys = dict.fromkeys(number.why for number in one.numbers if number.why and not one.decided)
        lines += [f"   Of some numbers: {why}." for why in whys if why not in one.sentence]
    return lines
