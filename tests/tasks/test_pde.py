"""Poisson's equation: the solution and its derivatives, the points, the loss, the errors, and what
is refused.
"""

from functools import cache
from itertools import product

import numpy as np
import pytest
import torch
from networks import begun
from scipy.integrate import dblquad
from scipy.special import fresnel

from harness.base.errors import HarnessError
from harness.count import WEIGHTS
from harness.count.dispatched import Counter
from harness.families import KanShape, MlpShape, parameter_count
from harness.families.jets import forward_laplacian
from harness.optimisers import Lbfgs
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.recipe import GridExtension, GridUpdates, Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import draw, load_target, resolve
from harness.train import torch_engine
from tests.families.test_jacobian import twice_by_autograd
from tests.train.packs import outcomes_of_any_company

POINTS = {"train_points": 600, "validation_points": 60, "test_points": 400, "boundary_points": 90}
TASK = cache(lambda: resolve(Task(target="poisson", **POINTS)))
KAN = KanShape(shape=(2, 3, 1), grid=3, scales=True)
MLP = MlpShape(shape=(2, 6, 6, 1), activation="tanh")
STAGED = Recipe(
    optimizer=Lbfgs(name="lbfgs", iterations_per_step=20),
    max_evaluations=24,
    grid_updates=GridUpdates(every=8, until=20),
    grid_extension=GridExtension(grids=(2,), evaluations=10),
)
PLAIN = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=15)
TEXT = """
question: which?
tasks: [poisson]
arms:
  mlp: {architecture: {family: mlp, depth: 3, width: 5}, recipe: usual}
  kan: {architecture: {family: kan, hidden: [5], grid: 3}, recipe: usual}
recipes: {usual: {optimizer: {name: lbfgs}, max_evaluations: 10}}
seeds: [0]
"""


def _run(network, recipe, seed=0):
    return RunSpec(task=TASK(), network=network, recipe=recipe, seed=seed, engine="torch")


def test_the_solution_solves_the_equation():
    """By sympy: gradient, and the right-hand side as the paper prints it, which is the Laplacian; 0
    on the boundary.
    """
    import sympy  # takes seconds

    target, (x, y) = load_target("poisson"), sympy.symbols("x y")
    u = sympy.sin(sympy.pi * x) * sympy.sin(sympy.pi * y**2)
    printed = -(sympy.pi**2) * (1 + 4 * y**2) * u + 2 * sympy.pi * sympy.sin(
        sympy.pi * x
    ) * sympy.cos(sympy.pi * y**2)
    assert sympy.simplify(u.diff(x, 2) + u.diff(y, 2) - printed) == 0
    points = np.random.default_rng(0).uniform(-1, 1, (50, 2))
    for own, peer in [
        (target.function(points), u),
        (target.gradient(points)[:, 0], u.diff(x)),
        (target.gradient(points)[:, 1], u.diff(y)),
        (target.laplacian(points), printed),
    ]:
        np.testing.assert_allclose(own, sympy.lambdify((x, y), peer)(*points.T), rtol=0, atol=1e-12)
    assert all(u.subs(side) == 0 for side in ({x: -1}, {x: 1}, {y: -1}, {y: 1}))


def test_points_lie_inside_and_evenly_on_the_four_sides():
    train = draw(resolve(Task(target="poisson", train_points=50, boundary_points=4000)), 3).train
    assert (train.loss.inside, train.loss.weight, len(train.x)) == (50, 0.01, 4050)
    np.testing.assert_array_equal(train.y[:50, 0], load_target("poisson").laplacian(train.x[:50]))
    assert not train.y[50:].any()
    boundary = train.x[50:]
    sides = [
        boundary[boundary[:, axis] == end][:, 1 - axis] for axis, end in product((0, 1), (-1, 1))
    ]
    assert sum(map(len, sides)) == 4000
    for along in sides:
        assert abs(len(along) - 1000) < 5 * np.sqrt(750)
        assert abs(along.mean()) < 5 / np.sqrt(3 * len(along))


def test_the_quadrature_knows_the_norms_of_the_solution():
    """Means over the square of u^2, in closed form by a Fresnel integral, and of |grad u|^2, by
    scipy's quadrature.
    """
    target, test = (
        load_target("poisson"),
        draw(resolve(Task(target="poisson", test_points=400)), 0).test,
    )
    shares, slopes = test.loss.shares, test.loss.gradient
    assert len(shares) == 400
    assert shares @ test.y[:, 0] ** 2 == pytest.approx((1 - fresnel(2)[1] / 2) / 4, rel=1e-12)
    squared = lambda b, a: (target.gradient(np.array([[a, b]])) ** 2).sum()  # noqa: E731
    assert 4 * shares @ (slopes**2).sum(1) == pytest.approx(
        dblquad(squared, -1, 1, -1, 1)[0], rel=1e-9
    )


@pytest.mark.parametrize("network", [KAN, MLP], ids=["kan", "mlp"])
def test_the_loss_is_the_papers(network):
    points = torch_engine.prepare([_run(network, PLAIN, seed) for seed in (0, 1)]).train
    flat, knots = begun(network)
    loss, gradient = points.loss.loss_and_gradient(network, flat, knots, points)
    flat.requires_grad_()
    inside, boundary = points.x[:, :600], points.x[:, 600:]
    equation = (
        (twice_by_autograd(network, flat, knots, inside)[2] - points.y[:, :600])
        .square()
        .mean((1, 2))
    )
    value = twice_by_autograd(network, flat, knots, boundary)[0].square().mean((1, 2))
    expected = 0.01 * equation + value
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-12, atol=0)
    torch.testing.assert_close(
        gradient, torch.autograd.grad(expected.sum(), flat)[0], rtol=1e-9, atol=1e-12
    )


def test_errors_of_a_network_that_is_nearly_zero_are_the_norms_of_the_solution():
    pack = torch_engine.prepare([_run(MLP, PLAIN)])
    seen = pack.seen(0, MLP, torch.zeros(1, parameter_count(MLP), dtype=torch.float64), [], "test")
    observed = {one.name: one.value(seen) for one in pack.points.observations(0)}
    rmse, h1 = seen.loss, observed["test_h1_error"]
    assert 4 * rmse**2 == pytest.approx(0.7558732969623, rel=1e-11)
    assert 4 * (h1**2 - rmse**2) == pytest.approx(20.080206867014, rel=1e-11)


@pytest.mark.parametrize(("network", "recipe"), [(KAN, STAGED), (MLP, PLAIN)], ids=["kan", "mlp"])
def test_a_run_alone_is_the_run_in_a_pack(network, recipe):
    outcome, *_ = outcomes_of_any_company([_run(network, recipe, seed) for seed in range(3)])
    assert outcome.curve[-1].train_rmse == outcome.metrics.train_rmse < outcome.curve[0].train_rmse
    assert 0 < outcome.metrics.test_rmse < outcome.metrics.test_h1_error


@pytest.mark.parametrize(
    "network",
    [
        *(KAN, MlpShape(shape=(2, 20, 20, 1)), MlpShape(shape=(2, 100, 100, 1))),
        *(
            MlpShape(shape=(2, 20, 20, 1), activation="sine"),
            MlpShape(shape=(2, 20, 20, 1), features=8),
        ),
    ],
    ids=repr,
)
def test_a_point_inside_takes_about_as_much_as_four(network):
    def executes(samples):
        options = {"dtype": torch.float64, "device": "meta"}
        flat = torch.empty(2, parameter_count(network), requires_grad=True, **options)
        x = torch.empty(2, samples, 2, **options)
        knots = network.draw_knots([np.random.default_rng(0)] * 2, **options)
        with Counter() as counter:
            laplacian = forward_laplacian(network, flat, knots, x)[2]
            torch.autograd.grad((laplacian - 1).square().mean((1, 2)).sum(), flat)
        return counter.executed.flops

    a_point = (executes(64) - executes(32)) / 64
    counted = resolve(Task(target="poisson", train_points=1000)).points_evaluated - 800
    assert a_point / network.executed_evaluation(WEIGHTS["kanbefair"]) == pytest.approx(
        counted / 1000, rel=0.1
    )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "[poisson]",
            "{target: poisson, low: 0}",
            r"it is a PDE on \[-1, 1\]\^2; leave low and high out",
        ),
        (
            "[poisson]",
            "{target: xy, boundary_points: 9}",
            r"it is of PDEs \(poisson\), and xy is none; leave it out",
        ),
        (
            "width: 5}",
            "width: 5, activation: relu}",
            r"mlp.architecture.activation=relu: .*silu, tanh, gelu or sine",
        ),
        ("grid: 3}", "grid: 3, order: 1}", r"arms.kan.architecture.order=1: .*use order 3 or more"),
        (
            "name: lbfgs",
            "name: levenberg_marquardt",
            r"recipes.usual.*levenberg_marquardt: .*use lbfgs or adam",
        ),
        ("name: lbfgs", "name: adam, batch_size: 10", r"batch_size=10: .*leave it out"),
        (
            "seeds: [0]",
            "seeds: [0]\nengine: fused",
            r"engine: fused has no second derivatives.* use engine: torch",
        ),
    ],
)
def test_what_cannot_learn_a_pde_is_named(old, new, said):
    with pytest.raises(HarnessError, match=said):
        make_plan(parse_experiment(TEXT.replace(old, new)), "plan")


def test_a_pde_is_trained_by_torch():
    runs = [planned.run for planned in make_plan(parse_experiment(TEXT), "plan").runs]
    of_runs = {(run.engine, run.task.boundary_points, run.task.interior_weight) for run in runs}
    assert of_runs == {("torch", 800, 0.01)}
