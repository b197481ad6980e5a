"""The figure of a comparison: left what equal losses cost, right what equal sizes lose."""

import textwrap
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from harness import comparison
from harness.base.files import whole_file
from harness.comparison.tables.comparison import Compared, Comparison
from harness.show.figures.scaling import (
    DPI,
    LABEL_SIZE,
    ROW_HEIGHT,
    THEME,
    WIDTH,
    Style,
    darker,
    series_styles,
    set_ticks,
)
from harness.spec import axis_words

LABEL_COLUMNS = 42
NOTE_COLUMNS, TITLE_COLUMNS = 118, 92
TITLE_SIZE = 9
MOST_VERDICTS = 3
BEYOND = (1e-60, 1e60)  # where an open end is drawn to, beyond every panel
BESIDE = 6.0  # points between the marks of two columns of sizes
MOST_OPEN = 10.0  # times the largest or least estimate: as far as an open end is drawn


def draw_compared(compared: Compared, folder: Path) -> list[Path]:
    """Write `compare.png` and `compare.pdf` into `folder`; return their paths."""
    png, pdf = folder / "compare.png", folder / "compare.pdf"
    figure = compare_figure(compared)
    with matplotlib.rc_context(THEME), whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png, dpi=DPI)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]


def compare_figure(compared: Compared) -> Figure:
    """Ratios second / first with their bands, a line for every column of sizes; artists carry a gid `kind:column`."""
    styles = series_styles(one.x_name for one in compared.by_size)
    first, second = compared.arms
    y = compared.found.request.columns.y
    with matplotlib.rc_context(THEME):
        figure = Figure(figsize=(WIDTH, ROW_HEIGHT + 0.6), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        left, right = figure.subplots(1, 2)
        several = len(compared.by_size) > 1
        for index, one in enumerate(compared.by_size):
            _draw_cost(left, one, styles[one.x_name], BESIDE * (index - (len(compared.by_size) - 1) / 2))
            _draw_loss(right, one, styles[one.x_name], several)
        size = "size / smallest shared size" if several else axis_words(compared.by_size[0].x_name)
        cost = "size" if several else axis_words(compared.by_size[0].x_name)
        left.set(xscale="log", yscale="log", xlabel=f"{y}: the lower, the further to the right")
        left.set_ylabel(_wrapped(cost, f"of {second} / {first}"), parse_math=False)
        left.set_title(f"what an equal {y} costs", loc="left", parse_math=False)
        right.set(xscale="log", yscale="log", xlabel=size)
        right.set_ylabel(_wrapped(y, f"of {second} / {first}"), parse_math=False)
        right.set_title(f"{y} at equal size", loc="left", parse_math=False)
        _set_limits(left, [bounds for one in compared.by_size for bounds in _cost_bounds(one)])
        _set_limits(right, [bounds for one in compared.by_size for bounds in _bounds(one.loss)])
        if any(one.cost.losses is not None for one in compared.by_size):
            left.invert_xaxis()
        for axes, word in ((left, "cheaper"), (right, "better")):
            _name_sides(axes, first, second, word)
        sns.despine(figure)
        lines = [textwrap.shorten(line, TITLE_COLUMNS) for line in _headline(compared)]
        title = "\n".join([*lines, " "] if several else lines)
        figure.suptitle(title, x=0.01, ha="left", fontsize=TITLE_SIZE, weight="bold", parse_math=False)
        if several:
            _write_legend(figure, left if left.lines[1:] else right, len(lines))
        note = textwrap.fill(" ".join(_notes(compared)), NOTE_COLUMNS)
        figure.supxlabel(note, x=0.01, ha="left", fontsize=LABEL_SIZE, parse_math=False)
        figure.draw_without_rendering()
    return figure


def _write_legend(figure: Figure, axes: Axes, below: int) -> None:
    """Which line is which column of sizes, in the line that the title leaves free `below` its own."""
    handles = [line for line in axes.lines if str(line.get_gid()).partition(":")[0] in ("cost", "loss")]
    names = [axis_words(str(line.get_gid()).partition(":")[2]) for line in handles]
    top = 1 - (1.2 * below * TITLE_SIZE + 4) / 72 / figure.get_figheight()
    look: dict[str, Any] = {"frameon": False, "fontsize": LABEL_SIZE, "ncols": 3, "borderpad": 0.2}
    figure.legend(handles, names, loc="upper left", bbox_to_anchor=(0, top), **look).set_in_layout(False)


def _wrapped(what: str, of: str) -> str:
    """A label on two lines where it is too long for one."""
    return f"{what} {of}" if len(what) + len(of) < LABEL_COLUMNS else f"{what}\n{of}"


def _draw_cost(axes: Axes, one: Comparison, style: Style, beside: float) -> None:
    """The curve, and the ratio without a law as marks that stand `beside` (points) their losses, clear of others."""
    curve, cost, twin = one.curve, one.cost, one.twin
    if curve.losses is None or curve.estimate is None or cost.losses is None or twin is None:
        reason = ", ".join(refusal.code for refusal in curve.refusals)
        axes.text(0.03, 0.5, f"{axis_words(one.x_name)}: {reason}", transform=axes.transAxes, fontsize=LABEL_SIZE)
        return
    _draw_ratio(axes, f"cost:{one.x_name}", curve.losses, curve, style)
    read = np.isfinite(twin.estimate) & (twin.estimate > 0)
    low, high = (np.clip(ends, *BEYOND)[read] for ends in (twin.low, twin.high))
    thin: dict[str, Any] = {"color": darker(style.colour), "lw": 0.7, "zorder": 3}
    bounded = twin.low[read] > 0, twin.high[read] < np.inf
    some = bounded[0] | bounded[1]
    place = offset_copy(axes.transData, axes.get_figure(root=True), x=beside, units="points")
    bars = axes.vlines(twin.losses[read][some], low[some], high[some], gid=f"twin_interval:{one.x_name}", **thin)
    bars.set_transform(place)
    mark: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.5, "mfc": "white", "mec": darker(style.colour)}
    mark |= {"zorder": 4, "transform": place, "gid": f"twin:{one.x_name}"}
    axes.plot(twin.losses[read], twin.estimate[read], **mark)
    beyond = _extrapolated(one)
    if beyond.any():
        assert cost.estimate is not None
        cross: dict[str, Any] = {"ls": "", "marker": "x", "ms": 4.5, "color": style.colour, "zorder": 4}
        axes.plot(cost.losses[beyond], cost.estimate[beyond], gid=f"extrapolated:{one.x_name}", **cross)


def _extrapolated(one: Comparison) -> np.ndarray:
    """Which of the losses that are told lie outside of those attained, and have a ratio."""
    if one.cost.extrapolated is None or one.cost.estimate is None:
        return np.array([], bool)
    return one.cost.extrapolated & np.isfinite(one.cost.estimate) & (one.cost.estimate > 0)


def _draw_loss(axes: Axes, one: Comparison, style: Style, several: bool) -> None:
    loss, found = one.loss, one.crossover
    if loss.sizes is None or loss.shared is None:
        reason = ", ".join(refusal.code for refusal in loss.refusals)
        axes.text(0.03, 0.5, f"{axis_words(one.x_name)}: {reason}", transform=axes.transAxes, fontsize=LABEL_SIZE)
        return
    unit = loss.shared[0] if several else 1.0
    _draw_ratio(axes, f"loss:{one.x_name}", loss.sizes / unit, loss, style)
    for low, high in found.equal:
        colour = style.colour if several else "0.5"
        axes.axvspan(low / unit, high / unit, color=colour, alpha=0.12, lw=0, zorder=0, gid=f"equal:{one.x_name}")


def _draw_ratio(
    axes: Axes, gid: str, places: np.ndarray, ratio: comparison.CostRatio | comparison.LossRatio, style: Style
) -> None:
    assert ratio.estimate is not None
    assert ratio.low is not None
    assert ratio.high is not None
    band = f"band_{gid}"
    low, high = np.clip(ratio.low, *BEYOND), np.clip(ratio.high, *BEYOND)
    axes.fill_between(places, low, high, color=style.colour, alpha=0.15, lw=0, zorder=1, gid=band)
    known = np.isfinite(ratio.estimate) & (ratio.estimate > 0)
    line = np.where(known, ratio.estimate, np.nan)
    axes.plot(places, line, ls=style.line, color=style.colour, lw=1.4, zorder=3, gid=gid)


def _cost_bounds(one: Comparison) -> list[np.ndarray]:
    twin = [one.twin.estimate, one.twin.low, one.twin.high] if one.twin else []
    read = [values[np.isfinite(values) & (values > 0)] for values in twin]
    return [*_bounds(one.curve), *_bounds(one.cost), *read]


def _bounds(ratio: comparison.CostRatio | comparison.LossRatio) -> list[np.ndarray]:
    """All ratios and their ends that are drawn; open ones reach as far as MOST_OPEN times the estimates."""
    if ratio.estimate is None or ratio.low is None or ratio.high is None:
        return []
    known = ratio.estimate[np.isfinite(ratio.estimate) & (ratio.estimate > 0)]
    if not known.size:
        return []
    least, most = known.min() / MOST_OPEN, known.max() * MOST_OPEN
    return [known, np.clip(ratio.low, least, most), np.clip(ratio.high, least, most)]


def _set_limits(axes: Axes, found: list[np.ndarray]) -> None:
    """Ratios around 1, which is always there, and ticks at round numbers."""
    values = np.log(np.concatenate([*found, [0.5, 2.0]]))
    pad = 0.08 * np.ptp(values)
    axes.set_ylim(float(np.exp(values.min() - pad)), float(np.exp(values.max() + pad)))
    axes.axhline(1, color="0.3", lw=0.8, zorder=2)
    low, high = sorted(axes.get_xlim())
    set_ticks(axes.xaxis, (low, high))
    set_ticks(axes.yaxis, axes.get_ylim())


def _name_sides(axes: Axes, first: str, second: str, word: str) -> None:
    """Which arm wins above and below the line of equality, at the panel's ends."""
    look: dict[str, Any] = {"transform": axes.transAxes, "fontsize": LABEL_SIZE, "color": "0.35", "parse_math": False}
    axes.text(0.985, 0.985, f"▲ {first} {word}", ha="right", va="top", **look)
    axes.text(0.985, 0.015, f"▼ {second} {word}", ha="right", va="bottom", **look)


def _notes(compared: Compared) -> list[str]:
    level = f"{compared.found.request.level:.0%}"
    laws = " and ".join(dict.fromkeys(one.law for one in compared.by_size))
    notes = [
        f"Lines: {laws} law of both arms; bands: {level} intervals; left only over losses that both attain.",
        "Marks: the same read from the runs without a law; one without an interval is not bounded by them.",
    ]
    if any(one.crossover.equal for one in compared.by_size):
        notes.append("Shaded sizes: the curves may be equal.")
    if any(_is_open(ratio) for one in compared.by_size for ratio in (one.curve, one.loss)):
        notes.append("A band that leaves its panel has no end.")
    if any(_extrapolated(one).any() for one in compared.by_size):
        notes.append("Crosses: extrapolated.")
    return notes


def _is_open(ratio: comparison.CostRatio | comparison.LossRatio) -> bool:
    if ratio.low is None or ratio.high is None:
        return False
    return bool(np.any(ratio.low == 0) or np.any(np.isinf(ratio.high)))


def _headline(compared: Compared) -> list[str]:
    """The verdicts, a line each."""
    told = [f"{verdict.claim}: {verdict.conclusion}" for verdict in compared.verdicts[:MOST_VERDICTS]]
    more = len(compared.verdicts) - MOST_VERDICTS
    return [*told, *([f"and {more} more"] if more > 0 else [])]
