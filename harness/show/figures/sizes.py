"""What a plan makes equal, and what it leaves unequal: training FLOPs of its networks against their parameters."""

from operator import itemgetter

from matplotlib.figure import Figure

from harness.show.figures.labels import key, set_ticks, write_head, write_note
from harness.show.figures.series import experiment_styles
from harness.show.figures.theme import panel_grid, themed
from harness.spec import Manifest, axis_words, default_count

PANEL_HEIGHT = 3.2  # inches


@themed
def sizes_figure(manifest: Manifest) -> Figure:
    """A mark for each planned network, in the style of its series; artists carry a gid `sizes:series`."""
    params, flops = default_count("params"), default_count("flops_train")
    figure, (axes,) = panel_grid(1, 1, PANEL_HEIGHT)
    axes.set(xscale="log", yscale="log", xlabel=axis_words(params), ylabel=axis_words(flops))
    keys = []
    for series, style in experiment_styles(manifest).items():
        counts = [cell.counts for cell in manifest.cells if (cell.frontier or cell.series) == series and cell.counts]
        if not counts:
            continue
        x, y = zip(*map(itemgetter(params, flops), counts), strict=True)
        axes.plot(x, y, ls="", marker=style.marker, ms=4.5, color=style.colour, alpha=0.7, gid=f"sizes:{series}")
        keys.append(key(series, style, has_line=False))
    set_ticks(axes.xaxis)
    set_ticks(axes.yaxis)
    write_head(figure, keys, "What equal networks cost to train")
    write_note(figure, ["Each mark is a network of the plan. FLOPs are of a whole run."])
    return figure
