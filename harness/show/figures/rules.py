"""Verdicts as a figure: the numbers that each rule hangs on, with their intervals and the limit that the rule names."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.show.figures.labels import (
    LETTERS_AN_INCH,
    TITLE_LINE_HEIGHT,
    set_ticks,
    title_letters,
    undrawn_note,
    write_head,
    write_note,
)
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
    with_numbers = [(one, rows) for one in verdicts if (rows := _rows(one))]
    if not with_numbers:
        return None
    shown = [(one, rows[:MOST_ROWS]) for one, rows in with_numbers[:MOST_RULES]]
    longest = max(len(rows) for _, rows in shown)
    columns = side_by_side(min(COLUMNS, len(shown)))
    letters = title_letters(figure_width(columns) / columns - TASK_LETTERS / LETTERS_AN_INCH)
    titles = [textwrap.fill(f"{one['claim']}: {one['verdict']}", letters) for one, _ in shown]
    asked = [textwrap.fill(one["rule"].partition(", on ")[0], letters) for one, _ in shown]
    more_lines = max(words.count("\n") for words in titles) + max(words.count("\n") for words in asked)
    height = 0.8 + ROW_HEIGHT * (longest + 1) + TITLE_LINE_HEIGHT * more_lines
    figure, panels = panel_grid(len(shown), columns, height)
    for axes, title, words, (verdict, rows) in zip(panels, titles, asked, shown, strict=True):
        axes.set(title=title, xlabel=words)
        _draw(axes, verdict, rows)
    write_head(figure, [], "What each rule hangs on: estimates, intervals, and the limit of the rule")
    notes = ["Blue: supported. Vermilion: refuted. Grey and hollow: open. Dashed: the limit."]
    notes += undrawn_note(len(with_numbers) - len(shown), "rules", IN_JSON)
    beyond = sum(len(rows) for _, rows in with_numbers[:MOST_RULES]) - sum(len(rows) for _, rows in shown)
    notes += undrawn_note(beyond, "numbers of these rules", IN_JSON)
    write_note(figure, notes)
    return figure


def _rows(verdict: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [one for one in verdict["numbers"] if one["found"]["estimate"] is not None]


def _draw(axes: Axes, verdict: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> None:
    rule = Decide.model_validate(verdict["decide"])
    names = shortened((one["unit"] for one in rows), TASK_LETTERS)
    for height, one in enumerate(rows):
        found, outcome = one["found"], one["outcome"]
        colour = COLOURS.get(outcome, UNDECIDED)
        low, high = (math.nan if end is None else end for end in (found["low"], found["high"]))
        axes.plot([low, high], [-height, -height], color=colour, lw=1.4, zorder=2)
        fill = colour if outcome in COLOURS else "white"
        look: dict[str, Any] = {"marker": "o", "ms": 5, "mfc": fill, "mec": colour, "ls": "", "zorder": 3}
        axes.plot([found["estimate"]], [-height], gid=f"number:{outcome}", **look)
    axes.axvline(rule.limit, color="0.2", lw=0.8, ls=(0, (3, 2)), zorder=1)
    if not rule.takes.is_difference:
        axes.set_xscale("log")
        set_ticks(axes.xaxis)
    axes.set_yticks([-height for height in range(len(rows))], [names[one["unit"]] for one in rows])
    axes.set_ylim(-len(rows) + 0.4, 0.6)
