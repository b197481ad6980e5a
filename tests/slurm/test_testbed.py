"""slurm/testbed is a real SLURM: what its help and the tests that stand on it take for granted."""

import os
import re
import signal
from pathlib import Path

import pytest
from real_slurm import Bed, command_of, down, environment_of, processes, script, up, wait_until

pytestmark = pytest.mark.slurm

WRITTEN_BY_DEFAULT = ["/run", "/etc/munge", "/etc/slurm", "/etc/mysql"] + [
    f"/var/{place}/{name}"
    for place in ("log", "lib", "spool")
    for name in ("munge", "slurm", "mysql", "slurmd")
]  # where SLURM, Munge and MariaDB keep files when they are not told otherwise


def submit(bed: Bed, output: Path, script: str, *options: str) -> str:
    return bed.slurm(
        "sbatch",
        "--parsable",
        f"--output={output}",
        "--open-mode=append",
        "--mem=1G",
        *options,
        "--wrap",
        script,
    )


def wait_for_state(bed: Bed, job_id: str, state: str, timeout_seconds: float = 30) -> None:
    wait_until(
        lambda: bed.job(job_id)["JobState"] == state, timeout_seconds, f"job {job_id} is {state}"
    )


def processes_of(folder: Path) -> list[int]:
    path = os.fsencode(folder)
    return [
        process
        for process in processes()
        if path in command_of(process) or path in environment_of(process)
    ]


def files_written_by_default() -> set[Path]:
    return {file for place in WRITTEN_BY_DEFAULT for file in Path(place).rglob("*")}


def test_two_idle_nodes_with_two_gpus_each(testbed):
    lines = testbed.slurm("sinfo", "-hN", "-o", "%N %P %T %c %G").splitlines()
    assert sorted(lines) == [
        f"{node} {name} idle 4 gpu:fake:2" for node in ("n1", "n2") for name in ("gpu*", "urgent")
    ]


@pytest.mark.parametrize(
    ("options", "devices"),
    [
        (["--gpus-per-node=1"], "0"),
        (["--gpus-per-node=2"], "0,1"),
        (["--ntasks=1", "--gpus-per-task=1"], "0"),
        (["--gres=gpu:2"], "0,1"),
        ([], "none"),
    ],
)
def test_a_job_sees_its_gpus(testbed, options, devices):
    assert (
        testbed.slurm("srun", *options, "sh", "-c", "echo ${CUDA_VISIBLE_DEVICES:-none}") == devices
    )


def test_sacct_with_accounting(accounting_testbed, tmp_path):
    job = submit(accounting_testbed, tmp_path / "out", "exit 3", "--account=testbed")
    wait_for_state(accounting_testbed, job, "FAILED")
    asked = ["sacct", "-nXPj", job, "-o", "State,ExitCode,Account"]
    wait_until(
        lambda: accounting_testbed.slurm(*asked) == "FAILED|3:0|testbed",
        20,
        "sacct shows the failure",
    )


def test_up_twice_is_harmless(testbed):
    before = processes_of(testbed.folder)
    again = script("up", "--folder", str(testbed.folder))
    assert again.returncode == 0
    assert again.stdout.startswith("already up")
    assert processes_of(testbed.folder) == before


def test_env_points_a_shell_to_it(testbed, tmp_path):
    assert (
        script("env", "--folder", str(testbed.folder)).stdout
        == f"export SLURM_CONF={testbed.conf}\n"
    )
    nothing = script("env", "--folder", str(tmp_path))
    assert nothing.returncode == 1
    assert "no testbed is up" in nothing.stderr


def test_no_outgoing_connection_can_take_a_port(testbed):
    """Ports are chosen seconds before daemons bind them, and beds that start beside this one
    connect meanwhile.
    """
    first, last = map(int, Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split())
    ports = [int(port) for port in re.findall(r"Port=(\d+)", testbed.conf.read_text())]
    assert len(ports) >= 3
    assert not [port for port in ports if first <= port <= last]


def test_down_leaves_nothing(tmp_path):
    before = files_written_by_default()
    bed = up(tmp_path / "bed", "--accounting")
    hidden = tmp_path / "hidden"
    submit(bed, tmp_path / "out", f"setsid sh -c 'echo $$ > {hidden}; sleep 300' & wait")
    wait_until(
        lambda: hidden.exists() and hidden.read_text().endswith("\n"), 30, "the job has started"
    )
    assert Path(f"/proc/{hidden.read_text().strip()}").exists()
    down(bed.folder)
    assert not Path(f"/proc/{hidden.read_text().strip()}").exists()
    assert processes_of(bed.folder) == []
    assert not bed.folder.exists()
    assert files_written_by_default() == before
    assert script("down", "--folder", str(bed.folder)).stdout.startswith("was not up")


def test_a_killed_keeper_takes_its_daemons_along(tmp_path):
    bed = up(tmp_path / "bed")
    os.kill(int((bed.folder / "testbed.keeper").read_text()), signal.SIGKILL)
    wait_until(lambda: not processes_of(bed.folder), 10, "the daemons end")
    up(bed.folder)
    assert bed.slurm("sinfo", "-hN", "-p", "gpu", "-o", "%T").split() == ["idle", "idle"]
    down(bed.folder)


@pytest.mark.usefixtures("testbed")  # skipped where that cannot be had
def test_a_daemon_that_dies_is_shown(tmp_path):
    failed = script("up", "--folder", str(tmp_path / "bed"), "--cpus-per-node", "99999")
    assert failed.returncode == 1
    assert "slurmctld ended with 1" in failed.stderr
    assert "CPUs value (99999) is greater than 65535" in failed.stderr
    assert processes_of(tmp_path / "bed") == []


@pytest.mark.usefixtures("testbed")
def test_a_folder_of_others_is_refused(tmp_path):
    (tmp_path / "mine").write_text("precious")
    refused = script("up", "--folder", str(tmp_path))
    assert refused.returncode == 1
    assert "choose another --folder" in refused.stderr
    assert (tmp_path / "mine").read_text() == "precious"
