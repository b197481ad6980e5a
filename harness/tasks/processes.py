"""Hidden Markov processes, whose optimum is known: what a network should believe after each token
(Shai et al. 2024).

A process has states and, for each token v, the probabilities T[v, s, s'] to emit v and go from s to
s'. After tokens x1 ... xt an observer's belief is the distribution over states b T[x1] ... T[xt],
normalised, from the stationary one. The next token has the probabilities b T[v] 1. arXiv 2405.15943
finds the beliefs in a transformer's residual stream.

Shape suffixes: N sequences, T positions, V tokens, S states, D width, M positions of all sequences.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import NamedTuple

import numpy as np

from harness.families import TransformerShape, unflatten
from harness.families.later import Tensor, torch
from harness.spec.task import RunTask, Task
from harness.tasks.function import Function
from harness.tasks.loss import Loss, Observation, Seen
from harness.tasks.samples import Array
from harness.tasks.sequences import Excess, Sequences, Tokens
from harness.tasks.target import TargetError

SHAI = "Shai et al. 2024, arXiv 2405.15943, appendix A"
FITTED = 0.2  # of the sequences: a probe is fitted to these, and its error is that of the others


@dataclass(frozen=True, eq=False)
class Process(Sequences):
    """A hidden Markov process with transitions T [V, S, S']."""

    transitions: Array
    formula: str
    version: str = "1"
    source: str = SHAI

    @property
    def inputs(self) -> int:  # type: ignore[override]
        return int(self.settings["context"])

    @property
    def vocabulary(self) -> int:  # type: ignore[override]
        return len(self.transitions)

    @property
    def loss(self) -> Loss:  # type: ignore[override]
        return Excess(self.vocabulary)

    @cached_property
    def stationary_S(self) -> Array:
        """The distribution over states that a step leaves as it is."""
        values, vectors = np.linalg.eig(self.transitions.sum(0).T)
        vector = np.real(vectors[:, np.argmin(np.abs(values - 1))])
        return np.asarray(vector / vector.sum())

    def resolve(self, task: Task) -> RunTask:
        resolved = super().resolve(task)
        if resolved.test_points < 2:
            raise TargetError(
                "test_points=1: a probe is fitted to some test sequences and judged by others; "
                "give more"
            )
        return resolved

    def sampler(self, split: str, context: int) -> Callable[[np.random.Generator, int], Tokens]:
        return partial(self.sample, length=context + 1)

    def sample(self, generator: np.random.Generator, number: int, length: int) -> Tokens:
        """Sequences [number, length] that begin in the stationary distribution."""
        states = self.transitions.shape[1]
        steps = np.cumsum(
            self.transitions.transpose(1, 0, 2).reshape(states, -1), axis=1
        )  # of (token, next state)
        state_N = generator.choice(states, size=number, p=self.stationary_S)
        tokens = np.empty((number, length), np.int64)
        for position in range(length):
            drawn_N1 = generator.random((number, 1)) * steps[state_N, -1:]
            tokens[:, position], state_N = np.divmod((drawn_N1 >= steps[state_N]).sum(1), states)
        return tokens

    def beliefs(self, tokens: Tokens) -> Array:
        """The belief after each token, [N, T, S]."""
        belief_NS, beliefs = (
            np.broadcast_to(self.stationary_S, (len(tokens), len(self.stationary_S))),
            [],
        )
        for token_N in tokens.T:
            belief_NS = np.einsum("ns,nsr->nr", belief_NS, self.transitions[token_N])
            belief_NS = belief_NS / belief_NS.sum(1, keepdims=True)
            beliefs.append(belief_NS)
        return np.stack(beliefs, 1)

    def next_tokens(self, beliefs: Array) -> Array:
        """The probabilities of the next token, [N, T, V]."""
        return np.einsum("nts,vsr->ntv", beliefs, self.transitions)

    def wanted(self, tokens: Tokens) -> Array:
        """The probabilities of the next token after each but the last one, [N, T V]."""
        return self.next_tokens(self.beliefs(tokens[:, :-1])).reshape(len(tokens), -1)

    @property
    def observations(self) -> tuple[Observation, ...]:  # type: ignore[override]
        return (
            BeliefError("belief_error", process=self),
            LeftByBlock("left_by_block", process=self),
        )


# --------------------------------------------------------------------------------------------------
# probes
class Probed(NamedTuple):
    """Beliefs [M, S] at all positions of the sequences that no probe was fitted to: true ones, and
    those it reads.
    """

    true: Array
    read: Array

    @property
    def error(self) -> float:
        """The mean squared error of a state's probability."""
        return float(np.square(self.read - self.true).mean())


def probed(process: Process, seen: Seen) -> tuple[Probed, Probed]:
    """What an affine probe reads from the residual stream before the last block, and after it.

    It is fitted by least squares to all positions of a fifth of the sequences.
    """
    network, loss = seen.network, seen.points.loss
    assert isinstance(network, TransformerShape)
    parameters = unflatten(network, seen.flat_1P)
    with torch.no_grad():
        parts = [
            network.states(parameters, seen.knots, part.x)[-2:] for part in loss.parts(seen.points)
        ]
    beliefs = process.beliefs(seen.points.x[0].long().numpy(force=True))
    before, after = (_read(torch.cat(states, 1)[0], beliefs) for states in zip(*parts, strict=True))
    return before, after


def _read(state_NTD: Tensor, belief_NTS: Array) -> Probed:
    fitted = max(1, round(FITTED * len(state_NTD)))
    x_NTD = state_NTD.double().numpy(force=True)
    x_NTE = np.concatenate([x_NTD, np.ones_like(x_NTD[:, :, :1])], 2)
    train, test = (np.concatenate(part) for part in (x_NTE[:fitted], x_NTE[fitted:]))
    weights, *_ = np.linalg.lstsq(train, np.concatenate(belief_NTS[:fitted]), rcond=None)
    return Probed(np.concatenate(belief_NTS[fitted:]), test @ weights)


@dataclass(frozen=True)
class BeliefError(Observation):
    """The mean squared error of beliefs that a probe reads after the last block."""

    process: Process | None = None

    def value(self, seen: Seen) -> float:
        assert self.process
        return probed(self.process, seen)[1].error


class LeftByBlock(BeliefError):
    """The share of a probe's squared error before the last block that is left after it.

    One layer of attention can only make a constrained belief (Piotrowski et al. 2025, arXiv
    2502.01954). The block does the rest of the way to the true one, and this says how much of the
    way it leaves.
    """

    def value(self, seen: Seen) -> float:
        assert self.process
        before, after = probed(self.process, seen)
        return after.error / before.error


# --------------------------------------------------------------------------------------------------
# processes
def mess3(stay: float, leave: float) -> Array:
    """T of Mess3: three states, each with a token of its own; `stay` is alpha and `leave` x of the
    paper.
    """
    elsewhere, stays = leave, 1 - 2 * leave
    own_token, other_token = stay, (1 - stay) / 2
    emission = np.full((3, 3), other_token) + (own_token - other_token) * np.eye(
        3
    )  # [token, next state]
    move = np.full((3, 3), elsewhere) + (stays - elsewhere) * np.eye(3)  # [state, next state]
    return emission[:, None, :] * move[None]


def rrxor() -> Array:
    """T of RRXOR: two random bits and their exclusive or, again and again; states S, 0, 1, true,
    false.
    """
    start, zero, one, true, false = range(5)
    transitions = np.zeros((2, 5, 5))
    for state, next_of in {start: (zero, one), zero: (false, true), one: (true, false)}.items():
        for token, next_state in enumerate(next_of):
            transitions[token, state, next_state] = 0.5
    transitions[1, true, start] = transitions[0, false, start] = 1.0
    return transitions


def mess3_update(x: Array) -> Array:
    """What Mess3's observer believes of state B after token A: one step of an update that a block
    has to learn.

    x [n, 2] -> [n]. x1 is the belief in A before it, x2 the share of the rest that B has. It is a
    ratio of polynomials.
    """
    of_a = x[:, 0]
    of_b = (1 - of_a) * x[:, 1]
    before_NS = np.stack([of_a, of_b, 1 - of_a - of_b], 1)
    after_NS = before_NS @ mess3(0.85, 0.05)[0]
    return np.asarray(after_NS[:, 1] / after_NS.sum(1))


TASKS = {
    "mess3_update": Function(
        mess3_update, inputs=2, formula="(b T)₂/(b T 1), a step of Mess3's beliefs", source=SHAI
    ),
    "mess3": Process(
        mess3(0.85, 0.05),
        "Mess3, x = 0.05, alpha = 0.85: three states, whose beliefs form a fractal",
    ),
    "mess3_blurred": Process(
        mess3(0.6, 0.15), "Mess3, x = 0.15, alpha = 0.6: beliefs that overlap"
    ),
    "rrxor": Process(
        rrxor(), "two random bits and their exclusive or, again and again; 36 beliefs"
    ),
}
