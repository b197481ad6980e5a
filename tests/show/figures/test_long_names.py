"""Names of tasks that are long and begin alike: short ones differ, and in figures none is cut
unseen.
"""

import re

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from made_study import Study, study
from matplotlib.text import Text

from harness.judging.scaling import chosen_runs
from harness.judging.versus import RatioLine, Side, VersusRequest
from harness.show.figures.labels import task_titles
from harness.show.figures.ranking import ranking_figure
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import experiment_styles, named_styles
from harness.show.figures.theme import narrow
from harness.show.figures.versus import TITLE_LETTERS, versus_figure
from harness.show.names import shortened

AXIS = "params.trainable"
LONG = [
    f"a_function_of_{inputs} train_points={points}"
    for inputs in ("many", "few")
    for points in (200, 1000)
]
SIDES = ("kan", "mlp")


@pytest.fixture(scope="module")
def alike(tmp_path_factory) -> Study:
    """Tasks that have a formula in common, or are long and begin alike."""
    exp2d = ", ".join(f"{{target: exp2d, train_points: {points}}}" for points in (200, 1000))
    additive = ", ".join(f"{{target: rotated_additive, inputs: {inputs}}}" for inputs in (4, 12))
    arms = dict.fromkeys(SIDES, 1.0)
    return study(
        tmp_path_factory.mktemp("alike"),
        arms,
        tasks=f"[{exp2d}, {additive}]",
        budgets=(60, 120, 250, 500),
    )


@pytest.mark.nightly
def test_panels_of_different_tasks_have_different_titles_within_the_figure(alike):
    manifest, table, laws, _ = alike
    styles = experiment_styles(manifest)
    formulas = {task: manifest.formulas[task].formula for task in table["task"].unique()}
    titles = task_titles(formulas, TITLE_LETTERS)
    asked = VersusRequest(tuple(Side(name, (name,)) for name in SIDES), AXIS)
    x, ratio = np.array([60.0, 500.0]), np.array([2.0, 3.0])
    lines = [RatioLine(task, "params.trainable", x, ratio, ratio / 2, ratio * 2) for task in LONG]
    figures = {
        "scaling": (lambda: scaling_figure(manifest, laws), 4),
        "ranking": (lambda: ranking_figure(chosen_runs(table, AXIS), AXIS, titles, styles), 4),
        "residuals": (lambda: residuals_figure(manifest, laws), 8),
        "versus": (lambda: versus_figure(asked, lines, named_styles(SIDES)), len(LONG)),
    }
    for name, (draw, panels) in figures.items():
        with narrow():
            stacked = draw()
        for figure in (draw(), stacked):
            figure.draw_without_rendering()
            titled = [
                title
                for axes in figure.axes
                if axes.get_visible() and (title := axes.get_title(loc="left"))
            ]
            assert len(set(titled)) == len(titled) == panels, name
            for text in figure.findobj(Text):
                if text.get_visible() and text.get_text() in titled:
                    assert text.get_window_extent().x1 <= figure.bbox.width, (name, text)


WORD = r"[^\W_]+"
targets = st.sampled_from(
    ["exp2d", "j0", "tanh_teacher", "my_tasks:ripple", "yours:ripple", "houses_of_1990.csv"]
)
FIELDS = [
    " train_points=1000",
    " train_points=200",
    " train_noise=1",
    " inputs=('a', 'b')",
    " low=-1.0",
]
fields = st.lists(st.sampled_from(FIELDS), max_size=3, unique=True)
tasks = st.builds(lambda target, told: target + "".join(told), targets, fields)
anything = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), min_size=1, max_size=40)


@given(st.lists(tasks | anything, min_size=1, max_size=12, unique=True), st.integers(8, 40))
@example(["a…1", "a" * 30, "a" * 31], 8)
def test_different_names_stay_different_and_no_word_is_cut_unseen(names, letters):
    short = shortened(names, letters)
    assert list(short) == names
    assert len(set(short.values())) == len(names)
    for name, shown in short.items():
        assert len(shown) <= letters
        words = set(re.findall(WORD, name))
        for word in re.finditer(WORD, shown):
            is_beside = "…" in shown[max(word.start() - 1, 0) : word.end() + 1]
            assert is_beside or word[0] in words, (name, shown)
    if max(map(len, names)) <= letters:
        assert all(name == shown for name, shown in short.items())


@pytest.mark.parametrize(
    ("names", "letters", "shown"),
    [
        (["exp2d train_points=1000", "exp2d train_points=200"], 24, None),
        (["exp2d train_points=1000", "exp2d train_points=200"], 15, ["train=1000", "train=200"]),
        (
            ["exp2d train_points=200", "exp2d train_points=50", "j0"],
            15,
            ["exp2d train=200", "exp2d train=50", "j0"],
        ),
        (["my_tasks:ripple"], 6, ["ripple"]),
        (["tide.csv"], 6, ["tide"]),
        (["mine:ripple", "yours:ripple"], 11, ["mine:ripple", "yours…ipple"]),
        (
            ["additive inputs=4", "additive inputs=100", "xy"],
            15,
            ["add… inputs=4", "add… inputs=100", "xy"],
        ),
        (
            ["mlp_teacher n=1", "mlp_teacher n=1000", "tree n=1"],
            12,
            ["mlp… n=1", "mlp… n=1000", "tree n=1"],
        ),
    ],
)
def test_what_tells_a_name_from_others_is_kept(names, letters, shown):
    assert list(shortened(names, letters).values()) == (shown or names)
