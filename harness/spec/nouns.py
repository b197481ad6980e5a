"""The nouns of an experiment file, as frozen data.

    Experiment = tasks x arms x sizes x seeds x trials, and what will be concluded from them.

Every model forbids unknown fields. Sizes are counts (dimensionless integers), domains are in the units of the target,
budgets are in the unit of their axis (trainable scalars, or FLOPs with a multiply and an add as one each). Fields that
came after the first version are left out of a run's identity while they have their default (`exclude_if`): the run is
the same as before them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    NonNegativeInt,
    PositiveInt,
    model_validator,
)

from harness.base.errors import did_you_mean
from harness.base.frozen import Frozen, Positive
from harness.families import SIZES, Architecture, Depth, Hidden, Module, Network
from harness.optimisers import Lbfgs, OptimiserField, PenaltyOptimiserField
from harness.spec.counts import Convention, CountKind, CountName, count_names, default_count
from harness.spec.decide import Condition, Decide
from harness.spec.search import RobustTo, Search, SpaceOrStandard

# Raise DATA_VERSION when the same task spec and seed would give other samples; raise NUMERICS_VERSION when the same run
# would train to other numbers. Both are part of a run's identity, so old records are then never taken for new ones.
DATA_VERSION = 1
NUMERICS_VERSION = 1

Dtype = Literal["float64", "float32"]
Engine = Literal["fused", "torch"]
Device = Literal["cpu", "cuda"]
if TYPE_CHECKING:
    Size = str
else:  # what a match can solve for
    Size = Literal[("width", *SIZES, "depth", "steps")]
Metric = Literal["rmse", "cross_entropy"]


def _tuple_if_list(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value


Bound = Annotated[
    FiniteFloat | Annotated[tuple[FiniteFloat, ...], Field(min_length=1)],
    BeforeValidator(_tuple_if_list, json_schema_input_type=float | list[float]),
]


def _repeated(values: Iterable) -> list:
    """The values that equal an earlier one, in their order."""
    seen: set = set()
    found = []
    for value in values:
        if (key := _hashable(value)) in seen:
            found.append(value)
        seen.add(key)
    return found


def _hashable(value: Any) -> Any:
    match value:
        case dict():
            return frozenset((name, _hashable(item)) for name, item in value.items())
        case list():
            return tuple(map(_hashable, value))
    return value


def _values_differ(values: tuple) -> tuple:
    if repeated := _repeated(values):
        raise ValueError(f"{repeated[0]!r} is given more than once")
    return values


AxisValues = Annotated[tuple, Field(min_length=1)]
DifferentValues = Annotated[AxisValues, AfterValidator(_values_differ)]


# -------------------------------------------------------------------------------------------------------------- tasks
# Targets that are data, whose splits have so many points as there are.
DATA_NAMES = ("digits", "breast_cancer", "wine", "diabetes", "mnist_5000", "randhie", "camera")
SPLIT_POINTS = ("train_points", "validation_points", "test_points")
MOST_POINTS = 1_000_000  # of a split: a plan draws them all
MOST_COORDINATES = 100_000_000  # of the points of a split, which then take 0.8 GB

Points = Annotated[int, Field(ge=1, le=MOST_POINTS)]


class Task(Frozen):
    """What is learnt: a target function on a box, and how many points of it are seen.

    `target` is the name of a built-in task or `package.module:function`. A function of the user's own and a family of
    functions (`additive`) also state `inputs`, their number of variables; `instance` is the number of a family's
    member, the seed of what is random in the function. Points are uniform on [low, high]^inputs, or with a list of
    bounds on a box of one interval a variable. A bare string in the file means `{target: <string>}`.

    A PDE (`poisson`) is learnt from `train_points` inside of its domain and `boundary_points` (800) on the boundary, by
    `interior_weight` (0.01) times the mean squared residual inside plus the one on the boundary. Test points are then
    nodes of a quadrature, a whole number a variable. Of data (`digits`) a split has all its rows, up to 20,000, where
    the file does not say how many it takes; that is `null`.
    """

    target: str
    inputs: PositiveInt | None = None
    low: Bound = -1.0
    high: Bound = 1.0
    train_points: Points | None = 1000
    validation_points: Points | None = 1000
    test_points: Points | None = 1000
    boundary_points: Points | None = Field(None, exclude_if=lambda value: value is None)
    interior_weight: Positive | None = Field(None, exclude_if=lambda value: value is None)
    instance: NonNegativeInt = Field(0, exclude_if=lambda value: value == 0)

    @model_validator(mode="before")
    @classmethod
    def _data_have_points_of_their_own(cls, fields: object) -> object:
        if not isinstance(fields, dict):
            return fields
        said = {name: value for name, value in fields.items() if name not in SPLIT_POINTS or value is not None}
        return dict.fromkeys(SPLIT_POINTS) | said if said.get("target") in DATA_NAMES else said

    @model_validator(mode="after")
    def _points_fit_in_memory(self) -> Task:
        for name in SPLIT_POINTS:
            points = getattr(self, name) or 0
            if points * (self.inputs or 1) > MOST_COORDINATES:
                raise ValueError(
                    f"{name}={points}, inputs={self.inputs}: at most {MOST_COORDINATES:,} coordinates; take fewer"
                )
        return self

    @model_validator(mode="after")
    def _box_is_not_empty(self) -> Task:
        lengths = {len(bound) for bound in (self.low, self.high) if isinstance(bound, tuple)}
        if len(lengths) > 1:
            raise ValueError(f"low and high have {min(lengths)} and {max(lengths)} bounds; give one a variable")
        number = max(lengths, default=1)
        for low, high in zip(_bounds(self.low, number), _bounds(self.high, number), strict=True):
            if not low < high:
                raise ValueError(f"low={low} must be below high={high}")
            if not math.isfinite(2 * low) or not math.isfinite(2 * high):
                raise ValueError(f"low={low} and high={high} are too large to be added; choose a smaller box")
        return self


def _bounds(bound: Bound, number: int) -> tuple[float, ...]:
    return bound if isinstance(bound, tuple) else (bound,) * number


def _task_from_name(value: object) -> object:
    return {"target": value} if isinstance(value, str) else value


def _alone_or_many(value: object) -> object:
    return tuple(value) if isinstance(value, (list, tuple)) else (value,)


TaskEntry = Annotated[Task, BeforeValidator(_task_from_name, json_schema_input_type=str | Task)]


# ------------------------------------------------------------------------------------------------------------ recipes
class Restarts(Frozen):
    """`count` short starts of `evaluations` each; the best by training loss goes on. All of them are counted work."""

    count: PositiveInt = 1
    evaluations: PositiveInt = 50


class GridUpdates(Frozen):
    """Knots moved to where the activations are: at the start, before each grid extension, and every `every` evaluations
    while below evaluation `until` of each stage.

    `grid_eps` mixes uniform (1) and percentile (0) knots, as pykan does; `margin` widens the uniform part on each side.
    `points` are those whose activations count: the training points, or as many fresh ones of the task's box ("domain"),
    which need no targets and show hidden layers more of their ranges.
    """

    every: PositiveInt = 120
    until: PositiveInt = 1200
    grid_eps: float = Field(1.0, ge=0, le=1)
    margin: float = Field(0.01, ge=0)
    points: Literal["train", "domain"] = Field("train", exclude_if=lambda value: value == "train")


class GridExtension(Frozen):
    """A warm start: train at each of `grids` below the run's own grid for `evaluations`, refine, and go on.

    The run's own grid gets what is left of `max_evaluations`; with `equal`, as in the KAN paper, as many as the others.
    """

    grids: tuple[PositiveInt, ...] = Field(min_length=1)
    evaluations: PositiveInt
    equal: bool = Field(False, exclude_if=lambda value: not value)

    @model_validator(mode="after")
    def _ascending(self) -> GridExtension:
        if list(self.grids) != sorted(set(self.grids)):
            raise ValueError(f"grids={list(self.grids)} must ascend without repeats")
        return self


class Sparsity(Frozen):
    """A KAN is trained sparse at its coarsest grid, pruned, and what is left trained on (KAN paper, sec. 2.5.1).

    During the restarts and `evaluations` more, the loss is that of the task plus `strength` times the sum over layers
    of `l1` |Phi|_1 + `entropy` S(Phi) (eqs. 2.17 to 2.20), where the norm of an edge is its mean absolute value over
    the batch; with `per_range`, as in pykan's code, divided by the range of its knots. Without, a small node is cheap,
    as edges that leave it can be steep: what is needed may end below the threshold.

    Then a hidden node stays if the largest norms of its incoming and of its outgoing edges both exceed `threshold`, an
    input if that of its outgoing ones does; each layer keeps one. The rest of the recipe is the smaller network's,
    without the penalty. `optimizer` is that of the penalised part, by default the recipe's. With `snap` the record has
    a formula at the end, into which the edges were read (`harness.train.symbolic`). MLPs know nothing of it all.
    """

    strength: Annotated[FiniteFloat, Field(ge=0)]
    evaluations: PositiveInt
    l1: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    entropy: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    threshold: Positive = 1e-2
    optimizer: PenaltyOptimiserField | None = None
    per_range: bool = Field(False, exclude_if=lambda value: not value)
    snap: bool = Field(False, exclude_if=lambda value: not value)


class Recipe(Frozen):
    """How a run is trained. `max_evaluations` caps all forward+backward passes of a run, restarts and stages included.

    `gain` multiplies the standard deviation of the initial weights (MLP) or of the initial coefficients and base
    weights (KAN). With `phases` the training points, ordered by their first variable, come in so many groups of equal
    size, one after the other: each phase goes on from the network that the last one left, sees its own group only,
    begins with a fresh optimiser, and has its equal share of `max_evaluations`.
    """

    optimizer: OptimiserField
    max_evaluations: PositiveInt
    restarts: Restarts = Restarts()
    gain: Positive = 1.0
    grid_updates: GridUpdates | None = None
    grid_extension: GridExtension | None = None
    sparsity: Sparsity | None = Field(None, exclude_if=lambda value: value is None)
    phases: Annotated[int, Field(ge=2, le=1000)] | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _penalty_can_be_trained(self) -> Recipe:
        penalised = self.sparsity and (self.sparsity.optimizer or self.optimizer)
        if penalised and penalised.needs_squares:
            raise ValueError(
                f"sparsity: its penalty is no sum of squares, which {penalised.name} needs; "
                "give the penalised part an optimizer of its own, sparsity.optimizer: {name: lbfgs}"
            )
        return self

    @model_validator(mode="after")
    def _phases_begin_where_the_last_one_ended(self) -> Recipe:
        if self.phases is None:
            return self
        others = {"restarts": self.restarts.count > 1, "grid_extension": self.grid_extension, "sparsity": self.sparsity}
        if given := [name for name, value in others.items() if value]:
            raise ValueError(f"phases={self.phases} does not go with {given[0]}; leave one of the two out")
        if self.max_evaluations < self.phases:
            raise ValueError(f"phases={self.phases}: max_evaluations={self.max_evaluations} leaves some of them none")
        return self

    @model_validator(mode="after")
    def _schedule_spans_the_run(self) -> Recipe:
        whole = self.optimizer.spans
        if whole and whole < self.max_evaluations:
            raise ValueError(
                f"decays_over={whole} is less than max_evaluations={self.max_evaluations}; say at least that"
            )
        if whole and (self.phases or self.sparsity):
            part = "phases" if self.phases else "sparsity"
            raise ValueError(f"{part} does not go with decays_over={whole}; leave one of the two out")
        return self

    @model_validator(mode="after")
    def _restarts_leave_work(self) -> Recipe:
        spent = self.restarts.count * self.restarts.evaluations if self.restarts.count > 1 else 0
        if spent >= self.max_evaluations:
            raise ValueError(
                f"restarts use {spent} evaluations, which leaves none of max_evaluations={self.max_evaluations}"
            )
        return self


# One grid stage of the KAN paper: 200 L-BFGS steps of up to 20 iterations, 22 to 24 evaluations each as measured, with
# the grid updated every 5 steps until step 50.
PAPER_RECIPE = Recipe(
    optimizer=Lbfgs(name="lbfgs", iterations_per_step=20),
    max_evaluations=4800,
    grid_updates=GridUpdates(every=120, until=1200, grid_eps=1.0, margin=0.01),
)
BUILT_IN_RECIPES = {"paper": PAPER_RECIPE}


class Sizes(Frozen):
    """An explicit ladder of sizes for an arm, in place of `match`: exactly one of the fields."""

    grid: tuple[PositiveInt, ...] | None = None
    width: tuple[PositiveInt, ...] | None = None
    depth: tuple[Depth, ...] | None = None
    hidden: tuple[Hidden, ...] | None = None
    degree: tuple[PositiveInt, ...] | None = Field(None, exclude_if=lambda value: value is None)
    harmonics: tuple[PositiveInt, ...] | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _exactly_one(self) -> Sizes:
        given = [name for name in type(self).model_fields if getattr(self, name)]
        if len(given) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self

    def ladder(self) -> tuple[str, tuple]:
        """The field that varies, and its values."""
        return next((name, getattr(self, name)) for name in type(self).model_fields if getattr(self, name))


Tune = dict[str, DifferentValues]


def _module_in_schema(schema: dict[str, Any]) -> None:
    own = Module.model_json_schema()["properties"]
    schema["properties"] |= {name: own[name] for name in ("module", "size")}
    schema["required"].remove("architecture")


class Arm(Frozen):
    """One architecture family with its recipe; its own `tune` replaces the experiment's (the counts must agree).

    In a file `module: package.module:Class` and `size: width` stand for an architecture of the family `module`.
    """

    model_config = ConfigDict(json_schema_extra=_module_in_schema)

    architecture: Architecture
    recipe: str
    sizes: Sizes | None = None
    tune: Tune | None = None
    space: SpaceOrStandard | None = Field(
        None,
        description="with search: what may vary, by dotted path within the arm; left out, the family's standard space",
        exclude_if=lambda value: value is None,
    )


def _for_every_arm(value: object) -> object:
    return {"*": value} if isinstance(value, str) else value


class Match(Frozen):
    """The axis made equal between arms, and how: at each budget of `at`, `solve` is the one free integer of an arm."""

    axis: CountKind
    convention: Convention | None = Field(None, validate_default=True)
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


# -------------------------------------------------------------------------------------------------------- conclusions
class Window(Frozen):
    """The sizes a law is fitted to, declared before the run; points outside are drawn hollow and counted.

    `min` and `max` are sizes on `axis`. `until: minimum` ends the window, on whatever axis a law is fitted, at the size
    with the least mean test loss over seeds: curves turn up once the data are used up.
    """

    axis: CountName = "params.trainable"
    min: Positive | None = None
    max: Positive | None = None
    until: Literal["minimum"] | None = Field(None, exclude_if=lambda value: value is None)

    @model_validator(mode="after")
    def _holds_something(self) -> Window:
        if self.max is not None and self.until is not None:
            raise ValueError(f"max={self.max:g} and until={self.until} both end the window; keep one of them")
        if self.min is not None and self.max is not None and self.min >= self.max:
            raise ValueError(f"min={self.min:g} must be below max={self.max:g}")
        return self


class Experiment(Frozen):
    """One question, the runs that answer it, and the rule by which they do."""

    question: str
    tasks: Annotated[
        tuple[TaskEntry, ...],
        BeforeValidator(_alone_or_many, json_schema_input_type=str | Task | list[str | Task]),
        Field(min_length=1),
    ]
    arms: Annotated[dict[str, Arm], Field(min_length=1)]
    recipes: dict[str, Recipe] = Field({})
    match: Match | None = None
    grid: dict[str, DifferentValues] = Field({}, description="dotted path -> values; every combination is run")
    zip: dict[str, AxisValues] = Field({}, description="dotted path -> values; taken in lockstep")
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)]
    tune: Tune = Field({})
    search: Search | None = Field(
        None, description="every arm is an architecture with a space of choices", exclude_if=lambda value: value is None
    )
    robust_to: RobustTo | None = Field(
        None,
        description="with search: what a verdict must survive to be called stable",
        exclude_if=lambda value: value is None,
    )
    allow_unequal_tuning: bool = Field(False, description="arms may have unequal numbers of trials; figures say so")
    dtype: Dtype = "float64"
    engine: Engine | None = Field(None, description="left out: fused where it has kernels, else torch")
    device: Device = Field("cpu", description="cuda: a GPU, which is the torch engine's")
    window: dict[str, Window] = Field({}, description="arm -> the sizes its laws are fitted to")
    hold_out: NonNegativeInt = Field(
        0,
        description="so many of each series' largest sizes are never fitted, and the law's predictions tested on them",
        exclude_if=lambda value: value == 0,
    )
    decide: tuple[Decide, ...] = ()

    @model_validator(mode="after")
    def _names_exist(self) -> Experiment:
        for name in BUILT_IN_RECIPES:
            if name in self.recipes:
                raise ValueError(f"recipes.{name}: this name is built in; give the recipe another")
        recipes = [*self.recipes, *BUILT_IN_RECIPES]
        for name, arm in self.arms.items():
            _must_exist(f"arms.{name}.recipe", arm.recipe, recipes)
        for name in self.match.solve if self.match else ():
            _must_exist("match.solve", name, [*self.arms, "*"])
        for name in self.window:
            _must_exist("window", name, self.arms)
        for index, rule in enumerate(self.decide):
            for path, condition in _conditions(rule):
                for name in (name for i in range(len(condition.arms)) for name in condition.choice(i)):
                    _must_exist(f"decide.{index}{path}.arms", name, self.arms)
                if condition.takes.of_held_out and not self.hold_out:
                    where = f"decide.{index}{path}.quantity={condition.quantity}"
                    raise ValueError(f"{where}: hold_out is 0; hold sizes out")
        return self

    @model_validator(mode="after")
    def _search_fits(self) -> Experiment:
        if self.search is None:
            for name, arm in self.arms.items():
                if arm.space is not None:
                    raise ValueError(f"arms.{name}.space: nothing is searched; add search:, or leave the space out")
            if self.robust_to is not None:
                raise ValueError("robust_to: it says how else to search, and nothing is searched; add search:")
            return self
        search, match = self.search, self.match
        if match is None:
            raise ValueError("search: trials are solved to the same size, so it needs match:; add it")
        if match.axis == "flops_train":
            raise ValueError(
                "match.axis=flops_train: with search the training work is equal by search.effort; match params or "
                "flops_forward"
            )
        if len(search.effort.at) not in (1, len(match.at)):
            raise ValueError(
                f"search.effort.at={list(search.effort.at)}: give one number, or one for each of the "
                f"{len(match.at)} budgets of match.at"
            )
        if shared := sorted(set(search.seeds) & set(self.seeds)):
            raise ValueError(
                f"seeds: {shared} are seeds of the search too; winners are confirmed on fresh ones, so choose others"
            )
        if self.tune:
            raise ValueError("tune: with search an arm's space says what varies; move these fields there")
        for name in search.recipes:
            _must_exist("search.recipes", name, [*self.recipes, *BUILT_IN_RECIPES])
        for name, arm in self.arms.items():
            if arm.tune is not None:
                raise ValueError(f"arms.{name}.tune: with search the arm's space says what varies; move it there")
            if arm.sizes is not None:
                raise ValueError(f"arms.{name}.sizes: trials are solved to the sizes of match.at; leave it out")
            if search.recipes and arm.recipe not in search.recipes:
                raise ValueError(f"arms.{name}.recipe: {arm.recipe!r} is not in search.recipes; add it there")
        for side in self.sides:
            if len(side) > search.trials:
                raise ValueError(f"search.trials={search.trials}: too few for the {len(side)} arms of one side")
        return self

    @model_validator(mode="after")
    def _robust_to_enough(self) -> Experiment:
        robust, search = self.robust_to, self.search
        if robust is None or search is None:
            return self
        known = self.recipes | BUILT_IN_RECIPES
        for name in robust.recipes:
            _must_exist("robust_to.recipes", name, known)
            if name not in search.recipes:
                raise ValueError(f"robust_to.recipes: {name!r} is not in search.recipes; add it there")
        optimisers = {known[name].optimizer.name for name in robust.recipes}
        if len(optimisers) < 2:
            raise ValueError(
                f"robust_to.recipes={list(robust.recipes)}: all of them are {optimisers.pop()}; name recipes of two "
                "optimisers at least"
            )
        for number in robust.trials:
            if number >= search.trials or number & (number - 1):
                raise ValueError(
                    f"robust_to.trials: {number} is no power of two below search.trials={search.trials}; say "
                    f"[{search.trials // 2}]"
                )
        if search.trials // 2 not in robust.trials:
            raise ValueError(
                f"robust_to.trials={list(robust.trials)}: half of the trials is not there; add {search.trials // 2}"
            )
        if (most := max(map(len, self.sides))) > min(robust.trials):
            raise ValueError(f"robust_to.trials: {min(robust.trials)} are too few for the {most} arms of one side")
        if search.scramble in robust.scrambles:
            raise ValueError(f"robust_to.scrambles: {search.scramble} is search.scramble itself; choose another seed")
        return self

    @property
    def sides(self) -> tuple[tuple[str, ...], ...]:
        """The sides that rules compare, of one arm or several, and every arm that no rule speaks of."""
        conditions = [one for rule in self.decide for one in (*rule.conditions, *rule.given)]
        asked = [one.choice(index) for one in conditions for index in range(len(one.arms))]
        named = {name for side in asked for name in side}
        return tuple(dict.fromkeys([*asked, *((name,) for name in self.arms if name not in named)]))

    @model_validator(mode="after")
    def _seeds_differ(self) -> Experiment:
        if repeated := sorted(set(_repeated(self.seeds))):
            raise ValueError(f"seeds: {repeated} given more than once; a repeated seed is the same run")
        return self

    @model_validator(mode="after")
    def _tasks_differ(self) -> Experiment:
        if repeated := sorted({task.target for task in _repeated(self.tasks)}):
            raise ValueError(f"tasks: {', '.join(repeated)} given more than once; a repeated task is the same runs")
        return self

    @model_validator(mode="after")
    def _zip_in_lockstep(self) -> Experiment:
        lengths = {path: len(values) for path, values in self.zip.items()}
        if len(set(lengths.values())) > 1:
            raise ValueError(f"zip: the lists must be equally long, got {lengths}; use grid: for combinations")
        return self


def _conditions(rule: Decide) -> list[tuple[str, Condition]]:
    """Every condition of a rule, and its path within it."""
    others = [(name, index, one) for name in ("also", "given") for index, one in enumerate(getattr(rule, name))]
    return [("", rule), *((f".{name}.{index}", one) for name, index, one in others)]


def _must_exist(path: str, name: str, known: Iterable[str]) -> None:
    if name not in known:
        raise ValueError(f"{path}: {name!r} is not defined; {did_you_mean(name, known)}")


# ---------------------------------------------------------------------------------------------------------------- run
class RunTask(Frozen):
    """A task as a run knows it: everything that decides its numbers, and the fingerprint of the target's code."""

    target: str
    fingerprint: str
    inputs: PositiveInt
    low: float | tuple[float, ...]
    high: float | tuple[float, ...]
    train_points: PositiveInt
    validation_points: PositiveInt
    test_points: PositiveInt
    boundary_points: PositiveInt | None = Field(None, exclude_if=lambda value: value is None)
    interior_weight: Positive | None = Field(None, exclude_if=lambda value: value is None)
    instance: NonNegativeInt = Field(0, exclude_if=lambda value: value == 0)
    classes: Annotated[int, Field(ge=2)] | None = Field(None, exclude_if=lambda value: value is None)

    @property
    def metric(self) -> Metric:
        """What the loss of a run is in tables: the RMSE, or where there are classes the mean cross-entropy in nats."""
        return "cross_entropy" if self.classes else "rmse"

    @property
    def outputs(self) -> int:
        """Of a network that learns it: one, or one a class."""
        return self.classes or 1

    @property
    def is_pde(self) -> bool:
        """Whether it is learnt from an equation, by the network's Laplacian, in place of values."""
        return self.boundary_points is not None

    @property
    def points_evaluated(self) -> int:
        """To how many points of an ordinary task an evaluation of all training points amounts.

        A point inside the domain of a PDE has d derivatives and a Laplacian beside its value, each of which goes
        through the layers as a value does: d + 2. What torch executes is that within 10 % (tests/tasks/test_pde.py).
        """
        return self.train_points + ((self.inputs + 1) * self.train_points + (self.boundary_points or 0)) * self.is_pde

    @property
    def box(self) -> tuple[tuple[float, float], ...]:
        """The interval of every variable."""
        lows, highs = (_bounds(bound, self.inputs) for bound in (self.low, self.high))
        return tuple(zip(lows, highs, strict=True))


class RunSpec(Frozen):
    """One training run, resolved: all that decides its numbers and nothing else, so that its hash is its identity."""

    task: RunTask
    network: Network
    recipe: Recipe
    seed: int
    dtype: Dtype = "float64"
    engine: Engine = "torch"
    data_version: int = DATA_VERSION
    numerics_version: int = NUMERICS_VERSION
