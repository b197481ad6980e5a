"""The documentation site: mkdocs builds it strictly, and all of it works from disk, without
network.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from browsing import SCREENS, everywhere, needs_browser, opened_browser, overflow, shown
from playwright.sync_api import Browser

import harness
from harness.cli import main
from harness.cli.group import imported

ROOT = Path(__file__).parents[2]
PAGES = (
    "index.html",
    "tutorials/first_run.html",
    "counting.html",
    "reference/cli.html",
    "reference/python.html",
    "results/verdicts/README.html",
    "results/verdicts/verdicts.html",
)
COLOUR = "one => getComputedStyle(one).color"
NO_NETWORK = {
    "HTTP_PROXY": "http://127.0.0.1:9",
    "HTTPS_PROXY": "http://127.0.0.1:9",
}  # where nobody answers
pytestmark = [
    pytest.mark.nightly,
    pytest.mark.skipif(
        find_spec("mkdocs") is None, reason="no mkdocs here: pip install -e '.[docs]'"
    ),
]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "mkdocs",
        "build",
        "--strict",
        "--quiet",
        "--site-dir",
        str(folder),
    ]
    built = subprocess.run(
        command, cwd=ROOT, env=os.environ | NO_NETWORK, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with opened_browser() as opened:
        yield opened


def test_every_link_and_picture_of_every_page_is_there(site):
    pages = {path: path.read_text(encoding="utf-8") for path in site.rglob("*.html")}
    places = {path: set(re.findall(r'\bid="([^"]+)"', text)) for path, text in pages.items()}
    for path, text in pages.items():
        for link in set(re.findall(r'\b(?:href|src)="((?!https?:|data:|mailto:)[^"]+)"', text)):
            if path.name != "404.html":  # its links are from the top of a server
                file, _, place = unquote(link).partition("#")
                target = (path.parent / file).resolve() if file else path
                assert target.is_file(), (path, link)
                assert target.suffix != ".html" or place in {"", *places[target]}, (path, link)


def test_notebooks_show_what_they_showed_when_they_ran(site):
    for notebook in (ROOT / "examples").glob("*.ipynb"):
        page = (site / "examples" / f"{notebook.stem}.html").read_text(encoding="utf-8")
        assert page.count("<table") >= 2
        assert len(re.findall(r'<svg [^>]*role="img"', page)) >= 1
        assert page.count('src="data:image/png;base64,') == 1


def test_it_has_every_command_function_and_kept_page(site):
    commands = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    functions = (site / "reference" / "python.html").read_text(encoding="utf-8")
    kept = [
        path.relative_to(ROOT)
        for folder in ("verdicts", "replay")
        for path in (ROOT / "results" / folder).rglob("*.html")
    ]
    for name in main.commands:
        assert f'id="harness-{name}"' in commands
        options = [one for one in imported(name).params if isinstance(one, click.Option)]
        assert all(
            re.search(rf"<dt><code>{re.escape(one.opts[0])}\b", commands) for one in options
        ), name
    assert "results/&lt;name&gt;-&lt;scale&gt;" in commands
    assert commands.count("Example:") == len(main.commands)
    for name in harness.__all__:
        assert name in ("nn", "__version__") or f'id="harness.{name}"' in functions
    assert kept
    for page in kept:
        assert (site / page).is_file()


@needs_browser
@pytest.mark.parametrize("page", PAGES)
def test_a_page_fits_its_screen_and_asks_nothing_of_the_network(browser, site, page):
    for screen, scheme in everywhere():
        with shown(browser, site / page, screen, scheme) as opened:
            assert opened.locator("h1").first.is_visible()
            assert overflow(opened) <= 0, (screen, scheme)
            if page != "results/verdicts/verdicts.html":  # which is not of the theme
                title, text = (
                    opened.locator(one).first.evaluate(COLOUR) for one in ("h1", "article")
                )
                assert title == text


@needs_browser
def test_the_verdict_on_a_claim_is_on_the_screen_of_a_phone(browser, site):
    with shown(browser, site / "results" / "replay" / "README.html", SCREENS[1]) as page:
        head = page.locator("th", has_text="verdict").first.bounding_box()
        assert head["x"] + head["width"] <= SCREENS[1]["width"]


@needs_browser
def test_search_finds_a_page_from_disk(browser, site):
    for screen in SCREENS:
        with shown(browser, site / "index.html", screen) as page:
            page.keyboard.press("/")
            page.keyboard.type("multiplier")
            found = page.locator("a.md-search-result__link", has_text="multiplier").first
            found.wait_for()
            found.click()
            page.wait_for_url("**h=**")
            assert "multiplier" in page.locator("article").inner_text().lower()
