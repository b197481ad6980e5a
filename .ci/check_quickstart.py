"""What the quickstart must have written: every file, both families at every size, and an answer on
both functions.
"""

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
assert "https://" not in (folder / "report.html").read_text().split("<body")[0]
winners = pd.read_csv(folder / "winners.csv", low_memory=False)
for task in ("exp2d", "j0"):
    for arm in ("kan", "mlp", "spline_mlp"):
        rows = winners[
            (winners["task"] == task)
            & (winners["arm"] == arm)
            & (winners["won_on"] == "params.trainable")
        ]
        assert rows["asked"].nunique() == 5
        assert rows["seed"].nunique() == 8
ratios = {
    (one["task"], one["place"]): one["ratio"]
    for one in answer["headline"]["readings"]
    if one["axis"] == "params.trainable"
}
for place in ("smallest", "middle"):  # at the largest size the sides come nearer
    assert ratios["exp2d", place]["low"] > 1, ratios
    assert ratios["j0", place]["high"] < 1, ratios
assert [verdict["verdict"] for verdict in answer["verdicts"]] != ["supported"]
print(f"quickstart: {len(table)} rows; KANs ahead on exp2d, MLPs ahead on j0, at equal parameters")
