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
# `at` is long and called often, so that it is not inlined: its code has a name in what is kept.
RECORDS = """
import numpy as np
from package.compiled import compiled, part

RECORDS = {
    "first": np.array([(1.0, 2.0)], np.dtype([("value", float), ("other", float)])),
    "second": np.array([(1.0, 2.0)], np.dtype([("other", float), ("value", float)])),
}

@part
def at(record, count):
    total = 0.0
    for i in range(count):
        total += np.exp(record.value) * np.sin(total + i) - np.cos(total) + np.sqrt(i) + np.tan(total)
    return record.value + 0 * total

@compiled
def first(records):
    return at(records[0], records.size) + at(records[0], 2 * records.size) - at(records[0], 3 * records.size)

@compiled
def second(records):
    return at(records[0], records.size) + at(records[0], 2 * records.size) - at(records[0], 3 * records.size)
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
    (folder / "records.py").write_text(RECORDS)
    return folder


def printed(package, cache, code):
    """What a fresh process prints, in words."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(package.parent),
        "HARNESS_CACHE": str(cache),
        "PYTHONHASHSEED": "0",
    }
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
    )
    assert not done.stderr
    return done.stdout.split()


def run(package, cache):
    """The result of plus(1) in a fresh process, and how many functions it had not to compile."""
    result, hits = printed(package, cache, MAIN)
    return float(result), int(hits)


def test_what_two_processes_compiled_does_not_mix_in_a_third(package, tmp_path):
    """numba gave both versions of `at` one name, so that the third process called the first one
    twice.
    """

    def values(*names):
        calls = ", ".join(f"records.{name}(records.RECORDS[{name!r}])" for name in names)
        return printed(package, tmp_path / "cache", f"from package import records; print({calls})")

    assert values("first") == ["1.0"]
    assert values("second") == ["2.0"]
    assert values("first", "second") == ["1.0", "2.0"]


def test_what_was_compiled_is_found_until_a_source_is_edited(package, tmp_path):
    cache, elsewhere = tmp_path / "cache", tmp_path / "elsewhere" / "package"
    assert run(package, cache) == (2.0, 0)
    shutil.copytree(package, elsewhere)
    assert run(elsewhere, cache) == (2.0, 1)
    (package / "callee.py").write_text(CALLEE.replace("1.0", "10.0"))
    assert run(package, cache) == (11.0, 0)
    (package / "callee.py").write_text(CALLEE)
    assert run(package, cache) == (2.0, 1)


def test_where_nothing_can_be_kept_everything_still_works(package, tmp_path, monkeypatch):
    blocked, temporary = tmp_path / "file", tmp_path / "temporary"
    blocked.touch()
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    assert run(package, blocked) == (2.0, 0)
    assert list(temporary.iterdir()) == []


def test_old_folders_are_removed(tmp_path, monkeypatch):
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
    assert {path.name for path in root.iterdir()} == {
        "new",
        *(f"old{age}" for age in range(compiled.KEPT_FOLDERS - 1)),
    }
    assert new == root / "new"


@pytest.mark.skipif(sys.platform != "linux", reason="XDG is of Linux")
def test_the_cache_is_where_the_user_wants_it(monkeypatch, tmp_path):
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
from harness.families import MlpShape
from harness.optimisers import Adam
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import resolve
from harness.train import fused_engine
recipe = Recipe(optimizer=Adam(name="adam", batch_size=30), max_evaluations=20)
run = RunSpec(task=resolve(Task(target="wine")), network=MlpShape(shape=(13, 6, 3)), recipe=recipe, seed=0)
pack = fused_engine.prepare([run])
state = fused_engine.advance(pack, fused_engine.begin(pack), 15)
print(state.optimiser.by_lane[0].position_P.tobytes().hex())
"""
    own = {**os.environ, "HARNESS_CACHE": str(tmp_path)}
    seen = [
        subprocess.run(
            [sys.executable, "-c", code], env=own, capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert seen[0] == seen[1]
