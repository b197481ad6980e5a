"""Names that rooms above this one define: conventions (`harness.count.conventions`), quantities
(`harness.judging.quantities`) and tasks (`harness.tasks`).

Those rooms import this one. So a name is looked up where it is asked for, and a file of experiments may use whatever is
there when it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


def defined(module: str, name: str) -> Any:
    """What is called `name` in a module above."""
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class OneOf:
    """Annotates a field that holds one of `names`; errors and JSON Schema are those of a Literal."""

    names: Callable[[], tuple[str, ...]]

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"enum": list(self.names()), "type": "string"}

    def _checked(self, value: Any) -> str:
        allowed = self.names()
        if isinstance(value, str) and value in allowed:
            return value
        *most, last = (repr(name) for name in allowed)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})
