"""How many edges of a KAN are active after training with a penalty on them."""

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, spread_over_seeds, value_words
from harness.spec import RATIO, Condition, Takes


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the number of active edges {value_words(condition)}"


def find(case: Case) -> Found:
    """From the runs with a penalty."""
    from harness.judging.any_size import rows_of_sparse, value_or_ratio

    return value_or_ratio(case, "active_edges", [rows_of_sparse(case, names) for names in case.condition.sides])


QUANTITY = Quantity(
    name="edges",
    summary="the number of active edges after training with a penalty; of two arms its ratio",
    read_at="the end of the penalised part",
    interval="Student's t of the seeds' ln values or ln ratios",
    takes=Takes(arms=(1, 2), limits=RATIO, of_any_size=True, over_published=True),
    words=words,
    find=find,
    spread=spread_over_seeds,
)
