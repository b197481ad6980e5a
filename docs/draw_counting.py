"""Draw docs/figures/flops_per_parameter.png: forward FLOPs per trainable parameter, by width and convention.

    python docs/draw_counting.py

The numbers that are drawn are stored in the picture. tests/docs/test_counting_page.py compares them with the code.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib
import numpy as np
import seaborn as sns
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter

from harness.base.files import whole_file
from harness.count import count
from harness.show.figures.scaling import COLOURS, LABEL_SIZE, LINES, MARKS, THEME, tick_values
from harness.spec import KanShape, MlpShape

PICTURE = Path(__file__).parent / "figures" / "flops_per_parameter.png"
WIDTHS = tuple(2**power for power in range(11))
MARKED, BETWEEN = WIDTHS[::2], WIDTHS[1::2]
SIZE, DPI = (3.5, 2.7), 300  # inches; one column of a paper
LIMITS = (0.13, 50)


class Line(NamedTuple):
    """A network of a given shape and the convention it is counted by; what its line is called, and its looks.

    `look` is a place in the colours and marks of harness.show.figures, `dashes` one in its lines. The label stands at
    `lift` times the height where the line ends.
    """

    network_of: Callable[[tuple[int, ...]], MlpShape | KanShape]
    convention: str
    label: str
    look: int
    dashes: int
    lift: float = 1.0
    hollow: bool = False


def _mlp(shape: tuple[int, ...]) -> MlpShape:
    return MlpShape(shape=shape)


def _kan(grid: int) -> Callable[[tuple[int, ...]], KanShape]:
    return lambda shape: KanShape(shape=shape, grid=grid)


DRAWN = (
    Line(_kan(5), "kanbefair", "KAN kanbefair", look=3, dashes=3, lift=1.05),
    Line(_kan(5), "per_edge", "KAN per_edge", look=1, dashes=1, lift=0.96),
    Line(_kan(5), "shared_dense", "KAN shared_dense", look=0, dashes=0, lift=1.13),
    Line(_mlp, "shared_dense", "MLP", look=4, dashes=4, lift=0.88),
    Line(_kan(5), "local_min", "KAN local_min", look=2, dashes=2),
    Line(_kan(50), "local_min", "KAN local_min, G = 50", look=2, dashes=1, hollow=True),
)


def flops_per_parameter(line: Line, width: int) -> float:
    """Of one hidden layer more, from `width` nodes to `width` nodes, with its activations if it has some."""
    deep, shallow = (count(line.network_of((width,) * nodes)) for nodes in (3, 2))
    added = [deep[name] - shallow[name] for name in (f"flops_forward.{line.convention}", "params.trainable")]
    return added[0] / added[1]


def curves() -> dict[str, list[float]]:
    """What is drawn: label -> FLOPs per parameter at every width of WIDTHS, to 6 digits."""
    return {line.label: [float(f"{flops_per_parameter(line, width):.6g}") for width in WIDTHS] for line in DRAWN}


def draw() -> Figure:
    """The figure, on a canvas of its own."""
    figure = Figure(figsize=SIZE, dpi=DPI, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.set(xscale="log", yscale="log", xlim=(WIDTHS[0] / 1.25, WIDTHS[-1] * 1.25), ylim=LIMITS)
    axes.set(xlabel="width of a square layer", ylabel="forward FLOPs per trainable parameter")
    for line in DRAWN:
        _draw_line(axes, line)
    _set_ticks(axes)
    sns.despine(figure)
    return figure


def _draw_line(axes: Axes, line: Line) -> None:
    colour = COLOURS[line.look]
    mark: dict[str, Any] = {"marker": MARKS[line.look][0], "ms": 4, "mew": 0.9, "mec": colour, "zorder": 4}
    mark |= {"ls": "", "mfc": "white" if line.hollow else colour}
    fine = np.unique(np.geomspace(WIDTHS[0], WIDTHS[-1], 120).astype(int))
    axes.plot(fine, [flops_per_parameter(line, int(n)) for n in fine], ls=LINES[line.dashes], color=colour, lw=1.2)
    axes.plot(MARKED, [flops_per_parameter(line, width) for width in MARKED], **mark)
    last = flops_per_parameter(line, WIDTHS[-1])
    axes.plot(WIDTHS[-1] * 1.9, last * line.lift, clip_on=False, **mark)
    axes.text(
        x=WIDTHS[-1] * 2.5,
        y=last * line.lift,
        s=f"{line.label.replace(', ', chr(10))}: {last:.{0 if last > 10 else 2}f}",
        va="center",
        fontsize=LABEL_SIZE,
    )


def _set_ticks(axes: Axes) -> None:
    axes.xaxis.set_major_locator(FixedLocator(MARKED))
    axes.xaxis.set_minor_locator(FixedLocator(BETWEEN))
    axes.yaxis.set_major_locator(FixedLocator(tick_values(*LIMITS)))
    axes.yaxis.set_minor_locator(LogLocator(subs=range(1, 10), numticks=200))
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.6g}"))
        axis.set_minor_formatter(NullFormatter())


def main() -> None:
    """Write the picture, with the numbers in it."""
    with matplotlib.rc_context(THEME), whole_file(PICTURE) as new:
        draw().savefig(new, dpi=DPI, metadata={"Description": json.dumps(curves()), "Software": None})


if __name__ == "__main__":
    main()
