"""What is kept of phases that are over: from the records' matrices of errors to points, words and pictures."""

import math

import numpy as np
import pytest
from reading import PEAKS, runs_in_phases

from harness.paper.replay import REPLAYS, ReplayRuns
from harness.paper.replay.known.fig3_4_forgetting import arms_of

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
    """Means over phases, a value a seed; a run that diverged counts as infinitely bad, and a median can bear one."""
    paper, mlp = arms_of(runs)
    assert paper.right_after == pytest.approx([2 * factor * PUBLISHED for factor in (0.5, 1.0, 9.0)])
    assert paper.in_the_end == pytest.approx(paper.right_after)
    assert paper.times == pytest.approx(1)
    assert mlp.right_after == pytest.approx([0.2, 0.2, math.inf])
    assert mlp.in_the_end == pytest.approx([0.4, 1.2, math.inf])
    assert mlp.times == pytest.approx(6)
    assert mlp.at_once == (0.1, 0.1, 0.1)


def test_only_the_recipes_are_compared_and_only_right_after_a_phase(runs):
    page = REPLAY.kind(runs, REPLAY)
    points = page.points.set_index(["ours", "what"])

    assert page.points.query("outcome != 'not published'").set_index("what")["outcome"].to_dict() == {
        "later, right after its phase": "not run",
        "peak 1, right after its phase": "within 2x",
        "peak 2, right after its phase": "worse",
    }
    first = points.loc[("paper", "peak 1, right after its phase")]
    assert (first["median"], first["best"], first["seeds"]) == (PUBLISHED, PUBLISHED / 2, 3)
    last = points.loc[("mlp", "peak 1, after the last phase")]
    assert (last["median"], last["worst"]) == (2.1, math.inf)
    for finding, end in zip(page.findings[1:], ("by paper (1x).", "by mlp (6x).", "mlp 0.1."), strict=True):
        assert finding.endswith(end)
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
