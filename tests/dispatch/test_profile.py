"""Profiles: those under slurm/ read, and a bad one is told its line and what was meant."""

import json
import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from harness.base.errors import USAGE, HarnessError
from harness.dispatch.profile import FIELD_OF, OURS, Profile, read_profile

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


@pytest.mark.parametrize("path", PROFILES, ids=lambda path: path.name)
def test_a_profile_of_ours_reads_as_it_stands(path):
    profile = read_profile(path)
    assert bool(profile.gpus) == (path.stem == "gpu")
    assert profile.slots == (profile.gpus or profile.cpus)


@pytest.mark.parametrize(
    "path", [path for path in PROFILES if path.stem != "testbed"], ids=lambda path: path.name
)
def test_a_profile_of_ours_shows_every_field(path, tmp_path):
    """With the comments taken away before its examples, a profile still reads, and has all fields
    there are.
    """
    text = with_its_examples(path.read_text(encoding="utf-8"))
    profile = read_profile(written(tmp_path, text))
    in_its_place = {"memory_per_cpu_gb"}  # of memory_gb, so that one of them is told of in words
    of_gpus = {"gpus", "gpus_option", "packs_per_gpu"} if path.stem == "cpu" else set()
    shown = set(YAML(typ="safe", pure=True).load(text))
    assert set(Profile.model_fields) - in_its_place - of_gpus <= shown
    assert all(f"{name}:" in text for name in in_its_place)
    assert profile.setup[:2][1].startswith("source ")
    assert profile.sbatch == {"nice": 100}


def test_what_a_job_trains_at_a_time_and_is_counted_in(tmp_path):
    for text, count, slots, devices in [
        ("gpus: 2", 2, 2, 2),
        ("gpus: a100:2", 2, 2, 2),
        ("gpus: 4090:1", 1, 1, 1),
        ("gpus: a100_80gb-sxm.2:1", 1, 1, 1),
        ("gpus: a100:2\npacks_per_gpu: 3\ncpus: 6", 2, 6, 2),
        ("gpus: 0\ncpus: 8", 0, 8, 8),
        ("memory_gb: 2", 0, 1, 1),
    ]:
        profile = read_profile(written(tmp_path, text))
        assert (profile.gpu_count, profile.slots, profile.devices) == (count, slots, devices)
        assert Profile.model_validate_json(profile.model_dump_json(), strict=True) == profile


def test_memory_is_asked_for_a_job_or_a_cpu_or_not_at_all(tmp_path):
    for text, total, per_cpu in [
        ("cpus: 1", 4.0, None),
        ("memory_gb: 8", 8.0, None),
        ("memory_gb: null", None, None),
        ("memory_per_cpu_gb: 2", None, 2.0),
        ("memory_gb: null\nmemory_per_cpu_gb: 2", None, 2.0),
    ]:
        profile = read_profile(written(tmp_path, text))
        assert (profile.memory_gb, profile.memory_per_cpu_gb) == (total, per_cpu)
        assert Profile.model_validate_json(profile.model_dump_json(), strict=True) == profile


def test_python_is_a_command_of_a_shell(tmp_path):
    for command in (
        "python3",
        "apptainer exec --nv --bind $SCRATCH 'my image.sif' python3",
        "~/venv/bin/python",
    ):
        assert read_profile(written(tmp_path, f"python: {command}\n")).python == command


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "gpus: 1\npartitoin: gpu\n",
            "mine.yaml:2: partitoin: unknown field; did you mean 'partition'?",
        ),
        ("gpus: 1\n\ntime: 30\n", "mine.yaml:3: time: unknown field; allowed: partition, account,"),
        ("cpus: 0\n", "mine.yaml:1: cpus=0: input should be greater than 0"),
        (
            "gpus: -1\n",
            (
                "mine.yaml:1: gpus: -1 is neither a number of GPUs nor TYPE:NUMBER; give `1`, or "
                "`a100:1`"
            ),
        ),
        ("gpus: one\n", "mine.yaml:1: gpus: 'one' is neither"),
        ("gpus: a100:0\n", "gpus: 'a100:0' is neither"),
        ("gpus: true\n", "gpus: True is neither"),
        ("gpus: a100:1,v100:1\n", "is neither"),
        (
            "gpus: 1\ngpus_option: gress\n",
            "mine.yaml:2: gpus_option=\"gress\": did you mean 'gres'?",
        ),
        ("packs_per_gpu: 2\n", "packs_per_gpu: 2 needs GPUs to share; give gpus:"),
        (
            "gpus: a:2\npacks_per_gpu: 2\ncpus: 3\n",
            "cpus: 3 is too few for packs_per_gpu: 2 on 2 GPUs",
        ),
        ("sbatch: {mem-per-gpu: 8G}\n", "mem-per-gpu needs `memory_gb: null` beside it"),
        (
            "srun: [a]\n",
            "srun: 'a' does not begin with -; write an option and its value as --option=value",
        ),
        ("srun: [--ntasks=2]\n", "mine.yaml:1: srun: --ntasks=2 is set by the harness itself"),
        ("srun: [-n2]\n", "-n2 is set by the harness itself"),
        (
            "python: module load x; python\n",
            "is not one command; what must happen before it is a line of setup:",
        ),
        ("python: 'a && b'\n", "is not one command"),
        ("python: ''\n", "is not one command"),
        ('python: /a "b\n', "no closing quotation; close the quote"),
        (
            "sbatch: {clusters: x}\n",
            "clusters sends jobs to another cluster, where squeue of this one does not see",
        ),
        ("sbatch: {M: x}\n", "M sends jobs to another cluster"),
        ("sbatch: {cluster: x}\n", "cluster sends jobs to another cluster"),
        ("sbatch: {J: x}\n", "mine.yaml:1: sbatch: 'J' is not the long name of an option"),
        ("sbatch: {mail_type: END}\n", "'mail_type' is not the long name of an option"),
        ("sbatch: {--nice: 1}\n", "'--nice' is not the long name of an option"),
        (
            "sbatch: {x: false}\n",
            "mine.yaml:1: sbatch.x: false says nothing to sbatch; leave the option out",
        ),
        (
            "sbatch: {x: 1.5}\n",
            "mine.yaml:1: sbatch.x: 1.5 is no value of an option; give text, a whole number",
        ),
        ("sbatch: {x: null}\n", "sbatch.x: None is no value of an option"),
        (
            "sbatch: {gres: 'gpu:1'}\n",
            "sbatch: gres: gpu:1 asks for GPUs; use `gpus:` with `gpus_option: gres`",
        ),
        ("sbatch: {gres: 'gres/gpu:a100:1'}\n", "asks for GPUs; use `gpus:`"),
        (
            "gpus: 1\ngpus_option: gres\nsbatch: {gres: 'a:1'}\n",
            "gres: a:1 would take the place of gpus: 1",
        ),
        (
            "setup: module load\n",
            'mine.yaml:1: setup="module load": a list is expected; write ["module load"]',
        ),
        ("gpus: 1\ngpus: 2\n", "mine.yaml:2: gpus is given twice; keep one"),
        ("- gpus\n", "mine.yaml: expected fields such as partition:, account:, qos:"),
        ("gpus: [1\n", "mine.yaml:1: not YAML: this [ is not closed"),
        (
            "time_minutes: 2\njob_minutes: 1\n",
            "time_minutes: 2 leaves no minute to train before save_seconds: 120",
        ),
        ("job_minutes: 90\ntime_minutes: 60\n", "job_minutes: 90 is more than time_minutes: 60"),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_was_meant(tmp_path, text, told):
    assert told in complaint(tmp_path, text)


def test_a_line_break_ends_up_in_no_script(tmp_path):
    broken = "--a\ntouch x"
    in_lists = {"setup": [broken], "srun": [broken], "sbatch": {"comment": broken}}
    for field in (
        "partition",
        "account",
        "qos",
        "constraint",
        "exclude",
        "wckey",
        "python",
        *in_lists,
    ):
        told = complaint(tmp_path, json.dumps({field: in_lists.get(field, broken)}))
        assert "has a line break, which would end up in the job's script" in told
        assert len(told.splitlines()) == 1
    assert "is not the long name of an option" in complaint(
        tmp_path, json.dumps({"sbatch": {broken: 1}})
    )


def test_what_has_a_field_is_no_other_option(tmp_path):
    cut_short = {"gpus-per-no": "gpus", "part": "partition", "mem-per-c": "memory_per_cpu_gb"}
    for name, field in (FIELD_OF | cut_short).items():
        told = complaint(tmp_path, f"sbatch:\n  {name}: 1\n")
        assert told == f"mine.yaml:2: sbatch.{name} has a field of its own; use `{field}:`"


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("spelled", ["{}", "--{}", "{:.4}"])
def test_options_that_promises_hang_on_are_not_taken(tmp_path, name, spelled):
    told = complaint(tmp_path, f"sbatch:\n  {spelled.format(name)}: 1\n")
    assert "is set by the harness itself; leave it out" in told


def test_a_missing_profile_is_a_sentence(tmp_path):
    with pytest.raises(
        HarnessError, match="No such file or directory; give the path of a cluster profile"
    ):
        read_profile(tmp_path / "none.yaml")
