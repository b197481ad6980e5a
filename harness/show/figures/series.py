"""How a series looks, everywhere alike, and how its runs, means and laws are drawn.

Its colour is that of its family (`harness/families/base.py`). The series of a family differ in
lightness, and all series of an experiment in mark and line, so that they can be told apart in grey
too.
"""

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, NamedTuple
from zlib import crc32

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb

from harness.families import FAMILIES
from harness.judging.kept import kept, prepare
from harness.judging.laws import SeriesLaws, runs_in
from harness.laws import Fit, Points, band, predict, size_means
from harness.laws.held_out import Extrapolation
from harness.show.figures.theme import label_size
from harness.spec.decide import side_label
from harness.spec.manifest import Manifest

INK = "#222222"  # of what belongs to no arm, such as published points, or the ratio of two arms
SPARE = (
    "#882255",
    "#117733",
    "#332288",
    "#999933",
)  # of no family here; Tol's wine, green, indigo and olive
SHADES = (0.0, -0.4, 0.35)  # of the series of a family in turn, between black (-1) and white (1)
TEXT_SHADE = -0.4  # dark enough for letters
# Their numbers have no common factor: the first 40 series of an experiment differ in mark or line.
MARKS = ("o", "s", "^", "D", "v", "P", "X", "*")
LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 2)),
    (0, (6, 1.5, 1, 1.5)),
    (0, (1, 1.2)),
    (0, (6, 1, 1, 1, 1, 1)),
)

NO_SIDES: Mapping[str, Sequence[str]] = {}
LAW_POINTS = 80
# in a panel: marks of full size would be a band, so that they are small and pale, behind the law
MANY_SIZES = 40
PALE: dict[str, Any] = {"ms": 2, "mew": 0.4, "alpha": 0.4}


class Style(NamedTuple):
    """How a series looks."""

    colour: str
    marker: str
    line: Any

    @property
    def text_colour(self) -> str:
        """Dark enough for letters."""
        return shaded(self.colour, TEXT_SHADE)


class DrawnLaw(NamedTuple):
    """The laws of a series on an axis, the one of them that is drawn, and how it looks."""

    laws: SeriesLaws
    fit: Fit
    style: Style


def experiment_styles(
    manifest: Manifest, sides: Mapping[str, Sequence[str]] = NO_SIDES
) -> dict[str, Style]:
    """The style of every series and side of an experiment, the same in all its figures, whatever
    these show.

    `sides` are more of them, with the arms or series of each.
    """
    arms = manifest.experiment.arms
    of_series: dict[str, set[str]] = {}
    for cell in manifest.cells:
        of_series.setdefault(cell.frontier or cell.series, set()).add(
            arms[cell.arm].architecture.drawn_as
        )
    of_side: dict[str, set[str]] = {}
    for label, names in (
        *((side_label(side), side) for side in manifest.experiment.sides),
        *sides.items(),
    ):
        of_names = [of_series.get(name) or {arms[name].architecture.drawn_as} for name in names]
        of_side[label] = set().union(*of_names)
    styles: dict[str, Style] = {}
    for several in (
        of_side,
        of_series,
    ):  # what is of several families has a spare colour, by its own name
        styles |= family_styles(
            {name: min(of) if len(of) == 1 else name for name, of in several.items()}
        )
    return styles


def named_styles(names: Iterable[str]) -> dict[str, Style]:
    """The style of every arm in a table of anybody's: of the family that its name is or begins
    with, if it does.
    """
    families = {}
    for name in names:
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower())  # of `KAN, G = 5`, `spline-mlp`
        families[name] = max(filter(plain.startswith, FAMILIES), key=len, default=name)
    return family_styles(families)


def styles_of_laws(manifest: Manifest | None, laws: Iterable[SeriesLaws]) -> dict[str, Style]:
    """The style of every series of an experiment, or, without a `manifest`, of a table of
    anybody's.
    """
    return (
        experiment_styles(manifest) if manifest else named_styles(series.series for series in laws)
    )


def family_styles(families: Mapping[str, str]) -> dict[str, Style]:
    """The style of every series, by name, from its family; what is no family of the package has a
    spare colour.
    """
    colours = _colours(set(families.values()))
    styles: dict[str, Style] = {}
    drawn: Counter[str] = Counter()
    for index, (name, family) in enumerate(families.items()):
        colour = colours[family]
        styles[name] = _style(shaded(colour, SHADES[drawn[colour] % len(SHADES)]), index)
        drawn[colour] += 1
    return styles


def plain_styles(names: Iterable[str]) -> dict[str, Style]:
    """Styles, in this order, of what is no arm, such as conventions: in colours of no family."""
    colours = itertools.cycle((INK, *SPARE))
    return {name: _style(next(colours), index) for index, name in enumerate(dict.fromkeys(names))}


def _style(colour: str, index: int) -> Style:
    return Style(colour, MARKS[index % len(MARKS)], LINES[index % len(LINES)])


def shaded(colour: str, shade: float) -> str:
    """The colour mixed with white (`shade` > 0) or black (< 0)."""
    red, green, blue = ((1 - abs(shade)) * part + max(shade, 0) for part in to_rgb(colour))
    return to_hex((red, green, blue))


def _colours(families: Set[str]) -> dict[str, str]:
    """Family -> its colour, or a spare one that its name points at: the next one where another name
    has that.
    """
    colours = {name: FAMILIES[name].colour for name in families if name in FAMILIES}
    for name in sorted(families - colours.keys()):
        first = crc32(name.encode()) % len(SPARE)
        in_turn = SPARE[first:] + SPARE[:first]
        free = [colour for colour in in_turn if colour not in colours.values()]
        colours[name] = (free or in_turn)[0]
    return colours


def draw_law(axes: Axes, drawn: DrawnLaw) -> None:
    """Runs faint, means of sizes bold, hollow outside of the window, half-filled if held out; the
    law with its band.

    Means that have no law are joined. What failed is a cross above its size, and so is, upright, a
    run beyond the panel. Artists carry a gid `kind:series`.
    """
    laws, fit, style = drawn
    name, points, (x, y), outside = (
        laws.series,
        fit.points,
        runs_in(laws.table),
        sizes_outside(laws, fit),
    )
    pale = PALE if points.sizes.size > MANY_SIZES else {}
    runs_look: dict[str, Any] = {
        "color": style.colour,
        "mec": "none",
        "alpha": 0.45,
        "zorder": 2,
        **pale,
    }
    axes.plot(x, y, ".", gid=f"runs:{name}", **runs_look)
    draw_means(axes, f"means:{name}", points, style, **pale)
    if outside[0].size:
        draw_means(axes, f"outside:{name}", size_means(*outside), style, mfc="white", **pale)
    if fit.law in laws.held_out:
        _draw_held_out(axes, drawn, laws.held_out[fit.law], pale)
    failed = laws.table.loc[laws.table["status"] != "done", "size"].to_numpy(float)
    _mark_edge(axes, f"failed:{name}", failed, style, marker="x")
    if fit.refusals:
        joined: dict[str, Any] = {"color": style.colour, "lw": 0.6, "ls": style.line, "zorder": 2.5}
        axes.plot(points.sizes, points.means, gid=f"joined:{name}", **joined)
    else:
        sizes = law_sizes(fit)
        low, high = kept(band, fit, sizes)
        axes.fill_between(
            sizes, low, high, color=style.colour, alpha=0.13, lw=0, zorder=1, gid=f"band:{name}"
        )
        line_look: dict[str, Any] = (
            {"color": style.text_colour, "zorder": 5} if pale else {"color": style.colour}
        )
        axes.plot(
            sizes,
            predict(fit, sizes),
            gid=f"law:{name}",
            **{"ls": style.line, "zorder": 3, **line_look},
        )
    low, high = axes.get_ylim()
    _mark_edge(axes, f"beyond:{name}", x[y > high], style, marker="+")
    _mark_edge(axes, f"below:{name}", x[y < low], style, height=0.03, marker="+")


def sizes_outside(laws: SeriesLaws, fit: Fit) -> tuple[np.ndarray, np.ndarray]:
    """Sizes and losses of the runs outside of the window; a law over replicates has none, and takes
    all sizes.
    """
    x, y = runs_in(laws.table, "outside")
    return x[~np.isin(x, fit.points.sizes)], y[~np.isin(x, fit.points.sizes)]


def draw_baseline(axes: Axes, name: str, loss: float, is_named: bool = True) -> None:
    """A line at what a model without training reaches, with its name beside the panel: `constant`
    or `linear`.
    """
    is_constant = name == "constant"
    axes.axhline(
        loss, color="0.4", lw=0.6, ls=(0, (1, 1.5)) if is_constant else "--", gid=f"baseline:{name}"
    )
    if is_named:  # one above its line, one below: they may be close
        look: dict[str, Any] = {
            "va": "bottom" if is_constant else "top",
            "color": "0.3",
            "fontsize": label_size(),
        }
        axes.annotate(
            name, (1.01, loss), xycoords=axes.get_yaxis_transform(), annotation_clip=False, **look
        )


def draw_band(
    axes: Axes, gid: str, x: np.ndarray, ends: tuple[np.ndarray, np.ndarray], style: Style
) -> None:
    """A band with its edges, by which bands that lie upon each other are still told apart."""
    axes.fill_between(x, *ends, color=style.colour, alpha=0.1, lw=0, zorder=1, gid=gid)
    for end in ends:
        axes.plot(
            x,
            end,
            color=style.colour,
            ls=style.line,
            lw=0.5,
            alpha=0.5,
            zorder=1.5,
            gid=f"end_of_{gid}",
        )


def draw_means(axes: Axes, gid: str, points: Points, style: Style, **more: Any) -> None:
    """Marks of a series at the means of its sizes."""
    look: dict[str, Any] = {"color": style.colour, "ls": "", "mew": 0.8, "zorder": 4}
    axes.plot(points.sizes, points.means, marker=style.marker, gid=gid, **(look | more))


def draw_estimate(
    axes: Axes, height: float, ends: tuple[float | None, ...], colour: str, **mark: Any
) -> None:
    """An estimate with its interval (`ends`: low, estimate, high) in a row; `mark` says how it
    looks, and its gid.
    """
    low, estimate, high = np.array(ends, float)
    axes.plot([low, high], [height, height], color=colour, solid_capstyle="butt", zorder=2)
    axes.plot([estimate], [height], mec=colour, mew=0.8, ls="", zorder=3, **mark)


def prepare_bands(fits: Iterable[Fit]) -> None:
    """Compute the bands of these laws, which `draw_law` draws, on all cores."""
    prepare(band, [(fit, law_sizes(fit)) for fit in fits if not fit.refusals], "bands")


def law_sizes(fit: Fit) -> np.ndarray:
    """The sizes at which a law is drawn, over those that it was fitted to."""
    x = np.geomspace(fit.points.sizes[0], fit.points.sizes[-1], LAW_POINTS)
    x[[0, -1]] = fit.points.sizes[[0, -1]]
    return x


def _mark_edge(
    axes: Axes, gid: str, x: np.ndarray, style: Style, height: float = 0.97, **mark: Any
) -> None:
    """Marks at an edge of a panel, the upper one unless its `height` is another, if there are
    any.
    """
    if x.size:
        mark |= {"transform": axes.get_xaxis_transform(), "color": style.colour, "gid": gid}
        axes.plot(x, np.full(x.size, height), ls="", **mark)


def _draw_held_out(
    axes: Axes, drawn: DrawnLaw, held_out: Extrapolation, pale: Mapping[str, Any]
) -> None:
    """Half-filled marks at what was measured; where the law predicts, it goes on, with an interval
    at each size.
    """
    (laws, fit, style), measured = drawn, held_out.measured
    if held_out.prediction:
        x = np.geomspace(fit.points.sizes[-1], measured.sizes[-1], LAW_POINTS)
        thin: dict[str, Any] = {"color": style.colour, "lw": 0.7, "zorder": 2.5}
        axes.plot(x, predict(fit, x), ls=style.line, gid=f"extrapolated:{laws.series}", **thin)
        ends = held_out.prediction.low, held_out.prediction.high
        axes.vlines(measured.sizes, *ends, gid=f"predicted:{laws.series}", **thin)
    half_filled: dict[str, Any] = {"fillstyle": "bottom", "markerfacecoloralt": "white"}
    draw_means(axes, f"held_out:{laws.series}", measured, style, **half_filled, **pale)
