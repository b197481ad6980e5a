"""The simulation behind intervals of replicates that share rows (`benchmarks.shared_rows`)."""

from pathlib import Path

import pandas as pd
import pytest

from benchmarks.shared_rows import ARMS, DESIGNS, lines_of

KEPT = pd.read_csv(Path(__file__).parents[1] / "results/fits/shared_rows.csv")


def share(words):
    return float(words.removesuffix("%")) / 100


def test_the_kept_table_has_every_arm_and_no_interval_is_too_narrow():
    assert set(KEPT["met"]) <= {"yes", "wide"}
    assert len(KEPT) == len(DESIGNS) * len(ARMS) * 3


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.words)
def test_of_a_constant_and_ridge_intervals_hold_the_value_only_with_the_overlap(design):
    """At R = 16 Student's interval alone holds it in about two of three tables."""
    (line,) = lines_of(design, "a constant, ridge", 60, (16,))
    assert share(line["without"]) < 0.85
    assert share(line["with"]) >= 0.9


@pytest.mark.nightly
@pytest.mark.parametrize("arms", ARMS)
@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.words)
def test_all_arms_come_out_as_kept(design, arms):
    made = lines_of(design, arms, 300)
    kept = KEPT[(KEPT["rows"] == design.words) & (KEPT["arms"] == arms)]
    for line, words in zip(made, kept["with"], strict=True):
        assert share(line["with"]) == pytest.approx(share(words), abs=0.02)
