"""The 15 special functions of the KAN paper's Table 1 and Fig. 3.2 (Liu et al. 2024, arXiv
2404.19756, sec. 3.2).

The paper prints each call of scipy's with arguments (x, y), in this order. It is silent on the box
that x and y come from, on which of ellipj's functions is meant (here sn) and on the real or
imaginary part of spherical harmonics (here the real one). On [-1, 1]^2 the Bessel functions are not
finite, nor is ellipj for y < 0: an experiment says which `low` and `high` it takes.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from scipy import special

from harness.tasks.function import Function, of_columns
from harness.tasks.samples import Array


def _of_two(function: Callable[[Array, Array], Any], formula: str) -> Function:
    return of_columns(
        function, 2, formula, "Liu et al. 2024, arXiv 2404.19756v5, Table 1 and Fig. 3.2"
    )


def _harmonic(m: int, n: int) -> Function:
    # sph_harm(m, n, azimuth, polar) of the paper's scipy is sph_harm_y(n, m, polar, azimuth) today.
    return _of_two(
        lambda x, y: special.sph_harm_y(n, m, y, x).real,
        f"Re sph_harm({m}, {n}, x, y): azimuth x, polar angle y",
    )


TASKS = {
    "ellipj": _of_two(
        lambda x, y: special.ellipj(x, y)[0], "sn(x | y), of ellipj(x, y): amplitude x, parameter y"
    ),
    "ellipkinc": _of_two(special.ellipkinc, "F(x | y), ellipkinc(x, y)"),
    "ellipeinc": _of_two(special.ellipeinc, "E(x | y), ellipeinc(x, y)"),
    "jv": _of_two(special.jv, "J_x(y), jv(x, y)"),
    "yv": _of_two(special.yv, "Y_x(y), yv(x, y)"),
    "kv": _of_two(special.kv, "K_x(y), kv(x, y)"),
    "iv": _of_two(special.iv, "I_x(y), iv(x, y)"),
    **{
        f"lpmv_m_{m}": _of_two(
            partial(special.lpmv, m), f"lpmv({m}, x, y): order {m}, degree x, at y"
        )
        for m in range(3)
    },
    **{
        f"sph_harm_m_{m}_n_{n}": _harmonic(m, n)
        for m, n in ((0, 1), (1, 1), (0, 2), (1, 2), (2, 2))
    },
}
