"""Figures inside pages: they follow the page's width, have its font, and do not disturb each other."""

import re
from functools import partial
from xml.etree import ElementTree

import numpy as np
import pytest

from harness.show.figures.scaling import scaling_figure
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import WIDTH, panel_grid, side_by_side, themed


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


def _svgs(text: str) -> list[ElementTree.Element]:
    return [ElementTree.fromstring(found) for found in re.findall(r"<svg.*?</svg>", text, flags=re.DOTALL)]


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
