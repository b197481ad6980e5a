"""Packs on this machine: one worker process a core, one thread a worker.

A worker publishes the records of a pack when the pack ends. Stopping loses at most the packs in progress.
"""

import multiprocessing
import os
import queue
import signal
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import HarnessError
from harness.files import is_writable, user_cache
from harness.spec import RunSpec
from harness.spec.nouns import Device

# Seconds between two looks at what the workers say.
POLL_SECONDS = 0.2
WORKER_DIED = "a worker process died (out of memory?); the records so far are kept: run again, with fewer --workers"


class PackDone(NamedTuple):
    """A pack that ended: its runs' statuses, its wall clock, or the traceback of the bug that ended it."""

    runs: tuple[RunSpec, ...]
    statuses: tuple[str, ...]
    seconds: float
    traceback: str | None


class Stopped(Exception):
    """The pack was told to stop; nothing of it is published."""


def available_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def train_here(
    packs: Sequence[tuple[RunSpec, ...]],
    records: Path,
    workers: int,
    progress: Callable[[int], None],
    announce: Callable[[str], None] = print,
    device: Device = "cpu",
) -> Iterator[PackDone]:
    """Train `packs`, yielding each as it ends; `progress` hears evaluations (of packs, summed) as they are made.

    A pack that crashes is yielded with its traceback and the others go on. A HarnessError ends all. `announce` hears
    when kernels must be compiled, and when that is done.
    """
    with _shared_cache() as kept, _pool(min(workers, len(packs))) as (executor, heard):
        fused = [runs[0] for runs in packs if runs[0].engine == "fused"]
        if fused:  # one process compiles, and the workers find what it has kept
            for message in _ready(executor, fused, kept):
                announce(message)
        with _deaf_to_ctrl_c():  # workers inherit it: Ctrl-C reaches them too, but it is the parent that decides
            waiting: dict[Future, tuple[RunSpec, ...]] = {
                executor.submit(_train, runs, str(records), device): runs for runs in packs
            }
        while waiting:
            ended, _ = wait(waiting, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
            progress(_drain(heard))
            for future in ended:
                runs = waiting.pop(future)
                yield _outcome(future, runs)


def _ready(executor: ProcessPoolExecutor, runs: Sequence[RunSpec], kept: str) -> Iterator[str]:
    """Have the kernels that `runs` need compiled; what to tell the user meanwhile."""
    one_each = list({(run.network.family, run.recipe.optimizer.name): run for run in runs}.values())
    with _deaf_to_ctrl_c():
        cold = executor.submit(_is_cold, one_each)
    try:
        if not cold.result():
            return
    except BrokenProcessPool:
        raise HarnessError(WORKER_DIED, exit_code=3) from None
    yield "fused engine: compiling its kernels for this processor, which takes half a minute or so"
    yield f"fused engine: compiled in {_compiled_apart(one_each):.0f} s{kept}"


def _compiled_apart(runs: Sequence[RunSpec]) -> float:
    """Compile in a process that can be ended at any moment, which a compiler in a worker cannot; the seconds."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    with _deaf_to_ctrl_c():
        process = context.Process(target=_compile, args=(runs, theirs))
        process.start()
    theirs.close()
    try:
        told = ours.recv()
    except EOFError:
        told = "its process died"
    finally:
        process.terminate()
        process.join()
    if isinstance(told, float):
        return told
    raise HarnessError(f"the fused engine's kernels could not be compiled ({told}); use engine: torch", exit_code=3)


@contextmanager
def _shared_cache() -> Iterator[str]:
    """All processes share a folder for kernels, also if the user's cannot be written; how what is compiled is kept."""
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


def _outcome(future: Future, runs: tuple[RunSpec, ...]) -> PackDone:
    try:
        statuses, seconds = future.result()
        return PackDone(runs, statuses, seconds, None)
    except HarnessError:
        raise
    except BrokenProcessPool:
        raise HarnessError(WORKER_DIED, exit_code=3) from None
    except Exception as error:  # a bug in a pack: no record, the other packs go on
        return PackDone(runs, (), 0.0, "".join(traceback.format_exception(error)))


# ------------------------------------------------------------------------------------------------------------ workers
@contextmanager
def _pool(workers: int) -> Iterator[tuple[ProcessPoolExecutor, Any]]:
    context = multiprocessing.get_context("spawn")
    heard, stop = context.Queue(), context.Event()
    executor = ProcessPoolExecutor(workers, mp_context=context, initializer=_begin_worker, initargs=(heard, stop))
    try:
        yield executor, heard
    finally:
        stop.set()
        with _deaf_to_ctrl_c():  # a second Ctrl-C would leave workers that nobody waits for
            executor.shutdown(wait=True, cancel_futures=True)


def terminated_like_ctrl_c() -> AbstractContextManager[None]:
    """SIGTERM, by which schedulers end a job, ends the block as Ctrl-C does, so that workers are ended too."""
    return _handling(signal.SIGTERM, signal.default_int_handler)


def _deaf_to_ctrl_c() -> AbstractContextManager[None]:
    return _handling(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _handling(number: int, handler: Any) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # only the main thread has a say in signals
        yield
        return
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def _begin_worker(heard: Any, stop: Any) -> None:
    def progress(evaluations: int) -> None:
        heard.put(evaluations)
        if stop.is_set():
            raise Stopped

    global _progress
    _progress = progress


def _is_cold(runs: Sequence[RunSpec]) -> bool:
    from harness.train import fused_engine

    return fused_engine.is_cold(runs)


def _compile(runs: Sequence[RunSpec], told: Any) -> None:
    try:
        from harness.train import fused_engine

        told.send(fused_engine.compile_for(runs))
    except Exception as error:
        told.send(f"{type(error).__name__}: {error}")


def _train(runs: tuple[RunSpec, ...], records: str, device: Device) -> tuple[tuple[str, ...], float]:
    from harness.train import train_pack

    done = train_pack(runs, Path(records), _progress, device)
    return tuple(record.status for record in done), done[0].provenance.pack_seconds


def _progress(evaluations: int) -> None:
    raise RuntimeError("worker not begun")


def _drain(heard: Any) -> int:
    total = 0
    while True:
        try:
            total += heard.get_nowait()
        except queue.Empty:
            return total
