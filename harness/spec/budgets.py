"""Budgets of training FLOPs: every run trains to the last one of each count, and is read at each on
its way.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from harness.base.frozen import Positive, alone_or_many
from harness.spec.counts import count_names

PER_PARAM = "per_param"  # the key of the region beside the counts
SAME = "same"  # the budgets of another count are those of the first one


def _in_full(budgets: Any) -> Any:
    """Budgets with those of the first count in place of `same`."""
    if not isinstance(budgets, dict):
        return budgets
    counts = [name for name in budgets if name != PER_PARAM]
    first = budgets[counts[0]] if counts else ()
    return {
        name: alone_or_many(first if values == SAME else values) for name, values in budgets.items()
    }


def _checked(budgets: dict[str, tuple[float, ...]]) -> dict[str, tuple[float, ...]]:
    allowed = [name for name in count_names() if name.startswith("flops_train.")]
    for name, values in budgets.items():
        if name != PER_PARAM and name not in allowed:
            raise ValueError(f"{name}: a run is read at budgets of {', '.join(allowed)}")
        if list(values) != sorted(set(values)):
            raise ValueError(f"{name}={list(values)}: must ascend without repeats")
    if not by_count(budgets):
        raise ValueError(f"give the budgets of a count, such as {allowed[0]}: [1e+8, 1e+9]")
    if len(budgets.get(PER_PARAM, (0, 0))) != 2:
        raise ValueError(f"{PER_PARAM}: give the fewest and the most samples a parameter")
    return budgets


# By count its budgets, ascending; `per_param` has the fewest and the most samples a parameter at
# which a run is read.
Budgets = Annotated[
    dict[str, Annotated[tuple[Positive, ...], Field(min_length=1)]],
    BeforeValidator(
        _in_full, json_schema_input_type=dict[str, float | list[float] | Literal["same"]]
    ),
    AfterValidator(_checked),
]


def by_count(budgets: Budgets | None) -> dict[str, tuple[float, ...]]:
    """The budgets of each count."""
    return {name: values for name, values in (budgets or {}).items() if name != PER_PARAM}
