"""Pages in a real browser: they fit wide screens and phones, light and dark, and say the answer at
once.
"""

from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest
from browsing import SCREENS, everywhere, needs_browser, opened_browser, overflow, shown
from playwright.sync_api import Browser

from harness.paper.replay.page import row_of, write_index
from tests.guard.workplace import RESULTS, make_records, make_searched, prepare, said
from tests.paper.tiny_scales import bring

REPLAY = "fig2_3_grid_extension"
RULES = """decide:
  - {claim: "10: 20 times on xy", quantity: test_loss, sides: [kan, mlp], threshold: 20, tasks: xy, at_least: 1}
  - {claim: "2: 20 times on both", quantity: test_loss, sides: [kan, mlp], threshold: 20, at_least: 2}
  - {claim: "3: KANs are better", quantity: test_loss, sides: [kan, mlp], threshold: 1, at_least: 2}
"""
CONTRAST = 4.5  # of text and what is behind it, as WCAG 2.2 asks (1.4.3)
PALE_TEXTS = (Path(__file__).parent / "pale_texts.js").read_text(encoding="utf-8")
pytestmark = [pytest.mark.slow, needs_browser]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    with chdir(folder):
        prepare(Path())
        make_searched("searched")
        said("plan experiments/searched.yaml")
        said("report results/searched")
        laws = Path("experiments/laws.yaml").read_text(encoding="utf-8").partition("decide:")[0]
        two = laws.replace("tasks: [", "tasks: [{target: j0, train_points: 100}, ")
        Path("experiments/two.yaml").write_text(two + RULES, encoding="utf-8")
        said("plan experiments/two.yaml")
        make_records("two")
        said("verdicts results/two results/searched")
        bring(REPLAY, Path())
        said(f"plan experiments/{REPLAY}.yaml --scale tiny")
        make_records(f"{REPLAY}-tiny")
        said(f"replay {REPLAY} --scale tiny")
    results = folder / RESULTS
    replayed = results / f"{REPLAY}-tiny"
    write_index([row_of(replayed, results)], "harness replay NAME", results / "index.html")
    return {
        "report": results / "searched" / "report.html",
        "replay": replayed / "replay.html",
        "verdicts": results / "verdicts.html",
        "replays": results / "index.html",
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as opened:
        yield opened


@pytest.mark.parametrize("name", ["report", "replay", "verdicts", "replays"])
def test_a_page_fits_its_screen_and_can_be_read(browser, pages, name):
    for screen, scheme in everywhere():
        with shown(browser, pages[name], screen, scheme) as page:
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            assert overflow(page) <= 0, (screen, scheme)
            assert page.evaluate(PALE_TEXTS, CONTRAST) == [], (screen, scheme)


def test_the_answer_is_on_the_first_screen(browser, pages):
    for screen, scheme in everywhere():
        with shown(browser, pages["report"], screen, scheme) as page:
            card = page.locator("#answer .answers p").last.bounding_box()
            figure = page.locator("#answer figure").first.bounding_box()
            assert card["y"] + card["height"] <= screen["height"]
            assert screen is SCREENS[1] or figure["y"] + figure["height"] / 2 <= screen["height"]


def test_verdicts_begin_with_a_sentence_a_question(browser, pages):
    with shown(browser, pages["verdicts"], SCREENS[1]) as page:
        chips = page.locator("#questions .chip")
        assert chips.count() == 2
        last = chips.last.bounding_box()
        assert last["y"] + last["height"] <= SCREENS[1]["height"]
        assert page.evaluate("document.documentElement.scrollHeight") <= 10 * SCREENS[1]["height"]
        assert not page.locator("#two .rule").first.is_visible()
        page.locator("#questions a", has_text="two").click()
        page.locator("#two .rule").first.wait_for()


def test_a_figure_has_one_layout_a_screen(browser, pages):
    for screen, layout in zip(SCREENS, ("wide", "narrow"), strict=True):
        with shown(browser, pages["report"], screen) as page:
            seen = [
                one.get_attribute("id")
                for one in page.locator("figure > svg").all()
                if one.is_visible()
            ]
            assert seen
            assert all(name.endswith(layout) for name in seen)


def test_a_code_leads_to_its_words(browser, pages):
    for screen in SCREENS:
        with shown(browser, pages["report"], screen) as page:
            code = page.locator("a.code").first
            name = code.inner_text()
            code.click()
            place, bar = (
                page.locator(f"dt#{name}").bounding_box(),
                page.locator("nav").bounding_box(),
            )
            assert bar["y"] == 0
            assert bar["height"] <= place["y"] < screen["height"]


def test_verdicts_are_sorted_by_claim_and_can_be_filtered(browser, pages):
    claims = "tr[data-outcome]"
    with shown(browser, pages["verdicts"], SCREENS[0]) as page:
        page.locator("#summary > details > summary").click()
        texts = page.locator(f"{claims} td:first-child").all_inner_texts()
        assert [text.partition(":")[0] for text in texts] == ["2", "3", "10", "KANs are better"]
        page.select_option("select[name=outcome]", "open")
        undecided = page.locator(f"{claims}:visible").all()
        assert 0 < len(undecided) < len(texts)
        assert {row.get_attribute("data-outcome") for row in undecided} == {"open"}
        assert page.locator("output").inner_text() == f"{len(undecided)} of {len(texts)} claims"
        page.select_option("select[name=task]", "j0")
        both = page.locator(f"{claims}:visible").all()
        assert 0 < len(both) < len(undecided)
        assert all('"j0"' in row.get_attribute("data-tasks") for row in both)
    with shown(browser, pages["verdicts"], SCREENS[1], java_script_enabled=False) as page:
        page.locator("#summary > details > summary").click()
        assert page.locator(f"{claims}:visible").count() == len(texts)
        assert not page.locator("form").is_visible()
