"""Writes docs/codes.md from the words that tables and pages use: `python docs/write_codes.py`."""

import textwrap
from pathlib import Path

from harness.show.codes import CODE_KINDS, codes_of

WIDTH = 120
HEAD = """# Codes: what capital letters in a table mean, and what to do

For anyone who sees a word in capitals in a table. A code stands where a number is missing (a refusal), needs care (a
caution), or leaves runs out (a note). A report links each code to these words.
[fitting.md](fitting.md) explains laws and intervals.
"""


def page() -> str:
    """The page: a section a code, in the order of `harness.show.codes`."""
    parts = [HEAD]
    for kind, (title, introduction) in CODE_KINDS.items():
        parts.append(f"## {title}\n\n{introduction}\n")
        parts += [f"### {name}\n\n{textwrap.fill(code.paragraph, WIDTH)}\n" for name, code in codes_of(kind).items()]
    return "\n".join(parts)


if __name__ == "__main__":
    (Path(__file__).parent / "codes.md").write_text(page(), encoding="utf-8")
