"""Commands of `harness`, called in this process, and what is said of mistakes."""

import json
from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from harness.base.errors import HarnessError
from harness.cli import main


def invoke(*words: object) -> Result:
    """What a command does; what it raises, but for its exit, is raised here."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def json_of(*words: object) -> dict:
    """What a command prints with --json, which must be strict."""
    done = invoke(*words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(
        done.stdout, parse_constant=lambda word: pytest.fail(f"{word} is not strict JSON")
    )


def said(*words: object, exit_code: int = 0) -> str:
    """All that a command prints, which must end with this exit code."""
    done = invoke(*words)
    assert done.exit_code == exit_code, done.output
    return done.output


def refused(function: Callable, *arguments, **named) -> str:
    """What the HarnessError of a call says."""
    with pytest.raises(HarnessError) as caught:
        function(*arguments, **named)
    return str(caught.value)
