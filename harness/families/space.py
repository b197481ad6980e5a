"""What may vary in an arm, as data: lists of choices and ranges by dotted path."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    FiniteFloat,
    StrictInt,
    Tag,
    model_validator,
)

from harness.base.frozen import Frozen, left_out_at


class Range(Frozen):
    """All numbers from `low` to `high`, evenly or, with `log`, evenly in the logarithm.

    Whole ends (`low: 2`) give whole numbers, both ends included; decimal ends (`low: 2.0`) give
    real numbers, which are rounded to four digits. With `when` it varies only in trials in which
    other fields have these values.
    """

    low: StrictInt | FiniteFloat
    high: StrictInt | FiniteFloat
    log: bool = False
    when: dict[str, Any] = left_out_at({}, "dotted path -> value")

    @property
    def is_whole(self) -> bool:
        """Whether it holds whole numbers only."""
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _is_not_empty(self) -> Range:
        if not self.low < self.high:
            raise ValueError(f"low={self.low} must be below high={self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low={self.low}: a logarithmic range begins above 0")
        return self


def _list_or_range(value: object) -> object:
    if not isinstance(value, (list, tuple, dict, Range)):
        raise ValueError(
            f"give a list of choices or a range {{low: ..., high: ...}} in place of {value!r}"
        )
    return tuple(value) if isinstance(value, list) else value


def values_differ(values: tuple) -> tuple:
    """The values, or a ValueError if one is there twice."""
    if repeated := [value for index, value in enumerate(values) if value in values[:index]]:
        raise ValueError(f"{repeated[0]!r} is given more than once")
    return values


# Tags in angle brackets say which of two things a value is meant to be; errors leave them out
# (`read`).
Choices = Annotated[tuple, Field(min_length=2), AfterValidator(values_differ)]
SearchAxis = Annotated[
    Annotated[Range, Tag("<range>")] | Annotated[Choices, Tag("<choices>")],
    Discriminator(lambda value: "<choices>" if isinstance(value, tuple) else "<range>"),
    BeforeValidator(_list_or_range, json_schema_input_type=Range | list),
]
# Dotted path within the arm to what it may be: `architecture.order`, `recipe.gain`; `recipe` is a
# whole one by name.
Space = dict[str, SearchAxis]
