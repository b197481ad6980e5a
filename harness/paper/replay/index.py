"""Replays in a list, a row each, from what lies in their folders; and those that the project keeps."""

import json
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import write_whole
from harness.base.json_text import FORMAT
from harness.paper.replay.content import Replay
from harness.paper.replay.page import missing_words
from harness.paper.replay.points import outcome_words
from harness.record import Metrics
from harness.show.pages.page import write_html
from harness.show.tables.table import TableCell, table_of, to_markdown
from harness.show.tables.verdicts import RULE_COLUMNS, rules_table


class IndexRow(NamedTuple):
    """A replay in a list. Without a page (`folder` is None) it says only what is `missing`, and what to do.

    `facts` is what its `replay.json` says, place, title and scale at least, `folder` where it lies from where the list
    is. `judged` counts the verdicts on its rules by outcome.
    """

    facts: Mapping[str, Any]
    missing: str
    folder: str | None = None
    judged: str = ""


def row_of(folder: Path, base: Path) -> IndexRow:
    """The row of a replay whose page lies in `folder`, for a list in `base`; a HarnessError if it is damaged."""
    try:
        facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
        missing = missing_words(facts["missing"], facts["runs"])
        judged = outcome_words(Counter(verdict["verdict"] for verdict in verdicts_of(facts)))
        return IndexRow(facts, missing, folder.relative_to(base).as_posix(), judged)
    except (ValueError, KeyError, OSError) as error:
        text = f"{folder}: replay.json is damaged ({error}); `harness replay` makes them anew"
        raise HarnessError(text, INCOMPLETE) from None


def verdicts_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdicts that a `replay.json` says; of an earlier version, whose rules were others, none."""
    return list(facts["verdicts"]) if facts.get("format") == FORMAT else []


def row_without_page(replay: Replay, scale: str, why: str) -> IndexRow:
    """The row of a replay that came to no page."""
    return IndexRow({"place": replay.place, "title": replay.title, "scale": scale}, why)


def write_index(rows: Sequence[IndexRow], command: str, path: Path) -> None:
    """Write the list as a page whose figures and links are those of the rows' folders."""
    write_html(path, "replays.html", rows=rows, command=command)


# ---------------------------------------------------------------------------------------------------------------- kept
# Of the table of runs, what tells one from another, what came out and what it took; counts under other conventions
# follow from shape and grid.
RUN_COLUMNS = (
    *("run_id", "task", "series", "shape", "grid", "order", "seed", "trial", "chosen", "status"),
    *Metrics.model_fields,
    *("evaluations", "params.trainable", "params.paper", "flops_train.shared_dense", "seconds"),
    *("pack_seconds", "pack_lanes"),
)
README, VERDICTS = files(__package__).joinpath("kept.md").read_text(encoding="utf-8").split("<!-- verdicts -->")


def keep(folder: Path, table: pd.DataFrame, kept: Path) -> Path:
    """Copy the replay in `folder`, whose runs are `table`, into `kept`, in place of an earlier one; list all there."""
    facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
    target = kept / folder.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in ("replay.html", "replay.csv", "replay.json", *(f"{stem}.png" for stem in facts["figures"])):
        shutil.copyfile(folder / name, target / name)
    columns = [name for name in RUN_COLUMNS if name in table and table[name].notna().any()]
    table[columns].to_csv(target / "runs.csv", index=False, float_format="%.6g")
    rows = [row_of(path.parent, kept) for path in sorted(kept.glob("*/replay.json"))]
    write_index(rows, "harness replay NAME --keep", kept / "index.html")
    write_whole(kept / "README.md", README + "".join(map(_line, rows)) + _verdicts(rows))
    return target


def _verdicts(rows: Sequence[IndexRow]) -> str:
    """A row for every rule of every replay that has rules; replays that earlier rules judged are named."""
    judged: list[list[TableCell]] = []
    earlier = []
    for row in rows:
        verdicts = verdicts_of(row.facts)
        if row.facts.get("verdicts") and not verdicts:
            earlier.append(f"[{row.folder}]({row.folder}/replay.html)")
        judged += [[row.folder, *rule.cells] for rule in rules_table(verdicts).rows]
    table = table_of("", ("replay", *RULE_COLUMNS), judged)
    shown = VERDICTS + to_markdown(table) + "\n" if judged else ""
    return shown + (f"\nJudged by rules of before version 1.0: {', '.join(earlier)}.\n" if earlier else "")


def _line(row: IndexRow) -> str:
    facts = row.facts
    # Replays that were kept before the processor's were noted have the clock's alone.
    seconds = facts["seconds"] + (f" ({facts['cpu_seconds']})" if "cpu_seconds" in facts else "")
    runs = f"{facts['runs']} ({row.missing})" if row.missing else str(facts["runs"])
    made = f"{facts['last'][:10]}, {', '.join(commit[:9] for commit in facts['commits'])}"
    about = (f"[{row.folder}]({row.folder}/replay.csv)", f"{facts['place']}: {facts['title']}", facts["scale"])
    return f"| {' | '.join((*about, runs, seconds, made))} | `{facts['command']}` |\n"
