"""Finished records copied to wandb, for those who look at their runs there. Files are the truth; nothing is read back.

Whoever watches runs calls this: `harness run`, `harness status`, a job. Each time a process copies what has ended since
and ends itself, even where wandb never answers. So training neither waits for wandb nor fails with it.
"""

import importlib.util
import itertools
import multiprocessing
import os
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.base.errors import HarnessError
from harness.base.files import whole_file
from harness.base.frozen import Frozen
from harness.dispatch.jobs import RunIds
from harness.record import Record, read_record, record_path
from harness.spec import RunSpec
from harness.spec.identity import pack_key

CONNECT_SECONDS = 30.0  # after which a server is taken for unreachable
SILENT_SECONDS = 60  # after which wandb is taken for stuck
END_SECONDS = 60.0  # at the end of training, for what wandb has not got yet
PAUSE_SECONDS = 30.0  # between two times that training copies what has ended
LARGEST_BATCH = {"online": 1, "offline": 50}  # a batch of offline runs waits for wandb's service once
# A mode beside ours, the service of another program of wandb's, and those under which wandb leaves out our ids.
OVERRULED = ("WANDB_MODE", "WANDB_SERVICE", "WANDB_SWEEP_ID", "WANDB_LAUNCH")


class Mirror(Frozen):
    """How records are copied to wandb: `per` says what one of its runs is."""

    mode: Literal["online", "offline"]
    per: Literal["run", "pack"] = "run"
    project: str = "harness"
    entity: str | None = None


class WandbRun(NamedTuple):
    """All that wandb is told of a run, or of a pack. `history` has one row a point of the learning curves."""

    id: str
    name: str
    group: str
    started_at: str
    config: dict[str, Any]
    history: tuple[dict[str, float], ...]
    summary: dict[str, Any]

    @property
    def offline_file(self) -> Path:
        """Where `wandb sync` looks for it in a folder."""
        began = datetime.fromisoformat(self.started_at)
        return Path(f"offline-run-{began:%Y%m%d_%H%M%S}-{self.id}", f"run-{self.id}.wandb")


# ------------------------------------------------------------------------------------------------------ what is logged
def of_run(record: Record, experiment: str) -> WandbRun:
    """What is logged of a run; counts are nested, which wandb shows as `params.trainable`."""
    return WandbRun(
        id=record.run_id,
        name=f"{_network_words(record.run)} seed {record.run.seed}",
        group=experiment,
        started_at=record.provenance.started_at,
        config=record.run.model_dump(mode="json"),
        history=tuple({"evaluations": evaluations} | errors for evaluations, errors in _curve(record)),
        summary=_summary(record),
    )


def of_pack(records: Sequence[Record], experiment: str) -> WandbRun:
    """What is logged of a pack: its runs' curves in one history, as `train_rmse/<run id>`.

    Config and summary have each run's own under `runs`; the config has what all have alike, the summary how many ended
    how.
    """
    configs = {record.run_id: record.run.model_dump(mode="json") for record in records}
    first, *others = configs.values()
    alike = {name: value for name, value in first.items() if all(other[name] == value for other in others)}
    statuses = [record.status for record in records]
    rows: dict[int, dict[str, float]] = {}
    for record in records:
        for evaluations, errors in _curve(record):
            row = rows.setdefault(evaluations, {"evaluations": evaluations})
            row |= {f"{name}/{record.run_id}": error for name, error in errors.items()}
    return WandbRun(
        id=pack_key(list(configs)),
        name=f"{_network_words(records[0].run)}, {len(records)} runs",
        group=experiment,
        started_at=records[0].provenance.started_at,
        config=alike | {"runs": configs},
        history=tuple(rows[evaluations] for evaluations in sorted(rows)),
        summary={status: statuses.count(status) for status in ("done", "diverged")}
        | {"runs": {record.run_id: _summary(record) for record in records}},
    )


def _network_words(run: RunSpec) -> str:
    grid = getattr(run.network, "grid", None)
    return f"{run.task.target} {run.network.family} {run.network.dashed}" + (f" G={grid}" if grid else "")


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


# ------------------------------------------------------------------------------------------------------ through wandb
def check_wandb(mode: Literal["online", "offline"]) -> None:
    """A HarnessError if wandb is not installed, or has no API key to go online with; nothing is asked of its server."""
    if importlib.util.find_spec("wandb") is None:
        raise HarnessError(f"wandb: {mode}: it is not installed; `pip install wandb`, or go without")
    if mode == "offline":
        return
    has_key = False
    with _other_process() as pool, suppress(multiprocessing.TimeoutError):
        has_key = pool.apply_async(_has_key).get(SILENT_SECONDS)
    if not has_key:
        raise HarnessError(
            "wandb: online: there is no API key; `wandb login` or WANDB_API_KEY give one, or say offline, which "
            "`wandb sync` uploads at any time"
        )


def _copy(
    mirror: Mirror, experiment: str, records: Path, folder: Path, packs: Sequence[RunIds]
) -> dict[RunIds, str | None]:
    """Log each as one run of wandb's; why some could not be, None for the others. A second time changes nothing.

    Offline, each becomes one file in `folder`, where `wandb sync` finds it: whole, or not at all.
    """
    signal.alarm(SILENT_SECONDS)  # which ends this process, though the one that waits for it may be gone
    failures: dict[RunIds, str | None] = dict.fromkeys(packs)
    logged: dict[RunIds, tuple[Path, Path]] = {}
    with tempfile.TemporaryDirectory(prefix="harness-wandb-", ignore_cleanup_errors=True) as scratch:
        for runs in packs:
            with _noting(failures, runs):
                found = [read_record(record_path(records, run)) for run in runs]
                wandb_run = of_pack(found, experiment) if mirror.per == "pack" else of_run(found[0], experiment)
                path = folder / wandb_run.offline_file
                if mirror.mode == "online" or not path.exists():
                    logged[runs] = _log(wandb_run, mirror, Path(scratch)), path
        if mirror.mode == "offline" and logged:
            import wandb

            wandb.teardown()  # its service still writes when a run has finished
            for runs, (file, path) in logged.items():
                with _noting(failures, runs):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    with whole_file(path) as temporary:
                        shutil.copyfile(file, temporary)
    return failures


def _has_key() -> bool:
    with suppress(Exception):
        import wandb

        return wandb.login(verify=False)
    return False


def _log(wandb_run: WandbRun, mirror: Mirror, scratch: Path) -> Path:
    """Make it a run of wandb's; the file that has it once wandb's service has ended."""
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


@contextmanager
def _noting(failures: dict[RunIds, str | None], runs: RunIds) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # wandb raises what it likes
        failures[runs] = _words(error)


def _words(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {str(error) or 'no answer'}".split())


# ------------------------------------------------------------------------------------------------- for who watches runs
@dataclass
class Export:
    """Copies the finished runs of packs to wandb: each time that it goes on, those that ended since, and each once.

    `records` is where the records are, `folder` where offline runs go. No failure is raised; `say` hears of the first.
    """

    mirror: Mirror
    experiment: str
    packs: Sequence[RunIds]
    records: Path
    folder: Path
    say: Callable[[str], None] = print
    failures: dict[RunIds, str | None] = field(default_factory=dict)  # None: it is copied

    def go_on(self, progress: Callable[[int, int], None] = lambda done, of: None) -> None:
        """Copy what has ended and was not tried; `progress` hears how many of how many are through."""
        try:
            self._go_on(progress)
        except OSError as error:  # no process can be made, or the records cannot be listed
            self.say(f"wandb: {_words(error)}")

    def _go_on(self, progress: Callable[[int, int], None]) -> None:
        waiting = [runs for runs in self._ended() if runs not in self.failures]
        size = LARGEST_BATCH[self.mirror.mode]
        batches = [waiting[start : start + size] for start in range(0, len(waiting), size)]
        if not batches:
            return
        with _other_process() as pool:
            outcomes = pool.imap(partial(_copy, self.mirror, self.experiment, self.records, self.folder), batches)
            for number, batch in enumerate(batches, start=1):
                try:
                    self._hear(outcomes.next(SILENT_SECONDS))
                except Exception as error:
                    self._hear({batch[0]: _words(error)})
                    return
                progress(min(number * size, len(waiting)), len(waiting))

    def _hear(self, failures: Mapping[RunIds, str | None]) -> None:
        known = any(self.failures.values())
        self.failures |= failures
        if not known and (first := next(filter(None, failures.values()), None)):
            self.say(f"wandb: {first}; more are counted")

    @property
    def left(self) -> int:
        """How many have ended and are not copied."""
        return sum(self.failures.get(runs, "") is not None for runs in self._ended())

    def sum_up(self) -> None:
        """Say how many are copied and where, and what to do about those that are not."""
        left, ended = self.left, len(self._ended())
        where = "uploaded" if self.mirror.mode == "online" else f"in {self.folder}"
        fields = type(self.mirror).model_fields
        own = {name: getattr(self.mirror, name) for name in ("per", "project", "entity")}
        options = "".join(f" --wandb-{name} {value}" for name, value in own.items() if value != fields[name].default)
        why = next((f" ({failure})" for failure in self.failures.values() if failure), "")
        move = f"{why}; `harness status FILE --wandb {self.mirror.mode}{options}` goes on" if left else ""
        self.say(f"wandb: {ended - left} of {ended} finished {self.mirror.per}s are {where}{move}")

    def _ended(self) -> list[RunIds]:
        recorded = {path.stem for path in self.records.glob("*.json")}
        packs = self.packs if self.mirror.per == "pack" else [(run,) for pack in self.packs for run in pack]
        return [runs for runs in packs if recorded.issuperset(runs)]


@contextmanager
def exporting(export: Export | None) -> Iterator[None]:
    """Copy what ends while the block lasts, if anything is asked for: now and then, and for a minute at its end."""
    if export is None:
        yield
        return
    over = threading.Event()

    def watch() -> None:
        is_over = False
        while not is_over:
            is_over = over.wait(PAUSE_SECONDS)
            export.go_on()

    thread = threading.Thread(target=watch, name="wandb", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(END_SECONDS)
        export.sum_up()


def _other_process() -> Pool:
    """A process to use wandb in, which ends with its block even where wandb does not."""
    return multiprocessing.get_context("spawn").Pool(1, _alone)


def _alone() -> None:
    """Leave wandb no terminal to write to or to ask at, and nothing that overrules what it is asked for."""
    for number in (signal.SIGINT, signal.SIGUSR2):  # they are for who watches, and what is on its way gets there
        signal.signal(number, signal.SIG_IGN)
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    for name in OVERRULED:
        os.environ.pop(name, None)
    os.environ["WANDB_ERROR_REPORTING"] = "false"
