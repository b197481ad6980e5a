"""Classes: they are learnt by the cross-entropy of torch, and records say how many are told
right.
"""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from made_records import recorded_table
from networks import begun
from packs import run_of, task, trained_runs
from torch.nn.functional import cross_entropy

from harness.base.errors import HarnessError
from harness.base.plain import plain
from harness.families import KanShape, MlpShape, forward
from harness.judging.laws import fit_table
from harness.planning.plan import make_plan
from harness.record.schema import ClassMetrics
from harness.record.store import read_record, record_path
from harness.show.figures.scaling import scaling_figure
from harness.show.tables.runs import accuracies_table
from harness.spec.read import parse_experiment
from harness.tasks import draw
from harness.tasks.loss import CROSS_ENTROPY, Accuracy, LanePoints, Seen
from harness.train import train_pack

MLP = MlpShape(shape=(13, 6, 3), activation="tanh")
KAN = KanShape(shape=(13, 2, 3), grid=3)


@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
def test_the_loss_is_the_cross_entropy_of_torch(network):
    (flat_RP, knots), train = begun(network), draw(task("wine"), 0).train
    points = LanePoints(
        *(torch.from_numpy(np.stack([one] * 2)) for one in (train.x, train.y)), CROSS_ENTROPY
    )
    loss_R, gradient_RP = CROSS_ENTROPY.loss_and_gradient(network, flat_RP, knots, points)

    flat = flat_RP.clone().requires_grad_()
    outputs = forward(network, flat, knots, points.x)
    for lane in range(2):
        expected = cross_entropy(outputs[lane], points.y[lane, :, 0].long())
        (slope,) = torch.autograd.grad(expected, flat, retain_graph=True)
        assert loss_R[lane].item() == pytest.approx(expected.item(), rel=1e-12)
        torch.testing.assert_close(gradient_RP[lane], slope[lane], rtol=0, atol=1e-12)
        told = (outputs[lane].argmax(1) == points.y[lane, :, 0]).double().mean()
        own = slice(lane, lane + 1)
        one = LanePoints(points.x[own], points.y[own], CROSS_ENTROPY)
        seen = Seen(network, flat_RP[own], [layer[own] for layer in knots], one)
        assert Accuracy("train_accuracy").value(seen) == told


ONE_POINT = MlpShape(shape=(1, 3))  # whose outputs are its biases where x = 0


@given(
    st.lists(st.floats(-300, 300), min_size=3, max_size=3), st.floats(-100, 100), st.integers(0, 2)
)
def test_a_constant_added_to_all_outputs_changes_nothing_and_small_losses_have_their_digits(
    logits, shift, label
):
    """Cross-entropy is ln(1 + sum over the others of e^(other - own)), to all digits, also at
    1e-200.
    """

    def loss(values) -> float:
        flat_RP = torch.cat([torch.zeros(3), torch.tensor(values)]).double()[None]
        x, y = torch.zeros(1, 1, 1).double(), torch.full((1, 1, 1), float(label)).double()
        return CROSS_ENTROPY.losses(ONE_POINT, flat_RP, [], LanePoints(x, y)).item()

    apart = np.delete(
        np.array(torch.tensor(logits).tolist()) - torch.tensor(logits).tolist()[label], label
    )
    exact = (
        float(np.logaddexp.reduce([0.0, *apart]))
        if apart.max() > -30
        else float(np.exp(apart).sum())
    )
    assert loss(logits) == pytest.approx(exact, rel=1e-9, abs=1e-300)
    moved = [value + shift for value in torch.tensor(logits).tolist()]
    assert loss(moved) == pytest.approx(exact, rel=1e-3, abs=1e-300)


@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
def test_classes_are_learnt(network):
    runs = [run_of(network, "lbfgs", 30, seed, of=task("wine")) for seed in range(2)]
    for outcome in trained_runs(runs, engine="torch").outcomes:
        assert outcome.metrics.train_accuracy > 0.9
        assert outcome.metrics.train_cross_entropy == outcome.curve[-1].train_loss


TEXT = """
question: which?
tasks: [wine, diabetes]
arms: {mlp: {architecture: {family: mlp, depth: 2}, recipe: fast, space: {recipe.gain: [1, 2]}}}
match: {axis: params, at: [71], tol: 0.3, solve: width}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 10}}
search: {runs: 2, replicates: 3, cap: {evaluations: 10}}
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    plan, folder = make_plan(parse_experiment(TEXT), "plan"), tmp_path_factory.mktemp("runs")
    of_id = {planned.run_id: planned.run for planned in plan.runs}
    for pack in plan.packs:
        for record in train_pack([of_id[identity] for identity in pack], folder):
            assert read_record(record_path(folder, record.run_id)) == record
    return plan, folder, recorded_table(plan, folder)


def test_a_table_has_both_metrics_and_chooses_by_each(trained):
    _, folder, table = trained

    assert dict(zip(table["task"], table["metric"], strict=True)) == {
        "wine": "cross_entropy",
        "diabetes": "rmse",
    }
    assert dict(zip(table["task"], table["engine"], strict=True)) == {
        "wine": "fused",
        "diabetes": "fused",
    }
    assert set(table.loc[table["task"] == "wine", "shape"]) == {"13-4-3"}
    for _, of_task in table.groupby("task"):
        least = of_task.groupby("seed")["val_loss"].transform("min")
        assert (of_task["chosen"] == (of_task["val_loss"] == least)).all()
    wine = table[table["task"] == "wine"]
    assert wine["test_accuracy"].between(0, 1).all()
    assert wine["test_rmse"].isna().all()
    first = read_record(record_path(folder, wine["run_id"].iloc[0]))
    assert isinstance(first.metrics, ClassMetrics)
    assert wine["test_loss"].iloc[0] == first.metrics.test_cross_entropy


def test_laws_figures_and_reports_speak_of_the_metric(trained):
    plan, _, table = trained
    fits = fit_table(table)
    chosen = table[table["chosen"] & (table["task"] == "wine")]

    labels = [axes.get_ylabel() for axes in scaling_figure(plan, fits).axes]
    assert labels == ["test cross-entropy\n(nats)", "test RMSE\n(units of the target)"]
    assert {(one["task"], one["metric"]) for one in plain(fits)} == {
        ("wine", "test_cross_entropy"),
        ("diabetes", "test_rmse"),
    }
    (row,) = accuracies_table(table).rows
    task, _, _, mean, _, seeds = row.cells
    assert (task, mean.text, seeds) == ("wine", f"{chosen['test_accuracy'].mean():.1%}", 3)


def test_a_loss_that_is_nothing_has_a_logarithm():
    """A mean cross-entropy below all numbers is the least one, so that laws and pairs have a point
    there.
    """
    assert CROSS_ENTROPY.in_metric(torch.zeros(1).double()).item() == np.finfo(float).tiny


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "name: lbfgs",
            "name: levenberg_marquardt",
            r"recipes.fast.*levenberg_marquardt: .*use lbfgs or adam",
        ),
        (
            "max_evaluations: 10",
            "max_evaluations: 10, phases: 2",
            "recipes.fast.phases: classes are learnt without",
        ),
        (
            "s: 10}}\nse",
            "s: 90, sparsity: {strength: 0.1, evaluations: 9}}}\nse",
            "recipes.fast.sparsity: classes are",
        ),
    ],
)
def test_what_cannot_learn_classes_is_named(old, new, said):
    with pytest.raises(HarnessError, match=said):
        make_plan(parse_experiment(TEXT.replace(old, new)), "plan")
