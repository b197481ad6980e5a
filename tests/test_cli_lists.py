"""What `harness list` says of families and others is what they are."""

import re

import pytest
from commands import said

from harness.cli.commands.list import LISTS
from harness.count.conventions import CONVENTIONS
from harness.families import FAMILIES
from harness.show.codes import CODES
from harness.spec.recipe import BUILT_IN_RECIPES
from harness.tasks import TASKS

THERE = {
    "tasks": [*TASKS],
    "families": [*FAMILIES],
    "recipes": [*BUILT_IN_RECIPES],
    "conventions": [one.name for one in CONVENTIONS],
    "codes": [*CODES],
    "profiles": ["cpu", "gpu", "testbed"],
}


@pytest.mark.parametrize("what", THERE)
def test_all_that_there_is_is_listed(what):
    heads, make_rows, _ = LISTS[what]
    rows = [*make_rows()]
    assert [row[0] for row in rows] == THERE[what]
    listed = said("list", what)
    assert all(name in listed for name in THERE[what])
    for row in rows:
        assert {head for head, value in zip(heads, row, strict=True) if value in (None, "")} <= {
            "inputs"
        }, row


def test_the_experiments_of_the_project_are_listed():
    (quickstart,) = [row for row in LISTS["experiments"][1]() if row[0] == "quickstart"]
    assert quickstart[2] == "tiny"
    assert quickstart[1].startswith("Do KANs or MLPs have the lower test error")


def test_every_family_is_listed_with_its_fields(monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    listed = said("list", "families")
    words = re.sub(r"[,;=│|]", " ", listed).split()
    begins = [words.index(name) for name in FAMILIES]
    assert begins == sorted(begins)
    for (name, architecture), begin, end in zip(
        FAMILIES.items(), begins, [*begins[1:], len(words)], strict=True
    ):
        assert set(architecture.model_fields) - {"family"} <= set(words[begin:end]), name
    assert "prelu" in listed
    assert "true|false|frozen" in listed
