"""The compiled loops of one lane on kernels: how Adam ends, and that states are copied.

`test_fused_engine.py` has their paths, and `test_lbfgs.py` and `test_levenberg.py` what they do away from smooth ones.
"""

import math
from functools import partial

import numpy as np
import pytest
import torch

from harness import families
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.spec import KanShape, MlpShape
from harness.train.fused import kernels
from harness.train.fused.optimisers import adam
from harness.train.fused.sizes import SQUARES
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

    def __init__(self, network, samples=60, seed=0):
        generator = np.random.default_rng(seed)
        self.network = network
        self.x = generator.uniform(-1, 1, (samples, network.shape[0]))
        wave = np.exp(np.sin(3 * self.x[:, :1]) + self.x[:, -1:] ** 2)
        self.y = np.tile(wave, network.shape[-1])
        self.knots = network.initial_knots(1, F64, "cpu")
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


def same(one, other):
    return all(np.array_equal(value, vars(other)[name], equal_nan=True) for name, value in vars(one).items())


def evaluated(objective, x_P):
    x_P = torch.as_tensor(x_P).detach().requires_grad_()
    loss = objective(x_P)
    return loss.item(), torch.autograd.grad(loss, x_P)[0].numpy()


# --------------------------------------------------------------------------------------------------------------- Adam


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
