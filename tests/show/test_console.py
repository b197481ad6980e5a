"""What a log says of long work, and how wide it is."""

import os
import subprocess
import sys

from harness.show import console


def test_a_log_has_the_share_the_time_left_and_the_best_losses(monkeypatch, capsys):
    """A line says what is done of the work, not of the packs, and counts what did not go well."""
    monkeypatch.setattr(console, "SECONDS_BETWEEN_LINES", 0.0)
    monkeypatch.setattr(console, "console", console.Console(width=160))
    progress = console.PackProgress(packs=2, runs=4, evaluations=100, bar=None)
    progress.pack_split()  # before anything is evaluated there is no time left to tell
    progress.pack_done("xy mlp [2,9,1]", [], 0.0)
    assert "] 0% (0/4 runs); xy mlp" in capsys.readouterr().out
    progress.evaluated(25)
    progress.pack_done("xy kan [2,2,1] G=5", ["done", "diverged"], 1.5, "best test RMSE on xy so far: kan 0.01")
    progress.evaluated(75)
    progress.pack_done("xy mlp [2,5,1]", ["done", "done"], 0.5)
    first, last = capsys.readouterr().out.splitlines()
    assert "] 25% (2/4 runs), about " in first
    assert first.endswith(" left; best test RMSE on xy so far: kan 0.01; xy kan [2,2,1] G=5 in 1.5 s; 1 diverged")
    assert "100% (4/4 runs); best test RMSE on xy so far: kan 0.01; xy mlp [2,5,1] in 0.5 s" in last


def test_what_is_piped_is_as_wide_as_asked_for():
    """Of a log nobody knows the width: wide, unless COLUMNS says."""
    code = "from harness.show.console import console; print(console.width)"
    without = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    for environment, width in ((without, 160), (without | {"COLUMNS": "80"}, 80)):
        told = subprocess.run([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, check=True)
        assert int(told.stdout) == width
