"""Files as they are written and locked, what killed writers leave, and numbers as text."""

import json
import math
import os
import socket
import stat
import subprocess
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from harness.base.errors import HarnessError
from harness.base.files import STALE_SECONDS, _remove_stale, locked, private_folder, whole_file
from harness.base.formats import duration, estimate, exponent, human, interval, number, p_value
from harness.dispatch.profile import Profile
from harness.study.sending import Destination, share


@pytest.fixture
def _open_umask() -> Iterator[None]:
    """That of sites where a group may write what its members make."""
    before = os.umask(0o002)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("_open_umask")
def test_what_jobs_go_on_from_is_the_users_alone_unless_a_profile_shares_it(tmp_path):
    private_folder(tmp_path / "own" / "checkpoints")
    assert mode(tmp_path / "own" / "checkpoints") == 0o700
    assert mode(tmp_path / "own") == 0o775
    share(tmp_path / "own" / "sweep", Destination(Profile(), 1, None, False, None))
    assert not (tmp_path / "own" / "sweep").exists()

    share(tmp_path / "own" / "sweep", Destination(Profile(share="group"), 1, None, False, None))
    share(tmp_path / "shared" / "sweep", Destination(Profile(share="group"), 1, None, False, None))

    assert mode(tmp_path / "own" / "checkpoints") == 0o700
    for name in (
        "",
        "checkpoints",
        "snapshots",
        "sweep",
        "sweep/submissions",
        "sweep/orders",
        "sweep/attempts",
    ):
        private_folder(tmp_path / "shared" / name)
        assert mode(tmp_path / "shared" / name) == 0o2770, name
    with whole_file(tmp_path / "shared" / "sweep" / "orders" / "order.json") as temporary:
        temporary.write_text("{}")
    assert mode(tmp_path / "shared" / "sweep" / "orders" / "order.json") == 0o660


def test_what_a_killed_writer_left_goes_with_the_next_file(tmp_path, monkeypatch):
    """Not what is being written, nor what has another name; also where another process removes one
    of them first.
    """
    names = (f".{uuid.uuid4().hex}{ending}" for ending in (".png", ".csv", ".json", ""))
    left, too, being_written, snapshot = (tmp_path / name for name in names)
    kept = (".submit.claim", f".{uuid.uuid4().hex[:-1]}.png", f"{uuid.uuid4().hex}.png")
    others = [tmp_path / name for name in kept]
    (snapshot / "0").mkdir(parents=True)
    for path in (left, too, being_written, *others):
        path.write_text("half of")
    for path in (left, too, snapshot, *others):
        os.utime(path, times=(0, being_written.stat().st_mtime - STALE_SECONDS - 1))
    _remove_stale.cache_clear()  # as of a process that begins
    unlink, vanished = Path.unlink, []

    def vanish(path: Path, missing_ok: bool = False) -> None:
        unlink(path, missing_ok)
        if not missing_ok and not vanished:
            vanished.append(path)
            raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "unlink", vanish)

    with whole_file(tmp_path / "figure.png") as temporary:
        temporary.write_text("whole")

    assert {*tmp_path.iterdir()} == {tmp_path / "figure.png", being_written, *others}


CASES = [  # what is written, as what
    (
        number,
        (0, 1.23456, 0.0123456, 2345, 1.5e7, -2e-9),
        ["0", "1.23", "0.0123", "2,340", "1.5e+07", "-2e-09"],
    ),
    (
        human,
        (0.0, 12345, 0.0123456, -2.5, 99999, 3.0),
        ["0", "12,300", "0.0123", "-2.5", "100,000", "3"],
    ),
    (human, (1e-5, 2.408e9), ["10⁻⁵", "2.41×10⁹"]),
    (exponent, (4.0, -0.126, 0.0557, -0.0001), ["4.00", "-0.13", "0.056", "0.000"]),
    *(
        (write, (None, math.nan, math.inf, -math.inf), ["–", "–", "∞", "-∞"])
        for write in (number, human, exponent)
    ),
    (p_value, (0.25, 0.001, 0.0009, 0), ["0.25", "0.001", "<.001", "<.001"]),
    (duration, (0.123, 119, 120, 7199, 7200), ["0.12 s", "119 s", "2 min", "120 min", "2 h"]),
    (duration, (360_000, math.inf), ["100 h", "no limit"]),
]


@pytest.mark.parametrize(("write", "values", "words"), CASES)
def test_numbers_are_written_so_that_they_are_read_at_a_glance(write, values, words):
    assert [write(value) for value in values] == words


def test_more_digits_and_intervals_with_open_ends():
    assert number(12345.6, 6) == "12,345.6"
    assert interval(1.1, 9) == "[1.1, 9]"
    assert estimate(3.21, 0, math.inf) == "3.21 [0, ∞]"
    assert estimate(0.5, -math.inf, 0.75, exponent) == "0.50 [-∞, 0.75]"


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
            with (
                pytest.raises(HarnessError, match="works"),
                locked(path, "works", wait_seconds=0.1),
            ):
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
    with pytest.raises(
        HarnessError, match=f"a.lock: process {stale['pid']} on elsewhere, since then, works"
    ):
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
