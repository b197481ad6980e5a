"""From a table of runs to other forms than a law of each arm: two sizes at once, isoFLOP, frontiers, shared laws."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

import numpy as np

from harness import __version__, laws
from harness.base.errors import HarnessError
from harness.comparison.tables.fits import WHOLE, SizeRange, check_window, file_hash, window_parts
from harness.comparison.tables.read import Columns, by_arm, read_table, runs_of, select
from harness.laws.frontier import Frontier, frontier
from harness.laws.isoflop import Isoflop, isoflop
from harness.laws.runs import Runs, arms, check_runs, with_config_sizes
from harness.laws.shared import SHARES, SharedFit
from harness.laws.surface import Surface

Form = Literal["and", "isoflop", "frontier", "share"]
Result = Surface | Isoflop | Frontier | SharedFit
Found = TypeVar("Found")


@dataclass(frozen=True)
class FormRequest:
    """Which form to fit."""

    file: Annotated[Path, "the table"]
    form: Annotated[Form, "the option"]
    asked: Annotated[str, "its value: a column of sizes or of budgets, a quantile, or what the arms share"]
    x: Annotated[str, "`--x`"]
    columns: Annotated[Columns, "which columns say what"]
    where: Annotated[tuple[str, ...], "`--where`"] = ()
    level: Annotated[float, "of intervals"] = 0.95
    window: Annotated[SizeRange, "the sizes that laws are fitted to"] = WHOLE
    objective: Annotated[str, "`--objective`"] = "auto"


@dataclass(frozen=True)
class FormAnswer(Generic[Found]):
    """Another form than a law of each arm, fitted to a table of anybody's runs.

    `--out FOLDER` writes the same into `fits.json`.
    """

    request: Annotated[FormRequest, "what was asked"]
    sha256: Annotated[str, "of the table's file"]
    results: Annotated[
        Mapping[str, Found], "by arm; of shared laws by what is shared, the one that was asked for first"
    ]
    cautions: Annotated[dict[str, tuple[laws.Caution, ...]], "by arm"]
    runs_failed: Annotated[dict[str, int], "by arm"]
    harness: Annotated[str, "its version"] = __version__


def form_answer(request: FormRequest) -> FormAnswer[Any]:
    """Read, check and fit; raises HarnessError, naming rows, where the table cannot be fitted as asked."""
    check_window(request.window, (request.x,))
    table = by_arm(select(read_table(request.file), request.where), request.columns)
    sizes = _size_columns(request)
    runs, *others = (with_config_sizes(runs_of(table, request.columns, name, *sizes)) for name in sizes)
    cautions = check_runs(runs, across=request.form == "share")
    match request.form:
        case "and" | "isoflop":
            (other,) = others
            check_runs(other)
            results: Any = _by_arm(runs, lambda own: _of_two(request, runs.x[own], other.x[own], runs.y[own]))
        case "frontier":
            results = _by_arm(runs, lambda own: _frontier(request, runs.x[own], runs.y[own]))
        case "share":
            results = _shared(request, runs)
    if request.form in ("and", "isoflop"):  # a size is there again at every other one, by design
        cautions = {arm: tuple(one for one in own if one.code != "REPEATS") for arm, own in cautions.items()}
    failed = {arm: int(np.sum(runs.failed & (runs.arm == arm))) for arm in arms(runs)}
    return FormAnswer(request, file_hash(request.file), results, cautions, failed)


def _size_columns(request: FormRequest) -> tuple[str, ...]:
    return (request.x, request.asked) if request.form in ("and", "isoflop") else (request.x,)


def _by_arm(runs: Runs, fitted: Callable[[np.ndarray], Any]) -> dict[str, Any]:
    return {arm: fitted((runs.arm == arm) & ~runs.failed) for arm in arms(runs)}


def _of_two(request: FormRequest, x: np.ndarray, other: np.ndarray, y: np.ndarray) -> Surface | Isoflop:
    if request.form == "isoflop":
        return isoflop(other, x, y, request.level)
    return laws.fit_surface(x, other, y, request.level, request.objective)


def _frontier(request: FormRequest, x: np.ndarray, y: np.ndarray) -> Frontier:
    kept = window_parts(x, y, request.window).fitted
    return frontier(x[kept], y[kept], float(request.asked), request.level)


def _shared(request: FormRequest, runs: Runs) -> dict[str, SharedFit]:
    if len(arms(runs)) < 2:
        raise HarnessError(
            f"--share {request.asked}: the table has one arm, and nothing to share it with; name the column that tells "
            "architectures apart with --by"
        )
    x, y = {}, {}
    for arm in arms(runs):
        own = (runs.arm == arm) & ~runs.failed
        kept = window_parts(runs.x[own], runs.y[own], request.window).fitted
        x[arm], y[arm] = runs.x[own][kept], runs.y[own][kept]
    first = [share for share in SHARES if share == request.asked]
    return {share: laws.fit_shared(x, y, share, request.level) for share in dict.fromkeys((*first, *SHARES))}
