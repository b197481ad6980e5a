"""The ablation: settings are named by what is not standard, and counts meet the published ones of their setting."""

import numpy as np
from made_records import made_record

from harness.paper.replay import REPLAYS, ReplayRuns
from harness.planning.plan import make_plan
from harness.record import Pruned, runs_table
from harness.spec import KanShape, parse_experiment

TEXT = """
question: how many?
tasks: [exp2d]
arms: {kan: {architecture: {family: kan, hidden: [5], grid: 5}, recipe: sparse}}
zip:
  recipes.sparse.sparsity.entropy: [2, 0, 1, 1]
  arms.kan.architecture.order: [3, 3, 2, 3]
  recipes.sparse.sparsity.per_range: [false, false, false, true]
recipes: {sparse: {optimizer: {name: lbfgs}, max_evaluations: 20, sparsity: {strength: 0.01, evaluations: 10}}}
seeds: [0, 1, 2]
"""


def page(edges: dict[tuple[str, int], int], runs: int | None = None):
    """The page of the first `runs` records: active edges by setting and seed; a run without them has diverged."""
    manifest, records = make_plan(parse_experiment(TEXT), "test"), {}
    for planned in manifest.runs[:runs]:
        sparsity, order = planned.run.recipe.sparsity, planned.run.network.order
        name = "without entropy" if not sparsity.entropy else "standard" if order == 3 else "k = 2"
        name += ", per range" if sparsity.per_range else ""
        record = made_record(planned, status="done" if (name, planned.run.seed) in edges else "diverged")
        if active := edges.get((name, planned.run.seed)):
            left = {"network": KanShape(shape=(2, 1, 1), grid=5), "inputs": (0, 1) if active > 2 else (1,)}
            scores = (((0.5, 0.02),) * 5, ((0.1,) * 5,))
            pruned = Pruned(**left, scores=scores, active_edges=active, test_rmse=0.1)
            record = record.model_copy(update={"pruned": pruned})
        records[planned.run_id] = record
    replay = REPLAYS["app_c_ablation"]
    return replay.kind(ReplayRuns(manifest, runs_table(manifest, records), (), records), replay)


def test_settings_meet_the_published_numbers_and_divergence_counts_nothing():
    many = {("standard", 0): 3, ("standard", 1): 4, ("standard", 2): 9, ("without entropy", 0): 5, ("k = 2", 2): 7}
    many["standard, per range", 0] = 2

    found = page(many)

    columns = ["what", "median", "seeds", "outcome"]
    assert found.points[columns].to_numpy().tolist() == [
        ["standard", 4, 3, "within 2x"],
        ["without entropy", 5, 1, "better"],
        ["k = 2", 7, 1, "not published"],
        ["standard, per range", 2, 1, "within 2x"],
    ]
    assert found.points.loc[0, ["best", "worst"]].tolist() == [3, 9]
    rows = {row.cells[0]: row.cells[1:] for row in found.tables[0].rows}
    assert rows["standard"][:4] == (3, 3, 4, 9)
    assert rows["without entropy"][:2] == (15, 5)
    assert np.isnan(rows["without entropy"][2])
    assert [figure.stem for figure in found.figures] == ["active_edges", "standard_networks"]
    assert any("were lost in 1 runs, 0 with norms as in eq. 2.17 and 1 with" in finding for finding in found.findings)
    assert len(found.tables) == 2  # no formulas were asked for


def test_what_was_not_run_is_said():
    points = page({("standard", 0): 3}, runs=1).points.set_index("what")
    assert points.loc["standard", "seeds"] == 1
    assert points.loc["without entropy", "outcome"] == "not run"


def test_where_every_run_diverged_there_is_a_page():
    found = page({})
    assert found.points["median"].isna().all()
    assert len(found.findings) == 1
    assert [row.cells[1] for row in found.tables[1].rows] == [""] * 4
    assert [figure.stem for figure in found.figures] == ["active_edges"]
