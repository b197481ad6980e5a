"""Compiled code is kept for the next process, and never outlives its source."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.train.fused import compiled

pytestmark = pytest.mark.slow  # compiling takes longer than all other tests of a room

CALLEE = """
from package.compiled import part

@part
def addend(x):
    return 1.0
"""
CALLER = """
from package.callee import addend
from package.compiled import compiled

@compiled
def plus(x):
    return x + addend(x)
"""
MAIN = """
from package.caller import plus
print(plus(1.0), sum(plus.stats.cache_hits.values()))
"""


@pytest.fixture
def package(tmp_path):
    """A copy of `compiled` in a package where one file's function calls another's."""
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "compiled.py").write_text(Path(compiled.__file__).read_text())
    (folder / "callee.py").write_text(CALLEE)
    (folder / "caller.py").write_text(CALLER)
    return folder


def run(package, cache):
    """The result of plus(1) in a fresh process, and how many functions it had not to compile."""
    environment = {**os.environ, "PYTHONPATH": str(package.parent), "HARNESS_CACHE": str(cache)}
    done = subprocess.run([sys.executable, "-c", MAIN], capture_output=True, text=True, env=environment, check=True)
    assert not done.stderr
    result, hits = done.stdout.split()
    return float(result), int(hits)


def test_what_was_compiled_is_found_until_a_source_is_edited(package, tmp_path):
    """By a copy of the package too, such as a snapshot; an edit of a function in another file is seen."""
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere" / "package"
    assert run(package, cache) == (2.0, 0)
    shutil.copytree(package, elsewhere)
    assert run(elsewhere, cache) == (2.0, 1)
    (package / "callee.py").write_text(CALLEE.replace("1.0", "10.0"))
    assert run(package, cache) == (11.0, 0)
    (package / "callee.py").write_text(CALLEE)
    assert run(package, cache) == (2.0, 1)


def test_where_nothing_can_be_kept_everything_still_works(package, tmp_path, monkeypatch):
    """A cache that cannot be made costs time, not the result, and leaves nothing behind."""
    blocked, temporary = tmp_path / "file", tmp_path / "temporary"
    blocked.touch()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert run(package, blocked) == (2.0, 0)
    assert list(temporary.iterdir()) == []


def test_old_folders_are_removed(tmp_path, monkeypatch):
    """Of the folders of earlier versions, the last ones used stay."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    compiled.folder.cache_clear()
    root = tmp_path / "kernels"
    for age in range(30):
        old = root / f"old{age}"
        old.mkdir(parents=True)
        os.utime(old, (1e9 - age, 1e9 - age))
    try:
        new = compiled.folder("new")
    finally:
        compiled.folder.cache_clear()
    assert {path.name for path in root.iterdir()} == {"new", *(f"old{age}" for age in range(compiled.KEPT_FOLDERS - 1))}
    assert new == root / "new"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is of Linux")
def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
    """HARNESS_CACHE comes before XDG_CACHE_HOME, and that before the home folder."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "own"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert compiled.user_cache() == tmp_path / "own"
    monkeypatch.delenv("HARNESS_CACHE")
    assert compiled.user_cache() == tmp_path / "xdg" / "kan-mlp-harness"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert compiled.user_cache() == tmp_path / ".cache" / "kan-mlp-harness"


@pytest.mark.nightly
def test_the_process_that_compiles_makes_the_bits_of_those_that_load(tmp_path):
    """Adam on batches of classes, in a process with an empty cache and in the next one."""
    code = """
from harness.spec import Adam, MlpShape, Recipe, RunSpec, Task
from harness.tasks import resolve
from harness.train import fused_engine
recipe = Recipe(optimizer=Adam(name="adam", batch_size=30), max_evaluations=20)
run = RunSpec(task=resolve(Task(target="wine")), network=MlpShape(shape=(13, 6, 3)), recipe=recipe, seed=0)
pack = fused_engine.prepare([run])
state = fused_engine.advance(pack, fused_engine.begin(pack), 15)
print(state.lanes[0].optimiser.position_P.tobytes().hex())
"""
    own = {**os.environ, "HARNESS_CACHE": str(tmp_path)}
    seen = [
        subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    ]
    assert seen[0] == seen[1]
