"""The recipe of an image, `slurm/harness.def`: what it copies is enough for what it installs."""

import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


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
        done = subprocess.run(["sh", "-ec", command], env=environment, capture_output=True, text=True, cwd=tmp_path)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"

    where = "import harness; print(harness.__file__)"
    python = [venv / "bin" / "python", "-c", where]
    told = subprocess.run(python, env=environment, capture_output=True, text=True, cwd=tmp_path)
    assert Path(told.stdout.strip()).is_relative_to(own)
    assert (venv / "share" / "kan-mlp-harness" / "experiments" / "quickstart.yaml").exists()
