"""Batches, losses and observations that a task brings: no engine knows of them, and each run has
its own bits.
"""

from dataclasses import dataclass, replace

import pytest
from commands import refused
from packs import outcomes_of_any_company, trained_runs

from harness.families import KanShape, MlpShape
from harness.optimisers import Adam
from harness.spec.recipe import Recipe
from harness.spec.run import RunSpec
from harness.spec.task import Task
from harness.tasks import draw, resolve
from harness.tasks.loss import Observation, OwnLoss
from harness.tasks.samples import SHUFFLED, Batches
from harness.train import ENGINES

TASK = resolve(Task(target="exp2d", train_points=30, validation_points=20, test_points=5000))
RECIPE = Recipe(optimizer=Adam(name="adam", learning_rate=0.02, batch_size=10), max_evaluations=25)
NETWORKS = {"torch": KanShape(shape=(2, 2, 1), grid=3), "fused": MlpShape(shape=(2, 4, 1))}


class MeanOutput(Observation):
    """What the network gives on average."""

    def value(self, seen):
        return seen.outputs_NO.mean().item()


class FarFromFirst(Observation):
    """The mean distance of outputs from the first variable."""

    def value(self, seen):
        return (seen.outputs_NO[:, 0] - seen.points.x[0, :, 0]).abs().mean().item()


class Worst(Observation):
    """The largest square."""

    def value(self, seen):
        return seen.losses_1K.max().item()


def observed_by(monkeypatch, engine, *observations, seeds=(0,), batches=SHUFFLED):
    """Runs whose task observes this, and feeds training so."""
    drawn = {
        seed: replace(draw(TASK, seed), observations=observations, batches=batches)
        for seed in seeds
    }
    monkeypatch.setattr("harness.train.points._drawn", lambda task, seed: drawn[seed])
    return [
        RunSpec(task=TASK, network=NETWORKS[engine], recipe=RECIPE, seed=seed, engine=engine)
        for seed in seeds
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_values_are_made_at_their_moments_and_change_nothing_else(monkeypatch, engine):
    (bare,) = trained_runs(observed_by(monkeypatch, engine)).outcomes
    kinds = (
        MeanOutput("late"),
        MeanOutput("always", at="curve"),
        Worst("worst", split="validation", at=10),
    )
    (seen,) = trained_runs(observed_by(monkeypatch, engine, *kinds)).outcomes

    assert seen.metrics.model_copy(update={"observed": None}) == bare.metrics
    assert seen.metrics.observed.keys() == {"late", "always", "worst"}
    assert (
        seen.metrics.observed["late"]
        == seen.metrics.observed["always"]
        == seen.curve[-1].observed["always"]
    )
    moments = {"always": [1, 2, 3, 4, 6, 8, 11, 16, 23, 25], "worst": [10, 20, 25]}
    for name, expected in moments.items():
        assert [
            point.evaluations for point in seen.curve if name in (point.observed or {})
        ] == expected
    plain = {point.evaluations: point.model_copy(update={"observed": None}) for point in seen.curve}
    assert [plain[point.evaluations] for point in bare.curve] == list(bare.curve)


@pytest.mark.parametrize("engine", ENGINES)
def test_what_is_observed_knows_nothing_of_company_and_interruptions(monkeypatch, engine):
    kinds = MeanOutput("mean", at="curve"), Worst("worst", at=7)
    outcomes_of_any_company(observed_by(monkeypatch, engine, *kinds, seeds=(0, 1)))


@dataclass(frozen=True)
class Stream(Batches):
    """Points that no evaluation has seen before, of another function: the first variable."""

    def per_epoch(self, points, size):
        return 1

    def epoch(self, generator, points, size):
        x = generator.uniform(-1, 1, (size, 2))
        return x, x[:, :1]

    def seen(self, train, feed):
        x, y = feed
        return replace(train, x=x.to(train.x), y=y.to(train.y))


def test_a_task_may_draw_fresh_points_for_every_evaluation(monkeypatch):
    runs = observed_by(
        monkeypatch, "torch", FarFromFirst("far", at="curve"), seeds=(0, 1), batches=Stream()
    )
    far = [point.observed["far"] for point in outcomes_of_any_company(runs)[1].curve]
    assert far[-1] < far[0] / 2


class Nothing(Observation):
    """What cannot be told."""

    def value(self, seen):
        return float("nan")


def test_a_value_that_is_not_finite_is_left_out(monkeypatch):
    (outcome,) = trained_runs(
        observed_by(monkeypatch, "torch", Nothing("nothing", at="curve"), MeanOutput("mean"))
    ).outcomes

    assert outcome.status == "done"
    assert outcome.metrics.observed.keys() == {"mean"}
    assert all(point.observed is None for point in outcome.curve)


@dataclass(frozen=True)
class Mixing(OwnLoss):
    """The share of a point in the whole loss."""

    metric = "mixing"

    def of_outputs(self, outputs_RNO, y_RNO):
        squares = (outputs_RNO - y_RNO).square()
        return squares / squares.sum(1, keepdim=True)


def test_one_observation_needs_no_list(here, monkeypatch):
    (here / "mine.py").write_text(OF_ONES_OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(here))
    (observation,) = draw(resolve(Task(target="mine:distance", inputs=2)), 0).observations
    assert observation.name == "mean"
    assert "two of its observations have the name 'test_largest_error'" in refused(
        resolve, Task(target="mine:twice", inputs=2)
    )
    assert "`metric`, the name of its mean; add it" in refused(
        resolve, Task(target="mine:nameless", inputs=2)
    )


OF_ONES_OWN = """
from harness.tasks.loss import Observation, OwnLoss


class Mean(Observation):
    def value(self, seen):
        return seen.outputs_NO.mean().item()


class Nameless(OwnLoss):
    def of_outputs(self, outputs_RNO, y_RNO):
        return (outputs_RNO - y_RNO).square()


def distance(x):
    return x[:, 0]


def nameless(x):
    return x[:, 0]


def twice(x):
    return x[:, 0]


distance.observations = Mean("mean")
twice.observations = Mean("test_largest_error")
nameless.loss = Nameless()
"""


def test_a_loss_whose_points_know_of_each_other_is_refused():
    assert "a point must add one finite number, by itself" in refused(Mixing().check)
