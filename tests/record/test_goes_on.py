"""`harness keep`, and that `run`, `submit` and `replay` go on from what it kept, on any machine."""

import json
import shutil
from pathlib import Path

import pytest
from commands import said
from judging.made_experiment import write_experiment, write_records
from made_records import made_of_plan

from harness.record.kept import read_lines
from harness.record.store import publish
from harness.spec.manifest import Manifest, read_manifest
from tests.paper.tiny_scales import bring

KEPT = Path("results/verdicts/made/records.jsonl.xz")
# needs no law
RULE = (
    "{claim: the first is better, quantity: test_loss, sides: [kan, mlp], threshold: 1, "
    "at_least: 1}"
)
QUICKSTART = Path(__file__).parents[2] / "experiments" / "quickstart.yaml"


def _bytes(folder: Path) -> dict[Path, bytes]:
    return {
        path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.fixture
def planned(here, monkeypatch) -> Manifest:
    monkeypatch.setenv("COLUMNS", "200")
    write_experiment(here, f"decide: [{RULE}]\n")
    said("plan", "experiments/made.yaml")
    return read_manifest(Path("results/made"))


def test_a_sweep_is_kept_as_it_grows(planned):
    keep = ("keep", "experiments/made.yaml")
    assert "train some first" in said(*keep, exit_code=3)
    assert "no plan yet" in said(*keep, "--scale", "short", exit_code=2)
    assert "did you mean 'short'?" in said(*keep, "--scale", "shrt", exit_code=2)

    write_records(Path(), leave_out=12)
    output = said(*keep)
    assert output.splitlines() == [
        "records: 30 new",
        f"kept: {KEPT}, without 12 planned runs that have no record yet",
    ]
    shutil.rmtree("results/runs")  # another machine, which trains the rest
    write_records(Path())
    for path in sorted(Path("results/runs").glob("*.json"))[:20]:
        path.unlink()
    grown = json.loads(said("keep", "results/made", "--json"))
    assert (grown["path"], grown["damaged"], set(grown["new"]) & set(grown["same"])) == (
        str(KEPT),
        [],
        set(),
    )
    assert set(read_lines(KEPT).by_run) >= set(grown["new"])
    assert 30 <= len(read_lines(KEPT).by_run) == 42 - grown["absent"]


def test_verdicts_that_are_kept_bring_their_records_along(planned):
    """Once more does not drop them, though all else in the folder is written anew."""
    write_records(Path())
    assert f"kept: {KEPT}" in said("verdicts", "--keep")
    first = KEPT.read_bytes()
    shutil.rmtree("results/runs")
    write_records(Path())
    said("verdicts", "--keep")
    assert KEPT.read_bytes() == first
    assert len(read_lines(KEPT).by_run) == 42


def test_what_is_kept_is_not_sent_again(planned):
    """A dry run says how many are kept and takes none; the submission takes them byte for byte, and
    has no more.
    """
    write_records(Path())
    said("keep", "experiments/made.yaml")
    records = _bytes(Path("results/runs"))
    shutil.rmtree("results/runs")
    shutil.rmtree("results/made")
    submit = ("submit", "experiments/made.yaml", "--local", "1")

    output = said(*submit, "--dry-run")
    assert (
        f"42 of the missing runs have records in {KEPT}: they come from there, and are not trained"
        in output
    )
    assert not Path("results/runs").exists()

    output = said(*submit, "--yes")
    assert f"42 records came from {KEPT}" in output
    assert "nothing to submit" in output
    assert _bytes(Path("results/runs")) == records
    assert "came from" not in said(*submit, "--yes")


@pytest.mark.slow
def test_a_replay_goes_on_from_what_is_kept(here, monkeypatch):
    monkeypatch.setattr(
        "harness.study.folders.SHIPPED_RESULTS", here
    )  # which have some of these runs
    name = "fig2_3_grid_extension"
    bring(name, here)
    replay = ("replay", name, "--scale", "tiny", "--partial")
    said(*replay, exit_code=3)  # which freezes the plan
    for record in made_of_plan(read_manifest(Path(f"results/{name}-tiny")))[:-2]:
        publish(record, Path("results/runs"))
    said("keep", f"experiments/{name}.yaml", "--scale", "tiny")
    shutil.rmtree("results/runs")
    assert (
        "10 records came from results/verdicts/fig2_3_grid_extension-tiny/records.jsonl.xz"
        in said(*replay)
    )


def test_a_damaged_kept_file_stops_before_anything_is_trained(planned):
    """It is named with the next move; its whole records are here by then, and without it the rest
    would be trained.
    """
    write_records(Path())
    said("keep", "experiments/made.yaml")
    shutil.rmtree("results/runs")
    whole = KEPT.read_bytes()
    KEPT.write_bytes(whole[:-400])

    output = said("run", "experiments/made.yaml", exit_code=3)

    assert f"error: {KEPT}: line " in output
    assert f"`git checkout -- {KEPT}`" in output
    there = len(list(Path("results/runs").glob("*.json")))
    assert 0 < there < 42
    KEPT.write_bytes(whole)
    output = said("submit", "experiments/made.yaml", "--local", "1", "--yes")
    assert f"{42 - there} records came from {KEPT}" in output
    assert "nothing to submit" in output


@pytest.mark.nightly
def test_a_trained_search_goes_on_without_training(here):
    (here / "experiments").mkdir()
    text = QUICKSTART.read_text(encoding="utf-8").replace("replicates: 8", "replicates: 3")
    Path("experiments/quickstart.yaml").write_text(text, encoding="utf-8")
    run = ("run", "experiments/quickstart.yaml", "--scale", "tiny", "--workers", "1")
    first = said(*run)
    said("keep", "experiments/quickstart.yaml", "--scale", "tiny")
    folder, records = Path("results/quickstart-tiny"), _bytes(Path("results/runs"))
    made = {
        name: (folder / name).read_bytes()
        for name in ("manifest.json", "answer.json", "runs.csv", "winners.csv")
    }
    shutil.rmtree("results/runs")

    for step in ("records are gone", "all but the kept file is gone"):
        again = said(*run)

        kept = "results/verdicts/quickstart-tiny/records.jsonl.xz"
        came = [
            int(line.split()[0])
            for line in again.splitlines()
            if line.endswith(f"records came from {kept}")
        ]
        assert sum(came) == len(records), step
        assert "runs have records" in again
        assert (
            _bytes(Path("results/runs")).keys() == records.keys()
        )  # replicates are kept without their curves
        assert {name: (folder / name).read_bytes() for name in made} == made
        assert again[again.index("Whose test RMSE") :] == first[first.index("Whose test RMSE") :]
        for path in Path("results").iterdir():
            if path.is_dir() and path.name != "verdicts":
                shutil.rmtree(path)
