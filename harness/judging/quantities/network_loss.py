"""The test loss of one network over that which somebody published of it."""

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words, over_published, size_words, spread_over_seeds
from harness.spec import RATIO, Condition, Takes


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the test loss of {arms_words(condition)[0]} {size_words(condition)}{over_published(condition)}"


def find(case: Case) -> Found:
    """From the runs of the arm's network that has that size."""
    from harness.base.errors import HarnessError
    from harness.judging.any_size import best_of, rows_of, value_of
    from harness.judging.curves import LOSS
    from harness.judging.scaling import sizes_of
    from harness.spec import END_TOLERANCE, side_label

    condition, matched = case.condition, case.runs.matched
    (names,) = condition.sides
    assert isinstance(condition.place, float)
    rows = rows_of(case, names)
    sizes = sizes_of(rows, matched)
    of_size = rows[(sizes / condition.place - 1).abs() <= END_TOLERANCE]
    if of_size.empty:
        raise HarnessError(
            f"no network of {side_label(names)} has {condition.place:,.6g} {matched} here; they have "
            f"{sizes.min():,.6g} to {sizes.max():,.6g}"
        )
    return value_of(best_of(of_size, names), LOSS, condition.published or 1.0, case.level)


QUANTITY = Quantity(
    name="network_loss",
    summary="the test loss of the network of size `at`, over the `published` one if that is given",
    read_at="a size of the arm on the matched axis",
    interval="Student's t of the seeds' ln losses",
    takes=Takes(
        arms=(1,),
        limits=RATIO,
        numbers=True,
        at_a_size=True,
        of_any_size=True,
        of_networks=True,
        over_published=True,
    ),
    words=words,
    find=find,
    spread=spread_over_seeds,
)
