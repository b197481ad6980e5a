"""Records mirrored to wandb, for those who look at their runs there. Files are the truth, and nothing is read back.

Only finished records are mirrored, by a process of their own: training neither waits for wandb nor fails with it. What
that process takes from the environment is who the user is and where the server: no other WANDB_* variable counts.
"""

import importlib.util
import itertools
import multiprocessing
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file
from harness.base.frozen import Frozen
from harness.dispatch.jobs import RunIds
from harness.record import Record, missing, read_record, record_path
from harness.spec import Manifest, RunSpec
from harness.spec.identity import pack_key

CONNECT_SECONDS = 30.0  # after which a server is taken for unreachable
WAIT_SECONDS = 60.0  # at the end of a job, for what wandb has not got yet
PARENT_SECONDS = 2.0  # between two looks at whether there is still somebody to mirror for
LARGEST_BATCH = {"online": 1, "offline": 50}  # a batch of offline runs waits for wandb's service once
USER_AND_SERVER = (
    "WANDB_API_KEY",
    "WANDB_IDENTITY_TOKEN_FILE",
    "WANDB_CREDENTIALS_FILE",
    "WANDB_BASE_URL",
    "WANDB_APP_URL",
    "WANDB_INSECURE_DISABLE_SSL",
    "WANDB_CONFIG_DIR",
    "WANDB_CACHE_DIR",
    "WANDB_DATA_DIR",
)


class Mirror(Frozen):
    """How records are mirrored to wandb: `per` says what one of its runs is."""

    mode: Literal["online", "offline"]
    per: Literal["run", "pack"] = "run"
    project: str = "harness"
    entity: str | None = None


class WandbRun(NamedTuple):
    """All that wandb is told of a run, or of a pack. `history` has one row a point of the learning curves."""

    id: str
    name: str
    group: str
    started_at: datetime
    config: dict[str, Any]
    history: tuple[dict[str, float], ...]
    summary: dict[str, Any]


# ------------------------------------------------------------------------------------------------------ what is logged
def of_run(record: Record, experiment: str) -> WandbRun:
    """What is logged of a run; counts are nested, which wandb shows as `params.trainable`."""
    return WandbRun(
        id=record.run_id,
        name=f"{_network_words(record.run)} seed {record.run.seed}",
        group=experiment,
        started_at=_started_at(record),
        config=record.run.model_dump(mode="json"),
        history=tuple({"evaluations": evaluations} | errors for evaluations, errors in _curve(record)),
        summary=_summary(record),
    )


def of_pack(records: Sequence[Record], experiment: str) -> WandbRun:
    """What is logged of a pack: its runs' curves in one history, as `train_rmse/<run id>`.

    Config and summary have under `runs` what is each run's own, and the summary how many ended how.
    """
    ids = [record.run_id for record in records]
    shared, own = _shared_and_own([record.run.model_dump(mode="json") for record in records])
    statuses = [record.status for record in records]
    rows: dict[int, dict[str, float]] = {}
    for record in records:
        for evaluations, errors in _curve(record):
            row = rows.setdefault(evaluations, {"evaluations": evaluations})
            row |= {f"{name}/{record.run_id}": error for name, error in errors.items()}
    return WandbRun(
        id=pack_key(ids),
        name=f"{_network_words(records[0].run)}, {len(ids)} runs",
        group=experiment,
        started_at=_started_at(records[0]),
        config=shared | {"runs": dict(zip(ids, own, strict=True))},
        history=tuple(rows[evaluations] for evaluations in sorted(rows)),
        summary={status: statuses.count(status) for status in ("done", "diverged")}
        | {"runs": {record.run_id: _summary(record) for record in records}},
    )


def _network_words(run: RunSpec) -> str:
    shape = "-".join(map(str, run.network.shape))
    grid = getattr(run.network, "grid", None)
    return f"{run.task.target} {run.network.family} {shape}" + (f" G={grid}" if grid else "")


def _started_at(record: Record) -> datetime:
    return datetime.fromisoformat(record.provenance.started_at)


def _curve(record: Record) -> Iterator[tuple[int, dict[str, float]]]:
    """The errors that are numbers, by evaluations."""
    for point in record.curve:
        errors = point.model_dump(exclude={"evaluations"}, exclude_none=True)
        yield point.evaluations, errors


def _summary(record: Record) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    for name, count in record.counts.items():
        axis, _, convention = name.partition(".")
        counts.setdefault(axis, {})[convention] = count
    diverged = {} if record.diverged_at is None else {"diverged_at": record.diverged_at}
    return {
        "status": record.status,
        **(record.metrics.model_dump() if record.metrics else {}),
        **diverged,
        "evaluations": record.evaluations,
        "evaluations_by_stage": [made for made, _ in record.by_stage],
        "iterations": record.iterations,
        "refused_steps": record.refused_steps,
        **counts,
    }


def _shared_and_own(configs: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The fields that all configs have alike, and of each what is left."""
    shared: dict[str, Any] = {}
    own: list[dict[str, Any]] = [{} for _ in configs]
    for name in configs[0]:
        values = [config[name] for config in configs]
        if all(value == values[0] for value in values):
            shared[name] = values[0]
            continue
        parts: Sequence[Any] = values
        if all(isinstance(value, dict) for value in values):
            shared[name], parts = _shared_and_own(values)
        for mine, part in zip(own, parts, strict=True):
            mine[name] = part
    return shared, own


# ------------------------------------------------------------------------------------------------------ through wandb
def check_wandb(mode: Literal["online", "offline"]) -> None:
    """A HarnessError if wandb is not installed, or has no API key to go online with; nothing is asked of its server."""
    if importlib.util.find_spec("wandb") is None:
        raise HarnessError(f"wandb: {mode}: it is not installed; `pip install wandb`, or go without")
    if mode == "offline":
        return
    # It would ask for a key where there is a terminal. Its end is not waited for: wandb 0.31 was seen to hang there.
    code = "import os, wandb; os._exit(not wandb.login(verify=False))"
    done = subprocess.run(
        [sys.executable, "-c", code], env=_environment(), stdin=subprocess.DEVNULL, capture_output=True, check=False
    )
    if done.returncode:
        raise HarnessError(
            "wandb: online: there is no API key; `wandb login` or WANDB_API_KEY give one, or say offline, which "
            "`wandb sync` uploads at any time"
        )


def send(wandb_runs: Sequence[WandbRun], mirror: Mirror, folder: Path) -> dict[str, str]:
    """Log them through wandb; by their ids, why some could not be. Sent a second time they change nothing.

    Offline, each becomes one file in `folder`, where `wandb sync` finds it: whole, or not at all.
    """
    failures: dict[str, str] = {}
    files: dict[str, Path] = {}
    paths = {wandb_run.id: offline_path(folder, wandb_run) for wandb_run in wandb_runs}
    with tempfile.TemporaryDirectory(prefix="harness-wandb-", ignore_cleanup_errors=True) as scratch:
        for wandb_run in wandb_runs:
            if mirror.mode == "online" or not paths[wandb_run.id].exists():
                with _noting(failures, wandb_run.id):
                    files[wandb_run.id] = _log(wandb_run, mirror, Path(scratch))
        if mirror.mode == "offline" and files:
            _finish_files()
            for identity, file in files.items():
                with _noting(failures, identity):
                    paths[identity].parent.mkdir(parents=True, exist_ok=True)
                    with whole_file(paths[identity]) as temporary:
                        shutil.copyfile(file, temporary)
    return failures


def _log(wandb_run: WandbRun, mirror: Mirror, scratch: Path) -> Path:
    """Make it a run of wandb's; the file that has it once `_finish_files` has returned."""
    import wandb

    run = wandb.init(
        project=mirror.project,
        entity=mirror.entity,
        group=wandb_run.group,
        id=wandb_run.id,
        name=wandb_run.name,
        config=wandb_run.config,
        resume="allow" if mirror.mode == "online" else None,
        settings=wandb.Settings(
            mode=mirror.mode,
            root_dir=str(scratch),
            init_timeout=CONNECT_SECONDS,
            silent=True,
            console="off",
            save_code=False,
            disable_git=True,
            x_disable_meta=True,
            x_disable_stats=True,
            x_save_requirements=False,
        ),
    )
    # The summary is the record's, not the last point of a curve: a diverged run has no error.
    run.define_metric("evaluations", summary="none")
    names = dict.fromkeys(itertools.chain.from_iterable(wandb_run.history))
    for name in names:
        if name != "evaluations":
            run.define_metric(name, step_metric="evaluations", summary="none")
    for row in wandb_run.history[run.starting_step :]:  # one that was begun before has its first rows
        run.log(row)
    run.summary.update(wandb_run.summary)
    run.finish()
    return Path(run.settings.sync_file)


def _finish_files() -> None:
    """Wait for wandb's service, which is still writing when a run has finished."""
    import wandb

    wandb.teardown()


@contextmanager
def _noting(failures: dict[str, str], identity: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # wandb raises what it likes
        failures[identity] = " ".join(f"{type(error).__name__}: {error}".split())


def offline_path(folder: Path, wandb_run: WandbRun) -> Path:
    """The file of an offline run."""
    return folder / f"offline-run-{wandb_run.started_at:%Y%m%d_%H%M%S}-{wandb_run.id}" / f"run-{wandb_run.id}.wandb"


# ------------------------------------------------------------------------------------------------- a process of its own
class MirrorProcess:
    """The process that mirrors, as the one that trains has it: only `end` takes time, and no failure is raised.

    `records` is where the records are, `folder` where offline runs go. `announce` hears of the first failure, and at
    the end of what is not mirrored. `told` and `mirrored` count runs of wandb's.
    """

    def __init__(
        self, mirror: Mirror, experiment: str, records: Path, folder: Path, announce: Callable[[str], None] = print
    ):
        self.told = self.mirrored = self._heard = 0
        self.failure: str | None = None
        self._per, self._announce = mirror.per, announce
        context = multiprocessing.get_context("spawn")
        self._asked = context.Queue()  # which can always be put into, unlike a pipe
        self._answers, theirs = context.Pipe(duplex=False)
        arguments = (self._asked, theirs, mirror, experiment, records, folder)
        self._process = context.Process(target=_mirror, args=arguments, daemon=True)
        self._process.start()
        theirs.close()

    def tell(self, pack: Sequence[str]) -> None:
        """Have a pack mirrored, given by its runs' ids, of which the records are published."""
        for runs in [tuple(pack)] if self._per == "pack" else [(run,) for run in pack]:
            self._asked.put(runs)
            self.told += 1
        while self.hear(0.0):
            pass

    def hear(self, wait_seconds: float | None = None) -> bool:
        """Whether an answer came within that time, to which it then listens; at once False if none is due."""
        if self._heard == self.told or not self._answers.poll(wait_seconds):
            return False
        try:
            failure = self._answers.recv()
        except (EOFError, OSError):
            failure = "the process that mirrors has died"
        self._heard += 1
        if failure is None:
            self.mirrored += 1
        elif self.failure is None:
            self.failure = failure
            self._announce(f"wandb: {failure}; this is said once, and training goes on")
        return True

    def end(self, wait_seconds: float = WAIT_SECONDS) -> None:
        """Give it so long for what is left, then end it as it is."""
        deadline = time.monotonic() + wait_seconds
        self._asked.put(None)
        while self.hear(max(deadline - time.monotonic(), 0.0)):
            pass
        self._process.join(max(deadline - time.monotonic(), 0.0))
        self._process.kill()
        self._process.join()
        self._asked.cancel_join_thread()  # nobody is there to read what is left
        if left := self.told - self.mirrored:
            self._announce(f"wandb: {left} of {self.told} not mirrored; `harness export-wandb` can do it at any time")


@contextmanager
def mirroring(
    mirror: Mirror | None, experiment: str, records: Path, folder: Path, announce: Callable[[str], None] = print
) -> Iterator[Callable[[Sequence[str]], None]]:
    """What is to be told of each pack whose records are published: mirrored while the block lasts, if at all."""
    if mirror is None:
        yield lambda pack: None
        return
    try:
        process = MirrorProcess(mirror, experiment, records, folder, announce)
    except OSError as error:
        announce(f"wandb: {error.strerror}; nothing is mirrored, and training goes on")
        yield lambda pack: None
        return
    try:
        yield process.tell
    finally:
        process.end()


class Exported(NamedTuple):
    """How many runs of wandb's there are now, and how many runs have no part in them for want of records."""

    mirrored: int
    left_out: int


def export(
    manifest: Manifest, mirror: Mirror, records: Path, folder: Path, progress: Callable[[int, int], None]
) -> Exported:
    """Mirror all finished runs of a plan, or all its packs of finished runs; what is mirrored already stays as it is.

    `progress` hears how many of how many there are. A HarnessError ends it where the first one fails.
    """
    absent = set(missing(manifest, records))
    packs = [tuple(run for run in pack if run not in absent) for pack in manifest.packs]
    if mirror.per == "pack":
        packs = [pack for pack, planned in zip(packs, manifest.packs, strict=True) if pack == planned]
    process = MirrorProcess(mirror, manifest.name, records, folder, announce=lambda text: None)
    try:
        for pack in packs:
            process.tell(pack)
        while not process.failure and process.hear():
            progress(process.mirrored, process.told)
    finally:
        process.end(WAIT_SECONDS if process.mirrored == process.told else 0.0)
    if process.failure:
        raise HarnessError(
            f"wandb: {process.failure}; {process.mirrored} of {process.told} are mirrored; run it again to go on",
            INCOMPLETE,
        )
    return Exported(process.mirrored, len(manifest.run_ids()) - sum(map(len, packs)))


def _mirror(asked: Any, answers: Any, mirror: Mirror, experiment: str, records: Path, folder: Path) -> None:
    """What the process does: it mirrors what it is asked to until it is told to end, or its parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2):  # the parent decides
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):  # wandb has a service, which inherits them
        os.dup2(nowhere, stream)
    environment = _environment()
    os.environ.clear()
    os.environ.update(environment)
    for batch in _batches(asked, LARGEST_BATCH[mirror.mode]):
        for failure in _mirror_batch(batch, mirror, experiment, records, folder):
            answers.send(failure)


def _mirror_batch(
    batch: Sequence[RunIds], mirror: Mirror, experiment: str, records: Path, folder: Path
) -> list[str | None]:
    failures: dict[str, str] = {}
    wandb_runs = []
    ids = [pack_key(runs) if mirror.per == "pack" else runs[0] for runs in batch]
    for identity, runs in zip(ids, batch, strict=True):
        with _noting(failures, identity):
            found = [read_record(record_path(records, run)) for run in runs]
            wandb_runs.append(of_pack(found, experiment) if mirror.per == "pack" else of_run(found[0], experiment))
    failures |= send(wandb_runs, mirror, folder)
    return [failures.get(identity) for identity in ids]


def _batches(asked: Any, largest: int) -> Iterator[list[RunIds]]:
    """What is waiting to be mirrored, until the end is said."""
    ended = False
    while not ended:
        batch = [_next(asked)]
        while len(batch) < largest and not asked.empty():
            batch.append(_next(asked))
        ended = None in batch
        yield [runs for runs in batch if runs]


def _next(asked: Any) -> RunIds | None:
    while True:
        try:
            return asked.get(timeout=PARENT_SECONDS)
        except queue.Empty:
            parent = multiprocessing.parent_process()
            if parent is None or not parent.is_alive():
                return None


def _environment() -> dict[str, str]:
    """This one's, with no more of wandb's variables than it takes to reach it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
    ours = {name: os.environ[name] for name in USER_AND_SERVER if name in os.environ}
    return kept | ours | {"WANDB_ERROR_REPORTING": "false"}
