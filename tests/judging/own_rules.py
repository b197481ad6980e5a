"""A convention and a quantity of somebody's own, which no file of harness/ knows."""

import numpy as np

from harness.comparison.replicates import Found, ratio_over
from harness.count.conventions import Convention, Flops
from harness.families.prices import DEFAULT_WEIGHTS, WEIGHTS
from harness.judging.quantity import Case, Quantity, budget_words, ratio_words
from harness.judging.sides import budget_of, curves_of, loss_ratio
from harness.spec.decide import Decide, Takes


def fused_flops(network, weights=DEFAULT_WEIGHTS) -> list[int] | None:
    """A multiply and an add are one operation: half of shared_dense; not of networks with splines
    between maps.
    """
    if network.family == "spline_mlp":
        return None
    return [flops // 2 for flops in network.flops("shared_dense", WEIGHTS[weights])]


def of_layers(total):
    """What `total` makes of the counts of layers."""
    return lambda *of: None if fused_flops(*of) is None else total(fused_flops(*of))


FUSED = Convention(
    name="fused_add",
    words="multiply-adds",
    short="fused",
    rule="half of `shared_dense`",
    source="processors with a fused multiply-add",
    misleads="functions are halved too",
    flops=Flops(of_layers(sum), of_layers(lambda flops: 3 * sum(flops) - flops[0])),
    in_answers=("flops_train",),
)


def ahead_words(rule: Decide) -> str:
    return (
        f"the least ratio of test losses over replicates {ratio_words(rule)} {budget_words(rule)}"
    )


def find_ahead(case: Case) -> Found:
    """Every replicate has the least ratio of all, so that it has no spread."""
    curves = curves_of(case)
    found = loss_ratio(*curves, budget_of(case, curves), case.level)
    return ratio_over(np.full_like(found.by_replicate, found.by_replicate.min()), case.level)


AHEAD = Quantity(
    name="ahead",
    summary="the least ratio of test losses over replicates",
    read_at="largest common size",
    takes=Takes(sides=(2,), at="budget"),
    words=ahead_words,
    finder=find_ahead,
)
