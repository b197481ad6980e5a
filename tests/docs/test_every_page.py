"""Pages lead somewhere, are short where they must be, and name no machine."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


PAGES = [
    "README.md",
    "experiments/README.md",
    "results/LOG.md",
    "CHANGELOG.md",
    *(str(path.relative_to(ROOT)) for path in sorted((ROOT / "docs").rglob("*.md"))),
    *("results/verdicts/README.md", "results/replay/README.md"),
]


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


@pytest.mark.parametrize(("page", "words"), [("README.md", 1300), ("docs/claims.md", 2300), ("docs/verdicts.md", 1700)])
def test_it_can_be_read_in_a_few_minutes(page, words):
    """At 230 words a minute: the README in five, and ten for all claims; who writes a rule reads all about them."""
    text = (ROOT / page).read_text(encoding="utf-8")
    assert len(text.split()) <= words
    assert page != "README.md" or len(text.splitlines()) <= 150


def test_every_claim_has_a_row_with_an_answer():
    text = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    rows = [line.strip("| ").split(" | ") for line in text.splitlines() if re.match(r"\| \d+ \|", line)]
    assert [int(row[0]) for row in rows] == list(range(1, 30))
    assert all(len(row) == 5 and len(row[2]) > 5 for row in rows)


def test_nothing_names_a_machine():
    for page in [*ROOT.glob("*.md"), *ROOT.glob("experiments/*"), *ROOT.glob("results/*.md")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page
