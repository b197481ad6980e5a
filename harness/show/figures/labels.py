"""What is written in and beside the panels: ticks and limits, which series is which, what laws say,
notes below.
"""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from string import ascii_lowercase
from typing import Any, Literal

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import (
    FixedLocator,
    FuncFormatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
)
from matplotlib.transforms import offset_copy

from harness.base.formats import PLAIN, human, scientific
from harness.laws import Fit
from harness.show.figures.series import TEXT_SHADE, DrawnLaw, Style, shaded
from harness.show.figures.theme import figure_width, label_size, most_height
from harness.show.names import shortened
from harness.show.words import exponent_words

Place = Literal["outside upper left", "outside lower left"]
TICK_DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7))
FEW_TICKS, MANY_TICKS = 3, 7
SMALL_TICKS = (2, 4)
WIDE_TICK = 10_000
FEW_DECADES = 100  # the ratio of both ends of an axis up to which it has nine small ticks a decade
MOST_DECADES = 1e15
# quartile ranges, or decades where these are less, above the upper quartile: beyond it is an
# outlier
FENCE = 1.5
LETTERS_AN_INCH = 117.6  # over their size in points; in bold ones
BOLD_LETTERS_AN_INCH = 112
BESIDE_PANEL = 0.5  # inches, for what stands beside an axis
PANEL_TITLE_LETTERS_AN_INCH = 127
MOST_TITLE_LINES = 3
KEY_MARK = 9  # letters that the mark of a legend takes the room of
BELOW_TICKS = 4.0  # letters' heights from a panel to its legend
HEAD_SIZE = 1.2  # of what a figure says, over the size of letters in its legend


# --------------------------------------------------------------------------------------------------
# limits and ticks
def padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Limits around positive `values`, with `share` of their log range, or of a factor of 2, on
    each side.
    """
    if not values.size:
        return 0.1, 10.0
    low, high = math.log(values.min()), math.log(values.max())
    pad = share * max(high - low, math.log(2))
    return math.exp(low - pad), math.exp(high + pad)


def limits_without_outliers(
    losses: Iterable[np.ndarray], share: float, always: Sequence[float] = ()
) -> tuple[float, float]:
    """Limits around the losses [runs] of every series, without outliers far above, which would
    flatten it all.

    The best of each series is within, and what is `always`. Where that is given, outliers far below
    are left out too.
    """
    of_series = list(filter(np.size, losses))
    if not of_series:
        return padded(np.array(always), share)
    every = np.concatenate(of_series)
    low, high = np.quantile(np.log10(every), [0.25, 0.75])
    reach = FENCE * max(high - low, 1.0)
    highest = max(every[every <= 10 ** (high + reach)].max(), *map(np.min, of_series), *always)
    is_low = every >= 10 ** (low - reach) if len(always) else np.isfinite(every)
    return padded(np.array([min(every[is_low].min(), *always, highest), highest]), share)


def limits_around(estimates: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Limits around positive estimates, and around the ends of their intervals as far as these go
    half as far again.
    """
    logs, ends = np.log(estimates), np.log(ends[np.isfinite(ends) & (ends > 0)])
    reach = 0.5 * max(float(np.ptp(logs)), math.log(2))
    low = max(logs.min() - reach, ends.min(initial=logs.min()))
    high = min(logs.max() + reach, ends.max(initial=logs.max()))
    return padded(np.exp([low, high]), 0.1)


def tick_values(
    low: float, high: float, few: int = FEW_TICKS, most: int = MANY_TICKS
) -> list[float]:
    """Round values within [low, high]: powers of ten where there are at least `few`, else more
    digits between them.
    """
    powers = 10.0 ** np.arange(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for digits in TICK_DIGITS:
        ticks = np.array([float(f"{tick:.1g}") for tick in np.outer(powers, digits).flat])
        ticks = ticks[(low <= ticks) & (ticks <= high)]
        if ticks.size >= few:
            return ticks[:: math.ceil(ticks.size / most)].tolist()
    return [tick for tick in MaxNLocator(4).tick_values(low, high) if low <= tick <= high]


def set_ticks(axis: Axis, is_small: bool = False) -> None:
    """Round ticks within the limits of a logarithmic axis; fewer of them in a small panel."""
    low, high = sorted(axis.get_view_interval())
    ticks = tick_values(low, high, *SMALL_TICKS) if is_small else tick_values(low, high)
    # In a small panel 1,000 and 10,000 would touch.
    plain_below = WIDE_TICK if is_small else PLAIN[1]
    is_plain = PLAIN[0] <= min(ticks) and max(ticks) < plain_below
    if not is_plain and high < 2 * low:  # three of so many digits would touch
        ticks = [ticks[0], ticks[-1]]
    axis.set_major_locator(FixedLocator(ticks))
    axis.set_major_formatter(
        FuncFormatter(lambda tick, _: f"{tick:,.6g}" if is_plain else scientific(tick, 4))
    )
    # Each tick is measured when a figure is laid out: nine a decade took a quarter of an analysis.
    between = range(1, 10) if high < FEW_DECADES * low else (2, 5)
    is_readable = high < MOST_DECADES * low  # else ticks between the decades are one black bar
    axis.set_minor_locator(LogLocator(subs=between, numticks=200) if is_readable else NullLocator())
    axis.set_minor_formatter(NullFormatter())


# --------------------------------------------------------------------------------------------------
# legends
def key(label: str, style: Style, has_line: bool = True) -> Line2D:
    """A line of a legend."""
    line = style.line if has_line else ""
    return Line2D([], [], color=style.colour, label=label, marker=style.marker, ls=line)


def law_key(drawn: DrawnLaw, columns: int, name: str) -> Line2D:
    """A line of a legend: a name, and what the drawn law of the series says; why there is none, a
    note says.

    `columns` panels stand side by side.
    """
    laws, fit, style = drawn
    words = f"{name}: " if name else ""
    # Spaces at which no line ends: an exponent stays with its sign, an interval in one line.
    exponent = exponent_words(fit).replace(", ", ",\N{NO-BREAK SPACE}")
    words += "no\N{NO-BREAK SPACE}law" if fit.refusals else f"α\N{NO-BREAK SPACE}{exponent}"
    if is_misfit(fit) and not fit.refusals:
        words += "\N{NO-BREAK SPACE}†"
    if fit.floor:
        words += f", floor E = {human(fit.floor, 2)}"
    held_out = laws.held_out.get(fit.law)
    if held_out and held_out.prediction:
        within = held_out.prediction.within
        words += f", {within.sum()} of {within.size} held-out sizes as predicted"
    letters = letters_in(figure_width(columns) / columns) - KEY_MARK
    return key(textwrap.fill(words, letters, subsequent_indent="  ", break_on_hyphens=False), style)


def is_misfit(fit: Fit) -> bool:
    """Whether the points are off the law beyond chance, so that its exponent is a mean slope."""
    return any(caution.code == "MISFIT" for caution in fit.warnings)


def write_keys_below(figure: Figure, keys: Mapping[Axes, Sequence[Line2D]]) -> None:
    """A legend below each panel; the figure grows by the tallest one of each row."""
    heights: Counter[int] = Counter()  # lines of the tallest one, by the row of panels
    for axes, handles in keys.items():
        lines_of_axis = BELOW_TICKS - (0 if axes.get_xlabel() else 1.6)
        below = offset_copy(
            axes.transAxes,
            figure,
            -1.8 * label_size(),
            -lines_of_axis * label_size(),
            units="points",
        )
        legend = axes.legend(
            handles=list(handles),
            handlelength=2,
            loc="upper left",
            bbox_to_anchor=(0, 0),
            bbox_transform=below,
        )
        lines = 0
        for text, handle in zip(legend.get_texts(), handles, strict=True):
            text.set_color(shaded(str(handle.get_color()), TEXT_SHADE))
            lines += text.get_text().count("\n") + 1
        place = axes.get_subplotspec()
        assert place is not None
        heights[place.rowspan.start] = max(lines, heights[place.rowspan.start])
    _grow(figure, heights.total())


def write_around(
    figure: Figure, keys: Mapping[Axes, Sequence[Line2D]], notes: Sequence[str] = ()
) -> None:
    """The letter of each panel, its legend (`keys`) below it, and notes below all panels."""
    write_letters(list(keys))
    write_note(figure, notes)
    write_keys_below(figure, keys)


def write_head(
    figure: Figure,
    keys: Sequence[Line2D],
    title: str = "",
    columns: int = 8,
    place: Place = "outside upper left",
) -> None:
    """What the figure says, in bold, and one legend for all panels, in so many columns, above or
    below them.
    """
    size = HEAD_SIZE * label_size()
    letters = int(BOLD_LETTERS_AN_INCH * figure.get_figwidth() / size)
    title = "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))
    room = letters_in(figure.get_figwidth())
    lengths = [len(str(handle.get_label())) + KEY_MARK for handle in keys]
    if len(keys) > columns or sum(lengths) > room:
        columns = max(1, min(columns, int(room / max(lengths))))
    look: dict[str, Any] = {
        "alignment": "left",
        "title_fontproperties": {"weight": "bold", "size": size},
    }
    figure.legend(handles=list(keys), title=title, loc=place, ncols=columns, **look)
    _grow(figure, -(-len(keys) // columns) + (1.5 * (title.count("\n") + 1) if title else 0))


def drawn_keys(panels: Iterable[Axes]) -> list[Line2D]:
    """What is labelled in any of the panels, each label once."""
    drawn: dict[Any, Any] = {}
    for axes in panels:
        drawn |= {handle.get_label(): handle for handle in axes.get_legend_handles_labels()[0]}
    return list(drawn.values())


def _grow(figure: Figure, lines: float) -> None:
    """Make the figure higher by so many lines of small letters, so that panels keep their height as
    far as they can.
    """
    figure.set_figheight(min(figure.get_figheight() + lines * line_height(), most_height()))


# --------------------------------------------------------------------------------------------------
# other words
def letters_in(inches: float) -> int:
    """How many letters of legends and notes stand in so many inches."""
    return int(LETTERS_AN_INCH * inches / label_size())


def line_height() -> float:
    """How many inches a line of legends and notes is high."""
    return 1.25 * label_size() / 72


def write_letters(panels: Sequence[Axes]) -> None:
    """The letter of each panel, by which a text refers to it: a, b, c, …"""
    beside = -2.2 * label_size(), matplotlib.rcParams["axes.titlepad"]
    for letter, axes in zip(ascii_lowercase, panels if len(panels) > 1 else (), strict=False):
        axes.annotate(
            letter,
            (0, 1),
            beside,
            xycoords="axes fraction",
            textcoords="offset points",
            weight="bold",
        )


def task_titles(formulas: Mapping[str, str], letters: int) -> dict[str, str]:
    """Task -> its formula, or its name where the formula is another task's too, or longer than so
    many letters.

    A user's function has its name before its words, in lines of so many letters; data have their
    name.
    """
    tasks_of, names = Counter(formulas.values()), shortened(formulas, letters)
    titles = {}
    for task, formula in formulas.items():
        if ":" in task:
            titles[task] = in_title_lines(f"{names[task]}:  {formula}", letters)
        elif tasks_of[formula] > 1 or len(formula) > letters or formula.endswith(" rows"):
            titles[task] = names[task].replace("_", " ").replace("=", " = ")
        else:
            titles[task] = formula
    return titles


def title_letters(inches: float) -> int:
    """How many letters a line of a panel's title has, above so many inches."""
    return max(1, int(PANEL_TITLE_LETTERS_AN_INCH * inches / matplotlib.rcParams["axes.titlesize"]))


def in_title_lines(words: str, letters: int) -> str:
    """The title of a panel in lines of so many letters, at most MOST_TITLE_LINES of them."""
    return textwrap.fill(words, letters, max_lines=MOST_TITLE_LINES, placeholder=" …")


def write_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels."""
    if lines := textwrap.wrap(" ".join(sentences), letters_in(figure.get_figwidth())):
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=label_size())
        _grow(figure, len(lines))


def edge_notes(beyond: int, of_what: str, failed: int, is_searched: bool) -> list[str]:
    """What the crosses at the edge of panels are: how many runs (or means) are beyond it, how many
    runs failed.

    Of a search each mark is the choice of a replicate, so that one has failed where nothing could
    be chosen.
    """
    notes = []
    if beyond:
        notes.append(f"+ at the edge: {of_what} beyond the panel, {beyond} in all.")
    if failed:
        what = "searches that found no network at a budget" if is_searched else "runs that failed"
        notes.append(f"× at the edge: {what}, {failed} in all.")
    return notes


def undrawn_note(count: int, what: str, where: str = "`harness fit` has all laws") -> list[str]:
    """A sentence on what is not drawn, if anything, and where to find it."""
    if count < 1:
        return []
    things, *rest = what.split(" ")
    counted = " ".join([things.removesuffix("s") if count == 1 else things, *rest])
    return [f"{count} more {counted} {'is' if count == 1 else 'are'} not drawn; {where}."]
