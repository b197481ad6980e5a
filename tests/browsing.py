"""Pages as readers see them: the Chromium or Chrome of this machine, two screens, light and
dark.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)
SCREENS = ({"width": 1400, "height": 900}, {"width": 390, "height": 844})
SCHEMES = ("light", "dark")
WITHOUT_NETWORK = ("file:", "data:", "blob:", "about:")
needs_browser = pytest.mark.skipif(
    BROWSER is None, reason=f"no browser here: none of {', '.join(BROWSERS)}"
)


@contextmanager
def opened_browser() -> Iterator[Browser]:
    """The browser, which ends with the block."""
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def shown(
    browser: Browser, path: Path, screen: dict[str, int], scheme: str = "light", **asked: bool
) -> Iterator[Page]:
    """The page; what it says on the console, an error above all, and what it asks of the network
    fail the test.
    """
    context = browser.new_context(viewport=screen, color_scheme=scheme, **asked)
    page = context.new_page()
    complaints: list[str] = []
    page.on("console", lambda message: complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on(
        "request",
        lambda asked: asked.url.startswith(WITHOUT_NETWORK) or complaints.append(asked.url),
    )
    page.goto(path.as_uri())
    yield page
    context.close()
    assert not complaints, complaints


def everywhere() -> list[tuple[dict[str, int], str]]:
    return [(screen, scheme) for screen in SCREENS for scheme in SCHEMES]


def overflow(page: Page) -> int:
    """By how many pixels the page or a picture is wider than the screen; 0 or less if it fits."""
    wide, room = page.evaluate(
        "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    pictures = page.evaluate("[...document.images].map(one => one.getBoundingClientRect().right)")
    return max([wide, *pictures]) - room
