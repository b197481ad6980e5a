"""Figures explain no colour that they do not have."""

import numpy as np
from harness.show.figures.samples import samples_figure

from harness.tasks import Samples


def words(figure) -> str:
    return " ".join(text.get_text() for text in figure.texts).replace("\n", " ")


def test_the_second_variable_is_spoken_of_where_there_is_one():
    rng = np.random.default_rng(0)
    one, two = (Samples(rng.uniform(size=(9, inputs)), rng.uniform(size=(9, 1))) for inputs in (1, 2))
    assert "second variable" not in words(samples_figure({"sine": one}))
    assert "Colour: the second variable." in words(samples_figure({"sine": one, "exp2d": two}))
