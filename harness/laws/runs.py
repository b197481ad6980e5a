"""Runs as they come from a file, and what must be true of them before a law is fitted: no bad number, no run twice."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from harness.base.errors import HarnessError
from harness.laws.result import Caution

MAX_ROWS_NAMED = 5
CENSORED_SHARE = 0.2
EXTREME = 1e100  # beyond which products of a few numbers, and quotients, are none
NEARLY_EQUAL = 2.0  # sizes of one config that differ by less are one size


@dataclass(frozen=True)
class Runs:
    """Runs as parallel arrays [n]; a run that failed has a place but needs no size and no loss.

    `row` says where each run stands ("line 7"), for messages, as do the names. `config` says what a run was set to and
    `seed` which of its repeats it is; empty arrays mean that nobody said. `joined` are the runs that were moved to the
    median size of their config. `same` holds the columns that must have one value in every arm.
    """

    x: np.ndarray
    y: np.ndarray
    arm: np.ndarray
    row: np.ndarray
    failed: np.ndarray
    config: np.ndarray
    seed: np.ndarray
    joined: np.ndarray
    same: Mapping[str, np.ndarray] = field(default_factory=dict)
    x_name: str = "x"
    y_name: str = "y"


class ArmSize(NamedTuple):
    """One size of an arm, and how its runs ended."""

    arm: Annotated[str, "the arm"]
    size: Annotated[float | None, "null: failed runs without one"]
    done: Annotated[int, "runs that ended well"]
    failed: Annotated[int, "runs that failed"]


def make_runs(
    x: ArrayLike,
    y: ArrayLike,
    arm: ArrayLike | None = None,
    *,
    row: ArrayLike | None = None,
    failed: ArrayLike | None = None,
    config: ArrayLike | None = None,
    seed: ArrayLike | None = None,
    same: Mapping[str, ArrayLike] | None = None,
    x_name: str = "x",
    y_name: str = "y",
) -> Runs:
    """Runs from one entry per run; without `arm` all are of one, without `failed` none did. Not yet checked."""
    count = np.asarray(y).size
    runs = Runs(
        x=np.asarray(x, float),
        y=np.asarray(y, float),
        arm=np.full(count, "all") if arm is None else np.asarray(arm, str),
        row=np.array([f"row {i}" for i in range(count)], str) if row is None else np.asarray(row, str),
        failed=np.zeros(count, bool) if failed is None else np.asarray(failed, bool),
        config=np.array([], str) if config is None else np.asarray(config, str),
        seed=np.array([], str) if seed is None else np.asarray(seed, str),
        joined=np.zeros(count, bool),
        same={name: np.asarray(values, str) for name, values in (same or {}).items()},
        x_name=x_name,
        y_name=y_name,
    )
    arrays = {x_name: runs.x, y_name: runs.y, "arm": runs.arm, "row": runs.row, "failed": runs.failed, **runs.same}
    optional = {name: values for name, values in (("config", runs.config), ("seed", runs.seed)) if values.size}
    for name, values in {**arrays, **optional}.items():
        if values.shape != (count,):
            raise HarnessError(f"{name} has shape {values.shape} and {y_name} has {count} rows; give one per run.")
    return runs


def check_runs(runs: Runs, across: bool = False) -> dict[str, tuple[Caution, ...]]:
    """What to know of every arm's runs, if they can be fitted; else a HarnessError that names rows and their values.

    Every run that did not fail has a finite size and loss above 0; with a config, no (arm, config, seed) is there
    twice; every column of `same` has one value in an arm, or where arms are compared (`across`) in all.
    """
    if not np.any(~runs.failed):
        raise HarnessError(f"none of the {runs.y.size} runs ended well, so there is nothing to fit.")
    _check_positive(runs, runs.x_name, runs.x, "Correct the sizes, or leave the rows out.")
    failed = "If these runs failed, mark them as failed (--status COLUMN), and they are counted; else correct them."
    _check_positive(runs, runs.y_name, runs.y, failed)
    for name, values in runs.same.items():
        _check_same(replace(runs, arm=np.full(runs.arm.size, "all")) if across else runs, name, values)
    if runs.config.size:
        _check_once(runs)
    checks = (_repeats, _nearly_equal, _censored)
    found = {arm: tuple(check(runs, arm) for check in checks) for arm in arms(runs)}
    return {arm: tuple(one for one in cautions if one) for arm, cautions in found.items()}


def with_config_sizes(runs: Runs) -> Runs:
    """The runs with one size for every config of an arm: the median over its runs that did not fail.

    Seeds that spent a little more or less work are then replicates of one size and not sizes of their own, and a failed
    run stands where it should have been. A config whose sizes differ by a factor of 2 or more stays as it is; so do
    runs without configs.
    """
    if not runs.config.size:
        return runs
    x = runs.x.copy()
    for own in _configs(runs):
        done = runs.x[own][~runs.failed[own]]
        if done.size and done.max() / NEARLY_EQUAL < done.min():
            x[own] = np.median(done)
    return replace(runs, x=x, joined=runs.joined | ((x != runs.x) & ~runs.failed))


def _configs(runs: Runs) -> list[np.ndarray]:
    """The places of the runs of each config of each arm."""
    places: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(zip(runs.arm.tolist(), runs.config.tolist(), strict=True)):
        places.setdefault(key, []).append(place)
    return [np.array(own) for own in places.values()]


def cells(runs: Runs) -> tuple[ArmSize, ...]:
    """The runs of every size of every arm, arms in order of appearance, sizes in order, runs without a size last."""
    has_size = np.isfinite(runs.x) & (runs.x > 0)
    sizes = [size if known else None for size, known in zip(runs.x.tolist(), has_size.tolist(), strict=True)]
    placed = list(zip(runs.arm.tolist(), sizes, runs.failed.tolist(), strict=True))
    counts = Counter(placed)
    order = {arm: i for i, arm in enumerate(arms(runs))}
    keys = sorted({(arm, size) for arm, size, _ in placed}, key=lambda key: (order[key[0]], key[1] or math.inf))
    return tuple(ArmSize(arm, size, counts[arm, size, False], counts[arm, size, True]) for arm, size in keys)


def rows_of(runs: Runs, kept: np.ndarray) -> Runs:
    """The runs where `kept` [n] is true."""
    arrays = {one.name: getattr(runs, one.name) for one in fields(runs)}
    cut = {name: values[kept] for name, values in arrays.items() if isinstance(values, np.ndarray) and values.size}
    return replace(runs, **cut, same={name: values[kept] for name, values in runs.same.items()})


def arms(runs: Runs) -> tuple[str, ...]:
    """The arms in order of appearance."""
    return tuple(dict.fromkeys(runs.arm.tolist()))


def size_words(size: float | None) -> str:
    """A cell's size in words."""
    return "no size" if size is None else f"size {size:.4g}"


# ------------------------------------------------------------------------------------------------------------- checks
def name_rows(rows: ArrayLike, says: ArrayLike) -> str:
    """`line 7: rmse = 0, line 9: rmse = nan and 3 more rows`: the first five, and how many more."""
    pairs = [f"{row}: {text}" for row, text in zip(np.asarray(rows), np.asarray(says), strict=True)]
    more = len(pairs) - MAX_ROWS_NAMED
    return ", ".join(pairs[:MAX_ROWS_NAMED]) + (f" and {more} more row{'s' if more > 1 else ''}" if more > 0 else "")


def _check_positive(runs: Runs, name: str, values: np.ndarray, next_move: str) -> None:
    bad = ~runs.failed & ~(np.isfinite(values) & (values > 0))
    extreme = ~runs.failed & ~bad & ~((values >= 1 / EXTREME) & (values <= EXTREME))
    if bad.any():
        named = name_rows(runs.row[bad], [f"{name} = {value:g}" for value in values[bad]])
        raise HarnessError(f"{named}: a law in log space needs finite numbers above 0. {next_move}")
    if extreme.any():
        named = name_rows(runs.row[extreme], [f"{name} = {value:g}" for value in values[extreme]])
        raise HarnessError(
            f"{named}: numbers from {1 / EXTREME:g} to {EXTREME:g} are fitted. Give them in other units."
        )


def _check_same(runs: Runs, name: str, values: np.ndarray) -> None:
    for arm in arms(runs):
        own = (runs.arm == arm) & ~runs.failed
        different, first, counts = np.unique(values[own], return_index=True, return_counts=True)
        if different.size > 1:
            told = [f"{name} = {value} in {count} rows" for value, count in zip(different, counts, strict=True)]
            named = name_rows(runs.row[own][first], told)
            raise HarnessError(
                f"{_within(arm)}{name} has {different.size} values ({named}): numbers under different conventions are "
                f"not one curve. Choose one with --where '{name}={different[0]}', or tell them apart with --by {name}."
            )


def _within(arm: str) -> str:
    return "" if arm == "all" else f"{arm}: "


def _check_once(runs: Runs) -> None:
    seeds = runs.seed if runs.seed.size else np.full(runs.y.size, "")
    seen: dict[tuple[str, str, str], int] = {}
    rows, says = [], []
    for i, key in enumerate(zip(runs.arm.tolist(), runs.config.tolist(), seeds.tolist(), strict=True)):
        first = seen.setdefault(key, i)
        if first != i:
            seed = f", seed {key[2]}" if runs.seed.size else ""
            rows.append(runs.row[i])
            losses = f"{runs.y[i]:g}, and {runs.y[first]:g} in {runs.row[first]}"
            says.append(f"{runs.y_name} = {losses}: config {key[1]}{seed}")
    if rows:
        next_move = "Keep one row of each, or add the column that tells them apart to --config"
        next_move += "." if runs.seed.size else ", or name the seeds with --seed."
        raise HarnessError(f"{name_rows(rows, says)}: a run that is read twice would count as two. {next_move}")


def _repeats(runs: Runs, arm: str) -> Caution | None:
    """Where nobody said what a run is: rows at one size (and seed), which then count as replicates."""
    if runs.config.size:
        return None
    own = (runs.arm == arm) & ~runs.failed
    seeds = runs.seed[own].tolist() if runs.seed.size else [""] * int(own.sum())
    repeated = int(own.sum()) - len(set(zip(runs.x[own].tolist(), seeds, strict=True)))
    if not repeated:
        return None
    return Caution(
        "REPEATS",
        f"{repeated} rows repeat a size{' and seed' if runs.seed.size else ''} and count as replicates. Name the "
        "columns that say what a run is with --config, and a run that is there twice is found.",
    )


def _nearly_equal(runs: Runs, arm: str) -> Caution | None:
    """Where runs of one config spent different work and were given their median."""
    joined = int(np.sum(runs.joined & (runs.arm == arm)))
    if not joined:
        return None
    return Caution(
        "MEDIAN_SIZE",
        f"{joined} runs have another {runs.x_name} than the median of their config, by less than a factor of "
        f"{NEARLY_EQUAL:g}: they stand at that median, as replicates of one size.",
    )


def _censored(runs: Runs, arm: str) -> Caution | None:
    """Where more than a fifth of the runs of a size are lost: what is left there may be the lucky ones."""
    if not np.any(runs.failed & (runs.arm == arm)):
        return None
    own = [cell for cell in cells(runs) if cell.arm == arm]
    lost = [cell for cell in own if cell.failed > CENSORED_SHARE * (cell.done + cell.failed)]
    if not lost:
        return None
    named = [f"{cell.failed} of {cell.done + cell.failed} at {size_words(cell.size)}" for cell in lost]
    more = f" and {len(lost) - MAX_ROWS_NAMED} more sizes" if len(lost) > MAX_ROWS_NAMED else ""
    return Caution(
        "CENSORED",
        f"runs failed: {', '.join(named[:MAX_ROWS_NAMED])}{more}. Beyond {CENSORED_SHARE:.0%} of a size, what is left "
        "there is a selection, and a law through it flatters. Repair those runs, or leave the size out.",
    )
