"""docs/counting.md is true: its formulas are those of the code. docs/write_numbers.py writes its
numbers.
"""

import json
import math
import re
from itertools import pairwise
from pathlib import Path

import draw_counting
import every_basis as dense
import matplotlib.image
import pytest
from networks import GRIDS_AND_ORDERS, evaluated_by, local, networks

from harness.count import Work, count, least_squares_flops, recursion_terms, training_flops
from harness.count.dispatched import executed_evaluation, executed_forward
from harness.families import FAMILIES, KanShape, MlpShape
from harness.families.prices import BACKWARD, KANBEFAIR, activation_price
from harness.optimisers import Lbfgs
from harness.optimisers.normal_equations import system_flops
from harness.planning.match import MatchSetting, match_arms

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "counting.md").read_text(encoding="utf-8")
PROSE = " ".join(TEXT.split())
LBFGS = Lbfgs(name="lbfgs")
EXAMPLE = KanShape(shape=(2, 5, 1), grid=5)
FORWARD = "flops_forward."
ACTIVATIONS = ("relu", "tanh", "silu", "gelu", "prelu", "sine")


def table(first_header: str, nth: int = 0) -> list[list[str]]:
    """The rows of the nth table whose first header is that; in an empty first cell the one above it
    is repeated.
    """
    bodies = re.findall(
        rf"^\| {re.escape(first_header)} \|.*\n\|[-| ]+\|\n((?:\|.*\n)+)", TEXT, flags=re.MULTILINE
    )
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in bodies[nth].splitlines()
    ]
    for above, row in pairwise(rows):
        row[0] = row[0] or above[0]
    return rows


def codes(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def number(text: str) -> float:
    return float(text.replace(",", "").replace("%", "").strip("` "))


def value(formula: str, **letters: float) -> float:
    """A formula as the page writes it: a space between two factors multiplies them, ^ raises."""
    python = (
        re.sub(r"(?<=[\w)]) (?=[\w(])", " * ", formula)
        .replace("^", "**")
        .replace("×", "*")
        .replace(",", "")
    )
    return eval(python, {"__builtins__": {}, "ceil": math.ceil, "log2": math.log2}, letters)


def stated(sentence: str) -> None:
    assert sentence in PROSE, sentence


def test_every_equation_holds():
    equations = re.findall(r"`([^`=]*\d[^`=]*) = ([\d,]+)`", TEXT)
    assert len(equations) > 25
    for expression, result in equations:
        assert value(expression) == number(result), expression


def test_the_figure_is_of_these_numbers():
    text = draw_counting.PICTURE.read_bytes()
    start = text.index(b"Description\0") + len(b"Description\0")
    drawn, _ = json.JSONDecoder().raw_decode(text[start:].decode("latin-1"))
    assert drawn == draw_counting.curves(), "run: python docs/draw_counting.py"
    assert (
        matplotlib.image.imread(draw_counting.PICTURE).shape[1]
        == draw_counting.SIZE[0] * draw_counting.DPI
    )


SIZES = [(1, 1, 1), (2, 5, 1), (3, 4, 2), (7, 3, 5)]


# The letters that the page has for fields of networks.
LETTERS = {
    "base": "base",
    "bias": "bias",
    "scales": "scale",
    "grid": "G",
    "order": "k",
    "rank": "r",
}
LETTERS |= {"degree": "D", "harmonics": "H", "numerator": "m", "denominator": "n"}


def layers_of(network):
    """(index, letters of the page) of each layer of a network of two."""
    fields = {
        letter: getattr(network, field)
        for field, letter in LETTERS.items()
        if hasattr(network, field)
    }
    for index, (inputs, outputs) in enumerate(pairwise(network.nodes)):
        last = index == len(network.shape) - 2
        letters = fields | {"I": inputs, "O": outputs, "E": inputs * outputs, "S": inputs}
        if "k" in letters:
            letters |= {
                "C": network.grid + network.order,
                "R": recursion_terms(network.grid, network.order),
            }
        match network.family:
            case "kan":
                letters["P"] = (
                    network.base * (2 * letters["E"] + 5 * inputs) + network.bias * outputs
                )
            case "spline_mlp":
                letters["s"] = inputs if network.place == "before" else outputs * (not last)
                letters["z"] = inputs if network.place == "before" else outputs
            case "mlp":
                price = activation_price(network.activation, KANBEFAIR)
                letters |= {"a": price * (not last), "b": price, "d": BACKWARD[network.activation]}
                letters["p"] = network.activation == "prelu" and not last
            case "gated_mlp":
                price = KANBEFAIR[network.activation]
                letters |= {"a": price, "d": BACKWARD[network.activation], "e": last}
            case "rbf_kan":
                letters |= {"l": network.norm and inputs > 1, "e": network.grid == 1}
            case "chebyshev_kan":
                letters["t"] = network.degree > 1
            case "fourier_kan":
                letters["e"] = network.harmonics == 1
            case "grouped_chebyshev":
                letters |= {"g": min(network.groups, inputs), "t": network.degree > 1}
            case "rational_kan":
                letters["g"] = min(network.groups, inputs)
        yield index, letters


def networks_of(family):
    return networks(FAMILIES[family].network, shapes=SIZES)


@pytest.mark.parametrize("row", table("family"), ids=lambda row: row[0])
def test_formulas_of_parameters(row):
    (family,), (formula, *_) = codes(row[0]), codes(row[1])
    for network in networks_of(family):
        assert network.trainable == sum(
            value(formula, **letters) for _, letters in layers_of(network)
        )


@pytest.mark.parametrize("row", table("family", 1), ids=lambda row: f"{row[0]}: {row[1]}")
def test_formulas_of_flops(row):
    formula = codes(row[2])[0]
    for family in codes(row[0]):
        for network in networks_of(family):
            for convention in codes(row[1]):
                if FORWARD + convention not in count(network):
                    continue
                expected = []
                for _, letters in layers_of(network):
                    sites = letters["E"] if convention == "per_edge" else letters["I"]
                    expected.append(value(formula, **{**letters, "S": sites}))
                if convention == "executed":
                    features = network.flops_before(KANBEFAIR)
                    assert features + sum(expected) == network.executed_forward(KANBEFAIR)
                else:
                    assert expected == network.flops(convention, KANBEFAIR)


def test_fourier_features_are_counted():
    plain, featured = MlpShape(shape=(6, 4, 1)), MlpShape(shape=(2, 4, 1), features=3)
    added = {name: n - count(plain)[name] for name, n in count(featured).items()}
    every, products = (value(formula, d=2, F=3) for formula in ("2 d F + 2 F", "2 d F"))
    stated("they add `2 d F + 2 F` FLOPs to a forward pass")
    stated("under `matmul` `2 d F`")
    assert added == dict.fromkeys(added, every) | {
        "params.trainable": 0,
        "params.paper": 0,
        "params.stored": 2 * 3,
        "flops_forward.matmul": products,
    }
    of_plain, of_featured = (
        training_flops([Work(one, 10, 50, 10)], LBFGS) for one in (plain, featured)
    )
    for convention in ("shared_dense", "local_min", "per_edge", "executed"):
        assert (
            of_featured[f"flops_train.{convention}"] - of_plain[f"flops_train.{convention}"]
            == 10 * 50 * every
        )
    assert executed_evaluation(featured).flops - executed_evaluation(plain).flops == every


def test_every_count_of_every_family_has_a_formula():
    rows = {
        (family, name)
        for row in table("family", 1)
        for family in codes(row[0])
        for name in codes(row[1])
    }
    counted = set()
    for (family,) in (codes(row[0]) for row in table("family")):
        names = [
            name
            for network in networks_of(family)
            for name in count(network)
            if name.startswith(FORWARD)
        ]
        counted |= {(family, name.removeprefix(FORWARD)) for name in names}
    assert rows == counted


def test_the_number_of_recursion_terms():
    (formula,) = re.findall(r"evaluates R = `([^`]+)` terms", PROSE)
    for grid, order in GRIDS_AND_ORDERS:
        assert value(formula, G=grid, k=order) == recursion_terms(grid, order)


def test_the_network_by_hand():
    counted, rows = count(EXAMPLE), table("count", 1)
    assert {codes(row[0])[0] for row in rows} == set(counted)
    for name, *steps, total in rows:
        parts = [number(part.split("=")[1]) for cell in steps for part in codes(cell)]
        assert sum(parts) == number(total) == counted[codes(name)[0]], name
    edges = [(2, 5, 10), (5, 1, 5), (7, 6, 15)]
    assert [tuple(map(int, row[1:])) for row in table("layer")] == edges


def test_its_training_by_hand():
    numbers = [number(row[2]) for row in table("part") if row[2]]
    run = training_flops([Work(EXAMPLE, 1000, 1000, 1000)], LBFGS)
    assert numbers == [
        run["flops_train.shared_dense"] - run["flops_train.part_optimizer"],
        run["flops_train.part_optimizer"],
        run["flops_train.shared_dense"],
    ]
    assert numbers[0] + numbers[1] == numbers[2]
    kan, _ = match_arms(
        re.findall(r"--arm '([^']+)'", PROSE),
        MatchSetting("params.trainable", 135, 2, 1, 1000, 1000, LBFGS),
    )
    assert kan.network == EXAMPLE
    assert kan.counts["flops_train.shared_dense"] == numbers[2]


def per_sample(network, convention):
    """Forward and backward by the rule."""
    first, *others = network.flops(convention, KANBEFAIR)
    return 2 * first + 3 * sum(others)


def test_levenberg_marquardt():
    (tall,) = re.findall(r"N samples: `([^`]+)`", PROSE)
    (wide,) = re.findall(r"the dual system is solved: `([^`]+)`", PROSE)
    active = EXAMPLE.active_parameters
    for each in (active, 135):
        assert system_flops(135, 1000, each) == math.floor(value(tall, N=1000, P=135, a=each))
        assert system_flops(3000, 1000, each) == math.floor(value(wide, N=1000, P=3000, a=each))


def test_least_squares_of_knots():
    (formula,) = re.findall(r"leading order \(N ≥ C\): `([^`]+)`", PROSE)
    for samples, unknowns, sides in ((1000, 8, 5), (8, 8, 1), (500, 13, 3)):
        exact = value(formula, N=samples, C=unknowns, r=sides)
        assert least_squares_flops(samples, unknowns, sides) == pytest.approx(exact, abs=1)


def test_what_local_execution_adds_forward():
    rows = table("executed less `local_min`, a layer")
    for network in networks_of("kan"):
        more = sum(
            value(codes(row[1])[0], **letters) for row in rows for _, letters in layers_of(network)
        )
        assert more == network.executed_forward(KANBEFAIR) - sum(
            network.flops("local_min", KANBEFAIR)
        )


def test_what_dense_execution_adds_forward():
    (formula,) = re.findall(r"plus `([^`]+)` compares", PROSE)
    for network in networks_of("kan"):
        found = executed_forward(evaluated_by(dense.evaluate, network))
        assert found.matmul + found.elementwise == sum(network.flops("shared_dense", KANBEFAIR)), (
            network
        )
        assert found.compares == sum(
            value(formula, **letters) for _, letters in layers_of(network)
        ), network


@pytest.mark.parametrize("family", [codes(row[0])[0] for row in table("family")])
def test_what_a_backward_pass_executes(family):
    rows = {row[0]: [codes(cell) for cell in row[1:3]] for row in table("backward of a layer")}
    of_family = {
        "kan": ["products of splines", "bases", "bias"],
        "mlp": ["MLP", "an MLP's activation"],
        "after": ["MLP", "a spline on hidden nodes, an MLP's"],
        "before": ["MLP", "a spline on inputs, an MLP's"],
        "rbf_kan": ["RBF KAN, e = 1 where G = 1"],
        "chebyshev_kan": ["Chebyshev KAN"],
        "fourier_kan": ["Fourier KAN, e = 1 where H = 1"],
        "rational_kan": ["rational KAN"],
        "grouped_chebyshev": ["grouped Chebyshev KAN"],
        "gated_mlp": ["gated MLP"],
    }
    for network in networks_of(family):
        if getattr(network, "rank", 1) > 1:  # the table has one spline a node
            continue
        names = of_family[getattr(network, "place", family)]
        total = 6 * network.shape[-1]
        for index, letters in layers_of(network):
            last = index == len(network.shape) - 2
            used = [
                name
                for name in names
                if not (last and name in (of_family["mlp"][1], of_family["after"][1]))
            ]
            for name in [*used, "base branch"] if getattr(network, "base", False) else used:
                formulas = rows[name][min(index, 1)]
                alone = name == "products of splines" and index and letters["O"] == 1
                total += value(formulas[1 if alone else 0], **letters)
        prices = KANBEFAIR
        assert total == network.executed_evaluation(prices) - network.executed_forward(prices)
    if family == "mlp":
        relu, tanh, silu, gelu, prelu, sine = (BACKWARD[name] for name in ACTIVATIONS)
        stated(
            f"d is {relu} for relu, {tanh} tanh, {silu} silu, {gelu} gelu, {prelu} prelu, "
            f"{sine} sine"
        )


def test_how_far_the_rule_of_training_is():
    for cell, *shares in table("shape (G = 5)"):
        kan, mlp = (
            KanShape(shape=tuple(json.loads(cell)), grid=5),
            MlpShape(shape=tuple(json.loads(cell))),
        )
        found = [
            kan.executed_evaluation(KANBEFAIR) / per_sample(kan, "local_min"),
            executed_evaluation(evaluated_by(dense.evaluate, kan)).flops
            / per_sample(kan, "shared_dense"),
            mlp.executed_evaluation(KANBEFAIR) / per_sample(mlp, "shared_dense"),
        ]
        assert shares == [f"{share:.2f}" for share in found]
        if kan == EXAMPLE:
            stated(f"a local [2,5,1] looks {found[2] / found[0]:.1f} times as costly")


def test_what_torchs_counter_hides():
    kan, mlp = KanShape(shape=(16, 32, 8), grid=5), MlpShape(shape=(16, 32, 8))
    kans = (evaluated_by(evaluate, kan) for evaluate in (dense.evaluate, local))
    programs = list(map(executed_forward, (mlp, *kans)))
    for row, found in zip(table("program"), programs, strict=True):
        assert row[1:3] == [f"{found.matmul:,}", f"{found.flops:,}"]
        assert row[3] == f"{1 - found.matmul / found.flops:.0%}".replace("%", " %")
    assert programs[2].matmul == programs[0].matmul == count(kan)[FORWARD + "matmul"]
    assert programs[1].matmul == 9 * programs[0].matmul


def test_how_much_more_than_per_edge_kanbefairs_formula_is():
    small = count(EXAMPLE)
    more = small[FORWARD + "kanbefair"] / small[FORWARD + "per_edge"] - 1
    stated(f"and {more:.0%} more for [2,5,1] at G = 5".replace("%", " %"))
