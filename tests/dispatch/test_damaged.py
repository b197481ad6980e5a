"""Damaged records among whole ones: they block nothing else, and there is a way out."""

from made_records import made_record
from made_submission import SweepFile, small

from harness.record import publish, read_record, record_path
from harness.spec import read_manifest


def test_damaged_records_are_a_state_with_a_way_out(tmp_path):
    """Of four runs the record of one was emptied, and that of another has another digit."""
    sweep = SweepFile(tmp_path / "sweep.yaml", tmp_path / "results")
    sweep.file.write_text(small(seeds=range(4)))
    assert sweep.harness("plan").exit_code == 0
    paths = []
    for planned in read_manifest(sweep.folder).runs:
        publish(made_record(planned), sweep.results / "runs")
        paths.append(record_path(sweep.results / "runs", planned.run_id))
    paths[0].write_text("")
    paths[1].write_text(paths[1].read_text().replace('"test_rmse": 0.', '"test_rmse": 0.1'))
    before = {path: path.read_bytes() for path in paths}
    told = sweep.status()
    assert told["states"] == {"done": 3, "damaged": 1}  # a digit is found by whatever computes
    assert told["runs"][paths[0].stem]["next_move"].startswith("`harness retry FILE --cause damaged`")
    shown = sweep.harness("status", "--why", "damaged")
    assert shown.exit_code == 3
    assert f"│ {paths[0].stem} │" in shown.output
    submitted = sweep.harness("submit", "--local", "1", "--yes").output
    assert "nothing to submit" in submitted
    assert "damaged: `harness retry FILE --cause damaged`" in submitted
    for command in ("run", "fit"):
        refused = sweep.harness(command)
        assert refused.exit_code == 3
        assert "2 of 4 records" in refused.output
        assert f"`harness retry {sweep.folder} --cause damaged --local N`" in refused.output
    assert "to submit: 2 runs" in sweep.harness("retry", "--cause", "damaged", "--local", "1", "--dry-run").output
    assert {path: path.read_bytes() for path in paths} == before

    done = sweep.harness("retry", "--cause", "damaged", "--local", "1", "--yes")
    assert done.exit_code == 0
    assert f"moved 2 damaged records to {sweep.results / 'runs' / 'damaged'}" in done.output
    aside = {path.name.partition(".")[0]: path.read_bytes() for path in paths[0].parent.glob("damaged/*")}
    assert aside == {path.stem: before[path] for path in paths[:2]}
    assert all(read_record(path).status == "done" for path in paths)
    assert {path: path.read_bytes() for path in paths[2:]} == {path: before[path] for path in paths[2:]}
    again = sweep.harness("retry", "--cause", "damaged", "--local", "1", "--yes")
    assert "--cause damaged: no run is in that state" in again.output
