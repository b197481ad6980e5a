"""What counting.md says of KANbeFair's released runs: `python docs/count_released.py FILE`.

The file is kanbefair_results_raw_noheader.csv, which KANbeFair released. This prints the shares of
budgets at which the KAN is ahead.
"""

import csv
import sys
from functools import cache
from itertools import pairwise

import numpy as np

from harness.count import count, kanbefair
from harness.families import KanShape, MlpShape

INPUTS_OUTPUTS = {
    "Bank": (16, 2),
    "Bean": (16, 7),
    "Card": (23, 2),
    "Income": (14, 2),
    "Rice": (7, 2),
    "Spam": (57, 2),
    "Student": (36, 3),
    "Telescope": (10, 2),
    "Titanic": (9, 2),
    "Wine": (11, 7),
}
COUNTED_BY = ("kanbefair", "per_edge", "shared_dense", "params.trainable", "local_min")


@cache
def _released_counts(shape, activation, grid, order, shortcut):
    """Sizes of a released network under COUNTED_BY: `grid` is None for an MLP."""
    if grid is None:
        network = MlpShape(shape=shape, activation=activation)
        theirs = sum(kanbefair.mlp_layer_flops(*layer, activation) for layer in pairwise(shape))
    else:
        base = shortcut != "zero"
        network = KanShape(shape=shape, grid=grid, order=order, base=base, scales=True, bias=True)
        theirs = sum(
            kanbefair.kan_layer_flops(*layer, grid, order, shortcut) for layer in pairwise(shape)
        )
    counted = count(network)
    free = (
        5 * sum(shape[:-1]) if shortcut == "identity" else 0
    )  # an identity costs nothing where we count silu
    sizes = [
        theirs,
        *(counted[f"flops_forward.{name}"] - free for name in ("per_edge", "shared_dense")),
    ]
    return (*sizes, counted["params.trainable"], counted["flops_forward.local_min"] - free)


def _ahead(kans, mlps):
    """The share of 50 budgets, evenly spaced in log over both ranges, at which the best KAN so far
    beats the MLP's.
    """
    best = []
    low, high = max(kans[0].min(), mlps[0].min()), min(kans[0].max(), mlps[0].max())
    budgets = np.geomspace(low, high, 50) * (1 + 1e-9)
    for sizes, scores in (kans, mlps):
        order = np.argsort(sizes)
        best.append(
            np.maximum.accumulate(scores[order])[
                np.searchsorted(sizes[order], budgets, side="right") - 1
            ]
        )
    return np.mean(best[0] > best[1])


def main(path: str) -> None:
    """Print the shares under each count, of all runs and of as many KANs as there are MLPs; and
    what the runs are.
    """
    found = {(data, model): [] for data in INPUTS_OUTPUTS for model in ("KAN", "MLP")}
    epochs = {"KAN": [], "MLP": []}
    with open(path, newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            data, model, hidden = row[1:4]
            if data not in INPUTS_OUTPUTS:
                continue
            inputs, outputs = INPUTS_OUTPUTS[data]
            shape = (inputs, *map(int, hidden.split("_")), outputs)
            is_kan = model == "KAN"
            spline = (int(row[10]), int(row[11]), row[12]) if is_kan else (None, None, None)
            score = float(row[15] if is_kan else row[12])
            found[data, model].append((*_released_counts(shape, row[5], *spline), score))
            epochs[model].append(int(row[7]))
    runs = {key: np.array(rows).T for key, rows in found.items()}
    draws = [np.random.default_rng(seed) for seed in range(25)]
    for axis, name in enumerate(COUNTED_BY):
        pairs = [
            [runs[data, model][[axis, -1]] for model in ("KAN", "MLP")] for data in INPUTS_OUTPUTS
        ]
        few = [
            [_ahead(k[:, d.choice(k.shape[1], m.shape[1], replace=False)], m) for k, m in pairs]
            for d in draws
        ]
        print(
            f"{name}: {np.mean([_ahead(*pair) for pair in pairs]):.0%}, of few KANs "
            f"{np.mean(few):.0%}"
        )
    kans, mlps = len(epochs["KAN"]), len(epochs["MLP"])
    print(f"{kans / mlps:.0f} KANs for each MLP; epochs of MLPs {set(epochs['MLP'])}")
    print(f"{epochs['KAN'].count(10) / kans:.0%} of the KANs had 10 epochs")


if __name__ == "__main__":
    main(sys.argv[1])
