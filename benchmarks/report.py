"""A comparison's table: printed, and kept as results/benchmarks/<name>.csv and .md with where it
was measured.
"""

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pandas as pd
from rich.table import Table

from harness.base.files import whole_file
from harness.base.provenance import code, host, processor, versions

FOLDER = Path("results/benchmarks")
PACKAGES = ("numba", "llvmlite", "pykan", "inkan")


@dataclass(frozen=True)
class Report:
    """`shown` are the columns of `table` that are printed, with their headings; the CSV has all of
    them.
    """

    name: str
    title: str
    table: pd.DataFrame
    shown: Mapping[str, str]
    notes: Sequence[str] = ()


def rich_table(report: Report) -> Table:
    """The table as a terminal shows it."""
    table = Table(title=report.title, title_justify="left")
    for column, heading in report.shown.items():
        numeric = pd.api.types.is_numeric_dtype(report.table[column])
        table.add_column(heading, justify="right" if numeric else "left", overflow="fold")
    for row in _cells(report):
        table.add_row(*row)
    return table


def write(report: Report, folder: Path, load_before: float) -> list[Path]:
    """Keep the table, and where its rows were made unless they say so themselves; the paths of its
    two files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv, page = folder / f"{report.name}.csv", folder / f"{report.name}.md"
    where = provenance(load_before)
    with whole_file(csv) as temporary:
        own = {name: value for name, value in where.items() if name not in report.table}
        report.table.assign(**own).to_csv(temporary, index=False)
    with whole_file(page) as temporary:
        temporary.write_text(_page(report, where), encoding="utf-8")
    return [csv, page]


def provenance(load_before: float) -> dict[str, str]:
    """Machine, versions, commit, date, and what else the machine did, as columns."""
    commit, dirty, _ = code()
    installed = {**versions(), **{name: _version(name) for name in PACKAGES}}
    return {
        "host": host(),
        "processor": f"{processor()}, {os.cpu_count()} cores",
        "versions": ", ".join(f"{name} {number}" for name, number in installed.items()),
        "commit": f"{(commit or 'unknown')[:12]}{', changed since' if dirty else ''}",
        "load_average": f"{load_before:.2f} before, {os.getloadavg()[0]:.2f} after",
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
    }


def digits(value: object) -> str:
    """A cell: three digits of a float, nothing for what is missing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None or value is pd.NA else str(value)
    if value != value:
        return ""
    if isinstance(value, int):
        return f"{value:,}"
    if value != 0 and not 1e-3 <= abs(value) < 1e6:
        return f"{value:.1e}"
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _page(report: Report, where: Mapping[str, str]) -> str:
    numeric = [pd.api.types.is_numeric_dtype(report.table[column]) for column in report.shown]
    lines = [f"# {report.title}", ""]
    lines += [_row(report.shown.values()), _row("---:" if right else "---" for right in numeric)]
    lines += [_row(cells) for cells in _cells(report)]
    lines += ["", *report.notes, ""] if report.notes else [""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in where.items()]
    return "\n".join(lines) + "\n"


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cells(report: Report) -> list[list[str]]:
    return [
        list(map(digits, row)) for row in report.table[list(report.shown)].itertuples(index=False)
    ]


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"
