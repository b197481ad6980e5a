"""Packs of runs, trained to their end: by an engine, or to records, in one go or in pieces."""

import itertools
import pickle
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from harness import train
from harness.optimisers import Adam, Lbfgs, LevenbergMarquardt
from harness.record.schema import Record
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import RunTask, Task
from harness.tasks import resolve
from harness.train import ENGINES, PackStopped, Supervisor, torch_threads, train_pack
from harness.train.lanes import Trained
from harness.train.outcome import Outcome

OPTIMIZERS = {
    "adam": Adam(name="adam", learning_rate=0.01, schedule="cosine"),
    "batches": Adam(name="adam", learning_rate=0.01, batch_size=25, weight_decay=1.0),
    "lbfgs": Lbfgs(name="lbfgs"),
    "nested": Lbfgs(name="lbfgs", iterations_per_step=5),
    "levenberg": LevenbergMarquardt(name="levenberg_marquardt", ridge=1e-9),
}


@cache
def task(target: str = "exp2d") -> RunTask:
    """A small one; the table of wine is read when it is first asked for."""
    small = (
        {} if target == "wine" else {"train_points": 60, "validation_points": 20, "test_points": 20}
    )
    return resolve(Task(target=target, **small))


def run_of(
    network, optimizer="lbfgs", evaluations=20, seed=0, engine="fused", of=None, **recipe
) -> RunSpec:
    """A run by one of the optimisers, named or given."""
    settings = OPTIMIZERS[optimizer] if isinstance(optimizer, str) else optimizer
    course = Recipe(**{"optimizer": settings, "max_evaluations": evaluations, **recipe})
    return RunSpec(task=of or task(), network=network, recipe=course, seed=seed, engine=engine)


class TrainedRuns(NamedTuple):
    """A pack and its last state, and of each run its outcome and where it ended."""

    pack: Any
    state: Any
    outcomes: list[Outcome]
    ends: list[Trained]


def trained_runs(runs, chunk=10**6, stored=False, engine=None) -> TrainedRuns:
    """In chunks of so many evaluations, after each of which the state may be stored and read
    again.
    """
    module = ENGINES[engine or runs[0].engine]
    with torch_threads(1):
        pack = module.prepare(runs)
        state = module.begin(pack)
        while not module.ended(pack, state):
            state = module.advance(pack, state, chunk)
            state = pickle.loads(pickle.dumps(state)) if stored else state
        return TrainedRuns(pack, state, module.finish(pack, state), module.trained(pack, state))


def outcomes_of_any_company(runs) -> list[Outcome]:
    """Those of a pack, if they are the same alone, in another order, and in chunks after which the
    state is stored.
    """
    together = trained_runs(runs).outcomes
    assert [trained_runs([run]).outcomes[0] for run in runs] == together
    assert trained_runs(runs[::-1], chunk=4, stored=True).outcomes[::-1] == together
    return together


def numbers(record: Record) -> dict:
    """All that a record says but where and when."""
    return record.model_dump(exclude={"provenance"})


def after(evaluations: int) -> Supervisor:
    """Stops training when so many more chunks are behind."""
    answers = iter([False] * evaluations + [True])
    return Supervisor(stop=lambda: next(answers))


def trained_in_pieces(
    runs: list[RunSpec], folder: Path, monkeypatch, attempt=None
) -> tuple[list[Record], int]:
    """Of a pack that stops after every evaluation, with its checkpoint alone left: records, and how
    often it stops.
    """
    monkeypatch.setattr(train, "CHUNK_SECONDS", 0.0)
    for stops in itertools.count():
        try:
            return train_pack(
                runs, folder / "stopped", "cpu", after(1), folder / "checkpoints", attempt
            ), stops
        except PackStopped:
            assert len(list((folder / "checkpoints").iterdir())) == 1
    raise AssertionError
