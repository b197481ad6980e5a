"""Faults of single inputs that were once a traceback, a hang, or said in two ways."""

import os
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import refused, said

from harness.base.errors import USAGE, UserCodeError
from harness.base.formats import without_html
from harness.base.user_code import calling_user_code
from harness.judging.laws import AUTO, Fitting, fit_runs
from harness.record.table_files import for_spreadsheets
from harness.spec.task import DataFile, TextFile
from harness.tasks.corpora import read_text
from harness.tasks.reading import read_data_file

N, RATIOS = np.geomspace(1e6, 1e8, 6), (5, 10, 20, 40, 80)


def _grid(path: Path, factors: dict[str, float], rising: bool = False) -> Path:
    """A table of sizes by tokens a parameter; `factors` are of what each arm can still lose."""
    noise, rows = np.random.default_rng(0), []
    for arm, factor in factors.items():
        for n in N:
            for d in n * np.array(RATIOS):
                loss = 1 + d**0.1 if rising else 1.7 + factor * (400 / n**0.34 + 410 / d**0.28)
                rows.append((arm, n, d, loss * np.exp(noise.normal(0, 0.002))))
    pd.DataFrame(rows, columns=["arm", "N", "D", "y"]).to_csv(path, index=False)
    return path


def test_a_row_after_a_cell_of_any_length_is_named_by_its_line(here):
    rows = [f"{'x' * 140_000 if row == 3 else row},{row}" for row in range(30)]
    Path("long.csv").write_text("\n".join(["a,y", *rows]), encoding="utf-8")

    assert "in line 5" in said("new", "e", "--data", "long.csv", "--target", "y", exit_code=USAGE)


def test_no_best_size_is_said_where_the_loss_rises(here):
    table = _grid(Path("rising.csv"), {"a": 1.0}, rising=True)

    told = said(
        "fit", table, "--x", "N", "--and", "D", "--y", "y", "--predict", "C=1e9", exit_code=USAGE
    )

    assert "by this law no N is best there" in told


@pytest.mark.parametrize("delta", ["1e300", "1e999", "1e7"])
def test_a_delta_beyond_all_losses_is_refused(here, delta):
    table = _grid(Path("g.csv"), {"a": 1.0})

    told = said(
        "fit",
        table,
        "--x",
        "N",
        "--y",
        "y",
        "--objective",
        f"huber_log(delta={delta})",
        exit_code=USAGE,
    )

    assert "1e+06 at most" in told


def test_texts_and_tables_are_regular_files(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    os.mkfifo(tmp_path / "pipe.txt")
    big = tmp_path / "big.txt"
    with big.open("wb") as file:
        file.truncate(10**9)  # sparse

    for path in ("/dev/zero", "pipe.txt"):
        assert "no regular file" in refused(read_text, TextFile(text=path), tmp_path)
    assert "1,000,000,000 bytes of text; at most 100,000,000" in refused(
        read_text, TextFile(text="big.txt"), tmp_path
    )
    assert "no regular file" in refused(
        read_data_file, DataFile(data="pipe.csv", output="y"), tmp_path
    )


def test_words_of_a_user_make_no_element_of_a_page():
    assert (
        without_html("a <b>b</b> <!-- c --> <.001, a < b")
        == "a &lt;b>b&lt;/b> &lt;!-- c --> <.001, a < b"
    )


def test_no_text_of_a_table_begins_as_a_formula():
    arms, sizes, runs = ["=1+1", "@x", "kan", ""], [-1.0, 2.0, 3.0, 4.0], [None, "-a", "+a", 1]
    table = pd.DataFrame({"arm": arms, "size": sizes, "run": runs})

    escaped = for_spreadsheets(table)

    assert escaped["arm"].tolist() == ["'=1+1", "'@x", "kan", ""]
    assert escaped["size"].tolist() == table["size"].tolist()
    assert escaped["run"].tolist() == [None, "'-a", "'+a", 1]


def test_code_that_would_end_the_process_is_an_error():
    before = os._exit

    with (
        pytest.raises(UserCodeError, match=r"mine: SystemExit: os\._exit\(0\)"),
        calling_user_code("mine"),
    ):
        os._exit(0)

    assert os._exit is before


def test_a_process_that_the_users_code_forks_ends_as_it_says():
    with calling_user_code("mine"):
        child = os.fork()
        if not child:
            os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7


# --------------------------------------------------------------------------------------------------
# one kind of laws
def test_all_series_of_a_table_are_fitted_by_one_kind_of_loss():
    """One arm has an outlier, which asks for Huber's loss."""
    noise, sizes = np.random.default_rng(1), np.geomspace(10, 1e4, 16)
    parts = []
    for series in ("clean", "odd"):
        losses = 3 * sizes**-0.5 * np.exp(noise.normal(0, 0.01, sizes.size))
        losses[7] *= 1.3 if series == "odd" else 1
        runs = {
            "task": "",
            "series": series,
            "size": sizes,
            "test_loss": losses,
            "status": "done",
            "metric": "y",
        }
        runs |= {"in_window": True, "until_minimum": False, "hold_out": 0}
        parts.append(pd.DataFrame(runs))
    table = pd.concat(parts, ignore_index=True)

    for laws in (("pure", "floor"), (AUTO,)):
        both = fit_runs({"size": table}, Fitting(laws))
        alone = fit_runs({"size": table[table["series"] == "clean"]}, Fitting(laws))
        kinds = {
            fit.objective.partition("(")[0]
            for series in both
            for fit in series.fits.values()
            if fit.objective
        }

        assert kinds == {"huber"}
        assert alone[0].fits["pure"].objective == "least_squares"


def test_arms_of_a_grid_by_tokens_a_parameter_are_compared_by_their_surfaces(here):
    """Arms of which one can lose 1.25 times as much: equal losses cost it 1.25^(1 / exponent) =
    4.28 times as much.
    """
    table = _grid(Path("grid.csv"), {"kan": 1.0, "mlp": 1.25})

    told = said("compare", table, "kan", "mlp", "--x", "N", "--and", "D", "--y", "y", "--by", "arm")

    assert "BY_SURFACE" in told
    ratios = [
        [*map(float, row)] for row in re.findall(r"([\d.]+) \[([\d.]+), ([\d.]+)\] *│ *│", told)
    ]
    assert ratios
    assert all(4.28 / 1.1 < ratio < 4.28 * 1.1 for ratio, _, _ in ratios)
    assert any(low <= 4.28 <= high for _, low, high in ratios)
