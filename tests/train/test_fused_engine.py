"""The fused engine: the same course of a run as the torch engine. Compiles kernels once a
machine.
"""

import math
from itertools import accumulate

import numpy as np
import pytest
from commands import refused
from packs import OPTIMIZERS, run_of, task, trained_runs

from harness.families import (
    ARCHITECTURES,
    ChebyshevKanShape,
    FourierKanShape,
    KanShape,
    MlpShape,
    RationalKanShape,
    RbfKanShape,
)
from harness.families.spline_mlp import SplineMlpShape
from harness.optimisers import OPTIMISERS, Adam, LevenbergMarquardt
from harness.spec.recipe import GridExtension, GridUpdates, Restarts
from harness.spec.task import Task
from harness.tasks import domain_points, resolve
from harness.train import fused_engine as fused
from harness.train.fused import kernels

TASK = resolve(Task(target="exp2d", train_points=200, validation_points=100, test_points=100))
MLP = MlpShape(shape=(2, 6, 1))
KAN = KanShape(shape=(2, 3, 1), grid=4)
SPLINES = SplineMlpShape(shape=(2, 3, 1), grid=4, place="before", noise=4.0)
UPDATES = GridUpdates(every=10, until=100, grid_eps=0.5)
# Without a ridge the normal equations of splines are all but singular, and a solution has half the
# digits.
PLAIN = {"levenberg without ridge": LevenbergMarquardt(name="levenberg_marquardt")}


def _trained(runs, chunk=10**6, engine="fused", stored=False):
    return trained_runs(runs, chunk, stored, engine).outcomes


NETWORKS = [
    *(
        MlpShape(shape=(2, 5, 4, 1), activation=activation)
        for activation in ("silu", "relu", "tanh", "gelu", "prelu")
    ),
    MlpShape(shape=(2, 5, 4, 1), activation="sine", omega_0=6),
    MlpShape(shape=(2, 5, 4, 1), features=3, features_sigma=0.5),
    MlpShape(shape=(2, 5, 1), activation="sine", features=4),
    *(KanShape(shape=(2, 3, 1), grid=5, order=order) for order in range(1, 6)),
    KanShape(shape=(2, 2, 1), grid=4, scales=True, bias=True),
    KanShape(shape=(2, 2, 1), grid=4, base=False),
    SplineMlpShape(shape=(2, 3, 1), grid=5, noise=5.0),
    SplineMlpShape(shape=(2, 2, 3, 1), grid=3, order=2, noise=3.0),
    SplineMlpShape(shape=(2, 3, 1), grid=5, place="before", noise=5.0),
    SplineMlpShape(shape=(2, 3, 1), grid=5, place="before", rank=2, noise=5.0),
    RbfKanShape(shape=(2, 3, 1), grid=4),
    RbfKanShape(shape=(2, 3, 1), grid=4, norm=False),
    ChebyshevKanShape(shape=(2, 4, 1), degree=4),
    FourierKanShape(shape=(2, 4, 1), harmonics=3),
    RationalKanShape(shape=(2, 6, 1), groups=2),
]


def test_the_loops_are_those_that_optimisers_speak_of():
    """A plan chooses the fused engine by what the optimiser says, and the engine has a loop of just
    those.
    """
    assert set(fused.LOOPS) == {name for name, kind in OPTIMISERS.items() if kind.has_loop}


def test_every_module_of_kernels_has_a_tiny_network_of_its_own():
    assert {name: network.kernels for name, network in fused.TINY.items()} == {
        name: name for name in kernels.MODULES
    }
    assert {kind.network.kernels for kind in ARCHITECTURES} - {""} == set(kernels.MODULES)


@pytest.mark.parametrize(
    "network", NETWORKS, ids=lambda network: "-".join(map(str, vars(network).values()))
)
@pytest.mark.parametrize("name", [*OPTIMIZERS, *PLAIN])
def test_the_first_20_evaluations_are_those_of_the_torch_engine(network, name):
    optimizer, tolerance = (PLAIN[name], 1e-5) if name in PLAIN else (OPTIMIZERS[name], 1e-9)
    run = run_of(network, optimizer, of=TASK)

    (ours,), (theirs,) = _trained([run]), _trained([run], engine="torch")

    assert ours.by_stage == theirs.by_stage
    assert ours.counts == theirs.counts
    for metric, error in ours.metrics.model_dump().items():
        assert error == pytest.approx(getattr(theirs.metrics, metric), rel=tolerance)


OF_CLASSES = [
    MlpShape(shape=(13, 6, 3), activation="tanh"),
    MlpShape(shape=(13, 3)),
    MlpShape(shape=(13, 5, 4, 3), features=3, features_sigma=0.1),
    KanShape(shape=(13, 2, 3), grid=3),
    MlpShape(shape=(13, 5, 3), activation="prelu"),
    KanShape(shape=(13, 2, 3), grid=3, base="frozen"),
    KanShape(shape=(13, 3), grid=2, order=2, scales=True, bias=True),
    SplineMlpShape(shape=(13, 4, 3), grid=3, noise=3.0),
    SplineMlpShape(shape=(13, 4, 3), grid=3, place="before", noise=3.0),
]


@pytest.mark.parametrize(
    "network", OF_CLASSES, ids=lambda network: "-".join(map(str, vars(network).values()))
)
def test_classes_are_learnt_as_by_the_torch_engine(network):
    for name in ("adam", "batches", "lbfgs", "nested"):
        run = run_of(network, name, of=task("wine"), restarts=Restarts(count=2, evaluations=3))

        (ours,), (theirs,) = _trained([run]), _trained([run], engine="torch")

        assert ours.by_stage == theirs.by_stage
        assert ours.metrics.model_dump() == pytest.approx(theirs.metrics.model_dump(), rel=1e-9), (
            name
        )
        for mine, other in zip(ours.curve, theirs.curve, strict=True):
            assert mine.model_dump() == pytest.approx(other.model_dump(), rel=1e-9), name


@pytest.mark.parametrize("optimizer", OPTIMIZERS.values(), ids=OPTIMIZERS)
@pytest.mark.parametrize("points", ["train", "domain"])
@pytest.mark.parametrize("network", [KAN, SPLINES], ids=["kan", "splines"])
def test_restarts_updates_and_extensions_are_those_of_the_torch_engine(network, optimizer, points):
    course = {
        "restarts": Restarts(count=2, evaluations=5),
        "grid_extension": GridExtension(grids=(2, 3), evaluations=7),
        "grid_updates": UPDATES.model_copy(update={"every": 4, "points": points}),
    }
    run = run_of(network, optimizer, 31, **course)

    (ours,), (theirs,) = _trained([run]), _trained([run], engine="torch")

    assert ours.by_stage == theirs.by_stage
    assert [point.evaluations for point in ours.curve] == [
        point.evaluations for point in theirs.curve
    ]
    for mine, other in zip(ours.curve, theirs.curve, strict=True):
        assert mine.validation_rmse == pytest.approx(other.validation_rmse, rel=1e-6)


@pytest.mark.nightly
@pytest.mark.parametrize("network", [MLP, KAN], ids=["mlp", "kan"])
def test_final_errors_agree_within_the_spread_of_seeds(network):
    """Trained to the end, rounding has long parted the two engines: their mean log errors differ
    less than seeds do.
    """
    runs = [run_of(network, "lbfgs", 400, seed) for seed in range(12)]

    fused_logs, torch_logs = (
        np.log([outcome.metrics.test_rmse for outcome in outcomes])
        for outcomes in (_trained(runs), _trained(runs, engine="torch"))
    )

    assert abs(fused_logs.mean() - torch_logs.mean()) < max(fused_logs.std(), torch_logs.std())


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_diverged_run_is_an_outcome_and_touches_no_other(engine):
    calm, wild = (Adam(name="adam", learning_rate=rate) for rate in (0.01, 1e200))
    (alone,) = _trained([run_of(KAN, calm, seed=1)], engine=engine)
    outcomes = _trained([run_of(KAN, wild), run_of(KAN, calm, seed=1)], engine=engine)

    assert outcomes[0].status == "diverged"
    assert outcomes[0].metrics is None
    assert 1 <= outcomes[0].diverged_at <= 20
    assert outcomes[1] == alone


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_systems_without_a_solution_are_counted_and_nothing_is_raised(engine):
    """Scales make coefficients redundant, and there is hardly any damping: of all stages refused
    steps are reported.
    """
    redundant = KanShape(shape=(2, 3, 1), grid=3, scales=True)
    optimizer = LevenbergMarquardt(name="levenberg_marquardt", damping=1e-300)
    run = run_of(redundant, optimizer, 40, restarts=Restarts(count=2, evaluations=10))
    _, state, (outcome,), _ = trained_runs([run], engine=engine)

    refused = [spent[2, 0].item() for spent in state.spent]
    assert len(refused) == 2
    assert outcome.refused_steps == sum(refused) > 0
    assert outcome.status == "done"
    assert np.isfinite(outcome.metrics.train_rmse)


@pytest.mark.nightly
def test_levenberg_marquardt_fits_to_rounding_what_the_network_contains():
    """y = x1 x2 is a sum of squares of sums, which cubic splines hold; test points in unseen
    corners are left out.
    """
    optimizer, xy = (
        LevenbergMarquardt(name="levenberg_marquardt"),
        resolve(Task(target="xy", train_points=1000)),
    )
    starts, grids = Restarts(count=4, evaluations=20), GridExtension(grids=(3, 10), evaluations=80)
    run = run_of(
        KanShape(shape=(2, 2, 1), grid=50),
        optimizer,
        400,
        of=xy,
        restarts=starts,
        grid_extension=grids,
    )
    (outcome,) = _trained([run])

    assert outcome.metrics.train_rmse < 1e-7
    assert outcome.metrics.test_root_median_square < 1e-7


def test_fresh_points_of_the_domain_are_seen_by_hidden_layers():
    fresh = UPDATES.model_copy(update={"points": "domain"})
    packs = [
        fused.prepare([run_of(KAN, "lbfgs", 5, grid_updates=each)]) for each in (UPDATES, fresh)
    ]

    assert np.array_equal(packs[0].ranges_SNI[0], packs[0].train[0].x.T)
    assert np.array_equal(packs[1].ranges_SNI[0], domain_points(task(), 0))
    knots = [fused.advance(pack, fused.begin(pack), 1).knots for pack in packs]
    assert not any(map(np.array_equal, *knots))


@pytest.mark.parametrize("place", ["after", "before"])
def test_the_spline_of_each_node_has_its_place_in_the_parameters(place):
    network = SplineMlpShape(shape=(2, 3, 1), grid=4, place=place)
    sizes = {name: math.prod(shape) for name, shape in network.parameter_shapes().items()}
    first = dict(zip(sizes, accumulate(sizes.values(), initial=0), strict=False))
    corners = []
    for name in sizes:
        if "coef" in name:
            corners += range(first[name], first[name] + sizes[name], 7)

    assert fused.splines_of(network).tolist() == [[corner, 1, 7] for corner in corners]


def test_what_it_cannot_do_is_said_with_the_engine_that_can():
    run = run_of(KAN)

    assert "'torch' for float32" in refused(
        fused.prepare, [run.model_copy(update={"dtype": "float32"})]
    )
    assert "on cuda" in refused(fused.prepare, [run], "cuda")


def test_a_moved_grid_makes_an_optimiser_forget_and_its_work_stays_counted():
    for name in ("lbfgs", "levenberg"):
        pack = fused.prepare([run_of(KAN, name, 60, grid_updates=UPDATES)])
        state = fused.advance(pack, fused.begin(pack), 35)

        assert state.optimiser.by_lane[0].evaluations == 5
        assert state.behind[0, 0] == 30
