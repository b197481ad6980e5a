"""Two checkouts of this project side by side: a process for each, in which `harness` is that
checkout's.

    with started(before=Path("../before")) as checkouts:
        timings = race(rows, checkouts, rounds=9)

The code that measures is today's in both. Processes take turns, so that only one works at a time.
"""

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import click

from benchmarks.clock import Timing, summary
from harness.show.console import console

ROOT = Path(__file__).parents[1]
BEFORE, TODAY = "before", "today"
SLOW_SECONDS, SLOW_ROUNDS = 1.0, 3  # a piece of work that takes longer has so many rounds
# `harness` comes from the checkout; what measures, from here.
START = """
import sys
sys.path.insert(0, {checkout!r})
import harness
sys.path.insert(0, {here!r})
"""


class Row(NamedTuple):
    """A measure of `benchmarks.measures` with its arguments, and what tables call it."""

    name: str
    measure: str
    arguments: dict[str, Any]


class Found(NamedTuple):
    """A row's timing in a checkout, an evaluation of all lanes, and what else was asked of it."""

    timing: Timing
    lanes: int
    trained_by: str
    also: Any


class Checkout:
    """A process that measures the code of a checkout."""

    def __init__(self, folder: Path):
        self.folder = folder
        started = START.format(checkout=str(folder), here=str(ROOT))
        command = [
            sys.executable,
            "-c",
            f"{started}from benchmarks import checkouts\ncheckouts.serve()",
        ]
        self.process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment(folder),
        )
        used = Path(self.ask("folder"))
        if used != folder:
            raise click.ClickException(
                f"--before {folder}: harness is imported from {used}; give a checkout's folder"
            )

    def ask(self, what: str, **arguments: Any) -> Any:
        """What the process answers; its failure ends the comparison."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(json.dumps({"what": what, **arguments}) + "\n")
        self.process.stdin.flush()
        answer = json.loads(self.process.stdout.readline() or '{"failed": "its process died"}')
        if "failed" in answer:
            raise click.ClickException(f"{self.folder}, {what} {arguments}: {answer['failed']}")
        return answer["answer"]


def environment(folder: Path) -> dict[str, str]:
    """Of a process whose `harness` is that of the folder."""
    return {
        **os.environ,
        "PYTHONPATH": str(folder),
        "KINETO_LOG_LEVEL": "99",
    }  # no words of torch's profiler


def folders_of(before: Path | None) -> dict[str, Path]:
    """Of both checkouts, or of today's alone, by BEFORE and TODAY."""
    return ({BEFORE: before.resolve()} if before else {}) | {TODAY: ROOT}


def commits_of(folders: Mapping[str, Path]) -> str:
    """A sentence that says of which commit each checkout is, and whether its files were changed
    since.
    """
    words = []
    for name, folder in folders.items():
        commit = _git(folder, "rev-parse", "--short=12", "HEAD") or "unknown"
        changed = ", with changes" if _git(folder, "status", "--porcelain", "harness") else ""
        words.append(f"{name} is commit {commit}{changed}")
    return f"{' and '.join(words).capitalize()}."


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True
    ).stdout.strip()


@contextmanager
def started(before: Path | None) -> Iterator[dict[str, Checkout]]:
    """A process for each checkout."""
    with ExitStack() as stack:
        checkouts = {}
        for name, folder in folders_of(before).items():
            checkouts[name] = Checkout(folder)
            stack.enter_context(checkouts[name].process)
            stack.callback(checkouts[name].process.kill)
        yield checkouts


def race(
    rows: Sequence[Row], checkouts: Mapping[str, Checkout], rounds: int, also: str | None = None
) -> dict[tuple[str, str], Found]:
    """What is found of each row in each checkout, by the names of both: in every round everybody
    has a turn.

    At last every row is asked what is in `also`.
    """
    made = _made(rows, checkouts)
    lines: dict[tuple[str, str], list[tuple[float, float, int]]] = {key: [] for key in made}
    for number in range(rounds):
        for (row, name), about in made.items():
            if number < SLOW_ROUNDS or about["seconds"] < SLOW_SECONDS:
                lines[row, name].append(checkouts[name].ask("time", row=row))
    found = {}
    for (row, name), about in made.items():
        more = checkouts[name].ask(also, row=row) if also else None
        found[row, name] = Found(
            summary(lines[row, name]), about["lanes"], about["trained_by"], more
        )
    _forget(checkouts)
    return found


def answers(
    rows: Sequence[Row], checkouts: Mapping[str, Checkout], question: str
) -> dict[tuple[str, str], Any]:
    """What each row answers in each checkout, by the names of both, without any timing."""
    found = {
        (row, name): checkouts[name].ask(question, row=row) for row, name in _made(rows, checkouts)
    }
    _forget(checkouts)
    return found


def _made(rows: Sequence[Row], checkouts: Mapping[str, Checkout]) -> dict[tuple[str, str], dict]:
    """What there is to know of each row before it is timed; what the earlier code refuses is left
    out.
    """
    made: dict[tuple[str, str], dict] = {}
    for row in rows:
        for name, checkout in checkouts.items():
            about = checkout.ask("make", row=row.name, measure=row.measure, arguments=row.arguments)
            if "refused" not in about:
                made[row.name, name] = about
            elif name == BEFORE:
                console.print(f"{row.name} is refused by the earlier code: {about['refused']}")
            else:
                raise click.ClickException(f"{row.name}: {about['refused']}")
    return made


def _forget(checkouts: Mapping[str, Checkout]) -> None:
    for checkout in checkouts.values():
        checkout.ask("forget")


# --------------------------------------------------------------------------------------------------
# the other process
def serve() -> None:
    """Answer what is asked on the standard input, a line of JSON each, until it ends."""
    pipe = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what others print
    from benchmarks.measures import Measured

    measured = Measured()
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            told = {"answer": getattr(measured, asked.pop("what"))(**asked)}
        except Exception:
            told = {"failed": traceback.format_exc()}
        pipe.write(json.dumps(told) + "\n")
        pipe.flush()
