"""Draw docs/figures/flops_per_parameter.png: forward FLOPs per trainable parameter, by width and
convention.

    python docs/draw_counting.py

The numbers that are drawn are stored in the picture. tests/docs/test_counting_page.py compares them
with the code.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter

from harness.base.files import whole_file
from harness.count import count
from harness.families import KanShape, MlpShape
from harness.show.figures.labels import set_ticks
from harness.show.figures.series import Style, family_styles
from harness.show.figures.theme import LABEL_SIZE, themed

PICTURE = Path(__file__).parent / "figures" / "flops_per_parameter.png"
WIDTHS = tuple(2**power for power in range(11))
MARKED, BETWEEN = WIDTHS[::2], WIDTHS[1::2]
SIZE, DPI = (3.5, 2.7), 300  # inches; one column of a paper
LIMITS = (0.13, 50)


class Line(NamedTuple):
    """A network of a given shape, the convention it is counted by, and what its line is called.

    The label stands at `lift` times the height where the line ends.
    """

    network_of: Callable[[tuple[int, ...]], MlpShape | KanShape]
    convention: str
    label: str
    lift: float = 1.0


def mlp_of(shape: tuple[int, ...]) -> MlpShape:
    """An MLP."""
    return MlpShape(shape=shape)


def kan_of(grid: int) -> Callable[[tuple[int, ...]], KanShape]:
    """KANs of this grid, by their shape."""
    return lambda shape: KanShape(shape=shape, grid=grid)


DRAWN = (
    Line(kan_of(5), "shared_dense", "KAN shared_dense", lift=1.13),
    Line(kan_of(5), "per_edge", "KAN per_edge", lift=0.96),
    Line(kan_of(5), "kanbefair", "KAN kanbefair", lift=1.05),
    Line(kan_of(5), "local_min", "KAN local_min"),
    Line(kan_of(50), "local_min", "KAN local_min, G = 50"),
    Line(mlp_of, "shared_dense", "MLP", lift=0.88),
)


def flops_per_parameter(line: Line, width: int) -> float:
    """Of one hidden layer more, from `width` nodes to `width` nodes, with its activations if it has
    some.
    """
    deep, shallow = (count(line.network_of((width,) * nodes)) for nodes in (3, 2))
    added = [
        deep[name] - shallow[name]
        for name in (f"flops_forward.{line.convention}", "params.trainable")
    ]
    return added[0] / added[1]


def curves() -> dict[str, list[float]]:
    """What is drawn: label -> FLOPs per parameter at every width of WIDTHS, to 6 digits."""
    return {
        line.label: [float(f"{flops_per_parameter(line, width):.6g}") for width in WIDTHS]
        for line in DRAWN
    }


def draw() -> Figure:
    """The figure: lines of a family in its colour."""
    styles = family_styles({line.label: line.network_of((1, 1)).family for line in DRAWN})
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(WIDTHS[0] / 1.25, WIDTHS[-1] * 1.25), ylim=LIMITS)
    axes.set(xlabel="width of a square layer", ylabel="forward FLOPs per trainable parameter")
    for line in DRAWN:
        _draw_line(axes, line, styles[line.label])
    set_ticks(axes.yaxis)
    axes.xaxis.set_major_locator(FixedLocator(MARKED))
    axes.xaxis.set_minor_locator(FixedLocator(BETWEEN))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.6g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    return figure


def _draw_line(axes: Axes, line: Line, style: Style) -> None:
    colour = style.colour
    mark: dict[str, Any] = {
        "ls": "",
        "marker": style.marker,
        "ms": 4,
        "mew": 0,
        "color": colour,
        "zorder": 4,
    }
    fine = np.unique(np.geomspace(WIDTHS[0], WIDTHS[-1], 120).astype(int))
    axes.plot(
        fine, [flops_per_parameter(line, int(n)) for n in fine], ls=style.line, color=colour, lw=1.2
    )
    axes.plot(MARKED, [flops_per_parameter(line, width) for width in MARKED], **mark)
    last = flops_per_parameter(line, WIDTHS[-1])
    axes.plot(WIDTHS[-1] * 1.9, last * line.lift, clip_on=False, **mark)
    words = f"{line.label.replace(', ', chr(10))}: {last:.{0 if last > 10 else 2}f}"
    axes.text(
        WIDTHS[-1] * 2.5,
        last * line.lift,
        words,
        va="center",
        fontsize=LABEL_SIZE,
        color=style.text_colour,
    )


@themed
def main() -> None:
    """Write the picture, with the numbers in it."""
    with whole_file(PICTURE) as new:
        draw().savefig(
            new, dpi=DPI, metadata={"Description": json.dumps(curves()), "Software": None}
        )


if __name__ == "__main__":
    main()
