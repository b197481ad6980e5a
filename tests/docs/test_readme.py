"""What the README shows is true: its links lead somewhere, its numbers are those of the program."""

import json
import re
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from harness.planning.match import MatchSetting, match_arms, ratios
from harness.spec import Lbfgs

ROOT = Path(__file__).parents[2]
SIDES = ("supported", "refuted")
README = (ROOT / "README.md").read_text(encoding="utf-8")


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
    """Every relative link names a file or folder that is there."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\((?!https?://)([^)#]+)\)", text):
        assert ((ROOT / page).parent / target).exists(), target


def test_the_matched_pair_is_what_the_command_says():
    """The counts and ratios that the README shows are those of the two networks that match."""
    setting = MatchSetting("params.trainable", 1000, 2, 1, 1000, None, Lbfgs(name="lbfgs"))
    kan, mlp = match_arms(["kan hidden=[5]", "mlp depth=3"], setting)
    shown = re.findall(r"^((?:params|flops)\S+) +([\d,]+) +([\d,]+) +([\d.]+)$", README, flags=re.MULTILINE)

    assert len(shown) == 6
    for name, first, second, ratio in shown:
        assert (first, second) == (f"{kan.counts[name]:,}", f"{mlp.counts[name]:,}")
        assert ratio == f"{ratios(kan, mlp)[name]:.3g}"


def test_it_can_be_read_in_five_minutes():
    """150 lines at most, and 230 words a minute."""
    assert len(README.splitlines()) <= 150
    assert len(README.split()) <= 5 * 230 + 150  # counts of parameters and names of files are no reading


def test_its_results_are_made_from_kept_runs():
    """The quickstart's answer and the searched toys are what docs/first_screen.py makes, word for word."""
    made = run_path(str(ROOT / "docs" / "first_screen.py"))

    for block in ("answer", "searched"):
        assert made[block]() in README
    assert made["written"](README) == README


def test_with_longer_training_nobody_leads():
    """With the winners of three searches: the table's last row."""
    (verdict,) = _verdicts("toys_pooled-longer")
    assert all(one["found"]["low"] < 1 < one["found"]["high"] for one in verdict["numbers"])
    assert "With five times the training nobody leads" in " ".join(README.split())


def _verdicts(name: str) -> list[dict[str, Any]]:
    kept = ROOT / "results" / "verdicts" / name / "verdicts.json"
    found: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8"))["verdicts"]
    return found


def test_nothing_names_a_machine():
    """The project speaks of itself alone: no path of a machine in what it shows its readers."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("experiments/*"), *ROOT.glob("results/*.md")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page
