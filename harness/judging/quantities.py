"""Every quantity that a rule can be about. To add one, add it to QUANTITIES, and its row to docs/verdicts.md.

Every command that reads a plan with rules reads this file too. So functions import what computes, and the packages that
it needs, when they are called.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.base.errors import HarnessError
from harness.base.formats import human
from harness.judging.quantity import (
    Case,
    Quantity,
    budget_words,
    effort_words,
    of_a_column,
    over_published,
    ratio_words,
    sides_words,
)
from harness.spec import Decide, Takes

if TYPE_CHECKING:
    from harness.comparison.replicates import Found


def _test_loss(case: Case) -> Found:
    """The ratio in each replicate; refused where both sides are worse than a constant.

    Where networks are not matched, none has just the size that a rule names, so that the best one up to it counts.
    """
    from harness.judging.networks import loss_ratio_up_to
    from harness.judging.sides import budget_of, check_any_learnt, curves_of, loss_ratio

    place = case.rule.place
    if case.runs.manifest.experiment.match is None and isinstance(place, float):
        return loss_ratio_up_to(case, place)
    first, second = curves_of(case)
    budget = budget_of(case, [first, second])
    check_any_learnt([first, second], budget)
    return loss_ratio(first, second, budget, case.level)


def _multiplier_words(rule: Decide) -> str:
    first, second = sides_words(rule)
    return f"the budget that {second} needs for {first}'s test loss {budget_words(rule)}, over it{effort_words(rule)},"


def _multiplier(case: Case) -> Found:
    """By log-log interpolation along the second side's falling curve, in each replicate."""
    from harness.judging.sides import budget_of, budget_ratio, curves_of

    first, second = curves_of(case)
    return budget_ratio(first, second, budget_of(case, (first, second)), case.level)


def _exponent_words(rule: Decide) -> str:
    told = f"the exponent of {' minus that of '.join(sides_words(rule))}{effort_words(rule)}"
    return told if rule.published is None else f"{told}, less the published {rule.published:.4g},"


def _exponent(case: Case) -> Found:
    """The slope of each replicate's own curve."""
    from harness.comparison.replicates import exponent, exponent_gap, shifted
    from harness.judging.sides import at_shared_budgets, curves_of

    curves = curves_of(case)
    if len(curves) == 2:
        return exponent_gap(*at_shared_budgets(*curves), case.level)
    return shifted(exponent(curves[0].over_budgets, case.level), -(case.rule.published or 0.0))


def _count_words(rule: Decide) -> str:
    if len(rule.sides) == 1:
        below, above = rule.count
        return f"{above} over {below} of {sides_words(rule)[0]} {budget_words(rule)}"
    return f"{rule.count[0]} {ratio_words(rule)} {budget_words(rule)}"


def _count(case: Case) -> Found:
    """From the networks of each replicate."""
    from harness.judging.sides import budget_of, column_ratio, curves_of

    first, *others = curves_of(case)
    budget = budget_of(case, [first, *others])
    below, above = case.rule.count[0], case.rule.count[-1]
    return column_ratio(first.of_column(below), (others or [first])[0].of_column(above), budget, case.level)


def _exponent_kept(case: Case) -> Found:
    """The ratio of the exponents in each replicate."""
    from harness.comparison.replicates import exponent, quotient
    from harness.judging.sides import curve_on

    (names,) = case.rule.arms_of_sides
    fewest, most = (
        exponent(curve_on(case, task, names).over_budgets, case.level) for task in (case.tasks[0], case.tasks[-1])
    )
    return quotient(most, fewest, case.level)


def _growth_words(rule: Decide) -> str:
    loss = human(rule.place) if isinstance(rule.place, float) else rule.place
    needs = f"that {sides_words(rule)[0]} needs for test loss {loss}"
    return f"the slope in ln(inputs) of ln({rule.axis or 'size'}) {needs}"


def _growth(case: Case) -> Found:
    """The least-squares slope in each replicate."""
    import numpy as np

    from harness.comparison.replicates import difference_over, needed
    from harness.judging.sides import curve_on

    (names,), loss = case.rule.arms_of_sides, case.rule.place
    assert isinstance(loss, float)
    inputs = np.log([case.runs.tasks[task][1] for task in case.tasks])
    if np.unique(inputs).size < 3:
        number = np.unique(inputs).size
        raise HarnessError(f"a slope needs tasks of three different numbers of inputs, and there are {number}")
    sizes = [needed(curve_on(case, task, names).over_budgets, math.log(loss)) for task in case.tasks]  # [tasks][R]
    centred = inputs - inputs.mean()
    return difference_over(centred @ np.array(sizes) / (centred @ centred), case.level)


def _best_size(case: Case) -> Found:
    """The size of each replicate; runs that diverged are passed over."""
    import numpy as np

    from harness.comparison.replicates import ratio_over
    from harness.judging.sides import curves_of

    (curve,) = curves_of(case)
    best = np.argmin(np.where(np.isnan(curve.logs), np.inf, curve.logs), axis=0)
    return ratio_over(np.log(curve.sizes[best] / (case.rule.published or 1.0)), case.level)


def _edges_by_seed(case: Case) -> Found:
    """The standard deviation, and the interval that chi-squared gives it where the ln counts are normal."""
    from harness.comparison.replicates import deviation_over
    from harness.judging.networks import logs_of, rows_trained_with

    (names,) = case.rule.arms_of_sides
    logs = logs_of(rows_trained_with(case, names, "sparsity", "active_edges"), "active_edges")
    return deviation_over(logs, case.level)


def _network_loss(case: Case) -> Found:
    """From the runs of the network of that size."""
    from harness.judging.networks import loss_of_size

    return loss_of_size(case)


def _upturn(case: Case) -> Found:
    """The ratio in each replicate."""
    import numpy as np

    from harness.comparison.replicates import ratio_over
    from harness.judging.sides import curves_of

    (curve,) = curves_of(case)
    if len(curve.sizes) < 2:
        raise HarnessError(f"{curve.name} has one size, so that nothing can turn up; give it two or more")
    *smaller, largest = curve.logs
    return ratio_over(largest - np.min(smaller, axis=0), case.level)


# Messages, the JSON Schema and docs/verdicts.md have them in this order.
QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            name="test_loss",
            summary="the ratio of test losses of what both sides find at equal budgets",
            read_at="a budget, the largest one that both have if none is given",
            takes=Takes(sides=(2,), at="budget", of_efforts=True),
            words=lambda rule: f"the test loss {ratio_words(rule)} {budget_words(rule)}{effort_words(rule)}",
            find=_test_loss,
        ),
        Quantity(
            name="multiplier",
            summary="how many times the first side's budget the second one needs for the first one's test loss",
            read_at="a budget of the first side",
            takes=Takes(sides=(2,), at="budget", of_efforts=True, of_laws=True),
            words=_multiplier_words,
            find=_multiplier,
        ),
        Quantity(
            name="exponent",
            summary="alpha of loss = c * budget^-alpha; of two sides the first one's less the second one's",
            read_at="all budgets on an axis",
            takes=Takes(
                sides=(1, 2),
                at="axis",
                is_difference=True,
                of_efforts=True,
                of_laws=True,
                over_published=True,
                matters=0.2,
            ),
            words=_exponent_words,
            find=_exponent,
        ),
        Quantity(
            name="count",
            summary="the ratio of what `count` names of two sides at equal budgets, or of two counts of one side",
            read_at="a budget, the largest one that both have if none is given",
            takes=Takes(sides=(1, 2), at="budget", of_counts=True),
            words=_count_words,
            find=_count,
        ),
        Quantity(
            name="exponent_kept",
            summary="alpha at the most inputs over alpha at the fewest, in a family of tasks",
            read_at="all budgets on an axis",
            takes=Takes(sides=(1,), at="axis", of_family=True, of_laws=True),
            words=lambda rule: f"the exponent of {sides_words(rule)[0]} at the most inputs over that at the fewest",
            find=_exponent_kept,
        ),
        Quantity(
            name="growth",
            summary="the slope of ln budget at a test loss on ln inputs",
            read_at="a test loss",
            takes=Takes(sides=(1,), at="loss", needs_place=True, of_family=True, is_difference=True, matters=0.2),
            words=_growth_words,
            find=_growth,
        ),
        Quantity(
            name="best_size",
            summary="the size at which the test loss is least, over the `published` one if that is given",
            read_at="all sizes on an axis",
            takes=Takes(sides=(1,), at="axis", of_networks=True, over_published=True),
            words=lambda rule: (
                f"the {rule.axis or 'size'} at which {sides_words(rule)[0]} has its least test loss"
                f"{over_published(rule)}"
            ),
            find=_best_size,
        ),
        of_a_column(
            name="edges",
            summary="the number of active edges after training with a penalty; of two sides its ratio",
            read_at="the end of the penalised part",
            what="the number of active edges",
            column="active_edges",
            trained_with="sparsity",
        ),
        Quantity(
            name="edges_by_seed",
            summary="the standard deviation over seeds of ln(active edges), with the interval of chi-squared",
            read_at="the end of the penalised part",
            takes=Takes(sides=(1,), of_networks=True),
            words=lambda rule: f"the standard deviation over seeds of ln(active edges) of {sides_words(rule)[0]}",
            find=_edges_by_seed,
        ),
        of_a_column(
            name="error_in_the_end",
            summary="the training RMSE on all phases after the last one; of two sides its ratio",
            read_at="the end of the last phase",
            what="the training error on all phases after the last one,",
            column="rmse_in_the_end",
            trained_with="phases",
        ),
        of_a_column(
            name="forgetting",
            summary="the mean training error in the end over that right after each phase; of two sides its ratio",
            read_at="the end of the last phase",
            what="the growth of training errors after their phases,",
            column="forgetting",
            trained_with="phases",
        ),
        Quantity(
            name="network_loss",
            summary="the test loss of the network of that size, over the `published` one if that is given",
            read_at="a size",
            takes=Takes(sides=(1,), at="budget", needs_place=True, of_networks=True, over_published=True),
            words=lambda rule: f"the test loss of {sides_words(rule)[0]} {budget_words(rule)}{over_published(rule)}",
            find=_network_loss,
        ),
        Quantity(
            name="upturn",
            summary="the test loss at the largest size over the least at a smaller size",
            read_at="all sizes on an axis",
            takes=Takes(sides=(1,), at="axis", of_networks=True),
            words=lambda rule: (
                f"the test loss of {sides_words(rule)[0]} at its largest size over the least at a smaller one"
            ),
            find=_upturn,
        ),
    )
}
