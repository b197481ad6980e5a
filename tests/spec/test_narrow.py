"""Narrowed experiments: no MLP wider than asked for, fewer seeds, and an error where that says nothing."""

import pytest

from harness.base.errors import HarnessError
from harness.planning.plan import make_plan
from harness.spec import parse_experiment
from harness.spec.setting import Narrow, narrow_words, narrowed

TEXT = """
question: which?
tasks: [j0]
arms:
  kan: {architecture: {family: kan, hidden: [200]}, recipe: fast, sizes: {grid: [3, 500]}}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast, sizes: {width: [5, 20, 100]}}
  tapered: {architecture: {family: mlp}, recipe: fast, sizes: {hidden: [[5], [5, 5], [5, 100]]}}
recipes:
  fast: {optimizer: {name: adam}, max_evaluations: 10}
seeds: [3, 1, 2]
"""
IN_STEP = (
    TEXT.replace("tasks: [j0]\n", "")
    .replace("sizes: {width: [5, 20, 100]}", "sizes: {width: [1]}")
    .replace("seeds:", "zip: {tasks: [j0, xy], arms.mlp.sizes.width: [[5, 200], [10, 20]]}\nseeds:")
    .replace("question:", "tasks: [j0]\nquestion:")
)


def shapes(text: str, narrow: Narrow) -> set[tuple[str, tuple[int, ...], int]]:
    plan = make_plan(narrowed(parse_experiment(text), narrow)[0], "test")
    return {(run.run.task.target, run.run.network.shape, run.run.seed) for run in plan.runs}


def test_what_is_left_is_the_part_of_the_plan_within_the_bounds():
    """No run but those that the whole plan has, and of these all within both bounds; KANs keep their width."""
    whole = shapes(TEXT, Narrow())
    assert shapes(TEXT, Narrow(20, 2)) == {
        (task, shape, seed)
        for task, shape, seed in whole
        if seed in (3, 1) and (shape == (1, 200, 1) or max(shape) <= 20)
    }


def test_sizes_in_step_with_tasks_are_filtered_row_by_row():
    mlps = {(task, shape) for task, shape, _ in shapes(IN_STEP, Narrow(20)) if shape[1:-1] in {(5,), (10,), (20,)}}
    assert {one for one in mlps if one[1][1] != 5} == {("xy", (2, 10, 1)), ("xy", (2, 20, 1))}
    assert ("j0", (1, 5, 1)) in mlps
    assert all(max(shape) in (200,) or max(shape) <= 20 for _, shape, _ in shapes(IN_STEP, Narrow(20)))


def test_what_changed_is_told_by_path():
    _, changes = narrowed(parse_experiment(TEXT), Narrow(20, 1))
    assert changes == {"arms.mlp.sizes.width": [5, 20], "arms.tapered.sizes.hidden": [[5], [5, 5]], "seeds": [3]}
    assert narrow_words(Narrow(20, 1)) == "-width-20-seeds-1"


ONLY_KANS = TEXT[: TEXT.index("  mlp:")] + TEXT[TEXT.index("recipes:") :]


@pytest.mark.parametrize(
    ("text", "narrow", "said"),
    [
        (TEXT, Narrow(4), r"`max_width` 4: nothing is left of arms.mlp.sizes.width: \[5, 20, 100\]; give at least 5"),
        (TEXT, Narrow(100), "`max_width` 100: no MLP is wider than 100; leave it out"),
        (TEXT, Narrow(None, 3), "`seeds` 3: there are 3; give fewer, or leave it out"),
        (ONLY_KANS, Narrow(10), "no MLP of this experiment lists its widths"),
    ],
)
def test_narrowing_that_leaves_nothing_or_changes_nothing_is_an_error(text, narrow, said):
    with pytest.raises(HarnessError, match=said):
        narrowed(parse_experiment(text), narrow)
