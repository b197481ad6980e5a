"""A convention and a quantity of somebody's own, which no file of harness/ knows."""

from harness.count import layer_flops
from harness.count.conventions import Convention, by_layers
from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes


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
    in_stable_verdicts=("flops_train",),
    beside_pairs=("flops_forward",),
)


def ahead_words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    first, second = arms_words(condition)
    return f"{first} is ahead of {second} at every seed"


def find_ahead(case: Case) -> Found:
    """The least ratio of test losses over the seeds, at the largest common size."""
    from harness.judging.curves import largest_common, read, side_curve
    from harness.judging.runs import of_arm

    first, second = (side_curve(of_arm(case.runs, case.task, side), case.axis) for side in case.condition.sides)
    size = largest_common(first, second)
    least = float(min(read(second, size) - read(first, size)))
    return Found(least, least, least, holds=least > 0, at=size)


AHEAD = Quantity(
    name="ahead",
    summary="the first arm has the lower test loss at every seed",
    read_at="largest common size",
    interval="none",
    takes=Takes(arms=(2,), limits=(), true_or_false=True),
    words=ahead_words,
    find=find_ahead,
)
