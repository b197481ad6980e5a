"""The next move that is told is what helps: held jobs, failing set-up lines, code that is gone."""

import json
import shutil

import pytest
from real_slurm import wait_until
from sweeps import assert_completes, sweep

pytestmark = pytest.mark.slurm

LONG = {
    "evaluations": 6000,
    "checkpoint_seconds": 0.3,
}  # of a sweep: three seconds of training, saved soon


@pytest.mark.nightly
def test_a_held_array_is_released(testbed, tmp_path):
    """One task of two is held, by its user or after too many requeues: the move that is told lets
    it go on.
    """
    swept = sweep(tmp_path, sizes=(20, 40), **LONG)
    swept.submit()
    swept.wait_for_event("checkpoint", number=2)
    held = swept.attempts()[0].begun["slurm_number"]
    testbed.slurm("scontrol", "requeuehold", held)
    wait_until(lambda: any(swept.next_moves()), 30, "the job is held")

    (move,) = swept.next_moves() - {""}
    array = held.partition("_")[0]
    assert move.startswith(f"`scontrol release {array}`")
    assert any("SLURM holds it; it has begun before" in why for why in swept.whys())
    assert f"queued: {move}" in swept.submit().replace("\n", " ")
    testbed.slurm("scontrol", "release", array)

    assert_completes(swept)


def test_nodes_that_are_not_there(testbed, tmp_path):
    testbed.drain()
    swept = sweep(tmp_path)
    swept.submit()
    wait_until(
        lambda: any("does not start before its nodes are back" in why for why in swept.whys()),
        30,
        "it is told",
    )
    assert swept.states() == {"queued": 2}
    assert all("(`sinfo`)" in move for move in swept.next_moves())


def test_a_job_that_printed_nothing(testbed, tmp_path):
    """SLURM could not even begin it, here for want of a folder for its output: nobody is sent to
    read that.
    """
    swept = sweep(tmp_path)
    testbed.drain()
    swept.submit()
    shutil.rmtree(swept.folder / "logs")
    (swept.folder / "logs").touch()
    testbed.node_up("n1")
    swept.wait_for_states({"crashed": 2})
    assert all("before its worker began" in why for why in swept.whys())
    assert all(move.startswith("`harness doctor --profile` shows") for move in swept.next_moves())


def test_a_set_up_line_that_fails_is_not_tried_for_ever(testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40), setup=["true", "module load no-such-module", "true"])
    swept.submit()
    swept.wait_for_states({"crashed": 4})

    assert swept.whys() == {"SLURM: FAILED, before its worker began"}
    refused = swept.said("submit", "--profile", str(swept.profile), "--yes", exit_code=3)
    assert (
        "nothing was submitted: the jobs of the last submission ended before their workers began"
        in refused
    )
    assert f"harness logs {swept.folder} " in refused
    assert "once that is mended: `harness retry FILE --cause 'crashed' --profile YAML`" in refused
    (run, *_) = swept.status()["runs"]
    assert all(
        move.startswith("`harness logs FILE RUN` shows what it printed")
        for move in swept.next_moves()
    )
    assert "set-up line failed: module load no-such-module" in swept.harness("logs", run).output
    assert len(swept.submissions()) == 1

    mended = json.loads(swept.profile.read_text()) | {"setup": ["true", "false || true"]}
    swept.profile.write_text(json.dumps(mended), encoding="utf-8")
    swept.retry("crashed")
    assert_completes(swept)


def test_code_that_is_purged_while_jobs_wait(testbed, tmp_path):
    """Other code, which Python would take instead, does not run; the next submission copies the
    code again.
    """
    testbed.drain()
    swept = sweep(tmp_path)
    swept.submit()
    (submission,) = swept.submissions()
    shutil.rmtree(swept.results / "snapshots")
    testbed.node_up("n1")
    swept.wait_for_states({"crashed": 2})

    path = swept.results / "snapshots" / submission.snapshot
    assert swept.whys() == {
        f"its worker ended: crashed: snapshot {path} is not there; submit again"
    }
    assert not list((swept.results / "runs").glob("*.json"))
    swept.submit()
    assert_completes(swept)
