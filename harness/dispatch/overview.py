"""How far every experiment of a results folder is, and the disk that it takes: counted, without reading a record."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.base.errors import HarnessError
from harness.base.files import os_words
from harness.dispatch.leftovers import NETWORKS, Progress, bytes_below, file_bytes, plain_plan, silent
from harness.dispatch.reconcile import gather
from harness.dispatch.state import FREE, UNDERWAY, WENT_WRONG, RunState, states
from harness.spec import manifest_path
from harness.spec.gone import unreadable


class ExperimentCounts(NamedTuple):
    """How many runs of a plan there are, and how far they are."""

    name: Annotated[str, "its folder"]
    planned: Annotated[int, "runs"]
    recorded: Annotated[int, "runs that have a record, done or diverged, which is not read"]
    missing: Annotated[int, "runs that are wanted and have no record, be they on their way or not"]
    running: Annotated[int, "of those without a record"]
    queued: Annotated[int, "of those without a record"]
    failed: Annotated[int, "of those without a record: all that went wrong"]
    later: Annotated[
        int,
        "with `looks:`, runs of later looks that have no record and were not sent off; `harness status FILE` says "
        "whether a rule asks for them",
    ]
    not_verified: Annotated[int, "runs on their way of which SLURM cannot be asked now"]
    disk_bytes: Annotated[int, "of its folder, records and networks; shared ones count for each"]


class Overview(NamedTuple):
    """All plans of a results folder, by name, and what cannot be read of them, in sentences."""

    experiments: tuple[ExperimentCounts, ...]
    unreadable: tuple[str, ...]


class _Plan(NamedTuple):
    """The runs of a plan, and those of its first look: all runs of a plan without looks."""

    folder: Path
    runs: frozenset[str]
    first_look: frozenset[str]


def overview(results: Path, progress: Progress = silent) -> Overview:
    """Every experiment of a results folder that has a plan. SLURM is asked for those that sent off what is missing."""
    record_bytes = {path.stem: size for path, size in file_bytes(results / "runs", ".json").items()}
    network_bytes = {path.stem: size for path, size in file_bytes(results / NETWORKS, ".npz").items()}
    folders = sorted(folder for folder in results.iterdir() if manifest_path(folder).exists())
    plans: list[_Plan] = []
    sent: dict[Path, dict[str, RunState]] = {}
    unreadable: list[str] = []
    for number, folder in enumerate(folders, start=1):
        progress("plans", number, len(folders))
        try:
            plan = _read(folder)
            plans.append(plan)
            sent[folder], damage = _sent_states(folder, plan.runs.difference(record_bytes))
            unreadable += damage
        except HarnessError as error:
            unreadable.append(str(error))
        except OSError as error:
            unreadable.append(os_words(error, folder))
    underway: dict[str, RunState] = {}
    for states_of_runs in sent.values():
        underway |= {run: state for run, state in states_of_runs.items() if state.state in UNDERWAY}
    counts = []
    for plan in plans:
        shared_bytes = sum(record_bytes.get(run, 0) + network_bytes.get(run, 0) for run in plan.runs)
        absent = plan.runs.difference(record_bytes)
        where = {run: sent.get(plan.folder, {}).get(run, RunState("planned")) for run in absent}
        where |= {run: underway[run] for run, state in where.items() if state.state in FREE and run in underway}
        counts.append(_counted(plan, where, bytes_below(plan.folder) + shared_bytes))
    return Overview(tuple(counts), tuple(unreadable))


def _read(folder: Path) -> _Plan:
    plan = plain_plan(manifest_path(folder))
    experiment = plan["experiment"]
    seed_of = {run["run_id"]: run["run"]["seed"] for run in plan["runs"]}
    runs = frozenset(seed_of)
    if unreadable(experiment) or not experiment.get("looks"):
        return _Plan(folder, runs, first_look=runs)
    seeds = experiment["seeds"][: experiment["looks"][0]]
    return _Plan(folder, runs, frozenset(run for run in runs if seed_of[run] in seeds))


def _sent_states(folder: Path, absent: frozenset[str]) -> tuple[dict[str, RunState], list[str]]:
    """Where those runs are that have no record, if any of the experiment were ever sent off or cancelled; and which
    files of that are damaged.
    """
    if not absent or not any((folder / what).is_dir() for what in ("submissions", "orders")):
        return {}, []
    evidence = gather(folder, (), records=None)
    return states(absent, evidence), evidence.damage


def _counted(plan: _Plan, absent: Mapping[str, RunState], disk_bytes: int) -> ExperimentCounts:
    later = sum(seen.state == "planned" and run not in plan.first_look for run, seen in absent.items())
    counts = Counter(seen.state for seen in absent.values())
    return ExperimentCounts(
        name=plan.folder.name,
        planned=len(plan.runs),
        recorded=len(plan.runs) - len(absent),
        missing=len(absent) - later,
        running=counts["running"],
        queued=counts["queued"],
        failed=sum(counts[state] for state in WENT_WRONG),
        later=later,
        not_verified=sum(seen.state in UNDERWAY and "not verified" in seen.why for seen in absent.values()),
        disk_bytes=disk_bytes,
    )
