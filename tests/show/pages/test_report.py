"""The report: it says everything that the plan, the fits and the records say, and needs nothing but itself."""

import html
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from made_study import CLAIM, QUESTION, Study

from harness.judging.headline import main_headline
from harness.judging.judge import judge_all
from harness.judging.laws import check
from harness.judging.scaling import HEADLINE_AXES
from harness.record import read_planned
from harness.show.codes import CODES
from harness.show.pages.report import write_report
from harness.show.tables.laws import checks_table, held_out_table
from harness.show.words import exponent_words

VOID = {"meta", "img", "br"}


class Page(HTMLParser):
    """Collects what a browser would show and fetch, and checks that tags close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.text, self.links, self.tags, self.ids = [], [], [], set(), set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "action", "data")]
        self.ids |= {value for name, value in attrs if name == "id"}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def _report(made: Study) -> Path:
    records = read_planned(made.manifest, made.folder.parent / "runs")
    verdicts = judge_all(made.manifest, made.table)
    found = main_headline(made.manifest, made.table)
    return write_report(made.manifest, records, made.table, made.laws, found, verdicts, made.folder)


@pytest.fixture(scope="module")
def checked(made) -> Study:
    return made._replace(laws=check(made.laws, HEADLINE_AXES))


@pytest.fixture(scope="module")
def written(made, checked) -> str:
    """The report of `made`, which has replaced an earlier plan."""
    earlier = made.manifest.model_copy(update={"earlier_plans": ("manifest.1.json (replaced; differed in seeds)",)})
    path = _report(checked._replace(manifest=earlier))
    assert path == made.folder / "report.html"
    return path.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def held_text(held) -> str:
    """The report of `held`."""
    return html.unescape(_report(held._replace(laws=check(held.laws, HEADLINE_AXES))).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def page(written) -> Page:
    """The parsed report."""
    parsed = Page()
    parsed.feed(written)
    parsed.close()
    return parsed


@pytest.fixture(scope="module")
def text(page) -> str:
    """What the report shows, with single spaces."""
    return re.sub(r"\s+", " ", "".join(page.text))


def test_the_page_is_well_formed_and_needs_nothing_else(page, written):
    """Every tag closes in order, and nothing is fetched: links lead to places in the page, and figures are in it."""
    assert page.open == []
    within = {link.removeprefix("#") for link in page.links if link.startswith("#")}
    assert within <= page.ids
    assert all(link.startswith("#") for link in page.links)
    assert written.count("<svg") == 2 * 3  # of each figure a wide and a narrow layout
    assert not page.tags & {"script", "link", "iframe", "img"}


def test_the_question_is_shown_and_escaped(written, page):
    """Special characters of the question are text, not markup."""
    shown = QUESTION.strip('"')

    assert any(shown in part for part in page.text)
    assert html.escape(shown) in written
    assert "b" not in page.tags


def test_every_infeasible_reason_is_told(made, text):
    """Cells that could not be run are listed with the planner's reason."""
    infeasible = [cell for cell in made.manifest.cells if cell.infeasible]

    assert infeasible
    assert all(f"{cell.task}, {cell.series}: {cell.infeasible}" in text for cell in infeasible)


def test_exponents_are_those_of_the_fits(made, written, text):
    """Every headline exponent with its interval is there, and every refusal and warning in words, its code linked."""
    for one, fit in [(laws, fit) for laws in made.laws for fit in laws.fits.values()]:
        assert exponent_words(fit) in text
        if one.axis in HEADLINE_AXES:
            for said in (*fit.refusals, *fit.warnings):
                assert f'href="#{said.code}">{said.code}</a>' in written
                assert said.reason in text


def test_rules_are_stated_and_judged(text):
    """The rule is there in words with its verdict and every number, beside the earlier plans and the windows."""
    assert f"“{CLAIM}”: open." in text
    assert "More replicates will not help on exp2d: 33% of the runs of mlp at params.trainable 2001 diverged" in text
    assert "Rule: the exponent of bent minus that of mlp" in text
    assert "is above 0.25, on at least 2 of 2 tasks" in text
    assert "CENSORED: 33% of the runs of mlp at params.trainable 2041 diverged; mend them first" in text
    assert "manifest.1.json (replaced; differed in seeds)" in text
    assert "kan on exp2d: trainable parameters from 100" in text


def test_the_answer_comes_first_and_then_what_it_rests_on(written, held_text):
    """Sections in order, each in the bar of contents; without a rule nothing is said of rules."""
    sections = re.findall(r'<section id="(\w+)"', written)
    assert sections == ["answer", "ratios", "laws", "trust", "plan", "runs", "provenance", "codes"]
    assert re.findall(r'<a href="#(\w+)">', written[: written.index("</nav>")]) == sections
    assert "By the rules" in written
    assert "By the rules" not in held_text


def test_each_code_has_its_words_on_the_page(written):
    """A paragraph each, the one of docs/codes.md, and of no code that the page does not have."""
    linked = set(re.findall(r'class="code" href="#(\w+)"', written))
    assert linked == set(re.findall(r'<dt id="(\w+)">', written))
    assert "NONMONOTONE" in linked
    assert html.escape(CODES["NONMONOTONE"].meaning) in written


def test_a_window_that_the_data_cut_is_warned_of(made, text):
    """The rule is stated with the plan, the exponent that hangs on it is warned of in words."""
    shown = [fit for one in made.laws if one.axis in HEADLINE_AXES for fit in one.fits.values()]
    reasons = [said.reason for fit in shown for said in fit.warnings if said.code == "WINDOW"]

    assert reasons
    assert all(reason in text for reason in reasons)
    assert "turned on exp2d: up to the size with the least mean test RMSE" in text


def test_held_out_sizes_are_predicted_beside_what_came(held, held_text):
    """Each held-out size has its prediction, interval and outcome; the law's error stands beside the last value's."""
    rows = held_out_table([one for one in held.laws if one.axis in HEADLINE_AXES]).rows
    assert [row.goes_on for row in rows] == [False, True, True] * 4
    for row in rows:
        assert all(f">{cell}</td>" in held_text for cell in row.cells[4:])
    assert "missed" in {row.cells[6].rsplit(" ")[-1] for row in rows[:2]}
    assert "half-filled where the size was held out" in held_text
    assert "Laws are fitted to every size that was not held out" in held_text


def test_every_series_says_which_law_to_quote_and_how_far_to_trust_it(checked, text):
    """The chosen law, the misses of larger sizes beside the last value's, and each caution's sentence."""
    laws = [one for one in checked.laws if one.checks or one.selection]
    assert len(laws) == 16
    for one, row in zip(laws, checks_table(laws).rows, strict=True):
        assert all(cell in text for cell in row.cells[4:])
        other = one.checks.cross_check.caution if one.checks else None
        cautions = [*one.selection.cautions, *([other] if other else [])]
        assert [note.sentence for note in row.notes] == [caution.reason for caution in cautions]
        assert all(note.sentence in text for note in row.notes)
