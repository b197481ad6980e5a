"""A family of the user's own, `family: package.module:Class`: one file, of which nothing here knows.

The class is what an arm says, a `Layered`; its `network` is the shape. Its file is part of the identity of every run.
"""

from __future__ import annotations

import json
from typing import Any, Literal, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from harness.base.errors import HarnessError, did_you_mean
from harness.base.user_code import calling_user_code, user_module
from harness.families.base import ArchitectureBase, Layered, ShapeBase


def load_family(reference: str) -> type[Layered]:
    """The class at `package.module:Class`, found from the current folder as well as the Python path."""
    where, class_name = f"family {reference}", reference.partition(":")[2]
    module = user_module(reference, "family")
    with calling_user_code(where):
        kinds = {name: kind for name, kind in vars(module).items() if isinstance(kind, type)}
    known = {name: kind for name, kind in kinds.items() if issubclass(kind, Layered) and hasattr(kind, "network")}
    if class_name not in known:
        hint = did_you_mean(class_name, known)
        raise HarnessError(f"{where}: {module.__name__} has no family of the name {class_name!r}; {hint}")
    found = known[class_name]
    for kind in (found, found.network):
        if kind.model_fields["family"].annotation != Literal[reference]:
            raise HarnessError(f'{where}: {kind.__name__} is of another one; write `family: Literal["{reference}"]`')
        if missing := sorted(kind.__abstractmethods__):
            raise HarnessError(
                f"{where}: {kind.__name__} does not give {', '.join(missing)}; "
                "add what `harness/families/base.py` asks for"
            )
    return found


class OrOutside(NamedTuple):
    """Of a union by `family`: that a family may also be the user's own. The schema says nothing of those.

    Tags in angle brackets are left out of errors, as everywhere.
    """

    kind: Literal["architecture", "network"]

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        outside = core_schema.with_info_plain_validator_function(self._validated)
        return core_schema.tagged_union_schema({"<known>": handler(union), "<outside>": outside}, _tag)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return handler(schema["choices"]["<known>"])

    def _validated(self, value: Any, info: ValidationInfo) -> ArchitectureBase | ShapeBase:
        """As strictly as the rest of a file, in which lists stand for tuples."""
        if isinstance(value, ArchitectureBase | ShapeBase):
            return value
        architecture = load_family(value["family"])
        kind = architecture if self.kind == "architecture" else architecture.network
        for name in value.keys() - kind.model_fields.keys():
            raise ValueError(f"{name}: unknown field; {did_you_mean(name, kind.model_fields)}")
        if info.mode == "json":
            return kind.model_validate_json(json.dumps(value), strict=True)
        return kind.model_validate(value, strict=True)


def _tag(value: Any) -> str:
    family = value.get("family") if isinstance(value, dict) else getattr(value, "family", None)
    return "<outside>" if isinstance(family, str) and ":" in family else "<known>"
