"""What a terminal gets: a screen that is emptied, and progress whose number is within the line."""

import re
import sys

import pytest
from in_terminal import in_terminal

from harness.study.training import _best_words

ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
SECONDS = 3
PROGRESS = f"""
import time
from harness.show.console import TERMINAL

TERMINAL.say("Ctrl-C stops it, and the same command goes on. seconds: uncalibrated (a command measures this machine)")
packs = {{(run,): 0.1 for run in range(240)}}
with TERMINAL.packs(packs, 240) as progress:
    for done, pack in enumerate(packs):
        time.sleep({SECONDS} / 240)
        progress.pack_done(pack, "j0 kan [2,2,1] G=5", ["done"], 0.1, BEST)
"""


@pytest.fixture(scope="module", params=[80, 100])
def progress(request, tmp_path_factory) -> tuple[int, str]:
    """The columns of a terminal, and what a line of progress wrote to it."""
    best = _best_words({"mlp": 0.0000342, "kan": 0.00000178, "spline_mlp": 0.0123}, "j0", "rmse")
    code = PROGRESS.replace("BEST", repr(best))
    return request.param, in_terminal(
        [sys.executable, "-c", code], tmp_path_factory.mktemp("terminal"), request.param
    )


def test_watch_empties_the_screen(tmp_path):
    (tmp_path / "results").mkdir()
    shown = in_terminal([sys.executable, "-m", "harness", "status", "--watch"], tmp_path)
    assert shown.startswith("\x1b[2J\x1b[H")
    assert "u001b" not in shown


def test_the_least_errors_are_within_the_line(progress):
    columns, written = progress
    frames = [ESCAPE.sub("", frame) for frame in written.split("\r")]
    told = [frame for frame in frames if "240 runs), about" in frame]
    assert told
    assert all("kan 1.8e-06, mlp 3.4e-05" in frame and len(frame) <= columns for frame in told)


def test_the_bar_ends_full(progress):
    last = [ESCAPE.sub("", frame) for frame in progress[1].split("\r") if "100%" in frame][-1]
    assert last.startswith("━" * 10 + " 100% (240/240 runs)")


def test_a_line_of_progress_is_drawn_once_a_second(progress):
    assert progress[1].count("\x1b[2K") <= SECONDS + 4


def test_sentences_end_their_lines_between_words(progress):
    columns, written = progress
    said = re.split("━|\x1b", written, maxsplit=1)[0]
    lines = said.splitlines()
    assert " ".join(lines).split() == said.split()
    assert max(map(len, lines)) <= columns
    assert "Ctrl-C stops it" in lines[0]
