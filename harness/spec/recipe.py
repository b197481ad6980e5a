"""How a run is trained: by which optimiser, what happens around its evaluations, and which stages
this makes.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.base.errors import HarnessError
from harness.base.frozen import Frozen, Positive, left_out_at
from harness.families import KanShape, Network, SplinedShape
from harness.optimisers import Lbfgs, Optimiser, OptimiserField, PenaltyOptimiserField
from harness.spec.task import RunTask


class Restarts(Frozen):
    """`count` short starts of `evaluations` each; the best by training loss goes on. All of them
    are counted work.
    """

    count: PositiveInt = 1
    evaluations: PositiveInt = 50

    @property
    def spent(self) -> int:
        """Evaluations of all starts together; none of a single one, which is the run itself."""
        return self.count * self.evaluations if self.count > 1 else 0


class GridUpdates(Frozen):
    """Knots moved to where the activations are: at the start, before each grid extension, and every
    `every` evaluations while below evaluation `until` of each stage.

    `grid_eps` mixes uniform (1) and percentile (0) knots, as pykan does; `margin` widens the
    uniform part on each side. `points` are those whose activations count: the training points, or
    as many fresh ones of the task's box ("domain"), which need no targets and show hidden layers
    more of their ranges.
    """

    every: PositiveInt = 120
    until: PositiveInt = 1200
    grid_eps: float = Field(1.0, ge=0, le=1)
    margin: float = Field(0.01, ge=0)
    points: Literal["train", "domain"] = left_out_at("train")


class GridExtension(Frozen):
    """A warm start: train at each of `grids` below the run's own grid for `evaluations`, refine,
    and go on.

    The run's own grid gets what is left of `max_evaluations`; with `equal`, as in the KAN paper, as
    many as the others.
    """

    grids: tuple[PositiveInt, ...] = Field(min_length=1)
    evaluations: PositiveInt
    equal: bool = left_out_at(False)

    @model_validator(mode="after")
    def _ascending(self) -> GridExtension:
        if list(self.grids) != sorted(set(self.grids)):
            raise ValueError(f"grids={list(self.grids)} must ascend without repeats")
        return self


class Sparsity(Frozen):
    """A KAN is trained sparse at its coarsest grid, pruned, and what is left trained on (KAN paper,
    sec. 2.5.1).

    During the restarts and `evaluations` more, the loss is that of the task plus `strength` times
    the sum over layers of `l1` |Phi|_1 + `entropy` S(Phi) (eqs. 2.17 to 2.20), where the norm of an
    edge is its mean absolute value over the batch; with `per_range`, as in pykan's code, divided by
    the range of its knots. Without, a small node is cheap, as edges that leave it can be steep:
    what is needed may end below the threshold.

    Then a hidden node stays if the largest norms of its incoming and of its outgoing edges both
    exceed `threshold`, an input if that of its outgoing ones does; each layer keeps one. The rest
    of the recipe is the smaller network's, without the penalty. `optimizer` is that of the
    penalised part, by default the recipe's. With `snap` the record has a formula at the end, into
    which the edges were read (`harness.train.symbolic`). MLPs know nothing of it all.
    """

    strength: Annotated[FiniteFloat, Field(ge=0)]
    evaluations: PositiveInt
    l1: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    entropy: Annotated[FiniteFloat, Field(ge=0)] = 1.0
    threshold: Positive = 1e-2
    optimizer: PenaltyOptimiserField | None = None
    per_range: bool = left_out_at(False)
    snap: bool = left_out_at(False)


class Recipe(Frozen):
    """How a run is trained. `max_evaluations` caps all forward+backward passes of a run, restarts
    and stages included.

    `gain` multiplies the standard deviation of the initial weights (MLP) or of the initial
    coefficients and base weights (KAN). With `phases` the training points, ordered by their first
    variable, come in so many groups of equal size, one after the other: each phase goes on from the
    network that the last one left, sees its own group only, begins with a fresh optimiser, and has
    its equal share of `max_evaluations`. With `early_stopping` a run's network is the one of least
    validation error that its learning curve saw at the run's own size; the work is the whole run's.
    """

    optimizer: OptimiserField
    max_evaluations: PositiveInt
    restarts: Restarts = Restarts()
    gain: Positive = 1.0
    grid_updates: GridUpdates | None = None
    grid_extension: GridExtension | None = None
    sparsity: Sparsity | None = left_out_at(None)
    phases: Annotated[int, Field(ge=2, le=1000)] | None = left_out_at(None)
    early_stopping: bool = left_out_at(False)

    @property
    def optimisers(self) -> dict[str, Optimiser]:
        """By their place in the recipe all its optimisers: its own, and that of the penalised part
        if it has one.
        """
        penalised = self.sparsity.optimizer if self.sparsity else None
        return {"optimizer": self.optimizer} | (
            {"sparsity.optimizer": penalised} if penalised else {}
        )

    @property
    def can_stop(self) -> bool:
        """Whether a shorter run is the beginning of this one: not with a decaying schedule, phases
        or a penalty.
        """
        return not (self.optimizer.is_scheduled or self.phases or self.sparsity)

    def why_no_budgets(self) -> str:
        """The field by which a run of this recipe cannot be read on its way, and why; empty if it
        can.
        """
        if self.phases or self.sparsity:
            return (
                f"{'phases' if self.phases else 'sparsity'}: a run with a smaller budget is "
                "no beginning of one with it"
            )
        if self.grid_extension and self.grid_extension.equal:
            return "grid_extension.equal: its last grid ends before a budget does"
        if self.optimizer.is_scheduled and self.optimizer.spans:
            return "optimizer.decays_over: a schedule ends with each budget"
        if self.optimizer.is_scheduled and self.restarts.count > 1:
            return "restarts: the schedule of a small budget would end among them"
        return ""

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        most = self.max_evaluations
        penalised = self.sparsity and (self.sparsity.optimizer or self.optimizer)
        if penalised and penalised.needs_squares:
            move = (
                "give the penalised part an optimizer of its own, sparsity.optimizer: {name: lbfgs}"
            )
            raise ValueError(
                f"sparsity: its penalty is no sum of squares, which {penalised.name} needs; {move}"
            )
        excluded = {  # phases begin where the last one ended
            "restarts": self.restarts.count > 1,
            "grid_extension": self.grid_extension,
            "sparsity": self.sparsity,
            "early_stopping": self.early_stopping,
        }
        conflicting = [name for name, value in excluded.items() if value]
        if self.phases and conflicting:
            raise ValueError(
                f"phases={self.phases} does not go with {conflicting[0]}; leave one of the two out"
            )
        if self.phases and most < self.phases:
            raise ValueError(
                f"phases={self.phases}: max_evaluations={most} leaves some of them none"
            )
        whole = self.optimizer.spans
        if whole and whole < most:
            raise ValueError(
                f"decays_over={whole} is less than max_evaluations={most}; say at least that"
            )
        if whole and (self.phases or self.sparsity):
            part = "phases" if self.phases else "sparsity"
            raise ValueError(
                f"{part} does not go with decays_over={whole}; leave one of the two out"
            )
        if (spent := self.restarts.spent) >= most:
            raise ValueError(
                f"restarts use {spent} evaluations, which leaves none of max_evaluations={most}"
            )
        return self


# One grid stage of the KAN paper: 200 L-BFGS steps of up to 20 iterations, 22 to 24 evaluations
# each as measured, with the grid updated every 5 steps until step 50.
PAPER_RECIPE = Recipe(
    optimizer=Lbfgs(name="lbfgs", iterations_per_step=20),
    max_evaluations=4800,
    grid_updates=GridUpdates(every=120, until=1200, grid_eps=1.0, margin=0.01),
)

BUILT_IN_RECIPES = {"paper": PAPER_RECIPE}


# --------------------------------------------------------------------------------------------------
# parts and stages
class CapTooSmall(HarnessError):
    """The evaluation cap does not reach the last stage."""


class Stage(NamedTuple):
    """`evaluations` passes of `network` from each of `starts` starts; of several, the best by
    training loss goes on.
    """

    network: Network
    starts: int
    evaluations: int


class Part(NamedTuple):
    """A training of one network by one recipe without sparsity or phases."""

    network: Network
    recipe: Recipe


def parts(network: Network, recipe: Recipe, pruned: KanShape | None = None) -> tuple[Part, ...]:
    """The trainings that make up a run: one, or with sparsity the penalised one and that of what
    pruning leaves.

    That is `pruned`, which nobody knows before: planned, it is the whole network. With phases there
    is one for each, of equal length; where the cap is no multiple of them, the first ones have one
    evaluation more.
    """
    if recipe.phases:
        least, over = divmod(recipe.max_evaluations, recipe.phases)
        caps = [least + (phase < over) for phase in range(recipe.phases)]
        return tuple(
            Part(network, recipe.model_copy(update={"phases": None, "max_evaluations": cap}))
            for cap in caps
        )
    sparsity = recipe.sparsity
    if sparsity is None or not isinstance(network, KanShape):
        return (Part(network, recipe),)
    spent = recipe.restarts.spent + sparsity.evaluations
    optimiser = sparsity.optimizer or recipe.optimizer
    first = {
        "optimizer": optimiser,
        "max_evaluations": spent,
        "grid_extension": None,
        "sparsity": None,
    }
    first["early_stopping"] = False  # the penalty is to do its work before a network is chosen
    after = {
        "restarts": Restarts(),
        "max_evaluations": recipe.max_evaluations - spent,
        "sparsity": None,
    }
    coarsest = (coarser(network, recipe) or [network])[0]
    return (
        Part(coarsest, recipe.model_copy(update=first)),
        Part(pruned or network, recipe.model_copy(update=after)),
    )


def stages(network: Network, recipe: Recipe) -> tuple[Stage, ...]:
    """The stages of a run, which together spend exactly `recipe.max_evaluations`.

    A grid-extended network trains at each coarser grid first; the last stage, at the run's own
    grid, gets what is left.
    """
    check_cap(network, recipe)
    return tuple(itertools.chain.from_iterable(_of_part(*part) for part in parts(network, recipe)))


def check_cap(network: Network, recipe: Recipe) -> None:
    """A CapTooSmall if the recipe has no evaluation left for the last stage of such a network."""
    least = least_evaluations(network, recipe)
    if recipe.max_evaluations < least:
        raise CapTooSmall(
            f"max_evaluations={recipe.max_evaluations} is used up before the last stage of "
            f"{network.family} "
            f"{network.words}: restarts, sparsity and coarser grids take {least - 1}; raise it or "
            "shorten "
            "grid_extension"
        )


def schedule_evaluations(run_stages: Sequence[Stage], index: int, recipe: Recipe) -> int:
    """The evaluations over which a schedule that begins with stage `index` decays: until the last
    of the same network.

    A run that is the beginning of a longer one (`Optimiser.spans`) lacks evaluations of the last
    stage only.
    """
    network = run_stages[index].network
    of_network = sum(stage.evaluations for stage in run_stages[index:] if stage.network == network)
    whole = recipe.optimizer.spans
    if whole and network == run_stages[-1].network:
        return of_network + whole - recipe.max_evaluations
    return of_network


def parts_at(recipe: Recipe, stage: Stage, moment: int) -> int:
    """After how many evaluations of a stage a run that ends at `moment` parts from one that goes
    on; then, if never.
    """
    return moment if moment == stage.evaluations else recipe.optimizer.constant_until(moment)


def least_evaluations(network: Network, recipe: Recipe) -> int:
    """The smallest cap that leaves the last stage an evaluation, or every phase one."""
    if recipe.phases:
        return recipe.phases
    penalised = (
        recipe.sparsity.evaluations if recipe.sparsity and isinstance(network, KanShape) else 0
    )
    coarse = recipe.grid_extension.evaluations if recipe.grid_extension else 0
    return 1 + recipe.restarts.spent + penalised + coarse * len(coarser(network, recipe))


def _of_part(network: Network, recipe: Recipe) -> list[Stage]:
    before: list[Stage] = []
    if recipe.grid_extension:
        before = [
            Stage(coarse, 1, recipe.grid_extension.evaluations)
            for coarse in coarser(network, recipe)
        ]
    if recipe.restarts.count > 1:
        first = before[0].network if before else network
        before = [Stage(first, recipe.restarts.count, recipe.restarts.evaluations), *before]
    spent = sum(stage.starts * stage.evaluations for stage in before)
    return [*before, Stage(network, 1, recipe.max_evaluations - spent)]


def coarser(network: Network, recipe: Recipe) -> list[Network]:
    """The network on each grid of the recipe's below its own."""
    if recipe.grid_extension is None or not isinstance(network, SplinedShape):
        return []
    return [
        network.model_copy(update={"grid": grid})
        for grid in recipe.grid_extension.grids
        if grid < network.grid
    ]


def ending_at(recipe: Recipe, network: Network) -> Recipe:
    """The recipe of a run that ends on the grid of this network, one of those that a run of the
    recipe goes through.
    """
    extension = recipe.grid_extension
    if extension is None or not isinstance(network, SplinedShape):
        return recipe
    grids = tuple(grid for grid in extension.grids if grid < network.grid)
    below = extension.model_copy(update={"grids": grids}) if grids else None
    return recipe.model_copy(update={"grid_extension": below})


def knot_update_points(recipe: Recipe, stage: int, evaluations: int) -> range:
    """The evaluations of a stage of that length before which a network's knots, if it has any, are
    moved.

    A later stage leaves out its first: the knots have just been moved before a refinement, or by
    the stage before.
    """
    updates = recipe.grid_updates
    if updates is None:
        return range(0)
    return range(updates.every if stage else 0, min(updates.until, evaluations), updates.every)


# Points of a PDE that go through the network at once: what their backward pass needs then stays in
# the cache, which makes an MLP of width 100 a quarter faster. One block more or less moves last
# bits, so it is the same for all.
PDE_BLOCK = 512


def at_a_time(recipe: Recipe, task: RunTask) -> RunTask:
    """The task with the training points that there are at a time: those of a phase, or all."""
    if recipe.phases is None:
        return task
    return task.model_copy(update={"train_points": task.train_points // recipe.phases})


def samples_per_evaluation(recipe: Recipe, train_points: int) -> int:
    """Points in one forward+backward pass: the batch, or all of them."""
    return min(recipe.optimizer.batch or train_points, train_points)
