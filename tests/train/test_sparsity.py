"""Sparse training: the penalty of the paper's equations, what pruning leaves, and how that goes on
in both engines.
"""

import math

import numpy as np
import pytest
import torch
from commands import refused
from networks import begun
from packs import numbers, run_of, task, trained_in_pieces

from harness import families
from harness.count import count, run_flops
from harness.families import KanShape
from harness.families.layout import of_layer, unflatten
from harness.families.spline import design_matrix
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.planning.plan import make_plan
from harness.record.store import read_record, record_path
from harness.spec.read import parse_experiment
from harness.spec.recipe import (
    GridExtension,
    GridUpdates,
    Recipe,
    Restarts,
    Sparsity,
    parts,
    stages,
)
from harness.spec.run import RunSpec, run_id
from harness.spec.task import Task
from harness.tasks import resolve
from harness.tasks.loss import LanePoints
from harness.train import sparsity, train_pack
from harness.train.symbolic import FORMS, EdgeSamples, read_formula, snap_edge

KAN = KanShape(shape=(2, 3, 1), grid=4)
SPARSE = Sparsity(strength=0.01, evaluations=9)
FULL = KanShape(shape=(2, 3, 2), grid=4, scales=True, bias=True)


def drawn(network: KanShape, lanes: int = 2, samples: int = 50):
    """Parameters, knots and points that fill the knots' range and leave it too."""
    generator = torch.Generator().manual_seed(0)
    x_RNI = (
        2.4 * torch.rand(lanes, samples, network.shape[0], dtype=torch.float64, generator=generator)
        - 1.2
    )
    y_RNO = torch.rand(lanes, samples, network.shape[-1], dtype=torch.float64, generator=generator)
    return *begun(network, lanes, gain=3.0), LanePoints(x_RNI, y_RNO)


def plain_loss(
    flat_P: torch.Tensor, network: KanShape, settings: Sparsity, x_NI, y_NO
) -> torch.Tensor:
    """Of one lane, edge by edge."""
    parameters = unflatten(network, flat_P[None])
    knots = network.initial_knots(1, torch.float64, "cpu")
    h_NI, penalty = x_NI, torch.zeros(())
    for layer, knots_RIT in enumerate(knots):
        own = {name: value[0] for name, value in of_layer(parameters, layer).items()}
        edges = {}
        for source in range(h_NI.shape[1]):
            h_N = h_NI[:, source]
            bases_NC = design_matrix(knots_RIT[:, source, None], h_N[None, None], network.order)[
                0, 0
            ]
            for target in range(network.shape[layer + 1]):
                spline = bases_NC @ own["coef"][source, :, target]
                silu = h_N * torch.sigmoid(h_N)
                edges[source, target] = (
                    own["base"][source, target] * silu + own["scale"][source, target] * spline
                )
        domain = (
            knots_RIT[0, 0, -1 - network.order] - knots_RIT[0, 0, network.order]
            if settings.per_range
            else 1
        )
        norms = torch.stack([edge.abs().mean() / domain for edge in edges.values()])
        share = norms / norms.sum()
        entropy = -(share * share.log()).sum()
        penalty = penalty + settings.l1 * norms.sum() + settings.entropy * entropy
        outputs = torch.stack(list(edges.values())).unflatten(0, (h_NI.shape[1], -1)).sum(0)
        h_NI = (outputs + own["bias"][:, None]).T
    return (h_NI - y_NO).square().mean() + settings.strength * penalty


@pytest.mark.parametrize(("entropy", "per_range"), [(1.0, False), (0.0, False), (1.0, True)])
def test_the_loss_is_that_of_the_equations_and_so_is_its_gradient(entropy, per_range):
    """Eqs. 2.17 to 2.20 edge by edge, of every kind of parameter, differentiated by autograd."""
    settings = Sparsity(strength=0.3, evaluations=1, l1=0.7, entropy=entropy, per_range=per_range)
    flat_RP, knots, points = drawn(FULL)

    loss_R, gradient_RP = sparsity.Penalised(settings).loss_and_gradient(
        FULL, flat_RP, knots, points
    )

    for lane in range(2):
        flat_P = flat_RP[lane].clone().requires_grad_()
        expected = plain_loss(flat_P, FULL, settings, points.x[lane], points.y[lane])
        (slope,) = torch.autograd.grad(expected, flat_P)
        assert loss_R[lane].item() == pytest.approx(expected.item(), rel=1e-12)
        assert torch.allclose(gradient_RP[lane], slope, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize(
    ("norms", "entropy"), [([2.0] * 6, math.log(6)), ([5.0] + [0.0] * 5, 0), ([0.0] * 6, 0)]
)
def test_the_entropy_counts_the_edges_in_use(norms, entropy):
    norm_ROI = torch.tensor(norms, dtype=torch.float64).reshape(1, 2, 3).requires_grad_()

    (found,) = sparsity.penalty(Sparsity(strength=1, evaluations=1, l1=0), norm_ROI)

    assert found.item() == pytest.approx(entropy, abs=1e-12)
    assert torch.autograd.grad(found, norm_ROI)[0].isfinite().all()


def test_what_does_nothing_goes_and_the_function_stays():
    network = KanShape(shape=(3, 4, 2, 1), grid=3, scales=True)
    flat_RP, knots, points = drawn(network, lanes=1)
    parameters = unflatten(network, flat_RP)
    for name in ("coef", "base"):
        parameters[f"layer1.{name}"][:, 1] = 0  # hidden node 1 leads nowhere
        parameters[f"layer0.{name}"][..., 3] = (
            0  # hidden node 3 sees nothing, and says nothing of what it sees
        )
        parameters[f"layer1.{name}"][:, 3] = 0
        parameters[f"layer0.{name}"][:, 2] = 0  # input 2 reaches only node 1
        parameters[f"layer0.{name}"][:, 2, ..., 1] = 1
    dead = families.flatten(network, parameters)

    scores = sparsity.edge_scores(SPARSE, network, dead, knots, points.x)
    kept = sparsity.kept_nodes(scores, 1e-6)
    smaller, flat_1P, fewer = families.keep_nodes(network, dead, knots, kept)

    assert kept == [[0, 1], [0, 2], [0, 1], [0]]
    assert smaller.shape == (2, 2, 2, 1)
    before = families.forward(network, dead, knots, points.x)
    after = families.forward(smaller, flat_1P, fewer, points.x[..., :2])
    assert torch.allclose(before, after, rtol=0, atol=1e-12)


def test_every_layer_keeps_its_best_node():
    scores = [np.array([[0.1, 0.3], [0.2, 0.1], [0.3, 0.0]]), np.array([[0.1, 0.2, 0.2]])]

    assert sparsity.kept_nodes(scores, 9.0) == [[0], [1], [0]]
    assert sparsity.kept_nodes([np.zeros((3, 2)), np.zeros((1, 3))], 0.01) == [[0], [0], [0]]


def run(engine: str, seed: int = 0, **changes) -> RunSpec:
    course = {
        "restarts": Restarts(count=2, evaluations=4),
        "grid_updates": GridUpdates(every=3, until=12),
        "grid_extension": GridExtension(grids=(2, 3), evaluations=5),
        "sparsity": SPARSE.model_copy(update=changes),
    }
    return run_of(KAN, "lbfgs", 40, seed, engine, **course)


def test_a_cap_that_its_parts_would_exhaust_is_refused():
    assert "sparsity" in refused(
        stages, KAN, run("torch").recipe.model_copy(update={"max_evaluations": 27})
    )


@pytest.mark.parametrize("engine", ["torch", "fused"])
def test_what_is_pruned_goes_on_as_the_smaller_network(engine, tmp_path):
    (whole,) = train_pack([run(engine)], tmp_path / "whole")
    first, second = (np.array(layer) for layer in whole.pruned.scores)
    worth = np.minimum(first.max(1), second.max(0))
    assert whole.pruned.network == KAN
    assert whole.pruned.active_edges == 9

    (record,) = train_pack([run(engine, threshold=float(np.median(worth)))], tmp_path / "pruned")

    assert record.pruned.scores == whole.pruned.scores
    assert record.pruned.network.shape == (2, 1, 1)
    assert record.evaluations == 40
    assert [made for made, _ in record.by_stage] == [8, 9, 5, 5, 13]
    assert [point.evaluations for point in record.curve][-1] == 40
    sizes = count(record.pruned.network)
    assert {name: record.counts[name] for name in sizes} == sizes
    spec, small = record.run, record.pruned.network
    penalised, rest = parts(KAN, spec.recipe, small)
    alone = [
        run_flops(*part, task(), spent)["flops_train.matmul"]
        for part, spent in ((penalised, record.by_stage[:2]), (rest, record.by_stage[2:]))
    ]
    assert record.counts["flops_train.matmul"] == sum(alone)
    assert sum(alone) < whole.counts["flops_train.matmul"]


def test_early_stopping_does_not_stop_the_penalty():
    stopped = run("torch").recipe.model_copy(update={"early_stopping": True})
    assert [part.recipe.early_stopping for part in parts(KAN, stopped)] == [False, True]


def second(x_NI):
    """A task that leaves out its first input."""
    return np.sin(2 * x_NI[:, 1])


def run_of_second(network: KanShape, engine: str, snap: bool = False, **box) -> RunSpec:
    """First L-BFGS with the penalty, then Levenberg-Marquardt without."""
    few = {"train_points": 60, "validation_points": 20, "test_points": 20}
    sparse = Sparsity(strength=0.03, evaluations=200, optimizer=Lbfgs(name="lbfgs"), snap=snap)
    of = resolve(Task(target=f"{__name__}:second", inputs=2, **few, **box))
    return run_of(
        network, LevenbergMarquardt(name="levenberg_marquardt"), 240, 1, engine, of, sparsity=sparse
    )


@pytest.mark.parametrize("engine", ["torch", "fused"])
def test_an_input_that_goes_is_not_seen_again(engine, tmp_path):
    (record,) = train_pack([run_of_second(KanShape(shape=(2, 2, 1), grid=3), engine)], tmp_path)
    assert record.pruned.inputs == (1,)
    assert record.pruned.network.shape == (1, 1, 1)
    assert record.metrics.test_rmse < 1e-3 < record.pruned.test_rmse


@pytest.mark.parametrize("engine", ["torch", "fused"])
def test_neither_company_nor_interruptions_change_a_bit(engine, tmp_path, monkeypatch):
    runs = [run(engine, seed, threshold=0.3) for seed in range(2)]
    runs[1] = runs[1].model_copy(update={"network": KAN.model_copy(update={"noise": 0.3})})
    together = train_pack(runs, tmp_path / "together")
    alone = [train_pack([one], tmp_path / "alone")[0] for one in runs]
    stopped, stops = trained_in_pieces(runs, tmp_path, monkeypatch)

    assert stops > 20
    assert {one.pruned.network.shape for one in together if one.pruned} != {KAN.shape}
    assert [one.pruned.network.noise for one in together] == [0.1, 0.3]
    assert [*map(numbers, together)] == [*map(numbers, alone)] == [*map(numbers, stopped)]
    assert (
        read_record(record_path(tmp_path / "stopped", run_id(runs[0]))).pruned == together[0].pruned
    )


def test_a_run_that_diverges_under_the_penalty_has_a_record(tmp_path):
    spec = run("fused", l1=1e308, strength=1e308)

    (record,) = train_pack([spec], tmp_path)

    assert record.status == "diverged"
    assert record.pruned is None
    assert len(record.by_stage) == len(stages(KAN, spec.recipe))
    assert record.counts["params.trainable"] == count(KAN)["params.trainable"]


def test_an_mlp_by_the_same_recipe_is_the_run_without_sparsity():
    text = """
question: which?
tasks: [xy]
arms: {kan: {architecture: {family: kan, hidden: [2], grid: 3}, recipe: fast},
       mlp: {architecture: {family: mlp, hidden: [4]}, recipe: fast}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 100%s}}
seeds: [0]
"""
    sparse, dense = (
        make_plan(parse_experiment(text % more), "one").run_ids()
        for more in (", sparsity: {strength: 0.01, evaluations: 50}", "")
    )

    assert len(set(sparse) & set(dense)) == 1
    assert len(set(sparse) | set(dense)) == 3


def test_levenberg_marquardt_cannot_have_the_penalty():
    """It is no sum of squares; the error says what to write."""
    with pytest.raises(ValueError, match=r"sparsity\.optimizer"):
        Recipe(
            optimizer=LevenbergMarquardt(name="levenberg_marquardt"),
            max_evaluations=9,
            sparsity=SPARSE,
        )
    Recipe(
        optimizer=LevenbergMarquardt(name="levenberg_marquardt"),
        max_evaluations=9,
        sparsity=SPARSE.model_copy(update={"optimizer": Adam(name="adam")}),
    )


def test_what_is_left_is_read_into_a_formula(tmp_path):
    network = KanShape(shape=(2, 1), grid=3, bias=True)
    (record,) = train_pack([run_of_second(network, "fused", snap=True, low=0, high=2)], tmp_path)
    assert record.pruned.formula.least_r2 > 0.9999
    assert record.pruned.formula.test_rmse < 1e-5
    assert record.pruned.formula.text == "1.0*sin(2.0*x2)"


X = np.sort(np.random.default_rng(0).uniform(-1, 1, 400))


@pytest.mark.parametrize(
    ("form", "a", "b", "c", "d", "noise"),
    [
        ("t", 1, 0, -3, 1, 0),
        ("t**2", 1, 0.3, 2, 1, 1e-3),
        ("t**3", 1.5, -0.2, 1, 0, 1e-3),
        ("exp(t)", -1.3, 0, 0.5, 2, 1e-3),
        ("sin(t)", np.pi, 0.4, 1, 0, 1e-3),
        ("sin(t)", 9.0, 0, 1, -1, 1e-3),
        ("log(t)", 1, 1.2, 1, 0, 1e-4),
        ("sqrt(t)", -1, 1.001, 1, 0, 1e-4),
        ("1/t", -1, 1.3, 1, 0, 1e-3),
        ("Abs(t)", 1, 0.5, 1, 0, 1e-3),
        ("tanh(t)", 4, 1, 2, 0, 1e-3),
        ("exp(-t**2)", 5, -1, 1, 0, 1e-3),
    ],
)
def test_a_planted_edge_is_recognised(form, a, b, c, d, noise):
    exact = c * FORMS[form](a * X + b) + d
    noisy = exact + noise * exact.std() * np.random.default_rng(1).standard_normal(X.size)

    edge = snap_edge(X, noisy)

    assert edge.form == form
    assert edge.r2 > 0.9999
    slope, shift, factor, offset = edge.constants
    again = factor * FORMS[form](slope * X + shift) + offset
    assert np.abs(again - exact).max() <= max(2 * noise, 1e-9) * exact.std() * 3


def test_a_network_becomes_its_formula():
    x_IN = np.random.default_rng(2).uniform(-1, 1, (2, 500))
    inner = np.stack([0.5 * np.sin(np.pi * x_IN[0]) + 0.1, 0.5 * x_IN[1] ** 2])
    noise = 1e-3 * np.random.default_rng(3).standard_normal((2, 500))
    hidden = inner.sum(0) + 0.2  # a bias
    last = np.exp(2 * (hidden - 0.3))
    y_N = np.exp(np.sin(np.pi * x_IN[0]) + x_IN[1] ** 2)

    biases = [np.array([0.2]), np.zeros(1)]
    train = test = EdgeSamples(x_IN, y_N)
    found = read_formula([(inner + noise)[None], last[None, None]], biases, train, test, ["x", "y"])

    assert found.least_r2 > 0.9999
    assert found.rmse < 1e-5
    assert found.text == "1.0*exp(1.0*y**2 + 1.0*sin(3.14159*x))"


def test_a_constant_edge_is_its_constant():
    edge = snap_edge(X, np.full_like(X, 0.7))

    assert edge.constants[2:] == (0, 0.7)
    assert np.isnan(edge.r2)
    samples = EdgeSamples(X[None], np.full_like(X, 0.7))
    found = read_formula([np.full((1, 1, X.size), 0.7)], [np.zeros(1)], samples, samples, ["x"])
    assert found.text == "0.700000"
    assert found.rmse == pytest.approx(0, abs=1e-6)
