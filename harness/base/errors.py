"""The one error users see: a sentence that names the culprit and the next move, never a
traceback.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

USAGE = 2
INCOMPLETE = 3
INTERRUPTED = 130  # 128 and the number of SIGINT, as shells have it


class HarnessError(Exception):
    """A mistake the user can mend, or a state that must not be read over.

    `exit_code` is what the command line returns: USAGE (2) for wrong input, INCOMPLETE (3) when
    results are missing or damaged.
    """

    def __init__(self, message: str, exit_code: int = USAGE):
        super().__init__(message)
        self.exit_code = exit_code


class UserCodeError(HarnessError):
    """Code of the user's has failed: runs that need it cannot train, all others can."""


class Stopped(HarnessError):
    """The user stopped work that can go on later."""


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """What to say after a wrong `word`: the nearest allowed spelling if one is near, and all that
    is allowed.
    """
    allowed = list(dict.fromkeys(allowed))
    near = [name for name in allowed if name.startswith(f"{word}.")]
    near = near or difflib.get_close_matches(word, allowed, n=1, cutoff=0.6)
    listed = f"allowed: {', '.join(allowed)}" if allowed else "nothing is allowed here"
    return f"did you mean {near[0]!r}? ({listed})" if near else listed


@contextmanager
def at(place: str) -> Iterator[None]:
    """A mistake in the block is one of this place of a file, with whose dotted path its message
    then begins.
    """
    try:
        yield
    except HarnessError as error:
        raise type(error)(f"{place}: {error}", error.exit_code) from error.__cause__
