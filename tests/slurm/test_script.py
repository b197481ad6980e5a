"""What each field of a profile becomes in a job's script, what sbatch says to it, and that odd
paths are quoted.
"""

import itertools
import shlex
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from sweeps import assert_completes, only_job, sweep

from harness.base.errors import HarnessError
from harness.dispatch.cluster import try_script
from harness.dispatch.launch import script_text
from harness.dispatch.profile import Profile

pytestmark = pytest.mark.slurm
SRUN = "srun --unbuffered --output LOG --cpu-bind=none --ntasks=1"
PYTHON = shlex.quote(sys.executable)
COMMAND = "-u -m harness.dispatch.worker FOLDER 5ub ${SLURM_ARRAY_TASK_ID:-0}"
# For each field of Profile: values of it, and perhaps of others, with the lines that they bring;
# and words that sbatch refuses the script with, where the testbed lacks what is asked for.
CASES: dict[str, list[tuple[dict, list[str], str | None]]] = {
    "partition": [({"partition": "urgent"}, ["#SBATCH --partition=urgent"], None)],
    "account": [({"account": "my group"}, ["#SBATCH --account='my group'"], None)],
    "qos": [({"qos": "a;b"}, ["#SBATCH --qos='a;b'"], None)],
    "constraint": [
        ({"constraint": "a100&ib"}, ["#SBATCH --constraint='a100&ib'"], "Invalid feature")
    ],
    "exclude": [({"exclude": "n[2-2]"}, ["#SBATCH --exclude='n[2-2]'"], None)],
    "gpus": [
        ({"gpus": 0}, [], None),
        ({"gpus": 1}, ["#SBATCH --gpus-per-node=1"], None),
        ({"gpus": "fake:2"}, ["#SBATCH --gpus-per-node=fake:2"], None),
        ({"gpus": "a100:1"}, ["#SBATCH --gpus-per-node=a100:1"], "node configuration"),
    ],
    "gpus_option": [
        ({"gpus": "fake:1", "gpus_option": "gres"}, ["#SBATCH --gres=gpu:fake:1"], None),
        ({"gpus": 2, "gpus_option": "gres"}, ["#SBATCH --gres=gpu:2"], None),
        ({"gpus": "fake:1", "gpus_option": "gpus"}, ["#SBATCH --gpus=fake:1"], None),
        ({"gpus_option": "gpus"}, [], None),
    ],
    "packs_per_gpu": [
        ({"gpus": 1, "packs_per_gpu": 2, "cpus": 2}, ["#SBATCH --gpus-per-node=1"], None)
    ],
    "cpus": [({"cpus": 3}, ["#SBATCH --cpus-per-task=3", "export SRUN_CPUS_PER_TASK=3"], None)],
    "memory_gb": [
        ({"memory_gb": 1.5}, ["#SBATCH --mem=1536MB"], None),
        ({"memory_gb": None}, [], None),
        (
            {"memory_gb": None, "gpus": 1, "sbatch": {"mem-per-gpu": "1G"}},
            ["#SBATCH --mem-per-gpu=1G"],
            None,
        ),
        ({"memory_gb": 900}, ["#SBATCH --mem=921600MB"], "node configuration"),
    ],
    "memory_per_cpu_gb": [({"memory_per_cpu_gb": 2}, ["#SBATCH --mem-per-cpu=2048MB"], None)],
    "job_minutes": [({"job_minutes": 5}, [], None)],
    "time_minutes": [({"time_minutes": 50}, ["#SBATCH --time=50"], None)],
    "save_seconds": [({"save_seconds": 200}, ["#SBATCH --signal=USR2@200"], None)],
    "checkpoint_seconds": [({"checkpoint_seconds": 5}, [], None)],
    "jobs_at_once": [
        ({"jobs_at_once": 7}, [], None)
    ],  # of several, which the script of one job does not show
    "setup": [
        (
            {"setup": ["module load 'a b' # it's", "x=$y"]},
            ["module load 'a b' # it's", "x=$y"],
            None,
        )
    ],
    "srun": [
        (
            {"srun": ["--container-image=/a b/c.sqsh", "--container-mounts=/a:/a"]},
            [f"{SRUN} '--container-image=/a b/c.sqsh' --container-mounts=/a:/a {PYTHON} {COMMAND}"],
            None,
        )
    ],
    "python": [
        ({"python": "'/my envs/bin/python'"}, [f"{SRUN} '/my envs/bin/python' {COMMAND}"], None),
        (
            {"python": "apptainer exec --nv --bind $SCRATCH,~/a image.sif python3"},
            [f"{SRUN} apptainer exec --nv --bind $SCRATCH,~/a image.sif python3 {COMMAND}"],
            None,
        ),
    ],
    "share": [({"share": "group"}, [], None)],
    "wckey": [
        ({}, ["#SBATCH --wckey=''"], None),
        ({"wckey": "my sweeps"}, ["#SBATCH --wckey='my sweeps'"], None),
    ],
    "wandb": [({"wandb": "offline"}, [], None)],
    "sbatch": [
        (
            {
                "sbatch": {
                    "nice": 100,
                    "comment": "it's $HOME; a b",
                    "exclusive": True,
                    "mail-type": "END",
                }
            },
            [
                "#SBATCH --nice=100",
                "#SBATCH --comment='it'\"'\"'s $HOME; a b'",
                "#SBATCH --exclusive",
                "#SBATCH --mail-type=END",
            ],
            None,
        ),
        ({"sbatch": {"nicee": 1}}, ["#SBATCH --nicee=1"], "unrecognized option '--nicee=1'"),
    ],
}


def test_every_field_has_a_case():
    assert set(CASES) == set(Profile.model_fields)


def test_what_each_field_becomes(testbed, tmp_path):
    folder, script = tmp_path / "it's here; $HOME", tmp_path / "script.sh"
    quoted = {"LOG": shlex.quote(f"{folder}/%A_%a_%t_log.out"), "FOLDER": shlex.quote(str(folder))}
    plain = lines_of({"memory_gb": None}, folder)
    for fields, expected, refusal in itertools.chain(*CASES.values()):
        lines = lines_of({"memory_gb": None} | fields, folder)
        for word, path in quoted.items():
            expected = [line.replace(word, path) for line in expected]
        assert set(expected) <= set(lines), fields
        assert expected or lines == plain, fields
        options = [line.partition("=")[0] for line in lines if line.startswith("#SBATCH")]
        assert len(options) == len(set(options)), fields
        script.write_text("\n".join(lines) + "\n", encoding="utf-8")
        subprocess.run(["bash", "-n", str(script)], check=True)
        with nullcontext() if refusal is None else pytest.raises(HarnessError, match=refusal):
            assert "to start at" in try_script(script), fields
    assert "--mem" not in "".join(plain)
    assert "#SBATCH --mem=4096MB" in lines_of({}, folder)


def lines_of(fields: dict, folder: Path) -> list[str]:
    job = ("harness.dispatch.worker", str(folder), "5ub")
    return script_text(
        Profile(**fields), "harness-x-5ub", folder, ["/snap shots/0"], *job
    ).splitlines()


def test_a_sweep_whose_paths_and_fields_need_quotes(testbed, tmp_path):
    folder = tmp_path / 'it\'s $HOME; a "b"'
    wrapper = folder / "my envs" / "python3"
    wrapper.parent.mkdir(parents=True)
    wrapper.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
    wrapper.chmod(0o755)
    made = sweep(
        folder,
        sizes=(20, 30),
        gpus="fake:1",
        gpus_option="gres",
        packs_per_gpu=2,
        cpus=2,
        memory_gb=None,
        memory_per_cpu_gb=1,
        job_minutes=10,
        setup=[f"export place={shlex.quote(str(wrapper.parent))}"],
        python='env A="a b" "$place/python3"',
        srun=["--comment=a b'c"],
    )

    made.submit("--idle-gpus")
    assert_completes(made)
    (begun,) = made.events("begun")
    assert begun["snapshot"]
    (submission,) = made.submissions()
    assert (submission.slots, submission.devices) == (2, 1)


def test_a_results_folder_that_slurm_would_rename(testbed, tmp_path):
    """SLURM changes % and backslashes in the path of a log: such a folder is refused, and nothing
    is sent off.
    """
    for name in ("100%", "per%jcent", "back\\slash"):
        (tmp_path / name).mkdir()
        made = sweep(tmp_path / name)
        done = made.said("submit", "--profile", str(made.profile), "--yes", exit_code=2)
        assert (
            "SLURM changes % and \\ in the path of a log; choose another results folder: --results"
            in done
        )
        assert not made.submissions()


def test_a_job_without_scontrol_says_that_it_timed_out(testbed, tmp_path):
    """As in a container: it does not promise to start again, and the next submission takes it
    up.
    """
    without = tmp_path / "bin"
    without.mkdir()
    made = sweep(
        tmp_path, evaluations=20_000, python=f"env PATH={without} {shlex.quote(sys.executable)}"
    )
    made.submit()
    made.wait_for_event("checkpoint")
    testbed.slurm("scancel", "--signal=USR2", only_job(testbed))
    made.wait_for_event("ended")
    assert [(event["why"], event["requeued"]) for event in made.events("ended")] == [
        ("timed out", False)
    ]
    made.wait_for_states({"timed out": 2})
