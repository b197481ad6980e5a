"""Who is better at equal size, as lines for a terminal, sentences, and a table for pages."""

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from harness.base.formats import WRITTEN_OUT, estimate, exponent, human
from harness.comparison.replicates import Found
from harness.judging.verdict import Verdict
from harness.judging.versus import PLACES, Headline, Lead, NoHeadline, leader, merged
from harness.show.codes import CODES
from harness.show.grouping import grouped
from harness.show.names import shortened
from harness.show.tables.table import Styled, Table, TableCell, TableRow, table_of
from harness.show.words import loss_word
from harness.spec.counts import all_axes, axis_short, axis_words
from harness.spec.decide import Takes

WIDTH = 79  # of lines on a terminal of 80 columns
COLUMNS = 3
LEAST_LABEL = 14  # letters of `largest equal:`, and of the names of tasks
SIZE_LABEL = 10  # letters of `  smallest`
LONGEST_NAME = 3  # of a side; two longer ones do not fit into a cell, and are called A and B
ALL_PLACES_UP_TO = 2  # tasks; of more, the console shows the largest size alone
TASKS_UP_TO = 6  # whose errors are on the console
LEAST_THAT_MATTERS: float = Takes._field_defaults["matters"]  # times, of a ratio
BENDS = " (bends)"  # behind an exponent
BASELINE_WORDS = {"constant": "a constant", "linear": "a linear model"}


def factor(value: float, digits: int = 2) -> str:
    """A number with two digits, or three near 1; from 10,000 on with a power of ten: `1.02`, `3.2`,
    `2300`, `3.5e5`.

    Four digits have no comma, because two of them stand in an interval.
    """
    if math.isinf(value):
        return "∞"
    is_near_1 = 1 / LEAST_THAT_MATTERS < value < LEAST_THAT_MATTERS
    rounded = float(f"{value:.{max(digits, 3) if is_near_1 else digits}g}")
    if rounded < WRITTEN_OUT:
        return f"{rounded:g}"
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    return f"{float(mantissa):g}e{int(power)}"


def lead_words(result: Found, first: str, second: str) -> str:
    """`KAN 3.2x [1.4, 7]`, or `MLP 2 to KAN 3?` where the interval holds equality, or why there is
    no ratio.

    Where all of the interval is nearer to equality than LEAST_THAT_MATTERS, it is `equal within
    1.02x`.
    """
    return _lead_forms(result, first, second)[0]


def _lead_forms(result: Found, first: str, second: str) -> tuple[str, str, str]:
    """Ways to say who is ahead, from the longest to the shortest."""
    if result.estimate is None or result.low is None or result.high is None:
        return (_refused_words(result),) * 3
    match leader(result, first, second):
        case None:
            most = max(result.high, _over(result.low))
            if most < LEAST_THAT_MATTERS:
                return (f"equal within {factor(most)}x",) * 3
            ends = f"{second} {factor(_over(result.low))}", f"{first} {factor(result.high)}?"
            return " to ".join(ends), "–".join(ends), "undecided"
        case name if name == first:
            ratio, low, high = result.estimate, result.low, result.high
        case name:
            ratio, low, high = 1 / result.estimate, 1 / result.high, _over(result.low)
    times, *ends_of_lead = with_ends(ratio, low, high)
    lead = f"{name} {times}x"
    return f"{lead} [{', '.join(ends_of_lead)}]", f"{name} {' to '.join(ends_of_lead)}x", lead


def with_ends(ratio: float, low: float, high: float) -> tuple[str, str, str]:
    """A ratio and the ends of its interval as factors, with a third digit where two would make the
    ends alike.
    """
    digits = 3 if factor(low) == factor(high) else 2
    return factor(ratio, digits), factor(low, digits), factor(high, digits)


def times_lower(ratio: Found) -> tuple[float, float, float]:
    """How many times lower the loss of that side is on which the estimate lies, with the ends of
    its interval.
    """
    assert ratio.estimate is not None
    low, high = ratio.low or 0.0, math.inf if ratio.high is None else ratio.high
    return (
        (ratio.estimate, low, high)
        if ratio.estimate >= 1
        else (_over(ratio.estimate), 1 / high, _over(low))
    )


def _refused_words(result: Found) -> str:
    """The words of the first code that refuses a number and has words here."""
    words = (CODES[refusal.code].cell for refusal in result.refusals if refusal.code in CODES)
    return next(filter(None, words), "not known")


def _over(ratio: float) -> float:
    """The same ratio the other way round; an end that the data do not bound is 0 there and infinite
    here.
    """
    return 1 / ratio if ratio else math.inf


def turn_words(
    leads: Sequence[Lead], names: tuple[str, str], at: Callable[[float], str] = human
) -> str:
    """`kan ahead at 40 to 80, undecided at 160`: who is ahead over the sizes, or efforts, of one
    task on one axis.
    """
    stretches = []
    for lead in merged(leads):
        ends = " to ".join(dict.fromkeys([at(lead.low), at(lead.high)]))
        who = f"{lead.leader} ahead" if lead.leader in names else "undecided"
        stretches.append(f"{who} {'with' if lead.axis == 'runs' else 'at'} {ends}")
    return ", ".join(stretches)


def console_lines(
    headline: Headline | NoHeadline, verdicts: Sequence[Verdict], last: Sequence[str]
) -> list[str]:
    """The answer in lines of at most WIDTH columns: who is ahead, what it hangs on, verdicts, every
    caution.

    `last` are the lines that close it.
    """
    closing = verdict_sentences(verdicts)
    if isinstance(headline, NoHeadline):
        return [*wrapped(headline.why, *closing), *last]
    closing += [f"Careful: {caution}" for caution in headline.cautions]
    headline, legend = _with_short_names(headline)
    intervals = f"{100 * headline.level:.3g} % intervals"
    opening = [
        f"Whose {loss_word(headline.metric)} is lower, how many times? ({intervals}; ?: undecided)",
        *legend,
    ]
    beside: list[str] = []
    if ALL_PLACES_UP_TO < len(headline.tasks) <= TASKS_UP_TO:
        beside += [f"{task}, {errors_words(headline, task)}." for task in headline.tasks]
    beside += [
        _per_flop_words(headline),
        _seconds_words(headline),
        *other_pairs(headline),
        *_exponent_lines(headline),
    ]
    beside += [*_won_lines(headline), *_effort_lines(headline)]
    return [*wrapped(*opening), *_grid(headline), *wrapped(*beside, *closing), *last]


def _with_short_names(headline: Headline) -> tuple[Headline, list[str]]:
    """The same, sides called A and B if their names are too long for cells, and the line that says
    who is who.
    """
    first, second = headline.labels
    if max(len(first), len(second)) <= LONGEST_NAME:
        return headline, []
    short = {first: "A", second: "B"}
    named = replace(
        headline,
        first=replace(headline.first, label="A"),
        second=replace(headline.second, label="B"),
        leads=tuple(replace(lead, leader=short.get(lead.leader or "")) for lead in headline.leads),
        largest=tuple(replace(of_side, side=short[of_side.side]) for of_side in headline.largest),
        exponents=tuple(
            replace(of_side, side=short[of_side.side]) for of_side in headline.exponents
        ),
        won=tuple(replace(of_side, side=short[of_side.side]) for of_side in headline.won),
    )
    return named, [f"A: {first}. B: {second}."]


def _grid(headline: Headline) -> list[str]:
    """A row a task and size, a column an axis, all cells in the longest form that fits all of them.

    Of one or two tasks every size is shown, between the task's formula and its errors.
    """
    axes, has_sizes = headline.columns[:COLUMNS], len(headline.tasks) <= ALL_PLACES_UP_TO
    places, heads = (
        headline.places if has_sizes else headline.places[-1:],
        list(map(axis_short, axes)),
    )
    rows, least = (
        list(itertools.product(headline.tasks, places)),
        SIZE_LABEL if has_sizes else LEAST_LABEL,
    )
    for form in range(3):
        cells = []
        for task, place in rows:
            ratios = (headline.reading(task, axis, place).ratio for axis in axes)
            cells.append([_lead_forms(ratio, *headline.labels)[form] for ratio in ratios])
        room = WIDTH - sum(max(map(len, column)) + 1 for column in zip(heads, *cells, strict=True))
        if room >= least:
            break
    labels = shortened(headline.tasks, max(room, least))
    names = [f"  {place}" if has_sizes else labels[task] for task, place in rows]
    first = "at equal:" if has_sizes else f"{places[0]} equal:"
    aligned = [[first, *heads], *([name, *row] for name, row in zip(names, cells, strict=True))]
    widths = [max(map(len, column)) for column in zip(*aligned, strict=True)]
    heading, *lines = (" ".join(map(str.ljust, row, widths)).rstrip() for row in aligned)
    if not has_sizes:
        return [heading, *lines]
    shown = [heading]
    for begin, task in zip(range(0, len(lines), len(places)), headline.tasks, strict=True):
        shown += [*wrapped(task_words(headline, task)), *lines[begin : begin + len(places)]]
        shown += wrapped(f"  {errors_words(headline, task)}".rstrip())
    return shown


def task_words(headline: Headline, task: str) -> str:
    """`exp2d: exp(sin(πx) + y²)`: a task with its formula; empty of a table of anybody's runs."""
    formula = headline.formulas.get(task, "")
    return f"{task}: {formula}" if formula and formula != task else task


def errors_words(headline: Headline, task: str, with_networks: bool = False) -> str:
    """`test RMSE: kan 0.012, mlp 0.034, a constant 1.4`: of both largest networks, and of models
    without training.

    Of a table of the user's, errors are in the target's unit, with standard deviations of the
    target beside.
    """
    deviation, errors = headline.deviations.get(task), []
    for side in headline.largest if headline.places == PLACES else ():
        if side.task == task and side.loss is not None:
            network = f" {side.network}" if with_networks and side.network else ""
            errors.append((f"{side.side}{network}", side.loss))
    errors += [
        (BASELINE_WORDS[model.name], model.loss)
        for model in headline.baselines
        if model.task == task
    ]
    listed = []
    for name, loss in errors:
        error = (
            f"{human(loss * deviation, 2)} ({human(loss, 2)} sd)" if deviation else human(loss, 2)
        )
        listed.append(f"{name} {error}")
    unit = ", in the unit of the target" if deviation else ""
    where = f"{loss_word(headline.metric)}, largest size{unit}"
    return f"{where}: {', '.join(listed)}" if listed else ""


def _per_flop_words(headline: Headline) -> str:
    """`Per FLOP, by both counts, at the last budget: exp2d kan ahead; …`: a side leads where both
    counts say so.

    Empty where work is read by one count or none.
    """
    axes = [axis for axis in headline.limits if all_axes()[axis].kind == "flops_train"]
    readings = [
        reading
        for reading in headline.readings
        if reading.axis in axes and not reading.ratio.refusals
    ]
    if len({reading.axis for reading in readings}) < 2 or len(headline.tasks) > TASKS_UP_TO:
        return ""
    told = []
    for task in headline.tasks:
        ratios = [headline.reading(task, axis, headline.places[-1]).ratio for axis in axes]
        leaders = {leader(ratio, *headline.labels) for ratio in ratios}
        (who,) = leaders if len(leaders) == 1 else ("depends on the count",)
        told.append(
            f"{task} {who} ahead" if who in headline.labels else f"{task} {who or 'undecided'}"
        )
    return f"Per FLOP, by both counts, at the last budget: {'; '.join(told)}."


def _seconds_words(headline: Headline) -> str:
    """Who is ahead at equal seconds at the largest size, or how to have that; of searches
    nothing.
    """
    if headline.clock is None:
        return (
            "" if headline.efforts else "Equal seconds: not timed; `harness bench FILE` adds them."
        )
    ratios = {
        task: headline.reading(task, headline.clock, headline.places[-1]).ratio
        for task in headline.tasks
    }
    ratios_of_tasks = "; ".join(
        f"{task} {lead_words(ratio, *headline.labels)}" for task, ratio in ratios.items()
    )
    return f"Equal seconds, {headline.places[-1]} size: {ratios_of_tasks}."


def other_pairs(headline: Headline) -> list[str]:
    """`kan or spline_mlp, largest size: j0 kan 5x [2, 9]; …`: a line for each other pair that the
    file names.
    """
    lines = []
    for (first, second), others in grouped(
        headline.others, lambda other: (other.first, other.second)
    ).items():
        ratios = "; ".join(
            f"{other.task} {lead_words(other.ratio, first, second)}" for other in others
        )
        lines.append(f"{first} or {second}, largest size: {ratios}.")
    return lines


def _exponent_lines(headline: Headline) -> list[str]:
    """`Exponent by params: exp2d kan 2.1 [1.5, 2.7], mlp 0.8 [0.6, 1]; …`: a line an axis, if there
    are a few tasks.

    Where all are refused for one reason, that is the line.
    """
    if len(headline.tasks) > ALL_PLACES_UP_TO:
        return []
    words = {found_exponent(of_side.exponent) for of_side in headline.exponents}
    if len(words) == 1 and all(of_side.exponent.refusals for of_side in headline.exponents):
        return [f"No exponents: {words.pop()}."]
    lines = []
    for axis, of_axis in grouped(headline.exponents, lambda of_side: of_side.axis).items():
        tasks = []
        for task, sides in grouped(of_axis, lambda of_side: of_side.task).items():
            told = [f"{side.side} {found_exponent(side.exponent)}" for side in sides]
            tasks.append(f"{task} {', '.join(told)}")
        lines.append(f"Exponent by {axis_short(axis)}: {'; '.join(tasks)}.")
    if any(BENDS in line for line in lines):
        lines.append(
            "(bends): this curve is no power law, and its exponent is a mean slope over "
            "these sizes."
        )
    return lines


def found_exponent(result: Found) -> str:
    """`2.1 [1.5, 2.7]`, or why there is none; with BENDS where the curve is no power law."""
    if result.estimate is None or result.low is None or result.high is None:
        return _refused_words(result)
    bends = BENDS if any(caution.code == "MISFIT" for caution in result.cautions) else ""
    return estimate(result.estimate, result.low, result.high, exponent) + bends


def _won_lines(headline: Headline) -> list[str]:
    """`What won at 10⁸ FLOPs (dense): exp2d kan [2,1,1] 7 of 8 (36 to 63 params); …`: what
    validation picked.
    """
    if not headline.won or len(headline.tasks) > TASKS_UP_TO:
        return []
    tasks = []
    for task, sides in grouped(headline.won, lambda of_side: of_side.task).items():
        told = []
        for one in sides:
            sizes = " to ".join(dict.fromkeys([f"{one.smallest:,}", f"{one.largest:,}"]))
            told.append(f"{one.side} {one.what} {one.times} of {one.of} ({sizes} params)")
        tasks.append(f"{task} {', '.join(told)}")
    first = headline.won[0]
    budgets = {one.at for one in headline.won}
    at = (
        f"at {human(first.at)} {axis_short(first.axis)}"
        if len(budgets) == 1
        else "at the largest size"
    )
    return [f"What won {at}: {'; '.join(tasks)}."]


def _effort_lines(headline: Headline) -> list[str]:
    """Per task who is ahead at which effort, at the largest size; of many tasks only where the lead
    hangs on it.
    """
    lines, names = [], headline.labels
    for task, efforts in grouped(headline.efforts, lambda effort: effort.task).items():
        leads = [
            Lead(task, "runs", effort.runs, effort.runs, leader(effort.ratio, *names))
            for effort in efforts
        ]
        if len({lead.leader for lead in leads}) > 1 or len(headline.tasks) <= TASKS_UP_TO:
            lines.append(f"{task} by runs a size: {turn_words(leads, names, str)}.")
    return lines


def verdict_sentences(verdicts: Sequence[Verdict]) -> list[str]:
    """What became of the only rule, or how many rules came to what."""
    if len(verdicts) == 1:
        (verdict,) = verdicts
        power = f": {verdict.power}" if verdict.power else ""
        by = f", by {axis_short(verdict.axis)}" if verdict.axis else ""
        return [f"Verdict{by}: “{verdict.claim}” is {verdict.verdict}{power}."]
    counted = Counter(verdict.verdict for verdict in verdicts)
    listed = ", ".join(f"{number} {conclusion}" for conclusion, number in counted.items())
    return [f"Verdicts of {len(verdicts)} rules: {listed} (see the report)."] if verdicts else []


def wrapped(*paragraphs: str) -> list[str]:
    """The paragraphs in lines of a narrow terminal, which no word is broken for."""
    wrapper = textwrap.TextWrapper(
        WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return list(itertools.chain.from_iterable(map(wrapper.wrap, paragraphs)))


def answer_table(headline: Headline) -> Table:
    """A row a task and place, a column an axis: who is ahead, how many times, and at which size; a
    lead stands out.
    """
    axes = list(filter(None, (*headline.columns, headline.clock)))
    rows: list[TableRow] = []
    for task, place in itertools.product(headline.tasks, headline.places):
        is_first = place == headline.places[0]
        label = f"{task}: {headline.formulas[task]}" if is_first else ""
        cells: list[TableCell] = []
        for axis in axes:
            reading = headline.reading(task, axis, place)
            at = f"at {human(reading.ratio.at, 3)}" if reading.ratio.at is not None else ""
            worse = reading.worse_than_constant
            beside = f"{at} ({worse[0]} is worse than a constant)" if worse else at
            cells.append([_ratio_cell(reading.ratio, headline.labels), beside])
        rows.append(
            TableRow(
                (label, place, *cells), goes_on=not is_first, begins_section=is_first and bool(rows)
            )
        )
    heads = [f"equal {axis_words(axis)}" for axis in axes]
    return table_of("", ("task", "size", *heads), rows)


def answer_cards(headline: Headline) -> dict[str, str]:
    """`KAN 5.7x by parameters, 12x by FLOPs (local)` of each task: who is ahead at the largest
    equal size.
    """
    first, second = map(family_words, headline.labels)
    cards: dict[str, str] = {}
    for task in headline.tasks:
        outcomes: dict[str, list[str]] = {}
        for axis in headline.columns:
            ratio = headline.reading(task, axis, headline.places[-1]).ratio
            ahead, words = leader(ratio, first, second), _lead_forms(ratio, first, second)[-1]
            times, by = (
                words.removeprefix(ahead) if ahead else "",
                axis_short(axis).replace("params", "parameters"),
            )
            outcomes.setdefault(ahead or words, []).append(f"{times} by {by}".strip())
        cards[task] = "; ".join(
            f"{outcome} {', '.join(axes)}" for outcome, axes in outcomes.items()
        )
    return cards


def family_words(side: str) -> str:
    """What a side is called in sentences: `KAN`, `MLP`, or as the file calls it."""
    return side.upper() if side in ("kan", "mlp") else side


def answer_sentences(headline: Headline) -> list[str]:
    """The answer at the largest size, a sentence a task, and which errors were compared there."""
    place = (
        f"the {headline.places[-1]} equal size"
        if headline.places == PLACES
        else headline.places[-1]
    )
    sentences = []
    for task, card in answer_cards(headline).items():
        errors = errors_words(headline, task, with_networks=True)
        where = f"{task}, at {place}" if task else f"At {place}"
        sentences.append(
            f"{where}: {card}." + (f" {errors[0].upper()}{errors[1:]}." if errors else "")
        )
    return sentences


READINGS = (
    "task",
    "axis",
    "place",
    "size",
    "leader",
    "lower",
    "times",
    "low",
    "high",
    "seeds",
    "refused",
    "why",
)


def reading_rows(headline: Headline) -> list[tuple[str | float | None, ...]]:
    """A row for each task, axis and size, as READINGS name it.

    `times` is how many times lower the loss of the side `lower` is, with its interval. That side is
    the `leader` too where the interval leaves out 1. Where there is no number, `refused` is the
    code, and `why` the reason.
    """
    rows: list[tuple[str | float | None, ...]] = []
    for reading in headline.readings:
        ratio, (first, second) = reading.ratio, headline.labels
        where = (reading.task, reading.axis, reading.place, ratio.at, leader(ratio, first, second))
        found: tuple[str | float | None, ...] = (None, None, None, None)
        if ratio.estimate is not None:
            found = (first if ratio.estimate >= 1 else second, *times_lower(ratio))
        codes = ", ".join(refusal.code for refusal in ratio.refusals)
        rows.append((*where, *found, ratio.replicates, codes or None, ratio.refused or None))
    return rows


def _ratio_cell(ratio: Found, names: tuple[str, str]) -> Styled:
    """Who is ahead, how many times; a lead stands out."""
    return Styled(lead_words(ratio, *names), "strong" if leader(ratio, *names) else "dim")


def effort_table(headline: Headline) -> Table | None:
    """A row an effort, a column a task: who is ahead, how many times; None where no search has
    replicates.
    """
    names = headline.labels
    rows = []
    for runs, efforts in grouped(headline.efforts, lambda effort: effort.runs).items():
        cells: list[TableCell] = [f"{runs:,}"]
        for effort in efforts:
            won, lost = effort.ratio.won or 0, effort.ratio.lost or 0
            cells.append(
                [_ratio_cell(effort.ratio, names), f" ({names[0]} won {won} of {won + lost})"]
            )
        rows.append(cells)
    tasks = grouped(headline.efforts, lambda effort: effort.task)
    return table_of("", ("runs a side and size", *tasks), rows) if rows else None
