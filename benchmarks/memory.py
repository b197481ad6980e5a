"""How much memory loss and gradient take above what was there before, each implementation in a
process of its own.

python -m benchmarks.memory "fused (ours)"        # prints bytes
"""

import ctypes
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.implementations import MAKE_KAN, WHAT, Array, Implementation, initial
from benchmarks.report import Report
from harness.families import KanShape

NETWORK = KanShape(shape=(2, 5, 1), grid=500)
POINTS, WARM_POINTS = 1000, 10


def compare(folder: Path) -> Report:
    """Megabytes of one loss and gradient."""
    rows = [
        {"implementation": name, "peak_mb": _in_own_process(name) / 1e6, "what": WHAT[name]}
        for name in MAKE_KAN
    ]
    return Report(
        name="memory",
        title=f"Peak memory of loss and gradient above what was there, {list(NETWORK.shape)}, G = "
        f"{NETWORK.grid}, "
        f"{POINTS} points, float64",
        table=pd.DataFrame(rows),
        shown={"implementation": "implementation", "peak_mb": "MB", "what": "what it is"},
        notes=[
            "Resident memory, as Linux counts it. Libraries, network and samples were there "
            "before; so was an "
            f"evaluation of {WARM_POINTS} points."
        ],
    )


def _in_own_process(name: str) -> int:
    command = [sys.executable, "-m", "benchmarks.memory", name]
    return int(
        subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1]
    )


def peak_bytes(name: str) -> int:
    """What an evaluation adds to the memory of this process at its highest."""
    _with_points(name, WARM_POINTS).evaluate()
    one = _with_points(name, POINTS)
    _forget_peak()
    before = _status_bytes("VmRSS")
    one.evaluate()
    return _status_bytes("VmHWM") - before


def _with_points(name: str, points: int) -> Implementation:
    rng = np.random.default_rng(0)
    x: Array = rng.uniform(-1, 1, (points, NETWORK.shape[0]))
    return MAKE_KAN[name](
        NETWORK, initial(NETWORK), x, rng.normal(size=(points, NETWORK.shape[-1]))
    )


def _forget_peak() -> None:
    """Give back what was freed, and make this moment the highest so far; Linux and glibc only."""
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _status_bytes(field: str) -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith(field))


if __name__ == "__main__":
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    print(peak_bytes(sys.argv[1]))
