"""Numbers as text."""

import math

import pytest

from harness.base.formats import duration, estimate, exponent, human, interval, number, p_value

CASES = [  # what is written, as what
    (number, (0, 1.23456, 0.0123456, 2345, 1.5e7, -2e-9), ["0", "1.23", "0.0123", "2,340", "1.5e+07", "-2e-09"]),
    (human, (0.0, 12345, 0.0123456, -2.5, 99999, 3.0), ["0", "12,300", "0.0123", "-2.5", "100,000", "3"]),
    (human, (1e-5, 2.408e9), ["10⁻⁵", "2.41×10⁹"]),
    (exponent, (4.0, -0.126, 0.0557, -0.0001), ["4.00", "-0.13", "0.056", "0.000"]),
    *((write, (None, math.nan, math.inf, -math.inf), ["–", "–", "∞", "-∞"]) for write in (number, human, exponent)),
    (p_value, (0.25, 0.001, 0.0009, 0), ["0.25", "0.001", "<.001", "<.001"]),
    (duration, (0.123, 119, 120, 7199, 7200), ["0.12 s", "119 s", "2 min", "120 min", "2 h"]),
    (duration, (360_000, math.inf), ["100 h", "no limit"]),
]


@pytest.mark.parametrize(("write", "values", "words"), CASES)
def test_numbers_are_written_so_that_they_are_read_at_a_glance(write, values, words):
    assert [write(value) for value in values] == words


def test_more_digits_and_intervals_with_open_ends():
    assert number(12345.6, 6) == "12,345.6"
    assert interval(1.1, 9) == "[1.1, 9]"
    assert estimate(3.21, 0, math.inf) == "3.21 [0, ∞]"
    assert estimate(0.5, -math.inf, 0.75, exponent) == "0.50 [-∞, 0.75]"
