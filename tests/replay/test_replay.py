"""`harness replay`: from an experiment file to a page that says what it is made from, and what it is not."""

import textwrap
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.replay import POINT_COLUMNS, REPLAYS

ROOT = Path(__file__).parents[2]
TINY = Path(__file__).parent / "tiny"


def bring(name: str, folder: Path) -> None:
    """Put an experiment file into `folder`/experiments, with a scale `tiny` more, which a test runs in seconds."""
    (folder / "experiments").mkdir(exist_ok=True)
    text = (ROOT / "experiments" / f"{name}.yaml").read_text(encoding="utf-8")
    changes = textwrap.indent((TINY / f"{name}.yaml").read_text(encoding="utf-8"), "    ")
    scales = text.replace("\nscales:\n", f"\nscales:\n  tiny:\n{changes}")
    (folder / "experiments" / f"{name}.yaml").write_text(scales, encoding="utf-8")


def said(arguments: list[str], exit_code: int = 0) -> str:
    done = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert done.exit_code == exit_code, done.output
    return done.output


@pytest.mark.parametrize("name", REPLAYS)
def test_a_slice_of_every_replay_runs_to_its_page(tmp_path, monkeypatch, name):
    """From the file in experiments/ to a page that says on top that it is not the whole, and how it differs."""
    bring(name, tmp_path)
    monkeypatch.chdir(tmp_path)

    output = said(["replay", name, "--scale", "tiny"])

    folder = tmp_path / "results" / f"{name}-tiny"
    page = (folder / "replay.html").read_text(encoding="utf-8")
    assert "Not at full scale." in page
    assert "seeds: [0]" in page
    assert f"harness replay {name} --scale tiny" in page
    points = pd.read_csv(folder / "replay.csv")
    assert list(points)[: len(POINT_COLUMNS)] == list(POINT_COLUMNS)
    assert points["ratio"].notna().any()
    assert set(points["outcome"]) > {"not run"}
    assert len(output.splitlines()) > 2
    drawn = {figure.stem for figure in folder.glob("*.pdf")} - {"scaling", "residuals"}  # less those of any experiment
    assert page.count("<img ") == len(drawn)
    assert all(figure.stat().st_size > 1000 for figure in folder.glob("*.png"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["replay", "fig3_1_toy_scalign"], "fig3_1_toy_scalign: no such replay; did you mean 'fig3_1_toy_scaling'"),
        (["replay", "fig"], "fig: no such replay; allowed: "),
        (["replay", "fig2_3"], "run it where the project's experiments/ is"),
    ],
)
def test_a_replay_that_is_not_there_is_named(tmp_path, monkeypatch, arguments, words):
    """A wrong name gives the nearest one, a wrong folder the right one."""
    monkeypatch.chdir(tmp_path)

    assert words in said(arguments, exit_code=2)


def test_a_scale_that_is_not_there_is_named(monkeypatch):
    """A wrong scale gives those that the file has."""
    monkeypatch.chdir(ROOT)

    output = said(["replay", "fig2_3_grid_extension", "--scale", "sohrt"], exit_code=2)

    assert "did you mean 'short'? (allowed: full, short)" in output
