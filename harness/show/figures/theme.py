"""How every figure looks and how large it is; empty panels to draw in, and the files of a figure."""

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
COLUMN_WIDTH = 85 / 25.4  # inches: one column of a paper
DPI, COLUMN_DPI = 200, 300
MOST_HEIGHT = 9.2  # inches, of the text on a page of a paper
LABEL_SIZE = 7
COLUMN_SCALE = 0.75  # of letters, lines and marks in one column
with as_file(files(__package__).joinpath("house.mplstyle")) as style:
    HOUSE = matplotlib.rc_params_from_file(style, use_default_template=False)
THEME: dict[Any, Any] = {
    "figure.figsize": (WIDTH, MOST_HEIGHT),
    "figure.dpi": DPI,
    **sns.axes_style("ticks"),
    **sns.plotting_context("paper"),
    **HOUSE,
}
COLUMN: dict[Any, Any] = {
    name: COLUMN_SCALE * value
    for name, value in {**matplotlib.rcParamsDefault, **THEME}.items()
    if name.endswith(("size", "width", "pad")) and isinstance(value, int | float)
}
COLUMN["figure.figsize"], COLUMN["figure.dpi"] = (COLUMN_WIDTH, MOST_HEIGHT), COLUMN_DPI
themed = matplotlib.rc_context(THEME)  # decorates what draws a figure
in_column = matplotlib.rc_context({**THEME, **COLUMN})  # the same for one column: smaller letters, lines and marks


def label_size() -> float:
    """The size of letters in legends and notes, in points."""
    return float(matplotlib.rcParams["legend.fontsize"])


def figure_width(columns: int) -> float:
    """How many inches wide a figure is that has so many panels a row."""
    return min(WIDTH if columns > 1 else 0.65 * WIDTH, matplotlib.rcParams["figure.figsize"][0])


def panel_grid(count: int, columns: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row, each `height` inches high; `shared` are axes that panels share.

    It is as wide as two columns of a paper, or narrower where there is one panel a row, or one column (`in_column`).
    """
    rows = -(-count // columns)
    size = figure_width(columns), min(rows * height + FRAME, MOST_HEIGHT)
    figure = Figure(figsize=size, dpi=matplotlib.rcParams["figure.dpi"], layout="constrained")
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
        figure.savefig(new_png)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]
