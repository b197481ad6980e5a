"""What the README shows is true: its links lead somewhere, its numbers are those of the program."""

import json
import re
from pathlib import Path
from runpy import run_path
from typing import Any

import pytest

from harness.base.formats import human
from harness.planning.match import MatchSetting, match_arms, ratios
from harness.spec import Lbfgs

ROOT = Path(__file__).parents[2]
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


def test_what_was_found_is_what_the_kept_answer_says():
    """The sentences below the table of toys: who leads with how many runs, and the other pairs of sides."""
    path = ROOT / "results" / "verdicts" / "toys-short" / "answer.json"
    headline = json.loads(path.read_text(encoding="utf-8"))["headline"]
    told = " ".join(README.split())
    leaders = {(one["task"], one["runs"]): _leader(one["ratio"]) for one in headline["efforts"]}
    others = {(one["first"], one["second"], one["task"]): one["ratio"] for one in headline["others"]}

    for runs in (1, 2, 4, 8, 16, 32):
        of_few = "second" if runs <= 2 else ""
        assert [leaders[task, runs] for task in ("j0", "xy", "exp2d", "exp4d")] == [of_few, of_few, "first", "first"]
    for task in ("j0", "xy", "exp2d", "exp4d"):  # more runs help KANs more
        ratios = [one["ratio"]["estimate"] for one in headline["efforts"] if one["task"] == task]
        assert ratios == sorted(ratios)
    oracle = [others["kan_oracle", "mlp", task] for task in ("j0", "exp2d", "xy", "exp4d")]
    assert all(_leader(one) == "first" for one in oracle)
    least, most = (human(end(one["estimate"] for one in oracle), 2) for end in (min, max))
    assert f"{least} to {most} times" in told
    beside = {task: others["kan", "spline_mlp", task] for task in ("j0", "exp2d", "xy", "exp4d")}
    assert [_leader(one) for one in beside.values()] == ["", "first", "second", ""]
    assert f"leads the KAN {human(1 / beside['xy']['estimate'], 2)} times on x·y" in told
    assert f"the KAN leads it {human(beside['exp2d']['estimate'], 2)} times on exp(" in told


def _leader(ratio: dict[str, Any]) -> str:
    return "first" if ratio["low"] > 1 else "second" if ratio["high"] < 1 else ""


def test_nothing_names_a_machine():
    """The project speaks of itself alone: no path of a machine in what it shows its readers."""
    for page in [*ROOT.glob("*.md"), *ROOT.glob("experiments/*"), *ROOT.glob("results/*.md")]:
        assert not re.search(r"/(work|root|tmp|home)/", page.read_text(encoding="utf-8")), page
