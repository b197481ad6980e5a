"""Families of functions of 2 to 64 variables on [-1, 1]^d: how does error fall with size as the
dimension grows?

What each family is built of decides what theory promises to networks of either kind: sums and trees
of functions of one or two variables can be learnt at a rate without d in it, a random field cannot.
`rotated_additive` is the additive function in other axes: nothing changes for an MLP, but the knots
of a KAN are of no use there.

    additive             sum over i of g_i(x_i)
    additive_irrelevant  g_1(x_1) + g_2(x_2), whatever the other variables are
    rotated_additive     the additive one at Q x, with the same g_i and a random orthogonal Q
    single_index         g_1(w . x), with a random direction w, |w| = 1
    tree                 a binary tree of random functions of two variables, x at its leaves
    kan_teacher          a KAN [d, d, 1] of cubic splines on 8 intervals
    mlp_teacher          a tanh MLP [d, 16, 16, 1]
    gaussian_field       a Gaussian random field, Matern 7/2; gaussian_field_rough: Matern 3/2

g_i has 8 Fourier modes m = 1..8 of period 2, with normal amplitudes that fall as m^-3, and variance
1. Every member is smooth, is evaluated in float64, and is standardised: mean 0 and variance 1 over
8,192 points of Sobol's sequence. The members of a family are numbered: `instance` is the seed of
all that is random in one, and makes no other randomness. As g_i is that of its number and instance,
it is the same in every dimension and in the first three families.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import ClassVar, NamedTuple

import numpy as np

from harness.tasks.function import Function, Values
from harness.tasks.samples import Array
from harness.tasks.target import Named, TargetError
from harness.tasks.teachers import tanh_mlp

LOG_SAMPLE = 13  # points of the sample that standardises, as a power of two
MODES = np.arange(1, 9)  # frequencies of a wave, whose amplitudes fall as their cubes
RELEVANT = 2  # variables of `additive_irrelevant`, however many inputs there are
GRID, ORDER = 8, 3  # of the KAN that teaches
HIDDEN = (16, 16)  # of the MLP
FEATURES, LENGTH = 4096, 1.0  # of a random field, and the length in Matern's covariance
ROWS = 1024  # of a field at a time, which then take 32 MiB

# What a generator is for. Numbers, not names, reach it: never renumber.
PURPOSES = {"waves": 0, "rotation": 1, "direction": 2, "tree": 3, "kan": 4, "mlp": 5, "field": 6}


@dataclass(frozen=True)
class Family(Named):
    """`member` makes the function of so many variables and that instance, before it is
    standardised.
    """

    member: Callable[[int, int], Values]
    formula: str
    source: str
    inputs: Collection[int] = range(2, 65)
    has_instances: ClassVar[bool] = True

    def target(self, name: str, inputs: int | None, instance: int) -> Function:
        """The member of so many variables and that instance, standardised."""
        is_range = isinstance(self.inputs, range)
        allowed = (
            f"{min(self.inputs)} to {max(self.inputs)}"
            if is_range
            else ", ".join(map(str, self.inputs))
        )
        if inputs is None:
            raise TargetError(
                f"target {name}: say how many variables it has, `inputs: <n>`, {allowed}"
            )
        if inputs not in self.inputs:
            raise TargetError(
                f"target {name}: inputs={inputs}, but it has {allowed}; choose one of these"
            )
        return Function(
            partial(_standardised, name, inputs, instance),
            inputs=inputs,
            formula=f"{self.formula}, d = {inputs}"
            + (f", instance {instance}" if instance else ""),
            source=self.source,
            only_box="it is standardised on [-1, 1]^d",
            is_standardised=True,
        )


def _standardised(name: str, inputs: int, instance: int, x: Array) -> Array:
    function, mean, deviation = _member(name, inputs, instance)
    return (function(x) - mean) / deviation


@cache
def _member(name: str, inputs: int, instance: int) -> tuple[Values, float, float]:
    """The function, and its mean and standard deviation over the sample."""
    function = TASKS[name].member(inputs, instance)
    values = function(_sample(inputs))
    return function, float(values.mean()), float(values.std())


@cache
def _sample(inputs: int) -> Array:
    """The first points of Sobol's sequence, in the middle of their cells, [2^13, inputs]."""
    from scipy.stats import qmc  # takes most of a second, which every command would wait for

    points = qmc.Sobol(inputs, scramble=False).random_base2(LOG_SAMPLE)
    return 2 * points - 1 + 2.0**-LOG_SAMPLE


def _generator(instance: int, purpose: str, *keys: int) -> np.random.Generator:
    return np.random.default_rng([instance, PURPOSES[purpose], *keys])


# --------------------------------------------------------------------------------------------------
# waves
def wave(instance: int, number: int, t: Array) -> Array:
    """g_number at points t [n], which has mean 0 and variance 1 over [-1, 1]."""
    amplitudes = _generator(instance, "waves", number).standard_normal((2, len(MODES))) / MODES**3
    cosines, sines = amplitudes / np.sqrt(np.square(amplitudes).sum() / 2)
    angles = np.pi * t[:, None] * MODES
    return np.cos(angles) @ cosines + np.sin(angles) @ sines


def _additive(terms: int, instance: int, x: Array) -> Array:
    return sum((wave(instance, number, x[:, number]) for number in range(terms)), np.zeros(len(x)))


def rotation(inputs: int, instance: int) -> Array:
    """An orthogonal matrix, uniform among all: of a normal one's QR, with signs so that R has a
    positive diagonal.
    """
    q, r = np.linalg.qr(_generator(instance, "rotation", inputs).standard_normal((inputs, inputs)))
    return q * np.sign(np.diag(r))


def _rotated(inputs: int, instance: int) -> Values:
    turn = rotation(inputs, instance).T
    return lambda x: _additive(inputs, instance, x @ turn)


def _single_index(inputs: int, instance: int) -> Values:
    direction = _generator(instance, "direction", inputs).standard_normal(inputs)
    direction /= np.linalg.norm(direction)
    return lambda x: wave(instance, 0, x @ direction)


# --------------------------------------------------------------------------------------------------
# tree
class _Node(NamedTuple):
    """A function of two variables of variance 1, and what makes its own values have mean 0 and
    variance 1.
    """

    kind: int
    shift: Array
    mean: float = 0.0
    deviation: float = 1.0

    def __call__(self, a: Array, b: Array) -> Array:
        first, second = self.shift
        match self.kind:
            case 0:
                value = a * b
            case 1:
                value = np.sin(a + b + np.pi * first)
            case _:
                value = np.exp(-((a - first) ** 2 + (b - second) ** 2) / 2)
        return (value - self.mean) / self.deviation


def _tree(inputs: int, instance: int) -> Values:
    """A product, a sine of the sum or a bump at every node, as it comes; every node is standardised
    on the sample.
    """
    generator = _generator(instance, "tree")
    levels: list[list[_Node]] = []
    values = _leaves(_sample(inputs))
    while len(values) > 1:
        level = []
        for a, b in zip(values[::2], values[1::2], strict=True):
            node = _Node(int(generator.integers(3)), generator.uniform(-1, 1, 2))
            raw = node(a, b)
            level.append(node._replace(mean=float(raw.mean()), deviation=float(raw.std())))
        values = _above(level, values)
        levels.append(level)

    def function(x: Array) -> Array:
        values = _leaves(x)
        for level in levels:
            values = _above(level, values)
        return values[0]

    return function


def _leaves(x: Array) -> list[Array]:
    return list(np.sqrt(3) * x.T)  # of variance 1


def _above(level: list[_Node], values: list[Array]) -> list[Array]:
    return [node(a, b) for node, a, b in zip(level, values[::2], values[1::2], strict=True)]


# --------------------------------------------------------------------------------------------------
# teachers
def spline_basis(x: Array) -> Array:
    """The cubic B-splines of 8 intervals of [-1, 1] at x [n, inputs], as [n, inputs, 11]; 0 where
    each ends.
    """
    first_knot = -1 - ORDER * 2 / GRID
    distance = np.abs(
        (x[..., None] - first_knot) * GRID / 2 - np.arange(GRID + ORDER) - 2
    )  # from the middle of each
    near, far = 2 / 3 - distance**2 + distance**3 / 2, np.maximum(2 - distance, 0) ** 3 / 6
    return np.where(distance < 1, near, far)


@cache
def kan_coefficients(inputs: int, instance: int) -> tuple[Array, Array]:
    """Those of the KAN's layers, [inputs, 11, outputs] each, normal.

    The first layer's are then shifted and scaled so that every hidden node has mean 0 and deviation
    1/3 on the sample: few values leave the knots of the second layer.
    """
    generator = _generator(instance, "kan", inputs)
    first, second = (
        generator.standard_normal((inputs, GRID + ORDER, outputs)) for outputs in (inputs, 1)
    )
    hidden = _spline_layer(_sample(inputs), first)
    # B-splines add up to 1 on their domain: a constant in all coefficients of an edge is one in its
    # values.
    return (first - hidden.mean(0) / inputs) / (3 * hidden.std(0)), second


def _spline_layer(x: Array, coefficients: Array) -> Array:
    return spline_basis(x).reshape(len(x), -1) @ coefficients.reshape(-1, coefficients.shape[2])


def _kan_teacher(inputs: int, instance: int) -> Values:
    first, second = kan_coefficients(inputs, instance)
    return lambda x: _spline_layer(_spline_layer(x, first), second)[:, 0]


def _mlp_teacher(inputs: int, instance: int) -> Values:
    """Weights are normal with variance 4 over the number of inputs of their layer, biases with
    variance 1.
    """
    generator = _generator(instance, "mlp", inputs)
    layers = [
        (generator.standard_normal((a, b)) * 2 / np.sqrt(a), generator.standard_normal(b))
        for a, b in pairwise((inputs, *HIDDEN, 1))
    ]
    return partial(tanh_mlp, layers)


# --------------------------------------------------------------------------------------------------
# field
def field_features(smoothness: float, inputs: int, instance: int) -> tuple[Array, Array]:
    """Frequencies [inputs, features] from the spectral density of Matern's covariance, and phases
    [features].

    That density is Student's t with 2 nu degrees of freedom, over the length (Rahimi & Recht 2007;
    Rasmussen & Williams 2006, eq. 4.15): the mean of cos(w . (x - z)) over frequencies w is the
    covariance of x and z.
    """
    generator = _generator(instance, "field", inputs)
    freedom = 2 * smoothness
    normal = generator.standard_normal((inputs, FEATURES))
    frequencies = normal * np.sqrt(freedom / generator.chisquare(freedom, FEATURES)) / LENGTH
    return frequencies, generator.uniform(0, 2 * np.pi, FEATURES)


def _field(smoothness: float, inputs: int, instance: int) -> Values:
    frequencies, phases = field_features(smoothness, inputs, instance)

    def function(x: Array) -> Array:
        sums = [
            np.cos(part @ frequencies + phases).sum(1)
            for part in np.split(x, range(ROWS, len(x), ROWS))
        ]
        return np.sqrt(2 / FEATURES) * np.concatenate(sums)

    return function


OURS = "this project"
TASKS: dict[str, Family] = {
    "additive": Family(
        lambda inputs, instance: partial(_additive, inputs, instance),
        "Σ gᵢ(xᵢ), gᵢ of 8 Fourier modes",
        f"{OURS}; after Schmidt-Hieber 2020, arXiv 1708.06633",
    ),
    "additive_irrelevant": Family(
        lambda inputs, instance: partial(_additive, RELEVANT, instance),
        "g₁(x₁) + g₂(x₂), gᵢ of 8 Fourier modes",
        OURS,
    ),
    "rotated_additive": Family(_rotated, "Σ gᵢ((Qx)ᵢ), Q orthogonal, gᵢ of 8 Fourier modes", OURS),
    "single_index": Family(_single_index, "g₁(w·x), |w| = 1, g₁ of 8 Fourier modes", OURS),
    "tree": Family(
        _tree,
        "binary tree of products, sines of sums and bumps",
        f"{OURS}; after Poggio et al. 2017, arXiv 1611.00740",
        (2, 4, 8, 16, 32, 64),
    ),
    "kan_teacher": Family(
        _kan_teacher,
        "KAN [d,d,1], cubic splines on 8 intervals",
        f"{OURS}; after Liu et al. 2024, arXiv 2404.19756v5, Theorem 2.1",
    ),
    "mlp_teacher": Family(
        _mlp_teacher,
        "tanh MLP [d,16,16,1]",
        f"{OURS}; after Sharma & Kaplan 2020, arXiv 2004.10802",
    ),
    "gaussian_field": Family(
        partial(_field, 3.5),
        "Gaussian random field, Matérn ν = 7/2 of length 1, by 4,096 random Fourier features",
        f"{OURS}; Rahimi & Recht 2007, Random Features for Large-Scale Kernel Machines",
    ),
    "gaussian_field_rough": Family(
        partial(_field, 1.5),
        "Gaussian random field, Matérn ν = 3/2 of length 1, by 4,096 random Fourier features",
        f"{OURS}; Rahimi & Recht 2007, Random Features for Large-Scale Kernel Machines",
    ),
}
