"""From the table of runs to laws: which runs enter, at which size, and which law is shown."""

import numpy as np
import pandas as pd
import pytest

from harness.fit import fit_law
from harness.scaling import AXES, SeriesFit, common_law, fit_table, sizes_of, to_json

SIZES = np.array([30, 60, 120, 250, 500, 1000, 2000])


def _table(**changes) -> pd.DataFrame:
    """Seven sizes of one arm, three seeds, two trials, error = 2 / size; `changes` replace columns."""
    rng = np.random.default_rng(0)
    cell, seed, trial = (axis.ravel() for axis in np.meshgrid(range(7), range(3), range(2), indexing="ij"))
    size = SIZES[cell]
    table = pd.DataFrame({"cell": cell, "seed": seed, "trial": trial, "task": "xy", "series": "kan", "status": "done"})
    table = table.assign(chosen=trial == 1, in_window=True, **dict.fromkeys(AXES, size))
    table["test_rmse"] = np.where(trial == 1, 2 / size * np.exp(rng.normal(0, 0.01, len(table))), 9.0)
    return table.assign(**changes)


def test_only_the_chosen_trial_enters():
    """The law of the chosen trials is found although the others would hide it."""
    fits = fit_table(_table(), axes=["params.trainable"])

    assert [one.fit.law for one in fits] == ["pure", "floor"]
    assert fits[0].fit.alpha == pytest.approx(1, abs=0.02)
    assert fits[0].fit.points.counts.tolist() == [3] * 7


def test_runs_outside_the_window_and_diverged_runs_are_counted_and_left_out():
    """They are in no law, but their number is told."""
    table = _table()
    table.loc[table["cell"] == 0, "in_window"] = False
    table.loc[(table["cell"] == 3) & (table["seed"] == 0), ["status", "test_rmse"]] = ["diverged", np.nan]

    pure = fit_table(table, axes=["params.trainable"])[0]

    assert (pure.outside, pure.diverged) == (3, 1)
    assert pure.fit.points.counts.tolist() == [3, 3, 2, 3, 3, 3]


def test_seeds_that_spent_different_work_are_replicates_of_one_size():
    """On an axis of counted work a cell has one size, the median over its runs."""
    table = _table()
    spent = np.tile([0.9, 1.0, 1.3], 7)
    table.loc[table["chosen"], "flops_train.shared_dense"] = SIZES.repeat(3) * spent

    assert set(sizes_of(table[table["chosen"]], "flops_train.shared_dense")) == set(SIZES)
    assert len(fit_table(table, axes=["flops_train.shared_dense"])[0].fit.points.sizes) == 7


def test_a_diverged_run_does_not_move_the_size_of_the_others():
    """Runs that stopped early because they diverged say nothing about the work of those that did not."""
    table = _table()
    axis = "flops_train.shared_dense"
    lost = (table["cell"] == 2) & (table["seed"] > 0)
    table.loc[lost, ["status", "test_rmse", axis]] = ["diverged", np.nan, 3]

    assert fit_table(table, axes=[axis])[0].fit.points.sizes.tolist() == SIZES.tolist()


def test_a_series_of_which_all_runs_diverged_is_refused_and_not_lost():
    """Nothing to fit is TOO_FEW, with the number of runs that diverged."""
    fits = fit_table(_table(status="diverged"), axes=["params.trainable"])

    assert [one.fit.refusals[0].code for one in fits] == ["TOO_FEW", "TOO_FEW"]
    assert fits[0].diverged == 21
    assert to_json(fits)[0]["runs_diverged"] == 21


def _fits(*laws_by_series) -> list[SeriesFit]:
    return [
        SeriesFit("xy", f"arm{index}", "params.trainable", fit_law(SIZES, y, law), 0, 0)
        for index, y in enumerate(laws_by_series)
        for law in ("pure", "floor")
    ]


NOISE = np.exp(np.random.default_rng(1).normal(0, 0.02, 7))
POWER, FLOOR = 2 / SIZES * NOISE, (0.05 + 20 / SIZES) * NOISE


@pytest.mark.parametrize("series", [(POWER, POWER * 3), (FLOOR, FLOOR * 2), (POWER, FLOOR)])
def test_series_side_by_side_show_the_law_with_a_floor(series):
    """It contains the pure law, so it is right for arms with and without a floor."""
    assert common_law(_fits(*series), "xy", "params.trainable") == "floor"


def test_a_law_that_is_refused_for_an_arm_is_not_the_common_one():
    """Four sizes are too few for a floor: both arms then show the pure law."""
    few = SeriesFit("xy", "few", "params.trainable", fit_law(SIZES[:4], POWER[:4], "floor"), 0, 0)
    also = SeriesFit("xy", "few", "params.trainable", fit_law(SIZES[:4], POWER[:4], "pure"), 0, 0)

    assert common_law([*_fits(FLOOR), few, also], "xy", "params.trainable") == "pure"
