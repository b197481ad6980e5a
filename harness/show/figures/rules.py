"""Verdicts as a figure: the numbers that each rule hangs on, with their intervals and the limit that the rule names."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.figures import labels
from harness.show.figures.headline import MORE_LINES
from harness.show.figures.series import draw_estimate
from harness.show.figures.theme import figure_width, panel_grid, side_by_side, themed
from harness.show.names import shortened
from harness.spec import Decide

COLUMNS, MOST_RULES, MOST_ROWS = 2, 8, 16
ROW_HEIGHT = 0.17  # inches
TASK_LETTERS = 20  # of a row's label
COLOURS = {"supported": "#0072B2", "refuted": "#D55E00"}  # blue, vermilion
UNDECIDED = "0.45"  # grey
IN_JSON = "`harness verdicts --json` has all numbers"


@themed
def rules_figure(verdicts: Sequence[Mapping[str, Any]]) -> Figure | None:
    """A panel for each rule that has a number; artists carry a gid `number:outcome`."""
    with_numbers = []
    for verdict in verdicts:
        if numbers := [number for number in verdict["numbers"] if number["found"]["estimate"] is not None]:
            with_numbers.append((verdict, numbers))
    if not with_numbers:
        return None
    shown = with_numbers[:MOST_RULES]
    columns = side_by_side(min(COLUMNS, len(shown)))
    letters = labels.title_letters(figure_width(columns) / columns - TASK_LETTERS / labels.LETTERS_AN_INCH)
    titles, asked, rows = [], [], 0
    for verdict, numbers in shown:
        titles.append(textwrap.fill(f"{verdict['claim']}: {verdict['verdict']}", letters))
        asked.append(textwrap.fill(verdict["rule"].partition(", on ")[0], letters))
        rows = max(rows, min(len(numbers), MOST_ROWS))
    more_lines = max(map(MORE_LINES, titles)) + max(map(MORE_LINES, asked))
    height = 0.8 + ROW_HEIGHT * (rows + 1) + labels.TITLE_LINE_HEIGHT * more_lines
    figure, panels = panel_grid(len(shown), columns, height)
    beyond = 0
    for axes, title, words, (verdict, numbers) in zip(panels, titles, asked, shown, strict=True):
        axes.set(title=title, xlabel=words)
        _draw(axes, Decide.model_validate(verdict["decide"]), numbers[:MOST_ROWS])
        beyond += len(numbers[MOST_ROWS:])
    labels.write_head(figure, [], "What each rule hangs on: estimates, intervals, and the limit of the rule")
    notes = ["Blue: supported. Vermilion: refuted. Grey and hollow: open. Dashed: the limit."]
    notes += labels.undrawn_note(len(with_numbers) - len(shown), "rules", IN_JSON)
    notes += labels.undrawn_note(beyond, "numbers of these rules", IN_JSON)
    labels.write_note(figure, notes)
    return figure


def _draw(axes: Axes, rule: Decide, numbers: Sequence[Mapping[str, Any]]) -> None:
    heights = range(0, -len(numbers), -1)
    for height, number in zip(heights, numbers, strict=True):
        found, outcome = number["found"], number["outcome"]
        colour = COLOURS.get(outcome, UNDECIDED)
        fill = colour if outcome in COLOURS else "white"
        ends = found["low"], found["estimate"], found["high"]
        draw_estimate(axes, height, ends, colour, marker="o", mfc=fill, gid=f"number:{outcome}")
    axes.axvline(rule.limit, color="0.2", lw=0.8, ls=(0, (3, 2)), zorder=1)
    if not rule.takes.is_difference:
        axes.set_xscale("log")
        labels.set_ticks(axes.xaxis)
    tasks = [number["unit"] for number in numbers]
    axes.set_yticks(list(heights), list(map(shortened(tasks, TASK_LETTERS).__getitem__, tasks)))
    axes.set_ylim(-len(numbers) + 0.4, 0.6)
