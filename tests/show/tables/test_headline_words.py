"""The answer in words: lines of at most 79 columns, whatever the tasks, names and numbers."""

import itertools
from dataclasses import replace

import pandas as pd
import pytest
from made_headline import AXES, made_headline

from harness.base.reasons import Refusal
from harness.comparison.replicates import Found
from harness.judging.headline import metric_of
from harness.judging.versus import Effort, Headline, NoHeadline, Other, SideExponent
from harness.show.tables import headline

RATIOS = (
    Found(3.21, 1.4, 7.0, at=30.0, replicates=5),
    Found(0.0312, 0.01, 0.09, at=30.0, replicates=5),
    Found(2e5, 1.1e4, 3.6e6, at=1e12, replicates=5),
    Found(1.0, 1e-6, 1e6, at=30.0, replicates=5),
    Found(refusals=(Refusal("NO_OVERLAP", "kan has sizes from 3 to 4, mlp from 5 to 6"),)),
)


def made(
    labels: int | list[str], names: tuple[str, str] = ("kan", "mlp"), clock: str | None = None
) -> Headline:
    """A headline of so many tasks, or of tasks with these labels, with every kind of ratio in
    turn.
    """
    if isinstance(labels, int):
        labels = [f"task_{number}_of_many" for number in range(labels)]
    return made_headline(dict.fromkeys(labels, "exp(sin(πx) + y²)"), RATIOS, names, clock)


def test_the_answer_fits_a_terminal_of_80_columns():
    long_names = ("the best of kan, kan_wide", "spline_mlp")
    for tasks, names, clock in itertools.product(
        (1, 2, 3, 6, 27), (("kan", "mlp"), long_names), (None, "seconds")
    ):
        lines = headline.console_lines(
            made(tasks, names, clock), [], ["216 runs.", "Report: results/x/report.html"]
        )
        case = f"{tasks} tasks, {names}, {clock}:\n" + "\n".join(lines)
        assert max(map(len, lines)) <= 79, case
        assert lines[-1].startswith("Report"), case
        if names is long_names:
            assert any(
                line.startswith("A: the best of kan, kan_wide. B: spline_mlp.") for line in lines
            ), case


@pytest.mark.parametrize(
    ("ratio", "words"),
    [
        (RATIOS[0], "kan 3.2x [1.4, 7]"),
        (RATIOS[1], "mlp 32x [11, 100]"),
        (RATIOS[2], "kan 2e5x [1.1e4, 3.6e6]"),
        (RATIOS[3], "mlp 1e6 to kan 1e6?"),
        (RATIOS[4], "no equal size"),
        # All of it is nearer to equality than what matters; an end reaches further; no interval
        # holds 1, however near.
        (Found(0.996, 0.98, 1.013), "equal within 1.02x"),
        (Found(0.955, 0.9, 1.013), "mlp 1.1 to kan 1.01?"),
        (Found(1.031, 1.013, 1.05), "kan 1.03x [1.01, 1.05]"),
        (Found(1 / 1.07, 1 / 1.11, 1 / 1.02), "mlp 1.07x [1.02, 1.1]"),
        # Ends that would read alike have a digit more.
        (Found(0.89, 0.88, 0.9), "mlp 1.12x [1.11, 1.14]"),
        (Found(2.03e5, 2.01e5, 2.04e5), "kan 2.03e5x [2.01e5, 2.04e5]"),
    ],
)
def test_a_lead_is_told_as_that_of_the_side_that_has_it(ratio, words):
    """A ratio below 1 is the second's lead, turned over, and an interval that holds 1 has both
    ends.
    """
    assert headline.lead_words(ratio, "kan", "mlp") == words


def test_all_cells_have_the_longest_form_that_fits_all_of_them():
    wide = Found(2.3456e5, 1.2345e4, 3.4567e6, at=30.0, replicates=5)
    for ratios, shown in ((RATIOS[:1], "kan 3.2x [1.4, 7]"), ((wide, RATIOS[0]), "kan 1.4 to 7x")):
        lines = headline.console_lines(made_headline({"j0": "J0(20x)"}, ratios), [], [])
        assert shown in " ".join(lines)
        assert max(map(len, lines)) <= 79


@pytest.mark.parametrize(
    ("value", "said"),
    [(1.04, "1.04"), (9.96, "10"), (99.6, "100"), (213, "210"), (9940, "9900"), (3.46e5, "3.5e5")],
)
def test_factors_have_two_digits_and_powers_of_ten_from_ten_thousand_on(value, said):
    """Near 1 a third digit says on which side it lies."""
    assert headline.factor(value) == said


def test_pages_have_every_size_and_axis_and_say_where_it_was_read():
    found = made(2, clock="seconds")
    table = headline.answer_table(found)
    assert len(table.rows) == 6
    assert [len(row.cells) for row in table.rows] == [6] * 6
    assert table.rows[0].cells[0] == "task_0_of_many: exp(sin(πx) + y²)"
    assert table.rows[0].cells[2] == [("kan 3.2x [1.4, 7]", "strong"), "at 30"]
    card = "KAN 2e5x by parameters, 3.2x by FLOPs (dense); undecided by FLOPs (local)"
    assert headline.answer_cards(found)["task_0_of_many"] == card
    assert headline.answer_sentences(found)[0] == (
        f"task_0_of_many, at the largest equal size: {card}. Test RMSE, largest size: "
        "kan [2,5,1] of kan 0.001, mlp [2,5,1] of mlp 0.001, a constant 0.58, a linear model 0.44."
    )
    assert "no equal size by" in headline.answer_sentences(found)[1]


def test_there_is_a_line_for_each_other_pair_and_a_row_for_each_effort():
    found = made(1)
    assert headline.effort_table(found) is None
    assert headline.other_pairs(found) == []
    (task,), won = found.tasks, replace(RATIOS[0], won=6, lost=2)
    found = replace(
        found,
        others=(Other("kan", "spline_mlp", task, RATIOS[1]),),
        efforts=(Effort(task, 4, replace(won, won=6, lost=2)),),
    )
    assert headline.other_pairs(found) == [
        f"kan or spline_mlp, largest size: {task} spline_mlp 32x [11, 100]."
    ]
    assert headline.effort_table(found).rows[0].cells[1] == [
        ("kan 3.2x [1.4, 7]", "strong"),
        " (kan won 6 of 8)",
    ]


def test_tasks_of_several_metrics_are_not_said_to_have_one():
    metrics = pd.DataFrame({"metric": ["cross_entropy", "rmse", "rmse"]})
    assert metric_of(metrics[1:]) == "rmse"
    of_all = replace(made(2), metric=metric_of(metrics))
    assert headline.console_lines(of_all, [], [])[0].startswith("Whose test loss is lower")


def test_errors_stand_below_every_answer_in_the_unit_of_a_table():
    found = made(2)
    said = "test RMSE, largest size: kan 0.001, mlp 0.001, a constant 0.58, a linear model 0.44"
    assert said in " ".join(line.strip() for line in headline.console_lines(found, [], []))
    of_table = replace(found, deviations={found.tasks[0]: 70_213.4})
    said = (
        "kan 70 (0.001 sd), mlp 70 (0.001 sd), a constant 41,000 (0.58 sd), a linear model "
        "31,000 (0.44 sd)"
    )
    assert said in " ".join(line.strip() for line in headline.console_lines(of_table, [], []))
    assert (
        "largest size, in the unit of the target: "
        f"{said.split(', ')[0].replace('kan', 'kan [2,5,1] of kan')}"
    ) in (headline.answer_sentences(of_table)[0])
    lost = replace(
        found, readings=tuple(replace(one, worse_than_constant=("mlp",)) for one in found.readings)
    )
    assert headline.answer_table(lost).rows[0].cells[2][1] == "at 30 (mlp is worse than a constant)"


def test_exponents_that_are_refused_for_one_reason_have_one_sentence():
    refused = Found(refusals=(Refusal("RANGE", "there is one budget"),))
    found = replace(
        made(1),
        exponents=tuple(
            SideExponent("t", side, axis, refused) for side in ("kan", "mlp") for axis in AXES
        ),
    )
    assert "No exponents: too short a range of sizes." in headline.console_lines(found, [], [])


def test_every_caution_is_told_with_the_most_important_first():
    lines = headline.console_lines(replace(made(2), cautions=("First.", "Second.")), [], [])
    assert lines[-2:] == ["Careful: First.", "Careful: Second."]


def test_without_two_sides_the_reason_stands_in_the_answer_s_place():
    assert headline.console_lines(NoHeadline("No two sides."), [], ["Report: r"]) == [
        "No two sides.",
        "Report: r",
    ]


def test_tasks_whose_names_begin_alike_are_told_apart():
    begin_alike = ["exp2d train_points=1000", "exp2d train_points=200"]
    lines = headline.console_lines(made(begin_alike), [], ["Report: r"])
    assert {f"{task}: exp(sin(πx) + y²)" for task in begin_alike} <= set(lines)
    more = headline.console_lines(made([*begin_alike, "j0"]), [], ["Report: r"])
    labels = [line.partition(" kan")[0].partition(" mlp")[0].strip() for line in more[2:5]]
    assert len(set(labels)) == 3
    assert labels[2].startswith("j0")
