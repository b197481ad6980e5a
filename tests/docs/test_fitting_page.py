"""docs/fitting.md is true: its commands run, and it names every law and function."""

import re
import shlex
from pathlib import Path

import numpy as np
import pandas as pd
from click.testing import CliRunner

from harness import comparison, laws
from harness.cli import main
from harness.laws.law import LAWS
from harness.laws.refusal import SPARE_SIZES

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "fitting.md").read_text(encoding="utf-8")


def test_commands_run(tmp_path, monkeypatch):
    """Every command line of the page fits a table with the columns that it names."""
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


def test_laws_and_functions_are_all_named():
    """Each law has its row, with its number of parameters; each public function of both rooms occurs."""
    rows = re.findall(r"^\| `(\w+)` \| `[^|]*\| (\d) \|", TEXT, flags=re.MULTILINE)
    assert {name: int(count) for name, count in rows} == {name: law.parameters for name, law in LAWS.items()}
    few = {name: law.parameters + SPARE_SIZES for name, law in LAWS.items()}
    assert few == {"pure": 4, "floor": 5, "shifted": 5, "broken": 8}
    for name in ("fit_law", "select_law", "fit_surface", "fit_shared", "cross_check", "diagnose", "band"):
        assert name in laws.__all__
        assert name in TEXT
    for name in ("cost_ratio", "twin_ratio", "crossover", "dominance", "loss_ratio", "exponent_difference", "judge"):
        assert name in comparison.__all__
        assert name in TEXT
