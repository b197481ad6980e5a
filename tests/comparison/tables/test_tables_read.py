"""Reading tables of runs: delimiters, packing and marks do not matter, and what is wrong is named by its line.

pytest tests/tables/test_tables_read.py
"""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from harness.base.errors import HarnessError
from harness.cli import main
from harness.comparison.tables.read import OK_STATUSES, Columns, by_arm, is_table, read_table, runs_of, select, statuses
from harness.laws.runs import arms

TEXT = "arch,params,rmse,seed,status\nkan,10,0.5,0,ok\nmlp,20,1e-9,0,done\nkan,30,nan,1,diverged\n"


def _written(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _read(folder: Path, text: str) -> pd.DataFrame:
    return read_table(_written(folder, text))


# -------------------------------------------------------------------------------------------------------------- formats
@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter):
    """Commas, tabs, semicolons and bars give the same cells."""
    pd.testing.assert_frame_equal(_read(tmp_path, TEXT.replace(",", delimiter)), _read(tmp_path, TEXT))


def test_marks_packing_and_line_ends_do_not_matter(tmp_path):
    """A byte order mark, gzip, CRLF, blank lines at the end and spaces around cells change nothing."""
    expected = _read(tmp_path, TEXT)
    odd = ("\ufeff" + TEXT.replace(",", " , ").replace("\n", "\r\n") + "\r\n\r\n").encode()
    (tmp_path / "odd.csv").write_bytes(odd)
    (tmp_path / "odd.csv.gz").write_bytes(gzip.compress(odd))

    pd.testing.assert_frame_equal(read_table(tmp_path / "odd.csv"), expected)
    pd.testing.assert_frame_equal(read_table(tmp_path / "odd.csv.gz"), expected)


def test_parquet_holds_the_same_runs(tmp_path):
    """Typed cells give the same numbers, arms and failures as text does."""
    table = _read(tmp_path, TEXT)
    typed = table.astype({"params": int, "rmse": float}).reset_index(drop=True)
    typed.to_parquet(tmp_path / "runs.parquet")
    columns = Columns("rmse", by=("arch",), status="status")

    text, parquet = (runs_of(t, columns, "params") for t in (table, read_table(tmp_path / "runs.parquet")))

    for name in ("x", "y", "arm", "failed"):
        np.testing.assert_array_equal(getattr(text, name), getattr(parquet, name))
    assert parquet.row.tolist() == ["row 1", "row 2", "row 3"]


def test_rows_are_named_by_their_lines(tmp_path):
    """Blank lines and cells with line breaks count as the lines that they are in the file."""
    table = _read(tmp_path, 'note,rmse\n"two\nlines",1\n\nplain,2\n')

    assert table.index.tolist() == ["line 2", "line 5"]
    assert table["note"].tolist() == ["two\nlines", "plain"]


def test_numbers_are_read_to_the_last_bit(tmp_path):
    """A loss that is written with all of its digits is the same float again, at any magnitude."""
    values = np.random.default_rng(0).standard_normal(200) ** 2 * 10.0 ** np.arange(-100, 100)
    text = "n,loss\n" + "".join(f"{i + 1},{value!r}\n" for i, value in enumerate(values.tolist()))

    np.testing.assert_array_equal(runs_of(_read(tmp_path, text), Columns("loss"), "n").y, values)


@pytest.mark.parametrize(
    ("name", "is_one"), [("a.csv", True), ("A.CSV.GZ", True), ("a.tsv", True), ("a.parquet", True), ("a.yaml", False)]
)
def test_tables_are_known_by_their_names(name, is_one):
    """An experiment file is not taken for a table."""
    assert is_table(Path(name)) is is_one


# -------------------------------------------------------------------------------------------------------- what is wrong
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("  \n\n", "is empty"),
        ("params,rmse\n", "no rows below its header"),
        ("params,rmse,rmse\n1,2,3\n", "'rmse' is there twice"),
        ("params,rmse\n1,2\n3\n4,5,6\n", "header has 2 cells, but line 3: 1 cells, line 4: 3 cells"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, text, message):
    """Empty files, doubled columns and ragged rows are errors with the file, and the lines where there are some."""
    with pytest.raises(HarnessError, match=message):
        _read(tmp_path, text)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("runs.csv.gz", b"not packed", "cannot be unpacked"),
        ("runs.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9], "cannot be unpacked"),
        ("runs.csv", b"params,rmse\n1,\xff\n", "not UTF-8"),
        ("runs.parquet", b"params,rmse\n", "cannot be read as Parquet"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, name, content, message):
    """Bytes that are not what the file's name says are an error with the next move."""
    (tmp_path / name).write_bytes(content)

    with pytest.raises(HarnessError, match=message):
        read_table(tmp_path / name)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    """What is not a file is said so."""
    with pytest.raises(HarnessError, match=r"none\.csv is not there"):
        read_table(tmp_path / "none.csv")
    with pytest.raises(HarnessError, match="is a folder"):
        read_table(tmp_path)


@pytest.mark.parametrize("columns", [Columns("rsme"), Columns("rmse", by=("arhc",)), Columns("rmse", seed="sed")])
def test_an_unknown_column_gets_its_nearest_spelling(tmp_path, columns):
    """A misspelt column is an error with the option, the spelling and all columns."""
    with pytest.raises(
        HarnessError, match=r"is no column of the file; did you mean '(rmse|arch|seed)'\? \(allowed: arch"
    ):
        runs_of(_read(tmp_path, TEXT), columns, "params")


@pytest.mark.parametrize("cell", ["12M", "1_000", "ten", "0,5"])
def test_a_cell_that_is_no_number_is_named(tmp_path, cell):
    """Suffixes, underscores, words and decimal commas are errors with line and cell."""
    with pytest.raises(HarnessError, match=rf"line 3: params = '{cell}': not a number"):
        runs_of(_read(tmp_path, f"params;rmse\n10;1\n{cell};2\n"), Columns("rmse"), "params")


@pytest.mark.parametrize("cell", ["", "NA", "null", "NaN"])
def test_a_missing_loss_is_not_a_number_of_its_own(tmp_path, cell):
    """The usual marks of a missing value are read as nan, which the check of the runs names."""
    assert np.isnan(runs_of(_read(tmp_path, f"params,rmse\n10,1\n20,{cell}\n"), Columns("rmse"), "params").y[1])


# ------------------------------------------------------------------------------------------------- conditions, statuses
def test_conditions_choose_rows(tmp_path):
    """All conditions hold at once; numbers are compared as numbers, and the value may hold an equals sign."""
    table = _read(tmp_path, "task,seed,note\nj0,1.0,a=b\nj0,2,c\nxy,1,d\n")

    assert select(table, ["task=j0", "seed=1"]).index.tolist() == ["line 2"]
    assert select(table, ["note=a=b"]).index.tolist() == ["line 2"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("task", "is not COLUMN=VALUE"),
        ("tsk=j0", "did you mean 'task'"),
        ("task=exp3d", "leaves no row; did you mean 'exp2d'"),
    ],
)
def test_a_condition_that_fits_no_row_says_what_would(tmp_path, condition, message):
    """A malformed condition, an unknown column and an absent value are errors with the nearest that exists."""
    with pytest.raises(HarnessError, match=message):
        select(_read(tmp_path, "task,y\nexp2d,1\nxy,2\n"), [condition])


@pytest.mark.parametrize("status", [*OK_STATUSES, "OK", "True", " Done "])
def test_a_status_is_ok_in_any_case(tmp_path, status):
    """The words for a run that ended well are known however they are written; any other is a failure."""
    runs = runs_of(_read(tmp_path, f"n,y,s\n1,1,{status}\n2,nan,oom\n"), Columns("y", status="s"), "n")

    assert runs.failed.tolist() == [False, True]


def test_statuses_are_tallied_and_one_must_be_ok(tmp_path):
    """Every status is counted; a column in which none is ok is an error that lists what would be."""
    table = _read(tmp_path, TEXT)

    assert statuses(table, Columns("rmse", status="status")) == {"ok": 1, "done": 1, "diverged": 1}
    with pytest.raises(
        HarnessError, match=r"--status 'arch' says 'kan', 'mlp', so no run is ok; ok is one of ok, done"
    ):
        runs_of(table, Columns("rmse", status="arch"), "params")


# -------------------------------------------------------------------------------------------------------------- columns
def test_arms_are_named_and_sorted(tmp_path):
    """Numbers carry their column's name and come in order, words stand alone in order of appearance, gaps are named."""
    table = _read(tmp_path, "arch,experts,y\nmlp,16,1\nkan,2,1\nmlp,2,1\n,16,1\n")
    columns = Columns("y", by=("arch", "experts"))

    runs = runs_of(by_arm(table, columns), columns, "experts")

    assert arms(runs) == ("mlp / experts=2", "mlp / experts=16", "kan / experts=2", "arch=(empty) / experts=16")


def test_columns_of_conventions_are_watched_without_being_named(tmp_path):
    """A column called metric is checked wherever it is, unless it tells the arms apart; --same adds others."""
    table = _read(tmp_path, "metric,unit,n,y\nrmse,m,1,1\nmae,cm,2,1\n")

    assert list(runs_of(table, Columns("y"), "n").same) == ["metric"]
    assert list(runs_of(table, Columns("y", by=("metric",), same=("unit",)), "n").same) == ["unit"]


def test_a_column_that_the_user_gave_a_meaning_is_no_convention(tmp_path):
    """A table may call its loss metric, and its sizes, seeds and configs dtype or hardware."""
    table = _read(tmp_path, "metric,dtype,hardware,convention\n1,1,1,1\n2,2,2,2\n")

    assert not runs_of(table, Columns("metric", seed="hardware", config=("convention",)), "dtype").same
    assert not runs_of(table, Columns("metric", config=("convention",)), "dtype", "dtype", "hardware").same
    assert list(runs_of(table, Columns("metric", same=("dtype",)), "dtype").same) == ["convention", "hardware", "dtype"]


def test_a_loss_that_is_called_metric_is_fitted(tmp_path):
    """`harness fit TABLE --y metric` fits it."""
    rows = [f"{n},{3 / n * (1 + seed / 100)},{seed}" for n in (10, 30, 100, 300, 1000, 3000) for seed in range(3)]
    (tmp_path / "t.csv").write_text("\n".join(["n,metric,hardware", *rows]))

    done = CliRunner().invoke(main, ["fit", str(tmp_path / "t.csv"), "--x", "n", "--y", "metric", "--seed", "hardware"])

    assert done.exit_code == 0, done.output
    assert "metric" in done.output
