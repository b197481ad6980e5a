"""How every figure looks and how large it is; empty panels to draw in, and the files of a
figure.
"""

import io
import math
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.base.files import whole_file

WIDTH, FRAME = (
    7.0,
    0.3,
)  # inches: two columns of a paper, and what a figure has above and below its panels
COLUMN_WIDTH = 85 / 25.4  # inches: one column of a paper
NARROW_WIDTH = 3.2  # inches: what a phone shows so large that it can be read
DPI, COLUMN_DPI, SHOWN_DPI = 200, 300, 120  # of files, and in notebooks
REASON_LETTERS = 60  # a line of why nothing is drawn
MOST_HEIGHT = 9.2  # inches, of the text on a page of a paper; a phone scrolls
LABEL_SIZE = 7
COLUMN_SCALE = 0.75  # of letters, lines and marks in one column
Arguments = ParamSpec("Arguments")
Drawn = TypeVar("Drawn")
with as_file(files(__package__).joinpath("house.mplstyle")) as style:
    HOUSE = matplotlib.rc_params_from_file(style, use_default_template=False)
THEME: dict[Any, Any] = {**sns.axes_style("ticks"), **sns.plotting_context("paper"), **HOUSE}
COLUMN = {
    name: COLUMN_SCALE * value
    for name, value in {**matplotlib.rcParamsDefault, **THEME}.items()
    if name.endswith(("size", "width", "pad")) and isinstance(value, int | float)
}
themed = matplotlib.rc_context(THEME)  # decorates what draws a figure

_width: ContextVar[float] = ContextVar("width", default=WIDTH)  # that there is for a figure


@contextmanager
def narrow(width: float = NARROW_WIDTH) -> Iterator[None]:
    """Figures that are drawn within are for a phone, one panel a row; or else so many inches
    wide.
    """
    earlier = _width.set(width)
    try:
        yield
    finally:
        _width.reset(earlier)


def in_column(draw: Callable[Arguments, Drawn]) -> Callable[Arguments, Drawn]:
    """Decorates what draws a figure for one column of a paper, with smaller letters, lines and
    marks.
    """

    @wraps(draw)
    def drawn(*args: Arguments.args, **kwargs: Arguments.kwargs) -> Drawn:
        if is_narrow():
            return themed(draw)(*args, **kwargs)
        with matplotlib.rc_context({**THEME, **COLUMN}), narrow(COLUMN_WIDTH):
            return draw(*args, **kwargs)

    return drawn


def label_size() -> float:
    """The size of letters in legends and notes, in points."""
    return float(matplotlib.rcParams["legend.fontsize"])


def side_by_side(columns: int) -> int:
    """How many of so many columns there is room for."""
    return 1 if is_narrow() else columns


def is_narrow() -> bool:
    """Whether the figure is for a phone."""
    return _width.get() == NARROW_WIDTH


def figure_width(columns: int) -> float:
    """How many inches wide a figure is that has so many panels a row."""
    return min(WIDTH if columns > 1 else 0.65 * WIDTH, _width.get())


def most_height() -> float:
    """How many inches high a figure may be: that of a page of paper; on a phone, one scrolls."""
    return math.inf if is_narrow() else MOST_HEIGHT


def panel_height(inches: float) -> float:
    """Of a panel with so many inches in a column of a paper: more on a phone, where letters are
    larger.
    """
    return inches / COLUMN_SCALE**2 if is_narrow() else inches


class Picture(Figure):
    """A figure that notebooks show: matplotlib's own is shown only once pyplot was used."""

    @themed
    def _repr_png_(self) -> tuple[bytes, dict[str, int]]:
        image = io.BytesIO()
        self.savefig(image, format="png")
        return image.getvalue(), {"width": round(SHOWN_DPI * self.get_figwidth())}


def empty_figure(reason: str) -> Figure:
    """A figure that says why nothing is drawn."""
    lines = textwrap.wrap(reason, REASON_LETTERS)
    figure, (axes,) = panel_grid(1, 1, FRAME * len(lines))
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(lines), ha="center", va="center")
    return figure


def panel_grid(count: int, columns: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row, each `height` inches high; `shared` are axes
    that panels share.

    It is as wide as two columns of a paper, or narrower where there is one panel a row, or one
    column (`in_column`). `columns` must be what `side_by_side` has room for.
    """
    rows = -(-count // columns)
    width, dpi = figure_width(columns), COLUMN_DPI if _width.get() == COLUMN_WIDTH else DPI
    figure = Picture(
        figsize=(width, min(rows * height + FRAME, most_height())), dpi=dpi, layout="constrained"
    )
    grid: np.ndarray = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


def lay_out(figure: Figure) -> None:
    """Give everything its place, once: else matplotlib does it again for every file, and draws all
    for it.
    """
    if engine := figure.get_layout_engine():
        engine.execute(figure)
        figure.set_layout_engine(None)


@themed
def write_figure(figure: Figure | None, stem: Path) -> list[Path]:
    """Write the figure as `stem`.png and `stem`.pdf, and return the paths: none where there was
    nothing to draw.

    The same numbers give the same files.
    """
    if figure is None:
        return []
    png, pdf = Path(f"{stem}.png"), Path(f"{stem}.pdf")
    lay_out(figure)
    with whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]
