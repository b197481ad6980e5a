"""How much of an arm's exponent is left at the most inputs, in a family of tasks."""

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the exponent of {arms_words(condition)[0]} at the most inputs over that at the fewest"


def find(case: Case) -> Found:
    """From the laws on the tasks of the most and of the fewest inputs."""
    from harness.comparison import exponent_ratio
    from harness.judging.kept import kept
    from harness.judging.laws import interval_of, laws, shown

    names = case.condition.sides[0]
    most, fewest = (laws(case.runs, task, names, case.axis, case.level) for task in (case.tasks[-1], case.tasks[0]))
    of_most, of_fewest = shown([*most, *fewest])
    return interval_of(kept(exponent_ratio, of_most.fit, of_fewest.fit))


QUANTITY = Quantity(
    name="exponent_kept",
    summary="alpha at the most inputs over alpha at the fewest, in a family of tasks",
    read_at="",
    interval="profile likelihood",
    takes=Takes(arms=(1,), of_family=True, of_laws=True),
    words=words,
    find=find,
)
