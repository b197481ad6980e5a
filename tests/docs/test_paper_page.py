"""docs/paper.md is true: its outcomes are those of the kept replays, and what it prints is what the command prints."""

import json
import re
from pathlib import Path

from click.testing import CliRunner

from harness.cli import main
from harness.paper import reference
from harness.paper.replay import REPLAYS

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "paper.md").read_text(encoding="utf-8")
PROSE = " ".join(TEXT.split())
KEPT = ROOT / "results" / "replay"
FULL_LENGTH = "fig3_1_toy_scaling-width-100-seeds-1"


def findings(folder):
    """The sentences under "What came out" of a kept replay."""
    return json.loads((KEPT / folder / "replay.json").read_text(encoding="utf-8"))["findings"]


def test_every_kept_replay_has_its_row():
    rows = re.findall(
        r"^\| \[\w+\]\(../results/replay/(.+)/replay.csv\) \|.*\| (\d+) \| (\d+) \| (\d+) \|$", TEXT, re.M
    )
    assert {folder for folder, *_ in rows} == {path.parent.name for path in KEPT.glob("*/replay.json")}
    for folder, *shown in rows:
        counts = dict.fromkeys(("same", "better", "worse"), 0)
        for number, outcome in re.findall(r"(\d+) (within|better|worse)", findings(folder)[0]):
            counts["same" if outcome == "within" else outcome] += int(number)
        assert [int(number) for number in shown] == list(counts.values()), folder


def test_its_sentences_have_the_numbers_of_the_kept_pages():
    for folder, found, said in (
        (FULL_LENGTH, "the error is at most 16 times", "[4,2,2,1] on exp4d is up to 16 times"),
        (FULL_LENGTH, "typically 2.7x apart", "exp100d is typically 2.7 times worse"),
        ("fig3_3_poisson-table", "with 5,300. Its squared errors are 0.18", "with 5,300 parameters, has 0.18 times"),
        (
            "fig3_4_forgetting-short",
            "at most 3.99×10⁻⁶; 3.99×10⁻⁶ was published",
            "3.99×10⁻⁶ after every phase, as published",
        ),
        ("app_c_ablation-short", "median of 4 seeds, 5 to 11", "keeps 5 to 11 over 4 seeds"),
        ("app_c_ablation-short", "the standard setting by 6.", "Seeds alone move that number by 6."),
        ("table1_special_functions-short", "15 of 15 by the best run", "On 15 of 15 functions, as published"),
        ("table1_special_functions-short", "typically 7.7x apart", "typically 7.7 times apart"),
        (
            "table2_feynman-short",
            "5 of 27 as published; ours in 27 of 27",
            "27 of 27 formulas by the best run, and on 25 by medians of what validation picks; in the paper on 5 of 27",
        ),
    ):
        assert any(found in sentence for sentence in findings(folder)), found
        assert said in PROSE, said
    mlps = [re.search(r"MLPs: .*?(\d+) points.*?(\d+) within 2x", one) for one in findings(FULL_LENGTH)]
    points, within = (sum(int(one[group]) for one in mlps if one) for group in (1, 2))
    assert f"{within} of {points} MLP points are within a factor of 2" in PROSE


def test_its_commands_print_what_it_shows():
    (command, shown) = re.search(r"```sh\nharness (reference .+)\n```\n\n```\n(.+?)```", TEXT, re.DOTALL).groups()
    answer = " ".join(CliRunner().invoke(main, command.split()).output.split())
    assert len(shown.splitlines()) == 4
    assert all(" ".join(line.split()) in answer for line in shown.splitlines())
    for name in re.findall(r"harness replay (\w+)", TEXT):
        assert any(replay.startswith(name) for replay in REPLAYS), name
    for name in re.findall(r"harness reference (\w+)", TEXT):
        assert len(reference.load(name)), name
