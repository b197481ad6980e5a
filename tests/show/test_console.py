"""What a log says of long work, and how wide it is."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from harness.show import console


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The time, which a test moves; lines are printed whenever there is something to tell."""
    now = [0.0]
    monkeypatch.setattr(console, "time", SimpleNamespace(monotonic=lambda: now[0]))
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(console, "log", console.Console(width=160, stderr=True))
    return now


def progress_of(work: dict[tuple, float]) -> tuple[console.PackProgress, list[str]]:
    lines: list[str] = []
    return console.PackProgress(
        work, sum(map(len, work)), lambda line, share: lines.append(line)
    ), lines


def test_a_log_has_the_share_the_time_left_and_the_best_losses(clock):
    mlps, kans = ("mlp 0", "mlp 1"), ("kan 0", "kan 1")
    progress, lines = progress_of({mlps: 10.0, kans: 90.0})
    progress.reached(kans, 0.0)  # before anything is trained there is no time left to tell
    clock[0] = 45.0
    progress.reached(kans, 0.5)
    clock[0] = 90.0
    progress.pack_done(
        kans,
        "xy kan [2,2,1] G=5",
        ["done", "diverged"],
        90.0,
        "best test RMSE on xy so far: kan 0.01",
    )
    clock[0] = 100.0
    progress.pack_done(mlps, "xy mlp [2,5,1]", ["done", "done"], 10.0)
    middle, second, last = lines
    assert middle == "[   45 s] 45% (0/4 runs), about 55 s left"
    assert (
        "] 90% (2/4 runs), about 10 s left; best test RMSE on xy so far: kan 0.01; xy kan "
        "[2,2,1] G=5"
    ) in second
    assert second.endswith(" in 90.0 s; 1 diverged")
    assert (
        "100% (4/4 runs); best test RMSE on xy so far: kan 0.01; xy mlp [2,5,1] in 10.0 s" in last
    )


def test_the_halves_of_a_pack_have_its_work(clock):
    """A pack that splits is not done: its halves begin anew, and each has the work of its runs."""
    kans = ("kan 0", "kan 1", "kan 2")
    progress, lines = progress_of({("mlp",): 10.0, kans: 90.0})
    clock[0] = 5.0
    progress.reached(kans, 0.5)
    progress.pack_split(kans)
    for half in (kans[:1], kans[1:], ("mlp",)):
        clock[0] += 10.0
        progress.pack_done(half, half[0], ["done"] * len(half), 10.0)
    shares = [line.partition("] ")[2].partition(" runs")[0] for line in lines]
    assert shares == ["45% (0/4", "30% (1/4", "90% (3/4", "100% (4/4"]


def test_at_the_end_no_time_is_left(clock):
    """Whatever the rounding of the sum: 0.3 + 0.2 + 0.1 is less than 0.1 + 0.2 + 0.3."""
    progress, lines = progress_of({("a",): 0.1, ("b",): 0.2, ("c",): 0.3})
    for pack in ("c", "b", "a"):
        clock[0] += 10
        progress.pack_done((pack,), pack, ["done"], 10.0)
    assert lines[-1] == "[   30 s] 100% (3/3 runs); a in 10.0 s"


def test_what_an_earlier_command_trained_is_no_speed(clock):
    """A pack that goes on from its checkpoint is half done at once, which says nothing of how long
    the rest takes.
    """
    progress, lines = progress_of({("half",): 100.0})
    clock[0] = 5.0
    progress.reached(("half",), 0.5)
    clock[0] = 15.0
    progress.reached(("half",), 0.6)
    first, then = lines
    assert first == "[    5 s] 50% (0/1 runs)"
    assert then == "[   15 s] 60% (0/1 runs), about 40 s left"


def test_a_log_of_what_is_counted_has_a_line_now_and_then(clock, capsys):
    with console.TERMINAL.steps("bench") as progress:
        for done in range(1, 13):
            clock[0] += 1.0
            progress("shapes", done, 12)
    assert capsys.readouterr().err.splitlines() == [
        f"bench: shapes {done}/12" for done in (4, 8, 12)
    ]


def test_what_is_piped_is_as_wide_as_asked_for():
    code = "from harness.show.console import console; print(console.width)"
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    for environment, width in ((without, 160), (without | {"COLUMNS": "80"}, 80)):
        told = subprocess.run(
            [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True
        )
        assert int(told.stdout) == width
