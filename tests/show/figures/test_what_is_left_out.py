"""Figures say what they leave out, and explain no colour that they do not have."""

import numpy as np

from harness.show.figures.labels import undrawn_note
from harness.show.figures.rules import MOST_ROWS, MOST_RULES, rules_figure
from harness.show.figures.samples import samples_figure
from harness.tasks import Samples


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def judged(tasks: int) -> dict:
    """A verdict on so many tasks."""
    rule = {"claim": "better", "quantity": "test_loss", "sides": ["kan", "mlp"], "threshold": 1, "at_least": 1}
    found = {"estimate": 2.0, "low": 1.5, "high": 2.5}
    numbers = [{"unit": f"task {index}", "outcome": "supported", "found": found} for index in range(tasks)]
    return {"claim": "better", "rule": "the ratio", "verdict": "supported", "decide": rule, "numbers": numbers}


def test_rules_say_how_many_rules_and_numbers_are_not_drawn():
    assert "not drawn" not in words(rules_figure([judged(MOST_ROWS)] * MOST_RULES))
    some_drawn = words(rules_figure([judged(MOST_ROWS + 2), *[judged(1)] * MOST_RULES]))
    assert "1 more rule is not drawn" in some_drawn
    assert "2 more numbers of these rules are not drawn" in some_drawn


def test_one_thing_that_is_not_drawn_is_singular():
    assert undrawn_note(1, "tasks") == ["1 more task is not drawn; all fits are in fits.json."]
    assert undrawn_note(2, "tasks") == ["2 more tasks are not drawn; all fits are in fits.json."]
    assert undrawn_note(0, "tasks") == []


def test_the_second_variable_is_spoken_of_where_there_is_one():
    rng = np.random.default_rng(0)
    one, two = (Samples(rng.uniform(size=(9, inputs)), rng.uniform(size=(9, 1))) for inputs in (1, 2))

    assert "second variable" not in words(samples_figure({"sine": one}))
    assert "Colour: the second variable." in words(samples_figure({"sine": one, "exp2d": two}))
