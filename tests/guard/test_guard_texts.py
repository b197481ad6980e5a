"""What users read stays the same while code is moved, but for numbers' last digits; so do results
that are kept.
"""

import sys

import pytest

from tests.guard import contents
from tests.guard.golden import difference, text

WRITE = (
    "\n\nIf that is meant, `python -m tests.guard.write` writes it; commit it by itself, "
    "and say so."
)


def assert_as_ever(made: dict[str, str]) -> None:
    changes = {name: difference(text(name), now) for name, now in made.items()}
    told = [f"{name}:\n{change}" for name, change in changes.items() if change]
    assert not told, "\n\n".join(told) + WRITE


@pytest.fixture
def folder(here, monkeypatch):
    """An empty one, in which commands are run; they add it to the Python path, for code of a
    user's.
    """
    monkeypatch.setattr(sys, "path", list(sys.path))
    return here


def test_schema_and_help_are_as_ever():
    assert_as_ever({"schema": contents.schema(), "help": contents.helps()})


def test_answers_and_pages_are_as_ever(folder):
    """What commands say that train nothing, and pages of laws, of a search, of every family, and of
    verdicts.
    """
    assert_as_ever(contents.commands_and_pages())


@pytest.mark.nightly
def test_more_pages_are_as_ever(folder):
    """Pages about stages, classes, a PDE and a user's own code, and those of all replays."""
    assert_as_ever(contents.more_pages())


def test_pages_of_kept_numbers_are_the_kept_pages(folder):
    for name, made in contents.kept_pages(folder).items():
        assert made == (contents.ROOT / "results" / name).read_text(encoding="utf-8"), name + WRITE


# its laws are held by tests/test_coverage.py, and what a replay writes by the pages above
@pytest.mark.nightly
def test_a_kept_replay_comes_out_of_its_kept_records_again(folder):
    kept, made = contents.kept_points()

    assert difference(kept, made) == ""


def test_the_guard_sees_what_it_should_and_no_rounding():
    golden = "12 runs\nalpha 0.97 [0.951, 1.2e-05]\n"

    assert difference(golden, "12 runs\nalpha 0.98 [0.950, 1.3e-05]\n") == ""
    for other in (
        "13 runs\nalpha 0.97 [0.951, 1.2e-05]\n",
        "12 run\nalpha 0.97 [0.951, 1.2e-05]\n",
        "12 runs\nalpha 0.97 [0.953, 1.2e-05]\n",
        "12 runs\nalpha 0.97 [0.951, 1.2e-05]\n\n",
        "",
    ):
        assert difference(golden, other)
