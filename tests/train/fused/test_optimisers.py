"""The compiled loops of one lane: paths of torch.optim and of the lanes of the torch engine, and minima of scipy."""

import io
import math
import sys
from functools import partial

import numba
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as with_settings
from hypothesis import strategies as st
from scipy.optimize import least_squares

from harness import families
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.optimisers.lbfgs import Marks
from harness.spec import KanShape, MlpShape
from harness.train.fused import kernels
from harness.train.fused.optimisers import adam, lbfgs, levenberg, linear
from harness.train.fused.simd import SQUARES

pytestmark = pytest.mark.slow  # compiling takes longer than all other tests of a room

F64 = torch.float64
PAPER = Lbfgs(name="lbfgs", tolerance_curvature=1e-10)  # torch's constant
NESTED = PAPER.model_copy(update={"iterations_per_step": 3})
MARQUARDT = LevenbergMarquardt(name="levenberg_marquardt")
NEWTON = LevenbergMarquardt(name="levenberg_marquardt", damping=1e-15)
MLP = MlpShape(shape=(2, 4, 1), activation="tanh")
KAN = KanShape(shape=(2, 2, 1), grid=4)
SPLINE = KanShape(shape=(1, 1), grid=6)  # linear in its parameters


@numba.njit
def factorise(matrix):
    """Parts of kernels are called from compiled code only."""
    return linear.factorise(matrix)


@numba.njit
def solve(factor, values):
    """In place."""
    linear.solve(factor, values)


# ----------------------------------------------------------------------------------------------------------- networks
class Case:
    """A network at a random start, samples of a smooth function, and the same for a kernel and for torch."""

    def __init__(self, network, samples=60, seed=0, noise=0.0):
        generator = np.random.default_rng(seed)
        self.network = network
        self.x = generator.uniform(-1, 1, (samples, network.shape[0]))
        wave = np.exp(np.sin(3 * self.x[:, :1]) + self.x[:, -1:] ** 2)
        self.y = np.tile(wave, network.shape[-1]) + noise * generator.standard_normal((samples, network.shape[-1]))
        self.knots = families.initial_knots(network, 1, F64, "cpu")
        self.flat = families.initialise(network, [generator], 1.0, F64, "cpu")[0].numpy()

    def problem(self, by_point=False):
        kind, sizes = kernels.describe(self.network)
        knots = np.concatenate([np.zeros(0), *(knots.numpy().ravel() for knots in self.knots)])
        arrays = (np.ascontiguousarray(array if by_point else array.T) for array in (self.x, self.y))
        return (SQUARES, kind, sizes, knots, *arrays, kernels.workspace(self.network, len(self.x)))

    def loss(self, flat_P, points=slice(None)):
        """By torch, to be differentiated."""
        x, y = torch.from_numpy(self.x[points]), torch.from_numpy(self.y[points])
        return (families.forward(self.network, flat_P[None], self.knots, x[None])[0] - y).square().mean()

    def residuals(self, flat_P):
        x = torch.from_numpy(self.x)[None]
        return (
            families.forward(self.network, torch.from_numpy(flat_P)[None], self.knots, x)[0].numpy() - self.y
        ).ravel()

    def least(self):
        """The smallest loss of a network that is linear in its parameters."""
        matrix = np.stack([self.residuals(unit) - self.residuals(0 * unit) for unit in np.eye(len(self.flat))], 1)
        solution = np.linalg.lstsq(matrix, -self.residuals(0 * self.flat), rcond=None)[0]
        return np.mean(self.residuals(solution) ** 2)

    def splines(self):
        """First coefficient, distance and number of coefficients of every spline."""
        rows, first = [], 0
        for name, shape in families.parameter_shapes(self.network).items():
            if name.endswith("coef"):
                inputs, coefs, outputs = shape
                edges = [(i, o) for i in range(inputs) for o in range(outputs)]
                rows += [(first + i * coefs * outputs + o, outputs, coefs) for i, o in edges]
            first += math.prod(shape)
        return np.array(rows, np.int64)


def same(one, other):
    return all(np.array_equal(value, vars(other)[name], equal_nan=True) for name, value in vars(one).items())


# --------------------------------------------------------------------------------------------------------- objectives
def rosenbrock(x_P):
    """Minimum 0 at (1, ..., 1)."""
    return (100 * (x_P[1:] - x_P[:-1] ** 2) ** 2 + (1 - x_P[:-1]) ** 2).sum()


def beale(x_P):
    """Minimum 0 at (3, 1/2)."""
    x, y = x_P
    return (1.5 - x + x * y) ** 2 + (2.25 - x + x * y**2) ** 2 + (2.625 - x + x * y**3) ** 2


def tanh_fit(x_P):
    """Mean squared error of a [1, 4, 1] tanh network on 16 points of a sine."""
    u_N = torch.linspace(-1, 1, 16, dtype=F64)
    inner, bias, outer = x_P[:12].unflatten(0, (3, 4))
    output_N = (torch.tanh(u_N[:, None] * inner + bias) * outer).sum(-1) + x_P[12]
    return (output_N - torch.sin(3 * u_N)).square().mean()


def rugged(x_P):
    """A bowl full of smooth dents: searches zoom long, and stop half-way."""
    wave_P = 1.5 * x_P - torch.floor(1.5 * x_P)
    dents_P = wave_P * wave_P * (1 - wave_P) * (1 - wave_P)
    return (x_P * x_P - 40 * dents_P).sum() + rosenbrock(x_P) / 64


def stepped(x_P):
    """The rugged loss rounded to quarters, with the slopes of the smooth one: many losses are equal."""
    smooth = rugged(x_P)
    return torch.round(4 * smooth.detach()) / 4 + (smooth - smooth.detach())


def cliff(x_P):
    """Falls forever at one slope, up to a wall at 3e24."""
    fall = -x_P.sum()
    return fall if x_P.max() < 3e24 else fall * fall


def ledge(x_P):
    """The same with a ledge, lower than the origin, in place of the wall."""
    fall = -x_P.sum()
    return fall if x_P.max() < 3e24 else fall * 1e-30


def dented_ball(x_P):
    """Minimum -sqrt(1 + |b|^2) inside the unit ball; NaN outside."""
    return -(1 - (x_P * x_P).sum()).sqrt() + (x_P * torch.tensor([2.0, -1.0, 0.5], dtype=F64)).sum()


def name_of(case):
    return getattr(case, "__name__", None)


def seeded(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


MILD = [
    (beale, torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 0.8], [-1.0, -1.5], [4.0, 0.3]], dtype=F64)),
    (rosenbrock, torch.tensor([[-1.2, 1.0], [0.0, 0.0], [3.0, -2.0]], dtype=F64)),
    (rosenbrock, seeded(4, 5)),
    (rosenbrock, seeded(4, 20, seed=1)),
    (tanh_fit, seeded(6, 13, seed=2)[1:5]),
]


def evaluated(objective, x_P):
    x_P = torch.as_tensor(x_P).detach().requires_grad_()
    loss = objective(x_P)
    return loss.item(), torch.autograd.grad(loss, x_P)[0].numpy()


def told(settings, state, evaluations, objective):
    for _ in range(evaluations):
        state = lbfgs.tell(settings, state, *evaluated(objective, lbfgs.ask(state)))
    return state


def trained(settings, state, objective, limit=5000):
    while not (state.finished or state.diverged) and state.evaluations < limit:
        state = told(settings, state, 1, objective)
    return state


# ------------------------------------------------------------------------------------------------------------- L-BFGS
def path_of(objective, x_P, settings, iterations):
    """Accepted positions and evaluations after each iteration, up to where the lane comes to rest."""
    state = lbfgs.start(settings, x_P.numpy())
    path, counts = [], []
    while len(path) < iterations and not (state.finished or state.diverged):
        before, state = state, told(settings, state, 1, objective)
        if state.iterations > before.iterations:
            path.append(torch.from_numpy(state.position_P))
            counts.append(state.evaluations)
    return path, counts


def torch_path(objective, x_P, settings, iterations):
    """The same of torch.optim.LBFGS, one iteration a call, each of which repeats the evaluation before it."""
    x = torch.nn.Parameter(x_P.clone())
    optimizer = torch.optim.LBFGS(
        [x],
        lr=settings.learning_rate,
        max_iter=1,
        max_eval=26,
        history_size=settings.history,
        tolerance_grad=settings.tolerance_gradient,
        tolerance_change=settings.tolerance_change,
        line_search_fn="strong_wolfe",
    )

    def closure():
        x.grad = None
        loss = objective(x)
        loss.backward()
        return loss

    path, counts = [], []
    for _ in range(iterations):
        optimizer.step(closure)
        path.append(x.detach().clone())
        counts.append(optimizer.state[x]["func_evals"] - len(path) + 1)
    return path, counts


@pytest.mark.parametrize(("objective", "x_RP"), MILD, ids=name_of)
def test_lbfgs_walks_the_path_of_torch(objective, x_RP):
    """Accepted positions after each of 20 iterations are those of torch.optim.LBFGS, at the same evaluations."""
    iterations = 8 if objective is beale else 20  # Beale is at its minimum, where only rounding is left, after ten
    for x_P in x_RP:
        path, counts = path_of(objective, x_P, PAPER, iterations)
        peer_path, peer_counts = torch_path(objective, x_P, PAPER, iterations)
        assert counts == peer_counts
        torch.testing.assert_close(torch.stack(path), torch.stack(peer_path), rtol=0, atol=1e-10)


@pytest.mark.parametrize("objective", [rugged, stepped])
@pytest.mark.parametrize("rate", [0.125, 1.0, 16.0])
def test_the_rare_turns_of_the_line_search_are_those_of_torch(objective, rate):
    """Ties, brackets that become too narrow and probes stuck at an end are met and resolved as torch does."""
    settings = Lbfgs(name="lbfgs", tolerance_curvature=1e-10, learning_rate=rate, tolerance_gradient=0)
    for x_P in torch.round(64 * seeded(24, 3, seed=4)) / 16:
        path, counts = path_of(objective, x_P, settings, 4)  # errors of rounding grow tenfold and more each
        peer_path, peer_counts = torch_path(objective, x_P, settings, len(path))
        assert counts == peer_counts
        torch.testing.assert_close(torch.stack(path), torch.stack(peer_path), rtol=0, atol=1e-5)


@pytest.mark.parametrize(("objective", "rate", "moves"), [(cliff, 1e-3, True), (cliff, 1.0, False), (ledge, 1.0, True)])
def test_a_search_out_of_probes_ends_as_in_torch(objective, rate, moves):
    """After 26 probes the longest step is taken if its loss is below that of the start, and else none."""
    settings = Lbfgs(name="lbfgs", tolerance_curvature=1e-10, learning_rate=rate)
    path, counts = path_of(objective, torch.zeros(1, dtype=F64), settings, 1)
    peer_path, peer_counts = torch_path(objective, torch.zeros(1, dtype=F64), settings, 1)
    assert counts == peer_counts == [2 + lbfgs.MAX_PROBES]
    torch.testing.assert_close(path[0], peer_path[0], rtol=1e-14, atol=0)
    assert (path[0].item() > 0) == moves


@pytest.mark.parametrize(("objective", "x_RP"), MILD[:3], ids=name_of)
def test_lbfgs_finishes_where_the_lanes_do(objective, x_RP):
    """With torch's default tolerances a lane finishes after the evaluations, and at the point, of the torch engine."""
    settings = Lbfgs(name="lbfgs", tolerance_curvature=1e-10, tolerance_gradient=1e-7, tolerance_change=1e-9)
    for x_P in x_RP:
        state = trained(settings, lbfgs.start(settings, x_P.numpy()), objective)
        peer = settings.start(x_P[None])
        while not (peer.finished_R | peer.diverged_R).all():
            loss, gradient = evaluated(objective, settings.ask(peer)[0])
            peer = settings.tell(peer, torch.tensor([loss], dtype=F64), torch.from_numpy(gradient)[None])
        assert state.finished
        assert (state.evaluations, state.iterations) == (peer.evaluations_R.item(), peer.iterations_R.item())
        np.testing.assert_allclose(state.position_P, peer.position_RP[0], rtol=0, atol=1e-7)


@with_settings(max_examples=50)
@given(
    seed=st.integers(0, 2**32),
    params=st.integers(1, 6),
    stiffness=st.floats(1e-2, 1e2),
    ripple=st.floats(0, 3),
    rate=st.sampled_from([0.05, 1.0, 20.0]),
)
def test_every_accepted_point_satisfies_the_strong_wolfe_conditions(seed, params, stiffness, ripple, rate):
    """Loss and slope fall enough from each accepted point to the next, unless a search ran out of probes."""
    frequency_PP = seeded(params, params, seed=seed)

    def objective(x_P):
        return stiffness * (x_P * x_P).sum() + ripple * torch.sin(3 * (x_P @ frequency_PP)).sum()

    settings = Lbfgs(
        name="lbfgs", tolerance_curvature=1e-10, learning_rate=rate, tolerance_gradient=1e-4, tolerance_change=0
    )
    state = lbfgs.start(settings, 2 * seeded(params, seed=seed + 1).numpy())
    for _ in range(40):
        before, state = state, told(settings, state, 1, objective)
        if state.iterations > before.iterations and before.probes < lbfgs.MAX_PROBES:
            slope = state.gradient_P @ before.direction_P
            step = np.linalg.norm(state.position_P - before.position_P) / np.linalg.norm(before.direction_P)
            assert state.loss <= before.loss + 1e-4 * step * before.slope * (1 - 1e-9)
            assert abs(slope) <= 0.9 * abs(before.slope) * (1 + 1e-9)
    assert state.iterations > 0 or state.finished


@pytest.fixture
def whole_searches(monkeypatch):
    """torch's line search with its default of 25 probes, as in pykan, however few evaluations are left of a step."""
    module = sys.modules[torch.optim.LBFGS.__module__]
    search = module._strong_wolfe
    monkeypatch.setattr(module, "_strong_wolfe", lambda *arguments, **_: search(*arguments))


@pytest.mark.usefixtures("whole_searches")
@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
@pytest.mark.parametrize("per_step", [20, 3, 1])
def test_steps_end_where_those_of_torch_do(network, per_step):
    """At the end of each of three steps on a network torch is at the same point after as many calls of its closure."""
    case = Case(network)
    settings = PAPER.model_copy(update={"iterations_per_step": per_step})
    state, problem = lbfgs.start(settings, case.flat), case.problem()
    x, calls = torch.nn.Parameter(torch.from_numpy(case.flat.copy())), []
    optimizer = torch.optim.LBFGS(
        [x],
        max_iter=per_step,
        history_size=10,
        tolerance_grad=1e-32,
        tolerance_change=1e-32,
        line_search_fn="strong_wolfe",
    )

    def closure():
        calls.append(None)
        x.grad = None
        loss = case.loss(x)
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        state = lbfgs.advance(settings, state, problem, 1)
        while not (state.repeating or state.finished or state.diverged):
            state = lbfgs.advance(settings, state, problem, 1)
        assert state.evaluations == len(calls)
        # Rounding, 1e-16 at first, has grown to 2e-9 after 60 iterations.
        np.testing.assert_allclose(state.position_P, x.detach(), rtol=0, atol=1e-7)
        assert np.array_equal(lbfgs.ask(state), state.position_P)


@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
@pytest.mark.parametrize("per_step", [20, 3, 1])
def test_nested_iterations_walk_the_same_path(network, per_step):
    """Every accepted point is, in every bit, that of the path without steps; each step but the first adds a count."""
    case = Case(network)
    case.flat *= 10
    settings, problem = PAPER.model_copy(update={"iterations_per_step": per_step}), case.problem()
    plain, nested = lbfgs.start(PAPER, case.flat), lbfgs.start(settings, case.flat)
    repeated, iterations, evaluations = 0, 0, 0  # the latter two of this step
    while plain.iterations < 60:
        before, plain = plain, lbfgs.advance(PAPER, plain, problem, 1)
        nested = lbfgs.advance(settings, nested, problem, 1)
        assert np.array_equal(nested.position_P, plain.position_P)
        assert (nested.loss, nested.iterations) == (plain.loss, plain.iterations)
        assert nested.evaluations == plain.evaluations + repeated
        iterations, evaluations = iterations + plain.iterations - before.iterations, evaluations + 1
        over = iterations == per_step or evaluations >= per_step * 5 // 4
        if plain.iterations > before.iterations and over:
            nested = lbfgs.advance(settings, nested, problem, 1)
            repeated, iterations, evaluations = repeated + 1, 0, 1
    assert repeated >= 60 // per_step - 1


@pytest.mark.parametrize("rate", [1.0, 10.0, 1000.0])
def test_a_loss_that_is_nan_outside_a_ball_is_minimised_inside(rate):
    """Steps that leave the domain of the loss are shortened until they don't, and the minimum within is found."""
    settings = Lbfgs(name="lbfgs", tolerance_curvature=1e-10, learning_rate=rate, tolerance_gradient=1e-8)
    for inside in ([0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, -0.99, 0.0]):
        state = trained(settings, lbfgs.start(settings, np.array(inside)), dented_ball)
        assert not state.diverged
        assert state.loss == pytest.approx(-math.sqrt(6.25), abs=1e-12)


@pytest.mark.parametrize("spoilt", ["nan loss", "infinite loss", "gradient", "slope"])
def test_lbfgs_diverges_at_a_start_that_is_not_finite(spoilt):
    """A first loss, gradient or slope that isn't finite ends the lane after one evaluation, at its start."""
    loss, gradient = evaluated(rosenbrock, seeded(3))
    if spoilt == "gradient":
        gradient[1] = math.inf
    elif spoilt == "slope":
        gradient[:] = 1e200
    else:
        loss = math.nan if spoilt == "nan loss" else -math.inf
    state = lbfgs.tell(PAPER, lbfgs.start(PAPER, seeded(3).numpy()), loss, gradient)
    assert state.diverged
    assert not state.finished
    assert same(told(PAPER, state, 3, rosenbrock), state)
    assert (state.evaluations, state.iterations) == (1, 0)
    assert np.array_equal(state.position_P, seeded(3))


def test_lbfgs_diverges_when_no_step_is_finite():
    """A search that finds nothing finite within its probes leaves the lane diverged at the last accepted point."""

    def speck(x_P):
        return x_P.sum() if x_P.abs().max() < 1e-12 else x_P.sum() * torch.nan

    state = trained(PAPER, lbfgs.start(PAPER, np.zeros(3)), speck)
    assert state.diverged
    assert not state.finished
    assert state.evaluations == 2 + lbfgs.MAX_PROBES
    assert np.array_equal(state.position_P, np.zeros(3))


def test_a_search_without_a_lower_point_finishes_the_lane():
    """At a minimum that isn't smooth no step helps: the lane is finished, not diverged, and has not moved."""

    def lying(x_P):
        return x_P.abs().sum() + (x_P - x_P.detach()).sum()

    state = trained(PAPER, lbfgs.start(PAPER, np.zeros(3)), lying)
    assert state.finished
    assert not state.diverged
    assert np.array_equal(state.position_P, np.zeros(3))
    assert np.array_equal(lbfgs.ask(state), np.zeros(3))
    assert same(lbfgs.tell(PAPER, state, math.nan, np.full(3, math.nan)), state)


@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
def test_lbfgs_on_a_kernel_walks_the_path_of_the_torch_engine(network):
    """Twenty iterations on a network are those of the lanes on torch's gradients to 1e-9, evaluation by evaluation."""
    case = Case(network)
    state, problem = lbfgs.start(PAPER, case.flat), case.problem()
    peer = PAPER.start(torch.from_numpy(case.flat)[None])
    while peer.iterations_R < 20:
        loss, gradient = evaluated(case.loss, PAPER.ask(peer)[0])
        peer = PAPER.tell(peer, torch.tensor([loss], dtype=F64), torch.from_numpy(gradient)[None])
        state = lbfgs.advance(PAPER, state, problem, 1)
        assert (state.iterations, state.probes, state.zooming) == (
            peer.iterations_R.item(), peer.search.probes_R1.item(), Marks(*peer.marks_RB[0].tolist()).zooming,
        )  # fmt: skip
        np.testing.assert_allclose(state.position_P, peer.position_RP[0], rtol=0, atol=1e-9)


def test_lbfgs_reaches_the_minimum_of_the_torch_engine():
    """Over hundreds of evaluations on a convex loss both come to the same one, that of linear least squares."""
    case = Case(SPLINE, noise=0.1)
    settings = Lbfgs(name="lbfgs")
    state = lbfgs.advance(settings, lbfgs.start(settings, case.flat), case.problem(), 400)
    peer = settings.start(torch.from_numpy(case.flat)[None])
    for _ in range(400):
        loss, gradient = evaluated(case.loss, settings.ask(peer)[0])
        peer = settings.tell(peer, torch.tensor([loss], dtype=F64), torch.from_numpy(gradient)[None])
    assert state.loss == pytest.approx(peer.loss_R.item(), rel=1e-12)
    assert state.loss == pytest.approx(case.least(), rel=1e-9)


# --------------------------------------------------------------------------------------------------------------- Adam
@pytest.mark.parametrize("schedule", ["constant", "cosine"])
@pytest.mark.parametrize("batch", [None, 16])
@pytest.mark.parametrize("weight_decay", [0.0, 0.5])
def test_adam_takes_the_steps_of_torch(schedule, batch, weight_decay):
    """Twenty steps, of all points or of batches, are those of torch.optim.Adam to 1e-12; with weight decay of AdamW."""
    case = Case(MLP)
    settings = Adam(
        name="adam",
        schedule=schedule,
        learning_rate=0.03,
        beta1=0.8,
        beta2=0.99,
        epsilon=1e-6,
        weight_decay=weight_decay,
    )
    orders = [np.random.default_rng(step).permutation(60)[:batch] for step in range(20)]
    x = torch.nn.Parameter(torch.from_numpy(case.flat.copy()))
    kind = torch.optim.AdamW if weight_decay else torch.optim.Adam
    optimizer = kind([x], lr=0.03, betas=(0.8, 0.99), eps=1e-6, weight_decay=weight_decay)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    losses = []
    for order in orders:
        optimizer.zero_grad()
        loss = case.loss(x, order)
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
        if schedule == "cosine":
            scheduler.step()
    state, problem = adam.start(settings, case.flat, total_steps=20), case.problem(batch is not None)
    for first in (0, 7):  # in two goes
        rows = slice(first, 7 if first == 0 else 20)
        batches = None if batch is None else np.stack(orders[rows])
        state = adam.advance(settings, state, problem, len(orders[rows]), batches)
    np.testing.assert_allclose(state.position_P, x.detach(), rtol=0, atol=1e-12)
    assert state.loss == pytest.approx(losses[-1], abs=1e-12)
    assert state.evaluations == state.iterations == 20


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_weight_decay_on_a_parabola_has_a_closed_form(schedule):
    """With epsilon far above all gradients a step is -rate * (gradient / epsilon + decay * x)."""
    case = Case(MlpShape(shape=(1, 1)))  # a line through centred points, all at height 0: w x + b
    case.x -= case.x.mean()
    case.y[:] = 0
    curvature_P, begin_P = np.array([2 * np.mean(case.x**2), 2.0]), np.array([0.7, -0.4])
    settings = Adam(
        name="adam", schedule=schedule, learning_rate=2e11, beta1=0, beta2=0, epsilon=1e12, weight_decay=1e-12
    )
    state = adam.advance(settings, adam.start(settings, begin_P, total_steps=20), case.problem(), 20)
    expected_P = begin_P
    for step in range(20):
        share = 1 if schedule == "constant" else (1 + math.cos(math.pi * step / 20)) / 2
        expected_P = expected_P * (1 - share * 2e11 * (1e-12 + curvature_P / 1e12))
    np.testing.assert_allclose(state.position_P, expected_P, rtol=1e-10)


def test_a_cosine_ends_at_zero():
    """Steps beyond the end of a cosine schedule move nothing, and no weight decays."""
    case = Case(MLP)
    settings = Adam(name="adam", schedule="cosine", learning_rate=0.1, weight_decay=0.5)
    state = adam.advance(settings, adam.start(settings, case.flat, total_steps=10), case.problem(), 10)
    assert np.array_equal(adam.advance(settings, state, case.problem(), 3).position_P, state.position_P)


def test_a_cosine_without_its_length_is_refused():
    """The error names the argument and says why it is needed."""
    with pytest.raises(ValueError, match="total_steps=None"):
        adam.start(Adam(name="adam", schedule="cosine"), np.zeros(3))


def test_too_few_batches_are_refused():
    """Each evaluation must have its own row of indices; the error says how many there are."""
    settings = Adam(name="adam")
    with pytest.raises(ValueError, match="2 rows for 3 evaluations"):
        adam.advance(settings, adam.start(settings, np.zeros(3)), Case(MLP).problem(), 3, np.zeros((2, 4), np.int64))


def test_a_diverged_adam_rests_at_its_last_finite_position():
    """A loss that isn't finite sends the lane back to where it was, for good, as in the lanes of the torch engine."""
    case = Case(MLP)
    case.y[7] = math.nan
    settings = Adam(name="adam", learning_rate=0.05)
    healthy = np.delete(np.arange(60), 7)[None].repeat(4, 0)
    state = adam.advance(settings, adam.start(settings, case.flat), case.problem(by_point=True), 4, healthy)
    gone = adam.advance(settings, state, case.problem(), 5)
    peer = settings.start(torch.from_numpy(case.flat)[None])
    for loss, points in [(None, healthy[0])] * 4 + [(math.nan, slice(None))] * 5:
        seen, gradient = evaluated(partial(case.loss, points=points), settings.ask(peer)[0])
        peer = settings.tell(peer, torch.tensor([loss or seen]), torch.from_numpy(gradient)[None])
    assert gone.diverged
    assert (gone.evaluations, gone.iterations) == (peer.evaluations_R.item(), peer.iterations_R.item()) == (5, 4)
    assert np.array_equal(gone.position_P, state.previous_P)
    np.testing.assert_allclose(gone.position_P, peer.position_RP[0], rtol=0, atol=1e-12)


# ------------------------------------------------------------------------------------------------ Levenberg-Marquardt
@pytest.mark.parametrize("size", [1, 2, 7, 16, 33, 100, 601])
def test_the_factorisation_is_that_of_lapack(size):
    """Cholesky factors of matrices of any size, panels, strips and odd rows included, and what is solved with them."""
    generator = np.random.default_rng(size)
    rows = generator.standard_normal((size + 5, size))
    matrix, values = rows.T @ rows, generator.standard_normal(size)
    factor, solution = np.tril(matrix), values.copy()
    assert factorise(factor)
    np.testing.assert_allclose(np.tril(factor), np.linalg.cholesky(matrix), rtol=0, atol=1e-11 * size)
    solve(factor, solution)
    np.testing.assert_allclose(matrix @ solution, values, rtol=0, atol=1e-9 * size)


@pytest.mark.parametrize("spoilt", [0.0, -1.0, math.nan, math.inf])
def test_a_matrix_that_is_not_positive_definite_has_no_factor(spoilt):
    """A pivot that is zero, negative or not finite is an answer, not an exception."""
    matrix = np.eye(40)
    matrix[30, 30] = spoilt
    assert not factorise(matrix)
    assert not factorise(np.ones((3, 3)))


def test_linear_least_squares_is_solved_in_one_step():
    """Without damping the first step leads to the minimum, however far away it is."""
    case = Case(SPLINE, noise=0.1)
    case.flat[:] = 100.0
    state = levenberg.advance(NEWTON, levenberg.start(NEWTON, case.flat), case.problem(), 2)
    assert (state.evaluations, state.iterations) == (2, 1)
    assert state.loss == pytest.approx(case.least(), rel=1e-9)


@pytest.mark.parametrize(("hidden", "seed"), [(2, 1), (2, 3), (3, 0), (3, 2)])
def test_levenberg_reaches_the_minimum_of_scipy(hidden, seed):
    """Beside a minimum of a non-linear fit (there are many), scipy's MINPACK and this come back to the same one."""
    case = Case(MlpShape(shape=(1, hidden, 1), activation="tanh"), seed=seed, noise=0.1)
    found = levenberg.advance(MARQUARDT, levenberg.start(MARQUARDT, case.flat), case.problem(), 200).position_P
    beside = found + 1e-2 * np.random.default_rng(0).standard_normal(len(found))
    state = levenberg.advance(MARQUARDT, levenberg.start(MARQUARDT, beside), case.problem(), 100)
    peer = least_squares(case.residuals, beside, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14)
    assert state.finished
    assert state.loss == pytest.approx(np.mean(peer.fun**2), rel=1e-9)
    np.testing.assert_allclose(state.position_P, peer.x, rtol=1e-4)


@pytest.mark.parametrize("network", [MlpShape(shape=(2, 9, 2), activation="tanh"), KanShape(shape=(2, 3, 2), grid=3)])
def test_the_primal_and_the_dual_system_have_one_solution(network):
    """With more parameters than residuals, steps by J J^T are those by J^T J."""
    case = Case(network, samples=15)
    assert len(case.flat) > 30
    # A ridge too small to count keeps the lane from changing over to the dual system.
    primal = MARQUARDT.model_copy(update={"ridge": 1e-300})
    one = levenberg.advance(MARQUARDT, levenberg.start(MARQUARDT, case.flat), case.problem(), 4)
    other = levenberg.advance(primal, levenberg.start(primal, case.flat), case.problem(), 4, np.zeros((1, 3), np.int64))
    assert one.iterations == other.iterations > 0
    np.testing.assert_allclose(one.position_P, other.position_P, rtol=0, atol=1e-8)


def test_the_ridge_is_what_rows_of_second_differences_do():
    """The minimum with a ridge is that of the least squares with sqrt(ridge) times second differences below."""
    case = Case(KanShape(shape=(1, 2), grid=6), noise=0.3)
    ridge, splines = 0.7, case.splines()

    def residuals(flat_P):
        coefs = [flat_P[first : first + count * step : step] for first, step, count in splines]
        return np.concatenate([case.residuals(flat_P), *(math.sqrt(ridge) * np.diff(c, 2) for c in coefs)])

    settings = NEWTON.model_copy(update={"ridge": ridge})
    state = levenberg.advance(settings, levenberg.start(settings, case.flat), case.problem(), 3, splines)
    assert state.loss == pytest.approx(np.sum(least_squares(residuals, case.flat).fun ** 2) / 120, rel=1e-9)


def test_a_system_without_a_solution_makes_the_damping_grow():
    """Columns of J that are equal, undamped, have no solution: refused steps are counted, and training goes on."""
    case = Case(MlpShape(shape=(1, 6, 1), activation="relu"))
    case.flat[:] = np.repeat([0.5, 2.0, 0.25, 0.0], [6, 6, 6, 1])
    settings = MARQUARDT.model_copy(update={"damping": 1e-300})
    state = levenberg.advance(settings, levenberg.start(settings, case.flat), case.problem(), 20)
    assert state.refused_steps > 0
    assert state.iterations > 0
    assert not state.diverged
    assert np.isfinite([*state.position_P, state.loss, state.damping, state.growth]).all()


def test_a_step_to_a_loss_that_is_not_finite_is_not_taken():
    """It costs its evaluation and damping grows, until a step is short enough."""
    case = Case(MlpShape(shape=(1, 1, 1), activation="relu"))
    case.x[:], case.y[:] = abs(case.x), abs(case.y)
    case.flat[:] = 1e-80, 0, 1e-80, 0  # the undamped step multiplies two weights by 1e160
    settings = MARQUARDT.model_copy(update={"damping": 1e-300})
    state = levenberg.start(settings, case.flat)
    start = levenberg.advance(settings, state, case.problem(), 1)
    state = levenberg.advance(settings, start, case.problem(), 1)
    assert (state.evaluations, state.iterations) == (2, 0)
    assert state.damping > start.damping
    assert np.array_equal(state.position_P, case.flat)
    state = levenberg.advance(settings, state, case.problem(), 100)
    assert not state.diverged
    assert state.loss < start.loss


@pytest.mark.parametrize("samples", [60, 5])
def test_levenberg_diverges_at_a_start_that_is_not_finite(samples):
    """A first loss that isn't finite ends the lane after one evaluation, at its start, by either system."""
    case = Case(MLP, samples=samples)
    case.y[3] = math.nan
    state = levenberg.advance(MARQUARDT, levenberg.start(MARQUARDT, case.flat), case.problem(), 5)
    assert state.diverged
    assert not state.finished
    assert (state.evaluations, state.iterations) == (1, 0)
    assert np.array_equal(state.position_P, case.flat)


def test_levenberg_finishes_when_there_is_nothing_to_gain():
    """It ends by a tolerance, or without one where steps are lost in rounding, before its cap."""
    case = Case(SPLINE, noise=0.1)
    coarse = MARQUARDT.model_copy(update={"tolerance_gradient": 1e-3})
    spent = []
    for settings in (coarse, MARQUARDT):
        state = levenberg.advance(settings, levenberg.start(settings, case.flat), case.problem(), 500)
        assert state.finished
        assert state.evaluations < 200
        assert same(levenberg.advance(settings, state, case.problem(), 5), state)
        spent.append(state.evaluations)
    assert spent[0] < spent[1]


# -------------------------------------------------------------------------------------------------------- checkpoints
def stored(state):
    """Through a file, as arrays only."""
    file = io.BytesIO()
    np.savez(file, **vars(state))
    file.seek(0)
    with np.load(file) as arrays:
        return type(state)(**arrays)


ORDERS = np.random.default_rng(0).integers(0, 60, (24, 16))
RECIPES = {
    "lbfgs": (PAPER, lbfgs, lambda first, count: ()),
    "nested": (NESTED, lbfgs, lambda first, count: ()),
    "adam": (Adam(name="adam", schedule="cosine", learning_rate=0.05), adam, lambda first, count: ()),
    "batches": (
        Adam(name="adam", learning_rate=0.05, weight_decay=0.5),
        adam,
        lambda first, count: (ORDERS[first : first + count],),
    ),
    "levenberg": (MARQUARDT, levenberg, lambda first, count: ()),
}


@pytest.mark.parametrize(
    ("recipe", "samples"),
    [("lbfgs", 60), ("nested", 60), ("adam", 60), ("batches", 60), ("levenberg", 60), ("levenberg", 10)],
)
def test_a_stored_state_goes_on_as_if_never_interrupted(recipe, samples):
    """Stopped after any evaluation, stored and resumed, a lane ends with the same bits as one that ran through."""
    settings, optimiser, more = RECIPES[recipe]
    case = Case(KAN, samples)
    case.flat *= 10
    problem, total = case.problem(recipe == "batches"), len(ORDERS)
    schedule = {"total_steps": total} if recipe == "adam" else {}
    start = optimiser.start(settings, case.flat, **schedule)
    through = optimiser.advance(settings, start, problem, total, *more(0, total))
    assert through.evaluations == total
    # Some line searches took several probes, and some steps were not taken.
    assert optimiser is adam or through.iterations < total - 1
    for count in range(total):
        state = stored(optimiser.advance(settings, start, problem, count, *more(0, count)))
        assert state.evaluations == count
        assert same(optimiser.advance(settings, state, problem, total - count, *more(count, total - count)), through)


def test_a_state_is_not_changed_by_what_comes_after_it():
    """`advance` works on a copy: a state can be advanced again, and to the same end."""
    for recipe, (settings, optimiser, more) in RECIPES.items():
        case = Case(KAN)
        schedule = {"total_steps": 9} if optimiser is adam else {}
        state = optimiser.start(settings, case.flat, **schedule)
        ends = [optimiser.advance(settings, state, case.problem(recipe == "batches"), 9, *more(0, 9)) for _ in range(2)]
        assert same(*ends)
        assert np.array_equal(state.position_P, case.flat)
