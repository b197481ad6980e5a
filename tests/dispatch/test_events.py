"""The event log: what was written whole is read, and what a killed worker left half-written is not."""

import json
from pathlib import Path

import pytest

from harness.dispatch.events import EventLog, read_attempts


@pytest.fixture
def log(tmp_path):
    log = EventLog(tmp_path, "a1")
    log.write("begun", submission="s", place=0)
    log.write("pack_done", runs=["r1"], statuses=["done"], seconds=1.0)
    return log


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_torn_last_line_is_left_out(log, tmp_path, cut):
    log.write("ended", why="finished", requeued=False, at_last="x" * 20)
    log.path.write_bytes(log.path.read_bytes()[:-cut])
    (attempt,) = read_attempts(tmp_path)
    assert (attempt.id, attempt.begun["submission"]) == ("a1", "s")
    assert [event["event"] for event in attempt.events][:2] == ["begun", "pack_done"]
    assert (attempt.ended is not None) == (cut == 1)  # only the line's end was missing


def test_a_log_without_a_beginning_is_no_attempt(tmp_path):
    (tmp_path / "a2.jsonl").write_text(json.dumps({"event": "ended", "at": "x"}) + "\n")
    (tmp_path / "a3.jsonl").write_text("")
    assert read_attempts(tmp_path) == []


def test_a_full_disk_tears_one_line_and_not_the_next(tmp_path, capsys):
    if not (full := Path("/dev/full")).exists():
        pytest.skip("no /dev/full on this system")
    log = EventLog(tmp_path, "a1")
    log.write("begun", submission="s", place=0)
    kept, log.path = log.path, full
    log.write("pack_done", runs=["r1"])
    log.path = kept
    with kept.open("a") as file:
        file.write('{"event": "pack_done", "ru')  # what a disk takes before it is full
    log.write("ended", why="finished", requeued=False)

    (attempt,) = read_attempts(tmp_path)

    assert [event["event"] for event in attempt.events] == ["begun", "ended"]
    assert "No space left" in capsys.readouterr().out
