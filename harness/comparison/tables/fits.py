"""From a table of anybody's runs to laws: every arm on every size that is asked for, under every law."""

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal, get_args

import numpy as np

from harness import __version__, laws
from harness.base.errors import HarnessError, did_you_mean
from harness.base.plain import INLINE
from harness.comparison.tables.read import Columns, by_arm, read_table, runs_of, select, statuses
from harness.laws.bootstrap import CrossCheck
from harness.laws.diagnose import Diagnostics
from harness.laws.held_out import Extrapolation, extrapolate, largest_sizes, warn_of_distance
from harness.laws.result import LawName
from harness.laws.runs import MAX_ROWS_NAMED, ArmSize, Runs, arms, cells, check_runs, rows_of, with_config_sizes
from harness.laws.select import Selection
from harness.laws.window import until_minimum, warn_of_cut

AUTO = "auto"  # the laws of `select_law`, and which of them to quote
ORDER: tuple[LawName, ...] = get_args(LawName)  # the richest last


@dataclass(frozen=True)
class SizeRange:
    """The sizes that laws are fitted to, both ends included, up to the least mean loss if asked."""

    low: Annotated[float | None, "`--min-x`"] = None
    high: Annotated[float | None, "`--max-x`"] = None
    until: Annotated[Literal["minimum"] | None, "`--until`"] = None


WHOLE = SizeRange()


@dataclass(frozen=True)
class Request:
    """What to fit: a file, the columns that hold sizes, what the others mean, and how to fit."""

    file: Annotated[Path, "the table"]
    x: Annotated[tuple[str, ...], "`--x`"]
    columns: Annotated[Columns, "which columns say what"]
    where: Annotated[tuple[str, ...], "`--where`"] = ()
    laws: Annotated[tuple[str, ...], "`--law`: `auto`, or the laws to show side by side"] = (AUTO,)
    level: Annotated[float, "of intervals"] = 0.95
    window: Annotated[SizeRange, "the sizes that laws are fitted to"] = WHOLE
    hold_out: Annotated[int, "`--hold-out`: how many of the largest sizes are set aside"] = 0
    objective: Annotated[str, "`--objective`"] = "auto"
    arms: Annotated[tuple[str, ...], "those wanted; all where empty"] = ()


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
    fits: dict[LawName, laws.Fit]
    whole: dict[LawName, laws.Fit]
    selection: Selection | None
    held_out: dict[LawName, Extrapolation]
    cautions: tuple[laws.Caution, ...]

    @property
    def points(self) -> laws.Points:
        """What the laws were fitted to."""
        return next(iter(self.fits.values())).points

    @property
    def quoted(self) -> laws.Fit | None:
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
    """How far the law to quote can be trusted."""

    diagnostics: Annotated[Diagnostics, "how it hangs on its points"]
    cross_check: Annotated[CrossCheck, "other intervals of its exponent"]


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
    return Checks(laws.diagnose(one.quoted), laws.cross_check(one.x[fitted], one.y[fitted], one.quoted))


def file_hash(file: Path) -> str:
    """SHA-256 of the table as it lies there."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


# ---------------------------------------------------------------------------------------------------------------- JSON
@dataclass(frozen=True)
class ArmLaws:
    """The laws of an arm on a column of sizes."""

    arm: Annotated[str, "the arm"]
    runs: Annotated[int, "runs that ended well"]
    runs_failed: Annotated[int, "runs that failed"]
    runs_outside_window: Annotated[int, "runs that the window leaves out"]
    cautions: Annotated[tuple[laws.Caution, ...], "what to know before quoting a law"]
    fits: Annotated[list[laws.Fit], "one a form"]


@dataclass(frozen=True)
class ChosenLaw:
    """Which law to quote, and between which it was chosen."""

    selection: Annotated[Selection, INLINE]
    fits: Annotated[list[str], "the laws between which it was chosen"]


@dataclass(frozen=True)
class ArmAnswer:
    """The laws of an arm on a column of sizes, and which of them to quote."""

    laws: Annotated[ArmLaws, INLINE]
    quoted_law: Annotated[LawName | None, "the law to quote; null if it was refused"]
    selection: Annotated[ChosenLaw | None, "how it was chosen; null with `--law`"]
    without_window: Annotated[list[laws.Fit], "laws of all sizes, if the window left some out"]
    held_out: Annotated[dict[LawName, Extrapolation], "by law: what it predicted at the sizes set aside"]
    checks: Annotated[Checks | None, "of the quoted law"]
    data_hash: Annotated[str, "of the sizes and losses that were fitted"]


@dataclass(frozen=True)
class SizeAnswer:
    """All arms on one column of sizes."""

    x: Annotated[str, "the column"]
    drawn_law: Annotated[LawName, "the one law that all arms are drawn with"]
    cells: Annotated[tuple[ArmSize, ...], "the sizes of all arms"]
    arms: Annotated[list[ArmAnswer], "one an arm"]


@dataclass(frozen=True)
class FitsAnswer:
    """The laws of a table of anybody's runs. `--out FOLDER` writes the same into `fits.json`."""

    request: Annotated[Request, "what was asked"]
    sha256: Annotated[str, "of the table's file"]
    harness: Annotated[str, "its version"]
    statuses: Annotated[dict[str, int], "runs by what `--status` says of them"]
    sizes: Annotated[list[SizeAnswer], "one a column of sizes"]


def fits_answer(found: RequestedFits, checked: Callable[[ArmFit], Checks | None] = checks) -> FitsAnswer:
    """What scripts read of all fits."""
    sizes = [
        SizeAnswer(
            x=x,
            drawn_law=drawn_law(found.fits, x),
            cells=found.cells[x],
            arms=[_arm_answer(one, checked(one)) for one in found.fits if one.x_name == x],
        )
        for x in found.cells
    ]
    return FitsAnswer(found.request, found.sha256, __version__, found.statuses, sizes)


def arm_laws(one: ArmFit) -> ArmLaws:
    """What scripts read of every arm."""
    outside = int(one.parts.outside.sum())
    return ArmLaws(one.arm, one.x.size, one.failed, outside, one.cautions, list(one.fits.values()))


def _arm_answer(one: ArmFit, checked: Checks | None) -> ArmAnswer:
    return ArmAnswer(
        laws=arm_laws(one),
        quoted_law=one.quoted.law if one.quoted else None,
        selection=ChosenLaw(one.selection, list(one.selection.fits)) if one.selection else None,
        without_window=list(one.whole.values()),
        held_out=one.held_out,
        checks=checked,
        data_hash=laws.data_hash(one.x[one.parts.fitted], one.y[one.parts.fitted]),
    )


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
def _fit_arm(runs: Runs, arm: str, cautions: tuple[laws.Caution, ...], request: Request) -> ArmFit:
    own, lost = (runs.arm == arm) & ~runs.failed, (runs.arm == arm) & runs.failed
    x, y = runs.x[own], runs.y[own]
    parts = window_parts(x, y, request.window, request.hold_out)
    asked: Sequence[LawName] = [law for law in ORDER if law in request.laws]
    selection = None
    if AUTO in request.laws:
        selection = laws.select_law(x[parts.fitted], y[parts.fitted], request.level, request.objective)
        fits = {law: selection.fits[law] for law in ORDER if law in selection.fits}
    else:
        fits = _fits(x[parts.fitted], y[parts.fitted], asked, request)
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


def _fits(x: np.ndarray, y: np.ndarray, asked: Sequence[LawName], request: Request) -> dict[LawName, laws.Fit]:
    return {law: laws.fit_law(x, y, law, request.level, request.objective) for law in asked}


def _with_rows(one: laws.Fit, rows: np.ndarray) -> laws.Fit:
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
