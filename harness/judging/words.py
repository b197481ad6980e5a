"""Rules and numbers in words."""

import math
import re

from harness.judging.found import Found
from harness.spec import Condition, Decide, side_label

# Of a verdict whose estimates agree under every convention. Another recipe may turn it all the same.
STABLE = "stable over counts"


def rule_words(rule: Decide, of: int | None = None) -> str:
    """What must be true for the claim to be supported, as one clause; `of` is how many tasks or families there are."""
    what = ", and ".join(condition_words(one, rule.conventions) for one in rule.conditions)
    if rule.given:
        given = " and ".join(condition_words(one, rule.conventions) for one in rule.given)
        what = f"wherever {given}: {what}"
    if rule.invariant:
        what = f"whether {what.replace(', and ', ', and whether ')} has one and the same answer"
    kinds = ("family of tasks", "families of tasks") if rule.of_family else ("task", "tasks")
    total = f" of {of}" if of else ""
    where = f"on the {kinds[0]}" if of == 1 else f"on at least {rule.at_least}{total} {kinds[1]}"
    under = "" if rule.conditions[0].quantity == "count" else f", under {_listed(rule.conventions)}"
    return f"{what}, {where}{under}; intervals at {100 * rule.level:g} %"


def condition_words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """A condition as a clause."""
    what = _quantity(condition, conventions)
    if condition.margin is not None:
        if condition.quantity == "held_out":
            return f"{what} to within {100 * condition.margin:.3g} %"
        return f"{what} is within {100 * condition.margin:.3g} % of 1"
    if condition.most is not None:
        return f"{what} is below {condition.most:g}"
    if condition.threshold is None:
        return what
    least = f" and estimated at {condition.least:g} or more" if condition.least is not None else ""
    return f"{what} is above {condition.threshold:g}{least}"


def arms_words(condition: Condition) -> tuple[str, ...]:
    """Each arm, or the best of several."""
    return tuple(side_label(condition.choice(index)) for index in range(len(condition.arms)))


def _quantity(condition: Condition, conventions: tuple[str, ...]) -> str:
    arms, at = arms_words(condition), condition.place
    first, second = arms[0], arms[-1]
    ratio = f"of {_bracketed(second)} / {_bracketed(first)}"
    size = (
        "at the largest common size" if at == "largest" else f"where {first} has size {_number(at)} on the matched axis"
    )
    match condition.quantity:
        case "exponent":
            return f"the exponent of {first} minus that of {second}"
        case "test_loss" | "test_rmse":
            return f"the test loss {ratio} {size}"
        case "cost":
            loss = f"the {at} loss that both attain" if isinstance(at, str) else f"test loss {_number(at)}"
            size = conventions[0] if len(conventions) == 1 else "size"
            return f"the {size} {ratio} at {loss}"
        case "floor":
            return f"the floor {ratio}"
        case "count":
            return f"{_listed(conventions)} {ratio} at equal {condition.equal or 'params.trainable'}, {size},"
        case "held_out":
            return f"the held-out sizes are as the law of {' and that of '.join(arms)} predicts"
        case "crossover":
            return f"{first} or {second} is ahead at the largest common size beyond doubt, every crossover lying below"
        case "exponent_kept":
            return f"the exponent of {first} at the most inputs over that at the fewest"
        case "growth":
            return f"the slope in ln(inputs) of ln(size) that {first} needs for test loss {_number(at)}"


def _bracketed(arm: str) -> str:
    return f"({arm})" if ", " in arm else arm


def _number(value: float | str | None) -> str:
    return f"{value:,.4g}" if isinstance(value, float) else str(value)


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"each of {', '.join(names)}"


def found_words(found: Found) -> str:
    """`1.3 [1.1, 1.6]`, or the code of the refusal; an end that the data do not bound is infinite, or 0."""
    if found.refused is not None:
        codes = dict.fromkeys(re.findall(r"\b([A-Z]{2,}(?:_[A-Z]+)*): ", found.refused))
        codes.pop("REFUSED_FIT", None)
        return f"refused ({', '.join(codes)})" if codes else "refused"
    ends = f"[{_end(found.low)}, {_end(found.high)}]" if found.low is not None and found.high is not None else ""
    number = "" if found.estimate is None else _end(found.estimate)
    if found.holds is None and found.estimate is None:
        return f"not known {ends}".strip()
    if found.holds is not None and found.estimate is None:
        return f"{'yes' if found.holds else 'no'} {ends}".strip()
    return f"{number} {ends}".strip()


def _end(value: float | None) -> str:
    if value is None or math.isinf(value):
        return "-∞" if value is not None and value < 0 else "∞"
    return f"{value:.3g}"
