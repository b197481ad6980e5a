"""What a reader sees of a page, as text."""

import html
import re

# Of tags that begin and end a line.
LINES = "p|div|section|header|footer|title|h1|h2|h3|h4|br|li|dt|dd|details|summary|table|caption|tr|figure|figcaption"
REPLACED = {
    r"\s+": " ",
    r"<(style|script|pre)\b.*?</\1>": "",  # a `pre` is JSON of a plan, whose hash is kept
    r'<(?:svg|img)\b[^>]*?\b(?:alt|aria-label)="([^"]*)"[^>]*>': r"\n[\1]\n<svg>",
    r"<svg>(?:(?!<svg>).)*?</svg>": "",
    r"<t[dh]\b[^>]*>": " | ",
    rf"</?(?:{LINES})\b[^>]*>": "\n",
    r"<[^>]*>": "",
}


def visible(page: str) -> str:
    """The text of an HTML page without its figures, a row or paragraph a line; each line once, as
    many rows say why.
    """
    for pattern, text in REPLACED.items():
        page = re.sub(pattern, text, page)
    lines = [" ".join(line.split()) for line in html.unescape(page).splitlines()]
    return "\n".join([*dict.fromkeys(filter(None, lines)), ""])
