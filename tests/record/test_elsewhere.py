"""Reading tables of runs: delimiters, packing and marks do not matter, and what is wrong is named
by its line.
"""

import gzip
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import refused

from harness.base.errors import HarnessError
from harness.record.elsewhere import (
    OK_STATUSES,
    Columns,
    by_arm,
    is_table,
    read_table,
    runs_on,
    select,
    statuses,
)

TEXT = "arch,params,rmse,seed,status\nkan,10,0.5,0,ok\nmlp,20,1e-9,0,done\nkan,30,nan,1,diverged\n"


def _written(folder: Path, text: str, name: str = "runs.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def _read(folder: Path, text: str) -> pd.DataFrame:
    return read_table(_written(folder, text))


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_that_of_the_header(tmp_path, delimiter):
    pd.testing.assert_frame_equal(
        _read(tmp_path, TEXT.replace(",", delimiter)), _read(tmp_path, TEXT)
    )


def test_marks_packing_and_line_ends_do_not_matter(tmp_path):
    expected = _read(tmp_path, TEXT)
    odd = ("\ufeff" + TEXT.replace(",", " , ").replace("\n", "\r\n") + "\r\n\r\n").encode()
    (tmp_path / "odd.csv").write_bytes(odd)
    (tmp_path / "odd.csv.gz").write_bytes(gzip.compress(odd))

    pd.testing.assert_frame_equal(read_table(tmp_path / "odd.csv"), expected)
    pd.testing.assert_frame_equal(read_table(tmp_path / "odd.csv.gz"), expected)


def test_parquet_holds_the_same_runs(tmp_path):
    table = _read(tmp_path, TEXT)
    typed = table.astype({"params": int, "rmse": float}).reset_index(drop=True)
    typed.to_parquet(tmp_path / "runs.parquet")
    columns = Columns("rmse", by=("arch",), status="status")

    text, parquet = (
        runs_on(t, columns, "params")[0] for t in (table, read_table(tmp_path / "runs.parquet"))
    )

    pd.testing.assert_frame_equal(text.drop(columns="row"), parquet.drop(columns="row"))
    assert parquet["row"].tolist() == ["row 1", "row 2", "row 3"]


def test_rows_are_named_by_their_lines(tmp_path):
    table = _read(tmp_path, 'note,rmse\n"two\nlines",1\n\nplain,2\n')

    assert table.index.tolist() == ["line 2", "line 5"]
    assert table["note"].tolist() == ["two\nlines", "plain"]


def test_numbers_are_read_to_the_last_bit(tmp_path):
    values = np.random.default_rng(0).standard_normal(200) ** 2 * 10.0 ** np.repeat(
        np.arange(-90, 90, 9), 10
    )
    text = "n,loss\n" + "".join(f"{i + 1},{value!r}\n" for i, value in enumerate(values.tolist()))

    np.testing.assert_array_equal(
        runs_on(_read(tmp_path, text), Columns("loss"), "n")[0]["test_loss"], values
    )


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("a.csv", True), ("A.CSV.GZ", True), ("a.tsv", True), ("a.parquet", True), ("a.yaml", False)],
)
def test_tables_are_known_by_their_names(name, is_one):
    assert is_table(Path(name)) is is_one


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("runs.csv", b"", "is empty"),
        ("runs.csv", b"  \n\n", "is empty"),
        ("runs.csv", b"params,rmse\n", "no rows below its header"),
        ("runs.csv", b"params,rmse,rmse\n1,2,3\n", "'rmse' is there twice"),
        (
            "runs.csv",
            b"params,rmse\n1,2\n3\n4,5,6\n",
            "header has 2 cells, but line 3: 1 cells, line 4: 3 cells",
        ),
        ("runs.csv.gz", b"not packed", "cannot be unpacked"),
        ("runs.csv.gz", gzip.compress(TEXT.encode(), mtime=0)[:-9], "cannot be unpacked"),
        ("runs.csv", b"params,rmse\n1,\xff\n", "not UTF-8"),
        ("runs.parquet", b"params,rmse\n", "cannot be read as Parquet"),
    ],
)
def test_what_is_no_table_is_named(tmp_path, name, content, message):
    for wrong, said in (
        (name, message),
        ("none.csv", r"none\.csv is not there"),
        (".", "is a folder"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(HarnessError, match=said):
            read_table(tmp_path / wrong)


@pytest.mark.parametrize(
    "columns", [Columns("rsme"), Columns("rmse", by=("arhc",)), Columns("rmse", seed="sed")]
)
def test_an_unknown_column_gets_its_nearest_spelling(tmp_path, columns):
    message = r"is no column of the file; did you mean '(rmse|arch|seed)'\? \(allowed: arch"
    with pytest.raises(HarnessError, match=message):
        runs_on(_read(tmp_path, TEXT), columns, "params")


@pytest.mark.parametrize(
    ("cell", "message"),
    [
        *(
            (cell, f"line 3: rmse = '{cell}': not a number")
            for cell in ("12M", "1_000", "ten", "0,5")
        ),
        *((cell, "line 3: rmse = nan: ") for cell in ("", "NA", "null", "NaN")),
    ],
)
def test_a_cell_that_is_no_number_is_named(tmp_path, cell, message):
    with pytest.raises(HarnessError, match=message):
        runs_on(_read(tmp_path, f"params;rmse\n10;1\n20;{cell}\n"), Columns("rmse"), "params")


def test_conditions_choose_rows(tmp_path):
    table = _read(tmp_path, "task,seed,note\nj0,1.0,a=b\nj0,2,c\nxy,1,d\n")

    assert select(table, ["task=j0", "seed=1"]).index.tolist() == ["line 2"]
    assert select(table, ["note=a=b"]).index.tolist() == ["line 2"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("task", "not COLUMN=VALUE"),
        ("tsk=j0", "did you mean 'task'"),
        ("task=exp3d", "no row; did you mean 'exp2d'"),
    ],
)
def test_a_condition_that_fits_no_row_says_what_would(tmp_path, condition, message):
    with pytest.raises(HarnessError, match=message):
        select(_read(tmp_path, "task,y\nexp2d,1\nxy,2\n"), [condition])


@pytest.mark.parametrize("status", [*OK_STATUSES, "OK", "True", " Done "])
def test_a_status_is_ok_in_any_case(tmp_path, status):
    runs, _ = runs_on(
        _read(tmp_path, f"n,y,s\n1,1,{status}\n2,nan,oom\n"), Columns("y", status="s"), "n"
    )

    assert runs["status"].tolist() == ["done", "failed"]


def test_statuses_are_tallied_and_one_must_be_ok(tmp_path):
    table = _read(tmp_path, TEXT)

    assert statuses(table, Columns("rmse", status="status")) == {"ok": 1, "done": 1, "diverged": 1}
    message = r"`status` 'arch' says 'kan', 'mlp', so no run is ok; ok is one of ok, done"
    with pytest.raises(HarnessError, match=message):
        runs_on(table, Columns("rmse", status="arch"), "params")


def test_arms_are_named_and_sorted(tmp_path):
    table = _read(tmp_path, "arch,experts,y\nmlp,16,1\nkan,2,1\nmlp,2,1\n,16,1\n")
    columns = Columns("y", by=("arch", "experts"))

    runs, cautions = runs_on(by_arm(table, columns), columns, "experts")

    expected = [
        "mlp / experts=2",
        "mlp / experts=16",
        "kan / experts=2",
        "arch=(empty) / experts=16",
    ]
    assert list(cautions) == runs["series"].tolist() == expected


@pytest.mark.parametrize(
    ("columns", "watched"),
    [
        (Columns("y"), "metric"),
        (Columns("y", by=("metric",)), None),
        (Columns("y", by=("metric",), config=("hardware",), same=("unit",)), "unit"),
        (Columns("y", config=("metric",), seed="hardware"), None),
        (Columns("y", by=("hardware",)), None),  # each arm has one metric
    ],
)
def test_columns_of_conventions_are_watched_unless_the_user_gave_them_a_meaning(
    tmp_path, columns, watched
):
    """A column called metric must have one value in a curve, unless it means something else; --same
    adds others.
    """
    table = _read(tmp_path, "metric,unit,hardware,n,y\nrmse,m,1,1,1\nmae,cm,2,2,1\nrmse,cm,3,1,1\n")

    if watched is None:
        runs_on(table, columns, "n", ("n", "hardware"))
    else:
        message = (
            rf"{watched} has 2 values \(line \d: {watched} = \w+ in 1 rows, line \d: "
            rf"{watched} = \w+"
        )
        with pytest.raises(HarnessError, match=message):
            runs_on(table, columns, "n", ("n", "hardware"))


SIZES, LOSSES = [10.0, 10.0, 100.0, 100.0, 1000.0, 1000.0], [1.0, 1.1, 0.3, 0.33, 0.1, 0.11]
CONFIGS, SEEDS = ["a", "a", "b", "b", "c", "c"], ["0", "1"] * 3
NAMED = Columns("rmse", config=("config",), seed="seed")


def _runs(columns: Columns, **changes: list) -> tuple[pd.DataFrame, dict]:
    """Six runs of three configs, two seeds each; `changes` replace columns."""
    cells = {"params": SIZES, "rmse": LOSSES, "config": CONFIGS, "seed": SEEDS} | changes
    rows = [f"row {place}" for place in range(len(cells["rmse"]))]
    return runs_on(pd.DataFrame(cells, rows, dtype=object), columns, "params")


@pytest.mark.parametrize("bad", ["nan", "inf", "0", "-0.5", "1e+308"])
@pytest.mark.parametrize("name", ["params", "rmse"])
def test_a_number_that_no_law_can_hold_is_named(name, bad):
    values = [*(SIZES if name == "params" else LOSSES)[:4], bad, 1.0]
    why = (
        "numbers from 1e-100 to 1e\\+100 are fitted"
        if bad == "1e+308"
        else ".*finite numbers above 0"
    )

    with pytest.raises(HarnessError, match=rf"row 4: {name} = {re.escape(bad)}: {why}"):
        _runs(NAMED, **{name: values})


def test_five_rows_are_named_and_the_others_counted():
    told = refused(
        _runs, NAMED, params=[1] * 10, rmse=[1] + [-1] * 9, config=["a"] * 10, seed=list(range(10))
    )

    assert all(f"row {i}: rmse = -1" in told for i in range(1, 6))
    assert "row 6" not in told
    assert "and 4 more rows" in told


def test_more_than_a_fifth_failed_at_a_size_is_censored():
    columns = Columns("rmse", by=("arm",), config=("config",), seed="seed", status="status")
    five = {
        "params": [10] * 5 + [100] * 5,
        "rmse": [1] * 10,
        "arm": ["kan"] * 10,
        "seed": [*range(5)] * 2,
    }
    for lost, codes in (({3}, []), ({8, 9}, ["CENSORED"])):
        status = ["oom" if place in lost else "ok" for place in range(10)]
        _, cautions = _runs(columns, **five, config=["a"] * 5 + ["b"] * 5, status=status)

        assert [caution.code for caution in cautions["kan"]] == codes
    assert "2 of 5 at size 100" in cautions["kan"][0].reason


@pytest.mark.parametrize(
    ("columns", "seed", "message"),
    [
        (
            NAMED,
            [*SEEDS[:4], "0", "0"],
            r"row 5: rmse = 0\.11, and 0\.1 in row 4: config c, seed 0.*`config`",
        ),
        (Columns("rmse", config=("config",)), SEEDS, r"row 1: .*row 3: .*row 5: .*`seed`"),
    ],
)
def test_a_run_that_is_there_twice_is_named(columns, seed, message):
    with pytest.raises(HarnessError, match=message):
        _runs(columns, seed=seed)


def test_the_same_config_in_two_arms_is_two_runs():
    columns = Columns("rmse", by=("arm",), config=("config",), seed="seed")
    both = {"params": SIZES * 2, "rmse": LOSSES * 2, "config": CONFIGS * 2, "seed": SEEDS * 2}

    assert _runs(columns, **both, arm=["kan"] * 6 + ["mlp"] * 6)[1] == {"kan": (), "mlp": ()}


@pytest.mark.parametrize(("seed", "repeated"), [(None, 3), (SEEDS, 0), (["0"] * 6, 3)])
def test_repeats_without_a_config_are_replicates_with_a_caution(seed, repeated):
    cautions = _runs(Columns("rmse", seed="seed" if seed else None), seed=seed or SEEDS)[1]["all"]

    assert [caution.code for caution in cautions] == ["REPEATS"] * bool(repeated)
    assert all(f"{repeated} rows repeat" in caution.reason for caution in cautions)


def test_seeds_that_spent_slightly_different_work_are_one_size():
    """Runs of a config stand at its median, failed ones too, and a caution counts them; a factor of
    2 is kept.
    """
    changes = {
        "params": [10, 12, "", 100, 200, 1000],
        "config": ["a", "a", "a", "b", "b", "c"],
        "seed": [0, 1, 2] * 2,
    }
    columns = Columns("rmse", config=("config",), seed="seed", status="status")

    runs, cautions = _runs(columns, **changes, status=["ok", "ok", "oom", "ok", "ok", "ok"])

    assert runs["size"].tolist() == [11, 11, 11, 100, 200, 1000]
    assert (cautions["all"][0].code, cautions["all"][0].reason[:6]) == ("MEDIAN_SIZE", "2 runs")
