"""A replay written down: what its kind says, and what every page has, as HTML, CSV and figures."""

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.base.files import whole_file
from harness.base.json_text import write_json
from harness.paper.reference import load
from harness.paper.replay.content import Page, Replay, ReplayRuns
from harness.paper.replay.points import POINT_COLUMNS
from harness.show.figures.svg import inline_svg
from harness.show.figures.theme import write_figure
from harness.show.pages.page import provenance, write_html
from harness.show.tables.frames import table_of_frame

# Of the table of points, on the page; replay.csv has them all.
SHOWN_COLUMNS = ("what", "ours", "published", "median", "best", "worst", "seeds", "ratio", "outcome")


class Made(NamedTuple):
    """How a page came to be: the command, the scale in words, and what that changed in the experiment, by dotted path.

    `missing` counts the runs without a record by series: a page of part of the runs says so on top.
    """

    command: str
    scale: str
    changes: Mapping[str, Any]
    missing: Mapping[str, int]


def write_page(
    runs: ReplayRuns, replay: Replay, made: Made, verdicts: Sequence[Mapping[str, Any]], folder: Path
) -> Page:
    """Write `replay.html`, `replay.csv` and every figure (as png and pdf) into `folder`, and return what they say.

    `verdicts` are those on the rules of the experiment in plain types, or that they were not judged.
    `replay.json` has in short what lists of replays say of it (`harness.paper.replay.index`).
    """
    page = replay.kind(runs, replay)
    with files(__package__).joinpath("claims.csv").open(encoding="utf-8") as file:
        claims = pd.read_csv(file)
    for claim in claims.loc[claims["place"] == replay.place, "claim"]:
        page = page._replace(lead=(*page.lead, f"The paper's claim: {claim}"))
    first = [*POINT_COLUMNS, *(name for name in page.points if name not in POINT_COLUMNS)]
    page = page._replace(points=page.points[first])
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
        pictures=[(picture, inline_svg(picture.draw, picture.stem, picture.alt)) for picture in page.figures],
        points=table_of_frame("Every point", page.points[list(SHOWN_COLUMNS)]),
        not_run=int((page.points["outcome"] == "not run").sum()),
        silent=list(silent.loc[[replay.place in places.split("; ") for places in silent["places"]], "choice"]),
        errata=errata[errata["erratum"].isin(concerned)].to_dict("records"),
        verdicts=verdicts,
        runs=len(runs.records),
        seeds=len(runs.manifest.experiment.seeds),
        evaluations=evaluations,
        provenance=origin,
    )
    exponents = itertools.chain.from_iterable(table.rows for table in page.tables if table.title == "Exponents")
    facts = {
        "place": replay.place,
        "title": replay.title,
        **made._asdict(),
        "runs": len(runs.manifest.run_ids()),
        "figures": [picture.stem for picture in page.figures],
        "lead": page.lead,
        "findings": page.findings,
        "exponents": [row.cells for row in exponents],
        "verdicts": list(verdicts),
        "evaluations": evaluations,
        **{name: origin[name] for name in ("seconds", "cpu_seconds", "first", "last")},
        "machines": sorted({device for (_, device, _), _ in origin["machines"]}),
        "commits": [f"{commit}{' (dirty)' if dirty else ''}" for (commit, dirty), _ in origin["commits"]],
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
