"""How far every experiment of a results folder is, and the disk that it takes: counted, without reading a record."""

from collections import Counter
from collections.abc import Mapping, Set
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.base.files import os_words
from harness.dispatch.leftovers import NETWORKS, bytes_below, file_bytes
from harness.dispatch.reconcile import gather
from harness.dispatch.state import FREE, UNDERWAY, WENT_WRONG, RunState, states
from harness.spec import manifest_path
from harness.spec.gone import unreadable
from harness.spec.manifest import plain_plan


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


def overview(results: Path) -> Overview:
    """Every experiment of a results folder that has a plan. SLURM is asked for those that sent off what is missing."""
    record_bytes = {path.stem: size for path, size in file_bytes(results / "runs", ".json").items()}
    network_bytes = {path.stem: size for path, size in file_bytes(results / NETWORKS, ".npz").items()}
    folders = sorted(folder for folder in results.iterdir() if manifest_path(folder).exists())
    plans: dict[Path, dict[str, bool]] = {}  # by run, whether it is of the first look
    sent: dict[Path, dict[str, RunState]] = {}
    unreadable: list[str] = []
    for folder in folders:
        try:
            plans[folder] = _read(folder)
            sent[folder], damage = _sent_states(folder, plans[folder].keys() - record_bytes)
            unreadable += damage
        except OSError as error:
            unreadable.append(os_words(error, folder))
        except ValueError as error:
            unreadable.append(f"{manifest_path(folder)} cannot be read ({error})")
    underway: dict[str, RunState] = {}
    for states_of_runs in sent.values():
        underway |= {run: state for run, state in states_of_runs.items() if state.state in UNDERWAY}
    counts = []
    for folder, plan in plans.items():
        shared_bytes = sum(record_bytes.get(run, 0) + network_bytes.get(run, 0) for run in plan)
        absent = {run: RunState("planned") for run in plan.keys() - record_bytes} | sent.get(folder, {})
        absent |= {run: underway[run] for run, state in absent.items() if state.state in FREE and run in underway}
        counts.append(_counted(folder.name, plan, absent, bytes_below(folder) + shared_bytes))
    return Overview(tuple(counts), tuple(unreadable))


def _read(folder: Path) -> dict[str, bool]:
    """The runs of a plan, and whether its first look has each; without looks it has all."""
    plan = plain_plan(manifest_path(folder))
    experiment = plan["experiment"]
    has_looks = experiment.get("looks") and not unreadable(experiment)
    seeds = experiment["seeds"][: experiment["looks"][0]] if has_looks else None
    return {run["run_id"]: seeds is None or run["run"]["seed"] in seeds for run in plan["runs"]}


def _sent_states(folder: Path, absent: Set[str]) -> tuple[dict[str, RunState], list[str]]:
    """Where those runs are that have no record, if any of the experiment were ever sent off or cancelled; and which
    files of that are damaged.
    """
    if not absent or not any((folder / name).is_dir() for name in ("submissions", "orders")):
        return {}, []
    evidence = gather(folder, (), records=None)
    return states(absent, evidence), evidence.damage


def _counted(name: str, plan: Mapping[str, bool], absent: Mapping[str, RunState], disk_bytes: int) -> ExperimentCounts:
    later = sum(state.state == "planned" and not plan[run] for run, state in absent.items())
    counts = Counter(state.state for state in absent.values())
    return ExperimentCounts(
        name=name,
        planned=len(plan),
        recorded=len(plan) - len(absent),
        missing=len(absent) - later,
        running=counts["running"],
        queued=counts["queued"],
        failed=sum(counts[state] for state in WENT_WRONG),
        later=later,
        not_verified=sum(state.state in UNDERWAY and "not verified" in state.why for state in absent.values()),
        disk_bytes=disk_bytes,
    )
