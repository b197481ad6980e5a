"""How every figure looks and how large it is; empty panels to draw in, and the files of a figure."""

import base64
import io
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from harness.base.files import whole_file

WIDTH, FRAME = 7.0, 0.3  # inches: two columns of a paper, and what a figure has above and below its panels
DPI = 200
LABEL_SIZE = 7
THEME: dict[Any, Any] = {
    **sns.axes_style("ticks", {"axes.spines.top": False, "axes.spines.right": False}),
    **sns.plotting_context("paper"),
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same figure on every machine
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.8,
    "ytick.major.width": 0.8,
    "xtick.minor.width": 0.5,
    "ytick.minor.width": 0.5,
    "xtick.major.size": 4,
    "ytick.major.size": 4,
    "xtick.minor.size": 2,
    "ytick.minor.size": 2,
    "legend.fontsize": LABEL_SIZE,
    "legend.frameon": False,
    "legend.handlelength": 3,
    "legend.labelspacing": 0.25,
    "legend.borderaxespad": 0.2,
    "pdf.fonttype": 42,
    "text.parse_math": False,  # names and formulas of users may have dollar signs
}
themed = matplotlib.rc_context(THEME)  # decorates what draws a figure


def panel_grid(count: int, columns: int, height: float, **shared: Any) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels, `columns` a row, each `height` inches high; `shared` are axes that panels share.

    It is as wide as two columns of a paper, or narrower where there is one panel a row.
    """
    rows = -(-count // columns)
    width = WIDTH if columns > 1 else 0.65 * WIDTH
    figure = Figure(figsize=(width, rows * height + FRAME), dpi=DPI, layout="constrained")
    grid: np.ndarray = figure.subplots(rows, columns, squeeze=False, **shared)
    for axes in grid.flat[count:]:
        axes.set_visible(False)
    return figure, list(grid.flat[:count])


@themed
def write_figure(figure: Figure, stem: Path) -> list[Path]:
    """Write the figure as `stem`.png and `stem`.pdf, and return the paths; the same numbers give the same files."""
    png, pdf = Path(f"{stem}.png"), Path(f"{stem}.pdf")
    with whole_file(png) as new_png, whole_file(pdf) as new_pdf:
        figure.savefig(new_png, dpi=DPI)
        figure.savefig(new_pdf, metadata={"CreationDate": None})
    return [png, pdf]


@themed
def base64_png(figure: Figure | None) -> str | None:
    """The figure as a PNG in base64, for a page."""
    if figure is None:
        return None
    image = io.BytesIO()
    figure.savefig(image, format="png")
    return base64.b64encode(image.getvalue()).decode("ascii")
