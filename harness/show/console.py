"""The terminal: answers go to stdout, and the progress of long work to stderr."""

import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column

from harness.base.formats import duration

# Names are the user's, so "[red]" is a name.
console = Console(highlight=False, markup=False)
log = Console(highlight=False, markup=False, stderr=True)
if not (
    (console.is_terminal and not console.is_jupyter) or os.environ.get("COLUMNS", "").isdigit()
):
    console = Console(
        highlight=False, markup=False, width=160
    )  # a file is not narrower for having no window

SECONDS_BETWEEN_LINES = 2.0  # where there is no terminal to redraw
SILENT_SECONDS = 4.0  # after which a line says that work goes on
ROUNDING = 1e-9  # of sums of shares of work
Pack = tuple[Any, ...]  # of runs, or of their ids
Steps = Callable[[str, int, int], None]  # told what is done, how many of it are, and of how many


class PackProgress:
    """Progress over packs in a line: how much is done, when the rest will be, what did not go well,
    the best losses.

    `work` is what each pack takes, such as its predicted seconds; each of its runs is an equal part
    of that. The costliest packs are trained first, so that the number of packs or evaluations would
    not say how much is left. `write` gets the line and the share that is done: at all news if that
    `redraws` a line, else now and then.
    """

    def __init__(
        self,
        work: Mapping[Pack, float],
        runs: int,
        write: Callable[[str, float], None],
        redraws: bool = False,
    ):
        self._write, self._redraws = write, redraws
        self._packs, self._runs, self._ended = len(work), runs, 0
        self._work_of_run: dict[Any, float] = {}
        for pack, pack_work in work.items():
            self._work_of_run |= dict.fromkeys(pack, pack_work / len(pack))
        self._statuses: Counter[str] = Counter()
        self._done: dict[Pack, float] = {}
        self._all_work, self._all_done, self._trained_before = sum(work.values()), 0.0, 0.0
        self._since = self._last_line = self._training_since = time.monotonic()
        self._best = ""

    def compiled(self, done: int, of: int) -> None:
        """So many kernels are compiled; told again and again."""
        self._tell(f"compiling kernels {done}/{of}", SILENT_SECONDS)

    def reached(self, pack: Pack, share: float) -> None:
        """This share of a pack is done; what is done when it is first told was there before."""
        if not self._done:  # workers have started
            self._training_since = time.monotonic()
        if pack not in self._done:
            self._trained_before += share * self._work(pack)
        self._count(pack, share)
        self._tell(self._so_far(), SILENT_SECONDS)

    def pack_split(self, pack: Pack) -> None:
        """A pack begins anew as two, which share its runs."""
        self._packs += 1
        self._count(pack, 0.0)

    def pack_done(
        self, pack: Pack, what: str, statuses: Sequence[str], seconds: float, best: str = ""
    ) -> None:
        """A pack has ended, all of it or early; `best` says what the least losses are now."""
        self._ended += 1
        self._best = best or self._best
        self._statuses.update(statuses)
        self._count(pack, 1.0)
        failed = ", ".join(
            f"{count} {status}" for status, count in self._statuses.items() if status != "done"
        )
        line = "; ".join(filter(None, [self._so_far(), f"{what} in {seconds:.1f} s", failed]))
        is_news = self._ended == self._packs or set(statuses) != {"done"}
        self._tell(line, 0.0 if is_news else SECONDS_BETWEEN_LINES)

    def _work(self, pack: Pack) -> float:
        return sum(map(self._work_of_run.__getitem__, pack))

    def _count(self, pack: Pack, share: float) -> None:
        done = share * self._work(pack)
        self._all_done += done - self._done.get(pack, 0.0)
        self._done[pack] = done

    def _share(self) -> float:
        if self._ended == self._packs:  # whatever the rounding of the sum
            return 1.0
        return min(self._all_done / self._all_work, 1.0) if self._all_work else 0.0

    def _so_far(self) -> str:
        words = f"{self._share():.0%} ({self._statuses.total()}/{self._runs} runs)"
        elapsed, trained = (
            time.monotonic() - self._training_since,
            self._all_done - self._trained_before,
        )
        left = self._all_work - self._all_done
        if trained > 0 and left > ROUNDING * self._all_work and elapsed >= SECONDS_BETWEEN_LINES:
            words += f", about {duration(elapsed * left / trained)} left"
        return "; ".join(filter(None, [words, self._best]))

    def _tell(self, line: str, after_seconds: float) -> None:
        """Write the line, unless one was written just before."""
        now = time.monotonic()
        if self._redraws:
            self._write(line, self._share())
        elif now - self._last_line >= after_seconds:
            self._last_line = now
            self._write(f"[{now - self._since:5.0f} s] {line}", self._share())


class Terminal:
    """Shows what the room `study` says of long work. Sentences go to `said_on`, and progress to
    stderr.
    """

    def __init__(self, said_on: Console) -> None:
        self._said_on = said_on

    def say(self, *lines: str) -> None:
        """Print sentences, each on one line."""
        for line in lines:
            self._said_on.print(
                line, soft_wrap=not self._said_on.is_terminal
            )  # which would cut words in two

    @contextmanager
    def packs(self, work: Mapping[Pack, float], runs: int) -> Iterator[PackProgress]:
        """Show progress over packs, by the work of each, while the block runs."""
        if not log.is_terminal:
            yield PackProgress(work, runs, lambda line, share: log.print(line, soft_wrap=True))
            return
        words = TextColumn("{task.description}", table_column=Column(ratio=1, no_wrap=True))
        with Progress(BarColumn(10), words, console=log, expand=True, refresh_per_second=1) as bar:
            task = bar.add_task("training", total=1.0)
            yield PackProgress(
                work,
                runs,
                lambda line, share: bar.update(task, description=line, completed=share),
                redraws=True,
            )

    @contextmanager
    def steps(self, what: str) -> Iterator[Steps]:
        """Show how far the steps of `what` are while the block runs, as a bar or as a line now and
        then.
        """
        if log.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
            )
            with Progress(*columns, console=log, transient=True) as bar:
                task = bar.add_task(what, total=None)
                yield lambda step, done, of: bar.update(
                    task, description=f"{what}: {step}" if step else what, completed=done, total=of
                )
            return
        last_line = time.monotonic()

        def print_now_and_then(step: str, done: int, of: int) -> None:
            nonlocal last_line
            if time.monotonic() - last_line >= SILENT_SECONDS:
                last_line = time.monotonic()
                log.print(
                    " ".join(filter(None, [f"{what}:", step, f"{done}/{of}"])), soft_wrap=True
                )

        yield print_now_and_then


TERMINAL = Terminal(log)  # of commands whose answer comes after the work
ANSWERS = Terminal(console)  # of commands whose sentences are the answer


class NotebookLine:
    """A line below a cell that is written again and again, with a bar."""

    def __init__(self) -> None:
        from IPython.display import display

        self._shown = display({"text/plain": ""}, raw=True, display_id=True)

    def write(self, line: str, share: float | None = None) -> None:
        """Replace what stands there; `share` of 1 is a full bar, and without it none is drawn."""
        bar = "" if share is None else f'<progress value="{share:.4f}" max="1"></progress> '
        self._shown.update({"text/html": f"{bar}{escape(line)}", "text/plain": line}, raw=True)


class Notebook(Terminal):
    """Shows in a notebook what the room `study` says of long work: sentences as text, progress as a
    bar.
    """

    @contextmanager
    def packs(self, work: Mapping[Pack, float], runs: int) -> Iterator[PackProgress]:
        """Show progress over packs, by the work of each."""
        yield PackProgress(work, runs, NotebookLine().write)

    @contextmanager
    def steps(self, what: str) -> Iterator[Steps]:
        """Show progress over the steps of something, if it takes long."""
        since, line = time.monotonic(), None

        def write(step: str, done: int, of: int) -> None:
            nonlocal line
            if line is None and time.monotonic() - since >= SILENT_SECONDS:
                line = NotebookLine()
            if line is not None:
                line.write(f"{what}: {step}" if step else what, done / of if of else None)

        yield write
        if line is not None:
            line.write(f"{what}: done", 1.0)


def progress_here() -> Terminal:
    """Where progress is shown: in the cell of a notebook, or on stderr."""
    return Notebook(console) if console.is_jupyter else TERMINAL
