"""What the command line says of a results folder: its experiments, its size on disk, and what can
be removed.
"""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Annotated, NamedTuple, NotRequired, TypedDict, cast

from rich.filesize import decimal as size_words

from harness.dispatch.leftovers import KINDS, OLD_DAYS, Kind, OnDisk, Removed, is_only_copy, runs_of
from harness.dispatch.reconcile import ExperimentCounts, Overview
from harness.show.grouping import grouped
from harness.show.tables.table import Table, table_of

Removable = Mapping[Kind, Sequence[OnDisk]]
WHAT: dict[Kind, str] = {
    "checkpoints": "saved states that cannot be read, or whose runs have records or no plan",
    "snapshots": (
        f"copies of the code whose runs all have records, or that no job used for {OLD_DAYS} days"
    ),
    "logs": "output of jobs that have ended and whose runs all have records",
    "networks": "trained networks of experiments whose planned runs all have records",
}
COUNTED = ("planned", "recorded", "missing", "running", "queued", "failed")  # runs of an experiment


def disk_words(results: Path, sizes: Mapping[str, int], notable: int) -> str:
    """How much results take, by what they are, and how much `harness clean` would free of it if
    that is notable.

    That is in checkpoints and snapshots.
    """
    parts = ", ".join(f"{what} {size_words(size)}" for what, size in sizes.items() if size)
    words = f"disk: {results}/ takes {size_words(sum(sizes.values()))}" + (
        f" ({parts})" if parts else ""
    )
    if notable:
        clean = f"harness clean{_results_option(results)} --checkpoints --snapshots"
        words += f"; `{clean}` frees about {size_words(notable)}"
    return words


def _results_option(results: Path) -> str:
    return "" if results == Path("results") else f" --results {results}"


class DiskBytes(TypedDict):
    """Bytes of a results folder, by what its files are."""

    total: Annotated[int, "of all files"]
    records: Annotated[int, "of records"]
    checkpoints: Annotated[int, "of checkpoints"]
    networks: Annotated[int, "of networks"]
    snapshots: Annotated[int, "of snapshots of code"]
    data: Annotated[int, "of rows of data files"]
    other: Annotated[int, "of all others"]
    freed_by_clean: NotRequired[
        Annotated[
            int,
            (
                "what `harness clean --checkpoints --snapshots` would free, if a tenth of all "
                "and 10 "
                "MB; else 0"
            ),
        ]
    ]


def disk_json(sizes: Mapping[str, int], notable: int | None = None) -> DiskBytes:
    """The same for a script."""
    freed = {} if notable is None else {"freed_by_clean": notable}
    return cast(DiskBytes, {"total": sum(sizes.values()), **sizes, **freed})


def clean_table(removable: Removable) -> Table:
    """A row for each kind of what can be removed."""
    rows = [
        (kind, len(those), size_words(_bytes(those)), WHAT[kind])
        for kind, those in removable.items()
    ]
    return table_of("", ("kind", "#number", "#size", "what"), rows)


def stay_lines(rows: Iterable[OnDisk]) -> list[str]:
    """What is still needed, or may be, and why."""
    groups = grouped(rows, lambda row: (row.kind, row.needed_by))
    return [f"{kind}: {_amount(alike)} stay: {why}" for (kind, why), alike in groups.items() if why]


def cautions(removable: Removable) -> list[str]:
    """What to know before anything is removed."""
    lines = []
    if only_copies := sum(
        is_only_copy(snapshot.path) for snapshot in removable.get("snapshots", ())
    ):
        lines.append(
            f"snapshots: {only_copies} of code that no commit has; records name it by the "
            "hash alone"
        )
    if "networks" in removable:
        lines.append("networks: only training in another results folder brings them back")
    return lines


def question(wanted: Removable) -> str:
    """Asks whether these kinds are to be removed."""
    amounts = [f"{kind} ({_amount(leftovers)})" for kind, leftovers in wanted.items()]
    return f"remove {', '.join(amounts)}?"


def clean_lines(
    results: Path, removable: Removable, chosen: Sequence[Kind], removed: Mapping[Kind, Removed]
) -> list[str]:
    """What became of the kinds that were chosen, or else how to choose some."""
    if not removable:
        return ["nothing can be removed"]
    if not chosen:
        return [
            (
                f"name the kinds to remove, as in `harness clean{_results_option(results)} "
                f"--{next(iter(removable))}`"
            )
        ]
    lines = []
    for kind in chosen:
        if gone := removed.get(kind):
            lines.append(f"removed {kind}: {gone.number:,}, {size_words(gone.bytes)}")
        else:
            lines.append(f"{kind}: nothing can be removed")
    return lines


class RemovableSaid(NamedTuple):
    """What can be removed of a kind, or could before."""

    number: Annotated[int, "of files, or folders of snapshots"]
    bytes: Annotated[int, "of them"]
    paths: Annotated[list[Path], "of them"]
    runs: Annotated[list[str], "ids of the runs that they are of"]


class Cleaned(NamedTuple):
    """What results no longer need on disk, and what was removed: nothing without `--yes`.

    Kinds are `checkpoints`, `snapshots`, `logs` and `networks`.
    """

    results: Annotated[Path, "the folder"]
    disk_bytes: Annotated[DiskBytes, "of it, after what was removed"]
    removable: Annotated[dict[Kind, RemovableSaid], "by kind"]
    stays: Annotated[list[str], "what stays, and why"]
    removed: Annotated[
        Mapping[Kind, Removed], "by kind that was chosen and of which there was something"
    ]


def clean_json(
    results: Path,
    sizes: Mapping[str, int],
    rows: Iterable[OnDisk],
    by_kind: Removable,
    removed: Mapping[Kind, Removed],
) -> Cleaned:
    """The same for a script, with every path and run; `removed` has the kinds that were chosen."""
    removable: dict[Kind, RemovableSaid] = {}
    for kind in KINDS:
        those = by_kind.get(kind, ())
        paths = [leftover.path for leftover in those]
        removable[kind] = RemovableSaid(len(those), _bytes(those), paths, list(runs_of(those)))
    return Cleaned(results, disk_json(sizes), removable, stay_lines(rows), removed)


def _amount(leftovers: Sequence[OnDisk]) -> str:
    return f"{len(leftovers):,}, {size_words(_bytes(leftovers))}"


def _bytes(leftovers: Sequence[OnDisk]) -> int:
    return sum(leftover.bytes for leftover in leftovers)


# --------------------------------------------------------------------------------------------------
# experiments
def overview_table(seen: Overview) -> Table:
    """A row for each experiment: its runs by how far they are, and the disk that it takes."""
    counts = attrgetter(*COUNTED)
    rows = [
        (counted.name, *counts(counted), size_words(counted.disk_bytes))
        for counted in seen.experiments
    ]
    return table_of("", ("experiment", *(f"#{state}" for state in COUNTED), "#disk"), rows)


def overview_lines(seen: Overview, results: Path) -> list[str]:
    """What the table leaves open, and which command says more."""
    if not seen.experiments and not seen.unreadable:
        return [
            (
                f"no experiment has a plan in {results}/; `harness run FILE` or `harness "
                "plan FILE` "
                "makes one"
            )
        ]
    lines = list(seen.unreadable)
    for counted in seen.experiments:
        says = f"`harness status {results / counted.name}` says"
        if counted.not_verified:
            lines.append(
                f"{counted.name}: {counted.not_verified:,} runs on their way are not verified; "
                f"{says} why"
            )
    if seen.experiments:
        lines.append(f"`harness status {results / 'NAME'}` says more of one")
    return lines


class OverviewSaid(NamedTuple):
    """All experiments of the results folder that have a plan."""

    results: Annotated[Path, "the folder"]
    experiments: Annotated[tuple[ExperimentCounts, ...], "by name"]
    unreadable: Annotated[tuple[str, ...], "what cannot be read, and is not counted"]
    disk_bytes: Annotated[DiskBytes, "of the results folder"]
