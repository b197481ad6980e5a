"""Figures say what they leave out, and explain no colour that they do not have."""

import numpy as np

from harness.show.figures.labels import undrawn_note
from harness.show.figures.rules import MOST_ROWS, rules_figure
from harness.show.figures.samples import samples_figure
from harness.tasks import Samples


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def number(unit: str, condition: str) -> dict:
    found = {"estimate": 2.0, "low": 1.5, "high": 2.5}
    return {
        "unit": unit,
        "condition": condition,
        "convention": "params.trainable",
        "outcome": "supported",
        "found": found,
    }


def test_rules_say_how_many_numbers_and_conditions_are_not_drawn():
    rule = {"claim": "better", "quantity": "test_loss", "arms": ["kan", "mlp"], "threshold": 1, "at_least": 1}
    numbers = [number(f"task {index}", "first") for index in range(MOST_ROWS)]
    verdict = {"claim": "better", "verdict": "supported", "decide": rule, "numbers": numbers}
    all_drawn = words(rules_figure([verdict]))
    more = [
        number("one more", "first"),
        number("and two", "first"),
        number("task 0", "second"),
        number("task 0", "third"),
    ]
    some_drawn = words(rules_figure([verdict | {"numbers": [*numbers, *more]}]))

    assert "not drawn" not in all_drawn
    assert "2 more numbers of these rules' first conditions are not drawn" in some_drawn
    assert "2 more conditions of these rules are not drawn" in some_drawn


def test_one_thing_that_is_not_drawn_is_singular():
    assert undrawn_note(1, "tasks") == ["1 more task is not drawn; all fits are in fits.json."]
    assert undrawn_note(2, "tasks") == ["2 more tasks are not drawn; all fits are in fits.json."]
    assert undrawn_note(0, "tasks") == []


def test_the_second_variable_is_spoken_of_where_there_is_one():
    rng = np.random.default_rng(0)
    one, two = (Samples(rng.uniform(size=(9, inputs)), rng.uniform(size=(9, 1))) for inputs in (1, 2))

    assert "second variable" not in words(samples_figure({"sine": one}))
    assert "Colour: the second variable." in words(samples_figure({"sine": one, "exp2d": two}))
