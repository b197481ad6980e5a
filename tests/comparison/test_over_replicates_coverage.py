"""Student's interval over replicates, on populations of kept runs: does it hold what the population
has?

A population is all runs of a kept search of one side at 320 to 400 parameters, from which
replicates draw. A cell has 16,000 replicates: a share of 16 replicates has a standard error of .7
%, and bounds leave room for two of them.
"""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from harness.comparison.effort import Searched, value
from harness.laws.replicates import half_width
from harness.record.kept import KEPT_RECORDS, read_lines

pytestmark = pytest.mark.nightly

KEPT = Path(__file__).parents[2] / "results" / "verdicts" / "toys-short" / KEPT_RECORDS
FORMULAS_SHAPE = {
    "j0": [1, 1],
    "exp2d": [2, 1, 1],
    "xy": [2, 2, 1],
    "exp4d": [4, 2, 1, 1],
}  # an arm that knows it
SIDES = ("kan", "mlp", "spline_mlp")
REPLICATES = 16_000
NUMBERS = (4, 8, 16)
LEVEL = 0.95
FAILING = [pytest.param(0.0, id="none fails"), pytest.param(0.2, id="a fifth fails")]


@pytest.fixture(scope="module")
def populations():
    """Validation and test loss of each run, the best first, by task and side."""
    found = {}
    for line in read_lines(KEPT).by_run.values():
        parameters = re.search(r'"params.trainable":(\d+)', line.text)
        if not 320 < int(parameters[1]) <= 400:
            continue
        record = json.loads(line.text)
        run, metrics = record["run"], record["metrics"]
        task, network = run["task"]["target"], run["network"]
        if metrics and network["shape"] != FORMULAS_SHAPE[task]:
            losses = (metrics["validation_rmse"], metrics["test_rmse"])
            found.setdefault((task, network["family"]), []).append(losses)
    assert len(found) == len(FORMULAS_SHAPE) * len(SIDES)
    assert min(map(len, found.values())) > 200
    return {key: np.array(sorted(losses)) for key, losses in found.items()}


def truth(population, effort, failing):
    """The mean ln test loss of the best of `effort` runs, of those that do not all fail."""
    worse = 1 - (1 - failing) * np.arange(len(population) + 1) / len(population)
    return -np.diff(worse**effort) @ np.log(population[:, 1]) / (1 - failing**effort)


def drawn(rng, population, runs, failing, effort=None, replicates=REPLICATES):
    """The value of each of so many replicates of so many runs."""
    validation, test = population[rng.integers(0, len(population), (replicates, runs))].transpose(
        2, 0, 1
    )
    diverged = rng.random(validation.shape) < failing
    same = np.zeros(validation.shape)
    return value(
        Searched(same, same, np.where(diverged, np.nan, validation), test), 0, effort
    ).ln_loss


def share_that_holds(numbers, mean, replicates):
    """How often the interval of so many replicates holds the mean."""
    groups = numbers.reshape(-1, replicates)
    half = half_width(1.0, replicates, LEVEL) * groups.std(axis=1, ddof=1)
    return np.mean(np.abs(groups.mean(axis=1) - mean) <= half)


@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize(("runs", "effort"), [(8, None), (32, None), (32, 8)])
def test_the_interval_of_a_ratio_holds_the_populations(populations, runs, effort, failing):
    """Intervals of 8 and 16 replicates hold it in 92 to 96 % of the cases, whatever task and rival,
    but for one.

    Losses of the best of 32 are skewed, so four replicates are a little few: 87 to 96 %. Eight and
    sixteen are a little few for KAN and MLP on exp2d, where KANs' losses are most skewed: 90.7 and
    91.9 % (results/LOG.md).
    """
    rng = np.random.default_rng(1)
    shares = []
    for task in FORMULAS_SHAPE:
        numbers, means = {}, {}
        for side in SIDES:
            population = populations[task, side]
            numbers[side] = drawn(rng, population, runs, failing, effort)
            means[side] = truth(population, effort or runs, failing)
        for rival in SIDES[1:]:
            gaps, mean = numbers[rival] - numbers["kan"], means[rival] - means["kan"]
            shares.append([share_that_holds(gaps, mean, number) for number in NUMBERS])
    of_four, of_eight, of_sixteen = np.transpose(shares)
    skewed = [*FORMULAS_SHAPE].index("exp2d") * len(SIDES[1:])
    others = np.delete([of_eight, of_sixteen], skewed, axis=1)

    assert np.max(shares) < 0.98
    assert of_four.min() > 0.86
    assert others.min() > 0.91
    assert min(of_eight[skewed], of_sixteen[skewed]) > 0.89
    assert np.mean(others) == pytest.approx(0.946, abs=0.008)


@pytest.mark.parametrize("failing", FAILING)
@pytest.mark.parametrize("runs", [8, 32])
def test_equal_arms_are_decided_in_six_of_a_hundred_cases_at_most(populations, runs, failing):
    """Two sides that are one arm, each with runs of its own: over 4, 8 and 16 replicates, whatever
    the task and arm.
    """
    rng = np.random.default_rng(2)
    for population in populations.values():
        one, other = (
            drawn(rng, population, runs, failing, replicates=2 * REPLICATES) for _ in range(2)
        )
        gaps = other - one
        decided = [1 - share_that_holds(gaps, 0.0, number) for number in NUMBERS]
        assert np.mean(decided) < 0.06
