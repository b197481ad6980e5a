"""Replays in a list: a row each, from what lies in their folders."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.json_text import FORMAT
from harness.paper.replay.content import Replay
from harness.paper.replay.page import missing_words
from harness.paper.replay.points import Summary, in_one_sentence, outcome_words, summary
from harness.show.pages.page import write_html


class IndexRow(NamedTuple):
    """A replay in a list. Without a page (`folder` is None) it says only what is `missing`, and what to do.

    `facts` is what its `replay.json` says, place, title and scale at least, `folder` where it lies from where the list
    is. `finding` is the first that says more than `summary`; `judged` counts the verdicts on its rules by outcome.
    """

    facts: Mapping[str, Any]
    missing: str
    folder: str | None = None
    summary: Summary | None = None
    finding: str = ""
    judged: str = ""


def row_of(folder: Path, base: Path) -> IndexRow:
    """The row of a replay whose page lies in `folder`, for a list in `base`; a HarnessError if it is damaged."""
    try:
        facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
        points = pd.read_csv(folder / "replay.csv")
        finding = next((one for one in facts["findings"] if one != in_one_sentence(points)), "")
        missing = missing_words(facts["missing"], facts["runs"])
        judged = outcome_words(Counter(verdict["verdict"] for verdict in verdicts_of(facts)))
        return IndexRow(facts, missing, folder.relative_to(base).as_posix(), summary(points), finding, judged)
    except (ValueError, KeyError, OSError) as error:
        text = f"{folder}: replay.json or replay.csv is damaged ({error}); `harness replay` makes them anew"
        raise HarnessError(text, INCOMPLETE) from None


def verdicts_of(facts: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    """The verdicts that a `replay.json` says; of an earlier version, whose rules were others, none."""
    found: Sequence[dict[str, Any]] = facts["verdicts"] if facts.get("format") == FORMAT else ()
    return found


def row_without_page(replay: Replay, scale: str, why: str) -> IndexRow:
    """The row of a replay that came to no page."""
    return IndexRow({"place": replay.place, "title": replay.title, "scale": scale}, why)


def write_index(rows: Sequence[IndexRow], command: str, path: Path) -> None:
    """Write the list as a page whose figures and links are those of the rows' folders."""
    write_html(path, "replays.html", rows=rows, command=command)
