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
COMMANDS = {"sqrt", "exp", "sin", "cos", "arcsin", "ln", "pi"}
GROUPS = {  # of LaTeX that have no other within
    r"\\frac\{([^{}]*)\}\{([^{}]*)\}": r"((\1)/(\2)) ",
    r"\^\{([^{}]*)\}": r"**(\1) ",
    r"(?<![c}])\{([^{}]*)\}": r"(\1)",  # after \frac, and after what is above its line, it is not alone
}


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
    names = {variable.strip(): letter for variable, letter in zip(variables, LETTERS, strict=False)}
    text = re.sub(r"\{\\rm (\w+)\}", r"\\\1 ", latex)
    while "{" in text:
        for group, python in GROUPS.items():
            text = re.sub(group, python, text)

    def word(found: re.Match[str]) -> str:
        command = found[0].removeprefix("\\")
        python = {"ln": "log", "arcsin": "asin"}.get(command, command) if command in COMMANDS else "E"
        return names.get(found[0], python) + " "

    return re.sub(r"\\[a-z]+(?:_\d)?|[a-z](?:_\d)?", word, re.sub(r"\^(\S)", r"**\1 ", text))
