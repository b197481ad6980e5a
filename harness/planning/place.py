"""Where in a file a mistake is that planning finds: messages begin with its dotted path, which gives the line."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.base.errors import HarnessError
from harness.spec import Experiment, RunTask, variants
from harness.tasks import resolve


@contextmanager
def at(place: str) -> Iterator[None]:
    """A mistake in the block is one of this place of the file."""
    try:
        yield
    except HarnessError as error:
        raise type(error)(f"{place}: {error}", error.exit_code) from error.__cause__


def place_of(task: RunTask, experiment: Experiment, folder: Path = Path()) -> str:
    """The dotted path of the first task in the file that is this one at some point of the axes.

    Paths of data files are relative to `folder`.
    """
    for _, variant in variants(experiment):
        for index, written in enumerate(variant.tasks):
            if resolve(written, folder) == task:
                return f"tasks.{index}"
    return "tasks"
