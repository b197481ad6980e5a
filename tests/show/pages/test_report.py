"""The report: it says everything that the plan, the fits and the records say, and needs nothing but
itself.
"""

import html
import re
from html.parser import HTMLParser

import pytest
from made_study import CLAIM, QUESTION

from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.laws import check
from harness.judging.scaling import HEADLINE_AXES
from harness.record.store import read_planned
from harness.show.codes import CODES
from harness.show.pages.report import write_report
from harness.show.words import exponent_words

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects what a browser would show and fetch, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.tags, self.ids = [], [], [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [
            value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")
        ]
        self.ids |= {value for name, value in attrs if name == "id"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


@pytest.fixture(scope="module")
def written(made) -> str:
    """The report of `made`, which has replaced an earlier plan, and whose laws are checked."""
    manifest = made.manifest.model_copy(
        update={"earlier_plans": ("manifest.1.json (replaced; differed in seeds)",)}
    )
    records = read_planned(manifest, made.folder.parent / "runs")
    verdicts, found = judge_all(manifest, made.table), main_headline(manifest, made.table)
    laws = check(made.laws, HEADLINE_AXES)
    path = write_report(manifest, records, made.table, laws, found, verdicts, made.folder)
    assert path == made.folder / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(written) -> Page:
    parsed = Page()
    parsed.feed(written)
    parsed.close()
    return parsed


@pytest.fixture(scope="module")
def text(page) -> str:
    """What the report shows, with single spaces."""
    return " ".join("".join(page.text).split())


def test_the_page_is_well_formed_and_needs_nothing_else(page, written):
    assert page.open == []
    within = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert within <= page.ids
    assert all(link.startswith("#") for link in page.links)
    assert written.count("<svg") == 2 * 4  # of each figure a wide and a narrow layout
    assert not page.tags & {"script", "link", "iframe", "img"}


def test_the_question_is_shown_and_escaped(written, page):
    shown = QUESTION.strip('"')
    assert any(shown in part for part in page.text)
    assert html.escape(shown) in written
    assert "b" not in page.tags


def test_every_infeasible_reason_is_told(made, text):
    infeasible = [cell for cell in made.manifest.cells if cell.infeasible]
    assert infeasible
    assert all(f"{cell.task}, {cell.series}: {cell.infeasible}" in text for cell in infeasible)


def test_exponents_are_those_of_the_fits(made, written, text):
    for one, fit in [(laws, fit) for laws in made.laws for fit in laws.fits.values()]:
        assert exponent_words(fit) in text
        if one.axis in HEADLINE_AXES:
            for said in (*fit.refusals, *fit.warnings):
                assert f'href="#{said.code}">{said.code}</a>' in written
                assert said.reason in text


def test_rules_are_stated_and_judged(text):
    assert f"“{CLAIM}”: open." in text
    assert (
        "More replicates will not help on exp2d: 33% of the runs of mlp at params.trainable 2001 "
        "diverged"
    ) in text
    assert "Rule: the exponent of bent minus that of mlp" in text
    assert "is above 0.25, on at least 2 of 2 tasks" in text
    assert (
        "CENSORED: 33% of the runs of mlp at params.trainable 2041 diverged; mend them first"
        in text
    )
    assert "manifest.1.json (replaced; differed in seeds)" in text
    assert "kan on exp2d: trainable parameters from 100" in text


def test_the_answer_comes_first_and_then_what_it_rests_on(written):
    sections = re.findall(r'<section id="(\w+)"', written)
    assert sections == ["answer", "laws", "trust", "plan", "runs", "provenance", "codes"]
    assert re.findall(r'<a href="#(\w+)">', written[: written.index("</nav>")]) == sections
    places = [
        written.index(mark)
        for mark in ('<div class="answers">', "ratios-figure", "Careful:", "<table")
    ]
    assert places == sorted(places)


def test_each_code_has_its_words_on_the_page(written):
    linked = set(re.findall(r'class="code" href="#(\w+)"', written))
    assert linked == set(re.findall(r'<dt id="(\w+)">', written))
    assert "NONMONOTONE" in linked
    assert html.escape(CODES["NONMONOTONE"].meaning) in written


def test_a_window_that_the_data_cut_is_warned_of(made, text):
    shown = [fit for one in made.laws if one.axis in HEADLINE_AXES for fit in one.fits.values()]
    assert any(said.code == "WINDOW" for fit in shown for said in fit.warnings)
    assert "turned on exp2d: up to the size with the least mean test RMSE" in text
