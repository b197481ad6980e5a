"""What the quickstart must have written: every file, both families, fits or named refusals on both axes."""

import json
import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
table = pd.read_parquet(folder / "runs.parquet")
fits = json.loads((folder / "fits.json").read_text())["fits"]
assert len(pd.read_csv(folder / "runs.csv")) == len(table)
assert (folder / "scaling.png").stat().st_size > 50_000
assert (folder / "scaling.pdf").read_bytes().startswith(b"%PDF")
assert (folder / "residuals.png").stat().st_size > 50_000
assert "Which objective is minimised?" in (folder / "checklist.md").read_text()
assert "https://" not in (folder / "report.html").read_text().split("<body")[0]
for task in ("exp2d", "j0"):
    for arm in ("kan", "mlp"):
        rows = table[(table["task"] == task) & (table["arm"] == arm)]
        sizes = rows["params.trainable"]
        assert sizes.nunique() >= 7
        assert sizes.max() / sizes.min() >= 100
        assert rows["seed"].nunique() == 3
        for axis in ("params.trainable", "flops_train.shared_dense"):
            told = [fit for fit in fits if (fit["task"], fit["series"], fit["axis"]) == (task, arm, axis)]
            assert {fit["law"] for fit in told} == {"pure", "floor"}
            assert all((fit["alpha"] is None) == bool(fit["refusals"]) for fit in told)
kan = next(
    f for f in fits if (f["task"], f["series"], f["axis"], f["law"]) == ("j0", "kan", "params.trainable", "floor")
)
assert kan["alpha"] is not None, kan["refusals"]
assert kan["alpha"] > 3, "cubic splines resolve J0(20x) with an exponent near 4"
print(f"quickstart: {len(table)} rows, {len(fits)} fits; J0 KAN alpha {kan['alpha']:.2f}")
