"""Standard output that may fail without ending the command: whoever reads it leaves (`| head`), or a disk is full.

It shows characters that would not print but act on a terminal, as texts of files may hold them.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# Control characters, and those that turn the direction of text. Tabs, ends of lines and what draws our colours and bars
# (ESC [ ... m, K, A, h or l) pass.
ACTING = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1a\x1c-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]|\x1b(?!\[[0-9;?]*[mKAhl])"
)


def visible(text: str) -> str:
    """The text with characters that act on a terminal written as JSON would write them, such as \\u202e."""
    return ACTING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


class Output:
    """Writes to `stream` as long as that can be done; from the first error on, which is in `lost`, it drops all."""

    def __init__(self, stream: TextIO):
        self._stream = stream
        self.lost: OSError | None = None

    def write(self, text: str) -> int:
        """As of the stream, what acts on a terminal made visible."""
        try:
            self._stream.write(visible(text))
        except OSError as error:
            self._drop(error)
        return len(text)

    def flush(self) -> None:
        """As of the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._drop(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _drop(self, error: OSError) -> None:
        """Point the descriptor elsewhere, so that what the stream has buffered, and worker processes, do not fail."""
        self.lost = error
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self._stream.fileno())
        os.close(nowhere)


@contextmanager
def lasting_output() -> Iterator[Output]:
    """Standard output that drops what it cannot write, while the block runs."""
    stream = sys.stdout
    output = Output(stream)
    sys.stdout = output
    try:
        yield output
    finally:
        sys.stdout = stream


def output_is_read() -> bool:
    """Whether what is printed still goes somewhere."""
    return getattr(sys.stdout, "lost", None) is None
