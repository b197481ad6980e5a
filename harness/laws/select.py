"""Which law: by AICc, by the test of a floor at its boundary, and by predicting sizes that were not
fitted.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import starmap
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import f as f_distribution

from harness.base.plain import OrNull
from harness.laws.fitting import extended, fit_law
from harness.laws.law import LAWS
from harness.laws.points import NOTHING, Known, runs
from harness.laws.refusal import SPARE_SIZES
from harness.laws.result import NOT_QUOTED, Caution, Fit, LawName

# The simplest first. A shift is a choice of x, of whoever knows that x lacks a constant: it stands
# for no election.
CANDIDATES: tuple[LawName, ...] = ("pure", "floor", "broken")
# Laws without a floor then get one in 8 % of 2000 simulated choices; at 0.05, one in eight clear
# floors is missed.
FLOOR_LEVEL = 0.07
ORIGINS_SHARE = 3  # a third of the sizes is held out at most
MOST_ORIGINS = 12  # of a curve of hundreds of points: each is a fit of every law
SUPPORTED = 0.05  # the AICc weight below which a law's exponent is not held against another's


@dataclass(frozen=True)
class Score:
    """How well sizes beyond the fitted ones were predicted, by ln(predicted / measured).

    Laws are fitted to all but the largest 1, 2, ... sizes (of many sizes 12 such cuts, evenly
    spaced), and asked for those that were left out.
    """

    rmsle: Annotated[OrNull, "root mean square"]
    mean_square: Annotated[OrNull, "mean square"]
    error: Annotated[OrNull, "standard error of the mean square"]
    predictions: Annotated[int, "how many there were"]


@dataclass(frozen=True)
class Selection:
    """Laws side by side, and the one to quote.

    That is the simplest law that extrapolates as well as the best within one standard error, of
    those that may be quoted (a falling exponent that the data bound, and sizes enough) and that the
    fitted sizes do not reject (the pure law by `floor_p`, laws of AICc weight below 0.05 if the
    broken law has the largest).
    """

    fits: dict[str, Fit]
    aicc_weights: Annotated[dict[str, float], "by law that is not refused"]
    floor_p: Annotated[
        float | None, "chance of such an improvement by a floor if there is none, half of that of F"
    ]
    extrapolation: Annotated[dict[str, Score], "by law: how well it predicted larger sizes"]
    last_value: Annotated[
        Score | None, "the same of the forecast that losses stay as at the largest size fitted"
    ]
    chosen: Annotated[LawName | None, "the law to quote; null where none may be"]
    cautions: Annotated[tuple[Caution, ...], "of the choice, or why there is none"]

    @property
    def rejected(self) -> tuple[LawName, ...]:
        """Laws that the fitted sizes reject: the pure law by the test of a floor."""
        return _rejected(self.floor_p)

    def among(self, fits: Mapping[LawName, Fit]) -> "Selection":
        """The choice; of no law where these say that the chosen one may not be quoted after all."""
        law = self.chosen and fits.get(self.chosen)
        return replace(self, chosen=None) if law and not law.is_quotable else self


def select_law(
    x: ArrayLike, y: ArrayLike, level: float = 0.95, objective: str = "auto", known: Known = NOTHING
) -> Selection:
    """Fit the pure, the floor and the broken law to runs, of which errors may be known, and choose
    between them.

    The broken law has intervals, which take half a second, only where it is in the running.
    """
    x, y = runs(x, y)
    fits = _candidates(x, y, level, objective, known)
    if objective == "auto" and any(
        (fit.objective or "").startswith("huber") for fit in fits.values()
    ):
        objective = "huber"  # laws are compared under one loss
        fits = _candidates(x, y, level, objective, known)
    if any(refusal.code == "TOO_FEW" for refusal in fits["broken"].refusals):
        del fits["broken"]  # nobody asked for it at seven sizes
    standing = {law: fits[law] for law in CANDIDATES if law in fits and not fits[law].refusals}
    weights = _aicc_weights(standing)
    floor_p = _floor_p(standing.get("floor"))
    scores, last = _rolling(x, y, list(standing), objective, known)
    chosen = _chosen(standing, weights, floor_p, scores)
    if chosen == "broken" or weights.get("broken", 0.0) > SUPPORTED:
        standing["broken"] = fits["broken"] = fit_law(x, y, "broken", level, objective, known=known)
        # A break that the data do not pin says nothing better than the laws without.
        if not standing["broken"].is_quotable:
            rest: dict[LawName, Fit] = {
                law: standing[law] for law in CANDIDATES if law in standing and law != "broken"
            }
            weights = _aicc_weights(rest)
            chosen = _chosen(rest, weights, floor_p, scores)
    cautions = (
        _cautions(standing, chosen, weights, scores, last)
        if chosen
        else _why_none(standing, floor_p)
    )
    return Selection(fits, weights, floor_p, scores, last, chosen, cautions)


def _candidates(
    x: np.ndarray, y: np.ndarray, level: float, objective: str, known: Known
) -> dict[str, Fit]:
    return {law: fit_law(x, y, law, level, objective, law != "broken", known) for law in CANDIDATES}


def _aicc_weights(fits: Mapping[LawName, Fit]) -> dict[str, float]:
    known = {law: fit.aicc for law, fit in fits.items() if fit.aicc is not None}
    if not known:
        return {}
    best = min(known.values())
    relative = {law: math.exp(-(aicc - best) / 2) for law, aicc in known.items()}
    total = sum(relative.values())
    return {law: weight / total for law, weight in relative.items()}


def _floor_p(floor: Fit | None) -> float | None:
    """The chance of so much better a fit by a floor that is not there, on the floor fit's own
    weights.
    """
    if floor is None or floor.region is None or floor.region.edges is None:
        return None
    known, edges = floor.region, floor.region.edges
    gain = max(edges.pure - known.solution.objective, 0.0) / known.variance
    return 0.5 * float(f_distribution.sf(gain, 1, known.problem.dof))


def _rejected(floor_p: float | None) -> tuple[LawName, ...]:
    return ("pure",) if floor_p is not None and floor_p < FLOOR_LEVEL else ()


def _rolling(
    x: np.ndarray, y: np.ndarray, laws: Sequence[LawName], objective: str, known: Known
) -> tuple[dict[str, Score], Score | None]:
    """Scores of each law, and of the last value, over the same origins; a law that an origin
    refuses has no score.
    """
    sizes = np.unique(x)
    spare = [sizes.size - LAWS[law].parameters - SPARE_SIZES for law in laws]
    origins = min([sizes.size // ORIGINS_SHARE, *(left for left in spare if left > 0)], default=0)
    if origins < 1:
        return {}, None
    cuts = np.unique(np.linspace(1, origins, min(origins, MOST_ORIGINS)).round().astype(int))
    errors: dict[str, list[np.ndarray]] = {law: [] for law in laws}
    last = []
    for held in cuts.tolist():
        cut = sizes[-held]
        kept = x < cut
        after = np.array([np.log(y[x == size]).mean() for size in sizes[-held:]])
        last.append(np.log(y[x == sizes[-held - 1]]).mean() - after)
        for law in laws:
            fit = fit_law(
                x[kept], y[kept], law, objective=objective, intervals=False, known=known.of(kept)
            )
            if not fit.refusals:
                errors[law].append(np.log(extended(fit, sizes[-held:])) - after)
    full = {law: _scored(found) for law, found in errors.items() if len(found) == cuts.size}
    return full, _scored(last)


def _scored(errors: list[np.ndarray]) -> Score:
    squares = np.concatenate(errors) ** 2
    error = float(squares.std(ddof=1) / np.sqrt(squares.size)) if squares.size > 1 else float("inf")
    return Score(float(np.sqrt(squares.mean())), float(squares.mean()), error, int(squares.size))


def _chosen(
    fits: Mapping[LawName, Fit],
    weights: dict[str, float],
    floor_p: float | None,
    scores: dict[str, Score],
) -> LawName | None:
    """The simplest law that neither the fitted nor the held-out sizes speak against, of those that
    may be quoted.
    """
    order = [law for law in CANDIDATES if law in fits and fits[law].is_quotable]
    order = [law for law in order if law not in _rejected(floor_p)]
    if weights and max(weights, key=weights.__getitem__) == "broken":
        order = [law for law in order if weights.get(law, 0.0) > SUPPORTED]
    scored = [law for law in order if law in scores]
    if not scored:
        return order[0] if order else None
    best = min((scores[law] for law in scored), key=lambda score: score.mean_square)
    return next(law for law in scored if scores[law].mean_square <= best.mean_square + best.error)


def _cautions(
    fits: Mapping[LawName, Fit],
    chosen: LawName,
    weights: dict[str, float],
    scores: dict[str, Score],
    last: Score | None,
) -> tuple[Caution, ...]:
    reasons = {}
    interval, alpha = fits[chosen].alpha_interval, fits[chosen].alpha
    assert interval is not None
    others = {
        law: fit.alpha
        for law, fit in fits.items()
        if fit.alpha is not None
        and not interval.low <= fit.alpha <= interval.high
        and (chosen != "broken" != law or weights.get(law, 0.0) > SUPPORTED)
    }
    if others:
        told = ", ".join(f"{other:.3g} by the {law} law" for law, other in others.items())
        by_law = f"the exponent is {alpha:.3g} by the {chosen} law and {told}"
        reasons["MODEL_DEPENDENT"] = f"{by_law}: it depends on the law. Quote both."
    if last and chosen in scores and scores[chosen].rmsle > last.rmsle:
        reasons["LAST_VALUE_WINS"] = (
            f"the {chosen} law predicts held-out sizes to {scores[chosen].rmsle:.3g} (root mean "
            "square of ln), "
            f"repeating the last loss to {last.rmsle:.3g}: do not extrapolate."
        )
    return tuple(starmap(Caution, reasons.items()))


def _why_none(fits: Mapping[LawName, Fit], floor_p: float | None) -> tuple[Caution, ...]:
    """Why each law that the sizes do not reject may not be quoted."""
    rejected = _rejected(floor_p)
    beside = (
        ""
        if floor_p is None or not rejected
        else f" The pure law is rejected by a floor (p = {floor_p:.2g})."
    )
    told = []
    for law, fit in fits.items():
        if law not in rejected:
            of_law = [caution for caution in fit.warnings if caution.code in NOT_QUOTED]
            told += [
                Caution(caution.code, f"the {law} law: {caution.reason}{beside}")
                for caution in of_law
            ]
    return tuple(told)
