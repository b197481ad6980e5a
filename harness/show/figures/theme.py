"""How every figure looks and how large it is; empty panels to draw in, and the files of a figure."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.base.files import whole_file

WIDTH, FRAME = 7.0, 0.3  # inches: two columns of a paper, and what a figure has above and below its panels
NARROW_WIDTH = 3.2  # inches: what a phone shows so large that it can be read
DPI = 200
MOST_HEIGHT = 1600 / DPI  # inches, of a page or a screen; a phone scrolls
LABEL_SIZE = 7
with as_file(files(__package__).joinpath("house.mplstyle")) as style:
    HOUSE = matplotlib.rc_params_from_file(style, use_default_template=False)
THEME: dict[Any, Any] = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **HOUSE}
themed = matplotlib.rc_context(THEME)  # decorates what draws a figure

_width: ContextVar[float] = ContextVar("width", default=WIDTH)  # that there is for a figure


@contextmanager
def narrow() -> Iterator[None]:
    """Figures that are drawn within are for a phone: one panel a row."""
    earlier = _width.set(NARROW_WIDTH)
    try:
        yield
    finally:
        _width.reset(earlier)


def side_by_side(columns: int) -> int:
    """How many of so many columns there is room for."""
    return 1 if is_narrow() else columns


def is_narrow() -> bool:
    """Whether the figure is for a phone."""
    return _width.get() < WIDTH


def figure_width(columns: int) -> float:
    """How many inches wide a figure is that has so many panels a row."""
    return min(WIDTH if columns > 1 else 0.65 * WIDTH, _width.get())


def within_page(height: float) -> float:
    """As much of a height as a figure may have."""
    return height if is_narrow() else min(height, MOST_HEIGHT)


def panel_grid(count: int, columns: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row, each `height` inches high; `shared` are axes that panels share.

    It is as wide as two columns of a paper, or narrower where there is one panel a row. `columns` must be what
    `side_by_side` has room for.
    """
    rows = -(-count // columns)
    figure = Figure(figsize=(figure_width(columns), within_page(rows * height + FRAME)), dpi=DPI, layout="constrained")
    grid: np.ndarray = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def lay_out(figure: Figure) -> None:
    """Give everything its place, once: else matplotlib does it again for every file, and draws all for it."""
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)


@themed
def write_figure(figure: Figure | None, stem: Path) -> list[Path]:
    """Write the figure as `stem`.png and `stem`.pdf, and return the paths: none where there was nothing to draw.

    The same numbers give the same files.
    """
    if figure is None:
        return []
    png, pdf = Path(f"{stem}.png"), Path(f"{stem}.pdf")
    lay_out(figure)
    with whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png, dpi=DPI)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]
