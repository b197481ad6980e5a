"""What a reader sees of a page, as text."""

import re
from html.parser import HTMLParser

# Of tags that begin and end a line.
LINES = (
    *("p", "div", "section", "header", "footer", "title", "h1", "h2", "h3", "h4", "br", "li", "dt", "dd", "details"),
    *("summary", "table", "caption", "tr", "figure", "figcaption"),
)
UNSEEN = ("style", "script", "pre", "svg")  # a `pre` is JSON of a plan, whose hash is kept


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.unseen = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.unseen += tag in UNSEEN
        if tag in LINES:
            self.parts.append("\n")
        if tag in ("td", "th"):
            self.parts.append(" | ")
        if tag in ("img", "svg"):
            self.parts.append(f"\n[{dict(attrs).get('alt') or dict(attrs).get('aria-label')}]\n")

    def handle_endtag(self, tag: str) -> None:
        self.unseen -= tag in UNSEEN
        if tag in LINES:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self.unseen:
            self.parts.append(re.sub(r"\s+", " ", data))


def visible(page: str) -> str:
    """The text of an HTML page without its figures, a row or paragraph a line; each line once, as many rows say why."""
    parser = _Page()
    parser.feed(page)
    parser.close()
    lines = [" ".join(line.split()) for line in "".join(parser.parts).splitlines()]
    return "\n".join([*dict.fromkeys(filter(None, lines)), ""])
