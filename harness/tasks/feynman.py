"""The 27 dimensionless Feynman formulas of the KAN paper's Table 2 (Liu et al. 2024, arXiv
2404.19756, sec. 3.3).

Variables are in the order of the table's column. The paper gives one box only, [-1, 1] for both
velocities of I.16.6: the others are for an experiment to choose, with `low` and `high` a variable
where they differ.
"""

from collections.abc import Callable

import numpy as np
from numpy import arcsin, cos, exp, log, pi, sin, sqrt

from harness.tasks.function import of_columns
from harness.tasks.samples import Array


def _gauss(distance: Array, sigma: Array) -> Array:
    return exp(-((distance / sigma) ** 2) / 2) / sqrt(2 * pi * sigma**2)


# Number of inputs, function, formula.
_FORMULAS: dict[str, tuple[int, Callable[..., Array], str]] = {
    "I.6.2": (2, _gauss, "exp(-θ²/(2σ²)) / √(2πσ²) of θ, σ"),
    "I.6.2b": (3, lambda t, t1, s: _gauss(t - t1, s), "exp(-(θ-θ₁)²/(2σ²)) / √(2πσ²) of θ, θ₁, σ"),
    "I.9.18": (
        6,
        lambda a, b, c, d, e, f: a / ((b - 1) ** 2 + (c - d) ** 2 + (e - f) ** 2),
        "a / ((b-1)² + (c-d)² + (e-f)²) of a, b, c, d, e, f",
    ),
    "I.12.11": (2, lambda a, t: 1 + a * sin(t), "1 + a sin θ of a, θ"),
    "I.13.12": (2, lambda a, b: a * (1 / b - 1), "a (1/b - 1) of a, b"),
    "I.15.3x": (2, lambda a, b: (1 - a) / sqrt(1 - b**2), "(1-a) / √(1-b²) of a, b"),
    "I.16.6": (2, lambda a, b: (a + b) / (1 + a * b), "(a+b) / (1+ab) of a, b"),
    "I.18.4": (2, lambda a, b: (1 + a * b) / (1 + a), "(1+ab) / (1+a) of a, b"),
    "I.26.2": (2, lambda n, t2: arcsin(n * sin(t2)), "arcsin(n sin θ₂) of n, θ₂"),
    "I.27.6": (2, lambda a, b: 1 / (1 + a * b), "1 / (1+ab) of a, b"),
    "I.29.16": (
        3,
        lambda a, t1, t2: sqrt(1 + a**2 - 2 * a * cos(t1 - t2)),
        "√(1 + a² - 2a cos(θ₁-θ₂)) of a, θ₁, θ₂",
    ),
    "I.30.3": (
        2,
        lambda n, t: (sin(n * t / 2) / sin(t / 2)) ** 2,
        "sin²(nθ/2) / sin²(θ/2) of n, θ",
    ),
    "I.30.5": (2, lambda a, n: arcsin(a / n), "arcsin(a/n) of a, n"),
    "I.37.4": (2, lambda a, d: 1 + a + 2 * sqrt(a) * cos(d), "1 + a + 2√a cos δ of a, δ"),
    "I.40.1": (2, lambda n0, a: n0 * exp(-a), "n₀ exp(-a) of n₀, a"),
    "I.44.4": (2, lambda n, a: n * log(a), "n ln a of n, a"),
    "I.50.26": (2, lambda a, al: cos(a) + al * cos(a) ** 2, "cos a + α cos² a of a, α"),
    "II.2.42": (2, lambda a, b: (a - 1) * b, "(a-1) b of a, b"),
    "II.6.15a": (3, lambda a, b, c: c * sqrt(a**2 + b**2) / (4 * pi), "c √(a²+b²) / 4π of a, b, c"),
    "II.11.7": (3, lambda n0, a, t: n0 * (1 + a * cos(t)), "n₀ (1 + a cos θ) of n₀, a, θ"),
    "II.11.27": (2, lambda n, al: n * al / (1 - n * al / 3), "nα / (1 - nα/3) of n, α"),
    "II.35.18": (2, lambda n0, a: n0 / (exp(a) + exp(-a)), "n₀ / (exp(a) + exp(-a)) of n₀, a"),
    "II.36.38": (3, lambda a, al, b: a + al * b, "a + αb of a, α, b"),
    "II.38.3": (2, lambda a, b: a / b, "a/b of a, b"),
    "III.9.52": (
        3,
        lambda a, b, c: a * np.sinc((b - c) / 2 / pi) ** 2,
        "a sin²((b-c)/2) / ((b-c)/2)² of a, b, c",
    ),
    "III.10.19": (2, lambda a, b: sqrt(1 + a**2 + b**2), "√(1 + a² + b²) of a, b"),
    "III.17.37": (3, lambda al, be, t: be * (1 + al * cos(t)), "β (1 + α cos θ) of α, β, θ"),
}


SOURCE = "Liu et al. 2024, arXiv 2404.19756v5, Table 2 and Fig. D.1"
TASKS = {
    name: of_columns(function, inputs, text, SOURCE)
    for name, (inputs, function, text) in _FORMULAS.items()
}
