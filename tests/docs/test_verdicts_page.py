"""The page on verdicts says of every quantity what the quantity says of itself."""

import re
from pathlib import Path

from harness.judging.quantities import QUANTITIES
from harness.spec import stable_axes

TEXT = (Path(__file__).parents[2] / "docs" / "verdicts.md").read_text(encoding="utf-8")


def test_every_quantity_has_its_row():
    """What it is, where it is read and what its interval is; there is no row of another."""
    (body,) = re.findall(r"^\| quantity \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in body.splitlines()]
    said = []
    for name, quantity in QUANTITIES.items():
        if name == quantity.older_name:
            continue
        head = f"`{name}` (`{quantity.older_name}`)" if quantity.older_name else f"`{name}`"
        place = f"`at:` {quantity.read_at}" if quantity.takes.numbers else quantity.read_at
        said.append([head, quantity.summary, place, quantity.interval])

    assert rows == said


def test_the_page_names_the_conventions_of_a_stable_verdict():
    """They are what a rule without `axes` is judged under."""
    *names, last = (f"`{name}`" for name in stable_axes())

    assert f"`axes` are the conventions, by default {', '.join(names)} and {last}." in " ".join(TEXT.split())
