"""An experiment file as a whole, and what its parts must agree on."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Literal, NotRequired

from pydantic import Field, NonNegativeInt, model_validator

from harness.base.errors import did_you_mean
from harness.base.frozen import Frozen, Positive, alone_or_many, left_out_at, one_or_many
from harness.spec.arm import Arm, Match, Search
from harness.spec.budgets import Budgets
from harness.spec.counts import CountName
from harness.spec.decide import Decide, SideChoice
from harness.spec.recipe import BUILT_IN_RECIPES, Recipe
from harness.spec.run import Device, Dtype, Engine
from harness.spec.task import Task, TaskEntry


class Window(Frozen):
    """The sizes a law is fitted to, declared before the run; points outside are drawn hollow and
    counted.

    `min` and `max` are sizes on `axis`. `until: minimum` ends the window, on whatever axis a law is
    fitted, at the size with the least mean test loss over seeds: curves turn up once the data are
    used up.
    """

    axis: Annotated[CountName, str, "of its ends"] = "params.trainable"
    min: Annotated[Positive | None, "its lower end"] = None
    max: Annotated[Positive | None, "its upper end"] = None
    until: Annotated[Literal["minimum"] | None, NotRequired, "what else ends it"] = left_out_at(
        None
    )

    @model_validator(mode="after")
    def _holds_something(self) -> Window:
        if self.max is not None and self.until is not None:
            raise ValueError(
                f"max={self.max:g} and until={self.until} both end the window; keep one of them"
            )
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min={self.min:g} must be below max={self.max:g}")
        return self


# Fields that a plan has once, however many points its axes have; what a run of a search may spend
# is a run's own.
OF_A_RUN = ("search.cap",)
OF_A_PLAN = (
    "question",
    "figure",
    "compare",
    "decide",
    "noise",
    "search",
    "device",
    "keep",
    "snapshots",
)


AxisValues = Annotated[tuple, Field(min_length=1)]


class Experiment(Frozen):
    """One question, the runs that answer it, and the rule by which they do."""

    question: str
    figure: str | None = left_out_at(
        None,
        "a figure of the KAN paper, such as fig3_1_toy_scaling: its points stand beside the runs",
    )
    tasks: Annotated[tuple[TaskEntry, ...], one_or_many(str | Task), Field(min_length=1)]
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    recipes: dict[str, Recipe] = Field({})
    match: Match | None = None
    grid: dict[str, AxisValues] = Field(
        {}, description="dotted path -> values; every combination is run"
    )
    zip: dict[str, AxisValues] = Field({}, description="dotted path -> values; taken in lockstep")
    seeds: tuple[Annotated[int, Field(ge=0, lt=2**32)], ...] = Field(
        (), min_length=1, description="left out with search:"
    )
    noise: Positive | None = left_out_at(
        None,
        (
            "the standard deviation of ln test loss between seeds that is expected, for "
            "`harness power`"
        ),
    )
    search: Search | None = left_out_at(
        None, "every arm is an architecture with a space of choices"
    )
    budgets: Budgets | None = left_out_at(
        None,
        (
            "without search: the training FLOPs at which every run is read, by count; it trains to "
            "the last ones"
        ),
    )
    dtype: Dtype = "float64"
    engine: Engine | None = Field(
        None, description="left out: fused where it has kernels, else torch"
    )
    device: Device = Field("cpu", description="cuda: a GPU, which is the torch engine's")
    keep: Literal["networks"] | None = left_out_at(
        None, "networks: the trained parameters of every run, for `harness.load_network`"
    )
    snapshots: NonNegativeInt = left_out_at(
        0, "with keep: so many states of each network on the way, for `harness observe`"
    )
    window: dict[str, Window] = Field({}, description="arm -> the sizes its laws are fitted to")
    hold_out: NonNegativeInt = left_out_at(
        0,
        (
            "so many of each series' largest sizes are never fitted, and the law's predictions "
            "tested on them"
        ),
    )
    compare: tuple[Annotated[tuple[SideChoice, ...], Field(min_length=2, max_length=2)], ...] = (
        left_out_at(
            (),
            (
                "pairs of sides that the answer compares, the first one in full; left out, "
                "the first "
                "two arms"
            ),
        )
    )
    decide: tuple[Decide, ...] = ()

    @property
    def read_at(self) -> Budgets | None:
        """The budgets at which its runs are read."""
        return self.search.budgets if self.search else self.budgets

    @property
    def sizes(self) -> int:
        """How many sizes `match` makes equal: 1 without."""
        if self.match is None:
            return 1
        like = self.arms[self.match.like].sizes if self.match.like else None
        return len(like.ladder()[1]) if like else len(self.match.at)

    @property
    def pairs(self) -> tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]:
        """The pairs of `compare`, each side as its arms."""
        return tuple(
            (alone_or_many(first), alone_or_many(second)) for first, second in self.compare
        )

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The sides that pairs and rules compare, of one arm or several, and every arm that neither
        speaks of.
        """
        compared = list(itertools.chain(*self.pairs))
        for rule in self.decide:
            compared += rule.arms_of_sides
        compared_arms = set(itertools.chain(*compared))
        return tuple(
            dict.fromkeys(
                [*compared, *((name,) for name in self.arms if name not in compared_arms)]
            )
        )

    @model_validator(mode="after")
    def _parts_agree(self) -> Experiment:
        """Check them, and give a search its replicates as seeds, so that whoever counts seeds
        counts replicates.
        """
        if self.search is None and not self.seeds:
            raise ValueError("seeds: missing; add it")
        experiment = self
        if self.search:
            replicates = tuple(range(self.search.replicates))
            if self.seeds not in ((), replicates):
                are = f"with search: the replicates are the seeds, from 0 to {replicates[-1]}"
                raise ValueError(f"seeds={list(self.seeds)}: {are}; leave seeds out")
            experiment = self.model_copy(update={"seeds": replicates})
        if self.snapshots and not self.keep:
            raise ValueError(
                f"snapshots={self.snapshots}: they are kept with networks; add keep: networks"
            )
        if self.search and self.budgets:
            raise ValueError("budgets: with search: they are search.budgets; write them there")
        if self.read_at and self.match and self.match.axis == "flops_train":
            raise ValueError(
                "match.axis=flops_train: with budgets the training work is theirs; match params "
                "or flops_forward"
            )
        experiment._check_names()
        experiment._check_search()
        experiment._check_repetitions()
        return experiment

    def _check_names(self) -> None:
        for name in BUILT_IN_RECIPES:
            if name in self.recipes:
                raise ValueError(f"recipes.{name}: this name is built in; give the recipe another")
        recipes = [*self.recipes, *BUILT_IN_RECIPES]
        for name, arm in self.arms.items():
            _must_exist(f"arms.{name}.recipe", arm.recipe, recipes)
        for name in self.match.solve if self.match else ():
            _must_exist("match.solve", name, [*self.arms, "*"])
        if self.match and self.match.like:
            self._check_like(self.match.like)
        for name in self.window:
            _must_exist("window", name, self.arms)
        for index, pair in enumerate(self.pairs):
            for name in itertools.chain(*pair):
                _must_exist(f"compare.{index}", name, self.arms)
            if shared := set(pair[0]) & set(pair[1]):
                raise ValueError(
                    f"compare.{index}: {min(shared)} is on both sides; give different arms "
                    "to compare"
                )
        for index, rule in enumerate(self.decide):
            for name in rule.names:
                is_series = any(
                    name.startswith(f"{arm} ") for arm in self.arms
                )  # as `kan grid=5`; planning knows it
                if self.search or not is_series:
                    _must_exist(f"decide.{index}.sides", name, self.arms)
            if rule.takes.of_networks and self.search:
                why = "it is of networks that the file names, and search: chooses others"
                raise ValueError(f"decide.{index}.quantity={rule.quantity}: {why}; take test_loss")
            if rule.effort is not None and (self.search is None or rule.effort > self.search.runs):
                most = (
                    f"at most {self.search.runs}"
                    if self.search
                    else "nothing is searched; leave it out"
                )
                raise ValueError(f"decide.{index}.effort={rule.effort}: {most}")

    def _check_like(self, like: str) -> None:
        _must_exist("match.like", like, self.arms)
        if self.arms[like].sizes is None:
            raise ValueError(
                f"match.like={like}: its sizes make the budgets; add arms.{like}.sizes"
            )
        for name, arm in self.arms.items():
            if name != like and arm.sizes is not None:
                raise ValueError(
                    f"arms.{name}.sizes: with match.like it has those of {like}; leave it out"
                )

    def _check_search(self) -> None:
        search, match = self.search, self.match
        for name, arm in self.arms.items():
            if arm.space is not None and search is None:
                raise ValueError(
                    f"arms.{name}.space: nothing is searched; add search:, or leave the space out"
                )
        if search is None:
            return
        if match is None:
            raise ValueError(
                "search: its runs are solved to the same size, so it needs match:; add it"
            )
        if match.axis == "flops_train":
            problem = "match.axis=flops_train: with search the training work is equal by search.cap"
            raise ValueError(f"{problem}; match params or flops_forward")
        if twice := _repeated(match.at):
            raise ValueError(
                f"match.at: {twice[0]:g} is given more than once; runs are trained once at "
                "each size"
            )
        for name in search.recipes:
            _must_exist("search.recipes", name, [*self.recipes, *BUILT_IN_RECIPES])
        for name, arm in self.arms.items():
            if arm.sizes is not None and name != match.like:
                raise ValueError(
                    f"arms.{name}.sizes: runs are solved to the sizes of match.at; leave it out"
                )
            if search.recipes and arm.recipe not in search.recipes:
                raise ValueError(
                    f"arms.{name}.recipe: {arm.recipe!r} is not in search.recipes; add it there"
                )
        for side in self.sides:
            if len(side) > search.runs:
                raise ValueError(
                    f"search.runs={search.runs}: too few for the {len(side)} arms of one side"
                )

    def _check_repetitions(self) -> None:
        """Seeds and tasks differ, and axes vary what a run has, in lockstep if they are zipped."""
        if seeds := sorted(seed for seed, times in Counter(self.seeds).items() if times > 1):
            raise ValueError(
                f"seeds: {seeds} given more than once, which would be the same runs; keep one "
                "of each"
            )
        if tasks := sorted({task.name for task in _repeated(self.tasks)}):
            raise ValueError(
                f"tasks: {', '.join(tasks)} given more than once, the same runs again; keep "
                "one of each"
            )
        for path, values in self.grid.items():
            if again := _repeated(values):
                raise ValueError(f"grid.{path}: {again[0]!r} is given more than once; keep one")
        for name, axes in (("grid", self.grid), ("zip", self.zip)):
            for path in axes:
                if path not in OF_A_RUN and (field := path.split(".")[0]) in OF_A_PLAN:
                    problem = (
                        f"{name}.{path}: {field} is said once for all runs of a plan, so no "
                        "axis can vary it"
                    )
                    raise ValueError(f"{problem}; make a file of each, or use `settings`")
        lengths = {path: len(values) for path, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(
                f"zip: the lists must be equally long, got {lengths}; use grid: for combinations"
            )


def _must_exist(path: str, name: str, defined: Iterable[str]) -> None:
    if name not in defined:
        raise ValueError(f"{path}: {name!r} is not defined; {did_you_mean(name, defined)}")


def _repeated(values: Sequence) -> list:
    """The values that equal an earlier one, in their order."""
    return [value for place, value in enumerate(values) if value in values[:place]]
