"""The page on verdicts says of every quantity what the quantity says of itself."""

import re
from pathlib import Path

from harness.judging.quantities import QUANTITIES

TEXT = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")
MOST_WORDS = 1700


def test_every_quantity_has_its_row():
    (body,) = re.findall(r"^\| quantity \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
    assert rows == [[f"`{name}`", quantity.summary, quantity.read_at] for name, quantity in QUANTITIES.items()]


def test_the_page_is_short():
    assert len(TEXT.split()) <= MOST_WORDS
