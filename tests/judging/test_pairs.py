"""Arms at equal sizes: power laws are read exactly, nothing is extrapolated, and the matched axis has ratio 1."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.judging.pairs import interpolate, pairs

exponents = st.floats(-4, 4)
many_sizes = st.lists(st.integers(1, 10**6), min_size=2, max_size=8, unique=True)


@given(many_sizes, exponents, st.floats(0, 1))
def test_a_power_law_is_read_without_error(sizes, exponent, share):
    """Between any two of its sizes, on the line in log-log space, a power law is itself."""
    low, high = min(sizes), max(sizes)
    at = min(max(low ** (1 - share) * high**share, low), high)
    found = interpolate(sizes, [3 * size**-exponent for size in sizes], [at])
    assert found[0] == pytest.approx(3 * at**-exponent, rel=1e-6)


@given(many_sizes)
def test_nothing_is_extrapolated(sizes):
    values = [1.0 + index for index in range(len(sizes))]
    assert np.isnan(interpolate(sizes, values, [min(sizes) / 2, max(sizes) * 2])).all()
    assert interpolate(sizes, values, sizes) == pytest.approx(values)


def _table(kan_sizes, mlp_sizes) -> pd.DataFrame:
    """Chosen runs of two arms: RMSE 1/N for the KAN, 10/N for the MLP; FLOPs 2 N and 6 N."""
    rows = []
    for series, sizes, scale, flops in (("kan", kan_sizes, 1, 2), ("mlp", mlp_sizes, 10, 6)):
        for cell, size in enumerate(sizes):
            for seed in range(3):
                rows.append(
                    {
                        "task": "t",
                        "series": series,
                        "cell": f"{series}{cell}",
                        "shape": "1-1",
                        "grid": None,
                        "seed": seed,
                        "status": "done",
                        "chosen": True,
                        "of_budget": False,
                        "metric": "rmse",
                        "test_loss": scale / size,
                        "params.trainable": size,
                        "flops_forward.shared_dense": flops * size,
                    }
                )
    return pd.DataFrame(rows)


def test_the_second_arm_is_read_at_the_sizes_of_the_first():
    found = pairs(_table([10, 30, 90], [9, 27, 120]), "params.trainable").set_index("size")
    assert found["rmse_ratio"].to_numpy() == pytest.approx(10)
    assert found["ratio.params.trainable"].to_numpy() == pytest.approx(1)
    assert found["ratio.flops_forward.shared_dense"].to_numpy() == pytest.approx(3)
    assert found.loc[30, "nearest_off"] == pytest.approx(-0.1)


def test_a_size_that_the_second_arm_does_not_reach_has_no_ratio():
    found = pairs(_table([10, 1000], [9, 120]), "params.trainable").set_index("size")
    assert np.isnan(found.loc[1000, "rmse_ratio"])
    assert found.loc[10, "rmse_ratio"] == pytest.approx(10)


def test_a_size_that_diverged_is_not_bridged():
    """Where most runs of a size diverged there is no error to read, neither at it nor between it and the next."""
    table = _table([10, 30, 60, 90], [10, 30, 90])
    lost = (table["series"] == "mlp") & (table["params.trainable"] == 30)
    table.loc[lost, "status"] = "diverged"
    table.loc[lost, "test_loss"] = np.nan
    found = pairs(table, "params.trainable").set_index("size")
    assert found["rmse_ratio"].isna().to_dict() == {10: False, 30: True, 60: True, 90: False}
    assert (found["second_diverged"] == 3).all()


def test_of_sizes_crossed_with_budgets_the_best_are_compared():
    table = _table([10, 30], [10, 30])
    crossed = table.assign(series=table["series"] + " at 1e9", of_budget=True, test_loss=1.0)
    found = pairs(pd.concat([crossed, table], ignore_index=True), "params.trainable")
    assert list(found["first"].unique()) == ["kan"]
    assert found["rmse_ratio"].to_numpy() == pytest.approx(10)


def test_diverged_and_losing_runs_are_not_in_a_curve():
    table = _table([10, 30], [10, 30])
    lost = table.assign(chosen=False, test_loss=1e9)
    diverged = table.assign(status="diverged", test_loss=np.nan, seed=9)
    mixed = pairs(pd.concat([table, lost, diverged], ignore_index=True), "params.trainable")
    assert mixed["rmse_ratio"].to_numpy() == pytest.approx(10)
