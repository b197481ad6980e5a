"""Levenberg-Marquardt of both engines: closed forms, scipy, one path, and no lane aware of
another.
"""

import copy
import math

import numpy as np
import pytest
import torch
from networks import begun
from scipy.optimize import least_squares
from two_kinds import COMPILED, IN_TORCH, every_kind, same, slow

from harness import families
from harness.families import KanShape, MlpShape
from harness.optimisers import LaneObjective, LevenbergMarquardt, levenberg, normal_equations
from harness.optimisers.normal_equations import System, linearise

F64 = torch.float64
MARQUARDT = LevenbergMarquardt(name="levenberg_marquardt")
NEWTON = LevenbergMarquardt(name="levenberg_marquardt", damping=1e-15)
UNDAMPED = LevenbergMarquardt(name="levenberg_marquardt", damping=1e-300)
MLP = MlpShape(shape=(2, 4, 1), activation="tanh")
KAN = KanShape(shape=(2, 2, 1), grid=4)
BOTH = KanShape(shape=(2, 3, 2), grid=3, scales=True, bias=True)
SPLINE = KanShape(shape=(1, 1), grid=6)  # linear in its parameters


class Case:
    """Lanes of a network at random starts, each with its samples of a smooth function; a lane
    depends on its number.
    """

    def __init__(self, network, lanes=2, samples=60, noise=0.0):
        generators = [np.random.default_rng(lane) for lane in range(lanes)]
        x = np.stack([rng.uniform(-1, 1, (samples, network.shape[0])) for rng in generators])
        wave = np.exp(np.sin(3 * x[..., :1]) + x[..., -1:] ** 2)
        shape = (samples, network.shape[-1])
        self.network = network
        self.x = torch.from_numpy(x)
        self.y = torch.from_numpy(
            wave + noise * np.stack([rng.standard_normal(shape) for rng in generators])
        )
        self.flat, self.knots = begun(network, lanes)

    def of(self, lanes):
        """The case of some lanes, named by their numbers."""
        part = copy.copy(self)
        part.x, part.y, part.flat = self.x[lanes], self.y[lanes], self.flat[lanes]
        part.knots = [knots[lanes] for knots in self.knots]
        return part

    def system(self, settings, flat):
        return linearise(
            settings, flat, LaneObjective(None, self.network, self.knots, self.x, self.y)
        )

    def residuals(self, flat):
        """[R, O * N] at positions [R, P]."""
        return (
            (families.forward(self.network, flat, self.knots, self.x) - self.y)
            .transpose(1, 2)
            .flatten(1)
        )

    def problem(self, lane, by_point=False):
        """What the compiled loop wants of a lane; where there are batches, points lie together."""
        from harness.train.fused import kernels
        from harness.train.fused.sizes import SQUARES

        knots = np.concatenate(
            [np.zeros(0), *(layer[lane].numpy().ravel() for layer in self.knots)]
        )
        arrays = (
            array[lane].numpy() if by_point else array[lane].numpy().T for array in (self.x, self.y)
        )
        work = kernels.workspace(self.network)
        return (
            SQUARES,
            *kernels.describe(self.network),
            knots,
            *map(np.ascontiguousarray, arrays),
            work,
        )

    def residuals_of(self, lane):
        """The residuals of one lane as scipy wants them."""
        alone = self.of([lane, lane])
        return lambda flat_P: alone.residuals(torch.from_numpy(flat_P).expand(2, -1))[0].numpy()


def trained(settings, case, evaluations, kind=IN_TORCH):
    return kind.seen(kind.linearised(settings, kind.start(settings, case.flat), case, evaluations))


def second_differences(network):
    """The matrix that takes second differences of every spline's coefficients, one after the
    other.
    """
    rows, first = [], 0
    for name, shape in network.parameter_shapes().items():
        index = first + np.arange(math.prod(shape)).reshape(shape)
        if name.endswith("coef"):
            splines = np.moveaxis(index, 1, 2).reshape(-1, shape[1])
            rows += [
                np.diff(np.eye(families.parameter_count(network))[spline], 2, axis=0)
                for spline in splines
            ]
        first += math.prod(shape)
    return torch.from_numpy(np.concatenate(rows))


@pytest.mark.parametrize("network", [MLP, KAN, BOTH], ids=repr)
def test_a_system_is_made_of_the_residuals_and_their_jacobian(network):
    case, ridge = Case(network, lanes=3), 0.7
    _, jacobian = families.residual_jacobian(network, case.flat, case.knots, case.x)
    residual = case.residuals(case.flat)
    if network is not MLP:
        rows = math.sqrt(ridge) * second_differences(network)
        jacobian = torch.cat([jacobian, rows.expand(3, -1, -1)], 1)
        residual = torch.cat([residual, (rows @ case.flat[..., None])[..., 0]], 1)
    system = case.system(MARQUARDT.model_copy(update={"ridge": ridge}), case.flat)
    matrix = jacobian.mT @ jacobian
    torch.testing.assert_close(
        system.matrix_RSS, matrix, rtol=1e-12, atol=1e-12 * matrix.max().item()
    )
    torch.testing.assert_close(
        system.gradient_RP, (jacobian.mT @ residual[..., None])[..., 0], rtol=1e-9, atol=1e-9
    )
    torch.testing.assert_close(system.peak_R, matrix.diagonal(dim1=1, dim2=2).amax(1))
    assert system.residuals_R.tolist() == [60.0 * network.shape[-1]] * 3
    torch.testing.assert_close(system.loss_R, residual.square().sum(1) / system.residuals_R)


def test_lanes_are_linearised_in_groups_that_change_no_bit(monkeypatch):
    for samples in (61, 7):
        case = Case(BOTH, lanes=7, samples=samples)
        together = case.system(MARQUARDT, case.flat)
        monkeypatch.setattr(normal_equations, "JACOBIAN_BYTES", 1)
        assert all(map(torch.equal, case.system(MARQUARDT, case.flat), together))
        monkeypatch.undo()


def test_linear_least_squares_is_solved_in_one_step():
    case = Case(SPLINE, noise=0.1)
    case.flat[:] = 100.0
    state = trained(NEWTON, case, 2)
    assert state.evaluations_R.tolist() == [2, 2]
    assert state.iterations_R.tolist() == [1, 1]
    for lane in range(2):
        residuals, zero = case.residuals_of(lane), np.zeros(case.flat.shape[1])
        matrix = np.stack([residuals(unit) - residuals(zero) for unit in np.eye(len(zero))], axis=1)
        least = matrix @ np.linalg.lstsq(matrix, -residuals(zero), rcond=None)[0] + residuals(zero)
        assert state.loss_R[lane].item() == pytest.approx(np.mean(least**2), rel=1e-9)


def test_the_minimum_of_scipy_is_reached():
    """Noisy samples of 3/2 tanh(2 x + 1/2) have one minimum nearby: scipy's MINPACK finds the same
    parameters.
    """
    case = Case(MlpShape(shape=(1, 1, 1), activation="tanh"), lanes=4)
    generator = torch.Generator().manual_seed(0)
    case.flat[:] = torch.tensor([2.0, 0.5, 1.5, 0.0], dtype=F64)
    target = families.forward(case.network, case.flat, [], case.x)
    case.y = target + 0.1 * torch.randn(target.shape, dtype=F64, generator=generator)
    state = trained(MARQUARDT, case, 100)
    assert state.finished_R.all()
    for lane, beside in enumerate(case.flat.numpy()):
        peer = least_squares(
            case.residuals_of(lane), beside, method="lm", xtol=1e-14, ftol=1e-14, gtol=1e-14
        )
        assert state.loss_R[lane].item() == pytest.approx(np.mean(peer.fun**2), rel=1e-9)
        np.testing.assert_allclose(state.position_RP[lane], peer.x, rtol=1e-4)


@pytest.mark.parametrize(
    "network", [MlpShape(shape=(2, 9, 2), activation="tanh"), KanShape(shape=(2, 3, 2), grid=3)]
)
def test_the_primal_and_the_dual_system_have_one_solution(network):
    case = Case(network, samples=15)
    assert case.flat.shape[1] > 30
    dual = trained(MARQUARDT, case, 1)
    assert dual.matrix_RSS.shape == (2, 30, 30)
    _, jacobian = families.residual_jacobian(network, case.flat, case.knots, case.x)
    damping = dual.damping_R[:, None, None] * torch.eye(case.flat.shape[1], dtype=F64)
    torch.testing.assert_close(
        dual.damping_R,
        MARQUARDT.damping * (jacobian.mT @ jacobian).diagonal(dim1=1, dim2=2).amax(1),
    )
    step = torch.linalg.solve(
        jacobian.mT @ jacobian + damping, -jacobian.mT @ case.residuals(case.flat)[..., None]
    )
    torch.testing.assert_close(dual.step_RP, step[..., 0], rtol=1e-10, atol=1e-10)


@every_kind
def test_the_loss_never_rises_and_every_evaluation_is_counted(kind):
    case = Case(KAN, lanes=4)
    case.flat *= 10
    state = kind.start(UNDAMPED, case.flat)
    seen = kind.seen(state)
    for evaluation in range(1, 40):
        state = kind.linearised(UNDAMPED, state, case)
        before, seen = seen, kind.seen(state)
        taken = seen.iterations_R > before.iterations_R
        assert (seen.evaluations_R == evaluation).all()
        if evaluation > 1:
            assert (seen.loss_R < before.loss_R)[taken].all()
            assert torch.equal(seen.position_RP[~taken], before.position_RP[~taken])
            assert (seen.damping_R > before.damping_R)[~taken].all()
        torch.testing.assert_close(seen.loss_R, case.residuals(seen.position_RP).square().mean(1))
    assert (seen.iterations_R < 38).any()
    assert (seen.iterations_R > 0).all()


@every_kind
def test_a_system_without_a_solution_makes_the_damping_grow(kind):
    """Columns of J that are equal, undamped, have no solution: refused steps are counted, and
    training goes on.
    """
    case = Case(MlpShape(shape=(1, 6, 1), activation="relu"), lanes=3)
    plain = trained(UNDAMPED, case, 20, kind)
    case.flat[1] = torch.tensor([0.5, 2.0, 0.25, 0.0], dtype=F64).repeat_interleave(
        torch.tensor([6, 6, 6, 1])
    )
    seen = trained(UNDAMPED, case, 20, kind)
    assert seen.refused_steps_R[1] > 0
    assert seen.evaluations_R[1] == 20
    assert seen.iterations_R[1] > 0
    assert not seen.diverged_R.any()
    assert all(field.isfinite().all() for field in vars(seen).values())
    assert same(seen, plain, [0, 2])


def indefinite(curvatures):
    """A system in three parameters for each lane, whose matrix is that curvature times the
    identity.
    """
    ones_R, empty_RPK = (
        torch.ones(len(curvatures), dtype=F64),
        torch.empty(len(curvatures), 3, 0, dtype=F64),
    )
    matrix_RSS = torch.tensor(curvatures, dtype=F64)[:, None, None] * torch.eye(3, dtype=F64)
    gradient_RP = torch.ones(len(curvatures), 3, dtype=F64)
    return System(ones_R, ones_R, 5 * ones_R, gradient_RP, matrix_RSS, empty_RPK[:, 0], empty_RPK)


def test_a_system_that_no_damping_helps_finishes_the_lane():
    state = MARQUARDT.tell(MARQUARDT.start(torch.ones(2, 3, dtype=F64)), indefinite([-1e308, 1.0]))
    assert state.finished_R.tolist() == [True, False]
    assert not state.diverged_R.any()
    assert state.evaluations_R.tolist() == [1, 1]
    assert state.refused_steps_R[0] > 10
    assert state.refused_steps_R[1] == 0
    assert torch.equal(MARQUARDT.ask(state)[0], torch.ones(3, dtype=F64))
    torch.testing.assert_close(MARQUARDT.ask(state)[1], torch.full((3,), 1 - 1 / 1.01, dtype=F64))


@pytest.fixture
def as_on_a_device(monkeypatch):
    """All lanes solve together and no more than TRIES times, as where the host would have to wait
    for an answer.
    """
    monkeypatch.setattr(normal_equations, "is_on_host", lambda tensor: False)


def test_a_lane_that_still_aims_is_told_nothing_and_not_counted(monkeypatch, as_on_a_device):
    """It ends with the step and the refusals that it has where the host sees each, and its
    neighbours go on.
    """
    system = indefinite([1.0, -1.0, -1e308])
    state = MARQUARDT.tell(MARQUARDT.start(torch.ones(3, 3, dtype=F64)), system)
    assert state.aiming_R.tolist() == [False, True, True]
    assert torch.equal(MARQUARDT.ask(state)[1:], torch.ones(2, 3, dtype=F64))
    lower = system._replace(
        loss_R=torch.full((3,), 0.5, dtype=F64), matrix_RSS=system.matrix_RSS.abs()
    )
    told = MARQUARDT.tell(state, lower)
    assert told.evaluations_R.tolist() == [2, 1, 1]
    assert told.iterations_R.tolist() == [1, 0, 0]
    assert torch.equal(told.loss_R, torch.tensor([0.5, 1.0, 1.0], dtype=F64))
    while state.aiming_R.any():
        still_R, state = state.aiming_R, MARQUARDT.tell(state, lower)
        assert (state.evaluations_R[still_R] == 1).all()
        assert (state.loss_R[still_R] == 1).all()
    assert state.evaluations_R[1] > 1
    assert state.finished_R[2]
    monkeypatch.undo()
    at_once = MARQUARDT.tell(MARQUARDT.start(torch.ones(3, 3, dtype=F64)), system)
    assert torch.equal(state.refused_steps_R, at_once.refused_steps_R)
    assert at_once.refused_steps_R[1] > levenberg.TRIES
    assert at_once.evaluations_R.tolist() == [1, 1, 1]


@pytest.mark.parametrize("samples", [60, 5])
def test_lanes_that_solve_together_walk_the_same_path(samples, as_on_a_device, monkeypatch):
    case = Case(KAN, lanes=3, samples=samples)
    together = trained(MARQUARDT, case, 6)
    monkeypatch.undo()
    alone = trained(MARQUARDT, case, 6)
    for name in (
        "position_RP",
        "loss_R",
        "damping_R",
        "evaluations_R",
        "iterations_R",
        "refused_steps_R",
    ):
        torch.testing.assert_close(
            getattr(together, name), getattr(alone, name), rtol=1e-6, atol=1e-7
        )


@every_kind
@pytest.mark.parametrize("samples", [60, 5])
@pytest.mark.parametrize("spoilt", ["target", "start"])
def test_a_lane_diverges_at_a_start_that_is_not_finite(kind, samples, spoilt):
    case = Case(MLP, lanes=3, samples=samples)
    plain = trained(MARQUARDT, case, 5, kind)
    if spoilt == "target":
        case.y[1, 3] = math.nan
    else:
        case.flat[1] = 1e200
    seen = trained(MARQUARDT, case, 5, kind)
    assert seen.diverged_R.tolist() == [False, True, False]
    assert not seen.finished_R.any()
    assert seen.evaluations_R.tolist() == [5, 1, 5]
    assert seen.iterations_R[1] == 0
    assert torch.equal(seen.position_RP[1], case.flat[1])
    assert same(seen, plain, [0, 2])


@every_kind
def test_a_step_to_a_loss_that_is_not_finite_is_not_taken(kind):
    case = Case(MlpShape(shape=(1, 1, 1), activation="relu"))
    case.x, case.y = case.x.abs(), case.y.abs()
    # The undamped step multiplies two weights by 1e160.
    case.flat[:] = torch.tensor([1e-80, 0, 1e-80, 0], dtype=F64)
    state = kind.linearised(UNDAMPED, kind.start(UNDAMPED, case.flat), case)
    first = kind.seen(state)
    if kind is IN_TORCH:
        assert not case.residuals(UNDAMPED.ask(state)).square().sum(1).isfinite().any()
    state = kind.linearised(UNDAMPED, state, case)
    seen = kind.seen(state)
    assert seen.evaluations_R.tolist() == [2, 2]
    assert seen.iterations_R.tolist() == [0, 0]
    assert (seen.damping_R > first.damping_R).all()
    assert torch.equal(seen.position_RP, case.flat)
    seen = kind.seen(kind.linearised(UNDAMPED, state, case, 100))
    assert not seen.diverged_R.any()
    assert (seen.loss_R < first.loss_R).all()


@every_kind
def test_lanes_finish_when_there_is_nothing_to_gain(kind):
    case = Case(SPLINE, noise=0.1)
    coarse = MARQUARDT.model_copy(update={"tolerance_gradient": 1e-3})
    early, late = (trained(settings, case, 200, kind) for settings in (coarse, MARQUARDT))
    assert early.finished_R.all()
    assert late.finished_R.all()
    assert (early.evaluations_R < late.evaluations_R).all()
    assert (late.evaluations_R < 200).all()


@every_kind
def test_a_lane_at_rest_keeps_every_bit(kind):
    case = Case(SPLINE, lanes=3, noise=0.1)
    case.flat[1] = math.nan
    state = kind.linearised(MARQUARDT, kind.start(MARQUARDT, case.flat), case, 200)
    seen = kind.seen(state)
    assert seen.finished_R.tolist() == [True, False, True]
    case.y[:] = math.nan
    assert same(kind.seen(kind.linearised(MARQUARDT, state, case)), seen)
    if kind is IN_TORCH:
        assert torch.equal(MARQUARDT.ask(state)[::2], seen.position_RP[::2])


def test_lanes_begin_anew_where_they_are_sent():
    case = Case(KAN, lanes=3)
    moving = torch.tensor([True, False, True])
    begun = MARQUARDT.start(case.flat)
    for state in (begun, IN_TORCH.linearised(MARQUARDT, begun, case, 7)):
        sent = MARQUARDT.moved(state, MARQUARDT.start(2 * case.flat), moving)
        assert same(sent, state, [1])
        case.flat = torch.where(moving[:, None], 2 * case.flat, state.position_RP)
        assert same(
            IN_TORCH.linearised(MARQUARDT, sent, case, 5), trained(MARQUARDT, case, 5), [0, 2]
        )


@pytest.mark.parametrize("network", [MLP, KAN, BOTH], ids=repr)
@pytest.mark.parametrize("samples", [61, 5])
def test_lanes_are_the_same_bits_in_any_pack(network, samples):
    case = Case(network, lanes=16, samples=samples)
    pack = trained(MARQUARDT, case, 25)
    for lanes in ([3, 3], [15, 0], [7, 3, 11]):
        assert same(trained(MARQUARDT, case.of(lanes), 25), pack, slice(None), lanes)


@slow
@pytest.mark.parametrize(
    ("network", "samples", "ridge", "evaluations"),
    [
        (MLP, 60, 0.0, 20),
        (KAN, 60, 0.0, 20),
        (KAN, 60, 1e-3, 20),
        (BOTH, 60, 0.0, 20),
        (
            KAN,
            10,
            0.0,
            9,
        ),  # the dual system; one evaluation more, and ten points are fitted to rounding
        (MlpShape(shape=(2, 9, 2), activation="tanh"), 15, 0.0, 4),
    ],
)
def test_the_path_is_that_of_the_compiled_loop(network, samples, ridge, evaluations):
    settings, case = MARQUARDT.model_copy(update={"ridge": ridge}), Case(network, samples=samples)
    states = [kind.start(settings, case.flat) for kind in (IN_TORCH, COMPILED)]
    for _ in range(evaluations):
        states = [
            kind.linearised(settings, state, case)
            for kind, state in zip((IN_TORCH, COMPILED), states, strict=True)
        ]
        ours, theirs = IN_TORCH.seen(states[0]), COMPILED.seen(states[1])
        assert torch.equal(ours.evaluations_R, theirs.evaluations_R)
        assert torch.equal(ours.iterations_R, theirs.iterations_R)
        torch.testing.assert_close(ours.loss_R, theirs.loss_R, rtol=1e-9, atol=1e-12)
        torch.testing.assert_close(ours.position_RP, theirs.position_RP, rtol=0, atol=1e-9)
