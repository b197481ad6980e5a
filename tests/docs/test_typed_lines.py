"""Lines that the documentation shows have no mistake for who checks types: an editor would
underline them in red.
"""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LINES = """
import harness
from harness import KANRegressor, nn
from harness.nn import KAN, MLP, TrainedNetwork
from harness.optimisers.base import LaneState, begun
from harness.optimisers.outside import OutsideOptimiser

answer = harness.run("quickstart.yaml")
answer.figure().savefig("answer.pdf")
answer.runs.figure().savefig("runs.pdf")
harness.compare("quickstart.yaml", "kan", "mlp").figure().savefig("compare.pdf")
harness.fit("runs.csv", "params", "loss").figure().savefig("laws.pdf")
nn.KAN([2, 5, 1], grid=5).plot_edges().savefig("edges.png")
"""


@pytest.mark.slow
def test_what_the_documentation_shows_is_exported_and_there(tmp_path):
    """As an editor sees it, for whom a package exports what it says it does (mypy:
    --no-implicit-reexport).
    """
    pytest.importorskip("mypy")
    (tmp_path / "lines.py").write_text(LINES)
    check = [
        "--no-implicit-reexport",
        "--follow-imports=silent",
        "--config-file",
        "",
        "--ignore-missing-imports",
    ]
    command = [
        sys.executable,
        "-m",
        "mypy",
        *check,
        "--cache-dir",
        str(tmp_path),
        str(tmp_path / "lines.py"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
