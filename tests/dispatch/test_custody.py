"""One chain of custody: no process trains by other code than that which its job was sent with."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import harness
from harness.base.errors import HarnessError
from harness.base.provenance import source_hash
from harness.dispatch.here import train_here
from harness.dispatch.slots import TrainingOrder
from harness.dispatch.snapshot import Origin, check_origin, origin
from harness.record.store import read_record
from harness.train import train_pack
from tests.dispatch.test_here import pack

# Trains a pack whose first process dies when the code is gone: the next one finds what follows on
# Python's path.
TRAINS = """
import os, shutil, signal, sys
from pathlib import Path
from harness.base.errors import HarnessError
from harness.dispatch.here import Begun, train_here
from harness.dispatch.slots import TrainingOrder
from harness.record.store import read_record
runs = tuple(read_record(path).run for path in sorted(Path("planned").glob("*.json")))
if __name__ == "__main__":
    first = True
    try:
        for _, event in train_here([runs], TrainingOrder(Path("runs")), 1):
            if isinstance(event, Begun) and first:
                first = False
                Path("sent").rename("gone")
                os.kill(event.pid, signal.SIGKILL)
    except HarnessError as error:
        print(error)
"""


def test_a_process_that_starts_when_the_code_is_gone_trains_nothing(tmp_path):
    """What follows on Python's path is another copy, in which training was edited."""
    for name in ("sent", "other"):
        shutil.copytree(Path(harness.__file__).parent, tmp_path / name / "harness")
    with open(
        tmp_path / "other" / "harness" / "train" / "__init__.py", "a", encoding="utf-8"
    ) as file:
        file.write("\n# edited\n")
    train_pack(pack("xy", range(2)), tmp_path / "planned")
    (tmp_path / "trains.py").write_text(TRAINS, encoding="utf-8")
    path = os.pathsep.join([str(tmp_path / "sent"), str(tmp_path / "other")])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        [sys.executable, "trains.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
    )

    assert (
        f"a training process got its code from {tmp_path / 'other' / 'harness'}" in done.stdout
    ), done.stderr
    assert "nothing of it is recorded" in done.stdout
    assert not list((tmp_path / "runs").glob("*.json"))


def test_the_code_of_a_process_is_that_of_the_one_that_started_it():
    check_origin(origin())
    with pytest.raises(
        HarnessError, match=r"not from .* \(source edited\) as the process that started it"
    ):
        check_origin(Origin(origin().package, "edited"))


def test_a_job_whose_snapshot_is_gone_trains_nothing_more(tmp_path):
    order = TrainingOrder(tmp_path / "runs", code=tmp_path / "snapshots" / "c0de")
    with pytest.raises(HarnessError, match=r"snapshot .*c0de is not there; submit again"):
        list(train_here([pack("xy", range(2))], order, 1))
    assert not list((tmp_path / "runs").glob("*.json"))


def test_records_say_which_source_computed_them(tmp_path):
    records = train_pack(pack("xy", range(2)), tmp_path)
    assert {record.provenance.source_hash for record in records} == {source_hash()}
    (path, *_) = tmp_path.glob("*.json")
    assert json.loads(path.read_text())["provenance"]["source_hash"] == source_hash()
    assert read_record(path).provenance.source_hash == source_hash()
