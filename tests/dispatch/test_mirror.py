"""What wandb is told of finished runs, that it has the very numbers, and that nobody waits for
it.
"""

import gzip
import itertools
import json
import os
import shutil
import struct
import subprocess
import sys
import threading
from collections import defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from click.testing import CliRunner
from commands import refused
from PIL import Image
from wandb.proto import wandb_internal_pb2

from harness.cli import main
from harness.dispatch import mirror
from harness.dispatch.mirror import Export, WandbRun, check_wandb, of_answer, of_run
from harness.planning.plan import make_plan
from harness.record.store import read_record, record_path
from harness.spec.arm import Search
from harness.spec.read import parse_experiment
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


SEARCH = Search(runs=1, replicates=2, cap={"evaluations": 20})


@pytest.fixture(scope="module")
def manifest():
    return make_plan(parse_experiment(TEXT), "toys")


@pytest.fixture(scope="module")
def folder(manifest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("results") / "runs"
    specs = {planned.run_id: planned.run for planned in manifest.runs}
    train_pack([specs[run] for run in manifest.packs[0]], folder)
    return folder


@pytest.fixture(scope="module")
def records(manifest, folder):
    return [read_record(record_path(folder, run)) for run in manifest.packs[0]]


@pytest.fixture
def export(manifest, folder, tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "theirs")

    def make(mode="offline", records=folder):
        return Export(mode, manifest, records, tmp_path / "wandb")

    return make


@pytest.fixture
def said():
    return []


def logged_of(record, manifest) -> WandbRun:
    return of_run(
        record, manifest, [planned for planned in manifest.runs if planned.run_id == record.run_id]
    )


def _first(records, status):
    return next(record for record in records if record.status == status)


def test_a_run_is_logged_by_its_id_with_its_curve_and_its_outcome(records, manifest):
    record = _first(records, "done")
    logged = logged_of(record, manifest)
    assert (logged.id, logged.group, logged.job_type, logged.tags) == (
        record.run_id,
        "toys",
        "kan",
        ("xy", "kan"),
    )
    assert logged.name == f"xy kan 2-2-1 G=3 seed {record.run.seed}"
    told = {
        "experiment": "toys",
        "arm": "kan",
        "replicate": record.run.seed,
        "size_asked": None,
        "trial": 0,
    }
    assert logged.config.items() >= (told | record.run.model_dump(mode="json")).items()
    assert [row["evaluations"] for row in logged.history] == [
        point.evaluations for point in record.curve
    ]
    assert logged.history[-1]["train_rmse"] == record.curve[-1].train_rmse
    assert logged.summary["test_rmse"] == record.metrics.test_rmse
    assert logged.summary["params"]["trainable"] == record.counts["params.trainable"]
    assert logged.summary["evaluations"] == record.evaluations
    assert logged.summary["status"] == "done"
    record = _first(records, "diverged")
    logged = logged_of(record, manifest)
    assert logged.tags[-1] == "diverged"
    assert (logged.summary["status"], logged.summary["diverged_at"]) == (
        "diverged",
        record.diverged_at,
    )
    assert not [name for name in logged.summary if "rmse" in name]
    assert None not in itertools.chain.from_iterable(row.values() for row in logged.history)


class _Server(ThreadingHTTPServer):
    """Stands in for wandb's server: by the ids of runs, what it is sent of them. It answers as
    wandb 0.31 asks.
    """

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Answers)
        self.runs: dict[str, dict] = {}
        self.stuck_at = ""  # the part of a request that is never answered, nor what comes after it
        self.is_stuck = False

    def bucket(self, name: str) -> dict:
        """A run, as it is asked for when it is gone on with."""
        history, summary = (
            self.runs[name]["wandb-history.jsonl"],
            self.runs[name]["wandb-summary.json"],
        )
        return {
            "id": name,
            "name": name,
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
        text = gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body
        self.server.is_stuck |= (
            bool(self.server.stuck_at) and self.server.stuck_at in f"{self.path} {text!r}"
        )
        if self.server.is_stuck:
            threading.Event().wait()
        answer = json.dumps(self._answer(json.loads(text or "{}"))).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _answer(self, data: dict) -> dict:
        runs = self.server.runs
        for file, sent in data.get("files", {}).items():
            runs[self.path.split("/")[-2]][file][sent["offset"] :] = sent["content"]
        match data.get("operationName"):
            case "RunResumeStatus":
                name = data["variables"]["name"]
                found = self.server.bucket(name) if name in runs else None
                return {"data": {"model": {"id": "1", "name": "theirs", "bucket": found}}}
            case "UpsertBucket":
                name = data["variables"]["name"]
                is_new = name not in runs
                run = runs.setdefault(name, {"wandb-history.jsonl": [], "wandb-summary.json": []})
                run |= {
                    field: value for field, value in data["variables"].items() if value is not None
                }
                return {
                    "data": {
                        "upsertBucket": {"bucket": self.server.bucket(name), "inserted": is_new}
                    }
                }
            case "CreateRunFiles":
                return {
                    "data": {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": []}}
                }
            case _:
                return {"data": {}}


@pytest.fixture
def server(tmp_path, monkeypatch):
    with _Server() as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("HOME", str(tmp_path))
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
        yield server
        server.shutdown()


def _check_sent(server, expected):
    """The server has the very name, group, job type, tags, config, history and summary of each,
    beside wandb's own.
    """
    assert set(server.runs) == {wandb_run.id for wandb_run in expected}
    for wandb_run in expected:
        sent = server.runs[wandb_run.id]
        assert (sent["displayName"], sent["groupName"], sent["project"]) == (
            wandb_run.name,
            "toys",
            "theirs",
        )
        assert (sent["jobType"], sent["tags"]) == (wandb_run.job_type, [*wandb_run.tags])
        config = {name: field["value"] for name, field in json.loads(sent["config"]).items()}
        assert _without_wandbs(config) == wandb_run.config
        history = [_without_wandbs(json.loads(line)) for line in sent["wandb-history.jsonl"]]
        assert history == list(wandb_run.history)
        assert _without_wandbs(json.loads(sent["wandb-summary.json"][-1])) == wandb_run.summary


def _in_offline_file(path) -> dict:
    """The records of each kind in an offline file, which is a log in blocks of 32 KiB, as LevelDB
    has them.
    """
    data, place, begun, found = path.read_bytes(), 7, b"", defaultdict(list)
    while place + 7 <= len(data):
        if (left := 32768 - place % 32768) < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        begun += data[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # a whole record, or the last piece of one
            record = wandb_internal_pb2.Record()
            record.ParseFromString(begun)
            begun, name = b"", record.WhichOneof("record_type")
            found[name].append(getattr(record, name))
    return found


def _without_wandbs(values: dict) -> dict:
    return {name: value for name, value in values.items() if not name.startswith("_")}


@pytest.mark.slow
def test_offline_files_have_the_very_numbers(
    export, said, records, manifest, server, tmp_path, monkeypatch, capfd
):
    """`wandb sync` uploads them, diverged runs too, bit for bit; exporting again writes nothing."""
    expected = [logged_of(record, manifest) for record in records]
    with monkeypatch.context() as own:
        for name, value in {
            "MODE": "disabled",
            "RUN_GROUP": "mine",
            "SERVICE": "gone",
        }.items():
            own.setenv(f"WANDB_{name}", value)
        assert export().go_on(said.append) == 0

    assert said == [
        f"wandb: {len(expected)} of {len(expected)} finished runs are in {tmp_path / 'wandb'}"
    ]
    assert capfd.readouterr() == ("", "")
    files = {tmp_path / "wandb" / wandb_run.offline_file for wandb_run in expected}
    assert set(tmp_path.rglob("*.wandb")) == files
    subprocess.run(
        [sys.executable, "-m", "wandb", "sync", *(file.parent for file in files)],
        cwd=tmp_path,
        check=True,
    )
    _check_sent(server, expected)
    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("wandb/**")}
    export().go_on(said.append)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("wandb/**")} == written


@pytest.mark.slow
def test_mirrored_online_twice_a_run_has_its_curve_once(
    export, said, records, manifest, server, tmp_path
):
    for _ in range(2):
        assert export("online").go_on(said.append) == 0
        assert said.pop() == "wandb: 4 of 4 finished runs are uploaded"
        _check_sent(server, [logged_of(record, manifest) for record in records])
    assert not (tmp_path / "wandb").exists()


@pytest.mark.slow
def test_the_answer_is_one_run_with_its_tables_and_figures(export, said, manifest, tmp_path):
    """Answered anew it takes the place of the earlier one; what it shows lies beside it, for `wandb
    sync`.
    """
    figure = tmp_path / "answer.png"
    Image.new("RGB", (4, 3)).save(figure)
    for verdict in ("open", "supported"):
        rows = {"table": [["task", "ratio"], ["xy", 1.5], ["j0", None]]}
        started_at = f"2026-01-0{1 + (verdict == 'open')}T00:00:00+00:00"
        told = {"verdict": {"KANs win": verdict}}
        answer = of_answer(manifest, started_at, told, tables=rows, figures={"answer": figure})
        export().answer(answer, said.append)
    assert said == ["wandb: the answer is there too"] * 2
    (file,) = tmp_path.rglob("*.wandb")
    (table,) = file.parent.rglob("*.table.json")
    assert json.loads(table.read_text())["data"] == [["xy", 1.5], ["j0", None]]
    assert len([*file.parent.rglob("*.png")]) == 1
    told = _in_offline_file(file)
    (run,) = told["run"]
    assert (run.display_name, run.run_group, run.job_type) == ("answer", "toys", "answer")
    assert [*run.tags] == ["answer", "kan"]
    items = itertools.chain.from_iterable(summary.update for summary in told["summary"])
    shown = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}
    assert shown["verdict"] == {"KANs win": "supported"}


def test_of_a_search_only_what_validation_picks_is_copied(manifest, folder, said, tmp_path):
    searched = manifest.model_copy(
        update={"experiment": manifest.experiment.model_copy(update={"search": SEARCH})}
    )
    picked = manifest.run_ids()[:1]
    export = Export("offline", searched, folder, tmp_path / "wandb", lambda: picked)
    assert export.go_on(said.append) == 0
    assert said.pop() == f"wandb: 1 of 1 picked runs are in {tmp_path / 'wandb'}"
    assert len([*tmp_path.glob("wandb/*")]) == 1


def test_a_failure_is_said_with_how_many_are_left_and_what_to_do(export, said, tmp_path):
    (tmp_path / "wandb").touch()
    assert export().go_on(said.append) == 4
    (line,) = said
    assert line.startswith(
        f"wandb: 0 of 4 finished runs are in {tmp_path / 'wandb'} (NotADirectoryError: "
    )
    assert line.endswith("); `harness status FILE --wandb offline` goes on")


def test_a_damaged_record_does_not_keep_the_others_from_wandb(
    export, said, folder, records, tmp_path
):
    mine = tmp_path / "runs"
    mine.mkdir()
    damaged, *others, _ = [record_path(mine, record.run_id) for record in records]
    damaged.write_text("{}")
    for path in others:
        os.link(folder / path.name, path)
    assert export(records=mine).go_on(said.append) == 1
    assert f"(record {damaged} is damaged" in said[0]
    assert {path.stem for path in tmp_path.rglob("*.wandb")} == {
        f"run-{path.stem}" for path in others
    }


@pytest.mark.parametrize("request_", ["graphql", "file_stream"])
def test_a_server_that_never_answers_is_given_up(request_, export, said, server, monkeypatch):
    """At once, or where a run ends: the first that it does not take ends the export, which says
    what is left.
    """
    server.stuck_at = request_
    monkeypatch.setattr(mirror, "ANSWER_SECONDS", 2)
    assert export("online").go_on(said.append) == 4
    assert said[0].startswith("wandb: 0 of 4 finished runs are uploaded (")
    assert "goes on" in said[0]


def test_no_key_is_said_before_anything_is_sent_off(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    check_wandb("offline")
    assert "wandb: online: there is no API key" in refused(check_wandb, "online")
    # Whether the server takes a key is found out later. A mode of the user's own does not count.
    for name, value in {
        "API_KEY": "0" * 40,
        "BASE_URL": "http://127.0.0.1:9",
        "MODE": "offline",
    }.items():
        monkeypatch.setenv(f"WANDB_{name}", value)
    check_wandb("online")


@pytest.mark.nightly
@pytest.mark.parametrize("command", [["run"], ["submit", "--local", "1", "--yes"]])
def test_what_trains_and_what_looks_copies_finished_runs(command, manifest, tmp_path):
    file, results = tmp_path / "toys.yaml", tmp_path / "results"
    file.write_text(TEXT)
    offline = [str(file), "--results", str(results), "--wandb", "offline"]
    CliRunner().invoke(main, [*command, *offline], catch_exceptions=False)
    written = {path for path in results.rglob("*.wandb") if "answer" not in path.stem}
    assert {path.stem for path in written} == {f"run-{run}" for run in manifest.run_ids()}
    shutil.rmtree(results / "toys" / "wandb")
    done = CliRunner().invoke(main, ["status", *offline, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["format"]
    assert "wandb: 4 of 4 finished runs are in" in done.stderr
    assert set(results.rglob("*.wandb")) == written
