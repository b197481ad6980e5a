"""Who hears how work goes on that takes long: `harness.show.console.Terminal` prints it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from harness.show.console import PackProgress


class Listener(Protocol):
    """Hears sentences, and how far work is."""

    def say(self, line: str) -> None:
        """Something to know, in a sentence."""

    def packs(self, work: Mapping[tuple[Any, ...], float], runs: int) -> AbstractContextManager[PackProgress]:
        """Packs are about to train, each of so much work; of so many runs."""

    def steps(self, what: str) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """Work of several steps begins; it is told a step, how many of its parts are done, and of how many."""
