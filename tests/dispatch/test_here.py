"""Workers on this machine: what is told of packs, in which order, and that no death of a worker
shows in a record.
"""

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import defaultdict
from contextlib import closing
from dataclasses import replace
from functools import cache
from itertools import product
from operator import methodcaller
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
import pytest
import torch
from click.testing import CliRunner

from harness import train
from harness.base.errors import HarnessError
from harness.base.files import lives
from harness.cli import main
from harness.dispatch import slots
from harness.dispatch.here import (
    Begun,
    Failed,
    TrainingEvent,
    _compilations,
    next_move,
    terminated_like_ctrl_c,
    threads_of,
    train_here,
)
from harness.dispatch.slots import (
    Cause,
    Done,
    Evaluated,
    Failure,
    PackedRuns,
    Saved,
    TrainingOrder,
    failure,
)
from harness.families import FourierKanShape, KanShape, MlpShape, RbfKanShape
from harness.optimisers import Adam, Lbfgs
from harness.planning.plan import make_plan
from harness.record.schema import Record
from harness.record.store import read_record, record_path
from harness.spec.read import parse_experiment
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec, run_id
from harness.spec.task import Task
from harness.tasks import draw, resolve
from harness.train import PackStopped, Supervisor, train_pack
from harness.train.checkpoint import checkpoint_path, read_checkpoint, write_checkpoint

SHORT, LONG = 20, 4000  # evaluations; of the long ones a checkpoint is written long before they end
CHECKPOINT_SECONDS = 0.05
EVALUATED = Path("evaluated")
TOO_MUCH = 1 << 50


def broken(x):
    raise OSError("there is no such file on this node")


def endless(x):
    Path("entered").touch()
    time.sleep(10_000)


def broken_elsewhere(x):
    """In another line."""
    raise OSError("there is no such file on this node")


def too_large_at_first(x):
    if not EVALUATED.exists():
        EVALUATED.touch()
        bytes(TOO_MUCH)
    return x[:, 0]


def pack(target: str, seeds: range, evaluations: int = SHORT) -> PackedRuns:
    """Runs of the torch engine, which has nothing to compile."""
    of_user = (
        {"target": f"{__name__}:{target}", "inputs": 2}
        if target in globals()
        else {"target": target}
    )
    task = resolve(Task(**of_user, train_points=60, validation_points=20, test_points=20))
    recipe = Recipe(optimizer=Adam(name="adam", learning_rate=0.01), max_evaluations=evaluations)
    network = MlpShape(shape=(2, 4, 1))
    return tuple(RunSpec(task=task, network=network, recipe=recipe, seed=seed) for seed in seeds)


def test_the_kernels_of_a_plan_alone_are_compiled_each_once():
    """One process a module, and all loops in one of them: their common part is compiled once,
    whoever comes first.
    """
    fixed = [RbfKanShape(shape=(1, 1), grid=3), FourierKanShape(shape=(1, 1), harmonics=3)]
    networks = [KanShape(shape=(1, 1), grid=3), MlpShape(shape=(1, 1)), *fixed]
    optimizers = [Adam(name="adam"), Lbfgs(name="lbfgs")]
    (run, *_) = pack("xy", range(1))
    runs = []
    for network, optimizer in product(networks, optimizers):
        recipe = Recipe(optimizer=optimizer, max_evaluations=1)
        runs.append(run.model_copy(update={"network": network, "recipe": recipe}))

    asked = _compilations(runs)
    assert [one.module for one in asked] == ["mlp", "expansion", "kan"]  # what takes longest first
    assert [[of.recipe.optimizer for of in one.runs] for one in asked] == [optimizers, [], []]
    assert [(one.module, len(one.runs)) for one in _compilations(runs[:1])] == [("kan", 1)]


def ids(runs: PackedRuns) -> list[str]:
    return [run_id(run) for run in runs]


def numbers(records: Path, runs: PackedRuns) -> list[dict]:
    return [record(records, run).model_dump(exclude={"provenance"}) for run in runs]


def record(records: Path, run: RunSpec) -> Record:
    return read_record(record_path(records, run_id(run)))


@cache
def packs() -> dict[str, PackedRuns]:
    return {
        "whole": pack("xy", range(2)),
        "killed": pack("xy", range(2), LONG),
        "broken": pack("broken", range(2)),
        "too large at first": pack("too_large_at_first", range(2)),
        "recorded": pack("exp2d", range(2)),
        "unwanted": pack("exp2d", range(2, 4)),
        "half unwanted": pack("exp2d", range(4, 6)),
        "last": pack("exp2d", range(6, 8)),
    }


@cache
def unwanted() -> set[str]:
    return {*ids(packs()["unwanted"]), *ids(packs()["half unwanted"][1:])}


class Sweep(NamedTuple):
    """What was told of each pack by two workers, the processes that there were, and the records."""

    told: dict[PackedRuns, list[TrainingEvent]]
    processes: set[int]
    records: Path


@pytest.fixture(scope="module")
def sweep(tmp_path_factory) -> Sweep:
    """All packs by two workers; the one that trains "killed" dies twice, each time when it has
    written a checkpoint.
    """
    folder, told, processes = tmp_path_factory.mktemp("sweep"), defaultdict(list), set()
    train_pack(packs()["recorded"], folder / "runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        happenings = train_here(
            list(packs().values()),
            TrainingOrder(
                folder / "runs", folder / "checkpoints", "cpu", "some attempt", CHECKPOINT_SECONDS
            ),
            workers=2,
            announce=pytest.fail,
            unwanted=unwanted,
        )
        for runs, event in happenings:
            told[runs].append(event)
            if isinstance(event, Begun):
                processes.add(event.pid)
            if isinstance(event, Saved) and runs == packs()["killed"]:
                pid = [one.pid for one in told[runs] if isinstance(one, Begun)][-1]
                os.kill(pid, signal.SIGKILL)
    return Sweep(told, processes, folder / "runs")


def kinds(events: list[TrainingEvent]) -> list[str]:
    """What was told, progress left out."""
    return [type(event).__name__ for event in events if not isinstance(event, Evaluated | Saved)]


def failed(events: list[TrainingEvent]) -> list[Failed]:
    return [event for event in events if isinstance(event, Failed)]


@pytest.mark.nightly
def test_a_pack_begins_is_evaluated_and_is_done(sweep):
    for name in ("whole", "last"):
        events = sweep.told[packs()[name]]
        evaluated = [event.evaluations for event in events[1:-1]]
        assert kinds(events) == ["Begun", "Done"]
        assert (evaluated[0], evaluated[-1]) == (0, SHORT)
        assert evaluated == sorted(evaluated)
        assert events[-1].statuses == ("done", "done")
        assert record(sweep.records, packs()[name][0]).provenance.attempt == "some attempt"


@pytest.mark.nightly
def test_a_pack_that_fails_twice_at_the_same_place_is_quarantined_and_others_go_on(sweep):
    events = sweep.told[packs()["broken"]]
    first, second = failed(events)
    assert kinds(events) == ["Begun", "Failed", "Begun", "Failed"]
    assert events[0].pid != events[2].pid
    assert (first.failure.cause, first.failure.traceback_hash) == (
        "crashed",
        second.failure.traceback_hash,
    )
    assert (first.move, first.quarantined) == ("again", False)
    assert (second.move, second.quarantined) == ("give up", True)


@pytest.mark.nightly
def test_a_pack_that_needs_too_much_memory_is_split_at_once(sweep):
    runs = packs()["too large at first"]
    (only,) = failed(sweep.told[runs])
    assert kinds(sweep.told[runs]) == ["Begun", "Failed"]
    assert (only.failure.cause, only.move) == ("out_of_memory", "split")
    for half in (runs[:1], runs[1:]):
        assert kinds(sweep.told[half]) == ["Begun", "Done"]


@pytest.mark.nightly
def test_a_pack_whose_worker_is_killed_goes_on_from_its_checkpoint_and_then_is_split(sweep):
    runs = packs()["killed"]
    events = sweep.told[runs]
    saved = next(event for event in events if isinstance(event, Saved))
    again = events[events.index(failed(events)[0]) :]
    resumed = next(event for event in again if isinstance(event, Evaluated))
    assert kinds(events) == ["Begun", "Failed", "Begun", "Failed"]
    assert [(one.failure.cause, one.move) for one in failed(events)] == [
        ("killed", "again"),
        ("killed", "split"),
    ]
    assert "SIGKILL" in failed(events)[0].failure.error
    assert resumed.evaluations >= saved.evaluations > 0
    for half in (runs[:1], runs[1:]):
        assert kinds(sweep.told[half]) == ["Begun", "Done"]


@pytest.mark.nightly
def test_what_has_records_or_is_not_wanted_is_not_trained(sweep):
    assert kinds(sweep.told[packs()["recorded"]]) == ["Skipped"]
    assert kinds(sweep.told[()]) == ["Skipped"]  # all of its runs are unwanted
    assert kinds(sweep.told[packs()["half unwanted"][:1]]) == ["Begun", "Done"]
    assert not any(record_path(sweep.records, identity).exists() for identity in unwanted())


@pytest.mark.nightly
def test_records_show_nothing_of_who_made_them(sweep, here):
    EVALUATED.touch()
    for runs in packs().values():
        wanted = tuple(run for run in runs if run_id(run) not in unwanted())
        if runs == packs()["broken"]:
            assert not any(record_path(sweep.records, identity).exists() for identity in ids(runs))
        elif wanted:
            train_pack(wanted, here / "runs")
            assert numbers(sweep.records, wanted) == numbers(here / "runs", wanted)


@pytest.mark.nightly
def test_a_sweep_leaves_no_process(sweep):
    assert len(sweep.processes) > 2
    assert not any(map(lives, sweep.processes))
    assert not multiprocessing.active_children()


def test_told_to_stop_or_closed_workers_save_what_they_have_and_end(tmp_path):
    told: dict[PackedRuns, list[TrainingEvent]] = defaultdict(list)
    evaluated: list[PackedRuns] = []
    order = TrainingOrder(tmp_path / "runs", tmp_path / "checkpoints")
    for runs, event in train_here(
        [pack("xy", range(2), 1500)], order, workers=1, stop=lambda: bool(evaluated)
    ):
        told[runs].append(event)
        if isinstance(event, Evaluated) and event.evaluations:
            evaluated.append(runs)

    runs = evaluated[0]
    file = checkpoint_path(order.checkpoints, ids(runs))
    saved = file.read_bytes()
    assert [kinds(events) for events in told.values()] == [["Begun"]]
    assert told[runs][-1] == Saved(*told[runs][-2])
    assert not any(lives(events[0].pid) for events in told.values())

    with closing(train_here([runs], order, workers=1)) as happenings:
        _, begun = next(happenings)
        assert next(happenings) == (runs, Evaluated(*told[runs][-1]))
        next(happenings)
    assert file.read_bytes() != saved
    assert not lives(begun.pid)
    assert not order.records.exists()

    train_pack(runs, order.records, checkpoints=order.checkpoints)
    train_pack(runs, tmp_path / "through")
    assert {record(order.records, run).provenance.resumed for run in runs} == {2}
    assert numbers(order.records, runs) == numbers(tmp_path / "through", runs)


def test_a_checkpoint_from_which_a_pack_crashes_at_once_is_moved_aside(tmp_path, monkeypatch):
    monkeypatch.setattr(train, "CHUNK_SECONDS", 0.0)
    batches = Recipe(optimizer=Adam(name="adam", batch_size=20), max_evaluations=SHORT)
    runs = tuple(run.model_copy(update={"recipe": batches}) for run in pack("xy", range(2)))
    order = TrainingOrder(tmp_path / "runs", tmp_path / "checkpoints")
    file = checkpoint_path(order.checkpoints, ids(runs))
    answers = iter([False] * 5 + [True])
    with pytest.raises(PackStopped):
        train_pack(
            runs, order.records, "cpu", Supervisor(stop=lambda: next(answers)), order.checkpoints
        )
    kept = read_checkpoint(
        file, ids(runs), runs[0].recipe, train._numerics("torch", "cpu"), "cpu", pytest.fail
    )
    write_checkpoint(replace(kept, state=replace(kept.state, lanes=((0, -1), (1, -1)))), file)
    ours, theirs = multiprocessing.Pipe()

    crashed = slots._train(runs, order, theirs, os.getppid())

    assert crashed.cause == "crashed"
    assert crashed.error.endswith(
        f"; it did not go on from {file}, which was moved to {file.stem}.damaged"
    )
    assert [path.name for path in order.checkpoints.iterdir()] == [f"{file.stem}.damaged"]
    assert isinstance(slots._train(runs, order, theirs, os.getppid()), Done)
    assert {record(order.records, run).provenance.resumed for run in runs} == {0}
    ours.close()


SOON_SECONDS = 3.0
PARENT = """
import sys
from harness.dispatch import slots
slots.GRACE_SECONDS = {seconds}
if __name__ == "__main__":  # workers import what is above
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from test_here import pack
    order = slots.TrainingOrder(Path("runs"), Path("checkpoints"))
    workers = [slots.start(0, order), slots.start(1, order)]
    slots.send(workers[0], pack("endless", range(1)))
    print(*[worker.process.pid for worker in workers], flush=True)
    input()
"""


@pytest.mark.nightly
def test_workers_of_a_killed_parent_end_whatever_they_do(tmp_path):
    """One is inside of a call without an end and gets its time to save, the other waits for a
    pack.
    """
    (tmp_path / "parent.py").write_text(
        PARENT.format(tests=str(Path(__file__).parent), seconds=SOON_SECONDS)
    )
    command = [sys.executable, "parent.py"]
    with subprocess.Popen(
        command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        busy, idle = map(int, parent.stdout.readline().split())
        deadline = time.monotonic() + 300
        while not (tmp_path / "entered").exists():
            assert time.monotonic() < deadline, "the target is called"
            time.sleep(0.1)
        parent.kill()
    killed = time.monotonic()
    while lives(idle) or lives(busy):
        assert time.monotonic() < killed + SOON_SECONDS + 60, "its workers end"
        time.sleep(0.1)
    assert time.monotonic() > killed + SOON_SECONDS, "the busy one got its time"
    assert list(tmp_path.rglob(".*")) == []


def test_where_no_record_can_be_written_all_ends_with_a_sentence(tmp_path):
    (tmp_path / "runs").symlink_to("/proc/self/no such folder")
    happenings = train_here(
        [pack("xy", range(2)), pack("exp2d", range(2))], TrainingOrder(tmp_path / "runs"), 1
    )
    _, begun = next(happenings)
    with pytest.raises(HarnessError, match="nothing of it was written: make room there") as raised:
        list(happenings)
    assert raised.value.exit_code == 3
    assert not lives(begun.pid)


def test_a_death_by_a_signal_is_told_from_an_end_of_its_own():
    """Only what is killed may lack memory; what ends by itself, as without torch, does so again."""
    killed, ended = slots._started(methodcaller("recv")), slots._started(sys.exit)
    os.kill(killed.process.pid, signal.SIGKILL)
    deaths = [slots.death(slot) for slot in (killed, ended)]
    assert [death.cause for death in deaths] == ["killed", "crashed"]
    assert deaths[0].error.endswith("with fewer --workers (SIGKILL)")
    assert (
        deaths[1].error
        == "a worker process ended by itself; what it printed says why (exit code 1)"
    )
    assert next_move([deaths[1]] * 2, runs=2) == ("give up", True)


MOVES = {
    "crashed": "again",
    "killed": "again",
    "out_of_memory": "split",
    "crashed crashed": "give up",
    "crashed killed": "again",
    "killed crashed": "again",
    "killed killed": "split",
    "crashed out_of_memory": "split",
    "killed out_of_memory": "split",
    "crashed killed crashed": "give up",
    "killed crashed crashed": "give up",
    "crashed killed killed": "split",
    "killed crashed killed": "split",
    "crashed killed out_of_memory": "split",
    "killed crashed out_of_memory": "split",
}


def _failures(causes: str, *hashes: str | None) -> list[Failure]:
    places = iter(hashes)
    return [
        Failure(
            cause,
            "what was said",
            traceback_hash=next(places, "place") if cause == "crashed" else None,
        )
        for cause in causes.split()
    ]


@pytest.mark.parametrize(("causes", "move"), MOVES.items())
def test_causes_say_what_comes_next(causes, move):
    """What cannot be split is given up instead; only what crashes at the same place is
    quarantined.
    """
    assert next_move(_failures(causes), runs=2)[0] == move
    alone = "give up" if move == "split" else move
    assert next_move(_failures(causes), runs=1) == (alone, move == "give up")
    assert next_move(_failures(causes, "one place", "another"), runs=2) == (move, False)


def test_no_pack_is_tried_for_ever():
    for causes in product(get_args(Cause), repeat=3):
        tried = [" ".join(causes[:number]) for number in (1, 2, 3)]
        ends = [causes for causes in tried if causes in MOVES and MOVES[causes] != "again"]
        assert len(ends) == 1


def _failure(function, *arguments) -> Failure:
    with pytest.raises(Exception) as raised:  # noqa: PT011 (whatever it is)
        function(*arguments)
    return failure(raised.value)


def _raise(here: bool, message: str) -> None:
    if here:
        raise ValueError(message)
    raise ValueError(message)


def test_a_hash_is_of_a_place_and_not_of_a_message():
    one = _failure(_raise, True, "7 is too large")
    assert one.traceback_hash == _failure(_raise, True, "8 is too large").traceback_hash
    assert one.traceback_hash != _failure(_raise, False, "7 is too large").traceback_hash
    assert one.traceback_hash != _failure(lambda: _raise(True, "7 is too large")).traceback_hash
    assert (one.cause, one.error) == ("crashed", "ValueError: 7 is too large")


def test_an_error_in_a_target_is_told_in_a_sentence_and_placed_where_the_target_raised_it():
    one, same, other = (
        _failure(draw, pack(target, range(1))[0].task, 0)
        for target in ("broken", "broken", "broken_elsewhere")
    )
    assert one.traceback_hash == same.traceback_hash != other.traceback_hash
    assert one.error == (
        f"target {__name__}:broken, for x of shape (60, 2): OSError: there is no such file on "
        "this node"
    )
    assert 'broken\n    raise OSError("there is no such file' in one.traceback


def test_memory_that_is_not_there_is_known_by_all_its_names(here):
    task = pack("too_large_at_first", range(1))[0].task
    assert _failure(draw, task, 0).cause == "out_of_memory"
    for allocate in (bytes, np.empty, torch.empty):
        assert _failure(allocate, TOO_MUCH).cause == "out_of_memory"
        assert _failure(allocate, -1).cause == "crashed"


ALONE = """
question: Is it learnt?
tasks: [{target: mess3, context: 10, train_points: 600, validation_points: 10, test_points: 20}]
arms:
  mlp: {architecture: {family: transformer, layers: 2, width: 32, block: {family: mlp}}, recipe: adam}
recipes: {adam: {optimizer: {name: adam, batch_size: 512}, max_evaluations: 2}}
seeds: [0]
dtype: float32
"""


@pytest.mark.parametrize(
    ("old", "new", "threads"),
    [
        ("", "", 4),
        ("batch_size: 512", "batch_size: 8", 1),
        ("dtype: float32", "device: cuda", 1),
        ("dtype: float32", "grid: {recipes.adam.optimizer.batch_size: [256, 512]}", 1),
    ],
)
def test_a_plan_of_one_large_pack_gives_it_a_thread_of_each_worker(old, new, threads):
    assert (
        threads_of(
            make_plan(parse_experiment(ALONE.replace(old, new) if old else ALONE), "alone"), 4
        )
        == threads
    )


def test_the_record_of_a_lone_pack_names_its_threads(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("alone.yaml").write_text(ALONE, encoding="utf-8")
    done = CliRunner().invoke(main, ["run", "alone.yaml", "--workers", "2"])
    assert done.exit_code == 0, done.output
    (record,) = map(read_record, Path("results/runs").glob("*.json"))
    assert record.provenance.threads == 2


def test_each_slot_sees_one_gpu_of_those_that_are_visible(monkeypatch):
    for number, own in ((0, "2"), (1, "GPU-5"), (2, "2"), (5, "GPU-5")):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,GPU-5")
        slots.see_one_gpu(number)
        assert os.environ["CUDA_VISIBLE_DEVICES"] == own
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    number = torch.cuda.device_count()
    slots.see_one_gpu(number)
    assert os.environ.get("CUDA_VISIBLE_DEVICES") == ("0" if number else None)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.skipif(os.name != "posix", reason="sends signals to itself")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_in_a_destructor_ends_the_block_all_the_same(number):
    """Python drops what a destructor raises, so that a Ctrl-C that comes in one was lost and all
    runs were trained.
    """

    class Signals:
        def __del__(self):
            os.kill(os.getpid(), number)
            time.sleep(0)  # the handler has run by the end of this call

    said = []

    def train() -> None:
        with terminated_like_ctrl_c() as interrupted:
            said.append(interrupted())
            Signals()
            said.append(interrupted())

    with pytest.raises(KeyboardInterrupt):
        train()
    assert said == [False, True]
