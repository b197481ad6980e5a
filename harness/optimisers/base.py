"""What an optimiser gives; `adam.py` is the shortest one to read beside this page.

An optimiser is one file with two classes, both frozen:

    Adam(GradientOptimiser)  the settings that a recipe of an experiment file says, and all that
    follows from them AdamState(LaneState)     what the next step depends on, in every lane of a
    pack that trains

The torch engine has its lanes take one evaluation after the other:

    state = settings.start(position_RP)
    state = settings.evaluate(state, objective)     # tell(state, loss and gradient where it asks)

A lane knows nothing of the others, in any bit: see `lanes.py`. The fields of the settings decide
the ids of runs: make one that comes later `left_out_at` its default. Nothing here may import torch:
take it from `harness.families.later`.

Compiled loops, which an optimiser need not have, are in `harness/train/fused/optimisers/`.

Shape suffixes: R lanes, P parameters, N points, I inputs, O outputs.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

from harness.base.frozen import Frozen
from harness.families.later import Tensor, torch
from harness.families.shape import ShapeBase
from harness.optimisers.lanes import choose, shaped_like


@dataclass(frozen=True)
class LaneState:
    """What is asked of any state. Its tensors lead with the lane, other fields are common to all
    lanes.

    What an evaluation changes is a tensor: other fields stay as `start` gave them, as a GPU repeats
    recorded steps.

    It is a checkpoint as it is (see `harness.train.checkpoint`), at any evaluation.
    """

    position_RP: Tensor  # where training would stop now; for a diverged lane, before it left
    iterations_R: Tensor
    evaluations_R: Tensor
    # it has converged; like a diverged lane it stays where it is, and is no longer counted
    finished_R: Tensor
    diverged_R: Tensor


class LaneObjective(NamedTuple):
    """What the lanes minimise: its value [R] and gradient [R, P] at positions [R, P], and what it
    is made of.
    """

    loss_and_gradient: Callable[[Tensor], tuple[Tensor, Tensor]]
    network: ShapeBase
    knots: Sequence[Tensor]
    x_RNI: Tensor
    y_RNO: Tensor


class Optimiser(Frozen):
    """The settings of an optimiser, as a recipe says them; what follows the abstract methods it may
    give.
    """

    title: ClassVar[str]  # in a report
    state: ClassVar[type[LaneState]]
    tunable: ClassVar[
        tuple[str, ...]
    ] = ()  # read by nobody; classes of users set it, and their text is in ids of runs
    timing: ClassVar[tuple[str, ...] | None] = (
        None  # fields that cost time; None: all but `learning_rate`
    )
    needs_squares: ClassVar[bool] = (
        False  # it learns sums of squares only, and so neither classes nor a penalty
    )
    takes_batches: ClassVar[bool] = True  # it learns where each evaluation sees other points
    has_loop: ClassVar[bool] = False  # a compiled one, which the fused engine needs
    torch_version: ClassVar[int] = (
        1  # raise it when its torch lanes would take another path than before, in rounding
    )

    if TYPE_CHECKING:  # fields, which stand in files in the order of each optimiser
        name: str

    # ----------------------------------------------------------------------------------------------
    # counts
    @abstractmethod
    def flops(
        self, network: ShapeBase, samples: int, evaluations: int, iterations: int, starts: int
    ) -> int:
        """Its own arithmetic in a stage of training, without the passes through the network.

        That is `evaluations` over so many `samples`, and `iterations`, of all `starts` together.
        """

    def flops_on_zeros(self, network: ShapeBase, samples: int, evaluations: int) -> int:
        """Those of its `flops` that multiply zeros of a Jacobian: a convention that `skips_zeros`
        leaves them out.
        """
        return 0

    def kept_numbers(self, network: ShapeBase, residuals: int) -> int:
        """How many numbers its torch lanes keep of each lane, about: they bound the lanes of a
        pack.
        """
        return 8 * network.trainable

    def timed_by(self, network: ShapeBase) -> dict[str, Any]:
        """What the time of an evaluation hangs on, the network and its points apart: the fields of
        `timing`, as JSON.

        `harness bench` times an evaluation once for each.
        """
        names = (
            type(self).model_fields.keys() - {"name", "learning_rate"}
            if self.timing is None
            else set(self.timing)
        )
        return self.model_dump(mode="json", include=names)

    # ----------------------------------------------------------------------------------------------
    # torch lanes
    @abstractmethod
    def start(
        self,
        position_RP: Tensor,
        learning_rate_R: Tensor | None = None,
        total_steps: int | None = None,
    ) -> LaneState:
        """The state before any evaluation.

        `learning_rate_R` replaces the one `rate` of the settings, if they have one. `total_steps`
        is how many there will be at most, with which a schedule ends (`ending`).
        """

    @abstractmethod
    def evaluate(self, state: Any, objective: LaneObjective) -> Any:
        """The state after one evaluation in every lane; one at rest stays as it is, bit for bit."""

    def moved(self, state: Any, fresh: Any, moving_R: Tensor) -> Any:
        """The state after knots were moved in the lanes of the mask, which stand elsewhere since:
        see `fresh`.

        They begin anew, as what an optimiser knows is of other coefficients.
        """
        merged = dict(vars(state))
        for name, kept in vars(state).items():
            if isinstance(kept, torch.Tensor):
                merged[name] = choose(moving_R, shaped_like(kept, getattr(fresh, name)), kept)
        return type(state)(**merged)

    def counters(self, state: Any) -> Tensor:
        """Evaluations, iterations and refused steps of every lane, [3, R]."""
        return torch.stack(
            [state.evaluations_R, state.iterations_R, torch.zeros_like(state.iterations_R)]
        )

    # ---------------------------------------------------------------------------------------------
    # what it cannot learn
    def why_no_pde(self) -> str | None:
        """Why it cannot learn a PDE, from the field that says so, or None."""
        return None

    def why_infeasible(self, network: ShapeBase, points: int) -> str | None:
        """Why it cannot train this network on so many points, or None."""
        return None

    def without_loop(self) -> str | None:
        """Why the fused engine cannot train by it, or None."""
        return None if self.has_loop else f"has no compiled loop of optimizer: {self.name}"

    def check(self) -> None:
        """A HarnessError if it cannot train at all."""

    # ----------------------------------------------------------------------------------- learning
    # rate, batch, schedule
    @property
    def rate(self) -> float | None:
        """Its field `learning_rate`, if `start` takes one a lane: runs that differ in it alone then
        train together.
        """
        return None

    @property
    def batch(self) -> int | None:
        """Points of an evaluation, or None for all of them."""
        return None

    def constant_until(self, total_steps: int) -> int:
        """The step until which a run of so many is the beginning of every longer one: all, without
        a schedule.
        """
        return total_steps

    @property
    def is_scheduled(self) -> bool:
        """Whether its steps depend on `total_steps`, so that a shorter run is no beginning of a
        longer one.
        """
        return self.constant_until(1) < 1

    def ending(self, state: Any, total_steps: int) -> Any:
        """The state with another end of its schedule."""
        return state

    @property
    def spans(self) -> int | None:
        """How many evaluations its schedule spans, or None for those of its run."""
        return None

    def that_matters(self, network: ShapeBase, points: int) -> Self:
        """The same without what changes nothing for this network and so many points: the same run
        has the same id.
        """
        return self


class GradientOptimiser(Optimiser):
    """One that needs of an objective its value and its gradient only."""

    @abstractmethod
    def tell(self, state: Any, loss_R: Tensor, gradient_RP: Tensor) -> Any:
        """The state after an evaluation where every lane asked; one at rest stays as it is, bit for
        bit.
        """

    def ask(self, state: Any) -> Tensor:
        """Where every lane wants its next loss and gradient, [R, P]; a lane at rest asks for where
        it stays.
        """
        return state.position_RP

    def evaluate(self, state: Any, objective: LaneObjective) -> Any:
        loss_R, gradient_RP = objective.loss_and_gradient(self.ask(state))
        with torch.no_grad():
            return self.tell(state, loss_R, gradient_RP)


def begun(position_RP: Tensor) -> dict[str, Tensor]:
    """The fields of `LaneState` before any evaluation."""
    counter_R = torch.zeros(len(position_RP), dtype=torch.int64, device=position_RP.device)
    return {
        "position_RP": position_RP.detach().clone(),
        "iterations_R": counter_R,
        "evaluations_R": counter_R,
        "finished_R": counter_R.bool(),
        "diverged_R": counter_R.bool(),
    }
