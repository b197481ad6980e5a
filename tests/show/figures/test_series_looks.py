"""Colours belong to families, and figures inside pages follow the page and do not disturb each
other.
"""

import itertools
import random
import re
from functools import partial

import numpy as np
import pytest
from made_study import laws_of_rows
from matplotlib.colors import to_hex, to_rgb

from harness.families import FAMILIES
from harness.show.figures.residuals import residuals_figure
from harness.show.figures.scaling import scaling_figure
from harness.show.figures.series import (
    INK,
    LINES,
    MARKS,
    SPARE,
    experiment_styles,
    family_styles,
    named_styles,
)
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import WIDTH, panel_grid, side_by_side, themed


def colours(figure) -> dict[str, set[str]]:
    """Series -> the colours of its means and runs in all panels."""
    found: dict[str, set[str]] = {}
    for axes in figure.axes:
        for line in axes.lines:
            kind, _, name = str(line.get_gid()).partition(":")
            if kind in ("means", "runs", "law", "failed"):
                found.setdefault(name.rpartition(":")[2], set()).add(to_hex(line.get_color()))
    return found


def test_families_and_spare_colours_all_differ():
    # Machado, Oliveira & Fernandes (2009): what protanopes and deuteranopes see of linear red,
    # green and blue.
    seen = {
        "by most": np.eye(3),
        "protanopes": [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        "deuteranopes": [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
    }
    stated = [family.colour for family in FAMILIES.values()]
    linear = {colour: np.array(to_rgb(colour)) ** 2.2 for colour in (*stated, *SPARE)}
    assert len(set(stated)) == len(FAMILIES)
    assert not {*SPARE, INK} & set(stated)
    for eyes, matrix in seen.items():
        shown = {
            colour: np.clip(matrix @ light, 0, 1) ** (1 / 2.2) for colour, light in linear.items()
        }
        for one, other in itertools.combinations(shown, 2):
            assert np.linalg.norm(shown[one] - shown[other]) > 0.12, (eyes, one, other)


def test_an_arm_has_one_colour_in_all_figures_of_its_experiment(made):
    styles = experiment_styles(made.manifest)
    scaling = colours(scaling_figure(made.manifest, made.laws))
    residuals = colours(residuals_figure(made.manifest, made.laws))
    assert residuals.keys() == {"kan", "mlp", "turned"} < scaling.keys()
    for figure in (scaling, residuals):
        assert figure == {name: {styles[name].colour} for name in figure}


@pytest.mark.parametrize("names", [("KAN", "mlp_3"), ("mlp_3", "a transformer", "KAN")])
def test_an_arm_of_anybodys_table_has_the_colour_of_the_family_it_is_named_after(tmp_path, names):
    points = itertools.product(names, (10, 30, 100, 300, 1000))
    laws = laws_of_rows(
        [(name, size, names.index(name) + 1 / size) for name, size in points], ("floor",)
    )
    for figure in (scaling_figure(None, laws), residuals_figure(None, laws)):
        drawn = colours(figure)
        assert drawn["KAN"] == {FAMILIES["kan"].colour.lower()}
        assert drawn["mlp_3"] == {FAMILIES["mlp"].colour.lower()}


def test_names_are_read_as_people_write_them():
    names = {
        "KAN, G = 5": "kan",
        "spline-mlp wide": "spline_mlp",
        "MLPs": "mlp",
        "Fourier KAN": "fourier_kan",
    }
    for name, family in names.items():
        assert named_styles([name])[name].colour == FAMILIES[family].colour.lower()
    assert named_styles(["a kan"])["a kan"].colour in SPARE


def test_a_spare_colour_does_not_depend_on_order():
    outside = [f"mine:Family{index}" for index in range(len(SPARE))]
    families = {name: name for name in (*outside, "kan")}
    known = {name: style.colour for name, style in family_styles(families).items()}
    assert {known[name] for name in outside} == set(SPARE)
    for seed in range(5):
        names = random.Random(seed).sample(list(families), len(families))
        assert {
            name: style.colour
            for name, style in family_styles({name: name for name in names}).items()
        } == known


def test_the_series_of_a_family_differ():
    styles = list(family_styles({f"kan {index}": "kan" for index in range(40)}).values())
    assert len({(style.marker, style.line) for style in styles}) == 40 == len(MARKS) * len(LINES)
    assert len({style.colour for style in styles}) == 3
    for one, other in itertools.pairwise(styles):
        assert all(a != b for a, b in zip(one, other, strict=True))


@themed
def _dots(count: int = 300):
    """A black line, a grey band, hollow and coloured marks, and a name that is markup."""
    figure, (left, right) = panel_grid(2, side_by_side(2), 2.0)
    x = np.linspace(0, 1, count)
    for axes in (left, right):
        axes.plot(x, x**2, ".", color="#0072b2")
        axes.plot(x[:5], x[:5], "o", mfc="white", mec="#222222")
        axes.axhspan(0, 0.5, color="0.9")
        axes.set_xlabel("<b> & 10⁻³")
    return figure


@pytest.fixture(scope="module")
def drawn(made) -> str:
    scaling = partial(scaling_figure, made.manifest, made.laws)
    return inline_svg(scaling, "scaling", "Losses & sizes") + inline_svg(_dots, "dots", "Dots")


def test_ids_are_unique_in_a_page_and_all_links_lead_to_one(drawn):
    ids = re.findall(r'\bid="([^"]*)"', drawn)
    links = set(re.findall(r'href="#([^"]*)"', drawn)) | set(re.findall(r"url\(#([^)]*)\)", drawn))
    assert len(ids) == len(set(ids))
    assert links <= set(ids)


def test_letters_are_letters_in_the_font_of_the_page(drawn):
    assert "exp(sin(πx) + y²)" in drawn
    assert "&lt;b&gt; &amp; 10⁻³" in drawn
    assert "text{font-family:inherit!important}" in drawn
    assert 'aria-label="Losses &amp; sizes"' in drawn


def test_hundreds_of_marks_are_small():
    """At most 100 bytes each, in both layouts."""
    few, many = (len(inline_svg(partial(_dots, count), "dots", "Dots")) for count in (100, 1100))
    assert (many - few) / 1000 / 4 < 100


def test_nothing_to_draw_is_no_figure_and_only_what_is_drawn_for_a_page_is_narrow():
    assert inline_svg(lambda: None, "none", "Nothing") is None
    inline_svg(_dots, "dots", "Dots")
    assert _dots().get_figwidth() == WIDTH
