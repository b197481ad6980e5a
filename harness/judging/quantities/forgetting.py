"""How many times larger training errors are when the last phase is over than right after each phase."""

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, spread_over_seeds, value_words
from harness.spec import RATIO, Condition, Takes


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the growth of training errors after their phases, {value_words(condition)}"


def find(case: Case) -> Found:
    """From the runs that learnt in phases."""
    from harness.judging.any_size import rows_in_phases, value_or_ratio

    return value_or_ratio(case, "forgetting", [rows_in_phases(case, names) for names in case.condition.sides])


QUANTITY = Quantity(
    name="forgetting",
    summary="the mean training error in the end over that right after each phase; of two arms its ratio",
    read_at="the end of the last phase",
    interval="Student's t of the seeds' ln values or ln ratios",
    takes=Takes(arms=(1, 2), limits=RATIO, of_any_size=True, over_published=True),
    words=words,
    find=find,
    spread=spread_over_seeds,
)
