"""Folders that jobs go on from, and what killed writers leave."""

import os
import stat
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.base.files import STALE_SECONDS, _remove_stale, private_folder, whole_file
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
    for name in ("", "checkpoints", "snapshots", "sweep", "sweep/submissions", "sweep/orders", "sweep/attempts"):
        private_folder(tmp_path / "shared" / name)
        assert mode(tmp_path / "shared" / name) == 0o2770, name
    with whole_file(tmp_path / "shared" / "sweep" / "orders" / "order.json") as temporary:
        temporary.write_text("{}")
    assert mode(tmp_path / "shared" / "sweep" / "orders" / "order.json") == 0o660


def test_what_a_killed_writer_left_goes_with_the_next_file(tmp_path, monkeypatch):
    """Not what is being written, nor what has another name; also where another process removes one of them first."""
    names = (f".{uuid.uuid4().hex}{ending}" for ending in (".png", ".csv", ".json", ""))
    left, too, being_written, snapshot = (tmp_path / name for name in names)
    others = (
        tmp_path / ".submit.claim",
        tmp_path / f".{uuid.uuid4().hex[:-1]}.png",
        tmp_path / f"{uuid.uuid4().hex}.png",
    )
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
