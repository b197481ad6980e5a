"""`harness observe`: beliefs of kept networks, drawn beside the true ones."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import said

from harness.show.figures.beliefs import CORNERS, beliefs_figure
from harness.tasks import TASKS
from harness.tasks.processes import Probed

TEXT = """
question: Which block?
tasks: [{target: mess3, context: 4, train_points: 32, validation_points: 32, test_points: 200}]
arms:
  kan: {architecture: {family: transformer, layers: 1, width: 4, block: {family: kan, grid: 3, width: 2}}, recipe: adam}
  mlp: {architecture: {family: transformer, layers: 1, width: 4, block: {family: mlp, width: 4}}, recipe: adam}
recipes: {adam: {optimizer: {name: adam, learning_rate: 0.01, batch_size: 16}, max_evaluations: 30}}
seeds: [0, 1]
keep: networks
"""


@pytest.fixture
def results(here):
    (here / "q.yaml").write_text(TEXT, encoding="utf-8")
    return here / "results" / "q"


def test_it_draws_the_networks_of_the_first_replicate_whose_errors_are_those_of_their_runs(results):
    said("run", "q.yaml", "--workers", "1")
    output = said("observe", "q.yaml")
    assert {arm for arm in ("kan", "mlp") if f"mess3, {arm}: a probe" in output} == {"kan", "mlp"}
    errors = [
        f"{value:.2g}" for value in pd.read_csv(results / "runs.csv")["observed.belief_error"]
    ]
    assert all(
        any(f"errs by {error}," in line for error in errors) for line in output.splitlines()[:2]
    )
    assert (results / "beliefs-mess3.png").stat().st_size > 10_000


def test_snapshots_are_states_on_the_way_whose_errors_are_those_of_shorter_runs(results):
    """Of a constant learning rate: a run that ends at a moment ends where a longer one's snapshot
    was taken.
    """
    longer = TEXT + "snapshots: 4\n"
    shorter = longer.replace("max_evaluations: 30", "max_evaluations: 10").replace(
        "snapshots: 4", "snapshots: 1"
    )
    courses = {}
    for name, text in {"q": longer, "p": shorter}.items():
        Path(f"{name}.yaml").write_text(text, encoding="utf-8")
        said("run", f"{name}.yaml", "--workers", "1")
        said("observe", f"{name}.yaml")
        courses[name] = pd.read_csv(results.with_name(name) / "course-mess3.csv")
    course = courses["q"]
    assert course.groupby("arm")["evaluations"].apply(list).to_dict() == {
        "kan": [1, 3, 10, 30],
        "mlp": [1, 3, 10, 30],
    }
    at_ten = course[course["evaluations"] == 10].reset_index(drop=True)
    pd.testing.assert_frame_equal(at_ten, courses["p"])
    last = course[course["evaluations"] == 30].set_index("arm")["excess"]
    runs = pd.read_csv(results / "runs.csv")
    ends = runs[runs["seed"] == 0].set_index("arm")["test_loss"]
    np.testing.assert_allclose(last, ends[last.index], rtol=1e-6)
    assert (results / "course-mess3.png").stat().st_size > 10_000


def test_tasks_of_one_process_have_a_picture_each(results):
    task = "target: mess3, train_points: 32, validation_points: 32, test_points: 200"
    tasks = f"tasks: [{{{task}, context: 4}}, {{{task}, context: 5}}]"
    short = re.sub("tasks: .*", tasks, TEXT).replace("max_evaluations: 30", "max_evaluations: 1")
    Path("q.yaml").write_text(short.replace("seeds: [0, 1]", "seeds: [0]"), encoding="utf-8")
    said("run", "q.yaml", "--workers", "1")
    said("observe", "q.yaml")
    assert {path.name for path in results.glob("*.png")} >= {
        "beliefs-mess3-context=4.png",
        "beliefs-mess3-context=5.png",
    }


@pytest.mark.usefixtures("results")
def test_without_kept_networks_it_says_what_to_do():
    Path("q.yaml").write_text(TEXT.replace("keep: networks\n", ""), encoding="utf-8")
    said("plan", "q.yaml")
    assert "keep" in said("observe", "q.yaml", exit_code=2)


def test_certainty_of_a_state_is_a_corner_and_five_states_lie_in_their_main_plane():
    certain = np.eye(3)
    figure = beliefs_figure("mess3", {"kan": Probed(certain, certain)})
    offsets = figure.axes[1].collections[0].get_offsets()
    np.testing.assert_allclose(offsets, CORNERS, atol=1e-12)
    process = TASKS["rrxor"]
    beliefs = np.concatenate(process.beliefs(process.sample(np.random.default_rng(0), 50, 8)))
    panels = beliefs_figure("rrxor", {"kan": Probed(beliefs, beliefs)}).axes
    assert [axes.get_title(loc="left") for axes in panels] == ["true", "KAN: error 0"]
