"""How numbers are written, in every room: a number, an exponent, an interval, a p-value, a
duration.

Each takes what there may be in place of a number: None and nan become a dash, infinity a sign.
"""

import math
import re
from collections.abc import Callable, Iterable
from contextlib import suppress
from decimal import Decimal
from typing import Any

NONE = "–"  # where there is no number
MOST_NAMED = 3  # of those of which the same is said
WRITTEN_OUT = 10_000  # below, no number has a power of ten
NUMBER_WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
)
UNITS = {"": 1, "%": 0.01, "k": 1e3, "m": 1e6}
PLAIN = (0.001, 1e5)  # what is typeset is written out within, and else a multiple of a power of ten


def number(value: float | None, digits: int = 3) -> str:
    """To significant digits in plain characters, as terminals and messages have it: `0.0123`,
    `2,350`, `1.23e+06`.
    """
    if value is None or not math.isfinite(value):
        return _without_digits(value)
    rounded = float(f"{value:.{digits}g}")
    return (
        f"{rounded:,.4g}"
        if 1000 <= abs(rounded) < WRITTEN_OUT and digits < 4
        else f"{value:,.{digits}g}"
    )


def human(value: float | None, digits: int = 3) -> str:
    """To significant digits as pages and figures have it: written out, or as a multiple of a power
    of ten.
    """
    if value is None or not math.isfinite(value):
        return _without_digits(value)
    if value == 0 or PLAIN[0] <= abs(value) < PLAIN[1]:
        return f"{float(f'{value:.{digits}g}'):,.10g}"
    return scientific(value, digits)


def scientific(value: float, digits: int) -> str:
    """As a multiple of a power of ten."""
    mantissa, power = f"{value:.{digits - 1}e}".split("e")
    raised = str(int(power)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"10{raised}" if float(mantissa) == 1 else f"{float(mantissa):g}×10{raised}"


def exponent(value: float | None) -> str:
    """Two decimals, three below 0.1: exponents of language models are small."""
    if value is None or not math.isfinite(value):
        return _without_digits(value)
    decimals = 2 if abs(value) >= 0.1 else 3
    return f"{round(value, decimals) + 0.0:.{decimals}f}"  # + 0.0: no -0.000


def as_typed(text: str) -> str:
    """JSON or a list with its large whole floats as people type them: `[4e8, 2.5e7]` of
    `[400000000.0, 25000000.0]`.
    """
    whole_float = (
        r'(?<![\w."])\d{7,}\.0(?![\w."])'  # not a part of a longer number, a name or a quoted text
    )
    return re.sub(
        whole_float,
        lambda match: str(Decimal(match[0]).normalize()).lower().replace("e+", "e"),
        text,
    )


def number_meant(value: Any) -> str:
    """How a number is written that stands there as `25%`, `1k`, `0,3`, `one` or 500.0; empty if it
    is none.
    """
    with suppress(ValueError, TypeError):
        value = float(value)
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else ""
    text = str(value).strip().lower()
    if text in NUMBER_WORDS:
        return str(NUMBER_WORDS.index(text))
    match = re.fullmatch(r"([+-]?\d+)(?:[.,](\d+))?\s*([%km]?)", text)
    if not match:
        return ""
    whole, decimals, unit = match.groups()
    return f"{float(f'{whole}.{decimals or 0}') * UNITS[unit]:.12g}"


def likewise(names: Iterable[str], is_alike: bool = True) -> str:
    """`a (likewise b, c)` of what is said of several; beyond four of them how many more there are.

    Where it is not alike, as its numbers are the first one's, that is said too.
    """
    first, *others = names
    named, more = ", ".join(others[:MOST_NAMED]), len(others) - MOST_NAMED
    every = f"{named}{f' and {more} more' if more > 0 else ''}"
    return (
        f"{first} ({f'likewise {every}' if is_alike else f'{every} too, with other numbers'})"
        if others
        else first
    )


def plural(count: int, noun: str) -> str:
    """A count with its noun: `1 run`, `2,350 runs`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def interval(low: float, high: float, write: Callable[[float], str] = number) -> str:
    """`[1.1, 9]`; an end that the data do not bound is ∞, -∞ or 0."""
    return f"[{write(low)}, {write(high)}]"


def estimate(
    value: float | None, low: float, high: float, write: Callable[[float | None], str] = number
) -> str:
    """A ratio or another quantity with its interval: `3.2 [1.1, 9]`."""
    return f"{write(value)} {interval(low, high, write)}"


def p_value(value: float | None) -> str:
    """Two digits, down to `<.001`."""
    return "<.001" if value is not None and value < 0.001 else number(value, 2)


def unwrapped(docstring: str | None) -> str:
    """A docstring with each of its paragraphs in one line; empty where there is none."""
    paragraphs = re.split(r"\n\s*\n", (docstring or "").strip())
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)


def without_html(markdown: str) -> str:
    """Markdown in which a user's words make no element of a page."""
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", markdown)


def duration(seconds: float) -> str:
    """Seconds, minutes or hours, to two digits or all that stand before the point."""
    if math.isinf(seconds):
        return "no limit"
    amount, unit = seconds, "s"
    if seconds >= 2 * 3600:
        amount, unit = seconds / 3600, "h"
    elif seconds >= 2 * 60:
        amount, unit = seconds / 60, "min"
    return f"{amount:.0f} {unit}" if amount >= 10 else f"{amount:.2g} {unit}"


def _without_digits(value: float | None) -> str:
    if value is None or math.isnan(value):
        return NONE
    return "∞" if value > 0 else "-∞"
