"""Pages in a real browser: they fit wide screens and phones, light and dark, and say the answer at once.

pytest -m slow tests/show/pages/test_in_a_browser.py
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from harness.paper.replay.index import row_of, write_index
from harness.show.pages.verdicts import keep_verdicts
from tests.guard.workplace import RESULTS, ROOT, make_records, make_searched, prepare, said
from tests.paper.tiny_scales import bring

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
SCREENS = ({"width": 1400, "height": 900}, {"width": 390, "height": 844})
SCHEMES = ("light", "dark")
REPLAY = "fig2_3_grid_extension"
CONTRAST = 4.5  # of text and what is behind it, as WCAG 2.2 asks (1.4.3)
PALE_TEXTS = (Path(__file__).parent / "pale_texts.js").read_text(encoding="utf-8")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser here: none of {', '.join(BROWSERS)}"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """A page of every template, of made-up records and of kept verdicts."""
    folder = tmp_path_factory.mktemp("pages")
    with chdir(folder):
        prepare(Path())
        make_searched("searched")
        said("plan experiments/searched.yaml")
        said("report results/searched")
        bring(REPLAY, Path())
        said(f"plan experiments/{REPLAY}.yaml --scale tiny")
        make_records(f"{REPLAY}-tiny")
        said(f"replay {REPLAY} --scale tiny")
    results = folder / RESULTS
    shutil.copytree(ROOT / "results" / "verdicts", results / "verdicts")
    keep_verdicts([], results, results / "verdicts")
    replayed = results / f"{REPLAY}-tiny"
    write_index([row_of(replayed, results)], "harness replay NAME", results / "index.html")
    return {
        "report": results / "searched" / "report.html",
        "replay": replayed / "replay.html",
        "verdicts": results / "verdicts" / "verdicts.html",
        "replays": results / "index.html",
    }


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def shown(browser: Browser, path: Path, screen: dict[str, int], scheme: str = "light", **asked: bool) -> Iterator[Page]:
    """The page as a reader sees it; whatever it says on the console, an error above all, fails the test."""
    context = browser.new_context(viewport=screen, color_scheme=scheme, **asked)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not complaints


def everywhere() -> list[tuple[dict[str, int], str]]:
    return [(screen, scheme) for screen in SCREENS for scheme in SCHEMES]


@pytest.mark.parametrize("name", ["report", "replay", "verdicts", "replays"])
def test_a_page_fits_its_screen_and_can_be_read(browser, pages, name):
    """No page and no picture scrolls sideways; all text stands out from what is behind it, also in folded parts."""
    for screen, scheme in everywhere():
        with shown(browser, pages[name], screen, scheme) as page:
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            wide, room = page.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
            pictures = page.evaluate("[...document.images].map(one => one.getBoundingClientRect().right)")
            assert max([wide, *pictures]) <= room, (screen, scheme)
            assert page.evaluate(PALE_TEXTS, CONTRAST) == [], (screen, scheme)


def test_the_answer_is_on_the_first_screen(browser, pages):
    """Its first sentence whole, below the question and the bar of contents; on a wide screen its table too."""
    for screen, scheme in everywhere():
        with shown(browser, pages["report"], screen, scheme) as page:
            sentence = page.locator("#answer .lead").first.bounding_box()
            table = page.locator("#answer table").first.bounding_box()
            assert sentence["y"] + sentence["height"] <= screen["height"]
            assert screen is SCREENS[1] or table["y"] + table["height"] <= screen["height"]


def test_a_figure_has_one_layout_a_screen(browser, pages):
    """The wide one on a wide screen, the narrow one on a phone, and neither is wider than the text."""
    for screen, layout in zip(SCREENS, ("wide", "narrow"), strict=True):
        with shown(browser, pages["report"], screen) as page:
            seen = [one.get_attribute("id") for one in page.locator("figure > svg").all() if one.is_visible()]
            assert seen
            assert all(name.endswith(layout) for name in seen)


def test_a_code_leads_to_its_words(browser, pages):
    """They stand below the bar of contents, not behind it."""
    for screen in SCREENS:
        with shown(browser, pages["report"], screen) as page:
            code = page.locator("a.code").first
            name = code.inner_text()
            code.click()
            place, bar = page.locator(f"dt#{name}").bounding_box(), page.locator("nav").bounding_box()
            assert bar["y"] == 0
            assert bar["height"] <= place["y"] < screen["height"]


def test_verdicts_are_sorted_by_claim_and_can_be_filtered(browser, pages):
    """By verdict, and by task too; other ways of searching stay with their claim. Without script all is there."""
    claims = "tr[data-outcome]:not(.follows)"
    with shown(browser, pages["verdicts"], SCREENS[0]) as page:
        texts = page.locator(f"{claims} td:first-child").all_inner_texts()
        numbers = [int(re.match(r"\d+", text)[0]) for text in texts]
        assert numbers == sorted(numbers)
        page.select_option("select[name=outcome]", "inconclusive")
        undecided = page.locator(f"{claims}:visible").all()
        assert 0 < len(undecided) < len(numbers)
        assert {row.get_attribute("data-outcome") for row in undecided} == {"inconclusive"}
        assert page.locator("output").inner_text() == f"{len(undecided)} of {len(numbers)} claims"
        page.select_option("select[name=task]", "j0")
        both = page.locator(f"{claims}:visible").all()
        assert 0 < len(both) <= len(undecided)
        assert all('"j0"' in row.get_attribute("data-tasks") for row in both)
    with shown(browser, pages["verdicts"], SCREENS[1], java_script_enabled=False) as page:
        assert page.locator(f"{claims}:visible").count() == len(numbers)
        assert not page.locator("form").is_visible()
