"""What results take on disk, and `harness clean`: of what real runs left it removes what nobody
needs, and no more.
"""

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple
from unittest.mock import Mock

import pytest
from commands import invoke, said
from made_submission import send_off

import harness
from harness.base.errors import HarnessError
from harness.base.files import STALE_SECONDS, UNFINISHED
from harness.cli import main
from harness.dispatch import leftovers as module
from harness.dispatch.events import EventLog
from harness.dispatch.launch import log_path
from harness.dispatch.leftovers import (
    KINDS,
    NOTABLE_BYTES,
    OnDisk,
    disk_bytes,
    on_disk,
    removable,
    remove,
)
from harness.dispatch.profile import Profile
from harness.dispatch.submission import keep_number
from harness.record.store import record_path
from harness.show.disk import disk_words, size_words
from harness.spec.manifest import read_manifest
from harness.spec.run import pack_key
from harness.train import PackStopped, Supervisor, train_pack

EXPERIMENT = """
question: What is left?
tasks: [{{target: {target}}}]
arms: {{mlp: {{architecture: {{family: mlp, hidden: [3]}}, recipe: some}}}}
recipes: {{some: {{optimizer: {{name: adam, learning_rate: 0.01}}, max_evaluations: {evaluations}}}}}
seeds: {seeds}
engine: torch
keep: networks
"""
XY = "xy, train_points: 40, validation_points: 10, test_points: 10"
ROWS = "{data: rows.csv, output: y}"
LONG = 200_000  # evaluations, which take minutes

pytestmark = pytest.mark.slow


class Swept(NamedTuple):
    """A folder of experiment files, whose results are in it."""

    folder: Path

    @property
    def results(self) -> Path:
        return self.folder / "results"

    def write(self, name: str, seeds: list[int], target: str = XY, evaluations: int = 20) -> None:
        text = EXPERIMENT.format(target=target, seeds=seeds, evaluations=evaluations)
        (self.folder / f"{name}.yaml").write_text(text)

    def harness(
        self, command: str, name: str | None = None, *options: str, exit_code: int = 0
    ) -> str:
        files = [self.folder / f"{name}.yaml"] if name else []
        return said(command, *files, *options, "--results", self.results, exit_code=exit_code)

    def told(self, command: str, name: str | None = None) -> dict[str, Any]:
        files = [self.folder / f"{name}.yaml"] if name else []
        return json.loads(invoke(command, *files, "--json", "--results", self.results).stdout)

    def clean(self, *kinds: str) -> str:
        return self.harness("clean", None, "--yes", *(f"--{kind}" for kind in kinds))

    def train(self, name: str) -> None:
        self.harness("plan", name, "--replan")
        runs = [planned.run for planned in read_manifest(self.results / name).runs]
        train_pack(runs, self.results / "runs", networks=self.results / "networks")

    def runs(self, name: str) -> list[str]:
        return read_manifest(self.results / name).run_ids()

    def earlier_runs(self) -> set[str]:
        plan = json.loads((self.results / "sweep" / "manifest.1.json").read_text())
        return {planned["run_id"] for planned in plan["runs"]}

    def inside(self, paths: Iterable[Path | str]) -> set[str]:
        return {str(Path(path).relative_to(self.results)) for path in paths}

    def files(self) -> set[str]:
        """All files by their paths, those of a snapshot by its folder."""
        files = self.inside(path for path in self.results.rglob("*") if path.is_file())
        return {
            "/".join(file.split("/")[:2]) if file.startswith("snapshots/") else file
            for file in files
        }

    def leftovers(self) -> dict[str, set[str]]:
        rows = removable(on_disk(self.results))
        return {kind: self.inside(row.path for row in rows.get(kind, ())) for kind in KINDS}

    def shown(self, name: str | None = None) -> dict[str, set[str]]:
        """The same, as `harness clean` says it, of an experiment or of all."""
        rows = self.told("clean", name)["removable"]
        return {kind: self.inside(rows[kind]["paths"]) for kind in KINDS}


def _stopped(swept: Swept, name: str) -> str:
    """The checkpoint of the pack of an experiment, of which training was stopped; where its file
    is.
    """
    runs = [planned.run for planned in read_manifest(swept.results / name).runs]
    elsewhere = swept.folder / f"for_{name}"
    shutil.copytree(swept.results / "data", elsewhere / "data")
    told = iter([False])  # to stop, after a step
    supervisor = Supervisor(stop=lambda: next(told, True))
    with pytest.raises(PackStopped):
        train_pack(
            runs,
            elsewhere / "runs",
            supervisor=supervisor,
            checkpoints=swept.results / "checkpoints",
        )
    return f"checkpoints/{pack_key(swept.runs(name))}.checkpoint"


def _aged(path: Path, seconds: float = STALE_SECONDS) -> None:
    long_ago = time.time() - 2 * seconds
    os.utime(path, (long_ago, long_ago))


class Made(NamedTuple):
    """The folder, and what can be removed of it by kind."""

    swept: Swept
    expected: dict[str, set[str]]


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Made:
    swept = Swept(tmp_path_factory.mktemp("swept"))
    rows = "a,y\n" + "".join(f"{row},{row * row}\n" for row in range(60))
    (swept.folder / "rows.csv").write_text(rows)
    swept.write("sweep", [0, 1])
    swept.write("other", [2, 3])
    swept.write("going", [5])
    swept.write("lost", [9])
    swept.write("own", [0], ROWS)
    swept.harness("submit", "sweep", "--local", "1", "--yes")
    first = swept.runs("sweep")
    swept.write("sweep", [1, 2])
    swept.train("sweep")
    assert swept.runs("sweep") != first
    swept.train("other")
    for name in ("going", "lost", "own"):
        swept.harness("plan", name)
    swept.write("gone", [7, 8], ROWS)
    swept.train("gone")
    gone = swept.runs("gone")
    networks = {f"networks/{path.name}" for path in (swept.results / "networks").iterdir()}
    expected = {
        "checkpoints": {_stopped(swept, name) for name in ("sweep", "gone", "lost")},
        "snapshots": {f"snapshots/{path.name}" for path in (swept.results / "snapshots").iterdir()},
        "networks": networks - {f"networks/{run}.npz" for run in gone},
        "logs": {
            f"sweep/logs/{path.name}" for path in (swept.results / "sweep" / "logs").iterdir()
        },
    }
    _stopped(swept, "going")
    for name in ("gone", "lost"):
        shutil.rmtree(swept.results / name)
    broken = swept.results / "checkpoints" / f"{'0' * 16}.checkpoint"
    broken.write_text("harness checkp")
    _aged(broken)
    expected["checkpoints"].add(f"checkpoints/{broken.name}")
    return Made(swept, expected)


@pytest.fixture
def swept(made, tmp_path) -> Swept:
    shutil.copytree(made.swept.folder, tmp_path / "swept", symlinks=True)
    return Swept(tmp_path / "swept")


def test_what_is_shown_is_what_nobody_needs(made, swept):
    before = swept.files()
    shown = swept.harness("clean")
    assert swept.leftovers() == swept.shown() == made.expected
    assert swept.files() == before
    assert all(f"│ {kind} " in shown for kind in made.expected)
    assert shown.endswith(
        f"name the kinds to remove, as in `harness clean --results {swept.results} --checkpoints`\n"
    )


def test_status_says_how_much_disk_results_take(swept):
    for snapshot in (swept.results / "snapshots").iterdir():
        (snapshot / "large").write_bytes(bytes(NOTABLE_BYTES))
    told = swept.told("status", "sweep")["disk_bytes"]
    sizes = {path: path.lstat().st_size for path in swept.results.rglob("*") if path.is_file()}
    assert told["total"] == sum(sizes.values())
    for what, folder in (
        ("records", "runs"),
        ("networks", "networks"),
        ("snapshots", "snapshots"),
        ("data", "data"),
    ):
        below = swept.results / folder
        assert (
            told[what]
            == sum(size for path, size in sizes.items() if path.is_relative_to(below))
            > 0
        )
    shown = swept.harness("status", "sweep")
    assert f"disk: {swept.results}/ takes {size_words(told['total'])} (records " in shown
    command = f"harness clean --results {swept.results} --checkpoints --snapshots"
    assert f"`{command}` frees about {size_words(told['freed_by_clean'])}" in shown
    swept.clean("snapshots")
    assert "harness clean" not in swept.harness("status", "sweep")


def test_after_all_was_removed_plans_and_their_runs_are_as_before(made, swept):
    plans = ("sweep", "other", "going", "own")
    states = [swept.told("status", name)["states"] for name in plans]
    before = swept.files()
    done = swept.clean(*(kind for kind in KINDS if kind != "networks"))
    assert swept.files() == before - set.union(*made.expected.values()) | made.expected["networks"]
    assert done.splitlines()[-1] == disk_words(swept.results, disk_bytes(swept.results), notable=0)
    assert [swept.told("status", name)["states"] for name in plans] == states
    records = {path: path.stat().st_mtime_ns for path in (swept.results / "runs").glob("*.json")}
    for name in ("sweep", "other"):
        assert "all 2 runs have records" in swept.harness("run", name)
        for run in swept.runs(name):
            assert harness.load_network(run, swept.results).record.run_id == run
    assert {
        path: path.stat().st_mtime_ns for path in (swept.results / "runs").glob("*.json")
    } == records
    left = {kind: paths for kind, paths in swept.leftovers().items() if paths}
    assert left == {"networks": made.expected["networks"]}


def test_networks_go_only_if_they_are_named_and_only_of_experiments_that_are_finished(made, swept):
    swept.write("sweep", [1, 2, 4])
    swept.harness("plan", "sweep", "--replan")
    shown = swept.harness("clean")
    assert "│ networks " in shown
    assert "networks: only training in another results folder brings them back" in shown
    stay = (
        f"stay: {swept.results}/sweep is not finished, as `harness status "
        f"{swept.results}/sweep` says"
    )
    assert re.search(f"networks: 2, .* {re.escape(stay)}", shown)
    before = swept.files()
    swept.clean("networks")
    can_go = {*swept.runs("other"), *swept.earlier_runs()}.difference(swept.runs("sweep"))
    assert swept.files() == before - {f"networks/{run}.npz" for run in can_go}
    assert "all 2 runs have records" in swept.harness("run", "other")
    with pytest.raises(HarnessError, match="`harness clean --networks` removed it"):
        harness.load_network(swept.runs("other")[-1], swept.results)


def test_only_what_is_asked_for_is_removed(made, swept, monkeypatch, capsys):
    before = swept.files()
    refused = swept.harness("clean", None, "--yes", exit_code=2)
    assert "--yes: say what to remove: --checkpoints, --snapshots" in refused
    unasked = swept.harness("clean", None, "--checkpoints", exit_code=2)
    assert "there is no terminal to ask at; --yes goes on" in unasked
    assert swept.files() == before
    swept.clean("logs")
    assert swept.files() == before - made.expected["logs"]
    assert swept.clean("logs").splitlines()[-1] == "logs: nothing can be removed"
    for answer, gone in (
        ("\x04", set()),
        ("\n", set()),
        ("n\n", set()),
        ("y\n", made.expected["checkpoints"]),
    ):
        ours, theirs = pty.openpty()
        os.write(ours, answer.encode())
        with open(theirs, encoding="utf-8") as terminal, monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", terminal)
            with pytest.raises(SystemExit) as ended:
                main(["clean", "--checkpoints", "--results", str(swept.results)])
        os.close(ours)
        assert ended.value.code == (0 if gone else 3)
        assert "remove checkpoints (4, " in capsys.readouterr().out
        assert swept.files() == before - made.expected["logs"] - gone


def test_an_experiment_is_cleaned_alone(made, swept):
    networks = {f"networks/{run}.npz" for run in {*swept.runs("sweep"), *swept.earlier_runs()}}
    (of_sweep,) = [
        path for path in made.expected["checkpoints"] if pack_key(made.swept.runs("sweep")) in path
    ]
    own = {"checkpoints": {of_sweep}, "networks": networks}
    assert swept.shown("sweep") == made.expected | own
    assert not any(swept.shown("own").values())
    assert "nowhere: no such folder" in said(
        "clean", "--results", swept.folder / "nowhere", exit_code=2
    )


def test_an_interruption_leaves_a_valid_folder(made, swept):
    """After each file, by Ctrl-C: what is left is found again, and all else is whole."""
    states = swept.told("status", "sweep")["states"]
    left = set.union(*made.expected.values())
    while left:

        def interrupted() -> Iterator[OnDisk]:
            yield next(one for one in on_disk(swept.results) if not one.needed_by)
            raise KeyboardInterrupt

        with suppress(KeyboardInterrupt):
            remove(interrupted())
        now_left = set.union(*swept.leftovers().values())
        assert now_left < left
        assert len(now_left) == len(left) - 1
        left = now_left
    assert swept.told("status", "sweep")["states"] == states


def test_a_stopped_clean_leaves_no_half_snapshot_under_its_name(made, swept, monkeypatch):
    (snapshot,) = [swept.results / path for path in made.expected["snapshots"]]
    with monkeypatch.context() as patch:
        patch.setattr(module.shutil, "rmtree", Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            remove(removable(on_disk(swept.results))["snapshots"])
    (half,) = snapshot.parent.iterdir()
    assert UNFINISHED.fullmatch(half.name)


@pytest.mark.parametrize("broken", ["sweep/manifest.1.json", "other/manifest.json", "gone", "runs"])
def test_while_a_plan_cannot_be_read_no_run_is_without_one(made, swept, broken):
    place = swept.results / broken
    if broken == "gone":
        place.symlink_to("/nowhere")
    elif broken == "runs":
        place.rename(swept.folder / "runs")
        place.symlink_to(swept.folder / "runs")
    else:
        place.write_text(place.read_text()[:-100])
    found = swept.leftovers()
    assert found["networks"] == set()
    assert len(found["checkpoints"]) == 3  # that of `lost`, whose run has no record, stays
    assert found["snapshots"] == (set() if broken == "runs" else made.expected["snapshots"])
    assert str(place) in swept.harness("clean")


def test_the_snapshot_of_a_job_stays_until_it_was_silent_for_a_month(made, swept):
    (snapshot,) = [Path(path).name for path in made.expected["snapshots"]]
    where = {"host": "there", "profile": Profile(time_minutes=60), "cluster": "c", "user": "u"}
    send_off(swept.results / "going", snapshot=snapshot, **where)
    assert swept.leftovers()["snapshots"] == set()
    assert f"stay: a job of {swept.results}/going may need them\n" in swept.harness("clean")
    sent = swept.results / "going" / "submissions" / "5ub"
    EventLog(swept.results / "going" / "attempts", "a77").write("begun", submission="5ub", place=0)
    _aged(sent, module.OLD_DAYS * 86400)
    assert swept.leftovers()["snapshots"] == set()
    _aged(swept.results / "going" / "attempts" / "a77.jsonl", module.OLD_DAYS * 86400)
    assert swept.leftovers()["snapshots"] == made.expected["snapshots"]
    (sent / "submission.json").write_text("{")
    assert swept.leftovers()["snapshots"] == set()
    assert f"stay: {sent}/submission.json is damaged" in swept.harness("clean")


def test_the_output_of_jobs_goes_once_their_runs_have_records(made, swept):
    for name in ("other", "going"):
        send_off(swept.results / name, profile=Profile())
        keep_number(swept.results / name, "5ub", "4711")
        log = log_path(swept.results / name, "4711_0")
        log.parent.mkdir()
        log.touch()
    assert swept.leftovers()["logs"] == made.expected["logs"] | {"other/logs/4711_0_0_log.out"}
    (swept.results / "other" / "submissions" / "5ub" / "submission.json").write_text("{")
    assert (
        swept.leftovers()["logs"] == made.expected["logs"]
    )  # of a damaged submission nobody knows the runs


@pytest.mark.nightly
def test_nothing_of_what_trains_is_removed(made, swept):
    swept.write("long", [0, 1], ROWS, evaluations=LONG)
    command = [
        sys.executable,
        "-m",
        "harness",
        "submit",
        str(swept.folder / "long.yaml"),
        "--local",
        "1",
        "--yes",
    ]
    with subprocess.Popen(
        [*command, "--results", str(swept.results)], stdout=subprocess.DEVNULL
    ) as training:
        attempts = swept.results / "long" / "attempts"
        while "first_step" not in "".join(path.read_text() for path in attempts.glob("*")):
            assert training.poll() is None
            time.sleep(0.1)
        swept.clean(*KINDS)
        assert len(list((swept.results / "snapshots").iterdir())) == 1
        training.send_signal(signal.SIGINT)
        training.wait(60)
    assert len(list((swept.results / "checkpoints").iterdir())) == 2  # and that of `going`
    found = swept.leftovers()
    assert found["snapshots"] == found["checkpoints"] == set()
    assert not any(record_path(swept.results / "runs", run).exists() for run in swept.runs("long"))


def test_a_results_folder_of_nothing_takes_nothing(tmp_path):
    assert set(disk_bytes(tmp_path).values()) == {0}
    assert list(on_disk(tmp_path)) == []
    assert (
        said("clean", "--results", tmp_path)
        == f"disk: {tmp_path}/ takes 0 bytes\nnothing can be removed\n"
    )
