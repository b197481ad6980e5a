"""Search as data: what may vary in an arm, how many runs each side makes, and what each of them may spend."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, model_validator

from harness.base.frozen import Frozen, Positive, alone_or_many, is_empty
from harness.families.space import Space
from harness.spec.counts import count_names

MOST_RUNS = 2**14
MOST_REPLICATES = 1000
CAP_WORDS = ("evaluations", "seconds")  # in which a cap may be, beside counts of training FLOPs


SpaceOrStandard = Annotated[
    Annotated[Space, Tag("<space>")] | Annotated[Literal["standard"], Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<space>"),
]


# By what it is counted in, which is one thing: one number, or one a budget of `match.at`.
Cap = dict[
    str,
    Annotated[
        tuple[Positive, ...],
        BeforeValidator(alone_or_many, json_schema_input_type=float | list[float]),
        Field(min_length=1),
    ],
]


class Search(Frozen):
    """Each replicate is a whole search: every side of a rule trains `runs` networks at each size, on data of its own.

    A run has a setting of the arm's space, an initialisation, and the replicate's data. Replicate r has the data of
    seed r and settings of the r-th scramble of the Sobol sequence; its run 0 has the arm as it is written. With
    `recipes` every arm chooses among the same recipes. With `early_stopping` a run's network is the one, of those that
    its learning curve saw, of least validation loss.
    """

    runs: Annotated[int, Field(ge=1, le=MOST_RUNS, description="of a side at each size, in each replicate")]
    replicates: Annotated[int, Field(ge=2, le=MOST_REPLICATES)]
    cap: Cap
    recipes: tuple[str, ...] = Field((), description="names of recipes among which every arm may choose")
    early_stopping: bool = Field(False, exclude_if=is_empty)

    @property
    def cap_name(self) -> str:
        """What a run's cap is in: `evaluations`, `seconds`, or training FLOPs by a convention."""
        return next(iter(self.cap))

    @property
    def caps(self) -> tuple[float, ...]:
        """One cap, or one a size."""
        return self.cap[self.cap_name]

    def cap_of(self, index: int) -> float:
        """The cap at the size of that index in `match.at`."""
        return self.caps[index] if len(self.caps) > 1 else self.caps[0]

    @model_validator(mode="after")
    def _parts_agree(self) -> Search:
        allowed = [*CAP_WORDS, *(name for name in count_names() if name.startswith("flops_train."))]
        if len(self.cap) != 1 or self.cap_name not in allowed:
            raise ValueError(f"cap={{{', '.join(self.cap)}}}: give one of {', '.join(allowed)}")
        if self.cap_name == "evaluations" and any(not cap.is_integer() for cap in self.caps):
            raise ValueError(f"cap={{evaluations: {list(self.caps)}}}: evaluations are whole numbers")
        if len(set(self.recipes)) < len(self.recipes):
            raise ValueError(f"recipes={list(self.recipes)}: a recipe is given more than once")
        return self
