"""From a table of anybody's runs to laws: every arm on every size that is asked for, under every law."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from harness import __version__, fit
from harness.base.errors import HarnessError, did_you_mean
from harness.comparison.tables.read import Columns, by_arm, read_table, runs_of, select, statuses
from harness.fit.bootstrap import CrossCheck
from harness.fit.diagnose import Diagnostics
from harness.fit.held_out import Extrapolation, extrapolate, extrapolation_json, largest_sizes, warn_of_distance
from harness.fit.result import LawName
from harness.fit.runs import MAX_ROWS_NAMED, ArmSize, Runs, arms, cells, check_runs, rows_of, with_config_sizes
from harness.fit.select import Selection
from harness.fit.window import until_minimum, warn_of_cut

AUTO = "auto"  # the laws of `select_law`, and which of them to quote
ORDER: tuple[LawName, ...] = get_args(LawName)  # the richest last


@dataclass(frozen=True)
class SizeRange:
    """The sizes that laws are fitted to: from `low` to `high`, both included, up to the least mean loss if asked."""

    low: float | None = None
    high: float | None = None
    until: Literal["minimum"] | None = None


WHOLE = SizeRange()


@dataclass(frozen=True)
class Request:
    """What to fit: a file, the columns that hold sizes, what the others mean, and how to fit.

    `laws` is `auto`, or the laws to show side by side; `arms` are those wanted (all where empty).
    """

    file: Path
    x: tuple[str, ...]
    columns: Columns
    where: tuple[str, ...] = ()
    laws: tuple[str, ...] = (AUTO,)
    level: float = 0.95
    window: SizeRange = WHOLE
    hold_out: int = 0
    objective: str = "auto"
    arms: tuple[str, ...] = ()


@dataclass(frozen=True)
class Parts:
    """Which of an arm's runs that ended well are fitted, held out, or outside of the window; each [n]."""

    fitted: np.ndarray
    held: np.ndarray
    outside: np.ndarray


@dataclass(frozen=True, eq=False)  # its checks are cached by it
class ArmFit:
    """The laws of one arm on one size. `whole` has those without the window, where it left sizes out; else it is empty.

    `x` and `y` are all runs that ended well, one entry a run, in their `parts`; `failed_x` are the sizes of the failed
    runs that have one. `selection` is there where it was asked which law to quote. `held_out` has what each law
    predicts of the sizes that were set aside; it is empty where none were.
    """

    arm: str
    x_name: str
    x: np.ndarray
    y: np.ndarray
    parts: Parts
    failed: int
    failed_x: np.ndarray
    fits: dict[LawName, fit.Fit]
    whole: dict[LawName, fit.Fit]
    selection: Selection | None
    held_out: dict[LawName, Extrapolation]
    cautions: tuple[fit.Caution, ...]

    @property
    def points(self) -> fit.Points:
        """What the laws were fitted to."""
        return next(iter(self.fits.values())).points

    @property
    def quoted(self) -> fit.Fit | None:
        """The law to quote: the chosen one, or else the richest of those asked for; None if it was refused."""
        if self.selection:
            return self.fits[self.selection.chosen] if self.selection.chosen else None
        return next((one for one in reversed(list(self.fits.values())) if not one.refusals), None)


@dataclass(frozen=True)
class RequestedFits:
    """All fits of a request, with what to know of the runs, by column of sizes."""

    request: Request
    sha256: str
    statuses: dict[str, int]
    fits: tuple[ArmFit, ...]
    cells: dict[str, tuple[ArmSize, ...]]


@dataclass(frozen=True)
class Checks:
    """The diagnostics of an arm's quoted law, and other intervals of its exponent."""

    diagnostics: Diagnostics
    cross_check: CrossCheck


def answer(request: Request) -> RequestedFits:
    """Read, check and fit; raises HarnessError, naming rows, where the table cannot be fitted as asked."""
    _check_laws(request.laws)
    check_window(request.window, request.x)
    table = by_arm(select(read_table(request.file), request.where), request.columns)
    by_size = {x: with_config_sizes(runs_of(table, request.columns, x, *request.x)) for x in dict.fromkeys(request.x)}
    if request.arms:
        by_size = {x: only_arms(runs, request.arms, request.columns.by) for x, runs in by_size.items()}
    cautions = {x: check_runs(runs, across=bool(request.arms)) for x, runs in by_size.items()}
    fits: list[ArmFit] = []
    for x, runs in by_size.items():
        fits += [_fit_arm(runs, arm, cautions[x][arm], request) for arm in arms(runs)]
    return RequestedFits(
        request=request,
        sha256=file_hash(request.file),
        statuses=statuses(table, request.columns),
        cells={x: cells(runs) for x, runs in by_size.items()},
        fits=tuple(fits),
    )


def only_arms(runs: Runs, wanted: Sequence[str], by: Sequence[str]) -> Runs:
    """The runs of the wanted arms; raises HarnessError where there is no such arm, saying which there are."""
    there = arms(runs)
    if not by:
        raise HarnessError(
            f"the table has one arm, and {' and '.join(wanted)} were asked for; name the column that tells arms apart "
            "with --by"
        )
    columns = " ".join(f"--by {name}" for name in by)
    for name in wanted:
        if name not in there:
            raise HarnessError(f"{name!r} is no arm of the table ({columns}); {did_you_mean(name, there)}")
    return rows_of(runs, np.isin(runs.arm, wanted))


def drawn_law(fits: Sequence[ArmFit], x_name: str) -> LawName:
    """The one law to draw and compare all arms with on a size, so that their exponents are the same quantity.

    Of the laws that were fitted to every arm and that some arm is to be quoted with, that which is refused for the
    fewest arms, and of those that stand alike the richest, which contains the others.
    """
    own = [one for one in fits if one.x_name == x_name]
    shared = [law for law in ORDER if all(law in one.fits for one in own)]
    quoted = {one.quoted.law for one in own if one.quoted}.intersection(shared) or shared
    refused = {law: sum(bool(one.fits[law].refusals) for one in own) for law in quoted}
    return min(refused, key=lambda law: (refused[law], -ORDER.index(law)))


def checks(one: ArmFit) -> Checks | None:
    """The checks of the law to quote (seconds where an arm has hundreds of sizes); None where all were refused."""
    if one.quoted is None:
        return None
    fitted = one.parts.fitted
    return Checks(fit.diagnose(one.quoted), fit.cross_check(one.x[fitted], one.y[fitted], one.quoted))


def file_hash(file: Path) -> str:
    """SHA-256 of the table as it lies there."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def to_json(found: RequestedFits, checked: Callable[[ArmFit], Checks | None] = checks) -> dict[str, Any]:
    """Everything in plain types that strict JSON can hold."""
    return {
        "request": request_json(found.request),
        "sha256": found.sha256,
        "harness": __version__,
        "statuses": found.statuses,
        "sizes": [
            {
                "x": x,
                "drawn_law": drawn_law(found.fits, x),
                "cells": [cell._asdict() for cell in found.cells[x]],
                "arms": [_arm_json(one, checked(one)) for one in found.fits if one.x_name == x],
            }
            for x in found.cells
        ],
    }


def request_json(request: Any) -> dict[str, Any]:
    """A request as it was asked."""
    return asdict(request) | {"file": str(request.file)}


# --------------------------------------------------------------------------------------------------------------- asked
def _check_laws(asked: Sequence[str]) -> None:
    for name in asked:
        if name not in (*ORDER, AUTO):
            raise HarnessError(f"--law {name!r} is not known; {did_you_mean(name, (*ORDER, AUTO))}")
    if AUTO in asked and len(asked) > 1:
        raise HarnessError(f"--law auto chooses between laws by itself; leave out --law {asked[asked[0] == AUTO]}")


def check_window(window: SizeRange, x: Sequence[str]) -> None:
    """Raises HarnessError for ends in the unit of several sizes, and for ends with nothing between them."""
    low, high = window.low, window.high
    if len(x) > 1 and (low, high) != (None, None):
        raise HarnessError(f"--min-x and --max-x are in the unit of one size; fit {' and '.join(x)} one at a time")
    if low is not None and high is not None and low >= high:
        raise HarnessError(f"--min-x {low:g} is not below --max-x {high:g}; leave sizes between them")


# ---------------------------------------------------------------------------------------------------------------- fits
def _fit_arm(runs: Runs, arm: str, cautions: tuple[fit.Caution, ...], request: Request) -> ArmFit:
    own, lost = (runs.arm == arm) & ~runs.failed, (runs.arm == arm) & runs.failed
    x, y = runs.x[own], runs.y[own]
    parts = window_parts(x, y, request.window, request.hold_out)
    laws: Sequence[LawName] = [law for law in ORDER if law in request.laws]
    selection = None
    if AUTO in request.laws:
        selection = fit.select_law(x[parts.fitted], y[parts.fitted], request.level, request.objective)
        fits = {law: selection.fits[law] for law in ORDER if law in selection.fits}
    else:
        fits = _fits(x[parts.fitted], y[parts.fitted], laws, request)
    whole = _fits(x[~parts.held], y[~parts.held], list(fits), request) if parts.outside.any() else {}
    if request.window.until == "minimum" and whole:
        fits = {law: warn_of_cut(one, whole[law]) for law, one in fits.items()}
    rows, held = runs.row[own], parts.held
    fits = {law: warn_of_distance(_with_rows(one, rows[parts.fitted]), x[held]) for law, one in fits.items()}
    whole = {law: _with_rows(one, rows[~held]) for law, one in whole.items()}
    return ArmFit(
        arm=arm,
        x_name=runs.x_name,
        x=x,
        y=y,
        parts=parts,
        failed=int(lost.sum()),
        failed_x=runs.x[lost & np.isfinite(runs.x) & (runs.x > 0)],
        fits=fits,
        whole=whole,
        selection=selection,
        held_out={law: extrapolate(one, x[held], y[held]) for law, one in fits.items()} if held.any() else {},
        cautions=(*cautions, *(selection.cautions if selection else ())),
    )


def _fits(x: np.ndarray, y: np.ndarray, laws: Sequence[LawName], request: Request) -> dict[LawName, fit.Fit]:
    return {law: fit.fit_law(x, y, law, request.level, request.objective) for law in laws}


def _with_rows(one: fit.Fit, rows: np.ndarray) -> fit.Fit:
    """The fit, with outliers named by where they stand in the file."""
    outliers = one.points.outliers
    if not outliers.size:
        return one
    more = f" and {outliers.size - MAX_ROWS_NAMED} more" if outliers.size > MAX_ROWS_NAMED else ""
    reason = (
        f"{', '.join(rows[outliers][:MAX_ROWS_NAMED])}{more}: far from the other runs of the same size, so that sizes "
        "are Huber's locations instead of means. Did these runs fail?"
    )
    told = [replace(caution, reason=reason) if caution.code == "OUTLIERS" else caution for caution in one.warnings]
    return replace(one, warnings=tuple(told))


def window_parts(x: np.ndarray, y: np.ndarray, window: SizeRange, hold_out: int = 0) -> Parts:
    """The largest `hold_out` sizes within the window's ends are set aside before the data say where a minimum lies."""
    low = -math.inf if window.low is None else window.low
    high = math.inf if window.high is None else window.high
    inside = (low <= x) & (x <= high)
    held = inside.copy()
    held[inside] = largest_sizes(x[inside], hold_out)
    fitted = inside & ~held
    if window.until == "minimum":
        fitted[fitted] = until_minimum(x[fitted], y[fitted])
    return Parts(fitted, held, ~held & ~fitted)


# ---------------------------------------------------------------------------------------------------------------- JSON
def _arm_json(one: ArmFit, checked: Checks | None) -> dict[str, Any]:
    chosen = one.selection
    return {
        "arm": one.arm,
        "runs": int(one.x.size),
        "runs_failed": one.failed,
        "runs_outside_window": int(one.parts.outside.sum()),
        "cautions": fit.to_json(one.cautions),
        "quoted_law": one.quoted.law if one.quoted else None,
        "selection": chosen and {**fit.to_json(replace(chosen, fits={})), "fits": list(chosen.fits)},
        "fits": [fit.to_json(law) for law in one.fits.values()],
        "without_window": [fit.to_json(law) for law in one.whole.values()],
        "held_out": {law: extrapolation_json(found) for law, found in one.held_out.items()},
        "checks": fit.to_json(checked),
        "data_hash": fit.data_hash(one.x[one.parts.fitted], one.y[one.parts.fitted]),
    }
