"""A lock: a second one waits for it or is told who holds it, and that of a dead process is taken over by one alone."""

import json
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.base.errors import HarnessError
from harness.base.lock import locked


@pytest.fixture
def stale():
    """What the lock says of a process of this machine that is gone."""
    with subprocess.Popen(["true"]) as gone:
        gone.wait()
    return {"host": socket.gethostname(), "pid": gone.pid, "since": "then"}


def test_who_waits_long_enough_gets_it(tmp_path):
    path, held, order = tmp_path / "a.lock", threading.Event(), []

    def holds_first():
        with locked(path, "works"):
            held.set()
            with pytest.raises(HarnessError, match="works"), locked(path, "works", wait_seconds=0.1):
                order.append("never")
            order.append("first")

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(holds_first)
        held.wait()
        with locked(path, "works", wait_seconds=60):
            order.append("second")
        first.result()
    assert order == ["first", "second"]
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_dead_process_is_taken_over(stale, tmp_path):
    """That of another machine is not."""
    path = tmp_path / "a.lock"
    path.write_text(json.dumps(stale))
    with locked(path, "works"):
        pass
    path.write_text(json.dumps({**stale, "host": "elsewhere"}))
    with pytest.raises(HarnessError, match=f"a.lock: process {stale['pid']} on elsewhere, since then, works"):
        locked(path, "works").__enter__()


def test_of_many_that_would_take_over_a_stale_lock_one_does(stale, tmp_path):
    together, all_tried = threading.Barrier(4), threading.Barrier(4)

    def holds(path):
        together.wait()
        try:
            with locked(path, "works"):
                all_tried.wait()
            return True
        except HarnessError:
            all_tried.wait()
            return False

    with ThreadPoolExecutor(4) as pool:
        for number in range(100):
            path = tmp_path / str(number) / "a.lock"
            path.parent.mkdir()
            path.write_text(json.dumps(stale))
            assert sum(pool.map(holds, [path] * 4)) == 1
            assert list(path.parent.iterdir()) == []
