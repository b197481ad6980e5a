"""Every size trains to the last budget of each count, and the plan says at which budgets it is
read.
"""

import itertools

import pytest
from commands import refused, said

from harness.count import run_flops
from harness.families import KanShape
from harness.optimisers import Lbfgs
from harness.planning.budgets import Place, moments_of, sizes_read
from harness.planning.plan import make_plan, planned_flops
from harness.spec.read import parse_experiment
from harness.spec.recipe import GridExtension, GridUpdates, Recipe, Restarts, least_evaluations
from harness.spec.task import Task
from harness.tasks import resolve

DENSE, LOCAL = "flops_train.shared_dense", "flops_train.local_min"
TEXT = """
question: which?
tasks: [exp2d, xy]
arms:
  kan: {architecture: {family: kan, depth: 2, width: 3}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 3}, recipe: fast}
match: {axis: params, at: [60, 100, 160, 300], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 7}}
search:
  runs: 3
  replicates: 2
  budgets: {flops_train.shared_dense: [1.0e+8, 3.0e+8, 1.0e+9], flops_train.local_min: same}
"""
SEEDS = TEXT.replace("search:\n  runs: 3\n  replicates: 2\n  budgets:", "seeds: [0, 1]\nbudgets:")


def planned(text=TEXT):
    return make_plan(parse_experiment(text, "which.yaml"), "which")


@pytest.mark.parametrize("text", [TEXT, SEEDS], ids=["search", "seeds"])
def test_every_size_spends_the_last_budget_of_every_count_and_no_more(text):
    plan = planned(text)
    assert {cell.arm for cell in plan.cells} == {"kan", "mlp"}
    for one in plan.runs:
        run, (dense, local) = one.run, one.moments.values()
        assert run.recipe.max_evaluations == run.readings[-1] == max(dense[-1], local[-1])
        assert run.readings == tuple(sorted({*filter(None, dense), *filter(None, local)}))
        for axis, moments in one.moments.items():
            for budget, moment in zip((1e8, 3e8, 1e9), moments, strict=True):
                assert spent(run.network, run.recipe, run.task, moment, axis) <= budget
                assert spent(run.network, run.recipe, run.task, moment + 1, axis) > budget


def spent(network, recipe, task, evaluations, axis):
    return run_flops(network, recipe.model_copy(update={"max_evaluations": evaluations}), task)[
        axis
    ]


def test_a_run_stops_at_the_end_of_the_counts_that_are_named_only():
    both, dense = planned(), planned(TEXT.replace(", flops_train.local_min: same", ""))
    kan = [
        max(one.run.recipe.max_evaluations for one in plan.runs if one.run.network.family == "kan")
        for plan in (both, dense)
    ]
    assert kan[0] > 1.5 * kan[1]
    for one in dense.runs:
        assert list(one.moments) == [DENSE]


RECIPE = Recipe(
    optimizer=Lbfgs(name="lbfgs"),
    max_evaluations=200,
    restarts=Restarts(count=2, evaluations=4),
    grid_updates=GridUpdates(every=3, until=12),
    grid_extension=GridExtension(grids=(2, 3), evaluations=7),
)
NETWORK = KanShape(shape=(2, 2, 1), grid=5)


def test_a_budget_within_a_coarser_grid_is_that_of_a_run_which_ends_there():
    """Against trying every cap: of all runs of this course that a budget allows, the longest."""
    task = resolve(Task(target="exp2d", train_points=100))
    by_cap: dict[int, int] = {}
    for index, grid in enumerate((2, 3, 5)):
        below = GridExtension(grids=(2, 3)[:index], evaluations=7) if index else None
        ending = RECIPE.model_copy(update={"grid_extension": below})
        network = NETWORK.model_copy(update={"grid": grid})
        first = least_evaluations(network, ending)
        for cap in range(first, first + 7 if grid < 5 else 60):
            by_cap[cap] = spent(network, ending, task, cap, DENSE)
    assert list(by_cap) == list(range(9, 60))  # after the restarts, each once
    assert list(by_cap.values()) == sorted(by_cap.values())
    budgets = sorted(
        {offset + flops for flops, offset in itertools.product(by_cap.values(), (-1, 0, 1))}
    )
    moments = moments_of(NETWORK, RECIPE, task, {DENSE: tuple(map(float, budgets))})[DENSE]
    for budget, moment in zip(budgets, moments, strict=True):
        allowed = [cap for cap, flops in by_cap.items() if flops <= budget]
        assert moment == (max(allowed) if allowed else None)


def test_a_size_is_read_only_where_its_samples_a_parameter_lie_within_bounds():
    plan = planned(
        TEXT.replace(
            "flops_train.local_min: same", "flops_train.local_min: same, per_param: [100, 20000]"
        )
    )
    budgets = {DENSE: (1e8, 3e8, 1e9), LOCAL: (1e8, 3e8, 1e9)}
    left_out = 0
    for one in plan.runs:
        samples = one.run.task.train_points / one.run.network.trainable
        for axis, everywhere in moments_of(
            one.run.network, one.run.recipe, one.run.task, budgets
        ).items():
            within = tuple(
                moment if 100 <= samples * moment <= 20000 else None for moment in everywhere
            )
            assert one.moments[axis] == within
            left_out += within.count(None)
        assert one.run.recipe.max_evaluations == one.run.readings[-1]
    assert left_out


def test_a_plan_refuses_a_diagonal_of_sizes_and_budgets():
    why = refused(planned, TEXT.replace("flops_train.local_min: same", "per_param: [400, 4000]"))
    assert "is read at" in why
    assert why.endswith("leave this budget out, or widen per_param")


def test_sizes_that_are_read_are_those_with_a_moment():
    plan = planned()
    read = sizes_read(plan)
    assert len(read) == 2 * 2 * 2 * 3
    assert read[Place("xy", "mlp", LOCAL, 3e8)] == [
        (60, True),
        (100, True),
        (160, True),
        (300, True),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (TEXT.replace("fast: {", "fast: {phases: 2, "), "recipes.fast.phases"),
        (
            TEXT.replace("name: lbfgs}", "name: adam, schedule: cosine, decays_over: 100000000}"),
            "recipes.fast.optimizer.decays_over",
        ),
        (
            TEXT.replace(
                "fast: {", "fast: {grid_extension: {grids: [2], evaluations: 9, equal: true}, "
            ),
            "recipes.fast.grid_extension.equal",
        ),
        (
            TEXT.replace("fast: {", "fast: {sparsity: {strength: 0.1, evaluations: 3}, "),
            "recipes.fast.sparsity",
        ),
        (
            TEXT.replace("replicates: 2", "replicates: 2\n  cap: {evaluations: 3}"),
            "give one of budgets",
        ),
        (TEXT.replace("[1.0e+8, 3", "[1.0e+9, 3"), "must ascend"),
        (TEXT.replace("flops_train.local_min: same", "per_param: [1]"), "fewest and the most"),
        (TEXT.replace("flops_train.local_min", "params.trainable"), "params.trainable"),
        (TEXT.replace("axis: params", "axis: flops_train"), "match.axis=flops_train"),
        (TEXT + "budgets: {flops_train.shared_dense: 1.0e+9}\n", "they are search.budgets"),
        (TEXT.replace("[1.0e+8, 3.0e+8, 1.0e+9]", "[10]"), "it is read at none of them"),
    ],
)
def test_what_cannot_be_read_on_the_way_is_refused(text, says):
    assert says in refused(planned, text)


def test_the_plan_lists_which_sizes_are_read_at_which_budgets(tmp_path):
    (tmp_path / "which.yaml").write_text(TEXT)
    text = said("plan", tmp_path / "which.yaml", "--results", tmp_path / "results")
    assert "sizes that are read at each budget" in text
    assert "60 to 300, all of 4" in text


def test_the_plan_says_what_the_ends_of_schedules_cost(tmp_path):
    """With a cosine each budget is a run of its own."""
    (tmp_path / "which.yaml").write_text(
        SEEDS.replace("name: lbfgs}", "name: adam, schedule: cosine}")
    )
    text = said("plan", tmp_path / "which.yaml", "--results", tmp_path / "results")
    plan = planned(SEEDS.replace("name: lbfgs}", "name: adam, schedule: cosine}"))
    beside = sum(sum(one.run.readings[:-1]) for one in plan.runs)
    assert f"that takes {beside:,} evaluations beside the" in text.replace("\n", " ")
    run = plan.runs[0].run
    longer = run.recipe.model_copy(update={"max_evaluations": sum(run.readings)})
    assert planned_flops(run) == run_flops(run.network, longer, run.task)
