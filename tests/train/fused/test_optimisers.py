"""The compiled loops of one lane on kernels: paths of torch.optim and of the lanes of the torch engine.

`test_lbfgs.py` and `test_levenberg.py` have what both engines' optimisers do away from smooth paths.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch

from harness import families
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.optimisers.lbfgs import Marks
from harness.spec import KanShape, MlpShape
from harness.train.fused import kernels
from harness.train.fused.optimisers import adam, lbfgs
from harness.train.fused.simd import SQUARES
from harness.train.fused_engine import LOOPS

pytestmark = pytest.mark.slow  # compiling takes longer than all other tests of a room

F64 = torch.float64
PAPER = Lbfgs(name="lbfgs", tolerance_curvature=1e-10)  # torch's constant
NESTED = PAPER.model_copy(update={"iterations_per_step": 3})
MARQUARDT = LevenbergMarquardt(name="levenberg_marquardt")
BATCHES = Adam(name="adam", learning_rate=0.05, weight_decay=0.5)
MLP = MlpShape(shape=(2, 4, 1), activation="tanh")
KAN = KanShape(shape=(2, 2, 1), grid=4)


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

    def least(self):
        """The smallest loss of a network that is linear in its parameters."""
        x = torch.from_numpy(self.x)[None].expand(len(self.flat), -1, -1)
        knots = [layer.repeat(len(self.flat), 1, 1) for layer in self.knots]
        columns = families.forward(self.network, torch.eye(len(self.flat), dtype=F64), knots, x)[..., 0].T.numpy()
        return np.square(columns @ np.linalg.lstsq(columns, self.y, rcond=None)[0] - self.y).mean()


def same(one, other):
    return all(np.array_equal(value, vars(other)[name], equal_nan=True) for name, value in vars(one).items())


def evaluated(objective, x_P):
    x_P = torch.as_tensor(x_P).detach().requires_grad_()
    loss = objective(x_P)
    return loss.item(), torch.autograd.grad(loss, x_P)[0].numpy()


# ------------------------------------------------------------------------------------------------------------- L-BFGS
@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
@pytest.mark.parametrize("settings", [PAPER, NESTED], ids=["paper", "nested"])
def test_lbfgs_on_a_kernel_walks_the_path_of_the_torch_engine(network, settings):
    """Twenty iterations on a network are those of the lanes on torch's gradients to 1e-9, evaluation by evaluation."""
    case = Case(network)
    state, problem = lbfgs.start(settings, case.flat), case.problem()
    peer = settings.start(torch.from_numpy(case.flat)[None])
    while peer.iterations_R < 20:
        loss, gradient = evaluated(case.loss, settings.ask(peer)[0])
        peer = settings.tell(peer, torch.tensor([loss], dtype=F64), torch.from_numpy(gradient)[None])
        state = lbfgs.advance(settings, state, problem, 1)
        assert (state.iterations, state.probes, state.zooming) == (
            peer.iterations_R.item(), peer.search.probes_R1.item(), Marks(*peer.marks_RB[0].tolist()).zooming,
        )  # fmt: skip
        np.testing.assert_allclose(state.position_P, peer.position_RP[0], rtol=0, atol=1e-9)


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


def test_a_cosine_ends_at_zero():
    """Steps beyond the end of a cosine schedule move nothing, and no weight decays."""
    case = Case(MLP)
    settings = Adam(name="adam", schedule="cosine", learning_rate=0.1, weight_decay=0.5)
    state = adam.advance(settings, adam.start(settings, case.flat, total_steps=10), case.problem(), 10)
    assert np.array_equal(adam.advance(settings, state, case.problem(), 3).position_P, state.position_P)


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


# ------------------------------------------------------------------------------------------------------------- states
@pytest.mark.parametrize("settings", [PAPER, NESTED, BATCHES, MARQUARDT], ids=lambda settings: settings.name)
def test_a_state_is_not_changed_by_what_comes_after_it(settings):
    """`advance` works on a copy: a state can be advanced again, and to the same end."""
    case, has_batches = Case(KAN), settings is BATCHES
    loop = LOOPS[settings.name]
    state = loop.start(settings, case.flat, total_steps=9)
    given = {"batches_SB": np.random.default_rng(0).integers(0, 60, (9, 16))} if has_batches else {}
    ends = [loop.advance(settings, state, case.problem(has_batches), 9, **given) for _ in range(2)]
    assert same(*ends)
    assert np.array_equal(state.position_P, case.flat)
