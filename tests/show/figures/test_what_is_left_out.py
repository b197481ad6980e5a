"""Figures say what they leave out, and explain no colour that they do not have."""

import numpy as np
from matplotlib.text import Text

from harness.show.figures.rules import MOST_ROWS, MOST_RULES, rules_figure
from harness.show.figures.samples import samples_figure
from harness.tasks import Samples

LONG_TASKS = [f"a_function_of_{inputs} train_points={points}" for inputs in ("many", "few") for points in (200, 1000)]


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def judged(tasks: list[str], claim: str = "better", rule: str = "the ratio") -> dict:
    """A verdict on these tasks."""
    decide = {"claim": claim, "quantity": "test_loss", "sides": ["kan", "mlp"], "threshold": 1, "at_least": 1}
    found = {"estimate": 2.0, "low": 1.5, "high": 2.5}
    numbers = [{"unit": task, "outcome": "supported", "found": found} for task in tasks]
    return {"claim": claim, "rule": rule, "verdict": "supported", "decide": decide, "numbers": numbers}


def test_rules_say_how_many_rules_and_numbers_are_not_drawn():
    one, whole, more = (judged([f"task {index}" for index in range(count)]) for count in (1, MOST_ROWS, MOST_ROWS + 2))
    assert "not drawn" not in words(rules_figure([whole] * MOST_RULES))
    some_drawn = words(rules_figure([more, *[one] * MOST_RULES]))
    assert "1 more rule is not drawn" in some_drawn
    assert "2 more numbers of these rules are not drawn" in some_drawn


def test_rows_of_a_rule_s_numbers_have_different_names_within_the_figure():
    """A row a task, whose names are long and begin alike; a title of many words is wrapped."""
    claim = "KANs are better than MLPs on all functions with a long name that we know"
    rule = "the test loss of mlp / kan at the largest size is above 1, on at least 1 of 4 tasks, by params.trainable"
    figure = rules_figure([judged(LONG_TASKS, claim, rule)] * 2)
    figure.draw_without_rendering()
    rows = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(set(rows)) == len(LONG_TASKS)
    assert all("supported" in axes.get_title(loc="left") for axes in figure.axes)
    for text in figure.findobj(Text):
        assert not text.get_text() or text.get_window_extent().x1 <= figure.bbox.width, text


def test_the_second_variable_is_spoken_of_where_there_is_one():
    rng = np.random.default_rng(0)
    one, two = (Samples(rng.uniform(size=(9, inputs)), rng.uniform(size=(9, 1))) for inputs in (1, 2))
    assert "second variable" not in words(samples_figure({"sine": one}))
    assert "Colour: the second variable." in words(samples_figure({"sine": one, "exp2d": two}))
