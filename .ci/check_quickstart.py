"""What the quickstart must have written: every file, both families at every size, and an answer on both functions."""

import json
import sys
from pathlib import Path

import pandas as pd

folder = Path(sys.argv[1])
table = pd.read_parquet(folder / "runs.parquet")
answer = json.loads((folder / "answer.json").read_text())
assert len(pd.read_csv(folder / "runs.csv")) == len(table)
assert (folder / "scaling.png").stat().st_size > 50_000
assert (folder / "scaling.pdf").read_bytes().startswith(b"%PDF")
assert "Which objective is minimised?" in (folder / "checklist.md").read_text()
assert "https://" not in (folder / "report.html").read_text().split("<body")[0]
for task in ("exp2d", "j0"):
    for arm in ("kan", "mlp"):
        rows = table[(table["task"] == task) & (table["arm"] == arm) & (table["won_on"] == "params.trainable")]
        assert rows["params.trainable"].nunique() == 3
        assert rows["seed"].nunique() == 8
largest = {
    (one["task"], one["axis"]): one["ratio"]
    for one in answer["headline"]["readings"]
    if one["place"] == "largest" and one["axis"] != "seconds"
}
assert len(largest) == 2 * 3
for (task, axis), ratio in largest.items():
    ahead = "kan" if ratio["low"] > 1 else "mlp" if ratio["high"] < 1 else "nobody"
    assert ahead == {"exp2d": "kan", "j0": "mlp"}[task], (task, axis, ratio)
assert [verdict["verdict"] for verdict in answer["verdicts"]] == ["refuted"]
print(f"quickstart: {len(table)} rows; KAN ahead on exp2d, MLP ahead on j0, at equal parameters and FLOPs")
