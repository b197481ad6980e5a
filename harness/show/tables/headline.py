"""Who is better at equal size, as lines for a terminal, sentences, and a table for pages."""

from __future__ import annotations

import itertools
import math
import textwrap
from collections import Counter
from collections.abc import Callable, Sequence

from harness.base.formats import estimate, exponent, human
from harness.comparison.replicates import Found
from harness.judging.verdict import Verdict
from harness.judging.versus import FAR, Effort, Headline, Lead, NoHeadline, Reading, leader
from harness.show.names import shortened
from harness.show.tables.table import Styled, Table, TableCell, TableRow, text_columns
from harness.show.words import LOSS_WORDS, metric_words
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
    return LOSS_WORDS[found.metric] if any(found.tasks) else metric_words([found.metric])


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
    return next((REFUSED[one.code] for one in found.refusals if one.code in REFUSED), "not known")


def _over(ratio: float) -> float:
    """The same ratio the other way round; an end that the data do not bound is 0 there and infinite here."""
    return 1 / ratio if ratio else math.inf


def console_lines(found: Headline | NoHeadline, verdicts: Sequence[Verdict], last: Sequence[str]) -> list[str]:
    """The answer in at most 16 lines of 76 columns, and with replicates a line or two a task more, which say at which
    effort who is ahead; `last` are the lines that close it.

    A task whose name is too long to stand beside its sizes has a line of its own, and of sizes where the lead turns as
    many lines are told, where there is room.
    """
    if isinstance(found, NoHeadline):
        return [*wrapped(found.why), *_verdict_lines(verdicts), *last]
    names, legend = short_names(found.first.label, found.second.label)
    asked = f"Whose {loss_of(found)} is lower, how many times?"
    lines = wrapped(f"{asked} ({interval_words(found)}; ?: undecided)")
    heading = "at equal:" if len(found.tasks) <= ALL_PLACES_UP_TO else f"{found.places[-1]} equal:"
    lines += [*legend, console_row(heading, [axis_short(axis) for axis in found.columns[:COLUMNS]])]
    closing = [*_verdict_lines(verdicts), *wrapped(f"Careful: {found.cautions[0]}" if found.cautions else ""), *last]
    beside = [*wrapped(baselines_words(found)), *wrapped(seconds_words(found, names))]
    beside += list(itertools.chain.from_iterable(map(wrapped, (*other_pairs(found), *exponent_lines(found, names)))))
    room = MOST_LINES - len(lines) - len(beside) - len(closing)
    lines += [*_rows(found, names, room), *beside, *itertools.chain(*_effort_lines(found, names))]
    for turn in _turns(found, names):
        if len(lines) + len(turn) + len(closing) <= MOST_LINES:
            lines += turn
    return [*lines, *closing]


def answer_table(found: Headline) -> Table:
    """A row a task and place, a column an axis: who is ahead, how many times, and at which size; a lead stands out."""
    names = (found.first.label, found.second.label)
    axes = [*found.columns, *([found.clock] if found.clock else [])]
    rows: list[TableRow] = []
    for task in found.tasks:
        for place in found.places:
            is_first = place == found.places[0]
            label = f"{task}: {found.formulas[task]}" if is_first else ""
            cells = [_answer_cell(found.reading(task, axis, place), names) for axis in axes]
            rows.append(TableRow((label, place, *cells), goes_on=not is_first, begins_section=is_first and bool(rows)))
    heads = [f"equal {axis_words(axis)}" for axis in axes]
    return Table("", text_columns("task", "size", *heads), tuple(rows))


def answer_sentences(found: Headline) -> list[str]:
    """The answer at the largest size, a sentence a task, and which networks were compared there."""
    place, loss = found.places[-1], loss_of(found)
    where = f"at the {place} equal size" if len(found.places) > 1 else f"at {place}"
    told = []
    for task in found.tasks:
        counts: dict[str, list[str]] = {}
        for axis in found.columns:
            outcome, times = _outcome(
                found.reading(task, axis, place).ratio, found.first.label, found.second.label, loss
            )
            counts.setdefault(outcome, []).append(f"{times}at equal {axis_words(axis)}")
        parts = [f"{outcome} {', '.join(listed)}" for outcome, listed in counts.items()]
        largest = [
            f"{one.side} {one.network} ({human(one.loss, 2)})"
            for one in found.largest
            if one.task == task and one.network
        ]
        networks = f" The largest networks, with their {loss}: {', '.join(largest)}." if largest else ""
        known = [f"{BASELINE_WORDS[one.name]} has {human(one.loss, 2)}" for one in found.baselines if one.task == task]
        beside = f" For comparison, {' and '.join(known)}." if known else ""
        told.append(f"On {task}, {where}, {'; '.join(parts)}.{networks}{beside}")
    return told


def baselines_words(found: Headline) -> str:
    """`Test RMSE of a constant: exp2d 1.4, j0 0.29.`: each baseline on each task; empty if none is known.

    Where that is longer than a line, the names are left out: tasks are in the order of the rows.

    Of more tasks than have a row each, how often a constant is better than both sides.
    """
    if len(found.tasks) > TASKS_UP_TO:
        largest = [found.reading(task, found.columns[0], found.places[-1]) for task in found.tasks]
        lost = sum(one.ratio.is_refused_by("WORSE_THAN_CONSTANT") for one in largest)
        return f"A constant is better than both sides on {lost} of {len(found.tasks)} tasks." if lost else ""
    losses = {(one.name, one.task): human(one.loss, 2) for one in found.baselines}
    known = {name: words for name, words in BASELINE_WORDS.items() if any(name == one for one, _ in losses)}
    loss = loss_of(found)
    for begin in ({task: f"{task} " for task in found.tasks}, dict.fromkeys(found.tasks, "")):
        told = [
            f"of {words}: {', '.join(begin[task] + losses.get((name, task), '–') for task in found.tasks)}"
            for name, words in known.items()
        ]
        line = f"{loss[0].upper()}{loss[1:]} {'; '.join(told)}." if told else ""
        if len(line) <= WIDTH:
            break
    return line


def answer_key(found: Headline) -> str:
    """How to read a cell of the answer's table."""
    first, second, loss = found.first.label, found.second.label, loss_of(found)
    limits = " Training FLOPs are a limit: the best setting within it may spend less." if found.limits else ""
    over_looks = " (over all looks together)" if found.looks else ""
    return (
        f"“{first} 3x [2, 5] at 100” means: at size 100 the {loss} of {first} is 3 times lower, with a "
        f"{_percent(found.level)} interval of 2 to 5{over_looks}. “{second} 2 to {first} 3?” means that it is "
        f"undecided: the interval runs from {second} 2 times better to {first} 3 times better.{limits}"
    )


def interval_words(found: Headline) -> str:
    """At which level intervals are; with looks, all that one may look at together."""
    return f"{_percent(found.level)} intervals{' over all looks' if found.looks else ''}"


def _answer_cell(found: Reading, names: tuple[str, str]) -> TableCell:
    ratio = found.ratio
    at = f" at {human(ratio.at, 3)}" if ratio.at is not None else ""
    worse = f" ({found.worse_than_constant[0]} is worse than a constant)" if found.worse_than_constant else ""
    return [_ratio_cell(ratio, names), f"{at}{worse}"]


def _in_full(times: float) -> str:
    """How many times, with the digits of `factor`, written out below ten million: `410,000`."""
    if times < LEAST_THAT_MATTERS:
        return factor(times)
    return f"{float(f'{times:.2g}'):,.10g}" if times < MOST_IN_FULL else human(times, 2)


def _outcome(found: Found, first: str, second: str, loss: str) -> tuple[str, str]:
    """`the test RMSE of kan is`, and how many times lower; or that it is undecided, or why it is not known."""
    if found.is_refused_by("WORSE_THAN_CONSTANT"):
        return "both sides are worse than a constant", ""
    if found.estimate is None:
        return f"it is not known ({lead_words(found, first, second)})", ""
    match leader(found, first, second):
        case None:
            words = lead_words(found, first, second)
            return f"both are {words}" if words.startswith("equal") else "it is undecided", ""
        case name:
            times = found.estimate if name == first else 1 / found.estimate
            return f"the {loss} of {name} is", f"{_in_full(times)} times lower "


def seconds_words(found: Headline, names: tuple[str, str]) -> str:
    """Who is ahead at equal seconds at the largest size, or how to have that; of laws nothing."""
    if found.by == "laws":
        return ""
    if found.clock is None:
        return "Equal seconds: not timed; `harness bench FILE` adds them."
    where = f"Equal seconds, {found.places[-1]} size:"
    if len(found.tasks) > ALL_PLACES_UP_TO:
        return f"{where} {_counted(found, found.clock, names)} on {len(found.tasks)} tasks."
    ratios = [found.reading(task, found.clock, found.places[-1]).ratio for task in found.tasks]
    told = [f"{task} {lead_words(ratio, *names)}" for task, ratio in zip(found.tasks, ratios, strict=True)]
    return f"{where} {'; '.join(told)}."


def turn_words(
    leads: Sequence[Lead], names: tuple[str, str], labels: tuple[str, str], at: Callable[[float], str] = human
) -> str:
    """`kan ahead at 40 to 80, undecided at 160`: who is ahead over the sizes of one task on one axis."""
    called = {labels[0]: f"{names[0]} ahead", labels[1]: f"{names[1]} ahead", None: "undecided"}
    stretches = []
    for lead in leads:
        ends = list(dict.fromkeys([at(lead.low), at(lead.high)]))
        stretches.append(f"{called[lead.leader]} {'with' if lead.axis == 'runs' else 'at'} {' to '.join(ends)}")
    return ", ".join(stretches)


def short_names(first: str, second: str) -> tuple[tuple[str, str], list[str]]:
    """Short names of two sides for narrow cells, and the line that explains them if they are not the full names."""
    if max(len(first), len(second)) <= LONGEST_NAME:
        return (first, second), []
    return ("A", "B"), wrapped(f"A: {first}. B: {second}.")


def _rows(found: Headline, names: tuple[str, str], room: int) -> list[str]:
    """The rows of all tasks; those of one or two tasks may have a line above them, if all stay within so many lines."""
    if len(found.tasks) > TASKS_UP_TO:
        counted = [_counted(found, axis, names) for axis in found.columns[:COLUMNS]]
        return [console_row(f"{len(found.tasks)} tasks", counted)]
    if len(found.tasks) > ALL_PLACES_UP_TO:
        labels = shortened(found.tasks, LABEL_WIDTH - 1)
        return [_row(found, names, labels[task], task, found.places[-1]) for task in found.tasks]
    beside = LABEL_WIDTH - PLACE_WIDTH - 1
    labels, above = shortened(found.tasks, beside), shortened(found.tasks, WIDTH)
    is_above = any("…" in label for label in labels.values()) and len(found.tasks) * (1 + len(found.places)) <= room
    lines = []
    for task in found.tasks:
        if is_above:
            lines.append(above[task])
        for place in found.places:
            own = labels[task] if place == found.places[0] and not is_above else ""
            label = f"{own:<{beside + 1}}{place}" if task else f"{place} size"
            lines.append(_row(found, names, label, task, place))
    return lines


def _row(found: Headline, names: tuple[str, str], label: str, task: str, place: str) -> str:
    cells = [lead_cell(found.reading(task, axis, place).ratio, *names) for axis in found.columns[:COLUMNS]]
    return console_row(label, cells)


def _counted(found: Headline, axis: str, names: tuple[str, str]) -> str:
    """On how many tasks each side is ahead at the largest size."""
    ahead = Counter(leader(found.reading(task, axis, found.places[-1]).ratio, *names) for task in found.tasks)
    return f"{names[0]} {ahead[names[0]]}, {names[1]} {ahead[names[1]]}, ? {ahead[None]}"


def console_row(label: str, cells: Sequence[str]) -> str:
    """A line of a label and a cell a column; what is too long for its cell is cut."""
    return (f"{label:<{LABEL_WIDTH}}" + "".join(f"{cell[: CELL_WIDTH - 1]:<{CELL_WIDTH}}" for cell in cells)).rstrip()


def _effort_lines(found: Headline, names: tuple[str, str]) -> list[list[str]]:
    """Per task who is ahead at which effort, at the largest size; of many tasks only where the lead hangs on it."""
    labels = (found.first.label, found.second.label)
    told = []
    for task in found.tasks:
        efforts = [one for one in found.efforts if one.task == task]
        leaders = {leader(one.ratio, *labels) for one in efforts}
        if len(leaders) > 1 or (leaders and len(found.tasks) <= TASKS_UP_TO):
            told.append(wrapped(f"{task} by runs a side: {effort_words(efforts, names, labels)}."))
    return told


def effort_words(efforts: Sequence[Effort], names: tuple[str, str], labels: tuple[str, str]) -> str:
    """`mlp ahead with 1, undecided with 2 to 8, kan ahead with 16 to 32`."""
    stretches = []
    for ahead, group in itertools.groupby(efforts, key=lambda effort: leader(effort.ratio, *labels)):
        runs = [effort.runs for effort in group]
        stretches.append(Lead(efforts[0].task, "runs", runs[0], runs[-1], ahead))
    return turn_words(stretches, names, labels, str)


def other_pairs(found: Headline) -> list[str]:
    """`kan or spline_mlp, largest size: j0 kan 5x [2, 9]; …`: a line for each other pair that the file names."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for one in found.others:
        words = lead_words(one.ratio, one.first, one.second)
        pairs.setdefault((one.first, one.second), []).append(f"{one.task} {words}")
    return [f"{first} or {second}, largest size: {'; '.join(told)}." for (first, second), told in pairs.items()]


def exponent_lines(found: Headline, names: tuple[str, str]) -> list[str]:
    """`Exponent by params: exp2d kan 2.1 [1.5, 2.7], mlp 0.8 [0.6, 1]; …`: a line an axis, if there are a few tasks."""
    if len(found.tasks) > ALL_PLACES_UP_TO:
        return []
    called = dict(zip((found.first.label, found.second.label), names, strict=True))
    lines = []
    for axis in dict.fromkeys(one.axis for one in found.exponents):
        told: dict[str, list[str]] = {}
        for one in found.exponents:
            if one.axis == axis:
                told.setdefault(one.task, []).append(f"{called[one.side]} {found_exponent(one.exponent)}")
        tasks = "; ".join(f"{task} {', '.join(own)}" for task, own in told.items())
        lines.append(f"Exponent by {axis_short(axis)}: {tasks}.")
    return lines


def found_exponent(found: Found) -> str:
    """`2.1 [1.5, 2.7]`, or why there is none."""
    if found.estimate is None or found.low is None or found.high is None:
        return _refused_words(found)
    return estimate(found.estimate, found.low, found.high, exponent)


def others_table(found: Headline) -> Table | None:
    """The same of the other pairs that the file names: a row a pair, a column a task; None where there are none."""
    pairs = dict.fromkeys((one.first, one.second) for one in found.others)
    ratios = {(one.first, one.second, one.task): one.ratio for one in found.others}
    rows = []
    for names in pairs:
        cells = [_ratio_cell(ratios[*names, task], names) for task in found.tasks]
        rows.append(TableRow((" or ".join(names), *cells)))
    return Table("", text_columns("pair", *found.tasks), tuple(rows)) if rows else None


def _ratio_cell(ratio: Found, names: tuple[str, str]) -> Styled:
    """Who is ahead, how many times; a lead stands out."""
    return Styled(lead_words(ratio, *names, write=_in_full), "strong" if leader(ratio, *names) else "dim")


def effort_table(found: Headline) -> Table | None:
    """A row an effort, a column a task: who is ahead, how many times; None where no search has replicates."""
    if not found.efforts:
        return None
    names = (found.first.label, found.second.label)
    tasks = [task for task in found.tasks if any(one.task == task for one in found.efforts)]
    known = {(one.task, one.runs): one for one in found.efforts}
    rows = []
    for runs in dict.fromkeys(one.runs for one in found.efforts):
        cells: list[TableCell] = [f"{runs:,}"]
        for task in tasks:
            one = known[task, runs]
            won, lost = one.ratio.won or 0, one.ratio.lost or 0
            cells.append([_ratio_cell(one.ratio, names), f" ({names[0]} won {won} of {won + lost})"])
        rows.append(TableRow(tuple(cells)))
    return Table("", text_columns("runs a side and size", *tasks), tuple(rows))


def near_words(found: Headline) -> str:
    """How many runs of each side come near to its best, so how much it hangs on luck; empty if unknown."""
    told = []
    for task in found.tasks:
        shares = [f"{100 * one.share:.2g} % of {one.side}'s" for one in found.near_the_best if one.task == task]
        told += [f"{' and '.join(shares)} on {task}"] if shares else []
    if not told:
        return ""
    return f"Runs at the largest size within {FAR:g} times of what validation picks among them: {'; '.join(told)}."


def _turns(found: Headline, names: tuple[str, str]) -> list[list[str]]:
    """Per task the sizes on the matched axis at which each is ahead; then those on others, if the lead turns there."""
    labels = (found.first.label, found.second.label)
    told = []
    for axis in found.columns:
        for task in found.tasks:
            leads = [one for one in found.leads if (one.task, one.axis) == (task, axis)]
            turns = len({one.leader for one in leads} - {None}) > 1
            if leads and len(leads) <= MOST_STRETCHES and (axis == found.columns[0] or turns):
                where = f"{task}, by" if task else "By"
                told.append(wrapped(f"{where} {axis_short(axis)}: {turn_words(leads, names, labels)}."))
    return told


def _verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    if len(verdicts) == 1:
        power = f": {verdicts[0].power}" if verdicts[0].power else ""
        return wrapped(f"Verdict: “{verdicts[0].claim}” is {verdicts[0].verdict}{power}.")
    counted = Counter(verdict.verdict for verdict in verdicts)
    told = ", ".join(f"{number} {conclusion}" for conclusion, number in counted.items())
    return wrapped(f"Verdicts of {len(verdicts)} rules: {told} (see the report).") if verdicts else []


def _percent(level: float) -> str:
    return f"{100 * level:.3g} %"


def wrapped(text: str) -> list[str]:
    """The text in lines of a narrow terminal, which no word is broken for."""
    return textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
