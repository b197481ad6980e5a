"""The paper's special functions against mpmath, and its Feynman formulas against what its table prints."""

import re

import mpmath
import numpy as np
import pytest

from harness.paper.reference import load
from harness.tasks import feynman, load_target, special

MPMATH = {
    "ellipj": lambda x, y: mpmath.ellipfun("sn", u=x, m=y),
    "ellipkinc": mpmath.ellipf,
    "ellipeinc": mpmath.ellipe,
    "jv": mpmath.besselj,
    "yv": mpmath.bessely,
    "kv": mpmath.besselk,
    "iv": mpmath.besseli,
    **{f"lpmv_m_{m}": lambda x, y, m=m: mpmath.legenp(x, m, y) for m in (0, 1, 2)},
}
for m, n in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2)):
    MPMATH[f"sph_harm_m_{m}_n_{n}"] = lambda x, y, m=m, n=n: mpmath.re(mpmath.spherharm(n, m, y, x))
LETTERS = "ABCDFG"  # of which none means anything to sympy
COMMANDS = {"frac", "sqrt", "exp", "sin", "cos", "arcsin", "ln", "pi"}


@pytest.mark.parametrize("name", special.TASKS)
def test_special_functions_are_those_of_another_library(name):
    points = np.random.default_rng(0).uniform(0.1, 1, size=(20, 2))
    expected = [float(MPMATH[name](*point)) for point in points]
    assert load_target(name).function(points) == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("name", feynman.TASKS)
def test_feynman_formulas_are_those_of_the_table(name):
    import sympy  # takes seconds
    from sympy.parsing import sympy_parser as parser

    with_products = (*parser.standard_transformations, parser.implicit_multiplication_application)
    row = load("feynman").set_index("task").loc[name]
    symbols = LETTERS[: row["inputs"]]
    expression = in_python(row["dimensionless"], row["variables"].split(","))
    printed = sympy.lambdify(list(symbols), parser.parse_expr(expression, transformations=with_products))
    points = np.random.default_rng(1).uniform((0.2, 0.5, 0.3, 0.3, 0.3, 0.3)[: len(symbols)], 0.9, (20, len(symbols)))
    points[:, 0] *= 0.5  # arcsin(a/n) wants a < n
    assert load_target(name).inputs == len(symbols)
    assert load_target(name).function(points) == pytest.approx([printed(*point) for point in points], rel=1e-12)


def in_python(latex: str, variables: list[str]) -> str:
    """The table's LaTeX as Python that leaves out signs of multiplication; variables are LETTERS."""
    latex = re.sub(r"\{\\rm (\w+)\}", r"\\\1 ", latex)
    names = {variable.strip(): letter for variable, letter in zip(variables, LETTERS, strict=False)}
    return _group(re.findall(r"\\[a-z]+(?:_\d)?|[a-z](?:_\d)?|\S", latex), names)


def _group(tokens: list[str], names: dict[str, str]) -> str:
    """All up to the brace that closes the group, which it takes away."""
    found = ""
    while tokens and (token := tokens.pop(0)) != "}":
        if token == "{":
            found += f"({_group(tokens, names)})"
        elif token == "^":
            power = _power(tokens, names)
            found = f"{found.rstrip()}**{power} "
        elif token == r"\frac":
            tokens.pop(0)
            above = _group(tokens, names)
            tokens.pop(0)
            found += f"(({above})/({_group(tokens, names)})) "
        elif token.removeprefix("\\") in COMMANDS:
            found += {"ln": "log", "arcsin": "asin"}.get(token[1:], token[1:]) + " "
        else:
            found += f"{names[token]} " if token in names else token if not token.isalpha() else "E "
    return found


def _power(tokens: list[str], names: dict[str, str]) -> str:
    token = tokens.pop(0)
    return f"({_group(tokens, names)})" if token == "{" else token
