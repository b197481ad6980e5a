"""submit, retry and cancel as commands: what they ask, refuse and leave to others, and the way out
of damaged ones.
"""

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import Result
from commands import said
from made_records import made_record
from made_submission import SweepFile, send_off, small

from harness.dispatch.state import RunState
from harness.dispatch.submission import SentJob, one_submitter, write_order
from harness.record.store import publish, read_record, record_path
from harness.show.sweeps import Offer, offer_lines, status_table
from harness.spec.manifest import read_manifest

LANGUAGE = Path(__file__).parents[2] / "experiments" / "language.yaml"
OFFER = Offer([], [], 0.0, 0.0, "core", calibrated=True, left_for_later=0)


def _experiment(folder: Path, name: str = "sweep", seeds: tuple[int, ...] = (0, 1)) -> SweepFile:
    sweep = SweepFile(folder / f"{name}.yaml", folder / "results")
    sweep.file.write_text(small(seeds, evaluations=3), encoding="utf-8")
    return sweep


def test_without_a_terminal_nothing_is_done_unasked(tmp_path):
    sweep = _experiment(tmp_path)
    refused = [sweep.harness("submit", "--local", "1")]
    refused += [
        sweep.harness("cancel"),
        sweep.harness("retry", "--cause", "planned", "--local", "1"),
    ]
    for done, what in zip(refused, ["submitted", "cancelled", "submitted"], strict=True):
        assert done.exit_code == 2
        assert (
            f"nothing was {what}: there is no terminal to ask at; --yes goes on without asking"
            in done.output
        )
    assert [path.name for path in sweep.folder.iterdir()] == ["manifest.json"]


def _offered(sweep: SweepFile, profile: str, *options: str) -> Result:
    path = sweep.file.parent / "mine.yaml"
    path.write_text(profile, encoding="utf-8")
    return sweep.harness("submit", "--profile", str(path), "--dry-run", *options)


def test_gpus_that_runs_would_leave_idle_are_not_booked(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    sweep = _experiment(tmp_path)
    refused = _offered(sweep, "gpus: 1")
    assert refused.exit_code == 2
    assert "to submit: 2 runs in 1 pack in 1 job" in refused.output
    assert "mine.yaml: gpus: 1, but sweep trains on CPUs (device: cpu)" in refused.output
    assert _offered(sweep, "gpus: 1", "--idle-gpus").exit_code == 0
    assert _offered(sweep, "cpus: 4").exit_code == 0


def test_a_profile_with_less_memory_than_the_largest_packs_take_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    sweep = SweepFile(tmp_path / "text.yaml", tmp_path / "results")
    shutil.copyfile(LANGUAGE, sweep.file)
    planned = sweep.harness("plan", "--scale", "short").output
    assert "memory: the largest pack takes about 1." in planned

    offered = _offered(sweep, "{cpus: 4, memory_gb: 4}", "--scale", "short").output.replace(
        "\n", " "
    )
    assert "memory_gb: 4, but 4 of the largest packs at a time take about 5." in offered
    assert "memory_gb" not in _offered(sweep, "{cpus: 4, memory_gb: 8}", "--scale", "short").output


def test_a_dry_run_needs_no_slurm(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    sweep = _experiment(tmp_path)
    offered = _offered(sweep, "cpus: 4").output.replace("\n", " ")
    assert "to submit: 2 runs in 1 pack in 1 job" in offered
    assert (
        "assumed: the cluster takes arrays of 1,001 jobs, 10,000 jobs in all (scontrol: there is "
        "no SLURM"
    ) in offered
    refused = sweep.harness("submit", "--profile", str(tmp_path / "mine.yaml"), "--yes")
    assert (refused.exit_code, "scontrol: there is no SLURM here" in refused.output) == (2, True)


def test_runs_that_another_experiment_has_on_their_way_are_left_to_it(tmp_path):
    """run refuses and names its folder; submit sends off the others, cancel takes back nothing of
    it, status tells.
    """
    first, twin = _experiment(tmp_path, "first"), _experiment(tmp_path, "twin", seeds=(0, 1, 2))
    first.harness("plan")
    send_off(first.folder)

    refused = twin.said("run", exit_code=3)
    assert "2 runs of twin are on their way; wait for them" in refused
    assert f"`harness cancel {first.folder}`" in refused
    offered = twin.harness("submit", "--local", "1", "--dry-run").output
    assert "to submit: 1 run in" in offered
    assert f"2 of the runs were sent off by {first.folder}" in offered
    assert twin.states() == {"planned": 1, "queued": 2}

    with one_submitter(
        first.results / "runs"
    ):  # what the other is about to send off is not known yet
        at_once = twin.harness("submit", "--local", "1", "--yes")
    assert (at_once.exit_code, "is submitting runs of these results" in at_once.output) == (3, True)

    write_order(first.folder, "cancel", read_manifest(first.folder).run_ids(), "`harness cancel`")
    assert twin.states() == {"planned": 3}


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("setpriv"), reason="only root can give folders away"
)
def test_what_another_user_may_not_read_is_not_verified(tmp_path):
    first, twin = _experiment(tmp_path, "first"), _experiment(tmp_path, "twin", seeds=(0, 1, 2))
    first.harness("plan")
    send_off(first.folder)
    os.chown(first.folder / "submissions", 65534, 65534)

    def told(command: str, sweep: SweepFile) -> str:
        """What a user is told who, unlike root, may read only what modes allow."""
        as_others = [
            "setpriv",
            "--bounding-set=-dac_override,-dac_read_search",
            sys.executable,
            "-m",
            "harness",
        ]
        options = [command, str(sweep.file), "--results", str(sweep.results)]
        done = subprocess.run(
            [*as_others, *options],
            capture_output=True,
            text=True,
            env=os.environ | {"COLUMNS": "200"},
        )
        assert done.returncode == 3, done.stderr
        return done.stdout + done.stderr

    unread = "not verified (first/submissions may not be read)"
    assert unread in told("status", first)
    refused = told("run", twin)
    assert "2 runs of twin are on their way" in refused
    assert unread in refused


def test_held_jobs_are_not_hidden_by_those_that_wait():
    waits, held = (
        RunState("queued", "SLURM: PENDING"),
        RunState("queued", "held", next_move="`scontrol release 7`"),
    )
    found = {"a": waits, "b": held, "c": waits, "d": held, "e": waits}
    assert [row.cells for row in status_table(found).rows] == [
        ("queued", 3, "SLURM: PENDING", ""),
        ("queued", 2, "held", "`scontrol release 7`"),
    ]
    told = offer_lines("sweep", found, OFFER)
    assert told[1:] == ["nothing to submit", "queued: `scontrol release 7`"]


def test_what_jobs_take_to_start_is_part_of_the_prediction():
    job = SentJob(packs=(("a",),), pack_seconds=(3600.0,), seconds=3600.0)

    def told(start_hours):
        offer = OFFER._replace(
            jobs=[job], arrays=[[job]], hours=1.0 + (start_hours or 0.0), start_hours=start_hours
        )
        return offer_lines("sweep", {"a": RunState("planned")}, offer)[-1]

    measured = "calibrated on this machine; 0.5 core-hours of it for jobs to start, as measured"
    assert told(0.5) == f"predicted: 1.5 core-hours ({measured})"
    assert told(None).endswith("machine; without the start-up of jobs, which was not measured yet)")
    assert told(0.0) == "predicted: 1 core-hours (calibrated on this machine)"


def test_a_full_cluster_takes_no_job_now():
    told = offer_lines("sweep", {"a": RunState("planned")}, OFFER._replace(left_for_later=3))
    assert told[1:] == [
        "3 jobs more than the cluster takes at once: run the same command again when some end"
    ]


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
    assert told["runs"][paths[0].stem]["next_move"].startswith(
        "`harness retry FILE --cause damaged`"
    )
    assert f"│ {paths[0].stem} │" in sweep.said("status", "--why", "damaged", exit_code=3)
    submitted = sweep.harness("submit", "--local", "1", "--yes").output
    assert "nothing to submit" in submitted
    assert "damaged: `harness retry FILE --cause damaged`" in submitted
    for command in ("run", "fit"):
        refused = sweep.said(command, exit_code=3)
        assert "2 of 4 records" in refused
        assert f"`harness retry {sweep.folder} --cause damaged --local N`" in refused
    assert (
        "to submit: 2 runs"
        in sweep.harness("retry", "--cause", "damaged", "--local", "1", "--dry-run").output
    )
    assert {path: path.read_bytes() for path in paths} == before

    done = sweep.said("retry", "--cause", "damaged", "--local", "1", "--yes")
    assert f"moved 2 damaged records to {sweep.results / 'runs' / 'damaged'}" in done
    aside = {
        path.name.partition(".")[0]: path.read_bytes() for path in paths[0].parent.glob("damaged/*")
    }
    assert aside == {path.stem: before[path] for path in paths[:2]}
    assert all(read_record(path).status == "done" for path in paths)
    assert {path: path.read_bytes() for path in paths[2:]} == {
        path: before[path] for path in paths[2:]
    }
    again = sweep.harness("retry", "--cause", "damaged", "--local", "1", "--yes")
    assert "--cause damaged: no run is in that state" in again.output


def test_a_record_under_the_name_of_another_run_is_damaged(tmp_path):
    sweep = SweepFile(tmp_path / "sweep.yaml", tmp_path / "results")
    sweep.file.write_text(small())
    assert sweep.harness("plan").exit_code == 0
    first, second = read_manifest(sweep.folder).runs
    publish(made_record(first), sweep.results / "runs")
    copied = record_path(sweep.results / "runs", second.run_id)
    copied.write_bytes(record_path(sweep.results / "runs", first.run_id).read_bytes())

    assert sweep.states() == {"done": 1, "damaged": 1}
    assert (
        f"its name and run_id say {second.run_id} and {first.run_id}"
        in sweep.status()["runs"][second.run_id]["why"]
    )
    assert sweep.harness("status").exit_code == 3


def test_records_that_lie_where_the_results_were_are_named_and_not_trained_again(tmp_path):
    """The results were moved while a job ran, which went on writing where they had been."""
    before, sweep = tmp_path / "before", SweepFile(tmp_path / "sweep.yaml", tmp_path / "results")
    sweep.file.write_text(small())
    assert sweep.harness("plan").exit_code == 0
    hour_ago = (datetime.now(UTC) - timedelta(hours=1)).isoformat(timespec="seconds")
    code = str(before / "snapshots" / "c0de" / "0" / "src")
    send_off(sweep.folder, at=hour_ago, snapshot="c0de", roots=(code,), host="elsewhere")
    first, second = read_manifest(sweep.folder).runs
    publish(made_record(first), before / "runs")

    told = sweep.status()["runs"]
    assert (
        told[first.run_id]["why"]
        == f"its record is in {before}, where the results were when it was sent off"
    )
    move = f"`harness merge {before} --plan {sweep.folder} --results {sweep.results}` brings it"
    assert told[first.run_id]["next_move"] == move
    for command in (("submit", "--local", "1", "--yes"), ("run",)):
        assert f"1 run: its record is in {before}" in " ".join(
            sweep.said(*command, exit_code=3).split()
        )
    assert not (sweep.results / "runs" / f"{second.run_id}.json").exists()

    said("merge", before, "--plan", sweep.folder, "--results", sweep.results)
    assert sweep.status()["runs"][first.run_id]["state"] == "done"
    assert "its record is in" not in sweep.harness("submit", "--local", "1", "--dry-run").output


def test_status_says_which_missing_runs_the_kept_file_has(tmp_path):
    sweep = SweepFile(tmp_path / "sweep.yaml", tmp_path / "results")
    sweep.file.write_text(small())
    assert sweep.harness("plan").exit_code == 0
    for planned in read_manifest(sweep.folder).runs:
        publish(made_record(planned), sweep.results / "runs")
    sweep.said("keep")
    (lost, *_) = (sweep.results / "runs").glob("*.json")
    lost.unlink()
    kept = sweep.results / "verdicts" / "sweep" / "records.jsonl.xz"
    told = " ".join(sweep.said("status", exit_code=3).split())
    assert (
        f"1 of the missing runs have records in {kept}: they come from there, and are not trained"
        in told
    )
