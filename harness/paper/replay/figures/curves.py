"""The figures of curves: published points and ours in the same panels on the axes of the paper; courses of training."""

import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.paper.replay.added import ADDED
from harness.paper.replay.names import plain_name
from harness.record import Record
from harness.show.figures.labels import set_ticks, write_head
from harness.show.figures.series import INK, Style, family_styles
from harness.show.figures.theme import panel_grid, side_by_side, themed
from harness.spec import all_axes
from harness.tasks import TASKS, load_target

LABEL_LETTERS = 32  # of a line below a panel
HOLLOW: dict[str, Any] = {"mfc": "white", "mec": INK, "ms": 5, "mew": 0.9, "lw": 0.6, "ls": (0, (1, 1.5))}
GRID_WORDS = "intervals of a spline, G"
ADDED_MARK = "*"
ADDED_LOOK: dict[str, Any] = {"ms": 8, "mec": INK, "mew": 0.6, "lw": 1.5, "zorder": 5}
KAN_MARKS, MLP_MARKS = ("o", "P", "X"), ("s", "^", "D", "v")
PANEL_HEIGHT, SMALL_HEIGHT, COURSE_HEIGHT = 3.0, 2.6, 2.6  # inches


@themed
def curves_figure(points: pd.DataFrame, arms: Mapping[str, str], x: str, y_words: str = "test RMSE") -> Figure:
    """A panel a function (or network): published points hollow and black, ours filled, a mark a curve.

    `points` are rows of `harness.paper.replay.curves.beside`, `arms` is what arms are called. Ours have a colour a
    family, in a shade for each way of training. Bars go from the best to the worst seed. What diverged, or was not run,
    is not there.
    """
    ours = points[points["ours"].notna()]
    named = ours.assign(name=[plain_name(series, arms) for series in ours["ours"]])
    in_order = named.sort_values("family", kind="stable")
    styles = family_styles(dict(zip(in_order["name"], in_order["family"], strict=True)))
    shown = points[points["panel"].isin(ours["panel"])] if len(ours) else points
    once = shown[shown["curve"] != ADDED].drop_duplicates(["panel", "curve", "x", "published"]).sort_values("x")
    published = {panel: once[once["panel"] == panel] for panel in dict.fromkeys(shown["panel"])}
    is_small = len(published) > 2
    columns = side_by_side(3 if is_small else len(published))
    has_room = len(published) % columns > 0  # for the legend, beside the last panel
    figure, cells = panel_grid(len(published) + has_room, columns, SMALL_HEIGHT if is_small else PANEL_HEIGHT)
    size = all_axes().get(x)
    for axes, (panel, rows) in zip(cells, published.items(), strict=False):  # a cell more has the legend
        _panel(axes, rows, named[named["panel"] == panel].sort_values("x"), styles)
        axes.set_xlabel(textwrap.fill(size.words if size else GRID_WORDS, LABEL_LETTERS))
        axes.set_title(_title(panel))
    for axes in cells[: len(published) : columns]:
        axes.set_ylabel(y_words)
    legend = _legend(published.values(), styles, set(named.loc[named["curve"] == ADDED, "name"]))
    if has_room:
        cells[-1].axis("off")
        cells[-1].legend(handles=legend, loc="center left")
    else:
        write_head(figure, legend, columns=columns + 1, place="outside lower left")
    return figure


def _title(panel: str) -> str:
    """The formula of a task, with what else makes the panel; or the words as they are."""
    task, *more = panel.split(" ")
    formula = load_target(task).formula if task in TASKS else task
    return "  ".join([formula, *more])


def _legend(published: Iterable[pd.DataFrame], styles: Mapping[str, Style], added: set[str]) -> list[Line2D]:
    """Published KANs, then published MLPs by depth, then ours: marks are those of the published curves."""
    curves: dict[str, list[str]] = {mark: [] for mark in (*KAN_MARKS, *MLP_MARKS)}
    for of_panel in published:
        for curve, mark in _marks(of_panel).items():
            curves[mark].append(curve)
    keys = []
    for mark, marked in curves.items():
        if marked:
            of_kans = "KAN" if len(set(marked)) > 1 else f"KAN {marked[0]}"
            words = marked[0] if mark in MLP_MARKS else of_kans
            keys.append(Line2D([], [], marker=mark, color=INK, label=f"published {words}", **HOLLOW))
    for name, style in styles.items():
        look = {"marker": ADDED_MARK, "label": name, **ADDED_LOOK} if name in added else {"label": f"our {name}"}
        keys.append(Line2D([], [], **{"color": style.colour, "ls": style.line, "lw": 1.3, **look}))
    return keys


@themed
def course_figure(records: Sequence[tuple[str, Record]]) -> Figure:
    """Training and validation errors by evaluation, a panel a run: the staircase of grids."""
    columns = side_by_side(min(2, len(records)))
    figure, grid = panel_grid(len(records), columns, COURSE_HEIGHT, sharey=True)
    for axes, (title, record) in zip(grid, records, strict=True):
        family = record.run.network.family
        styles = family_styles({"train": family, "validation": family})
        evaluations = [point.evaluations for point in record.curve]
        for name, style in styles.items():
            errors = [getattr(point, f"{name}_rmse") or np.nan for point in record.curve]
            axes.plot(evaluations, errors, lw=0.9, color=style.colour, ls=style.line, label=name, gid=f"course:{name}")
        for end in np.cumsum([made for made, _ in record.by_stage])[:-1]:
            axes.axvline(end, color="#999999", lw=0.5, ls=(0, (2, 2)), zorder=0)
        axes.set(yscale="log", xlabel="evaluations", title=title)
    for axes in grid:
        set_ticks(axes.yaxis)
    for axes in grid[::columns]:
        axes.set_ylabel("RMSE")
    grid[0].legend()
    return figure


def _panel(axes: Axes, published: pd.DataFrame, measured: pd.DataFrame, styles: Mapping[str, Style]) -> None:
    marks = {**_marks(published), ADDED: ADDED_MARK}
    filled: dict[str, Any] = {"ms": 3.6, "mec": "none", "lw": 0.9}
    for curve, rows in published.groupby(published["curve"].astype(str), sort=False):
        look: dict[str, Any] = {"color": INK, "marker": marks[curve], "zorder": 4, **HOLLOW}
        axes.plot(rows["x"], rows["published"], gid=f"published:{curve}", **look)
    for series, rows in measured.groupby(measured["ours"].astype(str), sort=False):
        style, shown = styles[rows["name"].iloc[0]], rows[np.isfinite(rows["median"])]
        worst = shown["worst"].where(np.isfinite(shown["worst"]), shown["median"])
        axes.vlines(shown["x"], shown["best"], worst, color=style.colour, lw=1, alpha=0.4, zorder=2)
        for curve, part in shown.groupby(shown["curve"].astype(str), sort=False):
            look = {"color": style.colour, "marker": marks[curve], "zorder": 3, **filled, "ls": style.line}
            look |= ADDED_LOOK if curve == ADDED else {}
            axes.plot(part["x"], part["median"], gid=f"ours:{series}", **look)
    axes.set(xscale="log", yscale="log")
    set_ticks(axes.xaxis, is_small=True)
    set_ticks(axes.yaxis)


def _marks(published: pd.DataFrame) -> dict[str, str]:
    """A mark a curve: the same for an MLP's depth in every panel, and others for its KANs."""
    is_kan = published["family"] == "kan"
    kans, mlps = (sorted(published.loc[chosen, "curve"].unique(), key=_nodes) for chosen in (is_kan, ~is_kan))
    return dict(zip(kans, KAN_MARKS, strict=False)) | dict(zip(mlps, MLP_MARKS, strict=False))


def _nodes(curve: str) -> tuple[int, list[int]]:
    """By which curves are ordered: of `[2,5,1]` or `MLP, depth 3` the numbers, deeper networks first."""
    numbers = [int(number) for number in re.findall(r"\d+", curve)]
    return -len(numbers), numbers
