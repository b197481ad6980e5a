"""Keep a talkative package quiet."""

import contextlib
import io
from collections.abc import Iterator


@contextlib.contextmanager
def silence() -> Iterator[None]:
    """Nothing that is printed inside is shown."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield
