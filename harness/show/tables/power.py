"""What the rules of a plan will see, as a table."""

from collections.abc import Sequence
from functools import partial

from harness.base.formats import NONE, number
from harness.judging.foreseen import ForeseenNumber, ForeseenRule
from harness.judging.power import ENOUGH, MOST_REPLICATES
from harness.judging.verdict import limit_words
from harness.show.grouping import grouped
from harness.show.tables.table import Table, TableCell, TableRow, table_of

MOST_LISTED = 3  # tasks in a cell


def power_table(foreseen: Sequence[ForeseenRule]) -> Table:
    """A row for each task of a rule: its spread, its width, what it will see, and what it would need.

    Rules are told by their number in the file; `power_sentences` has their claims. Tasks of which all is the same share
    a row.
    """
    rows: list[TableRow] = []
    for index, rule in enumerate(foreseen, start=1):
        which, asked = str(index), f"{rule.decide.quantity} {limit_words(rule.decide)}"
        for cells, alike in grouped(rule.numbers, partial(_cells, rule)).items():
            names = [expected.task for expected in alike]
            tasks = ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} tasks"
            rows.append(TableRow((which, asked, tasks, *cells), begins_section=which != ""))
            which = asked = ""
    replicates = foreseen[0].replicates if foreseen else 0
    numbers = ("#spread", "#half-width", f"#seen with {replicates} replicates", "#replicates needed")
    return table_of("what the rules will see", ("rule", "what is asked", "task", *numbers), rows)


def _cells(rule: ForeseenRule, expected: ForeseenNumber) -> tuple[TableCell, ...]:
    if expected.spread is None:
        return (NONE,) * 4
    width = f"{'±' if rule.decide.takes.is_difference else '×/÷ '}{number(expected.half_width)}"
    replicates = expected.replicates_needed
    needed = f"over {MOST_REPLICATES:,}" if replicates is None else f"{replicates:,}"
    return number(expected.spread), width, number(expected.seen), needed


def power_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """How to read the table, what each rule will see, or would need more, and why nobody can tell of some numbers."""
    lines = [
        "Spread: the standard deviation between replicates, of ln for ratios. Seen: the smallest difference from the "
        f"limit that {100 * ENOUGH:g} % of such experiments would see."
    ]
    for index, rule in enumerate(foreseen, start=1):
        lines.append(f"{index}. “{rule.claim}” (from {rule.source}): {rule.sentence}.")
        whys = dict.fromkeys(expected.why for expected in rule.numbers if expected.why and not rule.decided)
        lines += [f"   Of some numbers: {why}." for why in whys if why not in rule.sentence]
    return lines
