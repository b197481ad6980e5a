"""The figure: everything that was run is in it, and can be read."""

import itertools
from collections.abc import Sequence
from dataclasses import replace

import matplotlib
import numpy as np
import pandas as pd
import pytest
from made_headline import made_headline
from made_study import laws_of_rows
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from harness.comparison.replicates import Found
from harness.judging.laws import SeriesLaws, drawn_law, fit_table
from harness.judging.scaling import HEADLINE_AXES, chosen_runs
from harness.judging.versus import Baseline
from harness.laws import Caution, Fit, predict
from harness.show.figures.headline import headline_figure
from harness.show.figures.labels import set_ticks, task_titles, tick_values
from harness.show.figures.ranking import ranking_figure
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import LEAST_HEIGHT, PANEL_HEIGHT, of_sides, scaling_figure
from harness.show.figures.series import experiment_styles
from harness.show.figures.theme import DPI, narrow, write_figure
from harness.show.names import written

TASKS = ("exp2d", "exp100d")


def line(axes: Axes, gid: str):
    (found,) = [line for line in axes.get_lines() if line.get_gid() == gid]
    return found


def drawn(laws: Sequence[SeriesLaws], task: str, series: str, axis: str) -> tuple[SeriesLaws, Fit]:
    (one,) = [one for one in laws if (one.task, one.series, one.axis) == (task, series, axis)]
    return one, one.fits[drawn_law(laws, task, axis)]


def gids(axes: Axes) -> set[str]:
    return {artist.get_gid() for artist in axes.get_children() if artist.get_gid()}


def label_of(axes: Axes, series: str) -> str:
    """What the legend of a panel says of a series, on one line."""
    texts = [" ".join(text.get_text().split()) for text in axes.get_legend().get_texts()]
    (found,) = [text for text in texts if text.startswith(f"{written(series)}:")]
    return found


def assert_readable(figure: Figure) -> None:
    """Legends are on the page, clear of each other, of all panels and of their ticks and titles;
    axes have ticks.
    """
    figure.draw_without_rendering()
    legends = [axes.get_legend().get_window_extent() for axes in figure.axes]
    frames = [axes.get_window_extent() for axes in figure.axes]
    titles = [box for axes in figure.axes if (box := axes._left_title.get_window_extent()).width]
    labels = [axes.xaxis.label.get_window_extent() for axes in figure.axes if axes.get_xlabel()]
    for box in legends:
        assert np.all(figure.bbox.min <= box.min)
        assert np.all(box.max <= figure.bbox.max)
        assert not any(box.overlaps(other) for other in (*frames, *titles, *labels))
    assert not any(one.overlaps(other) for one, other in itertools.combinations(legends, 2))
    for axes, frame in zip(figure.axes, frames, strict=True):
        assert frame.height > figure.dpi * PANEL_HEIGHT * 0.5
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            assert sum(low <= tick <= high for tick in axis.get_majorticklocs()) >= 2


def test_both_files_are_written(held_figure, tmp_path):
    before = dict(matplotlib.rcParams)
    paths = write_figure(held_figure, tmp_path / "scaling")
    assert [path.name for path in paths] == ["scaling.png", "scaling.pdf"]
    assert all(path.parent == tmp_path and path.stat().st_size > 5000 for path in paths)
    assert dict(matplotlib.rcParams) == before
    assert write_figure(None, tmp_path / "none") == []


def test_every_series_is_drawn_on_every_task_and_axis(made, figure):
    assert len(figure.axes) == 2 * len(HEADLINE_AXES)
    for axes, (task, axis) in zip(
        figure.axes, itertools.product(TASKS, HEADLINE_AXES), strict=True
    ):
        for series in ("kan", "mlp", "turned"):
            rows = made.table[
                (made.table["task"] == task)
                & (made.table["series"] == series)
                & made.table["chosen"]
            ]
            rows = rows[rows["status"] == "done"]
            x, y = line(axes, f"runs:{series}").get_data()
            assert sorted(zip(x, y, strict=True)) == sorted(
                zip(rows[axis], rows["test_rmse"], strict=True)
            )
            law = drawn(made.laws, task, series, axis)[1]
            np.testing.assert_array_equal(
                line(axes, f"means:{series}").get_ydata(), law.points.means
            )
            x = line(axes, f"law:{series}").get_xdata()
            assert (x[0], x[-1]) == (law.points.sizes[0], law.points.sizes[-1])
            assert f"band:{series}" in gids(axes)
            assert f"{law.alpha:.2f} [" in label_of(axes, series)


def test_sizes_outside_the_window_are_hollow(figure):
    for axes in figure.axes[:2]:
        outside, inside = line(axes, "outside:kan"), line(axes, "means:kan")
        assert to_hex(outside.get_markerfacecolor()) == "#ffffff"
        assert (
            to_hex(inside.get_markerfacecolor())
            == to_hex(inside.get_markeredgecolor())
            != "#ffffff"
        )
        assert (len(outside.get_xdata()), len(inside.get_xdata())) == (2, 5)
        assert "outside:mlp" not in gids(axes)
        assert (
            line(axes, "means:turned").get_xdata()[-1] < line(axes, "outside:turned").get_xdata()[0]
        )


def test_held_out_sizes_are_half_filled_and_the_law_goes_on_to_them(held, held_figure):
    for axes, axis in zip(held_figure.axes, HEADLINE_AXES, strict=True):
        for series in ("kan", "mlp"):
            one, law = drawn(held.laws, "exp2d", series, axis)
            held_out = one.held_out[law.law]
            marks, further = (
                line(axes, f"held_out:{series}"),
                line(axes, f"extrapolated:{series}").get_xdata(),
            )
            assert marks.get_fillstyle() == "bottom"
            assert to_hex(marks.get_markerfacecoloralt()) == "#ffffff"
            np.testing.assert_array_equal(marks.get_xdata(), held_out.measured.sizes)
            assert (further[0], further[-1]) == pytest.approx(
                (one.points.sizes[-1], marks.get_xdata()[-1])
            )
            assert (
                line(axes, f"law:{series}").get_xdata()[-1]
                == one.points.sizes[-1]
                < marks.get_xdata()[0]
            )
            (bars,) = [bar for bar in axes.collections if bar.get_gid() == f"predicted:{series}"]
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            np.testing.assert_array_equal(
                ends.T, [held_out.prediction.low, held_out.prediction.high]
            )
            within = held_out.prediction.within.sum()
            assert f"{within} of 2 held-out sizes as predicted" in label_of(axes, series)


def test_a_refused_fit_has_joined_means_and_its_reason_once(figure):
    note = " ".join(figure.get_supxlabel().split())
    assert note.count("the error rises with size") == 1
    assert "No law: the error rises with size." in note
    for axes in figure.axes:
        assert label_of(axes, "bent") == "bent: no law"
        np.testing.assert_array_equal(
            line(axes, "joined:bent").get_xydata(), line(axes, "means:bent").get_xydata()
        )
        assert "joined:mlp" not in gids(axes)
        assert not {"law:bent", "band:bent"} & gids(axes)
        assert "law:mlp" in gids(axes)


def test_a_curve_that_bends_has_a_mark_in_its_legend(made):
    bent = Caution("MISFIT", "the curve flattens with the budget.")

    def with_warnings(laws: SeriesLaws, *warnings: Caution) -> SeriesLaws:
        return replace(
            laws, fits={name: replace(law, warnings=warnings) for name, law in laws.fits.items()}
        )

    laws = [
        with_warnings(one, bent) if one.series == "mlp" else with_warnings(one) for one in made.laws
    ]
    figure = scaling_figure(made.manifest, laws)
    for axes in figure.axes:
        assert "†" in label_of(axes, "mlp")
        assert "†" not in label_of(axes, "kan")
    assert (
        " ".join(figure.get_supxlabel().split()).count(
            "†: points are off this law, so that α is a mean slope."
        )
        == 1
    )


def test_a_diverged_run_is_in_the_figure(made, figure):
    diverged = made.table[(made.table["status"] == "diverged") & made.table["chosen"]]
    for axes, (task, axis) in zip(
        figure.axes, itertools.product(TASKS, HEADLINE_AXES), strict=True
    ):
        np.testing.assert_array_equal(
            line(axes, "failed:mlp").get_xdata(), diverged[diverged["task"] == task][axis]
        )
    assert "× at the edge: runs that failed, 2 in all" in " ".join(figure.get_supxlabel().split())


@pytest.mark.parametrize("case", ["figure", "held_figure"])
def test_panels_are_readable(case, request):
    figure = request.getfixturevalue(case)
    assert_readable(figure)
    assert [axes.get_xlabel() for axes in figure.axes[-2:]] == [
        "trainable parameters",
        "training FLOPs (shared-dense)",
    ]
    assert "RMSE" in figure.axes[0].get_ylabel()
    assert "exp(sin(πx) + y²)" in figure.axes[0].get_title(loc="left")


def test_only_the_asked_sides_are_drawn_with_what_a_constant_reaches(made):
    rule_is_of, others = of_sides(made.manifest, made.laws)
    assert (rule_is_of, others) == (["mlp", "bent"], ["kan", "turned"])
    for names, absent in ((rule_is_of, others), (others, rule_is_of)):
        shown = scaling_figure(
            made.manifest, made.laws, names, [Baseline("exp2d", "constant", 50.0)]
        )
        first, *_, last = shown.axes
        assert line(first, "baseline:constant").get_ydata()[0] == 50 < first.get_ylim()[1]
        assert "baseline:constant" not in gids(last)
        drawn_here = {gid.partition(":")[2] for axes in shown.axes for gid in gids(axes)}
        assert {*names} <= drawn_here
        assert not drawn_here & {*absent}


def test_titles_say_what_was_found(made, held):
    for study, said in (
        (made, "Test RMSE falls as a power of parameters on 1 of 2 tasks for KAN, on 1 for MLP"),
        (held, "Test RMSE falls as a power of parameters for KAN, for MLP"),
    ):
        (legend,) = scaling_figure(study.manifest, study.laws, ("kan", "mlp")).legends
        assert " ".join(legend.get_title().get_text().split()) == said


def test_no_legend_or_title_is_cut_where_tasks_stand_side_by_side(made):
    """Whatever the letters of a name; a formula that is too long for half a column gives way to the
    task's name.
    """
    of_one_axis = [
        one for one in made.laws if one.axis == "params.trainable" and one.series == "kan"
    ]
    formula = made.manifest.formulas[TASKS[1]].model_copy(
        update={"formula": "exp((sin(π(x₁²+x₂²)) + sin(π(x₃²+x₄²)))/2)"}
    )
    manifest = made.manifest.model_copy(
        update={"formulas": {**made.manifest.formulas, TASKS[1]: formula}}
    )
    figures = [scaling_figure(manifest, of_one_axis)]
    for letters in range(4, 16):
        laws = [replace(one, series="x" * letters) for one in of_one_axis]
        figures.append(scaling_figure(None, laws))
    for figure in figures:
        figure.draw_without_rendering()
        assert len(figure.axes) == len(TASKS)
        for axes in figure.axes:
            for text in (axes.title, axes._left_title, *axes.get_legend().get_texts()):
                assert text.get_window_extent().x1 <= figure.bbox.width, text


def test_no_note_names_a_file_that_kept_folders_lack(made, monkeypatch):
    monkeypatch.setattr(
        "harness.show.figures.scaling.MOST_HEIGHT", 2.5
    )  # inches: room for one task
    note = " ".join(scaling_figure(made.manifest, made.laws).get_supxlabel().split())
    assert "1 more task is not drawn; `harness fit` has all laws." in note
    assert "fits.json" not in note


def test_every_letter_can_be_read_in_a_column_of_a_paper(made, held):
    runs = chosen_runs(made.table, "params.trainable")
    titles, styles = dict.fromkeys(TASKS, "a task"), experiment_styles(made.manifest)
    figures = [
        scaling_figure(made.manifest, made.laws, baselines=[Baseline("exp2d", "linear", 1.0)]),
        scaling_figure(held.manifest, held.laws),
        ranking_figure(runs, "params.trainable", titles, styles),
        residuals_figure(made.manifest, made.laws),
        headline_figure(
            made_headline({"one": "J0(20x)"}, [Found(2.0, 1.5, 3.0, at=100.0)]), styles
        ),
    ]
    for figure in figures:
        assert figure.get_figwidth() == pytest.approx(85 / 25.4)
        sizes = [
            text.get_fontsize()
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text()
        ]
        assert min(sizes) >= 5


def test_more_series_than_lines_can_tell_apart_are_ranked(made, monkeypatch):
    monkeypatch.setattr("harness.show.figures.scaling.MOST_SERIES", 3)
    shown = scaling_figure(made.manifest, made.laws)
    styles = experiment_styles(made.manifest)
    assert len(shown.axes) == len(TASKS)
    for axes, task in zip(shown.axes, TASKS, strict=True):
        names = [label.get_text() for label in axes.get_yticklabels()]
        runs = made.table[
            (made.table["task"] == task) & made.table["chosen"] & (made.table["status"] == "done")
        ]
        runs = runs[
            runs["params.trainable"] == runs.groupby("series")["params.trainable"].transform("max")
        ]
        means = np.exp(np.log(runs["test_loss"]).groupby(runs["series"]).mean())
        ranked = means.sort_values().index.tolist()
        assert names == list(map(written, ranked))
        for label, name in zip(axes.get_yticklabels(), ranked, strict=True):
            assert to_hex(label.get_color()) == styles[name].text_colour
            last = [line for line in axes.lines if line.get_gid() == f"mean:{name}"][-1]
            assert last.get_xdata()[-1] == pytest.approx(means[name])
    assert "× at the edge: runs that failed, 2 in all" in shown.get_supxlabel().replace("\n", " ")


def test_outliers_are_clipped_marked_and_counted(held):
    table = held.table.copy()
    (victim,) = table.index[(table["arm"] == "mlp") & table["chosen"]][:1]
    table.loc[victim, ["test_loss", "test_rmse"]] = 1e5
    shown = scaling_figure(held.manifest, fit_table(table, HEADLINE_AXES))
    others = table["test_loss"][table["chosen"]].drop(victim)
    for axes, axis in zip(shown.axes, HEADLINE_AXES, strict=True):
        low, high = axes.get_ylim()
        assert low < others.min() < others.max() < high < 10
        assert line(axes, "beyond:mlp").get_xdata() == pytest.approx(
            [table.loc[victim, axis]], rel=0.05
        )
        assert "beyond:kan" not in gids(axes)
    assert "+ at the edge: runs beyond the panel, 1 in all" in shown.get_supxlabel().replace(
        "\n", " "
    )


def test_every_run_is_within_panels_that_share_their_losses(held):
    """A search chooses other runs by FLOPs than by parameters; those with a larger loss are drawn,
    not cut off.
    """
    params, flops = HEADLINE_AXES
    by_size = held.table.assign(won_on=params)
    by_cost = held.table.assign(won_on=flops, asked=held.table[flops])
    by_cost["test_loss"] *= 5
    table = pd.concat([by_size, by_cost], ignore_index=True)
    shown = scaling_figure(held.manifest, fit_table(table, HEADLINE_AXES))
    for axes in shown.axes:
        low, high = axes.get_ylim()
        assert low < by_size["test_loss"][by_size["chosen"]].min()
        assert by_cost["test_loss"][by_cost["chosen"]].max() < high
    assert "at the edge" not in shown.get_supxlabel()


def test_a_users_target_is_titled_with_its_docstring():
    assert task_titles({"mine:f": "costs $5 + $x_1$"}, 60) == {
        "mine:f": "mine:f:  costs $5 + $x_1$"
    }


def test_any_range_has_round_ticks():
    decades = (0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 12.0)
    for start, length in itertools.product(np.linspace(-6, 3, 40), decades):
        low, high = 10**start, 10 ** (start + length)
        ticks = tick_values(low, high)
        assert 2 <= len(ticks) <= 8, (low, high)
        assert all(low <= tick <= high for tick in ticks), (low, high)


def test_ticks_of_a_small_panel_do_not_touch():
    for limits, width, number in (((4, 30_000), 1.4, 4), ((4.75e10, 5.15e10), 2.4, 2)):
        figure = Figure(figsize=(width, 1.4), dpi=DPI)
        axes = figure.add_axes((0.05, 0.3, 0.9, 0.6), xscale="log", xlim=limits)
        set_ticks(axes.xaxis, is_small=True)
        figure.draw_without_rendering()
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert len(boxes) == number
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_residuals_of_an_experiment_lie_about_its_laws(made):
    figure = residuals_figure(made.manifest, made.laws)
    _, fit = drawn(made.laws, "exp2d", "mlp", "params.trainable")
    (means,) = [
        line for axes in figure.axes for line in axes.lines if line.get_gid() == "means:exp2d:mlp"
    ]
    assert means.get_ydata() == pytest.approx(
        np.log(fit.points.means / predict(fit, fit.points.sizes))
    )
    assert means.get_xdata() == pytest.approx(fit.points.sizes)


SIX = (10, 30, 100, 300, 1000, 3000)


def laws_of_arms(arms: int, **asked):
    """Of so many arms of exponent 1 with 2 runs a size."""
    noise = np.random.default_rng(2)
    rows = []
    for arm in range(arms):
        rows += [
            (f"arm {arm}", size, float(np.exp(0.1 * noise.standard_normal()) / size))
            for size in 2 * SIX
        ]
    return laws_of_rows(rows, ("pure", "floor"), **asked)


def arms_drawn(figure, kind: str) -> set[str]:
    gids = {str(line.get_gid()) for axes in figure.axes for line in axes.lines}
    return {gid.removeprefix(f"{kind}:") for gid in gids if gid.startswith(f"{kind}:")}


def test_a_refused_law_is_not_drawn(tmp_path):
    laws = laws_of_arms(2, max_x=200)
    figure = scaling_figure(None, laws)
    assert not arms_drawn(figure, "law")
    assert arms_drawn(figure, "joined") == {"arm 0", "arm 1"}
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [
        "arm 0: no\xa0law",
        "arm 1: no\xa0law",
    ]
    assert figure.get_supxlabel().count("too few sizes") == 1
    assert residuals_figure(None, laws) is None


def test_on_a_phone_many_panels_keep_their_height(tmp_path):
    of_tasks = [
        replace(series, task=f"task {task}") for task in range(9) for series in laws_of_arms(4)
    ]
    with narrow():
        figure = scaling_figure(None, of_tasks)
    figure.draw_without_rendering()
    panels = [axes.get_window_extent().height / figure.dpi for axes in figure.axes]
    assert min(panels) > LEAST_HEIGHT, min(panels)
