"""The answer in words: at most 16 lines of 76 columns, whatever the tasks, names and numbers."""

import itertools
from dataclasses import replace

import pandas as pd
import pytest
from made_headline import made_headline

from harness.base.reasons import Refusal
from harness.comparison.replicates import Found
from harness.judging.headline import metric_of
from harness.judging.versus import Effort, Headline, NoHeadline, Other
from harness.show.tables.headline import (
    answer_sentences,
    answer_table,
    console_lines,
    effort_table,
    factor,
    lead_cell,
    lead_words,
    others_table,
)

RATIOS = (
    Found(3.21, 1.4, 7.0, at=30.0, replicates=5),
    Found(0.0312, 0.01, 0.09, at=30.0, replicates=5),
    Found(2e5, 1.1e4, 3.6e6, at=1e12, replicates=5),
    Found(1.0, 1e-6, 1e6, at=30.0, replicates=5),
    Found(refusals=(Refusal("NO_OVERLAP", "kan has sizes from 3 to 4, mlp from 5 to 6"),)),
)


def made(labels: int | list[str], names: tuple[str, str] = ("kan", "mlp"), clock: str | None = None) -> Headline:
    """A headline of so many tasks, or of tasks with these labels, with every kind of ratio in turn."""
    if isinstance(labels, int):
        labels = [f"task_{number}_of_many" for number in range(labels)]
    return made_headline(dict.fromkeys(labels, "exp(sin(πx) + y²)"), RATIOS, names, clock)


def test_the_answer_fits_sixteen_lines_of_76_columns():
    """Of many tasks the largest size, of very many how often each side leads; long names become letters."""
    long_names = ("the best of kan, kan_wide", "spline_mlp")
    for tasks, names, clock in itertools.product((1, 2, 3, 6, 27), (("kan", "mlp"), long_names), (None, "seconds")):
        lines = console_lines(made(tasks, names, clock), [], ["216 runs.", "Report: results/x/report.html"])
        case = f"{tasks} tasks, {names}, {clock}:\n" + "\n".join(lines)
        assert len(lines) <= 16, case
        assert max(map(len, lines)) <= 76, case
        assert lines[-1].startswith("Report"), case
        if names is long_names:
            assert any(line.startswith("A: the best of kan, kan_wide. B: spline_mlp.") for line in lines), case


@pytest.mark.parametrize(
    ("ratio", "words", "cell"),
    [
        (RATIOS[0], "kan 3.2x [1.4, 7]", "kan 3.2x [1.4, 7]"),
        (RATIOS[1], "mlp 32x [11, 100]", "mlp 32x [11, 100]"),
        (RATIOS[2], "kan 2e5x [1e4, 4e6]", "kan 2e5x [1e4, 4e6]"),
        (RATIOS[3], "mlp 1e6 to kan 1e6?", "mlp 1e6 to kan 1e6?"),
        (RATIOS[4], "no equal size", "no equal size"),
        # All of it is nearer to equality than what matters; an end reaches further; no interval holds 1, however near.
        (Found(0.996, 0.98, 1.013), "equal within 1.02x", "equal within 1.02x"),
        (Found(0.955, 0.9, 1.013), "mlp 1.1 to kan 1.01?", "mlp 1.1–kan 1.01?"),
        (Found(1.031, 1.013, 1.05), "kan 1.03x [1.01, 1.05]", "kan 1.01 to 1.05x"),
        (Found(1 / 1.07, 1 / 1.11, 1 / 1.02), "mlp 1.07x [1.02, 1.1]", "mlp 1.02 to 1.1x"),
    ],
)
def test_a_lead_is_told_as_that_of_the_side_that_has_it(ratio, words, cell):
    """A ratio below 1 is the second's lead, turned over; an interval that holds 1 has both ends, and no cell is cut."""
    assert lead_words(ratio, "kan", "mlp") == words
    assert lead_cell(ratio, "kan", "mlp") == cell


@pytest.mark.parametrize(
    ("value", "said"), [(1.04, "1.04"), (9.96, "10"), (99.6, "100"), (213, "210"), (996, "1e3"), (3.46e5, "3e5")]
)
def test_factors_have_two_digits_or_a_power_of_ten(value, said):
    """What is rounded to 1,000 is written as such; near 1 a third digit says on which side it lies."""
    assert factor(value) == said


def test_pages_have_every_size_and_axis_and_say_where_it_was_read():
    """A row a task and size; a column an axis, seconds too."""
    found = made(2, clock="seconds")
    table = answer_table(found)
    assert len(table.rows) == 6
    assert [len(row.cells) for row in table.rows] == [6] * 6
    assert table.rows[0].cells[0] == "task_0_of_many: exp(sin(πx) + y²)"
    assert table.rows[0].cells[2] == [("kan 3.2x [1.4, 7]", "strong"), " at 30"]
    assert answer_sentences(found)[0] == (
        "On task_0_of_many, at the largest equal size, the test RMSE of kan is 200,000 times lower at equal trainable "
        "parameters, 3.2 times lower at equal training FLOPs (shared-dense); it is undecided at equal training FLOPs "
        "(local minimum). The largest networks, with their test RMSE: kan [2,5,1] of kan (0.001), mlp [2,5,1] of mlp "
        "(0.001). For comparison, a constant has 0.58 and a linear model has 0.44."
    )
    assert "not known (no equal size)" in answer_sentences(found)[1]


def test_pages_have_a_row_for_each_other_pair_and_effort_and_say_who_won():
    """Those of the first side; without other pairs or a search there is no table."""
    found = made(1)
    assert others_table(found) is effort_table(found) is None
    (task,), won = found.tasks, replace(RATIOS[0], won=6, lost=2)
    found = replace(
        found,
        others=(Other("kan", "spline_mlp", task, RATIOS[1]),),
        efforts=(Effort(task, 4, replace(won, won=6, lost=2)),),
    )
    assert others_table(found).rows[0].cells == ("kan or spline_mlp", ("spline_mlp 32x [11, 100]", "strong"))
    assert effort_table(found).rows[0].cells[1] == [("kan 3.2x [1.4, 7]", "strong"), " (kan won 6 of 8)"]


def test_tasks_of_several_metrics_are_not_said_to_have_one():
    metrics = pd.DataFrame({"metric": ["cross_entropy", "rmse", "rmse"]})
    assert metric_of(metrics[1:]) == "rmse"
    of_all = replace(made(2), metric=metric_of(metrics))
    assert console_lines(of_all, [], [])[0].startswith("Whose test loss is lower")


def test_baselines_stand_beside_every_answer():
    """On the console task by task; a side that is worse than a constant is named where its ratio is."""
    found = made(2)
    lines = " ".join(line.strip() for line in console_lines(found, [], []))
    assert "Test RMSE of a constant: 0.58, 0.58; of a linear model: 0.44, 0.44." in lines
    of_table = replace(found, deviations={found.tasks[0]: 70_213.4})
    assert "1 is, in the unit of the output, 70,200 (task_0_of_many)." in " ".join(console_lines(of_table, [], []))
    assert answer_sentences(of_table)[0].endswith("An RMSE of 1 is 70,200 in the unit of the output.")
    lost = replace(found, readings=tuple(replace(one, worse_than_constant=("mlp",)) for one in found.readings))
    assert answer_table(lost).rows[0].cells[2][1] == " at 30 (mlp is worse than a constant)"


def test_of_many_tasks_it_is_counted_where_a_constant_beats_both_sides():
    """And nothing is said where it does nowhere."""
    found, refused = made(27), Found(refusals=(Refusal("WORSE_THAN_CONSTANT", "a constant has a test loss of 0.58"),))
    assert not any("constant" in line for line in console_lines(found, [], []))
    lost = replace(found, readings=tuple(replace(one, ratio=refused) for one in found.readings))
    assert "A constant is better than both sides on 27 of 27 tasks." in console_lines(lost, [], [])
    assert lead_words(refused, "kan", "mlp") == "worse than constant"


def test_without_two_sides_the_reason_stands_in_the_answer_s_place():
    """And the last lines all the same."""
    assert console_lines(NoHeadline("No two sides."), [], ["Report: r"]) == ["No two sides.", "Report: r"]


def test_tasks_whose_names_begin_alike_are_told_apart():
    """Of two, each has a line of its own, or what there is room for; of more, each row has a name of its own."""
    begin_alike = ["exp2d train_points=1000", "exp2d train_points=200"]
    lines = console_lines(made(begin_alike), [], ["Report: r"])
    assert set(begin_alike) <= set(lines)
    without_room = console_lines(made(begin_alike), [], ["."] * 7)
    assert [line.split()[0] for line in without_room if "smallest" in line] == ["t…1000", "t…=200"]
    more = console_lines(made([*begin_alike, "j0"]), [], ["Report: r"])
    assert [line[:15].rstrip() for line in more[2:5]] == ["exp2d tra…=1000", "exp2d train=200", "j0"]


def test_a_function_of_one_s_own_stands_beside_its_sizes_by_its_name_alone():
    """And a data file without its suffix."""
    for task, shown in (("my_tasks:ripple", "ripple"), ("tide.csv", "tide")):
        lines = console_lines(made([task]), [], [])
        assert [line.split()[:2] for line in lines if "smallest" in line] == [[shown, "smallest"]]
