"""Intervals hold the truth as often as they say, by the simulations of benchmarks/coverage.py.

A few replicates by default, where three binomial standard errors are allowed for; slow: 500, and nothing is.
"""

import numpy as np
import pandas as pd
import pytest

from benchmarks.coverage import BIAS, COMPARED, REPLICATES, SCENARIOS, pool, simulate, simulated

SCENARIO = {scenario.name: scenario for scenario in SCENARIOS}
GLANCE = {
    "pure law": 120,
    "pure law, noise only (exponent 0)": 80,
    "pure law, size effect of sd .05": 80,
    "pure law, sd .3 falling to .05": 80,
    "floor, reducible 1 times the floor": 40,
    "floor, sd .05 rising to .3": 20,
    "5 % of runs 8 times too high": 40,
    "1 of 5 runs failed at the two largest sizes, x1000": 40,
    "choice of a law, no floor": 30,
    "choice of a law, reducible 3 times the floor": 20,
    "cost, pure laws": 60,
    "cost, floors": 15,
    "crossing": 15,
    "crossing, weak: 5 sizes over a decade": 20,
    "exponents, pure laws": 60,
    "exponents, floors": 15,
    "arms that share floor and exponent": 20,
    "equal arms, the one run 44 times and the other 6": 300,
}
COSTLY = {"crossing, floors": 120}  # half a second each


def missed(scenario, rows, errors):
    """The scores whose mean is further outside of the accepted range than so many standard errors."""
    kept = pd.DataFrame([row for row in rows if row is not None])
    assert len(kept) >= (1 - scenario.refused) * len(rows)
    found = {}
    for what, accepted in scenario.accepted.items():
        mean = kept[what].mean()
        spreads = [kept[what].std() if what == BIAS else np.sqrt(end * (1 - end)) for end in accepted[:2]]
        below, above = errors * np.array(spreads) / np.sqrt(len(kept))
        if not accepted.low - below <= mean <= accepted.high + above:
            found[what] = (mean, accepted)
    return found


@pytest.mark.parametrize("name", GLANCE)
def test_acceptance_at_a_glance(name):
    """No score of a few replicates is further off than chance explains."""
    scenario = SCENARIO[name]
    assert not missed(scenario, simulate(scenario, range(GLANCE[name])), errors=3)


@pytest.fixture(scope="module")
def workers():
    """Processes that all slow tests share."""
    with pool() as executor:
        yield executor


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in SCENARIO if name not in {one.name for one in COMPARED} | {*COSTLY}])
def test_acceptance(name, workers):
    """Every score of 500 replicates is in its accepted range."""
    assert not missed(SCENARIO[name], simulated(SCENARIO[name], REPLICATES, workers), errors=0)


@pytest.mark.slow
@pytest.mark.parametrize("name", COSTLY)
def test_acceptance_of_the_costly(name, workers):
    """The same of fewer replicates, as far as chance allows."""
    assert not missed(SCENARIO[name], simulated(SCENARIO[name], COSTLY[name], workers), errors=3)
