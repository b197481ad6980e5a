"""The figure of the answer: every ratio once, in the colour of the side that is ahead; many tasks are ranked."""

import itertools
from dataclasses import replace

import numpy as np
from made_headline import AXES, PLACES, made_headline
from matplotlib.colors import to_hex
from matplotlib.text import Text

from harness.comparison.replicates import Found
from harness.judging.versus import Headline, Side
from harness.show.figures.headline import headline_figure
from harness.show.figures.series import named_styles
from harness.show.figures.theme import narrow

STYLES = named_styles(["kan", "mlp"])
TALLEST = 1600  # pixels


def made(tasks: int | dict[str, str], ends: tuple[float, float] = (0.01, 100)) -> Headline:
    """Ratios of so many tasks, or of tasks with these formulas, whose intervals are a factor of 2 to either side."""
    formulas = {f"task{number}": f"task{number}" for number in range(tasks)} if isinstance(tasks, int) else tasks
    ratios = np.geomspace(*ends, len(formulas) * len(AXES) * len(PLACES))
    return made_headline(formulas, [Found(ratio, ratio / 2, 2 * ratio, at=100.0, replicates=5) for ratio in ratios])


def marks(figure) -> list:
    """The marks of all ratios."""
    lines = itertools.chain.from_iterable(axes.lines for axes in figure.axes)
    return [line for line in lines if (line.get_gid() or "").startswith("ratio:")]


def test_every_ratio_is_drawn_once_in_the_colour_of_who_is_ahead():
    """Above 1 the first side's, below 1 the second's; hollow where the interval holds 1."""
    found = made(2)
    figure = headline_figure(found, STYLES)
    drawn = {float(line.get_xdata()[0]): line for line in marks(figure)}
    assert sorted(drawn) == sorted(one.ratio.estimate for one in found.readings)
    for ratio, line in drawn.items():
        ahead = "kan" if ratio > 2 else "mlp" if ratio < 0.5 else "undecided"
        assert line.get_gid() == f"ratio:{ahead}"
        if ahead == "undecided":
            assert line.get_markerfacecolor() == "white"
        else:
            assert to_hex(line.get_markerfacecolor()) == to_hex(STYLES[ahead].colour)


def test_many_tasks_are_ranked_at_the_largest_size():
    """A panel an axis, a row a task, the best for the first side on top."""
    figure = headline_figure(made(27), STYLES)
    assert len(marks(figure)) == 27 * len(AXES)
    for axes in figure.axes:
        ratios = {line.get_ydata()[0]: line.get_xdata()[0] for line in axes.lines if line in marks(figure)}
        by_height = [ratios[height] for height in sorted(ratios, reverse=True)]
        assert by_height == sorted(by_height, reverse=True)


def test_no_answer_is_taller_than_a_page():
    """1,600 pixels at most on a page; on a phone panels stand one below the other."""
    for tasks in (1, 4, 5, 80):
        figure = headline_figure(made(tasks), STYLES)
        assert figure.get_figheight() * figure.dpi <= TALLEST, tasks
    with narrow():
        figure = headline_figure(made(2), STYLES)
    lefts = {round(axes.get_subplotspec().colspan.start) for axes in figure.axes}
    assert lefts == {0}


def test_long_names_of_sides_take_no_room_from_the_axes(tmp_path):
    """Sides of several arms are A and B, which a note explains: no text of a panel reaches into another panel."""
    sides = Side("the best of kan, kan_coarse", ("kan",)), Side("the best of mlp_2, mlp_3, mlp_relu", ("mlp",))
    styles = named_styles([side.label for side in sides])
    figure = headline_figure(replace(made(5), first=sides[0], second=sides[1]), styles)
    figure.savefig(tmp_path / "answer.png")
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "A: the best of kan, kan_coarse. B: the best of mlp_2, mlp_3, mlp_relu." in " ".join(" ".join(texts).split())
    assert {"A ▶", "◀ B"} <= set(texts)
    for axes in figure.axes:
        assert axes.get_window_extent().width > 0.15 * figure.bbox.width


def test_no_letter_of_a_name_lies_beyond_the_figure():
    """Titles are wrapped, and long names shortened, on a page and on a phone; no two are equal."""
    long = "price from rooms, area, age, latitude, longitude, population and the distance to the sea"
    two = {f"houses_of_california_and_nevada.csv output={word}": long for word in ("price", "age")}
    many = {f"special_{name} train_points={points}": "" for name in ("yv", "lpmv", "jv") for points in (200, 1000)}
    one = {"my_tasks_of_last_week:ripple_with_a_long_name": "cos(4 pi |x|) exp(-|x|), which has no corner anywhere"}
    wide = headline_figure(made(two), STYLES)
    ranked = headline_figure(made(many), STYLES)
    with narrow():
        stacked = headline_figure(made(one), STYLES)
    for figure in (wide, ranked, stacked, headline_figure(made(one), STYLES)):
        figure.draw_without_rendering()
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text():
                box = text.get_window_extent()
                assert box.x0 >= 0, text
                assert box.x1 <= figure.bbox.width, text
    assert len({axes.get_title(loc="left") for axes in wide.axes}) == 2
    rows = [label.get_text() for label in ranked.axes[0].get_yticklabels()]
    assert len(set(rows)) == len(many)


def test_ticks_are_round_factors_on_both_sides():
    """1, 2, 3 or 5 times a power of ten, never 3.33333; so many times lower look alike on either side."""
    for ends in ((0.4, 2.2), (0.3, 8), (0.3, 30), (0.01, 100), (1e-6, 2)):
        for tasks in (1, 5):
            figure = headline_figure(made(tasks, ends), STYLES)
            axis = figure.axes[0].xaxis
            ticks = axis.get_major_locator()()
            words = axis.get_major_formatter().format_ticks(ticks)
            factors = np.maximum(ticks, 1 / np.array(ticks))
            digits = {f"{factor:.6e}".split("e")[0].rstrip("0").rstrip(".") for factor in factors}
            assert digits <= {"1", "2", "3", "5"}, words
            assert np.allclose(np.sort(1 / np.array(ticks)), ticks)
            assert all(len(word) <= len("1,000×") for word in words), words
