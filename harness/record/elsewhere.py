"""Tables of runs from elsewhere (CSV, TSV, Parquet), every row known by its line in the file.

What `record.table` reads as it stands becomes the table of runs that laws are fitted to
(`judging.scaling`), once nothing is wrong with it.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
import pandas as pd

from harness.base.errors import HarnessError, did_you_mean
from harness.base.reasons import Caution
from harness.record.table_files import MAX_ROWS_NAMED, name_rows
from harness.record.table_files import is_table as is_table
from harness.record.table_files import read_table as read_table
from harness.record.table_files import table_of_frame as table_of_frame

# A run is ok if its status is one of these, in any case; whatever else it says, it failed.
OK_STATUSES = (
    "ok",
    "done",
    "true",
    "1",
    "yes",
    "success",
    "succeeded",
    "complete",
    "completed",
    "finished",
)
MISSING = ("", "na", "n/a", "nan", "null", "none")
# Columns that, where a table has them and nothing else is asked of them, must hold one value within
# a fit.
CONVENTION_COLUMNS = ("metric", "convention", "hardware", "dtype")
ONE_ARM = "all"  # what the runs of a table without arms are called
CENSORED_SHARE = 0.2  # of the runs of a size; where more failed, those left may be the lucky ones
EXTREME = 1e100  # beyond which products of a few numbers, and quotients, are none
# Columns that name a run, where nothing else is asked of them: a run in several rows left
# checkpoints there.
RUN_NAMES = (
    "run",
    "run_id",
    "run_name",
    "name",
    "exp_name",
    "job",
    "job_id",
    "trial",
    "wandb_id",
    "id",
)
LADDER = ("arm", "rung", "matched_on", "params")  # columns of runs that were planned as a ladder
NEARLY_EQUAL = 2.0  # sizes of one config that differ by less are one size
# What columns of sizes, data and compute are called.
AMOUNT = re.compile(
    r"((train\w*|total|num|n|seen|non|embedding|model)[_. -])*"
    r"(n|d|c|params|parameters|tokens|samples|steps?|epochs?|flops?|compute|budget)([_. "
    r"-]train\w*)?",
    re.IGNORECASE,
)
BESIDE_SIZES = 1.5  # runs whose sizes differ by less stand side by side


@dataclass(frozen=True)
class Columns:
    """Which columns say what of a run; all but `y` may be left out."""

    y: Annotated[str, "`--y`"]
    by: Annotated[tuple[str, ...], "`--by`"] = ()
    config: Annotated[tuple[str, ...], "`--config`"] = ()
    seed: Annotated[str | None, "`--seed`"] = None
    status: Annotated[str | None, "`--status`"] = None
    same: Annotated[tuple[str, ...], "`--same`"] = ()
    group: Annotated[str | None, "`--group`"] = None
    schedule: Annotated[
        str | None, "`--schedule`: the learning rate of a row as a share of its run's peak"
    ] = None
    sd: Annotated[str | None, "`--sd`: known standard errors of `y`, in its unit"] = None
    ceiling: Annotated[
        float | None, "the most that `y` can be, if it rises; power laws are of this less `y`"
    ] = None
    best_of: Annotated[
        int | None, "of how many tries at a size the expected best counts; null: all are runs"
    ] = None
    chance: Annotated[float | None, "of a sigmoid: what `y` is by guessing; null: fitted"] = None
    scores: Annotated[bool, "whether `y` is fitted as it is, by a sigmoid"] = False

    @property
    def loss(self) -> str:
        """What laws are of."""
        return self.y if self.scores or self.ceiling is None else f"{self.ceiling:g} - {self.y}"


def of_ladder(table: pd.DataFrame, is_one_size: bool = False) -> dict[str, Any]:
    """What the columns of a planned ladder mean, but for losses; nothing of other tables.

    Sizes are parameters and, unless `is_one_size` is wanted, training FLOPs: of a run, or else of a
    token.
    """
    if not set(LADDER) <= set(table.columns):
        return {}
    sizes = ["params", *sorted(name for name in table.columns if name.startswith("flops_train"))]
    seed = {"seed": "seed"} if "seed" in table.columns else {}
    return {
        "x": tuple(sizes[: 1 if is_one_size else 2]),
        "by": ("arm",),
        "config": ("rung",),
        **seed,
    }


def select(table: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """The rows that meet every `COLUMN=VALUE`; 5 and 5.0 are the same value."""
    for condition in conditions:
        name, equals, text = condition.partition("=")
        if not equals:
            raise HarnessError(f"`where` {condition!r} is not COLUMN=VALUE; write it as task=j0")
        cells, number = _texts(table, name, "`where`"), _number(text)
        kept = table[
            [cell == text or (number is not None and _number(cell) == number) for cell in cells]
        ]
        if kept.empty:
            values = [value for value, _ in Counter(cells).most_common(12)]
            raise HarnessError(f"`where` {condition!r} leaves no row; {did_you_mean(text, values)}")
        table = kept
    return table


def by_arm(table: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """The rows sorted by arm: numbers in their order, words in that of their first appearance; ties
    stay.
    """
    keys = []
    for name in columns.by:
        cells = _texts(table, name, "`by`")
        numbers = list(map(_number, cells))
        keys.append(
            pd.factorize(np.array(cells, object))[0] if None in numbers else np.array(numbers)
        )
    return table.iloc[np.lexsort(keys[::-1])] if keys else table


def statuses(table: pd.DataFrame, columns: Columns) -> dict[str, int]:
    """How many rows have each status, the commonest first; empty where no column says."""
    return (
        dict(Counter(_texts(table, columns.status, "`status`")).most_common())
        if columns.status
        else {}
    )


def is_ok(status: str) -> bool:
    """Whether a run with this status ended well."""
    return status.strip().lower() in OK_STATUSES


def runs_on(
    table: pd.DataFrame,
    columns: Columns,
    x: str,
    more_sizes: Sequence[str] = (),
    across: bool = False,
) -> tuple[pd.DataFrame, dict[str, tuple[Caution, ...]]]:
    """The table of runs with `x` as their `size`, and what to know of the runs of each arm; a
    HarnessError names rows.

    Every run that did not fail must have a finite size and loss above 0; with a config, no (arm,
    config, seed) may be there twice; every column of conventions must have one value in an arm, or
    where arms are compared (`across`) in all. `more_sizes` are columns too, which are no
    conventions. In a run that failed, whatever stands for the size or the loss is not read as one.
    """
    failed = _failed(table, columns)
    y = _numbers(table, columns.y, "`y`", failed)
    runs = pd.DataFrame(
        {
            "row": table.index.to_numpy(str),
            "task": "",
            "series": _joined(table, columns.by, "`by`", are_arms=True) or ONE_ARM,
            "config": _joined(table, columns.config, "`config`"),
            "seed": _texts(table, columns.seed, "`seed`") if columns.seed else "",
            "status": np.where(failed, "failed", "done"),
            "size": _numbers(table, x, "`x`", failed),
            "test_loss": y if columns.loss == columns.y else (columns.ceiling or 0) - y,
            "metric": columns.loss,
            "in_window": True,
            "until_minimum": False,
            "hold_out": 0,
        }
    )
    runs = _at_config_sizes(runs) if columns.config else runs.assign(joined=False)
    amounts = [
        np.nan_to_num(_numbers(table, name, "`x`", failed), nan=-1)
        for name in dict.fromkeys((x, *more_sizes))
    ]
    meanings = (
        columns.y,
        columns.seed,
        columns.status,
        *columns.config,
        *columns.by,
        x,
        *more_sizes,
    )
    others = [name for name in table.columns if name not in meanings]
    name_column = next((name for name in RUN_NAMES if name in others), None)
    runs = runs.assign(
        amount=[" ".join(map(str, row)) for row in zip(*amounts, strict=True)],
        run=_texts(table, name_column, "a name")
        if name_column
        else runs["config"] + ", seed " + runs["seed"],
        is_named=name_column is not None,
    )
    if columns.group:
        runs = runs.assign(group=_texts(table, columns.group, "`group`"))
    if columns.sd:
        runs = runs.assign(sd=_numbers(table, columns.sd, "`sd`", failed))
        _check_positive(
            runs[runs["status"] == "done"], "sd", columns.sd, "Give the standard error of each run."
        )
    if columns.schedule:
        runs = runs.assign(schedule=_numbers(table, columns.schedule, "`schedule`", failed))
        _check_schedule(runs[runs["status"] == "done"], columns.schedule)
    # Columns that must hold one value: conventions that the user has given no other meaning, and
    # `--same`.
    conventions = [name for name in CONVENTION_COLUMNS if name in others]
    same = [name for name in dict.fromkeys((*conventions, *columns.same)) if name not in columns.by]
    _check(runs, columns, x, {name: _texts(table, name, "`same`") for name in same}, across)
    by_series = runs.groupby("series", sort=False)
    return runs, {
        str(arm): tuple(_cautions(of_arm, table, columns, x)) for arm, of_arm in by_series
    }


def with_sizes(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs that have a size: a failed one may lack it."""
    return runs[np.isfinite(runs["size"]) & (runs["size"] > 0)]


# --------------------------------------------------------------------------------------------------
# columns
def _texts(table: pd.DataFrame, name: str, option: str) -> list[str]:
    if name not in table.columns:
        raise HarnessError(
            f"{option} {name!r} is no column of the file; "
            f"{did_you_mean(name, map(str, table.columns))}"
        )
    return ["" if cell is None else str(cell) for cell in table[name].tolist()]


def _joined(
    table: pd.DataFrame, names: Sequence[str], option: str, are_arms: bool = False
) -> list[str] | str:
    """The cells of a row as one text. Of arms a number alone says nothing, so its column stands
    before it.
    """
    columns = []
    for name in names:
        begun_by = f"{name}=" if are_arms else ""
        cells = _texts(table, name, option)
        columns.append(
            [
                (begun_by if _number(cell) is not None else "") + (cell or "(empty)")
                for cell in cells
            ]
        )
    return [" / ".join(row) for row in zip(*columns, strict=True)] if columns else ""


def _failed(table: pd.DataFrame, columns: Columns) -> np.ndarray:
    if not columns.status:
        return np.zeros(len(table), bool)
    words = _texts(table, columns.status, "`status`")
    failed = ~np.array(list(map(is_ok, words)))
    if failed.all():
        values = ", ".join(repr(value) for value, _ in Counter(words).most_common(6))
        raise HarnessError(
            f"`status` {columns.status!r} says {values}, so no run is ok; ok is one of "
            f"{', '.join(OK_STATUSES)}"
        )
    return failed


def _numbers(table: pd.DataFrame, name: str, option: str, failed: np.ndarray) -> np.ndarray:
    cells = _texts(table, name, option)
    numbers = list(map(_number, cells))
    of_rows = zip(table.index, cells, numbers, failed, strict=True)
    if bad := {
        row: f"{name} = {cell!r}"
        for row, cell, number, lost in of_rows
        if number is None and not lost
    }:
        named = name_rows(bad, bad.values())
        commas = [
            cell
            for cell in cells
            if _number(cell) is None and _number(cell.replace(",", ".")) is not None
        ]
        as_meant = (
            f"{commas[0].replace(',', '.')} for {commas[0]}"
            if commas
            else "numbers as 1234.5 or 1.2345e3"
        )
        raise HarnessError(f"{named}: not a number. Write {as_meant}, or choose rows with `where`.")
    return np.array(numbers, float)  # in which None is nan


def _number(cell: str) -> float | None:
    """The cell as a number, nan where it is missing; None if it is something else."""
    if cell.strip().lower() in MISSING:
        return math.nan
    try:
        return (
            None if "_" in cell else float(cell)
        )  # Python reads 1_000, other programs do not write it
    except ValueError:
        return None


# --------------------------------------------------------------------------------------------------
# checks
def _at_config_sizes(runs: pd.DataFrame) -> pd.DataFrame:
    """The runs with one size for every config of an arm: the median over its runs that did not
    fail.

    Seeds that spent a little more or less work are then replicates of one size and not sizes of
    their own, and a failed run stands where it should have been. A config whose sizes differ by a
    factor of 2 or more stays as it is. `joined` are the runs that were moved.
    """
    done = runs["status"] == "done"
    of_config = runs["size"].where(done).groupby([runs["series"], runs["config"]])
    least, most, median = (of_config.transform(how) for how in ("min", "max", "median"))
    is_near = (most / NEARLY_EQUAL < least) & (runs["size"].notna() | ~done)
    size = median.where(is_near, runs["size"])
    return runs.assign(size=size, joined=done & (size != runs["size"]))


def _check(
    runs: pd.DataFrame, columns: Columns, x: str, same: Mapping[str, Sequence[str]], across: bool
) -> None:
    done = runs[runs["status"] == "done"]
    if done.empty:
        raise HarnessError(f"none of the {len(runs)} runs ended well, so there is nothing to fit.")
    _check_positive(done, "size", x, "Correct the sizes, or leave the rows out.")
    failed = (
        "If these runs failed, mark them as failed (`status`), and they are counted; else "
        "correct them."
    )
    fitted = done.assign(test_loss=1 + done["test_loss"].abs()) if columns.scores else done
    _check_positive(fitted, "test_loss", columns.loss, failed)  # scores need to be finite only
    for name, values in same.items():
        of_name = done.assign(value=np.array(values, object)[done.index])
        for arm, of_arm in (
            [(ONE_ARM, of_name)] if across else of_name.groupby("series", sort=False)
        ):
            counted = of_arm.groupby("value")["row"].agg(["first", "size"])
            if len(counted) > 1:
                says = [
                    f"{name} = {value} in {count} rows" for value, count in counted["size"].items()
                ]
                within = "" if arm == ONE_ARM else f"{arm}: "
                raise HarnessError(
                    f"{within}{name} has {len(counted)} values "
                    f"({name_rows(counted['first'], says)}): numbers under "
                    "different conventions are not one curve. Choose one with `where` "
                    f"'{name}={counted.index[0]}', or "
                    f"tell them apart with `by` {name}."
                )
    if columns.config:
        _check_once(runs, columns)


def _check_positive(done: pd.DataFrame, column: str, name: str, next_move: str) -> None:
    is_good = np.isfinite(done[column]) & (done[column] > 0)
    is_plain = (done[column] >= 1 / EXTREME) & (done[column] <= EXTREME)
    for bad, why in (
        (done[~is_good], f"a law in log space needs finite numbers above 0. {next_move}"),
        (
            done[~is_plain],
            f"numbers from {1 / EXTREME:g} to {EXTREME:g} are fitted. Give them in other units.",
        ),
    ):
        if len(bad):
            named = name_rows(bad["row"], [f"{name} = {value:g}" for value in bad[column]])
            raise HarnessError(f"{named}: {why}")


def _check_schedule(done: pd.DataFrame, name: str) -> None:
    shares = done["schedule"]
    bad = done[~shares.between(0, 1)]
    if len(bad):
        named = name_rows(bad["row"], [f"{name} = {value:g}" for value in bad["schedule"]])
        raise HarnessError(
            f"{named}: give the learning rate of each row as a share of its run's peak, from "
            "0 to 1."
        )
    if shares.min() == shares.max():
        raise HarnessError(
            f"`schedule` {name!r} is {shares.min():g} in all rows, which says nothing of a decay; "
            "leave it out"
        )


def _check_once(runs: pd.DataFrame, columns: Columns) -> None:
    # With a seed, a config at several amounts of work is told of as checkpoints.
    place = ["series", "config", "seed", *(["amount"] if columns.seed else [])]
    first = runs.groupby(place).transform("first")
    again = runs[runs["row"] != first["row"]]
    if again.empty:
        return
    says = [
        (
            f"{columns.loss} = {run.test_loss:g}, and {before.test_loss:g} in {before.row}: config "
            f"{run.config}"
        )
        + (f", seed {run.seed}" if columns.seed else "")
        for run, before in zip(again.itertuples(), first.loc[again.index].itertuples(), strict=True)
    ]
    next_move = "Keep one row of each, or add the column that tells them apart to `config`"
    next_move += "." if columns.seed else ", or name the seeds with `seed`."
    raise HarnessError(
        f"{name_rows(again['row'], says)}: a run that is read twice would count as two. {next_move}"
    )


def _cautions(
    runs: pd.DataFrame, table: pd.DataFrame, columns: Columns, x: str
) -> Iterator[Caution]:
    yield from _pooled(runs, table, columns, x)
    done = runs["status"] == "done"
    repeated = int(runs[done].duplicated(["size", "seed"]).sum())
    if repeated and not (
        columns.config or columns.group or columns.best_of
    ):  # nobody said what a run is
        yield Caution(
            "REPEATS",
            f"{repeated} rows repeat a size{' and seed' if columns.seed else ''} and count as "
            "replicates. Name the "
            "columns that say what a run is (config), and a run that is there twice is found.",
        )
    if not columns.group and (runs["is_named"].any() or (columns.config and columns.seed)):
        amounts = runs[done].groupby("run")["amount"].nunique()
        kept = amounts[amounts > 1]
        if len(kept):
            yield Caution(
                "CHECKPOINTS",
                f"{len(kept)} runs, {kept.index[0]} the first, stand at several amounts of data "
                "or compute. Such rows "
                "are no runs of their own: where a learning rate decays, their loss is above that "
                "of a run which "
                "ends there. Keep the last row of each run; or name the column of runs as `group` "
                "and, with a second "
                "size (`and`), the learning rate that is left as `schedule`.",
            )
    if runs["joined"].any():
        yield Caution(
            "MEDIAN_SIZE",
            f"{runs['joined'].sum()} runs have another {x} than the median of their config, by "
            "less than a factor of "
            f"{NEARLY_EQUAL:g}: they stand at that median, as replicates of one size.",
        )
    failures = (
        (~done).groupby(runs["size"].where(runs["size"] > 0), dropna=False).agg(["sum", "size"])
    )
    lost = failures[failures["sum"] > CENSORED_SHARE * failures["size"]]
    if len(lost):  # what is left there may be the lucky ones
        named = [
            f"{failed} of {count} at {size_words(size)}"
            for size, failed, count in lost.itertuples()
        ]
        more = f" and {len(lost) - MAX_ROWS_NAMED} more sizes" if len(lost) > MAX_ROWS_NAMED else ""
        yield Caution(
            "CENSORED",
            f"runs failed: {', '.join(named[:MAX_ROWS_NAMED])}{more}. Beyond {CENSORED_SHARE:.0%} "
            "of a size, what is "
            "left there is a selection, and a law through it flatters. Repair those runs, or "
            "leave the size out.",
        )


def _pooled(runs: pd.DataFrame, table: pd.DataFrame, columns: Columns, x: str) -> Iterator[Caution]:
    """Whether runs side by side differ in another amount by more than a square of their sizes
    would: several curves.
    """
    done, read = runs[runs["status"] == "done"], {x, columns.y, *columns.by}
    names = [name for name in table.columns if name not in read and AMOUNT.fullmatch(str(name))]
    amounts = {
        name: list(map(_number, _texts(table.iloc[done.index], name, "a column"))) for name in names
    }
    sizes = done["size"].to_numpy()
    beside = np.round(np.log(sizes) / math.log(BESIDE_SIZES))
    by_size = pd.DataFrame({**amounts, "size": sizes}, dtype=float).groupby(beside)
    spans = by_size.max() / by_size.min()
    differ = [name for name in names if (spans[name] > NEARLY_EQUAL * spans["size"] ** 2).any()]
    if differ:
        yield Caution(
            "POOLED",
            f"runs of nearly equal {x} differ in {' and '.join(differ[:2])}, and are one curve "
            f"over {x} here. Name the "
            "second size (`and`), keep rows of one kind (`where`), or tell curves apart (`by`).",
        )


def size_words(size: float) -> str:
    """A size in words; a failed run may have none."""
    return f"size {size:.4g}" if math.isfinite(size) else "no size"
