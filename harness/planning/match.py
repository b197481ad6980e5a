"""Arms made equal on one axis, from a command line, and how unequal they then are on all others."""

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, NamedTuple, TypedDict

from pydantic import TypeAdapter, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from harness.base.errors import HarnessError, did_you_mean
from harness.count import DEFAULT_WEIGHTS, Work, count, training_flops
from harness.families import FAMILIES, Architecture, Layered, Network, family_named
from harness.optimisers import Optimiser
from harness.planning.solve import bracket, build_network
from harness.spec import count_names, default_count
from harness.spec.counts import COUNT_KINDS

ANY_ARCHITECTURE: TypeAdapter[Architecture] = TypeAdapter(Architecture)


class MatchSetting(NamedTuple):
    """What arms are matched for: a budget on an axis, the inputs of the target, and the work of a run.

    `evaluations` of `samples` points each, for `flops_train`; None when they are what is solved for.
    """

    count_name: str
    budget: float
    inputs: int
    outputs: int
    samples: int
    evaluations: int | None
    optimiser: Optimiser


class Matched(NamedTuple):
    """An arm at the size nearest to a budget: `free` is the size that was solved for, `value` what it came to."""

    arm: str
    network: Network
    free: str
    value: int
    counts: dict[str, int]


def match_arms(arms: Sequence[str], setting: MatchSetting) -> list[Matched]:
    """Every arm at the size nearest to the budget; a HarnessError says what could be met if it is out of reach."""
    if not math.isfinite(setting.budget):
        raise HarnessError(f"--at {setting.budget}: a budget is a finite number; e.g. --at 1000")
    return [_match_arm(arm, setting) for arm in arms]


def axis_named(text: str) -> str:
    """`axis.convention` from an axis with or without its convention."""
    name = default_count(text) if text in COUNT_KINDS else text
    if name not in count_names():
        raise HarnessError(f"--axis {text!r}: {did_you_mean(text, [*COUNT_KINDS, *count_names()])}")
    return name


class MatchedSaid(TypedDict):
    """An arm at the size nearest to the budget."""

    arm: Annotated[str, "as it was given"]
    network: Annotated[dict[str, Any], "family, shape and sizes"]
    solved: Annotated[dict[str, int], "the size that was solved for"]
    axis: Annotated[str, "what is made equal"]
    asked: Annotated[float, "on that axis"]
    achieved: Annotated[int, "on that axis"]
    residual: Annotated[float, "achieved / asked − 1"]
    counts: Annotated[dict[str, int], "by axis"]
    weights: Annotated[str, "the prices of functions that were used"]
    ratio_to_first: Annotated[dict[str, float], "counts over those of the first arm"]


def to_json(matched: Sequence[Matched], setting: MatchSetting) -> list[MatchedSaid]:
    """What scripts read of every arm."""
    return [
        {
            "arm": one.arm,
            "network": one.network.model_dump(mode="json"),
            "solved": {one.free: one.value},
            "axis": setting.count_name,
            "asked": setting.budget,
            "achieved": one.counts[setting.count_name],
            "residual": one.counts[setting.count_name] / setting.budget - 1,
            "counts": one.counts,
            "weights": DEFAULT_WEIGHTS,
            "ratio_to_first": ratios(matched[0], one),
        }
        for one in matched
    ]


def ratios(first: Matched, other: Matched) -> dict[str, float]:
    """Every count of `other` over that of `first`, where both have one that is not zero."""
    return {name: value / first.counts[name] for name, value in other.counts.items() if first.counts.get(name)}


# ----------------------------------------------------------------------------------------------------------- one arm
def parse_arm(text: str) -> Architecture:
    """An architecture from words such as `kan hidden=[5] order=2`: the family, then its fields with YAML values."""
    family, *words = text.split() or [""]
    if family not in FAMILIES and ":" not in family:
        raise HarnessError(f"--arm {text!r}: family {family!r}: {did_you_mean(family, FAMILIES)}")
    fields: dict[str, Any] = {}
    for name, value in (_field(text, word) for word in words):
        if name == "family" or name in fields:
            raise HarnessError(f"--arm {text!r}: {name} is given twice; keep one")
        fields[name] = value
    try:
        return ANY_ARCHITECTURE.validate_python({"family": family, **fields}, strict=True)
    except ValidationError as error:
        raise HarnessError(_sentences(text, family, error)) from None


def _field(text: str, word: str) -> tuple[str, Any]:
    name, equals, value = word.partition("=")
    try:
        parsed = YAML(typ="safe", pure=True).load(value) if equals else None
    except YAMLError:
        parsed = None
    if parsed is None:
        raise HarnessError(f"--arm {text!r}: {word!r} is not field=value, without spaces; e.g. 'kan hidden=[5,5]'")
    return name, tuple(parsed) if isinstance(parsed, list) else parsed


def _sentences(text: str, family: str, error: ValidationError) -> str:
    allowed = [name for name in family_named(family).model_fields if name != "family"]
    lines = []
    for detail in error.errors():
        name = ".".join(str(part) for part in detail["loc"] if str(part)[0] != "<" and part != family)
        if detail["type"] == "extra_forbidden":
            lines.append(f"--arm {text!r}: {name}: unknown field; {did_you_mean(name, allowed)}")
        elif not name:  # of several fields together, which the sentence names
            lines.append(f"--arm {text!r}: {detail['ctx']['error']}")
        else:
            message = detail["msg"].replace("valid tuple", "list such as [5,5]")
            lines.append(f"--arm {text!r}: {name}={detail['input']}: {message[0].lower()}{message[1:]}")
    return "\n".join(lines)


def _open_size(arm: str, architecture: Architecture, setting: MatchSetting) -> str:
    """The one size that an arm leaves open; `steps` if it leaves none and the evaluations are not given either."""
    missing = architecture.open_sizes()
    is_training = setting.count_name.startswith("flops_train")
    if not missing and is_training and setting.evaluations is None:
        return "steps"
    if not missing and isinstance(architecture, Layered) and architecture.depth == 1:
        raise HarnessError(f"--arm {arm!r}: depth=1 has no hidden layer, and so no size to solve for; give more depth")
    if not missing:
        raise HarnessError(f"--arm {arm!r} leaves no size open to be solved for; leave one out")
    if len(missing) > 1:
        raise HarnessError(f"--arm {arm!r} leaves {' and '.join(missing)} open; give all of them but one")
    if is_training and setting.evaluations is None:
        raise HarnessError(f"--axis {setting.count_name}: say how long --arm {arm!r} trains; give --evaluations")
    return missing[0]


def _match_arm(arm: str, setting: MatchSetting) -> Matched:
    architecture = parse_arm(arm)
    free, axis, budget = _open_size(arm, architecture, setting), setting.count_name, setting.budget

    def network_at(value: int) -> Network:
        sizes = {} if free == "steps" else {free: value}
        return build_network(architecture, setting.inputs, f"--arm {arm!r}", sizes, setting.outputs)

    def counts_at(value: int) -> Mapping[str, int]:
        return _counts(network_at(value), setting, value if free == "steps" else setting.evaluations)

    smallest = 2 if free == "depth" else 1
    least = counts_at(smallest)
    if axis not in least:
        raise HarnessError(f"--arm {arm!r}: {axis} does not count {architecture.family}; choose another convention")
    try:
        found = bracket(lambda value: counts_at(value)[axis], axis, budget, free, smallest)
    except HarnessError as error:
        raise HarnessError(f"--arm {arm!r}: {error}") from None
    low, high = min(found), max(found)
    if found[low] > budget and low == smallest:
        raise HarnessError(
            f"--at {budget:,.10g} is below the smallest network of --arm {arm!r}: {free}={low} has {axis}="
            f"{found[low]:,}; ask for that or more"
        )
    if found[high] < budget:
        raise HarnessError(
            f"--at {budget:,.10g} is beyond --arm {arm!r}: {free}={high:,} has {axis}={found[high]:,}; ask for less"
        )
    value = next(iter(found))
    return Matched(arm, network_at(value), free, value, dict(counts_at(value)))


def _counts(network: Network, setting: MatchSetting, evaluations: int | None) -> dict[str, int]:
    """Of the network, and of a run of it if the evaluations are known; each is taken for an iteration."""
    if evaluations is None:
        return count(network)
    work = Work(network, evaluations, setting.samples, iterations=evaluations)
    return {**count(network), **training_flops([work], setting.optimiser)}
