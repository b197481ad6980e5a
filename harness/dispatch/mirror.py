"""Finished records copied to wandb, for those who look at their runs there. Files are the truth;
nothing is read back.

`harness run` and a job call this when they have trained, and `harness status` each time that it
looks. So training neither waits for wandb nor fails with it.
"""

import hashlib
import importlib.util
import itertools
import os
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from harness.base.errors import HarnessError
from harness.base.files import whole_file
from harness.record.schema import Record
from harness.record.store import read_record, record_path
from harness.spec.manifest import Manifest, PlannedRun

ANSWER_SECONDS = 30.0  # after which a server is taken for unreachable, or stuck
BATCH = 50  # wandb's service, which writes the files of offline runs, is waited for once a batch
LONGEST_TAG = 64  # characters that wandb takes
ANSWER = "answer"  # the run of an experiment that has its answer, and its job type
# A mode beside ours, the service of another program of wandb's, and those under which wandb leaves
# out our ids.
OVERRULED = ("WANDB_MODE", "WANDB_SERVICE", "WANDB_SWEEP_ID", "WANDB_LAUNCH")


WandbMode = Literal["online", "offline"]
PROJECT = "harness"  # of wandb, where WANDB_PROJECT names no other


class WandbRun(NamedTuple):
    """All that wandb is told of a run. `history` has one row a point of the learning curve."""

    id: str
    name: str
    group: str
    job_type: str
    tags: tuple[str, ...]
    started_at: str
    config: dict[str, Any]
    history: tuple[dict[str, float], ...]
    summary: dict[str, Any]
    tables: Mapping[str, Sequence[Sequence[Any]]] = {}  # the first row has the heads
    figures: Mapping[str, Path] = {}

    @property
    def offline_file(self) -> Path:
        """Where `wandb sync` looks for it in a folder."""
        began = datetime.fromisoformat(self.started_at)
        return Path(f"offline-run-{began:%Y%m%d_%H%M%S}-{self.id}", f"run-{self.id}.wandb")


# --------------------------------------------------------------------------------------------------
# what is logged
def of_run(
    record: Record, manifest: Manifest, planned: Sequence[PlannedRun], is_picked: bool = False
) -> WandbRun:
    """What is logged of a run, which is `planned` in a cell or in several; validation may have
    picked it.

    The group is the experiment, the job type the arm. Counts are nested, which wandb shows as
    `params.trainable`.
    """
    cells = [manifest.cells[planned_run.cell] for planned_run in planned]
    cell, match = cells[0], manifest.experiment.match
    network = record.run.network
    grid_words = f" G={grid}" if (grid := getattr(network, "grid", None)) else ""
    of_cell = {
        "experiment": manifest.name,
        "arm": cell.arm,
        "series": cell.series,
        "replicate": record.run.seed,
        "size_asked": cell.asked,
        "size_axis": match.count_name if match else None,
        "trial": planned[0].trial,
    }
    tags: list[str] = []
    for each_cell in cells:
        tags += [each_cell.task, each_cell.arm]
    if is_picked:
        tags.append("picked")
    if record.status == "diverged":
        tags.append("diverged")
    return WandbRun(
        id=record.run_id,
        name=(
            f"{record.run.task.target} {network.family} {network.dashed}{grid_words} seed "
            f"{record.run.seed}"
        ),
        group=manifest.name,
        job_type=cell.arm,
        tags=tuple(dict.fromkeys(tag[:LONGEST_TAG] for tag in tags)),
        started_at=record.provenance.started_at,
        config=of_cell | record.run.model_dump(mode="json"),
        history=tuple(point.model_dump(exclude_none=True) for point in record.curve),
        summary=_summary(record),
    )


def of_answer(
    manifest: Manifest, last_started_at: str, summary: dict[str, Any], **shown: Any
) -> WandbRun:
    """The run `answer` of an experiment, the same one whenever it is answered anew; `shown` are
    tables and figures.
    """
    named = hashlib.sha256(f"{manifest.name} {manifest.experiment_hash}".encode()).hexdigest()
    config = {
        "experiment": manifest.name,
        "question": manifest.experiment.question,
        "runs": len(manifest.run_ids()),
    }
    return WandbRun(
        id=f"{ANSWER}-{named[:16]}",
        name=ANSWER,
        group=manifest.name,
        job_type=ANSWER,
        tags=(ANSWER, *(arm[:LONGEST_TAG] for arm in manifest.experiment.arms)),
        started_at=last_started_at,
        config=config,
        history=(),
        summary=summary,
        **shown,
    )


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


# --------------------------------------------------------------------------------------------------
# through wandb
def check_wandb(mode: WandbMode) -> None:
    """A HarnessError if wandb is not installed, or has no API key to go online with; nothing is
    asked of its server.
    """
    if importlib.util.find_spec("wandb") is None:
        raise HarnessError(
            f"wandb: {mode}: it is not installed; `pip install wandb`, or go without"
        )
    if mode == "online" and not _wandb().login(verify=False, prompt=False):
        move = (
            "`wandb login` or WANDB_API_KEY give one, or say offline, which `wandb sync` "
            "uploads at any time"
        )
        raise HarnessError(f"wandb: online: there is no API key; {move}")


@dataclass
class Export:
    """Copies the finished runs of a plan to wandb, each once.

    `records` is where the records are, `folder` where offline runs go: each becomes one file, where
    `wandb sync` finds it, whole or not at all. A file that is there stays as it is. Of a search
    `picked` gives the ids of runs that validation picks, which alone are copied.
    """

    mode: WandbMode
    manifest: Manifest
    records: Path
    folder: Path
    picked: Callable[[], Collection[str]] = tuple
    copied: set[str] = field(default_factory=set)

    def go_on(
        self,
        say: Callable[[str], None],
        progress: Callable[[int, int], None] = lambda done, of: None,
    ) -> int:
        """Copy what has ended and is not copied, and say how many are; returns how many are left.

        `progress` hears how many of how many are through. No failure is raised: the first is said.
        """
        failures: list[str] = []
        ended: list[str] = []
        is_search = bool(self.manifest.experiment.search)
        try:
            recorded, picked = {path.stem for path in self.records.glob("*.json")}, self.picked()
            to_copy = [run for run in self.manifest.run_ids() if run in picked or not is_search]
            ended = [run for run in to_copy if run in recorded]
            waiting = [run for run in ended if run not in self.copied]
            for start in range(0, len(waiting), BATCH):
                self._copy(self._logged(waiting[start : start + BATCH], picked, failures))
                progress(min(start + BATCH, len(waiting)), len(waiting))
        except Exception as error:  # wandb raises what it likes
            failures.append(_in_a_line(error))
        remaining = len(ended) - len(self.copied.intersection(ended))
        where = "uploaded" if self.mode == "online" else f"in {self.folder}"
        why = f" ({failures[0]})" if failures else ""
        goes_on = f"{why}; `harness status FILE --wandb {self.mode}` goes on"
        move = goes_on if remaining or why else ""
        kind = "picked" if is_search else "finished"
        say(f"wandb: {len(ended) - remaining} of {len(ended)} {kind} runs are {where}{move}")
        return remaining

    def answer(self, wandb_run: WandbRun, say: Callable[[str], None]) -> None:
        """Copy the answer of the experiment, in place of an earlier one. No failure is raised: it
        is said.
        """
        try:
            self._copy([wandb_run])
            say("wandb: the answer is there too")
        except Exception as error:  # wandb raises what it likes
            say(
                f"wandb: the answer is not there ({_in_a_line(error)}); the same command "
                "tries again"
            )

    def _logged(
        self, batch: Sequence[str], picked: Collection[str], failures: list[str]
    ) -> list[WandbRun]:
        """What is logged of the runs that are not there yet; why some records could not be read is
        a failure.
        """
        planned, absent = self._planned, []
        for run in batch:
            try:
                record = read_record(record_path(self.records, run))
                wandb_run = of_run(record, self.manifest, planned[run], run in picked)
            except HarnessError as error:
                failures.append(str(error))
                continue
            if self.mode == "offline" and (self.folder / wandb_run.offline_file).exists():
                self.copied.add(run)
            else:
                absent.append(wandb_run)
        return absent

    @cached_property
    def _planned(self) -> dict[str, list[PlannedRun]]:
        planned: dict[str, list[PlannedRun]] = defaultdict(list)
        for planned_run in self.manifest.runs:
            planned[planned_run.run_id].append(planned_run)
        return planned

    def _copy(self, wandb_runs: Sequence[WandbRun]) -> None:
        """Make each a run of wandb's. Whatever wandb raises ends it."""
        written: list[tuple[WandbRun, Path]] = []
        with tempfile.TemporaryDirectory(
            prefix="harness-wandb-", ignore_cleanup_errors=True
        ) as scratch:
            try:
                for wandb_run in wandb_runs:
                    written.append((wandb_run, _log(wandb_run, self.mode, scratch)))
                    if self.mode == "online":
                        self.copied.add(wandb_run.id)
            finally:
                _wandb().teardown()  # its service still writes when a run has finished
            for wandb_run, file in written if self.mode == "offline" else ():
                self._place(wandb_run, file)
                self.copied.add(wandb_run.id)

    def _place(self, wandb_run: WandbRun, file: Path) -> None:
        """Put an offline run where it belongs: its pictures and tables before the file that names
        them.
        """
        for earlier in self.folder.glob(f"offline-run-*-{wandb_run.id}"):
            shutil.rmtree(earlier)
        path = self.folder / wandb_run.offline_file
        path.parent.mkdir(parents=True)
        if (media := file.parent / "files" / "media").exists():
            shutil.copytree(media, path.parent / "files" / "media")
        with whole_file(path) as temporary:
            shutil.copyfile(file, temporary)


def _in_a_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())


def _log(wandb_run: WandbRun, mode: WandbMode, scratch: str) -> Path:
    """Make it a run of wandb's; the file that has it once wandb's service has ended."""
    wandb = _wandb()
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT", PROJECT),
        **{
            name: getattr(wandb_run, name)
            for name in ("group", "job_type", "tags", "id", "name", "config")
        },
        resume="allow" if mode == "online" else None,
        settings=wandb.Settings(
            mode=mode,
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
    for row in wandb_run.history[
        run.starting_step :
    ]:  # one that was begun before has its first rows
        run.log(row)
    shown: dict[str, Any] = {}
    for name, table in wandb_run.tables.items():
        shown[name] = wandb.Table([*table[0]], [*table[1:]], allow_mixed_types=True)
    shown |= {name: wandb.Image(str(path)) for name, path in wandb_run.figures.items()}
    if shown:
        run.log(shown)
    run.summary.update(wandb_run.summary)
    run.finish()
    return Path(run.settings.sync_file)


def _wandb() -> Any:
    """The library, which says nothing on the terminal, and takes no setting that overrules what it
    is asked for.
    """
    for name in OVERRULED:
        os.environ.pop(name, None)
    os.environ |= {"WANDB_SILENT": "true", "WANDB_ERROR_REPORTING": "false"}
    import wandb

    return wandb
