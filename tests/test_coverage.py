"""Intervals hold the truth as often as they say, by the simulations of benchmarks/simulation.py.

A few replicates by default, less three binomial standard errors; nightly: 500, and 2000 others for what is missed.
"""

import pytest

from benchmarks.simulation import COMPARED, REPLICATES, SCENARIOS, judged, mean_of, missed, pool, simulate, simulated

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


@pytest.mark.parametrize("name", GLANCE)
def test_acceptance_at_a_glance(name):
    """No score of a few replicates is further off than chance explains."""
    scenario, rows = SCENARIO[name], simulate(SCENARIO[name], range(GLANCE[name]))
    assert sum(row is None for row in rows) <= scenario.refused * len(rows)
    assert not missed(scenario, mean_of(rows), errors=3)


@pytest.fixture(scope="module")
def workers():
    """Processes that all slow tests share."""
    with pool() as executor:
        yield executor


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in SCENARIO if name not in {one.name for one in COMPARED} | {*COSTLY}])
def test_acceptance(name, workers):
    """Every score of 500 replicates is in its accepted range, or else that of 2000 others."""
    found = judged(SCENARIO[name], workers)
    assert found["refused"].iloc[0] <= SCENARIO[name].refused * REPLICATES
    assert found.loc[found["met"].eq(False), "what"].tolist() == []


@pytest.mark.nightly
@pytest.mark.parametrize("name", COSTLY)
def test_acceptance_of_the_costly(name, workers):
    """Scores of fewer replicates are not further off than chance explains."""
    rows = simulated(SCENARIO[name], range(COSTLY[name]), workers)
    assert not missed(SCENARIO[name], mean_of(rows), errors=3)
