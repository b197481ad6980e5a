"""A replay written down: what its kind says, and what every page has, as HTML, CSV and figures.

And replays in a list, a row each, from what lies in their folders; and those that the project
keeps.
"""

import itertools
import json
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.errors import INCOMPLETE, HarnessError
from harness.base.files import whole_file, write_whole
from harness.base.json_text import FIRST_OF_THESE_RULES, write_json
from harness.paper.reference import load
from harness.paper.replay.content import Page, Replay, ReplayRuns
from harness.paper.replay.points import POINT_COLUMNS, outcome_words
from harness.record.schema import Metrics
from harness.record.table_files import for_spreadsheets
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import write_figure
from harness.show.pages.page import provenance, write_html
from harness.show.tables.frames import table_of_frame
from harness.show.tables.table import TableCell, table_of, to_markdown
from harness.show.tables.verdicts import RULE_COLUMNS, rules_table

# Of the table of points, on the page; replay.csv has them all.
SHOWN_COLUMNS = (
    "what",
    "ours",
    "published",
    "median",
    "best",
    "worst",
    "seeds",
    "ratio",
    "outcome",
)


class Made(NamedTuple):
    """How a page came to be: the command, the scale in words, and what that changed in the
    experiment, by dotted path.

    `missing` counts the runs without a record by series: a page of part of the runs says so on top.
    """

    command: str
    scale: str
    changes: Mapping[str, Any]
    missing: Mapping[str, int]


def write_page(
    runs: ReplayRuns, replay: Replay, made: Made, verdicts: list[dict[str, Any]], folder: Path
) -> Page:
    """Write `replay.html`, `replay.csv` and every figure (as png and pdf) into `folder`, and return
    what they say.

    `verdicts` are those on the rules of the experiment in plain types, or that they were not
    judged. `replay.json` has in short what lists of replays say of it
    (`harness.paper.replay.page`).
    """
    page = replay.kind(runs, replay)
    columns = [*POINT_COLUMNS, *(name for name in page.points if name not in POINT_COLUMNS)]
    page = page._replace(
        lead=(*page.lead, f"The paper's claim: {replay.claim}"), points=page.points[columns]
    )
    records = runs.records.values()
    with files(__package__).joinpath("silent.csv").open(encoding="utf-8") as file:
        silent = pd.read_csv(file)
    errata, concerned = load("errata").fillna(""), set(" ".join(page.points["errata"]).split())
    evaluations = sum(record.evaluations for record in records)
    origin = provenance(record.provenance for record in records)
    write_html(
        folder / "replay.html",
        "replay.html",
        manifest=runs.manifest,
        replay=replay,
        made=made,
        changes=list(_changed(made.changes)),
        incomplete=missing_words(made.missing, len(runs.manifest.run_ids())),
        page=page,
        pictures=[
            (picture, inline_svg(picture.draw, picture.stem, picture.alt))
            for picture in page.figures
        ],
        points=table_of_frame("Every point", page.points[list(SHOWN_COLUMNS)]),
        not_run=int((page.points["outcome"] == "not run").sum()),
        silent=list(
            silent.loc[
                [replay.place in places.split("; ") for places in silent["places"]], "choice"
            ]
        ),
        errata=errata[errata["erratum"].isin(concerned)].to_dict("records"),
        verdicts=verdicts,
        runs=len(runs.records),
        seeds=len(runs.manifest.experiment.seeds),
        evaluations=evaluations,
        provenance=origin,
    )
    exponents = itertools.chain.from_iterable(
        table.rows for table in page.tables if table.title == "Exponents"
    )
    facts = {
        "place": replay.place,
        "title": replay.title,
        **made._asdict(),
        "runs": len(runs.manifest.run_ids()),
        "figures": [picture.stem for picture in page.figures],
        "lead": page.lead,
        "exponents": [row.cells for row in exponents],
        "verdicts": list(verdicts),
        "evaluations": evaluations,
        **{name: origin[name] for name in ("seconds", "cpu_seconds", "first", "last")},
        "machines": sorted({device for (_, device, _), _ in origin["machines"]}),
        "commits": [
            f"{commit}{' (dirty)' if dirty else ''}" for (commit, dirty), _ in origin["commits"]
        ],
    }
    write_json(facts, folder / "replay.json")
    with whole_file(folder / "replay.csv") as path:
        page.points.to_csv(path, index=False)
    for drawn in page.figures:
        write_figure(drawn.draw(), folder / drawn.stem)
    return page


def missing_words(missing: Mapping[str, int], total: int) -> str:
    """`12 of 40 runs have no record: 8 of mlp, 4 of kan`; nothing if none is missing."""
    if not missing:
        return ""
    series = ", ".join(f"{count} of {name}" for name, count in missing.items())
    return f"{sum(missing.values())} of {total} runs have no record: {series}"


def _changed(changes: Mapping[str, Any]) -> Iterator[str]:
    """`path: value`, one by one, those of the axes `zip` and `grid` too."""
    for path, value in changes.items():
        if path in ("zip", "grid"):
            yield from _changed(value)
        else:
            yield f"{path}: {json.dumps(value, ensure_ascii=False)}"


# --------------------------------------------------------------------------------------------------
# lists of replays
class IndexRow(NamedTuple):
    """A replay in a list. Without a page (`folder` is None) it says only what is `missing`, and
    what to do.

    `facts` is what its `replay.json` says, place, title and scale at least, `folder` where it lies
    from where the list is. `judged` counts the verdicts on its rules by outcome.
    """

    facts: Mapping[str, Any]
    missing: str
    folder: str | None = None
    judged: str = ""


def row_of(folder: Path, base: Path) -> IndexRow:
    """The row of a replay whose page lies in `folder`, for a list in `base`; a HarnessError if it
    is damaged.
    """
    try:
        facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
        missing = missing_words(facts["missing"], facts["runs"])
        judged = outcome_words(Counter(verdict["verdict"] for verdict in verdicts_of(facts)))
        return IndexRow(facts, missing, folder.relative_to(base).as_posix(), judged)
    except (ValueError, KeyError, OSError) as error:
        text = f"{folder}: replay.json is damaged ({error}); `harness replay` makes them anew"
        raise HarnessError(text, INCOMPLETE) from None


def verdicts_of(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The verdicts that a `replay.json` says; of an earlier version, whose rules were others,
    none.
    """
    return list(facts["verdicts"]) if facts.get("format", 0) >= FIRST_OF_THESE_RULES else []


def write_index(rows: Sequence[IndexRow], command: str, path: Path) -> None:
    """Write the list as a page whose figures and links are those of the rows' folders."""
    write_html(path, "replays.html", rows=rows, command=command)


# --------------------------------------------------------------------------------------------------
# kept Of the table of runs, what tells one from another, what came out and what it took; counts
# under other conventions follow from shape and grid.
RUN_COLUMNS = (
    *("run_id", "task", "series", "shape", "grid", "order", "seed", "trial", "chosen", "status"),
    *Metrics.model_fields,
    *("evaluations", "params.trainable", "params.paper", "flops_train.shared_dense", "seconds"),
    *("pack_seconds", "pack_lanes"),
)
README, VERDICTS = (
    files(__package__).joinpath("kept.md").read_text(encoding="utf-8").split("<!-- verdicts -->")
)


def keep(folder: Path, table: pd.DataFrame, kept: Path) -> Path:
    """Copy the replay in `folder`, whose runs are `table`, into `kept`, in place of an earlier one;
    list all there.
    """
    facts = json.loads((folder / "replay.json").read_text(encoding="utf-8"))
    target = kept / folder.name
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in (
        "replay.html",
        "replay.csv",
        "replay.json",
        *(f"{stem}.png" for stem in facts["figures"]),
    ):
        shutil.copyfile(folder / name, target / name)
    columns = [name for name in RUN_COLUMNS if name in table and table[name].notna().any()]
    for_spreadsheets(table[columns]).to_csv(target / "runs.csv", index=False, float_format="%.6g")
    rows = [row_of(path.parent, kept) for path in sorted(kept.glob("*/replay.json"))]
    write_index(rows, "harness replay NAME --keep", kept / "index.html")
    write_whole(kept / "README.md", README + "".join(map(_line, rows)) + _verdicts(rows))
    return target


def _verdicts(rows: Sequence[IndexRow]) -> str:
    """A row for every rule of every replay that has rules; replays that earlier rules judged are
    named.
    """
    judged: list[list[TableCell]] = []
    earlier = []
    for row in rows:
        verdicts = verdicts_of(row.facts)
        if row.facts.get("verdicts") and not verdicts:
            earlier.append(f"[{row.folder}]({row.folder}/replay.html)")
        judged += [[row.folder, *rule.cells] for rule in rules_table(verdicts).rows]
    table = table_of("", ("replay", *RULE_COLUMNS), judged)
    shown = VERDICTS + to_markdown(table) + "\n" if judged else ""
    return shown + (
        f"\nJudged by rules of before version 1.0: {', '.join(earlier)}.\n" if earlier else ""
    )


def _line(row: IndexRow) -> str:
    facts = row.facts
    # Replays that were kept before the processor's were noted have the clock's alone.
    seconds = facts["seconds"] + (f" ({facts['cpu_seconds']})" if "cpu_seconds" in facts else "")
    runs = f"{facts['runs']} ({row.missing})" if row.missing else str(facts["runs"])
    made = f"{facts['last'][:10]}, {', '.join(commit[:9] for commit in facts['commits'])}"
    about = (
        f"[{row.folder}]({row.folder}/replay.csv)",
        f"{facts['place']}: {facts['title']}",
        facts["scale"],
    )
    return f"| {' | '.join((*about, runs, seconds, made))} | `{facts['command']}` |\n"
