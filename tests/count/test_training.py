"""What training costs: the rules against programs that are counted as they run."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.count import CONVENTIONS, Work, flops_by_cap, run_flops, run_work, training_flops
from harness.count.conventions import Convention, Flops
from harness.count.training import least_squares_flops
from harness.families import KanShape, MlpShape, Network
from harness.families.prices import KANBEFAIR
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.optimisers.normal_equations import system_flops
from harness.spec.recipe import (
    GridExtension,
    GridUpdates,
    Recipe,
    Restarts,
    Sparsity,
    least_evaluations,
)
from harness.spec.task import RunTask

BY_LAYERS = [one.name for one in CONVENTIONS if one.flops and one.name != "executed"]
LBFGS = Lbfgs(name="lbfgs", history=4)
ADAM = Adam(name="adam")
LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")
SEVEN = MlpShape(shape=(1, 2, 1))  # parameters
POINTS = {"train_points": 1000, "validation_points": 1, "test_points": 1}
TASK = RunTask(target="xy", fingerprint="1", inputs=2, low=-1.0, high=1.0, **POINTS)


def test_training_is_twice_the_first_layer_and_three_times_the_rest():
    network = MlpShape(shape=(2, 8, 8, 1))
    counted = training_flops([Work(network, evaluations=10, samples=100, iterations=10)], ADAM)
    for convention in BY_LAYERS:
        first, *rest = network.flops(convention, KANBEFAIR)
        passes = 1000 * (2 * first + 3 * sum(rest))
        assert (
            counted[f"flops_train.{convention}"] == passes + counted["flops_train.part_optimizer"]
        )
    assert counted["flops_train.part_optimizer"] == 13 * 105 * 10
    assert counted["flops_train.part_knots"] == 0
    decaying = training_flops(
        [Work(network, 10, 100, 10)], ADAM.model_copy(update={"weight_decay": 1e-3})
    )
    assert decaying["flops_train.part_optimizer"] == (13 + 2) * 105 * 10


@given(st.integers(1, 30), st.integers(1, 30))
def test_work_adds_over_stages(first, second):
    network = MlpShape(shape=(2, 8, 1))
    stages = [Work(network, made, 100, made) for made in (first, second)]
    together = training_flops([Work(network, first + second, 100, first + second)], ADAM)
    assert training_flops(stages, ADAM) == together


@pytest.mark.parametrize("history", [1, 4, 10])
@pytest.mark.parametrize("iterations", [0, 1, 3, 10, 50])
def test_lbfgs_remembers_at_most_its_history(history, iterations):
    """The two-loop recursion costs 8 P a remembered pair: 0, 1, 2, ... and then `history` of
    them.
    """
    memory = (
        Lbfgs(name="lbfgs", history=history).flops(SEVEN, 100, 0, iterations, 1)
        - 7 * 15 * iterations
    )
    assert memory == 7 * 8 * sum(min(past, history) for past in range(iterations))


def test_each_start_has_a_memory_of_its_own():
    one = LBFGS.flops(SEVEN, 100, 60, 50, starts=1)
    assert LBFGS.flops(SEVEN, 100, 180, 150, starts=3) == 3 * one


@given(st.integers(1, 40), st.integers(1, 40))
def test_least_squares_is_householders_count(rows, columns):
    """The factorisation costs what its columns cost, one reflection after another, to leading
    order.
    """
    tall, thin = max(rows, columns), min(rows, columns)
    # Column j reflects the thin - j columns right of it, on tall - j rows: an inner product and an
    # update, 4 a scalar.
    reflections = sum(4 * (tall - j) * (thin - j) for j in range(thin))
    assert least_squares_flops(rows, columns, 0) == pytest.approx(
        reflections, abs=2 * tall * thin + 2 * thin**2 + 1
    )


def _cholesky_operations(size: int) -> int:
    """Multiplications, subtractions, divisions and square roots of a Cholesky factorisation, by
    running its loops.
    """
    operations = 0
    for column in range(size):
        operations += 2 * column + 1
        operations += (size - column - 1) * (2 * column + 1)
    return operations


@pytest.mark.parametrize("samples", [20, 200, 1000])
@pytest.mark.parametrize("parameters", [20, 150])
def test_levenberg_marquardt_is_its_products_and_its_factorisation(samples, parameters):
    """J^T J by half, J^T r, a Cholesky of the smaller side (n^3/3), two triangular solves; no side
    costs more.
    """
    size = min(parameters, samples)
    products = sum(2 * max(parameters, samples) * (row + 1) for row in range(size))
    gradients = 2 * samples * parameters * (2 if parameters > samples else 1)
    expected = products + gradients + _cholesky_operations(size) + 2 * size**2
    assert system_flops(parameters, samples) == pytest.approx(expected, rel=0.03)


def optimiser_part(network: Network, samples: int = 1000) -> dict[str, int]:
    """By convention, what Levenberg-Marquardt adds to the passes of an evaluation."""
    counted = training_flops([Work(network, 1, samples, 1)], LEVENBERG)
    return {
        one.name: counted[f"flops_train.{one.name}"] - samples * one.flops.evaluation(network)
        for one in CONVENTIONS
        if one.flops
    }


@pytest.mark.parametrize("samples", [50, 1000])
def test_the_systems_of_an_mlp_are_the_same_under_every_convention(samples):
    network = MlpShape(shape=(1, 8, 8, 1))
    assert set(optimiser_part(network, samples).values()) == {system_flops(97, samples)}


@pytest.mark.parametrize("samples", [50, 1000])
def test_only_local_min_counts_the_systems_of_a_kan_by_their_nonzeros(samples):
    """Of a winning KAN the dense systems, which all other conventions count, take 6 times as
    much.
    """
    network = KanShape(shape=(1, 6, 1), grid=27, order=5)
    parts = optimiser_part(network, samples)
    sparse = parts.pop("local_min")
    assert len(parts) > 4
    assert set(parts.values()) == {system_flops(396, samples)}
    assert sparse == system_flops(396, samples, row=84)
    if samples == 1000:
        assert parts["shared_dense"] / sparse == pytest.approx(6.3, abs=0.05)


def test_a_convention_of_somebodys_own_counts_every_parameter():
    network, passes = KanShape(shape=(2, 5, 1), grid=20), Flops(lambda *_: 0, lambda _: 0)
    own = [
        Convention("own_dense", "own", "own", "", "", "", flops=passes),
        Convention("own_sparse", "own", "own", "", "", "", flops=passes, skips_zeros=True),
    ]
    CONVENTIONS.extend(own)
    try:
        parts = optimiser_part(network)
    finally:
        del CONVENTIONS[-2:]
    assert parts["own_dense"] == parts["shared_dense"] > parts["own_sparse"] == parts["local_min"]


def test_a_recipe_is_counted_stage_by_stage():
    network = KanShape(shape=(2, 5, 1), grid=10)
    recipe = Recipe(
        optimizer=LBFGS,
        max_evaluations=100,
        restarts=Restarts(count=2, evaluations=10),
        grid_updates=GridUpdates(every=10, until=30),
        grid_extension=GridExtension(grids=(5,), evaluations=40),
    )

    starts, coarse, last = run_work(network, recipe, TASK)

    assert [stage.evaluations for stage in (starts, coarse, last)] == [20, 40, 40]
    assert [stage.network.grid for stage in (starts, coarse, last)] == [5, 5, 10]
    # At 0 in each start; at 10, 20 and before the refinement; at 10, 20.
    assert [stage.knot_updates for stage in (starts, coarse, last)] == [2, 3, 2]
    assert [stage.refined for stage in (starts, coarse, last)] == [False, False, True]
    assert (
        sum(
            stage.evaluations
            for stage in run_work(network, recipe, TASK, [(20, 9), (12, 5), (3, 1)])
        )
        == 35
    )


@given(st.integers(0, 300), st.data())
def test_a_run_of_any_cap_is_counted_by_its_last_stage(more, data):
    network = KanShape(shape=(2, 5, 1), grid=10)
    optimizer = data.draw(st.sampled_from([LBFGS, ADAM, LEVENBERG]))
    updates = data.draw(st.sampled_from([None, GridUpdates(every=10, until=35)]))
    before = data.draw(
        st.sampled_from(
            [
                {"phases": 3},
                {"restarts": Restarts(count=2, evaluations=10)},
                {"grid_extension": GridExtension(grids=(3, 5), evaluations=20)},
                {
                    "restarts": Restarts(count=2, evaluations=10),
                    "grid_extension": GridExtension(grids=(3, 5), evaluations=20),
                    "sparsity": Sparsity(strength=1e-3, evaluations=7, optimizer=ADAM),
                },
            ]
        )
    )
    recipe = Recipe(optimizer=optimizer, max_evaluations=100, grid_updates=updates, **before)
    cap = least_evaluations(network, recipe) + more

    expected = run_flops(network, recipe.model_copy(update={"max_evaluations": cap}), TASK)

    assert flops_by_cap(network, recipe, TASK)(cap) == expected


def test_a_point_inside_a_pde_counts_as_its_value_derivatives_and_laplacian():
    task = TASK.model_copy(update={"boundary_points": 70})
    recipe = Recipe(
        optimizer=LBFGS, max_evaluations=10, grid_updates=GridUpdates(every=10, until=10)
    )
    (work,) = run_work(KanShape(shape=(2, 5, 1), grid=4), recipe, task)
    assert (work.samples, work.fit_samples) == (4070, 1070)


def test_moving_knots_is_counted():
    network = KanShape(shape=(2, 5, 1), grid=10)
    still = Work(network, 100, 1000, 100)
    moved = training_flops([still._replace(knot_updates=3, fit_samples=500)], LBFGS)
    refined = training_flops([still._replace(refined=True)], LBFGS)
    plain = training_flops([still], LBFGS)
    system = 2 * least_squares_flops(500, 13, 5) + 5 * least_squares_flops(500, 13, 1)
    assert moved["flops_train.part_knots"] == 3 * system
    assert refined["flops_train.part_knots"] == 2 * least_squares_flops(
        13, 13, 5
    ) + 5 * least_squares_flops(13, 13, 1)
    for name in (f"flops_train.{convention}" for convention in BY_LAYERS):
        assert moved[name] - plain[name] == 3 * system


def test_counts_are_whole_numbers():
    for order in range(1, 6):
        network = KanShape(shape=(2, 5, 1), grid=7, order=order)
        counted = training_flops([Work(network, 10, 100, 10, 1, 2, 100, True)], LBFGS)
        assert all(
            isinstance(value, int) and not isinstance(value, np.integer)
            for value in counted.values()
        )
        assert all(math.isfinite(value) and value >= 0 for value in counted.values())


def test_a_ridge_keeps_the_normal_equations_in_the_parameters():
    """With more parameters than points the dual system is smaller, but a ridge adds a residual a
    coefficient.
    """
    kan, mlp = KanShape(shape=(2, 20, 1), grid=40), MlpShape(shape=(2, 60, 60, 1))
    plain, ridged = (
        LevenbergMarquardt(name="levenberg_marquardt", ridge=ridge) for ridge in (0.0, 1e-9)
    )

    def cubes(network, optimizer):
        return optimizer.flops(network, samples=200, evaluations=1, iterations=1, starts=1)

    assert cubes(kan, ridged) > kan.trainable**3 / 3 > 50 * cubes(kan, plain)
    assert cubes(mlp, ridged) == cubes(mlp, plain)
