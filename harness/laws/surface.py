"""Loss over two sizes at once: y = E + A N^-alpha + B D^-beta (Hoffmann et al. 2022, approach
3).
"""

import math
from dataclasses import dataclass, field, replace
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import nnls
from scipy.special import expit

from harness.base.errors import HarnessError
from harness.laws import profile
from harness.laws.law import FLOOR_SHARES, Law, Logs, exp_of, to_logs
from harness.laws.objective import optimum, read_objective
from harness.laws.points import positive
from harness.laws.profile import OPEN
from harness.laws.refusal import (
    RANGE_SLACK,
    exponent_cautions,
    floor_cautions,
    local_cautions,
    stuck,
)
from harness.laws.result import Caution, Estimate, Groups, Refusal, estimate_of
from harness.laws.solve import Problem

MIN_LEVELS, MIN_CELLS = 4, 12
MIN_AXIS_DECADES = 0.2
FALLS = (0.5, 1.5, 4.0, 10.0)  # of the reducible loss along an axis, in e-foldings


# p = (level, ln alpha, ln beta, s, t): ln y = level + ln(e^(-alpha u_N) + e^(s - beta u_D) + e^t).
def _curve(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    alpha, beta = np.exp(p[..., 1:2]), np.exp(p[..., 2:3])
    by_n, by_d = -alpha * u[..., 0], p[..., 3:4] - beta * u[..., 1]
    t = np.broadcast_to(p[..., 4:5], by_n.shape)
    h = np.logaddexp(np.logaddexp(by_n, by_d), t)
    share_n, share_d = np.exp(by_n - h), np.exp(by_d - h)
    columns = (np.ones_like(h), share_n * by_n, -share_d * beta * u[..., 1], share_d, np.exp(t - h))
    return p[..., :1] + h, np.stack(columns, axis=-1)


def _starts(logs: Logs) -> np.ndarray:
    """A grid of exponents and floors; A and B for each by non-negative least squares of relative
    errors.
    """
    y = np.exp(logs.v)
    spans = logs.u.max(axis=0)
    starts = []
    for fall_n in FALLS:
        for fall_d in FALLS:
            alpha, beta = fall_n / spans[0], fall_d / spans[1]
            terms = np.exp(-logs.u * [alpha, beta])
            for share in FLOOR_SHARES:
                floor = share * y.min()
                (a, b), _ = nnls(terms / y[:, None], (y - floor) / y)
                a, b = max(a, 1e-3 * y.min()), max(b, 1e-3 * y.min())
                starts.append(
                    (np.log(a), np.log(alpha), np.log(beta), np.log(b / a), np.log(floor / a))
                )
    return np.array(starts)


SURFACE = Law(
    ("level", "log_alpha", "log_beta", "log_ratio", "log_floor"),
    _curve,
    _starts,
    longest_step=(np.inf, 1.0, 1.0, 3.0, 3.0),
    log_exponent=True,
    floor=4,
)


# With a schedule u has a third column, the learning rate that is left: ln y = the law + decay *
# what is left. Places of new runs have no such column, as a run ends with none left.
def _scheduled(p: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    h, columns = _curve(p[..., :5], u)
    left = np.broadcast_to(u[..., 2] if u.shape[-1] == 3 else 0.0, h.shape)
    return h + p[..., 5:] * left, np.concatenate([columns, left[..., None]], axis=-1)


def _scheduled_starts(logs: Logs) -> np.ndarray:
    ended = _starts(replace(logs, u=logs.u[:, :2]))
    return np.column_stack([ended, np.zeros(len(ended))])


SCHEDULED = replace(
    SURFACE,
    names=(*SURFACE.names, "decay"),
    curve=_scheduled,
    starts=_scheduled_starts,
    longest_step=(*SURFACE.longest_step, np.inf),
)


def log_best_size(log_x_first: np.ndarray, product: float, p: np.ndarray) -> float:
    """ln of the N of least loss at this product of N and D, by the parameters."""
    on_d = np.exp(p[2]) * (np.log(product) - log_x_first.sum())
    return float(log_x_first[0] + (p[1] - p[2] - p[3] + on_d) / np.exp(p[1:3]).sum())


def log_allocation(p: np.ndarray) -> float:
    """ln of beta / (alpha + beta), by the parameters."""
    return float(-np.logaddexp(0, p[1] - p[2]))


@dataclass(frozen=True)
class Surface:
    """The law y = floor + a · N^-alpha + b · D^-beta, in log space. If `refusals` has any, it has
    no numbers.
    """

    level: Annotated[float, "of intervals"]
    cells: Annotated[int, "different pairs of sizes"]
    rows: Annotated[int, "runs"]
    decades: Annotated[tuple[float, float], "powers of ten that N and D span"]
    refusals: Annotated[tuple[Refusal, ...], "why there is no law"] = ()
    warnings: Annotated[tuple[Caution, ...], "what to know before quoting it"] = ()
    alpha: Annotated[Estimate | None, "exponent of N"] = None
    beta: Annotated[Estimate | None, "exponent of D"] = None
    floor: Annotated[Estimate | None, "the floor"] = None
    allocation: Annotated[
        Estimate | None,
        "beta / (alpha + beta), the exponent of the optimal N over a compute of N times D",
    ] = None
    decay: Annotated[
        Estimate | None,
        "how much ln y is above the law at the peak learning rate; null without a schedule",
    ] = None
    a: Annotated[
        float | None, "in units of y at N = 1; null where it is beyond what a float holds"
    ] = None
    b: Annotated[
        float | None, "in units of y at D = 1; null where it is beyond what a float holds"
    ] = None
    sigma: Annotated[float | None, "standard deviation of ln(mean / law)"] = None
    objective: Annotated[str | None, "what was minimised"] = None
    loss: Annotated[float | None, "the objective at the optimum"] = None
    starts_agreeing: Annotated[float | None, "share of starts that came to the solution"] = None
    groups: Annotated[Groups | None, "what intervals are over, where rows have groups"] = None
    region: profile.Region | None = field(default=None, repr=False, compare=False)


def fit_surface(
    n: ArrayLike,
    d: ArrayLike,
    y: ArrayLike,
    level: float = 0.95,
    objective: str = "auto",
    intervals: bool = True,
    schedule: ArrayLike | None = None,
) -> Surface:
    """Fit the two-variable law to single runs, which all have one entry; cells (N, D) are the units
    of replication.

    By least squares that is a fit to cell means, weighted by their runs. `objective` as in
    `fit_law`. `loss` is the objective at the optimum as published fits state it: the sum of Huber's
    losses, half a square inside of delta. `intervals=False` leaves intervals open, which are most
    of the time: for refits and simulations. Where rows are checkpoints of runs, `schedule` is the
    learning rate at each as a share of its run's peak, 1 to 0; then ln y is the law, which is of
    rows at 0, plus a term in proportion to that share. Raises HarnessError on rows that are not
    finite and positive.
    """
    n, d, y = positive("n", n), positive("d", d), positive("y", y)
    if not n.size == d.size == y.size:
        raise HarnessError(
            f"n has {n.size} rows, d has {d.size} and y has {y.size}; give one of each per run."
        )
    if not 0 < level < 1:
        raise HarnessError(f"level={level} must be between 0 and 1.")
    wanted = read_objective(objective)
    order = np.lexsort((y, d, n))  # the order of the rows reaches no last bit
    x, losses = np.column_stack([n, d])[order], y[order]
    cells, of_cell = np.unique(x, axis=0, return_inverse=True)
    decades = tuple(float(np.ptp(np.log10(column))) if column.size else 0.0 for column in (n, d))
    base = Surface(level, len(cells), y.size, (decades[0], decades[1]), _refusals(cells, decades))
    if base.refusals:
        return base
    law, logs = SURFACE, to_logs(x, losses, np.ones(y.size))
    if schedule is not None:
        law, logs = (
            SCHEDULED,
            replace(logs, u=np.column_stack([logs.u, np.asarray(schedule, float)[order]])),
        )
    problem = Problem(law, logs, clusters=of_cell.ravel())
    problem, edges, solution, words = optimum(problem, wanted)
    refusal = stuck(solution)
    if refusal:
        return replace(base, refusals=(refusal,))
    known = profile.region(problem, edges, solution, level)
    return _surface(base, known, words, float(losses.min()) if intervals else None)


def _refusals(sizes: np.ndarray, decades: tuple[float, ...]) -> tuple[Refusal, ...]:
    found = []
    levels = [np.unique(column).size for column in sizes.T]
    if len(sizes) < MIN_CELLS or min(levels) < MIN_LEVELS:
        reason = (
            f"{len(sizes)} cells with {levels[0]} values of N and {levels[1]} of D; a law of both "
            f"needs {MIN_CELLS} "
            f"cells and {MIN_LEVELS} values an axis. Add sizes (more seeds do not count)."
        )
        found.append(Refusal("TOO_FEW", reason))
    for name, span in zip("ND", decades, strict=True):
        if span < MIN_AXIS_DECADES - RANGE_SLACK:
            reason = (
                f"{name} spans {span:.2g} decades; an exponent over it needs {MIN_AXIS_DECADES} "
                "at the very least. Fit "
                "a law over the other variable, or add range."
            )
            found.append(Refusal("RANGE", reason))
    return tuple(found)


def _surface(base: Surface, known: profile.Region, words: str, lowest: float | None) -> Surface:
    """The numbers of the law; without the lowest loss no intervals, nor cautions, which are of
    them.
    """
    problem, p = known.problem, known.solution.p
    logs = problem.logs
    alpha, beta = (
        estimate_of(
            np.exp([p[index], *(profile.coordinate_interval(known, index) if lowest else OPEN)]),
            base.level,
        )
        for index in (1, 2)
    )
    floor_ends = np.array(profile.floor_interval(known) if lowest else (0, np.inf)) * math.exp(
        logs.log_y_average
    )
    floor = estimate_of(
        (math.exp(float(profile.log_floor(problem)(p)[0]) + logs.log_y_average), *floor_ends),
        base.level,
    )
    # Of ln(beta / alpha), which decides the best allocation.
    ratio_ends = profile.quantity_interval(known, profile.of_two(2, 1, -1.0)) if lowest else OPEN
    decay = None
    if problem.law is SCHEDULED:
        ends = profile.coordinate_interval(known, 5) if lowest else OPEN
        decay = estimate_of((float(p[5]), *ends), base.level)
    unit = p[0] + logs.log_y_average
    loss = known.solution.objective / (1 if problem.delta is None else 2)
    return replace(
        base,
        warnings=_cautions(base, (alpha, beta), floor, lowest) if lowest else (),
        alpha=alpha,
        beta=beta,
        floor=floor,
        allocation=estimate_of(expit([p[2] - p[1], *ratio_ends]), base.level),
        decay=decay,
        a=float(exp_of(unit + alpha.value * logs.log_x_first[0])),
        b=float(exp_of(unit + p[3] + beta.value * logs.log_x_first[1])),
        sigma=float(np.sqrt(known.variance)),
        objective=words,
        loss=loss,
        starts_agreeing=known.solution.agreeing / known.solution.starts,
        region=known,
    )


def _cautions(
    base: Surface, exponents: tuple[Estimate, Estimate], floor: Estimate, lowest: float
) -> tuple[Caution, ...]:
    found: tuple[Caution, ...] = ()
    for name, span, exponent in zip("ND", base.decades, exponents, strict=True):
        found += local_cautions(f"values of {name}", span) + exponent_cautions(
            f"{name}'s exponent's", exponent.interval
        )
    return found + floor_cautions(floor.interval, lowest)
