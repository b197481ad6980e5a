"""The five toy functions of the KAN paper's Fig. 3.1 (Liu et al. 2024, arXiv 2404.19756, sec. 3.1).

All are learnt on [-1, 1]^d from points drawn uniformly (pykan's `create_dataset`). The paper prints
the functions; it does not say how many training points each panel used, apart from 1000 in sec.
2.4.
"""

import numpy as np
from scipy.special import j0 as bessel_j0

from harness.tasks.function import Function, of_columns

FIGURE = "Liu et al. 2024, arXiv 2404.19756v5, Fig. 3.1, panel {}"
TASKS = {
    "j0": of_columns(lambda x: bessel_j0(20 * x), 1, "J0(20x)", FIGURE.format(1)),
    "exp2d": of_columns(
        lambda x, y: np.exp(np.sin(np.pi * x) + y**2),
        2,
        "exp(sin(πx) + y²)",
        FIGURE.format("2, and Fig. 2.3"),
    ),
    "xy": of_columns(lambda x, y: x * y, 2, "xy", FIGURE.format(3)),
    "exp100d": Function(
        lambda x: np.exp(np.mean(np.sin(np.pi * x / 2) ** 2, axis=1)),
        100,
        "exp(Σ sin²(πxᵢ/2)/100)",
        FIGURE.format(4),
    ),
    # The panel's title omits pi and 1/2; the text has them.
    "exp4d": of_columns(
        lambda a, b, c, d: np.exp(
            (np.sin(np.pi * (a**2 + b**2)) + np.sin(np.pi * (c**2 + d**2))) / 2
        ),
        4,
        "exp((sin(π(x₁²+x₂²)) + sin(π(x₃²+x₄²)))/2)",
        FIGURE.format(5),
    ),
}
