"""Search as data: what may vary in an arm, how many trials each side gets, and what each trial may spend."""

from __future__ import annotations

import math
from typing import Annotated, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PositiveInt,
    Tag,
    model_validator,
)

from harness.base.frozen import Frozen, Positive
from harness.families.space import Space, values_differ
from harness.spec.axes import alone_or_many
from harness.spec.counts import ConventionName, count_names, default_count

MOST_TRIALS = 2**14
MOST_REPLICATES = 1000
CAP_WORDS = ("evaluations", "seconds")  # in which a cap may be, beside counts of training FLOPs
CHECKED_IN = 8  # with halving, one trial in so many is trained to its end whatever its rank


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


class Effort(Frozen):
    """What every trial may spend on a run: evaluations, or training FLOPs, of which a dearer recipe gets fewer.

    `at` is one number, or one a budget of `match.at`.
    """

    axis: Literal["evaluations", "flops_train"]
    convention: ConventionName | None = None
    at: Annotated[
        tuple[Positive, ...],
        BeforeValidator(alone_or_many, json_schema_input_type=float | list[float]),
        Field(min_length=1),
    ]

    @model_validator(mode="after")
    def _convention_fits(self) -> Effort:
        if self.axis == "evaluations" and self.convention:
            raise ValueError(f"convention={self.convention}: evaluations have none; leave it out")
        if self.axis == "flops_train" and self.count_name not in count_names():
            raise ValueError(f"convention={self.convention} does not count flops_train")
        if self.axis == "evaluations" and any(not float(value).is_integer() for value in self.at):
            raise ValueError(f"at={list(self.at)}: evaluations are whole numbers")
        return self

    @property
    def count_name(self) -> str:
        """The count that is held equal, as tables name it; `evaluations` is its own name."""
        if self.axis == "evaluations":
            return self.axis
        return f"{self.axis}.{self.convention}" if self.convention else default_count(self.axis)

    def of_budget(self, index: int) -> float:
        """The effort at the budget of that index in `match.at`."""
        return self.at[index] if len(self.at) > 1 else self.at[0]


class Halving(Frozen):
    """Successive halving (Jamieson & Talwalkar 2016): after each rung the best 1 / `factor` of the trials go on.

    A rung is the beginning of the full training. The last of `rungs` is the full one, the rung before it spends
    1 / `factor` of the effort, the one before that the square of it, and so on. One trial in CHECKED_IN is trained to
    its end whatever its rank, to see what the rungs overlook.
    """

    rungs: Annotated[int, Field(ge=2, le=6)] = 2
    factor: Annotated[int, Field(ge=2, le=16)] = 4

    def shares(self) -> tuple[float, ...]:
        """Which part of the full effort each rung spends."""
        return tuple(float(self.factor) ** (rung - self.rungs + 1) for rung in range(self.rungs))

    @property
    def cost_share(self) -> float:
        """What a search costs, as a share of one without halving; one way of searching, checks included."""
        total = 0.0
        for rung, effort in enumerate(self.shares()):
            ranked = float(self.factor) ** -rung
            total += effort * (ranked + (1 - ranked) / CHECKED_IN)
        return total

    @model_validator(mode="after")
    def _saves_something(self) -> Halving:
        if self.cost_share >= 1:
            raise ValueError(
                f"rungs={self.rungs}, factor={self.factor}: every rung trains from the start, so this costs "
                f"{self.cost_share:.2f} of a search without halving; take factor 4, or more rungs"
            )
        return self

    def kept(self, trials: int, rung: int) -> int:
        """How many of so many trials go on after rungs 0 to `rung`."""
        return math.ceil(trials / self.factor ** (rung + 1))


class TrialSearch(Frozen):
    """Every side of a rule gets `trials` trials, each trained on `seeds`; its winners are then trained on fresh seeds.

    Trials are points of a scrambled Sobol sequence in the arm's space; trial 0 is the arm as it is written. With
    `recipes` every arm chooses among the same recipes. With `halving` not all trials are trained to their end. With
    `early_stopping` winners of sizes may have stopped early, as those of a training cost may in any case: training ends
    where validation on the search's seeds is best, so that few data are not learnt by heart.
    """

    trials: PositiveInt
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=2)]
    effort: Effort
    scramble: Annotated[int, Field(ge=0, lt=2**32)] = Field(0, description="seed of the Sobol sequence's scramble")
    recipes: tuple[str, ...] = Field((), description="names of recipes among which every arm may choose")
    early_stopping: bool = Field(
        False, description="winners of sizes may be trials that stopped early", exclude_if=lambda value: not value
    )
    halving: Halving | None = Field(
        None,
        description="train all trials for a part of the effort, and only the best of them to the end",
        exclude_if=lambda value: value is None,
    )

    @property
    def runs(self) -> int:
        """How many settings a side tries at a size."""
        return self.trials

    @model_validator(mode="after")
    def _trials_fill_the_space(self) -> TrialSearch:
        if self.trials & (self.trials - 1) or not 2 <= self.trials <= MOST_TRIALS:
            near = 2 ** max(1, min(round(self.trials).bit_length(), MOST_TRIALS.bit_length() - 1))
            raise ValueError(f"trials={self.trials}: a Sobol sequence wants a power of two, at least 2; say {near}")
        if self.halving and self.trials < (least := self.halving.factor ** (self.halving.rungs - 1)):
            raise ValueError(
                f"halving: {self.halving.rungs} rungs of factor {self.halving.factor} leave less than one of "
                f"trials={self.trials}; give {least} trials or more, or fewer rungs"
            )
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError(f"seeds={list(self.seeds)}: a seed is given more than once")
        if len(set(self.recipes)) < len(self.recipes):
            raise ValueError(f"recipes={list(self.recipes)}: a recipe is given more than once")
        return self


class Search(Frozen):
    """Each replicate is a whole search: every side of a rule trains `runs` networks at each size, on data of its own.

    A run has a setting of the arm's space, an initialisation, and the replicate's data. Replicate r has the data of
    seed r and settings of the r-th scramble of the Sobol sequence; its run 0 has the arm as it is written. With
    `recipes` every arm chooses among the same recipes. With `early_stopping` a run's network is the one, of those that
    its learning curve saw, of least validation loss.
    """

    runs: Annotated[int, Field(ge=1, le=MOST_TRIALS, description="of a side at each size, in each replicate")]
    replicates: Annotated[int, Field(ge=2, le=MOST_REPLICATES)]
    cap: Cap
    recipes: tuple[str, ...] = Field((), description="names of recipes among which every arm may choose")
    early_stopping: bool = Field(False, exclude_if=lambda value: not value)

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
    def _cap_is_known(self) -> Search:
        allowed = [*CAP_WORDS, *(name for name in count_names() if name.startswith("flops_train."))]
        if len(self.cap) != 1 or self.cap_name not in allowed:
            raise ValueError(f"cap={{{', '.join(self.cap)}}}: give one of {', '.join(allowed)}")
        if self.cap_name == "evaluations" and any(not cap.is_integer() for cap in self.caps):
            raise ValueError(f"cap={{evaluations: {list(self.caps)}}}: evaluations are whole numbers")
        return self

    @model_validator(mode="after")
    def _recipes_differ(self) -> Search:
        if len(set(self.recipes)) < len(self.recipes):
            raise ValueError(f"recipes={list(self.recipes)}: a recipe is given more than once")
        return self


def _kind_of_search(value: object) -> str:
    is_of_trials = "trials" in value if isinstance(value, dict) else isinstance(value, TrialSearch)
    return "<trials>" if is_of_trials else "<replicates>"


# Of trials is the search of before, which files that were written for it have.
AnySearch = Annotated[
    Annotated[Search, Tag("<replicates>")] | Annotated[TrialSearch, Tag("<trials>")], Discriminator(_kind_of_search)
]


class RobustTo(Frozen):
    """What a verdict must survive to be called stable: each recipe alone, fewer trials, other points of the spaces.

    Under each of them the winners are chosen anew and confirmed, and every rule is judged again. Other points cost as
    much as the search itself, so they may be left out.
    """

    recipes: Annotated[tuple[str, ...], Field(min_length=2), AfterValidator(values_differ)]
    trials: Annotated[tuple[PositiveInt, ...], Field(min_length=1), AfterValidator(values_differ)]
    scrambles: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], AfterValidator(values_differ)] = ()

    def ways(self) -> tuple[Way, ...]:
        """Every other way of searching, one thing changed at a time."""
        return (
            *(Way(f"recipe {name} alone", recipe=name) for name in self.recipes),
            *(Way(f"{number} trials", trials=number) for number in self.trials),
            *(Way(f"scramble {seed}", scramble=seed) for seed in self.scrambles),
        )


class Way(NamedTuple):
    """Another way of searching: among the trials of one recipe, among the first ones, or at other points."""

    name: str
    recipe: str | None = None
    trials: int | None = None
    scramble: int | None = None
