"""Lists of values in an experiment file: one may stand alone, none may be given twice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import AfterValidator, Field


def _hashable(value: Any) -> Any:
    match value:
        case dict():
            return frozenset((name, _hashable(item)) for name, item in value.items())
        case list():
            return tuple(map(_hashable, value))
    return value


def alone_or_many(value: object) -> object:
    """A tuple of them, of one where it stands alone."""
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


def repeated(values: Iterable) -> list:
    """The values that equal an earlier one, in their order."""
    seen: set = set()
    again = []
    for value in values:
        if (key := _hashable(value)) in seen:
            again.append(value)
        seen.add(key)
    return again


def _values_differ(values: tuple) -> tuple:
    if twice := repeated(values):
        raise ValueError(f"{twice[0]!r} is given more than once")
    return values


AxisValues = Annotated[tuple, Field(min_length=1)]

DifferentValues = Annotated[AxisValues, AfterValidator(_values_differ)]
