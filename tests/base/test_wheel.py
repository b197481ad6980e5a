"""The package works from its wheel, without a clone: in an environment and a folder of their
own.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import NamedTuple

import pytest
from made_submission import small

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("harness", "experiments", "slurm", "pyproject.toml", "README.md", "LICENSE")
# The pack of a replay that trains for the shortest time.
TRAIN_ONE = """
from pathlib import Path
from harness.spec.manifest import read_manifest
from harness.train import train_pack

manifest = read_manifest(Path("results/fig2_3_grid_extension-short"))
runs = {planned.run_id: planned.run for planned in manifest.runs}
first = min(manifest.packs, key=lambda pack: runs[pack[0]].recipe.max_evaluations)
train_pack([runs[run] for run in first], Path("results/runs"))
"""

pytestmark = pytest.mark.nightly


class Installed(NamedTuple):
    """An environment with the wheel, and an empty folder."""

    environment: Path
    folder: Path

    def run(self, *words: str, program: str = "harness") -> subprocess.CompletedProcess[str]:
        own = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(self.environment / "bin" / program), *words]
        return subprocess.run(command, cwd=self.folder, env=own, capture_output=True, text=True)

    def said(self, *words: str, program: str = "harness") -> str:
        done = self.run(*words, program=program)
        assert done.returncode == 0, done.stderr + done.stdout
        return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory) -> Path:
    """One that has the wheel, and of this one all that the wheel depends on."""
    source, environment = (tmp_path_factory.mktemp(name) for name in ("source", "environment"))
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(
                ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__")
            )
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", source, source], check=True)
    venv.create(environment)
    python = environment / "bin" / "python"
    (wheel,) = source.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # Paths alone: files of links in there, such as of this checkout, are not read.
    here = [path for path in sys.path if Path(path).name == "site-packages"]
    (packages / "dependencies.pth").write_text("\n".join(here), encoding="utf-8")
    return environment


@pytest.fixture
def installed(environment, tmp_path) -> Installed:
    found = Installed(environment, tmp_path)
    where = found.said("-c", "import harness; print(harness.__file__)", program="python")
    assert Path(where.strip()).is_relative_to(environment)
    return found


def test_shipped_experiments_are_listed_and_copied(installed):
    rows = json.loads(installed.said("list", "experiments", "--json"))["rows"]
    assert {row["experiment"] for row in rows} == {
        path.stem for path in (ROOT / "experiments").glob("*.yaml")
    }
    assert all(not Path(row["file"]).is_relative_to(ROOT) for row in rows)
    installed.said("new", "mine", "--from", "quickstart")
    copy = (installed.folder / "mine.yaml").read_text(encoding="utf-8")
    assert copy == (ROOT / "experiments" / "quickstart.yaml").read_text(encoding="utf-8")
    assert "mine.yaml: valid" in installed.said("validate", "mine.yaml")
    absent = installed.run("run", "experiments/quickstart.yaml")
    assert (absent.returncode, "`harness list experiments`" in absent.stderr) == (2, True)


def test_a_copy_of_the_quickstart_answers(installed):
    installed.said("new", "mine", "--from", "quickstart")
    answer = installed.said("run", "mine.yaml", "--scale", "tiny", "--set", "search.replicates=2")
    assert "Whose test RMSE is lower" in answer
    (report,) = (installed.folder / "results").glob("mine-tiny*/report.html")
    assert report.stat().st_size > 0


def test_jobs_run_the_code_of_the_wheel(installed):
    profiles = {
        row["profile"]: row["file"]
        for row in json.loads(installed.said("list", "profiles", "--json"))["rows"]
    }
    assert profiles.keys() == {"cpu", "gpu"}
    assert all(Path(file).is_relative_to(installed.environment) for file in profiles.values())
    (installed.folder / "two.yaml").write_text(small())
    assert "to submit: 2 runs" in installed.said("submit", "two.yaml", "--local", "1", "--dry-run")
    assert not (installed.folder / "results").exists()
    assert "2 planned, 2 done" in installed.said("submit", "two.yaml", "--local", "1", "--yes")
    (snapshot,) = (installed.folder / "results" / "snapshots").iterdir()
    assert [path.name for path in (snapshot / "0").iterdir()] == ["harness"]
    for path in (installed.folder / "results" / "runs").glob("*.json"):
        assert json.loads(path.read_text())["provenance"]["snapshot"] == snapshot.name


def test_a_replay_has_the_published_numbers_beside_its_runs(installed):
    """One run of Fig. 2.3 suffices for a page, which says that it is not whole."""
    absent = installed.run("replay", "fig2_3", "--scale", "short", "--partial")
    assert (absent.returncode, "has a record" in absent.stderr) == (3, True)
    installed.said("-c", TRAIN_ONE, program="python")
    told = installed.said("replay", "fig2_3", "--scale", "short", "--partial")
    assert " of 1 published points" in told
    page = (installed.folder / "results" / "fig2_3_grid_extension-short" / "replay.html").read_text(
        encoding="utf-8"
    )
    assert "published" in page


def section(name: str) -> list[str]:
    text = (ROOT / "slurm" / "harness.def").read_text(encoding="utf-8")
    body = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", text, re.DOTALL | re.MULTILINE)[1]
    return [line.strip() for line in body.splitlines() if line.strip()]


@pytest.mark.nightly
def test_the_lines_of_the_recipe_install_harness(tmp_path):
    inside, venv = tmp_path / "image", tmp_path / "venv"
    for line in section("files"):
        source, target = line.split()
        place = inside / target.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / source, place)
    subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True)
    own = next(venv.glob("lib/python*/site-packages"))
    (own / "libraries.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    environment = {"PATH": f"{venv / 'bin'}:/usr/bin:/bin", "HOME": str(tmp_path)}

    for line in [*section("post"), *section("test")]:
        command = line.replace("/opt/", f"{inside}/opt/")
        done = subprocess.run(
            ["sh", "-ec", command], env=environment, capture_output=True, text=True, cwd=tmp_path
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    where = "import harness; print(harness.__file__)"
    python = [venv / "bin" / "python", "-c", where]
    told = subprocess.run(python, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert Path(told.stdout.strip()).is_relative_to(own)
    assert (venv / "share" / "kan-mlp-harness" / "experiments" / "quickstart.yaml").exists()
