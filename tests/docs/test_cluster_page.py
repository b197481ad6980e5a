"""docs/cluster.md is complete: every field of a profile, every state of a run, and folders that are there."""

import re
from pathlib import Path

from harness.dispatch.profile import Profile
from harness.dispatch.state import STATES

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")


def test_every_field_of_a_profile_is_explained():
    (table,) = re.findall(r"\| field \| meaning.*?\n\n", PAGE, flags=re.DOTALL)
    named = [name for row in table.strip().splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])]
    assert sorted(named) == sorted(Profile.model_fields)


def test_defaults_are_those_of_the_profile():
    """Where the table gives a number, a profile that says nothing has it."""
    for name, default in re.findall(r"^\| `(\w+)` \|.*\| (\d+) \|$", PAGE, flags=re.MULTILINE):
        assert getattr(Profile(), name) == int(default)


def test_every_state_has_a_row():
    (table,) = re.findall(r"\| state \| it means.*?\n\n", PAGE, flags=re.DOTALL)
    named = [state for row in table.strip().splitlines()[2:] for state in row.split("|")[1].strip().split(", ")]
    assert sorted(named) == sorted(STATES)
