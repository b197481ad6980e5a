"""Finished records copied to wandb, for those who look at their runs there. Files are the truth; nothing is read back.

`harness run` and a job call this when they have trained, and `harness status` each time that it looks. So training
neither waits for wandb nor fails with it.
"""

import importlib.util
import itertools
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.base.errors import HarnessError
from harness.base.files import whole_file
from harness.base.frozen import Frozen
from harness.dispatch.jobs import RunIds
from harness.record import Record, read_record, record_path
from harness.spec import RunSpec
from harness.spec.run import pack_key

ANSWER_SECONDS = 30.0  # after which a server is taken for unreachable, or stuck
BATCH = 50  # wandb's service, which writes the files of offline runs, is waited for once a batch
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
        history=tuple(point.model_dump(exclude_none=True) for point in record.curve),
        summary=_summary(record),
    )


def of_pack(records: Sequence[Record], experiment: str) -> WandbRun:
    """What is logged of a pack: its runs' curves in one history, as `train_rmse/<run id>`.

    Config and summary have each run's own under `runs`; the config has what all have alike, the summary how many ended
    how.
    """
    configs = {record.run_id: record.run.model_dump(mode="json") for record in records}
    alike, *others = configs.values()
    for other in others:
        alike = {name: value for name, value in alike.items() if other[name] == value}
    statuses = [record.status for record in records]
    rows: dict[int, dict[str, float]] = {}
    for record in records:
        for point in record.curve:
            row = rows.setdefault(point.evaluations, {"evaluations": point.evaluations})
            errors = point.model_dump(exclude={"evaluations"}, exclude_none=True)
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
    if mode == "online" and not _wandb().login(verify=False, prompt=False):
        raise HarnessError(
            "wandb: online: there is no API key; `wandb login` or WANDB_API_KEY give one, or say offline, which "
            "`wandb sync` uploads at any time"
        )


@dataclass
class Export:
    """Copies the finished runs of packs to wandb, each once.

    `records` is where the records are, `folder` where offline runs go: each becomes one file, where `wandb sync` finds
    it, whole or not at all. A file that is there stays as it is.
    """

    mirror: Mirror
    experiment: str
    packs: Sequence[RunIds]
    records: Path
    folder: Path
    copied: set[RunIds] = field(default_factory=set)

    def go_on(self, say: Callable[[str], None], progress: Callable[[int, int], None] = lambda done, of: None) -> int:
        """Copy what has ended and is not copied, and say how many are; returns how many are left.

        `progress` hears how many of how many are through. No failure is raised: the first is said.
        """
        recorded, failures = {path.stem for path in self.records.glob("*.json")}, []
        is_by_pack = self.mirror.per == "pack"
        packs = self.packs if is_by_pack else [(run,) for run in itertools.chain.from_iterable(self.packs)]
        ended = [runs for runs in packs if recorded.issuperset(runs)]
        waiting = [runs for runs in ended if runs not in self.copied]
        try:
            for start in range(0, len(waiting), BATCH):
                failures += self._copy(waiting[start : start + BATCH])
                progress(min(start + BATCH, len(waiting)), len(waiting))
        except Exception as error:  # wandb raises what it likes
            failures.append(" ".join(f"{type(error).__name__}: {error}".split()))
        left = len(ended) - len(self.copied.intersection(ended))
        where = "uploaded" if self.mirror.mode == "online" else f"in {self.folder}"
        chosen = self.mirror.model_dump(exclude={"mode"}, exclude_defaults=True)
        options = "".join(f" --wandb-{name} {value}" for name, value in chosen.items())
        why = f" ({failures[0]})" if failures else ""
        move = f"{why}; `harness status FILE --wandb {self.mirror.mode}{options}` goes on" if left else ""
        say(f"wandb: {len(ended) - left} of {len(ended)} finished {self.mirror.per}s are {where}{move}")
        return left

    def _copy(self, batch: Sequence[RunIds]) -> list[str]:
        """Make each a run of wandb's; why some records could not be read. Whatever wandb raises ends it."""
        damaged: list[str] = []
        written: dict[RunIds, tuple[Path, Path]] = {}
        with tempfile.TemporaryDirectory(prefix="harness-wandb-", ignore_cleanup_errors=True) as scratch:
            try:
                for runs in batch:
                    try:
                        records = [read_record(record_path(self.records, run)) for run in runs]
                    except HarnessError as error:
                        damaged.append(str(error))
                        continue
                    is_pack = self.mirror.per == "pack"
                    wandb_run = of_pack(records, self.experiment) if is_pack else of_run(records[0], self.experiment)
                    path = self.folder / wandb_run.offline_file
                    if self.mirror.mode == "offline" and not path.exists():
                        written[runs] = _log(wandb_run, self.mirror, scratch), path
                        continue
                    if self.mirror.mode == "online":
                        _log(wandb_run, self.mirror, scratch)
                    self.copied.add(runs)
            finally:
                _wandb().teardown()  # its service still writes when a run has finished
            for runs, (file, path) in written.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                with whole_file(path) as temporary:
                    shutil.copyfile(file, temporary)
                self.copied.add(runs)
        return damaged


def _log(wandb_run: WandbRun, mirror: Mirror, scratch: str) -> Path:
    """Make it a run of wandb's; the file that has it once wandb's service has ended."""
    wandb = _wandb()
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
            root_dir=scratch,
            init_timeout=ANSWER_SECONDS,
            finish_timeout=ANSWER_SECONDS,
            finish_timeout_raises=True,
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


def _wandb() -> Any:
    """The library, which says nothing on the terminal, and takes no setting that overrules what it is asked for."""
    for name in OVERRULED:
        os.environ.pop(name, None)
    os.environ |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    import wandb

    return wandb
