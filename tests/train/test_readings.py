"""A reading on the way is the run that ends there, bit for bit."""

import pytest
import torch
from packs import numbers, run_of, task, trained_in_pieces, trained_runs

from harness import train
from harness.families import KanShape, MlpShape, Transformer
from harness.optimisers import OPTIMISERS, Adam, Lbfgs, LevenbergMarquardt
from harness.record.schema import Reading
from harness.record.store import read_record, record_path
from harness.spec.recipe import GridExtension, GridUpdates, Restarts
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import resolve
from harness.train import torch_engine, train_pack
from harness.train.outcome import Outcome

KAN, MLP = KanShape(shape=(2, 2, 1), grid=4), MlpShape(shape=(2, 4, 1))
OPTIMISER = {
    "lbfgs": Lbfgs(name="lbfgs"),
    "nested": Lbfgs(name="lbfgs", iterations_per_step=5),
    "levenberg": LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-9),
    "adam": Adam(name="adam", learning_rate=0.01),
    "batches": Adam(
        name="adam", learning_rate=0.01, batch_size=25, warm_up=5, clip=1.0, weight_decay=1.0
    ),
}
COURSES: dict[str, dict] = {
    "plain": {},
    "restarts": {"restarts": Restarts(count=2, evaluations=4)},
    "knots": {"grid_updates": GridUpdates(every=3, until=12, grid_eps=0.5)},
    "grids": {"grid_extension": GridExtension(grids=(2, 3), evaluations=7)},
}
COURSES["all"] = COURSES["restarts"] | COURSES["knots"] | COURSES["grids"]
COURSES["stopping"] = COURSES["all"] | {"early_stopping": True}
MOMENTS = (
    6,
    11,
    15,
    16,
    22,
    33,
)  # of all courses: among restarts, within a grid, at its end and just behind it
NO_NUMBERS = (None, None)


def read(network, optimiser, engine, seeds=(0, 1), moments=MOMENTS, **course) -> list[RunSpec]:
    """Runs that are read at these moments."""
    runs = [run_of(network, optimiser, moments[-1], seed, engine, **course) for seed in seeds]
    return [run.model_copy(update={"readings": moments}) for run in runs]


def capped(run: RunSpec, moment: int) -> RunSpec | None:
    """The run with this cap, on the grid that it has then; None if it ends among restarts."""
    recipe, network = run.recipe, run.network
    after, extension = moment - recipe.restarts.spent, recipe.grid_extension
    if after <= 0:
        return None
    changes: dict = {"max_evaluations": moment}
    if extension:
        grids = (*extension.grids, network.grid)
        reached = min((after - 1) // extension.evaluations, len(extension.grids))
        network = network.model_copy(update={"grid": grids[reached]})
        below = extension.model_copy(update={"grids": grids[:reached]}) if reached else None
        changes["grid_extension"] = below
    recipe = recipe.model_copy(update=changes)
    return run.model_copy(update={"network": network, "recipe": recipe, "readings": ()})


def as_reading(outcome: Outcome) -> tuple:
    """What the outcome of a capped run would be as a reading, but for whether it rests."""
    losses = outcome.metrics.losses if outcome.metrics else None
    errors = (losses.validation, losses.test) if losses else NO_NUMBERS
    return (outcome.evaluations, outcome.iterations, *errors)


def check(runs: list[RunSpec], readings: list[tuple[Reading, ...]]) -> None:
    """Each reading of each run is the outcome of the run with this cap."""
    for moment_index, moment in enumerate(
        moment for moment in runs[0].readings if capped(runs[0], moment)
    ):
        alone = trained_runs([capped(run, moment) for run in runs]).outcomes
        of_moment = [of_run[moment_index][:4] for of_run in readings]
        assert of_moment == [as_reading(outcome) for outcome in alone], moment
    assert {len(of_run) for of_run in readings} == {1 + moment_index}


CASES = [
    (engine, network, optimiser, course)
    for engine in ("fused", "torch")
    for network, optimiser, course in [
        *(("kan", optimiser, "stopping") for optimiser in OPTIMISER),
        *(("kan", "lbfgs", course) for course in COURSES if course != "stopping"),
        *(("mlp", optimiser, "restarts") for optimiser in OPTIMISER if optimiser != "nested"),
    ]
]


@pytest.mark.parametrize(
    ("engine", "network", "optimiser", "course"), CASES, ids=map("-".join, CASES)
)
def test_a_reading_is_the_run_with_this_cap_bit_for_bit(engine, network, optimiser, course):
    runs = read(KAN if network == "kan" else MLP, OPTIMISER[optimiser], engine, **COURSES[course])
    with_readings = trained_runs(runs)
    check(runs, [outcome.readings for outcome in with_readings.outcomes])
    without = trained_runs([run.model_copy(update={"readings": ()}) for run in runs])
    for outcome, as_before in zip(with_readings.outcomes, without.outcomes, strict=True):
        assert vars(outcome) | {"readings": ()} == vars(
            as_before
        )  # and reading changes nothing of the run


def test_every_optimiser_that_may_be_read_is_compared():
    assert {settings.name for settings in OPTIMISER.values()} == OPTIMISERS.keys()


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_run_at_rest_is_its_own_reading_from_then_on(engine):
    """Both lanes of a pack rest, at different times, before the last budgets; on the next grid they
    train on.
    """
    settled = Lbfgs(name="lbfgs", tolerance_gradient=0.03)
    runs = read(
        KAN,
        settled,
        engine,
        moments=(10, 40, 45, 60, 90, 100),
        **COURSES["grids"]
        | {"grid_extension": GridExtension(grids=(3,), evaluations=50), "early_stopping": True},
    )
    outcomes = trained_runs(runs).outcomes
    check(runs, [outcome.readings for outcome in outcomes])
    for outcome in outcomes:
        assert outcome.evaluations < 100
        assert [reading.at_rest for reading in outcome.readings][-1]
        assert len(set(outcome.readings[-2:])) == 1
        first, *_ = (reading for reading in outcome.readings if reading.at_rest)
        assert first != outcome.readings[-1]


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_run_that_has_diverged_has_no_errors_from_then_on(engine):
    wild = [Adam(name="adam", learning_rate=rate) for rate in (0.01, 1e200)]
    runs = [read(MLP, optimiser, engine, seeds=(0,), moments=(1, 4, 9))[0] for optimiser in wild]
    sane, diverged = trained_runs(runs).outcomes
    check(runs, [sane.readings, diverged.readings])
    assert None not in {reading.test for reading in sane.readings}
    assert diverged.status == "diverged"
    assert diverged.readings[-1][2:] == (*NO_NUMBERS, False)


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_stopped_after_every_evaluation_a_run_leaves_the_same_readings(
    engine, tmp_path, monkeypatch
):
    runs = read(KAN, OPTIMISER["lbfgs"], engine, **COURSES["stopping"])
    through = train_pack(runs, tmp_path / "through")
    stopped, stops = trained_in_pieces(runs, tmp_path, monkeypatch)
    assert stops > 20
    assert [numbers(record) for record in stopped] == [numbers(record) for record in through]
    assert all(len(record.readings) == len(MOMENTS) - 1 for record in stopped)


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_look_of_a_reading_counts_for_that_reading_alone(engine):
    """A restless run that is read after every evaluation keeps what it would have kept, and its
    curve.
    """
    restless = Adam(name="adam", learning_rate=0.5)
    runs = read(MLP, restless, engine, moments=tuple(range(1, 41)), early_stopping=True)
    outcomes = trained_runs(runs).outcomes
    as_before = trained_runs([run.model_copy(update={"readings": ()}) for run in runs]).outcomes
    assert [vars(outcome) | {"readings": ()} for outcome in outcomes] == [
        vars(outcome) for outcome in as_before
    ]
    for outcome in outcomes:
        looked_at = min(reading.validation for reading in outcome.readings)
        assert looked_at < outcome.metrics.validation_rmse == outcome.readings[-1].validation


SCHEDULES = {"wsd": {"warm_up": 5}, "cosine": {"batch_size": 25}}


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_schedule_that_ends_is_trained_to_each_budget_and_read_there(engine, schedule):
    """On coarser grids, with early stopping and moving knots; the last budget is the run's own."""
    settings = SCHEDULES[schedule] if engine == "torch" else {}
    adam = Adam(name="adam", learning_rate=0.05, schedule=schedule, **settings)
    course = COURSES["knots"] | COURSES["grids"] | {"early_stopping": True}
    runs = read(KAN, adam, engine, moments=(1, 6, 7, 8, 13, 14, 15, 29, 30, 47), **course)
    with_readings = trained_runs(runs)
    check(runs, [outcome.readings for outcome in with_readings.outcomes])
    without = trained_runs([run.model_copy(update={"readings": ()}) for run in runs])
    for outcome, as_before in zip(with_readings.outcomes, without.outcomes, strict=True):
        assert vars(outcome) | {"readings": ()} == vars(as_before)


@pytest.mark.parametrize("engine", ["fused", "torch"])
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_stopped_within_the_end_of_a_schedule_a_run_leaves_the_same_readings(
    engine, schedule, tmp_path, monkeypatch
):
    adam = Adam(name="adam", learning_rate=0.05, schedule=schedule)
    runs = read(KAN, adam, engine, **COURSES["knots"] | COURSES["grids"])
    through = train_pack(runs, tmp_path / "through")
    stopped, stops = trained_in_pieces(runs, tmp_path, monkeypatch)
    assert stops > MOMENTS[-1] + runs[0].evaluations_beside // 2
    assert [numbers(record) for record in stopped] == [numbers(record) for record in through]


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("schedule", ["constant", *SCHEDULES])
def test_seconds_of_a_reading_are_of_its_own_path(schedule, in_pieces, tmp_path, monkeypatch):
    """By a clock that counts evaluations: a run that ends beside the main one takes none of those
    of others.
    """
    evaluated: list[None] = []
    real = torch_engine._evaluate
    monkeypatch.setattr(
        torch_engine, "_evaluate", lambda *given: (evaluated.append(None), real(*given))[1]
    )
    monkeypatch.setattr(train, "_clock", lambda: (0.0, float(len(evaluated))))
    runs = read(MLP, Adam(name="adam", learning_rate=0.05, schedule=schedule), "torch")
    if in_pieces:
        (record,), _ = trained_in_pieces(runs[:1], tmp_path, monkeypatch)
    else:
        (record,) = train_pack(runs[:1], tmp_path / "through")
    assert record.provenance.reading_cpu_seconds == tuple(
        reading.evaluations for reading in record.readings
    )
    assert (
        read_record(record_path(tmp_path / ("stopped" if in_pieces else "through"), record.run_id))
        == record
    )
    several = train_pack(runs, tmp_path / "several")
    assert [record.provenance.reading_cpu_seconds for record in several] == [(), ()]


def test_a_run_parts_from_a_longer_one_where_its_rate_begins_to_fall():
    """`wsd` keeps the rate for five sixths of a run, and then lowers it by the root of what is
    behind of the rest.
    """
    adam = Adam(
        name="adam", learning_rate=1.0, schedule="wsd", epsilon=1e-300, beta1=0.0, beta2=0.0
    )
    state = adam.start(torch.zeros(1, 1), total_steps=60)
    moved = []
    for _ in range(60):
        after = adam.tell(state, torch.zeros(1), torch.ones(1, 1))
        moved.append(float(state.position_RP - after.position_RP))
        state = after
    assert adam.constant_until(60) == 50
    assert moved[:51] == pytest.approx([1.0] * 51, rel=1e-5)
    assert moved[51:] == pytest.approx([1 - (step / 10) ** 0.5 for step in range(1, 10)], rel=1e-4)
    (run, _) = read(MLP, Adam(name="adam", schedule="wsd"), "torch", moments=(12, 60, 120))
    assert run.evaluations_beside == 2 + 10


BLOCK = {"family": "mlp", "width": 4}
OTHERS = {
    "classes": ("wine", MlpShape(shape=(13, 4, 3))),
    "pde": ("poisson", MlpShape(shape=(2, 4, 1))),
    "sequences": (
        "mess3",
        Transformer.model_validate(
            {"family": "transformer", "layers": 1, "width": 4, "block": BLOCK}
        ),
    ),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_readings_of_classes_equations_and_sequences_are_runs_too(kind):
    of, network = task(OTHERS[kind][0]), OTHERS[kind][1]
    if kind == "sequences":
        of = resolve(
            Task(target="mess3", context=5, train_points=64, validation_points=64, test_points=64)
        )
        network = network.network_of(of.inputs, of.outputs, "arm", scales=False)
    adam = Adam(
        name="adam",
        learning_rate=0.01,
        schedule="wsd",
        batch_size=32 if kind == "sequences" else None,
    )
    runs = [run_of(network, adam, 30, seed, "torch", of) for seed in (0, 1)]
    runs = [run.model_copy(update={"readings": (6, 13, 30)}) for run in runs]
    check(runs, [outcome.readings for outcome in trained_runs(runs).outcomes])
