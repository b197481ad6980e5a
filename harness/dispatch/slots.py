"""Processes that train packs, one a slot, each with a pipe of its own.

Signals are for the parent alone. A process stops its pack, its checkpoint saved, when it hears
anything while it trains or when its parent has died; after a failure it is not used again.
"""

import hashlib
import multiprocessing
import os
import signal
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection, resource_tracker
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.base.allocator import keep_freed_memory
from harness.base.errors import HarnessError, UserCodeError
from harness.base.user_code import without_main
from harness.dispatch.snapshot import Origin, check_code, check_origin, origin
from harness.dispatch.submission import named_code
from harness.spec.run import Device, RunSpec

PackedRuns = tuple[RunSpec, ...]
Cause = Literal["crashed", "out_of_memory", "killed"]
# Seconds that a process has to save its checkpoint and end; and to end when it has closed its pipe.
GRACE_SECONDS = 30.0
EXIT_SECONDS = 5.0
WORKER_DIED = (
    "a worker process died (out of memory?); its pack is kept: run again, with fewer --workers"
)
WORKER_ENDED = "a worker process ended by itself; what it printed says why"
DEAF_TO = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR2") if hasattr(signal, name)
]
SPAWN = multiprocessing.get_context("spawn")
STOP = "stop"


# --------------------------------------------------------------------------------------------------
# what is said A process also sends text, which the user should read, and a HarnessError that
# concerns more than its pack.
class Evaluated(NamedTuple):
    """How many of the planned evaluations every lane of the pack has behind it."""

    evaluations: int


class Saved(NamedTuple):
    """A checkpoint was written, with so many evaluations behind."""

    evaluations: int


class Done(NamedTuple):
    """All runs of the pack have records: the statuses of those that it trained, and its seconds
    over all attempts.
    """

    statuses: tuple[str, ...]
    seconds: float


class Failure(NamedTuple):
    """Why an attempt at a pack ended without records: `error` in words; traceback and the hash of
    its place if any.
    """

    cause: Cause
    error: str
    traceback: str = ""
    traceback_hash: str | None = None


class IsCold(NamedTuple):
    """Asks whether kernels for these runs must be compiled; answered by a bool."""

    runs: tuple[RunSpec, ...]


class Compilation(NamedTuple):
    """What one process compiles: a module of kernels, and the loops of the optimisers of some
    runs.
    """

    module: str
    runs: tuple[RunSpec, ...]

    @property
    def words(self) -> str:
        """What it is, in words."""
        return " with ".join([self.module, *(run.recipe.optimizer.name for run in self.runs)])


class TrainingOrder(NamedTuple):
    """What all packs have in common: folders, where checkpoints and networks are only kept if
    theirs are given.

    `code` is the snapshot that a job was sent off with.
    """

    records: Path
    checkpoints: Path | None = None
    device: Device = "cpu"
    attempt: str | None = None
    checkpoint_seconds: float = 60.0
    networks: Path | None = None
    snapshots: int = 0
    threads: int = 1
    code: Path | None = None


# --------------------------------------------------------------------------------------------------
# this process
class Slot(NamedTuple):
    """A process and this end of its pipe."""

    process: Any
    pipe: Any


def start(number: int, order: TrainingOrder) -> Slot:
    """A process that trains what is sent to it; with device cuda on GPU `number` of those that are
    visible.
    """
    return _started(_serve, os.getpid(), number, order, origin())


def start_compiling(unit: Compilation) -> Slot:
    """A process that compiles and then says None, or in words why not; unlike a compiler it can be
    killed.
    """
    return _started(_compile, unit)


def messages(slot: Slot) -> tuple[list[Any], bool]:
    """What the process has said since, and whether it lives. Never waits."""
    alive, heard = slot.process.is_alive(), []
    try:
        while slot.pipe.poll():
            heard.append(slot.pipe.recv())
    except (EOFError, OSError):  # it died, in the middle of a word perhaps
        alive = False
    return heard, alive


def send(slot: Slot, message: Any) -> None:
    """Send it a message. A process that has died does not get it, which `messages` shows."""
    with suppress(OSError):
        slot.pipe.send(message)


def kill(slot: Slot) -> str:
    """End it at once if it lives; in words how it ended."""
    slot.process.join(0.1)
    slot.process.kill()
    slot.process.join()
    slot.pipe.close()
    code = slot.process.exitcode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def death(slot: Slot) -> Failure:
    """Of a process that said no word before: killed, as where memory is short, or crashed if it
    ended by itself.
    """
    slot.process.join(EXIT_SECONDS)
    ended = kill(slot)
    if slot.process.exitcode < 0:
        return Failure("killed", f"{WORKER_DIED} ({ended})")
    return Failure("crashed", f"{WORKER_ENDED} ({ended})")


def stop(slots: list[Slot]) -> list[list[Any]]:
    """Have all processes save their checkpoints and end, or kill them after GRACE_SECONDS; what
    each still says.
    """
    deadline = time.monotonic() + GRACE_SECONDS
    heard: list[list[Any]] = [[] for _ in slots]
    for slot in slots:
        send(slot, STOP)
    running = set(range(len(slots)))
    while running and time.monotonic() < deadline:
        connection.wait([slots[index].pipe for index in running], timeout=0.1)
        for index in list(running):
            words, alive = messages(slots[index])
            heard[index] += words
            if not alive:
                running.remove(index)
    for slot in slots:
        kill(slot)
    return heard


def _started(target: Any, *arguments: Any) -> Slot:
    ours, theirs = SPAWN.Pipe()
    process = SPAWN.Process(target=target, args=(theirs, *arguments))
    with _signals_later(), without_main():  # a process is deaf before its first line
        process.start()
    theirs.close()
    return Slot(process, ours)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Signals wait until the block ends; for ever in processes that it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # its start would let them through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, DEAF_TO)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


# --------------------------------------------------------------------------------------------------
# the other process
def _serve(pipe: Any, parent: int, number: int, order: TrainingOrder, of_parent: Origin) -> None:
    for deaf_to in DEAF_TO:
        signal.signal(deaf_to, signal.SIG_IGN)
    training = threading.Lock()
    _end_with_parent(training)
    with suppress(OSError):  # stderr is closed
        os.dup2(2, 1)  # only the user's code prints here
    keep_freed_memory()
    if order.device == "cuda":
        see_one_gpu(number)
    # On a core that is busy otherwise, threads that spin while they wait took a step three times as
    # long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    from harness.train import fused_engine  # takes seconds, in all processes at once

    with suppress(EOFError, OSError):  # the parent has gone
        while (request := pipe.recv()) != STOP:
            with training:
                answer: Any = _other_code(request, order, of_parent)
                if answer is None:
                    is_question = isinstance(request, IsCold)
                    answer = (
                        fused_engine.is_cold(request.runs)
                        if is_question
                        else _train(request, order, pipe, parent)
                    )
            if answer is None:
                break
            pipe.send(answer)
            if isinstance(answer, Failure | HarnessError):
                break
    os._exit(0)  # threads that the user's code has left may never end


def _other_code(
    request: IsCold | PackedRuns, order: TrainingOrder, of_parent: Origin
) -> HarnessError | None:
    """What is wrong with the code that this process would train by: it must be that of its parent,
    and of the job.
    """
    try:
        check_origin(of_parent)
        if order.code:
            check_code(
                order.code, named_code(request.runs if isinstance(request, IsCold) else request)
            )
    except HarnessError as error:
        return error
    return None


def see_one_gpu(number: int) -> None:
    """Let this process see one GPU of those that are visible; slots share them where there are more
    slots.
    """
    import torch

    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    names = (
        visible.split(",")
        if visible
        else [str(index) for index in range(torch.cuda.device_count())]
    )
    if names:  # else there is none, which is said when a pack comes
        os.environ["CUDA_VISIBLE_DEVICES"] = names[
            number % len(names)
        ]  # which CUDA reads when it is first used


def _compile(pipe: Any, unit: Compilation) -> None:
    _end_with_parent(threading.Lock())
    failed = None
    try:
        from harness.train import fused_engine

        fused_engine.compile_for(unit.module, unit.runs)
    except Exception as error:
        failed = f"{type(error).__name__}: {error}"
    with suppress(OSError):  # the parent has gone
        pipe.send(failed)


def _end_with_parent(training: threading.Lock) -> None:
    """Have this process end when its parent has: at once, or while it trains as soon as its
    checkpoint is saved.

    It gets no more than GRACE_SECONDS for that, however long an evaluation takes.
    """
    parent = multiprocessing.parent_process()
    assert parent is not None

    def end() -> None:
        parent.join()
        training.acquire(timeout=GRACE_SECONDS)
        os._exit(1)

    threading.Thread(target=end, daemon=True).start()


def _train(
    runs: PackedRuns, order: TrainingOrder, pipe: Any, parent: int
) -> Done | Failure | HarnessError | None:
    """None if it was stopped."""
    from harness.tasks import TargetError
    from harness.train import PackStopped, Supervisor, train_pack

    reached: list[int] = []  # evaluations: where training began, then after each step of it

    def progress(evaluations: int) -> None:
        reached.append(evaluations)
        tell(Evaluated(evaluations))

    def tell(message: Evaluated | Saved | str) -> None:
        with suppress(OSError):  # the parent has gone, which is seen below
            pipe.send(message)

    supervisor = Supervisor(
        progress=progress,
        saved=lambda evaluations: tell(Saved(evaluations)),
        announce=tell,
        stop=lambda: os.getppid() != parent or pipe.poll(),
        checkpoint_seconds=order.checkpoint_seconds,
    )
    try:
        records = train_pack(
            runs,
            order.records,
            order.device,
            supervisor,
            checkpoints=order.checkpoints,
            attempt=order.attempt,
            networks=order.networks,
            snapshots=order.snapshots,
            threads=order.threads,
        )
    except PackStopped:
        return None
    except HarnessError as error:
        return failure(error) if isinstance(error, TargetError | UserCodeError) else error
    except (
        BaseException
    ) as error:  # a bug in a pack, or the user's code raises SystemExit: the other packs go on
        return (
            failure(error) if len(reached) > 1 else _without_checkpoint(failure(error), runs, order)
        )
    seconds = records[0].provenance.pack_seconds if records else 0.0
    return Done(tuple(record.status for record in records), seconds)


def _without_checkpoint(failed: Failure, runs: PackedRuns, order: TrainingOrder) -> Failure:
    """A pack that crashed before its first new evaluation: its checkpoint may be why, so the next
    attempt has none.
    """
    from harness.spec.run import run_id
    from harness.train.checkpoint import checkpoint_path, set_aside

    file = (
        checkpoint_path(order.checkpoints, [run_id(run) for run in runs])
        if order.checkpoints
        else None
    )
    if failed.cause != "crashed" or file is None or not file.exists():
        return failed
    return failed._replace(
        error=f"{failed.error}; it did not go on from {file}, which {set_aside(file)}"
    )


def failure(error: BaseException) -> Failure:
    """Its cause, its traceback, and 12 hex digits over its type and where it was raised: no
    message, no folders.

    An error that was raised from another one is of the other's cause and place too.
    """
    chain = [error]
    while (origin := chain[-1].__cause__) is not None:
        chain.append(origin)
    places = []
    for raised in chain:
        for frame in traceback.extract_tb(raised.__traceback__):
            places.append(
                f"{type(raised).__name__}:{Path(frame.filename).name}:{frame.name}:{frame.lineno}"
            )
    digest = hashlib.sha256("\n".join(places).encode()).hexdigest()[:12]
    cause: Cause = "out_of_memory" if any(map(_is_out_of_memory, chain)) else "crashed"
    return Failure(cause, in_words(error), "".join(traceback.format_exception(error)), digest)


def in_words(error: BaseException) -> str:
    """What went wrong, as one is told: a HarnessError is a sentence, others need their type."""
    if isinstance(error, HarnessError):
        return str(error)
    words = f"{type(error).__name__}: {error}"
    return (
        words
        if isinstance(error, Exception)
        else f"code of a task or network tried to end the process ({words})"
    )


def _is_out_of_memory(error: BaseException) -> bool:
    """On CPUs torch says so in words only."""
    import torch

    words = isinstance(error, RuntimeError) and "can't allocate memory" in str(error)
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or words
