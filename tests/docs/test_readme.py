"""What the README shows is true: its links lead somewhere, its numbers are those of the program."""

import re
from pathlib import Path
from runpy import run_path

import pytest

from harness.planning.match import Setting, match_arms, ratios
from harness.spec import Lbfgs

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


PAGES = [
    "README.md",
    "experiments/README.md",
    "results/LOG.md",
    "CHANGELOG.md",
    *(f"docs/{path.name}" for path in sorted((ROOT / "docs").glob("*.md"))),
    *("results/verdicts/README.md", "results/replay/README.md"),
]


@pytest.mark.parametrize("page", PAGES)
def test_links_within_the_project_lead_somewhere(page):
    """Every relative link names a file or folder that is there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_matched_pair_is_what_the_command_says():
    """The counts and ratios that the README shows are those of the two networks that match."""
    setting = Setting("params.trainable", 1000, 2, 1, 1000, None, Lbfgs(name="lbfgs"))
    kan, mlp = match_arms(["kan hidden=[5]", "mlp depth=3"], setting)
    shown = re.findall(r"^((?:params|flops)\S+) +([\d,]+) +([\d,]+) +([\d.]+)$", README, flags=re.MULTILINE)

    assert len(shown) == 6
    for name, first, second, ratio in shown:
        assert (first, second) == (f"{kan.counts[name]:,}", f"{mlp.counts[name]:,}")
        assert ratio == f"{ratios(kan, mlp)[name]:.3g}"


def test_the_verdicts_of_the_first_screen_are_those_that_are_kept():
    """Each row of the README's tables of verdicts, their heads too, is a row of the kept ones but for remarks."""
    kept = (ROOT / "results" / "verdicts" / "README.md").read_text(encoding="utf-8").splitlines()
    screens = README.split("\n## ")
    shown = screens[0] + next(screen for screen in screens if screen.startswith("What single recipes said"))
    rows = [re.sub(r" \*\(.*?\)\*", "", line) for line in shown.splitlines() if line.startswith("| ")]

    assert len(rows) > 8
    assert set(rows) <= set(kept)
    assert any("**inconclusive**" in row for row in rows)


def test_the_first_screen_is_made_from_kept_verdicts():
    """Its sentence, figure and table are what docs/first_screen.py makes of results/verdicts, word for word."""
    made = run_path(str(ROOT / "docs" / "first_screen.py"))

    assert made["BEGIN"] in README
    assert made["written"](README) == README


def test_nothing_names_a_machine():
    """The project speaks of itself alone: no path of a machine in what it shows its readers."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("experiments/*"), *ROOT.glob("results/*.md")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page
