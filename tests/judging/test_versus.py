"""`harness compare FILE A B`: who is better at a budget, under every convention, in numbers and in
a figure.
"""

import json
from pathlib import Path

import numpy as np
import pytest
from commands import invoke, said
from judging.made_experiment import write_experiment, write_records
from judging.made_runs import SIZES, made_runs, power

from harness.judging.headline import headline
from harness.judging.pair import lines, sides_named
from harness.judging.runs import runs_of
from harness.judging.versus import Reading, Side, VersusRequest, leader
from harness.show.figures.series import named_styles
from harness.show.figures.versus import versus_figure

FOUR_TIMES = {"kan": power(1, 1.0), "mlp": power(4, 1.0)}
SIDES = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
EQUAL_PARAMS, EQUAL_FLOPS = (
    4.0,
    0.4,
)  # a KAN of ten times the FLOPs for each parameter, and a quarter of the loss
RATIOS = {
    "params.trainable": EQUAL_PARAMS,
    "flops_train.shared_dense": EQUAL_FLOPS,
    "flops_train.local_min": EQUAL_PARAMS,
    "seconds": EQUAL_FLOPS,
}


@pytest.fixture(scope="module")
def runs():
    return made_runs(FOUR_TIMES)


def readings(runs, sides=SIDES, at=None, axis="params.trainable") -> list[Reading]:
    """What is said of two sides at a budget of the first, or at the largest size."""
    found = headline(runs, sides, at, axis, 0.99)
    return [one for one in found.readings if one.place == found.places[-1]]


@pytest.fixture(scope="module")
def at_a_budget(runs):
    """What is said at 200 parameters of the KAN."""
    return readings(runs, at=200.0)


def test_at_a_budget_every_axis_has_the_true_ratio_and_multiplier(at_a_budget):
    """The MLP is read at the size that equals the KAN's in each count, and budgets at equal loss
    differ as much.
    """
    found = at_a_budget
    assert found[1].ratio.at == pytest.approx(200 * 40 * 300)
    assert {one.axis: one.ratio.estimate for one in found} == pytest.approx(RATIOS, rel=0.1)
    assert {one.axis: one.multiplier.estimate for one in found} == pytest.approx(RATIOS, rel=0.2)
    assert [leader(one.ratio, "kan", "mlp") for one in found] == ["kan", "mlp", "kan", "mlp"]
    for one in found:
        assert one.ratio.low < RATIOS[one.axis] < one.ratio.high


def test_a_budget_in_seconds_is_that_of_the_network_that_takes_so_long(runs, at_a_budget):
    """200 parameters of the KAN take 8 s here: the same networks are compared, whatever the budget
    is counted in.
    """
    by_seconds = {one.axis: one.ratio for one in readings(runs, at=8.0, axis="seconds")}
    assert {one.axis: one.ratio.estimate for one in at_a_budget} == pytest.approx(
        {axis: found.estimate for axis, found in by_seconds.items()}
    )
    largest = {one.axis: one.ratio for one in readings(runs)}
    ends = (2000, 2000 * 4 * 300, 2000 * 1200, 8)
    assert {axis: found.at for axis, found in largest.items()} == pytest.approx(
        dict(zip(RATIOS, ends, strict=True))
    )


def test_lines_are_over_the_first_arms_sizes_where_the_second_has_an_equal(runs):
    found = {line.axis: line for line in lines(runs, VersusRequest(SIDES, "params.trainable"))}
    assert list(found) == list(RATIOS)
    assert found["params.trainable"].x == pytest.approx(SIZES)
    flops = found["flops_train.shared_dense"]
    assert flops.x == pytest.approx([30, 60, 120])
    for name, line in found.items():
        assert line.ratio == pytest.approx(np.full(line.x.size, RATIOS[name]), rel=0.15)
        assert np.all((line.low < line.ratio) & (line.ratio < line.high))


def test_the_figure_has_a_line_a_convention_and_fills_what_is_decided(runs):
    asked = VersusRequest(SIDES, "params.trainable", 100.0)
    curves = lines(runs, asked)
    figure = versus_figure(asked, curves, named_styles([asked.first, asked.second]))
    (axes,) = figure.axes
    drawn = {line.get_gid(): line for line in axes.lines if line.get_gid()}

    for line in curves:
        decided = (line.low > 1) | (line.high < 1)
        assert drawn[f"ratio:{line.axis}"].get_ydata() == pytest.approx(line.ratio)
        assert drawn[f"decided:{line.axis}"].get_xdata() == pytest.approx(line.x[decided])
        assert drawn[f"open:{line.axis}"].get_xdata() == pytest.approx(line.x[~decided])
    assert {text.get_text() for text in axes.texts} == {"▲ KAN better", "▼ MLP better"}
    assert drawn["budget"].get_xdata() == [100.0, 100.0]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == "trainable parameters"
    assert legend[-1].startswith("seconds")


def test_many_tasks_have_a_panel_each_and_no_overlap_is_no_line():
    runs = made_runs(FOUR_TIMES, tasks="[xy, exp2d, j0, exp4d]")
    table = runs.table[
        (runs.table["task"] != "exp4d") | (runs.table["arm"] == "kan")
    ]  # of which one arm has no run
    tiny = (table["task"] == "j0") & (table["arm"] == "kan")
    sizes = {name: table[name] / np.where(tiny, 1e6, 1) for name in RATIOS}
    runs = runs_of(runs.manifest, table.assign(**sizes))
    asked = VersusRequest(SIDES, "params.trainable")
    figure = versus_figure(asked, lines(runs, asked), named_styles([asked.first, asked.second]))
    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == [
        "xy",
        "exp2d",
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("versus")
    invoke("plan", write_experiment(folder), "--results", folder / "results")
    write_records(folder)
    return folder


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")


def _compare(folder: Path, *arguments: str):
    return invoke(
        "compare", folder / "experiments" / "made.yaml", *arguments, "--results", folder / "results"
    )


def test_the_command_says_and_draws_who_is_better(folder):
    shown = _compare(
        folder, "kan", "mlp", "--axis", "params", "--at", "300", "--level", "0.9", "--explain"
    )
    data = json.loads((folder / "results" / "made" / "compare_kan_mlp.json").read_text())

    assert shown.exit_code == 0, shown.output
    assert "not measured: seconds; `harness bench FILE` measures seconds" in shown.output
    assert {path.name for path in (folder / "results" / "made").glob("compare_*")} == {
        *("compare_kan_mlp.json", "compare_kan_mlp.png", "compare_kan_mlp.pdf")
    }
    assert data["asked"]["level"] == 0.9
    assert data["not_measured"] == ["seconds"]
    (equal,) = [one for one in data["headline"]["readings"] if one["axis"] == "params.trainable"]
    assert equal["ratio"]["at"] == 300
    assert equal["ratio"]["low"] < 300**0.4 < equal["ratio"]["high"]
    assert equal["multiplier"]["bound"] == ["at least", pytest.approx(2000 / 300, rel=0.1)]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("kan", "mpl"), "'mpl' is no arm of this experiment; did you mean 'mlp'?"),
        (("kan", "kan"), "give two different arms to compare"),
        (("kan", "MLP=mlp,kan"), "kan and MLP=mlp,kan: kan on both sides"),
        (("kan", "MLP=mlp,mpl"), "'mpl' is no arm of this experiment"),
        (
            ("kan", "mlp", "--at", "9"),
            "--at 9: by params.trainable, the sizes that both kan and mlp have are xy 29 to",
        ),
        (("kan", "mlp", "--axis", "parms"), "did you mean 'params'?"),
        (("kan", "mlp", "--axis", "seconds"), "not measured; `harness bench FILE` measures it"),
        (("kan", "mlp", "--by", "arm"), "--by is for tables of runs"),
        (("kan", "mlp", "--x", "parms"), "'parms' is no size or count of these runs; allowed: "),
    ],
)
def test_a_mistake_is_a_sentence_with_the_next_move(folder, arguments, told):
    done = _compare(folder, *arguments)
    assert done.exit_code == 2
    assert told in done.output


def test_without_intervals_arms_are_compared_without_a_figure(here):
    file = write_experiment(here, rules="", sizes="[60]")
    file.write_text(
        file.read_text().replace("seeds: [0, 1, 2]", "seeds: [0]").partition("scales:")[0]
    )
    said("plan", file)
    write_records(here)
    assert "Whose test RMSE is lower" in said("compare", "results/made", "kan", "mlp")
    assert not list((here / "results" / "made").glob("*.png"))


def test_options_of_experiments_are_not_for_tables(folder):
    table = folder / "runs.csv"
    table.write_text("params,rmse,by\n1,2,a\n")
    told = said(
        "compare", table, "a", "b", "--x", "params", "--y", "rmse", "--axis", "params", exit_code=2
    )
    assert "--axis is for experiments" in told


def test_of_several_arms_the_best_by_validation_stands_for_all():
    runs = made_runs({"kan": power(1, 1.0), "mlp": power(4, 1.0), "deep": power(8, 1.0)}, noise=0)
    asked = VersusRequest(sides_named(runs, "kan", "MLP=deep, mlp"), "params.trainable", 200.0)
    assert (asked.second, asked.sides[1].names) == ("MLP", ("deep", "mlp"))
    best, alone = readings(runs, asked.sides, 200.0), readings(runs, at=200.0)
    assert [one.ratio.estimate for one in best] == [one.ratio.estimate for one in alone]
    figure = versus_figure(asked, lines(runs, asked), named_styles([asked.first, asked.second]))
    words = " ".join(text.get_text() for text in figure.texts)
    assert "MLP: the best of deep, mlp at each budget" in " ".join(words.split())


def test_the_name_of_a_series_is_taken_as_it_stands(runs):
    of_series = runs_of(runs.manifest, runs.table.replace({"series": {"kan": "kan order=2"}}))
    assert sides_named(of_series, "kan order=2", "mlp")[0] == Side("kan order=2", ("kan order=2",))
