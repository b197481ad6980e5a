"""Optimisers of both engines behind one face: lanes of torch side by side, compiled loops one lane
after the other.

What they are `seen` to be is named by lane, as in torch. Legend: R lanes, P parameters.
"""

from importlib import import_module
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from harness.optimisers.lbfgs import LbfgsState


class InTorch:
    """Lanes of the torch engine."""

    def start(self, settings, position_RP):
        return settings.start(position_RP)

    def ask(self, settings, state):
        return settings.ask(state)

    def tell(self, settings, state, loss_R, gradient_RP):
        return settings.tell(state, loss_R, gradient_RP)

    def linearised(self, settings, state, case, evaluations=1):
        """After so many evaluations more of least squares."""
        for _ in range(evaluations):
            state = settings.tell(state, case.system(settings, settings.ask(state)))
        return state

    def seen(self, state):
        if not isinstance(state, LbfgsState):
            return SimpleNamespace(**vars(state))
        return SimpleNamespace(**vars(state), loss_R=state.search.start_RZ[:, 1])


class Compiled:
    """Loops of the fused engine: a state a lane."""

    def _loop(self, settings):
        return import_module(
            f"harness.train.fused.optimisers.{settings.name.removesuffix('_marquardt')}"
        )

    def start(self, settings, position_RP):
        return [
            self._loop(settings).start(settings, position_P.numpy()) for position_P in position_RP
        ]

    def ask(self, settings, states):
        return torch.from_numpy(np.stack([self._loop(settings).ask(state) for state in states]))

    def tell(self, settings, states, loss_R, gradient_RP):
        lanes = zip(states, loss_R.tolist(), gradient_RP.numpy(), strict=True)
        return [self._loop(settings).tell(settings, *lane) for lane in lanes]

    def linearised(self, settings, states, case, evaluations=1):
        from harness.train.fused_engine import splines_of

        splines = splines_of(case.network)
        return [
            self._loop(settings).advance(settings, state, case.problem(lane), evaluations, splines)
            for lane, state in enumerate(states)
        ]

    def seen(self, states):
        found = {}
        for name in vars(states[0]):
            values = [getattr(state, name) for state in states]
            word, _, axes = name.rpartition("_")
            if isinstance(values[0], np.ndarray):
                found[f"{word}_R{axes}"] = torch.from_numpy(np.stack(values))
            else:
                found[f"{name}_R"] = torch.from_numpy(np.array(values))
        return SimpleNamespace(**found)


IN_TORCH, COMPILED = InTorch(), Compiled()
slow = pytest.mark.slow  # compiling takes longer than all other tests of a file
every_kind = pytest.mark.parametrize(
    "kind", [IN_TORCH, pytest.param(COMPILED, marks=slow)], ids=["torch", "compiled"]
)


def same(one, other, lanes=slice(None), others=None):
    """Whether what is seen of these lanes is the same in every bit, NaN included."""
    others = lanes if others is None else others
    return all(
        torch.equal(value[lanes].nan_to_num(7.0), vars(other)[name][others].nan_to_num(7.0))
        for name, value in vars(one).items()
        if isinstance(value, torch.Tensor)
    )
