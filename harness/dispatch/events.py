"""The event log of an attempt: one JSON object a line, one writer a file, and its last change the
heartbeat.

A worker that is killed can leave a torn last line: it is left out when read, as what it would have
said is not known.
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from harness.base.files import listed, private_folder

Event = dict[
    str, Any
]  # `event` says which, `at` when; see harness.dispatch.worker for what each holds


def seconds_of(moment: str) -> float:
    """A moment of a file as seconds since the epoch."""
    return datetime.fromisoformat(moment).timestamp()


class Attempt(NamedTuple):
    """One execution of a job by a worker, as its event log has it; `beat_at` is when it last gave a
    sign of life.
    """

    id: str
    events: tuple[Event, ...]
    beat_at: float

    @property
    def begun(self) -> Event:
        """Who, where and with what: the first event."""
        return self.events[0]

    @property
    def ended(self) -> Event | None:
        """The last event of an attempt that ended by itself."""
        return self.events[-1] if self.events[-1]["event"] == "ended" else None


class EventLog:
    """The log of one attempt, written as things happen. A full disk loses events, never the
    training.
    """

    def __init__(self, folder: Path, attempt: str):
        private_folder(folder)
        self.path = folder / f"{attempt}.jsonl"
        self._torn = False

    def write(self, event: str, **fields: Any) -> None:
        """Append one event with the time of now."""
        line = json.dumps(
            {"event": event, "at": datetime.now(UTC).isoformat(timespec="microseconds"), **fields}
        )
        whole = f"\n{line}\n" if self._torn else f"{line}\n"
        try:
            with open(self.path, "a", encoding="utf-8") as file:
                self._torn = True  # until it is known to be written
                file.write(whole)
            self._torn = False
        except OSError as error:
            print(f"the event could not be written ({error.strerror}): {line}", flush=True)

    def beat(self) -> None:
        """Say that the attempt is alive, without a word."""
        try:
            os.utime(self.path)
        except OSError as error:
            print(f"no heartbeat ({error.strerror})", flush=True)


def read_attempts(folder: Path) -> list[Attempt]:
    """All attempts of an experiment in the order of their beginning."""
    attempts = []
    for path in listed(folder):
        events = tuple(_events(path)) if path.suffix == ".jsonl" else ()
        if events and events[0]["event"] == "begun":
            attempts.append(Attempt(path.stem, events, path.stat().st_mtime))
    return sorted(attempts, key=lambda attempt: attempt.begun["at"])


def _events(path: Path) -> Iterator[Event]:
    for line in path.read_bytes().splitlines():
        with suppress(ValueError):
            event = json.loads(line)
            if isinstance(event, dict) and "event" in event and "at" in event:
                yield event
