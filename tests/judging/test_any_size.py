"""Quantities where no size enters, on runs whose values are known: phases, edges, and the best of many networks."""

import json
import re

import numpy as np
import pandas as pd
import pytest
from judging.made_runs import SIZES, made_rule, made_runs, made_table, power

from harness.judging.answer import found_line
from harness.judging.judge import judge, to_json

PHASED, AT_ONCE = (json.dumps({"phases": phases}) for phases in (5, None))
PENALISED = json.dumps({"sparsity": {"strength": 1e-3}})


def _number(rule, table):
    (number,) = judge(rule, made_runs(table)).numbers
    return number


def _in_phases(spread=0.1, seeds=5) -> pd.DataFrame:
    """Arms of one network each, in phases and at once: errors of the KAN double after their phases to 2e-3 in the end.

    Those of the MLP grow 80 times, to 2.
    """
    rng = np.random.default_rng(0)
    rows = []
    for arm, (before, grows) in {"kan": (1e-3, 2.0), "mlp": (0.025, 80.0)}.items():
        table = made_table({arm: power(1, 1.0)}, seeds=seeds, sizes={arm: SIZES[:1]})
        growth = grows * np.exp(rng.normal(0, spread, seeds))
        phased = table.assign(recipe=PHASED, forgetting=growth, rmse_in_the_end=before * growth)
        at_once = table.assign(recipe=AT_ONCE, cell=f"{arm}-at-once", series=f"{arm} phases=null")
        rows += [phased, at_once]
    return pd.concat(rows, ignore_index=True)


def _sparse(edges: dict[str, list[float]]) -> pd.DataFrame:
    """A series of one network for each setting, with its active edges by seed; nan where the run diverged."""
    tables = []
    for series, counts in edges.items():
        table = made_table({series: power(1, 1.0)}, seeds=len(counts), sizes={series: SIZES[:1]})
        status = ["diverged" if np.isnan(count) else "done" for count in counts]
        tables.append(table.assign(active_edges=counts, status=status, recipe=PENALISED))
    return pd.concat(tables, ignore_index=True)


def test_forgetting_and_errors_in_the_end_are_those_of_the_runs_in_phases():
    """Of two arms the ratio, of one the value; runs that had all data at once have no part in it."""
    table = _in_phases()
    cases = [
        ({"quantity": "forgetting", "threshold": 1}, 40, "supported"),
        ({"quantity": "forgetting", "threshold": 100}, 40, "refuted"),
        ({"quantity": "error_in_the_end", "most": 500}, 1000, "refuted"),
        ({"quantity": "forgetting", "arms": ("kan",), "most": 3}, 2, "supported"),
        ({"quantity": "forgetting", "arms": ("kan",), "most": 2}, 2, "equal"),
        ({"quantity": "forgetting", "arms": ("kan",), "most": 2, "matters": 1.01}, 2, "inconclusive"),
        ({"quantity": "error_in_the_end", "arms": ("kan",), "published": 1e-3, "margin": 0.5}, 2, "refuted"),
        ({"quantity": "error_in_the_end", "arms": ("kan",), "published": 2e-3, "margin": 0.5}, 1, "supported"),
    ]
    for fields, truth, outcome in cases:
        number = _number(made_rule(**fields), table)
        assert number.found.low < truth < number.found.high
        assert number.found.seeds == 5
        assert (number.outcome, number.convention) == (outcome, "any size")


def test_forgetting_that_the_runs_do_not_carry_is_refused_with_the_reason():
    """Nothing in phases, one seed, and too many runs that diverged."""
    rule, table = made_rule(quantity="forgetting", threshold=1), _in_phases()
    lost = (table["arm"] == "mlp") & (table["seed"] < 2)
    changed = {
        "kan was not trained with phases": table.assign(recipe=AT_ONCE),
        "SEEDS: 1 seed of both kan and mlp: no spread": _in_phases(seeds=1),
        "CENSORED: 40% of the runs of mlp diverged": table.assign(status=np.where(lost, "diverged", "done")),
        "mlp has no runs on t": table[table["arm"] == "kan"],
    }
    for reason, runs in changed.items():
        number = _number(rule, runs)
        assert reason in number.found.refused
        assert number.outcome == "inconclusive"
    alone = _number(made_rule(quantity="forgetting", arms=("kan",), most=2), _in_phases(seeds=1))
    assert "SEEDS: 1 seed of kan: no spread" in alone.found.refused


def test_edges_of_series_are_compared_and_what_the_series_share_is_said_once():
    """Counts of settings of one arm, by name; a setting that kept none, or was not counted, has no ratio."""
    settings = {"kan entropy=1 grid=5": [3, 4, 5, 4], "kan entropy=0 grid=5": [15, 14, 15, 15]}
    few, many = settings
    table = _sparse(settings)

    rule = made_rule(quantity="edges", arms=(few, many), threshold=1)
    number = _number(rule, table)
    one = _number(made_rule(quantity="edges", arms=(many,), published=15, margin=0.1), table)

    assert number.outcome == one.outcome == "supported"
    assert number.found.estimate == pytest.approx(np.exp(np.mean(np.log(settings[many]) - np.log(settings[few]))))
    assert "kan entropy=0 / kan entropy=1, both with grid=5" in number.condition
    assert "over the published 15" in one.condition
    none = _number(rule, _sparse(settings | {few: [0, 4, 5, 4]}))
    assert "ended with active_edges 0" in none.found.refused
    assert "give its recipe `sparsity`" in _number(rule, table.drop(columns="active_edges")).found.refused


def test_the_spread_of_edges_over_seeds_is_held_by_its_interval():
    """Of ln counts drawn normally, 95 % intervals hold the true deviation in 95 % of 400 draws, within chance."""
    rng = np.random.default_rng(1)
    rule = made_rule(quantity="edges_by_seed", arms=("kan",), threshold=0.01)
    held = 0
    for _ in range(400):
        found = _number(rule, _sparse({"kan": list(np.exp(rng.normal(2, 0.3, 4)))})).found
        held += found.low < 0.3 < found.high

    assert pytest.approx(held, abs=3 * np.sqrt(400 * 0.95 * 0.05)) == 0.95 * 400
    assert "SEEDS: kan has one seed" in _number(rule, _sparse({"kan": [5]})).found.refused


def test_the_best_networks_are_compared_up_to_a_size():
    """Each side is best at its largest size within the limit, as laws fall; the KAN of the last two ends at 120."""
    laws = {"kan": power(1, 1.0), "mlp depth=2": power(10, 1.0), "mlp depth=3": power(5, 1.0)}
    small = {"kan": SIZES[:3], "mlp depth=2": SIZES, "mlp depth=3": SIZES}
    all_sizes = made_table(laws, noise=0.01).assign(asked=np.nan)
    short_kan = made_table(laws, noise=0.01, sizes=small).assign(asked=np.nan)
    params = {"quantity": "best_loss", "axis": "params.trainable", "threshold": 1}
    cases = [
        (all_sizes, 250, 5),
        (all_sizes, 260, 5),
        (all_sizes, 2000, 5),
        (short_kan, "first", 5),
        (short_kan, 2000, 5 * 120 / 2000),
    ]
    for table, at, truth in cases:
        found = _number(made_rule(**params, at=at), table).found
        assert found.estimate == pytest.approx(truth, rel=0.03)
        assert found.low < truth < found.high
    refused = _number(made_rule(**params, at=20), all_sizes).found.refused
    assert "kan has no network of size 20 or less on params.trainable: the smallest has 30" in refused
    alone = _number(made_rule(**params), all_sizes[all_sizes["seed"] == 0]).found.refused
    assert "SEEDS: kan has 7 networks" in alone


def test_one_network_is_held_against_what_was_published_of_it():
    """That of the size which the rule names, 1 % more or less; none of another size stands in for it."""
    table = made_table({"kan": power(1, 1.0)}, noise=0.01)
    rule = {"quantity": "network_loss", "arms": ("kan",), "margin": 0.732}

    same = _number(made_rule(**rule, at=500, published=1 / 500), table)
    apart = _number(made_rule(**rule, at=500, published=1 / 1000), table)
    absent = _number(made_rule(**rule, at=700, published=1 / 700), table)

    assert (same.outcome, apart.outcome, absent.outcome) == ("supported", "refuted", "inconclusive")
    assert apart.found.estimate == pytest.approx(2, rel=0.02)
    assert "no network of kan has 700 params.trainable here; they have 30 to 2,000" in absent.found.refused
    assert "is within a factor of 1.73 of 1" in same.condition


def test_numbers_of_several_conditions_are_told_by_what_differs():
    """The arms, or the settings in which sides differ, and whether a value is over a published one."""
    table = _in_phases()
    other = {"quantity": "error_in_the_end", "arms": ("kan",), "most": 1}
    settings = {"kan entropy=1 grid=5": [3, 4], "kan entropy=0 grid=5": [15, 14]}
    cases = [
        (
            table,
            {"quantity": "forgetting", "arms": ("mlp",), "also": (other,)},
            r"mlp: 8\S+ \[.*\]; kan: 0\.002\S* \[.*\]",
        ),
        (table, {"quantity": "forgetting"}, r"mlp / kan: \S+ \[.*\]"),
        (table, {"quantity": "forgetting", "arms": ("kan",), "published": 2}, r"ours / published: \S+ \[.*\]"),
        (_sparse(settings), {"quantity": "edges", "arms": tuple(settings)}, r"entropy=0 / entropy=1: \S+ \[.*\]"),
    ]
    for runs, fields, told in cases:
        verdict = to_json(judge(made_rule(**fields, threshold=1), made_runs(runs)))
        assert re.fullmatch(told, found_line(verdict))


def test_an_undecided_rule_says_how_many_more_seeds_it_would_need():
    """Of a ratio and of a spread."""
    sparse = _sparse({"kan": [4, 7, 5, 6]})
    cases = [
        (_in_phases(spread=0.5), {"quantity": "forgetting", "threshold": 40}),
        (sparse, {"quantity": "edges", "arms": ("kan",), "published": 5, "threshold": 1}),
        (sparse, {"quantity": "edges_by_seed", "arms": ("kan",), "threshold": 0.2}),
    ]
    for table, fields in cases:
        verdict = judge(made_rule(**fields), made_runs(table))
        assert verdict.conclusion == "inconclusive"
        assert re.search(r"would need [\d,]+ more seeds", verdict.power)
