"""The figure: everything that was run is in it, and can be read.

pytest tests/show/test_plot.py
"""

import itertools
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from harness.fit import predict
from harness.judging.scaling import HEADLINE_AXES, SeriesFit, common_law, fit_table
from harness.planning.plan import make_plan
from harness.record import Metrics, Provenance, Record, load, publish
from harness.show.plot import COLOURS, draw_scaling, human, laws_of, scaling_figure, series_styles, tick_values
from harness.show.plot_residuals import experiment_residuals
from harness.spec import Manifest, parse_experiment

SIZES = (30, 60, 120, 250, 500, 1000, 2000)
ACTIVATIONS = ("silu", "relu", "tanh", "gelu")
YAML = """
question: {question}
tasks: {tasks}
arms:
{arms}
recipes: {{adam: {{optimizer: {{name: adam}}, max_evaluations: 100}}}}
match: {{axis: params, at: [{budgets}], solve: width, tol: 0.2}}
seeds: [0, 1, 2]
tune: {{gain: [1, 2]}}
{more}
"""


class Study(NamedTuple):
    """What `draw_scaling` and `write_report` are given."""

    manifest: Manifest
    table: pd.DataFrame
    fits: list[SeriesFit]
    folder: Path


def study(
    results: Path,
    exponents: dict[str, float],
    tasks: str = "[exp2d]",
    budgets: tuple[int, ...] = SIZES,
    question: str = "Which family scales faster?",
    more: str = "",
    diverged: tuple[str, int] | None = None,
    bump: float = 1.0,
) -> Study:
    """An experiment whose arms follow RMSE = N^-alpha with 5 % of noise, through real plans, records and fits.

    `diverged` is an arm and the seed that diverges at its largest size; the first arm's largest size is `bump` times
    worse than its law.
    """
    shapes = [f"family: mlp, depth: {2 + i // 4}, activation: {ACTIVATIONS[i % 4]}" for i in range(len(exponents))]
    arms = "\n".join(
        f"  {name}: {{architecture: {{{shape}}}, recipe: adam}}" for name, shape in zip(exponents, shapes, strict=True)
    )
    at = ", ".join(map(str, budgets))
    text = YAML.format(question=question, tasks=tasks, arms=arms, budgets=at, more=more)
    manifest = make_plan(parse_experiment(text), "study")
    noise = np.random.default_rng(0)
    cells = {cell.index: cell for cell in manifest.cells}
    for planned in manifest.runs:
        cell = cells[planned.cell]
        largest = cell.asked == budgets[-1]
        offset = 1 + list(exponents).index(cell.arm) / 2
        rmse = offset * cell.counts["params.trainable"] ** -exponents[cell.arm] * np.exp(noise.normal(0, 0.05))
        rmse *= (bump if largest and cell.arm == next(iter(exponents)) else 1) * (1 + planned.trial)
        failed = largest and (cell.arm, planned.run.seed) == diverged
        publish(_record(planned.run_id, planned.run, cell.counts, None if failed else rmse), results / "runs")
    folder = results / "study"
    folder.mkdir()
    table = load(manifest, results / "runs")
    return Study(manifest, table, fit_table(table), folder)


def _record(identity, run, counts, rmse) -> Record:
    provenance = Provenance(
        commit="c0ffee" * 6 + "c0ff",
        dirty=True,
        versions={"python": "3.11", "torch": "2.6"},
        host="testhost",
        device="test processor",
        instruction_set="AVX2",
        threads=2,
        started_at="2026-01-02T03:04:05+00:00",
        pack_seconds=12.5,
        pack_cpu_seconds=12.0,
        pack_lanes=3,
    )
    return Record(
        run_id=identity,
        run=run,
        status="done" if rmse else "diverged",
        metrics=Metrics(train_rmse=rmse, validation_rmse=rmse, test_rmse=rmse, test_root_median_square=rmse)
        if rmse
        else None,
        evaluations=100,
        iterations=90,
        diverged_at=None if rmse else 40,
        counts=counts,
        by_stage=((100, 90),),
        weights="kanbefair",
        curve=(),
        provenance=provenance,
    )


def line(axes: Axes, gid: str):
    """The one line of that gid."""
    (found,) = [line for line in axes.get_lines() if line.get_gid() == gid]
    return found


def gids(axes: Axes) -> set[str]:
    """The gids of everything in a panel."""
    return {artist.get_gid() for artist in axes.get_children() if artist.get_gid()}


def label_of(axes: Axes, series: str) -> str:
    """The text of a series' label."""
    (found,) = [text for text in axes.texts if text.get_gid() == f"label:{series}"]
    return found.get_text()


def assert_readable(figure: Figure) -> None:
    """No label overlaps another, covers a marker or leaves its panel; every axis has at least two labelled ticks."""
    figure.draw_without_rendering()
    for axes in figure.axes:
        frame = axes.get_window_extent()
        boxes = [text.get_window_extent() for text in axes.texts]
        points = [
            mark.get_transform().transform(mark.get_xydata())
            for mark in axes.get_lines()
            if mark.get_gid().split(":")[0] in ("runs", "means", "outside", "held_out", "diverged")
        ]
        for box in boxes:
            assert np.all(frame.min <= box.min)
            assert np.all(box.max <= frame.max)
            assert not any(box.contains(*point) for point in np.concatenate(points))
        assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            assert sum(low <= tick <= high for tick in axis.get_majorticklocs()) >= 2


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Study:
    """Two tasks and two arms; the first arm's two smallest sizes are outside its window."""
    window = "window: {kan: {min: 100}}"
    return study(tmp_path_factory.mktemp("two"), {"kan": 1.0, "mlp": 0.5}, tasks="[exp2d, j0]", more=window)


@pytest.fixture(scope="module")
def figure(two) -> Figure:
    """The figure of `two`."""
    return scaling_figure(two.manifest, two.table, two.fits)


@pytest.fixture(scope="module")
def hurt(tmp_path_factory) -> Study:
    """One arm whose error rises at its largest size, and one with a diverged run."""
    arms = {"kan": 1.0, "mlp": 0.5}
    return study(tmp_path_factory.mktemp("hurt"), arms, bump=30.0, diverged=("mlp", 1))


@pytest.fixture(scope="module")
def held(tmp_path_factory) -> Study:
    """Two sizes of each arm are held out; the first arm's largest breaks its law."""
    return study(tmp_path_factory.mktemp("held"), {"kan": 1.0, "mlp": 0.5}, more="hold_out: 2", bump=30.0)


def test_both_files_are_written(two):
    """A PNG and a PDF appear in the folder, and drawing leaves matplotlib's settings as they were."""
    before = dict(matplotlib.rcParams)

    paths = draw_scaling(two.manifest, two.table, two.fits, two.folder)

    assert [path.name for path in paths] == ["scaling.png", "scaling.pdf"]
    assert all(path.parent == two.folder and path.stat().st_size > 5000 for path in paths)
    assert dict(matplotlib.rcParams) == before


def test_every_series_is_drawn_on_every_task_and_axis(two, figure):
    """Each panel holds every chosen run of every series, its size means and its law with a band."""
    assert len(figure.axes) == 2 * len(HEADLINE_AXES)
    for axes, (task, axis) in zip(figure.axes, itertools.product(("exp2d", "j0"), HEADLINE_AXES), strict=True):
        for series in ("kan", "mlp"):
            rows = two.table[(two.table["task"] == task) & (two.table["series"] == series) & two.table["chosen"]]
            x, y = line(axes, f"runs:{series}").get_data()
            assert sorted(zip(x, y, strict=True)) == sorted(zip(rows[axis], rows["test_rmse"], strict=True))
            law = laws_of(two.fits)[(task, series, axis)][common_law(two.fits, task, axis)]
            np.testing.assert_array_equal(line(axes, f"means:{series}").get_ydata(), law.fit.points.means)
            x = line(axes, f"law:{series}").get_xdata()
            assert (x[0], x[-1]) == (law.fit.points.sizes[0], law.fit.points.sizes[-1])
            assert f"band:{series}" in gids(axes)
            assert f"{law.fit.alpha:.2f} [" in label_of(axes, series)


def test_sizes_outside_the_window_are_hollow(figure):
    """Sizes outside the fit window are drawn unfilled; all others are filled."""
    for axes in figure.axes:
        outside, inside = line(axes, "outside:kan"), line(axes, "means:kan")
        assert to_hex(outside.get_markerfacecolor()) == "#ffffff"
        assert to_hex(inside.get_markerfacecolor()) == to_hex(inside.get_markeredgecolor()) != "#ffffff"
        assert (len(outside.get_xdata()), len(inside.get_xdata())) == (2, 5)
        assert "outside:mlp" not in gids(axes)


def test_held_out_sizes_are_half_filled_and_the_law_goes_on_to_them(held):
    """They have a mark of their own; a thin line continues the law, with the predicted interval at each of them."""
    for axes, axis in zip(scaling_figure(held.manifest, held.table, held.fits).axes, HEADLINE_AXES, strict=True):
        for series in ("kan", "mlp"):
            one = laws_of(held.fits)[("exp2d", series, axis)][common_law(held.fits, "exp2d", axis)]
            marks, further = line(axes, f"held_out:{series}"), line(axes, f"extrapolated:{series}").get_xdata()
            assert marks.get_fillstyle() == "bottom"
            assert to_hex(marks.get_markerfacecoloralt()) == "#ffffff"
            np.testing.assert_array_equal(marks.get_xdata(), one.held_out.measured.sizes)
            assert (further[0], further[-1]) == pytest.approx((one.fit.points.sizes[-1], marks.get_xdata()[-1]))
            assert line(axes, f"law:{series}").get_xdata()[-1] == one.fit.points.sizes[-1] < marks.get_xdata()[0]
            (bars,) = [bar for bar in axes.collections if bar.get_gid() == f"predicted:{series}"]
            ends = np.array([segment[:, 1] for segment in bars.get_segments()])
            np.testing.assert_array_equal(ends.T, [one.held_out.prediction.low, one.held_out.prediction.high])
            within = one.held_out.prediction.within.sum()
            assert f"{within} of 2 held-out sizes as predicted" in label_of(axes, series)


def test_sizes_beyond_the_least_mean_are_hollow(tmp_path):
    """Where the window ends at the minimum, the size where the error turns up is outside and the law is drawn to it."""
    turned = study(tmp_path, {"kan": 1.0}, more="window: {kan: {until: minimum}}", bump=30.0)

    for axes in scaling_figure(turned.manifest, turned.table, turned.fits).axes:
        assert len(line(axes, "outside:kan").get_xdata()) == 1
        assert line(axes, "law:kan").get_xdata()[-1] == line(axes, "means:kan").get_xdata()[-1]
        assert line(axes, "means:kan").get_xdata()[-1] < line(axes, "outside:kan").get_xdata()[0]


def test_a_refused_fit_has_its_code_and_no_line(hurt):
    """Where the fit is refused the panel says why, and shows the points without a law."""
    for axes in scaling_figure(hurt.manifest, hurt.table, hurt.fits).axes:
        assert "NONMONOTONE" in label_of(axes, "kan")
        assert "means:kan" in gids(axes)
        assert not {"law:kan", "band:kan"} & gids(axes)
        assert "law:mlp" in gids(axes)


def test_a_diverged_run_is_in_the_figure(hurt):
    """A diverged run has no error, but a cross at its size, and its series' label counts it."""
    for axes, axis in zip(scaling_figure(hurt.manifest, hurt.table, hurt.fits).axes, HEADLINE_AXES, strict=True):
        diverged = hurt.table[(hurt.table["status"] == "diverged") & hurt.table["chosen"]]
        np.testing.assert_array_equal(line(axes, "diverged:mlp").get_xdata(), diverged[axis])
        assert "1 run diverged" in label_of(axes, "mlp")


@pytest.mark.parametrize("case", ["two", "hurt", "held"])
def test_panels_are_readable(case, request):
    """No label overlaps another or a point; axes name what they count and have at least two labelled ticks."""
    drawn = request.getfixturevalue(case)
    figure = scaling_figure(drawn.manifest, drawn.table, drawn.fits)

    assert_readable(figure)
    assert {axes.get_xlabel() for axes in figure.axes} == {"trainable parameters", "training FLOPs (shared-dense)"}
    assert "RMSE" in figure.axes[0].get_ylabel()
    assert "exp(sin(πx) + y²)" in figure.axes[0].get_title(loc="left")


@pytest.mark.slow
def test_many_series_are_readable(tmp_path):
    """Seven near-equal series still find room for their labels in every panel."""
    crowd = study(tmp_path, {f"arm{index}": 0.5 + 0.02 * index for index in range(7)})

    assert_readable(scaling_figure(crowd.manifest, crowd.table, crowd.fits))


@pytest.mark.parametrize("most", ["MOST_LABELS", "MOST_ROWS"])
def test_more_series_than_labels_have_room_for_are_named_beside(two, monkeypatch, most):
    """Each once a row, in its own colour and mark, and in no panel."""
    monkeypatch.setattr(f"harness.show.plot.{most}", {"MOST_LABELS": 1, "MOST_ROWS": 0}[most])

    drawn = scaling_figure(two.manifest, two.table, two.fits)

    legends = [axes.get_legend() for axes in drawn.axes if axes.get_legend()]
    assert len(legends) == 2
    styles = series_styles(two.table["series"])
    for legend in legends:
        looks = [(line.get_label(), line.get_color(), line.get_marker()) for line in legend.legend_handles]
        assert looks == [(name, style.colour, style.marker) for name, style in styles.items()]
    assert not any(axes.texts for axes in drawn.axes)


def test_too_many_series_have_a_row_for_each_recipe(two, monkeypatch):
    """Every series of a task stands in one of its rows, that of its arm's recipe."""
    monkeypatch.setattr("harness.show.plot.MOST_NAMES", 1)
    arms = dict(two.manifest.experiment.arms)
    arms["mlp"] = arms["mlp"].model_copy(update={"recipe": "other"})
    experiment = two.manifest.experiment.model_copy(update={"arms": arms})

    drawn = scaling_figure(two.manifest.model_copy(update={"experiment": experiment}), two.table, two.fits)

    titles = [axes.get_title(loc="left") for axes in drawn.axes[::2]]
    assert titles == ["exp2d, adam", "exp2d, other", "j0, adam", "j0, other"]
    for row, series in zip(drawn.axes[::2], ("kan", "mlp") * 2, strict=True):
        assert {gid for gid in gids(row) if gid.startswith("means:")} == {f"means:{series}"}


def test_a_users_target_is_titled_with_its_docstring(tmp_path, monkeypatch):
    """A function of the user's own shows the first line of its docstring, dollar signs and all."""
    (tmp_path / "mine_for_plot.py").write_text('def f(x):\n    """costs $5 + $x_1$"""\n    return x[:, 0]\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    mine = study(tmp_path, {"kan": 1.0}, tasks="[{target: 'mine_for_plot:f', inputs: 1}]")

    title = scaling_figure(mine.manifest, mine.table, mine.fits).axes[0].get_title(loc="left")

    assert title == "mine_for_plot:f:  costs $5 + $x_1$"


def test_styles_differ_in_colour_marker_and_line():
    """Neighbouring series differ in everything, and no two of many series look the same."""
    styles = list(series_styles(f"series {index}" for index in range(60)).values())

    assert len({style[:2] for style in styles[:56]}) == 56 == len(COLOURS) * 8
    for one, other in itertools.pairwise(styles):
        assert all(a != b for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("decades", [0.01, 0.05, 0.2, 0.5, 1.0, 2.0, 5.0, 12.0])
def test_any_range_has_round_ticks(decades):
    """Wherever a range starts and however short it is, it has two to eight ticks."""
    for start in np.linspace(-6, 3, 40):
        low, high = 10**start, 10 ** (start + decades)
        ticks = tick_values(low, high)
        assert 2 <= len(ticks) <= 8
        assert all(low <= tick <= high for tick in ticks)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(0.0, "0"), (float("inf"), "∞"), (12345, "12,300"), (0.0123456, "0.0123"), (-2.5, "-2.5")],
        *[(1e-5, "10⁻⁵"), (2.408e9, "2.41×10⁹"), (99999, "100,000"), (3.0, "3")],
    ],
)
def test_numbers_are_written_for_humans(value, text):
    """Three significant digits, written out where that is short and as a power of ten elsewhere."""
    assert human(value) == text


def test_plotting_never_loads_torch(two):
    """Drawing a figure, targets' formulas included, does not bring torch in."""
    code = (
        "import sys; import harness.show.plot, harness.show.report; from harness.tasks import load_target;"
        "load_target('exp2d'); sys.exit('torch' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_fonts_stay_readable_in_print(figure):
    """At the width of a page no text is smaller than 6 points."""
    assert figure.get_figwidth() == 7
    assert min(text.get_fontsize() for axes in figure.axes for text in axes.texts) >= 6
    assert not re.search(r"[\u25a1\ufffd]", "".join(text.get_text() for axes in figure.axes for text in axes.texts))


def test_residuals_of_an_experiment_lie_about_its_laws(tmp_path):
    """Two panels a series that has a law, whose means are ln(size mean / law), against the size and the law's value."""
    made = study(tmp_path, {"kan": 1.0, "mlp": 0.5})
    figure = experiment_residuals(made.table, made.fits, "params.trainable")

    (fit,) = [
        one.fit for one in made.fits if (one.series, one.axis, one.fit.law) == ("kan", "params.trainable", "floor")
    ]
    lines = [line for axes in figure.axes for line in axes.lines if line.get_gid() == f"means:{made.fits[0].task}:kan"]
    assert len(lines) == 2
    for line in lines:
        assert line.get_ydata() == pytest.approx(np.log(fit.points.means / predict(fit, fit.points.sizes)))
    assert lines[0].get_xdata() == pytest.approx(fit.points.sizes)
    assert lines[1].get_xdata() == pytest.approx(predict(fit, fit.points.sizes))
