"""Arms made equal on one axis, from a command line, and how unequal they then are on all others."""

import math
from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from pydantic import ValidationError

from harness.base.errors import HarnessError, at, did_you_mean
from harness.count import DEFAULT_WEIGHTS, Work, count, training_flops
from harness.families import FAMILIES, Architecture, Layered, Network, family_named
from harness.optimisers import Optimiser
from harness.planning.solve import bracket, build_network
from harness.spec.counts import COUNT_KINDS, count_names, default_count
from harness.spec.document import parse
from harness.spec.read import mistake_in


class MatchSetting(NamedTuple):
    """What arms are matched for: a budget on an axis, the inputs of the target, and the work of a
    run.

    `evaluations` of `samples` points each, for `flops_train`; None when they are what is solved
    for.
    """

    count_name: str
    budget: float
    inputs: int
    outputs: int
    samples: int
    evaluations: int | None
    optimiser: Optimiser


class MatchedSaid(NamedTuple):
    """An arm at the size nearest to the budget."""

    arm: Annotated[str, "as it was given"]
    network: Annotated[Network, dict[str, Any], "family, shape and sizes"]
    solved: Annotated[dict[str, int], "the size that was solved for"]
    axis: Annotated[str, "what is made equal"]
    asked: Annotated[float, "on that axis"]
    achieved: Annotated[int, "on that axis"]
    residual: Annotated[float, "achieved / asked − 1"]
    counts: Annotated[dict[str, int], "by axis"]
    weights: Annotated[str, "the prices of functions that were used"]
    ratio_to_first: Annotated[dict[str, float], "counts over those of the first arm"]


def match_arms(arms: Sequence[str], setting: MatchSetting) -> list[MatchedSaid]:
    """Every arm at the size nearest to the budget; a HarnessError says what could be met if it is
    out of reach.
    """
    if not math.isfinite(setting.budget):
        raise HarnessError(f"`budget` {setting.budget}: it must be a finite number, such as 1000")
    matched: list[MatchedSaid] = []
    for arm in arms:
        with at(f"`arms` {arm!r}"):
            network, solved, counts = _matched(arm, setting)
        achieved, first = counts[setting.count_name], matched[0].counts if matched else counts
        # Where both have a count that is not zero.
        ratio_to_first = {
            name: value / first[name] for name, value in counts.items() if first.get(name)
        }
        said = MatchedSaid(
            arm=arm,
            network=network,
            solved=solved,
            axis=setting.count_name,
            asked=setting.budget,
            achieved=achieved,
            residual=achieved / setting.budget - 1,
            counts=counts,
            weights=DEFAULT_WEIGHTS,
            ratio_to_first=ratio_to_first,
        )
        matched.append(said)
    return matched


def axis_named(text: str) -> str:
    """`axis.convention` from an axis with or without its convention."""
    name = default_count(text) if text in COUNT_KINDS else text
    if name not in count_names():
        raise HarnessError(f"`axis` {text!r}: {did_you_mean(text, [*COUNT_KINDS, *count_names()])}")
    return name


# --------------------------------------------------------------------------------------------------
# one arm
def parse_arm(text: str) -> Architecture:
    """An architecture from words such as `kan hidden=[5] order=2`: the family, then its fields with
    YAML values.
    """
    family, *words = text.split() or [""]
    if family not in FAMILIES and ":" not in family:
        raise HarnessError(f"family {family!r}: {did_you_mean(family, FAMILIES)}")
    fields: dict[str, Any] = {"family": family}
    for word in words:
        name, _, written = word.partition("=")
        try:
            value = parse(written, name).data
        except HarnessError:
            value = None
        if value is None:
            raise HarnessError(
                f"{word!r} is not field=value, without spaces; e.g. 'kan hidden=[5,5]'"
            )
        if name in fields:
            raise HarnessError(f"{name} is given twice; keep one")
        fields[name] = tuple(value) if isinstance(value, list) else value
    kind = family_named(family)
    try:
        return kind.model_validate(fields, strict=True)
    except ValidationError as error:
        raise HarnessError("".join(mistake_in(error, kind)).removeprefix(": ")) from None


def _open_size(architecture: Architecture, setting: MatchSetting) -> str:
    """The one size that an arm leaves open; `steps` if it leaves none and the evaluations are not
    given either.
    """
    missing = architecture.open_sizes()
    needs_evaluations = setting.count_name.startswith("flops_train") and setting.evaluations is None
    if not missing and needs_evaluations:
        return "steps"
    if not missing and isinstance(architecture, Layered) and architecture.depth == 1:
        raise HarnessError(
            "depth=1 has no hidden layer, and so no size to solve for; give more depth"
        )
    if not missing:
        raise HarnessError("it leaves no size open to be solved for; leave one out")
    if len(missing) > 1:
        raise HarnessError(f"it leaves {' and '.join(missing)} open; give all of them but one")
    if needs_evaluations:
        raise HarnessError(
            f"{setting.count_name} needs to know how long it trains; give `evaluations`"
        )
    return missing[0]


def _matched(arm: str, setting: MatchSetting) -> tuple[Network, dict[str, int], dict[str, int]]:
    """The network nearest to the budget, the size that was solved for, and its counts."""
    architecture = parse_arm(arm)
    free, axis, budget = _open_size(architecture, setting), setting.count_name, setting.budget

    def network_at(value: int) -> Network:
        sizes = {} if free == "steps" else {free: value}
        return build_network(architecture, setting.inputs, "architecture", sizes, setting.outputs)

    def counts_at(value: int) -> dict[str, int]:
        """Of the network, and of a run of it if the evaluations are known; each is taken for an
        iteration.
        """
        network, evaluations = network_at(value), value if free == "steps" else setting.evaluations
        if evaluations is None:
            return count(network)
        work = Work(network, evaluations, setting.samples, iterations=evaluations)
        return {**count(network), **training_flops([work], setting.optimiser)}

    smallest = 2 if free == "depth" else 1
    if axis not in counts_at(smallest):
        raise HarnessError(
            f"{axis} does not count {architecture.family}; choose another convention"
        )
    nearest = bracket(lambda value: counts_at(value)[axis], axis, budget, free, smallest)
    low, high = min(nearest), max(nearest)
    if nearest[low] > budget and low == smallest:
        raise HarnessError(
            f"{budget:,.10g} is below its smallest network: {free}={low} has "
            f"{axis}={nearest[low]:,}; ask for that or "
            "more"
        )
    if nearest[high] < budget:
        raise HarnessError(
            f"{budget:,.10g} is beyond {free}={high:,}, which has {axis}={nearest[high]:,}; ask "
            "for less"
        )
    value = next(iter(nearest))
    return network_at(value), {free: value}, counts_at(value)
