"""What wandb is told of finished runs, that its files have the very numbers, and that training never waits for it."""

import gzip
import importlib
import json
import os
import signal
import struct
import subprocess
import sys
import threading
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from harness.base.errors import HarnessError
from harness.dispatch.mirror import Mirror, MirrorProcess, check_wandb, export, of_pack, of_run, offline_path
from harness.planning.plan import make_plan
from harness.record import read_record, record_path
from harness.spec import parse_experiment
from harness.spec.identity import pack_key
from harness.train import train_pack

# One pack of four runs, of which the two with the absurd learning rate diverge.
TEXT = """
question: which?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 20}
seeds: [0, 1]
grid: {recipes.fast.optimizer.learning_rate: [0.01, 1.0e+300]}
engine: torch
"""
OFFLINE = Mirror(mode="offline", project="theirs")


@pytest.fixture(scope="module")
def manifest():
    """The plan of one pack."""
    return make_plan(parse_experiment(TEXT), "toys")


@pytest.fixture(scope="module")
def folder(manifest, tmp_path_factory):
    """The records of the pack, trained."""
    folder = tmp_path_factory.mktemp("runs")
    specs = {planned.run_id: planned.run for planned in manifest.runs}
    train_pack([specs[run] for run in manifest.packs[0]], folder)
    return folder


@pytest.fixture(scope="module")
def records(manifest, folder):
    """The records of the pack, in its order."""
    return [read_record(record_path(folder, run)) for run in manifest.packs[0]]


def _first(records, status):
    return next(record for record in records if record.status == status)


# ------------------------------------------------------------------------------------------------------ what is logged
def test_a_run_is_logged_by_its_id_under_its_experiment(records):
    """Id, a name that can be read, the experiment as the group, and the whole spec as the config."""
    record = _first(records, "done")

    logged = of_run(record, "toys")

    assert (logged.id, logged.group) == (record.run_id, "toys")
    assert logged.name == f"xy kan 2-2-1 G=3 seed {record.run.seed}"
    assert logged.config == record.run.model_dump(mode="json")


def test_the_history_is_the_learning_curve_and_the_summary_the_outcome(records):
    """Every point of the curve is a row; metrics, counts, evaluations and status are the record's."""
    record = _first(records, "done")

    logged = of_run(record, "toys")

    assert [row["evaluations"] for row in logged.history] == [point.evaluations for point in record.curve]
    assert logged.history[-1]["train_rmse"] == record.curve[-1].train_rmse
    assert logged.summary["test_rmse"] == record.metrics.test_rmse
    assert logged.summary["params"]["trainable"] == record.counts["params.trainable"]
    assert logged.summary["evaluations"] == record.evaluations
    assert logged.summary["status"] == "done"


def test_a_diverged_run_has_no_error_but_its_status(records):
    """No metric is made up for it, and what is not a number is in no row."""
    record = _first(records, "diverged")

    logged = of_run(record, "toys")

    assert logged.summary["status"] == "diverged"
    assert logged.summary["diverged_at"] == record.diverged_at
    assert not [name for name in logged.summary if "rmse" in name]
    assert all(value is not None for row in logged.history for value in row.values())


def test_a_pack_is_logged_with_what_is_each_runs_own(records):
    """What all runs share is said once; seeds, learning rates and outcomes stand under the runs' ids."""
    ids = [record.run_id for record in records]

    logged = of_pack(records, "toys")

    assert logged.id == pack_key(ids)
    assert logged.name == "xy kan 2-2-1 G=3, 4 runs"
    assert logged.config["network"] == records[0].run.network.model_dump(mode="json")
    assert "seed" not in logged.config
    assert logged.config["runs"] == {
        record.run_id: {
            "seed": record.run.seed,
            "recipe": {"optimizer": {"learning_rate": record.run.recipe.optimizer.learning_rate}},
        }
        for record in records
    }
    assert (logged.summary["done"], logged.summary["diverged"]) == (2, 2)
    assert logged.summary["runs"] == {record.run_id: of_run(record, "toys").summary for record in records}


def test_the_curves_of_a_pack_meet_in_rows_of_equal_evaluations(records):
    """Each run's curve can be read back from the pack's history, which ascends."""
    logged = of_pack(records, "toys")

    evaluations = [row["evaluations"] for row in logged.history]
    assert evaluations == sorted(set(evaluations))
    for record in records:
        column = f"train_rmse/{record.run_id}"
        curve = {row["evaluations"]: row[column] for row in logged.history if column in row}
        assert curve == {p.evaluations: p.train_rmse for p in record.curve if p.train_rmse is not None}


# ---------------------------------------------------------------------------------------------------- an offline file
# A log as LevelDB's: blocks of 32 KiB, in which a record is checksum, length, kind and bytes. The messages are wandb's.
HEADER = b":W&B" + struct.pack("<HB", 0xBEE1, 0)
BLOCK_BYTES = 32 * 1024
WHOLE, FIRST, MIDDLE, LAST = 1, 2, 3, 4


def _messages(path: Path) -> list:
    """All messages of a `.wandb` file, each under its checksum; skips where wandb has changed its format."""
    try:
        protocol = importlib.import_module("wandb.proto.wandb_internal_pb2")
    except ImportError as error:
        pytest.skip(f"wandb has moved its messages: {error}")
    data = path.read_bytes()
    if data[: len(HEADER)] != HEADER:
        pytest.skip(f"wandb writes another format: a file begins with {data[: len(HEADER)]!r}, not {HEADER!r}")
    found, parts, at = [], [], len(HEADER)
    while at < len(data):
        if (left := BLOCK_BYTES - at % BLOCK_BYTES) < 7:  # no room for a header: padding
            at += left
            continue
        checksum, length, kind = struct.unpack_from("<IHB", data, at)
        part = data[at + 7 : at + 7 + length]
        assert zlib.crc32(bytes([kind]) + part) == checksum
        assert (kind in (WHOLE, FIRST)) == (not parts)
        parts.append(part)
        at += 7 + length
        if kind in (WHOLE, LAST):
            found.append(protocol.Record.FromString(b"".join(parts)))
            parts = []
    assert not parts
    return found


def _key(item) -> str:
    return item.key or ".".join(item.nested_key)


def _decoded(path: Path) -> tuple:
    """The run, its config, history and summary as they stand in a `.wandb` file, without what wandb adds itself."""
    messages = _messages(path)
    (run,) = [message.run for message in messages if message.WhichOneof("record_type") == "run"]
    config = {item.key: json.loads(item.value_json) for item in run.config.update}
    rows = [
        {_key(item): json.loads(item.value_json) for item in message.history.item}
        for message in messages
        if message.WhichOneof("record_type") == "history"
    ]
    summary: dict = {}
    for message in messages:
        for item in message.summary.update:
            summary[_key(item)] = json.loads(item.value_json)
        for item in message.summary.remove:
            summary.pop(_key(item), None)
    assert messages[-1].WhichOneof("record_type") == "exit", "the file was cut off"
    return run, _without_wandbs(config), [_without_wandbs(row) for row in rows], _without_wandbs(summary)


def _without_wandbs(values: dict) -> dict:
    return {name: value for name, value in values.items() if not name.startswith("_")}


def test_offline_files_have_the_very_numbers(manifest, folder, records, tmp_path, monkeypatch, capfd):
    """Each run, diverged ones too, is a file of wandb's that ends well and has config, history and summary bit for bit.

    Neither the user's own settings of wandb nor its chatter come between; exporting again writes nothing.
    """
    for name, value in {"MODE": "disabled", "PROJECT": "mine", "RUN_GROUP": "mine", "TAGS": "mine"}.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    heard = []

    exported = export(manifest, OFFLINE, folder, tmp_path, lambda done, of: heard.append((done, of)))

    assert exported == (4, 0)
    assert heard[-1] == (4, 4)
    assert capfd.readouterr() == ("", "")
    for record in records:
        expected = of_run(record, "toys")
        run, config, history, summary = _decoded(offline_path(tmp_path, expected))
        assert (run.run_id, run.display_name) == (expected.id, expected.name)
        assert (run.run_group, run.project, list(run.tags)) == ("toys", "theirs", [])
        assert config == expected.config
        assert history == list(expected.history)
        assert summary == expected.summary
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert export(manifest, OFFLINE, folder, tmp_path, lambda done, of: None) == (4, 0)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == written


def test_a_pack_is_one_offline_file(manifest, folder, records, tmp_path):
    """Per pack, all curves and outcomes are in one run of wandb's, which is there when the trainer has ended."""
    said = []
    process = MirrorProcess(Mirror(mode="offline", per="pack"), "toys", folder, tmp_path, said.append)

    process.tell(manifest.packs[0])
    process.end()

    expected = of_pack(records, "toys")
    (path,) = tmp_path.rglob("*.wandb")
    assert path == offline_path(tmp_path, expected)
    _, config, history, summary = _decoded(path)
    assert config == expected.config
    assert history == list(expected.history)
    assert summary == expected.summary
    assert said == []


# -------------------------------------------------------------------------------------------------------------- online
class _Server(ThreadingHTTPServer):
    """Stands in for wandb's server, which cannot be had here: it knows one run, and keeps the lines that it is sent.

    What the real one answers is known from the requests of wandb 0.31 only.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.begun = False
        self.lines: dict[str, list[str]] = {"wandb-history.jsonl": [], "wandb-summary.json": []}

    def run(self) -> dict:
        """The one run, as it is asked for when it is gone on with."""
        history, summary = self.lines.values()
        return {
            "id": "1",
            "name": "1",
            "config": "{}",
            "wandbConfig": json.dumps({"t": 1}),
            "historyLineCount": len(history),
            "historyTail": json.dumps(history[-1:]),
            "summaryMetrics": summary[-1] if summary else "{}",
            "eventsLineCount": 0,
            "eventsTail": "[]",
            "logLineCount": 0,
            "tags": [],
            "project": {"id": "1", "name": "theirs", "entity": {"id": "1", "name": "us"}},
        }


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *words):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        data = json.loads(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
        answer = json.dumps(self._answer(data)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, data: dict) -> dict:
        server = self.server
        if "operationName" not in data:
            for name, sent in data.get("files", {}).items():
                server.lines[name][sent["offset"] :] = sent["content"]
            return {}
        match data["operationName"]:
            case "RunResumeStatus":
                found = server.run() if server.begun else None
                return {"data": {"model": {"id": "1", "name": "theirs", "bucket": found}}}
            case "UpsertBucket":
                inserted, server.begun = not server.begun, True
                return {"data": {"upsertBucket": {"bucket": server.run(), "inserted": inserted}}}
            case "CreateRunFiles":
                return {"data": {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": []}}}
            case _:
                return {"data": {}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A stand-in for wandb's server, and a user with a key for it."""
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def _sent(lines: list[str]) -> list[dict]:
    return [_without_wandbs(json.loads(line)) for line in lines]


@pytest.mark.slow
def test_mirrored_online_twice_a_run_has_its_curve_once(folder, records, tmp_path, server):
    """The server has the very rows and outcome, and a run that is gone on with gets no row again."""
    expected = of_run(_first(records, "done"), "toys")

    for _ in range(2):
        process = MirrorProcess(Mirror(mode="online", project="theirs"), "toys", folder, tmp_path / "wandb")
        process.tell([expected.id])
        process.end()
        assert process.mirrored == 1

        assert _sent(server.lines["wandb-history.jsonl"]) == list(expected.history)
        assert _sent(server.lines["wandb-summary.json"])[-1] == expected.summary
    assert not (tmp_path / "wandb").exists()


# -------------------------------------------------------------------------------------------------- never in the way
def test_runs_without_records_and_their_packs_are_left_out(manifest, records, tmp_path):
    """A pack is mirrored when all of its runs are finished; what is left out is counted."""
    exported = export(manifest, Mirror(mode="offline", per="pack"), tmp_path, tmp_path, lambda done, of: None)

    assert exported == (0, 4)
    assert list(tmp_path.iterdir()) == []


def test_failures_are_said_once_and_counted(manifest, folder, tmp_path):
    """Where nothing can be written the trainer hears one reason, and at the end how many runs are not mirrored."""
    in_the_way = tmp_path / "wandb"
    in_the_way.touch()
    said = []
    process = MirrorProcess(OFFLINE, "toys", folder, in_the_way, said.append)

    process.tell(manifest.packs[0])
    process.end()

    first, last = said
    assert "NotADirectoryError" in first
    assert last == "wandb: 4 of 4 not mirrored; `harness export-wandb` can do it at any time"


def test_an_export_ends_at_the_first_failure(manifest, folder, tmp_path):
    """The user is told why, how far it came, and that the same command goes on."""
    in_the_way = tmp_path / "wandb"
    in_the_way.touch()

    with pytest.raises(HarnessError, match=r"NotADirectoryError.*0 of 4 are mirrored; run it again") as caught:
        export(manifest, OFFLINE, folder, in_the_way, lambda done, of: None)

    assert caught.value.exit_code == 3


def test_a_damaged_record_does_not_keep_the_others_from_the_mirror(manifest, folder, records, tmp_path):
    """It is named, and the rest of its batch is written."""
    mine = tmp_path / "runs"
    mine.mkdir()
    for record in records:
        os.link(record_path(folder, record.run_id), record_path(mine, record.run_id))
    damaged = record_path(mine, records[0].run_id)
    damaged.unlink()
    damaged.write_text("{}")
    said = []
    process = MirrorProcess(OFFLINE, "toys", mine, tmp_path / "wandb", said.append)

    process.tell(manifest.packs[0])
    process.end()

    assert f"record {damaged} is damaged" in said[0]
    assert said[1].startswith("wandb: 1 of 4 not mirrored")
    assert all(offline_path(tmp_path / "wandb", of_run(record, "toys")).exists() for record in records[1:])


@pytest.fixture
def unreachable(tmp_path, monkeypatch):
    """A user with an API key, for a server that is not there."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")


def test_the_end_of_a_job_does_not_wait_for_a_server(manifest, folder, tmp_path, unreachable):
    """When its time is up the mirror is ended, and what it has not done is said."""
    said = []
    process = MirrorProcess(Mirror(mode="online"), "toys", folder, tmp_path / "wandb", said.append)

    process.tell(manifest.packs[0])
    process.end(wait_seconds=0.5)

    assert said == ["wandb: 4 of 4 not mirrored; `harness export-wandb` can do it at any time"]


@pytest.mark.nightly
def test_a_server_out_of_reach_is_a_failure_as_any_other(manifest, folder, tmp_path, unreachable):
    """wandb gives up by itself, and the trainer hears why."""
    said = []
    process = MirrorProcess(Mirror(mode="online"), "toys", folder, tmp_path / "wandb", said.append)

    process.tell(manifest.packs[0][:1])
    process.end(wait_seconds=120.0)

    assert "127.0.0.1:9" in said[0]
    assert said[1].startswith("wandb: 1 of 1 not mirrored")


def test_no_key_is_said_before_anything_is_sent_off(tmp_path, monkeypatch):
    """Online needs an API key, and nobody is asked for one; offline needs none."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))

    check_wandb("offline")
    with pytest.raises(HarnessError, match="wandb: online: there is no API key"):
        check_wandb("online")


@pytest.mark.slow
def test_a_key_is_enough_to_be_sent_off(unreachable):
    """Whether the server takes it is for the mirror to find out."""
    check_wandb("online")


TRAINER = """
import sys, time
from pathlib import Path
from harness.dispatch.mirror import Mirror, MirrorProcess

if __name__ == "__main__":
    process = MirrorProcess(Mirror(mode="offline"), "toys", Path(sys.argv[1]), Path(sys.argv[2]))
    process.tell(sys.argv[3:])
    while process.hear():
        pass
    print(process._process.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.slow
def test_the_mirror_does_not_outlive_its_trainer(manifest, folder, tmp_path):
    """Killed with -9, a trainer leaves no process behind."""
    script = tmp_path / "trainer.py"
    script.write_text(TRAINER)
    command = [sys.executable, str(script), str(folder), str(tmp_path / "wandb"), *manifest.packs[0]]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as trainer:
        mirror = int(trainer.stdout.readline())
        trainer.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 60.0
    while _is_alive(mirror):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _is_alive(process: int) -> bool:
    stat = Path(f"/proc/{process}/stat")
    try:
        return stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False
