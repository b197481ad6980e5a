"""The ablation, by settings and published counts; and what is kept of phases that are over."""

import math

import numpy as np
import pytest
from made_records import made_record
from reading import PEAKS, runs_in_phases

from harness.families import KanShape
from harness.paper.replay import REPLAYS, ReplayRuns
from harness.paper.replay.forgetting import arms_of
from harness.planning.plan import make_plan
from harness.record.schema import Pruned
from harness.record.table import runs_table
from harness.spec.read import parse_experiment

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
    """The page of the first `runs` records: active edges by setting and seed; a run without them
    has diverged.
    """
    manifest, records = make_plan(parse_experiment(TEXT), "test"), {}
    for planned in manifest.runs[:runs]:
        sparsity, order = planned.run.recipe.sparsity, planned.run.network.order
        name = "without entropy" if not sparsity.entropy else "standard" if order == 3 else "k = 2"
        name += ", per range" if sparsity.per_range else ""
        record = made_record(
            planned, status="done" if (name, planned.run.seed) in edges else "diverged"
        )
        if active := edges.get((name, planned.run.seed)):
            left = {
                "network": KanShape(shape=(2, 1, 1), grid=5),
                "inputs": (0, 1) if active > 2 else (1,),
            }
            scores = (((0.5, 0.02),) * 5, ((0.1,) * 5,))
            pruned = Pruned(**left, scores=scores, active_edges=active, test_rmse=0.1)
            record = record.model_copy(update={"pruned": pruned})
        records[planned.run_id] = record
    replay = REPLAYS["app_c_ablation"]
    return replay.kind(ReplayRuns(manifest, runs_table(manifest, records), (), records), replay)


def test_settings_meet_the_published_numbers_and_divergence_counts_nothing():
    many = {
        ("standard", 0): 3,
        ("standard", 1): 4,
        ("standard", 2): 9,
        ("without entropy", 0): 5,
        ("k = 2", 2): 7,
    }
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
    assert len(found.tables) == 2  # no formulas were asked for


def test_what_was_not_run_is_said():
    points = page({("standard", 0): 3}, runs=1).points.set_index("what")
    assert points.loc["standard", "seeds"] == 1
    assert points.loc["without entropy", "outcome"] == "not run"


def test_where_every_run_diverged_there_is_a_page():
    found = page({})
    assert found.points["median"].isna().all()
    assert [row.cells[1] for row in found.tables[1].rows] == [""] * 4
    assert [figure.stem for figure in found.figures] == ["active_edges"]


REPLAY = REPLAYS["fig3_4_forgetting"]
PUBLISHED = 3.99e-6
# By arm and seed: training RMSE after each of two phases, on the points of both.
MATRICES = {
    "paper": [[[f * PUBLISHED, 1.0], [f * PUBLISHED, 3 * f * PUBLISHED]] for f in (0.5, 1.0, 9.0)],
    "mlp": [[[0.1, 1.0], [0.5, 0.3]], [[0.1, 1.0], [2.1, 0.3]], None],
}


@pytest.fixture
def runs() -> ReplayRuns:
    """Records of three seeds, one of which diverged in an arm."""
    return runs_in_phases(PEAKS, lambda arm, seed: MATRICES[arm][seed])


def test_what_is_kept_is_the_last_row_beside_the_diagonal(runs):
    """Means over phases, a value a seed; a run that diverged counts as infinitely bad, and a median
    can bear one.
    """
    paper, mlp = arms_of(runs)
    assert paper.right_after == pytest.approx(
        [2 * factor * PUBLISHED for factor in (0.5, 1.0, 9.0)]
    )
    assert paper.in_the_end == pytest.approx(paper.right_after)
    assert paper.times == pytest.approx(1)
    assert mlp.right_after == pytest.approx([0.2, 0.2, math.inf])
    assert mlp.in_the_end == pytest.approx([0.4, 1.2, math.inf])
    assert mlp.times == pytest.approx(6)
    assert mlp.at_once == (0.1, 0.1, 0.1)


def test_only_the_recipes_are_compared_and_only_right_after_a_phase(runs):
    page = REPLAY.kind(runs, REPLAY)
    points = page.points.set_index(["ours", "what"])

    assert page.points.query("outcome != 'not published'").set_index("what")[
        "outcome"
    ].to_dict() == {
        "later, right after its phase": "not run",
        "peak 1, right after its phase": "within 2x",
        "peak 2, right after its phase": "worse",
    }
    first = points.loc[("paper", "peak 1, right after its phase")]
    assert (first["median"], first["best"], first["seeds"]) == (PUBLISHED, PUBLISHED / 2, 3)
    last = points.loc[("mlp", "peak 1, after the last phase")]
    assert (last["median"], last["worst"]) == (2.1, math.inf)
    (table,) = page.tables
    cells = [row.cells[:3] for row in table.rows]
    assert cells == [("paper", "[1,1] G=3 k=3, base frozen", 30), ("mlp", "[1,4,1], silu", 30)]


def test_the_median_seed_is_drawn_phase_by_phase(runs):
    figure = REPLAY.kind(runs, REPLAY).figures[0].draw()
    assert len(figure.axes) == 2
    for phase, axes in enumerate(figure.axes):
        (line,) = [line for line in axes.lines if line.get_gid() == f"course:0:{phase}"]
        (target,) = [other for other in axes.lines if other is not line]
        (shade,) = axes.patches
        assert np.array_equal(line.get_ydata(), np.full(201, phase + 0.1))
        assert target.get_ydata().max() == pytest.approx(1, abs=1e-3)
        assert (shade.get_x(), shade.get_width()) == (phase - 1, 1)


def test_without_runs_in_phases_there_is_a_page(runs):
    whole = runs.manifest.runs
    at_once = [planned.run_id for planned in whole if planned.run.recipe.phases is None]
    page = REPLAY.kind(runs._replace(table=runs.table[runs.table["run_id"].isin(at_once)]), REPLAY)
    assert set(page.points["outcome"]) == {"not run"}
    assert [picture.stem for picture in page.figures] == ["kept"]
    assert page.tables == ()
