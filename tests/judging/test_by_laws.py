"""`harness compare` by laws: known multipliers come back, mistakes are answered."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, json_of, said

import harness
from harness.judging.by_laws import ComparedByLaws, curves_of_laws
from harness.show.figures.series import named_styles
from harness.show.figures.versus import versus_figure

SIZES = (10, 30, 100, 300, 1000, 3000, 10000)
NEED = 4.0  # what mlp needs of params for each of kan's


_compare, _json = partial(invoke, "compare"), partial(json_of, "compare")


def _table(path: Path, seed: int = 4) -> Path:
    """Loss 1 / params of kan, and as much of mlp for 4 times the params; flops count the other way
    round.
    """
    generator = np.random.default_rng(seed)
    lines = ["arch,params,flops,seed,status,rmse"]
    for arm, need, work in (("kan", 1.0, 40.0), ("mlp", NEED, 1.0)):
        for size in SIZES:
            for replicate in range(3):
                loss = float(need / size * np.exp(0.02 * generator.standard_normal()))
                lines.append(f"{arm},{size},{size * work},{replicate},ok,{loss!r}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    return _table(tmp_path / "runs.csv")


ASKED = ("--x", "params", "--y", "rmse", "--by", "arch", "--seed", "seed")


def test_a_known_multiplier_comes_back(table):
    """An arm that needs 4 times the size at any loss."""
    (one,) = _json(table, "kan", "mlp", *ASKED, "--floor", "0", "--budget", 500)["sizes"]

    places = one["multiplier"]["sizes"]
    assert [place["size"] for place in places] == [*SIZES, 500]
    for place in places:
        ends = place["multiplier"]["interval"]
        assert ends["low"] < NEED < ends["high"]
    assert one["multiplier"]["trend"]["value"] == pytest.approx(1, abs=0.05)
    assert one["equal_sizes"] == []


def test_conventions_that_disagree_make_the_verdict_dependent(table):
    """kan needs a quarter of the params and ten times the flops: cheaper under one, dearer under
    the other.
    """
    asked = (table, "kan", "mlp", *ASKED, "--x", "flops")

    found, done = _json(*asked), _compare(*asked)

    (verdict,) = found["verdicts"]
    assert verdict["conclusion"] == "convention-dependent"
    assert [number["outcome"] for number in verdict["numbers"]] == ["supported", "refuted"]
    assert not verdict["stable"]
    told = " ".join(done.stdout.split())
    assert "“kan is better than mlp at its largest size” is convention-dependent" in told
    assert "For the loss of kan at params 1e+04, mlp needs 4.05 [3.94, 4.17] times that" in told


def test_failed_runs_of_one_arm_are_survivor_bias(table):
    lines = table.read_text().splitlines()
    lost = [
        line.replace(",ok,", ",diverged,") if i % 2 and line.startswith("kan") else line
        for i, line in enumerate(lines)
    ]
    table.write_text("\n".join(lost) + "\n")

    done = _compare(table, "kan", "mlp", *ASKED, "--status", "status")

    told = "11 of 21 runs of kan and 0 of 21 runs of mlp failed"
    assert f"SURVIVOR_BIAS, params: {told}" in done.stdout


@pytest.mark.parametrize(
    ("arms", "more", "message"),
    [
        (
            ("kan", "mpl"),
            (),
            "'mpl' is no arm of the table by arch; did you mean 'mlp'? (allowed: kan, mlp)",
        ),
        (("kan", "kan"), (), "give two different arms"),
        (
            ("kan", "mlp"),
            ("--where", "arch=kan"),
            "'mlp' is no arm of the table by arch; allowed: kan",
        ),
        (("kan", "mlp"), ("--best-of", "9"), "--best-of 9: kan has 3 runs at"),
        (
            ("kan", "mlp"),
            ("--x", "parms"),
            "--x 'parms' is no column of the file; did you mean 'params'?",
        ),
        (("kan", "mlp"), ("--at", "30"), "--at is for experiments without laws"),
    ],
)
def test_a_mistake_is_answered_with_what_is_allowed(table, arms, more, message):
    done = _compare(table, *arms, *ASKED, *more)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in done.stderr


def test_one_architecture_is_no_comparison(table):
    told = said("compare", table, "kan", "mlp", "--x", "params", "--y", "rmse", exit_code=2)
    assert "one arm, and kan and mlp were asked for; --by says which column names arms" in told


def _compared(table: Path, *x: str) -> ComparedByLaws:
    return harness.compare(table, "kan", "mlp", x=x, y="rmse", by="arch", seed="seed").compared


def test_the_figure_shows_what_was_computed(table):
    compared = _compared(table, "params", "flops")
    asked, curves, against = curves_of_laws(compared)
    figure = versus_figure(asked, curves, named_styles(compared.arms), against=against)

    shown = [axes for axes in figure.axes if axes.get_visible()]
    titles = [" ".join(axes.get_title(loc="left").split()) for axes in shown]
    assert titles == ["params for equal rmse", "flops for equal rmse"]
    for one, axes in zip(compared.sizes, shown, strict=True):
        (line,) = (line for line in axes.lines if line.get_gid() == f"ratio:{one.axis}")
        places = one.multiplier.sizes
        np.testing.assert_array_equal(line.get_xdata(), [place.size for place in places])
        np.testing.assert_array_equal(
            line.get_ydata(), [place.multiplier.value for place in places]
        )
        assert [text.get_text() for text in axes.texts][:2] == ["▲ KAN better", "▼ MLP better"]


def _rising(path: Path, mlp: float) -> Path:
    """The error of kan rises with size, so that no law holds; that of mlp is `mlp` times kan's at
    small sizes.
    """
    generator = np.random.default_rng(8)
    lines = ["arch,params,seed,rmse"]
    for arm, factor in (("kan", 1.0), ("mlp", mlp)):
        for size in SIZES:
            rise = 1 + (size / 300) ** 1.2 if arm == "kan" else 1
            for seed in range(3):
                loss = factor * size**-0.3 * rise * np.exp(0.05 * generator.standard_normal())
                lines.append(f"{arm},{size},{seed},{float(loss)!r}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.mark.parametrize(("mlp", "conclusion"), [(4.0, "refuted"), (1e4, "supported")])
def test_a_refused_law_leaves_the_ratios_at_equal_sizes(tmp_path, mlp, conclusion):
    table = _rising(tmp_path / "runs.csv", mlp)
    answer = _json(table, "kan", "mlp", *ASKED)
    ((verdict,), (one,)) = answer["verdicts"], answer["sizes"]
    assert one["multiplier"]["sizes"] == []
    assert [refusal["code"] for refusal in one["multiplier"]["refusals"]] == ["NONMONOTONE"]
    assert [place["size"] for place in one["equal_sizes"]] == list(SIZES)
    assert one["equal_sizes"][0]["ratio"]["value"] == pytest.approx(mlp, rel=0.1)
    assert verdict["conclusion"] == conclusion
    (number,) = verdict["numbers"]
    assert number["estimate"] == one["equal_sizes"][-1]["ratio"]["value"]
    told = _compare(table, "kan", "mlp", *ASKED).stdout
    assert "No law of both by params. At 1e+04, the largest size that both have" in told
    frame = harness.compare(table, "kan", "mlp", x="params", y="rmse", by="arch").table
    assert frame["ratio"].tolist() == [place["ratio"]["value"] for place in one["equal_sizes"]]
