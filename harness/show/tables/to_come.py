"""Of runs to come: how laws foresee them, which ones to make next, and how many replicates rules
need.
"""

import math
from collections.abc import Iterator, Sequence
from functools import partial

import pandas as pd

from harness.base.formats import NONE, estimate, interval, number
from harness.judging.ahead import Foresight
from harness.judging.design import DesignAnswer
from harness.judging.foreseen import ForeseenNumber, ForeseenRule
from harness.judging.power import ENOUGH, MOST_REPLICATES
from harness.judging.verdict import limit_words
from harness.laws.ahead import BudgetAhead
from harness.show.grouping import grouped
from harness.show.tables.table import Table, TableCell, TableRow, notes_of, table_of
from harness.show.words import estimate_words

BUDGET_HEADS = ("#runs", "#missed by", "#scatter", "#sd of a new run")
DIGITS = partial(number, digits=4)
TRUST = (
    "The plan trusts the law: make one of the largest runs too, to check it, and do not "
    "quote the widths."
)
MOST_LISTED = 3  # tasks in a cell


# --------------------------------------------------------------------------------------------------
# what laws foresee
def ahead_tables(ahead: Sequence[Foresight], loss: str) -> Iterator[Table]:
    """The budgets that were foreseen from the smaller ones, those held out, and new runs; each if
    there are any.
    """
    origins, held, new = [], [], []
    for law in ahead:
        names = (law.series, law.axis if law.law == "surface" else f"{law.law} in {law.axis}")
        for origin in law.origins:
            notes = notes_of(law.cautions) if origin is law.origins[-1] else ()
            origins.append(TableRow((*names, *_budget_cells(origin)), notes))
        for budget in law.held_out:
            held.append(
                TableRow((*names, *_budget_cells(budget), f"{budget.inside} of {budget.runs}"))
            )
        for place in law.predictions:
            at = ", ".join(f"{name}={DIGITS(value)}" for name, value in place.at.items())
            cells, reasons = (
                ("", ""),
                (place.refusal,) if place.refusal else (*place.cautions, *law.cautions),
            )
            if None not in (place.low, place.high, place.run_low, place.run_high):
                of_law = estimate(place.loss, place.low or 0, place.high or 0, DIGITS)
                cells = (of_law, interval(place.run_low or 0, place.run_high or 0, DIGITS))
            new.append(TableRow((*names, at, *cells), notes_of(reasons)))
    what = "budget" if any(law.law == "surface" for law in ahead) else "size"
    heads = ("series", "law", f"#{what}", *BUDGET_HEADS)
    if origins:
        yield table_of(
            f"the largest {what}s, each predicted from the smaller ones: {loss}", heads, origins
        )
    if held:
        yield table_of(
            f"{what}s held out of the fits: {loss}", (*heads, "#runs inside the interval"), held
        )
    if new:
        without = ", by laws without the budgets held out" if held else ""
        yield table_of(
            f"predictions: {loss}{without}",
            ("series", "law", "at", "#by the law", "#one new run"),
            new,
        )


def _budget_cells(budget: BudgetAhead) -> tuple[str | int, ...]:
    scatter = NONE if budget.scatter is None else f"{budget.scatter:.2%}"
    return (
        number(budget.budget),
        budget.runs,
        f"{math.expm1(budget.error):+.2%}",
        scatter,
        f"{budget.run_sd:.2%}",
    )


# --------------------------------------------------------------------------------------------------
# next runs
def design_frame(answer: DesignAnswer) -> pd.DataFrame:
    """A row for each place of each plan; `width` is that of the interval to come, over that of
    now.
    """
    rows = []
    for design in answer.designs:
        for place in design.runs:
            sizes = list(place.at.values())
            ratio = {"ratio": sizes[1] / sizes[0]} if len(sizes) > 1 else {}
            runs = {
                "plan": place.plan,
                "arm": place.arm,
                **place.at,
                **ratio,
                "runs": place.runs,
                "cost": place.cost,
            }
            interval = {
                "width": place.width,
                "low": place.interval.low,
                "high": place.interval.high,
            }
            rows.append({"series": design.series, **runs, **interval})
    return pd.DataFrame(rows)


def design_sentences(answer: DesignAnswer) -> Iterator[str]:
    """What each law says now, and how wide the interval will be; why there is no plan, and what to
    know.
    """
    for design in answer.designs:
        about = f"{design.series}, {design.quantity}"
        if design.now:
            widths = {
                place.plan: f"{place.width:.2f} times as wide ({place.plan})"
                for place in design.runs
            }
            now = estimate_words(design.now)
            yield (
                f"{about}: {now}; with new runs this interval is expected to be "
                f"{', '.join(widths.values())}."
            )
        yield from (f"{refusal.code}, {about}: {refusal.reason}" for refusal in design.refusals)
        yield from (f"{caution.code}, {about}: {caution.reason}" for caution in design.cautions)
    yield TRUST


# --------------------------------------------------------------------------------------------------
# replicates
def power_table(foreseen: Sequence[ForeseenRule]) -> Table:
    """A row for each task of a rule: its spread, its width, what it will see, and what it would
    need.

    Rules are told by their number in the file; `power_sentences` has their claims. Tasks of which
    all is the same share a row.
    """
    rows: list[TableRow] = []
    for index, rule in enumerate(foreseen, start=1):
        which, asked = str(index), f"{rule.decide.quantity} {limit_words(rule.decide)}"
        for cells, alike in grouped(rule.numbers, partial(_power_cells, rule)).items():
            names = [expected.task for expected in alike]
            tasks = ", ".join(names) if len(names) <= MOST_LISTED else f"{len(names)} tasks"
            rows.append(TableRow((which, asked, tasks, *cells), begins_section=which != ""))
            which = asked = ""
    replicates = foreseen[0].replicates if foreseen else 0
    numbers = (
        "#spread",
        "#half-width",
        f"#seen with {replicates} replicates",
        "#replicates needed",
    )
    return table_of("what the rules will see", ("rule", "what is asked", "task", *numbers), rows)


def _power_cells(rule: ForeseenRule, expected: ForeseenNumber) -> tuple[TableCell, ...]:
    if expected.spread is None:
        return (NONE,) * 4
    width = f"{'±' if rule.decide.takes.is_difference else '×/÷ '}{number(expected.half_width)}"
    replicates = expected.replicates_needed
    needed = f"over {MOST_REPLICATES:,}" if replicates is None else f"{replicates:,}"
    return number(expected.spread), width, number(expected.seen), needed


def power_sentences(foreseen: Sequence[ForeseenRule]) -> list[str]:
    """How to read the table, what each rule will see, or would need more, and why nobody can tell
    of some numbers.
    """
    lines = [
        "Spread: the standard deviation between replicates, of ln for ratios. Seen: the smallest "
        "difference from the "
        f"limit that {100 * ENOUGH:g} % of such experiments would see."
    ]
    for index, rule in enumerate(foreseen, start=1):
        lines.append(f"{index}. “{rule.claim}” (from {rule.source}): {rule.sentence}.")
        whys = dict.fromkeys(
            expected.why for expected in rule.numbers if expected.why and not rule.decided
        )
        lines += [f"   Of some numbers: {why}." for why in whys if why not in rule.sentence]
    return lines
