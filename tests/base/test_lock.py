"""A lock: a second one waits for it or is told who holds it."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from harness.base.errors import HarnessError
from harness.base.lock import locked


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


def test_who_holds_it_is_said(tmp_path):
    path = tmp_path / "a.lock"
    path.write_text(json.dumps({"host": "elsewhere", "pid": 7, "since": "then"}))
    with pytest.raises(HarnessError, match=r"a\.lock: process 7 on elsewhere, since then, works"):
        locked(path, "works").__enter__()
