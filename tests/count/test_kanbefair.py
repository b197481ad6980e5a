"""KANbeFair's released table, recounted by its own formulas: every row, parameters and FLOPs."""

import csv
from itertools import pairwise
from pathlib import Path

import pytest

from harness.count import count, kanbefair
from harness.spec import KanShape, MlpShape, SplineMlpShape

RELEASED = Path(__file__).parents[3] / "shared" / "fair" / "kanbefair_results_raw_noheader.csv"
# (inputs, outputs) of its data sets; all its special functions have two variables.
SIZES = {
    **dict.fromkeys(("MNIST", "FMNIST", "KMNIST"), (784, 10)),
    "EMNIST-Letters": (784, 37),
    "EMNIST-Balanced": (784, 47),
    **dict.fromkeys(("Cifar10", "SVHN"), (2352, 10)),
    "Cifar100": (2352, 100),
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


def _shape(dataset: str, hidden: str) -> tuple[int, ...]:
    inputs, outputs = (2, 1) if dataset.startswith("Special") else SIZES[dataset]
    return (inputs, *(int(width) for width in hidden.split("_")), outputs)


def _recount(row: list[str]) -> tuple[int, float, int, float]:
    """(parameters released, FLOPs released, parameters recounted, FLOPs recounted)."""
    dataset, model, hidden, batch_norm, activation = row[1:6]
    shape = _shape(dataset, hidden)
    pairs = list(pairwise(shape))
    if model == "KAN":
        grid, order, shortcut = int(row[10]), int(row[11]), row[12]
        parameters = kanbefair.kan_parameters(shape, grid, order, shortcut)
        flops = sum(kanbefair.kan_layer_flops(*pair, grid, order, shortcut) for pair in pairs)
        released = row[16:18]
    else:
        parameters = kanbefair.mlp_parameters(shape)
        flops = sum(kanbefair.mlp_layer_flops(*pair, activation) for pair in pairs)
        released = row[13:15]
    if batch_norm == "True":
        flops += 4 * sum(shape[1:])  # an output of every layer, the last included
    return int(float(released[0])), float(released[1]), parameters, flops


def test_every_released_row_reproduces():
    if not RELEASED.exists():
        pytest.skip(f"{RELEASED.name} is not on this machine")
    with open(RELEASED, newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    wrong = [row for row in rows if (counts := _recount(row))[:2] != counts[2:]]

    assert len(rows) == 21_030
    assert not wrong, f"{len(wrong)} rows differ, first: {wrong[0]} {_recount(wrong[0])}"


@pytest.mark.parametrize("shape", [(16, 32, 8), (2, 5, 5, 1)])
def test_the_convention_is_the_formula(shape):
    pairs = list(pairwise(shape))
    with_base, without = count(KanShape(shape=shape, grid=5)), count(KanShape(shape=shape, grid=5, base=False))
    spline = count(SplineMlpShape(shape=shape, grid=5))
    before = count(SplineMlpShape(shape=shape, grid=5, place="before"))

    assert with_base["params.kanbefair"] == kanbefair.kan_parameters(shape, 5, 3, "silu")
    assert without["params.kanbefair"] == kanbefair.kan_parameters(shape, 5, 3, "zero")
    assert without["flops_forward.kanbefair"] == sum(kanbefair.kan_layer_flops(*pair, 5, 3, "zero") for pair in pairs)
    assert count(MlpShape(shape=shape))["params.kanbefair"] == kanbefair.mlp_parameters(shape)
    assert spline["params.kanbefair"] - spline["params.trainable"] == 8 * shape[-1]
    assert before["params.kanbefair"] == before["params.trainable"]
    assert before["flops_forward.kanbefair"] - before["flops_forward.matmul"] == sum(shape[:-1]) * (9 * 27 + 15)


def test_what_the_formula_says_of_an_edge():
    """204 FLOPs an edge at G = 3, k = 3 with shortcut: the number that the KAT and FlashKAT papers quote."""
    assert kanbefair.kan_layer_flops(1000, 1000, 3, 3, "identity") == 204 * 1000**2
