"""Packs are bounded by the memory that their lanes take."""

from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.planning.plan import PACK_BYTES, lane_bytes, packs_of, runs_at_a_time
from harness.spec import KanShape, MlpShape, PlannedRun, Recipe, Restarts, RunSpec, Task, run_id
from harness.tasks import resolve

TASK = resolve(Task(target="exp2d", train_points=1000))
KAN = KanShape(shape=(2, 5, 1), grid=5)
LBFGS = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=100)


def _run(network=KAN, recipe=LBFGS, seed=0, task=TASK, **changes) -> RunSpec:
    return RunSpec(task=task, network=network, recipe=recipe, seed=seed, **changes)


def test_lanes_take_more_the_more_they_keep():
    small = lane_bytes(_run())
    history = Recipe(optimizer=Lbfgs(name="lbfgs", history=100), max_evaluations=100)
    levenberg = Recipe(optimizer=LevenbergMarquardt(name="levenberg_marquardt"), max_evaluations=100)
    batches = Recipe(optimizer=Adam(name="adam", batch_size=10), max_evaluations=100)
    assert lane_bytes(_run(task=TASK.model_copy(update={"train_points": 2000}))) > 1.9 * small
    assert lane_bytes(_run(KanShape(shape=(2, 50, 1), grid=5))) > 5 * small
    assert lane_bytes(_run(recipe=history)) > small
    assert lane_bytes(_run(recipe=levenberg)) > lane_bytes(_run(recipe=batches)) + 8 * 1000 * 135
    assert lane_bytes(_run(recipe=batches)) < small / 10
    assert lane_bytes(_run(dtype="float32")) == small / 2


def test_a_pack_has_as_many_lanes_as_fit(monkeypatch):
    """All starts of its runs count; two lanes are always let in, as a lone one would have an idle companion."""
    monkeypatch.setitem(PACK_BYTES, "cpu", 10 * lane_bytes(_run()))
    runs = [_run(seed=seed) for seed in range(25)]
    planned = [PlannedRun(run_id=run_id(run), cell=0, trial=0, run=run) for run in runs]
    starts = Recipe(optimizer=Lbfgs(name="lbfgs"), max_evaluations=100, restarts=Restarts(count=4, evaluations=10))
    assert sorted(map(len, packs_of(planned, "cpu"))) == [5, 10, 10]
    assert sorted(run for pack in packs_of(planned, "cpu") for run in pack) == sorted(one.run_id for one in planned)
    assert len(packs_of(planned, "cuda")) == 1
    assert runs_at_a_time(_run(recipe=starts), "cpu") == 2
    assert runs_at_a_time(_run(MlpShape(shape=(2, 500, 500, 1))), "cpu") == 2
