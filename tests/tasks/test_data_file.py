"""A table of the user's own: read from a file, split without leaks, scaled by training rows, known
by its content.
"""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from commands import refused, said
from hypothesis import given
from hypothesis import strategies as st

from harness.base.errors import HarnessError
from harness.planning.plan import make_plan
from harness.spec.read import parse_experiment
from harness.spec.task import Task
from harness.tasks import draw, fetch_data, keep_data, keeping, known_data, resolve
from harness.train import train_pack

PARTS = ("train", "validation", "test")


def table(rows: int = 60, seed: int = 0) -> pd.DataFrame:
    """Two inputs on scales of their own, a number and a word to learn, and who is in which
    split.
    """
    chance = np.random.default_rng(seed)
    a, b = chance.uniform(3, 40, rows), chance.normal(0, 1e-3, rows)
    kind = np.where(a > 20, "warm", "cold")
    part = np.array(PARTS)[np.arange(rows) % 3]
    return pd.DataFrame({"a": a, "b": b, "y": a + 1000 * b, "kind": kind, "part": part})


def written(folder: Path, name: str, of: pd.DataFrame) -> Path:
    of.to_csv(folder / name, index=False)
    return folder


def learnt(folder: Path, name: str = "t.csv", output: str = "y", **fields) -> Task:
    """The task of a file in the folder, once it is known that it can be had."""
    return resolve(
        Task.model_validate({"target": {"data": name, "output": output, **fields}}), folder
    )


def inputs_of(samples) -> set:
    return set(map(tuple, samples.x))


@given(
    st.lists(st.integers(1, 4), min_size=12, max_size=40),
    st.integers(0, 99),
    st.sampled_from(["y", "kind"]),
)
def test_no_inputs_are_in_two_splits_and_every_seed_has_as_many_points(
    tmp_path_factory, copies, seed, output
):
    rows = table(len(copies))
    rows["kind"] = np.array(["cold", "warm"])[
        np.arange(len(rows)) % 2
    ]  # so that each class has enough rows
    whole = rows.loc[np.repeat(np.arange(len(rows)), copies)].sample(frac=1, random_state=0)
    task = learnt(
        written(tmp_path_factory.mktemp("t"), "t.csv", whole), output=output, inputs=["a", "b"]
    )
    splits, data = draw(task, seed), known_data(task)
    inputs = {name: set(map(tuple, data.x[rows])) for name, rows in data.rows(seed).items()}

    assert len(set.union(*inputs.values())) == sum(map(len, inputs.values()))
    assert [len(getattr(splits, name).x) for name in PARTS] == [
        getattr(task, f"{name}_points") for name in PARTS
    ]
    assert task.test_points == task.validation_points == len(whole) // 5
    assert task.train_points >= len(whole) - 2 * (len(whole) // 5 + max(copies) - 1)


@given(st.integers(0, 1000))
def test_all_is_scaled_by_the_training_rows_alone(seed):
    """Inputs span [-1, 1] in training and are cut off there elsewhere; a numeric output has mean 0
    and deviation 1.
    """
    rows = table()
    folder = WRITTEN["folder"]
    splits = draw(learnt(folder, inputs=["a", "b"]), seed)

    ends = np.array([[-1, -1], [1, 1]])
    assert np.array_equal([splits.train.x.min(0), splits.train.x.max(0)], ends)
    assert splits.train.y.mean() == pytest.approx(0, abs=1e-12)
    assert splits.train.y.std() == pytest.approx(1, abs=1e-12)
    # The rows that were trained on, by their outputs, which are a straight line of the table's.
    order = np.argsort(np.argsort(rows["y"]))
    everything = np.concatenate([getattr(splits, name).y[:, 0] for name in PARTS])
    slope, offset = np.polyfit(np.sort(everything), np.sort(rows["y"]), 1)
    trained = np.isin(order, np.searchsorted(np.sort(everything), splits.train.y[:, 0]))
    assert (slope, offset) == pytest.approx(
        (rows["y"][trained].std(ddof=0), rows["y"][trained].mean())
    )
    low, high = rows.loc[trained, ["a", "b"]].min(), rows.loc[trained, ["a", "b"]].max()
    expected = (2 * (rows[["a", "b"]] - low) / (high - low) - 1).clip(-1, 1).to_numpy()
    found = np.concatenate([getattr(splits, name).x for name in PARTS])
    assert np.allclose(found[np.argsort(everything)], expected[np.argsort(rows["y"])])


WRITTEN: dict[str, Path] = {}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory) -> Path:
    WRITTEN["folder"] = written(tmp_path_factory.mktemp("data"), "t.csv", table())
    table().to_parquet(WRITTEN["folder"] / "t.parquet")
    np.savez(WRITTEN["folder"] / "t.npz", x=table()[["a", "b"]].to_numpy(), y=table()["y"])
    return WRITTEN["folder"]


def test_a_column_splits_the_rows_and_the_seed_no_more(folder):
    task = learnt(folder, inputs=["a", "b"], split="part")
    one, other = draw(task, 0), draw(task, 1)
    for name in PARTS:
        own = table().query("part == @name")["y"]
        trained = table().query("part == 'train'")["y"]
        expected = np.sort((own - trained.mean()) / trained.std(ddof=0))
        assert np.allclose(np.sort(getattr(one, name).y[:, 0]), expected)
        assert inputs_of(getattr(one, name)) == inputs_of(getattr(other, name))
    assert not np.array_equal(one.train.x, other.train.x)


def test_files_split_the_rows_and_the_seed_takes_validation_from_training(tmp_path):
    written(tmp_path, "t.csv", table(50))
    written(tmp_path, "test.csv", table(7, seed=1))
    written(tmp_path, "valid.csv", table(9, seed=2))
    two = learnt(tmp_path, inputs=["a", "b"], test="test.csv")
    three = learnt(tmp_path, inputs=["a", "b"], test="test.csv", validation="valid.csv")
    assert (two.train_points, two.validation_points, two.test_points) == (40, 10, 7)
    assert (three.train_points, three.validation_points, three.test_points) == (50, 9, 7)
    drawn = [draw(two, seed) for seed in (0, 1)]
    assert inputs_of(drawn[0].validation) != inputs_of(drawn[1].validation)


def test_classes_are_said_or_seen(folder):
    words = learnt(folder, output="kind", inputs=["a", "b"])
    warm = (table()["kind"] == "warm").mean()
    assert (words.classes, words.outputs, words.metric) == (2, 2, "cross_entropy")
    assert draw(words, 0).test.y.mean() == pytest.approx(warm, abs=1.5 / 12)
    assert learnt(folder, inputs=["a", "b"]).classes is None
    rows = table().assign(y=np.arange(60) % 3)
    written(folder, "three.csv", rows)
    assert learnt(folder, "three.csv", inputs=["a", "b"]).classes is None
    assert learnt(folder, "three.csv", inputs=["a", "b"], classes=True).classes == 3


def test_the_content_is_the_identity(folder, tmp_path):
    one = learnt(folder, inputs=["a", "b"])
    changed = table()
    changed.loc[17, "b"] += 1e-12
    written(tmp_path, "t.csv", changed)
    assert learnt(folder, "t.parquet", inputs=["a", "b"]).fingerprint == one.fingerprint
    assert learnt(folder, "t.npz", inputs=["x"]).fingerprint == one.fingerprint
    assert learnt(tmp_path, inputs=["a", "b"]).fingerprint != one.fingerprint
    assert learnt(folder, inputs=["b", "a"]).fingerprint != one.fingerprint
    assert learnt(folder, inputs=["a", "b"], split="part").fingerprint != one.fingerprint
    written(tmp_path, "t.csv", table().assign(unused=1.0))
    assert learnt(tmp_path, inputs=["a", "b"]) == one


TEXT = """
question: which?
tasks: {target: {data: t.csv, inputs: [a, b], output: OUTPUT}}
arms:
  kan: {architecture: {family: kan, hidden: [2]}, recipe: fast}
  mlp: {architecture: {family: mlp, depth: 2}, recipe: fast}
match: {axis: params, at: [30, 60, 120], tol: 0.3, solve: {kan: grid, mlp: width}}
recipes: {fast: {optimizer: {name: lbfgs}, max_evaluations: 5}}
seeds: [0, 1]
"""


def test_rows_are_kept_with_the_results_and_trained_from_there(tmp_path):
    written(tmp_path, "t.csv", table())
    plan = make_plan(parse_experiment(TEXT.replace("OUTPUT", "y")), "t", tmp_path)
    kept = tmp_path / "results" / "data"
    keep_data((planned.run.task for planned in plan.runs), kept)
    (tmp_path / "t.csv").unlink()
    keeping._KNOWN.clear()

    assert "its rows are not in" in refused(
        train_pack, [plan.runs[0].run], tmp_path / "elsewhere" / "runs"
    )
    (record,) = train_pack([plan.runs[0].run], tmp_path / "results" / "runs")
    assert record.run.task == plan.runs[0].run.task

    (file,) = kept.iterdir()
    with np.load(file) as arrays:
        np.savez(file, **{**arrays, "y": arrays["y"] + 1})
    keeping._KNOWN.clear()
    assert "was changed since; remove it, and plan again" in refused(
        fetch_data, [plan.runs[0].run.task], kept
    )


def test_kept_rows_have_the_names_of_the_last_plan(tmp_path):
    kept = tmp_path / "data"

    def kept_by(rows: pd.DataFrame):
        written(tmp_path, "t.csv", rows[[name for name in rows if name not in ("y", "part")]])
        task = learnt(tmp_path, output="kind")
        keep_data([task], kept)
        keeping._KNOWN.clear()
        fetch_data([task], kept)
        return task

    for name, classes in (
        ("b", ["cold", "warm"]),
        ("renamed", ["cold", "warm"]),
        ("renamed", ["kalt", "warm"]),
    ):
        task = kept_by(table().rename(columns={"b": name}).replace({"kind": {"cold": classes[0]}}))
        assert known_data(task).columns == ("a", name)
        assert known_data(task).labels.tolist() == classes
        (file,) = kept.iterdir()
    with np.load(file) as arrays:
        np.savez(
            file,
            **{key: value for key, value in arrays.items() if key not in ("columns", "labels")},
        )
    keeping._KNOWN.clear()
    fetch_data([task], kept)
    assert known_data(task).columns == ()
    assert known_data(kept_by(table())).columns == ("a", "b")
    file.write_bytes(file.read_bytes()[:500])  # damaged
    assert known_data(kept_by(table())).columns == ("a", "b")


@pytest.mark.nightly
def test_a_changed_file_makes_other_runs_and_the_command_line_says_so(here):
    (here / "own").mkdir()
    twice = pd.concat([table(), table().head(5)])
    written(here / "own", "t.csv", twice)
    (here / "own" / "t.yaml").write_text(TEXT.replace("OUTPUT", "kind"), encoding="utf-8")
    run = ("run", "own/t.yaml", "--workers", "1")
    told = said("validate", "own/t.yaml")
    assert (
        "t.csv: 5 of 65 rows have the inputs of an earlier row; rows of equal inputs go into "
        "one split"
    ) in told
    assert "kind is learnt as one of 2 classes (cold, warm); 65 rows" in told
    said(*run)
    written(here / "own", "t.csv", twice.assign(a=twice["a"] + 1))
    assert "it differs in: the data or code of t.csv)" in " ".join(said(*run, exit_code=2).split())
    assert (
        len(list((here / "results" / "data").iterdir())) == 1
    )  # a plan that is refused keeps no rows
    runs = len(list((here / "results" / "runs").iterdir()))
    said(*run, "--replan")
    assert len(list((here / "results" / "runs").iterdir())) == 2 * runs
    assert len(list((here / "results" / "data").iterdir())) == 2


def test_tasks_of_one_file_are_told_apart_by_what_they_learn(folder):
    text = TEXT.replace(
        "tasks: {target: {data: t.csv, inputs: [a, b], output: OUTPUT}}",
        (
            "tasks: [{target: {data: t.csv, inputs: [a, b], output: y}}, {target: {data: t.csv, "
            "inputs: [a], output: y}}]"
        ),
    )
    plan = make_plan(parse_experiment(text), "t", folder)
    assert sorted(plan.formulas) == ["t.csv inputs=('a', 'b')", "t.csv inputs=('a',)"]


NUMBERS = {"a": np.arange(20.0), "b": np.arange(20.0) % 7, "y": np.arange(20.0) ** 2}
HOLES = NUMBERS | {"a": [np.nan, *range(19)], "b": [*range(18), np.nan, np.nan]}


@pytest.mark.parametrize(
    ("columns", "fields", "wrong"),
    [
        (
            HOLES,
            {},
            (
                r"missing values in a \(1, first in line 2\), b \(2, first in line 20\); say "
                r"`missing: median`"
            ),
        ),
        (
            NUMBERS | {"b": 3.0},
            {},
            "t.csv: constant in all rows that can be trained on: b; leave out",
        ),
        (NUMBERS | {"y": 3.0}, {}, "constant in all rows that can be trained on: y"),
        (
            NUMBERS | {"b": ["Oslo"] * 20},
            {},
            "'b' holds text, such as 'Oslo'; .* .numbers:, encode:., or leave it out",
        ),
        (
            NUMBERS | {"b": [*range(19), "3 m"]},
            {},
            "column 'b' holds text in some rows .1, first '3 m' in line 21",
        ),
        (NUMBERS | {"b": [*range(19), np.inf]}, {}, "column 'b' is inf in line 21; mend it"),
        (
            NUMBERS | {"y": list("ab") * 10},
            {"classes": False},
            "'y' holds text.*or say `classes: true`",
        ),
        (
            NUMBERS | {"y": [*("a" * 18), "b", "b"]},
            {},
            r"needs 5 rows or more.*1 of 2 classes have fewer: b \(2\)",
        ),
        (
            NUMBERS,
            {"classes": True},
            r"20 of 20 classes have fewer: 0.0 \(1\).* and 15 more; drop or merge them",
        ),
        (
            NUMBERS,
            {"inputs": ["a", "bb"]},
            "target.inputs: t.csv has no column 'bb'; .*did you mean 'b'",
        ),
        (
            NUMBERS,
            {"split": "b", "inputs": ["a"]},
            "split: column 'b' says '0.0' in line 2; write train, validation",
        ),
        (NUMBERS | {"s": "train"}, {"split": "s"}, "split: column 's' says test in no row"),
        (
            NUMBERS | {"a": [1.0] * 19 + [2], "b": 0.0},
            {"inputs": ["a"]},
            "19 of 20 rows have the same inputs",
        ),
        ({"y": NUMBERS["y"]}, {}, "no column is left to learn y from"),
        (
            {name: values[:4] for name, values in NUMBERS.items()},
            {},
            "4 rows to train on; give 5 or more",
        ),
        (
            NUMBERS,
            {"test": "absent.csv"},
            "target.test: .*absent.csv: No such file.*relative to the experiment file",
        ),
        (
            NUMBERS,
            {"data": "t.xlsx"},
            r"target.data: .*t.xlsx ends in none of .csv, .parquet, .npz",
        ),
    ],
)
def test_what_cannot_be_learnt_is_refused_by_name(tmp_path, columns, fields, wrong):
    written(tmp_path, "t.csv", pd.DataFrame(columns))
    with pytest.raises(HarnessError, match=wrong):
        learnt(tmp_path, **{"name": fields.pop("data", "t.csv"), **fields})


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ("inputs: [a, a]", "tasks.0.target: inputs: a is given twice"),
        ("inputs: [a, y]", "inputs: y is the column of output too"),
        (
            "split: part, test: u.csv",
            "split: part splits the rows, and so do the files; keep one of them",
        ),
        ("validation: u.csv", "validation: u.csv needs a file of its own for testing; add test:"),
        ("outputs: y", "tasks.0.target.outputs: unknown field; did you mean 'output'"),
        ("inputs: a", r"tasks.0.target.inputs=\"a\".*list"),
    ],
)
def test_fields_that_disagree_are_refused_where_they_stand(fields, wrong):
    text = TEXT.replace("inputs: [a, b], output: OUTPUT", f"{fields}, output: y")
    with pytest.raises(HarnessError, match=f"<text>:3: .*{wrong}"):
        parse_experiment(text)


def test_errors_name_the_file_of_their_row(tmp_path):
    good = pd.DataFrame(NUMBERS)
    written(tmp_path, "t.csv", good)
    for key, others in (("test", {}), ("validation", {"test": "t.csv"})):
        for bad, wrong in (
            (pd.DataFrame(HOLES), r"missing values in a \(1, first in line 2\)"),
            (good.assign(b=[0, np.inf, *range(18)]), "column 'b' is inf in line 3; mend it"),
            (
                good.assign(y=["?", *range(19)]),
                "'y' holds text in some rows .1, first '\\?' in line 2.; mend",
            ),
            (good.head(0), "has no rows; add some"),
        ):
            written(tmp_path, "u.csv", bad)
            for classes in (False, None) if bad.empty else (False,):
                with pytest.raises(HarnessError, match=rf"target.{key}: .*u.csv:? .*{wrong}"):
                    learnt(tmp_path, classes=classes, **{key: "u.csv"}, **others)
    with pytest.raises(HarnessError, match=r"target.data: .*u.csv has no rows; add some"):
        learnt(tmp_path, "u.csv")


def test_errors_name_the_line_that_an_editor_shows(tmp_path):
    rows = ["a,note,y"] + [f"{number},plain,{number**2}" for number in range(20)]
    plain = [*rows[:11], ",plain,7", *rows[11:]]
    blank = [*rows[:5], "", "  ", *plain[5:]]
    of_two_lines = [*rows[:5], '4,"one\nand two, 3"" wide",16', *plain[5:]]
    for name, lines, wanted in (("p", plain, 12), ("b", blank, 14), ("q", of_two_lines, 14)):
        text = "\n".join(lines)
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        assert text.split("\n")[wanted - 1] == ",plain,7"
        with pytest.raises(
            HarnessError, match=rf"target.data: {name}.csv: .*a \(1, first in line {wanted}\)"
        ):
            learnt(tmp_path, f"{name}.csv", inputs=["a"])


def test_the_columns_of_arrays_are_told_apart(tmp_path):
    chance = np.random.default_rng(0)
    np.savez(tmp_path / "t.npz", x=chance.normal(size=(40, 4)), y=chance.normal(size=40))
    np.savez(tmp_path / "same.npz", x=chance.normal(size=(40, 2)), x0=chance.normal(size=40))
    own = learnt(tmp_path, "t.npz", output="x3", inputs=["x"])
    assert (
        own.fingerprint
        == learnt(tmp_path, "t.npz", output="x3", inputs=["x0", "x1", "x2"]).fingerprint
    )
    assert "target.inputs: x0 is given twice" in refused(
        learnt, tmp_path, "t.npz", inputs=["x", "x0"]
    )
    with pytest.raises(
        HarnessError, match=r"target.data: .*same.npz .*two arrays have a column 'x0'"
    ):
        learnt(tmp_path, "same.npz", output="x0")


def test_columns_that_are_called_by_numbers_can_be_named(tmp_path):
    rows = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 3)), index=range(100, 140))
    rows.to_parquet(tmp_path / "t.parquet")
    assert learnt(tmp_path, "t.parquet", output="2").inputs == 2
    rows.astype({1: str}).replace({1: {str(rows.loc[104, 1]): "?"}}).to_parquet(
        tmp_path / "u.parquet"
    )
    with pytest.raises(
        HarnessError,
        match=r"'1' holds text in some rows .1, first '\?' in row 5 \(the first is 1\)",
    ):
        learnt(tmp_path, "u.parquet", output="2")


def test_who_splits_the_rows_is_said(tmp_path):
    written(tmp_path, "t.csv", table(50))
    written(tmp_path, "test.csv", table(7, seed=1))
    own = known_data(learnt(tmp_path, inputs=["a", "b"], test="test.csv"))
    by_seed = known_data(learnt(tmp_path, inputs=["a", "b"]))
    assert own.parts_words == (
        "57 rows, split by the files; of those not for testing, the seed takes a fifth for "
        "validation"
    )
    assert (
        by_seed.parts_words == "50 rows, of which a fifth is for validation and a fifth for testing"
    )


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        (
            "numbers:\n        a: percent\n        bb: percent",
            "8: tasks.0: target.numbers.bb: t.csv has no column 'bb'",
        ),
        (
            "encode: {kid: one_hot}",
            "6: tasks.0: target.encode.kid: t.csv has no column 'kid'; did you mean 'kind'",
        ),
        (
            "leave_out: [prt]",
            "6: tasks.0: target.leave_out: t.csv has no column 'prt'; did you mean 'part'",
        ),
        ("split: {by: prt}", "6: tasks.0: target.split: t.csv has no column 'prt'"),
        (
            "split: gap\n      missing: drop",
            "6: .*split: t.csv: missing values in gap .*`missing:` does not fill",
        ),
    ],
)
def test_a_field_that_names_a_column_which_is_not_there_is_told_with_its_own_line(
    fields, wrong, tmp_path
):
    written(tmp_path, "t.csv", table().assign(gap=[None, *["train"] * 59]))
    target = f"tasks:\n  - target:\n      data: t.csv\n      output: y\n      {fields}"
    (tmp_path / "t.yaml").write_text(
        TEXT.lstrip().replace(TEXT.splitlines()[2], target), encoding="utf-8"
    )
    assert re.search(f"t.yaml:{wrong}", said("validate", tmp_path / "t.yaml", exit_code=2))


def test_fields_of_functions_are_refused(folder):
    for field, wrong in (
        ("low", "leave low and high out"),
        ("inputs", "leave `inputs` out"),
        ("instance", "leave it"),
    ):
        task = {
            "target": {"data": "t.csv", "output": "y", "inputs": ["a"]},
            field: 3 if field != "low" else 0.0,
        }
        with pytest.raises(HarnessError, match=f"t.csv.*{wrong}"):
            resolve(Task.model_validate(task), folder)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    table = pd.DataFrame({"a": np.arange(40.0), "b": np.arange(40.0) ** 2})
    table["raw"] = [bytes([255, place]) for place in range(40)]
    table["text"] = [[b"cold", b"warm"][place % 2] for place in range(40)]
    table.to_parquet(tmp_path / "t.parquet")
    for fields in ({"output": "raw"}, {"split": "raw"}):
        with pytest.raises(
            HarnessError, match=r"column 'raw' holds bytes that are no text, such as b'\\xff"
        ):
            learnt(tmp_path, **{"name": "t.parquet", "output": "a", "inputs": ["b"], **fields})
    assert learnt(tmp_path, name="t.parquet", output="text", inputs=["a"]).classes == 2
