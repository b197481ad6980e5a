"""What every code of a table, a page or a terminal means, and what to do about it: codes.csv says
it, a row a code.

docs/codes.md (`python docs/write.py` writes it) and the last section of every page have the same
words.
"""

import csv
import re
from importlib.resources import files
from typing import Literal, NamedTuple

from markupsafe import Markup, escape

CodeKind = Literal["refusal", "caution", "note"]


class Code(NamedTuple):
    """A code as a reader meets it: why it stands there, and the next move; `brief` where there is
    no room for more.

    `cell` stands in place of a number in a table of ratios. `meaning` and `advice` together are all
    that is said.
    """

    kind: CodeKind
    cell: str
    brief: str
    meaning: str
    advice: str


with files(__package__).joinpath("codes.csv").open(encoding="utf-8") as file:
    CODES = {row.pop("code"): Code(**row) for row in csv.DictReader(file)}  # type: ignore[arg-type]
IN_TEXT = re.compile(rf"\b({'|'.join(sorted(CODES, key=len, reverse=True))})\b")


def linked(text: str) -> Markup:
    """The text as HTML, with each code in it a link to its words on the same page."""
    return Markup(IN_TEXT.sub(r'<a class="code" href="#\1">\1</a>', str(escape(text))))
