"""Nothing that a record names changes while code is moved: run ids, counts, manifests, fingerprints.

`python -m tests.guard.write` adds what is new (see there).
"""

import pytest

from harness.families import SplinedShape
from harness.planning.plan import make_plan
from harness.record.kept import KEPT_RECORDS, read_lines
from harness.spec import read_experiment
from tests.guard import contents
from tests.guard.golden import fixed


def test_plans_are_as_ever():
    """Every experiment at every scale, but for the large ones, has the run ids, counts and manifest that it had."""
    known = fixed("plans")

    assert {one.name for one in contents.experiments()} == known.keys(), "`python -m tests.guard.write` adds new ones"
    assert contents.plans(contents.small()) == {name: known[name] for name in contents.small()}


@pytest.mark.slow
def test_large_plans_are_as_ever():
    """The same of those that take longer."""
    assert contents.plans(contents.LARGE) == {name: fixed("plans")[name] for name in contents.LARGE}


@pytest.mark.slow
def test_a_large_search_asks_for_the_runs_that_are_kept_of_it():
    """One of its functions at two of its sizes; all of them take half a minute, and are made every night.

    But for networks with splines by Levenberg-Marquardt: their FLOPs were counted by another rule when they trained, so
    that their caps were others.
    """
    file = contents.ROOT / "experiments" / "per_flop_toys.yaml"
    experiment = read_experiment(file, "short")
    one_function = {path: values[:1] for path, values in experiment.zip.items()}
    rules = tuple(rule.model_copy(update={"at_least": 1}) for rule in experiment.decide)
    effort = experiment.search.effort
    two_sizes = {
        "match": experiment.match.model_copy(update={"at": experiment.match.at[:2]}),
        "search": experiment.search.model_copy(update={"effort": effort.model_copy(update={"at": effort.at[:2]})}),
    }
    part = experiment.model_copy(update={"zip": one_function, "decide": rules, **two_sizes})
    manifest = make_plan(part, "one.search")
    kept = read_lines(contents.ROOT / "results" / "verdicts" / "per_flop_toys-short" / KEPT_RECORDS)

    asked = {planned.run_id: planned.run for planned in manifest.runs}
    recounted = {
        identity
        for identity, run in asked.items()
        if run.recipe.optimizer.name == "levenberg_marquardt" and isinstance(run.network, SplinedShape)
    }
    assert asked.keys() - recounted <= kept.by_run.keys()
    assert len(recounted) < len(asked) / 2


@pytest.mark.nightly
def test_largest_plans_are_as_ever():
    """The same of those that take longest."""
    assert contents.plans(contents.LARGEST) == {name: fixed("plans")[name] for name in contents.LARGEST}


def test_targets_are_as_ever():
    """Every target has its fingerprint, of which run ids are made, and its values."""
    assert contents.targets() == fixed("targets")
