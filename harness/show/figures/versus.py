"""The figures of two sides: who is better at equal size, by how much, by whose count; by laws also at equal loss."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from harness.judging.by_laws import ComparedByLaws, Comparison
from harness.judging.versus import Lead, RatioLine, VersusRequest
from harness.show.figures.labels import (
    key,
    limits_around,
    name_sides,
    padded,
    set_ticks,
    write_head,
    write_note,
    y_words,
)
from harness.show.figures.series import Style, draw_band, named_styles, plain_styles
from harness.show.figures.theme import LABEL_SIZE, panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.spec import axis_words

PANEL_HEIGHT = 2.4  # inches
COLUMNS = 3
MOST_PANELS = 12
TITLE_LETTERS, LABEL_LETTERS = 27, 34
NO_TITLES: Mapping[str, str] = {}
MOST_MARKS = 24  # a line of more points is a law's, whose points are no networks
MOST_VERDICTS = 3
BEYOND = (1e-60, 1e60)  # where an open end is drawn to, beyond every panel
BESIDE = 6.0  # points between the marks of two axes of sizes


@dataclass(frozen=True)
class Panel:
    """Ratios B / A in one panel, a line an axis: of losses at equal size, or of sizes at equal loss (`kind` cost).

    `twins` are read without a law, and at sizes of `equal` neither is ahead.
    """

    lines: Sequence[RatioLine]
    word: str
    title: str = ""
    x: str = ""
    y: str = ""
    kind: str = "ratio"
    twins: Sequence[RatioLine] = ()
    equal: Sequence[Lead] = ()
    refused: Sequence[str] = ()
    at: float | None = None


def draw_versus(
    asked: VersusRequest,
    curves: Sequence[RatioLine],
    styles: Mapping[str, Style],
    stem: Path,
    titles: Mapping[str, str] = NO_TITLES,
) -> list[Path]:
    """Write the figure as `<stem>.png` and `.pdf`; nothing where no size can be compared."""
    figure = versus_figure(asked, curves, styles, titles)
    return write_figure(figure, stem) if figure else []


@themed
def versus_figure(
    asked: VersusRequest,
    curves: Sequence[RatioLine],
    styles: Mapping[str, Style],
    titles: Mapping[str, str] = NO_TITLES,
) -> Figure | None:
    """A panel a task, a line an axis; artists carry a gid `kind:axis`. None where there is no line.

    Marks are A's sizes, filled where the interval leaves out equality. `styles` are those of the two sides; `titles`
    are of tasks (`task_titles`), which else have their short names.
    """
    tasks = list(dict.fromkeys(line.task for line in curves))
    if not tasks:
        return None
    shown = tasks[:MOST_PANELS]
    names, columns = shortened(shown, TITLE_LETTERS), side_by_side(min(COLUMNS, len(shown)))
    panels = [
        Panel(
            [line for line in curves if line.task == task],
            "better",
            title=titles.get(task, names[task]) if len(tasks) > 1 else "",
            x=f"{asked.first}: {axis_words(asked.axis)}" if index + columns >= len(shown) else "",
            y=f"test loss of {asked.second} / {asked.first}" if index % columns == 0 else "",
            at=asked.at,
        )
        for index, task in enumerate(shown)
    ]
    title = f"{asked.first} or {asked.second}: which is better where both are equal in …"
    axes = list(dict.fromkeys(line.axis for line in curves))
    return _figure(panels, axes, (asked.first, asked.second), styles, title, _notes(asked, len(tasks) - len(shown)))


def _figure(
    panels: Sequence[Panel],
    axis_names: Sequence[str],
    sides: tuple[str, str],
    styles: Mapping[str, Style],
    title: str,
    notes: Sequence[str],
) -> Figure:
    """The panels; the key has the axes where there are several, or the title leads to them."""
    axes_styles = plain_styles(axis_names)
    figure, places = panel_grid(len(panels), side_by_side(min(COLUMNS, len(panels))), PANEL_HEIGHT)
    for axes, panel in zip(places, panels, strict=True):
        _draw_panel(axes, panel, axes_styles)
        name_sides(axes, sides, (panel.word, panel.word), styles)
        axes.set_title(panel.title)
        axes.set_xlabel(textwrap.fill(panel.x, LABEL_LETTERS))
        axes.set_ylabel(y_words(panel.y) if panel.y else "")
    keys = [key(axis_words(name), style) for name, style in axes_styles.items()]
    write_head(figure, keys if len(keys) > 1 or title.endswith("…") else [], title)
    write_note(figure, notes)
    return figure


def _draw_panel(axes: Axes, panel: Panel, styles: Mapping[str, Style]) -> None:
    axes.set(xscale="log", yscale="log")
    for line in panel.lines:
        _draw(axes, line, styles[line.axis], panel.kind)
    for index, twin in enumerate(panel.twins):
        _draw_twin(axes, twin, styles[twin.axis], BESIDE * (index - (len(panel.twins) - 1) / 2))
    for lead in panel.equal:
        look: dict[str, Any] = {"color": styles[lead.axis].colour, "alpha": 0.12, "lw": 0, "zorder": 0}
        axes.axvspan(lead.low, lead.high, gid=f"equal:{lead.axis}", **look)
    if panel.refused:
        axes.text(0.03, 0.5, "\n".join(panel.refused), transform=axes.transAxes, fontsize=LABEL_SIZE)
    drawn = [*panel.lines, *panel.twins]
    if drawn:
        axes.set_xlim(padded(np.concatenate([line.x for line in drawn]), 0.06))
    _set_ratios(axes, [line.ratio for line in drawn], [end for line in drawn for end in (line.low, line.high)])
    if panel.kind == "cost" and drawn:
        axes.invert_xaxis()
    if panel.at is not None:
        axes.axvline(panel.at, color="0.4", lw=0.8, ls=(0, (2, 2)), zorder=1, gid="budget")


def _draw_twin(axes: Axes, twin: RatioLine, style: Style, beside: float) -> None:
    """Marks that stand `beside` (points) their losses, clear of those of other axes."""
    read = np.isfinite(twin.ratio) & (twin.ratio > 0)
    low, high = (np.clip(ends, *BEYOND)[read] for ends in (twin.low, twin.high))
    thin: dict[str, Any] = {"color": style.text_colour, "lw": 0.7, "zorder": 3}
    some = (twin.low[read] > 0) | (twin.high[read] < np.inf)  # bounded on a side
    place = offset_copy(axes.transData, axes.get_figure(root=True), x=beside, units="points")
    bars = axes.vlines(twin.x[read][some], low[some], high[some], gid=f"twin_interval:{twin.axis}", **thin)
    bars.set_transform(place)
    mark: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.5, "mfc": "white", "mec": style.text_colour}
    axes.plot(twin.x[read], twin.ratio[read], transform=place, zorder=4, gid=f"twin:{twin.axis}", **mark)


def _set_ratios(axes: Axes, ratios: Sequence[np.ndarray], ends: Sequence[np.ndarray]) -> None:
    """Limits around the ratios, and around equality, which is always there; ticks at round numbers."""
    known = np.concatenate([np.array([0.5, 2.0]), *ratios])
    axes.set_ylim(limits_around(known[np.isfinite(known) & (known > 0)], np.concatenate([*ends, np.array([])])))
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)


def _draw(axes: Axes, line: RatioLine, style: Style, kind: str = "ratio") -> None:
    name, colour = line.axis, style.colour
    draw_band(axes, f"band_{kind}:{name}", line.x, (np.clip(line.low, *BEYOND), np.clip(line.high, *BEYOND)), style)
    known = np.where(np.isfinite(line.ratio) & (line.ratio > 0), line.ratio, np.nan)
    axes.plot(line.x, known, ls=style.line, color=colour, lw=1.3, zorder=3, gid=f"{kind}:{name}")
    if line.x.size > MOST_MARKS:
        return
    decided = (line.low > 1) | (line.high < 1)
    look: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.2, "mec": colour, "mew": 0.8, "zorder": 4}
    for which, fill, chosen in (("decided", colour, decided), ("open", "white", ~decided)):
        axes.plot(line.x[chosen], line.ratio[chosen], mfc=fill, gid=f"{which}:{name}", **look)


def _notes(asked: VersusRequest, undrawn: int) -> list[str]:
    notes = [
        f"{asked.second} is read between its sizes at the one that is equal to {asked.first}'s in each count. Bands: "
        f"{100 * asked.level:.3g} % intervals over replicates, pointwise; filled marks: equality lies outside of them. "
        f"Lines end where {asked.second} has no network that large."
    ]
    notes += [
        f"{side.label}: the best of {', '.join(side.names)} at each budget; in each replicate validation picks one."
        for side in asked.sides
        if len(side.names) > 1
    ]
    return notes + ([f"{undrawn} more tasks are in the JSON."] if undrawn > 0 else [])


# ------------------------------------------------------------------------------------------------------------- by laws
def draw_compared(compared: ComparedByLaws, folder: Path) -> list[Path]:
    """Write `compare.png` and `compare.pdf` into `folder`, of tasks `compare_TASK`; return their paths."""
    written: list[Path] = []
    for task in dict.fromkeys(one.task for one in compared.sizes):
        written += write_figure(compare_figure(compared, task), folder / f"compare{f'_{task}' if task else ''}")
    return written


@themed
def compare_figure(compared: ComparedByLaws, task: str = "") -> Figure:
    """Left what equal losses cost, right what equal sizes lose: a line an axis of sizes; gids are `kind:axis`.

    Sizes at which the laws may be equal are shaded. Of several axes, sizes are over the smallest that both arms have.
    """
    shown, (first, second) = [one for one in compared.sizes if one.task == task], compared.arms
    axes, y = [one.axis for one in shown], shown[0].arms[0].metric
    several, only = len(axes) > 1, axis_words(axes[0])
    units = {one.axis: one.loss.shared[0] if several and one.loss.shared else 1.0 for one in shown}
    leads = [lead for lead in compared.headline.leads if lead.task == task and lead.leader is None]
    cost = Panel(
        [line for one in shown for line in _lines(one, one.curve, one.curve.losses)],
        "cheaper",
        title=f"what an equal {y} costs",
        x=f"{y}: the lower, the further to the right",
        y=f"{'size' if several else only} of {second} / {first}",
        kind="cost",
        twins=[line for one in shown if one.twin for line in _lines(one, one.twin, one.twin.losses)],
        refused=[reason for one in shown for reason in _refused(one.axis, one.curve)],
    )
    loss = Panel(
        [replace(line, x=line.x / units[one.axis]) for one in shown for line in _lines(one, one.loss, one.loss.sizes)],
        "better",
        title=f"{y} at equal size",
        x="size / smallest shared size" if several else only,
        y=f"{y} of {second} / {first}",
        equal=[replace(lead, low=lead.low / units[lead.axis], high=lead.high / units[lead.axis]) for lead in leads],
        refused=[reason for one in shown for reason in _refused(one.axis, one.loss)],
    )
    claims = [f"{verdict.claim}: {verdict.conclusion}" for verdict in compared.verdicts]
    told = claims[:MOST_VERDICTS] + ([f"and {len(claims) - MOST_VERDICTS} more"] if claims[MOST_VERDICTS:] else [])
    notes = _notes_of_laws(shown, [cost, loss])
    return _figure([cost, loss], axes, compared.arms, named_styles(compared.arms), "\n".join(told), notes)


def _lines(one: Comparison, ratio: Any, places: np.ndarray | None) -> list[RatioLine]:
    """The curve of a ratio (of costs or of losses), if it is not refused."""
    return [] if places is None else [RatioLine(one.task, one.axis, places, ratio.estimate, ratio.low, ratio.high)]


def _refused(axis: str, ratio: Any) -> list[str]:
    codes = ", ".join(refusal.code for refusal in ratio.refusals)
    return [f"{axis_words(axis)}: {codes}"] if codes else []


def _notes_of_laws(shown: Sequence[Comparison], panels: Sequence[Panel]) -> list[str]:
    laws = " and ".join(dict.fromkeys(one.law for one in shown))
    level = f"{shown[0].loss.level:.0%}"
    notes = [
        f"Lines: {laws} law of both arms; bands: {level} intervals; left only over losses that both attain.",
        "Marks: the same read from the runs without a law; one without an interval is not bounded by them.",
    ]
    if panels[1].equal:
        notes.append("Shaded sizes: the curves may be equal.")
    if any(np.any(line.low == 0) or np.isinf(line.high).any() for panel in panels for line in panel.lines):
        notes.append("A band that leaves its panel has no end.")
    return notes
