"""What a paper should say about its scaling law, filled in as far as the fit and its data know it.

The sections and questions follow the checklist of "(Mis)Fitting: A Survey of Scaling Laws" (Li,
Kudugunta & Zettlemoyer 2025, arXiv 2502.18969, appendix), in our words and without those that only
a language model raises.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from operator import attrgetter
from typing import Literal

import numpy as np

from harness.base.formats import estimate, interval, number
from harness.laws.bootstrap import CrossCheck
from harness.laws.diagnose import Diagnostics
from harness.laws.law import LAWS
from harness.laws.result import Fit
from harness.laws.select import Selection

Section = Literal["Hypothesis", "Training setup", "Data collection", "Fitting algorithm"]

NOT_KNOWN = "not known from the data: say it"
ALGORITHM = "Levenberg-Marquardt with analytic derivatives, in ln x and ln loss, to rounding"
FORMS = {
    "pure": "y = A x^-alpha",
    "floor": "y = E + A x^-alpha",
    "shifted": "y = A (x + x0)^-alpha",
    "broken": "y = E + B x^-c0 (1 + (x / d)^(1/f))^(-c1 f), with alpha = c0 + c1 at large x",
}
PARAMETERS = {
    "pure": "A, alpha",
    "floor": "E, A, alpha",
    "shifted": "A, alpha, x0",
    "broken": "E, B, c0, c1, d, f",
}
PRINCIPLES = {
    "pure": "empirical: a straight line in ln-ln, without a least loss (Kaplan et al. 2020)",
    "floor": "a least loss and one source of reducible loss (Hestness et al. 2017)",
    "shifted": "a power of a size that x counts up to a constant",
    "broken": "empirical: two power laws that pass into each other (Caballero et al. 2022)",
}


@dataclass(frozen=True)
class Item:
    """A question of the checklist and its answer."""

    section: Section
    question: str
    answer: str

    @property
    def filled(self) -> bool:
        """False where only the author can say."""
        return NOT_KNOWN not in self.answer


def checklist(
    fit: Fit,
    diagnostics: Diagnostics | None = None,
    selection: Selection | None = None,
    cross_check: CrossCheck | None = None,
    x_name: str | None = None,
    y_name: str | None = None,
    source: str | None = None,
) -> tuple[Item, ...]:
    """The checklist of a fit, also of a refused one; each of the other arguments fills in what it
    knows.

    `x_name` and `y_name` are the columns of size and loss, `source` says where the runs are from (a
    file, a hash).
    """
    x = f"{x_name} (how it is counted: say it)" if x_name else None
    rest = f"; cosine of the gradient at the end {diagnostics.gradient:.1g}" if diagnostics else ""
    relation = (
        f"{y_name or 'loss'} as a function of {x_name or 'size'}" if x_name or y_name else None
    )
    asked: dict[Section, dict[str, str | None]] = {
        "Hypothesis": {
            "What is the form of the law?": FORMS[fit.law],
            "Which variables does it relate?": relation,
            "Which parameters are fitted?": _parameters(fit),
            "On what principle does the form rest?": PRINCIPLES[fit.law],
            "Which other forms were tried?": _tried(selection) if selection else None,
        },
        "Training setup": {
            "How many models were trained, at which sizes?": _models(fit),
            "On which data, how much of it, and was any of it repeated?": None,
            "How are model size, data and compute counted?": x,
            "How were hyperparameters chosen, and do they change with scale?": None,
            "What else is decided (depth against width), and does it change with scale?": None,
            "Is the code of the training open?": None,
        },
        "Data collection": {
            "Where are the runs?": source,
            "Are they final models or checkpoints of one run, and were these averaged?": None,
            "What is measured, on which data, and is it smoothed?": y_name
            and f"{y_name}; {NOT_KNOWN}",
        },
        "Fitting algorithm": {
            "Which objective is minimised?": _objective(fit),
            "By which algorithm, with which settings?": ALGORITHM + rest,
            "How is it started?": _starts(fit),
            "Are all points fitted, or were some dropped or downweighted?": _points(fit),
            "How certain are the parameters?": _certainty(fit, cross_check),
            "How well does the law fit?": _goodness(fit),
            "How does the result hang on single points and on the loss?": _sensitivity(diagnostics),
            "Does the law extrapolate to sizes that were not fitted?": _extrapolation(
                fit, selection
            ),
        },
    }
    items: list[Item] = []
    for section, answers in asked.items():
        items += (
            Item(section, question, answer or NOT_KNOWN) for question, answer in answers.items()
        )
    return tuple(items)


def to_markdown(items: Sequence[Item]) -> str:
    """The checklist as Markdown: a heading a section, a task a question, ticked where it is
    answered.
    """
    lines: list[str] = []
    for section, of_section in groupby(items, key=attrgetter("section")):
        tasks = (
            f"- [{'x' if item.filled else ' '}] {item.question} {item.answer}"
            for item in of_section
        )
        lines += ["", f"### {section}", "", *tasks]
    return "\n".join(lines[1:]) + "\n"


# --------------------------------------------------------------------------------------------------
# answers
def _tried(selection: Selection) -> str:
    told = []
    for law, fit in selection.fits.items():
        found = f"refused, {fit.refusals[0].code}" if fit.refusals else f"alpha {fit.alpha:.4g}"
        told.append(f"{law} ({found})")
    chosen = f"chosen: {selection.chosen}" if selection.chosen else "none stands"
    return f"{', '.join(told)}; {chosen}, by AICc, the test of a floor, and held-out sizes"


def _parameters(fit: Fit) -> str:
    is_floor_known = fit.region is not None and fit.region.problem.law.known_floor is not None
    return "A, alpha; E is given" if is_floor_known else PARAMETERS[fit.law]


def _models(fit: Fit) -> str:
    points = fit.points
    if not points.sizes.size:
        return "none"
    return (
        f"{int(points.counts.sum())} runs at {points.sizes.size} sizes from "
        f"{points.sizes[0]:.4g} to "
        f"{points.sizes[-1]:.4g} ({fit.decades:.2g} decades)"
    )


def _objective(fit: Fit) -> str:
    if fit.objective is None:
        return "none: the law was refused"
    rows = (
        "single runs"
        if fit.objective.startswith("huber_log")
        else "the means of ln loss at each size"
    )
    return f"{fit.objective} of ln loss, over {rows}"


def _starts(fit: Fit) -> str:
    law = LAWS[fit.law] if fit.region is None else fit.region.problem.law
    grid = f"from a grid of starts made from the data, for {law.parameters} parameters"
    if fit.region is None:
        return grid
    solution = fit.region.solution
    return f"{grid}: {solution.agreeing} of {solution.starts} starts reach the same optimum"


def _points(fit: Fit) -> str:
    far = fit.points.outliers
    dropped = (
        "all that were given"
        if not far.size
        else f"all, {far.size} far runs downweighted (Huber's location)"
    )
    by = "by the noise between their seeds"
    if fit.points.known_variance is not None:
        by = "by the standard errors that were given"
    elif np.all(fit.points.weights == fit.points.weights[:1]):
        by = "alike"
    return f"{dropped}; sizes weigh {by}"


def _certainty(fit: Fit, cross_check: CrossCheck | None) -> str | None:
    if fit.refusals:
        return "no exponent: " + " ".join(map(str, fit.refusals))
    if fit.alpha_interval is None:
        return None
    four_digits = partial(number, digits=4)
    told = [
        f"alpha {estimate(fit.alpha, fit.alpha_interval.low, fit.alpha_interval.high, four_digits)}"
    ]
    if fit.floor_interval:
        low, high = fit.floor_interval.low, fit.floor_interval.high
        told.append(f"floor {estimate(fit.floor, low, high, four_digits)}")
    by = f"profile likelihood, {fit.level:.0%}, {fit.dof} degrees of freedom"
    if fit.groups:
        by = f"jackknife over {fit.groups.number} groups, {fit.level:.0%}"
    elif fit.region is not None and np.isinf(fit.region.dof):
        by = f"profile likelihood, {fit.level:.0%}, of the standard errors that were given"
    found = f"{'; '.join(told)} ({by})"
    if cross_check:
        found += (
            "; bootstrap over sizes "
            f"{interval(cross_check.pairs.low, cross_check.pairs.high, four_digits)}"
        )
    return found


def _goodness(fit: Fit) -> str | None:
    if fit.sigma is None or fit.misfit is None:
        return None
    lack = fit.misfit.lack_of_fit_p
    faults = (
        ", ".join(f"{kind} p = {p:.2g}" for kind, p in fit.misfit.faults.items())
        or "too few sizes for faults"
    )
    told = (
        "lack of fit cannot be tested without repeated seeds"
        if lack is None
        else f"lack of fit p = {lack:.2g}"
    )
    return f"standard deviation of ln(mean / law) {fit.sigma:.3g}; {told}; {faults}"


def _sensitivity(diagnostics: Diagnostics | None) -> str | None:
    if diagnostics is None:
        return None
    told = []
    known = diagnostics.drop_one[np.isfinite(diagnostics.drop_one)]
    if known.size:
        told.append(f"alpha without one size {known.min():.4g} to {known.max():.4g}")
    told += [
        f"by Huber's loss at {name} {alpha:.4g}"
        for name, alpha in diagnostics.deltas.items()
        if name != "squares"
    ]
    return "; ".join(told)


def _extrapolation(fit: Fit, selection: Selection | None) -> str | None:
    score = selection.extrapolation.get(fit.law) if selection else None
    if selection is None or score is None or selection.last_value is None:
        return None
    return (
        f"root mean square of ln(predicted / measured) {score.rmsle:.3g} over {score.predictions} "
        "predictions of "
        f"larger sizes; the last value {selection.last_value.rmsle:.3g}"
    )
