"""An optimiser of the user's own, `name: package.module:Class`: one file, of which nothing here
knows.

Its file is part of the identity of every run that it trains.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import Field, model_validator

from harness.base.errors import HarnessError
from harness.base.outside import check_outside, outside_class
from harness.base.user_code import calling_user_code
from harness.families.base import code_changed, code_version
from harness.families.later import torch
from harness.families.shape import ShapeBase
from harness.optimisers.base import GradientOptimiser

TRIED_STEPS = 5


class OutsideOptimiser(GradientOptimiser):
    """What a class of the user's derives from; `source` is the version of its code, which nobody
    writes.
    """

    source: str = Field("", repr=False)

    @model_validator(mode="before")
    @classmethod
    def _of_the_code_as_it_is(cls, fields: Any) -> Any:
        if not isinstance(fields, dict) or "name" not in fields:
            return fields
        return {"source": code_version(cls, fields["name"], "optimizer"), **fields}

    def timed_by(self, network: ShapeBase) -> dict[str, Any]:
        """Other code may take another time."""
        return {**super().timed_by(network), "source": self.source}

    def check(self) -> None:
        """A HarnessError if its code has changed since the plan was made, or if its lanes are not
        what they must be.
        """
        if self.source != code_version(type(self), self.name, "optimizer"):
            raise code_changed(f"optimizer {self.name}")
        _try_out(self)


def load_optimiser(reference: str) -> type[OutsideOptimiser]:
    """The class at `package.module:Class`, found from the current folder as well as the Python
    path.
    """
    kind = outside_class(reference, "optimizer", "name", OutsideOptimiser)  # type: ignore[type-abstract]
    check_outside(
        kind, reference, "optimizer", "name", ["title", "state"], "harness/optimisers/base.py"
    )
    fields = sorted(kind.model_fields.keys() - {"name", "source"})
    if not set(kind.timing or ()) <= set(fields):
        raise HarnessError(
            f"optimizer {reference}: timing = {kind.timing!r}: name fields of {kind.__name__}, as "
            "a tuple; it has "
            f"{', '.join(fields) or 'none'}"
        )
    return kind


@cache
def _try_out(settings: OutsideOptimiser) -> None:
    """A HarnessError if a few evaluations of |p - 1|^2 in two lanes are not counted, move nothing,
    or mix the lanes.
    """
    where = f"optimizer {settings.name}"
    with calling_user_code(where):
        begin_RP = torch.linspace(-1, 0, 9, dtype=torch.float64).reshape(3, 3)
        states = [settings.start(begin_RP[lanes], None, TRIED_STEPS) for lanes in ([0, 1], [0, 2])]
        for evaluation in range(1, TRIED_STEPS + 1):
            for index, state in enumerate(states):
                position_RP = settings.ask(state)
                loss_R, gradient_RP = (position_RP - 1).square().sum(1), 2 * (position_RP - 1)
                plain = _plain_fields(state)
                states[index] = state = settings.tell(state, loss_R, gradient_RP)
                if changed := [
                    name for name, value in _plain_fields(state).items() if value != plain.get(name)
                ]:
                    raise HarnessError(
                        f"{where}: tell changes {changed[0]} of the state, which is no tensor; "
                        "make it a tensor with "
                        "axis R in front, as a GPU repeats recorded steps and would not change it"
                    )
                counted, resting_R = (
                    state.evaluations_R.tolist(),
                    state.finished_R | state.diverged_R,
                )
                if counted != [evaluation] * 2 and not resting_R.any():
                    raise HarnessError(
                        f"{where}: evaluations_R is {counted} after {evaluation} evaluations; add "
                        "1 in every lane that "
                        "has not finished or diverged"
                    )
        first, second = states
        if torch.equal(first.position_RP, begin_RP[:2]):
            raise HarnessError(
                f"{where}: {TRIED_STEPS} evaluations of a parabola leave position_RP where it was"
            )
        if not torch.equal(first.position_RP[0], second.position_RP[0]):
            raise HarnessError(
                f"{where}: a lane depends on the lane beside it; keep axis R apart everywhere"
            )


def _plain_fields(state: Any) -> dict[str, Any]:
    return {
        name: value
        for name, value in vars(state).items()
        if isinstance(value, int | float | str | None)
    }
