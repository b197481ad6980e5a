"""The figure of the answer: every ratio once, in the colour of the side that is ahead; many tasks are ranked.

pytest tests/show/figures/test_headline_figure.py
"""

import itertools
from dataclasses import replace

import numpy as np
from matplotlib.colors import to_hex
from matplotlib.text import Text

from harness.judging.found import Found
from harness.judging.headline import Headline, Reading
from harness.judging.versus import Side
from harness.show.figures.headline import headline_figure
from harness.show.figures.series import named_styles
from harness.show.figures.theme import narrow

AXES = ("params.trainable", "flops_train.shared_dense", "flops_train.local_min")
PLACES = ("smallest", "middle", "largest")
STYLES = named_styles(["kan", "mlp"])
TALLEST = 1600  # pixels


def made(tasks: int) -> Headline:
    """Ratios over four decades, whose intervals are a factor of 2 to either side."""
    names = [f"task{number}" for number in range(tasks)]
    places = list(itertools.product(names, AXES, PLACES))
    ratios = np.geomspace(0.01, 100, len(places))
    readings = [
        Reading(*place, Found(ratio, ratio / 2, 2 * ratio, at=100.0, seeds=5))
        for place, ratio in zip(places, ratios, strict=True)
    ]
    formulas = {name: name for name in names}
    sides = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
    return Headline(*sides, "rmse", 0.95, 5, formulas, AXES, None, (), PLACES, tuple(readings), (), (), ())


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
        own = [line for line in axes.lines if (line.get_gid() or "").startswith("ratio:")]
        by_height = sorted(own, key=lambda line: -line.get_ydata()[0])
        ratios = [line.get_xdata()[0] for line in by_height]
        assert ratios == sorted(ratios, reverse=True)


def test_no_answer_is_taller_than_a_page():
    """1,600 pixels at most on a page; on a phone panels stand one below the other."""
    for tasks in (1, 2, 4, 5, 27, 80):
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
