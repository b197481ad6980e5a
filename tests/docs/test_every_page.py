"""Pages lead somewhere, are short where they must be, and name no machine."""

import os
import re
import shutil
import subprocess
import sysconfig
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


TEXT = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash on this system")
def test_the_tab_key_completes_in_bash():
    (line,) = re.findall(r"`(eval .*?bash_source harness\)\")`", TEXT)
    typed = {
        "harness stat": "status",
        "harness replay fig3_4": "fig3_4_forgetting",
        "harness status --wat": "--watch",
        "harness status --wandb on": "online",
    }
    script = [line]
    for words in typed:
        script.append(f"COMP_WORDS=({words}) COMP_CWORD={words.count(' ')} COMPREPLY=()")
        script.append('_harness_completion harness; echo "${COMPREPLY[*]}"')
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=ROOT,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == list(typed.values())
