"""The package works from its wheel, without a clone.

pytest -m slow tests/base/test_wheel.py
"""

import json
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BUILT_FROM = ("harness", "experiments", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def harness_of_wheel(tmp_path_factory):
    """The `harness` of an environment that has the wheel, and of this one all that the wheel depends on."""
    source, environment = (tmp_path_factory.mktemp(name) for name in ("source", "environment"))
    for name in BUILT_FROM:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source)
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--wheel-dir", source, source], check=True)
    venv.create(environment)
    python = environment / "bin" / "python"
    (wheel,) = source.glob("*.whl")
    subprocess.run([*pip, "--python", python, "install", "--no-deps", wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return environment / "bin" / "harness"


@pytest.mark.slow
def test_shipped_experiments_are_listed_copied_and_valid(harness_of_wheel, tmp_path):
    """In an empty folder; what is shipped is what is in experiments/."""

    def said(*words: str) -> str:
        done = subprocess.run([harness_of_wheel, *words], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    rows = json.loads(said("list", "experiments", "--json"))["rows"]
    assert {row["experiment"] for row in rows} == {path.stem for path in (ROOT / "experiments").glob("*.yaml")}
    assert all(not Path(row["file"]).is_relative_to(ROOT) for row in rows)
    said("new", "mine", "--from", "quickstart")
    assert (tmp_path / "mine.yaml").read_text(encoding="utf-8") == (ROOT / "experiments" / "quickstart.yaml").read_text(
        encoding="utf-8"
    )
    assert "mine.yaml: valid" in said("validate", "mine.yaml")
