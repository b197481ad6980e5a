"""A trained KAN read as a formula: each of its edges snapped to c f(a x + b) + d, f from a short
list of functions.

What pykan calls auto_symbolic, from samples alone: for every f, a and b are searched on a grid and
refined, c and d are those of least squares, and R² says how well that is. The simplest f wins that
is hardly worse than the best one. Then all constants are fitted together to the targets, as the
paper does by training on, and written to six digits.

Legend: N samples, I inputs, O outputs, A slopes, B shifts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import sympy

Array = NDArray[np.float64]


def _if_positive(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """Not a number where the argument is not positive: a sample on both sides of a pole has no such
    form.
    """
    return lambda t: function(np.where(t > 0, t, np.nan))


# The simplest first: of forms that are about as good, the first one is taken. Names are sympy's, of
# t.
FORMS: dict[str, Callable[[Array], Array]] = {
    "t": lambda t: t,
    "t**2": lambda t: t**2,
    "t**3": lambda t: t**3,
    "t**4": lambda t: t**4,
    "exp(t)": np.exp,
    "sin(t)": np.sin,
    "log(t)": _if_positive(np.log),
    "sqrt(t)": _if_positive(np.sqrt),
    "1/t": _if_positive(lambda t: 1 / t),
    "1/t**2": _if_positive(lambda t: 1 / t**2),
    "1/sqrt(t)": _if_positive(lambda t: 1 / np.sqrt(t)),
    "Abs(t)": np.abs,
    "tanh(t)": np.tanh,
    "atan(t)": np.arctan,
    "exp(-t**2)": lambda t: np.exp(-(t**2)),
    "cosh(t)": np.cosh,
}
# Of a and b where the input is scaled to [-1, 1]; pykan searches [-10, 10] too, of the input as it
# is.
SLOPES_A = np.concatenate([sign * np.geomspace(0.1, 12, 20) for sign in (1, -1)])
SHIFTS_B = np.linspace(-10, 10, 41)
HARDLY = (
    1e-4  # the share of f's size by which it varies, below which c and d would cancel each other
)
SAMPLES = 60  # at which forms are searched
CLOSE, CLOSE_FACTOR = (
    1e-5,
    5.0,
)  # 1 - R² up to which, or up to so many times the best, a simpler form is as good
CONSTANT = 1e-10  # the range of values below which an edge is taken for a constant
DIGITS, NEGLIGIBLE = (
    6,
    1e-9,
)  # of the constants of a formula; targets and variables are taken to be of size 1
FITS = 50  # Jacobians of the common fit of all constants, at most
# Forms whose argument can be divided by a number, and the power of it that comes out.
POWERS = {"t": 1, "t**2": 2, "t**3": 3, "t**4": 4, "Abs(t)": 1, "sqrt(t)": 0.5}
POWERS |= {"1/t": -1, "1/t**2": -2, "1/sqrt(t)": -0.5}


class Edge(NamedTuple):
    """c f(a x + b) + d, by the name of f in FORMS, and its R² (nan for a constant, which is c =
    0).
    """

    form: str
    constants: tuple[float, ...]
    r2: float


class FittedFormula(NamedTuple):
    """A formula as text, the least R² of its edges, and its RMSE as it is written: nan where it is
    not defined.
    """

    text: str
    least_r2: float
    rmse: float


def snap_edge(x_N: Array, y_N: Array) -> Edge:
    """The simplest form that fits y(x) about as well as any in FORMS does."""
    if np.ptp(y_N) < CONSTANT or np.ptp(x_N) < CONSTANT:
        return Edge("t", (1.0, 0.0, 0.0, float(y_N.mean())), np.nan)
    order = np.argsort(x_N)[
        np.linspace(0, x_N.size - 1, min(SAMPLES, x_N.size)).round().astype(int)
    ]
    middle, half = (x_N.max() + x_N.min()) / 2, np.ptp(x_N) / 2
    u_N, v_N = (x_N[order] - middle) / half, y_N[order]
    searched = {name: _search(form, u_N, v_N) for name, form in FORMS.items()}
    best = min(missed for missed, _ in searched.values())
    name = next(
        name for name, (missed, _) in searched.items() if missed <= max(CLOSE, CLOSE_FACTOR * best)
    )
    a, b = searched[name][1]
    a, b = a / half, b - a * middle / half
    f_N = FORMS[name](a * x_N + b)
    far_N = f_N - f_N.mean()
    c = (far_N * y_N).sum() / np.square(far_N).sum()
    d = y_N.mean() - c * f_N.mean()
    r2 = 1 - np.square(c * f_N + d - y_N).mean() / y_N.var()
    return Edge(name, tuple(map(float, (a, b, c, d))), float(r2))


def _search(
    form: Callable[[Array], Array], u_N: Array, v_N: Array
) -> tuple[float, tuple[float, float]]:
    """The least 1 - R² of a form over slopes and shifts, and where it is."""
    from scipy.optimize import (
        minimize,  # takes a fifth of a second, which every worker that starts would wait for
    )

    missed_AB = _missed(form(SLOPES_A[:, None, None] * u_N + SHIFTS_B[:, None]), v_N)
    row, column = np.unravel_index(missed_AB.argmin(), missed_AB.shape)
    start = np.array([SLOPES_A[row], SHIFTS_B[column]])
    if form is FORMS["t"]:
        return float(missed_AB[row, column]), (1.0, 0.0)

    def missed(ab: Array) -> float:
        return float(_missed(form(ab[0] * u_N + ab[1]), v_N))

    refined = minimize(missed, start, method="Nelder-Mead", options={"fatol": 1e-14})
    return float(refined.fun), (float(refined.x[0]), float(refined.x[1]))


def _missed(f: Array, v_N: Array) -> Array:
    """1 - R² of least squares of v by f and a constant, on the last axis; 1 where f is not finite
    or hardly varies.
    """
    with np.errstate(all="ignore"):
        far, v_N = f - f.mean(-1, keepdims=True), v_N - v_N.mean()
        square = np.square(far).sum(-1)
        missed = 1 - np.square((far * v_N).sum(-1)) / (square * np.square(v_N).sum())
        varies = square > HARDLY**2 * np.square(f).sum(-1)
    return np.where(varies & np.isfinite(missed), missed.clip(0, 1), 1.0)


class EdgeSamples(NamedTuple):
    """Points x, [I, N], and targets y, [N]."""

    x: Array
    y: Array


FormsOfLayers = Sequence[Sequence[Sequence[str]]]  # the form of each edge, [layer][output][input]
Constants = Sequence[Sequence[float]]  # a, b, c and d of each edge, one after the other


def read_formula(
    edges: Sequence[Array],
    biases: Sequence[Array],
    train: EdgeSamples,
    test: EdgeSamples,
    names: Sequence[str],
) -> FittedFormula:
    """The formula of a KAN with one output, from what its edges give at the training points, [O, I,
    N] a layer.

    `biases` are its nodes' constants, [O] a layer, `names` those of its inputs. The RMSE is that at
    the test points.
    """
    from sympy import lambdify

    forms: list[list[list[str]]] = []
    constants: list[Sequence[float]] = []
    r2s, h_IN = [], train.x
    for edge_OIN, bias_O in zip(edges, biases, strict=True):
        forms.append([])
        for edge_IN, bias in zip(edge_OIN, bias_O, strict=True):
            first, *others = map(snap_edge, h_IN, edge_IN)
            *abc, d = first.constants
            row = [first._replace(constants=(*abc, d + bias)), *others]
            forms[-1].append([edge.form for edge in row])
            constants += [edge.constants for edge in row]
            r2s += [edge.r2 for edge in row if not np.isnan(edge.r2)]
        h_IN = edge_OIN.sum(1) + bias_O[:, None]
    least = min(r2s, default=np.nan)
    written, variables = _written(forms, _fitted(forms, constants, train), names)

    with np.errstate(all="ignore"):
        predicted_N = lambdify(variables, written, "numpy")(*test.x)
    return FittedFormula(
        str(written), float(least), float(np.sqrt(np.square(predicted_N - test.y).mean()))
    )


def _fitted(forms: FormsOfLayers, constants: Constants, train: EdgeSamples) -> Constants:
    """All constants fitted together to the targets, if the formula is defined at all points."""
    from scipy.optimize import least_squares

    def misses(values: Array) -> Array:
        of_edges, h_IN = iter(values.reshape(-1, 4).tolist()), train.x
        for layer in forms:
            sums = []
            for row in layer:
                terms = []
                for form, h_N in zip(row, h_IN, strict=True):
                    a, b, c, d = next(of_edges)
                    terms.append(c * FORMS[form](a * h_N + b) + d)
                sums.append(np.sum(terms, 0))
            h_IN = np.stack(sums)
        return h_IN[0] - train.y

    start = np.array(constants).ravel()
    with np.errstate(all="ignore"):  # steps that go too far are taken back
        if not np.isfinite(misses(start)).all():
            return constants
        solution = least_squares(
            misses, start, x_scale="jac", max_nfev=FITS, ftol=1e-14, xtol=1e-14, gtol=1e-14
        )
    return solution.x.reshape(-1, 4).tolist()


def _written(
    forms: FormsOfLayers, constants: Constants, names: Sequence[str]
) -> tuple[sympy.Expr, list[sympy.Symbol]]:
    """The expression with constants of so many DIGITS, and its variables.

    What a node adds is written into the edges that leave it, and what can be is taken out of their
    functions.
    """
    import sympy

    def number(value: float) -> sympy.Expr:
        return sympy.Float(value) if abs(value) > NEGLIGIBLE else sympy.Integer(0)

    variables, t = [sympy.Symbol(name) for name in names], sympy.Symbol("t")
    of_edges, nodes, shifts = iter(constants), list(variables), [0.0] * len(variables)
    for layer in forms:
        sums, added = [], []
        for row in layer:
            terms, shift_of_node = [], 0.0
            for form, node, shift in zip(row, nodes, shifts, strict=True):
                a, b, c, d = next(of_edges)
                a, b, c = _simplest(form, a, b + a * shift, c)
                terms.append(number(c) * sympy.sympify(form).subs(t, number(a) * node + number(b)))
                shift_of_node += d
            sums.append(sum(terms))
            added.append(shift_of_node)
        nodes, shifts = sums, added
    exact = nodes[0] + number(shifts[0])
    rounded = {
        value: sympy.Float(f"{float(value):.{DIGITS}g}", DIGITS)
        for value in exact.atoms(sympy.Float)
    }
    return exact.xreplace(rounded), variables


def _simplest(form: str, a: float, b: float, c: float) -> tuple[float, float, float]:
    """The same c f(a x + b) with a = 1 or -1 for powers, and b = 0 for an exponential function."""
    if form in POWERS and a:
        return a / abs(a), b / abs(a), c * abs(a) ** POWERS[form]
    return (a, 0.0, c * np.exp(b)) if form == "exp(t)" else (a, b, c)
