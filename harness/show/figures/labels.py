"""What is written in and beside the panels: ticks and limits, which series is which, what laws say, notes below."""

import math
import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullFormatter, NullLocator
from matplotlib.transforms import offset_copy

from harness.base.formats import PLAIN, human, scientific
from harness.show.figures.series import TEXT_SHADE, DrawnLaw, Style, shaded
from harness.show.figures.theme import LABEL_SIZE, figure_width, within_page
from harness.show.names import shortened
from harness.show.words import exponent_words
from harness.spec import Manifest

Place = Literal["outside upper left", "outside lower left"]
TICK_DIGITS = ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7))
FEW_TICKS, MANY_TICKS = 3, 7
SMALL_TICKS = (2, 4)
WIDE_TICK = 10_000
FEW_DECADES = 100  # the ratio of both ends of an axis up to which it has nine small ticks a decade
MOST_DECADES = 1e15
FENCE = 1.5  # quartile ranges, or decades where these are less, above the upper quartile: beyond it is an outlier
LETTERS_AN_INCH = 16.8
BESIDE_PANEL = 0.5  # inches, for what stands beside an axis
PANEL_TITLE_LETTERS_AN_INCH = 15
MOST_TITLE_LINES = 3
TITLE_LINE_HEIGHT = 0.15  # inches
TITLE_LETTERS_AN_INCH = 12.5
KEY_MARK = 9  # letters that the mark of a legend takes the room of
LINE_HEIGHT = 1.25 * LABEL_SIZE / 72  # inches
BELOW_TICKS = 28  # points from a panel to its legend
TITLE_SIZE = 9


# --------------------------------------------------------------------------------------------------- limits and ticks
def padded(values: np.ndarray, share: float) -> tuple[float, float]:
    """Limits around positive `values`, with `share` of their log range, or of a factor of 2, on each side."""
    if not values.size:
        return 0.1, 10.0
    low, high = math.log(values.min()), math.log(values.max())
    pad = share * max(high - low, math.log(2))
    return math.exp(low - pad), math.exp(high + pad)


def limits_without_outliers(losses: Iterable[np.ndarray], share: float) -> tuple[float, float]:
    """Limits around the losses [runs] of every series, without outliers far above, which would flatten it all.

    The best of each series is always within.
    """
    known = list(filter(np.size, losses))
    if not known:
        return padded(np.array([]), share)
    every = np.concatenate(known)
    low, high = np.quantile(np.log10(every), [0.25, 0.75])
    fence = 10 ** (high + FENCE * max(high - low, 1.0))
    highest = max(every[every <= fence].max(), *map(np.min, known))
    return padded(np.array([every.min(), highest]), share)


def limits_around(estimates: np.ndarray, ends: np.ndarray) -> tuple[float, float]:
    """Limits around positive estimates, and around the ends of their intervals as far as these go half as far again."""
    known, ends = np.log(estimates), np.log(ends[np.isfinite(ends) & (ends > 0)])
    reach = 0.5 * max(float(np.ptp(known)), math.log(2))
    low = max(known.min() - reach, ends.min(initial=known.min()))
    high = min(known.max() + reach, ends.max(initial=known.max()))
    return padded(np.exp([low, high]), 0.1)


def tick_values(low: float, high: float, few: int = FEW_TICKS, most: int = MANY_TICKS) -> list[float]:
    """Round values within [low, high]: powers of ten where there are at least `few`, else more digits between them."""
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
    axis.set_major_formatter(FuncFormatter(lambda tick, _: f"{tick:,.6g}" if is_plain else scientific(tick, 4)))
    # Each tick is measured when a figure is laid out: nine a decade took a quarter of an analysis.
    between = range(1, 10) if high < FEW_DECADES * low else (2, 5)
    is_readable = high < MOST_DECADES * low  # else ticks between the decades are one black bar
    axis.set_minor_locator(LogLocator(subs=between, numticks=200) if is_readable else NullLocator())
    axis.set_minor_formatter(NullFormatter())


# ------------------------------------------------------------------------------------------------------------- legends
def key(label: str, style: Style, has_line: bool = True) -> Line2D:
    """A line of a legend."""
    look: dict[str, Any] = {"marker": style.marker, "ls": style.line if has_line else "", "ms": 4, "lw": 1.3}
    return Line2D([], [], color=style.colour, label=label, **look)


def law_key(drawn: DrawnLaw, columns: int, name: str) -> Line2D:
    """A line of a legend: a name, and what the drawn law of the series says; why there is none, a note says.

    `columns` panels stand side by side.
    """
    laws, fit, style = drawn
    said = ["no law" if fit.refusals else f"α = {exponent_words(fit)}"]
    if fit.floor:
        said.append(f"floor E = {human(fit.floor, 2)}")
    if not fit.refusals and any(warning.code == "LOCAL_SLOPE" for warning in fit.warnings):
        said.append(f"from sizes within a factor of {human(10**fit.decades, 2)}")
    held_out = laws.held_out.get(fit.law)
    if held_out and held_out.prediction:
        within = held_out.prediction.within
        said.append(f"{within.sum()} of {within.size} held-out sizes as predicted")
    if count := laws.runs_failed:
        said.append(f"{count} {'run' if count == 1 else 'runs'} failed (×)")
    words = f"{name}: {', '.join(said)}" if name else ", ".join(said)
    letters = int(LETTERS_AN_INCH * figure_width(columns) / columns) - KEY_MARK
    return key(textwrap.fill(words, letters, subsequent_indent="  ", break_on_hyphens=False), style)


def write_keys_below(figure: Figure, keys: Mapping[Axes, Sequence[Line2D]]) -> None:
    """A legend below each panel; the figure grows by the tallest one of each row."""
    heights: Counter[int] = Counter()  # lines of the tallest one, by the row of panels
    for axes, handles in keys.items():
        below = offset_copy(axes.transAxes, figure, y=-BELOW_TICKS, units="points")
        legend = axes.legend(handles=list(handles), loc="upper left", bbox_to_anchor=(0, 0), bbox_transform=below)
        lines = 0
        for text, handle in zip(legend.get_texts(), handles, strict=True):
            text.set_color(shaded(str(handle.get_color()), TEXT_SHADE))
            lines += text.get_text().count("\n") + 1
        place = axes.get_subplotspec()
        assert place is not None
        row = place.rowspan.start
        heights[row] = max(lines, heights[row])
    _grow(figure, heights.total())


def write_head(
    figure: Figure, keys: Sequence[Line2D], title: str = "", columns: int = 8, place: Place = "outside upper left"
) -> None:
    """What the figure says, in bold, and one legend for all panels, in so many columns, above or below them."""
    look: dict[str, Any] = {"alignment": "left", "title_fontproperties": {"weight": "bold", "size": TITLE_SIZE}}
    letters = int(TITLE_LETTERS_AN_INCH * figure.get_figwidth())
    title = "\n".join(textwrap.fill(line, letters) for line in title.split("\n"))
    room = LETTERS_AN_INCH * figure.get_figwidth()
    lengths = [len(str(handle.get_label())) + KEY_MARK for handle in keys]
    if len(keys) > columns or sum(lengths) > room:
        columns = max(1, min(columns, int(room / max(lengths))))
    figure.legend(handles=list(keys), title=title, loc=place, ncols=columns, **look)
    _grow(figure, -(-len(keys) // columns) + (1.5 * (title.count("\n") + 1) if title else 0))


def drawn_keys(panels: Iterable[Axes]) -> list[Line2D]:
    """What is labelled in any of the panels, each label once."""
    drawn: dict[Any, Any] = {}
    for axes in panels:
        drawn |= {handle.get_label(): handle for handle in axes.get_legend_handles_labels()[0]}
    return list(drawn.values())


def _grow(figure: Figure, lines: float) -> None:
    """Make the figure higher by so many lines of small letters, so that panels keep their height as far as they can."""
    figure.set_figheight(within_page(figure.get_figheight() + LINE_HEIGHT * lines))


# ------------------------------------------------------------------------------------------------------- other words
def task_titles(manifest: Manifest, tasks: Iterable[str], letters: int) -> dict[str, str]:
    """Task -> its formula, or its name where the formula is another task's too, or longer than so many letters.

    A user's function has its name before its words, in lines of so many letters.
    """
    formulas = {task: manifest.formulas[task].formula for task in tasks}
    tasks_of, names = Counter(formulas.values()), shortened(formulas, letters)
    titles = {}
    for task, formula in formulas.items():
        if ":" in task:
            titles[task] = in_title_lines(f"{names[task]}:  {formula}", letters)
        elif tasks_of[formula] > 1 or len(formula) > letters:
            titles[task] = names[task].replace("_", " ").replace("=", " = ")
        else:
            titles[task] = formula
    return titles


def title_letters(inches: float) -> int:
    """How many letters a line of a panel's title has, above so many inches."""
    return max(1, int(PANEL_TITLE_LETTERS_AN_INCH * inches))


def in_title_lines(words: str, letters: int) -> str:
    """The title of a panel in lines of so many letters, at most MOST_TITLE_LINES of them."""
    return textwrap.fill(words, letters, max_lines=MOST_TITLE_LINES, placeholder=" …")


def write_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Write sentences below the panels."""
    letters = int(LETTERS_AN_INCH * figure.get_figwidth())
    if lines := textwrap.wrap(" ".join(sentences), letters):
        figure.supxlabel("\n".join(lines), x=0.01, ha="left", fontsize=LABEL_SIZE)
        _grow(figure, len(lines))


def edge_notes(beyond: int, of_what: str, failed: int = 0) -> list[str]:
    """What the crosses at the edge of panels are: how many runs (or means) are beyond it, how many runs failed."""
    notes = []
    if beyond:
        notes.append(f"+ at the edge: {of_what} beyond the panel, {beyond} in all.")
    if failed:
        notes.append(f"× at the edge: runs that failed, {failed} in all.")
    return notes


def undrawn_note(count: int, what: str, where: str = "all fits are in fits.json") -> list[str]:
    """A sentence on what is not drawn, if anything, and where to find it."""
    if count < 1:
        return []
    things, *rest = what.split(" ")
    counted = " ".join([things.removesuffix("s") if count == 1 else things, *rest])
    return [f"{count} more {counted} {'is' if count == 1 else 'are'} not drawn; {where}."]
