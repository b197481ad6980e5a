"""`harness status` without FILE: it counts the runs of every experiment as `harness status` of each
one does.
"""

import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest
from commands import invoke, said
from made_submission import send_off

from harness.dispatch.profile import Profile
from harness.dispatch.state import WENT_WRONG
from harness.dispatch.submission import write_order
from harness.spec.manifest import read_manifest
from tests.guard.workplace import GUARD, make_records, make_searched

EXPERIMENT = """
question: How far are they?
tasks: [xy]
arms:
  kan: {{architecture: {{family: kan, hidden: [2], grid: 3}}, recipe: some}}
  mlp: {{architecture: {{family: mlp, hidden: [3]}}, recipe: some}}
recipes: {{some: {{optimizer: {{name: adam}}, max_evaluations: 20}}}}
seeds: {seeds}
"""
RESULTS = Path("results")
NETWORK_BYTES = 1000


def _told(*words: str) -> dict[str, Any]:
    return json.loads(invoke(*words, "--json").stdout)


def _plan(name: str, seeds: list[int]) -> None:
    Path(f"{name}.yaml").write_text(EXPERIMENT.format(seeds=seeds), encoding="utf-8")
    assert invoke("plan", f"{name}.yaml").exit_code == 0


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Experiments that are whole, queued in part, queued by another one, cancelled, planned, and
    searched.
    """
    folder = tmp_path_factory.mktemp("overview")
    with chdir(folder):
        _plan("whole", [0, 1])
        make_records("whole")
        _plan("half", [1, 2, 3])
        send_off(RESULTS / "half")
        _plan("beside", [3, 4])
        _plan("given_up", [5])
        write_order(
            RESULTS / "given_up", "cancel", read_manifest(RESULTS / "given_up").run_ids(), "a test"
        )
        _plan("planned", [6, 7, 8, 9])
        (folder / "experiments").mkdir()
        shutil.copy(GUARD / "made" / "searched.yaml", "experiments")
        make_searched("searched")
        (RESULTS / "networks").mkdir()
        (RESULTS / "networks" / f"{read_manifest(RESULTS / 'whole').run_ids()[0]}.npz").write_bytes(
            b"n" * NETWORK_BYTES
        )
    return folder


@pytest.fixture
def here(made, tmp_path) -> Iterator[Path]:
    shutil.copytree(made, tmp_path / "here")
    with chdir(tmp_path / "here"):
        yield tmp_path / "here"


def test_every_plan_is_counted_as_its_own_status_does(here):
    counted = {one.pop("name"): one for one in _told("status")["experiments"]}
    assert set(counted) == {"whole", "half", "beside", "given_up", "planned", "searched"}
    for name, one in counted.items():
        alone = _told("status", f"results/{name}")
        with chdir(f"results/{name}"):
            assert _told("status", ".")["states"] == alone["states"]
        states = Counter(alone["states"])
        expected = {
            "planned": alone["planned"],
            "recorded": states["done"] + states["diverged"],
            "missing": alone["missing"],
            "running": states["running"],
            "queued": states["queued"],
            "failed": sum(states[state] for state in WENT_WRONG),
            "not_verified": 0,
        }
        assert one == expected | {"disk_bytes": one["disk_bytes"]}, name
    assert (
        counted["half"]["queued"],
        counted["beside"]["queued"],
        counted["given_up"]["failed"],
    ) == (4, 2, 2)
    assert counted["planned"]["missing"] == 8


def test_runs_of_which_slurm_cannot_be_asked_are_taken_for_alive(here, monkeypatch):
    monkeypatch.setenv("PATH", str(here))
    send_off(RESULTS / "planned", profile=Profile())
    (planned,) = [one for one in _told("status")["experiments"] if one["name"] == "planned"]
    assert (planned["missing"], planned["queued"], planned["not_verified"]) == (8, 8, 8)
    line = (
        "planned: 8 runs on their way are not verified; `harness status results/planned` says why"
    )
    assert line in invoke("status").output.splitlines()


def test_disk_is_that_of_the_folder_and_of_its_runs(here):
    (disk,) = [
        one["disk_bytes"] for one in _told("status")["experiments"] if one["name"] == "whole"
    ]
    runs = read_manifest(RESULTS / "whole").run_ids()
    files = [path for path in (RESULTS / "whole").rglob("*") if path.is_file()]
    files += [RESULTS / "runs" / f"{run}.json" for run in runs]
    assert disk == sum(path.stat().st_size for path in files) + NETWORK_BYTES


def test_what_is_shown_says_what_to_do_next(here):
    done = said("status", exit_code=3)
    assert re.search(r"│ half +│ +6 │ +2 │ +4 │ +0 │ +4 │ +0 │", done)
    assert "`harness status results/NAME` says more of one" in done
    assert "disk: results/ takes " in done
    for name in ("half", "beside", "given_up", "planned"):
        shutil.rmtree(RESULTS / name)
    assert invoke("status").exit_code == 0
    refused = invoke("status", "results")
    assert (
        refused.exit_code,
        "`harness status --results results` shows them" in refused.output,
    ) == (2, True)


def test_what_cannot_be_read_is_named_and_all_else_is_counted(here):
    plan = RESULTS / "whole" / "manifest.json"
    plan.write_text(plan.read_text(encoding="utf-8")[:-100], encoding="utf-8")
    sent = RESULTS / "half" / "submissions" / "5ub" / "submission.json"
    sent.write_text("{", encoding="utf-8")
    told = _told("status")
    counted = {one["name"]: one for one in told["experiments"]}
    assert "whole" not in counted
    assert (counted["half"]["missing"], counted["half"]["queued"]) == (4, 4)
    whys = sorted(told["unreadable"])
    assert [why.partition(" ")[0] for why in whys] == [str(sent), str(plan)]
    done = said("status", exit_code=3)
    for why in whys:
        assert why in done


def test_without_experiments_it_says_how_to_make_one(tmp_path):
    told = said("status", "--results", tmp_path)
    assert (
        f"no experiment has a plan in {tmp_path}/; `harness run FILE` or `harness plan FILE` "
        "makes one"
    ) in told
    nowhere = said("status", "--results", tmp_path / "nowhere", exit_code=2)
    assert "nowhere: no such folder; give FILE, or" in nowhere
    assert "--why failed: say of which experiment" in said("status", "--why", "failed", exit_code=2)
    assert ".: Is a directory; give the path of an experiment file" in said(
        "status", ".", exit_code=2
    )
