"""What the rules of a plan will see, as a table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from harness.base.formats import NONE, number
from harness.judging.foreseen import ForeseenNumber, ForeseenRule
from harness.judging.power import Outlook, as_said, asked_words
from harness.judging.spread import ENOUGH, MOST_SEEDS, seen
from harness.show.tables.table import Table, TableCell, TableRow, number_columns, text_columns
from harness.spec import axis_short

NEEDED = ("seeds needed", "sizes", "decades")
MOST_LISTED = 3  # tasks or conventions in a cell


def power_table(foreseen: Sequence[ForeseenRule]) -> Table:
    """A row for each convention and task of a rule: its noise, its width, what it will see, and what it would need.

    Rules are told by their number in the file; `power_sentences` has their claims. Conventions and tasks of which all
    is the same share a row.
    """
    rows: list[TableRow] = []
    for index, rule in enumerate(foreseen, start=1):
        alike: dict[tuple[str, tuple[TableCell, ...]], list[Outlook]] = defaultdict(list)
        for one in rule.numbers:
            asked = f"{one.planned.condition.quantity}: {asked_words(one.planned.condition)}"
            alike[asked, _cells(one)].append(one.planned)
        told, last_asked = str(index), ""
        for (asked, cells), own in sorted(alike.items(), key=lambda item: item[0][0]):
            for names in _names(own):
                what = asked if asked != last_asked else ""
                rows.append(TableRow((told, what, *names, *cells), begins_section=told != ""))
                told, last_asked = "", asked
    seeds = foreseen[0].seeds if foreseen else 0
    heads = ("noise", "half-width now", f"seen with {seeds} seeds", *NEEDED)
    columns = (*text_columns("rule", "what is asked", "task", "by"), *number_columns(*heads))
    table = Table("what the rules will see", columns, tuple(rows))
    first = len(columns) - len(NEEDED)
    empty = [head for place, head in enumerate(NEEDED, first) if all(row.cells[place] == NONE for row in rows)]
    return table.without(*empty)


def _names(alike: Sequence[Outlook]) -> list[tuple[str, str]]:
    """Tasks and conventions of numbers that are alike, in one pair where all combinations are there."""
    tasks = list(dict.fromkeys(one.unit for one in alike))
    conventions = list(dict.fromkeys(axis_short(one.convention) for one in alike))
    if len(alike) < len(tasks) * len(conventions):
        return [(one.unit, axis_short(one.convention)) for one in alike]
    return [(_listed(tasks, "tasks"), _listed(conventions, "counts"))]


def _listed(names: Sequence[str], what: str) -> str:
    return ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} {what}"


def _cells(one: ForeseenNumber) -> tuple[TableCell, ...]:
    planned, now = one.planned, one.now
    if planned.spread is None or now is None:
        return (NONE,) * 6
    is_difference = planned.condition.takes.is_difference
    half = as_said(planned, now.half_width(planned.level))
    told = f"{'±' if is_difference else '×/÷ '}{number(half)}"
    least = as_said(planned, seen(planned.spread, planned.level, planned.of_equality))
    needed = f"over {MOST_SEEDS:,}" if planned.seeds is None else f"{planned.seeds:,}"
    is_beyond = planned.seeds is None and planned.is_beyond_seeds
    sizes = f"{planned.spread.sizes} → {planned.sizes}" if is_beyond and planned.sizes else NONE
    decades = f"{planned.spread.decades:.1f} → {planned.decades:.1f}" if is_beyond and planned.decades else NONE
    return (number(now.noise), told, number(least), "none" if is_beyond else needed, sizes, decades)


def power_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """How to read the table, and what each rule will see, or would need more."""
    lines = [
        "Noise: the standard deviation of ln loss ratios between seeds, or of sizes about their law. Seen: the "
        f"smallest difference from the limit that {100 * ENOUGH:g} % of such experiments would see."
    ]
    if any(one.is_declared and _has_law(one) for one in foreseen):
        lines.append("What is read off laws is foreseen for laws without a floor. A floor widens such intervals.")
    return [*lines, *rule_sentences(foreseen)]


def rule_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """What each rule will see, or would need more, and why nobody can tell it of some numbers."""
    lines = []
    for index, one in enumerate(foreseen, start=1):
        lines.append(f"{index}. “{one.rule.claim}” (from {one.source}): {one.sentence}.")
        whys = dict.fromkeys(number.planned.why for number in one.numbers if number.planned.why and not one.decided)
        lines += [f"   Of some numbers: {why}." for why in whys if why not in one.sentence]
    return lines


def _has_law(foreseen: ForeseenRule) -> bool:
    return any(one.planned.spread and one.planned.spread.sizes for one in foreseen.numbers)
