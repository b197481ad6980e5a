"""`harness compare` by laws: known ratios come back, crossovers are sets, mistakes are answered."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, json_of, said

import harness
from harness.comparison import Crossover
from harness.judging.by_laws import ComparedByLaws, curves_of_laws
from harness.judging.laws import drawn_law
from harness.judging.versus import Lead
from harness.show.figures.series import named_styles
from harness.show.figures.versus import versus_figure
from harness.show.tables.comparison import crossover_words

SIZES = (10, 30, 100, 300, 1000, 3000, 10000)
NEED = 4.0  # what mlp needs of params for each of kan's


_compare, _json = partial(invoke, "compare"), partial(json_of, "compare")


def _table(path: Path, seed: int = 4, floors: tuple[float, float] = (0.0, 0.0)) -> Path:
    """Loss 1 / params of kan, and as much of mlp for 4 times the params; flops count the other way
    round.
    """
    generator = np.random.default_rng(seed)
    lines = ["arch,params,flops,seed,status,rmse"]
    for arm, need, work, floor in (("kan", 1.0, 40.0, floors[0]), ("mlp", NEED, 1.0, floors[1])):
        for size in SIZES:
            for replicate in range(3):
                loss = float((floor + need / size) * np.exp(0.02 * generator.standard_normal()))
                lines.append(f"{arm},{size},{size * work},{replicate},ok,{loss!r}")
    path.write_text("\n".join(lines) + "\n")
    return path


@pytest.fixture
def table(tmp_path) -> Path:
    return _table(tmp_path / "runs.csv")


ASKED = ("--x", "params", "--y", "rmse", "--by", "arch", "--seed", "seed", "--law", "pure")


def test_a_known_ratio_comes_back(table):
    """An arm that needs 4 times the size at any loss: cost and loss ratio are 4, by law and in
    bins.
    """
    (one,) = _json(table, "kan", "mlp", *ASKED)["sizes"]

    for ratio in (one["cost"], one["loss"]):
        np.testing.assert_allclose(ratio["estimate"], NEED, rtol=0.1)
    for ratio in (one["cost"], one["loss"]):
        ends = zip(ratio["low"], ratio["estimate"], ratio["high"], strict=True)
        assert all(low < value < high for low, value, high in ends)
    assert one["ratio"]["estimate"] == pytest.approx(NEED, rel=0.05)
    assert one["exponents"]["pure"]["estimate"] == pytest.approx(0, abs=0.05)
    assert one["crossover"]["kind"] == "none"
    assert one["dominance"]["share"] == 1


def test_both_arms_have_the_law_that_fit_chooses(tmp_path):
    """Of pure laws the pure one, but for a test of floors that errs in 7 of 100 arms; a floor in
    one arm is in both.
    """
    chosen = {(0.0, 0.0): [], (1e-3, 0.0): [], (1e-3, 1e-3): []}
    for floors, seed in [
        *(((0.0, 0.0), seed) for seed in range(3)),
        ((1e-3, 0.0), 0),
        ((1e-3, 1e-3), 0),
    ]:
        table = _table(tmp_path / "runs.csv", seed, floors)
        chosen[floors].append(
            drawn_law(
                harness.fit(table, "params", "rmse", "arch", seed="seed").answer.laws, "", "params"
            )
        )

    assert chosen[0.0, 0.0].count("pure") >= 2
    assert chosen[1e-3, 0.0] == chosen[1e-3, 1e-3] == ["floor"]
    (one,) = _json(_table(table), "kan", "mlp", *ASKED[:-2])["sizes"]
    assert one["law"] == "pure"
    assert set(one["exponents"]) == {"pure", "floor"}


def test_conventions_that_disagree_make_the_verdict_dependent(table):
    """kan needs a quarter of the params and ten times the flops: cheaper under one, dearer under
    the other.
    """
    asked = (table, "kan", "mlp", *ASKED, "--x", "flops", "--at", "0.01")

    found, done = _json(*asked), _compare(*asked)

    (verdict,) = found["verdicts"]
    assert verdict["conclusion"] == "convention-dependent"
    assert [number["outcome"] for number in verdict["numbers"]] == ["supported", "refuted"]
    assert not verdict["stable"]
    assert "“kan is cheaper than mlp at rmse 0.01” is convention-dependent" in done.stdout


def test_a_loss_that_only_one_arm_attains_is_marked_as_extrapolated(table):
    asked = (table, "kan", "mlp", *ASKED, "--at", "1.2e-4")
    refused = _compare(*asked)

    assert refused.exit_code == 2
    assert (
        "--at 0.00012: the mean losses that both arms attain by params run from" in refused.stderr
    )
    (one,) = _json(*asked, "--extrapolate")["sizes"]
    assert one["cost"]["losses"][0] == 1.2e-4
    assert one["cost"]["extrapolated"] == [True] + [False] * 5
    assert one["cost"]["estimate"] == pytest.approx([NEED] * 6, rel=0.1)


def test_failed_runs_of_one_arm_are_survivor_bias(table):
    lines = table.read_text().splitlines()
    lost = [
        line.replace(",ok,", ",diverged,") if i % 2 and line.startswith("kan") else line
        for i, line in enumerate(lines)
    ]
    table.write_text("\n".join(lost) + "\n")

    done = _compare(table, "kan", "mlp", *ASKED, "--status", "status", "--explain")

    assert "failed: 11 of 21 runs of kan and 0 of 21 runs of mlp" in done.stdout
    assert "SURVIVOR_BIAS, by params: 11 of 21 runs of kan failed and 0 of 21 of mlp" in done.stdout


KAN_FIRST = (
    Lead("", "params", 1, 3, "kan"),
    Lead("", "params", 3, 9, None),
    Lead("", "params", 9, 100, "mlp"),
)


@pytest.mark.parametrize(
    ("kind", "estimate", "words"),
    [
        ("none", None, "none; kan ahead at 1 to 3, "),
        (
            "bounded",
            5.0,
            "where neither is ahead (the curves cross at 5); kan ahead at 1 to 3, undecided at 3 "
            "to 9, mlp ahead at "
            "9 to 100 (95% of each size by itself, not of all together)",
        ),
        (
            "half-open",
            None,
            "none can be claimed, as it is undecided to the end of the sizes that both have; kan",
        ),
        ("everything", None, "none can be claimed; kan"),
    ],
)
def test_crossovers_are_told_as_sets(kind, estimate, words):
    found = Crossover(0.95, (1, 100), (), kind, (), (), estimate)
    assert crossover_words(found, KAN_FIRST, ("kan", "mlp")).startswith(words)


def test_the_headline_is_that_of_both_laws(table):
    found = _compared(table, "params").headline
    assert [one.place for one in found.readings] == ["smallest", "middle", "largest"]
    for one in found.readings:
        assert one.ratio.low < NEED < one.ratio.high
        assert one.multiplier.estimate == pytest.approx(NEED, rel=0.1)
    assert [(lead.low, lead.high, lead.leader) for lead in found.leads] == [(10, 10000, "kan")]


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

    titles = [
        " ".join(axes.get_title(loc="left").split()) for axes in figure.axes if axes.get_visible()
    ]
    assert titles == [
        "rmse by params",
        "params at equal rmse",
        "rmse by flops",
        "flops at equal rmse",
    ]
    for one, axes in zip(compared.sizes, figure.axes[::2], strict=True):
        (line,) = (line for line in axes.lines if line.get_gid() == f"ratio:{one.axis}")
        np.testing.assert_array_equal(line.get_xdata(), one.loss.sizes)
        np.testing.assert_array_equal(line.get_ydata(), one.loss.estimate)
        assert [text.get_text() for text in axes.texts][:2] == ["▲ KAN better", "▼ MLP better"]
    for one, axes in zip(compared.sizes, figure.axes[1::2], strict=True):
        (line,) = (line for line in axes.lines if line.get_gid() == f"ratio:{one.axis}")
        np.testing.assert_array_equal(line.get_xdata(), one.curve.losses)
        np.testing.assert_array_equal(line.get_ydata(), one.curve.estimate)
    assert "Lines: pure law of both" in " ".join(text.get_text() for text in figure.texts).replace(
        "\n", " "
    )


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
def test_one_bin_refutes_a_lead_at_every_size(tmp_path, mlp, conclusion):
    """The number of the claim is the least ratio, with the interval that the joint band gives
    it.
    """
    asked = ("kan", "mlp", "--x", "params", "--y", "rmse", "--by", "arch", "--seed", "seed")
    answer = _json(_rising(tmp_path / "runs.csv", mlp), *asked)
    ((verdict,), (one,)) = answer["verdicts"], answer["sizes"]
    bins = one["without_law"]
    assert max(bins["ratio"]) > 1
    assert verdict["conclusion"] == conclusion
    (number,) = verdict["numbers"]
    assert number["estimate"] == min(bins["ratio"])
    assert (number["interval"]["low"], number["interval"]["high"]) == (
        min(bins["low"]),
        min(bins["high"]),
    )


def test_a_refused_law_leaves_who_is_ahead_to_bins(tmp_path):
    table = _rising(tmp_path / "runs.csv", mlp=0.25)
    asked = ("kan", "mlp", "--x", "params", "--y", "rmse", "--by", "arch", "--seed", "seed")
    answer = _json(table, *asked)
    headline = answer["headline"]

    (lead,) = headline["leads"]
    assert (lead["leader"], lead["low"], lead["high"], lead["without_law"]) == (
        "mlp",
        10,
        10000,
        True,
    )
    assert headline["readings"][-1]["ratio"]["high"] < 0.1
    assert headline["cautions"][0].startswith("WITHOUT_LAW")
    assert answer["verdicts"][0]["conclusion"] == "refuted"
    assert "Without a law, by params: mlp ahead at 10 to 10,000." in _compare(table, *asked).stdout
