"""What sizes and costs are counted in: the names of axes, which `harness.count.conventions`
defines.

So do other rooms above this one: `harness.judging.quantities` names quantities, `harness.tasks`
tasks. They import this one. So a name is looked up where it is asked for, and a file of experiments
may use whatever is there when it is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Any, Literal, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticKnownError, core_schema


def defined(module: str, name: str) -> Any:
    """What is called `name` in a module above."""
    return getattr(import_module(module), name)


@dataclass(frozen=True)
class OneOf:
    """Annotates a field that holds one of `names`; errors and JSON Schema are those of a
    Literal.
    """

    names: Callable[[], tuple[str, ...]]

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._checked)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"enum": list(self.names()), "type": "string"}

    def _checked(self, value: Any) -> str:
        allowed = self.names()
        if isinstance(value, str) and value in allowed:
            return value
        *most, last = (repr(name) for name in allowed)
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(most)} or {last}"})


CountKind = Literal["params", "flops_forward", "flops_train"]
COUNT_KINDS: tuple[CountKind, ...] = get_args(CountKind)
END_TOLERANCE = (
    0.01  # whole widths and steps leave sizes that are meant to be the same this far apart at times
)


@dataclass(frozen=True)
class Axis:
    """What sizes or costs are given in: a count by a convention, such as `flops_train.local_min`,
    or a clock.

    `words` stand on axes of figures, `short` where there is little room, `head` over columns of
    tables. Laws are fitted on one that `is_size`. An answer compares sides on all axes
    `in_answers`.
    """

    name: str
    kind: CountKind | Literal["seconds"]
    words: str
    short: str
    head: str
    is_size: bool = True
    in_answers: bool = False

    @property
    def needs_seconds(self) -> bool:
        """Whether it is there only if `harness bench` has measured the machine."""
        return self.kind == "seconds"


def all_axes() -> dict[str, Axis]:
    """Every axis by its name: counts of parameters, of forward and of training FLOPs, then
    clocks.
    """
    axes: dict[str, Axis] = defined("harness.count.conventions", "all_axes")()
    return axes


def count_names() -> tuple[str, ...]:
    """Every count, as `kind.convention`."""
    return tuple(name for name, axis in all_axes().items() if not axis.needs_seconds)


def default_count(kind: str) -> str:
    """The count that is meant where a kind is given without a convention: the first of its kind."""
    return next(name for name, axis in all_axes().items() if axis.kind == kind)


def answer_axes() -> tuple[str, ...]:
    """The axes on which an answer compares sides: a count of parameters, two of work, and the
    clock.
    """
    return tuple(name for name, axis in all_axes().items() if axis.in_answers)


def axis_words(name: str) -> str:
    """What an axis is called on a figure; a column of somebody's own table is called by its
    name.
    """
    axis = all_axes().get(name)
    return axis.words if axis else name


def axis_short(name: str) -> str:
    """What an axis is called where there is little room."""
    axis = all_axes().get(name)
    return axis.short if axis else name


def _convention_names() -> tuple[str, ...]:
    conventions = defined("harness.count.conventions", "CONVENTIONS")
    return tuple(dict.fromkeys(convention.name for convention in conventions))


ConventionName = Annotated[str, OneOf(_convention_names)]
CountName = Annotated[str, OneOf(count_names)]
JudgedAxis = Annotated[str, OneOf(lambda: tuple(all_axes()))]
