"""The figure of a comparison: left what equal losses cost, right what equal sizes lose."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import offset_copy

from harness import comparison
from harness.comparison.tables.comparison import Compared, Comparison
from harness.show.figures.labels import key, name_sides, padded, set_ticks, write_head, write_note
from harness.show.figures.series import Style, draw_band, named_styles, plain_styles
from harness.show.figures.theme import LABEL_SIZE, panel_grid, side_by_side, themed, write_figure
from harness.spec import axis_words

PANEL_HEIGHT = 2.75  # inches
LABEL_COLUMNS = 42
MOST_VERDICTS = 3
BEYOND = (1e-60, 1e60)  # where an open end is drawn to, beyond every panel
BESIDE = 6.0  # points between the marks of two columns of sizes
MOST_OPEN = 10.0  # times the largest or least estimate: as far as an open end is drawn

AnyRatio = comparison.CostRatio | comparison.LossRatio


def draw_compared(compared: Compared, folder: Path) -> list[Path]:
    """Write `compare.png` and `compare.pdf` into `folder`; return their paths."""
    return write_figure(compare_figure(compared), folder / "compare")


@themed
def compare_figure(compared: Compared) -> Figure:
    """Ratios second / first with their bands, a line for every column of sizes; artists carry a gid `kind:column`."""
    columns, several = plain_styles(one.x_name for one in compared.by_size), len(compared.by_size) > 1
    first, second = compared.arms
    y = compared.found.request.columns.y
    figure, (left, right) = panel_grid(2, side_by_side(2), PANEL_HEIGHT)
    for axes in (left, right):
        axes.set(xscale="log", yscale="log")
    middle = (len(compared.by_size) - 1) / 2
    for index, one in enumerate(compared.by_size):
        _draw_cost(left, one, columns[one.x_name], BESIDE * (index - middle))
        _draw_loss(right, one, columns[one.x_name], several)
    only = axis_words(compared.by_size[0].x_name)
    left.set(xlabel=f"{y}: the lower, the further to the right", title=f"what an equal {y} costs")
    left.set_ylabel(_wrapped("size" if several else only, f"of {second} / {first}"))
    right.set(xlabel="size / smallest shared size" if several else only, title=f"{y} at equal size")
    right.set_ylabel(_wrapped(y, f"of {second} / {first}"))
    _set_limits(left, [_cost_values(one) for one in compared.by_size])
    _set_limits(right, [_values(one.loss) for one in compared.by_size])
    if any(one.cost.losses is not None for one in compared.by_size):
        left.invert_xaxis()
    for axes, word in ((left, "cheaper"), (right, "better")):
        name_sides(axes, (first, second), (word, word), named_styles(compared.arms))
    if any(one.curve.high is not None and np.isinf(one.curve.high).any() for one in compared.by_size):
        _name_open_end(left)
    keys = [key(axis_words(name), style) for name, style in columns.items()]
    write_head(figure, keys if several else [], "\n".join(_headline(compared)), columns=3)
    write_note(figure, _notes(compared))
    return figure


def _wrapped(what: str, of: str) -> str:
    """A label on two lines where it is too long for one."""
    return f"{what} {of}" if len(what) + len(of) < LABEL_COLUMNS else f"{what}\n{of}"


def _draw_cost(axes: Axes, one: Comparison, style: Style, beside: float) -> None:
    """The curve, and the ratio without a law as marks that stand `beside` (points) their losses, clear of others."""
    curve, cost, twin = one.curve, one.cost, one.twin
    if curve.losses is None or curve.estimate is None or cost.losses is None or twin is None:
        _write_reason(axes, one.x_name, curve.refusals)
        return
    _draw_ratio(axes, f"cost:{one.x_name}", curve.losses, curve, style)
    read = np.isfinite(twin.estimate) & (twin.estimate > 0)
    low, high = (np.clip(ends, *BEYOND)[read] for ends in (twin.low, twin.high))
    thin: dict[str, Any] = {"color": style.text_colour, "lw": 0.7, "zorder": 3}
    some = (twin.low[read] > 0) | (twin.high[read] < np.inf)  # bounded on a side
    place = offset_copy(axes.transData, axes.get_figure(root=True), x=beside, units="points")
    bars = axes.vlines(twin.losses[read][some], low[some], high[some], gid=f"twin_interval:{one.x_name}", **thin)
    bars.set_transform(place)
    mark: dict[str, Any] = {"ls": "", "marker": style.marker, "ms": 4.5, "mfc": "white", "mec": style.text_colour}
    axes.plot(twin.losses[read], twin.estimate[read], transform=place, zorder=4, gid=f"twin:{one.x_name}", **mark)
    beyond = _extrapolated(one)
    if beyond.any():
        assert cost.estimate is not None
        cross: dict[str, Any] = {"ls": "", "marker": "x", "ms": 4.5, "color": style.colour, "zorder": 4}
        axes.plot(cost.losses[beyond], cost.estimate[beyond], gid=f"extrapolated:{one.x_name}", **cross)


def _extrapolated(one: Comparison) -> np.ndarray:
    """Which of the losses that are told lie outside of those attained, and have a ratio."""
    if one.cost.extrapolated is None or one.cost.estimate is None:
        return np.array([], bool)
    return one.cost.extrapolated & _is_number(one.cost.estimate)


def _draw_loss(axes: Axes, one: Comparison, style: Style, several: bool) -> None:
    loss, found = one.loss, one.crossover
    if loss.sizes is None or loss.shared is None:
        _write_reason(axes, one.x_name, loss.refusals)
        return
    unit = loss.shared[0] if several else 1.0
    _draw_ratio(axes, f"loss:{one.x_name}", loss.sizes / unit, loss, style)
    for low, high in found.equal:
        look: dict[str, Any] = {"color": style.colour, "alpha": 0.12, "lw": 0, "zorder": 0}
        axes.axvspan(low / unit, high / unit, gid=f"equal:{one.x_name}", **look)


def _write_reason(axes: Axes, name: str, refusals: Iterable[Any]) -> None:
    reason = ", ".join(refusal.code for refusal in refusals)
    axes.text(0.03, 0.5, f"{axis_words(name)}: {reason}", transform=axes.transAxes, fontsize=LABEL_SIZE)


def _draw_ratio(axes: Axes, gid: str, places: np.ndarray, ratio: AnyRatio, style: Style) -> None:
    assert ratio.estimate is not None
    assert ratio.low is not None
    assert ratio.high is not None
    low, high = np.clip(ratio.low, *BEYOND), np.clip(ratio.high, *BEYOND)
    draw_band(axes, f"band_{gid}", places, (low, high), style)
    line = np.where(_is_number(ratio.estimate), ratio.estimate, np.nan)
    axes.plot(places, line, ls=style.line, color=style.colour, lw=1.4, zorder=3, gid=gid)


def _name_open_end(axes: Axes) -> None:
    """Say in the panel, at its upper right, that a band has no end."""
    look: dict[str, Any] = {
        "transform": axes.transAxes,
        "fontsize": LABEL_SIZE,
        "ha": "right",
        "va": "top",
        "zorder": 6,
    }
    axes.text(0.98, 0.985, "no upper end ▲", gid="no_upper_end", **look)


def _is_number(values: np.ndarray) -> np.ndarray:
    """Which of them a logarithmic axis has."""
    return np.isfinite(values) & (values > 0)


# -------------------------------------------------------------------------------------------------------------- limits
def _cost_values(one: Comparison) -> np.ndarray:
    twin = np.concatenate([one.twin.estimate, one.twin.low, one.twin.high]) if one.twin else np.array([])
    return np.concatenate([_values(one.curve), _values(one.cost), twin[_is_number(twin)]])


def _values(ratio: AnyRatio) -> np.ndarray:
    """All ratios and their ends that are drawn; open ones reach as far as MOST_OPEN times the estimates."""
    if ratio.estimate is None or ratio.low is None or ratio.high is None:
        return np.array([])
    known = ratio.estimate[_is_number(ratio.estimate)]
    if not known.size:
        return known
    least, most = known.min() / MOST_OPEN, known.max() * MOST_OPEN
    return np.concatenate([known, np.clip(ratio.low, least, most), np.clip(ratio.high, least, most)])


def _set_limits(axes: Axes, values: list[np.ndarray]) -> None:
    """Ratios around 1, which is always there, and ticks at round numbers."""
    axes.set_ylim(padded(np.concatenate([*values, [0.5, 2.0]]), 0.08))
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)


# --------------------------------------------------------------------------------------------------------------- words
def _notes(compared: Compared) -> list[str]:
    level = f"{compared.found.request.level:.0%}"
    laws = " and ".join(dict.fromkeys(one.law for one in compared.by_size))
    notes = [
        f"Lines: {laws} law of both arms; bands: {level} intervals; left only over losses that both attain.",
        "Marks: the same read from the runs without a law; one without an interval is not bounded by them.",
    ]
    if any(one.crossover.equal for one in compared.by_size):
        notes.append("Shaded sizes: the curves may be equal.")
    if any(_is_open(one.curve) or _is_open(one.loss) for one in compared.by_size):
        notes.append("A band that leaves its panel has no end.")
    if any(_extrapolated(one).any() for one in compared.by_size):
        notes.append("Crosses: extrapolated.")
    return notes


def _is_open(ratio: AnyRatio) -> bool:
    if ratio.low is None or ratio.high is None:
        return False
    return bool(np.any(ratio.low == 0) or np.any(np.isinf(ratio.high)))


def _headline(compared: Compared) -> list[str]:
    """The verdicts, a line each."""
    told = [f"{verdict.claim}: {verdict.conclusion}" for verdict in compared.verdicts[:MOST_VERDICTS]]
    more = len(compared.verdicts) - MOST_VERDICTS
    return [*told, *([f"and {more} more"] if more > 0 else [])]
