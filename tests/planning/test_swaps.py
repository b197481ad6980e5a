"""Swaps: one backbone for all arms, whose blocks are solved to the counts of one of them."""

import pytest

from harness.base.errors import HarnessError
from harness.count import run_flops
from harness.planning.plan import make_plan
from harness.planning.points import points_of
from harness.spec import parse_experiment

TEXT = """
question: Which block?
tasks: [{target: mess3, context: 4, train_points: 64}]
arms:
  mlp: {architecture: {family: transformer, layers: 1, block: {family: mlp}}, recipe: adam, sizes: {width: [8, 16]}}
  kan: {architecture: {family: transformer, layers: 1, block: {family: kan, grid: 3}}, recipe: adam}
match: {axis: params, like: mlp, solve: block.width, tol: 0.15}
recipes: {adam: {optimizer: {name: adam, batch_size: 32}, max_evaluations: 10}}
seeds: [0]
"""
SEARCH = """
search: {runs: 3, replicates: 2, cap: {evaluations: [10, 20]}}
"""


def planned(*changes: tuple[str, str]):
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return make_plan(parse_experiment(text), "swap")


def test_all_arms_have_the_backbone_of_the_model_and_nearly_its_count():
    cells = {(cell.arm, cell.asked): cell for cell in planned().cells}
    budgets = sorted(asked for arm, asked in cells if arm == "mlp")
    assert [cells["mlp", asked].network.block.shape for asked in budgets] == [(8, 32, 8), (16, 64, 16)]
    for asked in budgets:
        model, other = cells["mlp", asked], cells["kan", asked]
        assert model.counts["params.trainable"] == asked
        assert other.network.backbone == model.network.backbone
        assert abs(other.counts["params.trainable"] / asked - 1) <= 0.15
        assert {cell.series for cell in cells.values()} == {"mlp", "kan"}


def test_training_flops_can_be_what_is_equal():
    plan = planned(("axis: params", "axis: flops_train"), ("[8, 16]", "[16, 32]"))
    for cell in plan.cells:
        run = next(planned.run for planned in plan.runs if planned.cell == cell.index)
        spent = run_flops(run.network, run.recipe, run.task)
        assert cell.counts["flops_train.shared_dense"] == spent["flops_train.shared_dense"]
        assert abs(cell.residual) <= 0.15


def test_a_size_of_the_ladder_can_be_the_number_of_layers():
    of_layers = ("sizes: {width: [8, 16]}", "sizes: {layers: [1, 2]}")
    cells = planned(("transformer, layers: 1", "transformer, width: 8"), of_layers).cells
    assert sorted(cell.network.layers for cell in cells) == [1, 1, 2, 2]


def test_a_space_of_lists_as_large_as_the_runs_is_trained_whole_in_every_replicate():
    rates = "{recipe.optimizer.learning_rate: [1.0e-3, 3.0e-3, 1.0e-2]}"
    text = TEXT.replace("seeds: [0]", SEARCH).replace("width: [8, 16]}", f"width: [8, 16]}}, space: {rates}")
    orders = "space: {architecture.block.order: [3, 2, 1]}"
    text = text.replace("grid: 3}}, recipe: adam", f"grid: 3}}}}, recipe: adam, {orders}")
    experiment = parse_experiment(text)
    assert experiment.budgets == 2
    for scramble in (0, 1):
        points = [point.values for point in points_of(experiment, "kan", scramble)]
        assert points == [{}, {"architecture.block.order": 2}, {"architecture.block.order": 1}]
    runs = make_plan(experiment, "swap").runs
    of_mlp = [run.run for run in runs if run.run.network.block.family == "mlp"]
    drawn = {(run.seed, run.network.width, run.recipe.optimizer.learning_rate) for run in of_mlp}
    assert len(drawn) == len(of_mlp) == 2 * 2 * 3
    assert {(run.network.width, run.recipe.max_evaluations) for run in of_mlp} == {(8, 10), (16, 20)}


TRANSFORMER = "{family: transformer, layers: 1, block: {family: kan, grid: 3}}"
REFUSED = {
    ("like: mlp", "like: kan"): r"match\.like=kan: its sizes make the budgets; add arms\.kan\.sizes",
    ("like: mlp", "like: mlp, at: [100]"): "give one of at, the budgets, and like",
    ("3}}, recipe: adam}", "3}}, recipe: adam, sizes: {width: [8]}}"): r"arms\.kan\.sizes: with match\.like",
    (TRANSFORMER, "{family: kan, grid: 3, depth: 2}"): "family=kan: mess3 is of sequences, which a transformer learns",
    ("{target: mess3, context: 4, train_points: 64}", "xy"): r"it learns sequences \(.*mess3, .*\), and xy is none",
    ("{name: adam, batch_size: 32}", "{name: lbfgs}"): "name=lbfgs: each evaluation of mess3 sees fresh sequences",
    ("batch_size: 32", "batch_size: 65"): "batch_size=65: more than the train_points=64 of mess3",
    ("family: kan, grid: 3", "family: kan, grid: 3, low: 2"): "low=2 must be below high=1",
}


@pytest.mark.parametrize("change", REFUSED)
def test_what_does_not_go_is_said(change):
    with pytest.raises(HarnessError, match=REFUSED[change]):
        planned(change)
