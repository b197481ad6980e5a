"""Functions of one input in compiled code, a block of samples at a time: what they are, and their
slopes.

`harness.train.fused.expansion` says what a record of an input has, and which part of it these read
and write.
"""

from harness.train.fused.activations import exponentials
from harness.train.fused.compiled import part
from harness.train.fused.simd import fma, load, plus, spread, store, times
from harness.train.fused.sizes import ACTIVATED, ACTIVATED_SLOPE, BLOCK, LANES, VALUE

ARGUMENT, DELTA = 3 * BLOCK, 5 * BLOCK  # of a record


@part
def set_polynomials(functions, record, rows):
    """T_0 to T_D of t = tanh x, by T_n = 2 t T_{n-1} - T_{n-2}."""
    for s in range(0, BLOCK, LANES):
        t = load(record, ACTIVATED + s)
        twice, before, last = times(spread(2.0), t), spread(1.0), t
        store(rows, s, before)
        store(rows, BLOCK + s, last)
        for n in range(2, functions):
            before, last = last, fma(times(spread(-1.0), before), twice, last)
            store(rows, n * BLOCK + s, last)


@part
def fold_polynomials(functions, by_rows, record):
    """The slope of T_n is n U_{n-1}, and U follows the recurrence of T from U_0 = 1 and U_1 = 2
    t.
    """
    for s in range(0, BLOCK, LANES):
        twice = times(spread(2.0), load(record, ACTIVATED + s))
        before, last, by_t = spread(0.0), spread(1.0), load(by_rows, BLOCK + s)
        for n in range(2, functions):
            before, last = last, fma(times(spread(-1.0), before), twice, last)
            by_t = fma(by_t, times(spread(float(n)), load(by_rows, n * BLOCK + s)), last)
        store(record, VALUE + s, times(by_t, load(record, ACTIVATED_SLOPE + s)))


@part
def set_harmonics(harmonics, record, rows):
    """cos n x and sin n x, n = 1..H, each turned by x from the one before: rounding grows as n, as
    that of n x does.
    """
    for s in range(0, BLOCK, LANES):
        first_sine, first_cosine = load(record, ACTIVATED + s), load(record, ACTIVATED_SLOPE + s)
        less_sine = times(spread(-1.0), first_sine)
        sine_, cosine = first_sine, first_cosine
        store(rows, s, cosine)
        store(rows, harmonics * BLOCK + s, sine_)
        for n in range(1, harmonics):
            cosine, sine_ = (
                fma(times(less_sine, sine_), first_cosine, cosine),
                fma(times(first_sine, cosine), first_cosine, sine_),
            )
            store(rows, n * BLOCK + s, cosine)
            store(rows, (harmonics + n) * BLOCK + s, sine_)


@part
def fold_harmonics(harmonics, by_rows, rows, record):
    """The slopes of cos n x and sin n x are -n sin n x and n cos n x."""
    for s in range(0, BLOCK, LANES):
        by_x = spread(0.0)
        for n in range(harmonics):
            cosine, sine_ = n * BLOCK + s, (harmonics + n) * BLOCK + s
            turned = times(load(by_rows, cosine), load(rows, sine_))
            by_phase = fma(times(spread(-1.0), turned), load(by_rows, sine_), load(rows, cosine))
            by_x = fma(by_x, n + 1.0, by_phase)
        store(record, VALUE + s, by_x)


@part
def set_gaussians(functions, first, spacing, record, rows):
    """exp(-((u - c) / h)^2), u in ARGUMENT."""
    for s in range(0, BLOCK, LANES):
        u = load(record, ARGUMENT + s)
        for g in range(functions):
            away = times(spread(1 / spacing), plus(u, spread(-(first + g * spacing))))
            store(rows, g * BLOCK + s, times(times(spread(-1.0), away), away))
    exponentials(rows)


@part
def fold_gaussians(functions, first, spacing, by_rows, rows, record):
    """A Gaussian's slope is 2 (c - u) / h^2 times itself."""
    for s in range(0, BLOCK, LANES):
        u, by_u = load(record, ARGUMENT + s), spread(0.0)
        for g in range(functions):
            away = fma(spread(first + g * spacing), -1.0, u)
            by_u = fma(by_u, times(load(by_rows, g * BLOCK + s), load(rows, g * BLOCK + s)), away)
        store(record, DELTA + s, times(spread(2 / (spacing * spacing)), by_u))
