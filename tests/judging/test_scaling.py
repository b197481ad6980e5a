"""From the table of runs to laws: which runs enter, at which size, and which law is shown."""

import json

import numpy as np
import pandas as pd
import pytest
from made_records import made_record, recorded_table

from harness.base.plain import plain
from harness.judging.laws import Fitting, SeriesLaws, check, drawn_law, fit_runs, fit_table
from harness.judging.scaling import chosen_runs, size_axes, sizes_of, with_parts
from harness.laws import data_hash, fit_law
from harness.planning.plan import make_plan
from harness.record.store import publish
from harness.show.figures.scaling import scaling_figure
from harness.spec.read import parse_experiment

SIZES = np.array([30, 60, 120, 250, 500, 1000, 2000])


def _table(**changes) -> pd.DataFrame:
    """Seven sizes of one arm, three seeds, two trials, error = 2 / size; `changes` replace
    columns.
    """
    rng = np.random.default_rng(0)
    cell, seed, trial = (
        axis.ravel() for axis in np.meshgrid(range(7), range(3), range(2), indexing="ij")
    )
    size = SIZES[cell]
    table = pd.DataFrame(
        {
            "cell": cell,
            "seed": seed,
            "trial": trial,
            "task": "xy",
            "series": "kan",
            "status": "done",
        }
    )
    table = table.assign(
        chosen=trial == 1,
        in_window=True,
        until_minimum=False,
        hold_out=0,
        dtype="float64",
        **dict.fromkeys(size_axes(), size),
    )
    table["metric"] = "rmse"
    table["test_loss"] = np.where(
        trial == 1, 2 / size * np.exp(rng.normal(0, 0.01, len(table))), 9.0
    )
    return table.assign(**changes)


def test_only_the_chosen_trial_enters():
    (found,) = fit_table(_table(), axes=["params.trainable"])
    assert list(found.fits) == ["pure", "floor"]
    assert found.fits["pure"].alpha == pytest.approx(1, abs=0.02)
    assert found.points.counts.tolist() == [3] * 7


def test_runs_outside_the_window_and_diverged_runs_are_counted_and_left_out():
    table = _table()
    table.loc[table["cell"] == 0, "in_window"] = False
    table.loc[(table["cell"] == 3) & (table["seed"] == 0), ["status", "test_loss"]] = [
        "diverged",
        np.nan,
    ]
    (found,) = fit_table(table, axes=["params.trainable"])
    assert (found.runs_outside_window, found.runs_failed) == (3, 1)
    assert found.points.counts.tolist() == [3, 3, 2, 3, 3, 3]


@pytest.mark.parametrize(("axis", "size"), [("flops_forward.matmul", 0), ("params.paper", np.nan)])
def test_where_a_convention_counts_nothing_or_has_no_count_there_is_no_law(axis, size):
    """`matmul` sees no product in a KAN without base, and the paper counts KANs and MLPs only;
    other axes have laws.
    """
    fits = fit_table(
        _table(**{axis: size}), axes=["params.trainable", axis, "flops_train.local_min"]
    )
    assert {one.axis for one in fits} == {"params.trainable", "flops_train.local_min"}


AXIS = "params.trainable"


def _parts(table: pd.DataFrame) -> list[str]:
    """The part of each cell's first seed, by size."""
    return with_parts(chosen_runs(table, AXIS)).groupby("cell")["part"].first().tolist()


def _worse_from(table: pd.DataFrame, cell: int) -> pd.DataFrame:
    """Every size from that of `cell` on has ten times the error that its law says."""
    return table.assign(
        test_loss=table["test_loss"].where(table["cell"] < cell, 10 * table["test_loss"])
    )


def test_a_window_until_the_minimum_ends_where_the_error_turns_up():
    table = _worse_from(_table(until_minimum=True), 5)
    for one in fit_table(table, axes=["params.trainable", "flops_train.shared_dense"]):
        assert one.runs_outside_window == 6
        assert one.points.sizes.tolist() == SIZES[:5].tolist()
        for law, fit in one.fits.items():
            assert one.without_window[law].points.sizes.tolist() == SIZES.tolist()
            assert "WINDOW" in {caution.code for caution in fit.warnings}
    assert _parts(table) == ["fitted"] * 5 + ["outside"] * 2


def test_a_declared_window_has_the_law_without_it_and_no_warning():
    table = _worse_from(_table(), 5)
    table = table.assign(in_window=table["cell"] < 5)
    (found,) = fit_table(table, axes=[AXIS])
    assert found.without_window["pure"].refusals[0].code == "NONMONOTONE"
    assert "WINDOW" not in {caution.code for caution in found.fits["pure"].warnings}
    assert fit_table(_table(), axes=[AXIS])[0].without_window == {}


def test_held_out_sizes_enter_no_fit_and_meet_the_prediction():
    followed, broken = (
        fit_table(table, axes=[AXIS])[0]
        for table in (_table(hold_out=2), _worse_from(_table(hold_out=2), 6))
    )
    for one in (followed, broken):
        assert one.points.sizes.tolist() == SIZES[:5].tolist()
        assert one.held_out["pure"].measured.sizes.tolist() == SIZES[5:].tolist()
        assert (one.runs_outside_window, one.without_window) == (0, {})
    ahead = followed.held_out["pure"]
    assert ahead.prediction.curve == pytest.approx(2 / SIZES[5:], rel=0.03)
    assert ahead.prediction.rmsle < 0.03 < ahead.last_value_rmsle
    assert not broken.held_out["pure"].prediction.within[1]
    assert broken.fits["pure"].alpha == followed.fits["pure"].alpha


def test_sizes_are_held_out_of_the_declared_window_and_before_the_minimum_is_looked_for():
    """What is held out was set aside before the data said anything: the least mean is that of the
    other sizes.
    """
    table = _table(hold_out=1, until_minimum=True)
    assert _parts(_worse_from(table, 4)) == ["fitted"] * 4 + ["outside"] * 2 + ["held_out"]
    assert (
        _parts(table.assign(in_window=table["cell"] < 5))
        == ["fitted"] * 4 + ["held_out"] + ["outside"] * 2
    )
    assert _parts(_worse_from(table, 6)) == ["fitted"] * 6 + ["held_out"]


def test_each_series_has_its_own_window():
    turned, falling = (
        _worse_from(_table(until_minimum=True), 5),
        _table(until_minimum=True, series="mlp"),
    )
    fits = fit_table(
        pd.concat([turned, falling.assign(cell=falling["cell"] + 7)], ignore_index=True),
        axes=[AXIS],
    )
    assert [(one.series, one.runs_outside_window) for one in fits] == [("kan", 6), ("mlp", 0)]


def test_seeds_that_spent_different_work_are_replicates_of_one_size():
    table = _table()
    spent = np.tile([0.9, 1.0, 1.3], 7)
    table.loc[table["chosen"], "flops_train.shared_dense"] = SIZES.repeat(3) * spent
    assert set(sizes_of(table[table["chosen"]], "flops_train.shared_dense")) == set(SIZES)
    assert len(fit_table(table, axes=["flops_train.shared_dense"])[0].points.sizes) == 7


def test_a_diverged_run_does_not_move_the_size_of_the_others():
    table = _table()
    axis = "flops_train.shared_dense"
    lost = (table["cell"] == 2) & (table["seed"] > 0)
    table.loc[lost, ["status", "test_loss", axis]] = ["diverged", np.nan, 3]
    assert fit_table(table, axes=[axis])[0].points.sizes.tolist() == SIZES.tolist()


def test_a_series_of_which_all_runs_diverged_is_refused_and_not_lost():
    (found,) = fit_table(_table(status="diverged"), axes=["params.trainable"])
    assert [fit.refusals[0].code for fit in found.fits.values()] == ["TOO_FEW", "TOO_FEW"]
    assert found.runs_failed == plain(found)["runs_failed"] == 21


def _laws(*losses: np.ndarray) -> list[SeriesLaws]:
    """Series under both laws, at the sizes of their losses."""
    return [
        SeriesLaws(
            "xy",
            f"arm{index}",
            AXIS,
            pd.DataFrame(),
            {law: fit_law(NINE_SIZES[: len(y)], y, law) for law in ("pure", "floor")},
        )
        for index, y in enumerate(losses)
    ]


NINE_SIZES = np.geomspace(
    100, 10_000, 9
)  # as many as a law with a floor is quoted from, of one run a size
NOISE = np.exp(np.random.default_rng(1).normal(0, 0.02, 9))
POWER, FLOOR = 2 / NINE_SIZES * NOISE, (0.05 + 20 / NINE_SIZES) * NOISE


def test_series_side_by_side_show_the_law_with_a_floor_where_it_may_be_quoted():
    """It contains the pure law, so it is right for arms with and without a floor; seven sizes are
    too few for it.
    """
    for series in ((POWER, POWER * 3), (FLOOR, FLOOR * 2), (POWER, FLOOR)):
        assert drawn_law(_laws(*series), "xy", AXIS) == "floor"
    assert drawn_law(_laws(FLOOR[:7], POWER[:7]), "xy", AXIS) == "pure"


@pytest.mark.parametrize(("errors", "law"), [(2 / SIZES, "pure"), (0.05 + 20 / SIZES, "floor")])
def test_the_law_that_made_the_data_is_the_one_to_quote(errors, law):
    noise = np.exp(np.random.default_rng(1).normal(0, 0.02, 42))
    table = _table()
    (found,) = check(fit_table(table.assign(test_loss=errors[table["cell"]] * noise), [AXIS]))
    said = plain(found)

    assert found.quoted_law == law
    assert found.selection.extrapolation[law].rmsle < found.selection.last_value.rmsle
    assert json.loads(json.dumps(said, allow_nan=False))["selection"]["chosen"] == law
    assert "fits" not in said["selection"]
    assert len(said["checks"]["diagnostics"]["leverage"]) == 7


def test_checks_are_of_the_runs_that_were_fitted_on_the_axes_that_were_asked_for():
    table = _table(hold_out=1)
    table["in_window"] = table["cell"] > 0
    checked, other = check(fit_table(table, [AXIS, "params.paper"]), [AXIS])

    assert np.array_equal(checked.selection.fits["pure"].points.sizes, checked.points.sizes)
    inside = table[table["cell"].between(1, 5) & table["chosen"]]
    assert checked.data_hash == data_hash(inside[AXIS], inside["test_loss"])
    assert (other.selection, other.checks) == (None, None)


def test_a_series_that_every_law_refuses_is_not_diagnosed():
    (found,) = check(fit_table(_table().query("cell < 2"), [AXIS]))
    assert (found.quoted_law, found.quoted, found.checks) == (None, None, None)


def test_a_loss_of_0_refuses_the_law_of_its_series_alone():
    """Without the run the series would look worse than it is."""
    table = pd.concat([_table(), _table(series="mlp")], ignore_index=True)
    table.loc[len(table) - 1, "test_loss"] = 0.0
    kan, of_mlp = fit_table(table, axes=["params.trainable"])
    (mlp,) = check([of_mlp])
    assert kan.quoted is not None
    assert (mlp.quoted_law, mlp.checks) == (None, None)
    for fit in mlp.fits.values():
        assert str(fit.refusals[0]).startswith("ZERO: a run has a loss of 0")
        assert fit.alpha is None


def test_merged_sizes_have_the_law_of_all():
    """Means of neighbours lie on a law as their runs do: exponent and interval are those of the
    thousand sizes.
    """
    rng = np.random.default_rng(0)
    x = np.geomspace(1e6, 1e9, 1000)
    y = x**-0.3 * np.exp(0.05 * rng.standard_normal(1000))
    runs = pd.DataFrame(
        {"task": "", "series": "a", "size": x, "test_loss": y, "status": "done", "metric": "loss"}
    )
    runs = runs.assign(in_window=True, until_minimum=False, hold_out=0, dtype="float64")
    (merged,) = fit_runs({"x": runs}, Fitting(("pure",)))
    law, all_sizes = merged.fits["pure"], fit_law(x, y, "pure")
    assert law.points.sizes.size == 64
    assert law.points.counts.sum() == 1000
    assert law.alpha == pytest.approx(all_sizes.alpha, abs=2e-4)
    widths = [fit.alpha_interval.high - fit.alpha_interval.low for fit in (law, all_sizes)]
    assert widths[0] == pytest.approx(widths[1], rel=0.25)


TEXT = """
question: which?
tasks: [xy]
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: fast, sizes: {grid: [3, 6, 12]}}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast, sizes: {width: [4, 8, 16]}}
match: {axis: flops_train, at: [1.0e+8, 1.0e+9], tol: 0.2, solve: steps}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 1}
seeds: [0, 1, 2]
"""
SIZE = "params.trainable"


@pytest.fixture
def study(tmp_path):
    """Validation is best at the middle size of each arm and budget, test at the smallest:
    validation must choose.
    """
    manifest = make_plan(parse_experiment(TEXT), "test")
    sizes = {
        arm: sorted({one.counts[SIZE] for one in manifest.cells if one.arm == arm})
        for arm in ("kan", "mlp")
    }
    for planned in manifest.runs:
        cell, evaluations = manifest.cells[planned.cell], planned.run.recipe.max_evaluations
        rank = sizes[cell.arm].index(cell.counts[SIZE])
        validation = (1 + abs(rank - 1)) * (1 + planned.run.seed / 100) * cell.asked**-0.5
        record = made_record(planned, validation, test=validation + rank)
        spent = {
            "evaluations": evaluations,
            "by_stage": ((evaluations, 1),),
            "counts": cell.counts,
            "curve": (),
        }
        publish(record.model_copy(update=spent), tmp_path)
    return manifest, recorded_table(manifest, tmp_path)


def test_the_best_size_of_each_budget_is_a_series(study):
    manifest, table = study
    best = table[table["series"] == "kan (best size)"]
    assert len(best) == 2 * 3
    assert set(best["grid"].astype(int)) == {6}
    assert not best["of_budget"].any()
    assert table.loc[table["series"].str.contains("FLOPs"), "of_budget"].all()
    assert len(table) == len(manifest.runs) + 2 * 2 * 3


def test_budgets_have_no_law_in_the_figure(study):
    manifest, table = study

    figure = scaling_figure(manifest, fit_table(table))

    gids = {
        artist.get_gid()
        for axes in figure.axes
        for artist in [*axes.lines, *axes.texts]
        if artist.get_gid()
    }
    assert {"means:kan (best size)", "means:mlp (best size)", "means:kan at 1e+08 FLOPs"} <= gids
    assert not {gid for gid in gids if gid.startswith("law:") and "FLOPs" in gid}
    named = [text.get_text().partition(":")[0] for text in figure.axes[0].get_legend().get_texts()]
    assert named == ["KAN (best size)", "MLP (best size)"]
    assert {gid for gid in gids if gid.startswith("budget:")} == {
        f"budget:{arm} at {budget} FLOPs" for arm in ("kan", "mlp") for budget in ("1e+08", "1e+09")
    }
