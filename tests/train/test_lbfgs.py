"""L-BFGS of both engines: the path of torch.optim.LBFGS, evaluation by evaluation, and no lane
aware of another.
"""

import math
import sys

import pytest
import torch
from two_kinds import COMPILED, IN_TORCH, every_kind, same, slow

from harness.optimisers import Lbfgs
from harness.optimisers.line_search import MAX_PROBES

F64 = torch.float64
PAPER = Lbfgs(
    name="lbfgs", tolerance_curvature=1e-10
)  # torch has no setting for it: 1e-10 is its constant
NESTED = PAPER.model_copy(
    update={"iterations_per_step": 3}
)  # with at most 3 evaluations, but for the last search


def seeded(*shape, seed=0):
    return torch.randn(*shape, dtype=F64, generator=torch.Generator().manual_seed(seed))


def rosenbrock(x_RP):
    """Minimum 0 at (1, ..., 1); only products and sums, so that the bits of a lane are its own."""
    bend, rest = x_RP[:, 1:] - x_RP[:, :-1] * x_RP[:, :-1], 1 - x_RP[:, :-1]
    return (100 * bend * bend + rest * rest).sum(-1)


def beale(x_RP):
    """Minimum 0 at (3, 1/2)."""
    x, y = x_RP.unbind(-1)
    a, b, c = 1.5 - x + x * y, 2.25 - x + x * y * y, 2.625 - x + x * y * y * y
    return a * a + b * b + c * c


def tanh_fit(x_RP):
    """Mean squared error of a [1, 4, 1] tanh network on 16 points of a sine."""
    u_N = torch.linspace(-1, 1, 16, dtype=F64)
    inner, bias, outer = x_RP[:, None, :12].unflatten(-1, (3, 4)).unbind(-2)
    output_RN = (torch.tanh(u_N[:, None] * inner + bias) * outer).sum(-1) + x_RP[:, 12:]
    error_RN = output_RN - torch.sin(3 * u_N)
    return (error_RN * error_RN).mean(-1)


def steep_tanh_fit(x_RP):
    """The same in other units: first steps are far too long or too short, so that searches zoom and
    extrapolate.
    """
    return 1e-4 * tanh_fit(x_RP * torch.logspace(-1, 1, 13, dtype=F64))


def rugged(x_RP):
    """A bowl full of smooth dents, made of correctly rounded operations: searches zoom long, and
    stop half-way.
    """
    wave_RP = 1.5 * x_RP - torch.floor(1.5 * x_RP)
    dents_RP = wave_RP * wave_RP * (1 - wave_RP) * (1 - wave_RP)
    return (x_RP * x_RP - 40 * dents_RP).sum(-1) + rosenbrock(x_RP) / 64


def stepped(x_RP):
    """The rugged loss rounded to quarters, with the slopes of the smooth one: many losses are
    equal.
    """
    smooth_R = rugged(x_RP)
    return torch.round(4 * smooth_R.detach()) / 4 + (smooth_R - smooth_R.detach())


def cliff(x_RP):
    """Falls forever at one slope, up to a wall at 3e24."""
    fall_R = -x_RP.sum(-1)
    return torch.where(x_RP.detach().amax(-1) < 3e24, fall_R, fall_R * fall_R)


def ledge(x_RP):
    """The same with a ledge, lower than the origin, in place of the wall."""
    fall_R = -x_RP.sum(-1)
    return torch.where(x_RP.detach().amax(-1) < 3e24, fall_R, fall_R * 1e-30)


def dented_ball(x_RP):
    """Minimum -sqrt(1 + |b|^2) at -b / sqrt(1 + |b|^2), inside the unit ball; NaN outside."""
    return -(1 - (x_RP * x_RP).sum(-1)).sqrt() + (
        x_RP * torch.tensor([2.0, -1.0, 0.5], dtype=F64)
    ).sum(-1)


MILD = [
    (
        beale,
        torch.tensor([[1.0, 1.0], [0.0, 0.0], [2.0, 0.8], [-1.0, -1.5], [4.0, 0.3]], dtype=F64),
    ),
    (rosenbrock, torch.tensor([[-1.2, 1.0], [0.0, 0.0], [3.0, -2.0]], dtype=F64)),
    (rosenbrock, seeded(4, 5)),
    (rosenbrock, seeded(4, 20, seed=1)),
    (tanh_fit, seeded(6, 13, seed=2)[1:5]),
]
# Paths on which a change of the start in its last bit grows to 1e-10 and more in 20 iterations.
TOUCHY = [
    (rosenbrock, torch.tensor([[-0.5, 2.0], [0.5, -2.0]], dtype=F64)),
    (tanh_fit, seeded(6, 13, seed=2)),
    (steep_tanh_fit, seeded(6, 13, seed=3)),
]
SHORT = Lbfgs(name="lbfgs", tolerance_curvature=1e-10, learning_rate=0.1, history=3)


def name_of(case):
    return getattr(case, "__name__", None)


def evaluated(objective, x_RP):
    x_RP = x_RP.detach().requires_grad_()
    loss_R = objective(x_RP)
    return loss_R.detach(), torch.autograd.grad(loss_R.sum(), x_RP)[0]


def advanced(kind, settings, state, evaluations, objective=rosenbrock):
    for _ in range(evaluations):
        state = kind.tell(settings, state, *evaluated(objective, kind.ask(settings, state)))
    return state


def trained(kind, settings, x_RP, objective, limit=5000):
    """The state in which all lanes rest, and what is seen of it."""
    state = kind.start(settings, x_RP)
    while True:
        seen = kind.seen(state)
        if (seen.finished_R | seen.diverged_R).all() or seen.evaluations_R.max() >= limit:
            return state, seen
        state = advanced(kind, settings, state, 1, objective)


def closure_of(objective, x):
    def closure():
        x.grad = None
        loss = objective(x[None])[0]
        loss.backward()
        return loss

    return closure


def torch_path(objective, x_P, settings, stops):
    """Of torch.optim.LBFGS: positions and evaluations after each iteration, or after each step if
    they are nested.
    """
    x, nested = torch.nn.Parameter(x_P.clone()), settings.iterations_per_step
    optimizer = torch.optim.LBFGS(
        [x],
        lr=torch.tensor(
            settings.learning_rate, dtype=F64
        ),  # divisions by Python numbers round otherwise
        max_iter=nested or 1,
        max_eval=None if nested else 26,
        history_size=settings.history,
        tolerance_grad=settings.tolerance_gradient,
        tolerance_change=settings.tolerance_change,
        line_search_fn="strong_wolfe",
    )

    path, counts = [], []
    for stop in range(stops):
        optimizer.step(closure_of(objective, x))
        path.append(x.detach().clone())
        counts.append(optimizer.state[x]["func_evals"] - (0 if nested else stop))
    return path, counts


def lane_paths(kind, objective, x_RP, settings, stops):
    """The same of every lane up to where it rests. A step is over when the next evaluation is a
    repeated one.
    """
    at_steps = settings.iterations_per_step is not None
    state, paths = kind.start(settings, x_RP), [([], []) for _ in x_RP]
    seen = kind.seen(state)
    is_resting = [False] * len(paths)
    while any(
        not rests and len(path) < stops for rests, (path, _) in zip(is_resting, paths, strict=True)
    ):
        state = advanced(kind, settings, state, 1, objective)
        before, seen = seen, kind.seen(state)
        is_resting = (seen.finished_R | seen.diverged_R).tolist()
        stopped_R = seen.repeating_R if at_steps else seen.iterations_R > before.iterations_R
        for lane in stopped_R.nonzero().flatten().tolist():
            paths[lane][0].append(seen.position_RP[lane])
            paths[lane][1].append(seen.evaluations_R[lane].item())
    return [(path[:stops], counts[:stops]) for path, counts in paths]


def assert_same_paths(kind, objective, x_RP, settings, stops, atol, rtol=0.0, may_rest=False):
    for x_P, (path, counts) in zip(
        x_RP, lane_paths(kind, objective, x_RP, settings, stops), strict=True
    ):
        assert may_rest or len(path) == stops
        peer_path, peer_counts = torch_path(objective, x_P, settings, len(path))
        assert counts == peer_counts
        torch.testing.assert_close(torch.stack(path), torch.stack(peer_path), rtol=rtol, atol=atol)


def iterations(objective):
    """Beale is at its minimum, where only rounding is left, after ten."""
    return 8 if objective is beale else 20


@pytest.fixture
def unfused(monkeypatch):
    """torch's optimiser with its two fused operations (dot, add with alpha) rounded one multiply
    and add at a time.
    """
    monkeypatch.setattr(torch.Tensor, "dot", lambda a, b: (a * b).sum(-1))
    monkeypatch.setattr(torch.Tensor, "add_", lambda a, b, alpha=1: a.copy_(a + alpha * b))


@every_kind
@pytest.mark.parametrize(("objective", "x_RP"), MILD, ids=name_of)
def test_every_lane_walks_the_path_of_torch_lbfgs(kind, objective, x_RP):
    assert_same_paths(kind, objective, x_RP, PAPER, iterations(objective), 1e-10)


@pytest.mark.usefixtures("unfused")
@pytest.mark.parametrize(("objective", "x_RP"), MILD + TOUCHY, ids=name_of)
@pytest.mark.parametrize("settings", [PAPER, SHORT], ids=["paper", "short"])
def test_touchy_paths_of_torch_lbfgs_are_walked_too(objective, x_RP, settings):
    """Once torch rounds its dot products as lanes in torch do, also where a path depends on the
    last bit.
    """
    assert_same_paths(IN_TORCH, objective, x_RP, settings, iterations(objective), 1e-7)


@pytest.mark.usefixtures("unfused")
@every_kind
@pytest.mark.parametrize("objective", [rugged, stepped])
@pytest.mark.parametrize("tolerance", [0.0, 1e-2])
@pytest.mark.parametrize("rate", [0.125, 1.0, 16.0])
def test_the_rare_turns_of_the_line_search_are_those_of_torch(kind, objective, tolerance, rate):
    changes = {"learning_rate": rate, "tolerance_change": tolerance, "tolerance_gradient": 0}
    settings, within = PAPER.model_copy(update=changes), 1e-5 if kind is COMPILED else 1e-6
    x_RP = torch.round(64 * seeded(48, 3, seed=4)) / 16
    # Of more iterations some magnify rounding until another turn is taken.
    assert_same_paths(kind, objective, x_RP, settings, 4, within, within, may_rest=True)


@every_kind
@pytest.mark.parametrize(
    ("objective", "rate", "moves"), [(cliff, 1e-3, True), (cliff, 1.0, False), (ledge, 1.0, True)]
)
def test_a_search_out_of_probes_ends_as_in_torch(kind, objective, rate, moves):
    """After 26 probes the longest step is taken if its loss is below that of the start, and else
    none.
    """
    settings, x_RP = PAPER.model_copy(update={"learning_rate": rate}), torch.zeros(2, 1, dtype=F64)
    for path, counts in lane_paths(kind, objective, x_RP, settings, 1):
        peer_path, peer_counts = torch_path(objective, x_RP[0], settings, 1)
        assert counts == peer_counts == [2 + MAX_PROBES]
        # Whether the cubic of a straight line has a minimum is up to rounding.
        assert (path[0].item() > 1e20) == (peer_path[0].item() > 1e20) == moves


@pytest.mark.usefixtures("unfused")
@every_kind
@pytest.mark.parametrize(("objective", "x_RP"), MILD[:3], ids=name_of)
def test_lanes_finish_where_torch_stops(kind, objective, x_RP):
    settings = PAPER.model_copy(update={"tolerance_gradient": 1e-7, "tolerance_change": 1e-9})
    _, seen = trained(kind, settings, x_RP, objective)
    assert seen.finished_R.all()
    for lane, x_P in enumerate(x_RP):
        x = torch.nn.Parameter(x_P.clone())
        optimizer = torch.optim.LBFGS(
            [x], max_iter=1000, max_eval=9999, history_size=10, line_search_fn="strong_wolfe"
        )
        optimizer.step(closure_of(objective, x))
        within = 1e-7 if kind is COMPILED else 1e-9
        torch.testing.assert_close(seen.position_RP[lane], x.detach(), rtol=0, atol=within)
        assert seen.evaluations_R[lane] == optimizer.state[x]["func_evals"]


@pytest.fixture
def whole_searches(monkeypatch):
    """torch's line search with its default of 25 probes, as in pykan, however few evaluations are
    left of a step.
    """
    module = sys.modules[torch.optim.LBFGS.__module__]
    search = module._strong_wolfe
    monkeypatch.setattr(module, "_strong_wolfe", lambda *arguments, **_: search(*arguments))


IN_STEPS = [(IN_TORCH, *case) for case in MILD[3:] + TOUCHY[1:]]
IN_STEPS += [pytest.param(COMPILED, *case, marks=slow) for case in MILD[3:]]


@pytest.mark.usefixtures("unfused", "whole_searches")
@pytest.mark.parametrize(("kind", "objective", "x_RP"), IN_STEPS, ids=name_of)
@pytest.mark.parametrize(("per_step", "steps"), [(10, 2), (3, 4), (1, 4)])
def test_steps_end_where_those_of_torch_do(kind, objective, x_RP, per_step, steps):
    nested = PAPER.model_copy(update={"iterations_per_step": per_step})
    assert_same_paths(kind, objective, x_RP, nested, steps, 1e-7)


@every_kind
def test_what_is_told_of_a_repeated_point_is_only_counted(kind):
    state = kind.start(NESTED, seeded(4, 5))
    while not kind.seen(state).repeating_R.any():
        state = advanced(kind, NESTED, state, 1)
    seen = kind.seen(state)
    lanes = seen.repeating_R.nonzero().flatten()
    assert torch.equal(kind.ask(NESTED, state)[lanes], seen.position_RP[lanes])
    nan_R, nan_RP = torch.full((4,), torch.nan, dtype=F64), torch.full((4, 5), torch.nan, dtype=F64)
    told = kind.seen(kind.tell(NESTED, state, nan_R, nan_RP))
    assert same(told, kind.seen(advanced(kind, NESTED, state, 1)), lanes)
    assert torch.equal(told.evaluations_R, seen.evaluations_R + 1)


@every_kind
@pytest.mark.parametrize("rate", [1.0, 10.0, 1000.0])
def test_a_loss_that_is_nan_outside_a_ball_is_minimised_inside(kind, rate):
    settings = PAPER.model_copy(update={"learning_rate": rate, "tolerance_gradient": 1e-8})
    inside = torch.tensor([[0.0, 0.0, 0.0], [0.5, 0.5, 0.5], [0.0, -0.99, 0.0]], dtype=F64)
    _, seen = trained(kind, settings, inside, dented_ball)
    assert not seen.diverged_R.any()
    torch.testing.assert_close(
        seen.loss_R, torch.full((3,), -math.sqrt(6.25), dtype=F64), rtol=0, atol=1e-12
    )


@every_kind
def test_a_lane_diverges_at_a_start_that_is_not_finite(kind):
    state = kind.start(PAPER, seeded(5, 3))
    loss, gradient = evaluated(rosenbrock, kind.ask(PAPER, state))
    loss[0], loss[1], gradient[2, 1], gradient[3] = torch.nan, -torch.inf, torch.inf, 1e200
    seen = kind.seen(advanced(kind, PAPER, kind.tell(PAPER, state, loss, gradient), 5))
    assert seen.diverged_R.tolist() == [True, True, True, True, False]
    assert not seen.finished_R.any()
    assert seen.evaluations_R.tolist() == [1, 1, 1, 1, 6]
    assert torch.equal(seen.position_RP[:4], seeded(5, 3)[:4])
    assert seen.loss_R[:3].isinf().all()


@every_kind
def test_a_lane_diverges_when_no_step_is_finite(kind):
    def speck(x_RP):
        return torch.where(x_RP.abs().amax(-1) < 1e-12, x_RP.sum(-1), torch.nan)

    _, seen = trained(kind, PAPER, torch.zeros(2, 3, dtype=F64), speck)
    assert seen.diverged_R.all()
    assert not seen.finished_R.any()
    assert seen.evaluations_R.tolist() == [2 + MAX_PROBES] * 2
    assert torch.equal(seen.position_RP, torch.zeros(2, 3, dtype=F64))


@every_kind
def test_a_search_without_a_lower_point_finishes_the_lane(kind):
    def lying(x_RP):
        return x_RP.abs().sum(-1) + (x_RP - x_RP.detach()).sum(-1)

    _, seen = trained(kind, PAPER, torch.zeros(2, 3, dtype=F64), lying)
    assert seen.finished_R.all()
    assert not seen.diverged_R.any()
    assert torch.equal(seen.position_RP, torch.zeros(2, 3, dtype=F64))


@every_kind
def test_a_lane_at_rest_keeps_every_bit(kind):
    settings, x_RP = PAPER.model_copy(update={"tolerance_gradient": 1e-6}), seeded(3, 4)
    x_RP[1] = torch.nan
    state, seen = trained(kind, settings, x_RP, rosenbrock)
    assert seen.finished_R.tolist() == [True, False, True]
    nan_R, nan_RP = torch.full((3,), torch.nan, dtype=F64), torch.full((3, 4), torch.nan, dtype=F64)
    assert same(kind.seen(kind.tell(settings, state, nan_R, nan_RP)), seen)
    assert torch.equal(kind.ask(settings, state)[::2], seen.position_RP[::2])


@pytest.mark.parametrize("settings", [PAPER, NESTED], ids=["paper", "nested"])
@pytest.mark.parametrize("start", [5.0, 1.0, torch.nan, 1e200])
def test_lanes_are_blind_to_each_other(start, settings):
    x_RP = seeded(4, 5)
    plain = advanced(IN_TORCH, settings, settings.start(x_RP), 60)
    x_RP[2] = start
    assert same(advanced(IN_TORCH, settings, settings.start(x_RP), 60), plain, [0, 1, 3])


def test_a_loss_that_falls_to_nothing_in_float32_is_converged_not_diverged():
    def surprise(x_RP):
        return torch.log1p(torch.exp(-x_RP)).sum(-1)

    _, seen = trained(IN_TORCH, Lbfgs(name="lbfgs"), torch.tensor([[0.0, 0.5, 1.0]]), surprise)
    assert seen.finished_R.all()
    assert seen.loss_R.item() < 1e-20
