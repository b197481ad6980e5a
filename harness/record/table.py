"""Tables of runs: the records of a plan as one, which laws, verdicts and pages read; and files of
anybody's.

The manifest is the denominator: a missing or damaged record is an error and never a shorter table.
Files (CSV, TSV, Parquet) are read as they stand, every row known by its line.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.base.errors import HarnessError
from harness.base.files import whole_file
from harness.record.schema import AnyMetrics, Losses, PhaseEnd, Record, kinds_of
from harness.spec import Cell, Manifest, ModuleShape, PlannedRun, Recipe, canonical_json

if TYPE_CHECKING:
    import pandas as pd

DELIMITERS = (",", "\t", ";", "|")
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet")
FORMULAS = ("=", "+", "-", "@", "\t", "\r")  # how they begin
MAX_ROWS_NAMED = 5  # in one error or caution; it counts the others


def runs_table(manifest: Manifest, records: Mapping[str, Record]) -> pd.DataFrame:
    """One row a recorded run and series, with counts, metrics and `chosen`, the trial that
    validation picked.

    `val_loss` and `test_loss` are in the `metric` of the task: the RMSE, or the cross-entropy,
    which has `val_accuracy` and `test_accuracy` beside it. `late_fall` is how many times the
    validation loss fell in the last half of training.

    `in_window`, `until` and `hold_out` are what the plan declares of the sizes that laws are fitted
    to. `of_budget` marks the series of one training budget each, of which the best sizes make a
    series of their own.
    """
    # takes a third of a second, which workers and `harness status` need not wait for
    import pandas as pd

    cells = {cell.index: cell for cell in manifest.cells}
    recorded = [run for run in manifest.runs if run.run_id in records]
    rows = pd.DataFrame(_row(cells[run.cell], run, records[run.run_id]) for run in recorded)
    trials = rows.groupby("cell")["trial"].transform("nunique")
    chosen = _chosen(rows, of_each_replicate=bool(manifest.experiment.search))
    of_budget = rows["cell"].map(
        {index: cell.frontier is not None for index, cell in cells.items()}
    )
    table = rows.assign(trials=trials, chosen=chosen, of_budget=of_budget)
    return pd.concat([table, *_frontiers(table, cells)], ignore_index=True)


def write_table(table: pd.DataFrame, folder: Path) -> None:
    """The table as `runs.csv` and `runs.parquet` in `folder`."""
    with whole_file(folder / "runs.csv") as path:
        for_spreadsheets(table).to_csv(path, index=False)
    with whole_file(folder / "runs.parquet") as path:
        table.to_parquet(path, index=False)


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """The table with an apostrophe before each text that a spreadsheet would take for a formula,
    such as `=1+1`.
    """
    texts = {str(name): column for name, column in table.items() if column.dtype.kind == "O"}
    return table.assign(**{name: column.map(_no_formula) for name, column in texts.items()})


def _no_formula(cell: Any) -> Any:
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULAS) else cell


def _row(cell: Cell, planned: PlannedRun, record: Record) -> dict[str, Any]:
    network, pruned = planned.run.network, record.pruned
    kept = pruned.network if pruned else network
    of_pruned = pruned and {
        "pruned_shape": pruned.network.dashed,
        "active_edges": pruned.active_edges,
        "test_rmse_unpruned": pruned.test_rmse,
    }
    return {
        "run_id": planned.run_id,
        "task": cell.task,
        "arm": cell.arm,
        "series": cell.series,
        "shape": network.dashed,
        "grid": getattr(network, "grid", None),
        "order": getattr(network, "order", None),
        "train_points": planned.run.task.train_points,
        "asked": cell.asked,
        "residual": cell.residual,
        "seed": planned.run.seed,
        "trial": planned.trial,
        "recipe": canonical_json(planned.run.recipe.model_dump(mode="json")),
        "dtype": planned.run.dtype,
        "engine": planned.run.engine,
        "status": record.status,
        **_errors(planned.run.task.metric, record.metrics),
        **(_forgetting(record.phases) if planned.run.recipe.phases else {}),
        "evaluations": record.evaluations,
        "evaluations_by_stage": json.dumps([made for made, _ in record.by_stage]),
        "iterations": record.iterations,
        "refused_steps": record.refused_steps,
        "late_fall": _late_fall(planned.run.recipe, record),
        **(
            {} if isinstance(kept, ModuleShape) else {"params.stored": kept.stored}
        ),  # which older records lack
        **record.counts,
        **(of_pruned or {}),
        "weights": record.weights,
        "pack_seconds": record.provenance.pack_seconds,
        "pack_lanes": record.provenance.pack_lanes,
        "cell": cell.index,
        "in_window": cell.in_window,
        "until_minimum": bool(cell.window and cell.window.until),
        "hold_out": cell.hold_out,
    }


def _late_fall(recipe: Recipe, record: Record) -> float:
    """How many times the validation loss fell in the last half of what followed the restarts.

    NaN if it diverged, and if a run of half the evaluations would be another one: then its fall
    says nothing.
    """
    if not recipe.can_stop or record.status != "done":
        return math.nan
    late = [point.validation_loss for point in record.last_half]
    return late[0] / late[-1] if late and late[0] and late[-1] else math.nan


def _errors(metric: str, metrics: AnyMetrics | None) -> dict[str, Any]:
    """The columns of a run's errors; those of one that diverged are NaN."""
    losses = metrics.losses if metrics else Losses(math.nan, math.nan, math.nan)
    (kind, _), has = kinds_of(metric), metrics.model_dump() if metrics else {}
    always = {
        name: math.nan for name, field in kind.model_fields.items() if field.is_required()
    } | has
    columns = {column: always[field] for column, field in kind.columns.items() if field in always}
    observed = {f"observed.{name}": value for name, value in has.get("observed", {}).items()}
    return (
        columns
        | {"metric": metric, "val_loss": losses.validation, "test_loss": losses.test}
        | observed
    )


def _forgetting(phases: tuple[PhaseEnd, ...] | None) -> dict[str, float]:
    """Training RMSE, mean over phases, right after each of them and after the last, and how many
    times more that is.
    """
    names = ("rmse_right_after", "rmse_in_the_end", "forgetting")
    if not phases:
        return dict.fromkeys(names, math.nan)
    right_after = sum(end.rmse[index] for index, end in enumerate(phases)) / len(phases)
    in_the_end = sum(phases[-1].rmse) / len(phases)
    times = in_the_end / right_after if right_after else math.nan
    return dict(zip(names, (right_after, in_the_end, times), strict=True))


def _frontiers(table: pd.DataFrame, cells: dict[int, Cell]) -> list[pd.DataFrame]:
    """Where sizes were crossed with training budgets: the best size of each budget, by validation,
    as a series more.
    """
    frontier = table["cell"].map({index: cell.frontier for index, cell in cells.items()})
    best_sizes = []
    for (_, name, _), group in table.groupby([table["task"], frontier, table["asked"]], sort=False):
        validation = group.loc[group["chosen"], ["cell", "val_loss"]].fillna({"val_loss": math.inf})
        best = validation.groupby("cell")["val_loss"].mean().idxmin()
        best_sizes.append(group[group["cell"] == best].assign(series=str(name), of_budget=False))
    return best_sizes


def _chosen(table: pd.DataFrame, of_each_replicate: bool) -> pd.Series:
    """Per cell, the trial with the lowest mean validation loss over seeds, or `of_each_replicate`
    the run with the lowest; a diverged run counts as infinite.
    """
    validation = table["val_loss"].fillna(math.inf)
    if of_each_replicate:
        best_runs = validation.groupby([table["cell"], table["seed"]]).idxmin()
        return table.index.to_series().isin(best_runs)
    means = validation.groupby([table["cell"], table["trial"]]).mean()
    best = means.groupby("cell").idxmin().map(lambda key: key[1])
    return table["trial"] == table["cell"].map(best)


# --------------------------------------------------------------------------------------------------
# files of runs
def is_table(path: Path) -> bool:
    """Whether the name is that of a table of runs and not of an experiment."""
    return path.name.lower().endswith(TABLES)


def read_table(path: Path) -> pd.DataFrame:
    """The file's cells, as text (Parquet: as stored); the index says where a row stands, `line 7`
    or `row 7`.

    The delimiter is that of the header: comma, tab, semicolon or bar. Rows without any cell are
    skipped.
    """
    if not path.is_file():
        problem = "is a folder" if path.is_dir() else "is not there"
        raise HarnessError(
            f"{path} {problem}; give a table of runs, one row a run ({', '.join(TABLES)})"
        )
    table = _read_parquet(path) if path.suffix.lower() == ".parquet" else _read_text(path)
    if table.empty:
        raise HarnessError(f"{path} has no rows below its header; give one row a run")
    return table


def table_of_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """A DataFrame as `read_table` would read it."""
    if frame.empty:
        raise HarnessError("the table has no rows; give one row a run")
    return _with_named_rows("the table", frame)


def _with_named_rows(subject: Path | str, frame: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    _check_names(subject, list(map(str, frame.columns)))
    return frame.rename(columns=str).set_axis(
        pd.RangeIndex(1, len(frame) + 1).map("row {}".format), axis=0
    )


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        table = pd.read_parquet(path)
    except (
        Exception
    ) as error:  # damaged bytes make pyarrow and pandas raise whatever they happen to meet
        why = next(iter(str(error).splitlines()), type(error).__name__)
        raise HarnessError(f"{path} cannot be read as Parquet ({why}); write it anew") from None
    return _with_named_rows(path, table)


def _read_text(path: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        raw = (
            gzip.decompress(path.read_bytes())
            if path.suffix.lower() == ".gz"
            else path.read_bytes()
        )
        text = raw.decode("utf-8-sig")
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise HarnessError(
            f"{path} cannot be unpacked ({error}); pack it anew, or give the plain file"
        ) from None
    except UnicodeDecodeError as error:
        raise HarnessError(
            f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8"
        ) from None
    if not text.strip():
        raise HarnessError(f"{path} is empty; give a header and one row a run")
    rows: dict[str, list[str]] = {}  # by the line on which each begins
    reader = _cells(text, ",")
    try:
        delimiter = max(DELIMITERS, key=lambda sign: len(_header(_cells(text, sign))))
        reader = _cells(text, delimiter)
        # A column without a name, as an index that pandas wrote, is called by its place.
        names = [cell.strip() or f"column {i}" for i, cell in enumerate(_header(reader), start=1)]
        _check_names(path, names)
        before = (
            reader.line_num
        )  # a quoted cell may hold line breaks: a row is named by its first line
        for cells in reader:
            if any(map(str.strip, cells)):
                rows[f"line {before + 1}"] = list(map(str.strip, cells))
            before = reader.line_num
    except csv.Error as error:
        raise HarnessError(
            f"{path}, line {reader.line_num}: {error}; is it a table of text?"
        ) from None
    if ragged := {
        line: f"{len(cells)} cells" for line, cells in rows.items() if len(cells) != len(names)
    }:
        named, next_move = (
            name_rows(ragged, ragged.values()),
            f"Quote cells that hold a {delimiter!r}.",
        )
        raise HarnessError(f"{path}: the header has {len(names)} cells, but {named}. {next_move}")
    return pd.DataFrame(rows.values(), index=list(rows), columns=names, dtype=object)


def _cells(text: str, delimiter: str) -> Any:
    """A reader of the text's rows; a line ends by \\n, \\r\\n, or \\r alone."""
    return csv.reader(io.StringIO(text, newline=None), delimiter=delimiter)


def _header(reader: Any) -> list[str]:
    """The cells of the first line that is not empty; there is one."""
    return next(filter(None, reader))


def _check_names(subject: Path | str, names: Sequence[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise HarnessError(
            f"{subject}: the column {twice[0]!r} is there twice; give every column a name of "
            "its own"
        )


def name_rows(rows: Iterable[str], says: Iterable[str]) -> str:
    """`line 7: rmse = 0, line 9: rmse = nan and 3 more rows`: the first five, and how many more."""
    pairs = [f"{row}: {text}" for row, text in zip(rows, says, strict=True)]
    more = len(pairs) - MAX_ROWS_NAMED
    return ", ".join(pairs[:MAX_ROWS_NAMED]) + (
        f" and {more} more row{'s' if more > 1 else ''}" if more > 0 else ""
    )
