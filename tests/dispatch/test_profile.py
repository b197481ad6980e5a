"""Profiles: those under slurm/ read, and a bad one is told its line and what was meant."""

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.dispatch.profile import OURS, Profile, read_profile
from harness.errors import USAGE, HarnessError

PROFILES = sorted((Path(__file__).parents[2] / "slurm").glob("*.yaml"))


def written(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def complaint(folder: Path, text: str) -> str:
    """What is said of a profile with this text, without the path before it."""
    path = written(folder, text)
    with pytest.raises(HarnessError) as caught:
        read_profile(path)
    assert caught.value.exit_code == USAGE
    return str(caught.value).replace(str(path), "mine.yaml")


def with_its_examples(text: str) -> str:
    """The profile with the fields that it shows in comments."""
    return re.sub(r"^# (?=\w+:|  [-\w])", "", text, flags=re.MULTILINE)


def test_there_are_profiles_for_gpus_for_cpus_and_for_the_testbed():
    """slurm/ has one profile a kind of cluster."""
    assert [path.name for path in PROFILES] == ["cpu.yaml", "gpu.yaml", "testbed.yaml"]


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_profile_of_ours_reads_as_it_stands(path):
    """Every profile under slurm/ reads, and asks for what its name says."""
    profile = read_profile(path)

    assert bool(profile.gpus) == (path.stem != "cpu")
    assert profile.slots == (profile.gpus or profile.cpus)


@pytest.mark.parametrize("path", [path for path in PROFILES if path.stem != "testbed"], ids=lambda path: path.name)
def test_a_profile_of_ours_shows_every_field(path, tmp_path):
    """With the comments taken away before its examples, a profile still reads, and has all fields there are."""
    text = with_its_examples(path.read_text(encoding="utf-8"))

    profile = read_profile(written(tmp_path, text))

    assert set(Profile.model_fields) - {"gpus"} <= set(YAML(typ="safe", pure=True).load(text))
    assert len(profile.setup) == 2
    assert profile.sbatch == {"nice": 100}


def test_defaults_hold_for_what_is_left_out(tmp_path):
    """A profile of one line is one: the cluster's default partition, one CPU."""
    profile = read_profile(written(tmp_path, "memory_gb: 2\n"))

    assert (profile.partition, profile.gpus, profile.slots, profile.device_unit) == (None, 0, 1, "core")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("gpus: 1\npartitoin: gpu\n", "mine.yaml:2: partitoin: unknown field; did you mean 'partition'?"),
        ("gpus: 1\n\ntime: 30\n", "mine.yaml:3: time: unknown field; allowed: partition, account,"),
        ("cpus: 0\n", "mine.yaml:1: cpus=0: input should be greater than 0"),
        ("gpus: -1\n", "mine.yaml:1: gpus=-1: input should be greater than or equal to 0"),
        ("gpus: one\n", 'mine.yaml:1: gpus="one": input should be a valid integer'),
        ("setup: module load cuda\n", 'mine.yaml:1: setup="module load cuda": input should be a list'),
        ("gpus: 1\ngpus: 2\n", "mine.yaml:2: gpus is given twice; keep one"),
        ("- gpus\n", "mine.yaml: expected fields such as partition:, account:, qos:"),
        ("gpus: [1\n", "mine.yaml:2: not YAML"),
        ("time_minutes: 2\njob_minutes: 1\n", "time_minutes: 2 leaves no minute to train before save_seconds: 120"),
        ("job_minutes: 90\ntime_minutes: 60\n", "job_minutes: 90 is more than time_minutes: 60"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(tmp_path, text, told):
    """The sentence names file, line, field and value, and the nearest spelling or what is allowed."""
    assert told in complaint(tmp_path, text)


def test_every_mistake_has_a_line(tmp_path):
    """Two mistakes are two lines."""
    lines = complaint(tmp_path, "gpu: 1\ncpus: 0\n").splitlines()

    assert sorted(line.split(": ")[0] for line in lines) == ["mine.yaml:1", "mine.yaml:2"]


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("spelled", ["{}", "--{}"])
def test_options_that_promises_hang_on_are_not_taken(tmp_path, name, spelled):
    """sbatch: takes any option but those that the harness sets itself, however they are spelled."""
    assert "is set by the harness itself; leave it out" in complaint(
        tmp_path, f"sbatch:\n  {spelled.format(name)}: 1\n"
    )


def test_a_missing_profile_is_a_sentence(tmp_path):
    """A path at which there is nothing is named, with what to give."""
    with pytest.raises(HarnessError, match="No such file or directory; give the path of a cluster profile"):
        read_profile(tmp_path / "none.yaml")
