"""Verdicts that other ways of searching confirm, do not confirm, or turn.

pytest tests/judging/test_robust.py
"""

import pandas as pd
import pytest
from judging.made_runs import made_rule, made_runs, made_table, power

from harness.judging.answer import number_lines, verdict_words
from harness.judging.judge import Verdict, _with_others, judge, sentence, to_json
from harness.judging.robust import by_way, robust_words
from harness.show.tables.verdicts import ORIGIN, summary_table

LOSS = {"quantity": "test_loss", "threshold": 1}
BETTER = {"kan": power(1, 1.0), "mlp": power(100, 1.0)}  # under every convention
WORSE = {"kan": power(100, 1.0), "mlp": power(1, 1.0)}
UNSURE = {"kan": power(2.0, 1.0), "mlp": power(1.9, 1.0)}  # so much noise that nothing follows
# Both over ten times worse than BETTER, and the other way round.
FAR_WORSE = {"kan": power(1e6, 1.0), "mlp": power(1e4, 1.0)}


def searched(declared: dict, ways: dict[str, dict]) -> pd.DataFrame:
    """The winners of sizes by the search as declared and by other ways, whose laws are known."""
    tables = []
    for index, (way, laws) in enumerate({None: declared, **ways}.items()):
        table = made_table(laws, noise=5 if laws is UNSURE else 0.03).assign(won_under=way)
        tables.append(table)
        table["cell"] += f"-{index}"
    return pd.concat([table.astype({"won_under": object}) for table in tables], ignore_index=True).assign(
        won_on="params.trainable"
    )


def judged(declared: dict, ways: dict[str, dict], without: str | None = None, **rule) -> Verdict:
    table = searched(declared, ways)
    table = table if without is None else table.drop(columns=[without])
    runs = made_runs(table)
    asked = made_rule(**LOSS | rule)
    others = {way: judge(asked, made_runs(by_way(table, way))) for way in ways}
    return _with_others(judge(asked, runs), runs, others)


def words(verdict: Verdict) -> str:
    return robust_words(to_json(verdict))


def test_a_verdict_is_stable_where_every_count_and_every_way_agree():
    """With a way that finds less, or a convention that is not measured, it is not; without ways, over counts only."""
    supported = judged(BETTER, {"scramble 1": BETTER, "2 trials": BETTER})
    assert (supported.conclusion, words(supported)) == ("supported", "stable")
    assert verdict_words(to_json(supported)) == "supported, stable"
    refuted = judged(WORSE, {"scramble 1": WORSE})
    assert (refuted.conclusion, words(refuted)) == ("refuted", "stable")

    assert words(judged(BETTER, {"scramble 1": BETTER}, without="seconds")) == ""
    assert words(judged(BETTER, {"scramble 1": BETTER}, axis="params.trainable")) == ""
    assert words(judged(BETTER, {})) == "stable over counts"


def test_a_way_that_finds_nothing_does_not_confirm():
    """The verdict stands, and says by which way it was not found again."""
    verdict = judged(BETTER, {"recipe lm alone": UNSURE, "scramble 1": BETTER, "2 trials": UNSURE})

    assert verdict.conclusion == verdict.declared == "supported"
    assert words(verdict) == "not confirmed under recipe lm alone, 2 trials"


def test_a_way_by_which_nobody_wins_does_not_confirm():
    """It has no rows, and is heard all the same."""
    table = searched(BETTER, {"scramble 1": BETTER})
    runs, nobody = made_runs(table), made_runs(by_way(table, "recipe lm alone"), {"t": ("t", 2)})
    rule = made_rule(**LOSS)
    verdict = _with_others(judge(rule, runs), runs, {"recipe lm alone": judge(rule, nobody)})

    assert verdict.conclusion == "supported"
    assert words(verdict) == "not confirmed under recipe lm alone"


def test_a_way_that_finds_the_opposite_turns_it():
    """Under one convention is enough; the verdict names the way and the convention."""
    turned = judged(BETTER, {"scramble 1": BETTER, "recipe lm alone": WORSE})
    assert (turned.conclusion, turned.declared) == ("training-dependent", "supported")
    against = "recipe lm alone turns t (params.trainable, flops_train.shared_dense"
    assert words(turned).startswith(f"supported as declared; {against}")
    assert "training-dependent, supported as declared; recipe lm alone turns t (" in sentence(turned)
    # Ten times as costly a parameter: ahead at equal parameters, behind at equal FLOPs.
    at_parameters = {"kan": power(1, 1.0), "mlp": power(4, 1.0)}
    for declared, against in ((WORSE, "params.trainable"), (BETTER, "flops_train.shared_dense")):
        turned = judged(declared, {"recipe lm alone": at_parameters})
        assert turned.conclusion == "training-dependent"
        assert against in words(turned)
    assert "params.trainable" not in words(turned)


def test_what_is_undecided_under_a_count_is_not_turned_there():
    """An inconclusive verdict is so whatever other ways find; one that hangs on counts says what turns it besides."""
    unsure = judged(UNSURE, {"scramble 1": WORSE, "2 trials": BETTER})
    assert (unsure.conclusion, words(unsure)) == ("inconclusive", "")

    by_count = judged({"kan": power(1, 1), "mlp": power(4, 1)}, {"scramble 1": WORSE, "2 trials": BETTER})
    assert by_count.conclusion == "convention-dependent"
    at_equal_size = "params.trainable, flops_train.local_min"
    assert words(by_count).startswith(f"scramble 1 turns t ({at_equal_size}); 2 trials turns t (")


def test_a_task_that_turns_is_open():
    """The rule stands if it holds on enough other tasks, hangs on training if not, and names the task in any case."""

    def of_tasks(on_c: dict, at_least: int) -> Verdict:
        tables = [
            searched(declared, {"scramble 1": other}).assign(task=task)
            for task, declared, other in (("a", BETTER, WORSE), ("b", BETTER, BETTER), ("c", on_c, BETTER))
        ]
        table = pd.concat(tables, ignore_index=True)
        runs, others = made_runs(table), made_runs(by_way(table, "scramble 1"))
        rule = made_rule(**LOSS, at_least=at_least)
        return _with_others(judge(rule, runs), runs, {"scramble 1": judge(rule, others)})

    for on_c, at_least, declared, concluded in (
        (BETTER, 2, "supported", "supported"),
        (UNSURE, 2, "supported", "training-dependent"),
        (UNSURE, 3, "inconclusive", "inconclusive"),
    ):
        verdict = of_tasks(on_c, at_least)
        assert (verdict.declared, verdict.conclusion) == (declared, concluded)
        assert [one.conclusion for one in verdict.under] == ["refuted" if at_least == 3 else "supported"]
        assert "scramble 1 turns a (params.trainable, flops_train.shared_dense" in words(verdict)


def test_a_way_by_which_both_sides_are_far_worse_turns_nothing():
    """A recipe that trains neither side says nothing of them; where it harms one side only, it does."""
    verdict = judged(BETTER, {"recipe bad alone": FAR_WORSE, "scramble 1": BETTER})
    assert [one.far_worse for one in verdict.under] == [True, False]
    assert verdict.under[0].conclusion == "refuted"
    assert (verdict.conclusion, words(verdict)) == ("supported", "stable")

    one_sided = judged(BETTER, {"recipe bad alone": {"kan": power(1e4, 1.0), "mlp": power(100, 1.0)}})
    assert one_sided.conclusion == "training-dependent"


def test_rows_and_sentences_name_every_way():
    """In tables each outcome has a row beneath the claim's that names its ways; in `--json` each way has its counts."""
    others = {
        "recipe bad alone": FAR_WORSE,
        "2 trials": UNSURE,
        "scramble 1": BETTER,
        "3 trials": UNSURE,
        "scramble 2": BETTER,
    }
    verdict = judged(BETTER, others)
    data = to_json(verdict)

    answer = {"name": "toys", "commits": [], "verdicts": [data]}
    _, *under = summary_table([answer]).without(ORIGIN).rows
    assert {row.look for row in under} == {"dim"}
    far_worse, unsure, same = (row.cells for row in under)
    assert far_worse[:3] == ("… under recipe bad alone", "far worse", "refuted: 1 against")
    assert unsure[:2] == ("… under 2 trials, 3 trials", "inconclusive")
    assert same[:3] == ("… under scramble 1, scramble 2", "the same", "")
    assert len(far_worse) == len(unsure) == len(same)
    assert [one["name"] for one in data["under"]] == list(others)
    assert any(line.startswith("under 2 trials: inconclusive. params.trainable: ") for line in number_lines(data))


def test_a_side_without_a_winner_is_named():
    """Where nothing of a side won, its rule is inconclusive with that reason; the others are judged."""
    table = searched(BETTER, {"scramble 1": BETTER})
    table = table[table["series"] != "mlp"]
    runs = made_runs(table)
    rule = made_rule(**LOSS)
    other = judge(rule, made_runs(by_way(table, "scramble 1")))
    verdict = _with_others(judge(rule, runs), runs, {"scramble 1": other})

    assert verdict.conclusion == "inconclusive"
    assert {one.found.refused for one in verdict.numbers} == {"the search chose no winner for mlp; its sides are: kan"}


def test_a_cost_is_read_at_the_budgets_that_were_won():
    """At equal FLOPs the winners of FLOPs count, whatever the winners of sizes say."""
    by_size, by_cost = searched(BETTER, {}), searched(WORSE, {})
    by_cost = by_cost.assign(
        won_on="flops_train.shared_dense", asked=by_cost["asked"] * 1e5, cell=by_cost["cell"] + "-cost"
    )
    verdict = judge(made_rule(**LOSS), made_runs(pd.concat([by_size, by_cost], ignore_index=True)))

    found = {one.convention: one.found.estimate for one in verdict.numbers}
    assert found["params.trainable"] == pytest.approx(100, rel=0.1)
    assert found["flops_train.shared_dense"] == pytest.approx(0.01, rel=0.1)
    assert verdict.conclusion == "convention-dependent"
