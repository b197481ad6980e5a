"""Tasks: the five functions exactly, samples from separate streams, noise, and targets of the
user's own.
"""

import re
import sys

import mpmath
import numpy as np
import pytest
from scipy.integrate import quad

from harness.base.errors import HarnessError
from harness.paper.reference import load
from harness.spec.task import Task
from harness.tasks import TargetError, draw, feynman, load_target, resolve, scaled, special
from harness.tasks.paper import TASKS


def _values(name, x):
    return TASKS[name].function(np.atleast_2d(np.asarray(x, dtype=float)))


def test_j0_is_bessels_integral():
    for x in (-0.9, -0.3, 0.0, 0.77):
        expected, _ = quad(lambda t, x=x: np.cos(20 * x * np.sin(t)) / np.pi, 0, np.pi)
        assert _values("j0", [[x]])[0] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize(
    ("name", "point", "expected"),
    [
        ("exp2d", [0.5, 0.0], np.e),
        ("exp2d", [-0.5, 1.0], 1.0),
        ("xy", [0.5, -0.25], -0.125),
        ("exp100d", [1.0] * 100, np.e),
        ("exp100d", [1.0] * 50 + [0.0] * 50, np.exp(0.5)),
        ("exp4d", [np.sqrt(0.5), 0.0, 0.0, np.sqrt(0.5)], np.e),
        ("exp4d", [1.0, np.sqrt(0.5), 0.0, 0.0], np.exp(-0.5)),
    ],
)
def test_values_worked_out_by_hand(name, point, expected):
    assert _values(name, [point])[0] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("name", TASKS)
def test_samples_lie_in_the_box_and_are_of_the_asked_number(name):
    """Points are uniform on [low, high]^d: moments of the uniform law within five standard
    errors.
    """
    assert "2404.19756" in load_target(name).source
    task = resolve(
        Task(target=name, low=0.0, high=0.5, train_points=400, validation_points=30, test_points=50)
    )
    splits = draw(task, seed=3)
    assert [len(s.x) for s in (splits.train, splits.validation, splits.test)] == [400, 30, 50]
    x = splits.train.x
    assert 0 <= x.min() <= x.max() <= 0.5
    assert x.mean() == pytest.approx(0.25, abs=5 * 0.5 / np.sqrt(12 * x.size))


def test_variables_may_have_an_interval_each():
    task = resolve(Task(target="exp2d", low=(0.0, 2.0), high=3))
    x = draw(task, seed=0).train.x
    assert task.box == ((0.0, 3.0), (2.0, 3.0))
    assert np.all((x >= [0, 2]) & (x <= 3))
    assert x[:, 0].min() < 0.1
    assert scaled(task, np.array([[0.0, 2.0], [1.5, 2.5], [3.0, 3.0]])) == pytest.approx(
        np.array([[-1, 0, 1]] * 2).T
    )


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        ((0.0, 1.0, 2.0), 3.0, "low has 3 bounds, but"),
        (0.0, (1.0,), "high has 1 bounds"),
        ((0.0, 1.0), (1.0, 1.0), "low=1.0 must be below high=1.0"),
        ((0.0,), (1.0, 2.0), "have 1 and 2 bounds"),
    ],
)
def test_a_box_of_other_variables_or_without_content_is_refused(low, high, said):
    with pytest.raises((HarnessError, ValueError), match=said):
        resolve(Task(target="exp2d", low=low, high=high))


def test_splits_and_seeds_are_separate_streams():
    task = resolve(Task(target="exp2d"))
    first, again, other = draw(task, 0), draw(task, 0), draw(task, 1)
    splits = (first.train, first.validation, first.test, other.train, other.validation, other.test)
    points = [set(map(tuple, split.x)) for split in splits]
    assert len(set.union(*points)) == sum(map(len, points))
    assert np.array_equal(first.test.y, again.test.y)


def test_more_training_points_change_no_other_split():
    small, large = (draw(resolve(Task(target="xy", train_points=n)), 0) for n in (10, 1000))
    assert np.array_equal(small.test.x, large.test.x)
    assert np.array_equal(small.train.x, large.train.x[:10])


@pytest.fixture
def user_module(here, monkeypatch):
    """A folder of the user's, as the current one, and a writer of its module `mine`."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def write(source: str) -> None:
        (here / "mine.py").write_text(source)
        sys.modules.pop("mine", None)

    yield write
    sys.modules.pop("mine", None)


@pytest.mark.parametrize(("version", "known"), [("", False), ("f.version = 2\n", True)])
def test_edited_code_is_another_task_unless_it_declares_its_version(user_module, version, known):
    fingerprints = []
    for body in ("x[:, 0]", "1 * x[:, 0]"):
        user_module(f"def f(x):\n    return {body}\n{version}")
        fingerprints.append(resolve(Task(target="mine:f", inputs=1)).fingerprint)
    assert len(set(fingerprints)) == (1 if known else 2)
    assert ("version 2" in fingerprints) is known


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ({"target": "exp2b"}, "did you mean 'exp2d'"),
        ({"target": "exp2d", "inputs": 3}, "inputs=3"),
        ({"target": "mine:f"}, "say how many variables it has"),
        ({"target": "mine:g", "inputs": 1}, "no function 'g'; allowed: f, shape, unbounded"),
        ({"target": "absent:f", "inputs": 1}, "importing absent failed: ModuleNotFoundError"),
    ],
)
def test_a_target_that_cannot_be_loaded_is_named(user_module, task, said):
    user_module("def f(x): ...\ndef shape(x): ...\ndef unbounded(x): ...\n")
    with pytest.raises(HarnessError, match=said.replace("(", r"\(")):
        resolve(Task(**task))


NOISE = 0.1


@pytest.mark.parametrize("seed", [0, 1])
def test_training_and_validation_have_noise_and_test_has_none(seed):
    fields = {
        "target": "exp2d",
        "train_points": 20_000,
        "validation_points": 20_000,
        "test_points": 1000,
    }
    clean, noisy = (
        draw(resolve(Task(**fields, label_noise=noise)), seed) for noise in (None, NOISE)
    )
    expected = NOISE * clean.train.y.std()
    noises = [getattr(noisy, name).y - getattr(clean, name).y for name in ("train", "validation")]
    for noise in noises:
        assert noise.std() == pytest.approx(expected, rel=0.03)
        assert abs(noise.mean()) < 5 * expected / np.sqrt(20_000)
    assert abs(np.corrcoef(*(noise[:, 0] for noise in noises))[0, 1]) < 0.04
    assert np.array_equal(noisy.test.y, clean.test.y)
    assert np.array_equal(noisy.train.x, clean.train.x)


def test_noise_is_a_task_of_its_own_and_of_functions_alone():
    assert resolve(Task(target="exp2d", label_noise=NOISE)) != resolve(Task(target="exp2d"))
    assert "label_noise" not in resolve(Task(target="exp2d")).model_dump()
    for name in ("poisson", "wine"):
        with pytest.raises(TargetError, match=f"label_noise: {name} is no function"):
            resolve(Task(target=name, label_noise=NOISE))


def test_a_function_of_torch_is_as_good_as_one_of_numpy(tmp_path, monkeypatch):
    (tmp_path / "of_torch.py").write_text(
        "import numpy, torch\n"
        "def ours(x): return torch.sin(x[:, 0]) * x[:, 1].square()\n"
        "def method(x): return x[:, 0].sin() * x[:, 1] ** 2\n"
        "def same(x): return numpy.sin(x[:, 0]) * x[:, 1] ** 2\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    drawn = [
        draw(resolve(Task(target=f"of_torch:{name}", inputs=2)), 0).test.y
        for name in ("ours", "method", "same")
    ]
    assert np.allclose(drawn[0], drawn[2], rtol=1e-14)
    assert np.allclose(drawn[1], drawn[2], rtol=1e-14)


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
    # after \frac, and after what is above its line, it is not alone
    r"(?<![c}])\{([^{}]*)\}": r"(\1)",
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
    printed = sympy.lambdify(
        list(symbols), parser.parse_expr(expression, transformations=with_products)
    )
    points = np.random.default_rng(1).uniform(
        (0.2, 0.5, 0.3, 0.3, 0.3, 0.3)[: len(symbols)], 0.9, (20, len(symbols))
    )
    points[:, 0] *= 0.5  # arcsin(a/n) wants a < n
    assert load_target(name).inputs == len(symbols)
    assert load_target(name).function(points) == pytest.approx(
        [printed(*point) for point in points], rel=1e-12
    )


def in_python(latex: str, variables: list[str]) -> str:
    """The table's LaTeX as Python that leaves out signs of multiplication; variables are
    LETTERS.
    """
    names = {variable.strip(): letter for variable, letter in zip(variables, LETTERS, strict=False)}
    text = re.sub(r"\{\\rm (\w+)\}", r"\\\1 ", latex)
    while "{" in text:
        for group, python in GROUPS.items():
            text = re.sub(group, python, text)

    def word(found: re.Match[str]) -> str:
        command = found[0].removeprefix("\\")
        python = (
            {"ln": "log", "arcsin": "asin"}.get(command, command) if command in COMMANDS else "E"
        )
        return names.get(found[0], python) + " "

    return re.sub(r"\\[a-z]+(?:_\d)?|[a-z](?:_\d)?", word, re.sub(r"\^(\S)", r"**\1 ", text))
