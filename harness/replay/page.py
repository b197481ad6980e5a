"""A replay written down: what its kind says, and what every page has, as HTML, CSV and figures."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from harness.files import whole_file
from harness.plot import human
from harness.plot_residuals import write_figure
from harness.reference import errata
from harness.replay.content import POINT_COLUMNS, Page, Replay, Runs, Table
from harness.report import png, provenance, template


class Made(NamedTuple):
    """How a page came to be: the command, and what it changed in the full experiment, by dotted path."""

    command: str
    changes: Mapping[str, Any]


def write_page(runs: Runs, replay: Replay, made: Made, folder: Path) -> Page:
    """Write `replay.html`, `replay.csv` and every figure (as png and pdf) into `folder`, and return what they say."""
    page = replay.kind(runs, replay)
    first = [*POINT_COLUMNS, *(name for name in page.points if name not in POINT_COLUMNS)]
    page = page._replace(points=page.points[first])
    records = runs.records.values()
    text = template("replay.html").render(
        manifest=runs.manifest,
        replay=replay,
        made=made,
        page=page,
        pictures=[(one, png(one.figure)) for one in page.figures],
        points=_points_table(page.points),
        not_run=int((page.points["outcome"] == "not run").sum()),
        errata=_concerned(page.points),
        shown=shown,
        seeds=len(runs.manifest.experiment.seeds),
        evaluations=sum(record.evaluations for record in records),
        provenance=provenance(record.provenance for record in records),
    )
    with whole_file(folder / "replay.html") as path:
        path.write_text(text, encoding="utf-8")
    with whole_file(folder / "replay.csv") as path:
        page.points.to_csv(path, index=False)
    for one in page.figures:
        write_figure(one.figure, folder / one.stem)
    return page


def _points_table(points: pd.DataFrame) -> Table:
    numeric = ("published", "median", "best", "worst", "seeds", "ratio")
    columns = ("what", "ours", *numeric, "outcome")
    whole = points.assign(seeds=points["seeds"].astype("Int64").astype(object).where(points["seeds"].notna(), None))
    return Table("Every point", "", columns, whole[list(columns)].to_numpy(object).tolist(), numeric)


def shown(value: str | float | None) -> str:
    """What stands in a cell: text as it is, whole numbers in full, others to three digits, none as a dash."""
    if isinstance(value, str):
        return value
    if value is None or math.isnan(value):
        return "–"
    return f"{int(value):,}" if isinstance(value, int) else human(value)


def _concerned(points: pd.DataFrame) -> list[dict[str, Any]]:
    """The errata that concern any of the points."""
    ids = {one for names in points["errata"] for one in names.split()}
    table = errata()
    return [
        {str(name): value for name, value in row.items()}
        for row in table[table["erratum"].isin(ids)].fillna("").to_dict("records")
    ]
