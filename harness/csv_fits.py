"""From a table of anybody's runs to laws: every arm on every size that is asked for, under every law."""

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from harness import __version__, fit
from harness.csv_runs import Columns, by_arm, read_table, runs_of, select, statuses
from harness.errors import HarnessError, did_you_mean
from harness.fit.result import LawName
from harness.fit.runs import Cell, Runs, RunsCaution, arms, cells, check_runs

DEFAULT_LAWS: tuple[LawName, ...] = ("pure", "floor")
AUTO = "auto"  # every law there is


@dataclass(frozen=True)
class Window:
    """The sizes that laws are fitted to: from `low` to `high`, both included, up to the least mean loss if asked."""

    low: float | None = None
    high: float | None = None
    until: Literal["minimum"] | None = None


@dataclass(frozen=True)
class Request:
    """What to fit: a file, the columns that hold sizes, what the others mean, and how to fit."""

    file: Path
    x: tuple[str, ...]
    columns: Columns
    where: tuple[str, ...] = ()
    laws: tuple[str, ...] = ()
    level: float = 0.95
    window: Window = Window()
    hold_out: int = 0
    objective: str | None = None


@dataclass(frozen=True)
class HeldOut:
    """The largest sizes, never fitted, and how far the laws miss them.

    `errors` are root mean squares of ln(predicted/mean), by law; None where the law was refused or must not be
    extrapolated. `last_value` is that of the loss of the largest fitted size, which a law should beat.
    """

    points: fit.Points
    errors: dict[str, float | None]
    last_value: float | None


@dataclass(frozen=True)
class ArmFit:
    """The laws of one arm on one size. `whole` has those without the window, where it left sizes out; else it is empty.

    `outside` are the points that the window leaves out, `x` and `y` all runs that ended well, one entry a run;
    `failed_x` are the sizes of the failed runs that have one.
    """

    arm: str
    x_name: str
    x: np.ndarray
    y: np.ndarray
    failed: int
    failed_x: np.ndarray
    fits: dict[LawName, fit.Fit]
    whole: dict[LawName, fit.Fit]
    outside: fit.Points
    held_out: HeldOut | None

    @property
    def points(self) -> fit.Points:
        """What the laws were fitted to."""
        return next(iter(self.fits.values())).points


@dataclass(frozen=True)
class Answer:
    """All fits of a request, with what to know of the runs, by column of sizes."""

    request: Request
    sha256: str
    statuses: dict[str, int]
    fits: tuple[ArmFit, ...]
    cells: dict[str, tuple[Cell, ...]]
    cautions: dict[str, tuple[RunsCaution, ...]]


def answer(request: Request) -> Answer:
    """Read, check and fit; raises HarnessError, naming rows, where the table cannot be fitted as asked."""
    laws = _laws(request.laws)
    _check_window(request)
    table = by_arm(select(read_table(request.file), request.where), request.columns)
    by_size = {x: runs_of(table, request.columns, x) for x in dict.fromkeys(request.x)}
    return Answer(
        request=request,
        sha256=hashlib.sha256(request.file.read_bytes()).hexdigest(),
        statuses=statuses(table, request.columns),
        cautions={x: check_runs(runs) for x, runs in by_size.items()},
        cells={x: cells(runs) for x, runs in by_size.items()},
        fits=tuple(_fit_arm(runs, arm, laws, request) for runs in by_size.values() for arm in arms(runs)),
    )


def drawn_law(fits: Sequence[ArmFit], x_name: str) -> LawName:
    """The one law to draw for all arms on a size, so that their exponents are the same quantity.

    The law that is refused for the fewest arms; of those that stand alike, the last one asked for: richer laws come
    later, and contain the earlier ones.
    """
    own = [one for one in fits if one.x_name == x_name]
    refused = {law: sum(bool(one.fits[law].refusals) for one in own) for law in own[0].fits}
    return min(reversed(refused), key=lambda law: refused[law])


def to_json(found: Answer) -> dict[str, Any]:
    """Everything in plain types that strict JSON can hold."""
    request = asdict(found.request) | {"file": str(found.request.file)}
    return {
        "request": request,
        "sha256": found.sha256,
        "harness": __version__,
        "statuses": found.statuses,
        "sizes": [
            {
                "x": x,
                "drawn_law": drawn_law(found.fits, x),
                "cautions": [asdict(caution) for caution in found.cautions[x]],
                "cells": [cell._asdict() for cell in found.cells[x]],
                "arms": [_arm_json(one) for one in found.fits if one.x_name == x],
            }
            for x in found.cells
        ],
    }


# --------------------------------------------------------------------------------------------------------------- asked
def _laws(asked: Sequence[str]) -> tuple[LawName, ...]:
    known: tuple[LawName, ...] = get_args(LawName)
    for name in asked:
        if name not in (*known, AUTO):
            raise HarnessError(f"--law {name!r} is not known; {did_you_mean(name, (*known, AUTO))}")
    if AUTO in asked:
        return known
    return tuple(law for law in known if law in (asked or DEFAULT_LAWS))


def _check_window(request: Request) -> None:
    low, high = request.window.low, request.window.high
    if len(request.x) > 1 and (low, high) != (None, None):
        raise HarnessError(
            f"--min-x and --max-x are in the unit of one size; fit {' and '.join(request.x)} one at a time"
        )
    if low is not None and high is not None and low >= high:
        raise HarnessError(f"--min-x {low:g} is not below --max-x {high:g}; leave sizes between them")


# ---------------------------------------------------------------------------------------------------------------- fits
def _fit_arm(runs: Runs, arm: str, laws: Sequence[LawName], request: Request) -> ArmFit:
    own, lost = (runs.arm == arm) & ~runs.failed, (runs.arm == arm) & runs.failed
    x, y = runs.x[own], runs.y[own]
    inside = _inside(x, y, request.window)
    held = inside & _is_largest(x, inside, request.hold_out)
    fitted = inside & ~held
    fits = {law: _fit(x[fitted], y[fitted], law, request) for law in laws}
    return ArmFit(
        arm=arm,
        x_name=runs.x_name,
        x=x,
        y=y,
        failed=int(lost.sum()),
        failed_x=runs.x[lost & np.isfinite(runs.x) & (runs.x > 0)],
        fits=fits,
        whole={} if inside.all() else {law: _fit(x[~held], y[~held], law, request) for law in laws},
        outside=fit.size_means(x[~inside], y[~inside]),
        held_out=_hold_out(fits, fit.size_means(x[held], y[held])) if held.any() else None,
    )


def _fit(x: np.ndarray, y: np.ndarray, law: LawName, request: Request) -> fit.Fit:
    more: dict[str, Any] = {"objective": request.objective} if request.objective else {}
    return fit.fit_law(x, y, law, request.level, **more)


def _inside(x: np.ndarray, y: np.ndarray, window: Window) -> np.ndarray:
    low = -math.inf if window.low is None else window.low
    high = math.inf if window.high is None else window.high
    inside = (low <= x) & (x <= high)
    if window.until == "minimum":
        from harness.fit.window import until_minimum  # type: ignore[import-not-found,unused-ignore]

        inside[inside] = until_minimum(x[inside], y[inside])
    return inside


def _is_largest(x: np.ndarray, inside: np.ndarray, count: int) -> np.ndarray:
    """Which rows lie at the `count` largest sizes of those inside."""
    sizes = np.unique(x[inside])
    return np.isin(x, sizes[max(0, sizes.size - count) :])


def _hold_out(fits: Mapping[LawName, fit.Fit], points: fit.Points) -> HeldOut:
    fitted = next(iter(fits.values())).points
    return HeldOut(
        points=points,
        errors={law: _extrapolation_error(one, points) for law, one in fits.items()},
        last_value=_log_error(fitted.means[-1:], points.means) if fitted.sizes.size else None,
    )


def _extrapolation_error(law: fit.Fit, points: fit.Points) -> float | None:
    try:
        return _log_error(fit.predict(law, points.sizes), points.means)
    except HarnessError:  # refused, or a local slope: there is no prediction
        return None


def _log_error(predicted: np.ndarray, measured: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.log(predicted / measured) ** 2)))


# ---------------------------------------------------------------------------------------------------------------- JSON
def _arm_json(one: ArmFit) -> dict[str, Any]:
    held = one.held_out
    return {
        "arm": one.arm,
        "runs": int(one.x.size),
        "runs_failed": one.failed,
        "runs_outside_window": int(one.outside.counts.sum()),
        "fits": [fit.to_json(law) for law in one.fits.values()],
        "without_window": [fit.to_json(law) for law in one.whole.values()],
        "held_out": held
        and {
            "sizes": held.points.sizes.tolist(),
            "means": held.points.means.tolist(),
            "errors": held.errors,
            "last_value": held.last_value,
        },
    }
