"""Rules and numbers in words."""

from harness.base.formats import human, interval, number
from harness.comparison.replicates import Found
from harness.judging.quantities import QUANTITIES
from harness.spec import Decide

LARGEST_IN_PERCENT = 1.3  # of a factor: from 1 / 1.5 to 1.5 is not 50 % either way


def rule_words(rule: Decide, axis: str, of: int | None = None) -> str:
    """What must be true for the claim to be supported, as one clause; `of` is how many tasks or families there are."""
    kinds = ("family of tasks", "families of tasks") if rule.takes.of_family else ("task", "tasks")
    total = f" of {of}" if of else ""
    where = f"on the {kinds[0]}" if of == 1 else f"on at least {rule.at_least}{total} {kinds[1]}"
    matters = f"; equal means {matters_words(rule)}" if rule.matters is not None else ""
    what = f"{QUANTITIES[rule.quantity].words(rule)} is {limit_words(rule)}"
    return f"{what}, {where}, by {axis}{matters}; intervals at {100 * rule.level:g} %"


def matters_words(rule: Decide, smallest: float | None = None) -> str:
    """How near to the limit is equal for all that matters: `within 10 %`, or `within 0.2` of a difference."""
    smallest = smallest or rule.smallest
    if rule.takes.is_difference:
        return f"within {smallest:g}"
    if smallest > LARGEST_IN_PERCENT:
        return f"within a factor of {human(smallest)}"
    return f"within {100 * (smallest - 1):.3g} %"


def asked_words(rule: Decide, smallest: float | None = None) -> str:
    """What power is asked for: `a difference of 10 %`, `a factor of 2`, or `equality within 10 %` of such a rule."""
    matters = matters_words(rule, smallest)
    if rule.within is not None:
        return f"equality {matters}"
    how_much = matters.removeprefix("within ")
    return how_much if how_much.startswith("a factor") else f"a difference of {how_much}"


def limit_words(rule: Decide) -> str:
    """What the number of a rule is asked to be, as `above 1`."""
    if rule.within is not None:
        return f"{matters_words(rule)} of {rule.limit:g}"
    return f"below {rule.most:g}" if rule.most is not None else f"above {rule.threshold:g}"


def found_words(result: Found) -> str:
    """`1.3 [1.1, 1.6]`, a bound, or the code of the refusal; an end that the data do not bound is infinite, or 0."""
    if result.refusals:
        codes = dict.fromkeys(refusal.code for refusal in result.refusals if refusal.code)
        return f"refused ({', '.join(codes)})" if codes else "refused"
    if result.bound is not None:
        return f"{result.bound[0]} {human(result.bound[1])}"
    if result.estimate is None or result.low is None or result.high is None:
        return "not known"
    return f"{number(result.estimate)} {interval(result.low, result.high)}"
