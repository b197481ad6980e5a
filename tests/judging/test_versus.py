"""`harness compare FILE A B`: who is better at a budget, under every convention, in numbers and in a figure.

pytest tests/judging/test_versus.py
"""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from judging.made_experiment import write_experiment, write_records
from judging.made_runs import SIZES, made_runs, made_table, power

from harness.base.errors import HarnessError
from harness.cli import main
from harness.judging.curves import loss_at, paired, read, side_curve
from harness.judging.found import Found
from harness.judging.looks import seeds_can_decide
from harness.judging.runs import of_arm
from harness.judging.versus import Side, VersusRequest, better, lines, sides, versus
from harness.show.figures.series import named_styles
from harness.show.figures.versus import versus_figure

SIDES = (Side("kan", ("kan",)), Side("mlp", ("mlp",)))
EQUAL_PARAMS, EQUAL_FLOPS = 4.0, 0.4  # a KAN of ten times the FLOPs for each parameter, and a quarter of the loss
RATIOS = {
    "params.trainable": EQUAL_PARAMS,
    "flops_train.shared_dense": EQUAL_FLOPS,
    "flops_train.local_min": EQUAL_PARAMS,
    "seconds": EQUAL_FLOPS,
}


@pytest.fixture(scope="module")
def runs():
    """Losses N^-1, and 4 N^-1 of the MLP."""
    return made_runs(made_table({"kan": power(1, 1.0), "mlp": power(4, 1.0)}))


@pytest.fixture(scope="module")
def at_a_budget(runs):
    """What is said at 200 parameters of the KAN."""
    return versus(runs, VersusRequest(SIDES, "params.trainable", 200.0, level=0.99))


def test_at_a_budget_every_convention_has_the_true_ratio(at_a_budget):
    """The MLP is read at the size that equals the KAN's in each count, and sizes at equal loss differ as much."""
    found = at_a_budget
    assert found[1].ratio.at == pytest.approx(200 * 40 * 300)
    assert {one.convention: one.ratio.estimate for one in found} == pytest.approx(RATIOS, rel=0.1)
    assert {one.convention: one.cost.estimate for one in found} == pytest.approx(RATIOS, rel=0.2)
    assert [better(one.ratio, "kan", "mlp").split(",")[0] for one in found] == ["kan", "mlp", "kan", "mlp"]
    for one in found:
        assert one.ratio.low < RATIOS[one.convention] < one.ratio.high
        assert one.crossover.kind == "none"


def test_a_budget_in_seconds_is_that_of_the_network_that_takes_so_long(runs, at_a_budget):
    """200 parameters of the KAN take 8 s here: the same networks are compared, whatever the budget is counted in."""
    first, second = (of_arm(runs, "t", (name,)) for name in ("kan", "mlp"))
    by_seconds = [loss_at(first, second, axis, 8.0, "seconds", 0.99).estimate for axis in RATIOS]

    assert by_seconds == pytest.approx([one.ratio.estimate for one in at_a_budget])
    largest = [loss_at(first, second, axis, None, "seconds", 0.99) for axis in RATIOS]
    assert [one.at for one in largest] == pytest.approx([2000, 2000 * 4 * 300, 2000 * 1200, 8])
    assert [one.estimate for one in largest] == pytest.approx(list(RATIOS.values()), rel=0.1)


def test_a_loss_of_exactly_zero_is_refused_and_never_left_out():
    """Without its best run the KAN would look worse than it is."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(4, 1.0)})
    table.loc[(table["arm"] == "kan") & (table["asked"] == 1000) & (table["seed"] == 2), "test_loss"] = 0.0
    runs = made_runs(table)
    kan, mlp = (side_curve(of_arm(runs, "t", side.names), "params.trainable") for side in SIDES)

    assert paired(kan, mlp, 120.0, 0.95).estimate == pytest.approx(4, rel=0.1)
    for size in (900.0, 1000.0):
        with pytest.raises(HarnessError, match=r"ZERO: a run of kan .*1000.* has a loss of exactly 0"):
            paired(kan, mlp, size, 0.95)
    assert not seeds_can_decide(Found(refused="ZERO: a run of kan"))
    table["active_edges"] = 0.0  # of what is no loss, 0 is a number like others
    edges = side_curve(of_arm(made_runs(table), "t", ("kan",)), "params.trainable", "active_edges")
    assert np.isneginf(read(edges, 1000.0)).all()


def test_lines_are_over_the_first_arms_sizes_where_the_second_has_an_equal(runs):
    """At equal parameters all sizes; at equal FLOPs those of the KAN up to a tenth of the MLP's largest."""
    found = {line.convention: line for line in lines(runs, VersusRequest(SIDES, "params.trainable"))}

    assert list(found) == list(RATIOS)
    assert found["params.trainable"].x == pytest.approx(SIZES)
    flops = found["flops_train.shared_dense"]
    assert flops.x[-1] == pytest.approx(200)
    for name, line in found.items():
        assert line.ratio == pytest.approx(np.full(line.x.size, RATIOS[name]), rel=0.15)
        assert np.all((line.low < line.ratio) & (line.ratio < line.high))


def test_the_figure_has_a_line_a_convention_and_fills_what_is_decided(runs):
    """Every mark is drawn once; both sides are named, and the budget is marked."""
    asked = VersusRequest(SIDES, "params.trainable", 100.0)
    curves = lines(runs, asked)
    figure = versus_figure(asked, curves, named_styles([asked.first, asked.second]))
    (axes,) = figure.axes
    drawn = {line.get_gid(): line for line in axes.lines if line.get_gid()}

    for line in curves:
        decided = (line.low > 1) | (line.high < 1)
        assert drawn[f"ratio:{line.convention}"].get_ydata() == pytest.approx(line.ratio)
        assert drawn[f"decided:{line.convention}"].get_xdata() == pytest.approx(line.x[decided])
        assert drawn[f"open:{line.convention}"].get_xdata() == pytest.approx(line.x[~decided])
    assert {text.get_text() for text in axes.texts} == {"▲ kan better", "▼ mlp better"}
    assert drawn["budget"].get_xdata() == [100.0, 100.0]
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend[0] == "trainable parameters"
    assert legend[-1].startswith("seconds")


def test_many_tasks_have_a_panel_each_and_no_overlap_is_no_line():
    """A task whose arms share no size has no panel; two others have."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(4, 1.0)}, ("a", "b", "c"))
    tiny = (table["task"] == "c") & (table["arm"] == "kan")
    table = table.assign(**{name: table[name] / np.where(tiny, 1e6, 1) for name in RATIOS})
    runs = made_runs(table)
    asked = VersusRequest(SIDES, "params.trainable")
    figure = versus_figure(asked, lines(runs, asked), named_styles([asked.first, asked.second]))

    assert [axes.get_title(loc="left") for axes in figure.axes if axes.get_visible()] == ["a", "b"]


# --------------------------------------------------------------------------------------------------------- the command
@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """An experiment with all of its records."""
    folder = tmp_path_factory.mktemp("versus")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        write_experiment(folder)
        CliRunner().invoke(main, ["plan", "experiments/made.yaml"], catch_exceptions=False)
        write_records(folder)
    return folder


def _compare(folder: Path, *arguments: str):
    file, results = str(folder / "experiments" / "made.yaml"), str(folder / "results")
    asked = ["compare", file, *arguments, "--results", results]
    return CliRunner().invoke(main, asked, catch_exceptions=False, env={"COLUMNS": "200"})


def test_the_command_says_and_draws_who_is_better(folder):
    """The answer in a table, and as JSON and a figure in the experiment's folder."""
    shown = _compare(
        folder, "kan", "mlp", "--axis", "params", "--at", "300", "--level", "0.9", "--loss", "0.05", "--explain"
    )
    data = json.loads((folder / "results" / "made" / "compare_kan_mlp.json").read_text())

    assert shown.exit_code == 0, shown.output
    assert "where kan has params.trainable 300" in shown.output
    assert "crossover, xy, params.trainable: none: kan is ahead" in shown.output
    assert "not measured: seconds; `harness bench FILE` measures seconds" in shown.output
    assert {path.name for path in (folder / "results" / "made").glob("compare_*")} == {
        *("compare_kan_mlp.json", "compare_kan_mlp.png", "compare_kan_mlp.pdf")
    }
    assert data["asked"]["level"] == 0.9
    assert data["not_measured"] == ["seconds"]
    assert {one["cost"]["at"] for one in data["compared"] if one["cost"]["at"]} == {0.05}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("kan", "mpl"), "'mpl' is no arm of this experiment; did you mean 'mlp'?"),
        (("kan", "kan"), "give different arms"),
        (("kan", "MLP=mlp,kan"), "kan and MLP=mlp,kan: kan on both sides"),
        (("kan", "MLP=mlp,mpl"), "'mpl' is no arm of this experiment"),
        (("kan", "mlp", "--at", "9"), "--at 9: by params.trainable, the sizes that both kan and mlp have are xy 29 to"),
        (("kan", "mlp", "--at", "9", "--at", "10"), "compared at one budget"),
        (("kan", "mlp", "--axis", "parms"), "did you mean 'params'?"),
        (("kan", "mlp", "--axis", "seconds"), "not measured; `harness bench FILE` measures it"),
        (("kan", "mlp", "--bins", "3"), "--bins is for tables of runs"),
        (("kan", "mlp", "--by", "arm"), "--by is for tables of runs"),
        (("kan", "mlp", "--x", "params.trainable"), "--x is for tables of runs"),
    ],
)
def test_a_mistake_is_a_sentence_with_the_next_move(folder, arguments, said):
    """Names with the nearest spelling, budgets with the range that both have, options that are for tables."""
    done = _compare(folder, *arguments)

    assert done.exit_code == 2
    assert said in done.output


def test_options_of_experiments_are_not_for_tables(folder):
    """A table of runs has no budget axis."""
    table = folder / "runs.csv"
    table.write_text("params,rmse,by\n1,2,a\n")
    done = CliRunner().invoke(
        main, ["compare", str(table), "a", "b", "--x", "params", "--y", "rmse", "--axis", "params"]
    )

    assert done.exit_code == 2
    assert "--axis is for experiments" in done.output


def test_of_several_arms_the_best_by_validation_stands_for_all():
    """A line of the best at each budget: here that of the arm whose validation loss is the least at every size."""
    arms = {"kan": power(1, 1.0), "mlp": power(4, 1.0), "deep": power(8, 1.0)}
    runs = made_runs(made_table(arms, noise=0))
    asked = VersusRequest(sides(runs, "kan", "MLP=deep, mlp"), "params.trainable", 200.0)

    assert (asked.second, asked.sides[1].names) == ("MLP", ("deep", "mlp"))
    alone = VersusRequest(SIDES, "params.trainable", 200.0)
    assert [one.ratio.estimate for one in versus(runs, asked)] == [one.ratio.estimate for one in versus(runs, alone)]
    figure = versus_figure(asked, lines(runs, asked), named_styles([asked.first, asked.second]))
    assert "MLP: the best of deep, mlp at each budget" in " ".join(
        " ".join(text.get_text() for text in figure.texts).split()
    )


def test_the_name_of_a_series_is_taken_as_it_stands():
    """It may have an equals sign in it."""
    runs = made_runs(made_table({"kan order=2": power(1, 1.0), "mlp": power(4, 1.0)}))

    assert sides(runs, "kan order=2", "mlp")[0] == Side("kan order=2", ("kan order=2",))


def test_a_task_that_one_arm_cannot_meet_is_left_out():
    """All of an arm's cells may be infeasible on a task: the others are compared."""
    table = made_table({"kan": power(1, 1.0), "mlp": power(4, 1.0)}, ("a", "b"))
    runs = made_runs(table[(table["task"] == "a") | (table["arm"] == "kan")])

    assert {line.task for line in lines(runs, VersusRequest(SIDES, "params.trainable"))} == {"a"}
