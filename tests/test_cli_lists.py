"""`harness list` and `harness open`: what there is, for eyes and for scripts, and where a report is."""

import pytest
from click.testing import CliRunner

from harness.cli import main
from harness.cli.commands.list import LISTS
from harness.count.conventions import CONVENTIONS
from harness.families import FAMILIES
from harness.show.codes import CODES
from harness.spec import BUILT_IN_RECIPES
from harness.tasks import TASKS

THERE = {
    "tasks": [*TASKS],
    "families": [*FAMILIES],
    "recipes": [*BUILT_IN_RECIPES],
    "conventions": [one.name for one in CONVENTIONS],
    "codes": [*CODES],
    "profiles": ["cpu", "gpu", "testbed"],
}


def said(*words: str) -> str:
    result = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize("what", THERE)
def test_all_that_there_is_is_listed(what):
    """Every name, of which no row lacks its words."""
    heads, make_rows, _ = LISTS[what]
    rows = [*make_rows()]
    assert [row[0] for row in rows] == THERE[what]
    listed = said("list", what)
    assert all(name in listed for name in THERE[what])
    for row in rows:
        assert {head for head, value in zip(heads, row, strict=True) if value in (None, "")} <= {"inputs"}, row


def test_the_experiments_of_the_project_are_listed():
    (quickstart,) = [row for row in LISTS["experiments"][1]() if row[0] == "quickstart"]
    assert quickstart[2] == "tiny"
    assert quickstart[1].startswith("Do KANs or MLPs have the lower test error")


def test_open_says_where_the_report_is(tmp_path, monkeypatch):
    """Of a file, a scale, or a folder of results; a script gets the path and no browser."""
    monkeypatch.chdir(tmp_path)
    absent = CliRunner().invoke(main, ["open", "toy.yaml"])
    (tmp_path / "results" / "toy").mkdir(parents=True)
    (tmp_path / "results" / "toy" / "report.html").touch()
    assert absent.exit_code == 2
    assert "results/toy/report.html is not there yet; `harness run toy.yaml` writes it" in absent.output
    assert said("open", "toy.yaml") == "results/toy/report.html\n"
    assert said("open", "results/toy") == f"{tmp_path}/results/toy/report.html\n"
    monkeypatch.chdir(tmp_path / "results" / "toy")
    assert said("open", ".") == f"{tmp_path}/results/toy/report.html\n"


def test_open_says_what_writes_a_report(tmp_path, monkeypatch):
    """With the options that were given; of a folder nobody knows from which file it is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results" / "toy").mkdir(parents=True)
    of_file = CliRunner().invoke(main, ["open", "toy.yaml", "--scale", "tiny", "--set", "match.at=[30, 60]"])
    of_folder = CliRunner().invoke(main, ["open", "results/toy"])
    assert "`harness run toy.yaml --scale tiny --set 'match.at=[30, 60]'` writes it" in of_file.output
    assert "`harness run FILE` writes it, with the FILE and the options that made this folder" in of_folder.output
