"""How a run is trained: the optimiser, and what happens before, between and after its evaluations."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, FiniteFloat, PositiveInt, model_validator

from harness.base.frozen import Frozen, Positive, is_empty, is_none
from harness.optimisers import Lbfgs, Optimiser, OptimiserField, PenaltyOptimiserField


class Restarts(Frozen):
    """`count` short starts of `evaluations` each; the best by training loss goes on. All of them are counted work."""

    count: PositiveInt = 1
    evaluations: PositiveInt = 50

    @property
    def spent(self) -> int:
        """Evaluations of all starts together; none of a single one, which is the run itself."""
        return self.count * self.evaluations if self.count > 1 else 0


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
    equal: bool = Field(False, exclude_if=is_empty)

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
    per_range: bool = Field(False, exclude_if=is_empty)
    snap: bool = Field(False, exclude_if=is_empty)


class Recipe(Frozen):
    """How a run is trained. `max_evaluations` caps all forward+backward passes of a run, restarts and stages included.

    `gain` multiplies the standard deviation of the initial weights (MLP) or of the initial coefficients and base
    weights (KAN). With `phases` the training points, ordered by their first variable, come in so many groups of equal
    size, one after the other: each phase goes on from the network that the last one left, sees its own group only,
    begins with a fresh optimiser, and has its equal share of `max_evaluations`. With `early_stopping` a run's network
    is the one of least validation error that its learning curve saw at the run's own size; the work is the whole run's.
    """

    optimizer: OptimiserField
    max_evaluations: PositiveInt
    restarts: Restarts = Restarts()
    gain: Positive = 1.0
    grid_updates: GridUpdates | None = None
    grid_extension: GridExtension | None = None
    sparsity: Sparsity | None = Field(None, exclude_if=is_none)
    phases: Annotated[int, Field(ge=2, le=1000)] | None = Field(None, exclude_if=is_none)
    early_stopping: bool = Field(False, exclude_if=is_empty)

    @property
    def optimisers(self) -> dict[str, Optimiser]:
        """By their place in the recipe all its optimisers: its own, and that of the penalised part if it has one."""
        penalised = self.sparsity.optimizer if self.sparsity else None
        return {"optimizer": self.optimizer} | ({"sparsity.optimizer": penalised} if penalised else {})

    @property
    def can_stop(self) -> bool:
        """Whether a shorter run is the beginning of this one: not with a decaying schedule, phases or a penalty."""
        return not (self.optimizer.is_scheduled or self.phases or self.sparsity)

    @model_validator(mode="after")
    def _parts_agree(self) -> Recipe:
        most = self.max_evaluations
        penalised = self.sparsity and (self.sparsity.optimizer or self.optimizer)
        if penalised and penalised.needs_squares:
            raise ValueError(
                f"sparsity: its penalty is no sum of squares, which {penalised.name} needs; "
                "give the penalised part an optimizer of its own, sparsity.optimizer: {name: lbfgs}"
            )
        others = {  # phases begin where the last one ended
            "restarts": self.restarts.count > 1,
            "grid_extension": self.grid_extension,
            "sparsity": self.sparsity,
            "early_stopping": self.early_stopping,
        }
        given = [name for name, value in others.items() if value]
        if self.phases and given:
            raise ValueError(f"phases={self.phases} does not go with {given[0]}; leave one of the two out")
        if self.phases and most < self.phases:
            raise ValueError(f"phases={self.phases}: max_evaluations={most} leaves some of them none")
        whole = self.optimizer.spans
        if whole and whole < most:
            raise ValueError(f"decays_over={whole} is less than max_evaluations={most}; say at least that")
        if whole and (self.phases or self.sparsity):
            part = "phases" if self.phases else "sparsity"
            raise ValueError(f"{part} does not go with decays_over={whole}; leave one of the two out")
        if self.restarts.spent >= most:
            raise ValueError(
                f"restarts use {self.restarts.spent} evaluations, which leaves none of max_evaluations={most}"
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
