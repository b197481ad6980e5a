"""From a pack of runs to their records.

An engine takes lanes, a recipe and a resumable state and returns state and outcomes (see `torch_engine`); this file
holds what is the same for every engine: the clock, one thread, the provenance, the publishing.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from harness import provenance
from harness.count import DEFAULT_WEIGHTS
from harness.errors import HarnessError
from harness.record import Provenance, Record, publish
from harness.spec import RunSpec, run_id
from harness.spec.nouns import Device, Engine
from harness.train import fused_engine, torch_engine
from harness.train.fused.compiled import processor_name
from harness.train.outcome import Outcome

ENGINES = {"fused": fused_engine, "torch": torch_engine}
# Seconds between two words of progress, at which Ctrl-C is heard too.
CHUNK_SECONDS = 0.2


def train_pack(
    runs: Sequence[RunSpec],
    records: Path,
    progress: Callable[[int], None] = lambda evaluations: None,
    device: Device = "cpu",
) -> list[Record]:
    """Train `runs` (one computation, see `harness.plan`) as one ensemble and publish a record of each in `records`.

    `progress` hears how many of the planned evaluations a lane has behind it since it last heard.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise HarnessError("device: cuda, but torch sees no GPU here; say device: cpu, or run where there is one")
    started_at, clock, computing = datetime.now(UTC), time.perf_counter(), time.process_time()
    with one_thread():
        outcomes, lanes = _train(ENGINES[runs[0].engine], runs, device, progress)
    code = provenance.code()
    where = Provenance(
        commit=code.commit,
        dirty=code.dirty,
        snapshot=code.snapshot,
        versions=provenance.versions(),
        host=provenance.host(),
        device=provenance.processor() if device == "cpu" else torch.cuda.get_device_name(),
        instruction_set=instruction_set(runs[0].engine),
        threads=1,
        started_at=started_at.isoformat(timespec="seconds"),
        pack_seconds=time.perf_counter() - clock,
        pack_cpu_seconds=time.process_time() - computing,
        pack_lanes=lanes,
    )
    found = [
        Record(run_id=run_id(run), run=run, provenance=where, weights=DEFAULT_WEIGHTS, **vars(outcome))
        for run, outcome in zip(runs, outcomes, strict=True)
    ]
    for record in found:
        publish(record, records)
    return found


@contextmanager
def one_thread() -> Iterator[None]:
    """Torch and its LAPACK take one thread: the bits of some sums hang on how many there are."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def instruction_set(engine: Engine) -> str:
    """What an engine's code is compiled for on this processor."""
    of_torch = torch.backends.cpu.get_cpu_capability()  # by which knots move in both engines
    return of_torch if engine == "torch" else f"{processor_name()}, {of_torch}"


def _train(
    engine: Any, runs: Sequence[RunSpec], device: Device, progress: Callable[[int], None]
) -> tuple[list[Outcome], int]:
    """The outcomes, and how many lanes there were at first; in chunks of about `CHUNK_SECONDS`."""
    pack = engine.prepare(runs, device)
    state = engine.begin(pack)
    lanes, chunk = len(state.lanes), 1
    while not engine.ended(pack, state):
        before, begun = state, time.perf_counter()
        state = engine.advance(pack, state, chunk)
        left = pack.stages[before.stage].evaluations - before.done  # a stage of which all lanes came to rest is over
        progress(left if state.stage > before.stage else state.done - before.done)
        # Twice or half as many at a time, at most: the first evaluation may also compile.
        share = CHUNK_SECONDS / max(time.perf_counter() - begun, 1e-9)
        chunk = max(1, round(chunk * min(max(share, 0.5), 2.0)))
    return engine.finish(pack, state), lanes
