"""What the doctor makes of clusters that are configured otherwise, and of jobs that saw otherwise."""

import errno
import math
import os
from pathlib import Path
from unittest.mock import Mock

import pytest

from harness.dispatch import doctor, node, probe, slurm
from harness.dispatch.cluster import Limits, Listed
from harness.dispatch.doctor import Association, Node
from harness.dispatch.node import Finding, NodeReport, Throughput, look_around, read_report, try_files
from harness.dispatch.probe import Talk
from harness.dispatch.profile import Profile
from harness.dispatch.sharing import _rate, throughput
from harness.dispatch.snapshot import Snapshot

GPU = Profile(partition="gpu", gpus=1, cpus=4, memory_gb=16)
PARTITION = (
    "PartitionName=gpu AllowGroups=ALL AllowAccounts=ALL AllowQos=ALL Default=YES GraceTime=0 MaxTime=2-00:00:00"
    " Nodes=n[1-2] PreemptMode=REQUEUE State=UP\n"
    "PartitionName=long AllowGroups=physics DenyAccounts=guests AllowQos=long Default=NO GraceTime=60"
    " MaxTime=UNLIMITED Nodes=n[1-2] PreemptMode=OFF State=DRAIN\n"
)
NODES = [
    Node("n1", 32, 128_000, 4, "mixed", {"a100": 2, "v100": 2}),
    Node("n2", 64, 500_000, 0, "idle"),
    Node("n3", 32, 128_000, 4, "down*"),
]
REPORT = NodeReport(
    host="n1",
    python="3.12.1",
    executable="/opt/python",
    harness="0.1.0",
    code="/results/.doctor/abc/0",
    cores=4,
    torch="2.9.0",
    torch_error="",
    torch_seconds=3.0,
    cuda_visible_devices="0",
    gpus=["A100"],
    gpu_driver=True,
    hello_at=100.0,
    answer_seen_at=101.0,
    files=[Finding("ok", "rename", "files appear whole or not at all")],
)
SNAPSHOT = Snapshot("abc", Path("/results/.doctor/abc"), "0123456789abcdef", False, (Path("/results/.doctor/abc/0"),))


def limits(largest_array: int = 1000, room: int = 10_000, has_accounting: bool = False, **configuration: str) -> Limits:
    return Limits(largest_array, room, has_accounting, {"SLURM_VERSION": "24.11.5"} | configuration)


def levels(findings) -> dict[str, str]:
    return {finding.what: finding.level for finding in findings}


# ------------------------------------------------------------------------------------------------------------- parsed
@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("5 sec", 5),
        ("300", 300),
        ("00:10:00", 600),
        ("2-12:00:00", 216_000),
        ("UNLIMITED", math.inf),
        ("INFINITE", math.inf),
    ],
)
def test_durations_as_slurm_prints_them(text, seconds):
    """Seconds with and without their unit, clocks with and without days, and no limit."""
    assert doctor.time_seconds(text) == seconds


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:2", {"": 2}),
        ("gpu:a100:4(S:0-1)", {"a100": 4}),
        ("gpu:a100:2(S:0,1),gpu:v100:1,gpu:a100:1,shard:8", {"a100": 3, "v100": 1}),
        ("shard:gpu:8", {}),
        ("(null)", {}),
    ],
)
def test_gpus_among_generic_resources(gres, gpus):
    """GPUs of all types are counted, and nothing else."""
    assert doctor.gpu_types_of(gres) == gpus
    assert doctor.gpus_of(gres) == sum(gpus.values())


def test_nodes_as_sinfo_prints_them():
    """A line a node; counts with a plus are of several."""
    assert doctor.parse_nodes("n1|32|128000+|gpu:a100:4(S:0-1)|mixed\n\n") == [
        Node("n1", 32, 128_000, 4, "mixed", {"a100": 4})
    ]


@pytest.mark.parametrize(
    ("state", "usable"),
    [("idle", True), ("allocated", True), ("mixed", True), ("idle*", False), ("drained", False), ("down", False)],
)
def test_nodes_that_take_jobs(state, usable):
    """Busy ones do, those that are down, drained or silent do not."""
    assert Node("n1", 1, 1, 0, state).is_usable == usable


# ------------------------------------------------------------------------------------------------------------ cluster
def test_one_controller_of_two_suffices():
    """A backup that is down is no matter while the first is up."""
    both = "Slurmctld(primary) at a is UP\nSlurmctld(backup) at b is DOWN\n"

    assert doctor.controller_finding(both).level == "ok"
    assert doctor.controller_finding(both.replace("UP", "DOWN")).level == "FAILED"


@pytest.mark.parametrize(
    ("known", "what", "level", "told"),
    [
        (limits(SLURM_VERSION="19.05.8"), "SLURM", "FAILED", "19.05.8"),
        (limits(SLURM_VERSION="20.02.1"), "SLURM", "ok", "20.02.1"),
        (limits(SLURM_VERSION=""), "SLURM", "FAILED", "unknown version"),
        (limits(largest_array=1), "arrays", "warning", "switched off"),
        (limits(largest_array=10), "arrays", "ok", "up to 10 jobs"),
        (limits(room=0), "room", "warning", "no more job"),
        (limits(room=3, has_accounting=True), "room", "ok", "3 more jobs of yours now (MaxJobCount, MaxSubmitJobs)"),
        (limits(TrackWCKey="Yes"), "wckey", "warning", "the profile gives none"),
        (limits(TrackWCKey="No"), "wckey", "ok", "none is needed"),
        (limits(JobRequeue="0"), "requeue", "ok", "as they ask for it (JobRequeue is off)"),
        (limits(MaxBatchRequeue="2"), "requeue", "ok", "after 2 times"),
        (limits(MinJobAge="10 sec"), "ended jobs", "warning", "for 10 s"),
        (limits(MinJobAge="10 sec", has_accounting=True), "ended jobs", "ok", "for 10 s"),
        (limits(MinJobAge="300 sec"), "ended jobs", "ok", "for 5 min"),
    ],
)
def test_what_a_configuration_means(known, what, level, told):
    """Each line of `scontrol show config` that a sweep hangs on is told, and judged."""
    (finding,) = [finding for finding in doctor.cluster_findings(known, GPU) if finding.what == what]

    assert finding.level == level
    assert told in finding.told
    assert bool(finding.next_move) == (level != "ok")


def test_a_wckey_of_the_profile_is_told():
    """A key is fine where keys are tracked, and where they are not it is said."""
    keyed = GPU.model_copy(update={"wckey": "sweeps"})

    assert doctor.wckey_finding({"TrackWCKey": "Yes"}, keyed) == Finding("ok", "wckey", "sweeps")
    assert "does not look at" in doctor.wckey_finding({"TrackWCKey": "No"}, keyed).told


def test_accounting_that_does_not_answer_is_a_warning():
    """No accounting is fine; one that is configured and silent is told with what it said."""
    assert doctor.accounting_finding(limits(), "disabled").level == "ok"
    assert doctor.accounting_finding(limits(has_accounting=True), None).level == "ok"
    silent = doctor.accounting_finding(limits(has_accounting=True), "connection refused")
    assert silent.level == "warning"
    assert "connection refused" in silent.told


@pytest.mark.parametrize(
    ("configuration", "partition", "level", "told"),
    [
        ({"PreemptType": "preempt/none", "PreemptMode": "OFF"}, {}, "ok", "left alone"),
        ({"PreemptType": "preempt/none", "PreemptMode": "OFF"}, {"PreemptMode": "REQUEUE"}, "ok", "left alone"),
        (
            {"PreemptType": "preempt/partition_prio", "PreemptMode": "REQUEUE"},
            {"PreemptMode": "OFF"},
            "ok",
            "left alone",
        ),
        (
            {"PreemptType": "preempt/partition_prio", "PreemptMode": "CANCEL"},
            {"PreemptMode": "REQUEUE"},
            "ok",
            "goes on",
        ),
        ({"PreemptType": "preempt/qos", "PreemptMode": "REQUEUE"}, {"PreemptMode": "OFF"}, "ok", "goes on"),
        ({"PreemptType": "preempt/qos", "PreemptMode": "CANCEL"}, {}, "warning", "does not come back"),
        ({"PreemptType": "preempt/qos", "PreemptMode": "GANG,SUSPEND"}, {}, "warning", "frozen"),
        (
            {"PreemptType": "preempt/qos", "PreemptMode": "REQUEUE", "PreemptExemptTime": "01:00:00"},
            {},
            "ok",
            "not in its first 60 min",
        ),
    ],
)
def test_what_preemption_does_to_a_job(configuration, partition, level, told):
    """The partition's mode counts where partitions preempt, the cluster's elsewhere."""
    finding = doctor.preemption_finding(configuration, partition)

    assert (finding.level, told in finding.told) == (level, True)


@pytest.mark.parametrize(
    ("grace", "kill", "level"), [("0", "5 sec", "warning"), ("0", "30 sec", "ok"), ("60", "1 sec", "ok")]
)
def test_the_time_to_save_is_grace_and_kill_wait(grace, kill, level):
    """Either suffices; less than ten seconds together is warned of."""
    assert doctor.save_finding(GPU, {"KillWait": kill}, {"GraceTime": grace}).level == level


# ---------------------------------------------------------------------------------------------------------- partition
def test_the_default_partition_is_taken_where_none_is_given():
    """Else those of the profile, of which there may be several."""
    partitions = doctor.parse_partitions(PARTITION)

    assert doctor.partition_names(Profile(), partitions) == ["gpu"]
    assert doctor.partition_names(Profile(partition="long,gpu"), partitions) == ["long", "gpu"]
    assert doctor.partition_names(Profile(), {}) == []


def findings_of(profile: Profile, name: str = "gpu", groups: tuple[str, ...] = (), **changed: str) -> list[Finding]:
    partitions = doctor.parse_partitions(PARTITION)
    partitions[name] = partitions.get(name, {}) | changed if name in partitions else partitions["gpu"]
    return doctor.partition_findings(name, profile, partitions, NODES, set(groups))


def test_a_partition_that_suits():
    """All is well: it is there, takes jobs for so long, and one of its two nodes with GPUs is up."""
    found = findings_of(GPU)

    assert levels(found) == {"partition": "ok", "time": "ok", "fit": "ok"}
    assert found[-1].told == "gpus 1, cpus 4, memory_gb 16: 1 of 3 nodes fit"
    typed = GPU.model_copy(update={"gpus": "v100:2", "memory_gb": None})
    assert findings_of(typed)[-1] == Finding("ok", "fit", "gpus v100:2, cpus 4: 1 of 3 nodes fit")


def test_gpus_without_types_are_asked_for_by_their_number():
    """Where SLURM names no types, the next move is the number alone."""
    finding = doctor.fit_finding(GPU.model_copy(update={"gpus": "a100:2"}), [Node("n1", 8, 64_000, 4, "idle", {"": 4})])

    assert (finding.level, finding.next_move) == ("FAILED", "gpus: 2, as its GPUs have no type")


@pytest.mark.parametrize(
    ("profile", "changed", "what", "next_move"),
    [
        (GPU, {"State": "DOWN"}, "partition", "choose another"),
        (GPU, {"MaxTime": "01:00:00"}, "time", "time_minutes: 60 or less"),
        (GPU, {"MaxTime": "00:30:00"}, "time", "time_minutes: 30 or less and job_minutes: 30 or less"),
        (GPU.model_copy(update={"gpus": 8}), {}, "fit", "gpus: 4 or less"),
        (GPU.model_copy(update={"cpus": 100}), {}, "fit", "cpus: 64 or less"),
        (GPU.model_copy(update={"memory_gb": 999.0}), {}, "fit", "memory_gb: 488 or less"),
        (Profile(cpus=4, memory_per_cpu_gb=200), {}, "fit", "memory_per_cpu_gb: 122 or less"),
        (GPU.model_copy(update={"gpus": "a10:1"}), {}, "fit", "gpus: did you mean 'a100'?"),
        (GPU.model_copy(update={"gpus": "a100:3"}), {}, "fit", "gpus: 2 or less"),
        (GPU.model_copy(update={"cpus": 64}), {}, "fit", "ask for less of one"),
        (GPU.model_copy(update={"account": "gusts"}), {"AllowAccounts": "guests,staff"}, "account", "mean 'guests'?"),
        (GPU.model_copy(update={"account": "guests"}), {"DenyAccounts": "guests"}, "account", "another"),
        (GPU.model_copy(update={"qos": "normal"}), {"AllowQos": "long"}, "qos", "long"),
        (GPU, {"AllowGroups": "physics,staff"}, "groups", "ask to be let in"),
    ],
)
def test_what_a_partition_refuses_is_told_with_what_it_takes(profile, changed, what, next_move):
    """Each refusal is one FAILED line, whose next move names the field to change."""
    failed = [finding for finding in findings_of(profile, **changed) if finding.level == "FAILED"]

    assert [finding.what for finding in failed] == [what]
    assert next_move in failed[0].next_move


def test_members_of_a_partitions_groups_are_let_in():
    """One group of several is enough."""
    assert levels(findings_of(GPU, groups=("users", "staff"), AllowGroups="physics,staff"))["partition"] == "ok"


def test_nodes_that_fit_but_are_down_are_a_warning():
    """Jobs wait for them; nothing about the profile is wrong."""
    finding = doctor.fit_finding(GPU, [NODES[2]])

    assert (finding.level, "1 more would" in finding.next_move) == ("warning", True)


@pytest.mark.parametrize(
    ("enforced", "level"), [("associations,limits,qos", "FAILED"), ("safe", "FAILED"), ("none", "warning")]
)
def test_an_account_that_is_not_the_users(enforced, level):
    """It fails where SLURM enforces accounts, and is a warning where it does not."""
    own = [Association("physics", "", ("normal", "long"))]

    (finding,) = doctor.association_findings(GPU.model_copy(update={"account": "physic"}), own, enforced)
    assert (finding.level, "did you mean 'physics'?" in finding.next_move) == (level, True)


def test_a_qos_counts_with_its_account():
    """A qos of another account of the user's is not one for this account."""
    own = doctor.parse_associations("physics||normal\nchemistry||normal,long\n")
    physics = GPU.model_copy(update={"account": "physics", "qos": "long"})

    assert levels(doctor.association_findings(physics, own, "qos")) == {"account": "ok", "qos": "FAILED"}
    chemistry = physics.model_copy(update={"account": "chemistry"})
    assert levels(doctor.association_findings(chemistry, own, "qos")) == {"account": "ok", "qos": "ok"}


# --------------------------------------------------------------------------------------------------------------- node
def test_a_node_that_has_everything():
    """All of its findings are ok."""
    profile = GPU.model_copy(update={"cpus": 4})
    found = probe.node_findings(profile, Talk(None, answered_at=100.5), REPORT._replace(torch=torch_here()), SNAPSHOT)

    assert set(levels(found).values()) == {"ok"}
    assert "commit 0123456789ab" in next(finding.told for finding in found if finding.what == "harness")


def torch_here() -> str:
    return probe.version("torch")


@pytest.mark.parametrize(
    ("changed", "what", "level", "told"),
    [
        ({"code": "/usr/lib/python3"}, "harness", "FAILED", "not from the snapshot"),
        ({"torch": None, "torch_error": "OSError: libcudart"}, "torch", "FAILED", "OSError: libcudart"),
        ({"torch": "1.0"}, "torch", "warning", "here it is"),
        ({"gpus": []}, "GPU", "FAILED", "torch sees 0 of 1; CUDA_VISIBLE_DEVICES is 0"),
        ({"gpus": [], "cuda_visible_devices": None}, "GPU", "FAILED", "CUDA_VISIBLE_DEVICES is not set"),
        ({"gpus": [], "gpu_driver": False}, "GPU", "warning", "no driver"),
        ({"can_requeue": False}, "requeue", "warning", "has no scontrol"),
        ({"cores": 1}, "CPUs", "warning", "1 may be used, 4 asked"),
        ({"answer_seen_at": None}, "visibility", "FAILED", "n1 did not see a file"),
        ({"answer_seen_at": 170.0}, "visibility", "warning", "within 70.0 s"),
        ({"hello_at": 200.0, "answer_seen_at": 201.0}, "clock", "warning", "100.0 s ahead (±0.5 s)"),
        ({"hello_at": 0.0, "answer_seen_at": 1.0}, "clock", "warning", "100.0 s behind (±0.5 s)"),
        (
            {"files": [Finding("FAILED", "hard link", "not permitted", "another")]},
            "hard link",
            "FAILED",
            "on n1: not permitted",
        ),
    ],
)
def test_what_a_node_lacks(changed, what, level, told):
    """Each lack is one line that is not ok, with a next move; the others stay ok."""
    report = REPORT._replace(**{"torch": torch_here()} | changed)
    found = probe.node_findings(GPU, Talk(None, answered_at=100.5), report, SNAPSHOT)

    wrong = [finding for finding in found if finding.level != "ok"]
    assert [(finding.what, finding.level) for finding in wrong] == [(what, level)]
    assert told in wrong[0].told
    assert wrong[0].next_move


@pytest.mark.parametrize(
    ("gpus", "packs", "seen", "level", "told"),
    [
        (0, 1, {"gpus": []}, "warning", "no GPU here: not measured"),
        (1, 4, {"gpus": []}, "warning", "no GPU here: not measured"),
        (1, 1, {}, "warning", "nothing to compare"),
        (1, 4, {"throughput_error": "HarnessError: 4 packs at a time: no memory"}, "FAILED", "no memory"),
        (1, 4, {"throughputs": [(1, 1000.0), (4, 2500.0)]}, "ok", "A100: 1,000 evaluations/s with 1 pack a GPU, 2,500"),
        (1, 4, {"throughputs": [(1, 1000.0), (4, 900.0)]}, "warning", "with 4 (0.90 times)"),
    ],
)
def test_what_sharing_a_gpu_brings(gpus, packs, seen, level, told):
    """A gain is told in numbers, and none is made up where there is no GPU."""
    if "throughputs" in seen:
        seen = {"throughputs": [Throughput("cuda", *each) for each in seen["throughputs"]]}
    finding = probe.sharing_finding(Profile(gpus=gpus, cpus=4, packs_per_gpu=packs), REPORT._replace(**seen))

    assert (finding.level, told in finding.told) == (level, True), finding
    assert bool(finding.next_move) == (level != "ok")


@pytest.mark.nightly
def test_what_packs_train_in_a_second_is_measured():
    """Two processes train side by side; without a GPU they share the processor, and it is said that they did."""
    measured = throughput("cpu", packs=2, seconds=2.0)

    assert measured[:2] == ("cpu", 2)
    assert measured.evaluations_per_second > 0


def test_the_rate_of_a_pack_needs_two_moments():
    """Evaluations between the first and the last word since all began; a pack that was silent since has none."""
    for said, rate in (
        ([(0.0, 5)], 0.0),
        ([(1.0, 5)], 0.0),
        ([(1.0, 5), (1.0, 6)], 0.0),
        ([(0.0, 1), (1.0, 5), (2.0, 8), (3.0, 11)], 3.0),
    ):
        assert _rate(said, 1.0) == rate, said


@pytest.mark.parametrize(
    ("printed", "why"),
    [
        (
            "sbatch: unrecognized option '--nicee=1'\nTry \"sbatch --help\" for more information\n",
            "unrecognized option '--nicee=1'",
        ),
        ("sbatch: fatal: --mem and --mem-per-cpu exclude each other.", "--mem and --mem-per-cpu exclude each other."),
        ("sbatch: error: no GPU asked\nsbatch: error: Invalid gres\n", "no GPU asked; Invalid gres"),
        ("allocation failure: Invalid feature specification\n", "allocation failure: Invalid feature specification"),
        ("", "it did not say why"),
    ],
)
def test_why_sbatch_refuses_is_the_line_that_says_so(printed, why):
    """Neither the hint at its help nor the last of several lines hides what was wrong."""
    assert slurm.why_refused(printed) == why


def test_a_slow_talk_does_not_pass_for_a_wrong_clock():
    """Where an answer took a minute, clocks may differ by half of it unnoticed: no warning."""
    slow = REPORT._replace(hello_at=100.0, answer_seen_at=180.0)

    assert probe.clock_finding(104.0, slow).level == "ok"


@pytest.mark.parametrize(
    ("listed", "log", "level", "what", "told"),
    [
        (Listed("4", "x", "PENDING", "Priority"), None, "warning", "probe job", "did not start within 2 min"),
        (Listed("4", "x", "PENDING", "PartitionTimeLimit"), None, "FAILED", "probe job", "would wait for ever"),
        (Listed("4", "x", "FAILED", "RaisedSignal"), None, "FAILED", "probe job", "cannot write into this results"),
        (Listed("4", "x", "FAILED", ""), "", "FAILED", "probe job", "it printed nothing"),
        (Listed("4", "x", "FAILED", ""), "a\nSegmentation fault\n", "FAILED", "probe job", "last: Segmentation fault"),
        (Listed("4", "x", "FAILED", ""), "No module named harness", "FAILED", "Python", "harness is not installed"),
        (
            Listed("4", "x", "FAILED", ""),
            "ModuleNotFoundError: No module named 'pydantic'",
            "FAILED",
            "Python",
            "pydantic is not installed",
        ),
        (None, None, "FAILED", "probe job", "unknown to squeue"),
    ],
)
def test_why_a_job_has_not_reported(listed, log, level, what, told):
    """Its state and what it printed say so; a full queue is no failure."""
    finding = probe.missing_finding(Talk(listed, log=log), 2.0)

    assert (finding.level, finding.what) == (level, what)
    assert told in finding.told
    assert finding.next_move


def test_a_probe_job_that_would_wait_for_ever_fails():
    """What keeps a sweep's job for ever does so here, with what to change; other limits and absent nodes warn."""
    for reason in (
        "JobHeldAdmin",
        "DependencyNeverSatisfied",
        "BadConstraints",
        "AssocMaxWallDurationPerJobLimit",
        "QOSMaxGRESPerJob",
        "QOSMaxCpuPerJobLimit",
        "QOSMaxCpuPerNode",
        "QOSMinMemory",
    ):
        finding = probe.missing_finding(Talk(Listed("4", "x", "PENDING", reason)), 2.0)
        assert (finding.level, finding.told.split(":")[0]) == ("FAILED", "would wait for ever"), reason
        assert "harness cancel" not in finding.next_move
    for reason, move in (
        ("AssocGrpCPUMinutesLimit", "name another account: or qos:"),
        ("PartitionDown", "choose another partition"),
        ("QOSMaxJobsPerUserLimit", "once enough of the others end"),
    ):
        finding = probe.missing_finding(Talk(Listed("4", "x", "PENDING", reason)), 2.0)
        assert (finding.level, move in finding.next_move) == ("warning", True), reason
    assert probe.missing_finding(Talk(Listed("4", "x", "REQUEUE_HOLD")), 2.0).level == "FAILED"


# -------------------------------------------------------------------------------------------------------------- files
def test_files_of_this_machine_do_what_is_asked(tmp_path):
    """A file system that a test can write to has links, renames and locks; nothing stays behind."""
    found = try_files(tmp_path)

    assert [finding.what for finding in found] == ["hard link", "rename", "exclusive", "fsync", "space"]
    assert {finding.level for finding in found[:-1]} == {"ok"}
    assert not list(tmp_path.iterdir())


def test_a_folder_that_nothing_can_be_written_to_is_one_line():
    """/proc takes no files: one FAILED line says so."""
    (finding,) = try_files(Path("/proc"))

    assert (finding.level, finding.what) == ("FAILED", "folder")


def test_a_file_system_without_hard_links_is_told(tmp_path, monkeypatch):
    """A lock takes their place, so it is a warning; where links fail otherwise, the line names what would be lost."""
    for number, level, told in (
        (errno.EPERM, "warning", "none here; a lock sees to it that the first to publish a record wins"),
        (errno.EIO, "FAILED", "without it not: the first to publish a record wins"),
    ):
        monkeypatch.setattr(node.os, "link", Mock(side_effect=OSError(number, os.strerror(number))))
        finding = try_files(tmp_path)[0]
        assert (finding.level, told in finding.told, bool(finding.next_move)) == (level, True, True)


def test_what_the_job_writes_is_what_is_read(tmp_path):
    """The job's function, run here with its answer already there, leaves a report of this machine."""
    (tmp_path / "answer.json").write_text("{}")

    look_around(str(tmp_path))

    report = read_report(tmp_path / "report.json")
    assert report.torch == torch_here()
    assert report.hello_at <= report.answer_seen_at
    assert report.files[0].what == "hard link"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answer.json", "hello.json", "report.json"]
