"""A network of the user's own, in an arm as `module: package.module:Class` with `size: width`."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt

from harness.spec.frozen import Frozen
from harness.spec.search import Space

SizeName = Literal["width", "grid", "depth"]


class Module(Frozen):
    """An nn.Module class, `package.module:Class`, made as `Class(inputs, outputs, width=16)` where `size` is width.

    Leave out the value of that size to have it solved for, or varied; it is counted on the live module.
    """

    standard_space: ClassVar[Space] = {}  # what it may vary, only its author knows

    family: Literal["module"]
    module: str
    size: SizeName = Field(description="the constructor's keyword for the one integer that makes it larger")
    width: PositiveInt | None = None
    grid: PositiveInt | None = None
    depth: PositiveInt | None = None


class ModuleCounts(Frozen):
    """What a module counts, a sample where it is of work: trained scalars, and operations as torch executes them."""

    parameters: NonNegativeInt
    forward: NonNegativeInt
    evaluation: NonNegativeInt
    forward_matmul: NonNegativeInt
    evaluation_matmul: NonNegativeInt


class ModuleShape(Frozen):
    """A resolved module: `shape` has its inputs and outputs; `counts` is None while it is being counted."""

    family: Literal["module"] = "module"
    shape: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=2)]
    module: str
    fingerprint: str
    size: SizeName
    value: PositiveInt
    counts: ModuleCounts | None = None
