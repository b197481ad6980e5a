"""Hidden Markov processes: optima and beliefs by enumeration, as published; losses that vanish at
the optimum.
"""

from itertools import product

import numpy as np
import pytest
import torch
from commands import refused
from scipy.special import xlogy

from harness.base.errors import HarnessError
from harness.families import Transformer
from harness.spec.task import Task
from harness.tasks import TASKS, draw, resolve
from harness.tasks.baselines import baselines
from harness.tasks.loss import LanePoints, Seen
from harness.tasks.processes import BeliefError
from harness.tasks.sequences import NEXT_TOKEN, Excess

# Optimal cross-entropies after 1 to 9 tokens, in nats, by enumeration of all sequences; see
# docs/sequences.md.
OPTIMA = {
    "mess3": (
        0.857719,
        0.813356,
        0.798118,
        0.794740,
        0.793783,
        0.793543,
        0.793480,
        0.793463,
        0.793459,
    ),
    "rrxor": (
        0.693147,
        0.636514,
        0.628487,
        0.598679,
        0.577623,
        0.561458,
        0.539847,
        0.526940,
        0.515819,
    ),
}


def optimum(process, context):
    """The least possible cross-entropy of the next token, in nats: its mean over the positions of
    all sequences.
    """
    tokens = np.array(list(product(range(process.vocabulary), repeat=context)))
    weight_N = np.broadcast_to(process.stationary_S, (len(tokens), len(process.stationary_S)))
    for token_N in tokens.T:
        weight_N = np.einsum("ns,nsr->nr", weight_N, process.transitions[token_N])
    possible = weight_N.sum(1) > 0  # some sequences cannot be
    p = process.next_tokens(process.beliefs(tokens[possible]))
    return weight_N.sum(1)[possible] @ -xlogy(p, p).sum(2).mean(1)


@pytest.mark.parametrize("name", OPTIMA)
def test_least_cross_entropies_are_those_of_enumeration(name):
    process = TASKS[name]
    for context in (1, 3, 9):
        assert optimum(process, context) == pytest.approx(np.mean(OPTIMA[name][:context]), abs=1e-6)
    assert optimum(TASKS["mess3_blurred"], 9) == pytest.approx(1.089203, abs=1e-6)
    assert optimum(TASKS["mess3"], 10) == pytest.approx(0.802512, abs=1e-6)


def test_transitions_are_those_of_the_paper():
    """T of token A of Mess3, as appendix A prints it; rows of all tokens together are
    distributions.
    """
    printed = [[0.765, 0.00375, 0.00375], [0.0425, 0.0675, 0.00375], [0.0425, 0.00375, 0.0675]]
    np.testing.assert_allclose(TASKS["mess3"].transitions[0], printed, rtol=1e-12)
    for name in ("mess3", "mess3_blurred", "rrxor"):
        np.testing.assert_allclose(TASKS[name].transitions.sum((0, 2)), 1, rtol=1e-12)


def test_beliefs_are_bayes_rule_and_rrxor_has_36_of_them():
    """Each of a token and its belief before; on Mess3 their variance by probability is the
    published one.
    """
    process, rng = TASKS["rrxor"], np.random.default_rng(0)
    tokens = process.sample(rng, 4000, 12)
    beliefs = process.beliefs(tokens)
    joint = np.einsum("nts,ntsr->ntr", beliefs[:, :-1], process.transitions[tokens[:, 1:]])
    np.testing.assert_allclose(beliefs[:, 1:], joint / joint.sum(2, keepdims=True), atol=1e-12)
    seen = {tuple(belief) for belief in beliefs.reshape(-1, 5).round(9)} | {
        tuple(process.stationary_S.round(9))
    }
    assert len(seen) == 36
    mess3 = TASKS["mess3"]
    varied = mess3.beliefs(mess3.sample(rng, 100_000, 9))
    assert np.square(varied - 1 / 3).mean() == pytest.approx(0.16114, rel=0.01)


def test_sequences_have_the_probabilities_of_the_process():
    process = TASKS["mess3"]
    tokens = process.sample(np.random.default_rng(1), 200_000, 3)
    seen = np.bincount(tokens @ [9, 3, 1], minlength=27) / len(tokens)
    expected = []
    for sequence in product(range(3), repeat=3):
        weight = process.stationary_S
        for token in sequence:
            weight = weight @ process.transitions[token]
        expected.append(weight.sum())
    np.testing.assert_allclose(seen, expected, atol=4 * np.sqrt(0.2 / len(tokens)))


def test_the_excess_is_0_at_the_optimum_and_the_cross_entropys_distance_from_it():
    task = resolve(Task(target="mess3", context=9, test_points=20_000))
    assert (task.inputs, task.outputs, task.metric) == (9, 27, "excess")
    splits = draw(task, 0)
    wanted = torch.from_numpy(splits.test.y)[None]
    loss = splits.test.loss
    assert isinstance(loss, Excess)
    assert loss.of_outputs(wanted.log(), wanted).abs().max() < 1e-12
    other = wanted.log() + torch.randn(wanted.shape, generator=torch.Generator().manual_seed(0)) / 3
    excess = loss.of_outputs(other, wanted).mean()
    log_q = other.unflatten(2, (9, 3)).log_softmax(3)
    cross_entropy = -(wanted.unflatten(2, (9, 3)) * log_q).sum(3).mean()
    least = optimum(TASKS["mess3"], 9)
    assert excess.item() == pytest.approx(
        cross_entropy.item() - least, abs=2e-3
    )  # of the sequences drawn
    tokens = TASKS["mess3"].sample(np.random.default_rng(2), 20_000, 10)
    right = torch.from_numpy(np.log(TASKS["mess3"].wanted(tokens)))[None]
    of_tokens = NEXT_TOKEN.of_outputs(right, torch.from_numpy(tokens[None, :, 1:].astype(float)))
    assert of_tokens.mean().item() == pytest.approx(least, abs=0.01)


def test_a_constant_knows_how_often_tokens_come():
    """Of Mess3, where each comes a third of the time, its excess is ln 3 less the optimum."""
    task = resolve(Task(target="mess3", context=9, test_points=20_000))
    assert baselines(task, draw(task, 0)).constant == pytest.approx(
        np.log(3) - optimum(TASKS["mess3"], 9), abs=2e-3
    )


def test_a_probe_reads_beliefs_that_a_state_holds():
    """A network whose residual stream is replaced by the beliefs, turned: the error is 0; of noise
    their variance.
    """
    process = TASKS["mess3"]
    task = resolve(Task(target="mess3", context=6, test_points=4000))
    test = draw(task, 0).test
    beliefs = process.beliefs(test.x.astype(int))
    turn = np.random.default_rng(0).standard_normal((3, 8))
    said = {"family": "transformer", "layers": 1, "width": 8, "block": {"family": "mlp"}}
    network = Transformer.model_validate(said).network_of(6, 18, "arm", scales=False)

    class Known(type(network)):
        def states(self, parameters, knots, x_RNT):
            own = torch.from_numpy(process.beliefs(x_RNT[0].long().numpy()) @ turn)[None]
            return [torch.zeros_like(own), own]

    flat = torch.zeros(1, network.trainable, dtype=torch.float64)
    points = LanePoints(torch.from_numpy(test.x)[None], torch.from_numpy(test.y)[None], test.loss)
    probe = BeliefError("belief_error", process=process)
    assert probe.value(Seen(Known(**dict(network)), flat, [], points)) < 1e-20
    nothing = probe.value(Seen(network, flat, [], points))
    assert nothing == pytest.approx(beliefs.reshape(-1, 3).var(0).mean(), rel=0.02)


def test_what_is_no_sequence_is_said():
    assert "inputs=3: mess3 is of sequences; say `context`" in refused(
        resolve, Task(target="mess3", inputs=3)
    )
    assert "a probe is fitted to some test sequences" in refused(
        resolve, Task(target="mess3", test_points=1)
    )
    with pytest.raises(
        HarnessError,
        match=r"context: it is of sequences \(.*mess3_blurred, rrxor\), and exp2d is none",
    ):
        resolve(Task(target="exp2d", context=3))


def test_the_update_is_a_step_of_the_beliefs():
    process, tokens = TASKS["mess3"], np.array(list(product(range(3), repeat=5)))
    beliefs_NTS = process.beliefs(np.pad(tokens, ((0, 0), (0, 1))))  # the last token is A
    of_a, of_b, _ = beliefs_NTS[:, -2].T
    updated = TASKS["mess3_update"].function(np.stack([of_a, of_b / (1 - of_a)], 1))
    assert updated == pytest.approx(beliefs_NTS[:, -1, 1], rel=1e-12)
