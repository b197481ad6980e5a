"""A reading on the way is the run that ends there, bit for bit."""

import pytest
from packs import numbers, run_of, trained_in_pieces, trained_runs

from harness.optimisers import OPTIMISERS
from harness.record.schema import Reading
from harness.spec import (
    Adam,
    GridExtension,
    GridUpdates,
    KanShape,
    Lbfgs,
    LevenbergMarquardt,
    MlpShape,
    Restarts,
    RunSpec,
)
from harness.train import train_pack
from harness.train.outcome import Outcome

KAN, MLP = KanShape(shape=(2, 2, 1), grid=4), MlpShape(shape=(2, 4, 1))
OPTIMISER = {
    "lbfgs": Lbfgs(name="lbfgs"),
    "nested": Lbfgs(name="lbfgs", iterations_per_step=5),
    "levenberg": LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-9),
    "adam": Adam(name="adam", learning_rate=0.01),
    "batches": Adam(name="adam", learning_rate=0.01, batch_size=25, warm_up=5, clip=1.0, weight_decay=1.0),
}
COURSES: dict[str, dict] = {
    "plain": {},
    "restarts": {"restarts": Restarts(count=2, evaluations=4)},
    "knots": {"grid_updates": GridUpdates(every=3, until=12, grid_eps=0.5)},
    "grids": {"grid_extension": GridExtension(grids=(2, 3), evaluations=7)},
}
COURSES["all"] = COURSES["restarts"] | COURSES["knots"] | COURSES["grids"]
COURSES["stopping"] = COURSES["all"] | {"early_stopping": True}
MOMENTS = (6, 11, 15, 16, 22, 33)  # of all courses: among restarts, within a grid, at its end and just behind it
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
    for moment_index, moment in enumerate(moment for moment in runs[0].readings if capped(runs[0], moment)):
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


@pytest.mark.parametrize(("engine", "network", "optimiser", "course"), CASES, ids=map("-".join, CASES))
def test_a_reading_is_the_run_with_this_cap_bit_for_bit(engine, network, optimiser, course):
    runs = read(KAN if network == "kan" else MLP, OPTIMISER[optimiser], engine, **COURSES[course])
    with_readings = trained_runs(runs)
    check(runs, [outcome.readings for outcome in with_readings.outcomes])
    without = trained_runs([run.model_copy(update={"readings": ()}) for run in runs])
    for outcome, as_before in zip(with_readings.outcomes, without.outcomes, strict=True):
        assert vars(outcome) | {"readings": ()} == vars(as_before)  # and reading changes nothing of the run


def test_every_optimiser_that_may_be_read_is_compared():
    assert {settings.name for settings in OPTIMISER.values()} == OPTIMISERS.keys()


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_run_at_rest_is_its_own_reading_from_then_on(engine):
    """Both lanes of a pack rest, at different times, before the last budgets; on the next grid they train on."""
    settled = Lbfgs(name="lbfgs", tolerance_gradient=0.03)
    runs = read(
        KAN,
        settled,
        engine,
        moments=(10, 40, 45, 60, 90, 100),
        **COURSES["grids"] | {"grid_extension": GridExtension(grids=(3,), evaluations=50), "early_stopping": True},
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
def test_stopped_after_every_evaluation_a_run_leaves_the_same_readings(engine, tmp_path, monkeypatch):
    runs = read(KAN, OPTIMISER["lbfgs"], engine, **COURSES["stopping"])
    through = train_pack(runs, tmp_path / "through")
    stopped, stops = trained_in_pieces(runs, tmp_path, monkeypatch)
    assert stops > 20
    assert [numbers(record) for record in stopped] == [numbers(record) for record in through]
    assert all(len(record.readings) == len(MOMENTS) - 1 for record in stopped)


@pytest.mark.parametrize("engine", ["fused", "torch"])
def test_a_look_of_a_reading_counts_for_that_reading_alone(engine):
    """A restless run that is read after every evaluation keeps what it would have kept, and its curve."""
    restless = Adam(name="adam", learning_rate=0.5)
    runs = read(MLP, restless, engine, moments=tuple(range(1, 41)), early_stopping=True)
    outcomes = trained_runs(runs).outcomes
    as_before = trained_runs([run.model_copy(update={"readings": ()}) for run in runs]).outcomes
    assert [vars(outcome) | {"readings": ()} for outcome in outcomes] == [vars(outcome) for outcome in as_before]
    for outcome in outcomes:
        looked_at = min(reading.validation for reading in outcome.readings)
        assert looked_at < outcome.metrics.validation_rmse == outcome.readings[-1].validation
