"""An arm, the ladder of its sizes, and what is made equal between arms."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PositiveInt, model_validator
from pydantic.json_schema import SkipJsonSchema

from harness.base.frozen import Frozen, Positive, is_none
from harness.families import SIZES, Architecture, Depth, Hidden, Module
from harness.spec.counts import ConventionName, CountKind, count_names, default_count
from harness.spec.search import SpaceOrStandard

if TYPE_CHECKING:
    Size = str
else:  # what a match can solve for
    Size = Literal[("width", *SIZES, "depth", "steps")]


class Sizes(Frozen):
    """An explicit ladder of sizes for an arm, in place of `match`: exactly one of the fields."""

    grid: tuple[PositiveInt, ...] | None = None
    width: tuple[PositiveInt, ...] | None = None
    depth: tuple[Depth, ...] | None = None
    hidden: tuple[Hidden, ...] | None = None
    degree: tuple[PositiveInt, ...] | None = Field(None, exclude_if=is_none)
    harmonics: tuple[PositiveInt, ...] | None = Field(None, exclude_if=is_none)

    @model_validator(mode="after")
    def _exactly_one(self) -> Sizes:
        given = [name for name in type(self).model_fields if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self

    def ladder(self) -> tuple[str, tuple]:
        """The field that varies, and its values."""
        return next((name, getattr(self, name)) for name in type(self).model_fields if getattr(self, name))


def _module_in_schema(schema: dict[str, Any]) -> None:
    of_module = Module.model_json_schema()["properties"]
    schema["properties"] |= {name: of_module[name] for name in ("module", "size")}
    schema["required"].remove("architecture")


class Arm(Frozen):
    """One architecture family with its recipe.

    In a file `module: package.module:Class` and `size: width` stand for an architecture of the family `module`.
    """

    model_config = ConfigDict(json_schema_extra=_module_in_schema)

    architecture: Architecture
    recipe: str
    sizes: Sizes | None = None
    tune: SkipJsonSchema[dict[str, Any] | None] = None  # of old plans, whose hash it is in
    space: SpaceOrStandard | None = Field(
        None,
        description="with search: what may vary, by dotted path within the arm; left out, the family's standard space",
        exclude_if=is_none,
    )


def _for_every_arm(value: object) -> object:
    return {"*": value} if isinstance(value, str) else value


class Match(Frozen):
    """The axis made equal between arms, and how: at each budget of `at`, `solve` is the one free integer of an arm."""

    axis: CountKind
    convention: ConventionName | None = Field(None, validate_default=True)
    at: Annotated[tuple[Positive, ...], Field(min_length=1)]
    tol: float = Field(0.05, gt=0, lt=1, description="largest accepted |achieved/asked - 1|")
    solve: Annotated[
        dict[str, Size], BeforeValidator(_for_every_arm, json_schema_input_type=Size | dict[str, Size])
    ] = Field(description="the free integer: one word for every arm, or arm -> word")

    @model_validator(mode="after")
    def _convention_fits(self) -> Match:
        if self.count_name not in count_names():
            raise ValueError(f"convention={self.convention} does not count {self.axis}")
        if "steps" in self.solve.values() and self.axis != "flops_train":
            raise ValueError(f"solve: steps does not change {self.axis}; match flops_train, or solve for a size")
        return self

    @property
    def count_name(self) -> str:
        """The count that is matched, as the tables name it: `axis.convention`."""
        return f"{self.axis}.{self.convention}" if self.convention else default_count(self.axis)
