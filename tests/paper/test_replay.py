"""`harness replay`: from an experiment file to a page that says what it is made from, and what it
is not.
"""

import re
from importlib.resources import files
from pathlib import Path
from unittest.mock import Mock

import pandas as pd
import pytest
from commands import said
from made_records import made_of_plan

from harness.base.errors import INCOMPLETE, Stopped
from harness.paper.replay import POINT_COLUMNS, REPLAYS
from harness.record.store import publish
from harness.spec.manifest import read_manifest
from harness.study.folders import StudyFile
from harness.study.plans import plan_of
from tests.paper.tiny_scales import bring


@pytest.fixture(autouse=True)
def in_a_folder_without_kept_records(here, monkeypatch):
    """Those of this checkout are of some runs of the small scales here, too."""
    monkeypatch.setattr("harness.study.folders.SHIPPED_RESULTS", here)


@pytest.mark.nightly  # tests/guard holds the pages of all
@pytest.mark.parametrize("name", REPLAYS)
def test_a_slice_of_every_replay_runs_to_its_page(tmp_path, name):
    """From the file in experiments/ to a page that says on top that it is not the whole, and how it
    differs.
    """
    bring(name, tmp_path)

    output = said("replay", name, "--scale", "tiny", "--workers", "1")

    folder = tmp_path / "results" / f"{name}-tiny"
    page = (folder / "replay.html").read_text(encoding="utf-8")
    assert "Not at full scale: tiny." in page
    assert "Incomplete." not in page
    assert "seeds: [0]" in page
    assert f"harness replay {name} --scale tiny" in page
    points = pd.read_csv(folder / "replay.csv")
    assert list(points)[: len(POINT_COLUMNS)] == list(POINT_COLUMNS)
    assert points["ratio"].notna().any()
    assert set(points["outcome"]) > {"not run"}
    assert len(output.splitlines()) > 2
    drawn = {figure.stem for figure in folder.glob("*.pdf")} - {
        "scaling",
        "residuals",
    }  # less those of any experiment
    assert page.count("<svg ") == 2 * len(drawn)  # for wide screens and for narrow ones
    assert all(figure.stat().st_size > 1000 for figure in folder.glob("*.png"))


def test_an_interrupted_replay_says_what_is_left_and_both_next_moves(tmp_path, monkeypatch):
    """Of a Ctrl-C that training has heard (tests/test_cli.py has a real one): no page, and how to
    go on.
    """
    name = "fig2_3_grid_extension"
    bring(name, tmp_path)
    stopped = Mock(side_effect=Stopped("stopped: 0 of 12 runs have records", INCOMPLETE))
    monkeypatch.setattr("harness.study.training.train_missing", stopped)

    output = said("replay", "fig2_3", "--scale", "tiny", "--workers", "1", exit_code=3)

    assert re.match(rf"{name}-tiny: 12 runs in 12 packs, [\d,]+ evaluations, ", output)
    no_page = "12 of 12 runs have no record, so there is no page"
    assert (
        f"{no_page}; `harness replay {name} --scale tiny` goes on, and with --partial it writes "
        "a page"
    ) in output
    assert not (tmp_path / "results" / f"{name}-tiny" / "replay.html").exists()


@pytest.mark.nightly
def test_a_page_of_part_of_the_runs_says_so_on_top(tmp_path):
    name = "fig2_3_grid_extension"
    bring(name, tmp_path)
    folder, kept = (tmp_path / "results" / each / f"{name}-tiny" for each in (".", "replay"))
    plan = plan_of(StudyFile(Path("experiments") / f"{name}.yaml", scale="tiny"))
    made = made_of_plan(plan)
    for record in made[:-2]:
        publish(record, tmp_path / "results" / "runs")

    said("replay", name, "--scale", "tiny", "--partial", "--keep")

    top = (kept / "replay.html").read_text(encoding="utf-8").partition("<section")[0]
    last = plan.cells[-1].series
    assert f"Incomplete.</strong> 2 of 12 runs have no record: 2 of {last}." in top
    assert "Ours come from 10 runs" in top
    assert len(pd.read_csv(kept / "runs.csv")) == 10
    assert not (folder / "runs.csv").exists()  # nor a report: these are of all runs
    assert "2 of 12 runs have no record" in (kept.parent / "index.html").read_text(encoding="utf-8")

    for record in made[-2:]:
        publish(record, tmp_path / "results" / "runs")
    said("replay", name, "--scale", "tiny", "--keep")

    assert "Incomplete." not in (kept / "replay.html").read_text(encoding="utf-8")
    assert len(pd.read_csv(kept / "runs.csv")) == 12
    listed = (kept.parent / "README.md").read_text(encoding="utf-8")
    assert listed.count(f"`harness replay {name} --scale tiny` |") == 1
    # Pages outside the folder of results are not in this workplace.
    links = [
        link for link in re.findall(r"\]\(([^)]+)\)", listed) if not link.startswith("../../docs/")
    ]
    assert links
    assert all((kept.parent / link).exists() for link in links)
    index = (kept.parent / "index.html").read_text(encoding="utf-8")
    assert "Incomplete." not in index
    assert all(
        (kept.parent / link).exists() for link in re.findall(r'(?:src|href)="([^"]+)"', index)
    )


def test_all_replays_make_a_list_with_a_row_each(tmp_path):
    """Here of what has a record, which is nothing: every row says so, and the command is not a
    success.
    """
    for name in REPLAYS:
        bring(name, tmp_path)
    output = said("replay", "--all", "--scale", "tiny", "--partial", exit_code=3)
    page = (tmp_path / "results" / "replays-tiny.html").read_text(encoding="utf-8")
    assert page.count("Incomplete.") == len(REPLAYS)
    assert all(f"<h2>{one.place}: {one.title}</h2>" in page for one in REPLAYS.values())
    assert f"{len(REPLAYS)} of {len(REPLAYS)} replays have no page" in output


def test_every_choice_is_one_of_a_replay_and_every_replay_has_some():
    """The places of silent.csv are those of replays, so that no page lacks what was meant for
    it.
    """
    with files("harness.paper.replay").joinpath("silent.csv").open(encoding="utf-8") as file:
        places = pd.read_csv(file)["places"]
    assert set("; ".join(places).split("; ")) == {replay.place for replay in REPLAYS.values()}


def test_a_narrowed_replay_has_a_plan_of_its_own(tmp_path):
    bring("fig3_1_toy_scaling", tmp_path)
    narrow = ["--scale", "short", "--max-width", "10", "--seeds", "2"]
    output = said("replay", "fig3_1", *narrow, "--partial", exit_code=3)
    assert "runs of fig3_1_toy_scaling-short-width-10-seeds-2 has a record" in output
    plan = read_manifest(tmp_path / "results" / "fig3_1_toy_scaling-short-width-10-seeds-2")
    runs = [planned.run for planned in plan.runs]
    assert {max(run.network.shape) for run in runs if run.network.family == "mlp"} == {3, 5, 10}
    assert {run.seed for run in runs} == {0, 1}
    whole = plan_of(StudyFile(Path("experiments/fig3_1_toy_scaling.yaml"), scale="short"))
    assert set(plan.run_ids()) < set(whole.run_ids())  # what one trains, the other has


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--all --seeds 1", "--all runs every replay as its file says: leave NAME, --max-width"),
        (
            "fig3_1_toy_scalign",
            "fig3_1_toy_scalign: no such replay; did you mean 'fig3_1_toy_scaling'",
        ),
        ("fig", "fig: no such replay; allowed: "),
        # Where there is no experiments/, it is the shipped file's.
        ("fig2_3_grid_extension --scale sohrt", "did you mean 'short'? (allowed: full, short)"),
    ],
)
def test_a_replay_or_scale_that_is_not_there_is_named(arguments, words):
    assert words in said("replay", *arguments.split(), exit_code=2)
