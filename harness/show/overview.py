"""What the command line says of all experiments of a results folder."""

from operator import attrgetter
from pathlib import Path
from typing import Annotated, NamedTuple

from harness.dispatch.overview import ExperimentCounts, Overview
from harness.show.disk import DiskBytes, size_words
from harness.show.tables.table import Table, table_of

COUNTED = ("planned", "recorded", "missing", "running", "queued", "failed")


def overview_table(seen: Overview) -> Table:
    """A row for each experiment: its runs by how far they are, and the disk that it takes."""
    counts = attrgetter(*COUNTED)
    rows = [(counted.name, *counts(counted), size_words(counted.disk_bytes)) for counted in seen.experiments]
    return table_of("", ("experiment", *(f"#{state}" for state in COUNTED), "#disk"), rows)


def overview_lines(seen: Overview, results: Path) -> list[str]:
    """What the table leaves open, and which command says more."""
    if not seen.experiments and not seen.unreadable:
        return [f"no experiment has a plan in {results}/; `harness run FILE` or `harness plan FILE` makes one"]
    lines = list(seen.unreadable)
    for counted in seen.experiments:
        says = f"`harness status {results / counted.name}` says"
        if counted.not_verified:
            lines.append(f"{counted.name}: {counted.not_verified:,} runs on their way are not verified; {says} why")
        if counted.later:
            runs = f"{counted.later:,} runs are of later looks"
            lines.append(f"{counted.name}: {runs}; {says} whether a rule asks for them")
    if seen.experiments:
        lines.append(f"`harness status {results / 'NAME'}` says more of one")
    return lines


class OverviewSaid(NamedTuple):
    """All experiments of the results folder that have a plan."""

    results: Annotated[Path, "the folder"]
    experiments: Annotated[tuple[ExperimentCounts, ...], "by name"]
    unreadable: Annotated[tuple[str, ...], "what cannot be read, and is not counted"]
    disk_bytes: Annotated[DiskBytes, "of the results folder"]
