"""Numbers as text."""

import math

from harness.base.formats import duration, estimate, exponent, human, interval, number, p_value


def written(write, *values):
    return [write(value) for value in values]


def test_a_number_has_significant_digits():
    """In plain characters, with commas where more than three digits stand before the point."""
    assert written(number, 0, 1.23456, 0.0123456, 1.5e7, -2e-9) == ["0", "1.23", "0.0123", "1.5e+07", "-2e-09"]
    assert number(12345.6, 6) == "12,345.6"


def test_humans_read_powers_of_ten():
    """Pages and figures have numbers written out where that is short, and else as a power of ten."""
    assert written(human, 0.0, 12345, 0.0123456, -2.5, 99999, 3.0) == ["0", "12,300", "0.0123", "-2.5", "100,000", "3"]
    assert written(human, 1e-5, 2.408e9) == ["10⁻⁵", "2.41×10⁹"]


def test_an_exponent_has_two_decimals_or_three():
    assert written(exponent, 4.0, -0.126, 0.0557, -0.0001) == ["4.00", "-0.13", "0.056", "0.000"]


def test_what_has_no_digits_is_a_sign():
    """None, nan and infinity, whatever writes them."""
    for write in (number, human, exponent):
        assert written(write, None, math.nan, math.inf, -math.inf) == ["–", "–", "∞", "-∞"]


def test_an_interval_may_have_open_ends():
    assert interval(1.1, 9) == "[1.1, 9]"
    assert estimate(3.21, 0, math.inf) == "3.21 [0, ∞]"
    assert estimate(0.5, -math.inf, 0.75, exponent) == "0.50 [-∞, 0.75]"


def test_p_values_end_at_a_thousandth():
    assert written(p_value, 0.25, 0.001, 0.0009, 0) == ["0.25", "0.001", "<.001", "<.001"]


def test_a_duration_has_the_unit_that_is_read_at_a_glance():
    times = [0.123, 119, 120, 7199, 7200, 360_000, math.inf]
    assert written(duration, *times) == ["0.12 s", "119 s", "2 min", "120 min", "2 h", "100 h", "no limit"]
