"""What the command line says of results on disk: their sizes, what can be removed, and what was."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, NotRequired, TypedDict, cast

from harness.dispatch.leftovers import LEFTOVER_KINDS, Kind, Leftover, Leftovers, Removed, runs_of
from harness.show.tables.table import Table, number_columns, table_of, text_columns

UNITS = ("B", "kB", "MB", "GB", "TB")
WHAT: dict[Kind, str] = {
    "checkpoints": "saved states of runs that have records, or that no plan names",
    "snapshots": "copies of the code that no queued or running job needs",
    "logs": "output of jobs that have ended and whose runs all have records",
    "damaged": "what was set aside as damaged, and files that never became whole",
    "data": "rows of data files that no plan names",
    "unplanned": "records and networks of runs that no plan names",
    "networks": "trained networks of experiments whose planned runs all have records",
}
MOST_NAMED = 10  # runs in a sentence


def size_words(size: int) -> str:
    """Bytes in the unit that keeps the number below 1000: `3.4 MB`."""
    amount, unit = float(size), 0
    while amount >= 999.5 and unit < len(UNITS) - 1:
        amount, unit = amount / 1000, unit + 1
    return f"{amount:.2g} {UNITS[unit]}" if 0 < amount < 9.95 and unit else f"{amount:.0f} {UNITS[unit]}"


def disk_words(results: Path, sizes: Mapping[str, int], notable: int) -> str:
    """How much results take, by what they are, and how much of it `harness clean` would free if that is notable."""
    parts = ", ".join(f"{what} {size_words(size)}" for what, size in sizes.items() if size)
    told = f"disk: {results}/ takes {size_words(sum(sizes.values()))}" + (f" ({parts})" if parts else "")
    if not notable:
        return told
    option = "" if results == Path("results") else f" --results {results}"
    return f"{told}; `harness clean{option}` frees about {size_words(notable)}"


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
        Annotated[int, "what `harness clean` would free, if that is a tenth of all and 10 MB or more; else 0"]
    ]


def disk_json(sizes: Mapping[str, int], notable: int | None = None) -> DiskBytes:
    """The same for a script."""
    told = {"total": sum(sizes.values()), **sizes}
    return cast(DiskBytes, told if notable is None else {**told, "freed_by_clean": notable})


def clean_table(found: Leftovers) -> Table:
    """A row for each kind of what can be removed."""
    rows = [
        (kind, len(those), size_words(_bytes(those)), WHAT[kind])
        for kind in LEFTOVER_KINDS
        if (those := found.of(kind))
    ]
    columns = (*text_columns("kind"), *number_columns("number", "size"), *text_columns("what"))
    return table_of("", columns, rows)


def cautions(found: Leftovers, words: Mapping[str, str]) -> list[str]:
    """What to know before anything is removed; `words` says what the first runs are that no plan names."""
    lines = [f"stays: {why}" for why in found.stays]
    if number := sum(one.is_only_copy for one in found.of("snapshots")):
        lines.append(f"snapshots of code that no commit has: {number}; records name it by the snapshot's hash alone")
    if runs := list(runs_of(found.of("unplanned"))):
        lines.append(f"unplanned: {len(runs):,} runs, which only training brings back once their records are removed")
        lines += [f"  {run} {words.get(run, '')}".rstrip() for run in runs[:MOST_NAMED]]
    if len(runs) > MOST_NAMED:
        lines.append(f"  and {len(runs) - MOST_NAMED:,} more, which --json lists")
    if found.of("networks"):
        lines.append(
            "networks: only --networks removes them, as only training in another results folder brings them back"
        )
    return lines


def question(kind: Kind, found: Leftovers) -> str:
    """Asks whether those of a kind are to be removed."""
    return f"remove {kind}: {_amount(found.of(kind))}?"


def unnamed_words(found: Leftovers) -> str:
    """What to say to --yes without a kind: which kinds there are."""
    options = [f"--{kind} ({_amount(those)})" for kind in LEFTOVER_KINDS if (those := found.of(kind))]
    return f"--yes: say what to remove: {', '.join(options) or 'but nothing can be removed now'}"


def removed_words(kind: Kind, removed: Removed) -> str:
    """What became of a kind."""
    return f"removed {kind}: {removed.number:,}, {size_words(removed.bytes)}"


class Removable(TypedDict):
    """What can be removed of a kind, or could before."""

    number: Annotated[int, "of files, or folders of snapshots"]
    bytes: Annotated[int, "of them"]
    paths: Annotated[list[str], "of them"]
    runs: Annotated[list[str], "ids of the runs that they are of"]


class Cleaned(TypedDict):
    """What results no longer need on disk, and what was removed: nothing without `--yes`.

    Kinds are `checkpoints`, `snapshots`, `logs`, `damaged`, `data`, `unplanned` and `networks`.
    """

    results: Annotated[str, "the folder"]
    disk_bytes: Annotated[DiskBytes, "of it, after what was removed"]
    removable: Annotated[dict[Kind, Removable], "by kind"]
    stays: Annotated[list[str], "why some of the rest stays that perhaps nobody needs either"]
    removed: Annotated[Mapping[Kind, Removed], "by kind that was chosen"]


def clean_json(results: Path, sizes: Mapping[str, int], found: Leftovers, removed: Mapping[Kind, Removed]) -> Cleaned:
    """The same for a script, with every path and run."""
    kinds: dict[Kind, Removable] = {
        kind: {
            "number": len(those := found.of(kind)),
            "bytes": _bytes(those),
            "paths": [str(one.path) for one in those],
            "runs": list(runs_of(those)),
        }
        for kind in LEFTOVER_KINDS
    }
    return {
        "results": str(results),
        "disk_bytes": disk_json(sizes),
        "removable": kinds,
        "stays": list(found.stays),
        "removed": removed,
    }


def _amount(those: Sequence[Leftover]) -> str:
    return f"{len(those):,}, {size_words(_bytes(those))}"


def _bytes(those: Sequence[Leftover]) -> int:
    return sum(one.bytes for one in those)
