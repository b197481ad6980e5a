"""What is not of the project: names that installed packages give, and classes of the user's own.

Installed packages add entry points, which give a short name to `package.module:name`. The short
name stands in a file; plans and records have the place in full, so that they mean the same without
it. A file names `package.module:Class` where it could name one of the project's. What these classes
must give is abstract in a class of the project, on the page that errors point at.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Literal, NamedTuple, TypeVar

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import CoreSchema, core_schema

from harness.base.errors import HarnessError, did_you_mean
from harness.base.frozen import Frozen
from harness.base.user_code import calling_user_code, user_module


# ----------------------------------------------------------------------------------- names that
# installed packages give
@cache
def installed(group: str) -> dict[str, str]:
    """The places of all entry points of a group by their names; a HarnessError if two packages give
    one name.
    """
    places: dict[str, str] = {}
    for entry in sorted(entry_points(group=group)):
        if places.setdefault(entry.name, entry.value) != entry.value:
            problem = (
                f"entry points {group}: {entry.name!r} is both {places[entry.name]} and "
                f"{entry.value}"
            )
            raise HarnessError(f"{problem}; uninstall one of the two packages")
    return places


def place_of_name(name: str, group: str, taken: bool) -> str:
    """Where an installed package has what is called `name`; the name as it is if none has.

    A HarnessError if the project has something of that name too, which `taken` says.
    """
    place = installed(group).get(name)
    if place and taken:
        raise HarnessError(
            f"{name!r} is of this project, and {place} has that name too; uninstall its package"
        )
    return place or name


# --------------------------------------------------------------------------------------------
# classes of the user's own The context of a validation that has a place for every mistake: that of
# a file a user wrote.
IN_A_FILE = "in a file"
Kind = TypeVar("Kind", bound=Frozen)


def outside_class(reference: str, noun: str, tag: str, base: type[Kind]) -> type[Kind]:
    """The subclass of `base` at `package.module:Class`, found from the current folder as well as
    the Python path.

    `noun` is the word for it in errors, and `tag` the field in which it repeats where it is.
    """
    where, class_name = f"{noun} {reference}", reference.partition(":")[2]
    module = user_module(reference, noun)
    with calling_user_code(where):
        kinds = {name: kind for name, kind in vars(module).items() if isinstance(kind, type)}
    kinds_of_base = {
        name: kind
        for name, kind in kinds.items()
        if issubclass(kind, base) and tag in kind.model_fields
    }
    if class_name in kinds and class_name not in kinds_of_base:
        derived = f'derive it from {base.__name__}, and write `{tag}: Literal["{reference}"]` in it'
        raise HarnessError(f"{where}: {class_name} is no {noun}; {derived}")
    if class_name not in kinds_of_base:
        hint = did_you_mean(class_name, kinds_of_base)
        raise HarnessError(
            f"{where}: {module.__name__} has no {noun} of the name {class_name!r}; {hint}"
        )
    return kinds_of_base[class_name]


def check_outside(
    kind: type[Frozen], reference: str, noun: str, tag: str, needs: Sequence[str], page: str
) -> None:
    """A HarnessError if a class of the user's says in the field `tag` that it is another one, or
    lacks something.

    It must have attributes that it `needs`, and all methods that are abstract in the class of the
    project, on `page`.
    """
    where = f"{noun} {reference}"
    if tag not in kind.model_fields or kind.model_fields[tag].annotation != Literal[reference]:
        problem = "is of another one" if tag in kind.model_fields else f"has no field {tag!r}"
        raise HarnessError(
            f'{where}: {kind.__name__} {problem}; write `{tag}: Literal["{reference}"]`'
        )
    missing = [
        *(name for name in needs if not hasattr(kind, name)),
        *sorted(kind.__abstractmethods__),
    ]
    if missing:
        raise HarnessError(
            f"{where}: {kind.__name__} does not give {', '.join(missing)}; add what `{page}` "
            "asks for"
        )


class OrOutside(NamedTuple):
    """Of a union by the field `tag`: that it may also be a class of the user's own. The schema says
    nothing of those.

    Tags in angle brackets are left out of errors, as everywhere.
    """

    tag: str
    base: type[Frozen]
    load: Callable[[str], type[Frozen]]
    place: Callable[[str], str] = str  # of a short name that an installed package gives

    def __get_pydantic_core_schema__(self, union: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        outside = core_schema.with_info_plain_validator_function(self._validated)
        return core_schema.tagged_union_schema(
            {"<known>": handler(union), "<outside>": outside}, self._choice
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema["choices"]["<known>"])

    def _validated(self, value: Any, info: ValidationInfo) -> Frozen:
        """As strictly as the rest of a file, in which lists stand for tuples."""
        if isinstance(value, self.base):
            return value
        try:
            value = {**value, self.tag: self.place(value[self.tag])}
            kind = self.load(value[self.tag])
            for name in value.keys() - kind.model_fields.keys():
                raise ValueError(f"{name}: unknown field; {did_you_mean(name, kind.model_fields)}")
            if info.mode == "json":
                return kind.model_validate_json(json.dumps(value), strict=True)
            return kind.model_validate(value, strict=True)
        except HarnessError as error:
            if info.context == IN_A_FILE:
                raise ValueError(f"{self.tag}: {error}") from error
            raise

    def _choice(self, value: Any) -> str:
        named = value.get(self.tag) if isinstance(value, dict) else getattr(value, self.tag, None)
        return "<outside>" if isinstance(named, str) and ":" in self.place(named) else "<known>"
