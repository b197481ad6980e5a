"""An arm, the ladder of its sizes, what is made equal between arms, and what a search may vary and
spend.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    ValidationInfo,
    model_validator,
)

from harness.base.frozen import Frozen, Positive, left_out_at
from harness.families import SIZES, Architecture, Depth, Hidden, Module
from harness.families.space import Space
from harness.spec.budgets import Budgets, by_count
from harness.spec.counts import ConventionName, CountKind, count_names, default_count

if TYPE_CHECKING:
    Size = str
else:  # what a match can solve for
    Size = Literal[("width", *SIZES, "depth", "steps")]

SpaceOrStandard = Annotated[
    Annotated[Space, Tag("<space>")] | Annotated[Literal["standard"], Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<space>"),
]


class Sizes(Frozen):
    """An explicit ladder of sizes for an arm, in place of `match`: exactly one of the fields."""

    grid: tuple[PositiveInt, ...] | None = None
    width: tuple[PositiveInt, ...] | None = None
    depth: tuple[Depth, ...] | None = None
    hidden: tuple[Hidden, ...] | None = None
    degree: tuple[PositiveInt, ...] | None = left_out_at(None)
    harmonics: tuple[PositiveInt, ...] | None = left_out_at(None)
    layers: tuple[PositiveInt, ...] | None = left_out_at(None)

    @model_validator(mode="after")
    def _exactly_one(self) -> Sizes:
        ladders = [name for name in type(self).model_fields if getattr(self, name)]
        if len(ladders) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self

    def ladder(self) -> tuple[str, tuple]:
        """The field that varies, and its values."""
        return next(
            (name, getattr(self, name)) for name in type(self).model_fields if getattr(self, name)
        )


def _module_in_schema(schema: dict[str, Any]) -> None:
    of_module = Module.model_json_schema()["properties"]
    schema["properties"] |= {name: of_module[name] for name in ("module", "size")}
    schema["required"].remove("architecture")


class Arm(Frozen):
    """One architecture family with its recipe.

    In a file `module: package.module:Class` and `size: width` stand for an architecture of the
    family `module`.
    """

    model_config = ConfigDict(json_schema_extra=_module_in_schema)

    architecture: Architecture
    recipe: str
    sizes: Sizes | None = None
    space: SpaceOrStandard | None = left_out_at(
        None,
        (
            "with search: what may vary, by dotted path within the arm; left out, the family's "
            "standard space"
        ),
    )


def _for_every_arm(value: object) -> object:
    return {"*": value} if isinstance(value, str) else value


class Match(Frozen):
    """The axis made equal between arms, and how: at each budget of `at`, `solve` is the one free
    integer of an arm.
    """

    axis: CountKind
    convention: ConventionName | None = Field(None, validate_default=True)
    at: tuple[Positive, ...] = ()
    like: str | None = left_out_at(
        None,
        (
            "in place of `at`: an arm with `sizes`, whose counts are the budgets; others have "
            "its sizes"
        ),
    )
    tol: float = Field(0.05, gt=0, lt=1, description="largest accepted |achieved/asked - 1|")
    solve: Annotated[
        dict[str, Size],
        BeforeValidator(_for_every_arm, json_schema_input_type=Size | dict[str, Size]),
    ] = Field(description="the free integer: one word for every arm, or arm -> word")

    @model_validator(mode="after")
    def _convention_fits(self) -> Match:
        if bool(self.at) == bool(self.like):
            raise ValueError("give one of at, the budgets, and like, an arm whose sizes make them")
        if self.count_name not in count_names():
            raise ValueError(f"convention={self.convention} does not count {self.axis}")
        if "steps" in self.solve.values() and self.axis != "flops_train":
            raise ValueError(
                f"solve: steps does not change {self.axis}; match flops_train, or solve for a size"
            )
        return self

    @property
    def count_name(self) -> str:
        """The count that is matched, as the tables name it: `axis.convention`."""
        return f"{self.axis}.{self.convention}" if self.convention else default_count(self.axis)

    def free_size(self, arm: str) -> str | None:
        """The size of an arm that is solved for; None if the file says none."""
        return self.solve.get(arm, self.solve.get("*"))


# --------------------------------------------------------------------------------------------------
# search
MOST_RUNS = 2**14
MOST_REPLICATES = 1000
CAP_WORDS = ("evaluations", "seconds")  # in which a cap may be, beside counts of training FLOPs


class Search(Frozen):
    """Each replicate is a whole search: every side of a rule trains `runs` networks at each size,
    on data of its own.

    A run has a setting of the arm's space, an initialisation, and the replicate's data. Replicate r
    has the data of seed r and settings of the r-th scramble of the Sobol sequence; its run 0 has
    the arm as it is written. With `recipes` every arm chooses among the same recipes. With
    `early_stopping` a run's network is the one, of those that its learning curve saw, of least
    validation loss.
    """

    runs: Annotated[
        int, Field(ge=1, le=MOST_RUNS, description="of a side at each size, in each replicate")
    ]
    replicates: Annotated[int, Field(ge=2, le=MOST_REPLICATES)]
    cap: dict[str, Positive] | None = left_out_at(
        None, "what a run may spend, where there is one budget"
    )
    budgets: Budgets | None = left_out_at(
        None, "in place of it: all that a run is read at, by count; it trains to the last ones"
    )
    recipes: tuple[str, ...] = Field(
        (), description="names of recipes among which every arm may choose"
    )
    early_stopping: bool = left_out_at(False)

    @property
    def cap_name(self) -> str:
        """What a run's cap is in: `evaluations`, `seconds`, or training FLOPs by a convention;
        empty with budgets.
        """
        return next(iter(self.cap or {}), "")

    @property
    def most(self) -> dict[str, float]:
        """The most that a run may spend, by what it is counted in."""
        return self.cap or {name: max(each) for name, each in by_count(self.budgets).items()}

    def shares(self, arms: int) -> tuple[int, ...]:
        """How many runs each of the arms of a side gets: as even as possible, the first arms one
        more.

        An arm's runs are the first of its own sequence, and the side's pool is all of them.
        """
        least, more = divmod(self.runs, arms)
        return tuple(least + (arm < more) for arm in range(arms))

    @model_validator(mode="after")
    def _parts_agree(self, info: ValidationInfo) -> Search:
        allowed = [*CAP_WORDS, *(name for name in count_names() if name.startswith("flops_train."))]
        if (self.cap is None) == (self.budgets is None):
            raise ValueError(
                "give one of budgets, at which every run is read, and cap, the only budget"
            )
        if self.cap is not None and (len(self.cap) != 1 or self.cap_name not in allowed):
            raise ValueError(f"cap={{{', '.join(self.cap)}}}: give one of {', '.join(allowed)}")
        evaluations = self.most.get("evaluations", 1.0)
        if not evaluations.is_integer():
            raise ValueError(f"cap={{evaluations: {evaluations:g}}}: evaluations are whole numbers")
        if len(set(self.recipes)) < len(self.recipes):
            raise ValueError(f"recipes={list(self.recipes)}: a recipe is given more than once")
        return self
