"""The figures of a search: what the tables say is drawn, and what is missing is said.

pytest tests/show/figures/test_tuning_figures.py
"""

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_search import drawn
from matplotlib.figure import Figure

from harness.comparison.tuning_curve import effort_ratio, tuning_curve
from harness.judging.searched import Searched, effort_ratios
from harness.judging.tuning import SearchedSize, ratios
from harness.show.figures.series import named_styles
from harness.show.figures.tuning import MOST_PANELS, draw_effort, draw_tuning, effort_figure, tuning_figure

SIDES = ("kan", "mlp")
STYLES = named_styles(SIDES)
WHERES = (("j0", 60.0), ("j0", 1000.0), ("exp2d", 60.0))


def curves_of(wheres=WHERES, seeds=3, failed=0):
    """Curves of both sides, of whose 16 trials the first `failed` failed."""
    rng = np.random.default_rng(0)
    found = {}
    for task, asked in wheres:
        for side, best in zip(SIDES, (-6, -5), strict=True):
            validation, test = drawn(rng, np.linspace(best, 0, 16), seeds)
            validation[:failed] = np.nan
            found[SearchedSize(task, side, asked)] = tuning_curve(validation, test)
    return found


def artists(figure: Figure, kind: str) -> dict[tuple[str, str], np.ndarray]:
    """(panel's title, side) -> vertices of the lines of a kind."""
    return {
        (axes.get_title("left"), line.get_gid().split(":")[1]): line.get_xydata()
        for axes in figure.axes
        for line in axes.lines
        if (line.get_gid() or "").startswith(f"{kind}:")
    }


def words(figure: Figure) -> str:
    return " ".join(text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text"))).replace(
        "\n", " "
    )


def test_every_curve_is_in_its_panel():
    """Lines are the curves, marks their powers of two, and confirmed values stand beside all trials."""
    curves = curves_of()
    confirmed = pd.DataFrame(
        [(*one, 0.002, 0.001, 0.004) for one in curves], columns=["task", "arm", "asked", "estimate", "low", "high"]
    )
    figure = tuning_figure(curves, STYLES, confirmed, loss="test RMSE")

    lines, marks, points = (artists(figure, kind) for kind in ("line", "marks", "confirmed"))
    titles = {("j0", 60.0): "j0, 60", ("j0", 1000.0): "j0, 1,000", ("exp2d", 60.0): "exp2d, 60"}
    assert lines.keys() == points.keys() == {(titles[one.task, one.asked], one.arm) for one in curves}
    for one, curve in curves.items():
        key = titles[one.task, one.asked], one.arm
        np.testing.assert_array_equal(lines[key], np.transpose([curve.k, curve.estimate]))
        assert marks[key][:, 0].tolist() == [1, 2, 4, 8]
        ((at, value),) = points[key]
        assert value == 0.002
        assert at == pytest.approx(16, rel=0.1)
    said = words(figure)
    for part in (*SIDES, "expected test RMSE", "trainable parameters", "95% intervals", "fresh seeds"):
        assert part in said
    assert "left out" not in said


def test_a_ratio_shows_where_it_is_decided():
    """Filled marks where the band leaves out 1; the confirmed ratio by its own interval; equality is in sight."""
    curves = curves_of()
    found = ratios(curves, *SIDES)
    confirmed = pd.DataFrame([("j0", 60.0, 1.2, 0.8, 1.9)], columns=["task", "asked", "estimate", "low", "high"])
    figure = effort_figure(found, SIDES, STYLES, confirmed)

    assert list(found) == list(WHERES)
    decided, undecided = artists(figure, "marks"), artists(figure, "open")
    for (where, one), axes in zip(found.items(), figure.axes, strict=False):
        key = axes.get_title("left"), "mlp"
        for k in (1, 2, 4, 8):
            is_decided = one.low[k - 1] > 1 or one.high[k - 1] < 1
            assert (k in decided[key][:, 0], k in undecided[key][:, 0]) == (is_decided, not is_decided), where
        low, high = axes.get_ylim()
        assert low < 1 < high
    assert list(artists(figure, "confirmed")) == [("j0, 60", "mlp")]
    said = {text.get_text() for text in figure.findobj(match=lambda one: hasattr(one, "get_text"))}
    ahead = next(iter(found.values())).first_ahead[-1]
    assert {f"▲ kan better ({ahead:.0%})", f"▼ mlp better ({1 - ahead:.0%})", "test loss of mlp / kan"} <= said


def test_after_halving_there_is_no_spread_over_draws():
    """No share and no dotted line, and the figure is drawn all the same."""
    searched = Searched(winners=None, curves=curves_of(), confirmed=None, halving=pd.DataFrame())
    found = effort_ratios(searched, *SIDES)
    figure = effort_figure(found, SIDES, STYLES)
    figure.draw_without_rendering()

    assert all(np.isnan(one.first_ahead).all() for one in found.values())
    assert "Dotted" not in words(figure)
    assert "Dotted" in words(effort_figure(effort_ratios(replace(searched, halving=None), *SIDES), SIDES, STYLES))


def test_the_line_of_equality_strikes_no_words_through():
    """All ratios are below 1, or all are above: the words at that end stand clear of the line at 1."""
    for sides in (SIDES, SIDES[::-1]):
        figure = effort_figure(ratios(curves_of(seeds=40), *sides), sides, STYLES)
        figure.draw_without_rendering()
        for axes in figure.axes:
            at_1 = axes.transData.transform((1, 1))[1]
            for text in axes.texts:
                box = text.get_window_extent()
                assert abs(at_1 - (box.y0 + box.y1) / 2) > 0.75 * box.height, text.get_text()


def test_each_task_has_its_largest_sizes_where_there_is_no_room_for_all():
    """So no task is left out for the small sizes of another."""
    tasks, sizes = ("j0", "exp2d", "xy", "exp4d", "exp100d"), (36.0, 66.0, 120.0)
    figure = tuning_figure(curves_of(list(itertools.product(tasks, sizes))), STYLES)
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_visible()]

    assert titles == [f"{task}, {size}" for task in tasks for size in (66, 120)]
    assert "5 more sizes are in the table alone" in words(figure)


def test_long_names_of_sides_stay_in_their_panels():
    """Such as those of the best of several arms; panels keep their width."""
    sides = ("the best of spline_after, spline_before", "the best of relu, silu, sine")
    named = dict(zip(SIDES, sides, strict=True))
    curves = {one._replace(arm=named[one.arm]): curve for one, curve in curves_of().items()}
    figure = effort_figure(ratios(curves, *sides), sides, named_styles(sides))
    figure.draw_without_rendering()

    for axes in figure.axes:
        panel = axes.get_window_extent()
        assert not axes.get_visible() or panel.width > 0.35 * figure.bbox.width
        for text in axes.texts:
            assert text.get_window_extent().x1 < panel.x1, text.get_text()


def test_what_is_not_drawn_is_said():
    """Curves that begin late or never, more sizes than panels; sizes that nothing matched have no number."""
    assert "more than a fifth of the picks failed" in words(tuning_figure(curves_of(failed=8), STYLES))
    nothing = tuning_figure(curves_of([("j0", None)], failed=16), STYLES)
    assert "more than a fifth of the picks failed" in words(nothing)
    assert nothing.axes[0].get_title("left") == "j0"
    assert "Panels" not in words(nothing)
    many = curves_of([(f"f{index}", 60.0) for index in range(MOST_PANELS + 2)])
    assert "2 more sizes are in the table alone" in words(effort_figure(ratios(many, *SIDES), SIDES, STYLES))


def test_files_are_written(tmp_path):
    """PNG and PDF of both figures; nothing of nothing; a ratio that is all 1 can be drawn."""
    curves = curves_of(WHERES[:1], seeds=2)
    written = draw_tuning(curves, STYLES, tmp_path)
    written += draw_effort(ratios(curves, *SIDES), SIDES, STYLES, tmp_path)
    names = ["tuning_curves.png", "tuning_curves.pdf", "tuning_ratio.png", "tuning_ratio.pdf"]
    assert [path.name for path in written] == names
    assert all(path.stat().st_size for path in written)
    assert draw_tuning({}, STYLES, tmp_path) == draw_effort({}, SIDES, STYLES, tmp_path) == []
    curve = curves["j0", "kan", 60.0]
    assert effort_figure({("j0", 60.0): effort_ratio(curve, curve)}, SIDES, STYLES).axes


def test_sizes_of_a_task_ascend():
    """In whatever order they come, as sizes that few networks meet are found last."""
    wheres = [("j0", 120.0), ("j0", 400.0), ("xy", 66.0), ("j0", 36.0)]
    figure = effort_figure(ratios(curves_of(wheres), *SIDES), SIDES, STYLES)
    titles = [axes.get_title("left") for axes in figure.axes if axes.get_visible()]

    assert titles == ["j0, 36", "j0, 120", "j0, 400", "xy, 66"]
