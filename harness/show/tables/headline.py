"""Who is better at equal size, as lines for a terminal, sentences, and a table for pages."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from harness.base.formats import NONE, estimate, exponent, human
from harness.comparison.replicates import Found
from harness.judging.verdict import Verdict
from harness.judging.versus import Headline, Lead, NoHeadline, leader
from harness.show.grouping import grouped
from harness.show.names import shortened
from harness.show.tables.table import Styled, Table, TableCell, TableRow, table_of, text_columns
from harness.show.words import loss_word, metric_words
from harness.spec import Takes, axis_short, axis_words

WIDTH = 76
COLUMNS = 3
CELL_WIDTH = 20
LABEL_WIDTH = WIDTH - COLUMNS * CELL_WIDTH
PLACE_WIDTH = 9  # of `smallest` and `largest`
LONGEST_NAME = 3  # of a side; two longer ones do not fit into a cell, and are called A and B
MOST_LINES = 16
ALL_PLACES_UP_TO = 2  # tasks; of more, the console shows the largest size alone
MOST_STRETCHES = 4  # of sizes with one leader; more of them are noise
TASKS_UP_TO = 6  # of more, the console counts on how many who is ahead
MOST_IN_FULL = 1e7  # times
LEAST_THAT_MATTERS: float = Takes._field_defaults["matters"]  # times, of a ratio
REFUSED = {
    "NO_OVERLAP": "no equal size",
    "CENSORED": "runs diverged",
    "FAILED_REPLICATES": "too many failed",
    "ONE_REPLICATE": "one replicate",
    "NO_SIZE": "(no size)",
    "ZERO": "a loss of 0",
    "WORSE_THAN_CONSTANT": "worse than constant",
    "NOT_FALLING": "does not fall",
    "ONE_NETWORK": "too few networks",
    "RANGE": "too short a range",
}
BASELINE_WORDS = {"constant": "a constant", "linear": "a linear model"}


def loss_of(found: Headline) -> str:
    """What the losses are called: those of a table of anybody's runs, which has no tasks, by their column."""
    return loss_word(found.metric) if any(found.tasks) else metric_words([found.metric])


def labels_of(found: Headline) -> tuple[str, str]:
    """What both sides are called."""
    return found.first.label, found.second.label


def factor(value: float) -> str:
    """A factor with two digits, or three below 1.1, and above 1,000 as a power of ten: `1.02`, `3.2`, `210`, `3e5`."""
    if math.isinf(value):
        return "∞"
    rounded = float(f"{value:.{3 if value < LEAST_THAT_MATTERS else 2}g}")
    if rounded < 1000:
        return f"{rounded:g}"
    digit, power = f"{value:.0e}".split("e")
    return f"{digit}e{int(power)}"


def lead_words(found: Found, first: str, second: str, write: Callable[[float], str] = factor) -> str:
    """`KAN 3.2x [1.4, 7]`, or `MLP 2 to KAN 3?` where the interval holds equality, or why there is no ratio.

    Where all of the interval is nearer to equality than LEAST_THAT_MATTERS, it is `equal within 1.02x`.
    """
    return _lead_forms(found, first, second, write)[0]


def lead_cell(found: Found, first: str, second: str) -> str:
    """The same for a narrow cell: its longest form that fits, `mlp 1.02 to 1.11x` or `mlp 1.06x`; no number is cut."""
    return next(form for form in _lead_forms(found, first, second, factor) if len(form) < CELL_WIDTH)


def _lead_forms(found: Found, first: str, second: str, write: Callable[[float], str]) -> tuple[str, ...]:
    """Ways to say who is ahead, from the longest to the shortest."""
    if found.estimate is None or found.low is None or found.high is None:
        return (_refused_words(found),)
    match leader(found, first, second):
        case None:
            most = max(found.high, _over(found.low))
            if most < LEAST_THAT_MATTERS:
                return (f"equal within {write(most)}x",)
            ends = f"{second} {write(_over(found.low))}", f"{first} {write(found.high)}?"
            return " to ".join(ends), "–".join(ends), "undecided"
        case name if name == first:
            ratio, low, high = found.estimate, found.low, found.high
        case name:
            ratio, low, high = 1 / found.estimate, 1 / found.high, _over(found.low)
    lead, ends = f"{name} {write(ratio)}x", (write(low), write(high))
    return f"{lead} [{', '.join(ends)}]", f"{name} {' to '.join(ends)}x", lead


def _refused_words(found: Found) -> str:
    """The words of the first code that refuses a number and has words here."""
    return next((REFUSED[refusal.code] for refusal in found.refusals if refusal.code in REFUSED), "not known")


def _over(ratio: float) -> float:
    """The same ratio the other way round; an end that the data do not bound is 0 there and infinite here."""
    return 1 / ratio if ratio else math.inf


def turn_words(leads: Sequence[Lead], names: tuple[str, str], at: Callable[[float], str] = human) -> str:
    """`kan ahead at 40 to 80, undecided at 160`: who is ahead over the sizes of one task on one axis."""
    stretches = []
    for lead in leads:
        who = f"{lead.leader} ahead" if lead.leader in names else "undecided"
        ends = " to ".join(dict.fromkeys([at(lead.low), at(lead.high)]))
        stretches.append(f"{who} {'with' if lead.axis == 'runs' else 'at'} {ends}")
    return ", ".join(stretches)


def console_lines(found: Headline | NoHeadline, verdicts: Sequence[Verdict], last: Sequence[str]) -> list[str]:
    """The answer in at most 16 lines of 76 columns, and with replicates a line or two a task more, which say at which
    effort who is ahead; `last` are the lines that close it.

    A task whose name is too long to stand beside its sizes has a line of its own, and of sizes where the lead turns as
    many lines are told, where there is room.
    """
    if isinstance(found, NoHeadline):
        return [*wrapped(found.why), *_verdict_lines(verdicts), *last]
    found, legend = _with_short_names(found)
    asked = f"Whose {loss_of(found)} is lower, how many times?"
    intervals = f"{100 * found.level:.3g} % intervals{' over all looks' if found.looks else ''}"
    lines = wrapped(f"{asked} ({intervals}; ?: undecided)")
    heading = "at equal:" if len(found.tasks) <= ALL_PLACES_UP_TO else f"{found.places[-1]} equal:"
    lines += [*legend, _console_row(heading, map(axis_short, found.columns))]
    closing = [*_verdict_lines(verdicts), *wrapped(f"Careful: {found.cautions[0]}" if found.cautions else ""), *last]
    beside: list[str] = []
    for line in (
        _baselines_words(found),
        _units_words(found),
        _seconds_words(found),
        *other_pairs(found),
        *_exponent_lines(found),
    ):
        beside += wrapped(line)
    lines += _rows(found, MOST_LINES - len(lines) - len(beside) - len(closing))
    lines += [*beside, *_effort_lines(found)]
    for line in _turns(found):
        turn = wrapped(line)
        if len(lines) + len(turn) + len(closing) <= MOST_LINES:
            lines += turn
    return [*lines, *closing]


def _with_short_names(found: Headline) -> tuple[Headline, list[str]]:
    """The same, sides called A and B if their names are too long for cells, and the line that says who is who."""
    labels = labels_of(found)
    if max(map(len, labels)) <= LONGEST_NAME:
        return found, []
    short = dict(zip(labels, "AB", strict=True))
    named = replace(
        found,
        first=replace(found.first, label="A"),
        second=replace(found.second, label="B"),
        leads=tuple(replace(lead, leader=short.get(lead.leader or "")) for lead in found.leads),
        exponents=tuple(replace(of_side, side=short[of_side.side]) for of_side in found.exponents),
    )
    return named, wrapped(f"A: {labels[0]}. B: {labels[1]}.")


def _console_row(label: str, cells: Iterable[str]) -> str:
    """A line of a label and a cell a column; what is too long for its cell is cut."""
    line = f"{label:<{LABEL_WIDTH}}"
    for cell in itertools.islice(cells, COLUMNS):
        line += f"{cell[: CELL_WIDTH - 1]:<{CELL_WIDTH}}"
    return line.rstrip()


def _rows(found: Headline, room: int) -> list[str]:
    """The rows of all tasks; those of one or two tasks may have a line above them, if all stay within so many lines."""
    if len(found.tasks) > TASKS_UP_TO:
        return [_console_row(f"{len(found.tasks)} tasks", [_counted(found, axis) for axis in found.columns])]
    if len(found.tasks) > ALL_PLACES_UP_TO:
        labels = shortened(found.tasks, LABEL_WIDTH - 1)
        return [_row(found, labels[task], task, found.places[-1]) for task in found.tasks]
    beside = LABEL_WIDTH - PLACE_WIDTH - 1
    labels, above = shortened(found.tasks, beside), shortened(found.tasks, WIDTH)
    is_above = "…" in "".join(labels.values()) and len(found.tasks) * (1 + len(found.places)) <= room
    lines = []
    for task, place in itertools.product(found.tasks, found.places):
        is_first = place == found.places[0]
        if is_first and is_above:
            lines.append(above[task])
        name = labels[task] if is_first and not is_above else ""
        label = f"{name:<{beside + 1}}{place}" if task else f"{place} size"
        lines.append(_row(found, label, task, place))
    return lines


def _row(found: Headline, label: str, task: str, place: str) -> str:
    cells = [lead_cell(found.reading(task, axis, place).ratio, *labels_of(found)) for axis in found.columns[:COLUMNS]]
    return _console_row(label, cells)


def _largest(found: Headline, axis: str) -> dict[str, Found]:
    """By task the ratio at the largest size."""
    return {task: found.reading(task, axis, found.places[-1]).ratio for task in found.tasks}


def _counted(found: Headline, axis: str) -> str:
    """On how many tasks each side is ahead at the largest size."""
    first, second = labels_of(found)
    ahead = Counter(leader(ratio, first, second) for ratio in _largest(found, axis).values())
    return f"{first} {ahead[first]}, {second} {ahead[second]}, ? {ahead[None]}"


def _baselines_words(found: Headline) -> str:
    """`Test RMSE of a constant: exp2d 1.4, j0 0.29.`: each baseline on each task; empty if none is known.

    Where that is longer than a line, the names are left out: tasks are in the order of the rows. Of more tasks than
    have a row each, how often a constant is better than both sides.
    """
    if len(found.tasks) > TASKS_UP_TO:
        largest = _largest(found, found.columns[0]).values()
        lost = sum(ratio.is_refused_by("WORSE_THAN_CONSTANT") for ratio in largest)
        return f"A constant is better than both sides on {lost} of {len(found.tasks)} tasks." if lost else ""
    baselines, loss = grouped(found.baselines, lambda baseline: baseline.name), loss_of(found)
    for has_names in (True, False):
        models = []
        for name, words in BASELINE_WORDS.items():
            losses = {baseline.task: human(baseline.loss, 2) for baseline in baselines.get(name, ())}
            of_tasks = [(f"{task} " if has_names else "") + losses.get(task, NONE) for task in found.tasks]
            if losses:
                models.append(f"of {words}: {', '.join(of_tasks)}")
        line = f"{loss[0].upper()}{loss[1:]} {'; '.join(models)}." if models else ""
        if len(line) <= WIDTH:
            break
    return line


def _units_words(found: Headline) -> str:
    """`An RMSE of 1 is 70,200 in the unit of the output (houses.csv).`; empty where tasks have no unit."""
    of_tasks = [f"{human(found.deviations[task], 3)} ({task})" for task in found.tasks if task in found.deviations]
    return f"An RMSE of 1 is, in the unit of the output, {', '.join(of_tasks)}." if of_tasks else ""


def _seconds_words(found: Headline) -> str:
    """Who is ahead at equal seconds at the largest size, or how to have that; of laws nothing."""
    if found.by == "laws":
        return ""
    if found.clock is None:
        return "Equal seconds: not timed; `harness bench FILE` adds them."
    ratios = _largest(found, found.clock).items()
    said = "; ".join(f"{task} {lead_words(ratio, *labels_of(found))}" for task, ratio in ratios)
    if len(found.tasks) > ALL_PLACES_UP_TO:
        said = f"{_counted(found, found.clock)} on {len(found.tasks)} tasks"
    return f"Equal seconds, {found.places[-1]} size: {said}."


def other_pairs(found: Headline) -> list[str]:
    """`kan or spline_mlp, largest size: j0 kan 5x [2, 9]; …`: a line for each other pair that the file names."""
    lines = []
    for (first, second), others in grouped(found.others, lambda other: (other.first, other.second)).items():
        ratios = "; ".join(f"{other.task} {lead_words(other.ratio, first, second)}" for other in others)
        lines.append(f"{first} or {second}, largest size: {ratios}.")
    return lines


def _exponent_lines(found: Headline) -> list[str]:
    """`Exponent by params: exp2d kan 2.1 [1.5, 2.7], mlp 0.8 [0.6, 1]; …`: a line an axis, if there are a few tasks."""
    if len(found.tasks) > ALL_PLACES_UP_TO:
        return []
    lines = []
    for axis, of_axis in grouped(found.exponents, lambda of_side: of_side.axis).items():
        tasks = []
        for task, sides in grouped(of_axis, lambda of_side: of_side.task).items():
            tasks.append(f"{task} {', '.join(f'{side.side} {found_exponent(side.exponent)}' for side in sides)}")
        lines.append(f"Exponent by {axis_short(axis)}: {'; '.join(tasks)}.")
    return lines


def found_exponent(found: Found) -> str:
    """`2.1 [1.5, 2.7]`, or why there is none."""
    if found.estimate is None or found.low is None or found.high is None:
        return _refused_words(found)
    return estimate(found.estimate, found.low, found.high, exponent)


def _effort_lines(found: Headline) -> list[str]:
    """Per task who is ahead at which effort, at the largest size; of many tasks only where the lead hangs on it."""
    lines = []
    for task, efforts in grouped(found.efforts, lambda effort: effort.task).items():
        leads = []
        for ahead, stretch in itertools.groupby(efforts, key=lambda effort: leader(effort.ratio, *labels_of(found))):
            runs = [effort.runs for effort in stretch]
            leads.append(Lead(task, "runs", runs[0], runs[-1], ahead))
        if len({lead.leader for lead in leads}) > 1 or len(found.tasks) <= TASKS_UP_TO:
            lines += wrapped(f"{task} by runs a side: {turn_words(leads, labels_of(found), str)}.")
    return lines


def _turns(found: Headline) -> list[str]:
    """Per task the sizes on the matched axis at which each is ahead; then those on others, if the lead turns there."""
    lines = []
    leads_of = grouped(found.leads, lambda lead: (lead.axis, lead.task))
    for axis, task in itertools.product(found.columns, found.tasks):
        leads = leads_of.get((axis, task), [])
        turns = len({lead.leader for lead in leads} - {None}) > 1
        if leads and len(leads) <= MOST_STRETCHES and (axis == found.columns[0] or turns):
            where = f"{task}, by" if task else "By"
            lines.append(f"{where} {axis_short(axis)}: {turn_words(leads, labels_of(found))}.")
    return lines


def _verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    if len(verdicts) == 1:
        (verdict,) = verdicts
        power = f": {verdict.power}" if verdict.power else ""
        return wrapped(f"Verdict: “{verdict.claim}” is {verdict.verdict}{power}.")
    counted = Counter(verdict.verdict for verdict in verdicts)
    told = ", ".join(f"{number} {conclusion}" for conclusion, number in counted.items())
    return wrapped(f"Verdicts of {len(verdicts)} rules: {told} (see the report).") if verdicts else []


def wrapped(text: str) -> list[str]:
    """The text in lines of a narrow terminal, which no word is broken for."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)


def answer_table(found: Headline) -> Table:
    """A row a task and place, a column an axis: who is ahead, how many times, and at which size; a lead stands out."""
    axes = list(filter(None, (*found.columns, found.clock)))
    rows: list[TableRow] = []
    for task, place in itertools.product(found.tasks, found.places):
        is_first = place == found.places[0]
        label = f"{task}: {found.formulas[task]}" if is_first else ""
        cells: list[TableCell] = []
        for axis in axes:
            reading = found.reading(task, axis, place)
            at = f" at {human(reading.ratio.at, 3)}" if reading.ratio.at is not None else ""
            worse = reading.worse_than_constant
            beside = f"{at} ({worse[0]} is worse than a constant)" if worse else at
            cells.append([_ratio_cell(reading.ratio, labels_of(found)), beside])
        rows.append(TableRow((label, place, *cells), goes_on=not is_first, begins_section=is_first and bool(rows)))
    heads = [f"equal {axis_words(axis)}" for axis in axes]
    return Table("", text_columns("task", "size", *heads), tuple(rows))


def answer_sentences(found: Headline) -> list[str]:
    """The answer at the largest size, a sentence a task, and which networks were compared there."""
    place, loss = found.places[-1], loss_of(found)
    where = f"at the {place} equal size" if len(found.places) > 1 else f"at {place}"
    baselines = grouped(found.baselines, lambda baseline: baseline.task)
    sentences = []
    for task in found.tasks:
        axes_of: dict[str, list[str]] = {}
        for axis in found.columns:
            outcome, times = _outcome(found.reading(task, axis, place).ratio, *labels_of(found), loss)
            axes_of.setdefault(outcome, []).append(f"{times}at equal {axis_words(axis)}")
        outcomes = "; ".join(f"{outcome} {', '.join(axes)}" for outcome, axes in axes_of.items())
        sentence = f"On {task}, {where}, {outcomes}." if task else f"{where[0].upper()}{where[1:]}, {outcomes}."
        largest = [side for side in found.largest if side.task == task and side.network]
        if largest:
            networks = ", ".join(f"{side.side} {side.network} ({human(side.loss, 2)})" for side in largest)
            sentence += f" The largest networks, with their {loss}: {networks}."
        if task in baselines:
            losses = [f"{BASELINE_WORDS[model.name]} has {human(model.loss, 2)}" for model in baselines[task]]
            sentence += f" For comparison, {' and '.join(losses)}."
        if task in found.deviations:
            sentence += f" An RMSE of 1 is {human(found.deviations[task], 3)} in the unit of the output."
        sentences.append(sentence)
    return sentences


def _ratio_cell(ratio: Found, names: tuple[str, str]) -> Styled:
    """Who is ahead, how many times; a lead stands out."""
    return Styled(lead_words(ratio, *names, write=_in_full), "strong" if leader(ratio, *names) else "dim")


def _in_full(times: float) -> str:
    """How many times, with the digits of `factor`, written out below ten million: `410,000`."""
    if times < LEAST_THAT_MATTERS:
        return factor(times)
    return f"{float(f'{times:.2g}'):,.10g}" if times < MOST_IN_FULL else human(times, 2)


def _outcome(found: Found, first: str, second: str, loss: str) -> tuple[str, str]:
    """`the test RMSE of kan is`, and how many times lower; or that it is undecided, or why it is not known."""
    words, ahead = lead_words(found, first, second), leader(found, first, second)
    if found.is_refused_by("WORSE_THAN_CONSTANT"):
        return "both sides are worse than a constant", ""
    if found.estimate is None:
        return f"it is not known ({words})", ""
    if ahead is None:
        return f"both are {words}" if words.startswith("equal") else "it is undecided", ""
    times = found.estimate if ahead == first else 1 / found.estimate
    return f"the {loss} of {ahead} is", f"{_in_full(times)} times lower "


def others_table(found: Headline) -> Table | None:
    """The same of the other pairs that the file names: a row a pair, a column a task; None where there are none."""
    rows: list[list[TableCell]] = []
    for pair, others in grouped(found.others, lambda other: (other.first, other.second)).items():
        rows.append([" or ".join(pair), *(_ratio_cell(other.ratio, pair) for other in others)])
    return table_of("", text_columns("pair", *found.tasks), rows) if rows else None


def effort_table(found: Headline) -> Table | None:
    """A row an effort, a column a task: who is ahead, how many times; None where no search has replicates."""
    names = labels_of(found)
    rows = []
    for runs, efforts in grouped(found.efforts, lambda effort: effort.runs).items():
        cells: list[TableCell] = [f"{runs:,}"]
        for effort in efforts:
            won, lost = effort.ratio.won or 0, effort.ratio.lost or 0
            cells.append([_ratio_cell(effort.ratio, names), f" ({names[0]} won {won} of {won + lost})"])
        rows.append(cells)
    tasks = grouped(found.efforts, lambda effort: effort.task)
    return table_of("", text_columns("runs a side and size", *tasks), rows) if rows else None
