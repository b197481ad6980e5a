"""The ratio of a count, or of the seconds of an evaluation, where both arms have the same size."""

from __future__ import annotations

import math

from harness.judging.found import Found
from harness.judging.quantity import Case, Quantity, listed, ratio_words, size_words, spread_over_seeds
from harness.spec import RATIO, Condition, Takes, all_axes, default_count


def words(condition: Condition, conventions: tuple[str, ...]) -> str:
    """How it reads."""
    equal = condition.equal or default_count("params")
    return f"{listed(conventions)} {ratio_words(condition)} at equal {equal}, {size_words(condition)},"


def find(case: Case) -> Found:
    """From the runs of both arms; what does not hang on the run has no spread, and so one seed is enough."""
    from harness.judging.curves import largest_common, mean, of_paired, paired, read, side_curve, size_of
    from harness.judging.runs import of_arm

    equal, at, count = case.condition.equal or default_count("params"), case.condition.place, case.axis
    first, second = (of_arm(case.runs, case.task, side) for side in case.condition.sides)
    one, other = side_curve(first, equal, count), side_curve(second, equal, count)
    if isinstance(at, str):
        size = largest_common(one, other)
    else:
        size = size_of(first.runs, equal, float(at or 0), case.runs.matched)
    if all_axes()[count].is_exact:
        ratio = math.exp(mean(read(other, size), count, other.name) - mean(read(one, size), count, one.name))
        return Found(ratio, ratio, ratio, at=float(size))
    return of_paired(paired(one, other, size, case.level), size)


def reads(case: Case) -> set[int]:
    """The sizes next to the one where both are equal; none for what does not hang on the run."""
    from harness.judging.reads import cells_next_to

    if all_axes()[case.axis].is_exact:
        return set()
    return cells_next_to(case, case.condition.equal or default_count("params"), case.axis)


QUANTITY = Quantity(
    name="count",
    summary="the ratio of the counts named by `axes` at equal `equal`",
    read_at="largest (common size) or a size of the first arm on the matched axis",
    interval="t over seeds; parameters and forward FLOPs are exact",
    takes=Takes(arms=(2,), limits=RATIO, at=("largest",), numbers=True, at_a_size=True, of_counts=True),
    words=words,
    find=find,
    spread=spread_over_seeds,
    reads=reads,
)
