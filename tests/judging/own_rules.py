"""A convention and a quantity of somebody's own, which no file of harness/ knows."""

import numpy as np

from harness.comparison.replicates import Found, ratio_over
from harness.count import layer_flops
from harness.count.conventions import Convention, by_layers
from harness.judging.quantity import Case, Quantity, budget_words, ratio_words
from harness.judging.sides import budget_of, curves_of, loss_ratio
from harness.spec import Decide, Takes


def fused_flops(network, weights) -> list[int] | None:
    """A multiply and an add are one operation: half of shared_dense; not of networks with splines between maps."""
    if network.family == "spline_mlp":
        return None
    return [flops // 2 for flops in layer_flops(network, "shared_dense", weights)]


FUSED = Convention(
    name="fused_add",
    words="multiply-adds",
    short="fused",
    rule="half of `shared_dense`",
    source="processors with a fused multiply-add",
    misleads="functions are halved too",
    flops=by_layers(fused_flops),
    in_answers=("flops_train",),
)


def ahead_words(rule: Decide) -> str:
    return f"the least ratio of test losses over replicates {ratio_words(rule)} {budget_words(rule)}"


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
