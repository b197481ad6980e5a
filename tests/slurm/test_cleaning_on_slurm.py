"""`harness clean` while jobs wait, run and have ended: what they need stays."""

import json

import pytest
from real_slurm import wait_until
from sweeps import Sweep, assert_completes, sweep

pytestmark = pytest.mark.slurm


def removable(swept: Sweep) -> dict[str, list[str]]:
    """The paths that can be removed, of the kinds that there are some of."""
    told = json.loads(swept.harness("clean", "--json").stdout)["removable"]
    return {kind: one["paths"] for kind, one in told.items() if one["paths"]}


@pytest.mark.nightly
def test_what_jobs_need_stays_until_they_have_ended(testbed, tmp_path):
    """Waiting and training; then snapshot and logs can go, and a run's story is still told."""
    testbed.drain()
    swept = sweep(tmp_path, evaluations=6000, checkpoint_seconds=0.3)
    swept.submit()
    assert removable(swept) == {}
    assert f"a job of {swept.folder} may need them" in swept.harness("clean").output.replace("\n", " ")
    for node in ("n1", "n2"):
        testbed.node_up(node)
    swept.wait_for_event("checkpoint")
    kinds = [f"--{kind}" for kind in ("checkpoints", "snapshots", "logs", "damaged", "data", "unplanned")]
    assert swept.harness("clean", "--yes", *kinds).exit_code == 0

    assert_completes(swept)
    jobs = ("squeue", "-h", "--states=pending,running,completing")
    wait_until(lambda: not testbed.slurm(*jobs), 30, "all jobs have ended")
    (snapshot,) = (swept.results / "snapshots").iterdir()
    logs = {str(path) for path in (swept.folder / "logs").glob("[!.]*")}
    found = removable(swept)
    assert (found["snapshots"], set(found["logs"]), len(found)) == ([str(snapshot)], logs, 2)
    assert swept.harness("clean", "--yes", *kinds).exit_code == 0
    assert (removable(swept), swept.states()) == ({}, {"done": 2})
    (run, *_) = swept.status()["runs"]
    assert "pack done" in swept.harness("logs", run).output
