"""Rules and numbers in words."""

import re

from harness.base.formats import interval, number
from harness.judging.found import Found, Number
from harness.judging.quantities import QUANTITIES
from harness.judging.quantity import listed
from harness.spec import Condition, Decide

CODE = re.compile(r"\b([A-Z]{2,}(?:_[A-Z]+)*): ")  # of a refusal, before its reason
LARGEST_IN_PERCENT = 0.3  # of a margin: from 1 / 1.5 to 1.5 is not 50 % either way
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
    under = "" if rule.takes.of_counts or rule.takes.of_any_size else f", under {listed(rule.conventions)}"
    matters = f"; equal means {matters_words(rule)}" if rule.matters is not None else ""
    return f"{what}, {where}{under}{matters}; intervals at {100 * rule.level:g} %"


def matters_words(condition: Condition) -> str:
    """How near to the limit is equal for all that matters: `within 10 %`, or `within 0.2` of a difference."""
    smallest = condition.smallest
    if condition.takes.is_difference:
        return f"within {smallest:g}"
    if smallest - 1 > LARGEST_IN_PERCENT:
        return f"within a factor of {smallest:.3g}"
    return f"within {100 * (smallest - 1):.3g} %"


def condition_words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """A condition as a clause."""
    what = QUANTITIES[condition.quantity].words(condition, conventions)
    if condition.takes.true_or_false:
        return what if condition.margin is None else f"{what} to within {100 * condition.margin:.3g} %"
    return f"{what} is {limit_words(condition)}"


def limit_words(condition: Condition) -> str:
    """What the number of a condition is asked to be, as `above 1`."""
    if condition.margin is not None:
        if condition.margin > LARGEST_IN_PERCENT:
            return f"within a factor of {1 + condition.margin:.3g} of 1"
        return f"within {100 * condition.margin:.3g} % of 1"
    if condition.most is not None:
        return f"below {condition.most:g}"
    least = f" and estimated at {condition.least:g} or more" if condition.least is not None else ""
    return f"above {condition.threshold:g}{least}"


def number_words(one: Number) -> str:
    """What was found; with looks also at how many seeds, and what a later look finds.

    So it may end in `at 5 of 16 seeds, 2.2 [0.9, 5.4] at 16 (inconclusive)`.
    """
    if one.look is None:
        return found_words(one.found)
    said = f"{found_words(one.found)} at {one.look.seeds} of {one.look.of} seeds"
    if one.later is None:
        return said
    turned = f" ({one.later.outcome})" if one.later.outcome != one.outcome else ""
    return f"{said}, {found_words(one.later.found)} at {one.later.look.seeds}{turned}"


def found_words(found: Found) -> str:
    """`1.3 [1.1, 1.6]`, or the code of the refusal; an end that the data do not bound is infinite, or 0."""
    if found.refused is not None:
        codes = dict.fromkeys(CODE.findall(found.refused))
        codes.pop("REFUSED_FIT", None)
        return f"refused ({', '.join(codes)})" if codes else "refused"
    if found.estimate is not None:
        told = number(found.estimate)
    elif found.holds is not None:
        told = "yes" if found.holds else "no"
    else:
        told = "not known"
    return told if found.low is None or found.high is None else f"{told} {interval(found.low, found.high)}"
