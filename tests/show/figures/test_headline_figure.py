"""The figure of the answer: every ratio once, in the colour of the side that is ahead; many tasks
are ranked.
"""

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
from harness.show.figures.theme import COLUMN_WIDTH, MOST_HEIGHT, narrow

STYLES = named_styles(["kan", "mlp"])


def made(tasks: int | dict[str, str], ends: tuple[float, float] = (0.01, 100)) -> Headline:
    """Ratios of so many tasks, or of tasks with these formulas, whose intervals are a factor of 2
    to either side.
    """
    formulas = (
        {f"task{number}": f"task{number}" for number in range(tasks)}
        if isinstance(tasks, int)
        else tasks
    )
    ratios = np.geomspace(*ends, len(formulas) * len(AXES) * len(PLACES))
    return made_headline(
        formulas, [Found(ratio, ratio / 2, 2 * ratio, at=100.0, replicates=5) for ratio in ratios]
    )


def marks(figure) -> list:
    lines = itertools.chain.from_iterable(axes.lines for axes in figure.axes)
    return [line for line in lines if (line.get_gid() or "").startswith("ratio:")]


def test_every_ratio_is_drawn_once_in_the_colour_of_who_is_ahead():
    """Above 1 the first side's, below 1 the second's; hollow where the interval holds 1."""
    found = made(2)
    figure = headline_figure(found, STYLES)
    drawn = {float(line.get_xdata()[0]): line for line in marks(figure)}
    wanted = [one for one in found.readings if one.axis == AXES[0] or one.place == PLACES[-1]]
    assert sorted(drawn) == sorted(one.ratio.estimate for one in wanted)
    for ratio, line in drawn.items():
        ahead = "kan" if ratio > 2 else "mlp" if ratio < 0.5 else "undecided"
        assert line.get_gid() == f"ratio:{ahead}"
        if ahead == "undecided":
            assert line.get_markerfacecolor() == "white"
        else:
            assert to_hex(line.get_markerfacecolor()) == to_hex(STYLES[ahead].colour)


def test_numbers_stand_at_the_right_edge_and_the_title_says_who_is_ahead():
    ratios = [
        Found(0.01, 0.005, 0.02, at=100.0, replicates=5),
        Found(3.0, 1.5, 6.0, at=100.0, replicates=5),
    ]
    found = made_headline({"one": "J0(20x)"}, ratios)
    figure = headline_figure(found, STYLES)
    words = [text.get_text() for text in figure.findobj(Text)]
    assert {"◀ 100 [50, 200]", "▶ 3 [1.5, 6]", "J0(20x)", "◀ MLP", "KAN ▶"} <= set(words)
    assert "MLP's test RMSE is 100 times lower than KAN's at equal parameters" in " ".join(
        " ".join(words).split()
    )


def test_no_heading_meets_the_line_of_equality():
    """Which a box behind the heading would cut, and the heading would stand on without one."""
    figure = headline_figure(
        made({"a": "a heading that is long", "b": "the 38 plays of Shakespeare, by character"}),
        STYLES,
    )
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert not any(text.get_bbox_patch() for text in axes.texts)
    lines = [
        one.get_window_extent()
        for one in axes.collections
        if len({x for x, _ in one.get_segments()[0]}) == 1
    ]
    headings = [
        text.get_window_extent()
        for text in axes.texts
        if text.get_text().startswith(("a heading", "the 38"))
    ]
    assert len(lines) == len(headings) == 2
    for line, heading in itertools.product(lines, headings):
        assert heading.y0 >= line.y1 or heading.y1 <= line.y0


def test_many_tasks_are_ranked_at_the_largest_size():
    figure = headline_figure(made(15), STYLES)
    drawn = marks(figure)
    assert len(drawn) == 15 * len(AXES)
    for group in range(len(AXES)):
        of_axis = drawn[15 * group : 15 * (group + 1)]
        by_height = sorted(of_axis, key=lambda mark: -mark.get_ydata()[0])
        ratios = [mark.get_xdata()[0] for mark in by_height]
        assert ratios == sorted(ratios, reverse=True)


def test_no_answer_is_taller_than_a_page():
    for tasks in (1, 4, 5, 80):
        figure = headline_figure(made(tasks), STYLES)
        assert figure.get_figheight() <= MOST_HEIGHT, tasks
        assert figure.get_figwidth() == COLUMN_WIDTH
        assert ("more tasks are not drawn" in " ".join(figure.get_supxlabel().split())) is (
            tasks == 80
        )


def test_long_names_of_sides_take_no_room_from_the_axes(tmp_path):
    sides = (
        Side("the best of kan, kan_coarse", ("kan",)),
        Side("the best of mlp_2, mlp_3, mlp_relu", ("mlp",)),
    )
    styles = named_styles([side.label for side in sides])
    figure = headline_figure(replace(made(5), first=sides[0], second=sides[1]), styles)
    figure.savefig(tmp_path / "answer.png")
    texts = {text.get_text(): text for text in figure.findobj(Text)}
    assert "the best of MLP 2, MLP 3, MLP relu on 2" in " ".join(" ".join(texts).split())
    first, second = (
        texts[name].get_window_extent()
        for name in ("the best of KAN,\nKAN coarse ▶", "◀ the best of MLP\n2, MLP 3, MLP\nrelu")
    )
    assert 0 < second.x0 < second.x1 < first.x0 < first.x1 < figure.bbox.width
    title = next(text for words, text in texts.items() if words.startswith("At equal parameters"))
    assert second.y1 < title.get_window_extent().y0
    for axes in figure.axes:
        assert axes.get_window_extent().width > 0.15 * figure.bbox.width


def test_no_letter_of_a_name_lies_beyond_the_figure():
    long = (
        "price from rooms, area, age, latitude, longitude, population and the distance to the sea"
    )
    two = {f"houses_of_california_and_nevada.csv output={word}": long for word in ("price", "age")}
    many = {
        f"special_{name} train_points={points}": ""
        for name in ("yv", "lpmv", "jv")
        for points in (200, 1000)
    }
    one = {
        "my_tasks_of_last_week:ripple_with_a_long_name": (
            "cos(4 pi |x|) exp(-|x|), which has no corner anywhere"
        )
    }
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
    rows = [label.get_text() for label in ranked.axes[0].get_yticklabels()]
    assert len(set(rows)) == len(many)


def test_ticks_are_round_factors_on_both_sides():
    """1, 2, 3 or 5 times a power of ten, never 3.33333; so many times lower look alike on either
    side.
    """
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
