"""The multiplier of two arms in closed form."""

import numpy as np
import pytest
from commands import json_of

import harness
from harness.comparison import multiplier

COMPUTE = np.geomspace(1e18, 1e20, 5)


def losses(compute, behind=1.0, floor=1.8, alpha=0.155):
    return floor + 1.6 * (compute / behind / 1e18) ** -alpha


def of_two(first, second, **asked):
    return multiplier({"a": COMPUTE, "b": COMPUTE}, {"a": first, "b": second}, **asked)


def values(found):
    return [place.multiplier.value for place in found.sizes]


@pytest.mark.parametrize("floor", [None, "free", "shared", 1.8])
def test_of_exact_laws_it_is_exact(floor):
    """(x / X)^-alpha of both: the multiplier is a power of x, whose exponent is the ratio of
    exponents less one.
    """
    found = of_two(losses(COMPUTE), losses(COMPUTE, 1.4, alpha=0.17), floor=floor, at=(1e21,))
    all_at = np.append(COMPUTE, 1e21)
    steepness = 0.155 / 0.17
    assert values(found) == pytest.approx(1.4 * (all_at / 1e18) ** (steepness - 1), rel=1e-4)
    assert found.trend.value == pytest.approx(10 ** (steepness - 1), rel=1e-4)
    assert found.sizes[-1].extrapolated
    assert [caution.code for caution in found.warnings] == ["EXTRAPOLATED"]


def test_what_both_share_makes_one_number():
    rng = np.random.default_rng(0)
    first, second = (
        losses(COMPUTE, behind) * np.exp(0.003 * rng.standard_normal(5)) for behind in (1, 1.4)
    )
    found = of_two(first, second, floor="shared", alpha="shared")
    assert len(found.sizes) == 1
    assert found.trend is None
    assert found.sizes[0].multiplier.value == pytest.approx(1.4, rel=0.1)


def test_exchanged_arms_have_the_reciprocal():
    rng = np.random.default_rng(1)
    first, second = (
        losses(COMPUTE, behind) * np.exp(0.003 * rng.standard_normal(5)) for behind in (1, 1.4)
    )
    there = of_two(first, second, floor="shared").sizes[2]
    back = of_two(second, first, floor="shared", at=(there.size * there.multiplier.value,)).sizes[
        -1
    ]
    assert back.loss == pytest.approx(there.loss, rel=1e-6)
    assert back.multiplier.value == pytest.approx(1 / there.multiplier.value, rel=1e-5)


def test_floors_that_differ_are_each_their_own():
    first, second = losses(COMPUTE), losses(COMPUTE, 1.4, floor=2.4)
    assert of_two(first, second).floor == "free"
    for asked in (None, "shared"):
        assert "SHARING_REJECTED" in [
            caution.code for caution in of_two(first, second, floor=asked).warnings
        ]


def test_an_arm_below_the_floor_of_the_other_is_never_reached():
    first, second = losses(COMPUTE), losses(COMPUTE, 1.4, floor=3.5)
    last = of_two(first, second, floor="free").sizes[-1].multiplier
    assert last.value == np.inf
    assert last.interval.high_open


@pytest.mark.parametrize(
    ("points", "asked", "code"), [(3, {}, "TOO_FEW"), (5, {"floor": 3.0}, "FLOOR_ABOVE")]
)
def test_what_the_points_do_not_support_is_refused(points, asked, code):
    x = {"a": COMPUTE[:points], "b": COMPUTE[:points]}
    found = multiplier(x, {"a": losses(x["a"]), "b": losses(x["b"], 1.4)}, **asked)
    assert [refusal.code for refusal in found.refusals] == [code]
    assert not found.sizes


def test_a_known_floor_makes_three_budgets_enough():
    x = {"a": COMPUTE[:3], "b": COMPUTE[:3]}
    found = multiplier(x, {"a": losses(x["a"]), "b": losses(x["b"], 1.4)}, floor=1.8)
    assert values(found) == pytest.approx([1.4] * 3, rel=1e-6)


@pytest.fixture
def grid(tmp_path):
    """Runs of five budgets of seven sizes; mlp needs 1.4 times the compute, and half the seconds
    for a FLOP.
    """
    lines = ["arm,params,tokens,seconds,loss"]
    for arm, behind, speed in (("kan", 1.0, 1e12), ("mlp", 1.4, 2e12)):
        for compute in COMPUTE:
            for share in np.geomspace(0.25, 4, 7):
                n = 0.3 * np.sqrt(compute / 6) * share
                d = compute / 6 / n
                loss = 1.8 + 480 * (n / behind**0.5) ** -0.36 + 2100 * (d / behind**0.5) ** -0.36
                lines.append(f"{arm},{n:.17g},{d:.17g},{compute / speed:.17g},{loss:.17g}")
    path = tmp_path / "grid.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def test_of_two_sizes_the_compute_optimal_curves_are_compared(grid):
    asked = (
        "--x",
        "params",
        "--and",
        "tokens",
        "--seconds",
        "seconds",
        "--y",
        "loss",
        "--by",
        "arm",
        "--budget",
        1e21,
    )
    compute, seconds = json_of("compare", grid, "kan", "mlp", *asked)["sizes"]
    assert [place["size"] for place in compute["multiplier"]["sizes"]] == pytest.approx(
        [*COMPUTE, 1e21]
    )
    for axis, expected in ((compute, 1.4), (seconds, 0.7)):
        told = [place["multiplier"]["value"] for place in axis["multiplier"]["sizes"][:5]]
        assert told == pytest.approx([expected] * 5, rel=0.02)

    named = {"x": "params", "and_": "tokens", "seconds": "seconds", "y": "loss", "by": "arm"}
    from_python = harness.compare(grid, "kan", "mlp", **named, budgets=1e21)
    assert from_python.table["multiplier"].tolist()[:5] == pytest.approx([1.4] * 5, rel=0.02)
    assert "For the loss of kan at compute 1e+20, mlp needs" in from_python.sentences[0]


def test_runs_that_are_known_worse_move_the_multiplier_less():
    """Of two runs a size one is wrong, and known to be uncertain."""
    truth = losses(COMPUTE)
    x = {"a": np.repeat(COMPUTE, 2), "b": np.repeat(COMPUTE, 2)}
    wrong = np.column_stack([truth, truth * (1 + 0.2 * np.cos(np.arange(truth.size)))]).ravel()
    y, sd = {"a": np.repeat(truth, 2), "b": wrong}, np.tile([1e-3, 1.0], COMPUTE.size)
    naive, informed = multiplier(x, y), multiplier(x, y, sd={"a": sd, "b": sd})
    errors = [
        max(abs(np.log(at.multiplier.value)) for at in found.sizes) for found in (naive, informed)
    ]
    assert errors[1] < 0.01 < 0.1 < errors[0]
