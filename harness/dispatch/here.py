"""Packs on this machine: one worker process a slot, one thread a worker; a large pack that is a
whole plan has more.

A worker publishes the records of a pack when the pack ends. What is stopped or dies goes on from
its checkpoint.
"""

import os
import signal
import tempfile
import time
from collections import deque
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import connection
from typing import Any, Literal, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import is_writable, user_cache
from harness.base.user_code import handling
from harness.dispatch import slots
from harness.dispatch.slots import (
    Done,
    Evaluated,
    Failure,
    IsCold,
    PackedRuns,
    Saved,
    Slot,
    TrainingOrder,
)
from harness.planning.plan import planned_flops
from harness.record.store import record_path
from harness.spec.manifest import Manifest
from harness.spec.recipe import stages
from harness.spec.run import RunSpec, run_id

# Seconds between two looks at what the workers say.
POLL_SECONDS = 0.2
# Of an evaluation, about 10 ms: with less a thread waits for others longer than it computes.
FLOPS_OF_A_THREAD = 1e8

Move = Literal["again", "split", "give up"]


class Begun(NamedTuple):
    """A worker, whose process id this is, has got the pack."""

    pid: int


class Failed(NamedTuple):
    """An attempt at the pack has failed, and what comes of it.

    Quarantined: the same place in the code failed twice, or the worker ended twice without a
    traceback.
    """

    failure: Failure
    move: Move
    quarantined: bool


class Skipped(NamedTuple):
    """All runs of the pack had records, or were not wanted, when its turn came."""


TrainingEvent = Begun | Evaluated | Saved | Done | Failed | Skipped


class PackTask(NamedTuple):
    """A pack to train, and how the attempts at it have failed so far."""

    pack: PackedRuns
    failures: tuple[Failure, ...] = ()


class Worker(NamedTuple):
    """A process and what it trains, if anything."""

    slot: Slot
    task: PackTask | None = None


def threads_of(manifest: Manifest, workers: int) -> int:
    """Threads of each worker: one; of a plan that is a single large pack all, for the torch engine
    on a CPU.

    It hangs on the plan and not on what is left of it, as bits can hang on it.
    """
    run = manifest.runs[0].run
    if len(manifest.packs) > 1 or run.engine == "fused" or manifest.experiment.device != "cpu":
        return 1
    evaluations = sum(stage.evaluations for stage in stages(run.network, run.recipe))
    flops = len(manifest.packs[0]) * planned_flops(run)["flops_train.local_min"] / evaluations
    return max(1, min(workers, int(flops / FLOPS_OF_A_THREAD)))


def train_here(
    packs: Sequence[PackedRuns],
    order: TrainingOrder,
    workers: int,
    announce: Callable[[str], None] = print,
    stop: Callable[[], bool] = lambda: False,
    unwanted: Callable[[], Collection[str]] = tuple,
    compiled: Callable[[int, int], None] = lambda done, of: None,
) -> Generator[tuple[PackedRuns, TrainingEvent]]:
    """Train `packs`, yielding what happens to each when it happens; those that fail are retried by
    cause.

    Ends early when `stop` says so or when it is closed: workers save their checkpoints first. A
    HarnessError ends all, unless it is of a pack's target. Runs whose ids are `unwanted` when their
    pack's turn comes are left out. `announce` hears when kernels are to be compiled, when that is
    done, and what is wrong with checkpoints; `compiled`, several times a second, how many of them
    are done.
    """
    waiting = deque(PackTask(tuple(pack)) for pack in packs)
    numbers = range(min(workers, len(packs)))
    working: dict[int, Worker] = {}
    with _shared_cache() as kept:
        try:
            for number in numbers:
                working[number] = Worker(slots.start(number, order))
            if fused := [pack[0] for pack in packs if pack[0].engine == "fused"]:
                _make_ready(working[0].slot, fused, len(numbers), kept, announce, stop, compiled)
            while not stop() and (waiting or any(worker.task for worker in working.values())):
                for number in numbers:
                    yield from _hand_out(number, working, waiting, order, unwanted)
                connection.wait(
                    [worker.slot.pipe for worker in working.values()], timeout=POLL_SECONDS
                )
                for number in list(working):
                    yield from _listen(number, working, waiting, announce)
        finally:
            last_words = slots.stop([worker.slot for worker in working.values()])
        for worker, heard in zip(working.values(), last_words, strict=True):
            for message in heard:
                match message:
                    case str(text):
                        announce(text)
                    case Evaluated() | Saved() | Done() if worker.task:
                        yield worker.task.pack, message


def next_move(failures: Sequence[Failure], runs: int) -> tuple[Move, bool]:
    """What to do with a pack of so many runs after these failures, and whether it is quarantined.

    One that is killed twice is taken for one that needs too much memory; one that crashes is tried
    once more.
    """
    last, causes = failures[-1], [failure.cause for failure in failures]
    if last.cause == "out_of_memory" or causes.count("killed") > 1:
        return ("split" if runs > 1 else "give up"), False
    if causes.count("crashed") > 1:
        return "give up", any(
            failure.traceback_hash == last.traceback_hash for failure in failures[:-1]
        )
    return "again", False


def _hand_out(
    number: int,
    working: dict[int, Worker],
    waiting: deque[PackTask],
    order: TrainingOrder,
    unwanted: Callable[[], Collection[str]],
) -> Iterator[tuple[PackedRuns, TrainingEvent]]:
    """Give the worker of this number a pack if it has none, and a process before if that has
    died.
    """
    while waiting and not (number in working and working[number].task):
        task, left_out = waiting.popleft(), unwanted()
        if (
            left_out
        ):  # a task of which all runs are wanted stays the same, so that its checkpoint is found
            task = task._replace(
                pack=tuple(run for run in task.pack if run_id(run) not in left_out)
            )
        if all(record_path(order.records, run_id(run)).exists() for run in task.pack):
            yield task.pack, Skipped()
            continue
        slot = working[number].slot if number in working else slots.start(number, order)
        working[number] = Worker(slot, task)
        slots.send(slot, task.pack)
        yield task.pack, Begun(slot.process.pid)


def _listen(
    number: int,
    working: dict[int, Worker],
    waiting: deque[PackTask],
    announce: Callable[[str], None],
) -> Iterator[tuple[PackedRuns, TrainingEvent]]:
    """What a worker says; one that has failed or died is taken off, and its pack goes where its
    failures lead.
    """
    slot, task = working[number]
    heard, alive = slots.messages(slot)
    failure = None
    for message in heard:
        match message:
            case str(text):
                announce(text)
            case HarnessError():
                raise message
            case Failure():
                failure = message
            case _ if task:
                yield task.pack, message
        if isinstance(message, Done):
            working[number] = Worker(slot)
            task = None
    if failure is None and alive:
        return
    working.pop(number)
    if failure:
        slots.kill(slot)
    else:
        failure = slots.death(slot)
    if task:
        failures = (*task.failures, failure)
        move, quarantined = next_move(failures, len(task.pack))
        middle = len(task.pack) // 2
        halves = [PackTask(task.pack[:middle]), PackTask(task.pack[middle:])]
        waiting += {"again": [PackTask(task.pack, failures)], "split": halves, "give up": []}[move]
        yield task.pack, Failed(failure, move, quarantined)


# --------------------------------------------------------------------------------------------------
# compilation
def _make_ready(
    slot: Slot,
    runs: Sequence[RunSpec],
    at_once: int,
    kept: str,
    announce: Callable[[str], None],
    stop: Callable[[], bool],
    compiled: Callable[[int, int], None],
) -> None:
    """Have the kernels that `runs` need compiled, `at_once` side by side.

    Whoever trains loads what others compiled: the last bits of a kernel hang on which of the two a
    process did.
    """
    one_each = tuple(
        {(run.network.kernels, run.recipe.optimizer.name): run for run in runs}.values()
    )
    slots.send(slot, IsCold(one_each))
    answers, alive = slots.messages(slot)
    while alive and not answers and not stop():
        connection.wait([slot.pipe], timeout=POLL_SECONDS)
        answers, alive = slots.messages(slot)
    if not any(answers):  # also if it died, which is seen when it gets a pack
        return
    began = time.monotonic()
    waiting = _compilations(one_each)
    total = len(waiting)
    compiling: list[Slot] = []
    names = ", ".join(unit.words for unit in waiting)
    announce(f"fused engine: compiling kernels for this processor, once: {names}")
    try:
        while (waiting or compiling) and not stop():
            while waiting and len(compiling) < at_once:
                compiling.append(slots.start_compiling(waiting.popleft()))
            connection.wait([compiler.pipe for compiler in compiling], timeout=POLL_SECONDS)
            for compiler in list(compiling):
                if _has_compiled(compiler):
                    compiling.remove(compiler)
            compiled(total - len(waiting) - len(compiling), total)
    finally:
        for compiler in compiling:
            slots.kill(compiler)
    if not stop():
        announce(f"fused engine: compiled in {time.monotonic() - began:.0f} s{kept}")


def _compilations(runs: Sequence[RunSpec]) -> deque[slots.Compilation]:
    """What is compiled by a process of its own: each module of kernels, and with the last of them
    all loops.

    What takes longest comes first: the module with the loops, then the kernels of KANs. Loops are
    compiled by one process: they have a part in common, whose last bits would else hang on who
    comes first.
    """
    *modules, last = sorted({run.network.kernels for run in runs})
    loops = tuple({run.recipe.optimizer.name: run for run in runs}.values())
    return deque(
        [slots.Compilation(last, loops), *(slots.Compilation(module, ()) for module in modules)]
    )


def _has_compiled(slot: Slot) -> bool:
    """Whether the process is done, which then is no more; a HarnessError if it failed."""
    heard, alive = slots.messages(slot)
    if alive and not heard:
        return False
    ended = slots.kill(slot)
    why = heard[0] if heard else f"its process died, {ended}"
    if why is not None:
        raise HarnessError(
            f"the fused engine's kernels could not be compiled ({why}); use engine: torch",
            INCOMPLETE,
        )
    return True


@contextmanager
def _shared_cache() -> Iterator[str]:
    """All processes share a folder for kernels, also if the user's cannot be written; how what is
    compiled is kept.
    """
    folder_of_user, before = user_cache(), os.environ.get("HARNESS_CACHE")
    if is_writable(folder_of_user):
        yield " and kept"
        return
    with tempfile.TemporaryDirectory(prefix="harness-") as folder:
        os.environ["HARNESS_CACHE"] = folder  # which processes inherit that are started now
        try:
            yield f", not kept: {folder_of_user} cannot be written"
        finally:
            os.environ.pop("HARNESS_CACHE")
            if before is not None:
                os.environ["HARNESS_CACHE"] = before


# --------------------------------------------------------------------------------------------------
# signals
@contextmanager
def terminated_like_ctrl_c() -> Iterator[Callable[[], bool]]:
    """SIGTERM, by which schedulers end a job, ends the block as Ctrl-C does, so that workers save
    what they have.

    The first of such signals does; a second Ctrl-C would leave workers that nobody waits for.
    Python drops an exception that a signal raises inside a destructor or a weak reference's
    callback, so the block also gets a function that says whether a signal came, and raises at its
    end if one did.
    """
    heard: list[int] = []
    at_ctrl_c = signal.getsignal(signal.SIGINT)

    def end(number: int, frame: Any) -> None:
        heard.append(number)
        if len(heard) == 1 and callable(at_ctrl_c):
            at_ctrl_c(number, frame)
        if len(heard) == 1:
            raise KeyboardInterrupt

    with handling((signal.SIGTERM, signal.SIGINT), end):
        yield lambda: bool(heard)
        if heard:
            raise KeyboardInterrupt
