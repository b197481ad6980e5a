"""Sizes crossed with training budgets: a series a budget, and one of each budget's best size, by validation."""

import pytest
from made_records import made_record

from harness.judging.laws import fit_table
from harness.planning.plan import make_plan
from harness.record import load, publish
from harness.show.figures.scaling import scaling_figure
from harness.spec import parse_experiment

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
    """Validation is best at the middle size of each arm and budget, test at the smallest: validation must choose."""
    manifest = make_plan(parse_experiment(TEXT), "test")
    cells = {cell.index: cell for cell in manifest.cells}
    sizes = {arm: sorted({one.counts[SIZE] for one in cells.values() if one.arm == arm}) for arm in ("kan", "mlp")}
    for planned in manifest.runs:
        cell, evaluations = cells[planned.cell], planned.run.recipe.max_evaluations
        rank = sizes[cell.arm].index(cell.counts[SIZE])
        validation = (1 + abs(rank - 1)) * (1 + planned.run.seed / 100) * cell.asked**-0.5
        record = made_record(planned, validation, test=validation + rank)
        spent = {"evaluations": evaluations, "by_stage": ((evaluations, 1),), "counts": cell.counts, "curve": ()}
        publish(record.model_copy(update=spent), tmp_path)
    return manifest, load(manifest, tmp_path)


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

    gids = {artist.get_gid() for axes in figure.axes for artist in [*axes.lines, *axes.texts] if artist.get_gid()}
    assert {"means:kan (best size)", "means:mlp (best size)", "means:kan at 1e+08 FLOPs"} <= gids
    assert not {gid for gid in gids if gid.startswith("law:") and "FLOPs" in gid}
    named = [text.get_text().partition(":")[0] for text in figure.axes[0].get_legend().get_texts()]
    assert named == ["KAN (best size)", "MLP (best size)"]
    assert {gid for gid in gids if gid.startswith("budget:")} == {
        f"budget:{arm} at {budget} FLOPs" for arm in ("kan", "mlp") for budget in ("1e+08", "1e+09")
    }
