"""What goes wrong with files, processes and code while a sweep is on its way: nothing is lost, the
state is right.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from real_slurm import command_of, wait_until
from sweeps import Sweep, assert_completes, only_job, sweep, undisturbed

import harness
from harness.dispatch import state
from harness.dispatch.submission import read_submissions, write_order

pytestmark = pytest.mark.slurm

LONG = {
    "evaluations": 6000,
    "checkpoint_seconds": 0.3,
}  # of a sweep: three seconds of training, saved soon


def submit_command(swept: Sweep) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "harness",
        "submit",
        str(swept.file),
        "--profile",
        str(swept.profile),
    ]
    return [*command, "--results", str(swept.results), "--yes"]


def submitter(swept: Sweep, **variables: str) -> subprocess.Popen:
    """`harness submit` as a process of its own, in a folder without code."""
    return subprocess.Popen(
        submit_command(swept),
        cwd=swept.file.parent,
        env=os.environ | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def sbatch_that(folder: Path, *lines: str) -> str:
    """A PATH with an sbatch that does these lines of a shell script, in which $sbatch is the real
    one.
    """
    script = folder / "bin" / "sbatch"
    script.parent.mkdir()
    script.write_text(
        "\n".join(["#!/bin/sh", f"sbatch={shutil.which('sbatch')}", *lines]), encoding="utf-8"
    )
    script.chmod(0o755)
    return f"{script.parent}:{os.environ['PATH']}"


def test_killed_after_sbatch_took_the_jobs(testbed, tmp_path):
    """They are found by their unique name: nothing is sent off again, and the stale lock is in
    nobody's way.
    """
    swept = sweep(tmp_path, sizes=(20, 40))
    killed = submitter(swept, PATH=sbatch_that(tmp_path, '$sbatch "$@"', "kill -9 $PPID"))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert (swept.results / "runs" / "submit.lock").exists()
    assert "nothing to submit" in swept.submit()
    assert_completes(swept)
    assert len(read_submissions(swept.folder)) == 1


def test_killed_before_sbatch_took_the_jobs(testbed, tmp_path, monkeypatch):
    """For two minutes they may still appear; then they are lost, and sent off again."""
    swept = sweep(tmp_path)
    killed = submitter(swept, PATH=sbatch_that(tmp_path, "kill -9 $PPID"))
    killed.communicate(timeout=60)
    assert killed.returncode == -signal.SIGKILL

    assert "nothing to submit" in swept.submit()
    assert swept.states() == {"queued": 2}
    monkeypatch.setattr(state, "UNSEEN_SECONDS", 0.0)  # as if they had passed
    assert swept.states() == {"lost": 2}
    assert "to submit: 2 runs" in swept.submit()

    assert_completes(swept)


def test_sbatch_took_the_jobs_and_says_that_it_did_not(testbed, tmp_path, monkeypatch):
    """As where the controller's answer came too late: the jobs are found, and theirs is the
    submission.
    """
    swept = sweep(tmp_path)
    testbed.drain()
    late = "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation"
    monkeypatch.setenv(
        "PATH", sbatch_that(tmp_path, '$sbatch "$@" > /dev/null', f"echo '{late}' >&2", "exit 1")
    )
    assert "submitted: 1 job " in swept.submit()
    assert swept.states() == {"queued": 2}
    (sent,) = swept.submissions()
    assert (sent.cluster, sent.user) == ("testbed", testbed.slurm("id", "-un"))


def test_two_at_once(testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40))
    asked, go = tmp_path / "asked", tmp_path / "go"
    path = sbatch_that(
        tmp_path, f"touch {asked}", f"until [ -e {go} ]; do sleep 0.1; done", '$sbatch "$@"'
    )
    first = submitter(swept, PATH=path)
    wait_until(asked.exists, 60, "the first one asks for jobs")
    second = submitter(swept, PATH=path)
    told, _ = second.communicate(timeout=60)
    go.touch()
    first.communicate(timeout=60)

    assert first.returncode == 0
    assert second.returncode == 3
    assert f"process {first.pid} on" in told
    assert "nothing to submit" in swept.submit()
    assert_completes(swept)
    assert len(swept.attempts()) == 2


def test_the_answer_to_a_submission_is_lost(testbed, tmp_path, monkeypatch):
    swept = sweep(tmp_path)
    controller = (testbed.folder / "slurmctld.pid").read_text().strip()
    monkeypatch.setenv(
        "PATH", sbatch_that(tmp_path, '$sbatch "$@" >&2', f"kill -STOP {controller}", "exit 1")
    )
    try:
        told = swept.harness("submit", "--profile", str(swept.profile), "--yes")
    finally:
        os.kill(int(controller), signal.SIGCONT)

    assert told.exit_code == 3
    assert "it is not known yet whether SLURM took the jobs (squeue: " in told.output
    assert f"`harness status {swept.folder}`" in told.output
    assert "nothing to submit" in swept.submit()
    assert_completes(swept)


def test_inside_of_a_job(testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40))
    command = " ".join(submit_command(swept))
    asked = [
        "--nodelist=n1",
        "--cpus-per-task=2",
        "--mem-per-cpu=100M",
        "--gpus-per-node=1",
        "--ntasks=1",
    ]
    testbed.slurm("sbatch", "--parsable", f"--output={tmp_path / 'out'}", *asked, "--wrap", command)
    swept.wait_for_event("pack_begun", number=2)
    jobs = [testbed.job(attempt.begun["slurm_number"]) for attempt in swept.attempts()]
    assert {job["ReqNodeList"] for job in jobs} == {"(null)"}
    assert {job["MinMemoryNode"] for job in jobs} == {"30G"}
    assert_completes(swept)


def test_damaged_files_of_what_was_sent_off(testbed, tmp_path):
    swept = sweep(tmp_path, sizes=(20, 40))
    testbed.drain()
    swept.submit()
    (sent,) = swept.folder.glob("submissions/*/submission.json")
    sent.write_text("")
    order = write_order(swept.folder, "cancel", list(swept.status()["runs"])[:1], "her")
    order.write_text("")

    assert swept.states() == {"queued": 4}
    told = swept.harness("status").output
    assert f"{sent} is damaged" in told
    assert f"{order} is damaged" in told
    assert "nothing to submit" in swept.submit()
    (move,) = {run["next_move"] for run in swept.status()["runs"].values()}
    testbed.slurm(*re.search("`(scancel .*)` ends its jobs", move).group(1).split())
    assert not testbed.slurm("squeue", "-h")
    shutil.rmtree(sent.parent)
    order.unlink()
    assert swept.states() == {"planned": 4}


@pytest.mark.nightly
def test_a_frozen_worker_comes_back(impatient_testbed, tmp_path):
    """Its node was given up and its job trained elsewhere: both write, there is one record, and
    they are equal.
    """
    swept = sweep(tmp_path, **LONG)
    swept.submit()
    swept.wait_for_event("checkpoint")
    node = impatient_testbed.job(only_job(impatient_testbed))["NodeList"]
    impatient_testbed.freeze(node)
    wait_until(lambda: impatient_testbed.node_state(node).startswith("down"), 60, f"{node} is down")
    assert set(swept.states()) <= {"queued", "running"}
    swept.wait_for_event("first_step", number=2)
    for process in impatient_testbed.job_processes(node):
        # Not srun, whose command names Python too: it would cancel the step, which has the same
        # number elsewhere.
        command = command_of(process)
        if b"python" in command and b"srun" not in command:
            os.kill(process, signal.SIGCONT)
    swept.wait_for_event("pack_done", number=2)

    assert swept.states() == {"done": 2}
    assert_completes(swept, is_once=False)
    assert "differ" not in swept.harness("status").output


def committed_copy(folder: Path) -> Path:
    """A checkout with a copy of the package, in which a test may edit it."""
    package = Path(harness.__file__).parent
    shutil.copytree(package, folder / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "edited_later.py").write_text(
        "def target(x):\n    return x[:, 0] * x[:, 1]\n", encoding="utf-8"
    )
    (folder / ".gitignore").write_text("__pycache__\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    named = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    subprocess.run(["git", "-C", str(folder), "add", "-A"], check=True)
    subprocess.run(["git", "-C", str(folder), *named, "commit", "-qm", "all"], check=True)
    return folder


def test_code_is_edited_before_its_jobs_start(testbed, tmp_path, monkeypatch):
    project = committed_copy(tmp_path / "project")
    monkeypatch.syspath_prepend(project)
    swept = sweep(tmp_path, target="edited_later:target")
    undisturbed(swept.file.read_text(encoding="utf-8"))  # with the target as it is now
    monkeypatch.delitem(sys.modules, "edited_later")
    testbed.drain()
    told, _ = submitter(swept, PYTHONPATH=str(project)).communicate(timeout=60)
    assert "submitted: 1 job " in told
    assert swept.states() == {"queued": 2}

    (project / "edited_later.py").write_text(
        "def target(x):\n    return x[:, 0]\n", encoding="utf-8"
    )
    (project / "harness" / "train" / "__init__.py").write_text(
        "raise SystemExit('edited')\n", encoding="utf-8"
    )
    testbed.node_up("n1")

    assert_completes(swept)
    (submission,) = read_submissions(swept.folder)
    commit = subprocess.run(
        ["git", "-C", str(project), "rev-parse", "HEAD"], capture_output=True, text=True
    )
    for provenance in swept.provenances():
        code = (provenance.snapshot, provenance.commit, provenance.dirty)
        assert code == (submission.snapshot, commit.stdout.strip(), False)


def test_results_are_moved_and_code_is_edited_while_a_job_trains(testbed, tmp_path):
    """A process that takes the place of a dead one finds the edited code: it trains nothing, and no
    record is of it.
    """
    project = committed_copy(tmp_path / "project")
    swept = sweep(tmp_path, **LONG | {"evaluations": 20_000})
    told, _ = submitter(swept, PYTHONPATH=str(project)).communicate(timeout=60)
    assert "submitted: 1 job " in told
    swept.wait_for_event("first_step")
    moved = swept.results.rename(tmp_path / "moved")
    with open(project / "harness" / "train" / "__init__.py", "a", encoding="utf-8") as file:
        file.write("\n# edited\n")
    training = [
        each
        for node in ("n1", "n2")
        for each in testbed.job_processes(node)
        if b"spawn_main" in command_of(each)
    ]
    assert training
    for process in training:
        os.kill(process, signal.SIGKILL)
    wait_until(lambda: not testbed.slurm("squeue", "-h").strip(), 120, "the job ends")

    assert not [*moved.glob("runs/*.json"), *swept.results.glob("runs/*.json")]
    (output,) = (moved / "sweep" / "logs").glob("*_log.out")
    assert f"a training process got its code from {project / 'harness'}" in output.read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("full", ["runs", "."])
def test_a_disk_that_is_full_at_the_end(disk, testbed, tmp_path, full):
    swept = sweep(tmp_path, **LONG)
    small = disk(swept.results / full, "100m")
    swept.submit()
    swept.wait_for_event("checkpoint")
    small.fill()
    wait_until(lambda: swept.states() == {"crashed": 2}, 60, "the job ends")
    (why,) = swept.whys()
    silent = full == "." and why.startswith(
        "SLURM: FAILED"
    )  # there was no room for its worker's last word
    assert silent or "No space left on device" in why
    refused = swept.harness("submit", "--profile", str(swept.profile), "--yes")
    assert refused.exit_code in (2, 3)
    assert "No space left on device" in refused.output
    assert len(read_submissions(swept.folder)) == 1

    small.make_room()
    swept.submit()

    assert_completes(swept)
    assert [provenance.resumed for provenance in swept.provenances()] == [1, 1]


def test_a_disk_that_is_too_full_for_checkpoints(disk, testbed, tmp_path):
    swept = sweep(tmp_path, **LONG)
    disk(swept.results / "checkpoints").fill()
    swept.submit()
    assert_completes(swept)
    assert not swept.events("checkpoint")
    (run, *_) = swept.status()["runs"]
    assert (
        "No space left on device; training goes on without new checkpoints"
        in swept.harness("logs", run).output
    )


@pytest.mark.parametrize("where", ["runs", "."])
def test_a_folder_that_is_read_only(disk, testbed, tmp_path, where):
    swept = sweep(tmp_path)
    disk(swept.results / where).make_read_only()
    refused = swept.said("submit", "--profile", str(swept.profile), "--yes", exit_code=2)
    assert f"{swept.results / where}" in refused
    assert "Read-only file system" in refused
    assert testbed.slurm("squeue", "-h") == ""


def test_status_of_a_folder_that_is_read_only(disk, testbed, tmp_path):
    swept = sweep(tmp_path)
    results = disk(swept.results, "100m")
    testbed.drain()
    swept.submit()
    results.make_read_only()
    assert swept.states() == {"queued": 2}
    testbed.slurm("scancel", "--user", str(os.getuid()))
    assert swept.states() == {"cancelled": 2}
