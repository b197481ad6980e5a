"""From a pack of runs to their records.

An engine takes lanes, a recipe and a resumable state and returns state and outcomes (see `torch_engine`); this file
holds what is the same for every engine: the clock, the provenance, the publishing.
"""

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import torch

from harness import provenance
from harness.count import DEFAULT_WEIGHTS
from harness.record import Provenance, Record, publish
from harness.spec import RunSpec, run_id
from harness.train import torch_engine

# Evaluations between two words of progress.
CHUNK_EVALUATIONS = 20


def train_pack(
    runs: Sequence[RunSpec], records: Path, progress: Callable[[int], None] = lambda evaluations: None
) -> list[Record]:
    """Train `runs` (one computation, see `harness.plan`) as one ensemble and publish a record of each in `records`.

    `progress` hears how many of the planned evaluations a lane has behind it since it last heard.
    """
    started_at, clock, computing = datetime.now(UTC), time.perf_counter(), time.process_time()
    pack = torch_engine.prepare(runs)
    state = torch_engine.begin(pack)
    lanes = len(state.lanes)
    while not torch_engine.ended(pack, state):
        before = state
        state = torch_engine.advance(pack, state, CHUNK_EVALUATIONS)
        left = pack.stages[before.stage].evaluations - before.done  # a stage of which all lanes came to rest is over
        progress(left if state.stage > before.stage else state.done - before.done)
    outcomes = torch_engine.finish(pack, state)
    commit, dirty = provenance.commit_and_dirty()
    where = Provenance(
        commit=commit,
        dirty=dirty,
        versions=provenance.versions(),
        host=provenance.host(),
        device=provenance.processor(),
        instruction_set=torch.backends.cpu.get_cpu_capability(),
        threads=torch.get_num_threads(),
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
