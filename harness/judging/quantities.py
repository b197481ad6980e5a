"""Every quantity that a rule can be about. To add one, add it to QUANTITIES, and its row to
docs/verdicts.md.

Every command that reads a plan with rules reads this file too. So what finds them, with the
packages that it needs, is in `judging.finding`: a function of the name of each.
"""

from harness.judging.quantity import (
    Quantity,
    budget_words,
    effort_words,
    over_published,
    ratio_words,
    sides_words,
)
from harness.spec.decide import Decide, Takes


def _of_a_column(*, name: str, summary: str, read_at: str, what: str) -> Quantity:
    """A quantity that is a column of the table of runs: of one side its value, of two sides the
    ratio.

    `what` is how it reads, before the sides.
    """

    def words(rule: Decide) -> str:
        of = (
            ratio_words(rule)
            if len(rule.sides) == 2
            else f"of {sides_words(rule)[0]}{over_published(rule)}"
        )
        return f"{what} {of}"

    takes = Takes(sides=(1, 2), of_networks=True, over_published=True)
    return Quantity(name, summary, read_at, takes, words)


def _multiplier_words(rule: Decide) -> str:
    first, second = sides_words(rule)
    return (
        f"the budget that {second} needs for {first}'s test loss {budget_words(rule)}, over "
        f"it{effort_words(rule)},"
    )


def _exponent_words(rule: Decide) -> str:
    words = f"the exponent of {' minus that of '.join(sides_words(rule))}{effort_words(rule)}"
    return words if rule.published is None else f"{words}, less the published {rule.published:.4g},"


def _count_words(rule: Decide) -> str:
    if len(rule.sides) == 1:
        below, above = rule.count
        return f"{above} over {below} of {sides_words(rule)[0]} {budget_words(rule)}"
    return f"{rule.count[0]} {ratio_words(rule)} {budget_words(rule)}"


OF_EXPONENTS = Takes(
    sides=(1, 2), at="axis", is_difference=True, of_laws=True, over_published=True, matters=0.2
)
# Messages, the JSON Schema and docs/verdicts.md have them in this order.
QUANTITIES = {
    quantity.name: quantity
    for quantity in (
        Quantity(
            name="test_loss",
            summary="the ratio of test losses of what both sides find at equal budgets",
            read_at="a budget, the largest one that both have if none is given",
            takes=Takes(sides=(2,), at="budget", of_efforts=True),
            words=lambda rule: (
                f"the test loss {ratio_words(rule)} {budget_words(rule)}{effort_words(rule)}"
            ),
        ),
        Quantity(
            name="multiplier",
            summary=(
                "how many times the first side's budget the second one needs for the first "
                "one's test loss"
            ),
            read_at="a budget of the first side",
            takes=Takes(sides=(2,), at="budget", of_efforts=True, of_laws=True),
            words=_multiplier_words,
        ),
        Quantity(
            name="exponent",
            summary=(
                "alpha of loss = c * budget^-alpha; of two sides the first one's less the "
                "second one's"
            ),
            read_at="all budgets on an axis",
            takes=OF_EXPONENTS._replace(of_efforts=True),
            words=_exponent_words,
        ),
        Quantity(
            name="count",
            summary="the ratio of the count that `count` names between two sides at equal budgets, "
            "or of two counts of one side",
            read_at="a budget, the largest one that both have if none is given",
            takes=Takes(sides=(1, 2), at="budget", of_counts=True),
            words=_count_words,
        ),
        Quantity(
            name="observed",
            summary="the ratio of another value that runs record, named by `observed`, for the "
            "networks that "
            "validation picks at equal budgets",
            read_at="a budget, the largest one that both have if none is given",
            takes=Takes(sides=(2,), at="budget", of_observed=True),
            words=lambda rule: f"the {rule.observed} {ratio_words(rule)} {budget_words(rule)}",
        ),
        Quantity(
            name="exponent_kept",
            summary="alpha at the most inputs over alpha at the fewest, in a family of tasks",
            read_at="all budgets on an axis",
            takes=Takes(sides=(1,), at="axis", of_family=True, of_laws=True),
            words=lambda rule: (
                f"the exponent of {sides_words(rule)[0]} at the most inputs over that at the fewest"
            ),
        ),
        Quantity(
            name="best_size",
            summary=(
                "the size at which the test loss is least, over the `published` one if that "
                "is given"
            ),
            read_at="all sizes on an axis",
            takes=Takes(sides=(1,), at="axis", of_networks=True, over_published=True),
            words=lambda rule: (
                f"the {rule.axis or 'size'} at which {sides_words(rule)[0]} has its least test loss"
                f"{over_published(rule)}"
            ),
        ),
        _of_a_column(
            name="edges",
            summary=(
                "the number of active edges after training with a penalty; of two sides its ratio"
            ),
            read_at="the end of the penalised part",
            what="the number of active edges",
        ),
        Quantity(
            name="edges_by_seed",
            summary=(
                "the standard deviation over seeds of ln(active edges), with the interval of "
                "chi-squared"
            ),
            read_at="the end of the penalised part",
            takes=Takes(sides=(1,), of_networks=True),
            words=lambda rule: (
                f"the standard deviation over seeds of ln(active edges) of {sides_words(rule)[0]}"
            ),
        ),
        _of_a_column(
            name="error_in_the_end",
            summary="the training RMSE on all phases after the last one; of two sides its ratio",
            read_at="the end of the last phase",
            what="the training error on all phases after the last one,",
        ),
        _of_a_column(
            name="forgetting",
            summary=(
                "the mean training error in the end over that right after each phase; of two "
                "sides its ratio"
            ),
            read_at="the end of the last phase",
            what="the growth of training errors after their phases,",
        ),
        Quantity(
            name="network_exponent",
            summary="the exponent of a network over its own sizes in the window",
            read_at="all sizes on an axis",
            takes=OF_EXPONENTS._replace(of_networks=True),
            words=_exponent_words,
        ),
        Quantity(
            name="network_loss",
            summary=(
                "the test loss of the network of that size, over the `published` one if that "
                "is given"
            ),
            read_at="a size",
            takes=Takes(
                sides=(1,), at="budget", needs_place=True, of_networks=True, over_published=True
            ),
            words=lambda rule: (
                f"the test loss of {sides_words(rule)[0]} "
                f"{budget_words(rule)}{over_published(rule)}"
            ),
        ),
        Quantity(
            name="upturn",
            summary="the test loss at the largest size over the least at a smaller size",
            read_at="all sizes on an axis",
            takes=Takes(sides=(1,), at="axis", of_networks=True),
            words=lambda rule: (
                f"the test loss of {sides_words(rule)[0]} at its largest size over the least at a "
                "smaller one"
            ),
        ),
    )
}
