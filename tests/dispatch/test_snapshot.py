"""Snapshots: the code that was there when they were taken, nothing else, and it is what runs."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from commands import refused

import harness
from harness.base import provenance
from harness.base.errors import HarnessError
from harness.base.provenance import checkout_around, commit_and_dirty
from harness.dispatch import snapshot as snapshots
from harness.dispatch.snapshot import check_code, check_snapshot, take_snapshot

SOURCE = Path(harness.__file__).parent
WHO_AND_WHAT = (
    "import json, harness, harness.base.provenance as provenance; "
    "print(json.dumps([harness.__version__, harness.__file__, *provenance.code()]))"
)


def _git(checkout: Path, *arguments: str) -> str:
    named = (
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "protocol.file.allow=always",
    )
    command = ["git", "-C", str(checkout), *named, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _commit(checkout: Path) -> str:
    _git(checkout, "add", "-A")
    _git(checkout, "commit", "-q", "-m", "all")
    return _git(checkout, "rev-parse", "HEAD")


def _files(folder: Path) -> set[str]:
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if not path.is_dir() or path.is_symlink()
    }


@pytest.fixture
def checkout(tmp_path):
    """A git checkout with a package `small`, a script, a link and something that git ignores."""
    root = tmp_path / "checkout"
    (root / "small").mkdir(parents=True)
    (root / "small/__init__.py").write_text("SAYS = 'old'\n")
    (root / "run.sh").write_text("echo\n")
    (root / "run.sh").chmod(0o755)
    (root / "link").symlink_to("run.sh")
    (root / ".gitignore").write_text("*.log\n")
    (root / "noise.log").write_text("ignored")
    _git(tmp_path, "init", "-q", str(root))
    _commit(root)
    return root


def _taken(checkout: Path, targets=(), results: Path | None = None) -> snapshots.Snapshot:
    return take_snapshot(
        (results or checkout / "results") / "snapshots", targets, checkout / "small"
    )


def _run(snapshot: snapshots.Snapshot, code: str, cwd: Path) -> str:
    path = os.pathsep.join(map(str, snapshot.roots))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=cwd, env=environment, check=True, capture_output=True, text=True
    ).stdout.strip()


def test_jobs_run_this_package_as_it_was_and_know_its_hash(tmp_path):
    project = tmp_path / "project"
    shutil.copytree(SOURCE, project / "harness", ignore=shutil.ignore_patterns("__pycache__"))
    _git(tmp_path, "init", "-q", str(project))
    commit = _commit(project)
    snapshot = take_snapshot(tmp_path / "results" / "snapshots", [], project / "harness")
    (project / "harness/__init__.py").write_text("__version__ = 'edited'\n")
    version, file, *code = json.loads(_run(snapshot, WHO_AND_WHAT, cwd=project))
    assert version == harness.__version__
    assert Path(file).is_relative_to(snapshot.path)
    assert code == [commit, False, snapshot.hash]
    check_snapshot(Path(file).parents[1])  # what Python has compiled there is no change


def test_outside_of_snapshots_code_is_known_by_its_commit():
    here = checkout_around(SOURCE / "__init__.py")
    code = provenance.code.__wrapped__()
    assert (code.commit, code.snapshot) == (_git(here, "rev-parse", "HEAD") if here else None, None)


def test_a_snapshot_has_what_git_has_and_what_it_does_not_ignore(checkout):
    (checkout / "small/__init__.py").write_text("SAYS = 'changed'\n")
    (checkout / "new.py").write_text("")
    (checkout / "gone.py").write_text("")
    _git(checkout, "add", "gone.py")
    (checkout / "gone.py").unlink()
    (checkout / "small/__pycache__").mkdir()
    (checkout / "small/__pycache__/a.pyc").write_text("")

    snapshot = _taken(checkout)

    (root,) = snapshot.roots
    assert _files(root) == {".gitignore", "link", "new.py", "run.sh", "small/__init__.py"}
    assert (root / "small/__init__.py").read_text() == "SAYS = 'changed'\n"
    assert os.access(root / "run.sh", os.X_OK)
    assert not (root / "new.py").stat().st_mode & 0o111
    assert (root / "link").readlink() == Path("run.sh")
    assert (snapshot.commit, snapshot.dirty) == (_git(checkout, "rev-parse", "HEAD"), True)


@pytest.mark.parametrize(
    "command",
    [
        "echo >> small/__init__.py",
        "touch new.py",
        "rm run.sh",
        "mv run.sh other.sh",
        "chmod -x run.sh",
        "ln -sfn small link",
        "rm link; cp run.sh link",
    ],
)
def test_every_change_makes_another_hash_and_is_noticed(checkout, command):
    snapshot = _taken(checkout)
    check_snapshot(snapshot.roots[0])
    subprocess.run(command, shell=True, check=True, cwd=checkout)
    assert _taken(checkout).hash != snapshot.hash
    subprocess.run(command, shell=True, check=True, cwd=snapshot.roots[0])
    with pytest.raises(
        HarnessError, match=f"{snapshot.hash} was changed after it was taken"
    ) as caught:
        check_snapshot(snapshot.roots[0])
    assert caught.value.exit_code == 3


def test_the_same_content_is_copied_once(checkout, tmp_path):
    (checkout / "new.py").write_text("")
    first = _taken(checkout)
    made = (first.roots[0] / "new.py").stat().st_mtime_ns
    commit = _commit(checkout)
    second = _taken(checkout)
    assert (second.hash, second.path) == (first.hash, first.path)
    assert (first.dirty, second.dirty, second.commit) == (True, False, commit)
    assert (first.roots[0] / "new.py").stat().st_mtime_ns == made
    assert [path.name for path in first.path.parent.iterdir()] == [first.hash]


def test_a_snapshot_that_was_edited_is_not_taken_for_the_code(checkout):
    (_taken(checkout).roots[0] / "small/__init__.py").write_text("SAYS = 'edited'\n")
    assert "remove it and submit again" in refused(_taken, checkout)


def test_two_at_once_are_harmless(checkout):
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(lambda _: _taken(checkout), range(8)))
    assert len(set(taken)) == 1
    check_snapshot(taken[0].roots[0])
    assert [path.name for path in taken[0].path.parent.iterdir()] == [taken[0].hash]


@pytest.mark.parametrize("results", ["results", "."])
def test_results_in_the_checkout_are_not_code(checkout, results):
    folder = checkout / results
    before = _taken(checkout, results=folder)
    kept = (
        "runs/a.json",
        "data/a.npz",
        "networks/a.npz",
        "checkpoints/a.checkpoint",
        "calibrations/a.json",
    )
    for name in (*kept, "toys/manifest.json", "toys/a.png"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    _git(checkout, "add", "-f", str(folder / "runs"))
    after = _taken(checkout, results=folder)
    assert after.hash == before.hash
    (folder / "LOG.md").write_text("a file that was written by hand")
    assert _taken(checkout, results=folder).hash != before.hash


def test_a_checkout_reached_through_a_link_is_the_same(checkout, tmp_path):
    (tmp_path / "home").symlink_to(checkout)
    direct, linked = _taken(checkout), _taken(tmp_path / "home")
    assert (linked.hash, linked.commit) == (direct.hash, direct.commit)
    assert linked.roots == (
        tmp_path / "home/results/snapshots" / direct.hash / "0",
    )  # as the nodes know the place


def test_code_that_is_too_large_is_refused(checkout):
    with open(checkout / "data.bin", "wb") as file:
        file.truncate(201 * 10**6)
    with pytest.raises(
        HarnessError, match=r"at most 200 MB .*data\.bin 201 MB.*let \.gitignore name"
    ):
        _taken(checkout)
    assert not (checkout / "results").exists()


def test_a_file_that_cannot_be_copied_is_named(checkout):
    (checkout / "results").write_text("a file")
    told = (
        r"snapshots: code cannot be copied there \(Not a directory.*; mend that, or choose "
        r"another --results"
    )
    with pytest.raises(HarnessError, match=told) as caught:
        _taken(checkout)
    assert caught.value.exit_code == 3


def test_results_that_are_kept_are_no_code(checkout):
    before = _taken(checkout)
    for name, is_dirty in (
        ("results/verdicts/quick/records.jsonl.xz", False),
        ("results/LOG.md", False),
        ("small/results/verdicts/one.py", True),
    ):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).write_text("")
        assert commit_and_dirty(checkout)[1] is is_dirty
    added = _files(_taken(checkout).path) - _files(before.path)
    assert added == {"0/results/LOG.md", "0/small/results/verdicts/one.py"}


def test_a_package_outside_of_git_is_copied_itself(checkout, tmp_path):
    installed = checkout / ".venv/site-packages"
    for name in ("small", "other"):
        (installed / name).mkdir(parents=True)
        (installed / name / "__init__.py").write_text("")
    (checkout / ".gitignore").write_text("/.venv/\n")
    (tmp_path / "plain").mkdir()
    shutil.copytree(installed / "small", tmp_path / "plain/site-packages/small")
    ignored = take_snapshot(tmp_path / "results/snapshots", [], installed / "small")
    outside = take_snapshot(
        tmp_path / "results/snapshots", [], tmp_path / "plain/site-packages/small"
    )
    assert ignored == outside
    assert (ignored.commit, ignored.dirty) == (None, None)
    assert _files(ignored.path) == {"harness-snapshot.json", "0/small/__init__.py"}


def test_checkouts_inside_are_left_out(checkout, tmp_path):
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "code.py").write_text("")
    _git(inner, "init", "-q")
    _commit(inner)
    _git(checkout, "submodule", "add", "-q", str(inner), "vendor/inner")
    shutil.copytree(inner, checkout / "loose")
    snapshot = _taken(checkout)
    assert not any("code.py" in name for name in _files(snapshot.path))


@pytest.fixture
def script(tmp_path, monkeypatch):
    """A folder outside of git, which the user works in: a target, the module that it imports, and
    much else.
    """
    folder = tmp_path / "work"
    folder.mkdir()
    code = "import snapshot_neighbour\ndef f(x): return snapshot_neighbour.N * x[:, 0]\n"
    (folder / "snapshot_target.py").write_text(code)
    (folder / "snapshot_neighbour.py").write_text("N = 2\n")
    (folder / "unrelated.py").write_text("")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [*sys.path])
    yield folder
    for name in ("snapshot_target", "snapshot_neighbour"):
        sys.modules.pop(name, None)


def test_a_target_of_the_users_comes_along_with_what_it_imports(checkout, script, tmp_path):
    snapshot = _taken(checkout, ["xy", "snapshot_target:f"])
    assert _files(snapshot.path / "1") == {"snapshot_target.py", "snapshot_neighbour.py"}
    (script / "snapshot_neighbour.py").write_text("N = 3\n")
    said = _run(
        snapshot,
        "import small, snapshot_target as target; print(target.snapshot_neighbour.N)",
        cwd=script,
    )
    assert said == "2"


def test_a_target_in_a_checkout_brings_the_checkout_along(checkout, script, tmp_path):
    _git(script, "init", "-q")
    elsewhere = _taken(checkout, ["snapshot_target:f"])
    assert elsewhere.roots == (elsewhere.path / "0", elsewhere.path / "1")
    assert "unrelated.py" in _files(elsewhere.path / "1")
    shutil.rmtree(script / ".git")
    inside = checkout / "experiments"
    shutil.copytree(script, inside)
    sys.modules.pop("snapshot_target")
    sys.path.insert(0, str(inside))
    together = _taken(checkout, ["snapshot_target:f"])
    assert together.roots == (together.path / "0", together.path / "0/experiments")
    assert (
        _run(
            together,
            "import snapshot_target as target; print(target.snapshot_neighbour.N)",
            cwd=script,
        )
        == "2"
    )


def test_a_target_that_cannot_be_imported_is_named(checkout):
    assert "target no_such_module:f: importing no_such_module failed" in refused(
        _taken, checkout, ["no_such_module:f"]
    )


def test_code_from_elsewhere_than_the_snapshot_is_refused(checkout, tmp_path, monkeypatch):
    (tmp_path / "own.py").write_text("def target(x): return x")
    monkeypatch.syspath_prepend(tmp_path)
    taken = take_snapshot(tmp_path / "snapshots", ["own:target"])
    with pytest.raises(
        HarnessError, match=rf"^harness would come from .*, not from the snapshot {taken.path};"
    ):
        check_code(taken.path, [])

    checks = (
        "import sys; from pathlib import Path; from harness.dispatch.snapshot import check_code; "
    )
    checks += "check_code(Path(sys.argv[1]), ['xy', 'own:target'])"

    def told(*roots: Path) -> str:
        path = os.pathsep.join(map(str, roots))
        environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
        command = [sys.executable, "-c", checks, str(taken.path)]
        return subprocess.run(command, env=environment, capture_output=True, text=True).stderr

    assert told(*taken.roots) == ""
    assert f"own would come from {tmp_path / 'own.py'}, not from the snapshot" in told(
        taken.roots[0], tmp_path
    )
    shutil.rmtree(taken.path)
    assert f"snapshot {taken.path} is not there; submit again" in told(*taken.roots)
