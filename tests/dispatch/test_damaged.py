"""Damaged records among whole ones: they block nothing else, and there is a way out."""

import json

import pytest
from click.testing import Result
from commands import invoke
from made_records import made_record
from made_submission import small

from harness.record import publish, read_record, record_path
from harness.spec import read_manifest


def _harness(folder, command: str, *options: str) -> Result:
    return invoke(command, folder / "sweep.yaml", *options, "--results", folder / "results")


@pytest.fixture
def paths(tmp_path):
    """The records of four runs, of which one was emptied and one has another digit."""
    (tmp_path / "sweep.yaml").write_text(small(seeds=range(4)))
    assert _harness(tmp_path, "plan").exit_code == 0
    records = tmp_path / "results" / "runs"
    found = []
    for planned in read_manifest(tmp_path / "results" / "sweep").runs:
        publish(made_record(planned), records)
        found.append(record_path(records, planned.run_id))
    found[0].write_text("")
    found[1].write_text(found[1].read_text().replace('"test_rmse": 0.', '"test_rmse": 0.1'))
    return found


def test_damaged_records_are_a_state_with_a_way_out(paths, tmp_path):
    before = {path: path.read_bytes() for path in paths}
    told = json.loads(_harness(tmp_path, "status", "--json").stdout)
    assert told["states"] == {"done": 3, "damaged": 1}  # a digit is found by whatever computes
    assert told["runs"][paths[0].stem]["next_move"].startswith("`harness retry FILE --cause damaged`")
    shown = _harness(tmp_path, "status", "--why", "damaged")
    assert shown.exit_code == 3
    assert f"│ {paths[0].stem} │" in shown.output
    submitted = _harness(tmp_path, "submit", "--local", "1", "--yes").output
    assert "nothing to submit" in submitted
    assert "damaged: `harness retry FILE --cause damaged`" in submitted
    for command in ("run", "fit"):
        refused = _harness(tmp_path, command)
        assert refused.exit_code == 3
        assert "2 of 4 records" in refused.output
        assert f"`harness retry {tmp_path / 'results' / 'sweep'} --cause damaged --local N`" in refused.output
    assert "to submit: 2 runs" in _harness(tmp_path, "retry", "--cause", "damaged", "--local", "1", "--dry-run").output
    assert {path: path.read_bytes() for path in paths} == before

    done = _harness(tmp_path, "retry", "--cause", "damaged", "--local", "1", "--yes")
    assert done.exit_code == 0
    assert f"moved 2 damaged records to {tmp_path / 'results' / 'runs' / 'damaged'}" in done.output
    aside = {path.name.partition(".")[0]: path.read_bytes() for path in paths[0].parent.glob("damaged/*")}
    assert aside == {path.stem: before[path] for path in paths[:2]}
    assert all(read_record(path).status == "done" for path in paths)
    assert {path: path.read_bytes() for path in paths[2:]} == {path: before[path] for path in paths[2:]}
    again = _harness(tmp_path, "retry", "--cause", "damaged", "--local", "1", "--yes")
    assert "--cause damaged: no run is in that state" in again.output
