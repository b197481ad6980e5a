"""What JSON has of a value: the fields that say what they mean, as in `level: Annotated[float, "of
intervals"]`.

A field without a meaning is no part of JSON. A type beside the meaning is what JSON has in place of
the field's own. docs/write.py makes docs/json.md and docs/json_schema.json of the same fields.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, is_dataclass
from functools import cache
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Generic,
    NamedTuple,
    NotRequired,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

Item = TypeVar("Item")

INLINE = object()  # in place of a meaning: JSON has the keys of the value here, and not the value
OrNull = Annotated[
    float, float | None
]  # a number that may not be finite, which JSON has no word for


class Key(NamedTuple):
    """A key of an object in JSON: the type of its value there, what it means, and whether it may be
    missing.

    Of what stands inline, there are the keys of the type in its place.
    """

    type: Any
    meaning: str
    may_lack: bool
    is_inline: bool


@dataclass(frozen=True)
class Rows(Generic[Item]):
    """A table."""

    rows: Annotated[tuple[Item, ...], "its rows, in order"]


@cache
def keys_of(kind: Any) -> dict[str, Key]:
    """The keys that JSON has of a dataclass, a named tuple, a typed dict or a model of pydantic, in
    order.
    """
    origin = get_origin(kind) or kind
    hints = get_type_hints(origin, include_extras=True)
    for name, member in vars(origin).items():
        if isinstance(member, property):
            hints[name] = get_type_hints(member.fget, include_extras=True).get("return")
    if filled := get_args(kind):
        hints = {
            name: hint[filled] if getattr(hint, "__parameters__", ()) else hint
            for name, hint in hints.items()
        }
    return {name: key for name, hint in hints.items() if (key := _key(hint))}


def _key(hint: Any) -> Key | None:
    may_lack = get_origin(hint) is NotRequired
    if may_lack:
        (hint,) = get_args(hint)
    if get_origin(hint) is not Annotated:
        return None
    metadata = get_args(hint)[1:]
    meanings = [meaning for meaning in metadata if isinstance(meaning, str)]
    if not meanings and INLINE not in metadata:
        return None
    return Key(
        json_type(hint), " ".join(meanings), may_lack or NotRequired in metadata, INLINE in metadata
    )


def json_type(hint: Any) -> Any:
    """What JSON has of an annotated type: the last type beside it, or else itself."""
    field, *metadata = get_args(hint)
    return next(
        (item for item in reversed(metadata) if isinstance(item, type) or get_origin(item)), field
    )


def plain(value: Any) -> Any:
    """A value in the types that strict JSON has: a number that is not finite becomes null."""
    match value:
        case float():
            return float(value) if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case Mapping():
            return {str(name): plain(item) for name, item in value.items()}
        case Path():
            return str(value)
        case _ if hasattr(value, "model_dump"):
            return value.model_dump(mode="json")
        case _ if hasattr(value, "tolist"):  # of numpy
            return plain(value.tolist())
        case _ if is_dataclass(value) or hasattr(value, "_fields"):
            return _plain_fields(value)
    return [plain(item) for item in value]


def _plain_fields(value: Any) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    if not (keys := keys_of(value.__class__)):
        raise TypeError(f"{value.__class__}: none of its fields says what it means in JSON")
    for name, key in keys.items():
        plain_value = plain(getattr(value, name))
        fields |= plain_value if key.is_inline else {name: plain_value}
    return fields
