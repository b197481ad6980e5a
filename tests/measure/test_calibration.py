"""Calibrations: fitted factors are those that made the times, files are trusted only whole, predictions add up."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import HarnessError
from harness.measure.calibration import (
    Calibration,
    KnotRow,
    Measured,
    PackRow,
    ShapeRow,
    SoloRow,
    bench_command,
    calibrate,
    calibration_path,
    cost,
    errors_sentence,
    fit,
    is_current,
    kind_of,
    left_out_errors,
    missing,
    prediction_errors,
    read_calibration,
    with_solo,
    write_calibration,
)
from harness.measure.features import (
    Shape,
    evaluation_features,
    evaluation_memory,
    is_dual,
    knot_features,
    knot_memory,
    moments,
    pack_features,
    shape_of,
)
from harness.measure.prediction import predict, run_bytes, run_seconds
from harness.spec import (
    Adam,
    GridExtension,
    GridUpdates,
    KanShape,
    Lbfgs,
    LevenbergMarquardt,
    MlpShape,
    Recipe,
    Restarts,
    RunSpec,
    Task,
    stages,
)
from harness.tasks import resolve

# Seconds, or bytes, an item: what the made-up machine takes.
SECONDS = {
    "torch": {
        "kan_calls": 2e-4,
        "edge_terms": 6e-9,
        "basis_terms": 2e-8,
        "mlp_calls": 1e-4,
        "products": 2e-10,
        "nodes": 4e-9,
        "parameters": 2e-8,
        "history": 1e-8,
        "lbfgs_steps": 1e-3,
        "adam_steps": 3e-4,
        "levenberg_marquardt_steps": 4e-4,
        "jacobian": 1e-8,
        "gram": 1e-11,
        "cubes": 6e-11,
        "orders": 2e-5,
        "ordered_points": 1e-8,
        "mapped": 4e-9,
    },
    "fused": {
        "basis_terms": 3e-9,
        "recursion_terms": 8e-9,
        "edge_terms": 2e-9,
        "products": 4e-11,
        "nodes": 1e-9,
        "activations": 2e-9,
        "parameters": 4e-9,
        "history": 1e-9,
        "uncached": 7e-10,
        "lbfgs_steps": 2e-6,
        "adam_steps": 3e-7,
        "levenberg_marquardt_steps": 1e-5,
        "batches": 2e-6,
        "orders": 2e-5,
        "entries": 3e-9,
        "squares": 4e-9,
        "cubes": 6e-12,
        "dual_products": 3e-11,
        "products_of_rows": 2e-11,
        "updates": 3e-9,
    },
}
BYTES = {
    "torch": {
        "process": 3e8,
        "edge_terms": 4,
        "basis_terms": 80,
        "nodes": 25,
        "parameters": 180,
        "history": 50,
        "matrix": 40,
        "jacobian": 30,
    },
    "fused": {"process": 4e8, "parameters": 120, "history": 30, "matrix": 20, "jacobian": 16},
}
KNOT_SECONDS = {"lane_layers": 7e-4, "design": 3e-8, "cubes": 3e-10}
KNOT_BYTES = {"process": 3e8, "design": 30}
PACK_SECONDS = {
    "torch": {"packs": 7e-3, "runs": 8e-4},
    "fused": {"packs": 2e-3, "runs": 8e-4, "moments": 1e-4},
}

KAN = KanShape(shape=(2, 5, 1), grid=20)
MLP = MlpShape(shape=(2, 10, 10, 1))
LBFGS, ADAM = Lbfgs(name="lbfgs"), Adam(name="adam")
LEVENBERG = LevenbergMarquardt(name="levenberg_marquardt")
ENGINES = ("torch", "fused")


def classes(engine) -> list[tuple[Shape, int]]:
    kans = [KanShape(shape=s, grid=g) for s in ((1, 1), (2, 5, 1), (2, 10, 10, 1)) for g in (3, 50, 500)]
    mlps = [MlpShape(shape=(2, *[width] * hidden, 1)) for width in (5, 30, 200) for hidden in (1, 2, 4)]
    optimizers = (("lbfgs", 10, 1), ("adam", 0, 1), ("adam", 0, 2), ("adam", 0, 10))
    first_order = [
        (_shape(network, points, points // share, name, history), lanes)
        for network, points, (name, history, share), lanes in itertools.product(
            kans + mlps, (100, 3000), optimizers, (2, 32)
        )
    ]
    small = [KanShape(shape=s, grid=g) for s in ((1, 1), (2, 1, 1), (2, 5, 1)) for g in (3, 10, 40)]
    small += [MlpShape(shape=(2, width, width, 1)) for width in (5, 10, 15)]
    least_squares = [
        (_shape(network, points, points, "levenberg_marquardt", 0), lanes)
        for network, points, lanes in itertools.product(small, (100, 1000), (2, 6))
    ]
    if engine == "torch":
        return first_order[::5] + least_squares
    orders = [KAN.model_copy(update={"order": order}) for order in (1, 2, 5)]
    recursions = [_shape(network, points, points, "adam", 0) for network in orders for points in (100, 3000)]
    return [(shape, 1) for shape, _ in first_order[::5] + least_squares[::2]] + [(shape, 1) for shape in recursions]


def _shape(network, points, samples, optimizer, history, **more) -> Shape:
    return Shape(
        network=network,
        samples=samples,
        train_points=points,
        optimizer=optimizer,
        history=history,
        dtype="float64",
        **more,
    )


def made_rows(engine) -> Measured:
    shapes = [
        ShapeRow(
            shape=shape,
            lanes=lanes,
            seconds_per_evaluation=cost(SECONDS[engine], evaluation_features(engine, shape, lanes)),
            repeats=3,
            peak_bytes=round(cost(BYTES[engine], evaluation_memory(engine, shape, lanes))),
        )
        for shape, lanes in classes(engine)
    ]
    knots = [
        KnotRow(
            network=KanShape(shape=nodes, grid=grid),
            lanes=lanes,
            points=points,
            refined=False,
            seconds=cost(KNOT_SECONDS, knot_features(KanShape(shape=nodes, grid=grid), lanes, points)),
            peak_bytes=round(cost(KNOT_BYTES, knot_memory(KanShape(shape=nodes, grid=grid), points))),
        )
        for nodes, grid, lanes, points in itertools.product(((1, 1), (2, 5, 1)), (3, 50, 300), (2, 6), (100, 1000))
    ]
    packs = [
        PackRow(
            runs=runs,
            evaluations=evaluations,
            seconds=cost(PACK_SECONDS[engine], pack_features(engine, runs, runs * moments(evaluations))),
        )
        for runs, evaluations in ((1, 1), (8, 1), (32, 32))
    ]
    return Measured(tuple(shapes), tuple(knots), tuple(packs))


CALIBRATIONS: dict[str, Calibration] = {engine: calibrate(engine, "float64", made_rows(engine)) for engine in ENGINES}
CALIBRATION = CALIBRATIONS["torch"]


def a_run(network=KAN, optimizer=LBFGS, points=1000, evaluations=200, engine="torch", **recipe) -> RunSpec:
    return RunSpec(
        task=resolve(Task(target="exp2d", train_points=points)),
        network=network,
        recipe=Recipe(optimizer=optimizer, max_evaluations=evaluations, **recipe),
        seed=0,
        engine=engine,
    )


def solo_rows(run: RunSpec, seconds: float) -> list[SoloRow]:
    return [
        SoloRow(
            shape=shape_of(run, stage.network),
            seconds_per_evaluation=seconds,
            interquartile_seconds=0,
            repeats=5,
            bytes_per_evaluation=8,
        )
        for stage in stages(run.network, run.recipe)
    ]


def packs(runs: int, **settings) -> list[RunSpec]:
    return [a_run(**settings)] * runs


def predicted(runs: int, engine="torch", **settings):
    return predict(CALIBRATIONS[engine], packs(runs, engine=engine, **settings))


# ---------------------------------------------------------------------------------------------------------------- fit
@pytest.mark.parametrize("engine", ENGINES)
def test_the_fit_finds_the_factors_that_made_the_times(engine):
    """Times that are exact sums give every factor of seconds, bytes, knots and packs back."""
    calibration = CALIBRATIONS[engine]
    pairs = (
        (calibration.evaluation_seconds, SECONDS[engine]),
        (calibration.evaluation_bytes, BYTES[engine]),
        (calibration.knot_seconds, KNOT_SECONDS),
        (calibration.knot_bytes, KNOT_BYTES),
        (calibration.pack_seconds, PACK_SECONDS[engine]),
    )
    for found, made in pairs:
        assert found == pytest.approx(made, rel=1e-4)


def test_no_factor_is_negative_and_none_is_made_up():
    """Times that no cost of calls explains give calls no cost, rather than a negative one that balances another."""
    rows = [{"calls": 1.0, "items": 10.0}, {"calls": 1.0, "items": 100.0}, {"calls": 1.0, "items": 1000.0}]

    assert fit(rows, [0.5, 9.0, 99.0])["calls"] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_left_out_rows_of_an_exact_model_are_predicted_exactly(engine):
    """Cross-validation of times without noise finds no error."""
    rows = [evaluation_features(engine, *one) for one in classes(engine)]
    errors = left_out_errors(rows, [cost(SECONDS[engine], row) for row in rows])

    assert errors.within_two == 1
    assert errors.worst == pytest.approx(1, rel=1e-3)


def test_one_shape_that_takes_four_times_as_long_shows_in_the_left_out_errors():
    """The error of a row is that of factors which have not seen the row."""
    rows = [evaluation_features("torch", *one) for one in classes("torch")]
    seconds = [cost(SECONDS["torch"], row) for row in rows]
    seconds[0] *= 4

    assert left_out_errors(rows, seconds).worst < 0.4


# --------------------------------------------------------------------------------------------------------- prediction
SETTINGS = st.fixed_dictionaries(
    {
        "engine": st.sampled_from(ENGINES),
        "network": st.sampled_from([KAN, MLP, KanShape(shape=(2, 1), grid=300), MlpShape(shape=(2, 200, 1))]),
        "optimizer": st.sampled_from([LBFGS, ADAM, Adam(name="adam", batch_size=20), LEVENBERG]),
        "points": st.integers(21, 4000),
        "evaluations": st.integers(1, 3000),
    }
)


@given(SETTINGS, st.integers(1, 20), st.integers(1, 20), st.integers(1, 4000))
def test_more_of_anything_never_costs_less(settings, runs, more_runs, more):
    """Seconds and bytes of a pack grow with its runs, its evaluations and, of one and the same work, its points.

    The fused engine puts points in a new order once an epoch, and many points make long epochs; a few points more can
    make a dual system of Levenberg-Marquardt primal. Either may save more than the points cost.
    """
    before = predicted(runs, **settings)
    larger = [
        predicted(runs + more_runs, **settings),
        predicted(runs, **settings | {"evaluations": settings["evaluations"] + more}),
    ]
    if settings["optimizer"] in (LBFGS, ADAM):
        larger.append(predicted(runs, **settings | {"points": settings["points"] + more}))

    assert math.isfinite(before.seconds)
    assert all(after.seconds > before.seconds * (1 - 1e-12) for after in larger)
    assert all(after.peak_bytes >= before.peak_bytes for after in larger)


def test_a_lone_run_costs_as_much_as_two():
    """The torch engine trains at least two lanes; of one run the second is idle but not free."""
    one, two = (predicted(runs) for runs in (1, 2))

    assert two.seconds - one.seconds == pytest.approx(PACK_SECONDS["torch"]["runs"], rel=1e-3)
    assert one.peak_bytes == two.peak_bytes


@pytest.mark.parametrize("optimizer", [LBFGS, ADAM, Adam(name="adam", batch_size=20)])
@pytest.mark.parametrize("network", [KAN, MLP])
def test_a_pack_of_fused_runs_costs_the_sum_of_its_runs(network, optimizer):
    """The fused engine trains one run after the other; only what is done once a pack is saved."""
    settings = {"engine": "fused", "network": network, "optimizer": optimizer}
    one, five = (predicted(runs, **settings).seconds for runs in (1, 5))

    assert five == pytest.approx(5 * one - 4 * PACK_SECONDS["fused"]["packs"], rel=1e-9)


def test_restarts_train_as_lanes():
    """Five runs of three starts cost, while they start, what fifteen lanes do."""
    fifteen = predicted(15, evaluations=200).seconds
    whole = predicted(5, evaluations=700, restarts=Restarts(count=3, evaluations=200)).seconds
    rest = predicted(5, evaluations=100).seconds

    assert whole == pytest.approx(fifteen + rest, rel=0.1)


def test_a_fused_block_is_paid_as_a_whole():
    """65 points take two blocks of 64, as 128 do."""
    shapes = [_shape(KAN, points, points, "adam", 0) for points in (64, 65, 128)]
    whole, more, twice = (evaluation_features("fused", shape, 1) for shape in shapes)

    assert more == twice
    assert more["edge_terms"] == 2 * whole["edge_terms"]


def test_levenberg_marquardt_solves_the_smaller_system():
    """More parameters than residuals make the system dual, unless a ridge adds residuals; both engines price it so."""
    primal, dual = (_shape(MLP, points, points, "levenberg_marquardt", 0) for points in (1000, 100))
    ridged = _shape(KAN, 100, 100, "levenberg_marquardt", 0, has_ridge=True)
    sizes = {
        (engine, shape): evaluation_features(engine, shape, 1)["cubes"]
        for engine in ENGINES
        for shape in (primal, dual, ridged)
    }

    assert [is_dual(shape) for shape in (primal, dual, ridged)] == [False, True, False]
    for engine in ENGINES:
        assert sizes[engine, primal] == 151**3
        assert sizes[engine, dual] == 100**3
        assert sizes[engine, ridged] == 360**3


def test_a_pause_of_levenberg_marquardt_costs_a_system():
    """The fused engine makes its system anew wherever training pauses: slow ones twice, fast ones once in a while."""
    slow, fast = KanShape(shape=(2, 5, 1), grid=300), KanShape(shape=(1, 1), grid=20)
    for network, least, most in ((slow, 1.95, 2), (fast, 1, 1.2)):
        settings = {"network": network, "optimizer": LEVENBERG, "points": 10_000, "evaluations": 500}
        shape = shape_of(a_run(**settings), network)
        evaluation = cost(SECONDS["fused"], evaluation_features("fused", shape, 1))

        assert least < predicted(1, engine="fused", **settings).seconds / (500 * evaluation) < most * 1.1


@pytest.mark.parametrize("engine", ENGINES)
def test_knots_that_are_not_equal_are_another_shape(engine):
    """Updates leave knots equally spaced or not; the fused engine's bases cost more where they are not."""
    equal, mixed = (a_run(engine=engine, grid_updates=GridUpdates(grid_eps=eps)) for eps in (1.0, 0.5))
    costs = [cost(SECONDS[engine], evaluation_features(engine, shape_of(run, KAN), 2)) for run in (equal, mixed)]

    assert [shape_of(run, KAN).has_equal_knots for run in (equal, mixed)] == [True, False]
    assert (costs[0] < costs[1]) == (engine == "fused")


def test_knots_that_move_and_grids_that_grow_are_in_the_price():
    """Least squares of grid updates and of refinements are predicted as often as they happen."""
    updates = 4 * cost(KNOT_SECONDS, knot_features(KAN, 6, 1000))
    for engine in ENGINES:
        plain = predicted(6, engine=engine).seconds
        moved = predicted(6, engine=engine, grid_updates=GridUpdates(every=50, until=200)).seconds
        assert moved - plain == pytest.approx(updates, rel=1e-3)

    extended = run_seconds_of_knots(grid_extension=GridExtension(grids=(5, 10), evaluations=50))
    refinements = sum(
        cost(KNOT_SECONDS, knot_features(KAN.model_copy(update={"grid": grid}), 1, grid + 3)) for grid in (10, 20)
    )
    assert extended == pytest.approx(refinements, rel=1e-3)


def run_seconds_of_knots(**recipe) -> float:
    """With evaluations that take no time."""
    run = a_run(**recipe)
    calibration = with_solo(CALIBRATION, solo_rows(run, 0.0))
    return run_seconds(calibration, run, [stage.evaluations for stage in stages(run.network, run.recipe)])


@pytest.mark.parametrize("engine", ENGINES)
def test_small_batches_of_many_points_pay_for_the_learning_curve(engine):
    """With small batches the curve, which passes over all points, is a share of the cost that more points raise."""
    few, many = (
        predicted(6, engine=engine, network=MLP, optimizer=Adam(name="adam", batch_size=32), points=points)
        for points in (1000, 100_000)
    )

    assert many.seconds > 2 * few.seconds
    assert (many.peak_bytes > few.peak_bytes) == (engine == "torch")  # fused, there are never more than a block


def test_memory_that_was_not_measured_is_not_predicted():
    """Where the system doesn't tell how much memory a process held, nothing is said of it."""
    rows = made_rows("torch")
    unknown = [row.model_copy(update={"peak_bytes": None}) for row in rows.shapes]
    calibration = calibrate("torch", "float64", rows._replace(shapes=tuple(unknown)))

    assert calibration.evaluation_bytes is None
    assert predict(calibration, packs(3)).peak_bytes is None


# --------------------------------------------------------------------------------------------------------- run seconds
def test_the_seconds_of_a_run_add_over_its_stages():
    """Evaluations of each stage, all starts together, times the solo time of that stage's shape."""
    run = a_run(restarts=Restarts(count=2, evaluations=10), grid_extension=GridExtension(grids=(5, 10), evaluations=30))
    shapes = list(dict.fromkeys(shape_of(run, stage.network) for stage in stages(run.network, run.recipe)))
    times = [1.0, 10.0, 100.0]
    rows = [
        SoloRow(
            shape=shape,
            seconds_per_evaluation=time,
            interquartile_seconds=0,
            repeats=5,
            bytes_per_evaluation=8,
        )
        for shape, time in zip(shapes, times, strict=True)
    ]
    calibration = with_solo(CALIBRATION, rows)

    def seconds(*made: int) -> float:
        found = run_seconds(calibration, run, made)
        assert found is not None
        return found

    knots = seconds(0, 0, 0, 0)
    assert seconds(20, 30, 25, 7) - knots == pytest.approx(20 * 1 + 30 * 1 + 25 * 10 + 7 * 100)


@pytest.mark.parametrize("change", [{"points": 999}, {"optimizer": ADAM}, {"network": MLP}])
def test_a_shape_that_was_not_measured_alone_has_no_seconds(change):
    """Solo times are of exact shapes: other points, another optimiser or network have none."""
    calibration = with_solo(CALIBRATION, solo_rows(a_run(), 1e-3))

    assert run_seconds(calibration, a_run(), [200]) == pytest.approx(0.2)
    assert run_seconds(calibration, a_run(**change), [200]) is None


def test_what_costs_nothing_makes_no_other_shape():
    """Seeds, gains and learning rates share the solo time of their shape."""
    one, other = a_run(), a_run(optimizer=Lbfgs(name="lbfgs", learning_rate=0.1), gain=2).model_copy(update={"seed": 5})

    assert shape_of(one, one.network) == shape_of(other, other.network)


def test_a_shape_measured_again_replaces_its_older_time():
    """Of two solo rows of one shape the later counts; those of other shapes stay."""
    calibration = with_solo(with_solo(CALIBRATION, solo_rows(a_run(), 1.0)), solo_rows(a_run(network=MLP), 2.0))
    calibration = with_solo(calibration, solo_rows(a_run(), 3.0))

    assert sorted(row.seconds_per_evaluation for row in calibration.solo) == [2.0, 3.0]


def test_bytes_are_moved_where_they_are_known():
    """Bytes of a run are those of its evaluations; unknown where one of its stages has none, or no solo time."""
    run = a_run()
    (row,) = solo_rows(run, 1e-3)
    unknown = row.model_copy(update={"bytes_per_evaluation": None})

    assert run_bytes(with_solo(CALIBRATION, [row]), run, [200]) == 1600
    assert run_bytes(with_solo(CALIBRATION, [unknown]), run, [200]) is None
    assert run_bytes(CALIBRATION, run, [200]) is None


# --------------------------------------------------------------------------------------------------------------- kinds
def test_what_is_missing_is_named_with_the_command_that_measures_it():
    """Runs need calibrations of their own engine and dtype; whatever else there is does not help."""
    runs = [a_run(engine="fused"), a_run(), a_run().model_copy(update={"dtype": "float32"})]
    commands = [bench_command(kind_of(run)) for run in runs]

    assert missing({}, runs) == [("fused", "float64"), ("torch", "float32"), ("torch", "float64")]
    assert missing({("torch", "float64"): CALIBRATION}, runs[:2]) == [("fused", "float64")]
    assert commands == ["harness bench", "harness bench --engine torch", "harness bench --dtype float32"]


# --------------------------------------------------------------------------------------------------------------- files
def test_a_calibration_reads_as_it_was_written(tmp_path):
    """All rows, factors and errors survive the file."""
    calibration = with_solo(CALIBRATION, solo_rows(a_run(), 0.1))
    path = write_calibration(calibration, tmp_path)

    assert path == calibration_path(tmp_path, "torch", calibration.device, "float64")
    assert read_calibration(tmp_path, "torch", calibration.device, "float64") == calibration
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("other", [("fused", None, "float64"), ("torch", "Z80", "float64"), ("torch", None, "float32")])
def test_another_engine_device_or_dtype_is_uncalibrated(tmp_path, other):
    """A calibration is of one engine, device model and dtype, whatever its file is called."""
    engine, device, dtype = other
    device = device or CALIBRATION.device
    path = write_calibration(CALIBRATION, tmp_path)

    assert read_calibration(tmp_path, engine, device, dtype) is None
    path.rename(calibration_path(tmp_path, engine, device, dtype))
    assert read_calibration(tmp_path, engine, device, dtype) is None


def test_a_calibration_of_another_version_or_of_other_libraries_is_none(tmp_path):
    """What was measured with other features or another torch says nothing of today's runs."""
    old = CALIBRATION.model_copy(update={"calibration_schema": 1})
    write_calibration(old, tmp_path)

    assert read_calibration(tmp_path, "torch", CALIBRATION.device, "float64") is None
    assert is_current(CALIBRATION)
    assert not is_current(CALIBRATION.model_copy(update={"versions": {**CALIBRATION.versions, "torch": "1.0"}}))
    assert not is_current(CALIBRATION.model_copy(update={"threads": 64}))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('"evaluation_seconds"', '"evaluation_second"'),
        ('"threads": 1', '"threads": 2'),
        ("{", "["),
    ],
)
def test_a_damaged_calibration_is_named_and_says_how_it_is_mended(tmp_path, before, after):
    """A file changed by hand or cut is an error with its path, never a guess."""
    path = write_calibration(CALIBRATION, tmp_path)
    path.write_text(path.read_text().replace(before, after, 1))

    with pytest.raises(HarnessError, match="harness bench") as caught:
        read_calibration(tmp_path, "torch", CALIBRATION.device, "float64")
    assert str(path) in str(caught.value)


# -------------------------------------------------------------------------------------------------------------- errors
def test_prediction_errors_count_both_directions():
    """Half and double are within a factor of two; the worst is furthest from one on either side."""
    errors = prediction_errors([1.0, 2.0, 0.5, 0.2], [1.0, 1.0, 1.0, 1.0])

    assert (errors.number, errors.within_two, errors.median, errors.worst) == (4, 0.75, 0.75, 0.2)
    assert "3 of 4 packs within a factor of 2 (75%)" in errors_sentence(errors)
