"""Broken tables, by hand and by chance: whatever a file holds, the answer is a fit, or errors and
exit code 2.
"""

from pathlib import Path
from random import Random

import pytest
from broken_tables import ASKED, by_hand, mutant
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.base.errors import USAGE
from harness.cli import main
from harness.record.elsewhere import read_table

# The same mutants every time, until this test or hypothesis changes: no build breaks by bad luck.
SAME = settings(
    derandomize=True, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def _is_refused(done: Result) -> bool:
    lines = done.output.splitlines()
    return (
        done.exit_code == USAGE
        and bool(lines)
        and all(line.startswith(("error: ", "  ")) for line in lines)
    )


def test_broken_tables_are_refused_in_lines(tmp_path):
    wrong = []
    for name, content in by_hand():
        path = tmp_path / name
        path.write_bytes(content)
        done = CliRunner().invoke(main, ["fit", str(path), "--x", "params", "--y", "rmse"])
        if not _is_refused(done):
            wrong.append(
                (name, content[:100], done.exit_code, done.output[:300], repr(done.exception))
            )

    assert not wrong


def test_lines_that_end_by_a_carriage_return_are_lines(tmp_path):
    (tmp_path / "old.csv").write_bytes(b'params,rmse\r1,0.5\r"2\r3",0.25\r')

    table = read_table(tmp_path / "old.csv")

    assert table.to_numpy().tolist() == [["1", "0.5"], ["2\n3", "0.25"]]
    assert table.index.tolist() == ["line 2", "line 3"]


def test_a_header_may_come_after_empty_lines(tmp_path):
    (tmp_path / "runs.csv").write_text("\n\nparams;rmse\n10;0.5\n")

    table = read_table(tmp_path / "runs.csv")

    assert (list(table), table.index.tolist()) == (["params", "rmse"], ["line 4"])


def _check(seed: int, folder: Path) -> None:
    """A mutant is fitted or compared, or refused: no other exception, no other exit code."""
    random = Random(seed)
    name, content = mutant(random)
    path = folder / name
    path.write_bytes(content)
    command, *options = random.choice(ASKED)
    arms = ["kan", "mlp"] if command == "compare" else []

    done = CliRunner().invoke(
        main, [command, str(path), *arms, "--x", "params", "--y", "rmse", *options]
    )

    assert done.exit_code == 0 or _is_refused(done), (
        command,
        options,
        content[:1000],
        done.output,
        done.exception,
    )


@settings(SAME, max_examples=100)
@given(seed=st.integers(0, 2**64))
def test_mutants_are_fitted_or_refused(tmp_path, seed):
    """Cells, lines and bytes of CSV, TSV, gzip and Parquet, changed by chance."""
    _check(seed, tmp_path)


@pytest.mark.nightly
@settings(SAME, max_examples=5000)
@given(seed=st.integers(2**64, 2**65))
def test_many_mutants_are_fitted_or_refused(tmp_path, seed):
    _check(seed, tmp_path)
