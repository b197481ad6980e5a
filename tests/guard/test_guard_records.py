"""Records, jobs and hashes of code go on to mean what they meant while code is moved."""

import itertools
import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import harness
from harness.base.provenance import ROOMS
from harness.families import FAMILIES
from harness.optimisers import OPTIMISERS
from harness.record.kept import KEPT_RECORDS, line_of, read_lines
from tests.guard.workplace import GUARD, ROOT, said

PACKAGE = Path(harness.__file__).parent
RECORDS = GUARD / "records"
FUSED = ("mlp", "kan", "spline_mlp")
ALIKE = ("device", "instruction_set", "versions")
# Modules that training loads and that `source_hash`, by which checkpoints know their code, leaves
# out. All but the last are harmless: what goes on from a checkpoint in another version of them
# comes out as if it had been trained in that one. The last is left out all the same, as the hash
# stays what it is while code is moved.
LEFT_OUT = {
    "harness": "its version, which checkpoints name besides",
    "harness.record": "names what its files have",
    "harness.record.code": "says which code trained the records of a plan",
    "harness.record.networks": "writes a trained network, and reads it back as it is",
    "harness.record.store": "how records appear whole, and when two are the same",
    "harness.record.schema": (
        "CURVE_POINTS, how many outputs a phase leaves: before a checkpoint, those of older code"
    ),
}


def in_process(*command: str, code: Path = ROOT, **options) -> subprocess.CompletedProcess:
    """A Python process, in the folder `code`, that takes the package from there."""
    options |= {"env": os.environ | {"PYTHONPATH": str(ROOT)}}  # for what is not in that folder
    return subprocess.run(
        [sys.executable, *command], cwd=code, capture_output=True, text=True, **options
    )


def content(record: Path) -> dict:
    return json.loads(record.read_text(encoding="utf-8"))


def test_records_are_read_and_sealed_again_to_the_same_bytes(tmp_path):
    """`harness merge` checks them and publishes them anew: those of every kind that there is."""
    said(f"merge {RECORDS} --results {tmp_path}")

    before = {path.name: path.read_bytes() for path in RECORDS.glob("*.json")}
    assert len(before) > 20
    assert {path.name: path.read_bytes() for path in (tmp_path / "runs").iterdir()} == before


def test_kept_records_are_read_and_kept_again_to_the_same_lines(tmp_path):
    kept = ROOT / "results" / "verdicts" / "fig3_1_toy_scaling" / KEPT_RECORDS
    said(f"merge {kept} --results {tmp_path}")

    lines = {identity: line.text for identity, line in read_lines(kept).by_run.items()}
    assert len(lines) > 400
    published = {
        path.stem: path.read_text(encoding="utf-8") for path in (tmp_path / "runs").iterdir()
    }
    assert {identity: line_of(text) for identity, text in published.items()} == lines


def test_every_engine_family_and_optimiser_has_a_record():
    records = [content(path) for path in RECORDS.glob("*.json")]
    runs = [record["run"] for record in records]
    trained = {
        (run["engine"], run["network"]["family"], run["recipe"]["optimizer"]["name"])
        for run in runs
    }

    of_torch = {("torch", *pair) for pair in itertools.product(FAMILIES, OPTIMISERS)}
    no_jacobian = ("module", "gated_mlp", "grouped_chebyshev", "transformer")
    without_jacobian = {("torch", family, "levenberg_marquardt") for family in no_jacobian}
    of_torch -= without_jacobian | {
        ("torch", "transformer", "lbfgs")
    }  # which sees other sequences at each evaluation
    assert of_torch <= trained
    assert {("fused", *pair) for pair in itertools.product(FUSED, OPTIMISERS)} <= trained
    assert {record["status"] for record in records} == {"done", "diverged"}
    assert {run["dtype"] for run in runs} == {"float64", "float32"}
    for field in ("phases", "pruned"):
        assert any(record.get(field) for record in records), field
    for metric in ("test_cross_entropy", "test_h1_error"):
        assert any(metric in (record["metrics"] or {}) for record in records), metric


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> tuple[dict, Path]:
    """What `train.py` says, which trains the runs of all records by a copy of the package; and the
    new records.
    """
    copy = tmp_path_factory.mktemp("copy")
    shutil.copytree(PACKAGE, copy / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / ".gitignore", copy)
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    report, records = _trained(copy, tmp_path_factory.mktemp("results"))
    if report[
        "was_cold"
    ]:  # a process that compiles its kernels comes to other last bits than those that load them
        report, records = _trained(copy, tmp_path_factory.mktemp("results"))
    return report, records


def _trained(copy: Path, results: Path) -> tuple[dict, Path]:
    done = in_process("-m", "tests.guard.train", str(results), code=copy)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), results / "runs"


def test_what_can_change_numbers_is_hashed(trained):
    """Every module that training loads is in snapshots, and in the hash of checkpoints but for
    those named above.
    """
    modules = trained[0]["modules"]

    assert len(modules) > 50
    assert {name for name, known in modules.items() if not known["source"]} == LEFT_OUT.keys()
    assert all(known["snapshot"] for known in modules.values())


def test_the_hash_of_checkpoints_names_no_folder_that_is_gone():
    """A folder without code would add nothing, and say nothing."""
    assert all(any((PACKAGE / room).rglob("*.py")) for room in ROOMS)


def test_what_kernels_are_compiled_from_is_in_their_key(trained):
    """The file of every compiled function, and of every name of the project that one uses."""
    compiled = {
        name: known["kernels"] for name, known in trained[0]["modules"].items() if known["compiled"]
    }

    assert len(compiled) > 5
    assert all(compiled.values()), compiled
    assert trained[0]["foreign"] == []


def test_training_comes_to_the_kept_records(trained, tmp_path):
    """Bit for bit where machine and libraries are those of the record; elsewhere within machines'
    tolerance.
    """
    shutil.copytree(RECORDS, tmp_path / "runs")
    found = json.loads(said(f"merge {trained[1]} --results {tmp_path} --json").splitlines()[1])
    assert len(found["same"]) + len(found["within_tolerance"]) == len(list(RECORDS.glob("*.json")))
    for path in trained[1].glob("*.json"):
        new, old = content(path), content(RECORDS / path.name)
        if all(new["provenance"][each] == old["provenance"][each] for each in ALIKE):
            assert (new["metrics"] or {}).items() >= (old["metrics"] or {}).items()
            assert new["counts"] == old["counts"]


def test_a_job_that_was_queued_before_trains(tmp_path):
    """Its script has `python -m harness.dispatch.worker FOLDER SUBMISSION PLACE`, its runs lie in a
    file.
    """
    shutil.copytree(GUARD / "queued", tmp_path / "poisson")
    job = ("-u", "-m", "harness.dispatch.worker", str(tmp_path / "poisson"), "0123456789ab", "0")
    silence, somebody_waits = os.pipe()
    with os.fdopen(silence), os.fdopen(somebody_waits, "w"):
        done = in_process(*job, stdin=silence)

    assert done.returncode == 0, done.stderr
    queued = json.loads(
        (GUARD / "queued" / "submissions" / "0123456789ab" / "job-0.json").read_text(
            encoding="utf-8"
        )
    )
    assert {path.stem for path in (tmp_path / "runs").glob("*.json")} == set(
        itertools.chain(*queued["ids"])
    )


def test_a_probe_job_reports(tmp_path):
    """`python -m harness.dispatch.node FOLDER` writes what it sees of its node."""
    asked = {"profile": {"partition": "long", "setup": ["true"]}, "torch": "2.0", "measure": False}
    (tmp_path / "asked.json").write_text(json.dumps(asked), encoding="utf-8")
    (tmp_path / "answer.json").write_text('{"at": 0}', encoding="utf-8")
    done = in_process("-m", "harness.dispatch.node", str(tmp_path), "0")

    assert done.returncode == 0, done.stderr
    assert "torch" in [what for _, what, *_ in content(tmp_path / "report.json")["rows"]]


def test_files_beside_the_code_are_installed_with_it():
    files = [
        path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")
    ]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = project["tool"]["setuptools"]["package-data"][PACKAGE.name]
    installed = set(itertools.chain.from_iterable(PACKAGE.glob(pattern) for pattern in patterns))

    assert set(files) <= installed
