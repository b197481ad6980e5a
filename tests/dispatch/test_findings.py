"""What the doctor makes of clusters that are configured otherwise, and of jobs that saw
otherwise.
"""

import errno
import json
import math
import os
from importlib.metadata import version
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.dispatch import doctor, launch, node
from harness.dispatch.cluster import Limits, Listed
from harness.dispatch.doctor import Talk
from harness.dispatch.node import Finding, look_around, try_files
from harness.dispatch.profile import Profile
from harness.dispatch.snapshot import Snapshot

GPU = Profile(partition="gpu", gpus=1, cpus=4, memory_gb=16)
PARTITION = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=YES GraceTime=0 "
    "MaxTime=2-00:00:00"
    " Nodes=n[1-2] PreemptMode=REQUEUE State=UP\n"
    "PartitionName=long AllowGroups=physics DenyAccounts=guests AllowQos=long Default=NO "
    "GraceTime=60"
    " MaxTime=UNLIMITED Nodes=n[1-2] PreemptMode=OFF State=DRAIN\n"
)
SNAPSHOT = Snapshot(
    "abc",
    Path("/results/.doctor/abc"),
    "0123456789abcdef",
    False,
    (Path("/results/.doctor/abc/0"),),
)


def limits(has_accounting: bool = False, **configuration: str) -> Limits:
    return Limits(1000, 10_000, has_accounting, {"SLURM_VERSION": "24.11.5"} | configuration)


def with_(**changed) -> Profile:
    return GPU.model_copy(update=changed)


def told_well(found) -> dict[str, Finding]:
    """Findings by what they are about; each that is not ok has a next move, and no other has
    one.
    """
    by_name = {finding.what: finding for finding in found}
    assert all(bool(one.next_move) == (one.level != "ok") for one in by_name.values())
    return by_name


def test_durations_as_slurm_prints_them():
    seconds = {
        "5 sec": 5,
        "300": 300,
        "00:10:00": 600,
        "2-12:00:00": 216_000,
        "UNLIMITED": math.inf,
    }
    assert {text: doctor.time_seconds(text) for text in seconds} == seconds
    assert doctor.time_seconds("INFINITE") == math.inf


@pytest.mark.parametrize(
    ("known", "what", "level", "told"),
    [
        (limits(SLURM_VERSION="19.05.8"), "SLURM", "FAILED", "19.05.8"),
        (limits(SLURM_VERSION="20.02.1"), "SLURM", "ok", "20.02.1"),
        (limits(SLURM_VERSION=""), "SLURM", "FAILED", "unknown version"),
        (limits(MinJobAge="10 sec"), "ended jobs", "warning", "for 10 s"),
        (limits(MinJobAge="10 sec", has_accounting=True), "ended jobs", "ok", "for 10 s"),
        (limits(MinJobAge="300 sec"), "ended jobs", "ok", "for 5 min"),
    ],
)
def test_what_a_configuration_means(known, what, level, told):
    finding = told_well(doctor.cluster_rows(known))[what]
    assert (finding.level, told in finding.told) == (level, True), finding


def test_the_default_partition_is_taken_where_none_is_given():
    partitions = doctor.parse_partitions(PARTITION)
    assert doctor.partition_names(Profile(), partitions) == ["gpu"]
    assert doctor.partition_names(Profile(partition="long,gpu"), partitions) == ["long", "gpu"]
    assert doctor.partition_names(Profile(), {}) == []


def findings_of(profile: Profile, **changed: str) -> dict[str, Finding]:
    fields = {**doctor.parse_partitions(PARTITION)["gpu"], **changed}
    return told_well(doctor.partition_rows(profile, fields))


@pytest.mark.parametrize(
    ("changed", "what", "next_move"),
    [
        ({"State": "DOWN"}, "partition", "choose another"),
        ({"MaxTime": "01:00:00"}, "time", "time_minutes: 60 or less"),
        ({"MaxTime": "00:30:00"}, "time", "time_minutes: 30 or less and job_minutes: 30 or less"),
    ],
)
def test_where_a_job_would_wait_for_ever(changed, what, next_move):
    (failed,) = [
        finding for finding in findings_of(GPU, **changed).values() if finding.level == "FAILED"
    ]
    assert (failed.what, next_move in failed.next_move) == (what, True), failed


def rows_here(folder: Path, profile: Profile, torch: str | None = None) -> dict[str, Finding]:
    asked = {"profile": profile.model_dump(mode="json"), "torch": torch or version("torch")}
    (folder / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    look_around(folder)
    report = node.read(folder / "report.json")
    code = SNAPSHOT._replace(roots=(Path(report["code"]),))
    return told_well(doctor.reported_rows(report, code))


def test_what_a_node_lacks_is_told(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(node.importlib, "import_module", Mock(side_effect=OSError("libcudart")))
    monkeypatch.setattr(node.os, "link", Mock(side_effect=OSError(errno.EIO, "gone")))
    found = rows_here(tmp_path, with_(cpus=4096))
    lacks = {what: one.level for what, one in found.items() if one.level != "ok"}
    assert lacks.pop("GPU") in ("warning", "FAILED")
    assert lacks == {
        "torch": "FAILED",
        "hard link": "FAILED",
        "CPUs": "warning",
        "requeue": "warning",
    }
    assert "OSError: libcudart" in found["torch"].told
    assert "on " in found["hard link"].told


def test_another_torch_or_other_code_than_here_is_told(tmp_path):
    assert rows_here(tmp_path, Profile(), torch="1.0")["torch"].level == "warning"
    (finding,) = doctor.reported_rows({"harness": "0.0.1", "code": "/usr/lib/python3"}, SNAPSHOT)
    assert (finding.level, "not from the snapshot" in finding.told) == ("FAILED", True)


@pytest.mark.parametrize(
    ("gpus", "visible", "has_driver", "level", "told"),
    [
        (["A100"], "0", True, "ok", "torch sees 1 of 1 (A100); CUDA_VISIBLE_DEVICES is 0"),
        ([], "0", True, "FAILED", "torch sees 0 of 1; CUDA_VISIBLE_DEVICES is 0"),
        ([], None, False, "FAILED", "CUDA_VISIBLE_DEVICES is not set"),
        ([], "0", False, "warning", "no driver"),
    ],
)
def test_gpus_that_torch_sees(gpus, visible, has_driver, level, told):
    finding = node.gpu_row(GPU, gpus, visible, has_driver)
    assert (finding.level, told in finding.told) == (level, True), finding


def test_why_sbatch_refuses_is_the_line_that_says_so():
    hint, failed = (
        'Try "sbatch --help" for more information',
        "allocation failure: Invalid feature specification",
    )
    reasons = {
        f"sbatch: unrecognized option '--nicee=1'\n{hint}\n": "unrecognized option '--nicee=1'",
        (
            "sbatch: fatal: --mem and --mem-per-cpu exclude each other."
        ): "--mem and --mem-per-cpu exclude each other.",
        "sbatch: error: no GPU asked\nsbatch: error: Invalid gres\n": "no GPU asked; Invalid gres",
        f"{failed}\n": failed,
        "": "it did not say why",
    }
    assert {printed: launch.why_refused(printed) for printed in reasons} == reasons


ENDED = Listed("4", "x", "FAILED", "")
NO_PYDANTIC = "ModuleNotFoundError: No module named 'pydantic'"


@pytest.mark.parametrize(
    ("listed", "log", "level", "what", "told"),
    [
        (
            Listed("4", "x", "PENDING", "Priority"),
            None,
            "warning",
            "probe job",
            "did not start within 2 min",
        ),
        (
            Listed("4", "x", "PENDING", "PartitionTimeLimit"),
            None,
            "FAILED",
            "probe job",
            "would wait for ever",
        ),
        (Listed("4", "x", "REQUEUE_HOLD"), None, "FAILED", "probe job", "would wait for ever"),
        (
            Listed("4", "x", "PENDING", "AssocGrpCPUMinutesLimit"),
            None,
            "warning",
            "probe job",
            "did not start within",
        ),
        (ENDED, None, "FAILED", "probe job", "cannot write into this results"),
        (ENDED, "", "FAILED", "probe job", "it printed nothing"),
        (ENDED, "a\nSegmentation fault\n", "FAILED", "probe job", "last: Segmentation fault"),
        (ENDED, NO_PYDANTIC, "FAILED", "probe job", "No module named 'pydantic'"),
        (None, None, "FAILED", "probe job", "unknown to squeue"),
    ],
)
def test_why_a_job_has_not_reported(listed, log, level, what, told):
    finding = doctor.missing_row(Talk(listed, log=log), 2.0)
    assert (finding.level, finding.what) == (level, what)
    assert told in finding.told
    assert finding.next_move
    assert "harness cancel" not in finding.next_move


def test_a_folder_that_nothing_can_be_written_to_is_one_line():
    for folder in ("/proc", "/proc/results", "/proc/version"):
        (finding,) = doctor.try_results(Path(folder))
        assert (finding.level, finding.what, finding.told.startswith(f"{folder}: ")) == (
            "FAILED",
            "folder",
            True,
        )


def test_a_file_system_without_hard_links_is_told(tmp_path, monkeypatch):
    """A lock takes their place, so it is a warning; where links fail otherwise, the line names what
    would be lost.
    """
    for number, level, told in (
        (
            errno.EPERM,
            "warning",
            "none here; a lock sees to it that the first to publish a record wins",
        ),
        (errno.EIO, "FAILED", "so it is not sure that the first to publish a record wins"),
    ):
        monkeypatch.setattr(node.os, "link", Mock(side_effect=OSError(number, os.strerror(number))))
        (tmp_path / level).mkdir()
        finding = try_files(tmp_path / level)[0]
        assert (finding.level, told in finding.told, bool(finding.next_move)) == (level, True, True)
