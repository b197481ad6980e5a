"""How much of an arm's exponent is left at the most inputs, in a family of tasks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, arms_words
from harness.spec import Condition, Takes

if TYPE_CHECKING:
    from harness.judging.scaling import SeriesFit
    from harness.judging.spread import Spread


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    return f"the exponent of {arms_words(condition)[0]} at the most inputs over that at the fewest"


def find(case: Case) -> Found:
    """From the laws on the tasks of the most and of the fewest inputs."""
    from harness.comparison import exponent_ratio
    from harness.judging.kept import kept
    from harness.judging.laws import interval_of

    of_most, of_fewest = _laws(case)
    return interval_of(kept(exponent_ratio, of_most.fit, of_fewest.fit))


def _laws(case: Case) -> list[SeriesFit]:
    """The law of the most inputs, and that of the fewest."""
    from harness.judging.laws import laws, shown

    names = case.condition.sides[0]
    most, fewest = (laws(case.runs, task, names, case.axis, case.level) for task in (case.tasks[-1], case.tasks[0]))
    return shown([*most, *fewest])


def reads(case: Case) -> set[int]:
    """All sizes on these two tasks."""
    from harness.judging.reads import every_cell

    return every_cell(replace(case, tasks=(case.tasks[0], case.tasks[-1])))


def spread(case: Case, found: Found) -> Spread:
    """The scatter of sizes about both laws."""
    from harness.judging.laws import of_log_exponent, spread_of_laws

    return spread_of_laws(case, found, _laws(case), of_log_exponent, is_of_exponents=True)


QUANTITY = Quantity(
    name="exponent_kept",
    summary="alpha at the most inputs over alpha at the fewest, in a family of tasks",
    read_at="",
    interval="profile likelihood",
    takes=Takes(arms=(1,), of_family=True, of_laws=True),
    words=words,
    find=find,
    spread=spread,
    reads=reads,
)
