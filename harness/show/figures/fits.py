"""The figures of a table of runs: losses against size with their laws, and the residuals of those laws."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from harness.comparison.tables.fits import ArmFit, RequestedFits, drawn_law
from harness.laws import Fit
from harness.show.figures.labels import (
    law_key,
    padded,
    refusal_notes,
    set_ticks,
    undrawn_note,
    write_keys_below,
    write_note,
)
from harness.show.figures.residuals import DrawnResiduals, residuals_figure
from harness.show.figures.series import Series, Style, draw_series, named_styles
from harness.show.figures.theme import panel_grid, side_by_side, themed, write_figure
from harness.show.names import shortened
from harness.show.words import exponent_words, refusal_words
from harness.spec import axis_words

OVERLAID = 4  # arms that can be told apart in one panel
COLUMNS = 3  # of panels of one arm each
MOST_PANELS = 12
PANEL_HEIGHT, SMALL_HEIGHT = 2.75, 2.1  # inches, the latter of panels of one arm
TITLE_LETTERS = 27


class _Law(NamedTuple):
    """An arm on a size, with the law that is drawn for it and its look."""

    arm: ArmFit
    fit: Fit
    style: Style


# ------------------------------------------------------------------------------------------------------------- public
def draw_fits(found: RequestedFits, folder: Path) -> list[Path]:
    """Write `laws` and `residuals`, each as .png and .pdf, into `folder`; return their paths.

    There is no figure of residuals where every law was refused.
    """
    laws, residuals = laws_figure(found), residuals_of(found)
    written = write_figure(laws, folder / "laws")
    return written + write_figure(residuals, folder / "residuals") if residuals else written


@themed
def laws_figure(found: RequestedFits) -> Figure:
    """A panel a column of sizes with all arms in it, or a panel an arm where there are too many to tell apart."""
    laws = _laws(found)
    is_overlaid = len({one.arm.arm for one in laws}) <= OVERLAID
    groups = [[one] for one in laws]
    if is_overlaid:
        groups = [[one for one in laws if one.arm.x_name == x] for x in found.cells]
    shown = groups[:MOST_PANELS]
    columns = side_by_side(min(2 if is_overlaid else COLUMNS, len(shown)))
    shares: dict[str, Any] = {"sharex": len(found.cells) == 1, "sharey": True}
    figure, panels = panel_grid(len(shown), columns, PANEL_HEIGHT if is_overlaid else SMALL_HEIGHT, **shares)
    drawn = dict(zip(panels, shown, strict=True))
    names = shortened((one.arm.arm for one in laws), TITLE_LETTERS)
    keys: dict[Axes, list[Line2D]] = {}
    for axes, group in drawn.items():
        axes.set(xscale="log", yscale="log", xlabel=axis_words(group[0].arm.x_name))
        axes.tick_params(labelbottom=True)
        keys[axes] = []
        for one in group:
            series = _series(one)
            draw_series(axes, series)
            is_titled = one.arm.arm == "all" or not is_overlaid
            keys[axes].append(law_key(series, exponent_words(one.fit), columns, "" if is_titled else series.name))
        if not is_overlaid:
            axes.set_title(names[group[0].arm.arm])
    for axes in panels[::columns]:
        axes.set_ylabel(found.request.columns.y)
    _set_limits(drawn)
    write_keys_below(figure, keys)
    write_note(figure, [*_notes(found, shown), *undrawn_note(len(groups) - len(shown), "panels")])
    return figure


def residuals_of(found: RequestedFits) -> Figure | None:
    """The residuals of the drawn law of every arm; None if every law was refused."""
    shown = [
        DrawnResiduals(
            name=one.arm.arm,
            title=one.fit.law if one.arm.arm == "all" else f"{one.arm.arm}, {one.fit.law} law",
            fit=one.fit,
            x=one.arm.x[one.arm.parts.fitted],
            y=one.arm.y[one.arm.parts.fitted],
            style=one.style,
            x_label=axis_words(one.arm.x_name),
            y_name=found.request.columns.y,
        )
        for one in _laws(found)
    ]
    return residuals_figure(shown)


# --------------------------------------------------------------------------------------------------------------- parts
def _laws(found: RequestedFits) -> list[_Law]:
    styles = named_styles(one.arm for one in found.fits)
    laws = {x: drawn_law(found.fits, x) for x in found.cells}
    drawable = [one for one in found.fits if one.x.size or one.failed_x.size]
    return [_Law(one, one.fits[laws[one.x_name]], styles[one.arm]) for one in drawable]


def _series(one: _Law) -> Series:
    arm, outside = one.arm, one.arm.parts.outside
    without_size = np.full(arm.failed - arm.failed_x.size, np.nan)
    return Series(
        name=arm.arm,
        style=one.style,
        x=arm.x,
        y=arm.y,
        fit=one.fit,
        outside=(arm.x[outside], arm.y[outside]),
        failed=np.concatenate([arm.failed_x, without_size]),
        held_out=arm.held_out.get(one.fit.law),
    )


def _set_limits(drawn: Mapping[Axes, Sequence[_Law]]) -> None:
    """Every panel shows all of its runs; panels that share an axis show the widest range of them."""
    sizes: dict[str, list[np.ndarray]] = {}
    losses: list[np.ndarray] = []
    for axes, group in drawn.items():
        for one in group:
            sizes.setdefault(one.arm.x_name, []).extend([one.arm.x, one.arm.failed_x])
            losses.append(one.arm.y)
        losses += [np.asarray(line.get_ydata(), float) for line in axes.lines if str(line.get_gid()).startswith("law:")]
    for axes, group in drawn.items():
        axes.set_xlim(padded(np.concatenate(sizes[group[0].arm.x_name]), 0.06))
        axes.set_ylim(padded(np.concatenate(losses), 0.08))
        set_ticks(axes.xaxis)
        set_ticks(axes.yaxis)


def _notes(found: RequestedFits, shown: Sequence[Sequence[_Law]]) -> list[str]:
    laws: list[_Law] = list(itertools.chain.from_iterable(shown))
    names = " and ".join(dict.fromkeys(one.fit.law for one in laws))
    notes = [f"α [{found.request.level:.0%} interval] of the {names} law; shaded: the same interval of the law."]
    if any(one.arm.parts.outside.any() for one in laws):
        notes.append("Hollow: outside the fit window.")
    if any(one.arm.held_out for one in laws):
        notes.append("Half-filled: held out, not fitted, with the interval that the law predicts.")
    refused: dict[str, list[str]] = {}
    for one in laws:
        if one.fit.refusals:
            refused.setdefault(refusal_words(one.fit), []).append(f"{one.arm.arm} by {one.arm.x_name}")
    return [*notes, *refusal_notes(refused, len(laws))]
