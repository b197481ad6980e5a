"""What an arm of each family may say, in words, as `harness list families` lists it."""

from __future__ import annotations

import itertools
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from pydantic.fields import FieldInfo

from harness.families.base import ArchitectureBase, Layered


def fields_of(architecture: type[ArchitectureBase]) -> str:
    """Its fields: `hidden | depth, width; grid, order=3`."""
    shared = Layered.model_fields if issubclass(architecture, Layered) else {}
    fields = {
        name: field
        for name, field in architecture.model_fields.items()
        if name not in (*shared, "family")
    }
    sizes = "hidden | depth, width; " if shared else ""
    return (sizes + ", ".join(_field(name, field) for name, field in fields.items())).removesuffix(
        "; "
    )


def _field(name: str, field: FieldInfo) -> str:
    """A field with its choices, the default first, or else its default, where it has one."""
    if field.default is None:
        return name
    choices = _choices(field.annotation)
    if field.is_required():
        return f"{name}={'|'.join(choices) or '...'}"
    value = field.default
    default = f"{value:g}" if isinstance(value, float) else str(value).lower()  # `true`, as in YAML
    return f"{name}={'|'.join(dict.fromkeys([default, *choices]))}"


def _choices(annotation: Any) -> list[str]:
    """All values of a type, if it lists them."""
    if annotation is bool:
        return ["true", "false"]
    if get_origin(annotation) is Literal:
        return list(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return list(itertools.chain(*map(_choices, get_args(annotation))))
    return []
