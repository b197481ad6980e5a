"""The terminal: what is printed on, and progress of long work."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from harness.base.formats import duration
from harness.show.tables.table import Table, for_terminal

console = Console(highlight=False, markup=False)  # names are the user's: "[red]" is a name
if not (console.is_terminal or os.environ.get("COLUMNS", "").isdigit()):
    console = Console(highlight=False, markup=False, width=160)  # a log is not narrower for having no window


def print_table(table: Table) -> None:
    """Print a table as the terminal is wide."""
    console.print(for_terminal(table, console.width), soft_wrap=True)


SECONDS_BETWEEN_LINES = 2.0  # where there is no terminal to redraw
SILENT_SECONDS = 4.0  # after which a line says that work goes on


@contextmanager
def steps_progress(what: str) -> Iterator[Callable[[str, int, int], None]]:
    """Shows how far the steps of `what` are while its block runs: on a terminal a bar, elsewhere a line now and then.

    It goes to stderr, so that what a command prints for other programs stays whole.
    """
    log = Console(stderr=True, highlight=False, markup=False)
    if not log.is_terminal:
        last_line = time.monotonic()

        def told(step: str, done: int, of: int) -> None:
            nonlocal last_line
            if time.monotonic() - last_line >= SILENT_SECONDS:
                last_line = time.monotonic()
                log.print(f"{what}: {step} {done}/{of}", soft_wrap=True)

        yield told
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=log, transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda step, done, of: bar.update(task, description=f"{what}: {step}", completed=done, total=of)


@contextmanager
def counted_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows how many of something are done while its block runs."""
    if not console.is_terminal:
        yield lambda done, total: console.print(f"{what}: {total}") if done == total else None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


class PackProgress:
    """Progress over packs: a live bar on a terminal; elsewhere a line now and then, and for what did not go well."""

    def __init__(self, packs: int, runs: int, evaluations: int, bar: Progress | None):
        self._packs, self._runs, self._ended, self._bar = packs, runs, 0, bar
        self._statuses: Counter[str] = Counter()
        self._evaluations, self._evaluated = evaluations, 0
        self._since = self._last_line = self._evaluating_since = time.monotonic()
        self._best = ""
        self._kernels_task: TaskID | None = None
        if bar:
            self._pack_task = bar.add_task("packs", total=packs, note="")
            self._work_task = bar.add_task("evaluations", total=evaluations, note="")

    def compiled(self, done: int, of: int) -> None:
        """So many kernels are compiled; told again and again."""
        if not self._bar:
            self._go_on(f"compiling kernels {done}/{of}")
            return
        if self._kernels_task is None:
            self._kernels_task = self._bar.add_task("kernels", total=of, note="")
        self._bar.update(self._kernels_task, completed=done)

    def evaluated(self, evaluations: int) -> None:
        """`evaluations` more have been made."""
        if not self._evaluated:  # workers have started
            self._evaluating_since = time.monotonic()
        self._evaluated += evaluations
        if self._bar:
            self._bar.advance(self._work_task, evaluations)
        else:
            self._go_on(self._so_far())

    def _so_far(self) -> str:
        """How much of the work is done, when the rest will be, and the best losses."""
        share = min(self._evaluated / max(self._evaluations, 1), 1.0)
        words = f"{share:.0%} ({self._statuses.total()}/{self._runs} runs)"
        elapsed = time.monotonic() - self._evaluating_since
        if 0 < share < 1 and elapsed >= SECONDS_BETWEEN_LINES:
            left = elapsed * (1 - share) / share
            words += f", about {duration(left)} left"
        return "; ".join(filter(None, [words, self._best]))

    def _go_on(self, what: str) -> None:
        """A line that says that work goes on, if the last one is some time ago."""
        now = time.monotonic()
        if now - self._last_line >= SILENT_SECONDS:
            self._last_line = now
            console.print(f"[{now - self._since:5.0f} s] {what}", markup=False, soft_wrap=True)

    def pack_split(self) -> None:
        """A pack goes on as two."""
        self._packs += 1
        if self._bar:
            self._bar.update(self._pack_task, total=self._packs)

    def pack_done(self, what: str, statuses: Sequence[str], seconds: float, best: str = "") -> None:
        """One more pack has ended; `best` says what the least losses are now."""
        self._ended += 1
        self._best = best or self._best
        self._statuses.update(statuses)
        if self._bar:
            self._bar.update(self._pack_task, advance=1, note=self._best)
            return
        now, ended = time.monotonic(), self._ended == self._packs
        if ended or now - self._last_line >= SECONDS_BETWEEN_LINES or set(statuses) != {"done"}:
            failed = {status: count for status, count in self._statuses.items() if status != "done"}
            tally = ", ".join(f"{count} {status}" for status, count in failed.items())
            elapsed, self._last_line = now - self._since, now
            parts = [self._so_far(), f"{what} in {seconds:.1f} s", tally]
            console.print(f"[{elapsed:5.0f} s] {'; '.join(filter(None, parts))}", markup=False, soft_wrap=True)


@contextmanager
def pack_progress(packs: int, runs: int, evaluations: int) -> Iterator[PackProgress]:
    """Shows progress while its block runs."""
    if not console.is_terminal:
        yield PackProgress(packs, runs, evaluations, None)
        return
    columns = (
        TextColumn("{task.description:>12}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        yield PackProgress(packs, runs, evaluations, bar)
